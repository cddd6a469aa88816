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
const VALUE: usize = 22;
/// Cells of a column that shows what a value means, too, where there is room for more than one.
const COLUMN: usize = 44;

pub fn content(cx: &Context<'_>) -> Content {
    // Register number n stands at n - 1.
    let ordered: Vec<&Register> =
        ORDER.iter().filter_map(|&r| cx.view.registers.get(usize::from(r) - 1)).collect();
    let columns = (cx.width / COLUMN).clamp(1, 2);
    let rows = ordered.len().div_ceil(columns);
    let width = if columns == 1 { cx.width } else { COLUMN };
    let row = |n: usize| {
        let cells = (0..columns).filter_map(|column| ordered.get(column * rows + n));
        Line::from(cells.flat_map(|register| spans(register, cx, width)).collect::<Vec<_>>())
    };
    Content::top((0..rows).map(row).collect()).with_note(format!("hart {}", cx.view.hart))
}

/// A register in `width` cells.
fn spans(register: &Register, cx: &Context<'_>, width: usize) -> Vec<Span<'static>> {
    let (mark, role) = cx.changed(register.changed);
    let digits = format!("{:016x}", register.value);
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let (zeros, digits) = digits.split_at(zeros.min(digits.len() - 1));
    let room = width.saturating_sub(VALUE);
    let meaning = register.meaning.as_deref().unwrap_or_default();
    let meaning = match meaning.char_indices().nth(room.saturating_sub(1)) {
        Some((cut, _)) => format!("{}{}", &meaning[..cut], cx.theme.marks.more),
        None => meaning.to_string(),
    };
    vec![
        mark,
        cx.span(Role::Quiet, format!("{:<4}{zeros}", register.name)),
        cx.span(role, format!("{digits} ")),
        cx.span(Role::Symbol, format!("{meaning:<room$}")),
    ]
}
