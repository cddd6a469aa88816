//! Every argument of every command, with the help texts.

mod checkpoint;
mod compare;
mod debug;
mod gdb;
mod script;
mod trace;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use relsim_machine::{Limits, TIMING_MODELS, platform};
use relsim_markers::MAX_ID;
use relsim_traces::profile::Metric;

use crate::disk::DiskArg;
use crate::embedded::{self, Builtin};
use crate::symbols::SymbolsArg;
use crate::units::{parse_number, parse_size};

pub use checkpoint::CheckpointArgs;
pub use compare::{CompareArgs, ExplainArgs};
pub use debug::DebugArgs;
pub use gdb::DebuggedRunArgs;
pub use script::ScriptArgs;
pub use trace::{ConvertFormat, TraceCommand, TraceFormat};

/// A cycle-level RISC-V RV64GC full-system simulator with user interrupts.
#[derive(Debug, Parser)]
#[command(name = "relsim", version, propagate_version = true, max_term_width = 100)]
#[command(after_long_help = crate::status::help())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an image
    Run(Box<DebuggedRunArgs>),
    /// Run the cases of a file and compare their cycles with what is recorded there
    #[command(long_about = CHECK_ABOUT)]
    Check(CheckArgs),
    /// Run mechanisms side by side, over a parameter, and show where which is better
    #[command(long_about = compare::COMPARE_ABOUT)]
    Compare(CompareArgs),
    /// Show one operation of two mechanisms side by side, phase by phase
    #[command(long_about = compare::EXPLAIN_ABOUT)]
    Explain(Box<ExplainArgs>),
    /// Run an image and show which functions took its cycles, and why
    #[command(long_about = PROFILE_ABOUT)]
    Profile(Box<ProfileArgs>),
    /// Compare and convert traces
    #[command(subcommand)]
    Trace(TraceCommand),
    /// Debug an image on the whole terminal, forwards and backwards
    #[command(long_about = debug::ABOUT)]
    Debug(Box<DebugArgs>),
    /// Carry out a file of debugger commands: step, break and look, forwards and backwards
    #[command(long_about = script::ABOUT)]
    Script(Box<ScriptArgs>),
    /// List platforms, or show one: memory map, interrupts, clocks, ISA
    #[command(subcommand)]
    Platform(PlatformCommand),
    /// Write the device tree blob that a guest would be given
    Dtb(DtbArgs),
    /// List timing models, or show one's parameters
    #[command(subcommand)]
    Timing(TimingCommand),
    /// List the ISA extensions that --isa takes
    Isa,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages
    Man {
        /// Directory to write one page per command to; without it, relsim(1) goes to standard output
        directory: Option<PathBuf>,
    },
}

/// `relsim timing`.
#[derive(Debug, Subcommand)]
pub enum TimingCommand {
    /// List them
    List,
    /// Show the parameters of one: value, unit, range, meaning and source of the default
    Show {
        /// Its name, or a file as --timing takes it
        #[arg(value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
        model: String,
        /// How
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: TimingFormat,
    },
}

/// How `relsim timing show` shows a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TimingFormat {
    /// A table for people
    Text,
    /// For programs
    Json,
    /// A file for --timing, with every parameter, to be edited
    Toml,
}

fn parse_setting(text: &str) -> Result<(String, u64), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is wanted")?;
    Ok((key.into(), parse_number(value)?))
}

/// What the machine is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Machine")]
pub struct MachineArgs {
    /// The machine to simulate (see `relsim platform list`)
    #[arg(long, value_name = "NAME", default_value = platform::ALL[0].name)]
    #[arg(value_parser = PossibleValuesParser::new(platform::ALL.iter().map(|p| p.name)))]
    pub platform: String,

    /// Number of harts [default: the platform's; 1 on virt]
    #[arg(long, value_name = "N")]
    pub harts: Option<usize>,

    /// Size of main memory in bytes; K, M and G are powers of 1024 [default: the platform's; 512M on virt]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub mem: Option<u64>,

    /// Extensions of every hart, as a standard ISA string such as rv64gc_zba_sstc; what is not named is
    /// illegal (see `relsim isa`) [default: the platform's]
    #[arg(long, value_name = "STRING")]
    pub isa: Option<String>,

