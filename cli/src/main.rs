//! The command line of relsim.
//!
//! Arguments are in [`args`], one file per command in [`commands`]. `relsim run` goes
//! `args -> plan -> image and payload -> machine -> report -> stats`; what can be wrong is found out before
//! anything is started or written.

mod args;
mod breakdown;
mod checkpoint;
mod commands;
mod console;
mod control;
mod debug;
mod disk;
mod embedded;
mod error;
mod extensions;
mod gdb;
mod payload;
mod plan;
mod progress;
mod report;
mod signature;
mod stats;
mod status;
mod suggest;
mod symbols;
mod timing_file;
mod timing_toml;
mod tui;
mod units;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Cli::parse();
    match commands::dispatch(args.command) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprint!("{}", report::text(&error));
            ExitCode::from(status::FAILED)
        }
    }
}
