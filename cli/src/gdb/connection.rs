//! The connection to gdb: a thread that reads, and writing by packets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::vec::IntoIter;

use gdbstub::conn::Connection;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 4096;
/// Chunks that may wait; what is behind them waits in the connection.
const CHUNKS: usize = 16;

/// What comes from gdb.
pub struct Inbox {
    chunks: Receiver<Vec<u8>>,
    /// What is left of the chunk that is being read.
    chunk: IntoIter<u8>,
    /// Lets another chunk be read.
    permits: Sender<()>,
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
        let (sender, chunks) = channel();
        let (permits, permitted) = channel();
        for _ in 0..CHUNKS {
            // The other end is here.
            let _ = permits.send(());
        }
        let bell = Arc::new(Bell { stop, on: Mutex::new(false) });
        let own = Arc::clone(&bell);
        // Never joined: it ends with the connection.
        std::thread::Builder::new().spawn(move || read(stream, sender, &permitted, &own))?;
        Ok(Self { chunks, chunk: Vec::new().into_iter(), permits, bell })
    }

    /// The next byte.
    ///
    /// # Errors
    /// If the connection is no more.
    pub fn next(&mut self) -> Result<u8, RecvError> {
        loop {
            match self.chunk.next() {
                Some(byte) => return Ok(byte),
                None => {
                    let chunk = self.chunks.recv()?;
                    self.take(chunk);
                }
            }
        }
    }

    /// Begins to read `chunk`.
    fn take(&mut self, chunk: Vec<u8>) {
        self.chunk = chunk.into_iter();
        // Nobody reads any more where the connection is over.
        let _ = self.permits.send(());
    }

    /// Does `run`, which ends early, with `None`, when there is something to read. It does not begin if there is already.
    pub fn watch<R>(&mut self, run: impl FnOnce() -> Option<R>) -> Option<R> {
        self.bell.switch(true);
        let result = if self.chunk.len() > 0 {
            None
        } else {
            match self.chunks.try_recv() {
                Ok(chunk) => {
                    self.take(chunk);
                    None
                }
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => run(),
            }
        };
        self.bell.switch(false);
        result
    }
}

fn read(mut stream: TcpStream, sender: Sender<Vec<u8>>, permitted: &Receiver<()>, bell: &Bell) {
    let mut bytes = [0; CHUNK_BYTES];
    // Nobody is left to read once there are no permits.
    while permitted.recv().is_ok()
        && let Ok(count @ 1..) = stream.read(&mut bytes)
    {
        bell.ring(|| {
            let _ = sender.send(bytes[..count].to_vec());
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
