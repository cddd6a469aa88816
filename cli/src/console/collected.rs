//! The guest's console where its output is kept for whoever asks.

use std::sync::{Arc, Mutex, PoisonError};

use relsim_core::device::{Console, ConsolePlace};

use super::Input;

/// What a guest has printed since somebody took it.
#[derive(Debug, Clone, Default)]
pub struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Takes it.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A console with some input, whose output is kept.
pub struct Collected {
    /// What is printed.
    pub output: Output,
    /// What is read.
    pub input: Input,
}

impl Console for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.output.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
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
