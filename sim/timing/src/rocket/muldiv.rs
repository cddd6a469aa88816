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
    match kind(op) {
        (Kind::MulHigh, _) => 64 >> mul_log2,
        (Kind::MulLow, word) => low_iterations(bits(a, word), word, params),
        (Kind::Div { signed, rem }, word) => division(a, b, word, signed, rem, div_log2),
    }
}

/// What `op` asks, and whether it does of words.
fn kind(op: &Op) -> (Kind, bool) {
    // c.mul has the same meaning as mul; everything else in the class has funct3 in the usual place.
    let (funct3, word) = if op.len == 4 { (op.raw >> 12 & 7, op.raw & 0x8 != 0) } else { (0, false) };
    let kind = match funct3 {
        0 => Kind::MulLow,
        1..=3 => Kind::MulHigh,
        n => Kind::Div { signed: n & 1 == 0, rem: n & 2 != 0 },
    };
    (kind, word)
}

/// How many bits of `a` count.
#[inline(always)]
fn bits(a: u64, word: bool) -> u32 {
    u64::BITS - (a & u64::MAX.wrapping_shr(u32::from(word) << 5)).leading_zeros()
}

/// Iterations of a multiplication whose first operand has so many `bits`: the second one does not count.
fn low_iterations(bits: u32, word: bool, params: &Params) -> u64 {
    let mul_log2 = params.mul_step.trailing_zeros();
    // Words take half as long, unless a step is half a doubleword (fastMulW).
    let half = word && mul_log2 < 5;
    let steps = u64::from(bits).div_ceil(params.mul_step);
    (1 + steps).clamp(2, 64 >> mul_log2 >> u32::from(half))
}

/// Whether a multiplication `op` takes as long as its first operand says, and if so, whether that is a word.
pub fn is_early_out(op: &Op) -> Option<bool> {
    let (kind, word) = kind(op);
    (op.class == OpClass::Mul && kind == Kind::MulLow).then_some(word)
}

/// Whether `op` takes as long whatever its operands are.
pub fn takes_always(op: &Op) -> bool {
    op.class == OpClass::Mul && kind(op).0 == Kind::MulHigh
}

/// How long multiplications take ([`is_early_out`]), by whether their first operand is a word and how many of its bits
/// count: as numbers from 0 on, of which equal ones take as long.
pub struct Lengths {
    by_bits: [[u8; 65]; 2],
    /// Bits that such a number has at most.
    pub width: u32,
}

impl Lengths {
    /// Those of `params`.
    pub fn new(params: &Params) -> Self {
        let least = low_iterations(0, false, params);
        // More bits never take less.
        let by_bits = [false, true].map(|word| {
            std::array::from_fn(|bits| (low_iterations(bits as u32, word, params) - least) as u8)
        });
        let most = by_bits.as_flattened().iter().fold(1, |most, &length| most.max(length));
        Self { by_bits, width: u8::BITS - most.leading_zeros() }
    }

    /// How long it takes for `a`.
    #[inline(always)]
    pub fn of(&self, a: u64, word: bool) -> u8 {
        let lengths = &self.by_bits[usize::from(word)];
        lengths.get(bits(a, word) as usize).copied().unwrap_or(0)
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use relsim_core::decode::Decoder;
    use relsim_core::isa::{Ext, ExtSet};

    use super::*;

    proptest! {
        /// Numbers are equal where multiplications take as long, and nowhere else.
        #[test]
        fn lengths_tell_multiplications_apart(
            step in 0u32..6,
            (a, b) in (any::<u64>(), any::<u64>()),
            (bits_a, bits_b) in (0u32..=64, 0u32..=64),
            word: bool,
        ) {
            let params = Params { mul_step: 1 << step, ..Params::default() };
            let (a, b) = (a & u64::MAX.checked_shr(bits_a).unwrap_or(0), b & u64::MAX.checked_shr(bits_b).unwrap_or(0));
            let lengths = Lengths::new(&params);
            // mul and mulw x1, x2, x3
            let raw = if word { 0x0231_00bb } else { 0x0231_00b3 };
            let decoder = Decoder::new(ExtSet::of(&[Ext::I, Ext::M]), &[]).unwrap();
            let op = decoder.op(raw, 0, 0);
            prop_assert_eq!(is_early_out(&op), Some(word));
            let same = iterations(&op, a, 7, &params) == iterations(&op, b, 9, &params);
            prop_assert_eq!(lengths.of(a, word) == lengths.of(b, word), same);
            prop_assert!(u32::from(lengths.of(a, word)) < 1 << lengths.width);
        }
    }
}
