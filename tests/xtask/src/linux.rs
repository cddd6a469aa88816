//! `cargo xtask linux`: ping-pong between two processes of Debian's Linux, compared by `relsim compare`. With `--build`,
//! the program for it is built, and that is all.

use std::fs;
use std::path::Path;
use std::process::Command;

use relsim_assets::{linux, linux_workspace, ping_pong};

use crate::build::{build_relsim, guest_cargo};
use crate::debian;
use crate::shell::{Outcome, at, run as execute};

/// The comparison, and the kernel and RAM disk that it names: in the workspace.
const COMPARISON: &str = "pingpong.toml";
const KERNEL: &str = "target/vmlinux";
const INITRD: &str = "target/initrd.cpio";

/// Builds the program.
///
/// # Errors
/// If the build fails.
pub fn build() -> Outcome<()> {
    execute(guest_cargo(&linux_workspace()).args(["build", "--release", "--locked"]))
}

/// Puts what the comparison names where it looks for it.
fn prepare(workspace: &Path) -> Outcome<()> {
    debian::packages()?;
    build()?;
    let program = ping_pong();
    let program = at(&program, fs::read(&program))?;
    let initrd = workspace.join(INITRD);
    at(&initrd, fs::write(&initrd, linux::initrd_of_program(&program)))?;
    let kernel = linux::kernel();
    at(&kernel, fs::copy(&kernel, workspace.join(KERNEL))).map(drop)
}

/// What `cargo xtask linux` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Build the program that Linux runs, and that is all
    #[arg(long, exclusive = true)]
    build: bool,
    /// Arguments of `relsim compare`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    compare: Vec<String>,
}

/// Prepares, and compares.
///
/// # Errors
/// If something cannot be built or had, or a run fails.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    if arguments.build {
        return build();
    }
    let workspace = linux_workspace();
    prepare(&workspace)?;
    let relsim = build_relsim()?;
    execute(Command::new(relsim).arg("compare").arg(workspace.join(COMPARISON)).args(&arguments.compare))
}
