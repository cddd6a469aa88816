//! Traces: `relsim run --trace`, and `relsim trace`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use relsim_core::decode::Decoder;
use relsim_core::disasm;
use relsim_core::hart::Priv;
use relsim_machine::session::{Expr, ExprError, Moment};
use relsim_machine::{Machine, MachineConfig, Tables, platform};
use relsim_traces::trace::diff::{DiffError, Outcome, diff};
use relsim_traces::trace::import::{Step, Steps};
use relsim_traces::trace::jsonl::JsonLines;
use relsim_traces::trace::konata::Konata;
use relsim_traces::trace::perfetto::Perfetto;
use relsim_traces::trace::vcd::Vcd;
use relsim_traces::trace::{About, Condition, Event, Exporter, Instruction, Messages, Names, Tracer, What};

use super::print;
use crate::args::{ConvertFormat, ProfileFormat, RunArgs, TraceCommand, TraceFormat};
use crate::error::CliError;
use crate::symbols::Symbols;

/// Exit status when two traces part.
const PARTED: u8 = 1;
const BUFFER_BYTES: usize = 1 << 16;
/// Of a log whose machine is not known.
const LOG_FREQ_HZ: u64 = 1_000_000_000;

/// The trace that a run is to leave.
pub struct Traced<'a> {
    /// Its file.
    pub path: &'a Path,
    format: TraceFormat,
    when: Option<&'a str>,
}

impl<'a> Traced<'a> {
    /// The one that `args` ask for.
    ///
    /// # Errors
    /// [`CliError::NoTraceWhen`].
    pub fn of(args: &'a RunArgs) -> Result<Option<Self>, CliError> {
        let Some(path) = args.trace.as_deref() else { return Ok(None) };
        let ending = path.extension().and_then(|ending| ending.to_str());
        let by_ending = ending.and_then(TraceFormat::of_ending);
        let format = args.trace_format.or(by_ending).unwrap_or(TraceFormat::Perfetto);
        let whole = match format {
            TraceFormat::Spike => Some("commit log"),
            TraceFormat::Callgrind | TraceFormat::Folded => Some("profile"),
            TraceFormat::Perfetto | TraceFormat::Konata | TraceFormat::Vcd | TraceFormat::Jsonl => None,
        };
        let when = args.trace_when.as_deref();
        match whole.filter(|_| when.is_some()) {
            Some(format) => Err(CliError::NoTraceWhen { format }),
            None => Ok(Some(Self { path, format, when })),
        }
    }

    /// Its file, if it is a commit log.
    pub fn commit_log(&self) -> Option<PathBuf> {
        (self.format == TraceFormat::Spike).then(|| self.path.into())
    }

    /// Its format as a profile, if it is one.
    pub fn profile(&self) -> Option<ProfileFormat> {
        match self.format {
            TraceFormat::Callgrind => Some(ProfileFormat::Callgrind),
            TraceFormat::Folded => Some(ProfileFormat::Folded),
            _ => None,
        }
    }

    /// Watches `machine` for the others.
    ///
    /// # Errors
    /// If its file cannot be made, or its condition is none.
    pub fn tracer(
        &self,
        machine: &Machine,
        symbols: Symbols,
        regions: BTreeMap<u16, String>,
    ) -> Result<Tracer, CliError> {
        let condition = self.when.map(|text| condition(text, machine, &symbols)).transpose()?;
        let function = Box::new(move |address| symbols.find(address).map(|symbol| symbol.name));
        let names = Names { regions, function };
        let config = machine.config();
        let about = About {
            harts: config.harts,
            core_freq_hz: config.platform.core_freq_hz,
            write_back_cycles: config.timing.model().write_back_cycles,
        };
        let failed = |source| CliError::Write { what: "trace", path: self.path.into(), source };
        let out = || File::create(self.path).map(|file| BufWriter::with_capacity(BUFFER_BYTES, file));
        let exporter: Box<dyn Exporter> = match self.format {
            TraceFormat::Konata => Box::new(Konata::new(out().map_err(failed)?, names, about)),
            TraceFormat::Vcd => Box::new(out().and_then(|out| Vcd::new(out, about)).map_err(failed)?),
            TraceFormat::Jsonl => Box::new(JsonLines::new(out().map_err(failed)?, names)),
            TraceFormat::Perfetto | TraceFormat::Spike | TraceFormat::Callgrind | TraceFormat::Folded => {
                Box::new(out().and_then(|out| Perfetto::new(out, names, about)).map_err(failed)?)
            }
        };
        let decoder = machine.cores.first().map(|core| core.blocks.decoder().clone());
        let messages =
            Messages { sends: relsim_uintr::messages::sends, receives: relsim_uintr::messages::receives };
        let tracer = Tracer::new(exporter, config.harts, decoder).with_messages(messages);
        Ok(match condition {
            Some(condition) => tracer.when(condition),
            None => tracer,
        })
    }
}

/// The condition that `text` is, for the harts of `machine`. What has no value (memory that is not there) is not true.
fn condition(text: &str, machine: &Machine, symbols: &Symbols) -> Result<Condition, CliError> {
    let wrong = |error: ExprError| CliError::TraceWhen {
        message: error.message,
        text: text.into(),
        place: error.at.min(text.len()).into(),
    };
    let csrs = &machine.cores[0].hart.csr_table;
    let expr = Expr::parse(text, csrs, &|name| symbols.address(name)).map_err(wrong)?;
    Ok(Box::new(move |hart, bus, pc, (cycle, instret)| {
        let moment = Moment { hart, bus, pc, instret, cycle };
        expr.value(&moment).is_ok_and(|value| value != 0)
    }))
}

