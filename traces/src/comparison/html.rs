//! stub
use super::Results;
/// stub
pub fn html(_: &Results<'_>) -> String { String::new() }
