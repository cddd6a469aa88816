//! Instruction rows: encoding, operands, text and meaning of an instruction in one place.
//!
//! A row is data ([`InsnDef`]); the functions that rows point to stand beside them in `rows/`, one file
//! per extension. Decoding turns a row and a word into an [`Op`]: operands extracted, meaning as a
//! function pointer, everything a timing model needs statically.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::isa::Need;

/// Why the hot loop must leave the block after (or instead of) an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The instruction did not retire: the trap that it raised is in [`Hart::raised`].
    Trap,
    /// The instruction retired, and something changed that the loop must look at (interrupts, translation,
    /// decoded code, devices).
    Exit,
    /// A conditional branch retired, and is taken: control goes to [`Hart::next_pc`].
    Taken,
    /// The instruction did nothing yet: it is about to reach a device, and has to run by itself, so that
    /// it happens at its exact cycle and what it changes is seen at once.
    Alone,
    /// The instruction did nothing: an interrupt has taken its place.
    Interrupted,
}

/// What executing an instruction gives: `Ok` to fall through to the next.
pub type Done = Result<(), Stop>;

/// The meaning of an instruction.
pub type Exec = fn(&mut Hart, &mut Bus, &Op) -> Done;

/// A pre-decoded instruction: 32 bytes, two in a host cache line.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Op {
    /// The meaning.
    pub exec: Exec,
    /// Immediate, sign-extended (shift amounts, CSR numbers with the 5-bit immediate above bit 12,
    /// and `succ`/`pred` sets live here too).
    pub imm: i32,
    /// The instruction word (the low 16 bits for compressed ones).
    pub raw: u32,
    /// Row number in the decoder.
    pub row: u16,
    /// Bytes from the start of the block, which may be behind it.
    pub pc_offset: i16,
    /// Destination: an index into the register file; integer writes to x0 go to a slot nobody reads.
    pub rd: u8,
    /// First source.
    pub rs1: u8,
    /// Second source.
    pub rs2: u8,
    /// Third source of the fused multiply-adds; for others the rounding mode (7: dynamic).
    pub rs3: u8,
    /// Length in bytes: 2 or 4.
    pub len: u8,
    /// How many instructions of the block stand before this one.
    pub index: u8,
    /// Operation class.
    pub class: OpClass,
    /// Rounding mode field (7: dynamic).
    pub rm: u8,
    /// Which register files the operands are in, two bits each ([`File`]): rd in bits 1:0, then rs1, rs2, rs3.
    pub files: u8,
    /// What its latency depends on beside itself: that of its class, at hand.
    pub fact: Option<FactKind>,
    /// Which of the hart's facts is about it: how many instructions with one stand before it in the block.
    pub slot: u8,
}

impl Op {
    /// How many facts there are about this instruction and those before it in the block.
    #[inline(always)]
    pub fn facts(&self) -> u8 {
        self.slot + u8::from(self.fact.is_some())
    }
}

/// Integer register slot that swallows writes to x0.
pub const X_SINK: u8 = 32;

/// Classes that timing models tell apart. A latency table has an entry for each ([`OpClass::COUNT`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum OpClass {
    /// Integer arithmetic, logic, shifts, comparisons.
    Alu,
    /// Multiplication (also carry-less).
    Mul,
    /// Division and remainder.
    Div,
    /// Integer load.
    Load,
    /// Integer store.
    Store,
    /// Floating-point load.
    FpLoad,
    /// Floating-point store.
    FpStore,
    /// Load-reserved.
    LoadReserved,
    /// Store-conditional.
    StoreConditional,
    /// Atomic read-modify-write.
    Amo,
    /// Conditional branch.
    Branch,
    /// Direct jump (`jal`).
    Jump,
    /// Indirect jump (`jalr`).
    JumpIndirect,
    /// Half- or single-precision addition, comparison-free arithmetic (add, sub, mul, fma).
    FpArithSingle,
    /// Double-precision add, sub, mul, fma.
    FpArithDouble,
    /// Floating-point division or square root, half and single.
    FpDivSingle,
    /// Floating-point division or square root, double.
    FpDivDouble,
    /// Sign injection, min, max, and conversions between formats.
    FpMisc,
    /// Floating point to integer register: moves, comparisons, classification, conversions.
    FpToInt,
    /// Integer register to floating point: moves and conversions.
    IntToFp,
    /// CSR access.
    Csr,
    /// `fence`.
    Fence,
    /// `fence.i`.
    FenceI,
    /// `sfence.vma` and kin.
    SfenceVma,
    /// `ecall`, `ebreak`.
    Call,
    /// `mret`, `sret`, `uret`.
    TrapReturn,
    /// `wfi`, `wrs.nto`, `wrs.sto`.
    Wait,
    /// Cache-block operations and prefetches.
    CacheBlock,
    /// Instructions of extensions outside the core (`uipi`).
    Custom,
    /// A word that is no instruction: raises illegal-instruction.
    Illegal,
}

