//! From words to rows: the decoder of a hart's instruction set.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, File, Fmt, InsnDef, Op, OpClass, Pattern, X_SINK};
use crate::isa::{ExtSet, Need};
use crate::{region, rows};

/// The row number that operations have which are no instruction.
pub const ILLEGAL_ROW: u16 = 0;

/// What stands at [`ILLEGAL_ROW`]; no word decodes to it.
static ILLEGAL: InsnDef = InsnDef {
    name: "illegal",
    need: Need(&[]),
    pattern: Pattern { mask: 0, bits: 0, len: 4 },
    valid: None,
    fmt: Fmt::None,
    class: OpClass::Illegal,
    spec: "unpriv 1.5",
    exec: illegal,
};

fn illegal(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    Err(h.illegal(op))
}

/// Why a set of rows makes no decoder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecoderError {
    /// A word could be either of two instructions.
    #[error("the encodings of {first} and {second} overlap")]
    Overlap {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}

/// Opcode (bits 6..2) and funct3 (bits 14..12): 256 buckets of 32-bit instructions.
const BUCKETS: u32 = 256;

const fn bucket(word: u32) -> u32 {
    (word >> 2 & 0x1f) << 3 | word >> 12 & 7
}

/// A word that lies in bucket `n`, and the bits that say so.
const fn bucket_pattern(n: u32) -> Pattern {
    Pattern { mask: 0x707f, bits: (n & 7) << 12 | n >> 3 << 2 | 3, len: 4 }
}

/// Whether some word has both patterns.
const fn compatible(a: Pattern, b: Pattern) -> bool {
    a.len == b.len && (a.bits ^ b.bits) & a.mask & b.mask == 0
}

/// Whether every word with pattern `a` has pattern `b`, and not the other way round.
const fn more_specific(a: Pattern, b: Pattern) -> bool {
    a.mask != b.mask && a.mask & b.mask == b.mask
}

/// How many bits of an instruction word count: 16-bit parcels are cut off.
const fn parcel(word: u32) -> u32 {
    if word & 3 == 3 { word } else { word & 0xffff }
}

/// The decoder of one instruction set.
pub struct Decoder {
    /// Every row of the instruction set, [`ILLEGAL`] before them.
    rows: Vec<&'static InsnDef>,
    /// The row of each 16-bit word.
    short: Box<[u16]>,
    /// Where the rows of a bucket begin in `long`; one more than there are buckets.
    long_starts: Box<[u32]>,
    /// Row numbers by bucket, the more specific patterns first.
    long: Vec<u16>,
}

impl Decoder {
    /// The decoder of `isa`: the rows in [`rows::BASE`] and `extensions` whose needs it meets.
    ///
    /// # Errors
    /// [`DecoderError::Overlap`] when a word could be two of these instructions and neither encoding is a
    /// special case of the other.
    pub fn new(isa: ExtSet, extensions: &[&'static [InsnDef]]) -> Result<Self, DecoderError> {
        let all = rows::BASE.iter().chain(extensions).flat_map(|file| file.iter());
        let mut rows: Vec<&'static InsnDef> = all.filter(|def| def.need.met_by(isa)).collect();
        check_overlaps(&rows)?;
        // A special case fixes more bits than what it is a case of.
        rows.sort_by_key(|def| std::cmp::Reverse(def.pattern.mask.count_ones()));
        rows.insert(usize::from(ILLEGAL_ROW), &ILLEGAL);

        let numbered = || rows.iter().zip(0u16..).skip(1);
        let mut short = vec![ILLEGAL_ROW; 1 << 16].into_boxed_slice();
        for (def, number) in
            numbered().filter(|(def, _)| def.pattern.len == 2).collect::<Vec<_>>().into_iter().rev()
        {
            // From the general to the special, so that the special stands in the end.
            words_of(def.pattern).filter(|&w| def.matches(w)).for_each(|w| short[w as usize] = number);
        }
        let mut long = Vec::new();
        let mut long_starts = vec![0];
        for n in 0..BUCKETS {
            let here = numbered().filter(|(def, _)| compatible(def.pattern, bucket_pattern(n)));
            long.extend(here.map(|(_, number)| number));
            long_starts.push(long.len() as u32);
        }
        Ok(Self { rows, short, long_starts: long_starts.into(), long })
    }

    /// The row of `word`, and its number; only the low half counts when that says 16 bits. `None` for
    /// words that are no instruction, encodings of more than 32 bits among them.
    #[inline]
    pub fn decode(&self, word: u32) -> Option<(u16, &'static InsnDef)> {
        let number = if word & 3 == 3 {
            let n = bucket(word) as usize;
            let here = &self.long[self.long_starts[n] as usize..self.long_starts[n + 1] as usize];
            here.iter().copied().find(|&number| self.row(number).matches(word))?
        } else {
            self.short[(word & 0xffff) as usize]
        };
        (number != ILLEGAL_ROW).then(|| (number, self.row(number)))
    }

    /// Row `number`; [`ILLEGAL_ROW`] has one too, of class [`OpClass::Illegal`].
    #[inline]
    pub fn row(&self, number: u16) -> &'static InsnDef {
        self.rows[usize::from(number)]
    }

