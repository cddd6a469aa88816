//! Zfh: half-precision floating point; Zfhmin, which Zfh contains: its loads, stores, moves and conversions
//! between formats.

use crate::bus::Bus;
use crate::fp::{F16, F32, F64, Float, Format, exec};
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "flh"       (Zfhmin)     "............ ..... 001 ..... 0000111"   FLoad  FpLoad        "unpriv 24.1" flh;
    "fsh"       (Zfhmin)     "....... ..... ..... 001 ..... 0100111"  FStore FpStore       "unpriv 24.1" fsh;
    "fmadd.h"   (Zfh)        "..... 10 ..... ..... ... ..... 1000011" FR4    FpArithSingle "unpriv 24.2" fmadd_h;
    "fmsub.h"   (Zfh)        "..... 10 ..... ..... ... ..... 1000111" FR4    FpArithSingle "unpriv 24.2" fmsub_h;
    "fnmsub.h"  (Zfh)        "..... 10 ..... ..... ... ..... 1001011" FR4    FpArithSingle "unpriv 24.2" fnmsub_h;
    "fnmadd.h"  (Zfh)        "..... 10 ..... ..... ... ..... 1001111" FR4    FpArithSingle "unpriv 24.2" fnmadd_h;
    "fadd.h"    (Zfh)        "0000010 ..... ..... ... ..... 1010011"  FR     FpArithSingle "unpriv 24.2" fadd_h;
    "fsub.h"    (Zfh)        "0000110 ..... ..... ... ..... 1010011"  FR     FpArithSingle "unpriv 24.2" fsub_h;
    "fmul.h"    (Zfh)        "0001010 ..... ..... ... ..... 1010011"  FR     FpArithSingle "unpriv 24.2" fmul_h;
    "fdiv.h"    (Zfh)        "0001110 ..... ..... ... ..... 1010011"  FR     FpDivSingle   "unpriv 24.2" fdiv_h;
    "fsqrt.h"   (Zfh)        "0101110 00000 ..... ... ..... 1010011"  F2     FpDivSingle   "unpriv 24.2" fsqrt_h;
    "fsgnj.h"   (Zfh)        "0010010 ..... ..... 000 ..... 1010011"  FRn    FpMisc        "unpriv 24.3" fsgnj_h;
    "fsgnjn.h"  (Zfh)        "0010010 ..... ..... 001 ..... 1010011"  FRn    FpMisc        "unpriv 24.3" fsgnjn_h;
    "fsgnjx.h"  (Zfh)        "0010010 ..... ..... 010 ..... 1010011"  FRn    FpMisc        "unpriv 24.3" fsgnjx_h;
    "fmin.h"    (Zfh)        "0010110 ..... ..... 000 ..... 1010011"  FRn    FpMisc        "unpriv 24.2" fmin_h;
    "fmax.h"    (Zfh)        "0010110 ..... ..... 001 ..... 1010011"  FRn    FpMisc        "unpriv 24.2" fmax_h;
    "feq.h"     (Zfh)        "1010010 ..... ..... 010 ..... 1010011"  FCmp   FpToInt       "unpriv 24.4" feq_h;
    "flt.h"     (Zfh)        "1010010 ..... ..... 001 ..... 1010011"  FCmp   FpToInt       "unpriv 24.4" flt_h;
    "fle.h"     (Zfh)        "1010010 ..... ..... 000 ..... 1010011"  FCmp   FpToInt       "unpriv 24.4" fle_h;
    "fclass.h"  (Zfh)        "1110010 00000 ..... 001 ..... 1010011"  FToXn  FpToInt       "unpriv 24.5" fclass_h;
    "fcvt.w.h"  (Zfh)        "1100010 00000 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 24.3" fcvt_w_h;
    "fcvt.wu.h" (Zfh)        "1100010 00001 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 24.3" fcvt_wu_h;
    "fcvt.l.h"  (Zfh)        "1100010 00010 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 24.3" fcvt_l_h;
    "fcvt.lu.h" (Zfh)        "1100010 00011 ..... ... ..... 1010011"  FToX   FpToInt       "unpriv 24.3" fcvt_lu_h;
    "fcvt.h.w"  (Zfh)        "1101010 00000 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 24.3" fcvt_h_w;
    "fcvt.h.wu" (Zfh)        "1101010 00001 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 24.3" fcvt_h_wu;
    "fcvt.h.l"  (Zfh)        "1101010 00010 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 24.3" fcvt_h_l;
    "fcvt.h.lu" (Zfh)        "1101010 00011 ..... ... ..... 1010011"  XToF   IntToFp       "unpriv 24.3" fcvt_h_lu;
    "fmv.x.h"   (Zfhmin)     "1110010 00000 ..... 000 ..... 1010011"  FToXn  FpToInt       "unpriv 24.3" fmv_x_h;
    "fmv.h.x"   (Zfhmin)     "1111010 00000 ..... 000 ..... 1010011"  XToFn  IntToFp       "unpriv 24.3" fmv_h_x;
    "fcvt.s.h"  (Zfhmin)     "0100000 00010 ..... ... ..... 1010011"  F2     FpMisc        "unpriv 24.6" fcvt_s_h;
    "fcvt.h.s"  (Zfhmin)     "0100010 00000 ..... ... ..... 1010011"  F2     FpMisc        "unpriv 24.6" fcvt_h_s;
    "fcvt.d.h"  (Zfhmin + D) "0100001 00010 ..... ... ..... 1010011"  F2     FpMisc        "unpriv 24.6" fcvt_d_h;
    "fcvt.h.d"  (Zfhmin + D) "0100010 00001 ..... ... ..... 1010011"  F2     FpMisc        "unpriv 24.6" fcvt_h_d;
}