/// What a [`crate::timing::Fact`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// The operands in the integer registers `rs1` and `rs2`.
    Integers,
    /// The operands in the floating-point registers `rs1` and `rs2`.
    Floats,
    /// The virtual and physical address of an access.
    Access,
}

impl OpClass {
    /// How many classes there are: the length of a latency table.
    pub const COUNT: usize = OpClass::Illegal as usize + 1;

    /// Whether nothing may follow in a block, unless a jump's target does: control flow that never falls through, and
    /// everything that can change what the next instruction means.
    pub const fn ends_block(self) -> bool {
        matches!(
            self,
            Self::Jump
                | Self::JumpIndirect
                | Self::Csr
                | Self::FenceI
                | Self::SfenceVma
                | Self::Call
                | Self::TrapReturn
                | Self::Wait
                | Self::Custom
                | Self::Illegal
        )
    }

    /// Whether it computes in floating point, and so can accrue exceptions in `fflags`.
    pub const fn is_float(self) -> bool {
        matches!(
            self,
            Self::FpArithSingle
                | Self::FpArithDouble
                | Self::FpDivSingle
                | Self::FpDivDouble
                | Self::FpMisc
                | Self::FpToInt
                | Self::IntToFp
        )
    }

    /// Whether it can be timed together with its neighbours, after they have all executed: it does nothing
    /// that depends on the cycle, and its latency depends on no more than a [`crate::timing::Fact`].
    pub const fn is_plain(self) -> bool {
        matches!(
            self,
            Self::Alu
                | Self::Mul
                | Self::Div
                | Self::Load
                | Self::Store
                | Self::FpLoad
                | Self::FpStore
                | Self::Branch
                | Self::Jump
                | Self::JumpIndirect
                | Self::FpArithSingle
                | Self::FpArithDouble
                | Self::FpDivSingle
                | Self::FpDivDouble
                | Self::FpMisc
                | Self::FpToInt
                | Self::IntToFp
        )
    }

    /// What its latency depends on beside the instruction.
    pub const fn fact(self) -> Option<FactKind> {
        match self {
            Self::Mul | Self::Div => Some(FactKind::Integers),
            Self::FpDivSingle | Self::FpDivDouble => Some(FactKind::Floats),
            Self::Load
            | Self::Store
            | Self::FpLoad
            | Self::FpStore
            | Self::LoadReserved
            | Self::StoreConditional
            | Self::Amo => Some(FactKind::Access),
            Self::Alu
            | Self::Branch
            | Self::Jump
            | Self::JumpIndirect
            | Self::FpArithSingle
            | Self::FpArithDouble
            | Self::FpMisc
            | Self::FpToInt
            | Self::IntToFp
            | Self::Csr
            | Self::Fence
            | Self::FenceI
            | Self::SfenceVma
            | Self::Call
            | Self::TrapReturn
            | Self::Wait
            | Self::CacheBlock
            | Self::Custom
            | Self::Illegal => None,
        }
    }

    /// Whether it is one of the A extension, with bits that order it against others.
    pub const fn is_atomic(self) -> bool {
        matches!(self, Self::LoadReserved | Self::StoreConditional | Self::Amo)
    }

    /// Whether it reads or writes memory by address.
    pub const fn is_memory(self) -> bool {
        matches!(self.fact(), Some(FactKind::Access))
    }
}

/// Which register file an operand is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum File {
    /// No such operand.
    None = 0,
    /// Integer.
    X = 1,
    /// Floating point.
    F = 2,
}

/// The register files of an instruction's operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    /// Destination.
    pub rd: File,
    /// First source.
    pub rs1: File,
    /// Second source.
    pub rs2: File,
    /// Third source.
    pub rs3: File,
}

impl Files {
    /// As [`Op::files`] has them.
    pub const fn packed(self) -> u8 {
        self.rd as u8 | (self.rs1 as u8) << 2 | (self.rs2 as u8) << 4 | (self.rs3 as u8) << 6
    }
}

