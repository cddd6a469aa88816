//! `relsim completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::error::CliError;

/// Prints the completion script.
///
/// # Errors
/// [`CliError::Write`].
pub fn run(shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "relsim", &mut script);
    super::print(&script)
}
