//! What the simulator's peer `load` is asked, and how a session goes.

use kernel_root::harness::Failure;

use super::{PORT, Plan};
use crate::measure::{Score, WARM_UP, measure};

/// Where it takes requests.
pub const PEER: ([u8; 4], u16) = ([10, 0, 2, 2], 7000);
/// Words of a request, at most.
const REQUEST_WORDS: usize = 4;
const ANSWER_WORDS: usize = 5;
pub const ANSWER_BYTES: usize = 8 * ANSWER_WORDS;

const OPEN: u64 = 1;
const RUN: u64 = 2;
const CLOSE: u64 = 3;

/// A request's bytes, and how many.
pub fn encode(words: &[u64]) -> ([u8; 8 * REQUEST_WORDS], usize) {
    let mut bytes = [0; 8 * REQUEST_WORDS];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    (bytes, 8 * words.len().min(REQUEST_WORDS))
}

/// What came of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer {
    label: u64,
    done: u64,
    errors: u64,
    /// From sending to receiving, all together.
    cycles: u64,
}

/// What it says; zeros where it says nothing.
pub fn decode(bytes: &[u8]) -> Answer {
    let word = |n: usize| {
        let bytes = bytes.get(8 * n..8 * n + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_be_bytes)
    };
    Answer { label: word(0), done: word(1), errors: word(2), cycles: word(3) }
}

/// A network server, as far as a session needs it.
pub trait Serve {
    /// Waits until the echo server listens, and serves meanwhile.
    fn wait_for_listener(&mut self);

    /// Asks the peer, and serves until it answers.
    fn ask(&mut self, words: &[u64]) -> Result<Answer, Failure>;

    /// User interrupts that it has sent, and system calls that it has made, so far.
    fn counts(&self) -> (u64, u64);
}

/// Opens connections, warms up, measures, closes them.
pub fn session(server: &mut impl Serve, plan: Plan) -> Result<Score, Failure> {
    server.wait_for_listener();
    let open = server.ask(&[OPEN, plan.concurrency, plan.bytes, PORT])?;
    if (open.label, open.errors) != (OPEN, 0) {
        return Err(Failure::new(format_args!("connections cannot be opened: {open:?}")));
    }
    let warm = server.ask(&[RUN, WARM_UP.div_ceil(plan.concurrency)])?;
    let before = server.counts();
    let run = measure(|| server.ask(&[RUN, plan.operations / plan.concurrency]))?;
    let after = server.counts();
    let close = server.ask(&[CLOSE])?;
    Ok(Score {
        operations: run.done,
        errors: warm.errors + run.errors + close.errors + (plan.operations - run.done.min(plan.operations)),
        sent: after.0 - before.0,
        calls: after.1 - before.1,
        latency: run.cycles / run.done.max(1),
    })
}
