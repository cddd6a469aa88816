//! Arithmetic on integers only: every format, rounding mode and operand.
//!
//! Numbers are taken apart into a sign, an exponent and a 64-bit significand whose top bit is set; a
//! result is computed to 64 bits of which the lowest also stands for everything below ("jammed"), and
//! rounded once by [`round_pack`]. No format has more than 53 bits of precision, so that is exact.

use super::flags::{DZ, NV, NX, OF, UF};
use super::{Format, rm};

/// What a bit pattern stands for, apart from the sign.
#[derive(Clone, Copy)]
pub(super) enum Num {
    /// A NaN.
    Nan,
    /// An infinity.
    Infinity,
    /// Zero.
    Zero,
    /// `sig / 2^63 * 2^exp`, with the top bit of `sig` set.
    Finite { exp: i32, sig: u64 },
}

/// Takes `a` apart.
#[inline(always)]
pub(super) fn unpack<F: Format>(a: u64) -> (bool, Num) {
    let fraction = a & F::FRACTION;
    let exponent = ((a & F::INFINITY) >> F::FRACTION_BITS) as i32;
    let num = if exponent == F::EXPONENT_MAX {
        if fraction == 0 { Num::Infinity } else { Num::Nan }
    } else if exponent != 0 {
        let sig = (fraction | 1 << F::FRACTION_BITS) << (64 - F::PRECISION);
        Num::Finite { exp: exponent - F::BIAS, sig }
    } else if fraction == 0 {
        Num::Zero
    } else {
        let lead = fraction.leading_zeros();
        let exp = 1 - F::BIAS + (64 - F::PRECISION) as i32 - lead as i32;
        Num::Finite { exp, sig: fraction << lead }
    };
    (F::is_negative(a), num)
}

/// A zero with a sign.
#[inline(always)]
pub(super) fn zero<F: Format>(sign: bool) -> u64 {
    if sign { F::SIGN } else { 0 }
}

/// An infinity with a sign.
#[inline(always)]
pub(super) fn infinity<F: Format>(sign: bool) -> u64 {
    zero::<F>(sign) | F::INFINITY
}

/// The result of an operation without a useful one.
#[inline(always)]
pub(super) fn invalid<F: Format>(fflags: &mut u8) -> u64 {
    *fflags |= NV;
    F::NAN
}

/// The result of an operation on NaNs: invalid if one of the operands is signaling.
fn nan<F: Format>(operands: &[u64], fflags: &mut u8) -> u64 {
    if operands.iter().any(|&a| F::is_signaling(a)) {
        *fflags |= NV;
    }
    F::NAN
}

/// `sig` without its low `shift` bits, and those bits moved to the top: above, at or below one half says
/// how they compare with `1 << 63`.
#[inline(always)]
pub(super) fn split(sig: u64, shift: u32) -> (u64, u64) {
    match shift {
        0 => (sig, 0),
        1..=63 => (sig >> shift, sig << (64 - shift)),
        64 => (0, sig),
        _ => (0, u64::from(sig != 0)),
    }
}

/// Whether a magnitude `whole` with `rest` below it is rounded up.
#[inline(always)]
pub(super) fn rounds_up(whole: u64, rest: u64, sign: bool, rm: u8) -> bool {
    const HALF: u64 = 1 << 63;
    match rm {
        rm::RNE => rest > HALF || (rest == HALF && whole & 1 == 1),
        rm::RTZ => false,
        rm::RDN => sign && rest != 0,
        rm::RUP => !sign && rest != 0,
        _ => rest >= HALF,
    }
}

