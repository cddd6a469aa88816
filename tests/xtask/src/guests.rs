//! `cargo xtask guests`: builds the bare-metal guests, and puts the demonstration where the command line
//! embeds it from; with `--check` it compares instead, which is what CI does.

use std::path::PathBuf;

use crate::build::{guest_cargo, settle};
use crate::repository;
use crate::shell::{Outcome, run as execute};

/// Target triple of the guests.
const TARGET: &str = "riscv64gc-unknown-none-elf";

/// The guests whose ELF files are committed: program, and where it lies.
const COMMITTED: &[(&str, &str)] = &[("uintr", "cli/guests/uintr.elf"), ("ways", "cli/guests/ways.elf")];

/// Builds all guests.
///
/// # Errors
/// If the build fails.
pub fn build() -> Outcome<()> {
    let mut command = guest_cargo(&repository().join("tests/guests"));
    command.args(["build", "--release", "--locked"]);
    execute(&mut command)
}

/// The built ELF file of guest `name`.
pub fn elf(name: &str) -> PathBuf {
    repository().join("tests/guests/target").join(TARGET).join("release").join(name)
}

/// What `cargo xtask guests` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only compare what is built with what the command line embeds
    #[arg(long)]
    check: bool,
}

/// Builds, then updates or compares.
///
/// # Errors
/// If the build fails, or with `--check` if a committed file is not what the sources give.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    build()?;
    for (name, committed) in COMMITTED {
        settle(committed, &elf(name), arguments.check, "guests")?;
    }
    Ok(())
}
