//! The calling thread's IPC buffer, which `tp` points at.

use core::arch::asm;

use kernel_abi::IpcBuffer;

/// Makes `buffer` the calling thread's.
///
/// # Safety
///
/// `buffer` must be mapped as long as the thread runs, be what the kernel knows as this thread's buffer, and
/// belong to no other thread.
#[inline(always)]
pub unsafe fn set_buffer(buffer: *mut IpcBuffer) {
    // SAFETY: the compiler does not use `tp`: there are no thread-local variables.
    unsafe { asm!("mv tp, {}", in(reg) buffer, options(nomem, nostack, preserves_flags)) };
}

/// The calling thread's buffer, null if it has none.
#[inline(always)]
#[must_use]
pub fn buffer() -> *mut IpcBuffer {
    let buffer;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, tp", out(reg) buffer, options(nomem, nostack, preserves_flags)) };
    buffer
}

/// Message word `n` of the calling thread's buffer.
#[inline(always)]
#[must_use]
pub fn word(n: usize) -> u64 {
    // SAFETY: `tp` is the thread's buffer, which is mapped and its own; `words` is indexed with a check.
    unsafe { (&raw const (*buffer()).words).cast::<u64>().add(check_word(n)).read_volatile() }
}

/// Sets message word `n`.
#[inline(always)]
pub fn set_word(n: usize, value: u64) {
    // SAFETY: as in `word`.
    unsafe { (&raw mut (*buffer()).words).cast::<u64>().add(check_word(n)).write_volatile(value) }
}

#[inline(always)]
fn check_word(n: usize) -> usize {
    assert!(n < kernel_abi::MESSAGE_MAX_WORDS, "message word {n}");
    n
}

/// Sets the capability that is sent as number `n`.
#[inline(always)]
pub fn set_cap(n: usize, cptr: u64) {
    assert!(n < kernel_abi::MAX_EXTRA_CAPS, "capability {n} of a message");
    // SAFETY: as in `word`.
    unsafe { (&raw mut (*buffer()).caps_or_badges).cast::<u64>().add(n).write_volatile(cptr) }
}

/// Badge of the capability that came as number `n` and was unwrapped.
#[inline(always)]
#[must_use]
pub fn badge(n: usize) -> u64 {
    assert!(n < kernel_abi::MAX_EXTRA_CAPS, "capability {n} of a message");
    // SAFETY: as in `word`.
    unsafe { (&raw const (*buffer()).caps_or_badges).cast::<u64>().add(n).read_volatile() }
}

/// Says where a received capability goes.
#[inline(always)]
pub fn set_receive_slot(root: u64, index: u64, depth: u64) {
    let buffer = buffer();
    // SAFETY: as in `word`.
    unsafe {
        (&raw mut (*buffer).receive_cnode).write_volatile(root);
        (&raw mut (*buffer).receive_index).write_volatile(index);
        (&raw mut (*buffer).receive_depth).write_volatile(depth);
    }
}
