//! Timing models, one folder each.

pub mod rocket;
