//! The fixed part of every program: it enters a block as its descriptor says, logs the traps that the block
//! takes, steps over what trapped, and writes the state of the machine to the log when the block has ended.
//!
//! A block ends at its end mark (an `ecall`), when it has jumped where nothing can be fetched, or when it
//! has taken too many traps.

use super::asm::reg::{A0, A1, T0, T1, T2, T3, T4, ZERO};
use super::asm::{self, Asm, Cond, Label, csrrw};
use super::layout::{BODY, CELLS, DATA, LOG, LOG_END, PLACE_MASK, RAM, RUNS, SUMMED_BYTES, cell, word};

/// First word of the record of a trap into M.
pub const TAG_M: u64 = 0x11;
/// First word of the record of a trap into S.
pub const TAG_S: u64 = 0x22;
/// First word of the record at the end of a run.
pub const TAG_END: u64 = 0x33;
/// Words of a trap record: tag, cause, epc, tval, status.
pub const TRAP_WORDS: usize = 5;
/// Words before the CSRs in the record of an end: tag, descriptor, x1 to x31, f0 to f31.
pub const END_CSRS: usize = 2 + 31 + 32;

/// The CSRs in the record of an end, by name and number. `mstatus` comes first, before the runtime turns
/// floating point on to read the others; two checksums follow them.
pub const LOGGED: &[(&str, u32)] = &[
    ("mstatus", 0x300),
    ("fcsr", 0x003),
    ("mcause", 0x342),
    ("mepc", 0x341),
    ("mtval", 0x343),
    ("mscratch", 0x340),
    ("mtvec", 0x305),
    ("medeleg", 0x302),
    ("mideleg", 0x303),
    ("mie", 0x304),
    ("mip", 0x344),
    ("mcounteren", 0x306),
    ("mcountinhibit", 0x320),
    ("menvcfg", 0x30a),
    ("satp", 0x180),
    ("scause", 0x142),
    ("sepc", 0x141),
    ("stval", 0x143),
    ("sscratch", 0x140),
    ("stvec", 0x105),
    ("sie", 0x104),
    ("sip", 0x144),
    ("scounteren", 0x106),
    ("senvcfg", 0x10a),
    ("pmpcfg0", 0x3a0),
    ("pmpaddr0", 0x3b0),
    ("pmpaddr1", 0x3b1),
    ("pmpaddr2", 0x3b2),
    ("pmpaddr3", 0x3b3),
    ("pmpaddr4", 0x3b4),
    ("pmpaddr5", 0x3b5),
    ("pmpaddr6", 0x3b6),
    ("pmpaddr7", 0x3b7),
];
/// Words in the record of an end.
pub const END_WORDS: usize = END_CSRS + LOGGED.len() + 2;

/// `mstatus.MPRV` and MXR, to read the instruction that trapped as the hart fetched it.
const MPRV_MXR: u32 = 0xa0;
/// `sstatus.SUM` and MXR, likewise.
const SUM_MXR: u32 = 0xc0;
/// Both bits of FS.
const FS: u64 = 3 << 13;
/// Fetch faults: the instruction at `xepc` cannot be stepped over.
const FETCH_FAULTS: u64 = 1 << 1 | 1 << 12;
const LOAD_ACCESS: u64 = 5;
const STORE_ACCESS: u64 = 7;

const FINISHER: u64 = 0x10_0000;
const MTIMECMP: u64 = 0x200_4000;

const MSTATUS: u32 = 0x300;
const SSTATUS: u32 = 0x100;
const MENVCFG: u32 = 0x30a;
const PMPCFG0: u32 = 0x3a0;
/// `menvcfg.STCE`.
const STCE: u64 = 1 << 63;
/// `menvcfg.PBMTE`.
const PBMTE: u64 = 1 << 62;

/// The runtime's code and the addresses that random code may use.
pub struct Runtime {
    /// To be loaded at [`RAM`].
    pub bytes: Vec<u8>,
    /// M-mode's handler.
    pub mtrap: u64,
    /// M-mode's table for vectored mode.
    pub mtable: u64,
    /// S-mode's handler.
    pub strap: u64,
    /// S-mode's table for vectored mode.
    pub stable: u64,
}

