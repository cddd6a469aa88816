//! Instructions that compute from registers and immediates.

use super::cpu::{Cpu, PC, corners, word, word_imm};
use super::reference as by_bits;

type Binary = fn(u64, u64) -> u64;
type Unary = fn(u64) -> u64;

fn signed(a: u64) -> i128 {
    i128::from(a as i64)
}

fn signed32(a: u64) -> i128 {
    i128::from(a as i32)
}

/// Sign-extends the low 32 bits.
fn word_result(a: i128) -> u64 {
    let low = a.rem_euclid(1 << 32);
    (if low < 1 << 31 { low } else { low - (1 << 32) }) as u64
}

/// Division that rounds towards zero, by magnitudes; the specification's table for the rest (13.2).
fn divide(a: i128, b: i128) -> (i128, i128) {
    if b == 0 {
        return (-1, a);
    }
    let quotient = (a.unsigned_abs() / b.unsigned_abs()) as i128;
    let quotient = if (a < 0) == (b < 0) { quotient } else { -quotient };
    (quotient, a - quotient * b)
}

fn unsigned(a: u64) -> i128 {
    i128::from(a)
}

fn unsigned32(a: u64) -> i128 {
    i128::from(a as u32)
}

/// `rd = f(rs1, rs2)`.
const BINARY: &[(&str, Binary)] = &[
    ("add", |a, b| (unsigned(a) + unsigned(b)) as u64),
    ("sub", |a, b| (unsigned(a) - unsigned(b)) as u64),
    ("sll", |a, b| (unsigned(a) * (1 << (b % 64))) as u64),
    ("slt", |a, b| u64::from(signed(a) < signed(b))),
    ("sltu", |a, b| u64::from(unsigned(a) < unsigned(b))),
    ("xor", |a, b| by_bits::combine(a, b, |a, b| a != b)),
    ("srl", |a, b| (unsigned(a) / (1 << (b % 64))) as u64),
    ("sra", |a, b| signed(a).div_euclid(1 << (b % 64)) as u64),
    ("or", |a, b| by_bits::combine(a, b, |a, b| a || b)),
    ("and", |a, b| by_bits::combine(a, b, |a, b| a && b)),
    ("addw", |a, b| word_result(signed(a) + signed(b))),
    ("subw", |a, b| word_result(signed(a) - signed(b))),
    ("sllw", |a, b| word_result(unsigned(a) * (1 << (b % 32)))),
    ("srlw", |a, b| word_result(unsigned32(a) / (1 << (b % 32)))),
    ("sraw", |a, b| word_result(signed32(a).div_euclid(1 << (b % 32)))),
    ("mul", |a, b| signed(a).wrapping_mul(signed(b)) as u64),
    ("mulh", |a, b| (signed(a) * signed(b)).div_euclid(1 << 64) as u64),
    ("mulhsu", |a, b| by_bits::high_product(a, b, true, false)),
    ("mulhu", |a, b| by_bits::high_product(a, b, false, false)),
    ("mulw", |a, b| word_result(signed32(a) * signed32(b))),
    ("div", |a, b| divide(signed(a), signed(b)).0 as u64),
    ("divu", |a, b| divide(unsigned(a), unsigned(b)).0 as u64),
    ("rem", |a, b| divide(signed(a), signed(b)).1 as u64),
    ("remu", |a, b| divide(unsigned(a), unsigned(b)).1 as u64),
    ("divw", |a, b| word_result(divide(signed32(a), signed32(b)).0)),
    ("divuw", |a, b| word_result(divide(unsigned32(a), unsigned32(b)).0)),
    ("remw", |a, b| word_result(divide(signed32(a), signed32(b)).1)),
    ("remuw", |a, b| word_result(divide(unsigned32(a), unsigned32(b)).1)),
    ("add.uw", |a, b| (unsigned(b) + unsigned32(a)) as u64),
    ("sh1add", |a, b| (unsigned(b) + 2 * unsigned(a)) as u64),
    ("sh2add", |a, b| (unsigned(b) + 4 * unsigned(a)) as u64),
    ("sh3add", |a, b| (unsigned(b) + 8 * unsigned(a)) as u64),
    ("sh1add.uw", |a, b| (unsigned(b) + 2 * unsigned32(a)) as u64),
    ("sh2add.uw", |a, b| (unsigned(b) + 4 * unsigned32(a)) as u64),
    ("sh3add.uw", |a, b| (unsigned(b) + 8 * unsigned32(a)) as u64),
    ("andn", |a, b| by_bits::combine(a, b, |a, b| a && !b)),
    ("orn", |a, b| by_bits::combine(a, b, |a, b| a || !b)),
    ("xnor", |a, b| by_bits::combine(a, b, |a, b| a == b)),
    ("max", |a, b| if signed(a) < signed(b) { b } else { a }),
    ("maxu", |a, b| if unsigned(a) < unsigned(b) { b } else { a }),
    ("min", |a, b| if signed(a) < signed(b) { a } else { b }),
    ("minu", |a, b| if unsigned(a) < unsigned(b) { a } else { b }),
    ("rol", |a, b| by_bits::build(64, |n| by_bits::bit(a, (n + 64 - b as u32 % 64) % 64))),
    ("ror", |a, b| by_bits::build(64, |n| by_bits::bit(a, (n + b as u32 % 64) % 64))),
    ("rolw", |a, b| by_bits::build_word(|n| by_bits::bit(a, (n + 32 - b as u32 % 32) % 32))),
    ("rorw", |a, b| by_bits::build_word(|n| by_bits::bit(a, (n + b as u32 % 32) % 32))),
    ("clmul", |a, b| by_bits::carryless(a, b, 0)),
    ("clmulh", |a, b| by_bits::carryless(a, b, 64)),
    ("clmulr", |a, b| by_bits::carryless(a, b, 63)),
    ("pack", |a, b| {
        by_bits::build(64, |n| if n < 32 { by_bits::bit(a, n) } else { by_bits::bit(b, n - 32) })
    }),
    ("packh", |a, b| by_bits::build(16, |n| if n < 8 { by_bits::bit(a, n) } else { by_bits::bit(b, n - 8) })),
    ("packw", |a, b| {
        by_bits::build_word(|n| if n < 16 { by_bits::bit(a, n) } else { by_bits::bit(b, n - 16) })
    }),
    ("xperm4", |a, b| by_bits::crossbar(a, b, 4)),
    ("xperm8", |a, b| by_bits::crossbar(a, b, 8)),
    ("bclr", |a, b| by_bits::build(64, |n| by_bits::bit(a, n) && u64::from(n) != b % 64)),
    ("bext", |a, b| u64::from(by_bits::bit(a, b as u32 % 64))),
    ("binv", |a, b| by_bits::build(64, |n| by_bits::bit(a, n) != (u64::from(n) == b % 64))),
    ("bset", |a, b| by_bits::build(64, |n| by_bits::bit(a, n) || u64::from(n) == b % 64)),
    ("czero.eqz", |a, b| if b == 0 { 0 } else { a }),
    ("czero.nez", |a, b| if b == 0 { a } else { 0 }),
];

