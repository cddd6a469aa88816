//! Value changes over cycles, for waveform viewers (IEEE 1364-2005, section 18).
//!
//! For each hart: `pc`, `word`, `privilege` (0 U, 1 S, 3 M), `trap` (a pulse), `cause` of the latest trap (with the
//! interrupt bit on top) and `send` (a pulse). A time step is a core cycle.

use std::io::{self, Write};

use vcd::{IdCode, SimulationCommand, TimescaleUnit, Value, Vector};

use super::event::{About, Event, Exporter, Wants, What};
use super::sorted::Sorted;

/// The bit above cause codes that marks interrupts.
const INTERRUPT: u64 = 1 << 7;

#[derive(Debug, Clone, Copy)]
struct Signals {
    pc: IdCode,
    word: IdCode,
    privilege: IdCode,
    trap: IdCode,
    cause: IdCode,
    send: IdCode,
}

/// Writes value changes.
pub struct Vcd<W: Write> {
    out: vcd::Writer<W>,
    signals: Vec<Signals>,
    /// Changes that are not written yet.
    changes: Sorted<(IdCode, u32, u64)>,
}

impl<W: Write> Vcd<W> {
    /// To `out`, which should be buffered.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(out: W, about: About) -> io::Result<Self> {
        let mut out = vcd::Writer::new(out);
        out.timescale(1, TimescaleUnit::NS)?;
        out.comment("a time step is a core cycle")?;
        let mut signals = Vec::new();
        for hart in 0..about.harts {
            out.add_module(&format!("hart{hart}"))?;
            signals.push(Signals {
                pc: out.add_wire(64, "pc")?,
                word: out.add_wire(32, "word")?,
                privilege: out.add_wire(2, "privilege")?,
                trap: out.add_wire(1, "trap")?,
                cause: out.add_wire(8, "cause")?,
                send: out.add_wire(1, "send")?,
            });
            out.upscope()?;
        }
        out.enddefinitions()?;
        out.begin(SimulationCommand::Dumpvars)?;
        for Signals { pc, word, privilege, trap, cause, send } in &signals {
            for (id, width) in [(pc, 64), (word, 32), (privilege, 2), (cause, 8)] {
                out.change_vector(*id, std::iter::repeat_n(Value::X, width))?;
            }
            out.change_scalar(*trap, Value::V0)?;
            out.change_scalar(*send, Value::V0)?;
        }
        out.end()?;
        Ok(Self { out, signals, changes: Sorted::default() })
    }

    fn change(&mut self, cycle: u64, id: IdCode, width: u32, value: u64) {
        self.changes.put(cycle, (id, width, value));
    }

    fn pulse(&mut self, cycle: u64, id: IdCode) {
        self.change(cycle, id, 1, 1);
        self.change(cycle + 1, id, 1, 0);
    }

    fn write_sorted(&mut self) -> io::Result<()> {
        while let Some((_, cycle, changes)) = self.changes.next() {
            self.out.timestamp(cycle)?;
            for (id, width, value) in changes {
                if width == 1 {
                    self.out.change_scalar(id, value != 0)?;
                } else {
                    let bits = (0..width).rev().map(|bit| Value::from(value >> bit & 1 == 1));
                    self.out.change_vector(id, &bits.collect::<Vector>())?;
                }
            }
        }
        Ok(())
    }
}

impl<W: Write> Exporter for Vcd<W> {
    fn wants(&self) -> Wants {
        Wants { instructions: true, ..Wants::default() }
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        let Some(&signals) = self.signals.get(event.hart) else { return Ok(()) };
        let cycle = event.cycle;
        match event.what {
            What::Instruction(instruction) => {
                self.change(cycle, signals.pc, 64, instruction.pc);
                self.change(cycle, signals.word, 32, instruction.word.into());
                if let Some(privilege) = instruction.privilege {
                    self.change(cycle, signals.privilege, 2, privilege as u64);
                }
            }
            What::Trap(trap) => {
                let interrupt = if trap.interrupt { INTERRUPT } else { 0 };
                self.change(cycle, signals.cause, 8, interrupt | u64::from(trap.code));
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
        self.out.flush()
    }
}
