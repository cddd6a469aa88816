//! Calls that led here.

use ratatui::text::Line;

use super::super::theme::Role;
use super::{Content, Context};

pub fn content(cx: &Context<'_>) -> Content {
    let lines = cx.view.frames.iter().enumerate().map(|(n, frame)| {
        // Without a symbol the address is all that there is.
        let (at, symbol) = frame.place.split_once(' ').unwrap_or(("", &frame.place));
        let role = if n == 0 { Role::Current } else { Role::Plain };
        Line::from(vec![
            cx.span(role, format!("#{n:<2} {} ", symbol.trim_matches(['<', '>']))),
            cx.span(Role::Source, frame.line.as_ref().map_or(String::new(), |line| format!("{line} "))),
            cx.span(Role::Quiet, at.to_string()),
        ])
    });
    Content::top(lines.collect()).with_note(format!("hart {}", cx.view.hart))
}
