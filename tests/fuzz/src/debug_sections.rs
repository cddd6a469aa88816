//! Debug sections as fuzz input: lengths, then bytes. Mutations of a whole ELF file would mostly hit its headers.

use crate::elf_writer::{Elf, GLOBAL_FUNC, Program};

/// Where the code of the program around the sections lies.
pub const CODE: u64 = 0x8000_0000;
/// How many bytes of code there are.
pub const CODE_BYTES: u64 = 0x80;

/// The sections, in the order of their lengths in the input.
const NAMES: [&str; 10] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_line",
    ".debug_str",
    ".debug_line_str",
    ".debug_ranges",
    ".debug_rnglists",
    ".debug_aranges",
    ".debug_addr",
    ".debug_str_offsets",
];

/// Fuzz input from the debug sections of an ELF file; `section` gives the bytes of one.
pub fn encode<'a>(section: impl Fn(&str) -> Option<&'a [u8]>) -> Vec<u8> {
    let sections = NAMES.map(|name| section(name).unwrap_or_default());
    let mut out = Vec::new();
    for section in sections {
        out.extend((section.len() as u16).to_le_bytes());
    }
    out.extend(sections.concat());
    out
}

/// An ELF file around the debug sections that `input` describes. Lengths that are not there are cut.
pub fn decode(input: &[u8]) -> Option<Vec<u8>> {
    let (lengths, mut rest) = input.split_at_checked(2 * NAMES.len())?;
    let mut elf = Elf::new(CODE, vec![Program::load(CODE, &[0; CODE_BYTES as usize])])
        .allocated(".text", CODE, CODE_BYTES)
        .symbol("_start", CODE, 4, GLOBAL_FUNC, 1);
    for (name, length) in NAMES.into_iter().zip(lengths.chunks_exact(2)) {
        let length = usize::from(u16::from_le_bytes([length[0], length[1]])).min(rest.len());
        let (section, after) = rest.split_at(length);
        rest = after;
        elf = elf.section(name, 1, section.to_vec());
    }
    Some(elf.build())
}
