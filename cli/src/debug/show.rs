//! Registers, memory and instructions, for people and for programs.

use std::fmt::Write;

use relsim_core::csr::CsrDef;
use relsim_core::disasm;
use relsim_machine::Session;
use relsim_machine::session::{Moment, expr::REGISTERS};
use serde_json::{Map, Value, json};

use super::command::{Format, Style};
use super::places::{place, symbol};
use crate::symbols::Symbols;

/// A field of a CSR: name, lowest bit, width.
type Field = (&'static str, u32, u32);

/// `sstatus` and `mstatus` (privileged specification 3.1.6; chapter N).
const STATUS: &[Field] = &[
    ("UIE", 0, 1),
    ("SIE", 1, 1),
    ("MIE", 3, 1),
    ("UPIE", 4, 1),
    ("SPIE", 5, 1),
    ("MPIE", 7, 1),
    ("SPP", 8, 1),
    ("MPP", 11, 2),
    ("FS", 13, 2),
    ("MPRV", 17, 1),
    ("SUM", 18, 1),
    ("MXR", 19, 1),
    ("TVM", 20, 1),
    ("TW", 21, 1),
    ("TSR", 22, 1),
    ("UXL", 32, 2),
    ("SXL", 34, 2),
    ("SD", 63, 1),
];
/// `mip`, `mie` and their views (3.1.9).
const INTERRUPTS: &[Field] = &[
    ("U-software", 0, 1),
    ("S-software", 1, 1),
    ("M-software", 3, 1),
    ("U-timer", 4, 1),
    ("S-timer", 5, 1),
    ("M-timer", 7, 1),
    ("U-external", 8, 1),
    ("S-external", 9, 1),
    ("M-external", 11, 1),
];
/// `satp` (4.1.11).
const SATP: &[Field] = &[("PPN", 0, 44), ("ASID", 44, 16), ("MODE", 60, 4)];
/// `xcause` (3.1.15).
const CAUSE: &[Field] = &[("code", 0, 63), ("interrupt", 63, 1)];
/// `xtvec` (3.1.7).
const VECTOR: &[Field] = &[("MODE", 0, 2), ("BASE/4", 2, 62)];

fn fields(name: &str) -> &'static [Field] {
    match name {
        "mstatus" | "sstatus" | "ustatus" => STATUS,
        "mip" | "mie" | "sip" | "sie" | "uip" | "uie" | "mideleg" | "sideleg" => INTERRUPTS,
        "satp" => SATP,
        "mcause" | "scause" | "ucause" => CAUSE,
        "mtvec" | "stvec" | "utvec" => VECTOR,
        _ => &[],
    }
}

/// The fields of the CSR called `name` when it holds `value`.
pub fn csr_fields(name: &str, value: u64) -> impl Iterator<Item = (&'static str, u64)> {
    fields(name).iter().map(move |&(name, at, width)| (name, value >> at & (u64::MAX >> (64 - width))))
}

/// A CSR with its fields.
pub fn csr(def: &CsrDef, value: u64) -> (String, Value) {
    let values = csr_fields(def.name, value);
    let (mut text, mut map) = (format!("{} {value:#x}", def.name), Map::new());
    for (name, value) in values.filter(|field| field.1 != 0) {
        let _ = write!(text, " {name}={value:#x}");
        map.insert(name.into(), value.into());
    }
    text.push('\n');
    (text, json!({"csr": def.name, "value": format!("{value:#x}"), "fields": map}))
}

/// The integer registers and the pc.
pub fn registers(session: &Session, hart: usize, symbols: &Symbols) -> (String, Value) {
    let hart = &session.machine().cores[hart].hart;
    let (mut text, mut map) = (format!("pc       {}\n", place(symbols, hart.pc)), Map::new());
    map.insert("pc".into(), format!("{:#x}", hart.pc).into());
    for (name, r) in REGISTERS.into_iter().zip(0u8..).skip(1) {
        let value = hart.x(r);
        let _ = write!(text, "{name:<4} {value:#018x}{}", if r % 4 == 0 || r == 31 { "\n" } else { "  " });
        map.insert(name.into(), format!("{value:#x}").into());
    }
    (text, json!({"hart": hart.config.id, "registers": map}))
}

