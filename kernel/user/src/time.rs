//! Counters. Whether a user may read them is up to firmware and kernel; ask [`crate::thread`]'s users to try first.

use core::arch::asm;

/// Cycles of this hart.
#[inline(always)]
#[must_use]
pub fn cycles() -> u64 {
    let value;
    // SAFETY: reads a counter; a memory clobber keeps the measured code on its side.
    unsafe { asm!("rdcycle {}", out(reg) value, options(nostack)) };
    value
}

/// Ticks of the machine's timer.
#[inline(always)]
#[must_use]
pub fn ticks() -> u64 {
    let value;
    // SAFETY: as in `cycles`.
    unsafe { asm!("rdtime {}", out(reg) value, options(nostack)) };
    value
}
