//! Commands and their answers.

use ratatui::text::Line;

use super::super::theme::Role;
use super::{Content, Context};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The line.
    pub text: String,
    /// A command, an answer, or an error.
    pub role: Role,
}

pub fn content(cx: &Context<'_>) -> Content {
    if cx.log.is_empty() {
        return Content::top(vec![cx.remark("No command yet: `:` begins one, `? ` shows the keys.")]);
    }
    Content::bottom(cx.log.iter().map(|line| Line::from(cx.span(line.role, line.text.clone()))).collect())
}
