//! The keys: one table, for what they do and for the help.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::panes::{PANES, Pane};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A command.
    Run(&'static str),
    /// The last command.
    Again,
    /// A command that begins so, to be typed on.
    Begin(&'static str),
    /// An expression that says where the pane is to look.
    GoTo,
    /// A pane.
    Show(Pane),
    /// The next slot, or the one before.
    Focus(isize),
    /// The next pane of the slot, or the one before.
    Turn(isize),
    /// Lines.
    Scroll(isize),
    /// Pages.
    Page(isize),
    /// Back to where the pane looks by itself.
    Home,
    /// The pane alone, or with the others.
    Zoom,
    /// Another hart.
    Hart(isize),
    /// What is typed goes to the guest.
    Guest,
    /// The keys.
    Help,
    /// Stops what runs; else back.
    Interrupt,
    /// No more.
    Quit,
}

/// A row: the keys, their names, what they do.
pub struct Binding {
    keys: &'static [(KeyCode, bool)],
    /// What the keys are called; nothing where the help has them with the row before.
    pub names: &'static str,
    /// What they do.
    pub action: Action,
    /// The same, for people.
    pub help: &'static str,
}

const fn char(c: char) -> (KeyCode, bool) {
    (KeyCode::Char(c), false)
}
const fn control(c: char) -> (KeyCode, bool) {
    (KeyCode::Char(c), true)
}
const fn plain(code: KeyCode) -> (KeyCode, bool) {
    (code, false)
}
const fn row(
    keys: &'static [(KeyCode, bool)],
    names: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding { keys, names, action, help }
}

/// The keys, in the order in which the help shows them. Panes have keys of their own ([`PANES`]).
pub const KEYS: &[Binding] = &[
    row(&[char('s'), plain(KeyCode::F(11))], "s F11", Action::Run("step"), "an instruction or trap"),
    row(&[char('n'), plain(KeyCode::F(10))], "n F10", Action::Run("next"), "the same, over calls and traps"),
    row(&[char('f')], "f", Action::Run("finish"), "up to the return"),
    row(&[char('c'), plain(KeyCode::F(5))], "c F5", Action::Run("continue"), "up to a breakpoint"),
    row(&[char('S')], "S", Action::Run("reverse-step"), "back by an instruction or trap"),
    row(&[char('N')], "N", Action::Run("reverse-next"), "the same, over calls and traps"),
    row(&[char('C')], "C", Action::Run("reverse-continue"), "back to a breakpoint"),
    row(&[plain(KeyCode::Enter)], "Enter", Action::Again, "the last command again"),
    row(&[plain(KeyCode::Esc), control('c')], "Esc ^C", Action::Interrupt, "stop what runs"),
    row(&[char('b')], "b", Action::Begin("break "), "break at PLACE or FILE:LINE"),
    row(&[char('w')], "w", Action::Begin("watch "), "watch memory"),
    row(&[char('t')], "t", Action::Begin("catch "), "catch traps, uipi, CSRs, cycles"),
    row(&[char('d')], "d", Action::Begin("delete "), "delete breakpoints"),
    row(&[char('/')], "/", Action::GoTo, "look elsewhere"),
    row(&[char('.'), plain(KeyCode::Home)], ". Home", Action::Home, "look at the pc again"),
    row(&[char(':')], ":", Action::Begin(""), "a command: Tab completes"),
    row(&[char('i')], "i", Action::Guest, "type to the guest"),
    row(&[char('h')], "h H", Action::Hart(1), "another hart"),
    row(&[char('H')], "", Action::Hart(-1), ""),
    row(&[plain(KeyCode::Tab)], "Tab", Action::Focus(1), "focus on another pane"),
    row(&[plain(KeyCode::BackTab)], "", Action::Focus(-1), ""),
    row(&[char(']')], "] [", Action::Turn(1), "another pane in its place"),
    row(&[char('[')], "", Action::Turn(-1), ""),
    row(&[char('z')], "z", Action::Zoom, "the pane alone"),
    row(&[char('j'), plain(KeyCode::Down)], "j k", Action::Scroll(1), "scroll"),
    row(&[char('k'), plain(KeyCode::Up)], "", Action::Scroll(-1), ""),
    row(&[plain(KeyCode::PageDown), char(' ')], "PgDn Up", Action::Page(1), "scroll by pages"),
    row(&[plain(KeyCode::PageUp)], "", Action::Page(-1), ""),
    row(&[char('?'), plain(KeyCode::F(1))], "? F1", Action::Help, "these keys"),
    row(&[char('q')], "q", Action::Quit, "quit"),
];

/// What `key` asks for.
pub fn action(key: KeyEvent) -> Option<Action> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let pressed = (key.code, control);
    if let Some(row) = KEYS.iter().find(|row| row.keys.contains(&pressed)) {
        return Some(row.action);
    }
    let pane = PANES.iter().find(|def| !control && key.code == KeyCode::Char(def.key));
    pane.map(|def| Action::Show(def.pane))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_key_does_two_things() {
        let mut seen = BTreeSet::new();
        let panes = PANES.iter().map(|def| (KeyCode::Char(def.key), false));
        for key in KEYS.iter().flat_map(|row| row.keys.iter().copied()).chain(panes) {
            assert!(seen.insert(format!("{key:?}")), "{key:?} stands twice");
        }
    }
}
