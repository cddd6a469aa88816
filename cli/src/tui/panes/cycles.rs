//! The pipeline: the last instructions with their cycles, and what the cycles of each hart went to.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::{Content, Context};

/// Causes of a hart that are shown.
const CAUSES: usize = 6;

pub fn content(cx: &Context<'_>) -> Content {
    let recent = &cx.view.recent;
    let harts = cx.view.harts.len();
    let mut lines: Vec<Line<'static>> = recent
        .instructions
        .iter()
        .map(|line| {
            let hart = if harts > 1 { format!("{} ", line.hart) } else { String::new() };
            let cycles = line.cycles.map_or(String::from("  -"), |cycles| format!("{cycles:>3}"));
            let stalls = line.cycles.is_some_and(|cycles| cycles > 1);
            Line::from(vec![
                cx.span(Role::Quiet, format!("{hart}{:>9} ", line.cycle)),
                cx.span(if stalls { Role::Changed } else { Role::Plain }, format!("{cycles}  ")),
                cx.span(Role::Changed, format!("{:<12} ", line.causes)),
                cx.span(Role::Symbol, format!("{:<18} ", line.place)),
                Span::raw(line.text.clone()),
            ])
        })
        .collect();
    for hart in &recent.causes {
        let since: u64 = hart.causes.iter().map(|row| row.1).sum();
        let mut spans = vec![
            Span::raw(format!("hart {}: ", hart.hart)),
            cx.span(Role::Quiet, format!("{since} since the stop: ")),
        ];
        spans.extend(parts(cx, hart.causes.iter().map(|&(name, since, _)| (name, since)), since));
        lines.push(Line::from(spans));
        let total: u64 = hart.causes.iter().map(|row| row.2).sum();
        let mut by_total: Vec<_> = hart.causes.iter().map(|&(name, _, total)| (name, total)).collect();
        by_total.sort_by_key(|&(_, total)| std::cmp::Reverse(total));
        let mut spans = vec![cx.span(Role::Quiet, format!("        {total} in all: "))];
        spans.extend(parts(cx, by_total.into_iter(), total));
        lines.push(Line::from(spans));
    }
    if recent.instructions.is_empty() {
        lines.push(
            cx.remark("Nothing has been executed yet, or a disk that is written to forbids to look back."),
        );
    } else if recent.causes.is_empty() {
        lines.push(
            cx.remark("An instruction is a cycle in functional mode; --timing rocket tells where cycles go."),
        );
    }
    Content::bottom(lines).with_note(cx.view.timing)
}

/// Causes with their share of `total`, the greatest first.
fn parts<'a>(
    cx: &Context<'_>,
    causes: impl Iterator<Item = (&'a str, u64)>,
    total: u64,
) -> Vec<Span<'static>> {
    let shown = causes.filter(|(_, cycles)| *cycles > 0).take(CAUSES);
    let part = |(name, cycles): (&str, u64)| {
        let percent = u128::from(cycles) * 100 / u128::from(total.max(1));
        [cx.span(Role::Symbol, format!("{name} ")), Span::raw(format!("{percent} %  "))]
    };
    shown.flat_map(part).collect()
}
