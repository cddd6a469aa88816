//! One file per command.

mod check;
mod compare;
mod completions;
mod dtb;
mod explain;
mod isa;
mod man;
mod platform;
mod pool;
mod prepare;
mod profile;
mod recorder;
mod run;
mod script;
mod started;
mod timing;
mod trace;

use std::path::Path;

pub use trace::Traced;

use crate::args::Command;
use crate::error::CliError;

/// Carries out `command` and gives the exit status.
///
/// # Errors
/// What kept it from being carried out.
pub fn dispatch(command: Command) -> Result<u8, CliError> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Trace(command) => trace::run(&command),
        Command::Debug(args) => crate::tui::run(&args),
        Command::Script(args) => script::run(&args),
        Command::Platform(command) => platform::run(&command).map(|()| 0),
        Command::Dtb(args) => dtb::run(&args).map(|()| 0),
        Command::Timing(command) => timing::run(&command).map(|()| 0),
        Command::Isa => isa::run().map(|()| 0),
        Command::Completions { shell } => completions::run(shell).map(|()| 0),
        Command::Man { directory } => man::run(directory.as_deref()).map(|()| 0),
    }
}

/// Writes an output file.
fn write_file(what: &'static str, path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    std::fs::write(path, bytes).map_err(|source| CliError::Write { what, path: path.into(), source })
}

/// Writes to standard output. A reader that has gone away is no error: `relsim isa | head`.
fn print(bytes: &[u8]) -> Result<(), CliError> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::Write { what: "output", path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}
