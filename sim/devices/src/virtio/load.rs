//! A peer that drives a TCP echo server in the guest, and counts what comes back.
//!
//! The guest asks for the load itself, so that all that a run depends on stands on its kernel command line. It sends a
//! UDP datagram of 64-bit words, in network order, to port [`CONTROL_PORT`] of 10.0.2.2, and gets another one back when
//! what it asks for is done:
//!
//! | request | | answered |
//! |---|---|---|
//! | 1, *n*, *bytes*, *port* | open *n* connections to *port*, for messages of so many bytes | when each is open or has failed |
//! | 2, *m* | send *m* messages on each, one after the other: the next when the echo of the last is there | when all echoes are there |
//! | 3 | close them | when the guest has closed them, too |
//!
//! The answer has the request's number, how many connections (of 2: echoes) there were and how many of them were not as
//! they should be, the sum of the cycles from sending a message to its echo, and the most of them. A request that cannot
//! be met, or comes while another is under way, is answered with 0.
//!
//! Everything else is answered as [`EchoPeer`] does. All of it is a function of what comes and when; the connections'
//! state can be saved, which is why they are not a library's sockets. Frames are read and written by `smoltcp`.

mod connection;
mod frame;

use serde::{Deserialize, Serialize};
use smoltcp::wire::TcpRepr;

use super::peer::{EchoPeer, Frames, NetPeer};
use crate::state::{decode, encode, require};
use connection::{Connection, Segment};
use frame::{Host, Packet};

/// The port of requests.
pub const CONTROL_PORT: u16 = 7000;
/// Connections at a time.
pub const MAX_CONNECTIONS: u64 = 256;
/// Bytes of a message: it fits into a segment, together with all headers.
pub const MAX_MESSAGE_BYTES: u64 = 1024;

const NETWORK: [u8; 3] = [10, 0, 2];
const ADDRESS: [u8; 4] = [10, 0, 2, 2];
/// The port of the first connection: the first of those that nobody owns (RFC 6335).
const FIRST_PORT: u16 = 49152;

const REFUSED: u64 = 0;
const OPEN: u64 = 1;
const RUN: u64 = 2;
const CLOSE: u64 = 3;

/// What messages are like, and where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Load {
    guest: Host,
    /// The server's port.
    port: u16,
    /// Bytes of a message.
    bytes: u32,
}

/// What came of a request.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Score {
    done: u64,
    errors: u64,
    /// From sending to the last byte of the echo, all of them together.
    cycles: u64,
    longest_cycles: u64,
}

impl Score {
    /// An echo is complete.
    fn echo(&mut self, cycles: u64, wrong: bool) {
        // A state that was restored may say anything.
        self.done = self.done.saturating_add(1);
        self.errors = self.errors.saturating_add(u64::from(wrong));
        self.cycles = self.cycles.saturating_add(cycles);
        self.longest_cycles = self.longest_cycles.max(cycles);
    }
}

/// A request that is not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    label: u64,
    /// The port that asks.
    port: u16,
    score: Score,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    load: Option<Load>,
    connections: Vec<Connection>,
    pending: Option<Pending>,
    /// How often connections were opened: each time they begin with other sequence numbers.
    openings: u32,
}

/// Opens TCP connections to the guest when it asks for it, and sends messages that have to come back. Answers what
/// [`EchoPeer`] answers besides.
pub struct LoadPeer {
    own: Host,
    echo: EchoPeer,
    state: State,
    /// The earliest timer of the connections.
    due_cycle: Option<u64>,
}

impl LoadPeer {
    /// 10.0.2.2, and a network of hosts that echo, behind the Ethernet address `mac`.
    #[must_use]
    pub fn new(mac: [u8; 6]) -> Self {
        let own = Host { mac, address: ADDRESS };
        Self { own, echo: EchoPeer::new(mac, NETWORK), state: State::default(), due_cycle: None }
    }

    /// What `packet` leads to; `None` if it is no business of this peer.
    fn handle(&mut self, now: u64, frame: &[u8]) -> Option<Frames> {
        let (from, packet) = frame::parse(frame, self.own)?;
        match packet {
            Packet::Udp { from_port, to_port: CONTROL_PORT, payload } => {
                Some(self.request(now, from, from_port, payload))
            }
            Packet::Udp { .. } => None,
            Packet::Tcp(tcp) => Some(self.segment(now, from, &tcp)),
        }
    }

