//! Values that registers and memory start with: the ends of ranges more often than the middle.

use super::rng::Rng;

/// A floating-point number's bits: `exponent_bits` and `fraction_bits` wide.
fn float(rng: &mut Rng, exponent_bits: u32, fraction_bits: u32) -> u64 {
    let top = (1u64 << exponent_bits) - 1;
    let middle = top / 2;
    let exponent = match rng.below(10) {
        0 => 0,
        1 => top,
        2 => 1 + rng.below(2),
        3 => top - 1 - rng.below(2),
        4..=6 => (middle + rng.below(8)).wrapping_sub(3),
        // Around the widths of integers and of the other formats.
        7 => middle + rng.pick(&[10, 15, 16, 23, 24, 31, 32, 52, 53, 63, 64]),
        8 => middle.wrapping_sub(rng.pick(&[14, 15, 24, 25, 126, 127, 149, 150])),
        _ => rng.bits(),
    } & top;
    let all = (1u64 << fraction_bits) - 1;
    let fraction = match rng.below(8) {
        0 | 1 => 0,
        2 => all,
        3 => 1,
        4 => 1 << rng.below(u64::from(fraction_bits)),
        5 => all << rng.below(u64::from(fraction_bits)),
        _ => rng.bits(),
    } & all;
    rng.below(2) << (exponent_bits + fraction_bits) | exponent << fraction_bits | fraction
}

/// Contents of a floating-point register: doubles, boxed singles and halves, and wrongly boxed ones.
pub fn fp_register(rng: &mut Rng) -> u64 {
    match rng.below(12) {
        0..=4 => float(rng, 11, 52),
        5..=8 => 0xffff_ffff_0000_0000 | float(rng, 8, 23),
        9 | 10 => 0xffff_ffff_ffff_0000 | float(rng, 5, 10),
        _ => rng.bits() << 32 | float(rng, 8, 23),
    }
}

/// Contents of an integer register or a memory word.
pub fn integer(rng: &mut Rng) -> u64 {
    match rng.below(10) {
        0 => rng.below(256).wrapping_sub(128),
        1 => 1 << rng.below(64),
        2 => (1u64 << rng.below(64)).wrapping_sub(1),
        3 => !0 << rng.below(64),
        4 => rng.bits() as i32 as u64,
        5 => rng.bits() & u64::from(u32::MAX),
        6 => fp_register(rng),
        _ => rng.bits(),
    }
}
