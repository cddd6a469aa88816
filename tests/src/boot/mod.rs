//! Booting what Debian ships: firmware, boot loader, kernel, and a small initial RAM disk of ours.
//!
//! Everything here is a function of files and arguments: console input is released by console output,
//! never by host time, so two boots are the same boot.

pub mod assets;
pub mod console;
pub mod cpio;
pub mod linux;
mod machine;

pub use console::Step;
pub use machine::{Boot, Outcome};
