//! The tests, by object.

use crate::harness::Test;

mod untyped;

/// All of them.
pub const ALL: &[&[Test]] = &[untyped::TESTS];
