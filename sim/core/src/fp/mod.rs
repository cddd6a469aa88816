//! IEEE 754 arithmetic as RISC-V defines it: pure functions on bit patterns.
//!
//! Every operation takes bit patterns (in the low bits of a `u64`), a rounding mode from [`rm`] and a
//! set of accrued [`flags`], to which it adds the exceptions that it raises; a NaN result is always the
//! canonical one. NaN boxing belongs to the register file, see `exec`.
//!
//! Two implementations stand behind [`Float`]:
//!
//! - `soft`, `convert` and `compare`: integer arithmetic only, generic over the [`Format`], every rounding
//!   mode and every operand. It is the reference, and all there is for half precision.
//! - `fast32` and `fast64`: the host's arithmetic for round-to-nearest-even, where the result is a normal
//!   number (so that only the inexact flag is in question) and the host is known to compute in the format
//!   itself ([`HOST_IEEE`]). Whether the result is exact is worked out from error-free transformations
//!   and significand products, and only while the inexact flag is not set yet: the flag is sticky, and
//!   programs that compute set it soon and rarely clear it. That is why operations take the accrued
//!   flags instead of returning their own. The host's own status and control registers are never touched.
//!   Both give the same bits, so results do not depend on the host.
//!
//! Why not Berkeley SoftFloat in the product, although the crate `softfloat-sys` keeps its mode and flags
//! in thread-local variables and would be race-free: its build script refuses every target but x86-64
//! Linux and needs a C compiler, while relsim is to run elsewhere (also in a browser one day); each call
//! is a foreign function and at least three more for mode and flags; and every call is `unsafe`. It is the
//! oracle instead: `tests/fp_softfloat.rs` compares all of this with it, bit by bit and flag by flag,
//! on millions of operands.
//!
//! Measured on a noisy 2-core x86-64 machine: double-precision rows, with the call through their pointer,
//! take 5 to 6 ns for add, mul and div, 8 for sqrt and 9 to 10 for fma by the fast path (a register move takes
//! 3.5). In a rounding mode that is left to `soft`, against SoftFloat with its mode and flags set and read:
//! add 15 : 13 ns, mul 12 : 15, fma 18 : 18, div 13 : 16, sqrt 32 : 20. So speed decides for neither.

mod compare;
mod convert;
pub(crate) mod exec;
mod fast32;
mod fast64;
mod soft;

#[cfg(test)]
mod row_tests;

/// Rounding modes, as in `frm` and in the `rm` field of instructions.
pub mod rm {
    /// To nearest, ties to even.
    pub const RNE: u8 = 0;
    /// Towards zero.
    pub const RTZ: u8 = 1;
    /// Down.
    pub const RDN: u8 = 2;
    /// Up.
    pub const RUP: u8 = 3;
    /// To nearest, ties to the larger magnitude.
    pub const RMM: u8 = 4;
    /// In an instruction: what `frm` says.
    pub const DYN: u8 = 7;
}

/// Exception flags, as in `fflags`.
pub mod flags {
    /// Inexact.
    pub const NX: u8 = 1;
    /// Underflow: tiny after rounding, and inexact.
    pub const UF: u8 = 2;
    /// Overflow.
    pub const OF: u8 = 4;
    /// Division of a finite number by zero.
    pub const DZ: u8 = 8;
    /// Invalid operation.
    pub const NV: u8 = 16;
}

/// Whether `f64::mul_add` is known to round once and to be fast: an instruction, or glibc, whose `fma` is
/// correct and picks the instruction when it is loaded. Some C libraries' `fma` rounds twice; where this
/// is false, inexact double-precision fused operations are left to `soft`.
pub const HOST_FMA: bool = cfg!(any(
    target_feature = "fma",
    target_arch = "aarch64",
    all(target_arch = "riscv64", target_feature = "d"),
    all(target_os = "linux", target_env = "gnu"),
));

/// Whether `f32` and `f64` operations of the host round once, in the format itself, and keep subnormals.
/// Elsewhere (x87, say) everything is computed by `soft`.
pub const HOST_IEEE: bool = cfg!(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "wasm32",
    target_arch = "wasm64",
));

