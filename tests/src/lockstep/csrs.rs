//! CSR accesses of random code. Values are such that both simulators must take them alike: what a WARL
//! field does with others is not the same everywhere, and need not be.

use super::asm::{i_type, li};
use super::block::Maker;
use super::code::{Gadget, Item};
use super::rng::Rng;

/// What may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// Anything, in any of the six ways.
    Any,
    /// Any subset of these bits.
    Mask(u64),
    /// Any subset of these bits set or cleared; the others stay.
    Bits(u64),
    /// `mstatus`, or the part of it that `sstatus` shows.
    Status(u64),
    /// One of the program's address spaces, none, or a mode that does not exist.
    Satp,
    /// Where a handler is.
    Mtvec,
    /// The same for S.
    Stvec,
    /// All ones: a timer that never rings.
    Never,
    /// Nothing: the register is only read.
    Read,
    /// A write that must trap.
    Trap,
}

/// How the value read is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Kept.
    Keep,
    /// Read into x0: it depends on time, or on a legitimate difference.
    Drop,
    /// Not read: rd is x0.
    Unread,
}

struct Policy {
    csr: u32,
    write: Write,
    result: Seen,
    /// Leaves privilege, translation and the course of traps alone.
    calm: bool,
}

const fn policy(csr: u32, write: Write, result: Seen, calm: bool) -> Policy {
    Policy { csr, write, result, calm }
}

const SIE: u64 = 1 << 1;
const MIE: u64 = 1 << 3;
const SPIE: u64 = 1 << 5;
const MPIE: u64 = 1 << 7;
const SPP: u64 = 1 << 8;
const MPP: u64 = 3 << 11;
const FS: u64 = 3 << 13;
const MPRV: u64 = 1 << 17;
const SUM: u64 = 1 << 18;
const MXR: u64 = 1 << 19;
const TVM: u64 = 1 << 20;
const TW: u64 = 1 << 21;
/// UXL, and SXL: 64 bits, which one of the simulators can change.
const XLENS: u64 = 0xa << 32;
const SSTATUS_BITS: u64 = SIE | SPIE | SPP | FS | SUM | MXR;
const MSTATUS_BITS: u64 = SSTATUS_BITS | MIE | MPIE | MPP | MPRV | TVM | TW;
const S_INTERRUPTS: u64 = 0x222;

use Seen::{Drop, Keep, Unread};
use Write::{Any, Bits, Mask, Mtvec, Never, Read, Satp, Status, Stvec, Trap};

const POLICIES: &[Policy] = &[
    policy(0x001, Any, Keep, true),
    policy(0x002, Any, Keep, true),
    policy(0x003, Any, Keep, true),
    policy(0x002, Mask(3), Keep, true),
    policy(0xc00, Trap, Drop, true),
    policy(0xc01, Trap, Drop, true),
    policy(0xc02, Trap, Drop, true),
    policy(0xc00, Read, Drop, true),
    policy(0xc01, Read, Drop, true),
    policy(0xc02, Read, Drop, true),
    policy(0xc03, Read, Drop, true),
    policy(0xc12, Read, Drop, true),
    policy(0x100, Status(SSTATUS_BITS), Keep, false),
    policy(0x104, Mask(S_INTERRUPTS), Keep, true),
    policy(0x105, Stvec, Keep, true),
    policy(0x106, Mask(u32::MAX as u64), Keep, true),
    policy(0x10a, Mask(1), Keep, true),
    policy(0x140, Any, Keep, true),
    policy(0x141, Mask(!3), Keep, true),
    policy(0x142, Any, Keep, true),
    policy(0x143, Any, Keep, true),
    policy(0x144, Mask(2), Keep, true),
    policy(0x14d, Never, Keep, true),
    policy(0x180, Satp, Keep, false),
    policy(0x300, Status(MSTATUS_BITS), Keep, false),
    policy(0x300, Status(MSTATUS_BITS), Keep, false),
    policy(0x301, Read, Drop, true),
    policy(0x302, Read, Keep, true),
    policy(0x303, Read, Keep, true),
    policy(0x304, Mask(S_INTERRUPTS), Keep, true),
    policy(0x305, Mtvec, Keep, true),
    policy(0x306, Mask(u32::MAX as u64), Keep, true),
    policy(0x30a, Bits(1), Unread, true),
    policy(0x320, Mask(5), Keep, true),
    policy(0x340, Any, Keep, true),
    policy(0x341, Mask(!3), Keep, true),
    policy(0x342, Any, Keep, true),
    policy(0x343, Any, Keep, true),
    policy(0x344, Mask(S_INTERRUPTS), Keep, true),
    policy(0x3a0, Read, Keep, true),
    policy(0x3a2, Read, Keep, true),
    policy(0x3b3, Read, Keep, true),
    policy(0x3b4, Mask((1 << 54) - 1), Keep, true),
    policy(0x3b5, Mask((1 << 54) - 1), Keep, true),
    policy(0x3b6, Mask((1 << 54) - 1), Keep, true),
    policy(0x3b7, Mask((1 << 54) - 1), Keep, true),
    policy(0xb00, Any, Drop, true),
    policy(0xb02, Any, Drop, true),
    policy(0xf11, Read, Keep, true),
    policy(0xf12, Read, Keep, true),
    policy(0xf13, Read, Keep, true),
    policy(0xf14, Read, Keep, true),
    policy(0xf15, Read, Keep, true),
    policy(0xf11, Trap, Keep, true),
    policy(0xf14, Trap, Keep, true),
];