/// `rd = f(rs1, imm12)`: the register form that means the same.
const IMMEDIATE: &[(&str, &str)] = &[
    ("addi", "add"),
    ("slti", "slt"),
    ("sltiu", "sltu"),
    ("xori", "xor"),
    ("ori", "or"),
    ("andi", "and"),
    ("addiw", "addw"),
];

/// `rd = f(rs1, shamt)`: the register form that means the same, and how many shift amounts there are.
const SHIFTS: &[(&str, &str, u32)] = &[
    ("slli", "sll", 64),
    ("srli", "srl", 64),
    ("srai", "sra", 64),
    ("slliw", "sllw", 32),
    ("srliw", "srlw", 32),
    ("sraiw", "sraw", 32),
    ("rori", "ror", 64),
    ("roriw", "rorw", 32),
    ("bclri", "bclr", 64),
    ("bexti", "bext", 64),
    ("binvi", "binv", 64),
    ("bseti", "bset", 64),
];

/// `rd = f(rs1)`.
const UNARY: &[(&str, Unary)] = &[
    ("clz", |a| (0..64).rev().take_while(|&n| !by_bits::bit(a, n)).count() as u64),
    ("ctz", |a| (0..64).take_while(|&n| !by_bits::bit(a, n)).count() as u64),
    ("cpop", |a| (0..64).filter(|&n| by_bits::bit(a, n)).count() as u64),
    ("clzw", |a| (0..32).rev().take_while(|&n| !by_bits::bit(a, n)).count() as u64),
    ("ctzw", |a| (0..32).take_while(|&n| !by_bits::bit(a, n)).count() as u64),
    ("cpopw", |a| (0..32).filter(|&n| by_bits::bit(a, n)).count() as u64),
    ("sext.b", |a| by_bits::build(64, |n| by_bits::bit(a, n.min(7)))),
    ("sext.h", |a| by_bits::build(64, |n| by_bits::bit(a, n.min(15)))),
    ("zext.h", |a| by_bits::build(16, |n| by_bits::bit(a, n))),
    ("orc.b", |a| by_bits::build(64, |n| (0..8).any(|m| by_bits::bit(a, n / 8 * 8 + m)))),
    ("rev8", |a| by_bits::build(64, |n| by_bits::bit(a, 56 - n / 8 * 8 + n % 8))),
    ("brev8", |a| by_bits::build(64, |n| by_bits::bit(a, n / 8 * 8 + 7 - n % 8))),
];

