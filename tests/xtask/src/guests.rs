//! `cargo xtask guests`: builds the bare-metal guests, and puts the demonstration where the command line
//! embeds it from; with `--check` it compares instead, which is what CI does.

use std::path::PathBuf;
use std::process::Command;

use crate::repository;
use crate::shell::{Outcome, at, run as execute};

/// Target triple of the guests.
const TARGET: &str = "riscv64gc-unknown-none-elf";

/// The guests whose ELF files are committed: program, and where it lies.
const COMMITTED: &[(&str, &str)] = &[("uintr", "cli/guests/uintr.elf")];

/// Builds all guests.
///
/// # Errors
/// If the build fails.
pub fn build() -> Outcome<()> {
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--locked"]).current_dir(repository().join("tests/guests"));
    // The target and flags are those of the guests' own configuration, not of whoever calls.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    execute(&mut command)
}

/// The built ELF file of guest `name`.
pub fn elf(name: &str) -> PathBuf {
    repository().join("tests/guests/target").join(TARGET).join("release").join(name)
}

/// Builds, then updates or compares.
///
/// # Errors
/// If the build fails, or with `--check` if a committed file is not what the sources give.
pub fn run(args: &[String]) -> Outcome<()> {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err("takes --check, or nothing".into()),
    };
    build()?;
    for (name, committed) in COMMITTED {
        let path = repository().join(committed);
        let fresh = at(&elf(name), std::fs::read(elf(name)))?;
        let old = std::fs::read(&path).unwrap_or_default();
        if fresh == old {
            println!("{committed} is what its source gives");
        } else if check {
            return Err(format!(
                "{committed} ({} bytes) is not what its source gives now ({} bytes): run `cargo xtask guests`",
                old.len(),
                fresh.len(),
            ));
        } else {
            at(&path, std::fs::write(&path, &fresh))?;
            println!("{committed} updated: {} bytes", fresh.len());
        }
    }
    Ok(())
}
