//! Zbkx: crossbar permutations.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "xperm4" (Zbkx) "0010100 ..... ..... 010 ..... 0110011" R Alu "unpriv 30 (Zbkx)" xperm4;
    "xperm8" (Zbkx) "0010100 ..... ..... 100 ..... 0110011" R Alu "unpriv 30 (Zbkx)" xperm8;
}

reg_reg! {
    xperm4 |a, b| permute::<4>(a, b);
    xperm8 |a, b| permute::<8>(a, b);
}

/// The elements of `BITS` bits of `table` that the elements of `index` select; 0 for those out of range.
fn permute<const BITS: u32>(table: u64, index: u64) -> u64 {
    let mask = (1 << BITS) - 1;
    let select = |at: u32| {
        let shift = ((index >> at & mask) as u32) * BITS;
        (table.checked_shr(shift).unwrap_or(0) & mask) << at
    };
    (0..64).step_by(BITS as usize).fold(0, |all, at| all | select(at))
}