/// How operands sit in the word and how they are written in assembly. The letters in the variants' docs
/// are the objdump syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fmt {
    /// No operands: `ecall`.
    None,
    /// `rd, rs1, rs2`.
    R,
    /// `rd, rs1` (unary; rs2 field belongs to the encoding).
    R2,
    /// `rd, rs1, imm12`.
    I,
    /// `rd, rs1, shamt` with 6 bits.
    Shift6,
    /// `rd, rs1, shamt` with 5 bits.
    Shift5,
    /// `rd, imm(rs1)`: loads and `jalr`.
    Load,
    /// `rs2, imm(rs1)`: stores.
    Store,
    /// `rs1, rs2, target`.
    Branch,
    /// `rd, imm20` (shown as the 20-bit value).
    U,
    /// `rd, target`.
    J,
    /// `fence pred, succ`.
    Fence,
    /// `rd, csr, rs1`.
    Csr,
    /// `rd, csr, uimm5`.
    CsrImm,
    /// `rd, rs2, (rs1)`.
    Amo,
    /// `rd, (rs1)`: load-reserved.
    Lr,
    /// `rs1, rs2`: `sfence.vma`.
    Sfence,
    /// `(rs1)`: `cbo.*`.
    Cbo,
    /// `offset(rs1)`: `prefetch.*`.
    Prefetch,
    /// `frd, imm(rs1)`.
    FLoad,
    /// `frs2, imm(rs1)`.
    FStore,
    /// `frd, frs1, frs2, rm`.
    FR,
    /// `frd, frs1, frs2` without rounding mode: sign injection, min, max.
    FRn,
    /// `frd, frs1, frs2, frs3, rm`.
    FR4,
    /// `frd, frs1, rm`: square root, conversions between formats.
    F2,
    /// `rd, frs1, frs2`: comparisons.
    FCmp,
    /// `rd, frs1, rm`: conversion to integer.
    FToX,
    /// `rd, frs1`: `fmv.x`, `fclass`.
    FToXn,
    /// `frd, rs1, rm`: conversion from integer.
    XToF,
    /// `frd, rs1`: `fmv`.
    XToFn,
    /// `rs1`: `uipi.send`, `uipi.write`.
    Rs1,
    /// `rd`: `uipi.read`.
    Rd,
    /// `c.addi4spn rd', sp, nzuimm`.
    CIw,
    /// `c.lw rd', uimm(rs1')`.
    CLw,
    /// `c.ld rd', uimm(rs1')`.
    CLd,
    /// `c.fld frd', uimm(rs1')`.
    CFld,
    /// `c.sw rs2', uimm(rs1')`.
    CSw,
    /// `c.sd rs2', uimm(rs1')`.
    CSd,
    /// `c.fsd frs2', uimm(rs1')`.
    CFsd,
    /// `c.addi rd, imm6` (rs1 = rd).
    CI,
    /// `c.li rd, imm6` (rs1 = x0).
    CLi,
    /// `c.lui rd, nzimm` (the upper immediate).
    CLui,
    /// `c.addi16sp sp, nzimm`.
    CAddi16Sp,
    /// `c.slli rd, shamt` (rs1 = rd).
    CSlli,
    /// `c.srli rd', shamt`.
    CShift,
    /// `c.andi rd', imm6`.
    CAndi,
    /// `c.sub rd', rs2'` (rs1 = rd).
    CA,
    /// `c.mv rd, rs2` (rs1 = x0).
    CMv,
    /// `c.add rd, rs2` (rs1 = rd).
    CAdd,
    /// `c.jr rs1` (rd = x0, offset 0).
    CJr,
    /// `c.jalr rs1` (rd = x1, offset 0).
    CJalr,
    /// `c.j target` (rd = x0).
    CJ,
    /// `c.beqz rs1', target` (rs2 = x0).
    CB,
    /// `c.lwsp rd, uimm(sp)`.
    CLwsp,
    /// `c.ldsp rd, uimm(sp)`.
    CLdsp,
    /// `c.fldsp frd, uimm(sp)`.
    CFldsp,
    /// `c.swsp rs2, uimm(sp)`.
    CSwsp,
    /// `c.sdsp rs2, uimm(sp)`.
    CSdsp,
    /// `c.fsdsp frs2, uimm(sp)`.
    CFsdsp,
}

/// A fixed pattern of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Which bits are fixed.
    pub mask: u32,
    /// Their values.
    pub bits: u32,
    /// Length in bytes: 2 or 4.
    pub len: u8,
}