/// What differs between runtimes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Sstc is on, so that STIP is the timer's; else it is software's.
    pub timer: bool,
    /// There are PMP entries beside the one that opens everything.
    pub protected: bool,
}

struct Labels {
    mtrap: Label,
    mtable: Label,
    strap: Label,
    stable: Label,
    next: Label,
    end: Label,
    /// S-mode's exits, by value of [`cell::ESCAPE`].
    escapes: [Label; 2],
}

/// Assembles the runtime.
///
/// # Panics
/// If it does not fit below the random code.
pub fn build(options: Options) -> Runtime {
    let mut a = Asm::new(RAM);
    let labels = Labels {
        mtrap: a.label(),
        mtable: a.label(),
        strap: a.label(),
        stable: a.label(),
        next: a.label(),
        end: a.label(),
        escapes: [a.label(), a.label()],
    };
    boot(&mut a, options);
    enter_next(&mut a, &labels, options);
    table(&mut a, labels.mtable, labels.mtrap);
    machine_handler(&mut a, &labels);
    table(&mut a, labels.stable, labels.strap);
    supervisor_handler(&mut a, &labels);
    write_end(&mut a, &labels, options);
    assert!(a.here() <= BODY, "the runtime does not fit");
    let Labels { mtrap, mtable, strap, stable, .. } = labels;
    let [mtrap, mtable, strap, stable] = [mtrap, mtable, strap, stable].map(|l| a.address(l));
    Runtime { bytes: a.finish(), mtrap, mtable, strap, stable }
}

/// Once: memory open to S and U, no timer, the log empty.
fn boot(a: &mut Asm, options: Options) {
    // A second hart, where there is one, sleeps.
    let first = a.label();
    a.csrr(T0, 0xf14);
    a.branch(Cond::Eq, T0, ZERO, first);
    let asleep = a.here_label();
    a.word(asm::WFI);
    a.jump(asleep);
    a.bind(first);
    a.la(T0, CELLS);
    a.la(T1, LOG);
    a.sd(T1, T0, cell::LOG);
    a.la(T1, RUNS - 8 * word::COUNT as u64);
    a.sd(T1, T0, cell::RUN);
    a.li(T1, u64::MAX);
    a.li(T2, MTIMECMP);
    a.sd(T1, T2, 0);
    // No supervisor timer either. Bit by bit: ADUE, which only one of the two simulators has, stays as it is.
    a.li(T2, PBMTE | STCE);
    a.word(asm::csrrs(ZERO, MENVCFG, T2));
    a.csrw(0x14d, T1);
    if !options.timer {
        a.li(T2, STCE);
        a.word(asm::csrrc(ZERO, MENVCFG, T2));
    }
    // PMP entry 15: everything, as NAPOT.
    a.li(T2, (1 << 54) - 1);
    a.csrw(0x3bf, T2);
    a.li(T2, 0x1f << 56);
    a.csrw(0x3a2, T2);
}

