//! What a timing model is to the hot loop.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::Op;
use crate::trap::TrapTaken;

/// Charges cycles to what a hart has just done. The hot loop is compiled once for each model.
pub trait TimingModel {
    /// Whether the model wants to see every instruction. If not, each takes one cycle, and the loop counts
    /// whole blocks.
    const DETAILED: bool;

    /// `op` is about to execute on `hart`: gives the cycle at which what it does takes effect, as `mcycle` and
    /// devices see it. Asked again for the same `op` when it has to wait for its turn.
    fn issue(&mut self, hart: &Hart, bus: &Bus, op: &Op) -> u64;

    /// `op` has retired on `hart` (whose `cycle` is what [`TimingModel::issue`] gave): gives the earliest cycle
    /// at which the next one can take effect.
    fn retired(&mut self, hart: &Hart, bus: &Bus, op: &Op) -> u64;

    /// `hart` has taken `trap`: gives the cycle at which its handler starts.
    fn trapped(&mut self, hart: &Hart, bus: &Bus, trap: &TrapTaken) -> u64;
}

/// The functional mode: an instruction, or a trap, is one cycle.
#[derive(Debug, Clone, Copy, Default)]
pub struct Functional;

impl TimingModel for Functional {
    const DETAILED: bool = false;

    #[inline(always)]
    fn issue(&mut self, hart: &Hart, _: &Bus, _: &Op) -> u64 {
        hart.cycle
    }

    #[inline(always)]
    fn retired(&mut self, hart: &Hart, _: &Bus, _: &Op) -> u64 {
        hart.cycle
    }

    #[inline(always)]
    fn trapped(&mut self, hart: &Hart, _: &Bus, _: &TrapTaken) -> u64 {
        hart.cycle + 1
    }
}