impl Pattern {
    /// Reads a pattern from `0`, `1` and `.` (any) with the most significant bit first; blanks and `_` are
    /// separators. 16 or 32 positions; anything else does not compile.
    pub const fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut mask, mut bits, mut count, mut n) = (0u64, 0u64, 0, 0);
        while n < bytes.len() {
            match bytes[n] {
                b'0' | b'1' => {
                    mask = mask << 1 | 1;
                    bits = bits << 1 | (bytes[n] - b'0') as u64;
                    count += 1;
                }
                b'.' => {
                    mask <<= 1;
                    bits <<= 1;
                    count += 1;
                }
                b' ' | b'_' => {}
                _ => panic!("a pattern has only 0, 1, dots and separators"),
            }
            n += 1;
        }
        assert!(count == 16 || count == 32, "a pattern has 16 or 32 positions");
        Self { mask: mask as u32, bits: bits as u32, len: (count / 8) as u8 }
    }

    /// Whether `word` has the pattern.
    #[inline]
    pub const fn matches(self, word: u32) -> bool {
        word & self.mask == self.bits
    }
}

/// An instruction.
#[derive(Debug, Clone, Copy)]
pub struct InsnDef {
    /// Mnemonic, as objdump prints it without aliases.
    pub name: &'static str,
    /// Extensions that bring it.
    pub need: Need,
    /// Encoding.
    pub pattern: Pattern,
    /// Words that have the pattern and are still reserved (e.g. `c.lui` with a zero immediate): returns
    /// true for words that are valid.
    pub valid: Option<fn(u32) -> bool>,
    /// Operand layout and text.
    pub fmt: Fmt,
    /// Operation class.
    pub class: OpClass,
    /// Where the specification says it: `unpriv 2.4.1`, `priv 3.3.2`, ...
    pub spec: &'static str,
    /// Meaning.
    pub exec: Exec,
}

impl InsnDef {
    /// A row; `valid` starts as "every word with the pattern".
    pub const fn new(
        name: &'static str,
        need: Need,
        pattern: &str,
        fmt: Fmt,
        class: OpClass,
        spec: &'static str,
        exec: Exec,
    ) -> Self {
        Self { name, need, pattern: Pattern::new(pattern), valid: None, fmt, class, spec, exec }
    }

    /// The same row with reserved words taken out.
    pub const fn valid_if(self, valid: fn(u32) -> bool) -> Self {
        Self { valid: Some(valid), ..self }
    }

    /// Whether `word` is this instruction.
    pub fn matches(&self, word: u32) -> bool {
        self.pattern.matches(word) && self.valid.is_none_or(|valid| valid(word)) && self.fmt.rm_valid(word)
    }
}

/// Operands as they stand in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operands {
    /// Destination (0 where the format has none).
    pub rd: u8,
    /// First source.
    pub rs1: u8,
    /// Second source.
    pub rs2: u8,
    /// Third source.
    pub rs3: u8,
    /// Rounding mode field.
    pub rm: u8,
    /// Immediate, see [`Op::imm`].
    pub imm: i32,
}

#[inline]
const fn bits(w: u32, high: u32, low: u32) -> u32 {
    (w >> low) & (u32::MAX >> (31 - (high - low)))
}

/// Bits `high..=low` of `w`, moved so that their lowest lands at `to`.
#[inline]
const fn part(w: u32, high: u32, low: u32, to: u32) -> u32 {
    bits(w, high, low) << to
}

#[inline]
const fn sext(value: u32, width: u32) -> i32 {
    ((value << (32 - width)) as i32) >> (32 - width)
}

