//! The iterative multiplier and divider (Multiplier.scala): 8 bits a step and 1 bit a step, with early out.

use relsim_core::insn::Op;

/// What the unit is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    MulLow,
    MulHigh,
    Div { signed: bool, rem: bool },
}

/// Iterations that `op` takes on `a` and `b`: the result is there two cycles after the issue plus these.
pub fn iterations(op: &Op, a: u64, b: u64) -> u64 {
    // c.mul has the same meaning as mul; everything else in the class has funct3 in the usual place.
    let (funct3, word) = if op.len == 4 { (op.raw >> 12 & 7, op.raw & 0x8 != 0) } else { (0, false) };
    let kind = match funct3 {
        0 => Kind::MulLow,
        1..=3 => Kind::MulHigh,
        n => Kind::Div { signed: n & 1 == 0, rem: n & 2 != 0 },
    };
    match kind {
        Kind::MulHigh => 8,
        Kind::MulLow if word => {
            let bits = 64 - (a & 0xffff_ffff).leading_zeros();
            (1 + bits.div_ceil(8)).clamp(2, 4).into()
        }
        Kind::MulLow => {
            let bits = 64 - a.leading_zeros();
            (1 + bits.div_ceil(8)).clamp(2, 8).into()
        }
        Kind::Div { signed, rem } => division(a, b, word, signed, rem),
    }
}

fn division(a: u64, b: u64, word: bool, signed: bool, rem: bool) -> u64 {
    let extend = |v: u64| match (word, signed) {
        (true, true) => v as u32 as i32 as i64 as u64,
        (true, false) => u64::from(v as u32),
        _ => v,
    };
    let (a, b) = (extend(a), extend(b));
    let (neg_a, neg_b) = (signed && (a as i64) < 0, signed && (b as i64) < 0);
    let magnitude = |v: u64, negative: bool| if negative { v.wrapping_neg() } else { v };
    let (dividend, divisor) = (magnitude(a, neg_a), magnitude(b, neg_b));
    let msb = |v: u64| u64::from(63 - (v | 1).leading_zeros());
    let early = !(msb(dividend).wrapping_sub(msb(divisor))) & 63;
    let steps = if early >= 1 && divisor != 0 { 66 - early } else { 65 };
    let negative = if rem { neg_a } else { neg_a != neg_b && divisor != 0 };
    steps + u64::from(neg_a || neg_b) + u64::from(negative)
}
