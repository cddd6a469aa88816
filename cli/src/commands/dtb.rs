//! `relsim dtb`: the device tree that a guest would be given.

use std::io::IsTerminal;

use relsim_machine::fdt::{self, Chosen};

use crate::args::DtbArgs;
use crate::error::CliError;

/// Writes it.
///
/// # Errors
/// A machine that cannot be, or a file that cannot be written.
pub fn run(args: &DtbArgs) -> Result<(), CliError> {
    let config = args.machine.config()?;
    let chosen = Chosen { bootargs: args.append.clone().unwrap_or_default(), ..Chosen::default() };
    let blob = fdt::build(&config, &chosen).map_err(|e| CliError::DeviceTree { reason: e.to_string() })?;
    match &args.output {
        Some(path) => std::fs::write(path, blob).map_err(|source| CliError::Write {
            what: "device tree",
            path: path.clone(),
            source,
        }),
        None if std::io::stdout().is_terminal() => Err(CliError::BinaryToTerminal),
        None => super::print(&blob),
    }
}