/// Rounds `sig / 2^63 * 2^exp` (top bit of `sig` set, lowest bit jammed).
#[inline]
pub(super) fn round_pack<F: Format>(sign: bool, exp: i32, sig: u64, rm: u8, fflags: &mut u8) -> u64 {
    let min_exp = 1 - F::BIAS;
    let below = (min_exp - exp).max(0) as u32;
    let drop = 64 - F::PRECISION;
    let (mut whole, rest) = split(sig, (drop + below).min(65));
    let up = rounds_up(whole, rest, sign, rm);
    whole += u64::from(up);
    // The leading one of a normal number adds 1 to the exponent field, and so does a carry out of the fraction.
    let field = if below > 0 { 0 } else { (exp + F::BIAS - 1) as u64 };
    let magnitude = (field << F::FRACTION_BITS) + whole;
    if field >= F::EXPONENT_MAX as u64 || magnitude >= F::INFINITY {
        *fflags |= OF | NX;
        let to_infinity = match rm {
            rm::RTZ => false,
            rm::RDN => sign,
            rm::RUP => !sign,
            _ => true,
        };
        return zero::<F>(sign) | if to_infinity { F::INFINITY } else { F::INFINITY - 1 };
    }
    if rest != 0 {
        *fflags |= NX;
        if below > 0 {
            // Tiny unless rounding at full precision, with an unbounded exponent, reaches the smallest normal.
            let (whole, rest) = split(sig, drop);
            let reaches = below == 1 && rounds_up(whole, rest, sign, rm) && whole == u64::MAX >> drop;
            if !reaches {
                *fflags |= UF;
            }
        }
    }
    zero::<F>(sign) | magnitude
}

/// Rounds `sig / 2^126 * 2^exp` for any nonzero `sig` (lowest bit jammed).
#[inline]
fn round_pack_wide<F: Format>(sign: bool, exp: i32, sig: u128, rm: u8, fflags: &mut u8) -> u64 {
    let lead = sig.leading_zeros();
    let sig = sig << lead;
    let jam = u64::from(sig as u64 != 0);
    round_pack::<F>(sign, exp + 1 - lead as i32, (sig >> 64) as u64 | jam, rm, fflags)
}

/// `sig` moved down by `shift`, with every lost bit jammed into the lowest.
#[inline(always)]
fn shift_jam(sig: u128, shift: u32) -> u128 {
    if shift == 0 {
        sig
    } else if shift < 128 {
        sig >> shift | u128::from(sig << (128 - shift) != 0)
    } else {
        u128::from(sig != 0)
    }
}

/// The sum of two finite numbers, each `sig / 2^124 * 2^exp` and below 4.
///
/// Below the significant bits there are 72 zeros, or 20 in a product (see [`fma`]). So bits are lost only
/// where exponents differ by more than 20; the leading bit of a difference is then at most one place
/// down, and the jammed bit stays far below what is kept.
#[inline]
fn add_wide<F: Format>(a: (bool, i32, u128), b: (bool, i32, u128), rm: u8, fflags: &mut u8) -> u64 {
    let ((sa, ea, ma), (sb, eb, mb)) = if a.1 >= b.1 { (a, b) } else { (b, a) };
    let mb = shift_jam(mb, ea.abs_diff(eb));
    let (sign, sig) = if sa == sb {
        (sa, ma + mb)
    } else if ma >= mb {
        (sa, ma - mb)
    } else {
        (sb, mb - ma)
    };
    if sig == 0 {
        return zero::<F>(rm == rm::RDN);
    }
    round_pack_wide::<F>(sign, ea + 2, sig, rm, fflags)
}

/// `a + b`.
#[inline(never)]
pub(super) fn add<F: Format>(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
    let ((sa, na), (sb, nb)) = (unpack::<F>(a), unpack::<F>(b));
    match (na, nb) {
        (Num::Nan, _) | (_, Num::Nan) => nan::<F>(&[a, b], fflags),
        (Num::Infinity, Num::Infinity) if sa != sb => invalid::<F>(fflags),
        (Num::Infinity, _) => a,
        (_, Num::Infinity) => b,
        (Num::Zero, Num::Zero) if sa != sb => zero::<F>(rm == rm::RDN),
        (_, Num::Zero) => a,
        (Num::Zero, _) => b,
        (Num::Finite { exp: ea, sig: ma }, Num::Finite { exp: eb, sig: mb }) => {
            let (a, b) = ((sa, ea, u128::from(ma) << 61), (sb, eb, u128::from(mb) << 61));
            add_wide::<F>(a, b, rm, fflags)
        }
    }
}

/// `a * b`.
#[inline(never)]
pub(super) fn mul<F: Format>(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
    let ((sa, na), (sb, nb)) = (unpack::<F>(a), unpack::<F>(b));
    let sign = sa != sb;
    match (na, nb) {
        (Num::Nan, _) | (_, Num::Nan) => nan::<F>(&[a, b], fflags),
        (Num::Infinity, Num::Zero) | (Num::Zero, Num::Infinity) => invalid::<F>(fflags),
        (Num::Infinity, _) | (_, Num::Infinity) => infinity::<F>(sign),
        (Num::Zero, _) | (_, Num::Zero) => zero::<F>(sign),
        (Num::Finite { exp: ea, sig: ma }, Num::Finite { exp: eb, sig: mb }) => {
            round_pack_wide::<F>(sign, ea + eb, u128::from(ma) * u128::from(mb), rm, fflags)
        }
    }
}