/// Sets the machine up as the next descriptor says, and enters the block; ends the program after the last.
fn enter_next(a: &mut Asm, l: &Labels, options: Options) {
    let at = |n: usize| 8 * n as i32;
    a.bind(l.next);
    a.la(T0, CELLS);
    a.ld(T1, T0, cell::RUN);
    a.word(asm::addi(T1, T1, at(word::COUNT)));
    a.sd(T1, T0, cell::RUN);
    a.ld(T2, T1, at(word::MORE));
    let more = a.label();
    a.branch(Cond::Ne, T2, ZERO, more);
    a.li(T2, FINISHER);
    a.li(T1, 0x5555);
    a.word(asm::s_type(0x23, 2, T2, T1, 0));
    let forever = a.here_label();
    a.jump(forever);

    a.bind(more);
    for (from, to) in [(word::END, cell::END), (word::ESCAPE, cell::ESCAPE), (word::BUDGET, cell::BUDGET)] {
        a.ld(T2, T1, at(from));
        a.sd(T2, T0, to);
    }
    for n in 0..4 {
        a.ld(T2, T1, at(word::POKES + 2 * n));
        a.ld(T3, T1, at(word::POKES + 2 * n + 1));
        a.sd(T3, T2, 0);
    }
    // medeleg, mideleg, mie, mip, satp, mcounteren, scounteren in the descriptor's order.
    for (n, csr) in [0x302, 0x303, 0x304, 0x344, 0x180, 0x306, 0x106].into_iter().enumerate() {
        a.ld(T2, T1, at(word::MEDELEG + n));
        a.csrw(csr, T2);
    }
    // Writes to the PMP make everything be translated anew: they stand only where they are needed.
    if options.protected {
        for n in 0..4 {
            a.ld(T2, T1, at(word::PMPADDR + n));
            a.csrw(0x3b0 + n as u32, T2);
        }
        a.ld(T2, T1, at(word::PMPCFG));
        a.csrw(PMPCFG0, T2);
    }
    // Without a fence, translations of earlier runs may still be used: nothing has changed.
    let unchanged = a.label();
    a.ld(T2, T1, at(word::FENCE));
    a.branch(Cond::Eq, T2, ZERO, unchanged);
    a.word(asm::SFENCE_VMA);
    a.bind(unchanged);
    for (mode, csr, direct, table) in
        [(word::MTVEC, 0x305, l.mtrap, l.mtable), (word::STVEC, 0x105, l.strap, l.stable)]
    {
        let (vectored, set) = (a.label(), a.label());
        a.ld(T2, T1, at(mode));
        a.branch(Cond::Ne, T2, ZERO, vectored);
        a.load_label(T3, direct);
        a.jump(set);
        a.bind(vectored);
        a.load_label(T3, table);
        a.word(asm::addi(T3, T3, 1));
        a.bind(set);
        a.csrw(csr, T3);
    }
    // No reservation is left over.
    a.word(asm::addi(T2, T0, cell::SCRATCH));
    a.word(asm::r_type(0x2f, 2, 0x18 >> 1, ZERO, T2, ZERO));
    a.li(T2, FS);
    a.word(asm::csrrs(ZERO, MSTATUS, T2));
    for n in 0..32 {
        a.word(asm::i_type(0x07, 3, n, T1, at(word::F + n as usize)));
    }
    a.ld(T2, T1, at(word::FCSR));
    a.csrw(0x003, T2);
    a.ld(T2, T1, at(word::MSTATUS));
    a.csrw(MSTATUS, T2);
    a.ld(T2, T1, at(word::MEPC));
    a.csrw(0x341, T2);
    for n in (1..32).filter(|&n| n != T1).chain([T1]) {
        a.ld(n, T1, at(word::X + n as usize - 1));
    }
    a.word(asm::MRET);
}

/// A vector table: every entry jumps to the one handler.
fn table(a: &mut Asm, table: Label, handler: Label) {
    a.align(256);
    a.bind(table);
    for _ in 0..16 {
        a.jump(handler);
    }
}

/// What the handlers of the two levels do alike, with the CSRs and cells of one.
struct Level {
    status: u32,
    scratch: u32,
    cause: u32,
    epc: u32,
    tval: u32,
    enable: u32,
    save: i32,
    tag: u64,
    read_code: u32,
    leave: u32,
}

fn restore(a: &mut Asm, level: &Level) {
    for (n, register) in [T3, T2, T1, T0].into_iter().enumerate() {
        a.ld(register, T0, level.save + 24 - 8 * n as i32);
    }
}

