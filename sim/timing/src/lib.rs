//! Timing models, one folder each; [`registry`] lists them.

pub mod functional;
pub mod params;
pub mod parts;
pub mod registry;
pub mod rocket;
pub mod simple;
