//! Double precision on the host's arithmetic, see the module's documentation.
//!
//! The common rule: with round-to-nearest-even on an IEEE host a result with an exponent field from 2 to
//! the last finite one is right, and inexact is the only flag it can raise (the operands are then finite;
//! a result that was rounded up to the smallest normal number may have been tiny, so field 1 is left out).

use super::flags::NX;
use super::{F32, F64, Float, Format, HOST_FMA, HOST_IEEE, convert, rm, soft};

/// The exponent field of `x`.
#[inline(always)]
fn field(x: f64) -> u32 {
    (x.to_bits() >> 52) as u32 & 0x7ff
}

/// Normal, finite, and not of the smallest exponent.
#[inline(always)]
fn is_safe(x: f64) -> bool {
    field(x).wrapping_sub(2) < 0x7fd
}

/// Normal and finite.
#[inline(always)]
fn is_normal(x: f64) -> bool {
    field(x).wrapping_sub(1) < 0x7fe
}

/// What rounding took away from `x + y = sum` (TwoSum; exact, or not finite when an intermediate result
/// overflows).
#[inline(always)]
fn sum_error(x: f64, y: f64, sum: f64) -> f64 {
    let y_part = sum - x;
    (x - (sum - y_part)) + (y - y_part)
}

/// Whether the product of two normal numbers has at most 53 significant bits.
#[inline(always)]
fn product_fits(x: f64, y: f64) -> bool {
    let significand = |x: f64| x.to_bits() & F64::FRACTION | 1 << 52;
    let (x, y) = (significand(x), significand(y));
    // The product has 105 or 106 bits. The upper half settles which, where that matters.
    let low = x.wrapping_mul(y) << 11;
    low == 0 || (low == 1 << 63 && (u128::from(x) * u128::from(y)) >> 105 == 0)
}

impl Float for F64 {
    #[inline]
    fn add(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        let (x, y) = (f64::from_bits(a), f64::from_bits(b));
        let sum = x + y;
        // Subnormal sums are exact, so every finite sum is right.
        if HOST_IEEE && rm == rm::RNE && sum.is_finite() {
            if *fflags & NX != 0 {
                return sum.to_bits();
            }
            let error = sum_error(x, y, sum);
            if error.is_finite() {
                *fflags |= u8::from(error != 0.0) * NX;
                return sum.to_bits();
            }
        }
        soft::add::<F64>(a, b, rm, fflags)
    }

    #[inline]
    fn mul(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        let (x, y) = (f64::from_bits(a), f64::from_bits(b));
        let product = x * y;
        if HOST_IEEE && rm == rm::RNE && is_safe(product) {
            if *fflags & NX != 0 {
                return product.to_bits();
            }
            if is_normal(x) && is_normal(y) {
                *fflags |= u8::from(!product_fits(x, y)) * NX;
                return product.to_bits();
            }
        }
        soft::mul::<F64>(a, b, rm, fflags)
    }

    #[inline]
    fn fma(a: u64, b: u64, c: u64, rm: u8, fflags: &mut u8) -> u64 {
        if HOST_IEEE && rm == rm::RNE {
            let (x, y, z) = (f64::from_bits(a), f64::from_bits(b), f64::from_bits(c));
            if let Some(result) = fused(x, y, z, fflags) {
                return result.to_bits();
            }
        }
        soft::fma::<F64>(a, b, c, rm, fflags)
    }

    #[inline]
    fn div(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        let (x, y) = (f64::from_bits(a), f64::from_bits(b));
        let quotient = x / y;
        if HOST_IEEE && rm == rm::RNE && is_safe(quotient) {
            if *fflags & NX != 0 {
                return quotient.to_bits();
            }
            if is_safe(x) && is_normal(y) {
                let exact = product_fits(quotient, y) && quotient * y == x;
                *fflags |= u8::from(!exact) * NX;
                return quotient.to_bits();
            }
        }
        soft::div::<F64>(a, b, rm, fflags)
    }

    #[inline]
    fn sqrt(a: u64, rm: u8, fflags: &mut u8) -> u64 {
        let x = f64::from_bits(a);
        if HOST_IEEE && rm == rm::RNE && is_safe(x) && x > 0.0 {
            let root = x.sqrt();
            if *fflags & NX == 0 {
                let exact = product_fits(root, root) && root * root == x;
                *fflags |= u8::from(!exact) * NX;
            }
            return root.to_bits();
        }
        soft::sqrt::<F64>(a, rm, fflags)
    }

    #[inline]
    fn convert<To: Float>(a: u64, rm: u8, fflags: &mut u8) -> u64 {
        let x = f64::from_bits(a);
        if To::WIDTH == F32::WIDTH && HOST_IEEE && rm == rm::RNE {
            let narrow = x as f32;
            let field = narrow.to_bits() >> 23 & 0xff;
            if field.wrapping_sub(2) < 0xfd {
                *fflags |= u8::from(f64::from(narrow) != x) * NX;
                return narrow.to_bits().into();
            }
        }
        convert::format::<F64, To>(a, rm, fflags)
    }

    #[inline]
    fn to_int(a: u64, rm: u8, min: i64, max: u64, fflags: &mut u8) -> u64 {
        let host = convert::to_int_host(f64::from_bits(a), rm, min, max, fflags);
        host.unwrap_or_else(|| convert::to_int::<F64>(a, rm, min, max, fflags))
    }

    #[inline]
    fn from_int(negative: bool, magnitude: u64, rm: u8, fflags: &mut u8) -> u64 {
        // Up to 2^53 every integer is a number.
        if magnitude >> 53 == 0 {
            return (magnitude as f64).to_bits() | u64::from(negative) << 63;
        }
        convert::from_int::<F64>(negative, magnitude, rm, fflags)
    }
}

/// `x * y + z` rounded once, where the host settles that and the flags: by its fused operation when
/// exactness is not in question, else as a sum when the product is exact.
#[inline]
fn fused(x: f64, y: f64, z: f64, fflags: &mut u8) -> Option<f64> {
    if HOST_FMA && *fflags & NX != 0 {
        return Some(x.mul_add(y, z)).filter(|&result| is_safe(result));
    }
    let product = x * y;
    if is_safe(product) && is_normal(x) && is_normal(y) && product_fits(x, y) {
        let sum = product + z;
        let error = sum_error(product, z, sum);
        if sum.is_finite() && error.is_finite() {
            *fflags |= u8::from(error != 0.0) * NX;
            return Some(sum);
        }
    }
    None
}
