//! What keys mean: Ctrl-A begins a command to relsim, as in QEMU.

/// The byte that Ctrl-A sends.
const CTRL_A: u8 = 0x01;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The byte goes to the guest.
    Type(u8),
    /// Leave.
    Quit,
    /// Show the counts so far.
    Statistics,
    /// Show the keys.
    Help,
    /// Nothing (yet).
    Nothing,
}

/// The keys, for Ctrl-A h.
pub const HELP: &[&str] = &[
    "Ctrl-A x       leave",
    "Ctrl-A s       show the counts so far",
    "Ctrl-A h       show this",
    "Ctrl-A Ctrl-A  send Ctrl-A to the guest",
];

/// Follows the typed bytes.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// What `byte` means after those before it.
    pub fn take(&mut self, byte: u8) -> Action {
        if !self.escaped {
            self.escaped = byte == CTRL_A;
            return if self.escaped { Action::Nothing } else { Action::Type(byte) };
        }
        self.escaped = false;
        match byte {
            CTRL_A => Action::Type(CTRL_A),
            b'x' | b'X' => Action::Quit,
            b's' | b'S' => Action::Statistics,
            b'h' | b'H' | b'?' => Action::Help,
            _ => Action::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let mut keys = Keys::default();
        let actions: Vec<_> = b"a\x01\x01\x01qb\x01h\x01s\x03\x01x".iter().map(|&b| keys.take(b)).collect();
        let expected = [
            Action::Type(b'a'),
            Action::Nothing,
            Action::Type(1),
            Action::Nothing,
            Action::Nothing,
            Action::Type(b'b'),
            Action::Nothing,
            Action::Help,
            Action::Nothing,
            Action::Statistics,
            Action::Type(3),
            Action::Nothing,
            Action::Quit,
        ];
        assert_eq!(actions, expected);
    }
}