    /// How instructions are charged: a timing model (see `relsim timing list`), or a TOML file with a model and
    /// other values for its parameters (see `relsim timing show --format toml`)
    #[arg(long, value_name = "NAME|FILE", default_value = TIMING_MODELS[0].name)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub timing: String,

    /// Another value for a parameter of the timing model, on top of a file's (see `relsim timing show`); may be
    /// given repeatedly
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub set: Vec<(String, u64)>,

    /// How many cycles a hart may run ahead of the others; 1 interleaves them exactly; the timing model rocket
    /// takes 4 for more [default: 100]
    #[arg(long, value_name = "CYCLES", value_parser = parse_quantum)]
    pub quantum: Option<u64>,
}

/// `relsim run`.
#[derive(Debug, Default, Args)]
#[command(after_long_help = crate::status::help())]
#[command(long_about = RUN_ABOUT)]
pub struct RunArgs {
    /// ELF file, Linux Image, either of them gzipped, or with --raw any file; without it, a guest that is
    /// built into relsim
    pub image: Option<PathBuf>,

    /// The guest that runs without IMAGE: `kernel`, the microkernel with its root task; `bench`, benchmarks
    /// of mechanisms on the microkernel; `uintr`, user interrupts from hart to hart without a kernel; or
    /// `ways`, three ways to notify without one. `relsim compare` runs `bench` and `ways` [default: kernel]
    #[arg(long, value_name = "NAME", help_heading = "Software", conflicts_with_all = ["image", "firmware"])]
    #[arg(value_parser = PossibleValuesParser::new(embedded::ALL.iter().map(Builtin::value)))]
    pub builtin: Option<String>,

    /// The machine.
    #[command(flatten)]
    pub machine: MachineArgs,

    /// Firmware to start in M-mode at the start of memory (raw or ELF); IMAGE becomes its next stage, at
    /// the start of memory plus 2 MiB or where IMAGE itself says
    #[arg(long, value_name = "FILE", help_heading = "Software")]
    pub firmware: Option<PathBuf>,

    /// Initial RAM disk, handed over by the device tree
    #[arg(long, value_name = "FILE", help_heading = "Software")]
    pub initrd: Option<PathBuf>,

    /// Kernel command line, handed over by the device tree
    #[arg(long, value_name = "STRING", help_heading = "Software")]
    pub append: Option<String>,

    /// Device tree blob to hand over instead of the one made from the platform
    #[arg(long, value_name = "FILE", help_heading = "Software", conflicts_with_all = ["initrd", "append"])]
    pub dtb: Option<PathBuf>,

    /// Let IMAGE be a file without a known format, loaded byte for byte and entered at ADDRESS [default: the
    /// start of memory, or 2 MiB above it with --firmware]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, help_heading = "Software")]
    #[arg(value_parser = parse_number, requires = "image")]
    pub raw: Option<Option<u64>>,

    /// Plug in a virtio disk with the contents of FILE (repeatable). What the guest writes is kept in
    /// memory and forgotten at the end; with `,write` it goes to FILE, with `,ro` the disk refuses it
    #[arg(long, value_name = "FILE[,ro|,write]", help_heading = "Devices")]
    pub disk: Vec<DiskArg>,

    /// Plug in a virtio network device (repeatable). Its peer is built in, there is no host network: `echo`
    /// answers ARP, ping and UDP echo for 10.0.2.0/24, `loop` sends every frame back, `load` drives a TCP echo server
    /// of the guest
    #[arg(long, value_name = "PEER", help_heading = "Devices")]
    pub net: Vec<NetPeer>,

    /// Plug in a virtio console beside the UART
    #[arg(long, help_heading = "Devices")]
    pub virtio_console: bool,

    /// Where the guest's console input comes from: `auto` (a terminal is used interactively, a regular file
    /// on standard input is read whole, a pipe is left alone), `none`, `-` (standard input, read to its
    /// end before the guest starts) or a FILE
    #[arg(long, value_name = "SOURCE", default_value = "auto", help_heading = "Devices")]
    pub stdin: String,

