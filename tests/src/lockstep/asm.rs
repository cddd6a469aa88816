//! A small assembler for the runtime around the random code: 32-bit instructions, labels, constants.

/// Integer registers by ABI name, as far as the runtime uses them.
pub mod reg {
    /// x0.
    pub const ZERO: u32 = 0;
    /// x2.
    pub const SP: u32 = 2;
    /// x5: the runtime's base pointer.
    pub const T0: u32 = 5;
    /// x6.
    pub const T1: u32 = 6;
    /// x7.
    pub const T2: u32 = 7;
    /// x10.
    pub const A0: u32 = 10;
    /// x11.
    pub const A1: u32 = 11;
    /// x29.
    pub const T4: u32 = 29;
    /// x28.
    pub const T3: u32 = 28;
}

/// Branch conditions (funct3).
#[derive(Debug, Clone, Copy)]
pub enum Cond {
    /// Equal.
    Eq = 0,
    /// Not equal.
    Ne = 1,
    /// Less, signed.
    Lt = 4,
    /// Greater or equal, signed.
    Ge = 5,
}

/// A place in the code, perhaps not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(usize);

enum Fix {
    Branch,
    Jump,
    /// An `auipc` and an `addi`.
    Address,
}

/// Code at a fixed address.
pub struct Asm {
    base: u64,
    bytes: Vec<u8>,
    labels: Vec<Option<u64>>,
    fixups: Vec<(usize, Fix, Label)>,
}

/// The immediate of a branch, in its place.
pub const fn branch_bits(offset: i32) -> u32 {
    let o = offset as u32;
    (o >> 12 & 1) << 31 | (o >> 5 & 0x3f) << 25 | (o >> 1 & 0xf) << 8 | (o >> 11 & 1) << 7
}

/// The immediate of `jal`, in its place.
pub const fn jump_bits(offset: i32) -> u32 {
    let o = offset as u32;
    (o >> 20 & 1) << 31 | (o >> 1 & 0x3ff) << 21 | (o >> 11 & 1) << 20 | (o >> 12 & 0xff) << 12
}

