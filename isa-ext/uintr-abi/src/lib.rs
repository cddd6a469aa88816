//! Numbers, fields and layouts of RISC-V user interrupts, shared by the simulator and by kernels.
//!
//! Everything here is a fact of the interface: no state, no dependencies, no `std`. What hardware reads or
//! writes as a word is a struct with `const` conversions `from_bits` and `bits`; conversions from a word
//! drop reserved bits, so `from_bits(w).bits()` is the word as hardware keeps it.
//!
//! Sources: *RISC-V User-interrupt Specification* 0.1.1; chapter "N" of the privileged architecture v1.11
//! draft ([`n`]). Where the two existing implementations agree against the text (a sender table entry has
//! 8 bytes, not 128), the implementations win.

#![no_std]

pub mod csr;
pub mod n;
pub mod table;
pub mod uintc;
pub mod uipi;

pub use csr::{Suirs, Suist};
pub use table::SenderEntry;
pub use uintc::ReceiverLow;
