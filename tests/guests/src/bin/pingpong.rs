//! Workload: traps. A user program calls the supervisor in a loop under Sv39; the supervisor saves and
//! restores ten registers and returns.
#![no_std]
#![no_main]

use core::arch::global_asm;

use relsim_guests::only_hart_zero;

const CALLS: u64 = 1_000_000;

global_asm!(
    ".balign 4",
    ".globl supervisor_entry",
    "supervisor_entry:",
    "csrrw sp, sscratch, sp",
    "addi sp, sp, -80",
    "sd ra, 0(sp)",
    "sd t0, 8(sp)",
    "sd t1, 16(sp)",
    "sd t2, 24(sp)",
    "sd a1, 32(sp)",
    "sd a2, 40(sp)",
    "sd a3, 48(sp)",
    "sd a4, 56(sp)",
    "csrr t0, scause",
    "csrr t1, sepc",
    "li   t2, 8",
    "bne  t0, t2, 1f",
    "addi t1, t1, 4",
    "csrw sepc, t1",
    "addi a0, a0, 1",
    "1:",
    "ld ra, 0(sp)",
    "ld t0, 8(sp)",
    "ld t1, 16(sp)",
    "ld t2, 24(sp)",
    "ld a1, 32(sp)",
    "ld a2, 40(sp)",
    "ld a3, 48(sp)",
    "ld a4, 56(sp)",
    "addi sp, sp, 80",
    "csrrw sp, sscratch, sp",
    "sret",
    // Calls until a0 reaches a1, then leaves by a breakpoint, which is M-mode's.
    ".globl user_entry",
    "user_entry:",
    "1: ecall",
    "bltu a0, a1, 1b",
    "ebreak",
    // a0: calls; gives their number in a0 after the user's breakpoint.
    ".balign 4",
    ".globl run_user",
    "run_user:",
    "addi sp, sp, -16",
    "sd   ra, 0(sp)",
    "csrw mscratch, sp",
    "la   t0, 1f",
    "csrw mtvec, t0",
    "li   t0, 0x1800",
    "csrc mstatus, t0",
    // The user page is the same memory, one gigabyte higher.
    "la   t0, user_entry",
    "li   t1, 0x40000000",
    "add  t0, t0, t1",
    "csrw mepc, t0",
    "mv   a1, a0",
    "li   a0, 0",
    "mret",
    ".balign 4",
    "1: csrr sp, mscratch",
    "ld   ra, 0(sp)",
    "addi sp, sp, 16",
    "ret",
);

unsafe extern "C" {
    fn supervisor_entry();
    fn run_user(calls: u64) -> u64;
}

#[repr(C, align(4096))]
struct Table([u64; 512]);

static mut ROOT: Table = Table([0; 512]);
static mut STACK: [u64; 512] = [0; 512];

const VALID_RWX_AD: u64 = 0xcf;
const USER: u64 = 0x10;

#[unsafe(no_mangle)]
extern "C" fn guest_main(hart: usize) -> u64 {
    only_hart_zero(hart);
    // SAFETY: single hart, set up before use; addresses are physical.
    unsafe {
        let root = &mut *core::ptr::addr_of_mut!(ROOT);
        let gigapage = |n: u64| (n << 30 >> 12) << 10;
        root.0[2] = gigapage(2) | VALID_RWX_AD;
        root.0[3] = gigapage(2) | VALID_RWX_AD | USER;
        let satp = 8 << 60 | core::ptr::addr_of!(ROOT) as u64 >> 12;
        let stack = core::ptr::addr_of!(STACK) as u64 + 4096;
        core::arch::asm!(
            "csrw pmpaddr0, {all}",
            "csrw pmpcfg0, {rwx}",
            "csrw satp, {satp}",
            "sfence.vma",
            "csrw stvec, {stvec}",
            "csrw sscratch, {stack}",
            "csrw medeleg, {calls}",
            all = in(reg) u64::MAX,
            rwx = in(reg) 0x1f,
            satp = in(reg) satp,
            stvec = in(reg) supervisor_entry as *const () as usize,
            stack = in(reg) stack,
            calls = in(reg) 1 << 8,
        );
        u64::from(run_user(CALLS) != CALLS)
    }
}
