//! `cargo xtask golden`.

use std::process::Command;

use crate::shell::{Outcome, run as run_command};

/// Builds the comparison optimised, and runs it.
///
/// # Errors
/// If it cannot be built or fails.
pub fn run(args: &[String]) -> Outcome<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(crate::repository());
    cargo.args(["run", "--quiet", "--release", "--package", "relsim-tests", "--example", "golden", "--"]);
    run_command(cargo.args(args))
}
