//! CSRs with their fields.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::super::view::csrs::CsrLine;
use super::{Content, Context};

/// Cells before the value.
const NAME: usize = 12;
/// Cells before fields that stand in lines of their own.
const INDENT: usize = 4;

pub fn content(cx: &Context<'_>) -> Content {
    let lines = cx.view.csrs.iter().flat_map(|csr| draw(csr, cx)).collect();
    Content::top(lines).with_note(format!("hart {}", cx.view.hart))
}

/// A CSR, and its fields behind it if there is room, else below.
fn draw(csr: &CsrLine, cx: &Context<'_>) -> Vec<Line<'static>> {
    let (mark, role) = cx.changed(csr.changed);
    let value = format!("{:x}", csr.value);
    let beside = NAME + value.len() + 2 + csr.fields.len() <= cx.width;
    let mut first = vec![mark, cx.span(Role::Quiet, format!("{:<10} ", csr.name)), cx.span(role, value)];
    if beside {
        first.push(cx.span(Role::Symbol, format!("  {}", csr.fields)));
        return vec![Line::from(first)];
    }
    let mut lines = vec![Line::from(first)];
    let mut line = String::new();
    for word in csr.fields.split(' ') {
        if !line.is_empty() && INDENT + line.len() + 1 + word.len() > cx.width {
            lines.push(fields(cx, std::mem::take(&mut line)));
        }
        line += if line.is_empty() { "" } else { " " };
        line += word;
    }
    lines.push(fields(cx, line));
    lines
}

fn fields(cx: &Context<'_>, text: String) -> Line<'static> {
    Line::from(vec![Span::raw(" ".repeat(INDENT)), cx.span(Role::Symbol, text)])
}
