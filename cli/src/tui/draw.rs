//! The screen: bars, panes with their titles, the help.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::app::{App, Mode};
use super::engine::{Job, Target};
use super::keymap::KEYS;
use super::layout::Placed;
use super::panes::{Anchor, Content, Context, PANES, Pane, content};
use super::theme::{Role, Theme};

/// Draws all of it.
pub fn draw(app: &mut App, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width == 0 || area.height == 0 {
        return;
    }
    let line = |n: u16| Rect::new(area.x, area.y + n, area.width, 1);
    put(frame, line(0), bar(app, usize::from(area.width)), app.theme);
    if area.height < 4 {
        return;
    }
    let middle = Rect::new(area.x, area.y + 1, area.width, area.height - 3);
    if app.mode == Mode::Help {
        help(app.theme, frame, middle);
    } else {
        for placed in app.layout.place(middle) {
            pane(app, frame, placed);
        }
    }
    let (text, role) = &app.message;
    let message = Line::from(Span::styled(text.clone(), app.theme.style(*role)));
    put(frame, line(area.height - 2), message, app.theme);
    bottom(app, frame, line(area.height - 1));
}

/// Puts `line` into `area`, with a mark where it goes on beyond.
fn put(frame: &mut Frame<'_>, area: Rect, line: Line<'static>, theme: Theme) {
    let too_long = line.width() > usize::from(area.width);
    let style = line.spans.last().map_or_else(Default::default, |span| span.style);
    let buffer = frame.buffer_mut();
    buffer.set_line(area.x, area.y, &line, area.width);
    if too_long && let Some(last) = area.width.checked_sub(1) {
        buffer.set_string(area.x + last, area.y, theme.marks.more, style);
    }
}

/// The line at the top: where in time the machine is.
fn bar(app: &App, width: usize) -> Line<'static> {
    let view = &app.view;
    let dot = format!(" {} ", app.theme.marks.dot);
    let hart = view.harts.get(view.hart);
    // What changes stands first: a narrow screen has no room for the rest.
    let mut parts = vec![
        format!(" hart {} {}", view.hart, hart.map_or(' ', |hart| hart.mode)),
        format!("cycle {}", view.cycles),
        format!("step {}", view.steps),
        app.title.clone(),
        format!("{} {}", view.platform, view.timing),
    ];
    if let Some((Job::Line(line), steps)) = &app.busy {
        let by = if *steps >= view.steps { steps - view.steps } else { view.steps - steps };
        parts = vec![format!(" {line}: {by} steps on the way"), "Esc stops it".into(), app.title.clone()];
    }
    let text = parts.join(&dot);
    Line::from(Span::styled(format!("{text:<width$}"), app.theme.style(Role::Bar)))
}

/// The line at the bottom: what is typed, or the keys that are needed most.
fn bottom(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let label = match app.mode {
        Mode::Command => ":",
        Mode::Place(Target::Code) => "code at: ",
        Mode::Place(Target::Memory) => "memory at: ",
        Mode::Place(Target::Walk) => "page walk of: ",
        Mode::Guest => {
            let text = "typing to the guest; Esc leaves";
            put(frame, area, Line::from(Span::styled(text, app.theme.style(Role::Key))), app.theme);
            return;
        }
        Mode::Help => {
            let text = "any key goes back";
            put(frame, area, Line::from(Span::styled(text, app.theme.style(Role::Key))), app.theme);
            return;
        }
        Mode::Keys => {
            put(frame, area, hints(app.theme), app.theme);
            return;
        }
    };
    // What stands before the cursor is in sight.
    let (before, text) = (app.prompt.before(), app.prompt.text());
    let label = Span::styled(label, app.theme.style(Role::Key));
    let at = label.width() + Span::raw(before).width();
    let skip = (at + 1).saturating_sub(usize::from(area.width));
    let shown: String = text.chars().skip(skip).collect();
    put(frame, area, Line::from(vec![label, Span::raw(shown)]), app.theme);
    frame.set_cursor_position(Position::new(area.x + (at - skip) as u16, area.y));
}

