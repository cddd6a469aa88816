//! What `relsim run --stats` writes.

use serde_json::Value;

use crate::shell::Outcome;

/// The statistics in `json`.
///
/// # Errors
/// If they are none.
pub fn read(json: &str) -> Outcome<Value> {
    serde_json::from_str(json).map_err(|error| format!("statistics of relsim: {error}"))
}

/// The whole machine's `name` in `statistics`.
///
/// # Errors
/// If it is not there, or no number.
pub fn count(statistics: &Value, name: &str) -> Outcome<u64> {
    statistics[name].as_u64().ok_or_else(|| format!("statistics of relsim: no number of {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_machine() {
        let statistics = read(r#"{"harts": [{"cycles": 1}], "cycles": 23}"#).unwrap();
        assert_eq!(count(&statistics, "cycles"), Ok(23));
        assert!(count(&statistics, "instructions").is_err() && read("{").is_err());
    }
}
