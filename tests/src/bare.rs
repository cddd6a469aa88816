//! Programs that need nothing but memory.

use relsim_core::hart::Priv;
use relsim_machine::{Payload, Piece};

/// What every hart enters in M-mode at address `base`, with no device tree.
pub fn bare(base: u64, bytes: Vec<u8>) -> Payload {
    Payload {
        pieces: vec![Piece { name: "program".into(), address: base, bytes }],
        entry: base,
        privilege: Priv::M,
        next_stage: None,
        dtb_address: 0,
        htif: None,
    }
}
