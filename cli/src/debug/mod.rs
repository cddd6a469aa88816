//! The debugger without a face: commands, and what they do to a session. What shows them, a script or a screen, is
//! elsewhere.

mod change;
pub mod command;
mod debugger;
mod lines;
mod look;
pub mod places;
pub mod show;
pub mod user_interrupts;

pub use command::{Command, CommandError};
pub use debugger::{Answer, Debugger};
