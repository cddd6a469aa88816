//! Any word under any set of extensions: decoding, operands and text never panic, and what is decoded has
//! the row's pattern.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relsim_core::csr::CsrTable;
use relsim_core::decode::Decoder;
use relsim_core::disasm::text;
use relsim_core::insn::OpClass;
use relsim_core::isa::parse_isa;
use relsim_uintr::UINTR;
use std::sync::LazyLock;

const ISAS: [&str; 4] =
    ["rv64i", "rv64gc", "rv64imafdcn_zba_zbb_zbc_zbs_zfh_zacas_xuintr", "rv64imac_zicbop"];

static TABLES: LazyLock<Vec<(Decoder, CsrTable)>> = LazyLock::new(|| {
    let tables = ISAS.iter().map(|isa| {
        let isa = parse_isa(isa, &[&UINTR]).expect("the strings are right");
        let decoder = Decoder::new(isa, &[UINTR.insns]).expect("rows do not overlap");
        (decoder, CsrTable::new(isa, &[UINTR.csrs]).expect("numbers are unique"))
    });
    tables.collect()
});

fuzz_target!(|input: (u8, u64, u32)| {
    let (which, pc, word) = input;
    let (decoder, csrs) = &TABLES[usize::from(which) % ISAS.len()];
    let op = decoder.op(word, 0, 0);
    match decoder.decode(word) {
        Some((row, def)) => {
            assert!(def.matches(word) || def.pattern.len == 2 && def.matches(word & 0xffff));
            assert_eq!((op.row, op.len), (row, def.pattern.len));
            let line = text(def, word, pc, &|num| csrs.get(num).map(|csr| csr.name));
            assert!(line.starts_with(def.name));
        }
        None => assert_eq!(op.class, OpClass::Illegal),
    }
});
