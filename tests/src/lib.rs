//! Helpers of the tests that need more than one crate, or another simulator.

mod bare;
pub mod boot;
pub mod checkpoints;
pub mod golden;
pub mod lockstep;
pub mod wandering;
mod watching;

pub use bare::bare;
pub use watching::Watching;
