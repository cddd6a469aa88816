//! What the guest prints.

use ratatui::text::Line;

use super::super::theme::Role;
use super::{Content, Context};

pub fn content(cx: &Context<'_>) -> Content {
    let lines: Vec<_> = cx.console.iter().map(|line| Line::from(line.clone())).collect();
    let note = if cx.typing { "what is typed goes to the guest; Esc leaves" } else { "" };
    if lines.is_empty() {
        return Content::top(vec![cx.remark("The guest has printed nothing yet.")]).with_note(note);
    }
    let mut content = Content::bottom(lines).with_note(note);
    if cx.typing
        && let Some(last) = content.lines.last_mut()
    {
        last.push_span(cx.span(Role::Bar, " "));
    }
    content
}
