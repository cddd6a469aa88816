//! The demonstration that `relsim run` starts without an image: hart 0 sends user interrupts to a program
//! that runs in U-mode on hart 1, and prints how many arrived and what they cost.
//!
//! First one at a time, each answered before the next is sent: the latency. Then all 64 vectors back to
//! back, many times: notifications that meet in the receiver's pending bits arrive together, and none is
//! lost.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::hint::spin_loop;
use core::ptr::addr_of;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use relsim_guests::{cycles, exit, println};
use uintr_abi::{ReceiverLow, SenderEntry, Suirs, Suist, csr, n, table, uintc};

/// Single notifications whose latency is measured.
const SINGLES: u64 = 1000;
/// Bursts of all 64 vectors.
const BURSTS: u64 = 100;
const VECTORS: u64 = table::VECTORS as u64;
/// The receiver's entry in the UINTC.
const RECEIVER: u16 = 1;

#[repr(C, align(4096))]
struct SenderTable([u64; table::ENTRIES_PER_PAGE as usize]);

static mut TABLE: SenderTable = SenderTable([0; table::ENTRIES_PER_PAGE as usize]);

/// The handler's workspace; `uscratch` points to it.
#[repr(C)]
struct Mailbox {
    saved: [AtomicU64; 4],
    /// `cycle` at the handler's first instruction.
    entered_at: AtomicU64,
    /// Vectors received, ORed together since the sender last looked.
    vectors: AtomicU64,
    /// Times the handler ran.
    entries: AtomicU64,
}

static MAILBOX: Mailbox = Mailbox {
    saved: [const { AtomicU64::new(0) }; 4],
    entered_at: AtomicU64::new(0),
    vectors: AtomicU64::new(0),
    entries: AtomicU64::new(0),
};
static READY: AtomicBool = AtomicBool::new(false);

// Takes what is pending, clears USIP, notes time and vectors, and goes back: no kernel is involved.
global_asm!(
    ".balign 4",
    ".globl user_handler",
    "user_handler:",
    "csrrw t0, 0x040, t0",
    "sd    t1, 0(t0)",
    "sd    t2, 8(t0)",
    "rdcycle t1",
    ".insn r 0x7b, 0x2, 1, t2, x0, x0", // uipi.read t2
    "csrci 0x044, 1",
    "sd    t1, 32(t0)",
    "addi  t1, t0, 40",
    "amoor.d zero, t2, (t1)",
    "ld    t1, 48(t0)",
    "addi  t1, t1, 1",
    "sd    t1, 48(t0)",
    "ld    t1, 0(t0)",
    "ld    t2, 8(t0)",
    "csrrw t0, 0x040, t0",
    ".word 0x00200073", // uret
    // The receiver has nothing else to do.
    ".globl user_main",
    "user_main:",
    "1: addi a0, a0, 1",
    "j 1b",
);

unsafe extern "C" {
    fn user_handler();
    fn user_main();
}

/// Becomes the receiver: U-mode with user interrupts on. Does not return.
fn receive(hart: usize) -> ! {
    let low = ReceiverLow { active: true, mode64: true, hartid: hart as u16 };
    // SAFETY: M-mode set-up of this hart's own CSRs; the UINTC's registers are where `suicfg` says.
    unsafe {
        let uintc: usize;
        asm!("csrr {}, {csr}", out(reg) uintc, csr = const csr::SUICFG);
        let register = uintc + uintc::register_offset(RECEIVER, uintc::LOW) as usize;
        core::ptr::write_volatile(register as *mut u64, low.bits());
        asm!(
            "csrw pmpaddr0, {all}",
            "csrw pmpcfg0, {rwx}",
            "csrw mcounteren, {all}",
            "csrw scounteren, {all}",
            "csrw {suirs}, {receiver}",
            "csrw {sideleg}, {usip}",
            "csrw {uie}, {usip}",
            "csrw {utvec}, {handler}",
            "csrw {uscratch}, {mailbox}",
            "csrs {ustatus}, {on}",
            all = in(reg) u64::MAX,
            rwx = in(reg) 0x1f,
            receiver = in(reg) (Suirs { enable: true, index: RECEIVER }).bits(),
            usip = in(reg) n::USIP,
            handler = in(reg) user_handler as *const () as usize,
            mailbox = in(reg) addr_of!(MAILBOX),
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

fn send(index: u64) {
    // SAFETY: reads the sender table, whose entries this program wrote, and stores to the UINTC.
    unsafe { asm!(".insn r 0x7b, 0x2, 0, x0, {}, x0", in(reg) index) };
}

/// Gives this hart a table with one entry for each vector, all to the one receiver.
fn become_sender() {
    let address = &raw mut TABLE;
    // SAFETY: only hart 0 writes the table, before it enables it.
    unsafe {
        for vector in 0..table::VECTORS {
            (*address).0[usize::from(vector)] = SenderEntry::new(RECEIVER, vector).bits();
        }
        let suist = Suist { enable: true, size_pages: 1, ppn: address as u64 >> 12 };
        asm!("csrw {csr}, {value}", csr = const csr::SUIST, value = in(reg) suist.bits());
    }
}

#[derive(Default)]
struct Range {
    min: u64,
    max: u64,
    sum: u64,
}

impl Range {
    fn add(&mut self, value: u64) {
        self.min = if self.sum == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.sum += value;
    }
}

#[unsafe(no_mangle)]
extern "C" fn guest_main(hart: usize) -> u64 {
    match hart {
        0 => {}
        1 => receive(hart),
        // SAFETY: sleeps.
        _ => loop {
            unsafe { asm!("wfi") }
        },
    }
    become_sender();
    let patience = cycles() + 10_000_000;
    while !READY.load(Ordering::Acquire) {
        if cycles() > patience {
            println!("There is no second hart to receive; run with --harts 2.");
            exit(2);
        }
        spin_loop();
    }

    let (mut delivery, mut round) = (Range::default(), Range::default());
    for single in 0..SINGLES {
        let sent_at = cycles();
        send(single % VECTORS);
        while MAILBOX.entries.load(Ordering::Acquire) == single {
            spin_loop();
        }
        round.add(cycles() - sent_at);
        delivery.add(MAILBOX.entered_at.load(Ordering::Relaxed) - sent_at);
        let vectors = MAILBOX.vectors.swap(0, Ordering::AcqRel);
        assert_eq!(vectors, 1 << (single % VECTORS), "the vector that was sent, and no other");
    }
    println!("User interrupts from hart 0 to a U-mode receiver on hart 1:");
    println!("  one at a time   {SINGLES} sent, {SINGLES} arrived");
    println!(
        "    send to handler    {} to {} cycles, mean {}",
        delivery.min,
        delivery.max,
        delivery.sum / SINGLES
    );
    println!("    send to seen       {} to {} cycles, mean {}", round.min, round.max, round.sum / SINGLES);

    let entries_before = MAILBOX.entries.load(Ordering::Acquire);
    let started_at = cycles();
    for _ in 0..BURSTS {
        (0..VECTORS).for_each(send);
        while MAILBOX.vectors.load(Ordering::Acquire) != u64::MAX {
            spin_loop();
        }
        MAILBOX.vectors.store(0, Ordering::Release);
    }
    let took = cycles() - started_at;
    let entries = MAILBOX.entries.load(Ordering::Acquire) - entries_before;
    let sent = BURSTS * VECTORS;
    println!("  64 back to back   {sent} sent, {sent} arrived in {entries} handler runs");
    println!("    cycles per notification, sender and receiver overlapping: {}", took / sent);
    0
}
