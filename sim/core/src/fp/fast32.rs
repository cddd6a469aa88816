//! Single precision on the host's arithmetic, see the module's documentation and the rule in `fast64`.
//!
//! A product of two singles is exact in double precision, so that is where exactness is looked at.

use super::flags::NX;
use super::{F32, F64, Float, HOST_IEEE, convert, rm, soft};

/// The number that `a` stands for.
#[inline(always)]
fn single(a: u64) -> f32 {
    f32::from_bits(a as u32)
}

/// Normal, finite, and not of the smallest exponent.
#[inline(always)]
fn is_safe(x: f32) -> bool {
    (x.to_bits() >> 23 & 0xff).wrapping_sub(2) < 0xfd
}

/// `result` as bits; inexact unless `exact`.
#[inline(always)]
fn rounded(result: f32, exact: bool, fflags: &mut u8) -> u64 {
    *fflags |= u8::from(!exact) * NX;
    result.to_bits().into()
}

impl Float for F32 {
    #[inline]
    fn add(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        let (x, y) = (single(a), single(b));
        let sum = x + y;
        // Subnormal sums are exact, so every finite sum is right.
        if HOST_IEEE && rm == rm::RNE && sum.is_finite() {
            if *fflags & NX != 0 {
                return sum.to_bits().into();
            }
            // TwoSum: exact, or not finite when an intermediate result overflows.
            let y_part = sum - x;
            let error = (x - (sum - y_part)) + (y - y_part);
            if error.is_finite() {
                return rounded(sum, error == 0.0, fflags);
            }
        }
        soft::add::<F32>(a, b, rm, fflags)
    }

    #[inline]
    fn mul(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        let product = f64::from(single(a)) * f64::from(single(b));
        let result = product as f32;
        if HOST_IEEE && rm == rm::RNE && is_safe(result) {
            return rounded(result, f64::from(result) == product, fflags);
        }
        soft::mul::<F32>(a, b, rm, fflags)
    }

    #[inline]
    fn fma(a: u64, b: u64, c: u64, rm: u8, fflags: &mut u8) -> u64 {
        let (product, addend) = (f64::from(single(a)) * f64::from(single(b)), f64::from(single(c)));
        let sum = product + addend;
        if HOST_IEEE && rm == rm::RNE && is_safe(sum as f32) {
            // Rounding twice goes wrong only where the sum was rounded to the middle between two singles.
            const BELOW: u64 = (1 << 29) - 1;
            if *fflags & NX != 0 && sum.to_bits() & BELOW != 1 << 28 {
                return (sum as f32).to_bits().into();
            }
            let sum_part = sum - product;
            let error = (product - (sum - sum_part)) + (addend - sum_part);
            if error == 0.0 {
                return rounded(sum as f32, f64::from(sum as f32) == sum, fflags);
            }
            // Round to odd instead: the neighbour on the side of the error if the sum is even.
            let mut bits = sum.to_bits();
            if bits & 1 == 0 {
                bits = if (error > 0.0) == (sum > 0.0) { bits + 1 } else { bits - 1 };
            }
            let result = f64::from_bits(bits) as f32;
            if is_safe(result) {
                return rounded(result, false, fflags);
            }
        }
        soft::fma::<F32>(a, b, c, rm, fflags)
    }

    #[inline]
    fn div(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        let (x, y) = (single(a), single(b));
        let quotient = x / y;
        if HOST_IEEE && rm == rm::RNE && is_safe(quotient) {
            return rounded(quotient, f64::from(quotient) * f64::from(y) == f64::from(x), fflags);
        }
        soft::div::<F32>(a, b, rm, fflags)
    }

    #[inline]
    fn sqrt(a: u64, rm: u8, fflags: &mut u8) -> u64 {
        let x = single(a);
        if HOST_IEEE && rm == rm::RNE && is_safe(x) && x > 0.0 {
            let root = x.sqrt();
            return rounded(root, f64::from(root) * f64::from(root) == f64::from(x), fflags);
        }
        soft::sqrt::<F32>(a, rm, fflags)
    }

    #[inline]
    fn convert<To: Float>(a: u64, rm: u8, fflags: &mut u8) -> u64 {
        let x = single(a);
        if To::WIDTH == <F64 as super::Format>::WIDTH && HOST_IEEE && x.is_finite() {
            return f64::from(x).to_bits();
        }
        convert::format::<F32, To>(a, rm, fflags)
    }

    #[inline]
    fn to_int(a: u64, rm: u8, min: i64, max: u64, fflags: &mut u8) -> u64 {
        let host = convert::to_int_host(single(a).into(), rm, min, max, fflags);
        host.unwrap_or_else(|| convert::to_int::<F32>(a, rm, min, max, fflags))
    }

    #[inline]
    fn from_int(negative: bool, magnitude: u64, rm: u8, fflags: &mut u8) -> u64 {
        // Up to 2^24 every integer is a number.
        if magnitude >> 24 == 0 {
            return u64::from((magnitude as f32).to_bits()) | u64::from(negative) << 31;
        }
        convert::from_int::<F32>(negative, magnitude, rm, fflags)
    }
}
