//! `relsim run`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use relsim_machine::{Exit, Limits, Machine, Pause, Report};
use relsim_traces::commit_log::CommitLog;
use relsim_traces::profile::Metric;
use relsim_traces::trace::Tracer;

use super::profile::Profiler;
use super::trace::Traced;
use super::write_file;
use crate::args::{CheckpointArgs, DebuggedRunArgs, ProfileArgs, RunArgs};
use crate::breakdown;
use crate::checkpoint::{self, Points};
use crate::console::{HostConsole, Input, InputSource, Keyboard, line_end};
use crate::control::{Control, Quit};
use crate::error::CliError;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::stats::{self, Stats, StatsTarget};
use crate::symbols::Symbols;
use crate::{gdb, signature, status};

/// Who sees every instruction.
enum Watcher {
    Nobody,
    Log(CommitLog<File>),
    Trace(Tracer),
    Profile(Box<Profiler>),
}

/// Runs an image and gives the exit status.
///
/// # Errors
/// What is wrong with the arguments' files, or with writing the results.
pub fn run(args: &DebuggedRunArgs) -> Result<u8, CliError> {
    execute(&args.run, None, args.gdb.gdb, &args.checkpoint)
}

/// [`run`], with a profile if one is asked for, or under gdb, which finds relsim at an address.
///
/// # Errors
/// The same.
pub fn execute(
    args: &RunArgs,
    profile: Option<&ProfileArgs>,
    gdb: Option<SocketAddr>,
    checkpoints: &CheckpointArgs,
) -> Result<u8, CliError> {
    let mut plan = if gdb.is_some() { Plan::travelling(args)? } else { Plan::new(args)? };
    let symbols = Symbols::new(std::mem::take(&mut plan.software.symbols), &args.symbols)?;
    let region_names = symbols.region_names(&args.region_name);
    let traced = Traced::of(args)?;
    let identity = checkpoints.identity(args, &plan)?;
    let kept = if gdb.is_some() { checkpoint::identity(args, &plan) } else { Err(String::new()) };
    let log_path = args.commit_log.clone().or_else(|| traced.as_ref().and_then(Traced::commit_log));
    let log_file = log_path.as_deref().map(create_log).transpose()?;
    let control = Arc::new(Control::default());
    if gdb.is_none() {
        control.watch_signals()?;
    }
    if !args.quiet {
        plan.notes.iter().for_each(|note| eprintln!("relsim: {note}"));
    }
    let payload = &plan.software.payload;
    let given = plan.given();
    let input = match plan.input_source {
        // While gdb has the machine, nobody would serve the keys that are relsim's own.
        InputSource::Terminal if gdb.is_none() => {
            if !args.quiet {
                eprintln!("relsim: Ctrl-A x leaves, Ctrl-A h shows more keys");
            }
            Input::Keyboard(Keyboard::new(control.clone())?)
        }
        _ => Input::Bytes(plan.input.into()),
    };
    let console = Box::new(HostConsole::new(input, control.clone()));
    let mut machine = Machine::build(plan.config, payload, plan.virtio, console)?;
    let mut points = checkpoint::begin(checkpoints, identity, &mut machine, args.quiet)?;
    let before = machine.instructions();
    let image = plan.software.name.clone();
    let mut watcher = match (log_file, profile, &traced) {
        (Some(file), ..) => Watcher::Log(CommitLog::new(file, machine.cores[0].blocks.decoder())),
        (None, Some(args), _) => Watcher::Profile(Box::new(Profiler::new(args, image, symbols, &machine)?)),
        (None, None, Some(traced)) => match traced.profile() {
            Some(format) => {
                let what = (Metric::default(), None);
                let profiler = Profiler::to(Some(traced.path), format, what, image, symbols, &machine)?;
                Watcher::Profile(Box::new(profiler))
            }
            None => Watcher::Trace(traced.tracer(&machine, symbols, region_names.clone())?),
        },
        (None, None, None) => Watcher::Nobody,
    };
    let begun = Instant::now();
    let mut ended = None;
    if let Some(address) = gdb {
        (machine, ended) = gdb::serve(machine, address, args.limits(), kept)?;
        control.watch_signals()?;
    }
    let exit = if let Some(exit) = ended {
        exit
    } else {
        let progress = Progress::new(args.quiet, &control);
        let run =
            Drive { limits: args.limits(), control: &control, progress: progress.as_ref(), begun, before };
        run.drive(&mut machine, &mut watcher, &mut points)?
    };
    let host = begun.elapsed();
    let mut report = machine.report(exit);
    report.name_regions(|id| region_names.get(&id).cloned());
    let profiler = match watcher {
        Watcher::Nobody => None,
        Watcher::Log(log) => {
            let path = log_path.unwrap_or_default();
            log.finish().map_err(|source| CliError::Write { what: "commit log", path, source })?;
            None
        }
        Watcher::Trace(tracer) => {
            let path = args.trace.clone().unwrap_or_default();
            tracer.finish().map_err(|source| CliError::Write { what: "trace", path, source })?;
            None
        }
        Watcher::Profile(profiler) => Some(profiler.finish(&machine)),
    };
    let signature = args.signature.as_ref().zip(plan.software.signature).map(|(path, region)| {
        // The image fitted into memory, and so does what lies between its symbols, or else it is empty.
        let memory = machine.bus.ram.slice(region.base, region.size_bytes).unwrap_or(&[]);
        (path, signature::text(memory, args.signature_granularity as usize))
    });
    let config = machine.config().clone();
    // Gives the terminal back and writes out what the guest printed last.
    drop(machine);

    let closed = control.quits() == Some(Quit::OutputClosed);
    let guest_ended = matches!(report.exit, Exit::Guest { code: 0..=255 });
    if !args.quiet || !guest_ended {
        eprintln!("relsim: {}", end_message(&report.exit, closed));
    }
    points.finish();
    if !args.quiet {
        if let Some(note) = plan.input_note.filter(|_| !guest_ended) {
            eprintln!("relsim: {note}");
        }
        eprintln!("relsim: {}", stats::summary(&report, &config, host, before));
        breakdown::notes(&report, args.breakdown).iter().for_each(|note| eprintln!("relsim: {note}"));
    }
    if args.breakdown {
        eprint!("{}", breakdown::tables(&report));
    }
    if let Some(profile) = profiler {
        profile.write()?;
    }
    if let Some((path, text)) = signature {
        write_file("signature", path, text.as_bytes())?;
    }
    let exit = stats::exit_stats(&report.exit, closed);
    let status = if closed { status::OUTPUT_CLOSED } else { status::of(&report.exit) };
    if let Some(path) = &args.stats {
        let stats = Stats::new(given, &config, args.limits(), report, exit, host);
        write_stats(path.into(), &stats)?;
    }
    Ok(status)
}