    /// Stop after this many core cycles
    #[arg(long, value_name = "N", value_parser = parse_number, help_heading = "Limits")]
    pub max_cycles: Option<u64>,

    /// Stop after this many instructions of all harts together
    #[arg(long, value_name = "N", value_parser = parse_number, help_heading = "Limits")]
    pub max_instructions: Option<u64>,

    /// Write counts and configuration as JSON; `-` is standard output, after the guest's
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub stats: Option<PathBuf>,

    /// Write every retired instruction in the format of Spike's --log-commits
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub commit_log: Option<PathBuf>,

    /// Write what happens to FILE, for --trace-format's viewer
    #[arg(long, value_name = "FILE", help_heading = "Output", conflicts_with = "commit_log")]
    pub trace: Option<PathBuf>,

    /// The format of --trace [default: by the ending of FILE, else perfetto]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output", requires = "trace")]
    pub trace_format: Option<TraceFormat>,

    /// Trace only what happens while EXPR is not 0, with the expressions of `relsim script`: `cycle > 0x10000 && hart == 1`,
    /// `priv == 0`, `pc >= trap_entry`. `pc` is the instruction's address, all else is as it leaves it
    #[arg(long, value_name = "EXPR", help_heading = "Output", requires = "trace")]
    pub trace_when: Option<String>,

    /// Write the memory between the symbols begin_signature and end_signature, as the architectural tests
    /// want it
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub signature: Option<PathBuf>,

    /// Bytes in a line of the signature (Spike's default is 16)
    #[arg(long, value_name = "BYTES", default_value_t = 16, help_heading = "Output")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=64), requires = "signature")]
    pub signature_granularity: u64,

    /// Show where the cycles went, and regions of interest, as tables on standard error
    #[arg(long, help_heading = "Output")]
    pub breakdown: bool,

    /// ELF file to take symbols from besides IMAGE and firmware (repeatable), for programs that a kernel loads;
    /// a position-independent one as loaded at ADDRESS
    #[arg(long, value_name = "FILE[@ADDRESS]", help_heading = "Output")]
    pub symbols: Vec<SymbolsArg>,

    /// What region or event ID of the guest's markers is called, if the guest has no name for it, or another
    /// one (repeatable)
    #[arg(long, value_name = "ID=NAME", value_parser = parse_region_name, help_heading = "Output")]
    pub region_name: Vec<(u16, String)>,

    /// No summary, notes or progress on standard error; errors and unusual ends are still reported
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

impl RunArgs {
    /// The guest that is built in, if it is one that runs, rather than somebody's own software.
    pub fn builtin(&self) -> Option<&'static Builtin> {
        if self.image.is_some() || self.firmware.is_some() {
            return None;
        }
        match &self.builtin {
            // The parser admits no other names.
            Some(name) => Builtin::by_name(name),
            None => embedded::ALL.first(),
        }
    }
}

/// `relsim profile`.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// What to run.
    #[command(flatten)]
    pub run: RunArgs,

    /// How the profile is written: `table` for people, `folded` stacks for flame graphs, `callgrind` for KCachegrind
    /// and callgrind_annotate, `json` for programs
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table", help_heading = "Profile")]
    pub format: ProfileFormat,

    /// File to write the profile to [default: standard output, after the guest's]
    #[arg(long, short, value_name = "FILE", help_heading = "Profile")]
    pub output: Option<PathBuf>,

    /// How many functions table and json show [default: 20 in a table, all in json]
    #[arg(long, value_name = "N", help_heading = "Profile")]
    pub top: Option<usize>,

    /// What functions are ordered by, and what folded stacks count: `cycles`, `instructions`, or a cause of
    /// cycles such as `dcache` (`relsim run --breakdown` shows those that occur)
    #[arg(long, value_name = "METRIC", default_value = "cycles", help_heading = "Profile")]
    #[arg(hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(Metric::all().map(|m| m.0)))]
    pub by: String,
}

/// How a profile is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileFormat {
    /// For people
    Table,
    /// Folded stacks, for flame graphs
    Folded,
    /// For KCachegrind and callgrind_annotate
    Callgrind,
    /// For programs
    Json,
}

