//! Breakpoints.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::{Content, Context};

pub fn content(cx: &Context<'_>) -> Content {
    if cx.view.stops.is_empty() {
        return Content::top(vec![cx.remark("None: b makes one, w watches memory.")]);
    }
    let lines = cx.view.stops.iter().map(|stop| {
        Line::from(vec![cx.span(Role::Stop, format!("{:>3} ", stop.number)), Span::raw(stop.text.clone())])
    });
    Content::top(lines.collect())
}
