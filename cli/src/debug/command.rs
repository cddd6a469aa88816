//! The commands of the debugger, and how they are written.

use relsim_machine::session::expr;

/// A part of a command that is judged when it is carried out: an expression. It knows where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Where it begins in the line, in bytes.
    pub at: usize,
    /// The text.
    pub text: String,
}

/// How memory is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// How many units.
    pub count: u64,
    /// Bytes of a unit: 1, 2, 4 or 8.
    pub size: u8,
    /// How.
    pub style: Style,
}

/// How a unit of memory is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Hexadecimal.
    Hex,
    /// Decimal with a sign.
    Decimal,
    /// Decimal without.
    Unsigned,
    /// As instructions.
    Instructions,
}

/// What `catch` waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Catch {
    /// Any trap, or one of a code.
    Trap(Option<u8>),
    /// Any interrupt, or one of a code.
    Interrupt(Option<u8>),
    /// An interrupt delivered to U-mode.
    UserInterrupt,
    /// A change of privilege.
    Privilege,
    /// A write to the CSR of this name.
    Csr(Text),
    /// Another value of the register of this name.
    Register(Text),
    /// The instruction of this name.
    Instruction(Text),
    /// A core cycle.
    Cycle(u64),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Step(u64),
    ReverseStep(u64),
    StepHart(u64),
    ReverseStepHart(u64),
    Next,
    ReverseNext,
    Finish,
    ReverseFinish,
    Continue,
    ReverseContinue,
    Break { place: Text, condition: Option<Text> },
    Watch { place: Text, condition: Option<Text>, read: bool, write: bool },
    Catch { what: Catch, condition: Option<Text> },
    Delete(Option<u32>),
    InfoBreakpoints,
    InfoHarts,
    InfoHistory,
    Registers(Option<Text>),
    Csr(Text),
    Examine { format: Format, place: Text },
    Disassemble { place: Option<Text>, count: u64 },
    Backtrace,
    GoTo(u64),
    LastWrite(Text),
    UserInterrupts,
    Hart(usize),
    Print(Text),
    Set { target: Text, value: Text },
    Checkpoint(Text),
    Restore(Text),
    Cycles,
    Help,
    Quit,
}

/// The commands for people: how each is written, and what it does.
pub const HELP: &[(&str, &str)] = &[
    (
        "step [N] [hart]",
        "N instructions or traps (1) of whatever hart is next; with the word hart, of this one",
    ),
    ("reverse-step [N] [hart]", "as many back"),
    ("next", "the next instruction of this hart; a call or trap as a whole"),
    ("reverse-next", "back over the last instruction of this hart; over what returned, to its call"),
    ("finish", "up to the return from this function or trap handler"),
    ("reverse-finish", "back to the call of this function, or to what the trap handler has interrupted"),
    ("continue", "up to a breakpoint, or the guest's end"),
    ("reverse-continue", "back to the last breakpoint that was met, or the start"),
    (
        "break PLACE [if EXPR]",
        "stop before the instruction at PLACE, an expression such as a symbol, or a line of source as FILE:LINE",
    ),
    (
        "watch PLACE [if EXPR]",
        "stop after a store to one of the 8 bytes at PLACE; rwatch: load, awatch: both",
    ),
    (
        "catch WHAT [if EXPR]",
        "stop at: trap [CODE], interrupt [CODE], user-interrupt, privilege, csr NAME, register NAME, instruction NAME (uipi: all uipi.*), cycle N",
    ),
    ("delete [N]", "forget breakpoint N, or all"),
    ("info WHAT", "breakpoints, harts or history"),
    ("regs [NAME]", "the integer registers, or one"),
    ("csr NAME", "a CSR, with its fields if they are known"),
    (
        "x[/FMT] PLACE [N]",
        "memory: FMT is a count, x d u i for its style, b h w g for units of 1 2 4 8 bytes",
    ),
    ("disassemble [PLACE] [N]", "N instructions (8) from PLACE (the pc)"),
    ("backtrace", "the calls that led here, as far as frame pointers tell"),
    ("goto CYCLE", "to the first place at which a hart has got to core cycle CYCLE"),
    ("last-write PLACE", "where one of the 8 bytes at PLACE was last written"),
    ("uintr", "sender tables and receivers of user interrupts"),
    ("hart N", "look at hart N from now on"),
    ("print EXPR", "the value of an expression"),
    (
        "set TARGET = EXPR",
        "write to a register, pc, priv, a CSR, or mem8(PLACE) to mem64(PLACE); what came after is forgotten",
    ),
    ("checkpoint FILE", "write the machine as it is now to FILE, for restore and `relsim run --restore`"),
    ("restore FILE", "go on from FILE; the past begins there"),
    ("cycles", "where in time the machine is"),
    ("help", "these lines"),
    ("quit", "no more"),
];

