//! A line that is typed: editing, history, completion.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Lines that are remembered.
pub const MAX_HISTORY: usize = 200;

/// What a key has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// The line goes on.
    More,
    /// It is done.
    Line(String),
    /// It is given up.
    Cancelled,
    /// Its last word is to be completed.
    Complete,
}

/// A line under way.
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    text: String,
    /// Where the cursor is, in bytes: always between characters.
    at: usize,
    history: Vec<String>,
    /// Which line of the history is shown, from the end; 0 is the new one.
    back: usize,
    /// The new one, while others are looked at.
    kept: String,
}

impl Prompt {
    /// With lines that were typed before.
    pub fn new(history: Vec<String>) -> Self {
        Self { history, ..Self::default() }
    }

    /// Lines that were typed, the last one last.
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// Begins a line.
    pub fn begin(&mut self, text: &str) {
        (self.text, self.at, self.back) = (text.into(), text.len(), 0);
    }

    /// What has been typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub fn before(&self) -> &str {
        &self.text[..self.at]
    }

    /// Puts `text` in the place of what stands before the cursor.
    pub fn replace_before(&mut self, text: &str) {
        self.text.replace_range(..self.at, text);
        self.at = text.len();
    }

    fn left(&self) -> usize {
        self.text[..self.at].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        self.text[self.at..].chars().next().map_or(self.at, |c| self.at + c.len_utf8())
    }

    fn word_left(&self) -> usize {
        let before = self.text[..self.at].trim_end();
        before.rfind(char::is_whitespace).map_or(0, |at| at + 1)
    }

    /// Looks at the line of the history `back` lines ago.
    fn look_back(&mut self, back: usize) {
        if back > self.history.len() {
            return;
        }
        if self.back == 0 {
            self.kept.clone_from(&self.text);
        }
        self.back = back;
        let text = if back == 0 { &self.kept } else { &self.history[self.history.len() - back] };
        self.text.clone_from(text);
        self.at = self.text.len();
    }

    fn done(&mut self, remember: bool) -> Typed {
        let line = std::mem::take(&mut self.text);
        self.at = 0;
        if remember && !line.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
            let excess = self.history.len().saturating_sub(MAX_HISTORY);
            self.history.drain(..excess);
        }
        Typed::Line(line)
    }

    /// Takes a key; `remember`: whether a line that is done goes into the history.
    pub fn key(&mut self, key: KeyEvent, remember: bool) -> Typed {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return self.done(remember),
            KeyCode::Esc => return Typed::Cancelled,
            KeyCode::Char('c' | 'g') if control => return Typed::Cancelled,
            KeyCode::Tab => return Typed::Complete,
            KeyCode::Backspace if self.text.is_empty() => return Typed::Cancelled,
            KeyCode::Backspace => self.cut(self.left()),
            KeyCode::Char('h') if control => self.cut(self.left()),
            KeyCode::Char('w') if control => self.cut(self.word_left()),
            KeyCode::Char('u') if control => self.cut(0),
            KeyCode::Char('k') if control => self.text.truncate(self.at),
            KeyCode::Delete => {
                self.text.replace_range(self.at..self.right(), "");
            }
            KeyCode::Left => self.at = self.left(),
            KeyCode::Right => self.at = self.right(),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            KeyCode::Char('a') if control => self.at = 0,
            KeyCode::Char('e') if control => self.at = self.text.len(),
            KeyCode::Up => self.look_back(self.back + 1),
            KeyCode::Down => self.look_back(self.back.saturating_sub(1)),
            KeyCode::Char(c) if !control && !c.is_control() => {
                self.text.insert(self.at, c);
                self.at += c.len_utf8();
            }
            _ => {}
        }
        Typed::More
    }

    /// Takes away what stands between `from` and the cursor.
    fn cut(&mut self, from: usize) {
        self.text.replace_range(from..self.at, "");
        self.at = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(prompt: &mut Prompt, keys: &[KeyCode]) {
        for &code in keys {
            assert_eq!(prompt.key(KeyEvent::new(code, KeyModifiers::NONE), true), Typed::More);
        }
    }

    #[test]
    fn a_line_is_edited() {
        use KeyCode::{Backspace, Char, Delete, End, Home, Left, Right};
        let mut prompt = Prompt::default();
        typed(&mut prompt, &[Char('a'), Char('é'), Char('c'), Left, Left, Char('x'), Right, Backspace]);
        assert_eq!((prompt.text(), prompt.before()), ("axc", "ax"));
        typed(&mut prompt, &[Home, Delete, End, Char('!')]);
        assert_eq!(prompt.text(), "xc!");
        prompt.key(KeyEvent::new(Char('w'), KeyModifiers::CONTROL), true);
        assert_eq!(prompt.text(), "");
    }

    #[test]
    fn lines_come_back() {
        use KeyCode::{Char, Down, Enter, Up};
        let mut prompt = Prompt::new(vec!["one".into()]);
        typed(&mut prompt, &[Char('2')]);
        let done = prompt.key(KeyEvent::new(Enter, KeyModifiers::NONE), true);
        assert_eq!(done, Typed::Line("2".into()));
        typed(&mut prompt, &[Char('n'), Up, Up, Up]);
        assert_eq!(prompt.text(), "one");
        typed(&mut prompt, &[Down, Down]);
        assert_eq!(prompt.text(), "n");
        assert_eq!(prompt.history(), ["one", "2"]);
    }
}
