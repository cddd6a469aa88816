//! The guest's console where many run at a time: what one prints is kept, and seen if its run goes wrong.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use relsim_core::device::{Console, ConsolePlace};

use crate::console::Known;

/// How much of the end of the output is kept.
const KEPT_BYTES: usize = 1 << 16;

/// The end of what a guest printed.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    /// The last `count` lines.
    pub fn lines(&self, count: usize) -> Vec<String> {
        let bytes: Vec<u8> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        // What a terminal would act on is not for a report.
        let clean = |line: &str| line.chars().filter(|c| !c.is_control()).collect::<String>();
        let lines: Vec<_> = text.lines().map(clean).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }
}

/// A console with input that was known before.
pub struct Recorder {
    /// What is printed.
    pub tail: Tail,
    /// What is typed.
    pub input: Known,
}

impl Console for Recorder {
    fn write(&mut self, bytes: &[u8]) {
        let mut tail = self.tail.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&bytes[bytes.len().saturating_sub(KEPT_BYTES)..]);
        let excess = tail.len().saturating_sub(KEPT_BYTES);
        tail.drain(..excess);
    }

    fn read(&mut self) -> Option<u8> {
        self.input.read()
    }

    fn go_to(&mut self, place: ConsolePlace) {
        self.input.go_to(place.taken);
    }

    fn at_end(&self) -> bool {
        self.input.at_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let tail = Tail::default();
        let mut console = Recorder { tail: tail.clone(), input: vec![7].into() };
        assert!(tail.lines(3).is_empty());
        console.write(&[b'x'; 2 * KEPT_BYTES]);
        console.write(b"\nfirst\r\n\x1b[1mlast\n");
        assert_eq!(tail.lines(2), ["first", "[1mlast"]);
        assert_eq!(tail.lines(9)[0].len(), KEPT_BYTES - 17);
        assert_eq!((console.read(), console.at_end(), console.read()), (Some(7), true, None));
    }
}
