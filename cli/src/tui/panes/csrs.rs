//! CSRs with their fields.

use ratatui::text::Line;

use super::super::theme::Role;
use super::{Content, Context};

pub fn content(cx: &Context<'_>) -> Content {
    let lines = cx.view.csrs.iter().map(|csr| {
        let (mark, role) = cx.changed(csr.changed);
        Line::from(vec![
            mark,
            cx.span(Role::Quiet, format!("{:<10} ", csr.name)),
            cx.span(role, format!("{:x}", csr.value)),
            cx.span(Role::Symbol, format!(" {}", csr.fields)),
        ])
    });
    Content::top(lines.collect()).with_note(format!("hart {}", cx.view.hart))
}
