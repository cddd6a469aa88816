//! Breakpoints at lines of source.

use relsim_machine::session::{Stop, Trigger};
use serde_json::json;

use super::command::{CommandError, Text};
use super::debugger::{Answer, Debugger};

/// `FILE:LINE`, taken apart. `module::name` is a symbol.
fn parts(place: &str) -> Option<(&str, u32)> {
    let (file, line) = place.trim().rsplit_once(':')?;
    let is_file = !file.is_empty() && !file.ends_with(':') && !file.contains('?');
    Some((file, line.parse().ok()?)).filter(|_| is_file)
}

/// Whether a place is `FILE:LINE`, not an expression.
pub(super) fn is_line(place: &str) -> bool {
    parts(place).is_some()
}

impl Debugger {
    /// One breakpoint for all the places at which a statement of a line begins: loops and inlined copies give several.
    pub(super) fn break_at_line(
        &mut self,
        place: &Text,
        condition: Option<&Text>,
    ) -> Result<Answer, CommandError> {
        let wrong = |message: String| CommandError { at: place.at, message };
        let (file, line) = parts(&place.text).ok_or_else(|| wrong("expected FILE:LINE".into()))?;
        let found = self.symbols.addresses_of_line(file, line).map_err(|error| wrong(error.to_string()))?;
        if found.is_empty() {
            return Err(wrong(format!("no statement begins at line {line} of a source file {file:?}")));
        }
        let parsed = condition.map(|text| self.parse(text)).transpose()?;
        let number = self.next_number;
        self.next_number += 1;
        let first = found.first().map_or(String::new(), |&address| self.place(address));
        let more = match found.len() {
            1 => String::new(),
            n => format!(" and {} more places", n - 1),
        };
        let condition = condition.map_or(String::new(), |condition| format!(" if {}", condition.text));
        let text = format!("break {file}:{line} at {first}{more}{condition}");
        for address in found {
            let stop = Stop { number, trigger: Trigger::Address(address), condition: parsed.clone() };
            self.stops.push((stop, text.clone()));
        }
        Ok(Answer::new((format!("{number}: {text}\n"), json!({"number": number, "stop": text}))))
    }

    /// The stops as the user made them: those of a line once.
    pub(super) fn listed(&self) -> impl Iterator<Item = &(Stop, String)> {
        let number = |n: usize| self.stops.get(n).map(|(stop, _)| stop.number);
        let first = move |n: usize| n.checked_sub(1).and_then(number) != number(n);
        self.stops.iter().enumerate().filter(move |(n, _)| first(*n)).map(|(_, stop)| stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_from_expressions() {
        assert_eq!(parts("src/main.rs:12 "), Some(("src/main.rs", 12)));
        for place in ["kernel::main", "a0 ? b : 3", "12", "main", ":12", "main.rs:", "a::12"] {
            assert_eq!(parts(place), None, "{place}");
        }
    }
}
