//! Zbs: single-bit instructions.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "bclr"  (Zbs) "0100100 ..... ..... 001 ..... 0110011" R      Alu "unpriv 30 (Zbs)" bclr;
    "bext"  (Zbs) "0100100 ..... ..... 101 ..... 0110011" R      Alu "unpriv 30 (Zbs)" bext;
    "binv"  (Zbs) "0110100 ..... ..... 001 ..... 0110011" R      Alu "unpriv 30 (Zbs)" binv;
    "bset"  (Zbs) "0010100 ..... ..... 001 ..... 0110011" R      Alu "unpriv 30 (Zbs)" bset;
    "bclri" (Zbs) "010010 ...... ..... 001 ..... 0010011" Shift6 Alu "unpriv 30 (Zbs)" bclri;
    "bexti" (Zbs) "010010 ...... ..... 101 ..... 0010011" Shift6 Alu "unpriv 30 (Zbs)" bexti;
    "binvi" (Zbs) "011010 ...... ..... 001 ..... 0010011" Shift6 Alu "unpriv 30 (Zbs)" binvi;
    "bseti" (Zbs) "001010 ...... ..... 001 ..... 0010011" Shift6 Alu "unpriv 30 (Zbs)" bseti;
}

reg_reg! {
    bclr |a, b| a & !(1 << (b & 63));
    bext |a, b| a >> (b & 63) & 1;
    binv |a, b| a ^ 1 << (b & 63);
    bset |a, b| a | 1 << (b & 63);
}

reg_imm! {
    bclri |a, shamt| a & !(1 << (shamt & 63));
    bexti |a, shamt| a >> (shamt & 63) & 1;
    binvi |a, shamt| a ^ 1 << (shamt & 63);
    bseti |a, shamt| a | 1 << (shamt & 63);
}
