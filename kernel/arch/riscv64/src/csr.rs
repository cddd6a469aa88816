//! Control and status registers of supervisor mode. (Privileged specification, chapter "Supervisor-Level ISA".)

use core::arch::asm;

/// `sie` and `sip`: software interrupt.
pub const SOFTWARE: u64 = 1 << 1;
/// `sie` and `sip`: timer interrupt.
pub const TIMER: u64 = 1 << 5;
/// `sie` and `sip`: external interrupt.
pub const EXTERNAL: u64 = 1 << 9;
/// The interrupts that are for the kernel, whoever runs.
pub const OWN: u64 = SOFTWARE | TIMER | EXTERNAL;
/// `sstatus`: state of the floating-point unit.
pub const FS: u64 = 3 << 13;
/// Its registers are as they were loaded.
pub const FS_CLEAN: u64 = 2 << 13;
/// They have changed.
pub const FS_DIRTY: u64 = 3 << 13;
/// `satp`: Sv39.
const SV39: u64 = 8 << 60;

macro_rules! readable {
    ($($(#[$doc:meta])* $read:ident $csr:literal;)*) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $read() -> u64 {
                let value;
                // SAFETY: reading has no effect.
                unsafe { asm!(concat!("csrr {}, ", $csr), out(reg) value, options(nomem, nostack)) }
                value
            }
        )*
    };
}

macro_rules! writable {
    ($($(#[$doc:meta])* $write:ident $csr:literal;)*) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $write(value: u64) {
                // SAFETY: the kernel stays mapped where it is, and no register that the compiler uses changes.
                unsafe { asm!(concat!("csrw ", $csr, ", {}"), in(reg) value, options(nostack)) }
            }
        )*
    };
}

readable! {
    /// Interrupts that are let through.
    sie "sie";
    /// Interrupts that wait.
    sip "sip";
    /// Status.
    sstatus "sstatus";
    /// Details of a trap.
    stval "stval";
    /// Translation.
    satp "satp";
    /// Where user interrupts go. (Chapter N, as those that follow.)
    utvec "0x005";
    /// The user's own.
    uscratch "0x040";
    /// Where a user interrupt has come.
    uepc "0x041";
    /// Which it was.
    ucause "0x042";
    /// Details.
    utval "0x043";
}

writable! {
    /// Interrupts that are let through.
    set_sie "sie";
    /// Where traps go.
    set_stvec "stvec";
    /// The trap entry's own.
    set_sscratch "sscratch";
    /// Status.
    set_sstatus "sstatus";
    /// Translation.
    set_satp "satp";
    /// Counters that users may read.
    set_scounteren "scounteren";
    /// When the timer interrupt comes (Sstc).
    set_stimecmp "0x14d";
    /// Where user interrupts go. (Chapter N, as those that follow.)
    set_utvec "0x005";
    /// The user's own.
    set_uscratch "0x040";
    /// Where a user interrupt has come.
    set_uepc "0x041";
    /// Which it was.
    set_ucause "0x042";
    /// Details.
    set_utval "0x043";
    /// Interrupts that users take themselves.
    set_sideleg "0x103";
    /// The sender table. (User interrupts, as those that follow.)
    set_suist "0x1b0";
    /// The receiver.
    set_suirs "0x1b1";
    /// The UINTC.
    set_suicfg "0x1b2";
}

/// `satp` for the page table at `root`.
#[inline(always)]
pub const fn satp_of(root: u64, asid: u64) -> u64 {
    SV39 | asid << 44 | root >> 12
}

/// Clears `bits` of `sip`.
#[inline(always)]
pub fn clear_sip(bits: u64) {
    // SAFETY: an interrupt is taken note of, and no memory is touched.
    unsafe { asm!("csrc sip, {}", in(reg) bits, options(nostack)) }
}

/// Sets `bits` of `sie`.
#[inline(always)]
pub fn set_sie_bits(bits: u64) {
    // SAFETY: interrupts are let through, which the kernel does not take while it runs.
    unsafe { asm!("csrs sie, {}", in(reg) bits, options(nostack)) }
}

/// Clears `bits` of `sie`.
#[inline(always)]
pub fn clear_sie_bits(bits: u64) {
    // SAFETY: as above.
    unsafe { asm!("csrc sie, {}", in(reg) bits, options(nostack)) }
}

/// The time, in ticks of the timebase.
#[inline(always)]
pub fn time() -> u64 {
    let value;
    // SAFETY: reading has no effect.
    unsafe { asm!("rdtime {}", out(reg) value, options(nomem, nostack)) }
    value
}

/// Forgets translations of this hart: all, or of an address space, or of one page of it.
#[inline(always)]
pub fn fence_all() {
    // SAFETY: forgetting is always allowed.
    unsafe { asm!("sfence.vma", options(nostack)) }
}

/// Of address space `asid`.
#[inline(always)]
pub fn fence_asid(asid: u64) {
    // SAFETY: as above.
    unsafe { asm!("sfence.vma x0, {}", in(reg) asid, options(nostack)) }
}

/// Of page `vaddr` in address space `asid`.
#[inline(always)]
pub fn fence_page(asid: u64, vaddr: u64) {
    // SAFETY: as above.
    unsafe { asm!("sfence.vma {}, {}", in(reg) vaddr, in(reg) asid, options(nostack)) }
}

/// Sleeps until an interrupt waits.
#[inline(always)]
pub fn wait_for_interrupt() {
    // SAFETY: it may return at any time.
    unsafe { asm!("wfi", options(nomem, nostack)) }
}

/// Whether `stimecmp` may be used: firmware may not have let it through, whatever the device tree says. Afterwards
/// `stvec` and `sstatus` are undefined.
pub fn has_stimecmp() -> bool {
    let there: u64;
    // SAFETY: if the write traps, it goes on behind it, with the register as it was before.
    unsafe {
        asm!(
            ".option push",
            ".option norelax",
            "la   {there}, 1f",
            "csrw stvec, {there}",
            "li   {there}, 0",
            "csrw 0x14d, {never}",
            "li   {there}, 1",
            ".balign 4",
            "1:",
            ".option pop",
            there = out(reg) there,
            never = in(reg) u64::MAX,
            options(nostack),
        );
    }
    there == 1
}
