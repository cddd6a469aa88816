//! Comparisons, minimum and maximum, classification.

use super::Format;
use super::flags::NV;

/// A number as an integer with the same order; the zeros differ by one.
#[inline(always)]
fn key<F: Format>(a: u64) -> i64 {
    // The sign moves to the top; negative numbers count downwards.
    let a = (a << (64 - F::WIDTH)) as i64;
    if a < 0 { !(a & i64::MAX) } else { a }
}

#[inline(always)]
fn both_zero<F: Format>(a: u64, b: u64) -> bool {
    (a | b) & F::MASK & !F::SIGN == 0
}

/// `a == b`, quiet.
#[inline(always)]
pub(super) fn eq<F: Format>(a: u64, b: u64, fflags: &mut u8) -> bool {
    if F::is_nan(a) || F::is_nan(b) {
        if F::is_signaling(a) || F::is_signaling(b) {
            *fflags |= NV;
        }
        return false;
    }
    a == b || both_zero::<F>(a, b)
}

/// `a < b`, signaling.
#[inline(always)]
pub(super) fn lt<F: Format>(a: u64, b: u64, fflags: &mut u8) -> bool {
    if F::is_nan(a) || F::is_nan(b) {
        *fflags |= NV;
        return false;
    }
    key::<F>(a) < key::<F>(b) && !both_zero::<F>(a, b)
}

/// `a <= b`, signaling.
#[inline(always)]
pub(super) fn le<F: Format>(a: u64, b: u64, fflags: &mut u8) -> bool {
    if F::is_nan(a) || F::is_nan(b) {
        *fflags |= NV;
        return false;
    }
    key::<F>(a) <= key::<F>(b) || both_zero::<F>(a, b)
}

/// The number that is larger (or smaller); a NaN loses.
#[inline(always)]
pub(super) fn min_max<F: Format>(a: u64, b: u64, max: bool, fflags: &mut u8) -> u64 {
    if F::is_signaling(a) || F::is_signaling(b) {
        *fflags |= NV;
    }
    match (F::is_nan(a), F::is_nan(b)) {
        (true, true) => F::NAN,
        (true, false) => b,
        (false, true) => a,
        (false, false) if (key::<F>(a) < key::<F>(b)) == max => b,
        (false, false) => a,
    }
}

/// The mask of `fclass`: from bit 0 negative infinity, normal, subnormal, zero, positive zero,
/// subnormal, normal, infinity, signaling NaN, quiet NaN.
pub(super) fn classify<F: Format>(a: u64) -> u64 {
    if F::is_nan(a) {
        return if F::is_signaling(a) { 1 << 8 } else { 1 << 9 };
    }
    let magnitude = a & !F::SIGN;
    let size = match magnitude {
        0 => 0,
        m if m == F::INFINITY => 3,
        m if m & F::INFINITY == 0 => 1,
        _ => 2,
    };
    1 << if F::is_negative(a) { 3 - size } else { 4 + size }
}
