//! The instructions: one row and one function each, one file per extension.
//!
//! To add an instruction, write its row and its function in the file of its extension (or a new file,
//! listed in [`BASE`]) and a case in `tests/semantics`. Extensions outside the core bring their rows to
//! [`crate::decode::Decoder::new`] instead.

use crate::insn::InsnDef;

/// The rows of a file. A row reads: name, (need), encoding, format, class, specification, function, and
/// for encodings with reserved words `valid` and the function that takes those out.
macro_rules! rows {
    ($($name:literal ($($need:tt)+) $pattern:literal $fmt:ident $class:ident $spec:literal $exec:path
       $(, valid $valid:path)?;)*) => {
        /// The instructions of this file.
        pub const ROWS: &[$crate::insn::InsnDef] = &[$(
            $crate::insn::InsnDef::new(
                $name,
                $crate::need!($($need)+),
                $pattern,
                $crate::insn::Fmt::$fmt,
                $crate::insn::OpClass::$class,
                $spec,
                $exec,
            )$(.valid_if($valid))?
        ),*];
    };
}

/// Functions `rd = value of rs1 and rs2`.
macro_rules! reg_reg {
    ($($name:ident |$a:ident, $b:ident| $value:expr;)*) => {$(
        pub(super) fn $name(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
            let ($a, $b) = (h.x(op.rs1), h.x(op.rs2));
            h.set_x(op.rd, $value);
            Ok(())
        }
    )*};
}

/// The same for those whose latency depends on the operands.
macro_rules! reg_reg_timed {
    ($($name:ident |$a:ident, $b:ident| $value:expr;)*) => {$(
        pub(super) fn $name(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
            let ($a, $b) = (h.x(op.rs1), h.x(op.rs2));
            h.note(op, crate::timing::Fact { a: $a, b: $b });
            h.set_x(op.rd, $value);
            Ok(())
        }
    )*};
}

/// Functions `rd = value of rs1 and the immediate`.
macro_rules! reg_imm {
    ($($name:ident |$a:ident, $imm:ident| $value:expr;)*) => {$(
        pub(super) fn $name(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
            let ($a, $imm) = (h.x(op.rs1), i64::from(op.imm) as u64);
            h.set_x(op.rd, $value);
            Ok(())
        }
    )*};
}

/// Functions `rd = value of rs1`.
macro_rules! unary {
    ($($name:ident |$a:ident| $value:expr;)*) => {$(
        pub(super) fn $name(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
            let $a = h.x(op.rs1);
            h.set_x(op.rd, $value);
            Ok(())
        }
    )*};
}

pub mod a;
pub mod c;
pub mod d;
pub mod f;
pub mod i;
pub mod m;
pub mod privileged;
pub mod zawrs;
pub mod zba;
pub mod zbb;
pub mod zbc;
pub mod zbkb;
pub mod zbkx;
pub mod zbs;
pub mod zfh;
pub mod zicbo;
pub mod zicond;
pub mod zicsr;
pub mod zifencei;
pub mod zihint;

/// The rows of every file in this folder.
pub const BASE: &[&[InsnDef]] = &[
    i::ROWS,
    m::ROWS,
    a::ROWS,
    f::ROWS,
    d::ROWS,
    zfh::ROWS,
    c::ROWS,
    zicsr::ROWS,
    zifencei::ROWS,
    privileged::ROWS,
    zicond::ROWS,
    zicbo::ROWS,
    zihint::ROWS,
    zawrs::ROWS,
    zba::ROWS,
    zbb::ROWS,
    zbc::ROWS,
    zbkb::ROWS,
    zbkx::ROWS,
    zbs::ROWS,
];

/// The low 32 bits of `value`, sign-extended: what the `*w` instructions leave in `rd`.
#[inline(always)]
const fn sext32(value: u64) -> u64 {
    value as i32 as i64 as u64
}
