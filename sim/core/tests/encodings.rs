//! Properties of the instruction rows as a table.

use std::collections::HashSet;

use relsim_core::decode::Decoder;
use relsim_core::insn::{InsnDef, Pattern};
use relsim_core::isa::{Ext, ExtSet};
use relsim_core::rows;

fn all_rows() -> impl Iterator<Item = &'static InsnDef> {
    rows::BASE.iter().flat_map(|file| file.iter())
}

fn overlap(a: Pattern, b: Pattern) -> bool {
    a.len == b.len && (a.bits ^ b.bits) & a.mask & b.mask == 0
}

#[test]
fn encodings_overlap_only_as_special_cases() {
    let rows: Vec<_> = all_rows().collect();
    for (n, a) in rows.iter().enumerate() {
        for b in &rows[..n] {
            if overlap(a.pattern, b.pattern) {
                let common = a.pattern.mask & b.pattern.mask;
                let special = (common == a.pattern.mask) != (common == b.pattern.mask);
                assert!(
                    special,
                    "{} and {} overlap, and neither is a special case of the other",
                    a.name, b.name
                );
            }
        }
    }
}

#[test]
fn rows_are_complete() {
    let mut names = HashSet::new();
    for def in all_rows() {
        let name = def.name;
        assert!(names.insert(name), "{name} has two rows");
        let spec = def.spec;
        // The chapter on N has no number of its own in what became of the draft.
        let known =
            ["unpriv ", "priv ", "N"].iter().any(|book| spec.starts_with(book) && spec.trim_end() == spec);
        assert!(known, "{name} does not say where it is specified: {spec:?}");
        assert!(def.pattern.bits & !def.pattern.mask == 0, "{name}: bits outside of the mask");
        let is_long = def.pattern.bits & 3 == 3;
        assert_eq!(def.pattern.len, if is_long { 4 } else { 2 }, "{name}: length and low bits disagree");
        assert!(is_long || def.pattern.mask & 3 == 3, "{name} is in two quadrants");
        assert!(!def.need.0.is_empty(), "{name} can never be there");
        if def.fmt.has_rm() {
            assert_eq!(def.pattern.mask >> 12 & 7, 0, "{name}: the pattern fixes bits of the rounding mode");
        }
    }
}

/// Whatever the instruction set, its rows make a decoder; an extension alone brings its rows and no others.
#[test]
fn every_extension_decodes_alone() {
    for &ext in Ext::ALL {
        let isa = ExtSet::of(&[ext]);
        let decoder = Decoder::new(isa, &[]).unwrap_or_else(|error| panic!("{}: {error}", ext.name()));
        for def in decoder.rows() {
            assert!(def.need.met_by(isa), "{} without its extension", def.name);
            let (number, decoded) = decoder
                .decode(def.pattern.bits | free_bits_for(def))
                .unwrap_or_else(|| panic!("{} does not decode", def.name));
            assert_eq!(decoder.row(number).name, decoded.name);
        }
    }
}

/// Free bits that make a valid word of `def`: some pattern of ones does.
fn free_bits_for(def: &InsnDef) -> u32 {
    let free = !def.pattern.mask;
    let tries = [0, free, free & !0x4000, free & !0x6000, free & 0x0fff_8f80];
    tries.into_iter().find(|bits| def.matches(def.pattern.bits | bits)).expect("a row that no word has")
}

/// Encodings of more than 32 bits are illegal, and so are the words of all zeros and of all ones.
#[test]
fn long_and_blank_words_are_illegal() {
    let mut isa = ExtSet::EMPTY;
    Ext::ALL.iter().for_each(|&ext| isa.insert(ext));
    let decoder = Decoder::new(isa, &[]).unwrap();
    assert!(decoder.decode(0).is_none());
    assert!(decoder.decode(0xabcd_0000).is_none(), "only the low half of a 16-bit parcel counts");
    for high in 0..1 << 16 {
        assert!(decoder.decode(high << 16 | high << 5 & 0xffff | 0x1f).is_none());
    }
}
