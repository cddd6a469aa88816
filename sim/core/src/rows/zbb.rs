//! Zbb: basic bit manipulation. Zbkb brings some of these too.

use super::sext32;
use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "andn"   (Zbb | Zbkb) "0100000 ..... ..... 111 ..... 0110011" R      Alu "unpriv 30 (Zbb)" andn;
    "orn"    (Zbb | Zbkb) "0100000 ..... ..... 110 ..... 0110011" R      Alu "unpriv 30 (Zbb)" orn;
    "xnor"   (Zbb | Zbkb) "0100000 ..... ..... 100 ..... 0110011" R      Alu "unpriv 30 (Zbb)" xnor;
    "clz"    (Zbb) "011000000000 ..... 001 ..... 0010011"         R2     Alu "unpriv 30 (Zbb)" clz;
    "ctz"    (Zbb) "011000000001 ..... 001 ..... 0010011"         R2     Alu "unpriv 30 (Zbb)" ctz;
    "cpop"   (Zbb) "011000000010 ..... 001 ..... 0010011"         R2     Alu "unpriv 30 (Zbb)" cpop;
    "clzw"   (Zbb) "011000000000 ..... 001 ..... 0011011"         R2     Alu "unpriv 30 (Zbb)" clzw;
    "ctzw"   (Zbb) "011000000001 ..... 001 ..... 0011011"         R2     Alu "unpriv 30 (Zbb)" ctzw;
    "cpopw"  (Zbb) "011000000010 ..... 001 ..... 0011011"         R2     Alu "unpriv 30 (Zbb)" cpopw;
    "max"    (Zbb) "0000101 ..... ..... 110 ..... 0110011"        R      Alu "unpriv 30 (Zbb)" max;
    "maxu"   (Zbb) "0000101 ..... ..... 111 ..... 0110011"        R      Alu "unpriv 30 (Zbb)" maxu;
    "min"    (Zbb) "0000101 ..... ..... 100 ..... 0110011"        R      Alu "unpriv 30 (Zbb)" min;
    "minu"   (Zbb) "0000101 ..... ..... 101 ..... 0110011"        R      Alu "unpriv 30 (Zbb)" minu;
    "sext.b" (Zbb) "011000000100 ..... 001 ..... 0010011"         R2     Alu "unpriv 30 (Zbb)" sext_b;
    "sext.h" (Zbb) "011000000101 ..... 001 ..... 0010011"         R2     Alu "unpriv 30 (Zbb)" sext_h;
    // Also packw with x0, where there is Zbkb.
    "zext.h" (Zbb) "0000100 00000 ..... 100 ..... 0111011"        R2     Alu "unpriv 30 (Zbb)" zext_h;
    "rol"    (Zbb | Zbkb) "0110000 ..... ..... 001 ..... 0110011" R      Alu "unpriv 30 (Zbb)" rol;
    "rolw"   (Zbb | Zbkb) "0110000 ..... ..... 001 ..... 0111011" R      Alu "unpriv 30 (Zbb)" rolw;
    "ror"    (Zbb | Zbkb) "0110000 ..... ..... 101 ..... 0110011" R      Alu "unpriv 30 (Zbb)" ror;
    "rori"   (Zbb | Zbkb) "011000 ...... ..... 101 ..... 0010011" Shift6 Alu "unpriv 30 (Zbb)" rori;
    "roriw"  (Zbb | Zbkb) "0110000 ..... ..... 101 ..... 0011011" Shift5 Alu "unpriv 30 (Zbb)" roriw;
    "rorw"   (Zbb | Zbkb) "0110000 ..... ..... 101 ..... 0111011" R      Alu "unpriv 30 (Zbb)" rorw;
    "orc.b"  (Zbb) "001010000111 ..... 101 ..... 0010011"         R2     Alu "unpriv 30 (Zbb)" orc_b;
    "rev8"   (Zbb | Zbkb) "011010111000 ..... 101 ..... 0010011"  R2     Alu "unpriv 30 (Zbb)" rev8;
}

reg_reg! {
    andn |a, b| a & !b;
    orn |a, b| a | !b;
    xnor |a, b| !(a ^ b);
    max |a, b| (a as i64).max(b as i64) as u64;
    maxu |a, b| a.max(b);
    min |a, b| (a as i64).min(b as i64) as u64;
    minu |a, b| a.min(b);
    rol |a, b| a.rotate_left(b as u32 & 63);
    ror |a, b| a.rotate_right(b as u32 & 63);
    rolw |a, b| sext32((a as u32).rotate_left(b as u32 & 31).into());
    rorw |a, b| sext32((a as u32).rotate_right(b as u32 & 31).into());
}

reg_imm! {
    rori |a, shamt| a.rotate_right(shamt as u32 & 63);
    roriw |a, shamt| sext32((a as u32).rotate_right(shamt as u32 & 31).into());
}

unary! {
    clz |a| a.leading_zeros().into();
    ctz |a| a.trailing_zeros().into();
    cpop |a| a.count_ones().into();
    clzw |a| (a as u32).leading_zeros().into();
    ctzw |a| (a as u32).trailing_zeros().into();
    cpopw |a| (a as u32).count_ones().into();
    sext_b |a| a as i8 as i64 as u64;
    sext_h |a| a as i16 as i64 as u64;
    zext_h |a| a & 0xffff;
    orc_b |a| or_combine(a);
    rev8 |a| a.swap_bytes();
}

/// Bytes that are not zero become 0xff.
const fn or_combine(a: u64) -> u64 {
    const LOW_7: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // Bit 7 of each byte: set if any bit of the byte is; the addition carries out of no byte.
    let top = (((a & LOW_7) + LOW_7) | a) & !LOW_7;
    (top >> 7) * 0xff
}
