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
//! | UART 16550A | [`Uart16550::new`] |
//! | real-time clock | [`RtcGoldfish::new`] |
//! | report port of Rocket's RTL harness | [`ReportPort::new`] |
//! | SiFive test finisher | [`TestFinisher::new`] |
//! | host-target interface | [`HtifDevice::new`], or [`Htif`] over memory |
//! | virtio-mmio slot | [`VirtioMmio::new`], around a [`VirtioDevice`] |

mod clint;
mod htif;
mod plic;
mod report_port;
mod rtc_goldfish;
mod state;
mod test_finisher;
mod uart16550;
mod virtio;

pub use clint::Clint;
pub use htif::{Htif, HtifDevice};
pub use plic::Plic;
pub use report_port::ReportPort;
pub use rtc_goldfish::{DEFAULT_EPOCH_S, RtcGoldfish};
pub use test_finisher::TestFinisher;
pub use uart16550::Uart16550;
pub use virtio::block::{Block, BlockBackend, BlockError, CowDisk, SECTOR_BYTES};
pub use virtio::console::VirtioConsole;
pub use virtio::load::{CONTROL_PORT, LoadPeer, MAX_CONNECTIONS, MAX_MESSAGE_BYTES};
pub use virtio::mmio::VirtioMmio;
pub use virtio::net::Net;
pub use virtio::peer::{EchoPeer, Frames, LoopPeer, NetPeer};
pub use virtio::queue::{Chain, ChainReader, ChainWriter, QueueError};
pub use virtio::{EmptySlot, Progress, VirtioCx, VirtioDevice};
