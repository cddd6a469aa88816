//! A client's end of a TCP connection, with one message under way at a time.
//!
//! It offers no options but the segment size, so windows are not scaled; what comes out of order is asked for again.
//! Source: RFC 9293, sections 3.5 to 3.10.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use smoltcp::wire::{TcpControl, TcpRepr};

use super::{FIRST_PORT, Load, Score};

/// When something is sent again that was not acknowledged, in core cycles: a second at 100 MHz (RFC 6298, section 2),
/// since nothing is lost unless the guest has no buffers for long.
const TIMEOUT_CYCLES: u64 = 100_000_000;
/// How often, before the connection has failed.
const MAX_TRIES: u8 = 8;

/// Byte `at` of message `number` of a connection.
pub(super) fn byte(connection: u16, number: u64, at: u32) -> u8 {
    let place = u64::from(connection) << 48 ^ number << 16 ^ u64::from(at);
    // Of a multiplicative hash: the golden ratio's digits.
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub connection: u16,
    pub number: u64,
    pub bytes: Range<u32>,
}

/// What a connection sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub control: TcpControl,
    /// Its sequence number.
    pub at: u32,
    /// The next that is expected.
    pub acknowledged: Option<u32>,
    pub message: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    Connecting,
    Open,
    /// This side has closed, or wants to.
    Closing,
    Closed,
    Failed,
}

/// The client's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Connection {
    number: u16,
    status: Status,
    /// Sequence number of the first byte that the guest has not acknowledged.
    unacknowledged: u32,
    /// How many were sent from there on; SYN and FIN count as one.
    in_flight: u32,
    /// Sequence number of the next byte from the guest.
    expected: u32,
    /// Bytes that the guest has room for.
    window: u32,
    /// The guest has closed.
    ended: bool,
    /// Messages to be sent, with that which is under way.
    left: u32,
    /// Number of the message that is under way, or comes next.
    message: u64,
    /// When it was sent, if it was.
    sent_cycle: Option<u64>,
    /// Bytes of its echo that have come.
    echoed: u32,
    /// Not all of them were right.
    wrong: bool,
    /// When something is sent again.
    due_cycle: Option<u64>,
    tries: u8,
}

