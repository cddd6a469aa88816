//! Where user interrupts go, for those who watch: nothing here changes anything.

use relsim_core::bus::Bus;
use relsim_core::hart::Hart;
use relsim_core::insn::Op;
use uintr_abi::SenderEntry;

use crate::csrs::{suirs, suist};
use crate::insns;

/// The receiver that `op`, which is about to execute on `hart`, sends to: `None` if it is no `uipi.send`, or one
/// without effect.
pub fn sends(hart: &Hart, bus: &Bus, op: &Op) -> Option<u64> {
    let row = insns::ROWS.iter().find(|row| op.raw & row.pattern.mask == row.pattern.bits)?;
    if row.name != insns::SEND_NAME {
        return None;
    }
    let entry = suist(hart).entry_address(hart.x(op.rs1))?;
    let entry = SenderEntry::from_bits(bus.ram.get(entry)?);
    entry.valid.then_some(u64::from(entry.receiver))
}

/// The receiver whose interrupts `hart` takes.
pub fn receives(hart: &Hart) -> Option<u64> {
    suirs(hart).receiver().map(u64::from)
}
