//! Integer registers: those of calls first.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::super::view::registers::Register;
use super::{Content, Context};

/// The order: return address and stack, arguments, saved ones, temporary ones, pointers that hardly change.
const ORDER: [u8; 31] = [
    1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 5, 6, 7, 28, 29, 30,
    31, 3, 4,
];
/// Cells of a name and a value.
const COLUMN: usize = 24;
/// Cells of what a value means, at least, to be worth it.
const MEANING: usize = 10;

pub fn content(cx: &Context<'_>) -> Content {
    // Register number n stands at n - 1.
    let ordered: Vec<&Register> =
        ORDER.iter().filter_map(|&r| cx.view.registers.get(usize::from(r) - 1)).collect();
    let fits = ordered.len() <= cx.height || cx.width < 2 * COLUMN;
    let lines = if fits {
        ordered
            .iter()
            .map(|register| Line::from(spans(register, cx, cx.width >= COLUMN + MEANING)))
            .collect::<Vec<_>>()
    } else {
        let columns = (cx.width / COLUMN).max(1);
        let rows = ordered.len().div_ceil(columns);
        let row = |n: usize| {
            let cells = (0..columns).filter_map(|column| ordered.get(column * rows + n));
            Line::from(cells.flat_map(|register| spans(register, cx, false)).collect::<Vec<_>>())
        };
        (0..rows).map(row).collect()
    };
    Content::top(lines).with_note(format!("hart {}", cx.view.hart))
}

fn spans(register: &Register, cx: &Context<'_>, with_meaning: bool) -> Vec<Span<'static>> {
    let (mark, role) = cx.changed(register.changed);
    let mut spans = vec![
        mark,
        cx.span(Role::Quiet, format!("{:<4}", register.name)),
        cx.span(role, format!("{:016x} ", register.value)),
        Span::raw("  "),
    ];
    if with_meaning && let Some(meaning) = &register.meaning {
        spans.pop();
        spans.push(cx.span(Role::Symbol, meaning.clone()));
    }
    spans
}
