//! User interrupts, from the user's side: sending, receiving, and what runs when one comes.
//!
//! A thread becomes a receiver by [`register_receiver`](crate::invoke::Notification::register_receiver) of the
//! notification that it is bound to, and may send after
//! [`register_sender`](crate::invoke::Notification::register_sender). While interrupts are off for it, what is sent
//! stays pending: it can be polled with [`take`], and [`wait`] ends when there is something.

use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicU64, Ordering};

use uintr_abi::n::{STATUS_UIE, USIP, UTVEC_DIRECT};
use uintr_abi::uipi;

use crate::invoke::Notification;
use crate::syscall;

/// Somebody whom the thread may send to: an entry of its sender table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target(pub u64);

impl Target {
    /// Sends. Without effect if the entry is not valid any more.
    #[inline(always)]
    pub fn send(self) {
        // SAFETY: writes no memory of this program. What was stored before is there when the receiver looks: stores
        // and `uipi` may be observed in another order otherwise.
        unsafe {
            asm!(
                "fence w, o",
                ".word {send}",
                send = const uipi::send(10),
                in("a0") self.0,
                options(nostack),
            );
        }
    }
}

/// Takes the vectors that are pending, by bits.
#[inline(always)]
#[must_use]
pub fn take() -> u64 {
    let pending;
    // SAFETY: reads a register of the thread's receiver.
    unsafe { asm!(".word {read}", read = const uipi::read(10), out("a0") pending, options(nostack)) };
    pending
}

/// Makes vectors pending again.
#[inline(always)]
pub fn put_back(vectors: u64) {
    // SAFETY: as above.
    unsafe { asm!(".word {write}", write = const uipi::write(10), in("a0") vectors, options(nostack)) };
}

/// The thread is interrupted from now on.
#[inline(always)]
pub fn enable() {
    // SAFETY: the handler keeps all registers.
    unsafe { asm!("csrsi 0x000, {uie}", uie = const STATUS_UIE, options(nostack)) };
}

/// It is not any more.
#[inline(always)]
pub fn disable() {
    // SAFETY: nothing else changes.
    unsafe { asm!("csrci 0x000, {uie}", uie = const STATUS_UIE, options(nostack)) };
}

/// Waits until something has been sent to the calling thread, the receiver of `notification`, or somebody has
/// signalled it: the signals, or 0. Interrupts have to be off, else the handler may take what this waits for.
#[inline(always)]
#[must_use]
pub fn wait(notification: Notification) -> u64 {
    syscall::recv(notification.0).badge
}

/// Stops the hart until something has been sent to the calling thread. Other threads run only as far as the kernel
/// takes the hart away.
#[inline(always)]
pub fn wait_here() {
    // SAFETY: what ends the wait is let through; whether it interrupts is another matter.
    unsafe { asm!("csrsi 0x004, {usip}", "wfi", usip = const USIP, options(nostack)) };
}

/// What has come for a thread, as [`minimal_entry`] leaves it.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Inbox {
    /// Vectors that nobody has looked at.
    vectors: AtomicU64,
    /// For the entry: a register.
    saved: AtomicU64,
    /// How many interrupts have come.
    count: AtomicU64,
}

impl Inbox {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { vectors: AtomicU64::new(0), saved: AtomicU64::new(0), count: AtomicU64::new(0) }
    }

    /// Takes the vectors that have come.
    #[inline(always)]
    #[must_use]
    pub fn take(&self) -> u64 {
        self.vectors.swap(0, Ordering::Relaxed)
    }

    /// Whether some have come.
    #[inline(always)]
    #[must_use]
    pub fn has_some(&self) -> bool {
        self.vectors.load(Ordering::Relaxed) != 0
    }

    /// How many interrupts have come.
    #[inline(always)]
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// User interrupts of the calling thread go into `inbox` from now on, once they are enabled.
///
/// # Safety
/// The inbox is there as long as the thread is a receiver, and of no other thread.
pub unsafe fn use_inbox(inbox: *const Inbox) {
    // SAFETY: the entry keeps all registers, and writes to the inbox only.
    unsafe { use_entry(minimal_entry as *const () as u64, inbox as u64) };
}

/// User interrupts of the calling thread go to `handler` from now on, once they are enabled, with the vectors and
/// `context`. It runs on the thread's stack, with interrupts off.
///
/// # Safety
/// The handler does no harm at any place of the thread's program.
pub unsafe fn use_handler(handler: &'static Handler) {
    // SAFETY: the entry keeps all registers; the rest is the caller's.
    unsafe { use_entry(full_entry as *const () as u64, (&raw const *handler) as u64) };
}

/// What [`full_entry`] calls.
#[derive(Debug)]
#[repr(C)]
pub struct Handler {
    /// With the vectors, and what is beside it.
    pub run: extern "C" fn(u64, u64),
    /// That.
    pub context: u64,
}

/// User interrupts of the calling thread go to `entry` from now on, once they are enabled, with `scratch` in
/// `uscratch`.
///
/// # Safety
/// They do no harm there at any place of the thread's program.
pub unsafe fn use_entry(entry: u64, scratch: u64) {
    // SAFETY: the caller's.
    unsafe {
        asm!(
            "csrw 0x005, {entry}",
            "csrw 0x040, {scratch}",
            "csrsi 0x004, {usip}",
            entry = in(reg) entry | UTVEC_DIRECT,
            scratch = in(reg) scratch,
            usip = const USIP,
            options(nostack),
        );
    }
}

/// Saves two registers, no more, and takes note.
#[unsafe(naked)]
unsafe extern "C" fn minimal_entry() {
    naked_asm!(
        ".balign 4",
        ".option push",
        ".option arch, +a",
        "csrrw t0, 0x040, t0",
        "sd t1, 8(t0)",
        ".word {read}",
        "amoor.d zero, t1, (t0)",
        "ld t1, 16(t0)",
        "addi t1, t1, 1",
        "sd t1, 16(t0)",
        "ld t1, 8(t0)",
        "csrrw t0, 0x040, t0",
        ".word {uret}",
        ".option pop",
        read = const uipi::read(6),
        uret = const uintr_abi::n::URET,
    )
}

/// Saves all that a function may change, each register in the place of its number, and calls one.
#[unsafe(naked)]
unsafe extern "C" fn full_entry() {
    naked_asm!(
        ".balign 4",
        ".option push",
        // What links this in may have been told nothing of extensions.
        ".option arch, +d",
        "addi sp, sp, -528",
        ".irp n, 1,5,6,7,10,11,12,13,14,15,16,17,28,29,30,31",
        "sd x\\n, \\n*8(sp)",
        ".endr",
        ".irp n, 0,1,2,3,4,5,6,7,10,11,12,13,14,15,16,17,28,29,30,31",
        "fsd f\\n, (32+\\n)*8(sp)",
        ".endr",
        "frcsr t0",
        "sd t0, 512(sp)",
        "csrr t1, 0x040",
        ".word {read}",
        "ld a1, 8(t1)",
        "ld t1, 0(t1)",
        "jalr t1",
        "ld t0, 512(sp)",
        "fscsr t0",
        ".irp n, 0,1,2,3,4,5,6,7,10,11,12,13,14,15,16,17,28,29,30,31",
        "fld f\\n, (32+\\n)*8(sp)",
        ".endr",
        ".irp n, 1,5,6,7,10,11,12,13,14,15,16,17,28,29,30,31",
        "ld x\\n, \\n*8(sp)",
        ".endr",
        "addi sp, sp, 528",
        ".word {uret}",
        ".option pop",
        read = const uipi::read(10),
        uret = const uintr_abi::n::URET,
    )
}
