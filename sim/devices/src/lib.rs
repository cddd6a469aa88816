//! The memory-mapped devices of relsim: one file each, none of which knows its own address.
//!
//! Every device implements [`relsim_core::device::Device`]: it sees offsets into its window, drives
//! numbered wires or `mip` bits through [`relsim_core::device::Lines`], and takes its time from the
//! core cycle it is handed. No device looks at the host's clock, and whatever a guest writes, no
//! device panics or works without bound.
//!
//! | device | constructor |
//! |---|---|
//! | core-local interruptor (software and timer interrupts) | [`Clint::new`] |
//! | platform-level interrupt controller | [`Plic::new`] |
//! | SiFive test finisher | [`TestFinisher::new`] |

mod clint;
mod plic;
mod state;
mod test_finisher;

pub use clint::Clint;
pub use plic::Plic;
pub use test_finisher::TestFinisher;
