//! The floating-point part against Berkeley SoftFloat, result and flags, on structured and random
//! operands. Deterministic: a failure names operands that fail again.
//!
//! SoftFloat's mode and flags are thread-local in this build (`softfloat_state.c` is compiled with
//! `THREAD_LOCAL`), so the tests may run side by side. Its crate builds only where these tests do.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]
#![allow(unsafe_code)] // The oracle is a C library: plain functions on plain values.

use std::ops::Range;

use relsim_core::fp::{F16, F32, F64, Float, Format, flags};
use softfloat_sys as sf;

/// Runs a SoftFloat operation in rounding mode `rm`; gives its result and its flags.
fn oracle<R>(rm: u8, operation: impl FnOnce() -> R) -> (R, u8) {
    // SAFETY: they read and write thread-local bytes.
    unsafe {
        sf::softfloat_roundingMode_write_helper(rm);
        sf::softfloat_exceptionFlags_write_helper(0);
        let result = operation();
        (result, sf::softfloat_exceptionFlags_read_helper())
    }
}

/// A format with its counterpart in SoftFloat.
trait Oracle: Float {
    fn o_add(a: u64, b: u64) -> u64;
    fn o_sub(a: u64, b: u64) -> u64;
    fn o_mul(a: u64, b: u64) -> u64;
    fn o_div(a: u64, b: u64) -> u64;
    fn o_fma(a: u64, b: u64, c: u64) -> u64;
    fn o_sqrt(a: u64) -> u64;
    fn o_eq(a: u64, b: u64) -> bool;
    fn o_lt(a: u64, b: u64) -> bool;
    fn o_le(a: u64, b: u64) -> bool;
    fn o_to_i32(a: u64, rm: u8) -> i32;
    fn o_to_u32(a: u64, rm: u8) -> u32;
    fn o_to_i64(a: u64, rm: u8) -> i64;
    fn o_to_u64(a: u64, rm: u8) -> u64;
    fn o_from_i32(a: i32) -> u64;
    fn o_from_u32(a: u32) -> u64;
    fn o_from_i64(a: i64) -> u64;
    fn o_from_u64(a: u64) -> u64;
    /// To half (0), single (1) or double precision; the format itself is left as it is.
    fn o_convert(a: u64, to: usize) -> u64;
}

macro_rules! oracle {
    ($f:ident, $t:ident, $bits:ty, $add:ident $sub:ident $mul:ident $div:ident $fma:ident $sqrt:ident
     $eq:ident $lt:ident $le:ident, $i32:ident $u32:ident $i64:ident $u64:ident,
     $fi32:ident $fu32:ident $fi64:ident $fu64:ident, |$x:ident| [$($convert:expr),*]) => {
        // SAFETY (all blocks): pure functions apart from the thread-local mode and flags.
        impl Oracle for $f {
            fn o_add(a: u64, b: u64) -> u64 { unsafe { sf::$add(v(a), v(b)).v.into() } }
            fn o_sub(a: u64, b: u64) -> u64 { unsafe { sf::$sub(v(a), v(b)).v.into() } }
            fn o_mul(a: u64, b: u64) -> u64 { unsafe { sf::$mul(v(a), v(b)).v.into() } }
            fn o_div(a: u64, b: u64) -> u64 { unsafe { sf::$div(v(a), v(b)).v.into() } }
            fn o_fma(a: u64, b: u64, c: u64) -> u64 { unsafe { sf::$fma(v(a), v(b), v(c)).v.into() } }
            fn o_sqrt(a: u64) -> u64 { unsafe { sf::$sqrt(v(a)).v.into() } }
            fn o_eq(a: u64, b: u64) -> bool { unsafe { sf::$eq(v(a), v(b)) } }
            fn o_lt(a: u64, b: u64) -> bool { unsafe { sf::$lt(v(a), v(b)) } }
            fn o_le(a: u64, b: u64) -> bool { unsafe { sf::$le(v(a), v(b)) } }
            fn o_to_i32(a: u64, rm: u8) -> i32 { unsafe { sf::$i32(v(a), rm, true) as i32 } }
            fn o_to_u32(a: u64, rm: u8) -> u32 { unsafe { sf::$u32(v(a), rm, true) as u32 } }
            fn o_to_i64(a: u64, rm: u8) -> i64 { unsafe { sf::$i64(v(a), rm, true) as i64 } }
            fn o_to_u64(a: u64, rm: u8) -> u64 { unsafe { sf::$u64(v(a), rm, true) as u64 } }
            fn o_from_i32(a: i32) -> u64 { unsafe { sf::$fi32(a).v.into() } }
            fn o_from_u32(a: u32) -> u64 { unsafe { sf::$fu32(a).v.into() } }
            fn o_from_i64(a: i64) -> u64 { unsafe { sf::$fi64(a).v.into() } }
            fn o_from_u64(a: u64) -> u64 { unsafe { sf::$fu64(a).v.into() } }
            fn o_convert(a: u64, to: usize) -> u64 {
                let $x: sf::$t = v(a);
                let table: [&dyn Fn() -> u64; 3] = unsafe { [$(&|| $convert),*] };
                table[to]()
            }
        }
        impl From<V> for sf::$t {
            fn from(a: V) -> Self { Self { v: a.0 as $bits } }
        }
    };
}