/// A line that is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// Where in the line, in bytes.
    pub at: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl CommandError {
    fn new<T>(at: usize, message: impl Into<String>) -> Result<T, Self> {
        Err(Self { at, message: message.into() })
    }
}

/// The words of a line, one after the other.
struct Words<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn skip(&mut self) {
        let rest = &self.line[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn next(&mut self) -> Option<(usize, &'a str)> {
        self.skip();
        let rest = &self.line[self.at..];
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        let at = self.at;
        self.at += word.len();
        (!word.is_empty()).then_some((at, word))
    }

    fn rest(&mut self) -> Option<Text> {
        self.skip();
        let text = self.line[self.at..].trim_end();
        let at = std::mem::replace(&mut self.at, self.line.len());
        (!text.is_empty()).then(|| Text { at, text: text.into() })
    }

    fn wanted(&mut self, what: &str) -> Result<Text, CommandError> {
        match self.next() {
            Some((at, word)) => Ok(Text { at, text: word.into() }),
            None => CommandError::new(self.at, format!("expected {what}")),
        }
    }

    fn expression(&mut self, what: &str) -> Result<Text, CommandError> {
        self.rest().map_or_else(|| CommandError::new(self.at, format!("expected {what}")), Ok)
    }

    /// The rest of the line as what is before and what is behind a single `=`.
    fn assignment(&mut self) -> Result<(Text, Text), CommandError> {
        let Text { at, text } = self.expression("a register, a CSR, pc or memN(ADDRESS)")?;
        let bytes = text.as_bytes();
        let single = |&n: &usize| {
            let before = n.checked_sub(1).and_then(|n| bytes.get(n));
            bytes[n] == b'='
                && bytes.get(n + 1) != Some(&b'=')
                && !before.is_some_and(|byte| b"=!<>".contains(byte))
        };
        let Some(equals) = (0..bytes.len()).find(single) else {
            return CommandError::new(at + text.len(), "expected `= EXPR`");
        };
        let (target, value) = (text[..equals].trim_end(), &text[equals + 1..]);
        let value_at = at + equals + 1 + value.len() - value.trim_start().len();
        if value.trim().is_empty() {
            return CommandError::new(value_at, "expected an expression");
        }
        Ok((Text { at, text: target.into() }, Text { at: value_at, text: value.trim().into() }))
    }

    /// A number of steps, and whether they are those of one hart.
    fn steps(&mut self) -> Result<(u64, bool), CommandError> {
        let begin = self.at;
        let mut steps = 1;
        if self.next().is_some_and(|(_, word)| word != "hart") {
            self.at = begin;
            steps = self.number("a number of steps")?.unwrap_or(1);
        } else {
            self.at = begin;
        }
        let rest = self.at;
        let hart = self.next().is_some_and(|(_, word)| word == "hart");
        if !hart {
            self.at = rest;
        }
        Ok((steps, hart))
    }

    fn number(&mut self, what: &str) -> Result<Option<u64>, CommandError> {
        let Some((at, word)) = self.next() else { return Ok(None) };
        match expr::number(word) {
            Some(number) => Ok(Some(number)),
            None => CommandError::new(at, format!("expected {what}, not {word:?}")),
        }
    }

    fn wanted_number(&mut self, what: &str) -> Result<u64, CommandError> {
        self.number(what)?.map_or_else(|| CommandError::new(self.at, format!("expected {what}")), Ok)
    }

    fn code(&mut self) -> Result<Option<u8>, CommandError> {
        let at = self.at;
        match self.number("a cause code")?.map(u8::try_from) {
            None => Ok(None),
            Some(Ok(code)) => Ok(Some(code)),
            Some(Err(_)) => CommandError::new(at, "expected a cause code below 256"),
        }
    }

    fn end(&mut self) -> Result<(), CommandError> {
        match self.next() {
            None => Ok(()),
            Some((at, word)) => CommandError::new(at, format!("expected the end of the line, not {word:?}")),
        }
    }
}

/// The condition after `if`, which is taken off `words`.
fn condition(words: &mut Words<'_>) -> Option<Text> {
    let rest = &words.line[words.at..];
    let found = rest.match_indices("if").map(|(at, _)| at).find(|&at| {
        let before = rest[..at].ends_with(char::is_whitespace);
        before && rest[at + 2..].starts_with(|c: char| c.is_whitespace() || c == '(')
    })?;
    let at = words.at + found + 2;
    let text = &words.line[at..];
    let skipped = text.len() - text.trim_start().len();
    let condition = Text { at: at + skipped, text: text.trim().into() };
    words.line = &words.line[..words.at + found];
    Some(condition)
}

impl Command {
    /// The command that `line` is; `None` if it is empty or a comment.
    ///
    /// # Errors
    /// What is wrong with it, where, and what was expected.
    pub fn parse(line: &str) -> Result<Option<Self>, CommandError> {
        let line = line.split_once('#').map_or(line, |(command, _)| command);
        let mut words = Words { line, at: 0 };
        let Some((at, name)) = words.next() else { return Ok(None) };
        let condition = if matches!(name, "break" | "b" | "watch" | "rwatch" | "awatch" | "catch") {
            condition(&mut words)
        } else {
            None
        };
        let command = Self::named(at, name, &mut words, condition)?;
        words.end()?;
        Ok(Some(command))
    }

