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
    for (privilege, results) in &walk.results {
        let mut spans = vec![Span::raw(format!("{privilege}-mode  "))];
        for (name, result) in results {
            spans.push(cx.span(Role::Quiet, format!("{name} ")));
            spans.push(match result {
                Ok(pa) => Span::raw(format!("{pa:#x}  ")),
                Err(fault) => cx.span(Role::Error, format!("{fault}  ")),
            });
        }
        lines.push(Line::from(spans));
    }
    Content::top(lines).with_note(format!("{:#x} by {}", walk.va, walk.mode))
}
