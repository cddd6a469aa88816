//! `relsim check`: runs the cases of a file and holds what they take against what is recorded there.
//!
//! `file -> cases -> runs, on several threads -> outcomes -> text, Markdown, JUnit, and the file again`. What
//! is wrong with the file is found out before anything runs; what is wrong with one case does not keep the
//! others from running.

mod counters;
mod execute;
mod junit;
mod markdown;
mod outcome;
mod replace;
mod text;

use std::sync::Arc;

use relsim_traces::baseline;

use crate::args::CheckArgs;
use crate::control::Control;
use crate::error::CliError;
use crate::status;

use super::{pool, prepare};
use outcome::{Outcome, Standing};

/// Runs the cases and gives the exit status.
///
/// # Errors
/// What is wrong with the file, or with writing the results.
pub fn run(args: &CheckArgs) -> Result<u8, CliError> {
    let text = prepare::read("cases", &args.file)?;
    let wrong = |error| CliError::case_file(&args.file, &text, error);
    let file = baseline::file::parse(&text).map_err(wrong)?;
    let directory = prepare::directory(&args.file);
    let prepared = file.cases.iter().map(|case| prepare::prepare(case, directory));
    let prepared: Vec<_> = prepared.collect::<Result<_, _>>().map_err(wrong)?;
    let control = Arc::new(Control::default());
    control.watch_signals()?;
    let place = execute::Place { path: &args.file, text: &text };
    let Some(outcomes) = execute::all(&prepared, pool::jobs(args.jobs), &control, place) else {
        eprintln!("relsim: interrupted; nothing was compared");
        return Ok(status::INTERRUPTED);
    };

    let mut shown = text::text(&file.cases, &outcomes);
    if let Some(path) = &args.markdown {
        let markdown = markdown::markdown(&args.file, &file.cases, &outcomes);
        super::write_file("summary", path, markdown.as_bytes())?;
    }
    if let Some(path) = &args.junit {
        let junit = junit::junit(&args.file, &file.cases, &outcomes)?;
        super::write_file("JUnit report", path, junit.as_bytes())?;
    }
    if args.bless {
        let values: Vec<_> = outcomes.iter().map(|outcome| outcome.measured().cloned()).collect();
        let new = baseline::bless(&text, &values).map_err(wrong)?;
        let recorded = values.iter().zip(&file.cases);
        let changed = recorded.filter(|(new, case)| new.is_some() && **new != case.recorded).count();
        if changed > 0 {
            replace::replace(&args.file, &text, &new)?;
        }
        shown.push_str(&text::blessed(&args.file, changed));
    } else {
        shown.push_str(&text::advice(&args.file, &outcomes));
    }
    super::print(shown.as_bytes())?;
    let standings = outcomes.iter().map(Outcome::standing);
    let worst = if args.bless { standings.map(Standing::blessed).max() } else { standings.max() };
    Ok(worst.map_or(0, Standing::status))
}
