//! Disassembly text, as GNU objdump prints it with `-M no-aliases`, but for a blank after the mnemonic.

use std::fmt::Write;

use crate::insn::{File, Fmt, InsnDef, OpClass, Operands};

/// ABI names of the integer registers.
pub const X_NAMES: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
    "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

/// ABI names of the floating-point registers.
pub const F_NAMES: [&str; 32] = [
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4",
    "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8",
    "ft9", "ft10", "ft11",
];

const ROUNDING_MODES: [&str; 8] = ["rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown", "dyn"];

const TO_NEAREST: u8 = 0;
const DYNAMIC: u8 = 7;

/// The rounding mode that the text leaves out: the dynamic one, but the one that assemblers choose for
/// conversions that never round.
fn silent_mode(name: &str) -> u8 {
    match name {
        "fcvt.d.w" | "fcvt.d.wu" | "fcvt.d.s" | "fcvt.d.h" | "fcvt.s.h" => TO_NEAREST,
        _ => DYNAMIC,
    }
}

/// The text of `word`, which is at `pc` and has row `def`. `csr_name` knows the names of CSRs; those it
/// does not know are shown as numbers.
pub fn text(def: &InsnDef, word: u32, pc: u64, csr_name: &dyn Fn(u16) -> Option<&'static str>) -> String {
    if def.class == OpClass::Illegal {
        let (name, raw) = if word & 3 == 3 { (".4byte", word) } else { (".2byte", word & 0xffff) };
        return format!("{name} {raw:#x}");
    }
    let mut out = String::from(def.name);
    if matches!(def.fmt, Fmt::Amo | Fmt::Lr) {
        out.push_str(ordering(word));
    }
    let operands = operand_text(def, word, pc, csr_name);
    if !operands.is_empty() {
        out.push(' ');
        out.push_str(&operands);
    }
    out
}

/// The suffix for the `aq` and `rl` bits.
const fn ordering(word: u32) -> &'static str {
    match word >> 25 & 3 {
        0 => "",
        1 => ".rl",
        2 => ".aq",
        _ => ".aqrl",
    }
}

fn register(file: File, number: u8) -> &'static str {
    let names = if file == File::F { &F_NAMES } else { &X_NAMES };
    names[usize::from(number & 31)]
}

/// The operands after the mnemonic, without blanks.
fn operand_text(def: &InsnDef, word: u32, pc: u64, csr_name: &dyn Fn(u16) -> Option<&'static str>) -> String {
    let fmt = def.fmt;
    let o = fmt.operands(word);
    let files = fmt.files();
    let rd = register(files.rd, o.rd);
    let rs1 = register(files.rs1, o.rs1);
    let rs2 = register(files.rs2, o.rs2);
    let rs3 = register(files.rs3, o.rs3);
    let Operands { imm, rm, .. } = o;
    let target = pc.wrapping_add_signed(imm.into());
    let mut out = match fmt {
        Fmt::None => String::new(),
        Fmt::Rd => rd.into(),
        Fmt::Rs1 | Fmt::CJr | Fmt::CJalr => rs1.into(),
        Fmt::R | Fmt::FR | Fmt::FRn | Fmt::FCmp => format!("{rd},{rs1},{rs2}"),
        Fmt::R2 | Fmt::F2 | Fmt::FToX | Fmt::FToXn | Fmt::XToF | Fmt::XToFn => format!("{rd},{rs1}"),
        Fmt::FR4 => format!("{rd},{rs1},{rs2},{rs3}"),
        Fmt::I | Fmt::CIw => format!("{rd},{rs1},{imm}"),
        Fmt::Shift6 | Fmt::Shift5 => format!("{rd},{rs1},{imm:#x}"),
        Fmt::Load | Fmt::FLoad | Fmt::CLw | Fmt::CLd | Fmt::CFld | Fmt::CLwsp | Fmt::CLdsp | Fmt::CFldsp => {
            format!("{rd},{imm}({rs1})")
        }
        Fmt::Store
        | Fmt::FStore
        | Fmt::CSw
        | Fmt::CSd
        | Fmt::CFsd
        | Fmt::CSwsp
        | Fmt::CSdsp
        | Fmt::CFsdsp => {
            format!("{rs2},{imm}({rs1})")
        }
        Fmt::Branch => format!("{rs1},{rs2},{target:#x}"),
        Fmt::J => format!("{rd},{target:#x}"),
        Fmt::CJ => format!("{target:#x}"),
        Fmt::CB => format!("{rs1},{target:#x}"),
        Fmt::U | Fmt::CLui => format!("{rd},{:#x}", imm as u32 >> 12),
        Fmt::Fence => format!("{},{}", fence_set(imm >> 4), fence_set(imm)),
        Fmt::Csr => format!("{rd},{},{rs1}", csr(imm, csr_name)),
        Fmt::CsrImm => format!("{rd},{},{}", csr(imm, csr_name), imm >> 12),
        Fmt::Amo => format!("{rd},{rs2},({rs1})"),
        Fmt::Lr => format!("{rd},({rs1})"),
        Fmt::Sfence => format!("{rs1},{rs2}"),
        Fmt::Cbo => format!("({rs1})"),
        Fmt::Prefetch => format!("{imm}({rs1})"),
        Fmt::CI | Fmt::CLi | Fmt::CAddi16Sp | Fmt::CAndi => format!("{rd},{imm}"),
        Fmt::CSlli | Fmt::CShift => format!("{rd},{imm:#x}"),
        Fmt::CA | Fmt::CMv | Fmt::CAdd => format!("{rd},{rs2}"),
    };
    if fmt.has_rm() && rm != silent_mode(def.name) {
        let _ = write!(out, ",{}", ROUNDING_MODES[usize::from(rm)]);
    }
    out
}

fn csr(imm: i32, csr_name: &dyn Fn(u16) -> Option<&'static str>) -> String {
    let number = (imm & 0xfff) as u16;
    csr_name(number).map_or_else(|| format!("{number:#x}"), String::from)
}

/// The letters of a `fence` set; objdump calls the empty one unknown.
fn fence_set(bits: i32) -> String {
    let letters = [(8, 'i'), (4, 'o'), (2, 'r'), (1, 'w')];
    let set: String = letters.iter().filter(|(bit, _)| bits & bit != 0).map(|&(_, letter)| letter).collect();
    if set.is_empty() { "unknown".into() } else { set }
}