/// Carries out `relsim trace` and gives the exit status.
///
/// # Errors
/// What is wrong with the files.
pub fn run(command: &TraceCommand) -> Result<u8, CliError> {
    match command {
        TraceCommand::Diff { first, second } => compare(first, second),
        TraceCommand::Convert { input, output, to } => convert(input, output, *to).map(|()| 0),
    }
}

fn open(path: &Path) -> Result<BufReader<File>, CliError> {
    let file =
        File::open(path).map_err(|source| CliError::Read { what: "log", path: path.into(), source })?;
    Ok(BufReader::with_capacity(BUFFER_BYTES, file))
}

/// Disassembles for the ISA that has everything.
struct Text {
    decoder: std::sync::Arc<Decoder>,
    csrs: std::sync::Arc<relsim_core::csr::CsrTable>,
}

impl Text {
    fn new() -> Result<Self, CliError> {
        let config = MachineConfig::new(&platform::VIRT, crate::extensions::ALL).map_err(CliError::Config)?;
        let tables = Tables::new(&config).map_err(CliError::Build)?;
        Ok(Self { decoder: tables.decoder().clone(), csrs: tables.csrs().clone() })
    }

    fn of(&self, word: u32, pc: u64) -> String {
        let name = |number| self.csrs.get(number).map(|row| row.name);
        match self.decoder.decode(word) {
            Some((_, def)) => disasm::text(def, word, pc, &name),
            None => format!(".4byte {word:#x}"),
        }
    }
}

fn compare(first: &Path, second: &Path) -> Result<u8, CliError> {
    let outcome = diff(open(first)?, open(second)?).map_err(|error| match error {
        DiffError::First(error) => CliError::Trace { path: first.into(), message: error.to_string() },
        DiffError::Second(error) => CliError::Trace { path: second.into(), message: error.to_string() },
        error @ DiffError::TooFarApart(_) => CliError::Traces { message: error.to_string() },
    })?;
    let text = Text::new()?;
    match outcome {
        Outcome::Same(count) => {
            print(format!("the same: {count} instructions\n").as_bytes())?;
            Ok(0)
        }
        Outcome::Differ(found) => {
            let mut out = String::new();
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "hart {} differs in {} behind {} instructions that are the same",
                found.hart, found.what, found.same
            );
            for step in &found.before {
                let _ = writeln!(out, "  {}", line(&text, step));
            }
            for (sign, path, step) in [('-', first, &found.first), ('+', second, &found.second)] {
                let _ = match step {
                    Some(step) => {
                        writeln!(out, "{sign} {}    {}:{}", line(&text, step), path.display(), step.line)
                    }
                    None => writeln!(out, "{sign} {} ends here", path.display()),
                };
            }
            print(out.as_bytes())?;
            Ok(PARTED)
        }
    }
}

fn line(text: &Text, step: &Step) -> String {
    let mut line = format!("{:#018x}", step.pc);
    let letter = step.privilege.and_then(|bits| Priv::from_bits(bits.into())).map(Priv::letter);
    letter.into_iter().for_each(|letter| {
        let _ = write!(line, " {letter}");
    });
    if let Some(word) = step.word {
        let _ = write!(line, " {word:08x} {}", text.of(word, step.pc));
    }
    if !step.effects.is_empty() {
        let _ = write!(line, "  [{}]", step.effects);
    }
    line
}

fn convert(input: &Path, output: &Path, to: ConvertFormat) -> Result<(), CliError> {
    let mut steps = Steps::new(open(input)?);
    let wrong = |error: relsim_traces::trace::import::ImportError| CliError::Trace {
        path: input.into(),
        message: error.to_string(),
    };
    // Before there is an output file.
    let mut next = steps.next().transpose().map_err(wrong)?;
    let failed = |source| CliError::Write { what: "trace", path: output.into(), source };
    let text = Text::new()?;
    let out =
        File::create(output).map(|file| BufWriter::with_capacity(BUFFER_BYTES, file)).map_err(failed)?;
    let names = Names { regions: BTreeMap::new(), function: Box::new(|_| None) };
    let about = About { harts: MAX_HARTS, core_freq_hz: LOG_FREQ_HZ, write_back_cycles: None };
    let mut exporter: Box<dyn Exporter> = match to {
        ConvertFormat::Konata => Box::new(Konata::new(out, names, about)),
        ConvertFormat::Vcd => Box::new(Vcd::new(out, About { harts: VCD_HARTS, ..about }).map_err(failed)?),
        ConvertFormat::Jsonl => Box::new(JsonLines::new(out, names)),
    };
    let mut clocks: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    while let Some(step) = next {
        let clock = clocks.entry(step.hart).or_default();
        let cycle = step.cycle.unwrap_or(clock.0 + 1);
        let cycles = cycle.saturating_sub(clock.0);
        *clock = (cycle, clock.1 + 1);
        let word = step.word.unwrap_or_default();
        let shown = step.word.map_or(String::new(), |word| text.of(word, step.pc));
        let privilege = step.privilege.and_then(|bits| Priv::from_bits(bits.into()));
        let what =
            What::Instruction(Instruction { pc: step.pc, word, privilege, text: &shown, access: None });
        let event = Event { hart: step.hart, cycle, cycles, instructions: clock.1, causes: &[], what };
        exporter.event(&event).map_err(failed)?;
        next = steps.next().transpose().map_err(wrong)?;
    }
    exporter.finish().map_err(failed)
}

/// Harts of a log are no more than this.
const MAX_HARTS: usize = 64;
/// Harts that a waveform has room for.
const VCD_HARTS: usize = 8;
