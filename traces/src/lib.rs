//! What a run leaves behind for other tools: one file per format.

pub mod baseline;
pub mod commit_log;
pub mod comparison;
mod observed;
pub mod profile;
mod text;
pub mod timeline;
pub mod trace;
