//! Traps, returns and user interrupts that led here.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::super::view::recent::STEPS;
use super::{Content, Context};

pub fn content(cx: &Context<'_>) -> Content {
    let events = &cx.view.recent.events;
    if events.is_empty() {
        let text = format!("No trap and no user interrupt in the last {STEPS} steps.");
        return Content::top(vec![cx.remark(text)]);
    }
    let lines = events.iter().map(|event| {
        let (mark, fresh) = cx.changed(event.fresh);
        let role = if event.user_interrupt { Role::Signal } else { fresh };
        Line::from(vec![
            mark,
            cx.span(Role::Quiet, format!("{:>10} ", event.cycle)),
            Span::raw(format!("hart {}  ", event.hart)),
            cx.span(role, event.text.clone()),
        ])
    });
    Content::bottom(lines.collect()).with_note(format!("of the last {STEPS} steps"))
}