/// An interchange format.
pub trait Format: Copy + 'static {
    /// Bits in all.
    const WIDTH: u32;
    /// Bits of the fraction.
    const FRACTION_BITS: u32;

    /// Bits of precision, with the leading one.
    const PRECISION: u32 = Self::FRACTION_BITS + 1;
    /// All bits of the format.
    const MASK: u64 = u64::MAX >> (64 - Self::WIDTH);
    /// The sign.
    const SIGN: u64 = 1 << (Self::WIDTH - 1);
    /// The fraction.
    const FRACTION: u64 = (1 << Self::FRACTION_BITS) - 1;
    /// The exponent field: infinity.
    const INFINITY: u64 = Self::SIGN - 1 - Self::FRACTION;
    /// The first bit of the fraction: set in quiet NaNs.
    const QUIET: u64 = 1 << (Self::FRACTION_BITS - 1);
    /// The canonical NaN.
    const NAN: u64 = Self::INFINITY | Self::QUIET;
    /// The exponent field of infinities and NaNs.
    const EXPONENT_MAX: i32 = (Self::INFINITY >> Self::FRACTION_BITS) as i32;
    /// What the exponent field adds to the exponent.
    const BIAS: i32 = Self::EXPONENT_MAX / 2;

    /// Whether `a` is a NaN.
    #[inline(always)]
    fn is_nan(a: u64) -> bool {
        a & !Self::SIGN & Self::MASK > Self::INFINITY
    }

    /// Whether `a` is a signaling NaN.
    #[inline(always)]
    fn is_signaling(a: u64) -> bool {
        Self::is_nan(a) && a & Self::QUIET == 0
    }

    /// Whether the sign of `a` is set.
    #[inline(always)]
    fn is_negative(a: u64) -> bool {
        a & Self::SIGN != 0
    }

    /// The value that a 64-bit register stands for when it is read in this format: the canonical NaN
    /// unless all bits above the format are set.
    #[inline(always)]
    fn unbox(register: u64) -> u64 {
        if register | Self::MASK == u64::MAX { register & Self::MASK } else { Self::NAN }
    }

    /// `a` as a 64-bit register holds it.
    #[inline(always)]
    fn boxed(a: u64) -> u64 {
        a | !Self::MASK
    }
}

/// Half precision.
#[derive(Debug, Clone, Copy)]
pub enum F16 {}

/// Single precision.
#[derive(Debug, Clone, Copy)]
pub enum F32 {}

/// Double precision.
#[derive(Debug, Clone, Copy)]
pub enum F64 {}

impl Format for F16 {
    const WIDTH: u32 = 16;
    const FRACTION_BITS: u32 = 10;
}

impl Format for F32 {
    const WIDTH: u32 = 32;
    const FRACTION_BITS: u32 = 23;
}

impl Format for F64 {
    const WIDTH: u32 = 64;
    const FRACTION_BITS: u32 = 52;
}

/// The operations. `fflags` holds the accrued flags; an operation adds its own, but may leave out the
/// inexact flag's determination when that is set already.
pub trait Float: Format {
    /// `a + b`.
    #[inline]
    fn add(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        soft::add::<Self>(a, b, rm, fflags)
    }

    /// `a - b`.
    #[inline(always)]
    fn sub(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        // The sign of a NaN has no influence on the result.
        Self::add(a, b ^ Self::SIGN, rm, fflags)
    }

    /// `a * b`.
    #[inline]
    fn mul(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        soft::mul::<Self>(a, b, rm, fflags)
    }

    /// `a * b + c`, rounded once. The other three sign variants flip the signs of `a` and `c`.
    #[inline]
    fn fma(a: u64, b: u64, c: u64, rm: u8, fflags: &mut u8) -> u64 {
        soft::fma::<Self>(a, b, c, rm, fflags)
    }

    /// `a / b`.
    #[inline]
    fn div(a: u64, b: u64, rm: u8, fflags: &mut u8) -> u64 {
        soft::div::<Self>(a, b, rm, fflags)
    }

    /// The square root.
    #[inline]
    fn sqrt(a: u64, rm: u8, fflags: &mut u8) -> u64 {
        soft::sqrt::<Self>(a, rm, fflags)
    }

    /// `a == b`: quiet, only signaling NaNs are invalid.
    #[inline(always)]
    fn eq(a: u64, b: u64, fflags: &mut u8) -> bool {
        compare::eq::<Self>(a, b, fflags)
    }

    /// `a < b`: any NaN is invalid.
    #[inline(always)]
    fn lt(a: u64, b: u64, fflags: &mut u8) -> bool {
        compare::lt::<Self>(a, b, fflags)
    }

    /// `a <= b`: any NaN is invalid.
    #[inline(always)]
    fn le(a: u64, b: u64, fflags: &mut u8) -> bool {
        compare::le::<Self>(a, b, fflags)
    }

    /// `minimumNumber` of IEEE 754-2019: a NaN loses against a number, -0 is less than +0.
    #[inline(always)]
    fn min(a: u64, b: u64, fflags: &mut u8) -> u64 {
        compare::min_max::<Self>(a, b, false, fflags)
    }

    /// `maximumNumber` of IEEE 754-2019.
    #[inline(always)]
    fn max(a: u64, b: u64, fflags: &mut u8) -> u64 {
        compare::min_max::<Self>(a, b, true, fflags)
    }

    /// The one-hot mask of `fclass`.
    #[inline]
    fn classify(a: u64) -> u64 {
        compare::classify::<Self>(a)
    }

