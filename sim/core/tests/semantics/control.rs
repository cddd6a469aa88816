//! Control transfer, fences, environment calls, and the instructions that do nothing here.

use std::sync::Arc;

use relsim_core::block::BlockCache;
use relsim_core::hart::Priv;
use relsim_core::insn::{OpClass, Stop, X_SINK};
use relsim_core::isa::Ext;
use relsim_core::trap::Cause;

use super::cpu::{Cpu, PC, RAM, corners, everything, row, word, word_imm};

/// Whether a branch is taken.
type Taken = fn(u64, u64) -> bool;

const BRANCHES: &[(&str, Taken)] = &[
    ("beq", |a, b| a ^ b == 0),
    ("bne", |a, b| a ^ b != 0),
    ("blt", |a, b| i128::from(a as i64) - i128::from(b as i64) < 0),
    ("bge", |a, b| i128::from(a as i64) - i128::from(b as i64) >= 0),
    ("bltu", |a, b| i128::from(a) - i128::from(b) < 0),
    ("bgeu", |a, b| i128::from(a) - i128::from(b) >= 0),
];

/// Instructions that retire and change nothing.
const WITHOUT_EFFECT: &[&str] = &["fence", "fence.tso", "pause", "wrs.nto", "wrs.sto"];

pub fn names() -> Vec<&'static str> {
    let mut names = vec!["jal", "jalr", "ecall", "ebreak", "fence.i"];
    names.extend(BRANCHES.iter().map(|row| row.0));
    names.extend(WITHOUT_EFFECT);
    names
}

/// A branch offset in its places.
fn branch_offset(offset: i32) -> u32 {
    let bit = |n: u32| offset as u32 >> n & 1;
    let field = |high: u32, low: u32| offset as u32 >> low & ((1 << (high - low + 1)) - 1);
    bit(12) << 31 | field(10, 5) << 25 | field(4, 1) << 8 | bit(11) << 7
}

/// A jump offset in its places.
fn jump_offset(offset: i32) -> u32 {
    let bit = |n: u32| offset as u32 >> n & 1;
    let field = |high: u32, low: u32| offset as u32 >> low & ((1 << (high - low + 1)) - 1);
    bit(20) << 31 | field(10, 1) << 21 | bit(11) << 20 | field(19, 12) << 12
}

#[test]
fn branches() {
    let mut cpu = Cpu::new();
    for &(name, taken) in BRANCHES {
        for a in corners() {
            for b in corners() {
                cpu.set(5, a);
                cpu.set(6, b);
                for offset in [-4096, -2, 2, 4, 8, 0x554, 4094] {
                    let (done, expected) = match taken(a, b) {
                        true => (Err(Stop::Taken), PC.wrapping_add_signed(offset.into())),
                        false => (Ok(()), PC + 4),
                    };
                    assert_eq!(cpu.execute(word(name, 0, 5, 6) | branch_offset(offset)), done);
                    assert_eq!(cpu.hart.next_pc, expected, "{name} {a:#x} {b:#x} by {offset}");
                }
            }
        }
    }
}

#[test]
fn jumps() {
    let mut cpu = Cpu::new();
    for offset in [-0x10_0000, -4096, -2, 0, 2, 4, 0xf_fffe, 0x5_5554] {
        for rd in [0, 1, 5] {
            assert_eq!(cpu.execute(word("jal", rd, 0, 0) | jump_offset(offset)), Ok(()));
            assert_eq!(cpu.hart.next_pc, PC.wrapping_add_signed(offset.into()), "jal by {offset}");
            assert!(rd == 0 || cpu.x(rd as u8) == PC + 4);
        }
    }
    for target in corners() {
        for offset in [-2048, -1, 0, 1, 2, 2047] {
            for rd in [0, 1, 5] {
                cpu.set(5, target);
                assert_eq!(cpu.execute(word_imm("jalr", rd, 5, offset)), Ok(()));
                let expected = target.wrapping_add_signed(offset.into()) / 2 * 2;
                assert_eq!(cpu.hart.next_pc, expected, "jalr {target:#x} by {offset}");
                // Also where rd is rs1: the target is read before the link is written.
                assert!(rd == 0 || cpu.x(rd as u8) == PC + 4);
            }
        }
    }
}

#[test]
fn misaligned_targets_trap_without_compressed_instructions() {
    let mut isa = everything();
    isa.remove(Ext::C);
    let mut cpu = Cpu::with_isa(isa);
    cpu.set(5, PC + 2);
    cpu.set(6, PC + 3);
    let misaligned = (Cause::InstructionMisaligned, PC + 2);
    assert_eq!(cpu.fault(word("jal", 1, 0, 0) | jump_offset(2)), misaligned);
    assert_eq!(cpu.fault(word_imm("jalr", 1, 5, 0)), misaligned);
    assert_eq!(cpu.fault(word_imm("jalr", 1, 6, 0)), misaligned);
    assert_eq!(cpu.fault(word("beq", 0, 0, 0) | branch_offset(2)), misaligned);
    // Not taken, a branch does not trap.
    cpu.run(word("bne", 0, 0, 0) | branch_offset(2));
}

