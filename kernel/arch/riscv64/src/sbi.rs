//! The firmware. (SBI specification 2.0.)

use core::arch::asm;

use kernel_core::harts::HartMask;

const LEGACY_PUT_CHAR: u64 = 1;
const TIME: u64 = 0x5449_4d45;
const IPI: u64 = 0x73_5049;
const FENCE: u64 = 0x5246_4e43;
const HSM: u64 = 0x48_534d;
const RESET: u64 = 0x5352_5354;

#[inline]
fn call(extension: u64, function: u64, args: [u64; 5]) -> (u64, u64) {
    let (error, value);
    // SAFETY: the firmware keeps all registers but a0 and a1, and touches no memory of the kernel's.
    unsafe {
        asm!(
            "ecall",
            inlateout("a0") args[0] => error,
            inlateout("a1") args[1] => value,
            in("a2") args[2], in("a3") args[3], in("a4") args[4],
            in("a6") function, in("a7") extension,
            options(nostack),
        );
    }
    (error, value)
}

/// Prints a character.
pub fn put_char(byte: u8) {
    call(LEGACY_PUT_CHAR, 0, [byte.into(), 0, 0, 0, 0]);
}

/// The timer interrupt comes at `time`.
pub fn set_timer(time: u64) {
    call(TIME, 0, [time, 0, 0, 0, 0]);
}

/// A software interrupt for `harts`.
pub fn send_ipi(harts: HartMask) {
    call(IPI, 0, [harts.bits, harts.base, 0, 0, 0]);
}

/// `harts` forget page `vaddr` of address space `asid`.
pub fn fence_page(harts: HartMask, asid: u64, vaddr: u64) {
    call(FENCE, 2, [harts.bits, harts.base, vaddr, 4096, asid]);
}

/// `harts` forget address space `asid`.
pub fn fence_asid(harts: HartMask, asid: u64) {
    call(FENCE, 2, [harts.bits, harts.base, 0, u64::MAX, asid]);
}

/// `harts` forget all address spaces.
pub fn fence_all(harts: HartMask) {
    call(FENCE, 1, [harts.bits, harts.base, 0, u64::MAX, 0]);
}

/// Hart `hart` starts at physical address `entry`, with `value` in `a1`; whether it does.
pub fn start_hart(hart: u64, entry: u64, value: u64) -> bool {
    call(HSM, 0, [hart, entry, value, 0, 0]).0 == 0
}

/// Ends the machine's work: shutdown, for no reason.
pub fn shut_down() -> ! {
    call(RESET, 0, [0; 5]);
    loop {
        crate::csr::wait_for_interrupt();
    }
}