impl Fmt {
    /// The register files of the operands.
    pub const fn files(self) -> Files {
        use File::{F, None as N, X};
        let (rd, rs1, rs2, rs3) = match self {
            Self::None | Self::Fence => (N, N, N, N),
            Self::R | Self::Amo | Self::CA | Self::CAdd => (X, X, X, N),
            Self::CMv => (X, N, X, N),
            Self::R2 | Self::I | Self::Shift6 | Self::Shift5 | Self::Load | Self::Csr | Self::Lr => {
                (X, X, N, N)
            }
            Self::CIw | Self::CLw | Self::CLd | Self::CI | Self::CAddi16Sp | Self::CSlli | Self::CShift => {
                (X, X, N, N)
            }
            Self::CAndi | Self::CLwsp | Self::CLdsp => (X, X, N, N),
            Self::Store | Self::Branch | Self::Sfence => (N, X, X, N),
            Self::CSw | Self::CSd | Self::CSwsp | Self::CSdsp => (N, X, X, N),
            Self::CB => (N, X, N, N),
            Self::U | Self::J | Self::CsrImm | Self::Rd | Self::CLi | Self::CLui => (X, N, N, N),
            Self::Cbo | Self::Prefetch | Self::Rs1 | Self::CJr => (N, X, N, N),
            Self::CJalr => (X, X, N, N),
            Self::CJ => (N, N, N, N),
            Self::FLoad | Self::CFld | Self::CFldsp => (F, X, N, N),
            Self::FStore | Self::CFsd | Self::CFsdsp => (N, X, F, N),
            Self::FR | Self::FRn => (F, F, F, N),
            Self::FR4 => (F, F, F, F),
            Self::F2 => (F, F, N, N),
            Self::FCmp => (X, F, F, N),
            Self::FToX | Self::FToXn => (X, F, N, N),
            Self::XToF | Self::XToFn => (F, X, N, N),
        };
        Files { rd, rs1, rs2, rs3 }
    }

    /// Whether the format has a rounding mode field.
    pub const fn has_rm(self) -> bool {
        matches!(self, Self::FR | Self::FR4 | Self::F2 | Self::FToX | Self::XToF)
    }

    /// Rounding modes 5 and 6 are reserved.
    fn rm_valid(self, word: u32) -> bool {
        !self.has_rm() || !matches!(bits(word, 14, 12), 5 | 6)
    }

