//! The pipeline, instruction by instruction, for Konata (format "Kanata", version 0004).
//!
//! The stages are Rocket's: `F` fetch, `D` decode, `X` execute, `M` memory, `W` write-back. An instruction stands in `D`
//! in the cycle in which it issues. Cycles in which nothing issued belong to the one that issues next: those that fetch
//! lost (branches, caches, restarts) stretch its `F`, those that decode held it back stretch its `D`. Lane 1 says why, and
//! so does the text that shows over an instruction. Under a timing model without stages, an instruction is one bar, `E`.
//! A trap is shown as an instruction that is flushed.
//!
//! Source of the format: Konata's `docs/kanata-log-format.md`.

use std::io::{self, Write};

use relsim_core::timing::CycleCause;
use rustc_hash::FxHashMap;

use super::event::{About, Event, Exporter, Names, Wants, What};
use super::sorted::Sorted;
use crate::text::{Decimal, Lines, Text};

/// Addresses whose functions are kept; beyond that all are forgotten.
const MAX_FUNCTIONS: usize = 1 << 20;

/// What happens to an instruction in a cycle.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// It appears.
    Begin,
    /// A stage begins in lane 0, where the one before it ends.
    Stage(&'static str),
    /// The same in lane 1.
    Why(&'static str),
    /// A stage ends in lane 0.
    StageEnd(&'static str),
    /// The same in lane 1.
    WhyEnd(&'static str),
    /// It is gone.
    End,
}

/// An instruction that is drawn, until it is gone; then its place is another one's.
#[derive(Debug, Default)]
struct Drawn {
    /// Its number in the file, which counts from 0 in the order in which they appear there.
    number: Decimal,
    /// Its number in the simulator.
    id: u64,
    hart: usize,
    /// Its label.
    label: Text,
    /// What held it up.
    why: Text,
    /// How many retired before it.
    retired: u64,
    retires: bool,
}

/// Writes the format.
pub struct Konata<W: Write> {
    lines: Lines<W>,
    names: Names,
    write_back_cycles: Option<u64>,
    /// What is not written yet, by the place of its instruction.
    changes: Sorted<(usize, Change)>,
    /// Those of a cycle.
    together: Vec<(usize, Change)>,
    drawn: Vec<Drawn>,
    /// Places among `drawn` that can be had.
    free: Vec<usize>,
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
    /// To `out`, which need not be buffered.
    pub fn new(out: W, names: Names, about: About) -> Self {
        Self {
            lines: Lines::new(out),
            names,
            write_back_cycles: about.write_back_cycles,
            changes: Sorted::new(about.harts),
            together: Vec::new(),
            drawn: Vec::new(),
            free: Vec::new(),
            functions: FxHashMap::default(),
            appeared: 0,
            issued: vec![0; about.harts],
            next: 0,
            retired: 0,
            begun: false,
        }
    }

    fn write(&mut self, place: usize, change: Change) -> io::Result<()> {
        let Some(drawn) = self.drawn.get_mut(place) else { return Ok(()) };
        if matches!(change, Change::Begin) {
            drawn.number = self.appeared.into();
            self.appeared += 1;
        }
        let number = drawn.number;
        let command = |text: &mut Text, letter: u8| {
            text.piece(&[letter, b'\t']);
            text.number(&number);
        };
        let text = &mut self.lines.text;
        match change {
            Change::Begin => {
                command(text, b'I');
                for field in [drawn.id, drawn.hart as u64] {
                    text.piece(b"\t");
                    text.decimal(field);
                }
                text.piece(b"\n");
                command(text, b'L');
                text.piece(b"\t0\t");
                text.bytes(drawn.label.as_bytes());
                if !drawn.why.as_bytes().is_empty() {
                    text.piece(b"\n");
                    command(text, b'L');
                    text.piece(b"\t1\theld up: ");
                    text.bytes(drawn.why.as_bytes());
                }
            }
            Change::Stage(name) | Change::Why(name) | Change::StageEnd(name) | Change::WhyEnd(name) => {
                let begins = matches!(change, Change::Stage(_) | Change::Why(_));
                let lane = matches!(change, Change::Why(_) | Change::WhyEnd(_));
                command(text, if begins { b'S' } else { b'E' });
                text.piece(if lane { b"\t1\t" } else { b"\t0\t" });
                text.bytes(name.as_bytes());
            }
            Change::End => {
                command(text, b'R');
                text.piece(b"\t");
                text.decimal(drawn.retired);
                text.piece(if drawn.retires { b"\t0" } else { b"\t1" });
                self.free.push(place);
            }
        }
        self.lines.end()
    }

    fn write_sorted(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            self.lines.text.piece(b"Kanata\t0004\n");
        }
        let mut changes = std::mem::take(&mut self.together);
        while let Some((before, cycle)) = self.changes.next(&mut changes) {
            let text = &mut self.lines.text;
            match before {
                None => text.piece(b"C=\t"),
                Some(_) => text.piece(b"C\t"),
            }
            text.decimal(cycle - before.unwrap_or(0));
            text.piece(b"\n");
            for (place, change) in changes.drain(..) {
                self.write(place, change)?;
            }
        }
        self.together = changes;
        Ok(())
    }

    /// A place for an instruction; what it had is still there.
    fn place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.drawn.push(Drawn::default());
            self.drawn.len() - 1
        })
    }

    /// Draws what took the cycles up to `event.cycle`: an instruction, or what traps. Its label is there.
    fn draw(&mut self, event: &Event<'_>, place: usize, retires: bool) {
        let hart = event.hart;
        let behind = self.write_back_cycles.unwrap_or(0);
        let issue = event.cycle.saturating_sub(behind);
        let before = self.issued.get(hart).copied().unwrap_or(0).max(issue.saturating_sub(event.cycles));
        if let Some(issued) = self.issued.get_mut(hart) {
            *issued = issue;
        }
        let stalls = || event.causes.iter().filter(|(cause, _)| *cause != CycleCause::Issue);
        let fetch: u64 = stalls().filter(|(cause, _)| is_fetch(*cause)).map(|(_, cycles)| cycles).sum();
        let drawn = &mut self.drawn[place];
        (drawn.id, drawn.hart, drawn.retired, drawn.retires) = (self.next, hart, self.retired, retires);
        drawn.why.clear();
        for (index, (cause, cycles)) in stalls().enumerate() {
            if index > 0 {
                drawn.why.piece(b", ");
            }
            drawn.why.bytes(cause.name().as_bytes());
            drawn.why.piece(b" ");
            drawn.why.decimal(*cycles);
        }
        self.next += 1;
        self.retired += u64::from(retires);
        let mut put = |cycle, change| self.changes.put(cycle, (place, change));
        // It is fetched while the one before it is in decode.
        put(before, Change::Begin);
        if behind == 0 {
            put(before, Change::Stage("E"));
            put(event.cycle.max(before + 1), Change::StageEnd("E"));
        } else {
            put(before, Change::Stage("F"));
            put((before + 1 + fetch).min(issue), Change::Stage("D"));
            let mut at = before + 1;
            for in_fetch in [true, false] {
                for &(cause, cycles) in stalls().filter(|(cause, _)| is_fetch(*cause) == in_fetch) {
                    put(at, Change::Why(cause.name()));
                    at += cycles;
                    put(at.min(issue), Change::WhyEnd(cause.name()));
                }
            }
            for (stage, at) in ["X", "M", "W"].into_iter().zip(issue + 1..) {
                put(at, Change::Stage(stage));
            }
            put(event.cycle + 1, Change::StageEnd("W"));
        }
        put(event.cycle.max(before + 1) + u64::from(behind > 0), Change::End);
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
                let place = self.place();
                if self.functions.len() >= MAX_FUNCTIONS {
                    self.functions.clear();
                }
                let names = &self.names;
                let show =
                    || (names.function)(pc).map(|name| format!("  <{}>", clean(&name))).unwrap_or_default();
                let function = self.functions.entry(pc).or_insert_with(show);
                let label = &mut self.drawn[place].label;
                label.clear();
                label.hex(pc);
                label.piece(b": ");
                label.bytes(instruction.text.as_bytes());
                label.bytes(function.as_bytes());
                self.draw(event, place, true);
            }
            What::Trap(trap) => {
                let place = self.place();
                let (from, to) = (trap.from.letter(), trap.to.letter());
                let label = &mut self.drawn[place].label;
                label.clear();
                label.bytes(format!("{:x}: trap: {}, {from} to {to}", trap.epc, trap.name).as_bytes());
                self.draw(event, place, false);
            }
            // They belong to an instruction that is shown.
            What::Return(_) | What::Mark(_) | What::Send(_) => {}
        }
        self.changes.reached(event.cycle);
        self.write_sorted()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.changes.finish();
        self.write_sorted()?;
        self.lines.finish()
    }
}

/// `text` without what separates fields.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
