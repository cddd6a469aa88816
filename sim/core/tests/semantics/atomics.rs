//! Load-reserved, store-conditional, read-modify-write, compare and swap.

use relsim_core::trap::Cause;

use super::cpu::{Cpu, RAM, RAM_BYTES, corners, word};

/// What an AMO leaves in memory, from the old value and the operand, both sign-extended from the access's
/// width (which keeps the order of unsigned numbers as well).
type Update = fn(i64, i64) -> i64;

const AMOS: &[(&str, &str, Update)] = &[
    ("amoswap.w", "amoswap.d", |_, b| b),
    ("amoadd.w", "amoadd.d", |a, b| (i128::from(a) + i128::from(b)) as i64),
    ("amoxor.w", "amoxor.d", |a, b| (a | b) & !(a & b)),
    ("amoand.w", "amoand.d", |a, b| !(!a | !b)),
    ("amoor.w", "amoor.d", |a, b| !(!a & !b)),
    ("amomin.w", "amomin.d", |a, b| if a < b { a } else { b }),
    ("amomax.w", "amomax.d", |a, b| if a < b { b } else { a }),
    ("amominu.w", "amominu.d", |a, b| if (a as u64) < b as u64 { a } else { b }),
    ("amomaxu.w", "amomaxu.d", |a, b| if (a as u64) < b as u64 { b } else { a }),
];

const OTHERS: &[&str] = &["lr.w", "lr.d", "sc.w", "sc.d", "amocas.w", "amocas.d", "amocas.q"];

pub fn names() -> Vec<&'static str> {
    AMOS.iter().flat_map(|row| [row.0, row.1]).chain(OTHERS.iter().copied()).collect()
}

const AT: u64 = RAM + 0x3000;
/// What stands behind the word under test, and must stay.
const NEIGHBOUR: u64 = 0x1122_3344 << 32;

fn sext(value: u64) -> u64 {
    i64::from(value as i32) as u64
}

#[test]
fn read_modify_write() {
    let mut cpu = Cpu::new();
    for &(word_name, double_name, update) in AMOS {
        for old in corners() {
            for operand in corners() {
                for ordering in 0..4 {
                    cpu.set(5, AT);
                    cpu.set(6, operand);
                    cpu.poke(AT, old);
                    cpu.run(word(double_name, 7, 5, 6) | ordering << 25);
                    let expected = update(old as i64, operand as i64) as u64;
                    assert_eq!(
                        (cpu.x(7), cpu.peek(AT)),
                        (old, expected),
                        "{double_name} {old:#x} {operand:#x}"
                    );
                }
                let old = old & 0xffff_ffff;
                cpu.poke(AT, NEIGHBOUR | old);
                cpu.run(word(word_name, 7, 5, 6));
                let expected = update(sext(old) as i64, sext(operand) as i64) as u32;
                let memory = NEIGHBOUR | u64::from(expected);
                assert_eq!(
                    (cpu.x(7), cpu.peek(AT)),
                    (sext(old), memory),
                    "{word_name} {old:#x} {operand:#x}"
                );
            }
        }
        // Onto the address and onto the operand; the result of the store does not depend on rd.
        for rd in [0, 5, 6] {
            cpu.set(5, AT);
            cpu.set(6, 3);
            cpu.poke(AT, 9);
            cpu.run(word(double_name, rd, 5, 6));
            assert_eq!(cpu.peek(AT), update(9, 3) as u64, "{double_name} with rd = x{rd}");
            assert!(rd == 0 || cpu.x(rd as u8) == 9);
        }
    }
}

#[test]
fn addresses_are_checked() {
    let mut cpu = Cpu::new();
    let outside = RAM + RAM_BYTES;
    for name in names() {
        let bytes = match name.rsplit('.').next() {
            Some("w") => 4,
            Some("d") => 8,
            _ => 16,
        };
        let load = name.starts_with("lr");
        let [misaligned, access] = if load {
            [Cause::LoadMisaligned, Cause::LoadAccess]
        } else {
            [Cause::StoreMisaligned, Cause::StoreAccess]
        };
        cpu.set(5, outside);
        assert_eq!(cpu.fault(word(name, 8, 5, 6)), (access, outside), "{name}");
        for wrong in [1, 2, 4, 8].into_iter().filter(|wrong| wrong % bytes != 0) {
            cpu.set(5, AT + wrong);
            assert_eq!(cpu.fault(word(name, 8, 5, 6)), (misaligned, AT + wrong), "{name}");
            // Also where the software TLB already knows the page.
            cpu.set(5, AT);
            cpu.poke(AT, 0);
            assert_eq!(cpu.execute(word("amoswap.d", 0, 5, 0)), Ok(()));
            cpu.set(5, AT + wrong);
            assert_eq!(cpu.fault(word(name, 8, 5, 6)), (misaligned, AT + wrong), "{name}");
        }
    }
}