    fn request(&mut self, now: u64, guest: Host, port: u16, payload: &[u8]) -> Frames {
        let mut words = payload.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_be_bytes));
        let mut word = || words.next().unwrap_or(0);
        let (label, args) = (word(), [word(), word(), word()]);
        let accepted = self.state.pending.is_none()
            && match label {
                OPEN => self.open(guest, args),
                RUN => self.run(args[0]),
                CLOSE => self.state.load.is_some(),
                _ => false,
            };
        if !accepted {
            return vec![self.answer(guest, port, REFUSED, Score::default())];
        }
        self.state.pending = Some(Pending { label, port, score: Score::default() });
        let Some(load) = self.state.load else { return Frames::new() };
        let mut frames = Frames::new();
        for connection in &mut self.state.connections {
            let segment = match label {
                OPEN => Some(connection.connect(now)),
                RUN => connection.next(now, &load, false),
                _ => connection.close(now),
            };
            frames.extend(segment.map(|segment| self.own.tcp(&load, connection.port(), &segment)));
        }
        self.settle(&mut frames);
        frames
    }

    fn open(&mut self, guest: Host, [count, bytes, port]: [u64; 3]) -> bool {
        let sizes = (1..=MAX_CONNECTIONS).contains(&count) && (1..=MAX_MESSAGE_BYTES).contains(&bytes);
        let (Ok(port @ 1..), Ok(bytes), true) = (u16::try_from(port), u32::try_from(bytes), sizes) else {
            return false;
        };
        if self.state.load.is_some() {
            return false;
        }
        self.state.openings = self.state.openings.wrapping_add(1);
        self.state.load = Some(Load { guest, port, bytes });
        let opening = self.state.openings;
        self.state.connections = (0..count as u16).map(|number| Connection::new(number, opening)).collect();
        true
    }

    fn run(&mut self, messages: u64) -> bool {
        let Ok(messages) = u32::try_from(messages) else { return false };
        if self.state.load.is_none() {
            return false;
        }
        self.state.connections.iter_mut().for_each(|connection| connection.order(messages));
        true
    }

    fn segment(&mut self, now: u64, from: Host, tcp: &TcpRepr<'_>) -> Frames {
        let mut frames = Frames::new();
        let number = usize::from(tcp.dst_port.wrapping_sub(FIRST_PORT));
        if let Some(load) = self.state.load.filter(|load| load.guest == from && load.port == tcp.src_port)
            && let Some(connection) = self.state.connections.get_mut(number)
        {
            let mut stray = Score::default();
            let score = self.state.pending.as_mut().map_or(&mut stray, |pending| &mut pending.score);
            let segment = connection.segment(now, tcp, &load, score);
            frames.extend(segment.map(|segment| self.own.tcp(&load, connection.port(), &segment)));
            self.settle(&mut frames);
        }
        frames
    }

    /// Answers the pending request if it is done, and looks for the next timer.
    fn settle(&mut self, frames: &mut Frames) {
        self.due_cycle = self.state.connections.iter().filter_map(Connection::due_cycle).min();
        let (Some(Pending { label, port, mut score }), Some(load)) = (self.state.pending, self.state.load)
        else {
            return;
        };
        if self.state.connections.iter().any(Connection::is_busy) {
            return;
        }
        if label != RUN {
            let failed = self.state.connections.iter().filter(|connection| connection.has_failed()).count();
            score.errors = failed as u64;
            score.done = (self.state.connections.len() - failed) as u64;
        }
        if label == CLOSE {
            self.state.connections.clear();
            self.state.load = None;
        } else if label == RUN {
            // Those of a connection that has failed.
            let missing = self.state.connections.iter_mut().map(Connection::forget).sum();
            score.errors = score.errors.saturating_add(missing);
        }
        self.state.pending = None;
        frames.push(self.answer(load.guest, port, label, score));
    }

    fn answer(&self, guest: Host, port: u16, label: u64, score: Score) -> Vec<u8> {
        let Score { done, errors, cycles, longest_cycles } = score;
        let words = [label, done, errors, cycles, longest_cycles].map(u64::to_be_bytes);
        self.own.udp(guest, (CONTROL_PORT, port), words.as_flattened())
    }
}

impl NetPeer for LoadPeer {
    fn receive(&mut self, now: u64, frame: &[u8]) -> Frames {
        match self.handle(now, frame) {
            Some(frames) => frames,
            None => self.echo.receive(now, frame),
        }
    }

    fn next_event(&self) -> Option<u64> {
        self.due_cycle
    }

    fn event(&mut self, now: u64) -> Frames {
        let mut frames = Frames::new();
        let Some(load) = self.state.load else { return frames };
        for connection in &mut self.state.connections {
            let segment = connection.timer(now, &load);
            frames.extend(segment.map(|segment: Segment| self.own.tcp(&load, connection.port(), &segment)));
        }
        self.settle(&mut frames);
        frames
    }

    fn reset(&mut self) {
        self.state = State::default();
        self.due_cycle = None;
    }

    fn save(&self) -> Vec<u8> {
        encode(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let state: State = decode(state)?;
        let count = state.connections.len() as u64;
        require(count <= MAX_CONNECTIONS, "too many connections")?;
        require(state.load.is_some() == (count > 0), "connections to nobody")?;
        let numbers = state.connections.iter().map(|connection| usize::from(connection.number()));
        require(numbers.eq(0..state.connections.len()), "connections out of order")?;
        let bytes = state.load.map_or(1, |load| load.bytes);
        require((1..=MAX_MESSAGE_BYTES).contains(&u64::from(bytes)), "messages of no length")?;
        require(state.connections.iter().all(|connection| connection.fits(bytes)), "more than was sent")?;
        require(state.pending.is_none() || state.load.is_some(), "nothing to wait for")?;
        self.due_cycle = state.connections.iter().filter_map(Connection::due_cycle).min();
        self.state = state;
        Ok(())
    }
}
