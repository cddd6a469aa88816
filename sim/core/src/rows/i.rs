//! RV64I.

use super::sext32;
use crate::bus::Bus;
use crate::hart::{Hart, Priv};
use crate::insn::{Done, Op, Stop};
use crate::trap::Cause;

rows! {
    "lui"    (I) ".................... ..... 0110111"       U      Alu          "unpriv 2.4.1" lui;
    "auipc"  (I) ".................... ..... 0010111"       U      Alu          "unpriv 2.4.1" auipc;
    "addi"   (I) "............ ..... 000 ..... 0010011"     I      Alu          "unpriv 2.4.1" addi;
    "slti"   (I) "............ ..... 010 ..... 0010011"     I      Alu          "unpriv 2.4.1" slti;
    "sltiu"  (I) "............ ..... 011 ..... 0010011"     I      Alu          "unpriv 2.4.1" sltiu;
    "xori"   (I) "............ ..... 100 ..... 0010011"     I      Alu          "unpriv 2.4.1" xori;
    "ori"    (I) "............ ..... 110 ..... 0010011"     I      Alu          "unpriv 2.4.1" ori;
    "andi"   (I) "............ ..... 111 ..... 0010011"     I      Alu          "unpriv 2.4.1" andi;
    "slli"   (I) "000000 ...... ..... 001 ..... 0010011"    Shift6 Alu          "unpriv 4.2.1" slli;
    "srli"   (I) "000000 ...... ..... 101 ..... 0010011"    Shift6 Alu          "unpriv 4.2.1" srli;
    "srai"   (I) "010000 ...... ..... 101 ..... 0010011"    Shift6 Alu          "unpriv 4.2.1" srai;
    "addiw"  (I) "............ ..... 000 ..... 0011011"     I      Alu          "unpriv 4.2.1" addiw;
    "slliw"  (I) "0000000 ..... ..... 001 ..... 0011011"    Shift5 Alu          "unpriv 4.2.1" slliw;
    "srliw"  (I) "0000000 ..... ..... 101 ..... 0011011"    Shift5 Alu          "unpriv 4.2.1" srliw;
    "sraiw"  (I) "0100000 ..... ..... 101 ..... 0011011"    Shift5 Alu          "unpriv 4.2.1" sraiw;

    "add"    (I) "0000000 ..... ..... 000 ..... 0110011"    R      Alu          "unpriv 2.4.2" add;
    "sub"    (I) "0100000 ..... ..... 000 ..... 0110011"    R      Alu          "unpriv 2.4.2" sub;
    "sll"    (I) "0000000 ..... ..... 001 ..... 0110011"    R      Alu          "unpriv 4.2.2" sll;
    "slt"    (I) "0000000 ..... ..... 010 ..... 0110011"    R      Alu          "unpriv 2.4.2" slt;
    "sltu"   (I) "0000000 ..... ..... 011 ..... 0110011"    R      Alu          "unpriv 2.4.2" sltu;
    "xor"    (I) "0000000 ..... ..... 100 ..... 0110011"    R      Alu          "unpriv 2.4.2" xor;
    "srl"    (I) "0000000 ..... ..... 101 ..... 0110011"    R      Alu          "unpriv 4.2.2" srl;
    "sra"    (I) "0100000 ..... ..... 101 ..... 0110011"    R      Alu          "unpriv 4.2.2" sra;
    "or"     (I) "0000000 ..... ..... 110 ..... 0110011"    R      Alu          "unpriv 2.4.2" or;
    "and"    (I) "0000000 ..... ..... 111 ..... 0110011"    R      Alu          "unpriv 2.4.2" and;
    "addw"   (I) "0000000 ..... ..... 000 ..... 0111011"    R      Alu          "unpriv 4.2.2" addw;
    "subw"   (I) "0100000 ..... ..... 000 ..... 0111011"    R      Alu          "unpriv 4.2.2" subw;
    "sllw"   (I) "0000000 ..... ..... 001 ..... 0111011"    R      Alu          "unpriv 4.2.2" sllw;
    "srlw"   (I) "0000000 ..... ..... 101 ..... 0111011"    R      Alu          "unpriv 4.2.2" srlw;
    "sraw"   (I) "0100000 ..... ..... 101 ..... 0111011"    R      Alu          "unpriv 4.2.2" sraw;

    "jal"    (I) ".................... ..... 1101111"       J      Jump         "unpriv 2.5.1" jal;
    "jalr"   (I) "............ ..... 000 ..... 1100111"     Load   JumpIndirect "unpriv 2.5.1" jalr;
    "beq"    (I) "....... ..... ..... 000 ..... 1100011"    Branch Branch       "unpriv 2.5.2" beq;
    "bne"    (I) "....... ..... ..... 001 ..... 1100011"    Branch Branch       "unpriv 2.5.2" bne;
    "blt"    (I) "....... ..... ..... 100 ..... 1100011"    Branch Branch       "unpriv 2.5.2" blt;
    "bge"    (I) "....... ..... ..... 101 ..... 1100011"    Branch Branch       "unpriv 2.5.2" bge;
    "bltu"   (I) "....... ..... ..... 110 ..... 1100011"    Branch Branch       "unpriv 2.5.2" bltu;
    "bgeu"   (I) "....... ..... ..... 111 ..... 1100011"    Branch Branch       "unpriv 2.5.2" bgeu;

    "lb"     (I) "............ ..... 000 ..... 0000011"     Load   Load         "unpriv 2.6"   lb;
    "lh"     (I) "............ ..... 001 ..... 0000011"     Load   Load         "unpriv 2.6"   lh;
    "lw"     (I) "............ ..... 010 ..... 0000011"     Load   Load         "unpriv 4.3"   lw;
    "ld"     (I) "............ ..... 011 ..... 0000011"     Load   Load         "unpriv 4.3"   ld;
    "lbu"    (I) "............ ..... 100 ..... 0000011"     Load   Load         "unpriv 2.6"   lbu;
    "lhu"    (I) "............ ..... 101 ..... 0000011"     Load   Load         "unpriv 2.6"   lhu;
    "lwu"    (I) "............ ..... 110 ..... 0000011"     Load   Load         "unpriv 4.3"   lwu;
    "sb"     (I) "....... ..... ..... 000 ..... 0100011"    Store  Store        "unpriv 2.6"   sb;
    "sh"     (I) "....... ..... ..... 001 ..... 0100011"    Store  Store        "unpriv 2.6"   sh;
    "sw"     (I) "....... ..... ..... 010 ..... 0100011"    Store  Store        "unpriv 2.6"   sw;
    "sd"     (I) "....... ..... ..... 011 ..... 0100011"    Store  Store        "unpriv 4.3"   sd;

    // Reserved fm, rd and rs1 fields are ignored, as 2.7 asks of implementations that know none.
    "fence"     (I) "............ ..... 000 ..... 0001111"   Fence Fence "unpriv 2.7" fence;
    "fence.tso" (I) "100000110011 ..... 000 ..... 0001111"   None  Fence "unpriv 2.7" fence;
    "ecall"     (I) "000000000000 00000 000 00000 1110011"   None  Call  "unpriv 2.8" ecall;
    "ebreak"    (I) "000000000001 00000 000 00000 1110011"   None  Call  "unpriv 2.8" ebreak;
}

