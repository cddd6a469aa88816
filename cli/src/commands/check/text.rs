//! The comparison for people at a terminal, and for logs.

use std::fmt::Write;
use std::path::Path;

use relsim_traces::baseline::file::Case;
use relsim_traces::baseline::{Change, Verdict};

use super::outcome::{Outcome, Standing, difference, functions, percent, tally};
use crate::units::grouped;

/// A line per case, below it what is not as it should be, and the sum.
pub fn text(cases: &[Case], outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let width = cases.iter().map(|case| case.name.as_ref().chars().count()).max().unwrap_or(0);
    for (case, outcome) in cases.iter().zip(outcomes) {
        let counts = match outcome.measured() {
            Some(m) => format!("{} cycles, {} instructions", grouped(m.cycles), grouped(m.instructions)),
            None => String::new(),
        };
        let line = format!("{:<15} {:<width$}  {counts}", outcome.standing().name(), case.name.as_ref());
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", line.trim_end());
        for line in details(case, outcome) {
            let _ = writeln!(text, "    {line}");
        }
    }
    let _ = writeln!(text, "{}", tally(outcomes));
    text
}

/// What is not as it should be, and why, a line each.
pub fn details(case: &Case, outcome: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    if let Outcome::Compared { comparison, .. } = outcome {
        // A new case has nothing but new counts, which are shown already.
        let told = |change: &&Change| match change.verdict {
            Verdict::Ok => false,
            Verdict::New => case.recorded.is_some(),
            Verdict::Improvement | Verdict::NotComparable | Verdict::Regression => true,
        };
        lines.extend(comparison.changes.iter().filter(told).map(line));
    }
    lines.extend(outcome.remarks(case));
    let (functions, more) = functions(outcome);
    if !functions.is_empty() {
        lines.push("functions whose cycles changed most:".into());
        lines.extend(functions.iter().map(|change| format!("    {}", line(change))));
    }
    if more > 0 {
        lines.push(format!("    and {more} more"));
    }
    lines
}

fn line(change: &Change) -> String {
    let Change { counter, old, new, tolerance, .. } = change;
    let Some(old) = old else { return format!("{counter}: {} (not recorded)", grouped(*new)) };
    let mut text = format!("{counter}: {} -> {}, {}", grouped(*old), grouped(*new), difference(change));
    let percent = percent(change);
    if !percent.is_empty() {
        let _ = write!(text, " ({percent})");
    }
    if tolerance.to_string() != "0" {
        let _ = write!(text, ", tolerance {tolerance}");
    }
    text
}

/// How to go on, if there is something that could be recorded.
pub fn advice(file: &Path, outcomes: &[Outcome]) -> String {
    let unblessed = |outcome: &Outcome| match outcome.standing() {
        Standing::Compared(verdict) => verdict != Verdict::Ok,
        Standing::UnexpectedEnd | Standing::Failed => false,
    };
    if !outcomes.iter().any(unblessed) {
        return String::new();
    }
    format!("if that is how it should be: relsim check --bless {}\n", file.display())
}

/// What was recorded.
pub fn blessed(file: &Path, changed: usize) -> String {
    match changed {
        0 => format!("{} is up to date\n", file.display()),
        1 => format!("1 case recorded in {}\n", file.display()),
        _ => format!("{changed} cases recorded in {}\n", file.display()),
    }
}
