//! The connection to gdb: a thread that reads, and writing by packets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};

use gdbstub::conn::Connection;

/// What comes from gdb.
pub struct Inbox {
    bytes: Receiver<u8>,
    /// The one that was met when the machine was to run.
    first: Option<u8>,
    bell: Arc<Bell>,
}

/// Stops the machine when something comes while it is on.
struct Bell {
    stop: Arc<AtomicBool>,
    on: Mutex<bool>,
}

impl Bell {
    /// Does `deliver`, which puts something into the inbox, and rings. Both at once, so that nobody is rung for what he has
    /// already read.
    fn ring(&self, deliver: impl FnOnce()) {
        let on = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        deliver();
        if *on {
            self.stop.store(true, Ordering::Release);
        }
    }

    fn switch(&self, on: bool) {
        let mut now = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        *now = on;
        self.stop.store(false, Ordering::Release);
    }
}

impl Inbox {
    /// Reads `stream`, and sets `stop` when something comes during [`Inbox::watch`].
    ///
    /// # Errors
    /// If the host has no thread left to read with.
    pub fn new(stream: TcpStream, stop: Arc<AtomicBool>) -> std::io::Result<Self> {
        let (sender, bytes) = channel();
        let bell = Arc::new(Bell { stop, on: Mutex::new(false) });
        let own = Arc::clone(&bell);
        // Never joined: it ends with the connection.
        std::thread::Builder::new().spawn(move || read(stream, sender, &own))?;
        Ok(Self { bytes, first: None, bell })
    }

    /// The next byte.
    ///
    /// # Errors
    /// If the connection is no more.
    pub fn next(&mut self) -> Result<u8, RecvError> {
        self.first.take().map_or_else(|| self.bytes.recv(), Ok)
    }

    /// Does `run`, which ends early, with `None`, when there is something to read. It does not begin if there is already.
    pub fn watch<R>(&mut self, run: impl FnOnce() -> Option<R>) -> Option<R> {
        self.bell.switch(true);
        let result = match self.bytes.try_recv() {
            Ok(byte) => {
                self.first = Some(byte);
                None
            }
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => run(),
        };
        self.bell.switch(false);
        result
    }
}

fn read(mut stream: TcpStream, sender: Sender<u8>, bell: &Bell) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        // It fails when the conversation is over and nobody is left to read.
        bell.ring(|| {
            for byte in &bytes[..count] {
                let _ = sender.send(*byte);
            }
        });
    }
    bell.ring(|| drop(sender));
}

/// No answer is longer, in bytes, unless more memory was asked for at once than gdb was told that it may.
const MAX_ANSWER_BYTES: usize = 4 * super::PACKET_BYTES;

/// Writes to gdb, a packet at a time.
pub struct Outbox {
    stream: TcpStream,
    packet: Vec<u8>,
}

impl Outbox {
    /// Writes to `stream`.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, packet: Vec::new() }
    }
}

impl Connection for Outbox {
    type Error = std::io::Error;

    fn write(&mut self, byte: u8) -> Result<(), Self::Error> {
        if self.packet.len() >= MAX_ANSWER_BYTES {
            return Err(std::io::Error::other("the answer does not fit into a packet"));
        }
        self.packet.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        let packet = std::mem::take(&mut self.packet);
        Write::write_all(&mut self.stream, &packet)
    }

    fn on_session_start(&mut self) -> Result<(), Self::Error> {
        self.stream.set_nodelay(true)
    }
}