    /// Whether it makes a breakpoint, which has a number.
    pub fn is_breakpoint(&self) -> bool {
        matches!(self, Self::Break { .. } | Self::Watch { .. } | Self::Catch { .. })
    }

    /// Whether it goes back in time, or may.
    pub fn goes_back(&self) -> bool {
        matches!(
            self,
            Self::ReverseStep(_)
                | Self::ReverseStepHart(_)
                | Self::ReverseNext
                | Self::ReverseFinish
                | Self::ReverseContinue
                | Self::GoTo(_)
                | Self::LastWrite(_)
        )
    }

    fn named(
        at: usize,
        name: &str,
        words: &mut Words<'_>,
        condition: Option<Text>,
    ) -> Result<Self, CommandError> {
        Ok(match name {
            "step" | "s" => match words.steps()? {
                (steps, false) => Self::Step(steps),
                (steps, true) => Self::StepHart(steps),
            },
            "reverse-step" | "rs" => match words.steps()? {
                (steps, false) => Self::ReverseStep(steps),
                (steps, true) => Self::ReverseStepHart(steps),
            },
            "next" | "n" => Self::Next,
            "reverse-next" | "rn" => Self::ReverseNext,
            "finish" => Self::Finish,
            "reverse-finish" => Self::ReverseFinish,
            "continue" | "c" => Self::Continue,
            "reverse-continue" | "rc" => Self::ReverseContinue,
            "break" | "b" => Self::Break { place: words.expression("a place to stop at")?, condition },
            "watch" | "rwatch" | "awatch" => Self::Watch {
                place: words.expression("the address to watch")?,
                condition,
                read: name != "watch",
                write: name != "rwatch",
            },
            "catch" => Self::Catch { what: Self::catch(words)?, condition },
            "delete" => {
                let at = words.at;
                match words.number("the number of a breakpoint")?.map(u32::try_from) {
                    None => Self::Delete(None),
                    Some(Ok(number)) => Self::Delete(Some(number)),
                    Some(Err(_)) => return CommandError::new(at, "there is no breakpoint of that number"),
                }
            }
            "info" => match words.wanted("breakpoints, harts or history")? {
                Text { text, .. } if text == "breakpoints" => Self::InfoBreakpoints,
                Text { text, .. } if text == "harts" => Self::InfoHarts,
                Text { text, .. } if text == "history" => Self::InfoHistory,
                Text { at, text } => {
                    return CommandError::new(
                        at,
                        format!("expected breakpoints, harts or history, not {text:?}"),
                    );
                }
            },
            "regs" => Self::Registers(words.next().map(|(at, word)| Text { at, text: word.into() })),
            "csr" => Self::Csr(words.wanted("the name of a CSR")?),
            "disassemble" => {
                let place = words.next().map(|(at, word)| Text { at, text: word.into() });
                Self::Disassemble { place, count: words.number("a number of instructions")?.unwrap_or(8) }
            }
            "backtrace" | "bt" => Self::Backtrace,
            "goto" => Self::GoTo(words.wanted_number("a core cycle")?),
            "last-write" => Self::LastWrite(words.expression("an address")?),
            "uintr" => Self::UserInterrupts,
            "hart" => {
                Self::Hart(usize::try_from(words.wanted_number("a hart's number")?).unwrap_or(usize::MAX))
            }
            "print" | "p" => Self::Print(words.expression("an expression")?),
            "set" => {
                let (target, value) = words.assignment()?;
                Self::Set { target, value }
            }
            "checkpoint" => Self::Checkpoint(words.expression("a file to write to")?),
            "restore" => Self::Restore(words.expression("a file to go on from")?),
            "cycles" => Self::Cycles,
            "help" => Self::Help,
            "quit" | "q" => Self::Quit,
            "x" => {
                let place = words.wanted("an address")?;
                let count = words.number("a number of units")?.unwrap_or(1);
                Self::Examine { format: Format { count, size: 8, style: Style::Hex }, place }
            }
            _ => match name.strip_prefix("x/") {
                Some(format) => {
                    let format = Self::format(at + 2, format)?;
                    Self::Examine { format, place: words.expression("an address")? }
                }
                None => return CommandError::new(at, format!("{name:?} is no command; `help` lists them")),
            },
        })
    }

