//! Loads and stores.

use relsim_core::trap::Cause;

use super::cpu::{Cpu, RAM, RAM_BYTES, corners, word, word_imm};

/// Name, bytes, whether it sign-extends.
const LOADS: &[(&str, u32, bool)] = &[
    ("lb", 1, true),
    ("lh", 2, true),
    ("lw", 4, true),
    ("ld", 8, true),
    ("lbu", 1, false),
    ("lhu", 2, false),
    ("lwu", 4, false),
];

/// Name, bytes.
const STORES: &[(&str, u32)] = &[("sb", 1), ("sh", 2), ("sw", 4), ("sd", 8)];

pub fn names() -> Vec<&'static str> {
    LOADS.iter().map(|row| row.0).chain(STORES.iter().map(|row| row.0)).collect()
}

/// A store's offset in its places.
fn store_offset(offset: i32) -> u32 {
    (offset as u32 >> 5 & 0x7f) << 25 | (offset as u32 & 0x1f) << 7
}

#[test]
fn loads() {
    let mut cpu = Cpu::new();
    let at = RAM + 0x1000;
    for &(name, bytes, signed) in LOADS {
        for value in corners() {
            cpu.poke(at, value);
            cpu.poke(at + 8, !value);
            // Misaligned ones too: this platform performs them.
            for start in 0..8 {
                let memory = [value.to_le_bytes(), (!value).to_le_bytes()].concat();
                let read = &memory[start..start + bytes as usize];
                let fill = if signed && read[read.len() - 1] >= 0x80 { 0xff } else { 0 };
                let mut expected = [fill; 8];
                expected[..read.len()].copy_from_slice(read);
                for offset in [-2048, -1, 0, 5, 2047] {
                    cpu.set(5, (at + start as u64).wrapping_add_signed(-offset));
                    cpu.run(word_imm(name, 7, 5, offset as i32));
                    assert_eq!(cpu.x(7), u64::from_le_bytes(expected), "{name} {value:#x} from byte {start}");
                }
            }
        }
        cpu.set(5, at);
        cpu.run(word_imm(name, 0, 5, 0));
        cpu.run(word_imm(name, 5, 5, 0));
    }
}

#[test]
fn stores() {
    let mut cpu = Cpu::new();
    let at = RAM + 0x2000;
    for &(name, bytes) in STORES {
        for value in corners() {
            for start in 0..8 {
                let mut expected = [0x5a; 16];
                expected[start..start + bytes as usize]
                    .copy_from_slice(&value.to_le_bytes()[..bytes as usize]);
                for offset in [-2048, -1, 0, 5, 2047] {
                    cpu.bus.ram.write(at, &[0x5a; 16]);
                    cpu.set(5, (at + start as u64).wrapping_add_signed(-offset));
                    cpu.set(6, value);
                    cpu.run(word(name, 0, 5, 6) | store_offset(offset as i32));
                    assert_eq!(
                        cpu.bus.ram.slice(at, 16),
                        Some(&expected[..]),
                        "{name} {value:#x} at byte {start}"
                    );
                }
            }
        }
    }
}

#[test]
fn accesses_wrap_around_and_fault_outside_memory() {
    let mut cpu = Cpu::new();
    let end = RAM + RAM_BYTES;
    for &(name, bytes, _) in LOADS {
        cpu.set(5, end - u64::from(bytes));
        cpu.run(word_imm(name, 7, 5, 0));
        for address in [end, RAM - 8, 0] {
            cpu.set(5, address);
            assert_eq!(cpu.fault(word_imm(name, 7, 5, 0)), (Cause::LoadAccess, address), "{name}");
        }
        cpu.set(5, u64::MAX - 7);
        assert_eq!(cpu.fault(word_imm(name, 7, 5, 8)), (Cause::LoadAccess, 0), "{name} wraps around");
    }
    for &(name, bytes) in STORES {
        cpu.set(5, end - u64::from(bytes));
        cpu.run(word(name, 0, 5, 6));
        for address in [end, RAM - 8, 0] {
            cpu.set(5, address);
            assert_eq!(cpu.fault(word(name, 0, 5, 6)), (Cause::StoreAccess, address), "{name}");
        }
    }
}

#[test]
fn misaligned_accesses_trap_where_the_platform_says_so() {
    let mut cpu = Cpu::new();
    cpu.hart.config.misaligned_ok = false;
    let at = RAM + 1;
    cpu.set(5, at);
    for &(name, bytes, _) in LOADS.iter().filter(|row| row.1 > 1) {
        assert_eq!(cpu.fault(word_imm(name, 7, 5, 0)), (Cause::LoadMisaligned, at), "{name} of {bytes}");
    }
    for &(name, bytes) in STORES.iter().filter(|row| row.1 > 1) {
        assert_eq!(cpu.fault(word(name, 0, 5, 6)), (Cause::StoreMisaligned, at), "{name} of {bytes}");
    }
}
