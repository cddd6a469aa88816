//! One notification at a time, in three ways, to be compared: `mech=trap`, a system call into M-mode; `mech=poll`, a
//! word in memory that hart 1 looks at; `mech=uintr`, a user interrupt to a program that sleeps in U-mode on hart 1.
//! Each is answered before the next is sent. `ops` says how many there are, `gap` for how many turns of a loop the
//! sender does something else in between. `latency` of the result is the mean of the cycles from sending to seeing the
//! answer.
//!
//! What is measured is region 1, and event 2 ends each operation, as `relsim compare` wants it.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::hint::spin_loop;
use core::ptr::addr_of;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use relsim_guests::{arguments, cycles, only_hart_zero, println};
use uintr_abi::{ReceiverLow, SenderEntry, Suirs, Suist, csr, n, table, uintc};

/// The receiver's entry in the UINTC.
const RECEIVER: u16 = 1;

#[repr(C, align(4096))]
struct SenderTable([u64; table::ENTRIES_PER_PAGE as usize]);

static mut TABLE: SenderTable = SenderTable([0; table::ENTRIES_PER_PAGE as usize]);

/// What is shared; a line of its own for each side.
#[repr(C, align(64))]
struct Line(AtomicU64);

static REQUEST: Line = Line(AtomicU64::new(0));
static ANSWER: Line = Line(AtomicU64::new(0));
static READY: AtomicBool = AtomicBool::new(false);

/// The handler's workspace: two registers, and the address of [`ANSWER`].
static mut SAVED: [u64; 3] = [0; 3];

global_asm!(
    // The receiver: takes what is pending, clears USIP, answers, and goes back; no kernel is involved.
    ".balign 4",
    ".globl user_handler",
    "user_handler:",
    "csrrw t0, 0x040, t0",
    "sd    t1, 0(t0)",
    "sd    t2, 8(t0)",
    ".insn r 0x7b, 0x2, 1, t2, x0, x0", // uipi.read t2
    "csrci 0x044, 1",
    "ld    t1, 16(t0)",
    "ld    t2, 0(t1)",
    "addi  t2, t2, 1",
    "sd    t2, 0(t1)",
    "ld    t1, 0(t0)",
    "ld    t2, 8(t0)",
    "csrrw t0, 0x040, t0",
    ".word 0x00200073", // uret
    ".globl user_main",
    "user_main:",
    "1: wfi",
    "j 1b",
    // The kernel: saves what a compiled function may change, answers, and goes back. a7 = 0 is the end.
    ".balign 4",
    ".globl trap_entry",
    "trap_entry:",
    "csrrw sp, mscratch, sp",
    "addi sp, sp, -128",
    "sd ra, 0(sp)",
    "sd t0, 8(sp)",
    "sd t1, 16(sp)",
    "sd t2, 24(sp)",
    "sd t3, 32(sp)",
    "sd t4, 40(sp)",
    "sd t5, 48(sp)",
    "sd t6, 56(sp)",
    "sd a1, 64(sp)",
    "sd a2, 72(sp)",
    "sd a3, 80(sp)",
    "sd a4, 88(sp)",
    "sd a5, 96(sp)",
    "sd a6, 104(sp)",
    "sd a7, 112(sp)",
    "csrr t0, mcause",
    "li   t1, 8",
    "bne  t0, t1, 9f",
    "beqz a7, 9f",
    "csrr t0, mepc",
    "addi t0, t0, 4",
    "csrw mepc, t0",
    "addi a0, a0, 1",
    "ld ra, 0(sp)",
    "ld t0, 8(sp)",
    "ld t1, 16(sp)",
    "ld t2, 24(sp)",
    "ld t3, 32(sp)",
    "ld t4, 40(sp)",
    "ld t5, 48(sp)",
    "ld t6, 56(sp)",
    "ld a1, 64(sp)",
    "ld a2, 72(sp)",
    "ld a3, 80(sp)",
    "ld a4, 88(sp)",
    "ld a5, 96(sp)",
    "ld a6, 104(sp)",
    "ld a7, 112(sp)",
    "addi sp, sp, 128",
    "csrrw sp, mscratch, sp",
    "mret",
    "9: addi sp, sp, 128",
    "ld   ra, 0(sp)",
    "addi sp, sp, 16",
    "ret",
    // a0: operations, a1: gap; gives in a0 how many were answered, in a1 the cycles that took.
    ".globl call_from_user",
    "call_from_user:",
    "addi sp, sp, -16",
    "sd   ra, 0(sp)",
    "csrw mscratch, sp",
    "la   t0, trap_entry",
    "csrw mtvec, t0",
    "li   t0, 0x1800",
    "csrc mstatus, t0",
    "la   t0, user_client",
    "csrw mepc, t0",
    "mret",
    ".globl user_client",
    "user_client:",
    "mv   a2, a0",
    "li   a0, 0",
    "li   a3, 0",
    "li   a7, 1",
    "slti x0, x0, {begin}",
    "1: rdcycle t1",
    "ecall",
    "rdcycle t2",
    "sub  t2, t2, t1",
    "add  a3, a3, t2",
    "slti x0, x0, {operation}",
    "mv   t0, a1",
    "2: beqz t0, 3f",
    "addi t0, t0, -1",
    "j    2b",
    "3: bltu a0, a2, 1b",
    "slti x0, x0, {end}",
    "mv   a1, a3",
    "li   a7, 0",
    "ecall",
    begin = const relsim_markers::immediate(relsim_markers::Kind::Begin, 1),
    end = const relsim_markers::immediate(relsim_markers::Kind::End, 1),
    operation = const relsim_markers::immediate(relsim_markers::Kind::Instant, 2),
);

