//! Watching instructions go by: commit logs, traces, debuggers.

use crate::bus::Bus;
use crate::hart::{Hart, Priv};
use crate::insn::Op;
use crate::timing::Ledger;
use crate::trap::TrapTaken;

/// Somebody who watches a hart. The hot loop is compiled without any of it where nobody does.
pub trait Observer {
    /// Whether anybody watches.
    const ON: bool;

    /// `op` at `pc` is about to execute.
    fn before(&mut self, hart: &Hart, bus: &Bus, op: &Op, pc: u64) {
        let _ = (hart, bus, op, pc);
    }

    /// Comes before each [`Observer::retired`] and [`Observer::trapped`]: where all cycles of `hart` up to then
    /// went, if the timing model tells. What is new was spent on what is told next.
    #[inline(always)]
    fn charged(&mut self, hart: &Hart, ledger: Option<&Ledger>) {
        let _ = (hart, ledger);
    }

    /// `op` at `pc` has retired; it ran at `privilege`. Its results are in the hart's registers, its data
    /// access in [`Hart::access`], its CSR writes in [`Hart::csr_writes`]: those of CSR instructions, and
    /// `fflags` when it raised floating-point exceptions, also ones that were set before.
    fn retired(&mut self, hart: &Hart, bus: &Bus, op: &Op, pc: u64, privilege: Priv);

    /// The hart has taken a trap.
    fn trapped(&mut self, hart: &Hart, bus: &Bus, trap: &TrapTaken);

    /// Whether the run should stop before the next instruction (a breakpoint was hit).
    fn wants_stop(&self) -> bool {
        false
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    const ON: bool = false;

    #[inline(always)]
    fn retired(&mut self, _: &Hart, _: &Bus, _: &Op, _: u64, _: Priv) {}

    #[inline(always)]
    fn trapped(&mut self, _: &Hart, _: &Bus, _: &TrapTaken) {}
}
