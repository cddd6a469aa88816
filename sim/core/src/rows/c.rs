//! C: compressed instructions of RV64. Each means what its 32-bit twin means, so rows name the twin's
//! function; hints (28.7) execute as the instruction whose encoding they share, without effect.

use super::{d, i};

rows! {
    "c.addi4spn" (C) "000 ........ ... 00" CIw  Alu   "unpriv 28.5.2" i::addi, valid addi4spn_valid;
    "c.fld"      (C + D) "001 ... ... .. ... 00" CFld FpLoad  "unpriv 28.3.2" d::fld;
    "c.lw"       (C) "010 ... ... .. ... 00" CLw  Load  "unpriv 28.3.2" i::lw;
    "c.ld"       (C) "011 ... ... .. ... 00" CLd  Load  "unpriv 28.3.2" i::ld;
    "c.fsd"      (C + D) "101 ... ... .. ... 00" CFsd FpStore "unpriv 28.3.2" d::fsd;
    "c.sw"       (C) "110 ... ... .. ... 00" CSw  Store "unpriv 28.3.2" i::sw;
    "c.sd"       (C) "111 ... ... .. ... 00" CSd  Store "unpriv 28.3.2" i::sd;

    "c.addi"     (C) "000 . ..... ..... 01"    CI        Alu    "unpriv 28.5.2" i::addi;
    "c.addiw"    (C) "001 . ..... ..... 01"    CI        Alu    "unpriv 28.5.2" i::addiw, valid rd_valid;
    "c.li"       (C) "010 . ..... ..... 01"    CLi       Alu    "unpriv 28.5.1" i::addi;
    "c.lui"      (C) "011 . ..... ..... 01"    CLui      Alu    "unpriv 28.5.1" i::lui, valid imm6_valid;
    "c.addi16sp" (C) "011 . 00010 ..... 01"    CAddi16Sp Alu    "unpriv 28.5.2" i::addi, valid imm6_valid;
    "c.srli"     (C) "100 . 00 ... ..... 01"   CShift    Alu    "unpriv 28.5.2" i::srli;
    "c.srai"     (C) "100 . 01 ... ..... 01"   CShift    Alu    "unpriv 28.5.2" i::srai;
    "c.andi"     (C) "100 . 10 ... ..... 01"   CAndi     Alu    "unpriv 28.5.2" i::andi;
    "c.sub"      (C) "100 0 11 ... 00 ... 01"  CA        Alu    "unpriv 28.5.3" i::sub;
    "c.xor"      (C) "100 0 11 ... 01 ... 01"  CA        Alu    "unpriv 28.5.3" i::xor;
    "c.or"       (C) "100 0 11 ... 10 ... 01"  CA        Alu    "unpriv 28.5.3" i::or;
    "c.and"      (C) "100 0 11 ... 11 ... 01"  CA        Alu    "unpriv 28.5.3" i::and;
    "c.subw"     (C) "100 1 11 ... 00 ... 01"  CA        Alu    "unpriv 28.5.3" i::subw;
    "c.addw"     (C) "100 1 11 ... 01 ... 01"  CA        Alu    "unpriv 28.5.3" i::addw;
    "c.j"        (C) "101 ........... 01"      CJ        Jump   "unpriv 28.4"   i::jal;
    "c.beqz"     (C) "110 ... ... ..... 01"    CB        Branch "unpriv 28.4"   i::beq;
    "c.bnez"     (C) "111 ... ... ..... 01"    CB        Branch "unpriv 28.4"   i::bne;

    "c.slli"     (C) "000 . ..... ..... 10"    CSlli  Alu          "unpriv 28.5.2" i::slli;
    "c.fldsp"    (C + D) "001 . ..... ..... 10" CFldsp FpLoad      "unpriv 28.3.1" d::fld;
    "c.lwsp"     (C) "010 . ..... ..... 10"    CLwsp  Load         "unpriv 28.3.1" i::lw, valid rd_valid;
    "c.ldsp"     (C) "011 . ..... ..... 10"    CLdsp  Load         "unpriv 28.3.1" i::ld, valid rd_valid;
    "c.jr"       (C) "100 0 ..... 00000 10"    CJr    JumpIndirect "unpriv 28.4"   i::jalr, valid rd_valid;
    "c.mv"       (C) "100 0 ..... ..... 10"    CMv    Alu          "unpriv 28.5.3" i::add, valid rs2_valid;
    "c.ebreak"   (C) "100 1 00000 00000 10"    None   Call         "unpriv 28.5.6" i::ebreak;
    "c.jalr"     (C) "100 1 ..... 00000 10"    CJalr  JumpIndirect "unpriv 28.4"   i::jalr, valid rd_valid;
    "c.add"      (C) "100 1 ..... ..... 10"    CAdd   Alu          "unpriv 28.5.3" i::add, valid rs2_valid;
    "c.fsdsp"    (C + D) "101 ...... ..... 10" CFsdsp FpStore      "unpriv 28.3.1" d::fsd;
    "c.swsp"     (C) "110 ...... ..... 10"     CSwsp  Store        "unpriv 28.3.1" i::sw;
    "c.sdsp"     (C) "111 ...... ..... 10"     CSdsp  Store        "unpriv 28.3.1" i::sd;
}

/// A zero immediate is reserved (and the all-zero word is defined to be illegal).
fn addi4spn_valid(word: u32) -> bool {
    word & 0x1fe0 != 0
}

/// Register 0 in bits 11..7 is reserved.
fn rd_valid(word: u32) -> bool {
    word & 0x0f80 != 0
}

/// A zero in the 6-bit immediate is reserved.
fn imm6_valid(word: u32) -> bool {
    word & 0x107c != 0
}

/// Register 0 in bits 6..2 is another instruction or reserved.
fn rs2_valid(word: u32) -> bool {
    word & 0x007c != 0
}
