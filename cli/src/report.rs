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

/// The line of the source with marks below it: from the place on, or to the end of its line.
fn place(error: &CliError) -> Option<String> {
    let source = error.source_code()?;
    let label = error.labels()?.next()?;
    let contents = source.read_span(label.inner(), 1, 1).ok()?;
    let text = std::str::from_utf8(contents.data()).ok()?;
    let start = label.offset().checked_sub(contents.span().offset())?;
    let line_start = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(line_start..)?.lines().next().unwrap_or_default().trim_end();
    let from = start - line_start;
    let to = line.len().min(from + label.len());
    // Tabs stay, so that the marks stand where the place does.
    let before = line.get(..from.min(line.len()))?.chars().map(|c| if c == '\t' { c } else { ' ' });
    let marked = line.get(from.min(to)..to)?.chars().count().max(1);
    let note = label.label().unwrap_or_default();
    let marks = format!("{}{} {note}", before.collect::<String>(), "^".repeat(marked));
    Some(format!("    {line}\n    {}\n", marks.trim_end()))
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
    fn the_line_of_a_file_is_shown() {
        use relsim_traces::baseline::file::FileError;
        let text = "first\r\n\tkéy = 'odd\r\nvalue'\r\nlast";
        let at = text.find("'odd").unwrap();
        let error = CliError::case_file("c.toml".as_ref(), text, FileError::new("no", at..at + 10));
        assert_eq!(super::text(&error), "relsim: c.toml:2:8: no\n    \tkéy = 'odd\n    \t      ^^^^ here\n");
        // Places at line ends and behind the text.
        for at in 0..=text.len() {
            let error = CliError::case_file("c.toml".as_ref(), text, FileError::new("no", at..at));
            assert!(super::text(&error).starts_with("relsim: c.toml:"));
        }
        let error = CliError::case_file("c.toml".as_ref(), "", FileError::new("no", 0..0));
        assert!(super::text(&error).starts_with("relsim: c.toml:1:1: no\n"));
    }

    #[test]
    fn causes_are_on_the_first_line() {
        let source = std::io::Error::other("disk on fire");
        let error = CliError::Read { what: "image", path: "a.elf".into(), source };
        assert_eq!(text(&error), "relsim: cannot read the image a.elf: disk on fire\n");
    }
}
