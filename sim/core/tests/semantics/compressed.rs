//! Compressed instructions: each must do what the 32-bit instruction does that the specification expands
//! it to (unpriv 28.3 to 28.5). The expansion here is written from the formats' tables.

use std::collections::BTreeSet;

use relsim_core::decode::Decoder;
use relsim_core::insn::{Done, Stop};
use relsim_core::rows;

use super::cpu::{Cpu, PC, RAM, everything, row};

pub fn names() -> Vec<&'static str> {
    rows::c::ROWS.iter().map(|def| def.name).filter(|name| tested().contains(name)).collect()
}

/// Bits `high..=low` of a compressed word.
fn field(word: u32, high: u32, low: u32) -> u32 {
    word >> low & ((1 << (high - low + 1)) - 1)
}

/// An immediate put together from single bits: the n-th of `bits` says which bit of the immediate the n-th
/// of `places` (bits of the word) is, as the format tables print them.
fn scattered(word: u32, places: &[u32], bits: &[u32]) -> u32 {
    places.iter().zip(bits).map(|(&place, &bit)| (word >> place & 1) << bit).sum()
}

const IMM6_PLACES: [u32; 6] = [12, 6, 5, 4, 3, 2];
const JUMP_PLACES: [u32; 11] = [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2];
const BRANCH_PLACES: [u32; 8] = [12, 11, 10, 6, 5, 4, 3, 2];
const STORE_SP_PLACES: [u32; 6] = [12, 11, 10, 9, 8, 7];
const LOAD_PLACES: [u32; 5] = [12, 11, 10, 6, 5];

fn signed(value: u32, width: u32) -> i32 {
    if value >> (width - 1) & 1 == 1 { value as i32 - (1 << width) } else { value as i32 }
}

fn r(name: &str, rd: u32, rs1: u32, rs2: u32) -> u32 {
    row(name).pattern.bits | rd << 7 | rs1 << 15 | rs2 << 20
}

fn i(name: &str, rd: u32, rs1: u32, imm: i32) -> u32 {
    row(name).pattern.bits | rd << 7 | rs1 << 15 | (imm as u32) << 20
}

fn s(name: &str, rs2: u32, rs1: u32, imm: u32) -> u32 {
    r(name, imm & 31, rs1, rs2) | imm >> 5 << 25
}

fn b(name: &str, rs1: u32, imm: i32) -> u32 {
    let imm = imm as u32;
    r(name, (imm >> 1 & 15) << 1 | imm >> 11 & 1, rs1, 0) | (imm >> 5 & 63) << 25 | (imm >> 12 & 1) << 31
}

fn j(rd: u32, imm: i32) -> u32 {
    let imm = imm as u32;
    let places =
        (imm >> 20 & 1) << 31 | (imm >> 1 & 0x3ff) << 21 | (imm >> 11 & 1) << 20 | (imm >> 12 & 0xff) << 12;
    row("jal").pattern.bits | rd << 7 | places
}

