//! Small guests, made of instruction words, in ELF files made here.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::PathBuf;

use assert_cmd::Command;
use tempfile::TempDir;

/// Start of main memory.
pub const RAM: u64 = 0x8000_0000;

pub const RA: u32 = 1;
pub const S0: u32 = 8;
pub const T0: u32 = 5;
pub const T1: u32 = 6;
pub const A0: u32 = 10;
pub const A2: u32 = 12;
pub const A6: u32 = 16;
pub const A7: u32 = 17;

pub fn addi(rd: u32, rs1: u32, imm: i32) -> u32 {
    (imm as u32) << 20 | rs1 << 15 | rd << 7 | 0x13
}

/// `imm20` goes to bits 31:12.
pub fn lui(rd: u32, imm20: u32) -> u32 {
    imm20 << 12 | rd << 7 | 0x37
}

pub fn auipc(rd: u32, imm20: u32) -> u32 {
    imm20 << 12 | rd << 7 | 0x17
}

pub fn slli(rd: u32, rs1: u32, shift: u32) -> u32 {
    shift << 20 | rs1 << 15 | 1 << 12 | rd << 7 | 0x13
}

pub fn store(width: u32, rs2: u32, rs1: u32, imm: i32) -> u32 {
    let imm = imm as u32;
    (imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | width << 12 | (imm & 0x1f) << 7 | 0x23
}

pub fn sb(rs2: u32, rs1: u32, imm: i32) -> u32 {
    store(0, rs2, rs1, imm)
}

pub fn sw(rs2: u32, rs1: u32, imm: i32) -> u32 {
    store(2, rs2, rs1, imm)
}

pub fn sd(rs2: u32, rs1: u32, imm: i32) -> u32 {
    store(3, rs2, rs1, imm)
}

pub fn load(width: u32, rd: u32, rs1: u32, imm: i32) -> u32 {
    (imm as u32) << 20 | rs1 << 15 | width << 12 | rd << 7 | 0x03
}

pub fn jalr(rd: u32, rs1: u32) -> u32 {
    rs1 << 15 | rd << 7 | 0x67
}

/// `jal rd, offset`
pub fn jal(rd: u32, offset: i32) -> u32 {
    let o = offset as u32;
    (o >> 20 & 1) << 31
        | (o >> 1 & 0x3ff) << 21
        | (o >> 11 & 1) << 20
        | (o >> 12 & 0xff) << 12
        | rd << 7
        | 0x6f
}

/// `bne rs1, x0, offset`
pub fn bnez(rs1: u32, offset: i32) -> u32 {
    beqz(rs1, offset) | 1 << 12
}

/// `csrrw rd, csr, rs1`
pub fn csrrw(rd: u32, csr: u32, rs1: u32) -> u32 {
    csr << 20 | rs1 << 15 | 1 << 12 | rd << 7 | 0x73
}

/// `csrrs rd, csr, rs1`
pub fn csrrs(rd: u32, csr: u32, rs1: u32) -> u32 {
    csr << 20 | rs1 << 15 | 2 << 12 | rd << 7 | 0x73
}

pub fn mul(rd: u32, rs1: u32, rs2: u32) -> u32 {
    1 << 25 | rs2 << 20 | rs1 << 15 | rd << 7 | 0x33
}

pub const MRET: u32 = 0x3020_0073;

/// `beq rs1, x0, offset`
pub fn beqz(rs1: u32, offset: i32) -> u32 {
    let o = offset as u32;
    (o >> 12 & 1) << 31 | (o >> 5 & 0x3f) << 25 | rs1 << 15 | (o >> 1 & 0xf) << 8 | (o >> 11 & 1) << 7 | 0x63
}

pub fn andi(rd: u32, rs1: u32, imm: i32) -> u32 {
    (imm as u32) << 20 | rs1 << 15 | 7 << 12 | rd << 7 | 0x13
}

pub const ECALL: u32 = 0x73;
pub const WFI: u32 = 0x1050_0073;
/// `jal x0, 0`
pub const LOOP: u32 = 0x6f;

/// Writes `value` to the test finisher of `virt`.
pub fn finish(value: u32) -> Vec<u32> {
    let mut code = vec![lui(T0, 0x100)];
    code.extend(set(T1, value));
    code.extend([sw(T1, T0, 0), LOOP]);
    code
}

/// A `virt` guest that sends its console input back until it sees a zero byte, then ends.
pub fn echo() -> Vec<u32> {
    let mut code = vec![
        lui(T0, 0x10000),
        // Wait for LSR.DR, read, send.
        load(4, T1, T0, 5),
        andi(T1, T1, 1),
        beqz(T1, -8),
        load(4, T1, T0, 0),
        beqz(T1, 12),
        sb(T1, T0, 0),
        // jal x0, -24
        0xfe9f_f06f,
    ];
    code.extend(finish(0x5555));
    code
}

/// Two instructions that set `rd`, sign-extended from 32 bits.
pub fn set(rd: u32, value: u32) -> [u32; 2] {
    let low = ((value & 0xfff) as i32) << 20 >> 20;
    [lui(rd, value.wrapping_sub(low as u32) >> 12), addi(rd, rd, low)]
}

pub fn bytes(code: &[u32]) -> Vec<u8> {
    code.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// An ELF file with `code` at `address`, entered there, with absolute `symbols`.
pub fn elf(address: u64, code: &[u8], symbols: &[(&str, u64)]) -> Vec<u8> {
    let absolute: Vec<_> = symbols.iter().map(|&(name, value)| (name, value, 0)).collect();
    elf_with(address, code, &absolute)
}

/// The same with names, values and sizes of symbols: those with a size are functions.
pub fn elf_with(address: u64, code: &[u8], symbols: &[(&str, u64, u64)]) -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    let text = [b"\0.symtab\0.strtab\0.shstrtab\0".as_slice()].concat();
    let (mut strings, mut table) = (vec![0u8], vec![0u8; 24]);
    for (name, value, size) in symbols {
        table.extend((strings.len() as u32).to_le_bytes());
        // Global. Section 0xfff1 is "absolute"; of the others of its kind it is not known what they are.
        table.extend(if *size == 0 { [0x10, 0, 0xf1, 0xff] } else { [0x12, 0, 0x20, 0xff] });
        table.extend(value.to_le_bytes());
        table.extend(size.to_le_bytes());
        strings.extend(name.bytes().chain([0]));
    }
    let code_at = HEADERS;
    let table_at = code_at + code.len() as u64;
    let strings_at = table_at + table.len() as u64;
    let text_at = strings_at + strings.len() as u64;
    let sections_at = text_at + text.len() as u64;

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, v: u16| file.extend(v.to_le_bytes());
    let word = |file: &mut Vec<u8>, v: u32| file.extend(v.to_le_bytes());
    let long = |file: &mut Vec<u8>, v: u64| file.extend(v.to_le_bytes());
    half(&mut file, 2);
    half(&mut file, 243);
    word(&mut file, 1);
    [address, 64, sections_at].into_iter().for_each(|v| long(&mut file, v));
    word(&mut file, 0);
    [64, 56, 1, 64, 4, 3].into_iter().for_each(|v| half(&mut file, v));
    // The segment: loadable, rwx.
    word(&mut file, 1);
    word(&mut file, 7);
    let size = code.len() as u64;
    [code_at, address, address, size, size, 1].into_iter().for_each(|v| long(&mut file, v));
    file.extend(code);
    file.extend(&table);
    file.extend(&strings);
    file.extend(&text);
    let mut section = |name: u32, kind: u32, at: u64, size: u64, link: u32, info: u32, entry: u64| {
        word(&mut file, name);
        word(&mut file, kind);
        [0, 0, at, size].into_iter().for_each(|v| long(&mut file, v));
        word(&mut file, link);
        word(&mut file, info);
        [1, entry].into_iter().for_each(|v| long(&mut file, v));
    };
    section(0, 0, 0, 0, 0, 0, 0);
    section(1, 2, table_at, table.len() as u64, 2, 1, 24);
    section(9, 3, strings_at, strings.len() as u64, 0, 0, 0);
    section(17, 3, text_at, text.len() as u64, 0, 0, 0);
    file
}

/// A directory for a test's files.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn add(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// An ELF file with `code` at the start of memory.
    pub fn guest(&self, code: &[u32]) -> PathBuf {
        self.add("guest.elf", &elf(RAM, &bytes(code), &[]))
    }
}

/// `relsim` with `arguments`, and nothing to read.
pub fn relsim(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("relsim").unwrap();
    command.args(arguments).timeout(std::time::Duration::from_secs(60));
    command
}

/// `relsim run`.
pub fn run(image: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = relsim(&["run"]);
    command.arg(image).args(arguments);
    command
}
