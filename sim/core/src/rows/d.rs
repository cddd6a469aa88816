//! D: double-precision floating point.

use crate::bus::Bus;
use crate::fp::{F32, F64, Float, Format, exec};
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "fld"       (D) "............ ..... 011 ..... 0000111"   FLoad  FpLoad        "unpriv 22.3" fld;
    "fsd"       (D) "....... ..... ..... 011 ..... 0100111"  FStore FpStore       "unpriv 22.3" fsd;
    "fmadd.d"   (D) "..... 01 ..... ..... ... ..... 1000011" FR4    FpArithDouble "unpriv 22.4" fmadd_d;
    "fmsub.d"   (D) "..... 01 ..... ..... ... ..... 1000111" FR4    FpArithDouble "unpriv 22.4" fmsub_d;
    "fnmsub.d"  (D) "..... 01 ..... ..... ... ..... 1001011" FR4    FpArithDouble "unpriv 22.4" fnmsub_d;
    "fnmadd.d"  (D) "..... 01 ..... ..... ... ..... 1001111" FR4    FpArithDouble "unpriv 22.4" fnmadd_d;
    "fadd.d"    (D) "0000001 ..... ..... ... ..... 1010011"  FR     FpArithDouble "unpriv 22.4" fadd_d;
    "fsub.d"    (D) "0000101 ..... ..... ... ..... 1010011"  FR     FpArithDouble "unpriv 22.4" fsub_d;
    "fmul.d"    (D) "0001001 ..... ..... ... ..... 1010011"  FR     FpArithDouble "unpriv 22.4" fmul_d;
    "fdiv.d"    (D) "0001101 ..... ..... ... ..... 1010011"  FR     FpDivDouble   "unpriv 22.4" fdiv_d;
    "fsqrt.d"   (D) "0101101 00000 ..... ... ..... 1010011"  F2     FpDivDouble   "unpriv 22.4" fsqrt_d;
    "fsgnj.d"   (D) "0010001 ..... ..... 000 ..... 1010011"  FRn    FpMisc        "unpriv 22.5" fsgnj_d;
    "fsgnjn.d"  (D) "0010001 ..... ..... 001 ..... 1010011"  FRn    FpMisc        "unpriv 22.5" fsgnjn_d;
    "fsgnjx.d"  (D) "0010001 ..... ..... 010 ..... 1010011"  FRn    FpMisc        "unpriv 22.5" fsgnjx_d;
    "fmin.d"    (D) "0010101 ..... ..... 000 ..... 1010011"  FRn    FpMisc        "unpriv 22.4" fmin_d;
    "fmax.d"    (D) "0010101 ..... ..... 001 ..... 1010011"  FRn    FpMisc        "unpriv 22.4" fmax_d;
    "feq.d"     (D) "1010001 ..... ..... 010 ..... 1010011"  FCmp   FpToInt       "unpriv 22.6" feq_d;
    "flt.d"     (D) "1010001 ..... ..... 001 ..... 1010011"  FCmp   FpToInt       "unpriv 22.6" flt_d;
    "fle.d"     (D) "1010001 ..... ..... 000 ..... 1010011"  FCmp   FpToInt       "unpriv 22.6" fle_d;
    "fclass.d"  (D) "1110001 00000 ..... 001 ..... 1010011"  FToXn  FpToInt       "unpriv 22.7" fclass_d;
    "fcvt.w.d"  (D) "1100001 00000 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 22.5" fcvt_w_d;
    "fcvt.wu.d" (D) "1100001 00001 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 22.5" fcvt_wu_d;
    "fcvt.l.d"  (D) "1100001 00010 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 22.5" fcvt_l_d;
    "fcvt.lu.d" (D) "1100001 00011 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 22.5" fcvt_lu_d;
    "fcvt.d.w"  (D) "1101001 00000 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 22.5" fcvt_d_w;
    "fcvt.d.wu" (D) "1101001 00001 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 22.5" fcvt_d_wu;
    "fcvt.d.l"  (D) "1101001 00010 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 22.5" fcvt_d_l;
    "fcvt.d.lu" (D) "1101001 00011 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 22.5" fcvt_d_lu;
    "fmv.x.d"   (D) "1110001 00000 ..... 000 ..... 1010011"  FToXn  FpToInt       "unpriv 22.5" fmv_x_d;
    "fmv.d.x"   (D) "1111001 00000 ..... 000 ..... 1010011"  XToFn  IntToFp       "unpriv 22.5" fmv_d_x;
    "fcvt.s.d"  (D) "0100000 00001 ..... ... ..... 1010011"  F2     FpMisc        "unpriv 22.5" fcvt_s_d;
    "fcvt.d.s"  (D) "0100001 00000 ..... ... ..... 1010011"  F2     FpMisc        "unpriv 22.5" fcvt_d_s;
}

pub(super) fn fld(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    exec::load::<F64, u64>(h, bus, op)
}

pub(super) fn fsd(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    exec::store::<u64>(h, bus, op)
}

fn fmadd_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F64>(h, op, false, false)
}

fn fmsub_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F64>(h, op, false, true)
}

fn fnmsub_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F64>(h, op, true, false)
}

fn fnmadd_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F64>(h, op, true, true)
}

fn fadd_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::binary::<F64>(h, op, F64::add)
}

fn fsub_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::binary::<F64>(h, op, F64::sub)
}

fn fmul_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::binary::<F64>(h, op, F64::mul)
}

fn fdiv_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::notes_operands(h, op);
    exec::binary::<F64>(h, op, F64::div)
}

fn fsqrt_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::notes_operands(h, op);
    exec::unary::<F64, F64>(h, op, F64::sqrt)
}

fn fsgnj_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::inject::<F64>(h, op, |_, b| b)
}

fn fsgnjn_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::inject::<F64>(h, op, |_, b| !b)
}

fn fsgnjx_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::inject::<F64>(h, op, |a, b| a ^ b)
}

fn fmin_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::min_max::<F64>(h, op, F64::min)
}

fn fmax_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::min_max::<F64>(h, op, F64::max)
}

fn feq_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::compare::<F64>(h, op, F64::eq)
}

fn flt_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::compare::<F64>(h, op, F64::lt)
}

fn fle_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::compare::<F64>(h, op, F64::le)
}

fn fclass_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::bits_to_x(h, op, |a| F64::classify(F64::unbox(a)))
}

fn fcvt_w_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F64>(h, op, |a, rm, flags| F64::to_i32(a, rm, flags) as u64)
}

fn fcvt_wu_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F64>(h, op, |a, rm, flags| F64::to_u32(a, rm, flags) as i32 as u64)
}

fn fcvt_l_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F64>(h, op, |a, rm, flags| F64::to_i64(a, rm, flags) as u64)
}

fn fcvt_lu_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F64>(h, op, F64::to_u64)
}

fn fcvt_d_w(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F64>(h, op, |x, rm, flags| F64::from_i64((x as i32).into(), rm, flags))
}

fn fcvt_d_wu(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F64>(h, op, |x, rm, flags| F64::from_u64((x as u32).into(), rm, flags))
}

fn fcvt_d_l(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F64>(h, op, |x, rm, flags| F64::from_i64(x as i64, rm, flags))
}

fn fcvt_d_lu(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F64>(h, op, F64::from_u64)
}

fn fmv_x_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::bits_to_x(h, op, |a| a)
}

fn fmv_d_x(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::bits_from_x::<F64>(h, op)
}

fn fcvt_s_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::unary::<F64, F32>(h, op, F64::convert::<F32>)
}

fn fcvt_d_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::unary::<F32, F64>(h, op, F32::convert::<F64>)
}