pub(super) fn lui(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    h.set_x(op.rd, i64::from(op.imm) as u64);
    Ok(())
}

fn auipc(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    h.set_x(op.rd, h.pc_of(op).wrapping_add_signed(op.imm.into()));
    Ok(())
}

reg_imm! {
    addi |a, imm| a.wrapping_add(imm);
    slti |a, imm| u64::from((a as i64) < imm as i64);
    sltiu |a, imm| u64::from(a < imm);
    xori |a, imm| a ^ imm;
    ori |a, imm| a | imm;
    andi |a, imm| a & imm;
    slli |a, shamt| a << (shamt & 63);
    srli |a, shamt| a >> (shamt & 63);
    srai |a, shamt| (a as i64 >> (shamt & 63)) as u64;
    addiw |a, imm| sext32(a.wrapping_add(imm));
    slliw |a, shamt| sext32(a << (shamt & 31));
    srliw |a, shamt| sext32(u64::from(a as u32 >> (shamt & 31)));
    sraiw |a, shamt| i64::from(a as i32 >> (shamt & 31)) as u64;
}

reg_reg! {
    add |a, b| a.wrapping_add(b);
    sub |a, b| a.wrapping_sub(b);
    sll |a, b| a << (b & 63);
    slt |a, b| u64::from((a as i64) < b as i64);
    sltu |a, b| u64::from(a < b);
    xor |a, b| a ^ b;
    srl |a, b| a >> (b & 63);
    sra |a, b| (a as i64 >> (b & 63)) as u64;
    or |a, b| a | b;
    and |a, b| a & b;
    addw |a, b| sext32(a.wrapping_add(b));
    subw |a, b| sext32(a.wrapping_sub(b));
    sllw |a, b| sext32(a << (b & 31));
    srlw |a, b| sext32(u64::from(a as u32 >> (b & 31)));
    sraw |a, b| i64::from(a as i32 >> (b & 31)) as u64;
}

