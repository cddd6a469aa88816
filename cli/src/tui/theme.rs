//! Colours and marks. Nothing is said by colour alone: what is coloured has a mark, a place or a weight of its own, too.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Text.
    Plain,
    /// What is there for orientation: addresses, labels.
    Quiet,
    /// The title of a pane.
    Title,
    /// That of the pane with the focus.
    Focus,
    /// The instruction that is next.
    Current,
    /// What has changed.
    Changed,
    /// Names of symbols.
    Symbol,
    /// Source text.
    Source,
    /// Breakpoints.
    Stop,
    /// User interrupts.
    Signal,
    /// Something went wrong.
    Error,
    /// The line at the top.
    Bar,
    /// What can be typed.
    Key,
}

/// Marks, so that they can be made of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Before the instruction that is next.
    pub current: &'static str,
    /// Before one with a breakpoint.
    pub stop: &'static str,
    /// Before a value that has changed.
    pub changed: &'static str,
    /// Where a line goes on beyond the edge.
    pub more: &'static str,
    /// A horizontal line: of a pane, and of the one with the focus.
    pub rule: [&'static str; 2],
    /// A vertical line.
    pub wall: &'static str,
    /// Between parts of a line.
    pub dot: &'static str,
}

const UNICODE: Marks =
    Marks {
        current: "►", stop: "●", changed: "•", more: "…", rule: ["─", "━"], wall: "│", dot: "·"
    };

const ASCII: Marks =
    Marks { current: ">", stop: "*", changed: "!", more: "~", rule: ["-", "="], wall: "|", dot: "-" };

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Marks.
    pub marks: Marks,
    colour: bool,
}

// Of Okabe and Ito's palette, which people with any kind of colour vision can tell apart ("Color Universal Design", 2008):
// the nearest of the 256 that terminals have had for long.
const ORANGE: Color = Color::Indexed(214);
const SKY_BLUE: Color = Color::Indexed(75);
const GREEN: Color = Color::Indexed(36);
const YELLOW: Color = Color::Indexed(227);
const VERMILION: Color = Color::Indexed(202);
const PURPLE: Color = Color::Indexed(175);
const GREY: Color = Color::Indexed(246);

impl Theme {
    /// With marks of ASCII, and with or without colours.
    pub const fn new(ascii: bool, colour: bool) -> Self {
        Self { marks: if ascii { ASCII } else { UNICODE }, colour }
    }

    /// How text of a role looks.
    pub fn style(self, role: Role) -> Style {
        let plain = Style::new();
        let (colour, modifier) = match role {
            Role::Plain => return plain,
            Role::Quiet => (GREY, Modifier::empty()),
            Role::Title => (SKY_BLUE, Modifier::empty()),
            Role::Focus => (YELLOW, Modifier::BOLD),
            Role::Current => (YELLOW, Modifier::BOLD),
            Role::Changed => (ORANGE, Modifier::BOLD),
            Role::Symbol => (SKY_BLUE, Modifier::empty()),
            Role::Source => (GREEN, Modifier::empty()),
            Role::Stop => (VERMILION, Modifier::BOLD),
            Role::Signal => (PURPLE, Modifier::BOLD),
            Role::Error => (VERMILION, Modifier::BOLD),
            Role::Bar => return plain.add_modifier(Modifier::REVERSED),
            Role::Key => (YELLOW, Modifier::BOLD),
        };
        let style = plain.add_modifier(modifier);
        if self.colour { style.fg(colour) } else { style }
    }
}
