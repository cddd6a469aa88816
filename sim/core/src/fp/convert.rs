//! Conversions: between formats, to integers and from integers.

use super::flags::{NV, NX};
use super::soft::{Num, infinity, round_pack, rounds_up, split, unpack, zero};
use super::{Format, HOST_IEEE, rm};

/// `a` of format `From` in format `To`.
#[inline]
pub(super) fn format<From: Format, To: Format>(a: u64, rm: u8, fflags: &mut u8) -> u64 {
    let (sign, num) = unpack::<From>(a);
    match num {
        Num::Nan => {
            if From::is_signaling(a) {
                *fflags |= NV;
            }
            To::NAN
        }
        Num::Infinity => infinity::<To>(sign),
        Num::Zero => zero::<To>(sign),
        Num::Finite { exp, sig } => round_pack::<To>(sign, exp, sig, rm, fflags),
    }
}

/// `a` rounded to an integer in `min..=max`, which are the bounds of an integer type; out of range gives
/// the nearer bound, a NaN gives `max`. Negative results are sign-extended.
#[inline]
pub(super) fn to_int<F: Format>(a: u64, rm: u8, min: i64, max: u64, fflags: &mut u8) -> u64 {
    let (sign, num) = unpack::<F>(a);
    let magnitude = match num {
        Num::Zero => return 0,
        // Everything from 2^64 on is out of range, like the infinities.
        Num::Finite { exp, sig } if exp < 64 => {
            let (whole, rest) = split(sig, (63 - exp).min(65) as u32);
            let whole = whole + u64::from(rounds_up(whole, rest, sign, rm));
            let bound = if sign { min.unsigned_abs() } else { max };
            if whole <= bound {
                if rest != 0 {
                    *fflags |= NX;
                }
                return if sign { whole.wrapping_neg() } else { whole };
            }
            None
        }
        Num::Nan => Some(max),
        _ => None,
    };
    *fflags |= NV;
    magnitude.unwrap_or(if sign { min as u64 } else { max })
}

/// The number with the sign and the magnitude.
#[inline]
pub(super) fn from_int<F: Format>(sign: bool, magnitude: u64, rm: u8, fflags: &mut u8) -> u64 {
    if magnitude == 0 {
        return 0;
    }
    let lead = magnitude.leading_zeros();
    round_pack::<F>(sign, 63 - lead as i32, magnitude << lead, rm, fflags)
}

/// [`to_int`] by the host, of a number that truncation settles.
#[inline(always)]
pub(super) fn to_int_host(x: f64, rm: u8, min: i64, max: u64, fflags: &mut u8) -> Option<u64> {
    // 2^63; false for NaN.
    if !HOST_IEEE || x.abs() >= 9_223_372_036_854_775_808.0 || x.is_nan() {
        return None;
    }
    let whole = x as i64;
    let exact = whole as f64 == x;
    let fits = whole >= min && (whole < 0 || whole as u64 <= max);
    (fits && (exact || rm == rm::RTZ)).then(|| {
        *fflags |= u8::from(!exact) * NX;
        whole as u64
    })
}
