//! Debug information that is well formed but asks for the impossible: it must be refused, in little time and memory.

mod common;

use common::*;
use relsim_loader::{Image, LoadError, ParseOptions, SourceMap};

const RAM: u64 = 0x8000_0000;

/// Abbreviations: 1 unit, 2 function, 3 inlined function without attributes, 4 function with a range list.
const ABBREVIATIONS: &[u8] = &[
    1, 0x11, 1, 0x11, 1, 0x12, 7, 0, 0, // DW_AT_low_pc addr, DW_AT_high_pc data8
    2, 0x2e, 1, 0x11, 1, 0x12, 7, 0, 0, //
    3, 0x1d, 1, 0, 0, //
    4, 0x2e, 0, 0x55, 0x17, 0, 0, // DW_AT_ranges sec_offset
    0,
];

/// A DWARF 4 unit with these entries after the unit's own.
fn unit(abbreviations_at: u32, entries: &[u8]) -> Vec<u8> {
    let mut unit = vec![4, 0];
    unit.extend(abbreviations_at.to_le_bytes());
    unit.push(8);
    unit.push(1);
    unit.extend(RAM.to_le_bytes());
    unit.extend(4u64.to_le_bytes());
    unit.extend(entries);
    unit.push(0);
    let mut all = (unit.len() as u32).to_le_bytes().to_vec();
    all.extend(unit);
    all
}

/// A function that covers the code, with these children.
fn function(children: &[u8]) -> Vec<u8> {
    let mut entry = vec![2];
    entry.extend(RAM.to_le_bytes());
    entry.extend(4u64.to_le_bytes());
    entry.extend(children);
    entry.push(0);
    entry
}

fn ask(info: Vec<u8>, abbreviations: &[u8], ranges: Vec<u8>) -> Result<usize, LoadError> {
    let file = Elf::new(RAM, vec![Program::load(RAM, &[0x13, 0, 0, 0])])
        .section(".debug_info", 1, info)
        .section(".debug_abbrev", 1, abbreviations.to_vec())
        .section(".debug_ranges", 1, ranges)
        .build();
    let image = Image::parse("hostile", &file, &ParseOptions::default()).unwrap();
    Ok(SourceMap::new(&image).frames(RAM)?.len())
}

/// `depth` inlined functions, each in the one before.
fn nested(depth: usize) -> Vec<u8> {
    let mut children = vec![3; depth];
    children.resize(2 * depth, 0);
    unit(0, &function(&children))
}

#[test]
fn deeply_nested_inlining_does_not_use_up_the_stack() {
    assert_eq!(ask(nested(200), ABBREVIATIONS, Vec::new()).unwrap(), 1);
    let error = ask(nested(1_000_000), ABBREVIATIONS, Vec::new()).unwrap_err().to_string();
    assert_eq!(error, "hostile: debug information: damaged: inlined functions nested deeper than 256");
}

#[test]
fn many_functions_with_one_long_range_list_are_refused() {
    let mut ranges = Vec::new();
    for start in 0..10_000u64 {
        ranges.extend((2 * start).to_le_bytes());
        ranges.extend((2 * start + 1).to_le_bytes());
    }
    ranges.extend([0; 16]);
    let few = unit(0, &[4, 0, 0, 0, 0].repeat(10));
    ask(few, ABBREVIATIONS, ranges.clone()).unwrap();
    let many = unit(0, &[4, 0, 0, 0, 0].repeat(10_000));
    let error = ask(many, ABBREVIATIONS, ranges).unwrap_err().to_string();
    assert!(error.contains("its address ranges refer to each other"), "{error}");
}

#[test]
fn overlapping_abbreviation_tables_are_refused() {
    // One long table, and a unit for every place in it at which an abbreviation begins.
    let table = [1, 0x11, 0, 0, 0].repeat(10_000);
    let units = |count: u32| (0..count).flat_map(|number| unit(5 * number, &[])).collect::<Vec<u8>>();
    assert!(ask(units(1), &table, Vec::new()).is_ok());
    let error = ask(units(10_000), &table, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("its abbreviations refer to each other"), "{error}");
}

#[test]
fn a_line_program_shared_by_many_units_is_refused() {
    // DWARF 4 line table of 20,000 rows, and units that have nothing but a reference to it.
    let mut table = vec![4, 0];
    let header = [1, 1, 1, 0xfb, 14, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, b'a', 0, 0, 0, 0, 0];
    table.extend((header.len() as u32).to_le_bytes());
    table.extend(header);
    table.extend([0, 9, 2]);
    table.extend(RAM.to_le_bytes());
    table.extend([1; 20_000]);
    table.extend([0, 1, 1]);
    let mut lines = (table.len() as u32).to_le_bytes().to_vec();
    lines.extend(table);

    let abbreviations = [1, 0x11, 0, 0x10, 0x17, 0, 0, 0];
    let unit = [12, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0, 0];
    let ask = |count: usize| {
        let file = Elf::new(RAM, vec![Program::load(RAM, &[0x13, 0, 0, 0])])
            .section(".debug_info", 1, unit.repeat(count))
            .section(".debug_abbrev", 1, abbreviations.to_vec())
            .section(".debug_line", 1, lines.clone())
            .build();
        let image = Image::parse("hostile", &file, &ParseOptions::default()).unwrap();
        SourceMap::new(&image).files().map(|files| files.len())
    };
    assert_eq!(ask(1).unwrap(), 1);
    let error = ask(1000).unwrap_err().to_string();
    assert!(error.contains("its line programs refer to each other"), "{error}");
}
