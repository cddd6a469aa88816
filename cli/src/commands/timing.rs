//! `relsim timing`: the timing models and their parameters.

use std::fmt::Write;

use relsim_machine::Timing;

use crate::args::TimingCommand;
use crate::error::CliError;

/// Prints the list, or one model's parameters.
///
/// # Errors
/// [`CliError::Write`].
pub fn run(command: &TimingCommand) -> Result<(), CliError> {
    let mut text = String::new();
    match command {
        TimingCommand::List => {
            for (name, _, summary) in Timing::ALL {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{name:12} {summary}");
            }
        }
        TimingCommand::Show { name } => {
            // The parser admits no other names.
            let parameters = Timing::by_name(name).unwrap_or_default().parameters();
            if parameters.is_empty() {
                let _ = writeln!(text, "{name} has no parameters");
            }
            for p in parameters {
                let _ = writeln!(text, "{:22} {:>6} {:7} {}", p.name, p.default, p.unit, p.meaning);
                let _ = writeln!(text, "{:38}{} to {}; {}", "", p.min, p.max, p.source);
            }
        }
    }
    super::print(text.as_bytes())
}
