//! Console input: none, bytes that are known before the run, or a terminal.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use super::keys::{Action, HELP, Keys};
use super::{RawMode, line_end};
use crate::control::{Control, Quit};
use crate::error::CliError;

/// Where input comes from, before anything was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputSource {
    /// Nowhere.
    None,
    /// Standard input, a terminal.
    Terminal,
    /// Standard input, to its end.
    Standard,
    /// A file.
    File(PathBuf),
}

impl InputSource {
    /// What `--stdin TEXT` means here. The second value is a remark for the user.
    pub fn choose(text: &str) -> (Self, Option<&'static str>) {
        match text {
            "none" => (Self::None, None),
            "-" => (Self::Standard, None),
            "auto" if std::io::stdin().is_terminal() => (Self::Terminal, None),
            "auto" => match standard_kind() {
                Kind::File => (Self::Standard, None),
                // It may stay open without ever giving anything, as in many CI systems.
                Kind::Pipe => {
                    (Self::None, Some("standard input is a pipe and was left alone; --stdin - reads it"))
                }
                Kind::Other => (Self::None, None),
            },
            path => (Self::File(path.into()), None),
        }
    }

    /// Reads what can be known before the run.
    ///
    /// # Errors
    /// [`CliError::Read`].
    pub fn read(&self) -> Result<Vec<u8>, CliError> {
        let (path, bytes) = match self {
            Self::None | Self::Terminal => return Ok(Vec::new()),
            Self::Standard => {
                let mut bytes = Vec::new();
                ("standard input".into(), std::io::stdin().read_to_end(&mut bytes).map(|_| bytes))
            }
            Self::File(path) => (path.clone(), std::fs::read(path)),
        };
        bytes.map_err(|source| CliError::Read { what: "console input", path, source })
    }
}

/// What standard input is, as far as it matters.
enum Kind {
    File,
    Pipe,
    Other,
}

#[cfg(unix)]
fn standard_kind() -> Kind {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    let metadata =
        std::io::stdin().as_fd().try_clone_to_owned().map(std::fs::File::from).and_then(|f| f.metadata());
    match metadata.map(|m| m.file_type()) {
        Ok(kind) if kind.is_file() => Kind::File,
        Ok(kind) if kind.is_fifo() || kind.is_socket() => Kind::Pipe,
        _ => Kind::Other,
    }
}

#[cfg(not(unix))]
fn standard_kind() -> Kind {
    Kind::Other
}

/// Input that was known before the run.
#[derive(Debug, Clone, Default)]
pub struct Known {
    bytes: Vec<u8>,
    taken: usize,
}

impl From<Vec<u8>> for Known {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, taken: 0 }
    }
}

impl Known {
    /// The next byte.
    pub fn read(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.taken).copied();
        self.taken += usize::from(byte.is_some());
        byte
    }

    /// Whether there is none.
    pub fn at_end(&self) -> bool {
        self.taken == self.bytes.len()
    }

    /// Goes to where `taken` bytes have been read.
    pub fn go_to(&mut self, taken: u64) {
        self.taken = usize::try_from(taken).map_or(self.bytes.len(), |taken| taken.min(self.bytes.len()));
    }
}

/// Input of a run.
pub enum Input {
    /// Bytes that are all there; none may be left.
    Bytes(Known),
    /// What somebody types at a terminal that is the guest's.
    Keyboard(Keyboard),
    /// What somebody types elsewhere.
    Typed(Typed),
}

impl Input {
    /// The next byte, if there is one now.
    pub fn read(&mut self) -> Option<u8> {
        match self {
            Self::Bytes(bytes) => bytes.read(),
            Self::Keyboard(keyboard) => keyboard.typed.read(),
            Self::Typed(typed) => typed.read(),
        }
    }

    /// Goes to where `taken` bytes have been read, if they are all there.
    pub fn go_to(&mut self, taken: u64) {
        if let Self::Bytes(bytes) = self {
            bytes.go_to(taken);
        }
    }

    /// Whether nothing will come any more.
    pub fn at_end(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.at_end())
    }
}

/// Two looks for input that are closer together than this, in host time, have no guest instructions between
/// them: the guest sleeps.
const IDLE_GAP: Duration = Duration::from_micros(10);
/// After so many looks of a sleeping guest, relsim sleeps too.
const IDLE_LOOKS: u32 = 32;
/// How long it sleeps: about what that many looks take in the guest's time, so that a guest that waits for
/// its user sees the time pass at about the pace that he does.
const IDLE_SLEEP: Duration = Duration::from_millis(3);

/// Bytes as they are typed.
pub struct Typed {
    typed: Receiver<u8>,
    last_look: Instant,
    idle_looks: u32,
}

/// A terminal in raw mode, with a thread that reads it.
pub struct Keyboard {
    typed: Typed,
    _raw: RawMode,
}

impl Keyboard {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// [`CliError::Terminal`].
    pub fn new(control: Arc<Control>) -> Result<Self, CliError> {
        let raw = RawMode::new()?;
        let (sender, typed) = channel();
        // Never joined: it waits for a key, and ends with the process.
        std::thread::spawn(move || read_keys(&sender, &control));
        Ok(Self { typed: Typed::new(typed), _raw: raw })
    }
}

impl Typed {
    /// What comes through `typed`.
    pub fn new(typed: Receiver<u8>) -> Self {
        Self { typed, last_look: Instant::now(), idle_looks: 0 }
    }

    fn read(&mut self) -> Option<u8> {
        match self.typed.try_recv() {
            Ok(byte) => {
                self.idle_looks = 0;
                return Some(byte);
            }
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        let now = Instant::now();
        let idle = now.duration_since(self.last_look) < IDLE_GAP;
        self.idle_looks = if idle { self.idle_looks + 1 } else { 0 };
        self.last_look = now;
        if self.idle_looks < IDLE_LOOKS {
            return None;
        }
        self.idle_looks = 0;
        let typed = self.typed.recv_timeout(IDLE_SLEEP).ok();
        self.last_look = Instant::now();
        typed
    }
}

fn read_keys(guest: &Sender<u8>, control: &Control) {
    let mut keys = Keys::default();
    let mut bytes = [0; 256];
    let mut stdin = std::io::stdin().lock();
    loop {
        let count = match stdin.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        for &byte in &bytes[..count] {
            match keys.take(byte) {
                Action::Type(byte) => {
                    if guest.send(byte).is_err() {
                        return;
                    }
                }
                Action::Quit => control.quit(Quit::Interrupted),
                Action::Statistics => control.ask_statistics(),
                Action::Help => {
                    let lines: Vec<_> = HELP.iter().map(|line| format!("{}{line}", line_end())).collect();
                    eprint!("{}{}", lines.concat(), line_end());
                }
                Action::Nothing => {}
            }
        }
    }
}
