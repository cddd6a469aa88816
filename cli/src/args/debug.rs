//! `relsim debug`.

use std::path::PathBuf;

use clap::Args;

use super::RunArgs;
use crate::units::parse_size;

/// `relsim debug`.
#[derive(Debug, Default, Args)]
#[command(after_long_help = crate::status::debug_help())]
pub struct DebugArgs {
    /// What to run.
    #[command(flatten)]
    pub run: RunArgs,

    /// Borders and marks of ASCII characters only
    #[arg(long, help_heading = "Screen")]
    pub ascii: bool,

    /// Neither take up nor keep breakpoints, panes and typed lines of this image
    #[arg(long, help_heading = "Screen")]
    pub no_state: bool,

    /// Directory to look for source files in whose path the compiler recorded is not here, by the end of that path
    /// (repeatable)
    #[arg(long, value_name = "DIRECTORY", help_heading = "Screen")]
    pub source: Vec<PathBuf>,

    /// Memory of the host that the past may take, beside the first checkpoint [default: 512M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Screen")]
    pub history: Option<u64>,
}

pub const ABOUT: &str = "\
Debug an image on the whole terminal, forwards and backwards: source and disassembly, registers, CSRs, harts, memory, \
page tables, threads and capabilities of relsim's kernel, user interrupts, cycles and their causes.

Takes the options of `relsim run` that say what is run. The key ? shows the keys, : begins a command, of those that \
`relsim script` knows. Breakpoints, panes and typed lines are kept for each image. NO_COLOR in the environment turns \
colours off.";