fn parse_region_name(text: &str) -> Result<(u16, String), String> {
    let (id, name) = text.split_once('=').ok_or("ID=NAME is wanted")?;
    match parse_number(id)?.try_into() {
        Ok(id) if id <= MAX_ID => Ok((id, name.into())),
        _ => Err(format!("regions have numbers up to {MAX_ID}")),
    }
}

const PROFILE_ABOUT: &str = "\
Run an image and show which functions took its cycles, and why.

Takes the options of `relsim run`. Function names are the symbols of IMAGE, of --firmware and of --symbols; code \
without symbols is shown by page. The causes of cycles are told under --timing rocket. The cycles of all \
functions together are those of all harts.";

const RUN_ABOUT: &str = "\
Run an image until the guest ends it, and exit with the guest's code.

An ELF file whose lowest load address is the start of memory starts in M-mode at its entry. One that is \
loaded higher, or a Linux Image, starts in S-mode with relsim's built-in SBI below it, or after --firmware. \
Every hart enters with its number in a0 and the address of the device tree in a1 (with the built-in SBI, \
only hart 0 is started).

The guest's console (UART, HTIF, SBI or virtio) is standard output and, by --stdin, input. With a terminal, \
keys go to the guest as they are typed, Ctrl-C too; Ctrl-A x leaves, Ctrl-A h shows the other keys. Without \
one, a run is a function of its arguments and files alone: the same cycle counts every time.";

/// `relsim check`.
#[derive(Debug, Args)]
#[command(after_long_help = crate::status::check_help())]
pub struct CheckArgs {
    /// TOML file with the cases
    pub file: PathBuf,

    /// Record what the cases take now in FILE, for the next comparison; comments and layout stay
    #[arg(long)]
    pub bless: bool,

    /// How many cases run at the same time [default: as many as the host has processors]
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Write the comparison as Markdown, for the summary of a CI job
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub markdown: Option<PathBuf>,

    /// Write the comparison as JUnit XML
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub junit: Option<PathBuf>,
}

const CHECK_ABOUT: &str = "\
Run the cases of a file and compare their cycles, instructions and chosen counters with what is recorded there.

A case is a `[[case]]` of FILE with a name and the options of `relsim run` as keys. Counts have to be the \
same to the last one, unless the case says by how much they may differ. What a case takes does not depend \
on the host, nor on --jobs.";

/// Built-in network peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetPeer {
    /// Answers ARP, ping and UDP echo
    Echo,
    /// Sends every frame back
    Loop,
    /// Drives a TCP echo server of the guest, as that asks it to
    Load,
}

/// `relsim platform`.
#[derive(Debug, Subcommand)]
pub enum PlatformCommand {
    /// One line about each platform
    List,
    /// Memory map, interrupts, clocks and ISA of one
    Show {
        /// The platform
        #[arg(value_parser = PossibleValuesParser::new(platform::ALL.iter().map(|p| p.name)))]
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// `relsim dtb`.
#[derive(Debug, Args)]
pub struct DtbArgs {
    /// The machine.
    #[command(flatten)]
    pub machine: MachineArgs,

    /// Kernel command line for /chosen
    #[arg(long, value_name = "STRING")]
    pub append: Option<String>,

    /// File to write to [default: standard output, unless that is a terminal]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

fn parse_quantum(text: &str) -> Result<u64, String> {
    match parse_number(text)? {
        0 => Err("a quantum is at least 1 cycle".into()),
        cycles => Ok(cycles),
    }
}

impl RunArgs {
    /// The limits, open where nothing was said.
    pub fn limits(&self) -> Limits {
        Limits {
            max_cycles: self.max_cycles.unwrap_or(u64::MAX),
            max_instructions: self.max_instructions.unwrap_or(u64::MAX),
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use relsim_machine::{MachineConfig, platform};

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The help texts name defaults that live elsewhere.
    #[test]
    fn the_defaults_in_the_help_are_true() {
        let config = MachineConfig::new(&platform::VIRT, crate::extensions::ALL).unwrap();
        assert_eq!((config.harts, config.ram_bytes, config.quantum_cycles), (1, 512 << 20, 100));
    }
}