/// An I-type word.
pub const fn i_type(opcode: u32, funct3: u32, rd: u32, rs1: u32, imm: i32) -> u32 {
    (imm as u32 & 0xfff) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

/// An S-type word.
pub const fn s_type(opcode: u32, funct3: u32, rs1: u32, rs2: u32, imm: i32) -> u32 {
    let imm = imm as u32;
    (imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (imm & 0x1f) << 7 | opcode
}

/// An R-type word.
pub const fn r_type(opcode: u32, funct3: u32, funct7: u32, rd: u32, rs1: u32, rs2: u32) -> u32 {
    funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

/// `addi`.
pub const fn addi(rd: u32, rs1: u32, imm: i32) -> u32 {
    i_type(0x13, 0, rd, rs1, imm)
}

/// `andi`.
pub const fn andi(rd: u32, rs1: u32, imm: i32) -> u32 {
    i_type(0x13, 7, rd, rs1, imm)
}

/// `lui` with the 20-bit value.
pub const fn lui(rd: u32, value: u32) -> u32 {
    value << 12 | rd << 7 | 0x37
}

/// `auipc` with the 20-bit value.
pub const fn auipc(rd: u32, value: u32) -> u32 {
    value << 12 | rd << 7 | 0x17
}

/// `csrrw rd, csr, rs1`.
pub const fn csrrw(rd: u32, csr: u32, rs1: u32) -> u32 {
    i_type(0x73, 1, rd, rs1, csr as i32)
}

/// `csrrs rd, csr, rs1`.
pub const fn csrrs(rd: u32, csr: u32, rs1: u32) -> u32 {
    i_type(0x73, 2, rd, rs1, csr as i32)
}

/// `csrrc rd, csr, rs1`.
pub const fn csrrc(rd: u32, csr: u32, rs1: u32) -> u32 {
    i_type(0x73, 3, rd, rs1, csr as i32)
}

/// `mret`.
pub const MRET: u32 = 0x3020_0073;
/// `sret`.
pub const SRET: u32 = 0x1020_0073;
/// `wfi`.
pub const WFI: u32 = 0x1050_0073;
/// `ecall`.
pub const ECALL: u32 = 0x73;
/// `ebreak`.
pub const EBREAK: u32 = 0x0010_0073;
/// `nop`.
pub const NOP: u32 = 0x13;
/// `fence.i`.
pub const FENCE_I: u32 = 0x100f;
/// `sfence.vma`.
pub const SFENCE_VMA: u32 = 0x1200_0073;

/// The words that put `value` into `rd`.
pub fn li(rd: u32, value: u64) -> Vec<u32> {
    let signed = value as i64;
    if let Ok(small) = i32::try_from(signed) {
        let low = small << 20 >> 20;
        let high = (small.wrapping_sub(low) as u32) >> 12;
        return match (high, low) {
            (0, _) => vec![addi(rd, 0, low)],
            (_, 0) => vec![lui(rd, high)],
            // addiw, so that 0x7fff_f800 and up do not wrap into 64 bits.
            _ => vec![lui(rd, high), i_type(0x1b, 0, rd, rd, low)],
        };
    }
    let low = (signed << 52) >> 52;
    let rest = signed.wrapping_sub(low) >> 12;
    let zeros = rest.trailing_zeros();
    let mut words = li(rd, (rest >> zeros) as u64);
    words.push(i_type(0x13, 1, rd, rd, (12 + zeros) as i32));
    if low != 0 {
        words.push(addi(rd, rd, low as i32));
    }
    words
}

impl Asm {
    /// Code that will stand at `base`.
    pub fn new(base: u64) -> Self {
        Self { base, bytes: Vec::new(), labels: Vec::new(), fixups: Vec::new() }
    }

    /// The address of the next instruction.
    pub fn here(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Appends a 32-bit word.
    pub fn word(&mut self, word: u32) {
        self.bytes.extend(word.to_le_bytes());
    }

    /// `c.nop`: what follows stands two bytes further on.
    pub fn half(&mut self) {
        self.bytes.extend(1u16.to_le_bytes());
    }

    /// Appends words.
    pub fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|&w| self.word(w));
    }

    /// A label to be bound later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.here());
    }

    /// A label that is here.
    pub fn here_label(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// Pads with `nop` up to a multiple of `bytes`.
    pub fn align(&mut self, bytes: u64) {
        if !self.here().is_multiple_of(4) {
            self.half();
        }
        while !self.here().is_multiple_of(bytes) {
            self.word(NOP);
        }
    }

    /// A branch to `target`.
    pub fn branch(&mut self, cond: Cond, rs1: u32, rs2: u32, target: Label) {
        self.fixups.push((self.bytes.len(), Fix::Branch, target));
        self.word(s_type(0x63, cond as u32, rs1, rs2, 0));
    }

    /// `j target`.
    pub fn jump(&mut self, target: Label) {
        self.fixups.push((self.bytes.len(), Fix::Jump, target));
        self.word(0x6f);
    }

    /// `jal ra, target`.
    pub fn call(&mut self, target: Label) {
        self.fixups.push((self.bytes.len(), Fix::Jump, target));
        self.word(1 << 7 | 0x6f);
    }

    /// `ld rd, offset(rs1)`.
    pub fn ld(&mut self, rd: u32, rs1: u32, offset: i32) {
        self.word(i_type(0x03, 3, rd, rs1, offset));
    }

    /// `sd rs2, offset(rs1)`.
    pub fn sd(&mut self, rs2: u32, rs1: u32, offset: i32) {
        self.word(s_type(0x23, 3, rs1, rs2, offset));
    }

    /// `csrr rd, csr`.
    pub fn csrr(&mut self, rd: u32, csr: u32) {
        self.word(csrrs(rd, csr, 0));
    }

    /// `csrw csr, rs1`.
    pub fn csrw(&mut self, csr: u32, rs1: u32) {
        self.word(csrrw(0, csr, rs1));
    }

    /// A constant.
    pub fn li(&mut self, rd: u32, value: u64) {
        self.words(&li(rd, value));
    }

    /// An address, relative to the program counter so that it holds in every alias of the code.
    pub fn la(&mut self, rd: u32, address: u64) {
        let offset = address.wrapping_sub(self.here()) as i64 as i32;
        let low = offset << 20 >> 20;
        self.word(auipc(rd, (offset.wrapping_sub(low) as u32) >> 12));
        self.word(addi(rd, rd, low));
    }

    /// The address of a label, relative to the program counter.
    pub fn load_label(&mut self, rd: u32, label: Label) {
        self.fixups.push((self.bytes.len(), Fix::Address, label));
        self.word(auipc(rd, 0));
        self.word(addi(rd, rd, 0));
    }

    /// The address of a bound label.
    ///
    /// # Panics
    /// If it is not bound: a mistake in the runtime's own text.
    pub fn address(&self, label: Label) -> u64 {
        self.labels[label.0].expect("a label is bound before it is asked for")
    }

    /// The bytes, every label resolved.
    pub fn finish(mut self) -> Vec<u8> {
        for (at, fix, label) in std::mem::take(&mut self.fixups) {
            let offset = self.address(label).wrapping_sub(self.base + at as u64) as i32;
            let low = offset << 20 >> 20;
            match fix {
                Fix::Branch => self.add_bits(at, branch_bits(offset)),
                Fix::Jump => self.add_bits(at, jump_bits(offset)),
                Fix::Address => {
                    self.add_bits(at, offset.wrapping_sub(low) as u32);
                    self.add_bits(at + 4, (low as u32 & 0xfff) << 20);
                }
            }
        }
        self.bytes
    }

    fn add_bits(&mut self, at: usize, bits: u32) {
        for (byte, more) in self.bytes[at..at + 4].iter_mut().zip(bits.to_le_bytes()) {
            *byte |= more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `li` leaves in the register.
    fn run(words: &[u32]) -> u64 {
        words.iter().fold(0u64, |x, &w| {
            let imm = i64::from(w as i32 >> 20) as u64;
            match w & 0x707f {
                _ if w & 0x7f == 0x37 => i64::from((w & 0xffff_f000) as i32) as u64,
                0x13 if w >> 15 & 31 == 0 => imm,
                0x13 => x.wrapping_add(imm),
                0x1b => i64::from(x.wrapping_add(imm) as i32) as u64,
                0x1013 => x << (w >> 20 & 63),
                _ => panic!("{w:#x}"),
            }
        })
    }

    #[test]
    fn constants_arrive() {
        for value in [
            0,
            1,
            0x7ff,
            0x800,
            0x7fff_ffff,
            0x8000_0000,
            0x8020_0ff8,
            u64::MAX,
            1 << 63,
            0x1234_5678_9abc_def0,
        ] {
            assert_eq!(run(&li(9, value)), value, "{value:#x}");
        }
    }
}
