//! All harts.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::{Content, Context};

pub fn content(cx: &Context<'_>) -> Content {
    let lines = cx.view.harts.iter().map(|hart| {
        let here = hart.id == cx.view.hart;
        let role = if here { Role::Current } else { Role::Plain };
        let mark = if here { cx.span(role, cx.theme.marks.current) } else { Span::raw(" ") };
        let next = if hart.next { " next" } else { "" };
        Line::from(vec![
            mark,
            cx.span(role, format!("{} {} {:<7}{next:<5} ", hart.id, hart.mode, hart.state)),
            cx.span(Role::Quiet, format!("cycle {} ", hart.cycle)),
            cx.span(Role::Symbol, hart.place.clone()),
        ])
    });
    Content::top(lines.collect())
}
