//! Comparisons: the same work done by several mechanisms, over a parameter. No I/O here.
//!
//! [`file`](mod@file) reads what is to be compared from TOML and lists the runs, [`Results`] pairs them with what they
//! measured, and [`table`], [`csv`], [`json`] and [`html`] write that down.

pub mod crossing;
pub mod csv;
pub mod file;
pub mod html;
pub mod json;
mod measure;
mod results;
pub mod table;

pub use measure::{CauseCycles, HartMeasured, Measure, Measured};
pub use results::{Outcome, Panel, Results, Row};

#[cfg(test)]
mod tests;