/// Numbers that are no CSR in either simulator.
const NONE: &[u32] = &[
    0x004, 0x041, 0x0ff, 0x108, 0x146, 0x181, 0x200, 0x280, 0x400, 0x5a8, 0x600, 0x680, 0x6a8, 0x800, 0x8ff,
    0x9c0, 0xa00, 0xc20, 0xcc0, 0xdc0, 0xe00, 0xf10, 0xf16, 0xfff,
];

/// A value for `write` with operation `op` (1: write, 2: set, 3: clear); `None` where that operation could
/// make an illegal value of the old one.
fn value(rng: &mut Rng, write: Write, op: u32, maker: &Maker<'_>) -> Option<u64> {
    let (satps, runtime) = (maker.satps, maker.runtime);
    let whole = op == 1;
    Some(match write {
        Any => super::values::integer(rng),
        Mask(mask) => rng.bits() & mask,
        Status(bits) => {
            let mut value = rng.bits() & rng.bits() & bits;
            // FS off or dirty: how exactly the states between are kept is left open (privileged 3.1.6.6).
            value = value & !FS | if rng.percent(85) == whole { FS & bits } else { 0 };
            let level = if whole { rng.pick(&[0, 1, 3]) } else { rng.pick(&[0, 3]) };
            value = value & !MPP | level << 11 & bits;
            if whole { value | XLENS & if bits & MPP != 0 { u64::MAX } else { 3 << 32 } } else { value }
        }
        Satp if whole && rng.percent(10) => rng.pick(&[1u64, 2, 7, 11, 14, 15]) << 60 | rng.bits() >> 4,
        Satp if whole => rng.pick(satps),
        Mtvec if whole => rng.pick(&[runtime.mtrap, runtime.mtable | 1]),
        Stvec if whole => rng.pick(&[runtime.strap, runtime.stable | 1]),
        Never if whole => u64::MAX,
        Trap => rng.bits(),
        Bits(mask) if !whole => rng.bits() & mask,
        Bits(_) | Satp | Mtvec | Stvec | Never | Read => return None,
    })
}

/// A CSR instruction with what sets up its operand, or `None` if the dice did not fall well. `rd` and `t` are
/// registers that may be written; `calm` asks for one that leaves privilege and translation alone.
pub fn access(rng: &mut Rng, rd: u32, t: u32, maker: &Maker<'_>, calm: bool) -> Option<Gadget> {
    if rng.percent(4) {
        let word = i_type(0x73, rng.pick(&[1, 2, 3, 5, 6, 7]), rd, t, rng.pick(NONE) as i32);
        return Some(vec![Item::Word(word)]);
    }
    let Policy { csr, write, result, calm: is_calm } = rng.pick(&POLICIES.iter().collect::<Vec<_>>());
    let hidden = match write {
        Status(_) => maker.status_hidden,
        // Without Sstc, a write in M takes STIP away in QEMU.
        Never => !maker.timer,
        _ => false,
    };
    if hidden || calm && !is_calm {
        return None;
    }
    // Not dropped by a second instruction: that can be on a page that cannot be executed.
    let rd = if *result == Keep { rd } else { 0 };
    let mut gadget = Vec::new();
    let csr = *csr as i32;
    if *write == Read || rng.percent(15) && *result != Unread {
        // Set or clear with x0: reads, without writing.
        gadget.push(Item::Word(i_type(0x73, rng.pick(&[2, 3, 6, 7]), rd, 0, csr)));
    } else {
        let op = 1 + rng.below(3) as u32;
        let value = value(rng, *write, op, maker)?;
        if value < 32 && rng.percent(50) {
            gadget.push(Item::Word(i_type(0x73, op + 4, rd, value as u32, csr)));
        } else {
            gadget.extend(li(t, value).into_iter().map(Item::Word));
            gadget.push(Item::Word(i_type(0x73, op, rd, t, csr)));
        }
    }
    Some(gadget)
}
