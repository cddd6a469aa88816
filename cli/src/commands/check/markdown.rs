//! The comparison for the summary of a CI job: Markdown with tables, as GitHub and GitLab show it.

use std::fmt::Write;
use std::path::Path;

use relsim_traces::baseline::file::Case;
use relsim_traces::baseline::{Change, Verdict};

use super::outcome::{Outcome, difference, functions, percent, tally};
use crate::units::grouped;

/// The sum, then a table per case.
pub fn markdown(file: &Path, cases: &[Case], outcomes: &[Outcome]) -> String {
    let mut text = format!("## relsim check {}\n\n{}\n", plain(&file.display().to_string()), tally(outcomes));
    for (case, outcome) in cases.iter().zip(outcomes) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n### {}: {}\n", plain(case.name.as_ref()), outcome.standing().name());
        if let Outcome::Compared { comparison, .. } = outcome {
            text.push_str("| counter | recorded | now | difference | per cent | |\n");
            text.push_str("|---|--:|--:|--:|--:|---|\n");
            comparison.changes.iter().for_each(|change| row(&mut text, change));
        }
        let remarks = outcome.remarks(case);
        if !remarks.is_empty() && outcome.measured().is_some() {
            text.push('\n');
        }
        for remark in remarks {
            let _ = writeln!(text, "- {}", plain(&remark));
        }
        let (functions, more) = functions(outcome);
        if !functions.is_empty() {
            text.push_str("\nFunctions whose cycles changed most:\n\n");
            text.push_str("| function | recorded | now | difference | per cent |\n|---|--:|--:|--:|--:|\n");
            for change in &functions {
                let _ = writeln!(text, "{}", cells(change));
            }
        }
        if more > 0 {
            let _ = writeln!(text, "\nand {more} more");
        }
    }
    text
}

fn row(text: &mut String, change: &Change) {
    let verdict = match change.verdict {
        Verdict::Ok => "",
        Verdict::Improvement | Verdict::New | Verdict::NotComparable | Verdict::Regression => {
            change.verdict.name()
        }
    };
    let _ = writeln!(text, "{} {verdict} |", cells(change));
}

/// The cells of `change` from its name to its per cent.
fn cells(change: &Change) -> String {
    format!(
        "| {} | {} | {} | {} | {} |",
        plain(&change.counter),
        change.old.map_or(String::new(), grouped),
        grouped(change.new),
        difference(change),
        percent(change),
    )
}

/// `text` with nothing in it that Markdown would act on.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => plain.extend(['\\', c]),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '&' => plain.push_str("&amp;"),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_is_markup() {
        assert_eq!(plain("a|b_c <d> 20 -> 21"), "a\\|b\\_c &lt;d&gt; 20 -&gt; 21");
    }
}