/// The 32-bit instruction that `word` stands for, and its own name; `None` for reserved words and those of
/// the quadrant of 32-bit instructions.
fn expand(word: u32) -> Option<(&'static str, u32)> {
    let (rd, rs2) = (field(word, 11, 7), field(word, 6, 2));
    let (high, low) = (8 + field(word, 9, 7), 8 + field(word, 4, 2));
    let imm6 = scattered(word, &IMM6_PLACES, &[5, 4, 3, 2, 1, 0]);
    let simm6 = signed(imm6, 6);
    let shamt = imm6 as i32;
    let word_offset = scattered(word, &LOAD_PLACES, &[5, 4, 3, 2, 6]);
    let double_offset = scattered(word, &LOAD_PLACES, &[5, 4, 3, 7, 6]);
    let expansion = match (word & 3, field(word, 15, 13)) {
        (0, 0) => {
            let places = [12, 11, 10, 9, 8, 7, 6, 5];
            let imm = scattered(word, &places, &[5, 4, 9, 8, 7, 6, 2, 3]);
            return (imm != 0).then(|| ("c.addi4spn", i("addi", low, 2, imm as i32)));
        }
        (0, 1) => ("c.fld", i("fld", low, high, double_offset as i32)),
        (0, 2) => ("c.lw", i("lw", low, high, word_offset as i32)),
        (0, 3) => ("c.ld", i("ld", low, high, double_offset as i32)),
        (0, 5) => ("c.fsd", s("fsd", low, high, double_offset)),
        (0, 6) => ("c.sw", s("sw", low, high, word_offset)),
        (0, 7) => ("c.sd", s("sd", low, high, double_offset)),
        (1, 0) => ("c.addi", i("addi", rd, rd, simm6)),
        (1, 1) if rd != 0 => ("c.addiw", i("addiw", rd, rd, simm6)),
        (1, 2) => ("c.li", i("addi", rd, 0, simm6)),
        (1, 3) if imm6 == 0 => return None,
        (1, 3) if rd == 2 => {
            let imm = scattered(word, &IMM6_PLACES, &[9, 4, 6, 8, 7, 5]);
            ("c.addi16sp", i("addi", 2, 2, signed(imm, 10)))
        }
        (1, 3) => ("c.lui", row("lui").pattern.bits | rd << 7 | (simm6 as u32) << 12),
        (1, 4) => match (field(word, 11, 10), field(word, 12, 12), field(word, 6, 5)) {
            (0, ..) => ("c.srli", i("srli", high, high, shamt)),
            (1, ..) => ("c.srai", i("srai", high, high, shamt)),
            (2, ..) => ("c.andi", i("andi", high, high, simm6)),
            (_, 0, 0) => ("c.sub", r("sub", high, high, low)),
            (_, 0, 1) => ("c.xor", r("xor", high, high, low)),
            (_, 0, 2) => ("c.or", r("or", high, high, low)),
            (_, 0, _) => ("c.and", r("and", high, high, low)),
            (_, _, 0) => ("c.subw", r("subw", high, high, low)),
            (_, _, 1) => ("c.addw", r("addw", high, high, low)),
            _ => return None,
        },
        (1, 5) => {
            let imm = scattered(word, &JUMP_PLACES, &[11, 4, 9, 8, 10, 6, 7, 3, 2, 1, 5]);
            ("c.j", j(0, signed(imm, 12)))
        }
        (1, branch @ (6 | 7)) => {
            let imm = signed(scattered(word, &BRANCH_PLACES, &[8, 4, 3, 7, 6, 2, 1, 5]), 9);
            if branch == 6 { ("c.beqz", b("beq", high, imm)) } else { ("c.bnez", b("bne", high, imm)) }
        }
        (2, 0) => ("c.slli", i("slli", rd, rd, shamt)),
        (2, 1) => ("c.fldsp", i("fld", rd, 2, scattered(word, &IMM6_PLACES, &[5, 4, 3, 8, 7, 6]) as i32)),
        (2, 2) if rd != 0 => {
            ("c.lwsp", i("lw", rd, 2, scattered(word, &IMM6_PLACES, &[5, 4, 3, 2, 7, 6]) as i32))
        }
        (2, 3) if rd != 0 => {
            ("c.ldsp", i("ld", rd, 2, scattered(word, &IMM6_PLACES, &[5, 4, 3, 8, 7, 6]) as i32))
        }
        (2, 4) => match (field(word, 12, 12), rd, rs2) {
            (0, 0, 0) => return None,
            (0, _, 0) => ("c.jr", i("jalr", 0, rd, 0)),
            (0, ..) => ("c.mv", r("add", rd, 0, rs2)),
            (_, 0, 0) => ("c.ebreak", row("ebreak").pattern.bits),
            (_, _, 0) => ("c.jalr", i("jalr", 1, rd, 0)),
            _ => ("c.add", r("add", rd, rd, rs2)),
        },
        (2, 5) => ("c.fsdsp", s("fsd", rs2, 2, scattered(word, &STORE_SP_PLACES, &[5, 4, 3, 8, 7, 6]))),
        (2, 6) => ("c.swsp", s("sw", rs2, 2, scattered(word, &STORE_SP_PLACES, &[5, 4, 3, 2, 7, 6]))),
        (2, 7) => ("c.sdsp", s("sd", rs2, 2, scattered(word, &STORE_SP_PLACES, &[5, 4, 3, 8, 7, 6]))),
        _ => return None,
    };
    Some(expansion)
}