/// Results as the specification or plain arithmetic gives them: name, rs1, rs2 (or 0), rd.
const SPELLED_OUT: &[(&str, u64, u64, u64)] = &[
    ("div", 1 << 63, u64::MAX, 1 << 63),
    ("rem", 1 << 63, u64::MAX, 0),
    ("div", 7, 0, u64::MAX),
    ("rem", 7, 0, 7),
    ("divu", 7, 0, u64::MAX),
    ("remu", 7, 0, 7),
    ("div", -7i64 as u64, 2, -3i64 as u64),
    ("rem", -7i64 as u64, 2, -1i64 as u64),
    ("rem", 7, -2i64 as u64, 1),
    ("divw", 0x8000_0000, u64::MAX, 0xffff_ffff_8000_0000),
    ("remw", 0x8000_0000, u64::MAX, 0),
    ("divw", 7, 1 << 32, u64::MAX),
    ("remw", 0x8000_0000, 1 << 32, 0xffff_ffff_8000_0000),
    ("divuw", 0xffff_ffff, 1, u64::MAX),
    ("divuw", 5, 0, u64::MAX),
    ("remuw", 0x8000_0000, 0, 0xffff_ffff_8000_0000),
    ("mulhsu", u64::MAX, u64::MAX, u64::MAX),
    ("mulhsu", 1 << 63, 2, u64::MAX),
    ("mulhu", u64::MAX, u64::MAX, u64::MAX - 1),
    ("mulh", u64::MAX, u64::MAX, 0),
    ("sraw", 0xffff_ffff_8000_0000, 31, u64::MAX),
    ("sraw", 0x7fff_ffff_8000_0000, 32, 0xffff_ffff_8000_0000),
    ("sllw", 1, 31, 0xffff_ffff_8000_0000),
    ("srlw", 0xffff_ffff_8000_0000, 0, 0xffff_ffff_8000_0000),
    ("addw", 0x7fff_ffff, 1, 0xffff_ffff_8000_0000),
    ("subw", 0, 1, u64::MAX),
    ("rev8", 0x0102_0304_0506_0708, 0, 0x0807_0605_0403_0201),
    ("orc.b", 0x0100_8000_0010_00ff, 0, 0xff00_ff00_00ff_00ff),
    ("brev8", 0x0102_0408_1020_4080, 0, 0x8040_2010_0804_0201),
    ("clz", 0, 0, 64),
    ("ctz", 0, 0, 64),
    ("clzw", 0xffff_ffff_0000_0000, 0, 32),
    ("ctzw", 0xffff_ffff_0000_0000, 0, 32),
    ("clmul", 0xff, 0xff, 0x5555),
    ("clmulh", 1 << 63, 1 << 63, 1 << 62),
    ("clmulr", 1 << 63, 1 << 63, 1 << 63),
    ("xperm8", 0x0807_0605_0403_0201, 0x0001_0203_0405_0608, 0x0102_0304_0506_0700),
    ("xperm4", 0xfedc_ba98_7654_3210, 0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef),
    ("sh3add.uw", 0xffff_ffff_0000_0001, 0x10, 0x18),
    ("rolw", 0x8000_0000, 1, 1),
    ("packw", 0x8000, 0x8000, 0xffff_ffff_8000_8000),
];

pub fn names() -> Vec<&'static str> {
    let mut names = vec!["lui", "auipc", "slli.uw"];
    names.extend(BINARY.iter().map(|row| row.0));
    names.extend(IMMEDIATE.iter().map(|row| row.0));
    names.extend(SHIFTS.iter().map(|row| row.0));
    names.extend(UNARY.iter().map(|row| row.0));
    names
}

