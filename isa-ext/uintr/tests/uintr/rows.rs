//! The instruction rows among those of the core: decoding and text.

use relsim_core::decode::Decoder;
use relsim_core::disasm;
use relsim_core::insn::OpClass;
use relsim_core::isa::{Ext, ExtSet, parse_isa};
use relsim_uintr::UINTR;
use uintr_abi::uipi;

fn everything() -> Decoder {
    Decoder::new(ExtSet::of(Ext::ALL), &[UINTR.insns]).expect("no row overlaps another")
}

fn text(word: u32) -> Option<String> {
    let decoder = everything();
    let (_, def) = decoder.decode(word)?;
    Some(disasm::text(def, word, 0, &|_| None))
}

fn words() -> [(u32, &'static str); 5] {
    [
        (uipi::send(10), "uipi.send a0"),
        (uipi::read(11), "uipi.read a1"),
        (uipi::write(12), "uipi.write a2"),
        (uipi::activate(), "uipi.activate"),
        (uipi::deactivate(), "uipi.deactivate"),
    ]
}

/// "funct3 is 0b010 in the specification and 0b110 in deployed software: accept both."
#[test]
fn both_forms_decode_and_disassemble() {
    for (word, expected) in words() {
        for word in [word, uipi::deployed(word)] {
            let shown = text(word).unwrap();
            let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(shown, expected, "{word:#010x}");
            assert_eq!(everything().op(word, 0, 0).class, OpClass::Custom);
        }
    }
}

/// "Any other funct7/funct3 is an illegal instruction"
#[test]
fn other_functs_are_illegal() {
    let decoder = everything();
    for funct7 in 0..128 {
        for funct3 in 0..8 {
            let word = funct7 << 25 | funct3 << 12 | uipi::OPCODE;
            let legal = funct7 <= 4 && (funct3 == uipi::FUNCT3 || funct3 == uipi::FUNCT3_DEPLOYED);
            assert_eq!(decoder.decode(word).is_some(), legal, "{word:#010x}");
        }
    }
}

/// The operation of an early draft stood in rs2 with funct7 0; it must not be taken for `uipi.send`.
#[test]
fn unused_fields_are_zero() {
    let decoder = everything();
    let (rd, rs1, rs2) = (1 << 7, 1 << 15, 1 << 20);
    for (word, unused) in [
        (uipi::send(10), [rd, rs2].as_slice()),
        (uipi::read(10), &[rs1, rs2]),
        (uipi::write(10), &[rd, rs2]),
        (uipi::activate(), &[rd, rs1, rs2]),
        (uipi::deactivate(), &[rd, rs1, rs2]),
    ] {
        for bits in unused {
            assert!(decoder.decode(word | bits).is_none(), "{:#010x}", word | bits);
        }
    }
}

/// "and so is every `uipi` when the extension is off"
#[test]
fn off_without_the_extension() {
    let decoder = Decoder::new(parse_isa("rv64gcn", &[&UINTR]).unwrap(), &[UINTR.insns]).unwrap();
    assert!(words().iter().all(|&(word, _)| decoder.decode(word).is_none()));
}

/// The extension needs N (and S), and its name is one that ISA strings can have.
#[test]
fn isa_string() {
    assert!(parse_isa("rv64gcn_xuintr", &[&UINTR]).unwrap().has(UINTR.slot));
    assert!(parse_isa("rv64gc_xuintr", &[&UINTR]).is_err());
    assert!(parse_isa("rv64gcn_xuintr", &[]).is_err());
}
