//! From a platform's description to a running machine.
//!
//! `MachineConfig` + `Payload` -> [`Machine::build`] -> [`Machine::run`] -> [`Report`].

mod checkpoint;
mod config;
pub mod fdt;
mod machine;
pub mod platform;
mod report;
mod sbi;
pub mod session;
mod tables;
mod wiring;

pub use checkpoint::{Checkpoint, Difference, Identity, ReadError, RestoreError, WriteError};
pub use config::{ConfigError, HtifWords, MAX_RAM_BYTES, MachineConfig, Payload, Piece};
pub use machine::{Limits, Machine, Pause};
pub use platform::Platform;
pub use relsim_timing::params::{FixedDef, ParamDef, ParamError, Shape};
pub use relsim_timing::registry::{MODELS as TIMING_MODELS, ModelDef, Timing};
pub use report::{
    Crossed, CyclesByCause, EventReport, Exit, HartReport, RegionReport, Report, SpreadReport, Visit,
};
pub use session::Session;
pub use tables::Tables;
pub use wiring::{BuildError, Peer, Virtio};