/// Saves t0 to t3, logs the trap; leaves t0 at the cells, t2 with the address that trapped.
fn log_trap(a: &mut Asm, level: &Level) {
    a.csrw(level.scratch, T0);
    a.la(T0, CELLS);
    for (n, register) in [T1, T2, T3].into_iter().enumerate() {
        a.sd(register, T0, level.save + 8 + 8 * n as i32);
    }
    a.csrr(T1, level.scratch);
    a.sd(T1, T0, level.save);
    a.ld(T3, T0, cell::LOG);
    a.li(T1, level.tag);
    a.sd(T1, T3, 0);
    a.csrr(T1, level.cause);
    a.sd(T1, T3, 8);
    // Known differences end here: random code sees neither the value of a trap nor whether the access that
    // could not be made was a load or a store.
    let other = a.label();
    a.li(T2, LOAD_ACCESS);
    a.branch(Cond::Ne, T1, T2, other);
    a.word(asm::addi(T1, T1, (STORE_ACCESS - LOAD_ACCESS) as i32));
    a.csrw(level.cause, T1);
    a.bind(other);
    a.csrr(T2, level.epc);
    a.sd(T2, T3, 16);
    a.word(csrrw(T1, level.tval, ZERO));
    a.sd(T1, T3, 24);
    a.csrr(T1, level.status);
    a.sd(T1, T3, 32);
    a.word(asm::addi(T3, T3, 8 * TRAP_WORDS as i32));
    a.sd(T3, T0, cell::LOG);
}

/// Goes to `end` if the block is over; otherwise disarms an interrupt, or steps over the instruction, and
/// returns.
fn resume(a: &mut Asm, level: &Level, end: Label) {
    let (back, interrupt) = (a.label(), a.label());
    a.ld(T1, T0, cell::BUDGET);
    a.word(asm::addi(T1, T1, -1));
    a.sd(T1, T0, cell::BUDGET);
    a.branch(Cond::Lt, T1, ZERO, end);
    a.csrr(T1, level.cause);
    a.branch(Cond::Lt, T1, ZERO, interrupt);
    let shift = PLACE_MASK.leading_zeros() as i32;
    a.word(asm::i_type(0x13, 1, T3, T2, shift));
    a.word(asm::i_type(0x13, 5, T3, T3, shift));
    a.ld(T1, T0, cell::END);
    a.branch(Cond::Eq, T3, T1, end);
    a.csrr(T1, level.cause);
    a.li(T3, FETCH_FAULTS);
    a.word(asm::r_type(0x33, 5, 0, T3, T3, T1));
    a.word(asm::andi(T3, T3, 1));
    a.branch(Cond::Ne, T3, ZERO, end);

    a.word(asm::lui(T3, level.read_code));
    a.word(asm::csrrs(T3, level.status, T3));
    a.word(asm::i_type(0x03, 5, T1, T2, 0));
    a.csrw(level.status, T3);
    let short = a.label();
    a.word(asm::andi(T1, T1, 3));
    a.word(asm::addi(T1, T1, -3));
    a.word(asm::addi(T2, T2, 2));
    a.branch(Cond::Ne, T1, ZERO, short);
    a.word(asm::addi(T2, T2, 2));
    a.bind(short);
    a.csrw(level.epc, T2);
    a.jump(back);

    a.bind(interrupt);
    a.li(T2, 1);
    a.word(asm::r_type(0x33, 1, 0, T2, T2, T1));
    a.word(asm::csrrc(ZERO, level.enable, T2));
    a.bind(back);
    if level.leave == asm::MRET {
        // The return changes MPP. Where MPRV is set, QEMU 7.2 must be told to translate anew.
        let unlent = a.label();
        a.csrr(T1, level.status);
        a.word(asm::i_type(0x13, 1, T1, T1, 63 - 17));
        a.branch(Cond::Ge, T1, ZERO, unlent);
        a.word(asm::SFENCE_VMA);
        a.bind(unlent);
    }
    restore(a, level);
    a.word(level.leave);
}

const MACHINE: Level = Level {
    status: MSTATUS,
    scratch: 0x340,
    cause: 0x342,
    epc: 0x341,
    tval: 0x343,
    enable: 0x304,
    save: cell::SAVE_M,
    tag: TAG_M,
    read_code: MPRV_MXR,
    leave: asm::MRET,
};

const SUPERVISOR: Level = Level {
    status: SSTATUS,
    scratch: 0x140,
    cause: 0x142,
    epc: 0x141,
    tval: 0x143,
    enable: 0x104,
    save: cell::SAVE_S,
    tag: TAG_S,
    read_code: SUM_MXR,
    leave: asm::SRET,
};

