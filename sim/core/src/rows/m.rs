//! M: multiplication and division.

use super::sext32;
use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "mul"    (M) "0000001 ..... ..... 000 ..... 0110011" R Mul "unpriv 13.1" mul;
    "mulh"   (M) "0000001 ..... ..... 001 ..... 0110011" R Mul "unpriv 13.1" mulh;
    "mulhsu" (M) "0000001 ..... ..... 010 ..... 0110011" R Mul "unpriv 13.1" mulhsu;
    "mulhu"  (M) "0000001 ..... ..... 011 ..... 0110011" R Mul "unpriv 13.1" mulhu;
    "mulw"   (M) "0000001 ..... ..... 000 ..... 0111011" R Mul "unpriv 13.1" mulw;
    "div"    (M) "0000001 ..... ..... 100 ..... 0110011" R Div "unpriv 13.2" div;
    "divu"   (M) "0000001 ..... ..... 101 ..... 0110011" R Div "unpriv 13.2" divu;
    "rem"    (M) "0000001 ..... ..... 110 ..... 0110011" R Div "unpriv 13.2" rem;
    "remu"   (M) "0000001 ..... ..... 111 ..... 0110011" R Div "unpriv 13.2" remu;
    "divw"   (M) "0000001 ..... ..... 100 ..... 0111011" R Div "unpriv 13.2" divw;
    "divuw"  (M) "0000001 ..... ..... 101 ..... 0111011" R Div "unpriv 13.2" divuw;
    "remw"   (M) "0000001 ..... ..... 110 ..... 0111011" R Div "unpriv 13.2" remw;
    "remuw"  (M) "0000001 ..... ..... 111 ..... 0111011" R Div "unpriv 13.2" remuw;
}

reg_reg_timed! {
    mul |a, b| a.wrapping_mul(b);
    mulh |a, b| ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64;
    mulhsu |a, b| ((i128::from(a as i64) * i128::from(b)) >> 64) as u64;
    mulhu |a, b| ((u128::from(a) * u128::from(b)) >> 64) as u64;
    mulw |a, b| sext32(a.wrapping_mul(b));
    // Division by zero gives all ones and leaves the dividend as remainder; the quotient that does not
    // fit (the most negative number by -1) wraps.
    div |a, b| if b == 0 { u64::MAX } else { (a as i64).wrapping_div(b as i64) as u64 };
    divu |a, b| a.checked_div(b).unwrap_or(u64::MAX);
    rem |a, b| if b == 0 { a } else { (a as i64).wrapping_rem(b as i64) as u64 };
    remu |a, b| a.checked_rem(b).unwrap_or(a);
    divw |a, b| match b as i32 {
        0 => u64::MAX,
        b => i64::from((a as i32).wrapping_div(b)) as u64,
    };
    divuw |a, b| sext32((a as u32).checked_div(b as u32).unwrap_or(u32::MAX).into());
    remw |a, b| match b as i32 {
        0 => sext32(a),
        b => i64::from((a as i32).wrapping_rem(b)) as u64,
    };
    remuw |a, b| sext32((a as u32).checked_rem(b as u32).unwrap_or(a as u32).into());
}
