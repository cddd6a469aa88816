//! Zbc: carry-less multiplication; Zbkc is the same without `clmulr`.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "clmul"  (Zbc | Zbkc) "0000101 ..... ..... 001 ..... 0110011" R Mul "unpriv 30 (Zbc)" clmul;
    "clmulr" (Zbc)        "0000101 ..... ..... 010 ..... 0110011" R Mul "unpriv 30 (Zbc)" clmulr;
    "clmulh" (Zbc | Zbkc) "0000101 ..... ..... 011 ..... 0110011" R Mul "unpriv 30 (Zbc)" clmulh;
}

reg_reg_timed! {
    clmul |a, b| product(a, b) as u64;
    clmulr |a, b| (product(a, b) >> 63) as u64;
    clmulh |a, b| (product(a, b) >> 64) as u64;
}

/// The product of two polynomials over GF(2).
fn product(a: u64, mut b: u64) -> u128 {
    let mut sum = 0;
    while b != 0 {
        sum ^= u128::from(a) << b.trailing_zeros();
        b &= b - 1;
    }
    sum
}