/// The names that some word expands under.
fn tested() -> BTreeSet<&'static str> {
    (0..1 << 16).filter_map(expand).map(|(name, _)| name).collect()
}

/// Everything that an instruction can change.
struct Outcome {
    done: Done,
    x: [u64; 256],
    f: [u64; 256],
    next_pc: u64,
    trap: Option<(relsim_core::trap::Cause, u64)>,
    memory: Vec<u8>,
}

/// Where register `n` points: all apart, inside memory, with room for every offset.
fn pointer(n: u64) -> u64 {
    RAM + 0x1000 + n * 0x200
}

fn outcome(cpu: &mut Cpu, word: u32) -> Outcome {
    for n in 1..32 {
        cpu.set(n, pointer(n.into()));
        cpu.hart.f[usize::from(n)] = 0x4000_0000_0000_0000 + u64::from(n);
    }
    // Two that are no pointers: one zero for branches, one negative for shifts.
    cpu.set(9, 0);
    cpu.set(14, 0x8765_4321_0fed_cba9);
    for n in 0..0x200 {
        cpu.poke(RAM + 0x1000 + n * 32, 0x8182_8384_8586_8788 ^ (n * 0x0101_0101_0101));
    }
    cpu.hart.f[usize::from(relsim_core::insn::X_SINK)] = 0;
    cpu.set(0, 0);
    let done = cpu.execute(word);
    let len = if word & 3 == 3 { 4 } else { 2 };
    let mut x = *cpu.hart.x;
    // Links differ by the length alone.
    x[1] = if x[1] == PC + len { PC } else { x[1] };
    x[usize::from(relsim_core::insn::X_SINK)] = 0;
    Outcome {
        done,
        x,
        f: *cpu.hart.f,
        next_pc: cpu.hart.next_pc,
        trap: (done == Err(Stop::Trap)).then_some((cpu.hart.raised.cause, cpu.hart.raised.tval)),
        memory: cpu.bus.ram.slice(RAM + 0x1000, 0x5000).expect("inside memory").to_vec(),
    }
}

#[test]
fn every_word_does_what_its_expansion_does() {
    let decoder = Decoder::new(everything(), &[]).expect("the rows make a decoder");
    let mut cpu = Cpu::new();
    cpu.hart.csr.status.dirty_fp();
    for word in (0..1u32 << 16).filter(|word| word & 3 != 3) {
        let decoded = decoder.decode(word).map(|(_, def)| def.name);
        let expansion = expand(word);
        assert_eq!(decoded, expansion.map(|(name, _)| name), "{word:#06x}");
        let Some((name, long)) = expansion else { continue };
        let ours = outcome(&mut cpu, word);
        let theirs = outcome(&mut cpu, long);
        let case = format!("{word:#06x} {name} as {long:#010x}");
        assert_eq!((ours.done, ours.trap), (theirs.done, theirs.trap), "{case}");
        let both_fall_through = (ours.next_pc, theirs.next_pc) == (PC + 2, PC + 4);
        assert!(both_fall_through || ours.next_pc == theirs.next_pc, "{case}: control goes elsewhere");
        assert_eq!(ours.x, theirs.x, "{case}");
        assert_eq!(ours.f, theirs.f, "{case}");
        assert!(ours.memory == theirs.memory, "{case}: memory differs");
    }
}
