//! `cargo xtask golden`.

use std::process::Command;

use crate::shell::{Outcome, run as run_command};

/// What `cargo xtask golden` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many of the rows that are furthest off are listed
    #[arg(default_value_t = 20)]
    worst: usize,
}

/// Builds the comparison optimised, and runs it.
///
/// # Errors
/// If it cannot be built or fails.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(crate::repository());
    cargo.args(["run", "--quiet", "--release", "--package", "relsim-tests", "--example", "golden", "--"]);
    run_command(cargo.arg(arguments.worst.to_string()))
}
