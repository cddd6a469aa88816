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

use relsim_assets::{cache, repository};
use shell::Outcome;

/// A command: its name, a line of help, and what it does with the arguments behind its name.
struct Command {
    name: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Outcome<()>,
}

/// All commands, as `cargo xtask` lists them.
const COMMANDS: &[Command] = &[
    Command { name: "setup", help: "Install what the tests need; says what it does", run: setup::run },
    Command {
        name: "test",
        help: "Set up, then run all tests; arguments go to `cargo test`",
        run: test::run,
    },
    Command {
        name: "guests",
        help: "Build the bare-metal guests, update the embedded one; --check compares it instead",
        run: guests::run,
    },
    Command {
        name: "kernel",
        help: "Build the kernel, update the embedded images; --check compares, --images builds those of the tests",
        run: kernel::run,
    },
    Command {
        name: "cycles",
        help: "Measure the kernel's operations, and write the book's page about it; --beside IMAGE",
        run: cycles::run,
    },
    Command {
        name: "speed",
        help: "Time the workloads beside QEMU and Spike; --rounds N, --spike PATH, --timing MODEL, --elf FILE",
        run: speed::run,
    },
    Command {
        name: "linux",
        help: "Compare ways to notify on Debian's Linux; arguments go to `relsim compare`; --build builds the program only",
        run: linux::run,
    },
    Command {
        name: "repeat",
        help: "Run Linux functionally and twice with a timing model, and compare; --timing, --harts N[,N]..., -- `relsim run`'s",
        run: repeat::run,
    },
    Command {
        name: "golden",
        help: "Compare the Rocket model with the RTL's golden rows; takes how many of the worst to list",
        run: golden::run,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let command = args.first().and_then(|name| COMMANDS.iter().find(|command| command.name == name));
    let Some(command) = command else {
        eprintln!("usage: cargo xtask COMMAND\n");
        for Command { name, help, .. } in COMMANDS {
            eprintln!("  {name:10} {help}");
        }
        return ExitCode::from(2);
    };
    match (command.run)(&args[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {}: {message}", command.name);
            ExitCode::FAILURE
        }
    }
}