unsafe extern "C" {
    fn user_handler();
    fn user_main();
    fn call_from_user(operations: u64, gap: u64) -> Done;
}

/// What was done.
#[repr(C)]
struct Done {
    /// Operations that were answered.
    answered: u64,
    /// Cycles from sending to seeing the answer, of all of them.
    latency: u64,
}

/// Lets U-mode use all of memory, and see the time.
fn open_memory() {
    // SAFETY: in M-mode.
    unsafe {
        asm!(
            "csrw pmpaddr0, {all}",
            "csrw pmpcfg0, {rwx}",
            "csrw mcounteren, {all}",
            "csrw scounteren, {all}",
            all = in(reg) u64::MAX,
            rwx = in(reg) 0x1f,
        );
    }
}

/// Becomes the receiver: U-mode with user interrupts on. Does not return.
fn receive(hart: usize) -> ! {
    let low = ReceiverLow { active: true, mode64: true, hartid: hart as u16 };
    open_memory();
    // SAFETY: M-mode set-up of this hart's own CSRs; the UINTC's registers are where `suicfg` says, and the workspace
    // belongs to this hart.
    unsafe {
        SAVED[2] = addr_of!(ANSWER) as u64;
        let uintc: usize;
        asm!("csrr {}, {csr}", out(reg) uintc, csr = const csr::SUICFG);
        let register = uintc + uintc::register_offset(RECEIVER, uintc::LOW) as usize;
        core::ptr::write_volatile(register as *mut u64, low.bits());
        asm!(
            "csrw {suirs}, {receiver}",
            "csrw {sideleg}, {usip}",
            "csrw {uie}, {usip}",
            "csrs mie, {usip}",
            "csrw {utvec}, {handler}",
            "csrw {uscratch}, {saved}",
            "csrs {ustatus}, {on}",
            receiver = in(reg) (Suirs { enable: true, index: RECEIVER }).bits(),
            usip = in(reg) n::USIP,
            handler = in(reg) user_handler as *const () as usize,
            saved = in(reg) &raw mut SAVED,
            on = in(reg) n::STATUS_UIE,
            suirs = const csr::SUIRS,
            sideleg = const n::SIDELEG,
            uie = const n::UIE,
            utvec = const n::UTVEC,
            uscratch = const n::USCRATCH,
            ustatus = const n::USTATUS,
        );
        READY.store(true, Ordering::Release);
        asm!(
            "csrc mstatus, {mpp}",
            "csrw mepc, {main}",
            "mret",
            mpp = in(reg) 3 << 11,
            main = in(reg) user_main as *const () as usize,
            options(noreturn),
        );
    }
}