struct V(u64);

fn v<T: From<V>>(a: u64) -> T {
    V(a).into()
}

oracle!(
    F16, float16_t, u16, f16_add f16_sub f16_mul f16_div f16_mulAdd f16_sqrt f16_eq f16_lt f16_le,
    f16_to_i32 f16_to_ui32 f16_to_i64 f16_to_ui64, i32_to_f16 ui32_to_f16 i64_to_f16 ui64_to_f16,
    |a| [a.v.into(), sf::f16_to_f32(a).v.into(), sf::f16_to_f64(a).v]
);
oracle!(
    F32, float32_t, u32, f32_add f32_sub f32_mul f32_div f32_mulAdd f32_sqrt f32_eq f32_lt f32_le,
    f32_to_i32 f32_to_ui32 f32_to_i64 f32_to_ui64, i32_to_f32 ui32_to_f32 i64_to_f32 ui64_to_f32,
    |a| [sf::f32_to_f16(a).v.into(), a.v.into(), sf::f32_to_f64(a).v]
);
oracle!(
    F64, float64_t, u64, f64_add f64_sub f64_mul f64_div f64_mulAdd f64_sqrt f64_eq f64_lt f64_le,
    f64_to_i32 f64_to_ui32 f64_to_i64 f64_to_ui64, i32_to_f64 ui32_to_f64 i64_to_f64 ui64_to_f64,
    |a| [sf::f64_to_f16(a).v.into(), sf::f64_to_f32(a).v.into(), a.v]
);

/// A small generator (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Where formats have their edges, with the neighbours, in both signs.
fn specials<F: Format>() -> Vec<u64> {
    let one = (F::BIAS as u64) << F::FRACTION_BITS;
    let exponent = |e: i32| one.wrapping_add((i64::from(e) << F::FRACTION_BITS) as u64);
    let p = F::PRECISION as i32;
    let mut edges =
        vec![0, F::QUIET >> 1, 1 << F::FRACTION_BITS, 2 << F::FRACTION_BITS, 3 << F::FRACTION_BITS];
    // Around one, the precision, and the integer types.
    for e in [0, 1, -1, 2, p - 1, p, p + 1, -p, 1 - p, 31, 32, 63, 64, 15] {
        if e.abs() < F::BIAS {
            edges.push(exponent(e));
        }
    }
    edges.extend([one + F::QUIET, F::INFINITY, F::INFINITY - (1 << F::FRACTION_BITS), F::NAN]);
    let mut values: Vec<u64> = edges.iter().flat_map(|&e| [e.saturating_sub(1), e, e + 1]).collect();
    values.extend([F::INFINITY | F::FRACTION, F::INFINITY | (F::QUIET - 1), one | F::FRACTION]);
    values.retain(|&a| a < F::SIGN);
    values.sort_unstable();
    values.dedup();
    values.iter().flat_map(|&a| [a, a | F::SIGN]).collect()
}

/// A random pattern: any bits, few significant bits, or an exponent near that of `near`.
fn random<F: Format>(random: &mut Random, near: u64) -> u64 {
    let any = random.next() & F::MASK;
    let few = u64::MAX << random.below(u64::from(F::WIDTH));
    let step = random.below(2 * u64::from(F::PRECISION) + 8) as i64 - i64::from(F::PRECISION) - 4;
    let close =
        (near as i64).wrapping_add(step << F::FRACTION_BITS) as u64 & F::INFINITY | any & !F::INFINITY;
    match random.below(8) {
        0 => any,
        1 => any & few,
        2 | 3 => close & few,
        4 => near ^ F::SIGN ^ random.below(4),
        // Small exponents, so that sums and products do not run into the limits.
        5 => (any & !F::INFINITY) | ((F::BIAS as u64 - 4 + random.below(8)) << F::FRACTION_BITS),
        _ => close,
    }
}

