//! What an instruction notes of itself for timing models.

use relsim_core::insn::{Done, FactKind, InsnDef, Op, Stop};
use relsim_core::rows;
use relsim_core::timing::Fact;

use super::cpu::{Cpu, RAM};

/// A word of `def`, ready to execute, with registers that differ where it says which.
fn op(cpu: &Cpu, def: &InsnDef) -> Op {
    let registers = 12 << 7 | 13 << 15 | 14 << 20;
    let mut words = std::iter::once(registers).chain((0..0x1_0000).step_by(4));
    words
        .find_map(|word| {
            let word = def.pattern.bits | word & !def.pattern.mask;
            let op = cpu.decoder.op(word, 0, 0);
            (cpu.decoder.row(op.row).name == def.name).then_some(op)
        })
        .unwrap_or_else(|| panic!("no word is {}", def.name))
}

/// Every instruction whose latency depends on its operands, or on where it accesses memory, notes those in its own slot, and
/// in no other.
#[test]
fn instructions_note_what_their_latency_depends_on() {
    const SLOT: u8 = 5;
    let mut seen = [0; 3];
    for def in rows::BASE.iter().flat_map(|file| file.iter()) {
        let Some(kind) = def.class.fact() else { continue };
        let mut cpu = Cpu::new();
        cpu.hart.csr.status.dirty_fp();
        let op = Op { slot: SLOT, ..op(&cpu, def) };
        assert_eq!(op.facts(), SLOT + 1, "{}", def.name);
        for r in 1..32 {
            cpu.set(r, RAM + 0x100 * u64::from(r));
            cpu.hart.f[usize::from(r)] = 0x4000_0000_0000_0000 + u64::from(r);
        }
        let before = cpu.hart.clone();
        let address = before.x(op.rs1).wrapping_add_signed(op.imm.into());
        let expected = match kind {
            FactKind::Integers => Fact { a: before.x(op.rs1), b: before.x(op.rs2) },
            FactKind::Floats => Fact { a: before.f(op.rs1), b: before.f(op.rs2) },
            // Nothing translates.
            FactKind::Access if op.class.is_atomic() => Fact { a: before.x(op.rs1), b: before.x(op.rs1) },
            FactKind::Access => Fact { a: address, b: address },
        };
        let done: Done = (op.exec)(&mut cpu.hart, &mut cpu.bus, &op);
        assert!(matches!(done, Ok(()) | Err(Stop::Exit)), "{}: {:?}", def.name, cpu.hart.raised);
        assert_eq!(cpu.hart.facts[usize::from(SLOT)], expected, "{}", def.name);
        cpu.hart.facts[usize::from(SLOT)] = Fact::default();
        assert!(cpu.hart.facts.iter().all(|fact| *fact == Fact::default()), "{}", def.name);
        seen[kind as usize] += 1;
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}
