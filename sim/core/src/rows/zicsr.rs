//! Zicsr: CSR instructions. The registers themselves are in `csr/`.

use crate::bus::Bus;
use crate::csr::{CsrOp, access};
use crate::hart::Hart;
use crate::insn::{Done, Fmt, InsnDef, Op, OpClass};
use crate::need;

/// `csrrw` does not read when rd is x0 (which the decoder has turned into the sink).
fn reads(op: &Op) -> bool {
    op.rd != crate::insn::X_SINK
}

fn csrrw(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    access(h, bus, op, CsrOp::Write, h.x(op.rs1), reads(op), true)
}

fn csrrs(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    access(h, bus, op, CsrOp::Set, h.x(op.rs1), true, op.rs1 != 0)
}

fn csrrc(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    access(h, bus, op, CsrOp::Clear, h.x(op.rs1), true, op.rs1 != 0)
}

/// The 5-bit immediate stands above the CSR number.
fn uimm(op: &Op) -> u64 {
    (op.imm >> 12) as u64 & 0x1f
}

fn csrrwi(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    access(h, bus, op, CsrOp::Write, uimm(op), reads(op), true)
}

fn csrrsi(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    access(h, bus, op, CsrOp::Set, uimm(op), true, uimm(op) != 0)
}

fn csrrci(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    access(h, bus, op, CsrOp::Clear, uimm(op), true, uimm(op) != 0)
}

/// Zicsr instructions.
pub const ROWS: &[InsnDef] = &[
    InsnDef::new(
        "csrrw",
        need!(Zicsr),
        ".................001.....1110011",
        Fmt::Csr,
        OpClass::Csr,
        "unpriv Zicsr",
        csrrw,
    ),
    InsnDef::new(
        "csrrs",
        need!(Zicsr),
        ".................010.....1110011",
        Fmt::Csr,
        OpClass::Csr,
        "unpriv Zicsr",
        csrrs,
    ),
    InsnDef::new(
        "csrrc",
        need!(Zicsr),
        ".................011.....1110011",
        Fmt::Csr,
        OpClass::Csr,
        "unpriv Zicsr",
        csrrc,
    ),
    InsnDef::new(
        "csrrwi",
        need!(Zicsr),
        ".................101.....1110011",
        Fmt::CsrImm,
        OpClass::Csr,
        "unpriv Zicsr",
        csrrwi,
    ),
    InsnDef::new(
        "csrrsi",
        need!(Zicsr),
        ".................110.....1110011",
        Fmt::CsrImm,
        OpClass::Csr,
        "unpriv Zicsr",
        csrrsi,
    ),
    InsnDef::new(
        "csrrci",
        need!(Zicsr),
        ".................111.....1110011",
        Fmt::CsrImm,
        OpClass::Csr,
        "unpriv Zicsr",
        csrrci,
    ),
];