/// The flags that an operation must leave when it found `before`.
#[track_caller]
fn check<R: PartialEq + std::fmt::LowerHex + Copy>(
    what: &str,
    operands: &[u64],
    rm: u8,
    (expected, raised): (R, u8),
    operation: impl Fn(&mut u8) -> R,
) {
    // Once with all flags clear, and once with NX set, where the fast path looks away.
    for before in [0, flags::NX] {
        let mut after = before;
        let result = operation(&mut after);
        assert!(
            result == expected && after == before | raised,
            "{what} {operands:x?} rm={rm} with flags {before:#x}: {result:#x} {after:#x}, \
             but SoftFloat has {expected:#x} {raised:#x}",
        );
    }
}

const MODES: Range<u8> = 0..5;

fn check_binary<F: Oracle>(a: u64, b: u64, modes: Range<u8>) {
    for rm in modes {
        check("add", &[a, b], rm, oracle(rm, || F::o_add(a, b)), |f| F::add(a, b, rm, f));
        check("sub", &[a, b], rm, oracle(rm, || F::o_sub(a, b)), |f| F::sub(a, b, rm, f));
        check("mul", &[a, b], rm, oracle(rm, || F::o_mul(a, b)), |f| F::mul(a, b, rm, f));
        check("div", &[a, b], rm, oracle(rm, || F::o_div(a, b)), |f| F::div(a, b, rm, f));
    }
}

fn check_fma<F: Oracle>(a: u64, b: u64, c: u64, modes: Range<u8>) {
    for rm in modes {
        check("fma", &[a, b, c], rm, oracle(rm, || F::o_fma(a, b, c)), |f| F::fma(a, b, c, rm, f));
    }
}

fn check_compare<F: Oracle>(a: u64, b: u64) {
    let bit = |(value, flags): (bool, u8)| (u8::from(value), flags);
    check("eq", &[a, b], 0, bit(oracle(0, || F::o_eq(a, b))), |f| F::eq(a, b, f).into());
    check("lt", &[a, b], 0, bit(oracle(0, || F::o_lt(a, b))), |f| F::lt(a, b, f).into());
    check("le", &[a, b], 0, bit(oracle(0, || F::o_le(a, b))), |f| F::le(a, b, f).into());
    // SoftFloat has no minimum: what the specification says, in terms of its comparisons.
    let invalid = if F::is_signaling(a) || F::is_signaling(b) { flags::NV } else { 0 };
    let less = oracle(0, || F::o_lt(a, b)).0;
    let equal = oracle(0, || F::o_eq(a, b)).0;
    let (min, max) = match (F::is_nan(a), F::is_nan(b)) {
        (true, true) => (F::NAN, F::NAN),
        (true, false) => (b, b),
        (false, true) => (a, a),
        _ if equal => (a | b, a & b),
        _ if less => (a, b),
        _ => (b, a),
    };
    check("min", &[a, b], 0, (min, invalid), |f| F::min(a, b, f));
    check("max", &[a, b], 0, (max, invalid), |f| F::max(a, b, f));
}

fn check_unary<F: Oracle>(a: u64) {
    for rm in MODES {
        check("sqrt", &[a], rm, oracle(rm, || F::o_sqrt(a)), |f| F::sqrt(a, rm, f));
        check("to_i32", &[a], rm, oracle(rm, || F::o_to_i32(a, rm)), |f| F::to_i32(a, rm, f));
        check("to_u32", &[a], rm, oracle(rm, || F::o_to_u32(a, rm)), |f| F::to_u32(a, rm, f));
        check("to_i64", &[a], rm, oracle(rm, || F::o_to_i64(a, rm)), |f| F::to_i64(a, rm, f));
        check("to_u64", &[a], rm, oracle(rm, || F::o_to_u64(a, rm)), |f| F::to_u64(a, rm, f));
        // All three at once would mix their flags.
        let to =
            |index: usize, width: u32| (width != F::WIDTH).then(|| oracle(rm, || F::o_convert(a, index)));
        if let Some(expected) = to(0, 16) {
            check("to f16", &[a], rm, expected, |f| F::convert::<F16>(a, rm, f));
        }
        if let Some(expected) = to(1, 32) {
            check("to f32", &[a], rm, expected, |f| F::convert::<F32>(a, rm, f));
        }
        if let Some(expected) = to(2, 64) {
            check("to f64", &[a], rm, expected, |f| F::convert::<F64>(a, rm, f));
        }
    }
}

