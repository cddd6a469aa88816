//! What several models are made of.

pub mod replace;
pub mod saved;
pub mod tags;
