//! Booting what Debian ships: firmware, boot loader, kernel, and a small initial RAM disk of ours.
//!
//! Everything here is a function of files and arguments: console input is released by console output,
//! never by host time, so two boots are the same boot.

pub mod console;
mod machine;

pub use console::Step;
pub use machine::{Boot, Outcome};
pub use relsim_assets::{self as assets, cpio, linux};
