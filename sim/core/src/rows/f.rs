//! F: single-precision floating point.
//!
//! Operands are unboxed: a register whose upper half is not all ones reads as the canonical NaN (unprivileged
//! specification 22.2). Bit moves and stores take the lower half as it is.

use crate::bus::Bus;
use crate::fp::{F32, Float, Format, exec};
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "flw"       (F) "............ ..... 010 ..... 0000111"   FLoad  FpLoad        "unpriv 21.5" flw;
    "fsw"       (F) "....... ..... ..... 010 ..... 0100111"  FStore FpStore       "unpriv 21.5" fsw;
    "fmadd.s"   (F) "..... 00 ..... ..... ... ..... 1000011" FR4    FpArithSingle "unpriv 21.6" fmadd_s;
    "fmsub.s"   (F) "..... 00 ..... ..... ... ..... 1000111" FR4    FpArithSingle "unpriv 21.6" fmsub_s;
    "fnmsub.s"  (F) "..... 00 ..... ..... ... ..... 1001011" FR4    FpArithSingle "unpriv 21.6" fnmsub_s;
    "fnmadd.s"  (F) "..... 00 ..... ..... ... ..... 1001111" FR4    FpArithSingle "unpriv 21.6" fnmadd_s;
    "fadd.s"    (F) "0000000 ..... ..... ... ..... 1010011"  FR     FpArithSingle "unpriv 21.6" fadd_s;
    "fsub.s"    (F) "0000100 ..... ..... ... ..... 1010011"  FR     FpArithSingle "unpriv 21.6" fsub_s;
    "fmul.s"    (F) "0001000 ..... ..... ... ..... 1010011"  FR     FpArithSingle "unpriv 21.6" fmul_s;
    "fdiv.s"    (F) "0001100 ..... ..... ... ..... 1010011"  FR     FpDivSingle   "unpriv 21.6" fdiv_s;
    "fsqrt.s"   (F) "0101100 00000 ..... ... ..... 1010011"  F2     FpDivSingle   "unpriv 21.6" fsqrt_s;
    "fsgnj.s"   (F) "0010000 ..... ..... 000 ..... 1010011"  FRn    FpMisc        "unpriv 21.7" fsgnj_s;
    "fsgnjn.s"  (F) "0010000 ..... ..... 001 ..... 1010011"  FRn    FpMisc        "unpriv 21.7" fsgnjn_s;
    "fsgnjx.s"  (F) "0010000 ..... ..... 010 ..... 1010011"  FRn    FpMisc        "unpriv 21.7" fsgnjx_s;
    "fmin.s"    (F) "0010100 ..... ..... 000 ..... 1010011"  FRn    FpMisc        "unpriv 21.6" fmin_s;
    "fmax.s"    (F) "0010100 ..... ..... 001 ..... 1010011"  FRn    FpMisc        "unpriv 21.6" fmax_s;
    "feq.s"     (F) "1010000 ..... ..... 010 ..... 1010011"  FCmp   FpToInt       "unpriv 21.8" feq_s;
    "flt.s"     (F) "1010000 ..... ..... 001 ..... 1010011"  FCmp   FpToInt       "unpriv 21.8" flt_s;
    "fle.s"     (F) "1010000 ..... ..... 000 ..... 1010011"  FCmp   FpToInt       "unpriv 21.8" fle_s;
    "fclass.s"  (F) "1110000 00000 ..... 001 ..... 1010011"  FToXn  FpToInt       "unpriv 21.9" fclass_s;
    "fcvt.w.s"  (F) "1100000 00000 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 21.7" fcvt_w_s;
    "fcvt.wu.s" (F) "1100000 00001 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 21.7" fcvt_wu_s;
    "fcvt.l.s"  (F) "1100000 00010 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 21.7" fcvt_l_s;
    "fcvt.lu.s" (F) "1100000 00011 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 21.7" fcvt_lu_s;
    "fcvt.s.w"  (F) "1101000 00000 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 21.7" fcvt_s_w;
    "fcvt.s.wu" (F) "1101000 00001 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 21.7" fcvt_s_wu;
    "fcvt.s.l"  (F) "1101000 00010 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 21.7" fcvt_s_l;
    "fcvt.s.lu" (F) "1101000 00011 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 21.7" fcvt_s_lu;
    "fmv.x.w"   (F) "1110000 00000 ..... 000 ..... 1010011"  FToXn  FpToInt       "unpriv 21.7" fmv_x_w;
    "fmv.w.x"   (F) "1111000 00000 ..... 000 ..... 1010011"  XToFn  IntToFp       "unpriv 21.7" fmv_w_x;
}

pub(super) fn flw(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    exec::load::<F32, u32>(h, bus, op)
}

pub(super) fn fsw(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    exec::store::<u32>(h, bus, op)
}

fn fmadd_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F32>(h, op, false, false)
}

fn fmsub_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F32>(h, op, false, true)
}

fn fnmsub_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F32>(h, op, true, false)
}

fn fnmadd_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F32>(h, op, true, true)
}

fn fadd_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::binary::<F32>(h, op, F32::add)
}

fn fsub_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::binary::<F32>(h, op, F32::sub)
}

fn fmul_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::binary::<F32>(h, op, F32::mul)
}

fn fdiv_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::notes_operands(h, op);
    exec::binary::<F32>(h, op, F32::div)
}

fn fsqrt_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::notes_operands(h, op);
    exec::unary::<F32, F32>(h, op, F32::sqrt)
}

fn fsgnj_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::inject::<F32>(h, op, |_, b| b)
}

fn fsgnjn_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::inject::<F32>(h, op, |_, b| !b)
}

fn fsgnjx_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::inject::<F32>(h, op, |a, b| a ^ b)
}

fn fmin_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::min_max::<F32>(h, op, F32::min)
}

fn fmax_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::min_max::<F32>(h, op, F32::max)
}

fn feq_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::compare::<F32>(h, op, F32::eq)
}

fn flt_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::compare::<F32>(h, op, F32::lt)
}

fn fle_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::compare::<F32>(h, op, F32::le)
}

fn fclass_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::bits_to_x(h, op, |a| F32::classify(F32::unbox(a)))
}

fn fcvt_w_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F32>(h, op, |a, rm, flags| F32::to_i32(a, rm, flags) as u64)
}

fn fcvt_wu_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F32>(h, op, |a, rm, flags| F32::to_u32(a, rm, flags) as i32 as u64)
}

fn fcvt_l_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F32>(h, op, |a, rm, flags| F32::to_i64(a, rm, flags) as u64)
}

fn fcvt_lu_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F32>(h, op, F32::to_u64)
}

fn fcvt_s_w(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F32>(h, op, |x, rm, flags| F32::from_i64((x as i32).into(), rm, flags))
}

fn fcvt_s_wu(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F32>(h, op, |x, rm, flags| F32::from_u64((x as u32).into(), rm, flags))
}

fn fcvt_s_l(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F32>(h, op, |x, rm, flags| F32::from_i64(x as i64, rm, flags))
}

fn fcvt_s_lu(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F32>(h, op, F32::from_u64)
}

fn fmv_x_w(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::bits_to_x(h, op, |a| a as i32 as u64)
}

fn fmv_w_x(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::bits_from_x::<F32>(h, op)
}
