//! What a guest prints, as lines.

/// Lines that are kept.
const MAX_LINES: usize = 2000;
/// Longest line that is kept in one piece.
const MAX_LINE: usize = 1000;

/// The lines. What a terminal would act on is left out.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    lines: Vec<String>,
    /// Bytes that are no character yet.
    partial: Vec<u8>,
    escape: Escape,
    returned: bool,
}

/// Where in an escape sequence (ECMA-48) it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Begun,
    Parameters,
}

impl Transcript {
    /// All lines; the last is the one that the guest is at.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The guest prints `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.partial.extend(bytes);
        let bytes = std::mem::take(&mut self.partial);
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|c| self.character(c));
            let rest = chunk.invalid();
            let at_end = std::ptr::eq(chunk.invalid().as_ptr_range().end, bytes.as_ptr_range().end);
            if at_end && std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none()) {
                self.partial = rest.to_vec();
            } else if !rest.is_empty() {
                self.character(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    fn character(&mut self, c: char) {
        match (self.escape, c) {
            (Escape::None, '\x1b') => self.escape = Escape::Begun,
            (Escape::Begun, '[') => self.escape = Escape::Parameters,
            (Escape::Begun, _) => self.escape = Escape::None,
            (Escape::Parameters, '\x40'..='\x7e') => self.escape = Escape::None,
            (Escape::Parameters, _) => {}
            (Escape::None, '\n') => self.line(),
            (Escape::None, '\r') => self.returned = true,
            (Escape::None, '\x08') => drop(self.current().pop()),
            (Escape::None, '\t') => (0..8 - self.current().len() % 8).for_each(|_| self.current().push(' ')),
            (Escape::None, c) if !c.is_control() => {
                if std::mem::take(&mut self.returned) {
                    self.current().clear();
                }
                if self.current().len() >= MAX_LINE {
                    self.line();
                }
                self.current().push(c);
            }
            _ => {}
        }
    }

    fn current(&mut self) -> &mut String {
        if self.lines.is_empty() {
            self.lines.push(String::new());
        }
        let last = self.lines.len() - 1;
        &mut self.lines[last]
    }

    fn line(&mut self) {
        self.returned = false;
        self.current();
        self.lines.push(String::new());
        let excess = self.lines.len().saturating_sub(MAX_LINES);
        self.lines.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whatever_goes_in() {
        let mut transcript = Transcript::default();
        for bytes in [b"one\r\n\x1b[31mt\xc3".as_slice(), b"\xa9o\x1b[0m\x07\xff|", b"\rnew\tx\x08y\n"] {
            transcript.push(bytes);
        }
        assert_eq!(transcript.lines(), ["one", "new     y", ""]);
        transcript.push(b"a\x1b[31;1mb\x1b[0m\n");
        assert_eq!(transcript.lines().last_chunk(), Some(&["ab".to_string(), String::new()]));
        transcript.push(b"t\xc3");
        transcript.push(b"\xa9\xff!");
        assert_eq!(transcript.lines().last().map(String::as_str), Some("t\u{e9}\u{fffd}!"));
    }
}
