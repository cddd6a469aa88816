//! `cargo xtask repeat`: a system to its end, functionally and twice with a timing model, on each number of harts that is asked
//! for. The two must have the same statistics and the same console to the byte. With functional mode they share what the guest
//! does, but not when: its console is compared by lines, in any order, with all numbers taken for the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use relsim_assets::linux;
use serde_json::Value;

use crate::build::build_relsim;
use crate::debian;
use crate::repository;
use crate::shell::{Outcome, at, timed};
use crate::statistics;

/// What is run where nobody says otherwise: Debian's Linux, whose process 1 looks around and turns the machine off.
const SCRIPT: &str = "\
uname -sm
echo \"$(nproc) harts\"
seq 1 1000 | sha256sum
poweroff -f
";
/// What `relsim run` says where it came to a limit of instructions: the guest goes on for ever, and that is all of it.
const LIMIT: i32 = 124;
/// Lines that only one console has, of which so many are listed.
const LISTED: usize = 8;

/// A run: how it ended, what it printed, and its statistics without what is the host's.
#[derive(PartialEq, Eq)]
struct Run {
    status: i32,
    console: Vec<u8>,
    statistics: Value,
}

impl Run {
    /// How often each line of the console occurs ([`without_numbers`]).
    fn lines(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        for line in String::from_utf8_lossy(&self.console).lines() {
            *lines.entry(without_numbers(line)).or_default() += 1;
        }
        lines
    }
}

/// `line` with one `#` for all digits that stand together, and without blanks, which numbers are padded with, and colours
/// (ECMA-48, control sequences).
fn without_numbers(line: &str) -> String {
    let mut plain = String::new();
    let mut in_sequence = false;
    for c in line.chars() {
        match c {
            _ if in_sequence => in_sequence = !c.is_ascii_alphabetic(),
            '\x1b' => in_sequence = true,
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            _ if c.is_whitespace() || c.is_control() => {}
            _ => plain.push(c),
        }
    }
    plain
}

/// What is to be done, and where.
struct Plan {
    relsim: PathBuf,
    statistics: PathBuf,
    arguments: Vec<String>,
}

impl Plan {
    /// Runs it on `harts` harts with `timing`.
    fn run(&self, harts: u32, timing: &str) -> Outcome<Run> {
        let mut command = Command::new(&self.relsim);
        command.args(["run", "-q", "--timing", timing, "--harts", &harts.to_string(), "--stats"]);
        command.arg(&self.statistics);
        command.args(&self.arguments).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("{}: {error}", self.relsim.display()))?;
        let status = output.status.code().unwrap_or(-1);
        if status != 0 && status != LIMIT {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("harts {harts}, {timing}: {}\n{}", output.status, said.trim_end()));
        }
        let mut statistics = statistics::read(&at(&self.statistics, fs::read_to_string(&self.statistics))?)?;
        if let Some(all) = statistics.as_object_mut() {
            all.remove("host_seconds");
        }
        Ok(Run { status, console: output.stdout, statistics })
    }
}

/// The lines that `one` has and `other` has not, or not as often.
fn only(one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>) -> Vec<String> {
    let more = |(line, &count): (&String, &usize)| {
        let there = other.get(line).copied().unwrap_or_default();
        (count > there).then(|| format!("{} x {line}", count - there))
    };
    one.iter().filter_map(more).collect()
}

fn list(who: &str, lines: &[String]) {
    for line in lines.iter().take(LISTED) {
        println!("    only {who}: {line}");
    }
    if lines.len() > LISTED {
        println!("    only {who}: {} more", lines.len() - LISTED);
    }
}

/// Debian's Linux, as arguments of `relsim run`; what they name is put into `directory`.
fn linux_arguments(directory: &Path) -> Outcome<Vec<String>> {
    debian::packages()?;
    let initrd = directory.join("initrd.cpio");
    at(&initrd, fs::write(&initrd, linux::initrd(SCRIPT)))?;
    let (kernel, initrd) = (linux::kernel().display().to_string(), initrd.display().to_string());
    let arguments = [&*kernel, "--mem", "256M", "--initrd", &initrd, "--append", "console=ttyS0"];
    Ok(arguments.map(String::from).to_vec())
}

/// What `cargo xtask repeat` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The timing model
    #[arg(long, value_name = "MODEL", default_value = "rocket")]
    timing: String,
    /// Numbers of harts, one after the other
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1")]
    harts: Vec<u32>,
    /// Arguments of `relsim run`, for something else than Debian's Linux
    #[arg(last = true)]
    run: Vec<String>,
}

/// Runs and compares.
///
/// # Errors
/// If something cannot be built or had, a run fails, two runs are not the same, or end otherwise than functionally.
pub fn run(arguments: Arguments) -> Outcome<()> {
    let Arguments { timing, harts, run } = arguments;
    let relsim = build_relsim()?;
    // Several may be at work.
    let directory = repository().join("target/repeat").join(std::process::id().to_string());
    at(&directory, fs::create_dir_all(&directory))?;
    let arguments = if run.is_empty() { linux_arguments(&directory) } else { Ok(run) };
    let compared = arguments.and_then(|arguments| {
        let plan = Plan { relsim, statistics: directory.join("statistics.json"), arguments };
        compare(&plan, &timing, &harts)
    });
    at(&directory, fs::remove_dir_all(&directory))?;
    compared
}

/// Runs `plan` on each of the numbers of `harts`, and says what is the same and what is not.
fn compare(plan: &Plan, timing: &str, harts: &[u32]) -> Outcome<()> {
    println!("{:>5} {:10} {:>16} {:>16} {:>9}", "harts", "timing", "instructions", "cycles", "processor");
    let mut differ = Vec::new();
    for &harts in harts {
        let row = |timing: &str| {
            let (run, seconds) = timed(|| plan.run(harts, timing))?;
            let count = |name| statistics::count(&run.statistics, name);
            let (instructions, cycles) = (count("instructions")?, count("cycles")?);
            println!("{harts:>5} {timing:10} {instructions:>16} {cycles:>16} {seconds:>8.1}s");
            Outcome::Ok(run)
        };
        let functional = row("functional")?;
        let (first, second) = (row(timing)?, row(timing)?);
        let (was, is) = (functional.lines(), first.lines());
        let (missing, new) = (only(&was, &is), only(&is, &was));
        let same = if first == second { "the same twice" } else { "NOT THE SAME twice" };
        let ended = match (first.status, functional.status) {
            (0, 0) => "ended by itself",
            (LIMIT, LIMIT) => "ended at the limit of instructions",
            _ => "ended otherwise than functionally",
        };
        println!(
            "      {timing} {ended}, {same}; {} lines, {} missing, {} more",
            is.len(),
            missing.len(),
            new.len()
        );
        list("functionally", &missing);
        list(timing, &new);
        if first != second || first.status != functional.status {
            differ.push(harts.to_string());
        }
    }
    if differ.is_empty() { Ok(()) } else { Err(format!("runs differ on {} harts", differ.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_up_to_numbers_and_order() {
        let run = |console: &str| Run { status: 0, console: console.into(), statistics: Value::Null };
        let lines = |console| run(console).lines();
        assert_eq!(lines("[    0.5] a\nb 7\n"), lines("b 12\n[   10.25] a\n"));
        assert_eq!(lines("\x1b[1;31mred 3\x1b[0m"), lines("red 4"));
        let (one, other) = (lines("a\nb 1\nb 2\n"), lines("b 3\nc\n"));
        assert_eq!(only(&one, &other), ["1 x a", "1 x b#"]);
        assert_eq!(only(&other, &one), ["1 x c"]);
    }
}
