//! The host's side of the guest's console: standard output, and one of several kinds of input.

mod collected;
mod input;
mod keys;

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use relsim_core::device::{Console, ConsolePlace};

pub use collected::{Collected, Output};
pub use input::{Input, InputSource, Keyboard, Known, Typed};

use crate::control::{Control, Quit};
use crate::error::CliError;

/// Whether the terminal is in raw mode because of us.
static RAW: AtomicBool = AtomicBool::new(false);

/// Output to a pipe or file is collected up to this size, and up to the end of a line.
const BUFFER_BYTES: usize = 1 << 14;

/// Puts the terminal back as it was; harmless when nothing was changed.
pub fn restore_terminal() {
    if RAW.swap(false, Ordering::SeqCst) {
        // There is nobody left to tell.
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// The end of a line on standard error: in raw mode the terminal does not return the carriage itself.
pub fn line_end() -> &'static str {
    if RAW.load(Ordering::Relaxed) { "\r\n" } else { "\n" }
}

/// Keeps the terminal in raw mode while it lives.
pub struct RawMode(());

impl RawMode {
    /// Switches raw mode on. It is switched off when the value is dropped, and when relsim panics.
    ///
    /// # Errors
    /// [`CliError::Terminal`].
    pub fn new() -> Result<Self, CliError> {
        crossterm::terminal::enable_raw_mode().map_err(CliError::Terminal)?;
        RAW.store(true, Ordering::SeqCst);
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore_terminal();
            previous(info);
        }));
        Ok(Self(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// Standard input and output as the guest's console.
pub struct HostConsole {
    buffer: Vec<u8>,
    /// A terminal shows every byte at once.
    terminal: bool,
    last: u8,
    input: Input,
    place: ConsolePlace,
    control: Arc<Control>,
}

impl HostConsole {
    /// A console with `input`. When standard output is closed, `control` ends the run.
    pub fn new(input: Input, control: Arc<Control>) -> Self {
        let (buffer, terminal) = (Vec::new(), std::io::stdout().is_terminal());
        Self { buffer, terminal, last: b'\n', input, place: ConsolePlace::default(), control }
    }

    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let mut out = std::io::stdout().lock();
        if out.write_all(&self.buffer).and_then(|()| out.flush()).is_err() {
            self.control.quit(Quit::OutputClosed);
        }
        self.buffer.clear();
    }
}

impl Console for HostConsole {
    fn write(&mut self, bytes: &[u8]) {
        self.place.written += bytes.len() as u64;
        let raw = self.terminal && RAW.load(Ordering::Relaxed);
        for &byte in bytes {
            // In raw mode a bare line feed would not return the carriage.
            if raw && byte == b'\n' && self.last != b'\r' {
                self.buffer.push(b'\r');
            }
            self.buffer.push(byte);
            self.last = byte;
        }
        if self.terminal || self.buffer.len() >= BUFFER_BYTES || bytes.contains(&b'\n') {
            self.flush();
        }
    }

    /// A guest that looks for input has said what it wanted to say.
    fn read(&mut self) -> Option<u8> {
        self.flush();
        let byte = self.input.read();
        self.place.reads += 1;
        self.place.taken += u64::from(byte.is_some());
        byte
    }

    fn place(&self) -> ConsolePlace {
        self.place
    }

    /// What was printed stays where it is.
    fn go_to(&mut self, place: ConsolePlace) {
        self.place = place;
        self.input.go_to(place.taken);
    }

    fn at_end(&self) -> bool {
        self.input.at_end()
    }
}

impl Drop for HostConsole {
    fn drop(&mut self) {
        // What relsim or the shell says next begins a line of its own.
        if self.terminal && self.last != b'\n' {
            self.buffer.extend_from_slice(b"\r\n");
        }
        self.flush();
    }
}
