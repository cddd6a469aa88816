//! What several observers make of what they are told.

use relsim_core::timing::{CycleCause, Ledger};
use relsim_core::trap::{Cause, TrapTaken, interrupt_name};

/// Adds to `causes` the cycles that `now` has and `seen`, an earlier state of the same ledger, had not; now it has.
pub fn add_causes(causes: &mut Vec<(CycleCause, u64)>, now: &Ledger, seen: &mut Ledger) {
    seen.catch_up(now, |_, cause, cycles| match causes.iter_mut().find(|(known, _)| *known == cause) {
        Some((_, sum)) => *sum += cycles,
        None => causes.push((cause, cycles)),
    });
}

/// The name of the exception or interrupt of `trap`.
pub fn trap_name(trap: &TrapTaken) -> &'static str {
    if trap.interrupt {
        return interrupt_name(trap.code);
    }
    let cause = Cause::ALL.iter().find(|cause| **cause as u8 == trap.code);
    cause.map_or("exception", |cause| cause.name())
}
