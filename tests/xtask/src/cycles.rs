//! `cargo xtask cycles`: what the kernel's operations cost on the simulated core, as a page of the book. With
//! `--beside IMAGE` the same root task on another kernel is run, too; without it that kernel's column stays.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::build_relsim;
use crate::kernel::{self, Image};
use crate::repository;
use crate::shell::{Outcome, at, output};

const PAGE: &str = "docs/src/reference/kernel-cycles.md";
/// The other kernel may not be able to stop the machine.
const INSTRUCTIONS: &str = "300000000";

const INTRODUCTION: &str = "# What the kernel's operations cost

Cycles on the simulated Rocket core (`--timing rocket`, one hart), mean of 100 rounds after 10 to warm up, from user mode
to user mode: trap, kernel and the user's stub. Beside it the C kernel of seL4 (16.0.0-dev, non-MCS, `-O2`, fast path,
without debug checks; printing is left in, since the root task prints), with the same root task in an image of seL4's own
tools. `cargo xtask cycles --beside IMAGE` makes this page; a test holds the first column to what the kernel costs now.
The markers by which the kernel says what it does are in its figures. `call` and `reply` are one way, to the first
instruction of the other side; `same_space` and `two_spaces` say where the two threads live; the number is that of message
words, and `cap` one capability instead. Up to four words go the short way. For `failed_invocation` seL4 prints what was
wrong.

| operation | kernel | seL4 | ratio |
|---|---|---|---|
";

/// Mean cycles by operation, in the order in which they are printed.
fn rows(console: &str) -> Vec<(String, u64)> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim().strip_prefix("bench,")?.split(',').collect();
        match cells[..] {
            [name, _, _, mean] => Some((name.to_owned(), mean.parse().ok()?)),
            _ => None,
        }
    };
    console.lines().filter_map(row).collect()
}

/// The other kernel's column of the page as it stands.
fn kept(page: &str) -> BTreeMap<String, u64> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`').to_owned();
        Some((name, cells.nth(1)?.parse().ok()?))
    };
    page.lines().filter_map(row).collect()
}

fn simulate(relsim: &Path, image: &Path, arguments: &[&str]) -> Outcome<Vec<(String, u64)>> {
    let mut command = Command::new(relsim);
    command.args(["run", "--quiet", "--stdin", "none", "--timing", "rocket"]).args(arguments).arg(image);
    // A run that its limit ends is none that failed.
    let rows = match output(&mut command) {
        Ok(console) => rows(&console),
        Err(said) => rows(&said),
    };
    if rows.is_empty() { Err(format!("{}: prints no benchmarks", image.display())) } else { Ok(rows) }
}

/// What `cargo xtask cycles` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The same root task on another kernel, to measure anew beside ours; without it, what was measured stays
    #[arg(long, value_name = "IMAGE")]
    beside: Option<PathBuf>,
}

/// Runs the benchmarks and writes the page.
///
/// # Errors
/// If something cannot be built, run or written.
pub fn run(Arguments { beside }: Arguments) -> Outcome<()> {
    let image = kernel::build(Image::whole("bench", false))?;
    let relsim = build_relsim()?;
    let ours = simulate(&relsim, &image, &["--mem", "512M"])?;
    let path = repository().join(PAGE);
    let theirs = match beside {
        Some(image) => {
            let arguments = ["--mem", "3G", "--max-instructions", INSTRUCTIONS];
            simulate(&relsim, &image, &arguments)?.into_iter().collect()
        }
        None => kept(&std::fs::read_to_string(&path).unwrap_or_default()),
    };
    let mut page = INTRODUCTION.to_owned();
    for (name, cycles) in ours {
        // Writing to a string does not fail.
        let _ = match theirs.get(&name) {
            Some(&other) => {
                let ratio = cycles as f64 / other.max(1) as f64;
                writeln!(page, "| `{name}` | {cycles} | {other} | {ratio:.2} |")
            }
            None => writeln!(page, "| `{name}` | {cycles} | | |"),
        };
    }
    at(&path, std::fs::write(&path, page))?;
    println!("{PAGE} written");
    Ok(())
}
