//! The arguments of `relsim compare` and `relsim explain`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};

use super::MachineArgs;
use crate::embedded::{self, Builtin};
use crate::symbols::SymbolsArg;

/// `relsim compare`.
#[derive(Debug, Args)]
#[command(after_long_help = crate::status::compare_help())]
pub struct CompareArgs {
    /// TOML file that says what is compared; without it, the standard comparison
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Only the experiment of this name (repeatable)
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,

    /// How many runs there are at the same time [default: as many as the host has processors]
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Print the file of the standard comparison instead, to be edited
    #[arg(long, conflicts_with_all = ["file", "only", "csv", "json", "html"])]
    pub print: bool,

    /// Write a line for each run as comma-separated values
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub csv: Option<PathBuf>,

    /// Write every count of each run as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,

    /// Write a page with charts, which needs no other file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
}

/// `relsim explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// What to show: EXPERIMENT:MECHANISM of the comparison, with @KEY=VALUE,... for what is swept, or a command
    /// line for --builtin or --image. Without any, what the comparison has is listed
    #[arg(value_name = "OPERATION", num_args = 0..=2)]
    pub operations: Vec<String>,

    /// TOML file of a comparison; without it, the standard comparison
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Show every instruction
    #[arg(long)]
    pub instructions: bool,

    /// ELF file to take symbols from besides the image (repeatable), for programs that a kernel loads; a
    /// position-independent one as loaded at ADDRESS
    #[arg(long, value_name = "FILE[@ADDRESS]")]
    pub symbols: Vec<SymbolsArg>,

    /// Guest to run with each OPERATION as its command line, in the place of a comparison
    #[arg(long, value_name = "NAME", help_heading = "Software", conflicts_with = "file")]
    #[arg(value_parser = PossibleValuesParser::new(embedded::ALL.iter().map(Builtin::value)))]
    pub builtin: Option<String>,

    /// Image to run so
    #[arg(long, value_name = "FILE", help_heading = "Software", conflicts_with_all = ["file", "builtin"])]
    pub image: Option<PathBuf>,

    /// The machine for --builtin and --image.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// What `relsim explain` does.
pub const EXPLAIN_ABOUT: &str = "\
Show one operation of two mechanisms side by side, phase by phase: what each hart did in which function, at which \
privilege, how many cycles that took, and where they went.

It is the last operation that the guest marks as whole (by event 2 in region 1); by then, caches and predictors know \
the way. The phases of a hart add up to the cycles of the operation.";

/// What `relsim compare` does.
pub const COMPARE_ABOUT: &str = "\
Run mechanisms side by side, over a parameter, and show where which is better.

An `[[experiment]]` of FILE names a guest, its parameters, the mechanisms, and what is swept: parameters of the \
guest, which it gets on its command line, or of the hardware, such as the latency of memory. The guest marks what \
is measured as region 1, and prints how many operations that were.

Tables go to standard output: cycles, kernel entries and user interrupts for each operation, how busy the harts \
were, where their cycles went, and where one mechanism passes another. What is measured does not depend on the \
host, nor on --jobs.";
