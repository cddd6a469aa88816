//! Sender tables, receivers, and what is pending where.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::{Content, Context};

pub fn content(cx: &Context<'_>) -> Content {
    let all = &cx.view.user_interrupts;
    if all.harts.is_empty() {
        return Content::top(vec![cx.remark("The machine has no user interrupts.")]);
    }
    let mut lines = Vec::new();
    for receiver in &all.receivers {
        let before = cx.view.pending_before.iter().find(|(index, _)| *index == receiver.index);
        let (mark, role) = cx.changed(before.is_some());
        let role = if receiver.pending != 0 && before.is_none() { Role::Signal } else { role };
        let was = before.map_or(String::new(), |(_, was)| format!(", was {}", vectors(*was)));
        lines.push(Line::from(vec![
            mark,
            Span::raw(format!("receiver {:<2} ", receiver.index)),
            cx.span(
                Role::Quiet,
                format!("hart {} {:<3} ", receiver.hart, if receiver.active { "on" } else { "off" }),
            ),
            cx.span(role, format!("pending {}", vectors(receiver.pending))),
            cx.span(Role::Changed, was),
        ]));
    }
    if all.receivers.is_empty() {
        lines.push(cx.remark("No receiver is set up, and nothing is pending."));
    }
    for hart in &all.harts {
        let receives = hart.receiver.map_or("does not receive".into(), |n| format!("is receiver {n}"));
        let sends = hart.table.map_or("does not send".into(), |at| format!("sends by the table at {at:#x}"));
        lines.push(Line::from(vec![
            Span::raw(format!(" hart {}: ", hart.hart)),
            cx.span(Role::Quiet, format!("{receives}, {sends}")),
        ]));
        lines.extend(hart.entries.iter().map(|entry| {
            let text = format!(
                "    entry {:<3} vector {:<2} to receiver {}",
                entry.index, entry.vector, entry.receiver
            );
            Line::from(Span::raw(text))
        }));
    }
    Content::top(lines)
}

/// The vectors that are pending.
fn vectors(pending: u64) -> String {
    /// More are told by the bits.
    const MAX: usize = 6;
    let set: Vec<String> = (0..64).filter(|bit| pending >> bit & 1 == 1).map(|bit| bit.to_string()).collect();
    match set.len() {
        0 => "none".into(),
        1 => format!("vector {}", set[0]),
        2..=MAX => format!("vectors {}", set.join(" ")),
        n => format!("{n} vectors, {pending:#x}"),
    }
}
