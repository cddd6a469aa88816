//! Cache-block operations.

use relsim_core::hart::Priv;
use relsim_core::trap::Cause;

use super::cpu::{Cpu, RAM, RAM_BYTES, word, word_imm};

/// Name, and the field of `menvcfg` and `senvcfg` that lets lower levels use it.
const CBOS: &[(&str, u64)] =
    &[("cbo.inval", 0b01 << 4), ("cbo.clean", 1 << 6), ("cbo.flush", 1 << 6), ("cbo.zero", 1 << 7)];

const PREFETCHES: &[&str] = &["prefetch.i", "prefetch.r", "prefetch.w"];

pub fn names() -> Vec<&'static str> {
    CBOS.iter().map(|row| row.0).chain(PREFETCHES.iter().copied()).collect()
}

const AT: u64 = RAM + 0x4000;

#[test]
fn only_zero_writes() {
    let mut cpu = Cpu::new();
    for &(name, _) in CBOS {
        cpu.bus.ram.write(AT - 64, &[0xa5; 192]);
        // Any address in the block will do.
        cpu.set(5, AT + 37);
        cpu.run(word(name, 0, 5, 0));
        let mut expected = [0xa5; 192];
        if name == "cbo.zero" {
            expected[64..128].fill(0);
        }
        assert_eq!(cpu.bus.ram.slice(AT - 64, 192), Some(&expected[..]), "{name}");
    }
}

#[test]
fn lower_levels_need_permission() {
    let mut cpu = Cpu::new();
    cpu.set(5, AT);
    for &(name, field) in CBOS {
        let word = word(name, 0, 5, 0);
        let illegal = (Cause::IllegalInstruction, u64::from(word));
        let levels = [(0, 0, Priv::M), (field, 0, Priv::S), (field, field, Priv::U)];
        for (menvcfg, senvcfg, privilege) in levels {
            (cpu.hart.csr.menvcfg, cpu.hart.csr.senvcfg, cpu.hart.privilege) = (menvcfg, senvcfg, privilege);
            cpu.run(word);
        }
        let refused = [
            (0, 0, Priv::S),
            (0, field, Priv::S),
            (0, field, Priv::U),
            (field, 0, Priv::U),
            (!field, !field, Priv::U),
        ];
        for (menvcfg, senvcfg, privilege) in refused {
            // Both bits of CBIE have to be clear to refuse.
            let clear = if name == "cbo.inval" { 0b11 << 4 } else { 0 };
            let [menvcfg, senvcfg] =
                [menvcfg, senvcfg].map(|v: u64| if v == !field { v & !clear } else { v });
            (cpu.hart.csr.menvcfg, cpu.hart.csr.senvcfg, cpu.hart.privilege) = (menvcfg, senvcfg, privilege);
            assert_eq!(cpu.fault(word), illegal, "{name} in {privilege:?}");
        }
    }
}

#[test]
fn faults_are_those_of_stores() {
    let mut cpu = Cpu::new();
    let outside = RAM + RAM_BYTES;
    cpu.set(5, outside);
    for &(name, _) in CBOS {
        assert_eq!(cpu.fault(word(name, 0, 5, 0)), (Cause::StoreAccess, outside), "{name}");
    }
}

/// Sv39 with one read-only gigapage: management is permitted, zeroing is not.
#[test]
fn management_needs_no_right_to_write() {
    let mut cpu = Cpu::new();
    let (table, va) = (RAM + 0x5000, 0x4000_0000 + 0x4000);
    let (valid, read, user, accessed) = (1 << 0, 1 << 1, 1 << 4, 1 << 6);
    cpu.poke(table + 8, RAM >> 12 << 10 | valid | read | user | accessed);
    cpu.hart.csr.satp = 8 << 60 | table >> 12;
    cpu.hart.csr.menvcfg = 0xf0;
    cpu.hart.csr.senvcfg = 0xf0;
    cpu.hart.privilege = Priv::U;
    cpu.hart.update_contexts();
    cpu.set(5, va + 5);
    for name in ["cbo.inval", "cbo.clean", "cbo.flush"] {
        cpu.run(word(name, 0, 5, 0));
    }
    assert_eq!(cpu.fault(word("cbo.zero", 0, 5, 0)), (Cause::StorePage, va + 5));
    cpu.set(5, 0x8000_0000);
    for &(name, _) in CBOS {
        assert_eq!(cpu.fault(word(name, 0, 5, 0)), (Cause::StorePage, 0x8000_0000), "{name}");
    }
}

#[test]
fn prefetches_never_fault() {
    let mut cpu = Cpu::new();
    for name in PREFETCHES {
        for address in [0, AT, u64::MAX] {
            cpu.set(5, address);
            cpu.run(word(name, 0, 5, 0));
            cpu.run(word(name, 0, 5, 0) | 0xfe00_0000);
        }
    }
    // The same bits with a destination are an ori.
    cpu.set(5, 0x10);
    cpu.run(word_imm("ori", 7, 5, 3));
    assert_eq!(cpu.x(7), 0x13);
}
