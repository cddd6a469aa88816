//! Zbkb: bit manipulation for cryptography; what it shares with Zbb is in `zbb.rs`.

use super::sext32;
use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "pack"  (Zbkb) "0000100 ..... ..... 100 ..... 0110011" R  Alu "unpriv 30 (Zbkb)" pack;
    "packh" (Zbkb) "0000100 ..... ..... 111 ..... 0110011" R  Alu "unpriv 30 (Zbkb)" packh;
    "packw" (Zbkb) "0000100 ..... ..... 100 ..... 0111011" R  Alu "unpriv 30 (Zbkb)" packw;
    "brev8" (Zbkb) "011010000111 ..... 101 ..... 0010011"  R2 Alu "unpriv 30 (Zbkb)" brev8;
}

reg_reg! {
    pack |a, b| b << 32 | u64::from(a as u32);
    packh |a, b| (b & 0xff) << 8 | a & 0xff;
    packw |a, b| sext32((b & 0xffff) << 16 | a & 0xffff);
}

unary! {
    // All bits reversed, then the bytes put back in order.
    brev8 |a| a.reverse_bits().swap_bytes();
}