/// `jal`, and `c.j` with its link going nowhere. A misaligned target traps before `rd` is written.
pub(super) fn jal(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    let pc = h.pc_of(op);
    h.jump(pc.wrapping_add_signed(op.imm.into()))?;
    h.set_x(op.rd, pc.wrapping_add(u64::from(op.len)));
    Ok(())
}

/// `jalr`, `c.jr`, `c.jalr`.
pub(super) fn jalr(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    let target = h.x(op.rs1).wrapping_add_signed(op.imm.into()) & !1;
    h.jump(target)?;
    h.set_x(op.rd, h.pc_of(op).wrapping_add(u64::from(op.len)));
    Ok(())
}

macro_rules! branches {
    ($($name:ident |$a:ident, $b:ident| $taken:expr;)*) => {$(
        pub(super) fn $name(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
            let ($a, $b) = (h.x(op.rs1), h.x(op.rs2));
            if !$taken {
                return Ok(());
            }
            h.jump(h.pc_of(op).wrapping_add_signed(op.imm.into()))?;
            Err(Stop::Taken)
        }
    )*};
}
branches! {
    beq |a, b| a == b;
    bne |a, b| a != b;
    blt |a, b| (a as i64) < b as i64;
    bge |a, b| a as i64 >= b as i64;
    bltu |a, b| a < b;
    bgeu |a, b| a >= b;
}

macro_rules! loads {
    ($($name:ident $raw:ty as $extended:ty;)*) => {$(
        pub(super) fn $name(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
            let va = h.x(op.rs1).wrapping_add_signed(op.imm.into());
            h.load_then(bus, op, va, |h, op, value: $raw| h.set_x(op.rd, value as $extended as i64 as u64))
        }
    )*};
}
loads! {
    lb u8 as i8;
    lh u16 as i16;
    lw u32 as i32;
    ld u64 as i64;
    lbu u8 as u8;
    lhu u16 as u16;
    lwu u32 as u32;
}

macro_rules! stores {
    ($($name:ident $raw:ty;)*) => {$(
        pub(super) fn $name(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
            let va = h.x(op.rs1).wrapping_add_signed(op.imm.into());
            h.store::<$raw>(bus, op, va, h.x(op.rs2) as $raw)
        }
    )*};
}
stores! {
    sb u8;
    sh u16;
    sw u32;
    sd u64;
}

/// Harts take turns and every access is performed at once, so memory is sequentially consistent already.
pub(super) fn fence(_: &mut Hart, _: &mut Bus, _: &Op) -> Done {
    Ok(())
}

fn ecall(h: &mut Hart, _: &mut Bus, _: &Op) -> Done {
    let cause = match h.privilege {
        Priv::U => Cause::CallU,
        Priv::S => Cause::CallS,
        Priv::M => Cause::CallM,
    };
    Err(h.raise(cause, 0))
}

pub(super) fn ebreak(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    Err(h.raise(Cause::Breakpoint, h.pc_of(op)))
}
