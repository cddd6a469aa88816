//! The crate disc-v as an oracle.

use disc_v::{Decoder, Extension, Isa};
use relsim_core::isa::Ext;

/// What disc-v says of `word` at `pc`, `None` where that is no instruction.
pub struct Disc(Decoder);

impl Disc {
    /// A decoder for what both know.
    pub fn new() -> Self {
        let known: Vec<_> = Ext::ALL.iter().filter_map(|ext| Extension::from_name(ext.name())).collect();
        Self(Decoder::with_only(Isa::Rv64, known.as_slice()).expect("no two of relsim's extensions conflict"))
    }

    pub fn disassemble(&self, pc: u64, word: u32) -> Option<String> {
        let insn = self.0.decode(pc, word.into()).without_aliases();
        (!insn.is_illegal()).then(|| insn.to_string())
    }
}
