//! Checkpoints in files.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::units::parse_number;

/// What to write, and what to go on from.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Checkpoints")]
pub struct CheckpointArgs {
    /// Write a checkpoint as soon as a hart has got to core cycle CYCLE, counted from reset, and go on; the run is the same as
    /// without. With several CYCLEs, each goes to FILE with `.CYCLE` behind its name
    #[arg(long, value_name = "CYCLE[,CYCLE...]", value_parser = parse_number, value_delimiter = ',')]
    #[arg(requires = "checkpoint", conflicts_with = "gdb")]
    pub checkpoint_at: Vec<u64>,

    /// The FILE of --checkpoint-at
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "checkpoint_at")]
    pub checkpoint: Option<PathBuf>,

    /// Go on from a checkpoint: with the same image, machine, devices and console input, or it is refused. Limits and counts
    /// are from reset on; what the guest printed before is not printed again
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub restore: Option<PathBuf>,
}
