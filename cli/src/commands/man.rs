//! `relsim man [DIRECTORY]`.

use std::path::Path;

use clap::CommandFactory;

use crate::args::Cli;
use crate::error::CliError;

/// Writes one page per command to `directory`, or the main page to standard output.
///
/// # Errors
/// [`CliError::Write`].
pub fn run(directory: Option<&Path>) -> Result<(), CliError> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        return clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|source| CliError::Write { what: "man page", path: "standard output".into(), source })
            .and_then(|()| super::print(&page));
    };
    let failed = |source| CliError::Write { what: "man pages", path: directory.into(), source };
    std::fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), directory).map_err(failed)
}
