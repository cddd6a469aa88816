//! The iterative multiplier and divider (Multiplier.scala), with early out.

use relsim_core::insn::{Op, OpClass};

use super::params::Params;

/// What the unit is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    MulLow,
    MulHigh,
    Div { signed: bool, rem: bool },
}

/// Iterations that `op` takes on `a` and `b`: the result is there two cycles after the issue plus these.
pub fn iterations(op: &Op, a: u64, b: u64, params: &Params) -> u64 {
    // Both are powers of two.
    let (mul_log2, div_log2) = (params.mul_step.trailing_zeros(), params.div_step.trailing_zeros());
    // c.mul has the same meaning as mul; everything else in the class has funct3 in the usual place.
    let (funct3, word) = if op.len == 4 { (op.raw >> 12 & 7, op.raw & 0x8 != 0) } else { (0, false) };
    let kind = match funct3 {
        0 => Kind::MulLow,
        1..=3 => Kind::MulHigh,
        n => Kind::Div { signed: n & 1 == 0, rem: n & 2 != 0 },
    };
    match kind {
        Kind::MulHigh => 64 >> mul_log2,
        Kind::MulLow => {
            // Words take half as long, unless a step is half a doubleword (fastMulW).
            let half = word && mul_log2 < 5;
            let bits = 64 - if word { a & 0xffff_ffff } else { a }.leading_zeros();
            let steps = u64::from(bits).div_ceil(params.mul_step);
            (1 + steps).clamp(2, 64 >> mul_log2 >> u32::from(half))
        }
        Kind::Div { signed, rem } => division(a, b, word, signed, rem, div_log2),
    }
}

/// The multiplications that take so many `iterations` as `op` has taken, told by their first operand: a mask to
/// take of it, and the least and the greatest value under the mask. `None` for divisions.
pub fn multiplicands(op: &Op, iterations: u64, params: &Params) -> Option<(u64, u64, u64)> {
    let taken = |a: u64| self::iterations(op, a, 1, params) == iterations;
    if op.class != OpClass::Mul {
        return None;
    }
    // The second operand does not count, and of the first only where its highest one is.
    let word = op.len == 4 && op.raw & 0x8 != 0;
    let (mask, widest) = if word { (0xffff_ffff, 32) } else { (u64::MAX, 64) };
    let least = |bits: u32| if bits == 0 { 0 } else { 1u64 << (bits - 1) };
    let greatest = |bits: u32| if bits == 0 { 0 } else { u64::MAX >> (64 - bits) };
    let mut lengths = (0..=widest).filter(|&bits| taken(least(bits)));
    let shortest = lengths.next()?;
    Some((mask, least(shortest), greatest(lengths.next_back().unwrap_or(shortest))))
}

fn division(a: u64, b: u64, word: bool, signed: bool, rem: bool, step_log2: u32) -> u64 {
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
    // What is skipped is whole steps.
    let below = (1u64 << step_log2) - 1;
    let early = !((msb(dividend) | below).wrapping_sub(msb(divisor) & !below)) & 63;
    let whole = 64 >> step_log2;
    let steps = if early > below && divisor != 0 { whole + 2 - (early >> step_log2) } else { whole + 1 };
    let negative = if rem { neg_a } else { neg_a != neg_b && divisor != 0 };
    steps + u64::from(neg_a || neg_b) + u64::from(negative)
}
