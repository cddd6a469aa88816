//! `relsim compare`: runs what a file wants compared, and shows what came of it.
//!
//! `file -> runs, on several threads -> measurements -> tables, CSV, JSON, HTML`. What is wrong with the file is found
//! out before anything runs; a run that fails does not keep the others from being shown.

mod execute;
mod measure;
mod standard;

use std::path::Path;
use std::sync::Arc;

use relsim_traces::comparison::file::Comparison;
use relsim_traces::comparison::{Outcome, Results, csv, html, json, table};
use sha2::{Digest, Sha256};

use super::prepare::{self, Prepared};
use super::{pool, print, write_file};
use crate::args::CompareArgs;
use crate::control::Control;
use crate::error::CliError;
use crate::stats::hex;
use crate::status;

pub use standard::Source;

/// Runs a comparison and gives the exit status.
///
/// # Errors
/// What is wrong with the file, or with writing the results.
pub fn run(args: &CompareArgs) -> Result<u8, CliError> {
    if args.print {
        print(standard::TEXT.as_bytes())?;
        return Ok(0);
    }
    let source = Source::read(args.file.as_deref())?;
    let mut comparison = source.parse()?;
    if !args.only.is_empty() {
        keep(&mut comparison, &args.only)?;
    }
    let directory = prepare::directory(source.path());
    let cases = comparison.experiments.iter().flat_map(|experiment| &experiment.runs);
    let prepared = cases.map(|run| prepare::prepare(&run.case, directory));
    let prepared: Vec<Prepared<'_>> = prepared.collect::<Result<_, _>>().map_err(|e| source.wrong(e))?;
    let names = comparison.experiments.iter().flat_map(|e| e.runs.iter().map(|run| e.describe(run)));
    let names: Vec<String> = names.collect();

    let control = Arc::new(Control::default());
    control.watch_signals()?;
    let Some(outcomes) = execute::all(&prepared, &names, pool::jobs(args.jobs), &control) else {
        eprintln!("relsim: interrupted; nothing was compared");
        return Ok(status::INTERRUPTED);
    };
    let failed = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_)));
    let mut outcomes = outcomes.into_iter();
    let by_experiment = comparison.experiments.iter().map(|e| outcomes.by_ref().take(e.runs.len()).collect());
    let results = Results {
        outcomes: by_experiment.collect(),
        comparison: &comparison,
        version: env!("CARGO_PKG_VERSION").into(),
        command: command(args),
        file_sha256: hex(&Sha256::digest(source.text())),
    };
    write(args, &results)?;
    print(table::table(&results).as_bytes())?;
    Ok(if failed { status::UNEXPECTED_END } else { 0 })
}

/// Leaves out the experiments that are not among `names`.
fn keep(comparison: &mut Comparison, names: &[String]) -> Result<(), CliError> {
    let known: Vec<String> = comparison.experiments.iter().map(|e| e.name.as_ref().clone()).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(CliError::NoExperiment { name: name.clone(), known: known.join(", ") });
    }
    comparison.experiments.retain(|experiment| names.contains(experiment.name.as_ref()));
    Ok(())
}

/// What makes the same results again.
fn command(args: &CompareArgs) -> String {
    let mut command = String::from("relsim compare");
    for only in &args.only {
        command.push_str(&format!(" --only {}", quoted(only)));
    }
    if let Some(file) = &args.file {
        command.push_str(&format!(" {}", quoted(&file.display().to_string())));
    }
    command
}

/// `word` as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn write(args: &CompareArgs, results: &Results<'_>) -> Result<(), CliError> {
    if let Some(path) = &args.csv {
        write_file("comparison", path, csv::csv(results).as_bytes())?;
    }
    if let Some(path) = &args.json {
        let failed = |error: serde_json::Error| write_error(path, error);
        write_file("comparison", path, json::json(results).map_err(failed)?.as_bytes())?;
    }
    if let Some(path) = &args.html {
        write_file("comparison", path, html::html(results).as_bytes())?;
    }
    Ok(())
}

fn write_error(path: &Path, error: serde_json::Error) -> CliError {
    CliError::Write { what: "comparison", path: path.into(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("dir/a.toml"), "dir/a.toml");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