/// The offsets of the instructions of the block at `start` of the page, where `code` stands at these offsets, and where it
/// leaves control.
fn block(mut cpu: Cpu, start: u64, code: &[(u64, u32)]) -> (Vec<i16>, i64) {
    for &(at, word) in code {
        cpu.bus.ram.put(RAM + at, word).expect("inside memory");
    }
    cpu.hart.pc = RAM + start;
    let mut blocks = BlockCache::new(Arc::new(cpu.decoder));
    let index = blocks.find(&mut cpu.hart, &mut cpu.bus, None).expect("nothing faults");
    let block = blocks.get(index);
    (block.ops.iter().map(|op| op.pc_offset).collect(), block.bytes)
}

#[test]
fn blocks_go_on_behind_branches() {
    let (add, branch) = (word("add", 5, 5, 6), word("beq", 0, 5, 6) | branch_offset(64));
    let code = [(0, add), (4, branch), (8, add), (12, branch), (16, add)];
    assert_eq!(block(Cpu::new(), 0, &code), (vec![0, 4, 8, 12], 16), "up to the second one");
    let to_next = word("beq", 0, 5, 6) | branch_offset(4);
    assert_eq!(block(Cpu::new(), 0, &[(0, to_next), (4, add)]), (vec![0], 4));
}

#[test]
fn blocks_go_on_at_the_targets_of_jumps() {
    let (add, ret) = (word("add", 5, 5, 6), word("jalr", 0, 1, 0));
    let jump = |rd, offset| word("jal", rd, 0, 0) | jump_offset(offset);
    let forth = [(0, add), (4, jump(0, 8)), (12, add), (16, ret)];
    assert_eq!(block(Cpu::new(), 0, &forth), (vec![0, 4, 12, 16], 20));
    let back = [(0, add), (4, ret), (8, jump(0, -8))];
    assert_eq!(block(Cpu::new(), 8, &back), (vec![0, -8, -4], 0));
    let link = [(0, jump(1, 8)), (8, ret)];
    assert_eq!(block(Cpu::new(), 0, &link), (vec![0], 4), "a link is written");
    let for_ever = [(0, jump(0, 0))];
    assert_eq!(block(Cpu::new(), 0, &for_ever), (vec![0, 0, 0], 4));
    let beyond = [(4, jump(0, -8)), (0xff8, jump(0, 8)), (0x1000, ret)];
    assert_eq!(block(Cpu::new(), 4, &beyond), (vec![0], 4), "before the page");
    assert_eq!(block(Cpu::new(), 0xff8, &beyond), (vec![0], 4), "behind the page");
    // The last instruction has its second half on the next page: it is a block of its own.
    let spans = [(0, jump(0, 0xffe)), (0xffe, add)];
    assert_eq!(block(Cpu::new(), 0, &spans), (vec![0], 0xffe));
    let odd = [(0, jump(0, 6)), (6, add), (10, ret)];
    assert_eq!(block(Cpu::new(), 0, &odd), (vec![0, 6, 10], 14));
    let mut isa = everything();
    isa.remove(Ext::C);
    assert_eq!(block(Cpu::with_isa(isa), 0, &odd), (vec![0], 4), "it traps");
}

#[test]
fn environment_calls() {
    let mut cpu = Cpu::new();
    for (privilege, cause) in [(Priv::U, Cause::CallU), (Priv::S, Cause::CallS), (Priv::M, Cause::CallM)] {
        cpu.hart.privilege = privilege;
        assert_eq!(cpu.fault(word("ecall", 0, 0, 0)), (cause, 0));
    }
    assert_eq!(cpu.fault(word("ebreak", 0, 0, 0)), (Cause::Breakpoint, PC));
    assert_eq!(cpu.fault(0x9002), (Cause::Breakpoint, PC), "c.ebreak");
}

#[test]
fn nothing_happens() {
    let mut cpu = Cpu::new();
    (1..32).for_each(|r| cpu.set(r, u64::from(r) * 0x0101_0101));
    let before = *cpu.hart.x;
    for name in WITHOUT_EFFECT {
        cpu.run(word(name, 0, 0, 0));
        assert_eq!(before, *cpu.hart.x, "{name}");
    }
    // Every fence, with reserved fields too.
    for fields in 0..1 << 12 {
        cpu.run(word("fence", 3, 4, 0) | fields << 20);
    }
    assert_eq!(before, *cpu.hart.x);
    assert_eq!(before[usize::from(X_SINK)], 0);
}

#[test]
fn fence_i_asks_for_new_code() {
    let mut cpu = Cpu::new();
    assert!(!cpu.hart.fetch_stale);
    assert_eq!(cpu.execute(word("fence.i", 0, 0, 0)), Err(Stop::Exit));
    assert!(cpu.hart.fetch_stale);
    assert_eq!(cpu.hart.next_pc, PC + 4);
    assert_eq!(row("fence.i").class, OpClass::FenceI);
}

#[test]
fn words_that_are_no_instruction() {
    let mut cpu = Cpu::new();
    for (raw, tval) in
        [(0, 0), (u32::MAX, u32::MAX), (0xdead_0000, 0), (0x6101, 0x6101), (0x0000_705b, 0x705b)]
    {
        assert_eq!(cpu.fault(raw), (Cause::IllegalInstruction, tval.into()), "{raw:#x}");
    }
}
