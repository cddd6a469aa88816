//! A block of random code before and after its addresses are known.

use relsim_core::insn::Fmt;

use super::asm::{addi, auipc, branch_bits, jump_bits};

/// A piece of a gadget.
#[derive(Debug, Clone, Copy)]
pub enum Item {
    /// An instruction as it is.
    Word(u32),
    /// A branch or jump to the start of a gadget.
    Jump {
        /// The word, with a zero offset.
        word: u32,
        /// How the offset is encoded.
        fmt: Fmt,
        /// Number of the gadget.
        target: usize,
    },
    /// `auipc` and `addi`: `rd` = address of a gadget minus `less`.
    Place {
        /// Destination.
        rd: u32,
        /// Number of the gadget.
        target: usize,
        /// Subtracted, for a following instruction to add.
        less: i32,
    },
}

/// Items that are only entered at the first.
pub type Gadget = Vec<Item>;

/// Length of the instruction `word`.
pub fn word_bytes(word: u32) -> u64 {
    if word & 3 == 3 { 4 } else { 2 }
}

fn item_bytes(item: &Item) -> u64 {
    match item {
        Item::Word(word) | Item::Jump { word, .. } => word_bytes(*word),
        Item::Place { .. } => 8,
    }
}

/// A `nop` of `bytes`.
fn nop(bytes: u64) -> u32 {
    if bytes == 2 { 0x0001 } else { super::asm::NOP }
}

/// Bits of a 16-bit offset: `(from, to)` pairs, bit `from` of the offset goes to bit `to` of the word.
const CJ_BITS: &[(u32, u32)] =
    &[(11, 12), (4, 11), (9, 10), (8, 9), (10, 8), (6, 7), (7, 6), (3, 5), (2, 4), (1, 3), (5, 2)];
const CB_BITS: &[(u32, u32)] = &[(8, 12), (4, 11), (3, 10), (7, 6), (6, 5), (2, 4), (1, 3), (5, 2)];

/// `word` with offset `offset`; a `nop` where that does not reach.
fn with_offset(word: u32, fmt: Fmt, offset: i32) -> u32 {
    let scatter =
        |map: &[(u32, u32)]| map.iter().fold(0, |bits, &(from, to)| bits | (offset as u32 >> from & 1) << to);
    let patched = match fmt {
        Fmt::Branch => word | branch_bits(offset),
        Fmt::J => word | jump_bits(offset),
        Fmt::CJ => word | scatter(CJ_BITS),
        _ => word | scatter(CB_BITS),
    };
    if fmt.operands(patched).imm == offset { patched } else { nop(word_bytes(word)) }
}

/// The words of a block.
#[derive(Debug, Clone)]
pub struct Code {
    /// Where each gadget begins, relative to the block; one more than there are gadgets: the end mark.
    pub starts: Vec<u64>,
    /// The words.
    pub words: Vec<u32>,
}

/// Resolves offsets. Gadgets from number `keep` on become `nop`s of the same size, so that shortened blocks
/// have the addresses of the full ones. The end mark (`ecall`) follows the last gadget.
pub fn lay_out(gadgets: &[Gadget], keep: usize) -> Code {
    let mut starts = vec![0];
    for gadget in gadgets {
        let bytes: u64 = gadget.iter().map(item_bytes).sum();
        starts.push(starts[starts.len() - 1] + bytes);
    }
    let mut words = Vec::new();
    for (n, gadget) in gadgets.iter().enumerate() {
        let mut at = starts[n];
        for item in gadget {
            let to = |target: usize| (starts[target] as i64 - at as i64) as i32;
            let from = words.len();
            match *item {
                Item::Word(word) => words.push(word),
                Item::Jump { word, fmt, target } => words.push(with_offset(word, fmt, to(target))),
                Item::Place { rd, target, less } => {
                    let offset = to(target) - less;
                    let low = offset << 20 >> 20;
                    words.push(auipc(rd, (offset.wrapping_sub(low) as u32) >> 12));
                    words.push(addi(rd, rd, low));
                }
            }
            if n >= keep {
                for word in &mut words[from..] {
                    *word = nop(word_bytes(*word));
                }
            }
            at += item_bytes(item);
        }
    }
    words.push(super::asm::ECALL);
    Code { starts, words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_round_trip() {
        let cases = [
            (0x63, Fmt::Branch, 4094),
            (0x6f, Fmt::J, 1 << 19),
            (0xa001, Fmt::CJ, 2046),
            (0xc001, Fmt::CB, 254),
        ];
        for (word, fmt, most) in cases {
            for offset in [-most - 2, -2, 2, 6, 0x54, most] {
                assert_eq!(fmt.operands(with_offset(word, fmt, offset)).imm, offset, "{fmt:?}");
            }
            assert!(matches!(with_offset(word, fmt, 4 * most), 0x0001 | super::super::asm::NOP));
        }
    }
}
