//! A screen as a picture.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// A cell, in pixels, and the edge around all of them.
const WIDTH: f64 = 8.4;
const HEIGHT: u32 = 18;
const EDGE: u32 = 12;
const TEXT: &str = "#d8dee9";
const PAPER: &str = "#14171c";

/// The colour number `n` of a terminal with 256 (xterm's palette: 6 x 6 x 6 colours from 16 on, then 24 greys).
fn indexed(n: u8) -> String {
    let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    match n {
        0..16 => TEXT.into(),
        16..232 => {
            let n = n - 16;
            format!("#{:02x}{:02x}{:02x}", level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        232.. => format!("#{0:02x}{0:02x}{0:02x}", 8 + 10 * (n - 232)),
    }
}

fn colour(color: Color, other: &str) -> String {
    match color {
        Color::Indexed(n) => indexed(n),
        _ => other.into(),
    }
}

/// Ink, paper, and whether it is bold.
fn look(cell: &Cell) -> (String, String, bool) {
    let (ink, paper) = (colour(cell.fg, TEXT), colour(cell.bg, PAPER));
    let bold = cell.modifier.contains(Modifier::BOLD);
    if cell.modifier.contains(Modifier::REVERSED) { (paper, ink, bold) } else { (ink, paper, bold) }
}

/// As text of an element: several spaces in a row, too.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "\u{a0}")
}

/// A picture of `buffer`, called `title`.
pub fn picture(buffer: &Buffer, title: &str) -> String {
    let area = buffer.area;
    let width = f64::from(area.width) * WIDTH + f64::from(2 * EDGE);
    let height = u32::from(area.height) * HEIGHT + 2 * EDGE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" role=\"img\">\n\
         <title>{}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g font-family=\"ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">\n",
        escaped(title)
    );
    for y in 0..area.height {
        let mut x = 0;
        while x < area.width {
            let like = look(&buffer[(x, y)]);
            let run: Vec<&Cell> =
                (x..area.width).map(|x| &buffer[(x, y)]).take_while(|cell| look(cell) == like).collect();
            let text: String = run.iter().map(|cell| cell.symbol()).collect();
            let (left, length) = (f64::from(EDGE) + f64::from(x) * WIDTH, run.len() as f64 * WIDTH);
            let top = EDGE + u32::from(y) * HEIGHT;
            let (ink, paper, bold) = like;
            if paper != PAPER {
                let _ = writeln!(
                    svg,
                    "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{length:.1}\" height=\"{HEIGHT}\" fill=\"{paper}\"/>"
                );
            }
            if !text.trim().is_empty() {
                // Browsers take spaces at the ends away, and stretch what is left to the whole length.
                let spaces = text.chars().take_while(|&c| c == ' ').count();
                let left = left + spaces as f64 * WIDTH;
                let length = text.trim().chars().count() as f64 * WIDTH;
                let weight = if bold { " font-weight=\"bold\"" } else { "" };
                let _ = writeln!(
                    svg,
                    "<text x=\"{left:.1}\" y=\"{}\" fill=\"{ink}\"{weight} textLength=\"{length:.1}\">{}</text>",
                    top + 14,
                    escaped(text.trim())
                );
            }
            x += run.len() as u16;
        }
    }
    svg + "</g>\n</svg>\n"
}