fn flh(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    exec::load::<F16, u16>(h, bus, op)
}

fn fsh(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    exec::store::<u16>(h, bus, op)
}

fn fmadd_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F16>(h, op, false, false)
}

fn fmsub_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F16>(h, op, false, true)
}

fn fnmsub_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F16>(h, op, true, false)
}

fn fnmadd_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::fused::<F16>(h, op, true, true)
}

fn fadd_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::binary::<F16>(h, op, F16::add)
}

fn fsub_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::binary::<F16>(h, op, F16::sub)
}

fn fmul_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::binary::<F16>(h, op, F16::mul)
}

fn fdiv_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::notes_operands(h, op);
    exec::binary::<F16>(h, op, F16::div)
}

fn fsqrt_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::notes_operands(h, op);
    exec::unary::<F16, F16>(h, op, F16::sqrt)
}

fn fsgnj_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::inject::<F16>(h, op, |_, b| b)
}

fn fsgnjn_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::inject::<F16>(h, op, |_, b| !b)
}

fn fsgnjx_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::inject::<F16>(h, op, |a, b| a ^ b)
}

fn fmin_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::min_max::<F16>(h, op, F16::min)
}

fn fmax_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::min_max::<F16>(h, op, F16::max)
}

fn feq_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::compare::<F16>(h, op, F16::eq)
}

fn flt_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::compare::<F16>(h, op, F16::lt)
}

fn fle_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::compare::<F16>(h, op, F16::le)
}

fn fclass_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::bits_to_x(h, op, |a| F16::classify(F16::unbox(a)))
}

fn fcvt_w_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F16>(h, op, |a, rm, flags| F16::to_i32(a, rm, flags) as u64)
}

fn fcvt_wu_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F16>(h, op, |a, rm, flags| F16::to_u32(a, rm, flags) as i32 as u64)
}

fn fcvt_l_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F16>(h, op, |a, rm, flags| F16::to_i64(a, rm, flags) as u64)
}

fn fcvt_lu_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::to_int::<F16>(h, op, F16::to_u64)
}

fn fcvt_h_w(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F16>(h, op, |x, rm, flags| F16::from_i64((x as i32).into(), rm, flags))
}

fn fcvt_h_wu(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F16>(h, op, |x, rm, flags| F16::from_u64((x as u32).into(), rm, flags))
}

fn fcvt_h_l(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F16>(h, op, |x, rm, flags| F16::from_i64(x as i64, rm, flags))
}

fn fcvt_h_lu(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::from_int::<F16>(h, op, F16::from_u64)
}

fn fmv_x_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::bits_to_x(h, op, |a| a as i16 as u64)
}

fn fmv_h_x(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::bits_from_x::<F16>(h, op)
}

fn fcvt_s_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::unary::<F16, F32>(h, op, F16::convert::<F32>)
}

fn fcvt_h_s(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::unary::<F32, F16>(h, op, F32::convert::<F16>)
}

fn fcvt_d_h(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::unary::<F16, F64>(h, op, F16::convert::<F64>)
}

fn fcvt_h_d(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    exec::unary::<F64, F16>(h, op, F64::convert::<F16>)
}
