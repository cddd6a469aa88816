//! A translation.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::{Content, Context};

pub fn content(cx: &Context<'_>) -> Content {
    let walk = &cx.view.walk;
    let mut lines = Vec::new();
    if walk.mode == "bare" {
        lines.push(cx.remark("no translation: the physical address is the virtual one"));
    } else {
        lines.push(cx.remark("level index   entry at      value             flags     leads to"));
    }
    lines.extend(walk.entries.iter().map(|entry| {
        Line::from(vec![
            Span::raw(format!("{:<5} {:<5} ", entry.level, format!("{:#05x}", entry.index))),
            cx.span(Role::Quiet, format!("{:>#14x} ", entry.at)),
            Span::raw(format!("{:016x}  ", entry.value)),
            cx.span(Role::Changed, format!("{}  ", entry.flags)),
            cx.span(Role::Symbol, entry.what.clone()),
        ])
    }));
    let mut results = Vec::new();
    for (name, result) in &walk.results {
        results.push(cx.span(Role::Quiet, format!("{name} ")));
        results.push(match result {
            Ok(pa) => Span::raw(format!("{pa:#x}  ")),
            Err(fault) => cx.span(Role::Error, format!("{fault}  ")),
        });
    }
    lines.push(Line::from(results));
    let note = format!("{:#x} by {} as {}", walk.va, walk.mode, walk.privilege);
    Content::top(lines).with_note(note)
}
