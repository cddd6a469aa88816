//! What every guest needs: start code, console, exit. It runs unchanged on relsim, QEMU (`virt`) and
//! Spike: the exit is tried by HTIF, which QEMU takes for a store to memory, and then by the test finisher,
//! which Spike answers with an access fault.
#![no_std]

pub mod arguments;

use core::arch::{asm, global_asm};
use core::fmt::{self, Write};
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

global_asm!(
    ".section .text.start, \"ax\"",
    ".globl _start",
    "_start:",
    // No relaxation before gp is set.
    ".option push",
    ".option norelax",
    "la   t0, 6f",
    "csrw mtvec, t0",
    // Floating point on.
    "li   t0, 0x6000",
    "csrs mstatus, t0",
    "csrr a0, mhartid",
    "la   sp, __stacks",
    "addi t0, a0, 1",
    "slli t0, t0, 16",
    "add  sp, sp, t0",
    "bnez a0, 2f",
    "la   t0, __bss_start",
    "la   t1, __bss_end",
    "1: bgeu t0, t1, 2f",
    "sd   zero, 0(t0)",
    "addi t0, t0, 8",
    "j    1b",
    // The others wait until memory is in order.
    "2: la t0, {cleared}",
    "bnez a0, 4f",
    "li   t1, 1",
    "fence rw, w",
    "sw   t1, 0(t0)",
    "j    5f",
    "4: lw t1, 0(t0)",
    "beqz t1, 4b",
    "fence r, rw",
    ".option pop",
    "5: call guest_main",
    "call {exit}",
    // A trap vector has to be aligned, which functions are not.
    ".balign 4",
    "6: csrr a0, mcause",
    "csrr a1, mepc",
    "csrr a2, mtval",
    // A second trap comes of the attempt to report the first: there is no UART here.
    "la   t0, 7f",
    "csrw mtvec, t0",
    "call {trapped}",
    ".balign 4",
    "7: li a0, {status_trapped}",
    "call {exit}",
    ".balign 4",
    ".globl sleep_forever",
    "sleep_forever: wfi",
    "j sleep_forever",
    trapped = sym trapped,
    status_trapped = const STATUS_TRAPPED,
    cleared = sym CLEARED,
    exit = sym exit,
);

/// The words by which the host and the guest talk under HTIF.
#[unsafe(link_section = ".htif")]
#[unsafe(no_mangle)]
static mut tohost: u64 = 0;
#[unsafe(link_section = ".htif")]
#[unsafe(no_mangle)]
static mut fromhost: u64 = 0;

/// Set by hart 0 when it has cleared `.bss`; lies outside of it.
#[unsafe(link_section = ".data")]
static CLEARED: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

const FINISHER: *mut u32 = 0x10_0000 as *mut u32;
const UART: *mut u8 = 0x1000_0000 as *mut u8;
/// Exit status of a guest that took a trap it did not expect.
const STATUS_TRAPPED: u64 = 99;

extern "C" fn trapped(cause: u64, pc: u64, value: u64) -> ! {
    println!("unexpected trap: mcause {cause:#x}, mepc {pc:#x}, mtval {value:#x}");
    exit(STATUS_TRAPPED)
}

unsafe extern "C" {
    /// Waits for ever; aligned so that it can serve as a trap vector.
    fn sleep_forever() -> !;
}

/// Ends the run with `status`, 0 for success.
pub extern "C" fn exit(status: u64) -> ! {
    // SAFETY: the HTIF words are this program's; a fault of the finisher's address ends in the trap vector,
    // which from here on only sleeps.
    unsafe {
        asm!("csrw mtvec, {}", in(reg) sleep_forever as *const () as usize);
        let _ = read_volatile(addr_of!(fromhost));
        write_volatile(addr_of_mut!(tohost), status << 1 | 1);
        let word = if status == 0 { 0x5555 } else { (status as u32) << 16 | 0x3333 };
        write_volatile(FINISHER, word);
        sleep_forever()
    }
}

/// The console: the 16550 of `virt`.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the UART's transmit register; the device takes bytes at any rate.
            unsafe { write_volatile(UART, byte) };
        }
        Ok(())
    }
}

/// Prints a line.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {{
        use core::fmt::Write;
        let _ = writeln!($crate::Console, $($arg)*);
    }};
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    exit(1)
}

/// `mcycle`.
pub fn cycles() -> u64 {
    let value;
    // SAFETY: reads a counter, in M-mode.
    unsafe { asm!("csrr {}, mcycle", out(reg) value) };
    value
}

/// A linear congruential generator (Knuth's MMIX constants): the same numbers everywhere.
pub struct Random(pub u64);

impl Random {
    /// The next 32 bits.
    pub fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }
}

/// Harts other than 0 stay here in single-hart workloads.
pub fn only_hart_zero(hart: usize) {
    if hart != 0 {
        // SAFETY: never returns.
        unsafe { sleep_forever() };
    }
}