impl Connection {
    /// Connection `number`, not opened yet, of the opening with number `opening`.
    pub fn new(number: u16, opening: u32) -> Self {
        Self {
            number,
            status: Status::Connecting,
            unacknowledged: opening << 24 ^ u32::from(number) << 16,
            in_flight: 0,
            expected: 0,
            window: 0,
            ended: false,
            left: 0,
            message: 0,
            sent_cycle: None,
            echoed: 0,
            wrong: false,
            due_cycle: None,
            tries: 0,
        }
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    /// Its port on this side.
    pub fn port(&self) -> u16 {
        FIRST_PORT + self.number
    }

    pub fn due_cycle(&self) -> Option<u64> {
        self.due_cycle
    }

    /// Whether what it was told to do is not done.
    pub fn is_busy(&self) -> bool {
        match self.status {
            Status::Connecting | Status::Closing => true,
            Status::Open => self.left > 0,
            Status::Closed | Status::Failed => false,
        }
    }

    pub fn has_failed(&self) -> bool {
        self.status == Status::Failed
    }

    /// Whether a state that was saved hangs together, with messages of so many bytes.
    pub fn fits(&self, bytes: u32) -> bool {
        let known = self.number < super::MAX_CONNECTIONS as u16;
        known && self.in_flight <= bytes && self.echoed < bytes && self.tries <= MAX_TRIES
    }

    /// Orders `messages` more.
    pub fn order(&mut self, messages: u32) {
        self.left = messages;
    }

    /// Drops what was ordered and cannot be sent: how much that was.
    pub fn forget(&mut self) -> u64 {
        u64::from(std::mem::take(&mut self.left))
    }

    /// Begins.
    pub fn connect(&mut self, now: u64) -> Segment {
        self.in_flight = 1;
        self.wait(now);
        self.resend()
    }

    /// Ends it, when all messages are done.
    pub fn close(&mut self, now: u64) -> Option<Segment> {
        if self.status != Status::Open {
            return None;
        }
        if self.in_flight > 0 {
            // It was echoed, but never acknowledged.
            return Some(self.abort());
        }
        self.status = Status::Closing;
        self.in_flight = 1;
        self.wait(now);
        Some(self.resend())
    }

    /// The next message, if it can be sent; else an acknowledgement, if there has to be one.
    pub fn next(&mut self, now: u64, load: &Load, acknowledge: bool) -> Option<Segment> {
        let ready = self.status == Status::Open && self.in_flight == 0 && self.left > 0;
        if ready && self.sent_cycle.is_none() {
            self.wait(now);
            // Without room, the timer sends it all the same, to ask again.
            if self.window >= load.bytes {
                return Some(self.send(now, load));
            }
        }
        acknowledge.then(|| self.acknowledgement())
    }

    /// The guest has sent `tcp`: what is sent then.
    pub fn segment(
        &mut self,
        now: u64,
        tcp: &TcpRepr<'_>,
        load: &Load,
        score: &mut Score,
    ) -> Option<Segment> {
        let acknowledged = tcp.ack_number.map(|number| (number.0 as u32).wrapping_sub(self.unacknowledged));
        let at = tcp.seq_number.0 as u32;
        match (self.status, tcp.control) {
            (Status::Failed, _) => return None,
            (Status::Connecting, TcpControl::Syn) if acknowledged == Some(1) => {
                self.status = Status::Open;
                self.expected = at.wrapping_add(1);
                self.advance(now, 1);
                self.window = u32::from(tcp.window_len);
                return Some(self.acknowledgement());
            }
            (Status::Connecting, TcpControl::Rst) if acknowledged == Some(1) => {
                self.fail();
                return None;
            }
            (Status::Connecting, _) => return None,
            (_, TcpControl::Rst) => {
                if at == self.expected {
                    self.fail();
                }
                return None;
            }
            _ => {}
        }
        if at != self.expected || tcp.control == TcpControl::Syn {
            // Something else is expected; an acknowledgement alone is not answered, or this would never end.
            return (tcp.segment_len() > 0).then(|| self.acknowledgement());
        }
        match acknowledged {
            Some(count) if count <= self.in_flight => {
                self.window = u32::from(tcp.window_len);
                self.advance(now, count);
            }
            // An old one.
            Some(count) if count > u32::MAX / 2 => {}
            Some(_) => return Some(self.acknowledgement()),
            None => return None,
        }
        self.take(now, tcp.payload, load, score);
        if tcp.control == TcpControl::Fin {
            self.expected = self.expected.wrapping_add(1);
            self.ended = true;
        }
        match self.status {
            Status::Open if self.ended => {
                // Not what an echo server does.
                return Some(self.abort());
            }
            Status::Closing if self.ended && self.in_flight == 0 => self.status = Status::Closed,
            _ => {}
        }
        self.next(now, load, tcp.segment_len() > 0)
    }

    /// The time is `now`: what is sent again, if that is due.
    pub fn timer(&mut self, now: u64, load: &Load) -> Option<Segment> {
        if self.due_cycle.is_none_or(|due| due > now) {
            return None;
        }
        if self.tries == MAX_TRIES {
            return Some(self.abort());
        }
        self.tries += 1;
        self.due_cycle = Some(now.saturating_add(TIMEOUT_CYCLES));
        if self.in_flight > 0 {
            return Some(match self.status {
                Status::Open => self.data(load.bytes.saturating_sub(self.in_flight)..load.bytes),
                _ => self.resend(),
            });
        }
        // There was no room.
        Some(self.send(now, load))
    }

    fn wait(&mut self, now: u64) {
        self.due_cycle = Some(now.saturating_add(TIMEOUT_CYCLES));
        self.tries = 0;
    }

    /// The guest has acknowledged `count` more.
    fn advance(&mut self, now: u64, count: u32) {
        if count == 0 {
            return;
        }
        self.unacknowledged = self.unacknowledged.wrapping_add(count);
        self.in_flight = self.in_flight.saturating_sub(count);
        self.wait(now);
        if self.in_flight == 0 {
            self.due_cycle = None;
        }
    }

    fn fail(&mut self) {
        self.status = Status::Failed;
        (self.in_flight, self.sent_cycle, self.due_cycle) = (0, None, None);
    }

    fn abort(&mut self) -> Segment {
        let last = Segment { control: TcpControl::Rst, ..self.acknowledgement() };
        self.fail();
        last
    }

    fn send(&mut self, now: u64, load: &Load) -> Segment {
        self.sent_cycle = Some(now);
        self.in_flight = load.bytes;
        self.data(0..load.bytes)
    }

    fn data(&self, bytes: Range<u32>) -> Segment {
        let message = Part { connection: self.number, number: self.message, bytes };
        Segment { control: TcpControl::Psh, at: self.unacknowledged, message, ..self.acknowledgement() }
    }

    /// SYN or FIN.
    fn resend(&self) -> Segment {
        let mut segment = Segment { at: self.unacknowledged, ..self.acknowledgement() };
        if self.status == Status::Connecting {
            (segment.control, segment.acknowledged) = (TcpControl::Syn, None);
        } else {
            segment.control = TcpControl::Fin;
        }
        segment
    }

    fn acknowledgement(&self) -> Segment {
        Segment {
            control: TcpControl::None,
            at: self.unacknowledged.wrapping_add(self.in_flight),
            acknowledged: Some(self.expected),
            message: Part { connection: self.number, number: 0, bytes: 0..0 },
        }
    }

    /// Compares what has come with what was sent.
    fn take(&mut self, now: u64, mut payload: &[u8], load: &Load, score: &mut Score) {
        self.expected = self.expected.wrapping_add(payload.len() as u32);
        while !payload.is_empty() {
            let Some(sent_cycle) = self.sent_cycle else {
                // The echo of nothing.
                score.errors = score.errors.saturating_add(1);
                return;
            };
            let missing = load.bytes.saturating_sub(self.echoed) as usize;
            let (echo, rest) = payload.split_at(missing.min(payload.len()));
            let right = (self.echoed..).map(|at| byte(self.number, self.message, at));
            self.wrong |= !right.zip(echo).all(|(right, &byte)| right == byte);
            self.echoed += echo.len() as u32;
            payload = rest;
            if self.echoed >= load.bytes {
                let cycles = now.saturating_sub(sent_cycle);
                score.echo(cycles, self.wrong);
                self.message = self.message.wrapping_add(1);
                self.left = self.left.saturating_sub(1);
                (self.sent_cycle, self.echoed, self.wrong) = (None, 0, false);
            }
        }
    }
}
