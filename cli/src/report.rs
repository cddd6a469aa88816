//! Errors on standard error: a line that begins with `relsim:`, then where and what to do.

use std::error::Error;
use std::fmt::Write;

use miette::Diagnostic;

use crate::error::CliError;

/// The text for `error`. Its first line says all of it; the others show the place and what may help.
pub fn text(error: &CliError) -> String {
    let mut text = format!("relsim: {error}");
    let mut cause = Error::source(error);
    while let Some(inner) = cause {
        let message = inner.to_string();
        // Errors that pass another one on say the same.
        if !text.ends_with(&message) {
            // Writing to a string does not fail.
            let _ = write!(text, ": {message}");
        }
        cause = inner.source();
    }
    text.push('\n');
    if let Some(place) = place(error) {
        text.push_str(&place);
    }
    if let Some(help) = error.help() {
        let _ = writeln!(text, "  help: {help}");
    }
    text
}

/// The line of the source with marks below it. Sources are arguments, of one line each.
fn place(error: &CliError) -> Option<String> {
    let source = error.source_code()?;
    let label = error.labels()?.next()?;
    let contents = source.read_span(label.inner(), 1, 1).ok()?;
    let line = std::str::from_utf8(contents.data()).ok()?.trim_end();
    let before = line.get(..label.offset())?.chars().count();
    let marked = line.get(label.offset()..label.offset() + label.len())?.chars().count().max(1);
    let note = label.label().unwrap_or_default();
    Some(format!("    {line}\n    {}{} {note}\n", " ".repeat(before), "^".repeat(marked)))
}

#[cfg(test)]
mod tests {
    use relsim_core::isa::parse_isa;

    use super::*;

    #[test]
    fn an_isa_string_is_shown_with_the_place() {
        let isa = "rv64gc_zfoo_zba";
        let error = CliError::isa(isa, &parse_isa(isa, &[]).unwrap_err());
        let shown = text(&error);
        assert!(shown.starts_with("relsim: ISA string"), "{shown}");
        assert!(shown.contains("    rv64gc_zfoo_zba\n           ^^^^ here\n"), "{shown}");
        assert!(shown.ends_with("help: `relsim isa` lists the extensions\n"), "{shown}");
    }

    #[test]
    fn odd_isa_strings_have_a_place_too() {
        for isa in ["", "rv64", "rv32i", "rv64gé", "rv64i_zacas", "rv64\n"] {
            let error = CliError::isa(isa, &parse_isa(isa, &[]).unwrap_err());
            assert!(text(&error).starts_with("relsim: ISA string"), "{isa:?}");
        }
    }

    #[test]
    fn causes_are_on_the_first_line() {
        let source = std::io::Error::other("disk on fire");
        let error = CliError::Read { what: "image", path: "a.elf".into(), source };
        assert_eq!(text(&error), "relsim: cannot read the image a.elf: disk on fire\n");
    }
}
