//! `relsim isa`: what `--isa` takes.

use std::fmt::Write;

use relsim_core::isa::Ext;

use crate::error::CliError;
use crate::extensions;

/// Prints the list.
///
/// # Errors
/// [`CliError::Write`].
pub fn run() -> Result<(), CliError> {
    let core = Ext::ALL.iter().filter(|ext| !ext.is_custom()).map(|ext| ext.name().to_string());
    let outside = extensions::ALL.iter().map(|ext| ext.name.to_string());
    let (letters, words): (Vec<_>, Vec<_>) = core.chain(outside).partition(|name| name.len() == 1);
    let mut text = String::from("Single letters, after rv64:\n ");
    for letter in &letters {
        // Writing to a string does not fail.
        let _ = write!(text, " {letter}");
    }
    text.push_str(
        "\n  g is imafd_zicsr_zifencei; b is zba_zbb_zbs; without s and u, both are there.\nWords, each after _:\n",
    );
    for line in words.chunks(8) {
        let _ = writeln!(text, "  {}", line.join(" "));
    }
    text.push_str("  With s, naming sv39 or sv48 leaves out the larger modes.\n");
    super::print(text.as_bytes())
}