    /// `a` in format `To`.
    #[inline]
    fn convert<To: Float>(a: u64, rm: u8, fflags: &mut u8) -> u64 {
        convert::format::<Self, To>(a, rm, fflags)
    }

    /// `a` as an integer between the bounds of a type, saturated, and as 64 bits; NaN gives `max`.
    #[inline]
    fn to_int(a: u64, rm: u8, min: i64, max: u64, fflags: &mut u8) -> u64 {
        convert::to_int::<Self>(a, rm, min, max, fflags)
    }

    /// `a` as an `i32`, saturated; NaN gives the largest.
    #[inline]
    fn to_i32(a: u64, rm: u8, fflags: &mut u8) -> i32 {
        Self::to_int(a, rm, i32::MIN.into(), i32::MAX as u64, fflags) as i32
    }

    /// `a` as a `u32`, saturated; NaN gives the largest.
    #[inline]
    fn to_u32(a: u64, rm: u8, fflags: &mut u8) -> u32 {
        Self::to_int(a, rm, 0, u32::MAX.into(), fflags) as u32
    }

    /// `a` as an `i64`, saturated; NaN gives the largest.
    #[inline]
    fn to_i64(a: u64, rm: u8, fflags: &mut u8) -> i64 {
        Self::to_int(a, rm, i64::MIN, i64::MAX as u64, fflags) as i64
    }

    /// `a` as a `u64`, saturated; NaN gives the largest.
    #[inline]
    fn to_u64(a: u64, rm: u8, fflags: &mut u8) -> u64 {
        Self::to_int(a, rm, 0, u64::MAX, fflags)
    }

    /// The number nearest to the integer with this sign and `magnitude`.
    #[inline]
    fn from_int(negative: bool, magnitude: u64, rm: u8, fflags: &mut u8) -> u64 {
        convert::from_int::<Self>(negative, magnitude, rm, fflags)
    }

    /// The number nearest to `value`.
    #[inline]
    fn from_i64(value: i64, rm: u8, fflags: &mut u8) -> u64 {
        Self::from_int(value < 0, value.unsigned_abs(), rm, fflags)
    }

    /// The number nearest to `value`.
    #[inline]
    fn from_u64(value: u64, rm: u8, fflags: &mut u8) -> u64 {
        Self::from_int(false, value, rm, fflags)
    }
}

impl Float for F16 {}

#[cfg(test)]
mod tests {
    use super::*;

    /// `soft` in the mode and range where the host does the work elsewhere: on another host it does all.
    fn soft_agrees<F: Float>() {
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Exponents around one; often few significant bits, so that results are exact.
            let fraction = (state & F::FRACTION)
                & if state >> 63 == 0 { u64::MAX } else { u64::MAX << (F::FRACTION_BITS / 2) };
            let exponent = F::BIAS as u64 - 6 + (state >> 56) % 13;
            (state >> 8) & F::SIGN | exponent << F::FRACTION_BITS | fraction
        };
        for _ in 0..200_000 {
            let (a, b, c) = (next(), next(), next());
            let both = |fast: fn(u64, u64, u64, &mut u8) -> u64, soft: fn(u64, u64, u64, &mut u8) -> u64| {
                let (mut raised, mut expected) = (0, 0);
                assert_eq!(fast(a, b, c, &mut raised), soft(a, b, c, &mut expected), "{a:x} {b:x} {c:x}");
                assert_eq!(raised, expected, "{a:x} {b:x} {c:x}");
            };
            both(|a, b, _, f| F::add(a, b, 0, f), |a, b, _, f| soft::add::<F>(a, b, 0, f));
            both(|a, b, _, f| F::mul(a, b, 0, f), |a, b, _, f| soft::mul::<F>(a, b, 0, f));
            both(|a, b, _, f| F::div(a, b, 0, f), |a, b, _, f| soft::div::<F>(a, b, 0, f));
            both(|a, b, c, f| F::fma(a, b, c, 0, f), |a, b, c, f| soft::fma::<F>(a, b, c, 0, f));
            both(|a, _, _, f| F::sqrt(a, 0, f), |a, _, _, f| soft::sqrt::<F>(a, 0, f));
            both(|a, _, _, f| F::to_int(a, 1, -9, 9, f), |a, _, _, f| convert::to_int::<F>(a, 1, -9, 9, f));
            both(
                |a, _, _, f| F::from_int(true, a >> (a % 64) | 1, 0, f),
                |a, _, _, f| convert::from_int::<F>(true, a >> (a % 64) | 1, 0, f),
            );
            both(|a, _, _, f| F::convert::<F32>(a, 0, f), |a, _, _, f| convert::format::<F, F32>(a, 0, f));
        }
    }

    #[test]
    fn soft_agrees_with_the_host() {
        soft_agrees::<F32>();
        soft_agrees::<F64>();
    }
}