fn hints(theme: Theme) -> Line<'static> {
    let hints = [
        ("s", "tep"),
        ("n", "ext"),
        ("f", "inish"),
        ("c", "ontinue"),
        ("S N C", " back"),
        ("b", "reak"),
        ("w", "atch"),
        ("/", " go to"),
        (":", " command"),
        ("?", " keys"),
        ("q", "uit"),
    ];
    let spans = hints.into_iter().flat_map(|(key, rest)| {
        [
            Span::styled(key, theme.style(Role::Key)),
            Span::styled(format!("{rest} "), theme.style(Role::Quiet)),
        ]
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// A pane: its title, and as much of its lines as there is room for.
fn pane(app: &mut App, frame: &mut Frame<'_>, placed: Placed) {
    let Placed { pane, mut area, focus, wall } = placed;
    let theme = app.theme;
    if wall && area.width > 1 {
        for y in area.y..area.bottom() {
            frame.buffer_mut().set_string(area.x, y, theme.marks.wall, theme.style(Role::Quiet));
        }
        (area.x, area.width) = (area.x + 1, area.width - 1);
    }
    let Some(height) = area.height.checked_sub(1) else { return };
    let cx = Context {
        view: &app.view,
        theme,
        width: area.width.into(),
        console: app.console.lines(),
        log: &app.log,
        typing: app.mode == Mode::Guest,
    };
    let Content { lines, anchor, note } = content(pane, &cx);
    put(frame, Rect { height: 1, ..area }, title(theme, pane, &note, focus, area.width.into()), theme);
    let height = usize::from(height);
    let last = lines.len().saturating_sub(height);
    let first = match anchor {
        Anchor::Top => 0,
        Anchor::Bottom => last,
        Anchor::Line(line) => line.saturating_sub(height / 3),
    };
    let first = first.min(last);
    let scrolled = first.saturating_add_signed(app.scroll[pane as usize]).min(last);
    // Beyond the ends there is nothing to scroll back from.
    app.scroll[pane as usize] = scrolled as isize - first as isize;
    for (line, y) in lines.into_iter().skip(scrolled).take(height).zip(area.y + 1..) {
        put(frame, Rect::new(area.x, y, area.width, 1), line, theme);
    }
}

fn title(theme: Theme, pane: Pane, note: &str, focus: bool, width: usize) -> Line<'static> {
    let def = pane.def();
    let rule = theme.marks.rule[usize::from(focus)];
    let role = if focus { Role::Focus } else { Role::Title };
    let frame = if focus { Role::Focus } else { Role::Quiet };
    let mut spans = vec![
        Span::styled(rule, theme.style(frame)),
        Span::styled(format!(" {} {} ", def.key, def.name), theme.style(role)),
    ];
    if !note.is_empty() {
        spans.push(Span::styled(rule, theme.style(frame)));
        spans.push(Span::styled(format!(" {note} "), theme.style(Role::Plain)));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    spans.push(Span::styled(rule.repeat(width.saturating_sub(used)), theme.style(frame)));
    Line::from(spans)
}

/// The keys, in columns.
fn help(theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    const KEY_WIDTH: usize = 8;
    let row = |key: &str, text: &str| {
        Line::from(vec![
            Span::styled(format!(" {key:<KEY_WIDTH$}"), theme.style(Role::Key)),
            Span::raw(text.to_string()),
        ])
    };
    let keys = KEYS
        .iter()
        .filter(|binding| !binding.names.is_empty())
        .map(|binding| row(binding.names, binding.help));
    let panes = PANES.iter().map(|def| row(&def.key.to_string(), def.help));
    let lines: Vec<_> = keys.chain(panes).collect();
    let height = usize::from(area.height).max(1);
    let columns = lines.len().div_ceil(height).max(1) as u16;
    let width = area.width / columns;
    for (n, line) in lines.into_iter().enumerate() {
        let (column, y) = ((n / height) as u16, (n % height) as u16);
        let cell = Rect::new(area.x + column * width, area.y + y, width, 1);
        put(frame, cell, line, theme);
    }
}
