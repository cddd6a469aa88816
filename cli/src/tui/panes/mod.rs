//! The panes. Each is a file with a function from what there is to see to lines of text; what all have in common, titles,
//! scrolling and cutting off, is in `draw`.

mod breakpoints;
mod code;
mod console;
mod csrs;
mod cycles;
mod events;
mod harts;
mod log;
mod memory;
mod registers;
mod stack;
mod threads;
mod user_interrupts;
mod walk;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::theme::{Role, Theme};
use super::view::View;
pub use log::LogLine;
pub use memory::bytes_per_line as memory_row_bytes;

/// Where a pane has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// The greatest part.
    Main,
    /// Beside it.
    Side,
    /// Below it.
    Bottom,
    /// On a wide screen below the side, else at the bottom.
    Corner,
}

/// A row of the table of panes.
pub struct PaneDef {
    /// The pane.
    pub pane: Pane,
    /// The key that shows it.
    pub key: char,
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub home: Home,
    /// What it shows, for the help.
    pub help: &'static str,
}

macro_rules! panes {
    ($($pane:ident $key:literal $name:literal $home:ident $help:literal;)*) => {
        /// The panes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Pane { $(#[doc = $help] $pane),* }
        /// All of them.
        pub const PANES: &[PaneDef] = &[
            $(PaneDef { pane: Pane::$pane, key: $key, name: $name, home: Home::$home, help: $help }),*
        ];
    };
}
panes! {
    Code '1' "code" Main "source and disassembly";
    Registers '2' "registers" Side "integer registers";
    Csrs '3' "CSRs" Side "CSRs, by fields";
    Harts '4' "harts" Corner "all harts";
    Stack '5' "call stack" Corner "the calls that led here";
    Memory '6' "memory" Bottom "memory";
    Walk '7' "page walk" Bottom "the translation of an address";
    Threads '8' "threads" Bottom "the kernel's threads, and caps";
    UserInterrupts '9' "user interrupts" Corner "user interrupts";
    Cycles '0' "cycles" Bottom "the pipeline, and stalls";
    Console 'o' "console" Bottom "what the guest prints";
    Events 'e' "events" Bottom "traps, returns, sends";
    Log 'l' "commands" Bottom "commands and answers";
    Breakpoints 'p' "breakpoints" Side "breakpoints";
}

impl Pane {
    /// Its row.
    pub fn def(self) -> &'static PaneDef {
        PANES.iter().find(|def| def.pane == self).unwrap_or(&PANES[0])
    }

    /// The one called `name`.
    pub fn by_name(name: &str) -> Option<Self> {
        PANES.iter().find(|def| def.name == name).map(|def| def.pane)
    }
}

/// What panes are drawn from.
pub struct Context<'a> {
    /// What there is.
    pub view: &'a View,
    /// How it looks.
    pub theme: Theme,
    /// Cells in a line.
    pub width: usize,
    /// What the guest has printed.
    pub console: &'a [String],
    /// Commands and answers.
    pub log: &'a [LogLine],
    /// Whether what is typed goes to the guest.
    pub typing: bool,
}

/// What is in view unless the user scrolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The beginning.
    Top,
    /// The end.
    Bottom,
    /// This line, with some before it.
    Line(usize),
}

/// The lines of a pane.
pub struct Content {
    /// All of them, also those out of sight.
    pub lines: Vec<Line<'static>>,
    /// What is in view.
    pub anchor: Anchor,
    /// What the title says beside the name.
    pub note: String,
}

impl Content {
    fn top(lines: Vec<Line<'static>>) -> Self {
        Self { lines, anchor: Anchor::Top, note: String::new() }
    }

    fn bottom(lines: Vec<Line<'static>>) -> Self {
        Self { lines, anchor: Anchor::Bottom, note: String::new() }
    }

    fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

impl Context<'_> {
    fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    fn span(&self, role: Role, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), self.style(role))
    }

    /// A line about why there is nothing.
    fn remark(&self, text: impl Into<String>) -> Line<'static> {
        Line::from(self.span(Role::Quiet, text))
    }

    /// A mark for what has changed, and the role of the value.
    fn changed(&self, changed: bool) -> (Span<'static>, Role) {
        match changed {
            true => (self.span(Role::Changed, self.theme.marks.changed), Role::Changed),
            false => (Span::raw(" "), Role::Plain),
        }
    }
}

/// The lines of `pane`.
pub fn content(pane: Pane, cx: &Context<'_>) -> Content {
    match pane {
        Pane::Code => code::content(cx),
        Pane::Registers => registers::content(cx),
        Pane::Csrs => csrs::content(cx),
        Pane::Harts => harts::content(cx),
        Pane::Stack => stack::content(cx),
        Pane::Memory => memory::content(cx),
        Pane::Walk => walk::content(cx),
        Pane::Threads => threads::content(cx),
        Pane::UserInterrupts => user_interrupts::content(cx),
        Pane::Cycles => cycles::content(cx),
        Pane::Console => console::content(cx),
        Pane::Events => events::content(cx),
        Pane::Log => log::content(cx),
        Pane::Breakpoints => breakpoints::content(cx),
    }
}
