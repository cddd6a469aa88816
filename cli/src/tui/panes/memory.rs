//! Bytes, in hexadecimal and as text.

use ratatui::text::Line;

use super::super::theme::Role;
use super::{Content, Context};

/// Cells of an address and the blanks behind it, and of a byte: two digits and a blank, and its character.
const ADDRESS: usize = 18;
const BYTE: usize = 4;

/// Bytes in a line of `width` cells.
pub fn bytes_per_line(width: usize) -> usize {
    match width.saturating_sub(ADDRESS + 2) / BYTE {
        16.. => 16,
        8.. => 8,
        _ => 4,
    }
}

pub fn content(cx: &Context<'_>) -> Content {
    let memory = &cx.view.memory;
    let row = bytes_per_line(cx.width);
    let lines = memory.bytes.chunks(row).zip(0u64..).map(|(bytes, n)| {
        let at = memory.at.wrapping_add(n * row as u64);
        let mut digits = String::new();
        for (n, byte) in bytes.iter().enumerate() {
            let gap = if n > 0 && n % 8 == 0 { " " } else { "" };
            digits += gap;
            digits += &byte.map_or("-- ".into(), |byte| format!("{byte:02x} "));
        }
        let text = bytes.iter().map(|byte| match byte {
            Some(byte) if byte.is_ascii_graphic() || *byte == b' ' => char::from(*byte),
            Some(_) => '.',
            None => ' ',
        });
        Line::from(vec![
            cx.span(Role::Quiet, format!("{at:016x}  ")),
            cx.span(Role::Plain, digits),
            cx.span(Role::Source, format!(" {}", text.collect::<String>())),
        ])
    });
    let symbol = memory.symbol.as_ref().map_or(String::new(), |symbol| format!(" <{symbol}>"));
    let of = memory.of.map_or(String::new(), |mode| format!(" as {mode}-mode sees it"));
    Content::top(lines.collect()).with_note(format!("{:#x}{symbol}{of}", memory.at))
}

#[cfg(test)]
mod tests {
    use super::bytes_per_line;

    #[test]
    fn lines_fit() {
        for (width, bytes) in [(120, 16), (84, 16), (83, 8), (52, 8), (51, 4), (0, 4)] {
            assert_eq!(bytes_per_line(width), bytes, "{width}");
        }
    }
}
