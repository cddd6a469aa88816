//! What an ISA extension outside the core consists of. An extension is data: rows that the decoder and
//! the CSR table take in, and hooks that the machine calls when it is built.

use crate::csr::CsrDef;
use crate::device::Device;
use crate::hart::Hart;
use crate::insn::InsnDef;
use crate::isa::Ext;

/// An extension outside the core.
#[derive(Clone, Copy)]
pub struct IsaExtension {
    /// Its name in ISA strings, beginning with `x`.
    pub name: &'static str,
    /// The slot that its rows name in their `need`; no two extensions of a machine may share one.
    pub slot: Ext,
    /// Extensions that must be there.
    pub needs: &'static [Ext],
    /// Its instructions.
    pub insns: &'static [InsnDef],
    /// Its CSRs.
    pub csrs: &'static [CsrDef],
    /// What it counts: the name of each count in statistics, and the word of a hart's state that holds it.
    pub counters: &'static [(&'static str, usize)],
    /// Brings a hart's state to reset values; `base` is the address of the extension's device on this
    /// platform, if it has one.
    pub reset: fn(hart: &mut Hart, base: Option<u64>),
    /// Makes its memory-mapped device for a window of `size_bytes`.
    pub device: Option<fn(size_bytes: u64) -> Box<dyn Device>>,
}
