//! What floating-point instructions have in common: access to the registers in a format, the rounding
//! mode, and the flags. The rows say which operation; `op.rm` is 0 where the encoding has none.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op, Stop};
use crate::ram::Scalar;
use crate::timing::Fact;

use super::{Float, Format, rm};

/// The rounding mode of `op`; reserved values in `frm` make the instruction illegal (reserved ones in
/// the instruction are not decoded).
#[inline(always)]
pub(crate) fn rounding(h: &mut Hart, op: &Op) -> Result<u8, Stop> {
    if op.rm != rm::DYN {
        return Ok(op.rm);
    }
    let frm = h.csr.frm;
    if frm > rm::RMM { Err(h.illegal(op)) } else { Ok(frm) }
}

/// Floating-point register `r` in format `F`.
#[inline(always)]
pub(crate) fn get<F: Format>(h: &Hart, r: u8) -> u64 {
    F::unbox(h.f(r))
}

/// Writes `value` and the accrued flags (the register write marks the state dirty for both).
#[inline(always)]
fn put<F: Format>(h: &mut Hart, op: &Op, value: u64, fflags: u8) -> Done {
    h.csr.fflags = fflags;
    h.set_f(op.rd, F::boxed(value));
    Ok(())
}

/// Notes the operands of `op`, whose latency depends on them.
#[inline(always)]
pub(crate) fn notes_operands(h: &mut Hart, op: &Op) {
    h.note(op, Fact { a: h.f(op.rs1), b: h.f(op.rs2) });
}

/// `frd = f(frs1, frs2)`, rounded.
#[inline(always)]
pub(crate) fn binary<F: Format>(h: &mut Hart, op: &Op, f: impl FnOnce(u64, u64, u8, &mut u8) -> u64) -> Done {
    h.fp_on(op)?;
    let (rm, mut fflags) = (rounding(h, op)?, h.csr.fflags);
    let value = f(get::<F>(h, op.rs1), get::<F>(h, op.rs2), rm, &mut fflags);
    put::<F>(h, op, value, fflags)
}

/// `frd = ±(frs1 * frs2) ± frs3`, with the signs of product and addend flipped where said.
#[inline(always)]
pub(crate) fn fused<F: Float>(h: &mut Hart, op: &Op, flip_product: bool, flip_addend: bool) -> Done {
    h.fp_on(op)?;
    let (rm, mut fflags) = (rounding(h, op)?, h.csr.fflags);
    let flip = |value: u64, flip: bool| if flip { value ^ F::SIGN } else { value };
    let a = flip(get::<F>(h, op.rs1), flip_product);
    let c = flip(get::<F>(h, op.rs3), flip_addend);
    let value = F::fma(a, get::<F>(h, op.rs2), c, rm, &mut fflags);
    put::<F>(h, op, value, fflags)
}

/// `frd = f(frs1)`, rounded, from format `From` to format `To`.
#[inline(always)]
pub(crate) fn unary<From: Format, To: Format>(
    h: &mut Hart,
    op: &Op,
    f: impl FnOnce(u64, u8, &mut u8) -> u64,
) -> Done {
    h.fp_on(op)?;
    let (rm, mut fflags) = (rounding(h, op)?, h.csr.fflags);
    let value = f(get::<From>(h, op.rs1), rm, &mut fflags);
    put::<To>(h, op, value, fflags)
}

/// `frd = f(frs1, frs2)`, minimum or maximum.
#[inline(always)]
pub(crate) fn min_max<F: Format>(h: &mut Hart, op: &Op, f: impl FnOnce(u64, u64, &mut u8) -> u64) -> Done {
    h.fp_on(op)?;
    let mut fflags = h.csr.fflags;
    let value = f(get::<F>(h, op.rs1), get::<F>(h, op.rs2), &mut fflags);
    put::<F>(h, op, value, fflags)
}

/// `frd` is the magnitude of `frs1` with the sign that `sign` (given both operands, sign bit in place)
/// says.
#[inline(always)]
pub(crate) fn inject<F: Format>(h: &mut Hart, op: &Op, sign: impl FnOnce(u64, u64) -> u64) -> Done {
    h.fp_on(op)?;
    let (a, b) = (get::<F>(h, op.rs1), get::<F>(h, op.rs2));
    h.set_f(op.rd, F::boxed(a & !F::SIGN | sign(a, b) & F::SIGN));
    Ok(())
}

/// `rd = f(frs1, frs2)`: a comparison.
#[inline(always)]
pub(crate) fn compare<F: Format>(h: &mut Hart, op: &Op, f: impl FnOnce(u64, u64, &mut u8) -> bool) -> Done {
    h.fp_on(op)?;
    let mut flags = 0;
    let value = f(get::<F>(h, op.rs1), get::<F>(h, op.rs2), &mut flags);
    h.accrue(flags);
    h.set_x(op.rd, value.into());
    Ok(())
}

/// `rd = f(frs1)`, rounded to an integer.
#[inline(always)]
pub(crate) fn to_int<F: Format>(h: &mut Hart, op: &Op, f: impl FnOnce(u64, u8, &mut u8) -> u64) -> Done {
    h.fp_on(op)?;
    let (rm, mut flags) = (rounding(h, op)?, 0);
    let value = f(get::<F>(h, op.rs1), rm, &mut flags);
    h.accrue(flags);
    h.set_x(op.rd, value);
    Ok(())
}

/// `frd = f(rs1)`, rounded from an integer.
#[inline(always)]
pub(crate) fn from_int<F: Format>(h: &mut Hart, op: &Op, f: impl FnOnce(u64, u8, &mut u8) -> u64) -> Done {
    h.fp_on(op)?;
    let (rm, mut fflags) = (rounding(h, op)?, h.csr.fflags);
    let value = f(h.x(op.rs1), rm, &mut fflags);
    put::<F>(h, op, value, fflags)
}

/// `rd = f(frs1)`, the register as it is: bit moves, and classification of what it unboxes to.
#[inline(always)]
pub(crate) fn bits_to_x(h: &mut Hart, op: &Op, f: impl FnOnce(u64) -> u64) -> Done {
    h.fp_on(op)?;
    let value = f(h.f(op.rs1));
    h.set_x(op.rd, value);
    Ok(())
}

/// `frd = rs1`, the low bits as they are.
#[inline(always)]
pub(crate) fn bits_from_x<F: Format>(h: &mut Hart, op: &Op) -> Done {
    h.fp_on(op)?;
    h.set_f(op.rd, F::boxed(h.x(op.rs1)));
    Ok(())
}

/// `frd = memory[rs1 + imm]`.
#[inline(always)]
pub(crate) fn load<F: Format, T: Scalar>(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    h.fp_on(op)?;
    let va = h.x(op.rs1).wrapping_add(op.imm as u64);
    h.load_then(bus, op, va, |h, op, value: T| h.set_f(op.rd, F::boxed(value.to_u64())))
}

/// `memory[rs1 + imm] = frs2`, the low bits as they are.
#[inline(always)]
pub(crate) fn store<T: Scalar>(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    h.fp_on(op)?;
    let va = h.x(op.rs1).wrapping_add(op.imm as u64);
    h.store(bus, op, va, T::from_u64(h.f(op.rs2)))
}