/// A line of disassembly and the instruction's length; `None` where nothing can be fetched.
pub fn instruction(session: &Session, hart: usize, va: u64, symbols: &Symbols) -> Option<(String, u64)> {
    let (text, len) = instruction_text(session, hart, va)?;
    let name = symbol(symbols, va).map_or(String::new(), |symbol| format!(" <{symbol}>"));
    Some((format!("{va:#x}{name}: {text}"), len))
}

/// The text of an instruction alone, and its length.
pub fn instruction_text(session: &Session, hart: usize, va: u64) -> Option<(String, u64)> {
    let (word, len) = session.instruction(hart, va)?;
    let core = session.machine().cores.get(hart)?;
    let decoder = core.blocks.decoder();
    let def = decoder.row(decoder.op(word, 0, 0).row);
    let csr_name = |num| core.hart.csr_table.get(num).map(|def| def.name);
    Some((disasm::text(def, word, va, &csr_name), len))
}

/// Instructions from `va` on.
pub fn instructions(
    session: &Session,
    hart: usize,
    va: u64,
    count: u64,
    symbols: &Symbols,
) -> (String, Value) {
    let pc = session.machine().cores[hart].hart.pc;
    let (mut text, mut list, mut at) = (String::new(), Vec::new(), va);
    for _ in 0..count {
        let Some((line, len)) = instruction(session, hart, at, symbols) else {
            let _ = writeln!(text, "   {at:#x}: nothing can be fetched here");
            break;
        };
        let _ = writeln!(text, "{} {line}", if at == pc { "=>" } else { "  " });
        list.push(line);
        at = at.wrapping_add(len);
    }
    (text, json!({"instructions": list}))
}

/// Memory from `va` on.
pub fn memory(session: &Session, hart: usize, va: u64, format: Format) -> (String, Value) {
    let machine = session.machine();
    let moment = Moment::of(&machine.cores[hart].hart, &machine.bus);
    let size = u64::from(format.size);
    let per_line = 16 / size;
    let (mut text, mut list) = (String::new(), Vec::new());
    for n in 0..format.count {
        let at = va.wrapping_add(n.wrapping_mul(size));
        if n % per_line == 0 {
            let _ = write!(text, "{}{at:#x}:", if n == 0 { "" } else { "\n" });
        }
        let Some(value) = moment.memory(at, format.size) else {
            let _ = write!(text, " no memory");
            break;
        };
        let digits = 2 + 2 * usize::from(format.size);
        let shift = 64 - 8 * u32::from(format.size);
        let shown = match format.style {
            Style::Decimal => ((value << shift).cast_signed() >> shift).to_string(),
            Style::Unsigned => value.to_string(),
            Style::Hex | Style::Instructions => format!("{value:#0digits$x}"),
        };
        let _ = write!(text, " {shown}");
        list.push(shown);
    }
    text.push('\n');
    (text, json!({"address": format!("{va:#x}"), "values": list}))
}

/// The calls that led here: the pc, the return address in `ra`, and those that frame pointers lead to (RISC-V ELF psABI,
/// "Frame Pointer Convention").
pub fn frames(session: &Session, hart: usize, symbols: &Symbols) -> Vec<u64> {
    const MAX_FRAMES: usize = 64;
    let machine = session.machine();
    let hart = &machine.cores[hart].hart;
    let moment = Moment::of(hart, &machine.bus);
    let mut frames = vec![hart.pc, hart.x(1)];
    let (mut frame, mut previous) = (hart.x(8), 0);
    while frames.len() < MAX_FRAMES && frame > previous && frame % 8 == 0 {
        let Some(back) = moment.memory(frame.wrapping_sub(8), 8).filter(|&back| symbols.find(back).is_some())
        else {
            break;
        };
        if frames.last() != Some(&back) {
            frames.push(back);
        }
        previous = frame;
        frame = moment.memory(frame.wrapping_sub(16), 8).unwrap_or(0);
    }
    frames
}

/// [`frames`], as text.
pub fn backtrace(session: &Session, hart: usize, symbols: &Symbols) -> (String, Value) {
    let frames = frames(session, hart, symbols);
    let lines = frames.iter().enumerate().map(|(n, &at)| format!("#{n} {}\n", place(symbols, at)));
    let list: Vec<_> =
        frames.iter().map(|&at| json!({"pc": format!("{at:#x}"), "symbol": symbol(symbols, at)})).collect();
    (lines.collect(), json!({"frames": list}))
}
