//! `cargo xtask test`: sets up, then runs every test of the workspace and those of the kernel, and sums up.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::shell::Outcome;
use crate::{kernel, linux, repository, setup};

/// The counts of test programs, added up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Sums {
    passed: u64,
    failed: u64,
    ignored: u64,
    programs: u64,
}

impl Sums {
    /// Adds what a line of a test program's output says; most say nothing.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        self.programs += 1;
        for count in counts.split(['.', ';']) {
            let mut words = count.split_whitespace();
            let (Some(number), Some(what)) = (words.next().and_then(|n| n.parse::<u64>().ok()), words.next())
            else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Arguments of `cargo test`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    cargo: Vec<String>,
}

/// Runs the tests.
///
/// # Errors
/// If setting up or a test fails.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    setup::run()?;
    kernel::build_tested()?;
    linux::build()?;
    let begun = Instant::now();
    let mut command = Command::new("cargo");
    command.args(["test", "--workspace", "--no-fail-fast"]).current_dir(repository());
    let mut sums = Sums::default();
    let mut failures = Vec::new();
    for mut command in [command].into_iter().chain(kernel::host_tests()) {
        command.args(&arguments.cargo).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cargo test: {error}"))?;
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).split(b'\n') {
                let line = line.map_err(|error| format!("cargo test: {error}"))?;
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                sums.add(&line);
            }
        }
        let status = child.wait().map_err(|error| format!("cargo test: {error}"))?;
        if !status.success() {
            failures.push(format!("cargo test: {status}"));
        }
    }
    let Sums { passed, failed, ignored, programs } = sums;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "test: {passed} passed, {failed} failed, {ignored} ignored in {programs} programs; {seconds:.0} s with building"
    );
    if failures.is_empty() { Ok(()) } else { Err(failures.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up() {
        let mut sums = Sums::default();
        sums.add("test a::b ... ok");
        sums.add(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s",
        );
        sums.add(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s",
        );
        assert_eq!(sums, Sums { passed: 15, failed: 2, ignored: 1, programs: 2 });
    }
}