fn check_from_int<F: Oracle>(x: u64) {
    for rm in MODES {
        let (i, u) = (x as i32, x as u32);
        check("from_i32", &[x], rm, oracle(rm, || F::o_from_i32(i)), |f| F::from_i64(i.into(), rm, f));
        check("from_u32", &[x], rm, oracle(rm, || F::o_from_u32(u)), |f| F::from_u64(u.into(), rm, f));
        check("from_i64", &[x], rm, oracle(rm, || F::o_from_i64(x as i64)), |f| F::from_i64(x as i64, rm, f));
        check("from_u64", &[x], rm, oracle(rm, || F::o_from_u64(x)), |f| F::from_u64(x, rm, f));
    }
}

/// Every special against every special, in every mode.
fn structured<F: Oracle>() {
    let values = specials::<F>();
    for &a in &values {
        check_unary::<F>(a);
        for &b in &values {
            check_binary::<F>(a, b, MODES);
            check_compare::<F>(a, b);
        }
    }
    // Triples: every product with an addend that is special, or close to the product.
    for &a in &values {
        for &b in &values {
            let product = F::mul(a, b, 0, &mut 0);
            for c in values
                .iter()
                .copied()
                .step_by(3)
                .chain([product ^ F::SIGN, (product ^ F::SIGN).wrapping_add(1) & F::MASK])
            {
                check_fma::<F>(a, b, c, 0..1);
            }
            for c in [
                product ^ F::SIGN,
                (product ^ F::SIGN).wrapping_sub(1) & F::MASK,
                0,
                1,
                F::SIGN | 1,
                1 << F::FRACTION_BITS,
            ] {
                check_fma::<F>(a, b, c, 1..5);
            }
        }
    }
}

fn randomised<F: Oracle>(seed: u64, rounds: usize) {
    let mut rng = Random(seed);
    for round in 0..rounds {
        let near = rng.next() & F::MASK;
        let a = random::<F>(&mut rng, near);
        let b = random::<F>(&mut rng, a);
        // Round-to-nearest-even each time (there is the fast path), the others in turn.
        let modes = [0, 1 + (round % 4) as u8];
        let product = F::mul(a, b, 0, &mut 0);
        let c = random::<F>(&mut rng, product);
        for rm in modes {
            check_binary::<F>(a, b, rm..rm + 1);
            check_fma::<F>(a, b, c, rm..rm + 1);
        }
        if round % 4 == 0 {
            check_compare::<F>(a, b);
            check_unary::<F>(a);
            check_from_int::<F>(rng.next() >> rng.below(64));
            check_from_int::<F>((rng.next() >> rng.below(64)).wrapping_neg());
        }
        // Operands whose results are exact, or nearly so.
        let square = F::mul(a, a, 0, &mut 0);
        let root_of = square.wrapping_add(rng.below(3)).wrapping_sub(1) & F::MASK;
        check("sqrt", &[root_of], 0, oracle(0, || F::o_sqrt(root_of)), |f| F::sqrt(root_of, 0, f));
        let dividend = product.wrapping_add(rng.below(3)).wrapping_sub(1) & F::MASK;
        check_binary::<F>(dividend, b, 0..1);
    }
}

#[test]
fn half_structured() {
    structured::<F16>();
}

#[test]
fn single_structured() {
    structured::<F32>();
}

#[test]
fn double_structured() {
    structured::<F64>();
}

#[test]
fn half_random() {
    randomised::<F16>(1, 1_000_000);
}

#[test]
fn single_random() {
    randomised::<F32>(2, 2_500_000);
}

#[test]
fn double_random() {
    randomised::<F64>(3, 2_500_000);
}

/// Every half-precision number through every operation with one operand.
#[test]
fn half_exhaustive() {
    (0..=u64::from(u16::MAX)).for_each(check_unary::<F16>);
}

