//! Value changes over cycles, for waveform viewers (IEEE 1364-2005, section 18).
//!
//! For each hart: `pc`, `word`, `privilege` (0 U, 1 S, 3 M), `trap` (a pulse), `cause` of the latest trap (with the
//! interrupt bit on top) and `send` (a pulse). A time step is a core cycle.

use std::io::{self, Write};

use vcd::{IdCode, SimulationCommand, TimescaleUnit, Value};

use super::event::{About, Event, Exporter, Wants, What};
use super::sorted::Sorted;
use crate::text::Lines;

/// The bit above cause codes that marks interrupts.
const INTERRUPT: u64 = 1 << 7;

/// The numbers of a hart's signals among all.
#[derive(Debug, Clone, Copy)]
struct Signals {
    pc: usize,
    word: usize,
    privilege: usize,
    trap: usize,
    cause: usize,
    send: usize,
}

#[derive(Debug)]
struct Signal {
    /// As the file has it.
    id: String,
    width: u32,
    /// What it is now; `None` before its first change.
    value: Option<u64>,
}

/// Writes value changes.
pub struct Vcd<W: Write> {
    lines: Lines<W>,
    harts: Vec<Signals>,
    signals: Vec<Signal>,
    /// Changes that are not written yet: of a signal, to a value.
    changes: Sorted<(usize, u64)>,
    /// Those of a cycle.
    together: Vec<(usize, u64)>,
}

impl<W: Write> Vcd<W> {
    /// To `out`, which should be buffered.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(mut out: W, about: About) -> io::Result<Self> {
        let mut header = vcd::Writer::new(&mut out);
        header.timescale(1, TimescaleUnit::NS)?;
        header.comment("a time step is a core cycle")?;
        let (mut harts, mut signals, mut ids) = (Vec::new(), Vec::new(), Vec::<IdCode>::new());
        for hart in 0..about.harts {
            header.add_module(&format!("hart{hart}"))?;
            let mut wire = |width, name| -> io::Result<usize> {
                let id = header.add_wire(width, name)?;
                ids.push(id);
                signals.push(Signal { id: id.to_string(), width, value: None });
                Ok(signals.len() - 1)
            };
            harts.push(Signals {
                pc: wire(64, "pc")?,
                word: wire(32, "word")?,
                privilege: wire(2, "privilege")?,
                trap: wire(1, "trap")?,
                cause: wire(8, "cause")?,
                send: wire(1, "send")?,
            });
            header.upscope()?;
        }
        header.enddefinitions()?;
        header.begin(SimulationCommand::Dumpvars)?;
        for (signal, id) in signals.iter_mut().zip(ids) {
            if signal.width == 1 {
                header.change_scalar(id, Value::V0)?;
                signal.value = Some(0);
            } else {
                header.change_vector(id, std::iter::repeat_n(Value::X, signal.width as usize))?;
            }
        }
        header.end()?;
        let changes = Sorted::new(about.harts);
        Ok(Self { lines: Lines::new(out), harts, signals, changes, together: Vec::new() })
    }

    fn pulse(&mut self, cycle: u64, signal: usize) {
        self.changes.put(cycle, (signal, 1));
        self.changes.put(cycle + 1, (signal, 0));
    }

    fn write_sorted(&mut self) -> io::Result<()> {
        let mut changes = std::mem::take(&mut self.together);
        while let Some((_, cycle)) = self.changes.next(&mut changes) {
            let mut is_dated = false;
            for (number, value) in changes.drain(..) {
                let signal = &mut self.signals[number];
                if signal.value.replace(value) == Some(value) {
                    continue;
                }
                let text = &mut self.lines.text;
                if !std::mem::replace(&mut is_dated, true) {
                    text.piece(b"#");
                    text.decimal(cycle);
                    text.piece(b"\n");
                }
                if signal.width == 1 {
                    text.piece(if value == 0 { b"0" } else { b"1" });
                } else {
                    text.piece(b"b");
                    text.binary(value);
                    text.piece(b" ");
                }
                text.bytes(signal.id.as_bytes());
                self.lines.end()?;
            }
        }
        self.together = changes;
        Ok(())
    }
}

impl<W: Write> Exporter for Vcd<W> {
    fn wants(&self) -> Wants {
        Wants { instructions: true, ..Wants::default() }
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        let Some(&signals) = self.harts.get(event.hart) else { return Ok(()) };
        let cycle = event.cycle;
        match event.what {
            What::Instruction(instruction) => {
                self.changes.put(cycle, (signals.pc, instruction.pc));
                self.changes.put(cycle, (signals.word, instruction.word.into()));
                if let Some(privilege) = instruction.privilege {
                    self.changes.put(cycle, (signals.privilege, privilege as u64));
                }
            }
            What::Trap(trap) => {
                let interrupt = if trap.interrupt { INTERRUPT } else { 0 };
                self.changes.put(cycle, (signals.cause, interrupt | u64::from(trap.code)));
                self.pulse(cycle, signals.trap);
            }
            What::Send(_) => self.pulse(cycle, signals.send),
            What::Return(_) | What::Mark(_) => {}
        }
        self.changes.reached(cycle);
        self.write_sorted()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.changes.finish();
        self.write_sorted()?;
        self.lines.finish()
    }
}
