//! Changes of the machine from outside: another future begins there, and the past stays as it was.
//!
//! A change is kept as the state that it left. Whatever runs up to it goes on from that state, so that a replay across it
//! makes it again.

use relsim_core::hart::{Hart, Priv, RunState};
use relsim_core::isa::Ext;
use relsim_core::ram::PAGE_BYTES;

use super::history::History;
use super::{Lookout, Session};
use crate::checkpoint::{Checkpoint, RestoreError};

/// What can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An integer register.
    Register(u8),
    /// A floating-point register: 64 bits, in which what is narrower is boxed.
    Float(u8),
    /// Address of the next instruction.
    Pc,
    /// The privilege mode, as `mstatus.MPP` encodes it.
    Privilege,
    /// A CSR, by its number: as an instruction in M-mode writes it.
    Csr(u16),
    /// Memory at a virtual address: 1, 2, 4 or 8 bytes.
    Memory(u64, u8),
}

/// Why something was not written. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// The hart is not there.
    #[error("there is no such hart")]
    Hart,
    /// A jump of a hart that was never started.
    #[error("the hart is stopped")]
    Stopped,
    /// An odd address to go on from.
    #[error("no instruction begins at {0:#x}")]
    Pc(u64),
    /// A mode that the hart does not have.
    #[error("there is no privilege mode {0}")]
    Privilege(u64),
    /// A CSR that is not there, or cannot be written.
    #[error("this CSR is read-only, or the hart does not have it")]
    Csr,
    /// Something else than main memory, or nothing.
    #[error("there is no memory at {0:#x} that can be written: devices and read-only memory cannot")]
    Memory(u64),
}

impl Session {
    /// The machine as it is now, to be kept.
    pub fn checkpoint(&mut self) -> Checkpoint {
        self.machine.checkpoint()
    }

    /// Goes to `checkpoint`, one of this machine or of one that was built alike. The past begins anew there.
    ///
    /// # Errors
    /// [`RestoreError`]; nothing has changed then.
    pub fn begin_at(&mut self, checkpoint: &Checkpoint) -> Result<(), RestoreError> {
        let here = self.machine.checkpoint();
        if let Err(error) = self.machine.restore(checkpoint) {
            self.machine.restore(&here)?;
            return Err(error);
        }
        self.history = History::new(self.machine.checkpoint(), self.options.max_bytes);
        Ok(())
    }

    /// Writes `value` to `place` of hart `hart`.
    ///
    /// # Errors
    /// [`NotWritten`].
    pub fn write(&mut self, hart: usize, place: Place, value: u64) -> Result<(), NotWritten> {
        if let Place::Memory(va, size) = place {
            return self.write_memory(hart, va, &value.to_le_bytes()[..usize::from(size).min(8)]);
        }
        let machine = &mut self.machine;
        let core = machine.cores.get_mut(hart).ok_or(NotWritten::Hart)?;
        write_register(&mut core.hart, place, value, |hart, num| {
            hart.poke_csr(&mut machine.bus, num, value)
        })?;
        self.changed();
        Ok(())
    }

    /// Writes `bytes` from virtual address `va` on, as hart `hart` sees it.
    ///
    /// # Errors
    /// [`NotWritten`].
    pub fn write_memory(&mut self, hart: usize, va: u64, bytes: &[u8]) -> Result<(), NotWritten> {
        let core = self.machine.cores.get(hart).ok_or(NotWritten::Hart)?;
        let (bus, hart) = (&self.machine.bus, &core.hart);
        // All of it or nothing: first where each part goes, by pages.
        let mut parts = Vec::new();
        let mut done = 0;
        while done < bytes.len() {
            let at = va.wrapping_add(done as u64);
            let count = (bytes.len() - done).min((PAGE_BYTES - at % PAGE_BYTES) as usize);
            let pa = hart.debug_address(bus, at).ok_or(NotWritten::Memory(at))?;
            if !bus.ram.contains(pa, count as u64) {
                return Err(NotWritten::Memory(at));
            }
            parts.push((pa, done..done + count));
            done += count;
        }
        for (pa, range) in parts {
            self.machine.bus.ram.write(pa, &bytes[range]);
        }
        self.changed();
        Ok(())
    }

    /// The machine is another one than the past led to.
    fn changed(&mut self) {
        self.machine.look_around();
        self.machine.bus.console.forget_future();
        self.history.cut(self.machine.checkpoint());
    }

    /// Makes the change that was made at the present step, if one was, after a run up to it.
    pub(super) fn repeat_change(&mut self, lookout: Option<&mut Lookout<'_>>) {
        if let Some(change) = self.history.change_at(self.machine.steps()) {
            // No checkpoint of the machine itself is refused.
            let made = self.machine.restore(change);
            debug_assert_eq!(made, Ok(()));
            if let Some(lookout) = lookout {
                lookout.goes_on_from(self.machine.cores.iter().map(|core| &core.hart));
            }
        }
    }
}

fn write_register(
    hart: &mut Hart,
    place: Place,
    value: u64,
    write_csr: impl FnOnce(&mut Hart, u16) -> bool,
) -> Result<(), NotWritten> {
    match place {
        Place::Register(r) => hart.write_x(r & 31, value),
        Place::Float(r) => hart.set_f(r & 31, value),
        Place::Pc => {
            let alignment = if hart.has(Ext::C) { 2 } else { 4 };
            if !value.is_multiple_of(alignment) {
                return Err(NotWritten::Pc(value));
            }
            match hart.state {
                RunState::Stopped => return Err(NotWritten::Stopped),
                RunState::Waiting => hart.state = RunState::Running,
                RunState::Running => {}
            }
            (hart.pc, hart.next_pc) = (value, value);
        }
        Place::Privilege => {
            let there = |privilege: &Priv| match privilege {
                Priv::U => hart.has(Ext::U),
                Priv::S => hart.has(Ext::S),
                Priv::M => true,
            };
            let privilege = Priv::from_bits(value).filter(there);
            hart.privilege = privilege.ok_or(NotWritten::Privilege(value))?;
            hart.update_contexts();
        }
        Place::Csr(num) => {
            if !write_csr(hart, num) {
                return Err(NotWritten::Csr);
            }
        }
        // Written elsewhere.
        Place::Memory(va, _) => return Err(NotWritten::Memory(va)),
    }
    Ok(())
}