fn machine_handler(a: &mut Asm, l: &Labels) {
    a.bind(l.mtrap);
    log_trap(a, &MACHINE);
    for escape in l.escapes {
        a.load_label(T1, escape);
        a.branch(Cond::Eq, T1, T2, l.end);
    }
    resume(a, &MACHINE, l.end);
}

fn supervisor_handler(a: &mut Asm, l: &Labels) {
    a.bind(l.strap);
    log_trap(a, &SUPERVISOR);
    let end = a.label();
    resume(a, &SUPERVISOR, end);
    a.bind(end);
    let by_break = a.label();
    a.ld(T1, T0, cell::ESCAPE);
    a.branch(Cond::Ne, T1, ZERO, by_break);
    restore(a, &SUPERVISOR);
    a.bind(l.escapes[0]);
    a.word(asm::ECALL);
    a.bind(by_break);
    restore(a, &SUPERVISOR);
    a.bind(l.escapes[1]);
    a.word(asm::EBREAK);
}

/// Adds up t1 words (a multiple of eight) at t2 into a0.
fn sum(a: &mut Asm) {
    let (again, done) = (a.label(), a.label());
    a.bind(again);
    a.branch(Cond::Ge, ZERO, T1, done);
    for n in 0..8 {
        a.ld(A1, T2, 8 * n);
        a.word(asm::r_type(0x33, 0, 0, A0, A0, A1));
        // An odd factor spreads the bits.
        a.word(asm::r_type(0x33, 0, 1, A0, A0, T4));
    }
    a.word(asm::addi(T2, T2, 64));
    a.word(asm::addi(T1, T1, -8));
    a.jump(again);
    a.bind(done);
}

/// Writes the record of an end, and goes on.
fn write_end(a: &mut Asm, l: &Labels, options: Options) {
    a.bind(l.end);
    a.ld(T3, T0, cell::LOG);
    a.li(T1, TAG_END);
    a.sd(T1, T3, 0);
    a.ld(T1, T0, cell::RUN);
    a.sd(T1, T3, 8);
    for n in 1..32 {
        let saved = [T0, T1, T2, T3].iter().position(|&r| r == n);
        if let Some(slot) = saved {
            a.ld(T1, T0, cell::SAVE_M + 8 * slot as i32);
        }
        a.sd(if saved.is_some() { T1 } else { n }, T3, 8 + 8 * n as i32);
    }
    for (n, &(_, csr)) in LOGGED.iter().enumerate() {
        a.csrr(T1, csr);
        a.sd(T1, T3, 8 * (END_CSRS + n) as i32);
        if csr == MSTATUS {
            a.li(T1, FS);
            a.word(asm::csrrs(ZERO, MSTATUS, T1));
        }
    }
    for n in 0..32 {
        a.word(asm::s_type(0x27, 3, T3, n, 8 * (33 + n) as i32));
    }
    // An 8-byte access that a 4-byte entry covers by half fails even in M (privileged 3.7.1).
    if options.protected {
        a.csrw(PMPCFG0, ZERO);
    }
    a.li(T4, 0x9e37_79b9_7f4a_7c15);
    a.li(A0, 0);
    a.la(T2, DATA);
    a.li(T1, SUMMED_BYTES / 8);
    sum(a);
    a.sd(A0, T3, 8 * (END_WORDS - 2) as i32);
    a.li(A0, 0);
    for n in 0..3 {
        a.ld(T1, T0, cell::RUN);
        a.ld(T2, T1, 8 * (word::SUMS + 2 * n) as i32);
        a.ld(T1, T1, 8 * (word::SUMS + 2 * n + 1) as i32);
        sum(a);
    }
    a.sd(A0, T3, 8 * (END_WORDS - 1) as i32);
    a.word(asm::addi(T3, T3, 8 * END_WORDS as i32));
    a.sd(T3, T0, cell::LOG);
    // A full log ends the program: the next descriptor becomes the terminating one.
    a.la(T1, LOG_END - 0x1_0000);
    a.branch(Cond::Lt, T3, T1, l.next);
    a.la(T1, CELLS - 8 * word::COUNT as u64 - 0x1000);
    a.sd(T1, T0, cell::RUN);
    a.jump(l.next);
}
