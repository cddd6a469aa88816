//! Threads and capabilities of relsim's kernel.

use ratatui::text::{Line, Span};

use super::super::theme::Role;
use super::super::view::threads::{ThreadLine, label};
use super::{Content, Context};

pub fn content(cx: &Context<'_>) -> Content {
    let threads = &cx.view.threads;
    if let Some(note) = threads.note {
        return Content::top(vec![cx.remark(note)]);
    }
    let mut lines: Vec<_> = threads.threads.iter().map(|thread| line(thread, cx)).collect();
    lines.push(cx.remark(format!("capabilities of {}:", threads.caps_of)));
    lines.extend(threads.caps.iter().map(|cap| {
        Line::from(vec![cx.span(Role::Quiet, format!("{:>5}  ", cap.slot)), Span::raw(cap.text.clone())])
    }));
    let count = threads.threads.len();
    Content::top(lines).with_note(format!("{count} thread{}", if count == 1 { "" } else { "s" }))
}

fn line(thread: &ThreadLine, cx: &Context<'_>) -> Line<'static> {
    let role = if thread.current { Role::Current } else { Role::Plain };
    let mark = if thread.current { cx.span(role, cx.theme.marks.current) } else { Span::raw(" ") };
    let mut more = format!("pc {:#x}", thread.pc);
    if let Some(at) = thread.blocked_on {
        more += &format!(" at {at:#x}");
    }
    if let Some(receiver) = thread.receiver {
        more += &format!(" receiver {receiver}");
    }
    Line::from(vec![
        mark,
        cx.span(role, format!("hart {} priority {:<3} {:<9} ", thread.hart, thread.priority, thread.state)),
        cx.span(Role::Symbol, format!("{} ", label(thread))),
        cx.span(Role::Quiet, more),
    ])
}