fn binary(name: &str) -> Binary {
    BINARY.iter().find(|row| row.0 == name).expect("a binary reference").1
}

#[test]
fn register_register() {
    let mut cpu = Cpu::new();
    for &(name, reference) in BINARY {
        let [apart, onto_first, onto_second, same, nowhere] =
            [(7, 5, 6), (5, 5, 6), (6, 5, 6), (7, 5, 5), (0, 5, 6)].map(|(rd, a, b)| word(name, rd, a, b));
        for a in corners() {
            for b in corners() {
                cpu.set(5, a);
                cpu.set(6, b);
                cpu.run(apart);
                assert_eq!(cpu.x(7), reference(a, b), "{name} {a:#x} {b:#x}");
                assert_eq!((cpu.x(5), cpu.x(6)), (a, b), "{name} changed a source");
                cpu.run(onto_first);
                assert_eq!(cpu.x(5), reference(a, b), "{name} {a:#x} {b:#x} onto rs1");
                cpu.set(5, a);
                cpu.run(onto_second);
                assert_eq!(cpu.x(6), reference(a, b), "{name} {a:#x} {b:#x} onto rs2");
            }
            cpu.set(5, a);
            cpu.run(same);
            assert_eq!(cpu.x(7), reference(a, a), "{name} {a:#x} with itself");
        }
        cpu.run(nowhere);
    }
}

#[test]
fn register_immediate() {
    let mut cpu = Cpu::new();
    for &(name, twin) in IMMEDIATE {
        let reference = binary(twin);
        for imm in [-2048, -2047, -1, 0, 1, 5, 0x555, 2047] {
            for a in corners() {
                cpu.set(5, a);
                cpu.run(word_imm(name, 7, 5, imm));
                assert_eq!(cpu.x(7), reference(a, i64::from(imm) as u64), "{name} {a:#x} {imm}");
            }
        }
        cpu.run(word_imm(name, 0, 5, -1));
    }
}

#[test]
fn shifts_by_constants() {
    let mut cpu = Cpu::new();
    for &(name, twin, amounts) in SHIFTS {
        let reference = binary(twin);
        for amount in 0..amounts {
            for a in corners() {
                cpu.set(5, a);
                cpu.run(word_imm(name, 7, 5, 0) | amount << 20);
                assert_eq!(cpu.x(7), reference(a, amount.into()), "{name} {a:#x} {amount}");
            }
        }
    }
    for amount in 0..64 {
        for a in corners() {
            cpu.set(5, a);
            cpu.run(word("slli.uw", 7, 5, 0) | amount << 20);
            assert_eq!(cpu.x(7), (unsigned32(a) * (1 << amount)) as u64, "slli.uw {a:#x} {amount}");
        }
    }
}

#[test]
fn single_operand() {
    let mut cpu = Cpu::new();
    for &(name, reference) in UNARY {
        for a in corners() {
            cpu.set(5, a);
            cpu.run(word(name, 7, 5, 0));
            assert_eq!(cpu.x(7), reference(a), "{name} {a:#x}");
        }
        cpu.run(word(name, 0, 5, 0));
    }
}

#[test]
fn spelled_out_cases() {
    let mut cpu = Cpu::new();
    for &(name, a, b, expected) in SPELLED_OUT {
        cpu.set(5, a);
        cpu.set(6, b);
        cpu.run(word(name, 7, 5, 6));
        assert_eq!(cpu.x(7), expected, "{name} {a:#x} {b:#x}");
    }
}

#[test]
fn upper_immediates() {
    let mut cpu = Cpu::new();
    for upper in [0u32, 1, 0x7_ffff, 0x8_0000, 0xf_ffff, 0x1_2345] {
        let value = word_result(i128::from(upper) << 12);
        cpu.run(word("lui", 7, 0, 0) | upper << 12);
        assert_eq!(cpu.x(7), value, "lui {upper:#x}");
        cpu.run(word("auipc", 7, 0, 0) | upper << 12);
        assert_eq!(cpu.x(7), PC.wrapping_add(value), "auipc {upper:#x}");
        cpu.run(word("lui", 0, 0, 0) | upper << 12);
        cpu.run(word("auipc", 0, 0, 0) | upper << 12);
    }
}