/// Answers whatever changes. Does not return.
fn poll() -> ! {
    READY.store(true, Ordering::Release);
    let mut seen = 0;
    loop {
        let request = REQUEST.0.load(Ordering::Acquire);
        if request != seen {
            seen = request;
            ANSWER.0.store(seen, Ordering::Release);
        }
    }
}

/// Gives this hart a table whose one entry leads to the receiver.
fn become_sender() {
    let address = &raw mut TABLE;
    // SAFETY: only hart 0 writes the table, before it enables it.
    unsafe {
        (*address).0[0] = SenderEntry::new(RECEIVER, 0).bits();
        let suist = Suist { enable: true, size_pages: 1, ppn: address as u64 >> 12 };
        asm!("csrw {csr}, {value}", csr = const csr::SUIST, value = in(reg) suist.bits());
    }
}

/// Does the operations by `send`, each of which is answered by hart 1.
fn with_other_hart(operations: u64, gap: u64, send: impl Fn(u64)) -> Done {
    while !READY.load(Ordering::Acquire) {
        spin_loop();
    }
    // The receiver has been ready for a while when it counts.
    for _ in 0..1000 {
        spin_loop();
    }
    let mut latency = 0;
    relsim_markers::begin::<1>();
    for operation in 1..=operations {
        let sent_at = cycles();
        send(operation);
        while ANSWER.0.load(Ordering::Acquire) != operation {
            spin_loop();
        }
        latency += cycles() - sent_at;
        relsim_markers::instant::<2>();
        for _ in 0..gap {
            // SAFETY: does nothing.
            unsafe { asm!("nop") };
        }
    }
    relsim_markers::end::<1>();
    Done { answered: ANSWER.0.load(Ordering::Acquire), latency }
}

fn send_interrupt(_: u64) {
    // SAFETY: reads the sender table, whose entry this program wrote, and stores to the UINTC.
    unsafe { asm!(".insn r 0x7b, 0x2, 0, x0, {}, x0", in(reg) 0) };
}

#[unsafe(no_mangle)]
extern "C" fn guest_main(hart: usize, tree: usize) -> u64 {
    // SAFETY: the machine gives every hart the device tree.
    let line = unsafe { arguments::command_line(tree) };
    let mechanism = arguments::value(line, "mech").unwrap_or("trap");
    let operations = arguments::number(line, "ops", 100);
    let gap = arguments::number(line, "gap", 0);
    match (hart, mechanism) {
        (1, "poll") => poll(),
        (1, "uintr") => receive(hart),
        _ => only_hart_zero(hart),
    }
    let Done { answered, latency } = match mechanism {
        "trap" => {
            open_memory();
            // SAFETY: takes the trap vector, and comes back on this stack.
            unsafe { call_from_user(operations, gap) }
        }
        "poll" => with_other_hart(operations, gap, |n| REQUEST.0.store(n, Ordering::Release)),
        "uintr" => {
            become_sender();
            with_other_hart(operations, gap, send_interrupt)
        }
        _ => {
            println!("mech={mechanism}: there is trap, poll and uintr");
            return 2;
        }
    };
    let errors = operations - answered;
    let hundredths = latency * 100 / operations.max(1);
    let (whole, part) = (hundredths / 100, hundredths % 100);
    println!("result operations={operations} errors={errors} answered={answered} latency={whole}.{part:02}");
    0
}