    /// Every instruction that the decoder knows.
    pub fn rows(&self) -> impl Iterator<Item = &'static InsnDef> + '_ {
        self.rows.iter().copied().skip(1)
    }

    /// `word` ready to execute, as number `index` of a block and `pc_offset` bytes from its start. A word
    /// that is no instruction becomes an operation that raises the illegal-instruction trap.
    pub fn op(&self, word: u32, pc_offset: i16, index: u8) -> Op {
        let raw = parcel(word);
        let (row, def) = self.decode(raw).unwrap_or((ILLEGAL_ROW, &ILLEGAL));
        let operands = def.fmt.operands(raw);
        let files = def.fmt.files();
        Op {
            exec: if region::is_marker(raw) { region::mark } else { def.exec },
            imm: operands.imm,
            raw,
            row,
            pc_offset,
            // Where there is no destination, the shared functions of compressed jumps still write one.
            rd: if operands.rd == 0 && files.rd != File::F { X_SINK } else { operands.rd },
            rs1: operands.rs1,
            rs2: operands.rs2,
            rs3: if files.rs3 == File::None { operands.rm } else { operands.rs3 },
            len: if raw & 3 == 3 { 4 } else { 2 },
            index,
            class: def.class,
            rm: operands.rm,
            files: files.packed(),
            fact: def.class.fact(),
            slot: 0,
        }
    }
}

/// The 16-bit words that have `pattern`.
fn words_of(pattern: Pattern) -> impl Iterator<Item = u32> {
    let free = !pattern.mask & 0xffff;
    let mut next = Some(0u32);
    // Counts up in the free bits alone.
    std::iter::from_fn(move || {
        let now = next?;
        next = (now != free).then(|| (now | !free).wrapping_add(1) & free);
        Some(now | pattern.bits)
    })
}

/// Refuses rows whose encodings overlap, unless one is a special case of the other.
fn check_overlaps(rows: &[&'static InsnDef]) -> Result<(), DecoderError> {
    for (n, a) in rows.iter().enumerate() {
        for b in &rows[..n] {
            let (p, q) = (a.pattern, b.pattern);
            if compatible(p, q) && !more_specific(p, q) && !more_specific(q, p) {
                return Err(DecoderError::Overlap { first: b.name, second: a.name });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Ext;

    const CLASH: &[InsnDef] = &[InsnDef::new(
        "clash",
        crate::need!(Custom0),
        "....... 00000 ..... 000 ..... 0110011",
        Fmt::R,
        OpClass::Custom,
        "none",
        illegal,
    )];

    #[test]
    fn overlaps_are_named() {
        let isa = ExtSet::of(&[Ext::I, Ext::Custom0]);
        let error = Decoder::new(isa, &[CLASH]).err().unwrap();
        assert!(matches!(error, DecoderError::Overlap { second: "clash", .. }), "{error}");
        assert!(Decoder::new(ExtSet::of(&[Ext::I]), &[CLASH]).is_ok());
    }

    #[test]
    fn special_cases_win() {
        let name =
            |isa: &[Ext], word| Decoder::new(ExtSet::of(isa), &[]).unwrap().decode(word).map(|(_, d)| d.name);
        let zext_h = 0x0805_45bb;
        assert_eq!(name(&[Ext::I, Ext::Zbb], zext_h), Some("zext.h"));
        assert_eq!(name(&[Ext::I, Ext::Zbkb], zext_h), Some("packw"));
        assert_eq!(name(&[Ext::I, Ext::Zbb, Ext::Zbkb], zext_h), Some("zext.h"));
        assert_eq!(name(&[Ext::I], zext_h), None);
        assert_eq!(name(&[Ext::I], 0x0100_000f), Some("fence"));
        assert_eq!(name(&[Ext::I, Ext::Zihintpause], 0x0100_000f), Some("pause"));
    }

    #[test]
    fn illegal_words_become_operations() {
        let decoder = Decoder::new(ExtSet::of(&[Ext::I]), &[]).unwrap();
        for (word, raw, len) in [(0, 0, 2), (0xffff_ffff, 0xffff_ffff, 4), (0x1234_0001, 0x0001, 2)] {
            let op = decoder.op(word, 0, 0);
            assert_eq!((op.class, op.raw, op.len, op.row), (OpClass::Illegal, raw, len, ILLEGAL_ROW));
        }
        assert_eq!(decoder.row(ILLEGAL_ROW).name, "illegal");
    }

    #[test]
    fn writes_to_x0_go_nowhere() {
        let decoder = Decoder::new(ExtSet::of(&[Ext::I, Ext::C]), &[]).unwrap();
        for word in [0x0000_0013, 0x8082, 0xa001] {
            assert_eq!(decoder.op(word, 0, 0).rd, X_SINK, "{word:#x}");
        }
    }
}