    /// Takes `w` apart.
    pub fn operands(self, w: u32) -> Operands {
        let (rd, rs1, rs2) = (bits(w, 11, 7) as u8, bits(w, 19, 15) as u8, bits(w, 24, 20) as u8);
        let rs3 = bits(w, 31, 27) as u8;
        let rm = bits(w, 14, 12) as u8;
        let i = sext(bits(w, 31, 20), 12);
        let s = sext(part(w, 31, 25, 5) | bits(w, 11, 7), 12);
        let z = Operands::default();
        // Compressed fields: rd/rs1 full, rs2 full, and the 3-bit ones.
        let (c_rd, c_rs2) = (bits(w, 11, 7) as u8, bits(w, 6, 2) as u8);
        let (c_hi, c_lo) = (8 + bits(w, 9, 7) as u8, 8 + bits(w, 4, 2) as u8);
        let c_imm6 = sext(part(w, 12, 12, 5) | bits(w, 6, 2), 6);
        let c_shamt = (part(w, 12, 12, 5) | bits(w, 6, 2)) as i32;
        let c_w = (part(w, 12, 10, 3) | part(w, 6, 6, 2) | part(w, 5, 5, 6)) as i32;
        let c_d = (part(w, 12, 10, 3) | part(w, 6, 5, 6)) as i32;
        let c_lwsp = (part(w, 12, 12, 5) | part(w, 6, 4, 2) | part(w, 3, 2, 6)) as i32;
        let c_ldsp = (part(w, 12, 12, 5) | part(w, 6, 5, 3) | part(w, 4, 2, 6)) as i32;
        let c_swsp = (part(w, 12, 9, 2) | part(w, 8, 7, 6)) as i32;
        let c_sdsp = (part(w, 12, 10, 3) | part(w, 9, 7, 6)) as i32;
        match self {
            Self::None => z,
            Self::R | Self::Amo | Self::FRn | Self::FCmp => Operands { rd, rs1, rs2, ..z },
            Self::R2 | Self::Lr | Self::FToXn | Self::XToFn => Operands { rd, rs1, ..z },
            Self::I | Self::Load | Self::FLoad => Operands { rd, rs1, imm: i, ..z },
            Self::Shift6 => Operands { rd, rs1, imm: bits(w, 25, 20) as i32, ..z },
            Self::Shift5 => Operands { rd, rs1, imm: i32::from(rs2), ..z },
            Self::Store | Self::FStore => Operands { rs1, rs2, imm: s, ..z },
            Self::Branch => {
                let imm = part(w, 31, 31, 12) | part(w, 7, 7, 11) | part(w, 30, 25, 5) | part(w, 11, 8, 1);
                Operands { rs1, rs2, imm: sext(imm, 13), ..z }
            }
            Self::U => Operands { rd, imm: (w & 0xffff_f000) as i32, ..z },
            Self::J => {
                let imm =
                    part(w, 31, 31, 20) | part(w, 19, 12, 12) | part(w, 20, 20, 11) | part(w, 30, 21, 1);
                Operands { rd, imm: sext(imm, 21), ..z }
            }
            Self::Fence => Operands { imm: bits(w, 31, 20) as i32, ..z },
            Self::Csr => Operands { rd, rs1, imm: bits(w, 31, 20) as i32, ..z },
            Self::CsrImm => Operands { rd, imm: (bits(w, 31, 20) | part(w, 19, 15, 12)) as i32, ..z },
            Self::Sfence => Operands { rs1, rs2, ..z },
            Self::Cbo | Self::Rs1 => Operands { rs1, ..z },
            Self::Prefetch => Operands { rs1, imm: sext(part(w, 31, 25, 5), 12), ..z },
            Self::Rd => Operands { rd, ..z },
            Self::FR => Operands { rd, rs1, rs2, rm, ..z },
            Self::FR4 => Operands { rd, rs1, rs2, rs3, rm, ..z },
            Self::F2 | Self::FToX | Self::XToF => Operands { rd, rs1, rm, ..z },
            Self::CIw => {
                let imm = part(w, 12, 11, 4) | part(w, 10, 7, 6) | part(w, 6, 6, 2) | part(w, 5, 5, 3);
                Operands { rd: c_lo, rs1: 2, imm: imm as i32, ..z }
            }
            Self::CLw => Operands { rd: c_lo, rs1: c_hi, imm: c_w, ..z },
            Self::CLd | Self::CFld => Operands { rd: c_lo, rs1: c_hi, imm: c_d, ..z },
            Self::CSw => Operands { rs2: c_lo, rs1: c_hi, imm: c_w, ..z },
            Self::CSd | Self::CFsd => Operands { rs2: c_lo, rs1: c_hi, imm: c_d, ..z },
            Self::CI => Operands { rd: c_rd, rs1: c_rd, imm: c_imm6, ..z },
            Self::CLi => Operands { rd: c_rd, imm: c_imm6, ..z },
            Self::CLui => Operands { rd: c_rd, imm: c_imm6 << 12, ..z },
            Self::CAddi16Sp => {
                let imm = part(w, 12, 12, 9)
                    | part(w, 6, 6, 4)
                    | part(w, 5, 5, 6)
                    | part(w, 4, 3, 7)
                    | part(w, 2, 2, 5);
                Operands { rd: 2, rs1: 2, imm: sext(imm, 10), ..z }
            }
            Self::CSlli => Operands { rd: c_rd, rs1: c_rd, imm: c_shamt, ..z },
            Self::CShift => Operands { rd: c_hi, rs1: c_hi, imm: c_shamt, ..z },
            Self::CAndi => Operands { rd: c_hi, rs1: c_hi, imm: c_imm6, ..z },
            Self::CA => Operands { rd: c_hi, rs1: c_hi, rs2: c_lo, ..z },
            Self::CMv => Operands { rd: c_rd, rs2: c_rs2, ..z },
            Self::CAdd => Operands { rd: c_rd, rs1: c_rd, rs2: c_rs2, ..z },
            Self::CJr => Operands { rs1: c_rd, ..z },
            Self::CJalr => Operands { rd: 1, rs1: c_rd, ..z },
            Self::CJ => {
                let imm = part(w, 12, 12, 11) | part(w, 11, 11, 4) | part(w, 10, 9, 8) | part(w, 8, 8, 10);
                let imm = imm | part(w, 7, 7, 6) | part(w, 6, 6, 7) | part(w, 5, 3, 1) | part(w, 2, 2, 5);
                Operands { imm: sext(imm, 12), ..z }
            }
            Self::CB => {
                let imm = part(w, 12, 12, 8)
                    | part(w, 11, 10, 3)
                    | part(w, 6, 5, 6)
                    | part(w, 4, 3, 1)
                    | part(w, 2, 2, 5);
                Operands { rs1: c_hi, imm: sext(imm, 9), ..z }
            }
            Self::CLwsp => Operands { rd: c_rd, rs1: 2, imm: c_lwsp, ..z },
            Self::CLdsp | Self::CFldsp => Operands { rd: c_rd, rs1: 2, imm: c_ldsp, ..z },
            Self::CSwsp => Operands { rs2: c_rs2, rs1: 2, imm: c_swsp, ..z },
            Self::CSdsp | Self::CFsdsp => Operands { rs2: c_rs2, rs1: 2, imm: c_sdsp, ..z },
        }
    }
}
