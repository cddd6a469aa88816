//! Counters by name: dotted paths into the document that `--stats` writes.

use relsim_core::trap::{Cause, interrupt_name};
use serde_json::Value;

/// The count at `path`, such as `harts.0.traps.user_ecall`.
///
/// # Errors
/// What there is instead.
pub fn look_up(stats: &Value, path: &str) -> Result<u64, String> {
    let mut at = stats;
    let mut done = Vec::new();
    for name in path.split('.') {
        let inner = match at {
            Value::Object(map) => map.get(name),
            Value::Array(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        match inner {
            Some(inner) => at = inner,
            // Traps that never happened are left out of the document.
            None if done.last() == Some(&"traps") && path.ends_with(name) && is_trap(name) => return Ok(0),
            None => return Err(missing(path, at, &done.join("."))),
        }
        done.push(name);
    }
    at.as_u64().ok_or_else(|| format!("{path} is no count in the statistics"))
}

fn is_trap(name: &str) -> bool {
    Cause::ALL.iter().any(|cause| cause.name() == name) || (0..16).any(|code| interrupt_name(code) == name)
}

fn missing(path: &str, at: &Value, done: &str) -> String {
    let whole = if done.is_empty() { "the document" } else { done };
    let there = match at {
        Value::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(", "),
        Value::Array(items) => format!("{} entries, from 0", items.len()),
        _ => "nothing below it".into(),
    };
    let there = if there.is_empty() { "nothing".into() } else { there };
    format!("there is no {path} in the statistics; {whole} has {there}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths() {
        let stats = json!({
            "harts": [{ "traps": { "user_ecall": 3 } }],
            "cycles_by_cause": { "u": { "dcache": 5 } },
            "host_seconds": 0.5,
        });
        let found = |path: &str| look_up(&stats, path);
        assert_eq!(found("harts.0.traps.user_ecall"), Ok(3));
        assert_eq!(found("harts.0.traps.machine_timer"), Ok(0));
        assert_eq!(found("cycles_by_cause.u.dcache"), Ok(5));
        for (path, message) in [
            ("harts.1.cycles", "harts has 1 entries"),
            ("harts.0.traps.no_such_trap", "harts.0.traps has user_ecall"),
            ("harts.0.traps.machine_timer.x", "harts.0.traps has user_ecall"),
            ("cycles_by_cause.u.icache", "cycles_by_cause.u has dcache"),
            ("nothing", "the document has "),
            ("", "the document has "),
            ("host_seconds", "is no count"),
            ("host_seconds.x", "nothing below it"),
            ("harts", "is no count"),
        ] {
            let error = found(path).unwrap_err();
            assert!(error.contains(message), "{path}: {error}");
        }
    }
}