#[test]
fn integers_at_the_edges() {
    for shift in 0..64 {
        for offset in -3i64..=3 {
            let x = (1u64 << shift).wrapping_add(offset as u64);
            for x in [x, x.wrapping_neg(), x | 1 << 63] {
                check_from_int::<F16>(x);
                check_from_int::<F32>(x);
                check_from_int::<F64>(x);
            }
        }
    }
}

/// The class by the host's own classification.
#[test]
fn classes() {
    use std::num::FpCategory as C;
    let reference = |category: C, negative: bool, signaling: bool| match (category, negative) {
        (C::Nan, _) => 1 << if signaling { 8 } else { 9 },
        (C::Infinite, true) => 1 << 0,
        (C::Normal, true) => 1 << 1,
        (C::Subnormal, true) => 1 << 2,
        (C::Zero, true) => 1 << 3,
        (C::Zero, false) => 1 << 4,
        (C::Subnormal, false) => 1 << 5,
        (C::Normal, false) => 1 << 6,
        (C::Infinite, false) => 1 << 7,
    };
    for a in specials::<F32>() {
        let x = f32::from_bits(a as u32);
        let expected = reference(x.classify(), x.is_sign_negative(), F32::is_signaling(a));
        assert_eq!(F32::classify(a), expected, "{a:#x}");
    }
    for a in specials::<F64>() {
        let x = f64::from_bits(a);
        let expected = reference(x.classify(), x.is_sign_negative(), F64::is_signaling(a));
        assert_eq!(F64::classify(a), expected, "{a:#x}");
    }
    // Half precision in single precision: exact, but its subnormals are normal there.
    for a in 0..=u64::from(u16::MAX) {
        let x = f32::from_bits(F16::convert::<F32>(a, 0, &mut 0) as u32);
        let subnormal = x != 0.0 && x.abs() < 2f32.powi(-14);
        let category = if subnormal { C::Subnormal } else { x.classify() };
        let expected = reference(category, a >> 15 == 1, F16::is_signaling(a));
        assert_eq!(F16::classify(a), expected, "{a:#x}");
    }
}

/// Saturation as the specification's table has it, apart from the oracle.
#[test]
fn conversions_saturate() {
    let cases = [
        (f64::NAN, i32::MAX, u32::MAX, i64::MAX, u64::MAX),
        (-f64::NAN, i32::MAX, u32::MAX, i64::MAX, u64::MAX),
        (f64::INFINITY, i32::MAX, u32::MAX, i64::MAX, u64::MAX),
        (1e300, i32::MAX, u32::MAX, i64::MAX, u64::MAX),
        (f64::NEG_INFINITY, i32::MIN, 0, i64::MIN, 0),
        (-1e300, i32::MIN, 0, i64::MIN, 0),
    ];
    for (x, i, u, l, lu) in cases {
        for rm in MODES {
            let mut raised = [0; 4];
            let [f0, f1, f2, f3] = &mut raised;
            let a = x.to_bits();
            assert_eq!(
                (
                    F64::to_i32(a, rm, f0),
                    F64::to_u32(a, rm, f1),
                    F64::to_i64(a, rm, f2),
                    F64::to_u64(a, rm, f3)
                ),
                (i, u, l, lu),
                "{x} rm={rm}",
            );
            assert_eq!(raised, [flags::NV; 4]);
        }
    }
    // Just below zero: 0 and inexact when it rounds to zero, out of range when it does not.
    let (mut near, mut below) = (0, 0);
    assert_eq!(F64::to_u64((-0.25f64).to_bits(), 0, &mut near), 0);
    assert_eq!(F64::to_u64((-0.25f64).to_bits(), 2, &mut below), 0);
    assert_eq!((near, below), (flags::NX, flags::NV));
}

/// Registers that are not boxed read as the canonical NaN.
#[test]
fn boxing() {
    assert_eq!(F32::unbox(0xffff_ffff_3f80_0000), 0x3f80_0000);
    assert_eq!(F32::unbox(0xffff_fffe_3f80_0000), 0x7fc0_0000);
    assert_eq!(F16::unbox(0xffff_ffff_ffff_3c00), 0x3c00);
    assert_eq!(F16::unbox(0xffff_ffff_0000_3c00), 0x7e00);
    assert_eq!(F64::unbox(0x7ff0_0000_0000_0001), 0x7ff0_0000_0000_0001);
    assert_eq!(F16::boxed(0x3c00), 0xffff_ffff_ffff_3c00);
}
