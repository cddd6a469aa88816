//! Building what commands run or compare.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repository;
use crate::shell::{Outcome, at, run as execute};

/// Cargo in `workspace`, which has a target, flags and profiles of its own: nothing of them comes from whoever calls.
pub fn guest_cargo(workspace: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(workspace);
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    for name in ["LTO", "CODEGEN_UNITS", "DEBUG", "OPT_LEVEL"] {
        command.env_remove(format!("CARGO_PROFILE_RELEASE_{name}"));
    }
    command
}

/// Builds the simulator itself, optimised: where it is.
///
/// # Errors
/// If the build fails.
pub fn build_relsim() -> Outcome<PathBuf> {
    execute(Command::new("cargo").args(["build", "--release", "-p", "relsim"]).current_dir(repository()))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    Ok(target.join("release/relsim"))
}

/// Makes the file `committed` of the repository what was built at `built`, or with `check` only compares; `command` is
/// the one that updates it.
///
/// # Errors
/// If a file cannot be read or written, or with `check` if the two differ.
pub fn settle(committed: &str, built: &Path, check: bool, command: &str) -> Outcome<()> {
    let path = repository().join(committed);
    let fresh = at(built, std::fs::read(built))?;
    let old = std::fs::read(&path).unwrap_or_default();
    if fresh == old {
        println!("{committed} is what its source gives");
    } else if check {
        return Err(format!(
            "{committed} ({} bytes) is not what its source gives now ({} bytes): run `cargo xtask {command}`",
            old.len(),
            fresh.len(),
        ));
    } else {
        at(&path, std::fs::write(&path, &fresh))?;
        println!("{committed} updated: {} bytes", fresh.len());
    }
    Ok(())
}
