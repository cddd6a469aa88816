use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::Op;
use relsim_core::observe::Observer;
use relsim_core::trap::TrapTaken;

/// Watches, and does nothing: with it, every instruction is timed by itself.
#[derive(Debug, Clone, Copy)]
pub struct Watching;

impl Observer for Watching {
    const ON: bool = true;

    fn retired(&mut self, _: &Hart, _: &Bus, _: &Op, _: u64, _: Priv) {}
    fn trapped(&mut self, _: &Hart, _: &Bus, _: &TrapTaken) {}
}
