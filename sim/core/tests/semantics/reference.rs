//! References that work bit by bit.

/// Bit `n` of `a`.
pub fn bit(a: u64, n: u32) -> bool {
    a >> n & 1 == 1
}

/// The number whose `width` low bits are `bit(0)`, `bit(1)`, ...
pub fn build(width: u32, bit: impl Fn(u32) -> bool) -> u64 {
    (0..width).filter(|&n| bit(n)).map(|n| 1 << n).sum()
}

/// A 32-bit number, sign-extended.
pub fn build_word(bit: impl Fn(u32) -> bool) -> u64 {
    build(64, |n| bit(n.min(31)))
}

/// A logical operation.
pub fn combine(a: u64, b: u64, operation: fn(bool, bool) -> bool) -> u64 {
    build(64, |n| operation(bit(a, n), bit(b, n)))
}

/// The upper half of a product by shifting and adding in 128 bits, modulo 2^128.
pub fn high_product(a: u64, b: u64, a_signed: bool, b_signed: bool) -> u64 {
    let extend = |v: u64, signed: bool| if signed { v as i64 as i128 as u128 } else { u128::from(v) };
    let (a, b) = (extend(a, a_signed), extend(b, b_signed));
    let mut sum = 0u128;
    for n in 0..128 {
        if b >> n & 1 == 1 {
            sum = sum.wrapping_add(a << n);
        }
    }
    (sum >> 64) as u64
}

/// 64 bits of the carry-less product from bit `from` on: a bit of it is the parity of the products of bits
/// whose numbers add up to its own.
pub fn carryless(a: u64, b: u64, from: u32) -> u64 {
    build(64, |n| {
        let at = n + from;
        let ones = (0..64).filter(|&i| i <= at && at - i < 64 && bit(a, i) && bit(b, at - i));
        ones.count() % 2 == 1
    })
}

/// Elements of `width` bits of `table`, selected by those of `index`.
pub fn crossbar(table: u64, index: u64, width: u32) -> u64 {
    build(64, |n| {
        let element = n / width * width;
        let selected: u32 = (0..width).filter(|&m| bit(index, element + m)).map(|m| 1 << m).sum();
        let source = selected * width + n % width;
        source < 64 && bit(table, source)
    })
}
