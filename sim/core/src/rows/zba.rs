//! Zba: address generation.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "add.uw"    (Zba) "0000100 ..... ..... 000 ..... 0111011" R      Alu "unpriv 30 (Zba)" add_uw;
    "sh1add"    (Zba) "0010000 ..... ..... 010 ..... 0110011" R      Alu "unpriv 30 (Zba)" sh1add;
    "sh2add"    (Zba) "0010000 ..... ..... 100 ..... 0110011" R      Alu "unpriv 30 (Zba)" sh2add;
    "sh3add"    (Zba) "0010000 ..... ..... 110 ..... 0110011" R      Alu "unpriv 30 (Zba)" sh3add;
    "sh1add.uw" (Zba) "0010000 ..... ..... 010 ..... 0111011" R      Alu "unpriv 30 (Zba)" sh1add_uw;
    "sh2add.uw" (Zba) "0010000 ..... ..... 100 ..... 0111011" R      Alu "unpriv 30 (Zba)" sh2add_uw;
    "sh3add.uw" (Zba) "0010000 ..... ..... 110 ..... 0111011" R      Alu "unpriv 30 (Zba)" sh3add_uw;
    "slli.uw"   (Zba) "000010 ...... ..... 001 ..... 0011011" Shift6 Alu "unpriv 30 (Zba)" slli_uw;
}

reg_reg! {
    add_uw |a, b| b.wrapping_add(u64::from(a as u32));
    sh1add |a, b| b.wrapping_add(a << 1);
    sh2add |a, b| b.wrapping_add(a << 2);
    sh3add |a, b| b.wrapping_add(a << 3);
    sh1add_uw |a, b| b.wrapping_add(u64::from(a as u32) << 1);
    sh2add_uw |a, b| b.wrapping_add(u64::from(a as u32) << 2);
    sh3add_uw |a, b| b.wrapping_add(u64::from(a as u32) << 3);
}

reg_imm! {
    slli_uw |a, shamt| u64::from(a as u32) << (shamt & 63);
}
