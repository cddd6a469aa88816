//! `cargo xtask`: what the project needs beside its programs. One file per command.

mod build;
mod cycles;
mod debian;
mod golden;
mod guests;
mod host;
mod kernel;
mod linux;
mod python;
mod repeat;
mod setup;
mod shell;
mod speed;
mod statistics;
mod test;
mod user_symbols;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use relsim_assets::{cache, repository};

/// What relsim needs beside its programs: sets up, builds, compares, measures
#[derive(Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need; says what it does
    Setup,
    /// Set up, then run all tests
    Test(test::Arguments),
    /// Build the bare-metal guests, and update those that the command line embeds
    Guests(guests::Arguments),
    /// Build the kernel, and update the images that the command line embeds
    Kernel(kernel::Arguments),
    /// Measure the kernel's operations, and write the book's page about them
    Cycles(cycles::Arguments),
    /// Time the workloads beside QEMU and Spike
    Speed(speed::Arguments),
    /// Compare ways to notify on Debian's Linux
    Linux(linux::Arguments),
    /// Run a system functionally and twice with a timing model, and compare
    Repeat(repeat::Arguments),
    /// Compare the Rocket model with the RTL's golden rows
    Golden(golden::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Setup => setup::run(),
        Command::Test(arguments) => test::run(&arguments),
        Command::Guests(arguments) => guests::run(&arguments),
        Command::Kernel(arguments) => kernel::run(&arguments),
        Command::Cycles(arguments) => cycles::run(arguments),
        Command::Speed(arguments) => speed::run(arguments),
        Command::Linux(arguments) => linux::run(&arguments),
        Command::Repeat(arguments) => repeat::run(arguments),
        Command::Golden(arguments) => golden::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let command = std::env::args().nth(1).unwrap_or_default();
            eprintln!("xtask {command}: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_those_of_what_is_called() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        for line in [
            "xtask test -p relsim-core --no-fail-fast",
            "xtask linux --html linux.html",
            "xtask repeat --harts 1,2 -- --mem 256M kernel",
            "xtask golden 2000",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in ["xtask", "xtask setup now", "xtask kernel --check --images", "xtask speed --rounds 0"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
