//! User interrupts for RISC-V: the `uipi` instructions, the CSRs `suist`, `suirs` and `suicfg`, and the
//! UINTC. [`UINTR`] is all that the rest of the simulator needs to know.
//!
//! A sender names an entry of a table that its kernel wrote; the entry names a receiver of the UINTC and a
//! vector; the UINTC raises the user software interrupt of the hart that the receiver runs on; N's rules
//! (in `relsim-core`) take it to `utvec`. Numbers and layouts are in [`uintr_abi`].
//!
//! # What malicious or broken code can do
//!
//! - A sender reaches the targets in its table and nothing else. An index beyond the table, an entry that is
//!   not valid, a receiver that the UINTC does not have, and a vector of 64 or more have no effect, and no
//!   fault either, so a sender learns nothing from them.
//! - `uipi` reaches the UINTC and no other device, nor memory except for reading the table: where `suicfg` is
//!   not the address of a UINTC, an operation that would have to reach it is an access fault.
//! - A receiver's hart and mode can be written only through the UINTC's window, which no user maps; a
//!   receiver can take, post back, and (de)activate what is its own by `suirs`.
//! - A table that is not in memory is an access fault, as any other access there would be.
//!
//! Sources: *RISC-V User-interrupt Specification* 0.1.1; chapter "N" of the privileged architecture v1.11
//! draft.

mod csrs;
mod insns;
pub mod messages;
pub mod uintc;

use relsim_core::extension::IsaExtension;
use relsim_core::hart::{EXT_WORDS, Hart};
use relsim_core::isa::Ext;

/// The extension, called `xuintr` in ISA strings. It needs N, which takes what it raises.
pub static UINTR: IsaExtension = IsaExtension {
    name: "xuintr",
    slot: SLOT,
    needs: &[Ext::N, Ext::S],
    insns: insns::ROWS,
    csrs: csrs::ROWS,
    counters: &[("uipi_sends", csrs::SENDS_WORD)],
    reset,
    device: Some(|size_bytes| Box::new(uintc::Uintc::new(size_bytes))),
};

/// Where a hart keeps the state of the extension; the rows' `need` names it too.
const SLOT: Ext = Ext::Custom0;

/// Everything off, and `suicfg` at the platform's UINTC, since software may never write it.
fn reset(hart: &mut Hart, base: Option<u64>) {
    let mut words = [0; EXT_WORDS];
    words[csrs::SUICFG_WORD] = base.unwrap_or(0);
    *hart.ext_words(SLOT) = words;
}
