//! The pipeline, instruction by instruction, for Konata (format "Kanata", version 0004).
//!
//! The stages are Rocket's: `F` fetch, `D` decode, `X` execute, `M` memory, `W` write-back. An instruction stands in `D`
//! in the cycle in which it issues. Cycles in which nothing issued belong to the one that issues next: those that fetch
//! lost (branches, caches, restarts) stretch its `F`, those that decode held it back stretch its `D`. Lane 1 says why, and
//! so does the text that shows over an instruction. Under a timing model without stages, an instruction is one bar, `E`.
//! A trap is shown as an instruction that is flushed.
//!
//! Source of the format: Konata's `docs/kanata-log-format.md`.

use std::fmt::Write as _;
use std::io::{self, Write};

use relsim_core::timing::CycleCause;
use rustc_hash::FxHashMap;

use super::event::{About, Event, Exporter, Names, Wants, What};
use super::sorted::Sorted;

/// Addresses whose functions are kept; beyond that all are forgotten.
const MAX_FUNCTIONS: usize = 1 << 20;

/// A line about an instruction that is not written yet.
struct Line {
    command: char,
    /// The instruction, by its number among all.
    instruction: u64,
    rest: String,
}

/// Writes the format.
pub struct Konata<W: Write> {
    out: W,
    names: Names,
    write_back_cycles: Option<u64>,
    /// Lines that are not written yet.
    lines: Sorted<Line>,
    /// By instruction: its number in the file, which counts from 0 in the order in which they appear there.
    numbers: FxHashMap<u64, u64>,
    /// By address: the name of its function, as it is shown.
    functions: FxHashMap<u64, String>,
    appeared: u64,
    /// When the latest instruction of each hart left decode.
    issued: Vec<u64>,
    next: u64,
    retired: u64,
    begun: bool,
}

impl<W: Write> Konata<W> {
    /// To `out`, which should be buffered.
    pub fn new(out: W, names: Names, about: About) -> Self {
        Self {
            out,
            names,
            write_back_cycles: about.write_back_cycles,
            lines: Sorted::default(),
            numbers: FxHashMap::default(),
            functions: FxHashMap::default(),
            appeared: 0,
            issued: vec![0; about.harts],
            next: 0,
            retired: 0,
            begun: false,
        }
    }

    /// A line about `instruction` in `cycle`, or in the earliest that is not written.
    fn put(&mut self, cycle: u64, command: char, instruction: u64, rest: std::fmt::Arguments<'_>) {
        self.lines.put(cycle, Line { command, instruction, rest: rest.to_string() });
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let Line { command, instruction, rest } = line;
        let number = match command {
            'I' => {
                let number = self.appeared;
                self.appeared += 1;
                self.numbers.insert(*instruction, number);
                number
            }
            'R' => self.numbers.remove(instruction).unwrap_or_default(),
            _ => self.numbers.get(instruction).copied().unwrap_or_default(),
        };
        writeln!(self.out, "{command}\t{number}\t{rest}")
    }

    fn write_sorted(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            self.out.write_all(b"Kanata\t0004\n")?;
        }
        while let Some((before, cycle, lines)) = self.lines.next() {
            match before {
                None => writeln!(self.out, "C=\t{cycle}")?,
                Some(before) => writeln!(self.out, "C\t{}", cycle - before)?,
            }
            lines.iter().try_for_each(|line| self.write(line))?;
        }
        Ok(())
    }

    /// Draws what took the cycles up to `event.cycle`: an instruction, or what traps.
    fn draw(&mut self, event: &Event<'_>, text: &str, retires: bool) {
        let (id, hart) = (self.next, event.hart);
        self.next += 1;
        let behind = self.write_back_cycles.unwrap_or(0);
        let issue = event.cycle.saturating_sub(behind);
        let before = self.issued.get(hart).copied().unwrap_or(0).max(issue.saturating_sub(event.cycles));
        if let Some(issued) = self.issued.get_mut(hart) {
            *issued = issue;
        }
        let stalls = || event.causes.iter().filter(|(cause, _)| *cause != CycleCause::Issue);
        let fetch: u64 = stalls().filter(|(cause, _)| is_fetch(*cause)).map(|(_, cycles)| cycles).sum();
        // It is fetched while the one before it is in decode.
        let begin = before;
        self.put(begin, 'I', id, format_args!("{id}\t{hart}"));
        self.put(begin, 'L', id, format_args!("0\t{text}"));
        if stalls().next().is_some() {
            let mut why = String::new();
            for (cause, cycles) in stalls() {
                let _ = write!(why, "{}{} {cycles}", if why.is_empty() { "" } else { ", " }, cause.name());
            }
            self.put(begin, 'L', id, format_args!("1\theld up: {why}"));
        }
        if behind == 0 {
            self.put(before, 'S', id, format_args!("0\tE"));
            self.put(event.cycle.max(before + 1), 'E', id, format_args!("0\tE"));
        } else {
            let decode = (before + 1 + fetch).min(issue);
            self.put(begin, 'S', id, format_args!("0\tF"));
            self.put(decode, 'S', id, format_args!("0\tD"));
            let mut at = before + 1;
            for in_fetch in [true, false] {
                for &(cause, cycles) in stalls().filter(|(cause, _)| is_fetch(*cause) == in_fetch) {
                    self.put(at, 'S', id, format_args!("1\t{}", cause.name()));
                    at += cycles;
                    self.put(at.min(issue), 'E', id, format_args!("1\t{}", cause.name()));
                }
            }
            for (stage, at) in ["X", "M", "W"].into_iter().zip(issue + 1..) {
                self.put(at, 'S', id, format_args!("0\t{stage}"));
            }
            self.put(event.cycle + 1, 'E', id, format_args!("0\tW"));
        }
        let end = event.cycle.max(before + 1) + u64::from(behind > 0);
        let retired = self.retired;
        self.put(end, 'R', id, format_args!("{retired}\t{}", u8::from(!retires)));
        self.retired += u64::from(retires);
    }
}

/// Whether fetch loses the cycles, rather than that decode holds an instruction.
const fn is_fetch(cause: CycleCause) -> bool {
    matches!(
        cause,
        CycleCause::Fetch
            | CycleCause::InstructionCache
            | CycleCause::InstructionTlb
            | CycleCause::Branch
            | CycleCause::Flush
    )
}

impl<W: Write> Exporter for Konata<W> {
    fn wants(&self) -> Wants {
        Wants { instructions: true, text: true, causes: true }
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event.what {
            What::Instruction(instruction) => {
                let pc = instruction.pc;
                if self.functions.len() >= MAX_FUNCTIONS {
                    self.functions.clear();
                }
                let names = &self.names;
                let show =
                    || (names.function)(pc).map(|name| format!("  <{}>", clean(&name))).unwrap_or_default();
                let function = self.functions.entry(pc).or_insert_with(show);
                let text = format!("{pc:x}: {}{function}", instruction.text);
                self.draw(event, &text, true);
            }
            What::Trap(trap) => {
                let (from, to) = (trap.from.letter(), trap.to.letter());
                let text = format!("{:x}: trap: {}, {from} to {to}", trap.epc, trap.name);
                self.draw(event, &text, false);
            }
            // They belong to an instruction that is shown.
            What::Return(_) | What::Mark(_) | What::Send(_) => {}
        }
        self.lines.reached(event.cycle);
        self.write_sorted()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.lines.finish();
        self.write_sorted()?;
        self.out.flush()
    }
}

/// `text` without what separates fields.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
