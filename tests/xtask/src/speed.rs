//! `cargo xtask speed`: the benchmark workloads on relsim, on Debian's QEMU and, where it is at hand, on
//! Spike, in turn and side by side, as ratios; with `--timing MODEL`, relsim with that timing model in QEMU's place; with
//! `--elf FILE`, a program of one's own that runs on Spike's platform.
//!
//! Processor time of whole processes, so what else the machine does disturbs it little; the runs take turns
//! and the median of the ratios of neighbours is quoted. All simulators run the same ELF file to the same end.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::build::build_relsim;
use crate::guests;
use crate::shell::{Outcome, on_path, output, run as execute, timed};
use crate::statistics;

const WORKLOADS: &[&str] = &["integer", "memory", "float", "pingpong"];

/// A simulator: its name and how it is started with an ELF file.
struct Simulator {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
}

impl Simulator {
    fn new(name: impl Into<String>, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().copied().map(String::from).collect();
        Self { name: name.into(), program: program.into(), arguments }
    }

    /// Runs `elf` and gives the processor time in seconds.
    fn time(&self, elf: &PathBuf) -> Outcome<f64> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg(elf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        timed(|| execute(&mut command)).map(|((), seconds)| seconds)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Instructions that `elf` takes, as relsim counts them.
fn instructions(relsim: &Simulator, elf: &PathBuf) -> Outcome<f64> {
    let mut command = Command::new(&relsim.program);
    command.args(&relsim.arguments).args(["--stats", "-"]).arg(elf).stdin(Stdio::null());
    let printed = output(&mut command)?;
    // They come behind what the guest has printed.
    let begin = printed.rfind("\n{").map_or(0, |end| end + 1);
    let statistics = statistics::read(&printed[begin..])?;
    Ok(statistics::count(&statistics, "instructions")? as f64)
}

/// What `cargo xtask speed` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// How often each simulator runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Spike; by default `spike` on the search path, if it is there
    #[arg(long, value_name = "PATH")]
    spike: Option<PathBuf>,
    /// relsim with this timing model, in QEMU's place
    #[arg(long, value_name = "MODEL")]
    timing: Option<String>,
    /// A program that runs on Spike's platform, instead of the workloads (repeatable)
    #[arg(long = "elf", value_name = "FILE")]
    elves: Vec<PathBuf>,
}

/// Measures.
///
/// # Errors
/// If something cannot be built or run.
pub fn run(arguments: Arguments) -> Outcome<()> {
    let Arguments { rounds, spike, timing, mut elves } = arguments;
    let spike = spike.or_else(|| on_path("spike").then(|| PathBuf::from("spike")));
    let own = elves.is_empty();
    if own {
        guests::build()?;
        elves.extend(WORKLOADS.iter().map(|name| guests::elf(name)));
    }
    let program = build_relsim()?;
    let platform: &[&str] = if own { &[] } else { &["--platform", "spike"] };
    let relsim = Simulator::new("relsim", program, &[&["run", "-q"], platform].concat());
    let mut peers = Vec::new();
    if let Some(model) = &timing {
        let arguments = [&["run", "-q", "--timing", model], platform].concat();
        peers.push(Simulator::new(model, &*relsim.program, &arguments));
    }
    peers.extend(spike.map(|program| Simulator::new("Spike", program, &["--isa=rv64gc"])));
    if own && timing.is_none() {
        let machine = ["-machine", "virt", "-nographic", "-bios", "none", "-kernel"];
        peers.push(Simulator::new("QEMU", "qemu-system-riscv64", &machine));
    }
    println!("Processor time, median of {rounds} rounds; the ratio is how many times faster relsim is.\n");
    print!("{:10} {:>12} {:>8} {:>7}", "workload", "instructions", "relsim", "MIPS");
    peers.iter().for_each(|peer| print!(" {:>9} {:>7} {:>7}", peer.name, "MIPS", "ratio"));
    println!();
    for elf in elves {
        let name = elf.file_stem().unwrap_or_default().display();
        let count = instructions(&relsim, &elf)?;
        let mut ours = Vec::new();
        let mut theirs = vec![Vec::new(); peers.len()];
        for _ in 0..rounds {
            ours.push(relsim.time(&elf)?);
            for (times, peer) in theirs.iter_mut().zip(&peers) {
                times.push(peer.time(&elf)?);
            }
        }
        let own = median(ours.clone());
        print!("{name:10} {count:>12} {own:>7.2}s {:>7.0}", count / own / 1e6);
        for times in theirs {
            let ratios = times.iter().zip(&ours).map(|(their, our)| their / our).collect();
            let time = median(times);
            print!(" {time:>8.2}s {:>7.0} {:>7.2}", count / time / 1e6, median(ratios));
        }
        println!();
    }
    Ok(())
}