fn end_message(exit: &Exit, output_closed: bool) -> String {
    match exit {
        Exit::Interrupted | Exit::Stopped if output_closed => "standard output was closed".into(),
        exit => status::message(exit),
    }
}

/// How a run is seen to its end.
struct Drive<'a> {
    limits: Limits,
    control: &'a Control,
    progress: Option<&'a Progress>,
    begun: Instant,
    /// Instructions that were retired before that.
    before: u64,
}

impl Drive<'_> {
    /// Runs the machine to its end, and serves the requests that come in between.
    ///
    /// # Errors
    /// A checkpoint that cannot be written.
    fn drive(
        &self,
        machine: &mut Machine,
        watcher: &mut Watcher,
        points: &mut Points,
    ) -> Result<Exit, CliError> {
        let Self { control, .. } = *self;
        loop {
            points.reached(machine)?;
            let pause = Pause { cycle: points.next().unwrap_or(u64::MAX), ..Pause::default() };
            let limits = Limits { pause, ..self.limits };
            let exit = match watcher {
                Watcher::Nobody => machine.run(limits, &control.stop),
                Watcher::Log(log) => machine.run_observed(limits, &control.stop, log),
                Watcher::Trace(tracer) => machine.run_observed(limits, &control.stop, tracer),
                Watcher::Profile(profiler) => profiler.run(machine, limits, &control.stop),
            };
            if exit == Exit::Stopped && points.next().is_some_and(|cycle| cycle <= machine.cycles()) {
                continue;
            }
            if exit != Exit::Interrupted || control.quits().is_some() {
                return Ok(exit);
            }
            // Cleared first: a request that comes now sets it again.
            control.stop.store(false, Ordering::Release);
            if control.quits().is_some() {
                return Ok(exit);
            }
            if control.take_statistics() {
                show_counts(&machine.report(Exit::Interrupted), machine, self.begun.elapsed(), self.before);
            }
            if let Some(progress) = self.progress {
                progress.show(machine.instructions(), machine.cycles());
            }
        }
    }
}

fn show_counts(report: &Report, machine: &Machine, host: Duration, before: u64) {
    let end = line_end();
    eprint!("{end}relsim: {}{end}", stats::summary(report, machine.config(), host, before));
    for (index, hart) in report.harts.iter().enumerate() {
        let pc = machine.cores.get(index).map_or(0, |core| core.hart.pc);
        let mode = machine.cores.get(index).map_or('?', |core| core.hart.privilege.letter());
        let traps: u64 = hart.traps.values().sum();
        eprint!(
            "relsim: hart {index}: {mode}-mode at {pc:#x}, {} instructions, {} cycles, {traps} traps{end}",
            hart.instructions, hart.cycles
        );
    }
}

fn create_log(path: &Path) -> Result<File, CliError> {
    File::create(path).map_err(|source| CliError::Write { what: "commit log", path: path.into(), source })
}

fn write_stats(target: StatsTarget, stats: &Stats) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(stats).map(|text| text + "\n");
    match (target, text) {
        (StatsTarget::Standard, Ok(text)) => super::print(text.as_bytes()),
        (StatsTarget::File(path), Ok(text)) => write_file("statistics", &path, text.as_bytes()),
        (target, Err(error)) => Err(CliError::Write {
            what: "statistics",
            path: match target {
                StatsTarget::Standard => "standard output".into(),
                StatsTarget::File(path) => path,
            },
            source: error.into(),
        }),
    }
}
