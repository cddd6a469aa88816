//! The terminal, taken over and given back.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{Receiver, channel};

use crossterm::event::{self, Event};
use ratatui::{DefaultTerminal, Frame};

use crate::error::CliError;

/// That there is a terminal to draw on and to read keys from.
///
/// # Errors
/// [`CliError::NoTerminal`].
pub fn check() -> Result<(), CliError> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        Ok(())
    } else {
        Err(CliError::NoTerminal)
    }
}

/// What happens at the terminal, read by a thread of its own: when the terminal goes, crossterm looks for more of it for
/// ever, and relsim has to be able to end.
pub fn events() -> Receiver<io::Result<Event>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let read = std::iter::repeat_with(event::read);
        for event in read {
            let last = event.is_err();
            if sender.send(event).is_err() || last {
                break;
            }
        }
    });
    receiver
}

/// The whole screen. It is given back when the value is dropped, and when relsim panics.
pub struct Screen(DefaultTerminal);

impl Screen {
    /// Takes it over.
    ///
    /// # Errors
    /// [`CliError::Terminal`].
    pub fn new() -> Result<Self, CliError> {
        ratatui::try_init().map(Self).map_err(|error| {
            ratatui::restore();
            CliError::Terminal(error)
        })
    }

    /// Columns and lines.
    ///
    /// # Errors
    /// [`CliError::Terminal`].
    pub fn size(&self) -> Result<(u16, u16), CliError> {
        self.0.size().map(|size| (size.width, size.height)).map_err(CliError::Terminal)
    }

    /// Draws.
    ///
    /// # Errors
    /// [`CliError::Terminal`].
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), CliError> {
        self.0.draw(draw).map(drop).map_err(CliError::Terminal)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where the terminal is gone, there is nothing to give back.
        let _ = ratatui::try_restore();
    }
}