/// `a * b + c`.
#[inline(never)]
pub(super) fn fma<F: Format>(a: u64, b: u64, c: u64, rm: u8, fflags: &mut u8) -> u64 {
    let ((sa, na), (sb, nb), (sc, nc)) = (unpack::<F>(a), unpack::<F>(b), unpack::<F>(c));
    let sign = sa != sb;
    match (na, nb, nc) {
        // Invalid even if the addend is a quiet NaN.
        (Num::Infinity, Num::Zero, _) | (Num::Zero, Num::Infinity, _) => invalid::<F>(fflags),
        (Num::Nan, ..) | (_, Num::Nan, _) | (_, _, Num::Nan) => nan::<F>(&[a, b, c], fflags),
        (Num::Infinity, ..) | (_, Num::Infinity, _) => match nc {
            Num::Infinity if sc != sign => invalid::<F>(fflags),
            _ => infinity::<F>(sign),
        },
        (_, _, Num::Infinity) => c,
        (Num::Zero, ..) | (_, Num::Zero, _) => match nc {
            Num::Zero if sc != sign => zero::<F>(rm == rm::RDN),
            _ => c,
        },
        (Num::Finite { exp: ea, sig: ma }, Num::Finite { exp: eb, sig: mb }, _) => {
            // At least 11 low bits of each significand are zero, so 22 of the product: two can go.
            let product = u128::from(ma) * u128::from(mb);
            match nc {
                Num::Finite { exp: ec, sig: mc } => {
                    let (product, c) = ((sign, ea + eb, product >> 2), (sc, ec, u128::from(mc) << 61));
                    add_wide::<F>(product, c, rm, fflags)
                }
                _ => round_pack_wide::<F>(sign, ea + eb, product, rm, fflags),
            }
        }
    }
}

/// `a / b`.
#[inline(never)]
pub(super) fn div<F: Format>(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
    let ((sa, na), (sb, nb)) = (unpack::<F>(a), unpack::<F>(b));
    let sign = sa != sb;
    match (na, nb) {
        (Num::Nan, _) | (_, Num::Nan) => nan::<F>(&[a, b], fflags),
        (Num::Infinity, Num::Infinity) | (Num::Zero, Num::Zero) => invalid::<F>(fflags),
        (Num::Infinity, _) => infinity::<F>(sign),
        (Num::Zero, _) | (_, Num::Infinity) => zero::<F>(sign),
        (_, Num::Zero) => {
            *fflags |= DZ;
            infinity::<F>(sign)
        }
        (Num::Finite { exp: ea, sig: ma }, Num::Finite { exp: eb, sig: mb }) => {
            // A quotient in [1, 2) with 63 bits behind the point, and the remainder jammed.
            let less = ma < mb;
            let dividend = u128::from(ma) << (63 + u32::from(less));
            let (quotient, rest) = (dividend / u128::from(mb), dividend % u128::from(mb));
            let sig = quotient as u64 | u64::from(rest != 0);
            round_pack::<F>(sign, ea - eb - i32::from(less), sig, rm, fflags)
        }
    }
}

/// The square root of `a`.
#[inline(never)]
pub(super) fn sqrt<F: Format>(a: u64, rm: u8, fflags: &mut u8) -> u64 {
    let (sign, num) = unpack::<F>(a);
    match num {
        Num::Nan => nan::<F>(&[a], fflags),
        Num::Zero => a,
        _ if sign => invalid::<F>(fflags),
        Num::Infinity => a,
        Num::Finite { exp, sig } => {
            // With an even exponent the radicand is in [1, 4) and so the root in [1, 2).
            let odd = exp & 1;
            let radicand = u128::from(sig) << (63 + odd);
            let root = radicand.isqrt();
            let jam = u64::from(root * root != radicand);
            round_pack::<F>(false, (exp - odd) / 2, root as u64 | jam, rm, fflags)
        }
    }
}
