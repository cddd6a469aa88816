//! Arguments about traces.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// What a trace is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// Timeline of harts and threads, for ui.perfetto.dev
    Perfetto,
    /// Pipeline, instruction by instruction, for Konata
    Konata,
    /// Value changes, for waveform viewers
    Vcd,
    /// Every event as an object in a line, for programs
    Jsonl,
    /// Retired instructions, as Spike's --log-commits
    Spike,
    /// Cycles of functions, for KCachegrind
    Callgrind,
    /// Cycles of stacks, for flame graphs
    Folded,
}

impl TraceFormat {
    /// The one that a file's ending stands for.
    pub fn of_ending(ending: &str) -> Option<Self> {
        Some(match ending {
            "pftrace" | "perfetto-trace" => Self::Perfetto,
            "kanata" | "konata" => Self::Konata,
            "vcd" => Self::Vcd,
            "jsonl" => Self::Jsonl,
            "log" => Self::Spike,
            "callgrind" => Self::Callgrind,
            "folded" => Self::Folded,
            _ => return None,
        })
    }
}

/// What a log is converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConvertFormat {
    /// For Konata
    Konata,
    /// For waveform viewers
    Vcd,
    /// For programs
    Jsonl,
}

/// `relsim trace`.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Find the first instruction that two logs do not agree on
    ///
    /// Reads logs of Spike (--log-commits), QEMU (-d exec,nochain -singlestep) and relsim (--commit-log, and --trace with
    /// jsonl). Harts are compared one by one; what only one of the logs tells is not compared. Exits with 1 if they part.
    Diff {
        /// A log
        first: PathBuf,
        /// Another one
        second: PathBuf,
    },
    /// Write a log in another format
    ///
    /// Reads what `relsim trace diff` reads. Where the log tells no cycles, every instruction of a hart counts for one.
    Convert {
        /// The log
        input: PathBuf,
        /// The file to write
        output: PathBuf,
        /// Its format
        #[arg(long, value_enum, value_name = "FORMAT")]
        to: ConvertFormat,
    },
}