    fn catch(words: &mut Words<'_>) -> Result<Catch, CommandError> {
        let what = "trap, interrupt, user-interrupt, privilege, csr, register, instruction or cycle";
        let Text { at, text } = words.wanted(what)?;
        Ok(match text.as_str() {
            "trap" => Catch::Trap(words.code()?),
            "interrupt" => Catch::Interrupt(words.code()?),
            "user-interrupt" => Catch::UserInterrupt,
            "privilege" => Catch::Privilege,
            "csr" => Catch::Csr(words.wanted("the name of a CSR")?),
            "register" => Catch::Register(words.wanted("the name of a register")?),
            "instruction" => Catch::Instruction(words.wanted("the name of an instruction")?),
            "cycle" => Catch::Cycle(words.wanted_number("a core cycle")?),
            _ => return CommandError::new(at, format!("expected {what}, not {text:?}")),
        })
    }

    fn format(at: usize, text: &str) -> Result<Format, CommandError> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let mut format = Format { count: 1, size: 8, style: Style::Hex };
        if digits > 0 {
            let Ok(count) = text[..digits].parse() else {
                return CommandError::new(at, "expected a smaller count");
            };
            format.count = count;
        }
        for (n, letter) in text[digits..].char_indices() {
            match letter {
                'x' => format.style = Style::Hex,
                'd' => format.style = Style::Decimal,
                'u' => format.style = Style::Unsigned,
                'i' => format.style = Style::Instructions,
                'b' => format.size = 1,
                'h' => format.size = 2,
                'w' => format.size = 4,
                'g' => format.size = 8,
                _ => {
                    let message = format!("expected x, d, u, i, b, h, w or g, not {letter:?}");
                    return CommandError::new(at + digits + n, message);
                }
            }
        }
        Ok(format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(at: usize, text: &str) -> Text {
        Text { at, text: text.into() }
    }

    #[test]
    fn commands_are_read() {
        let parse = |line| Command::parse(line).unwrap();
        assert_eq!(parse("  # nothing"), None);
        assert_eq!(parse(" step 0x10 # sixteen"), Some(Command::Step(16)));
        let condition = Some(text(20, "a0 == 1"));
        assert_eq!(
            parse("break trap_entry if a0 == 1"),
            Some(trimmed(Command::Break { place: text(6, "trap_entry "), condition }))
        );
        assert_eq!(parse("s hart"), Some(Command::StepHart(1)));
        assert_eq!(parse("rs 7 hart"), Some(Command::ReverseStepHart(7)));
        let (target, value) = (text(4, "mem32(a0 == 1)"), text(21, "a1 != 2"));
        assert_eq!(parse("set mem32(a0 == 1) = a1 != 2"), Some(Command::Set { target, value }));
        let format = Format { count: 4, size: 4, style: Style::Unsigned };
        assert_eq!(parse("x/4wu sp + 8"), Some(Command::Examine { format, place: text(6, "sp + 8") }));
        assert_eq!(
            parse("catch trap 8"),
            Some(Command::Catch { what: Catch::Trap(Some(8)), condition: None })
        );
    }

    fn trimmed(command: Command) -> Command {
        match command {
            Command::Break { place, condition } => {
                Command::Break { place: text(place.at, place.text.trim()), condition }
            }
            command => command,
        }
    }

    #[test]
    fn errors_say_where() {
        for (line, at, message) in [
            ("  stepp", 2, "\"stepp\" is no command; `help` lists them"),
            ("step one", 5, "expected a number of steps, not \"one\""),
            ("step 1 2", 7, "expected the end of the line, not \"2\""),
            ("break", 5, "expected a place to stop at"),
            ("x/4q sp", 3, "expected x, d, u, i, b, h, w or g, not 'q'"),
            ("info me", 5, "expected breakpoints, harts or history, not \"me\""),
            (
                "catch it",
                6,
                "expected trap, interrupt, user-interrupt, privilege, csr, register, instruction or cycle, not \"it\"",
            ),
        ] {
            assert_eq!(Command::parse(line), Err(CommandError { at, message: message.into() }), "{line}");
        }
    }
}
