//! `relsim script`.

use std::path::PathBuf;

use clap::Args;

use super::RunArgs;
use crate::units::parse_size;

/// `relsim script`.
#[derive(Debug, Args)]
#[command(after_long_help = crate::status::script_help())]
pub struct ScriptArgs {
    /// File with the commands, one a line; `-` is standard input
    #[arg(value_name = "FILE")]
    pub script: PathBuf,

    /// What to run.
    #[command(flatten)]
    pub run: RunArgs,

    /// Print one JSON object a line for each command
    #[arg(long, help_heading = "Script")]
    pub json: bool,

    /// Memory of the host that the past may take, beside the first checkpoint [default: 512M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Script")]
    pub history: Option<u64>,
}

pub const ABOUT: &str = "\
Carry out a file of debugger commands: step, break and look, forwards and backwards.

Takes the options of `relsim run` that say what is run. One command a line; what follows # is a comment. The command \
`help` lists them. What the guest prints comes before the answer of the command during which it did; what it would \
print again after going back is not shown again.";
