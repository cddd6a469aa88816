//! Source and disassembly.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::super::view::code::CodeLine;
use super::{Anchor, Content, Context};

/// From here on a mnemonic's operands stand in a column.
const MNEMONIC_WIDTH: usize = 9;
/// With less room than this, of an address only the end is shown.
const WIDE: usize = 64;
/// Digits that tell an instruction from its neighbours.
const SHORT_DIGITS: usize = 8;

pub fn content(cx: &Context<'_>) -> Content {
    let code = &cx.view.code;
    let lines = code.lines.iter().map(|line| draw(line, cx)).collect();
    let note = [code.function.as_deref(), code.source.as_deref()].into_iter().flatten();
    let note = note.collect::<Vec<_>>().join(&format!(" {} ", cx.theme.marks.dot));
    Content { lines, anchor: Anchor::Line(code.focus), note }
}

fn draw(line: &CodeLine, cx: &Context<'_>) -> Line<'static> {
    let marks = cx.theme.marks;
    match line {
        CodeLine::Symbol(name) => Line::from(cx.span(Role::Symbol, format!("{name}:"))),
        CodeLine::Source { place, text } => {
            let place = cx.span(Role::Quiet, format!("  {place}  "));
            Line::from(vec![place, cx.span(Role::Source, text.trim_start().to_string())])
        }
        CodeLine::Nothing(at) => cx.remark(format!("  {at:x}: nothing can be fetched here")),
        CodeLine::Instruction { address, text, target, stop, harts } => {
            let here = harts.contains(&cx.view.hart) && *address == cx.view.pc;
            let stop = if *stop { cx.span(Role::Stop, marks.stop) } else { Span::raw(" ") };
            let pointer = match harts.first() {
                _ if here => cx.span(Role::Current, marks.current),
                // Another hart, by its number.
                Some(hart) => cx.span(Role::Quiet, format!("{}", hart % 10)),
                None => Span::raw(" "),
            };
            let digits = format!("{address:x}");
            let short = if cx.width < WIDE { digits.len().saturating_sub(SHORT_DIGITS) } else { 0 };
            let (name, operands) = text.split_once(' ').unwrap_or((text, ""));
            let role = if here { Role::Current } else { Role::Plain };
            // Where room is short, a symbol stands in the place of its address.
            let short_target = target.as_ref().filter(|_| cx.width < WIDE);
            let operands = match short_target {
                Some(_) => &operands[..operands.rfind("0x").unwrap_or(operands.len())],
                None => operands,
            };
            let text = format!("{name:<MNEMONIC_WIDTH$} {operands}");
            let mut spans = vec![
                stop,
                pointer,
                cx.span(if here { Role::Current } else { Role::Quiet }, format!(" {}  ", &digits[short..])),
                cx.span(role, text),
            ];
            let gap = if short_target.is_some() { "" } else { " " };
            spans.extend(
                target.as_ref().map(|name| cx.span(Role::Symbol, format!("{gap}{}", bracketed(name)))),
            );
            Line::from(spans)
        }
    }
}

/// A name in angle brackets; that of a method of a trait has some already.
fn bracketed(name: &str) -> String {
    if name.starts_with('<') { name.into() } else { format!("<{name}>") }
}