#[test]
fn reservations() {
    let mut cpu = Cpu::new();
    for (load, store, narrow) in [("lr.w", "sc.w", true), ("lr.d", "sc.d", false)] {
        for value in corners() {
            let old = if narrow { NEIGHBOUR | 0x8000_0001 } else { 0x8000_0000_0000_0001 };
            cpu.set(5, AT);
            cpu.set(6, value);
            cpu.poke(AT, old);
            cpu.run(word(load, 7, 5, 0));
            assert_eq!(cpu.x(7), if narrow { sext(old) } else { old });
            cpu.run(word(store, 8, 5, 6));
            let stored = if narrow { NEIGHBOUR | value & 0xffff_ffff } else { value };
            assert_eq!((cpu.x(8), cpu.peek(AT)), (0, stored), "{store} {value:#x}");
            // The pair is used up.
            cpu.poke(AT, old);
            cpu.run(word(store, 8, 5, 6));
            assert_eq!((cpu.x(8), cpu.peek(AT)), (1, old), "{store} a second time");
        }
        // A reservation elsewhere does not count, and is gone afterwards.
        cpu.set(5, AT);
        cpu.run(word(load, 7, 5, 0));
        cpu.set(5, AT + 64);
        cpu.poke(AT + 64, 5);
        cpu.run(word(store, 8, 5, 6));
        assert_eq!((cpu.x(8), cpu.peek(AT + 64)), (1, 5));
        cpu.set(5, AT);
        cpu.run(word(store, 8, 5, 6));
        assert_eq!(cpu.x(8), 1);
        cpu.run(word(load, 0, 5, 0));
        cpu.run(word(store, 0, 5, 6));
    }
}

#[test]
fn compare_and_swap() {
    let mut cpu = Cpu::new();
    for old in corners() {
        for matching in [true, false] {
            let expected = if matching { old } else { !old };
            cpu.set(5, AT);
            cpu.set(6, 0x1234_5678_9abc_def0);
            cpu.set(7, expected);
            cpu.poke(AT, old);
            cpu.run(word("amocas.d", 7, 5, 6));
            let stored = if matching { 0x1234_5678_9abc_def0 } else { old };
            assert_eq!((cpu.x(7), cpu.peek(AT)), (old, stored), "amocas.d {old:#x}");

            // Only the low half of the expected value counts.
            let old = NEIGHBOUR | old & 0xffff_ffff;
            cpu.set(7, expected & 0xffff_ffff | 0x5555 << 32);
            cpu.poke(AT, old);
            cpu.run(word("amocas.w", 7, 5, 6));
            let stored = if matching { NEIGHBOUR | 0x9abc_def0 } else { old };
            assert_eq!((cpu.x(7), cpu.peek(AT)), (sext(old), stored), "amocas.w {old:#x}");
        }
    }
}

#[test]
fn compare_and_swap_of_pairs() {
    let mut cpu = Cpu::new();
    for (low, high) in [(true, true), (true, false), (false, true), (false, false)] {
        cpu.set(5, AT);
        cpu.poke(AT, 11);
        cpu.poke(AT + 8, 22);
        cpu.set(8, if low { 11 } else { 0 });
        cpu.set(9, if high { 22 } else { 0 });
        cpu.set(6, 33);
        cpu.set(7, 44);
        cpu.run(word("amocas.q", 8, 5, 6));
        let stored = if low && high { (33, 44) } else { (11, 22) };
        assert_eq!((cpu.peek(AT), cpu.peek(AT + 8)), stored);
        assert_eq!((cpu.x(8), cpu.x(9)), (11, 22));
    }
}

/// x0 expects zero, stores zero, and as a pair both halves are zero and neither is written.
#[test]
fn compare_and_swap_with_x0() {
    let mut cpu = Cpu::new();
    cpu.set(5, AT);
    for (name, bytes) in [("amocas.w", 4), ("amocas.d", 8), ("amocas.q", 16)] {
        for old in [0, 7] {
            cpu.set(1, 99);
            cpu.set(6, 33);
            cpu.set(7, 44);
            // The slot that swallows writes to x0 must not be read back.
            cpu.run(word("lui", 0, 0, 0) | 0xfff << 12);
            cpu.poke(AT, old);
            cpu.poke(AT + 8, 0);
            cpu.run(word(name, 0, 5, 6));
            let swapped = old == 0;
            let high = if swapped && bytes == 16 { 44 } else { 0 };
            assert_eq!((cpu.peek(AT), cpu.peek(AT + 8)), (if swapped { 33 } else { old }, high), "{name}");
            assert_eq!(cpu.x(1), 99, "{name} wrote the upper half of the pair x0");

            cpu.poke(AT, 7);
            cpu.poke(AT + 8, 8);
            cpu.set(8, 7);
            cpu.set(9, 8);
            cpu.run(word(name, 8, 5, 0));
            let high = if bytes == 16 { 0 } else { 8 };
            assert_eq!((cpu.peek(AT), cpu.peek(AT + 8)), (0, high), "{name} stores zero");
        }
    }
}
