//! The hub between the L1s of several harts and memory (TLBroadcast.scala): it has no directory and holds no
//! data, so each request probes every other data cache, and reads memory when all have answered.
//!
//! Steps of a request, each some cycles behind the one before (the parameters say how many): the L1 asks; the
//! hub accepts, one request a cycle, unless one for the same line is in flight, which blocks what is behind;
//! the probes go out one a cycle in the order of the harts; each cache takes its probe when it can, and
//! answers, a dirty line with its data, which is written to memory; the line is read, and its beats go to the
//! L1. Harts run ahead of each other by some cycles, so a step is worked out once every hart has got far
//! enough for nothing to change it any more.

use super::dcache::{Copy, Dcache};
use super::params::Params;
use super::uncore::MemoryPort;

/// Requests that the hub has in flight at most.
const TRACKERS: usize = 4;
/// No tracker has this line.
const NO_LINE: u64 = u64::MAX;

/// What a data cache asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The line's address, in lines.
    pub line: u64,
    /// Nobody else is to have it.
    pub exclusive: bool,
    /// It is written to at once.
    pub dirty: bool,
}

/// A request of a data cache.
#[derive(Debug, Clone, Copy)]
struct Request {
    hart: usize,
    want: Want,
    /// When it is at the hub.
    at: u64,
}

/// A request that the hub has accepted, with the answers so far.
#[derive(Debug, Clone, Copy)]
struct Transaction {
    request: Request,
    accepted: u64,
    /// Harts, by bit, whose answers are missing.
    missing: u64,
    answers: Answers,
}

/// What came back of the probes of a request.
#[derive(Debug, Clone, Copy, Default)]
struct Answers {
    /// The latest answer, or the write response.
    done: u64,
    /// Another cache had the line and keeps it.
    kept: bool,
    /// Another cache had the line, or kept the probe waiting.
    remote: bool,
}

/// What a data cache gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Cycle of the first beat at the L1.
    pub first: u64,
    /// Cycle of the last beat at the L1.
    pub last: u64,
    /// Whether another hart's cache or request made it wait.
    pub remote: bool,
}

/// A line that is on its way to an L1: until when no other request for it is accepted.
#[derive(Debug, Clone, Copy)]
struct Tracker {
    line: u64,
    until: u64,
}

/// The hub.
pub struct Hub {
    harts: usize,
    requests: Vec<Request>,
    transactions: Vec<Transaction>,
    trackers: [Tracker; TRACKERS],
    grants: Vec<Option<Grant>>,
    /// The port accepts nothing before this cycle.
    free: u64,
    /// Whose request was accepted last.
    winner: usize,
}

/// What the hub works on: the data caches by hart, the way to memory, and how far harts have got at least.
pub struct Around<'a> {
    /// The parameters.
    pub params: &'a Params,
    /// Data caches by hart.
    pub dcaches: &'a mut [Dcache],
    /// The way to memory.
    pub port: &'a mut MemoryPort,
    /// Harts other than the one that asks have made all accesses before this cycle.
    pub floor: u64,
    /// The hart that asks.
    pub me: usize,
}

impl Around<'_> {
    /// Every access of `hart` before this cycle has been seen.
    fn known(&self, hart: usize) -> u64 {
        let known = self.dcaches[hart].side.known;
        if hart == self.me { known } else { known.max(self.floor) }
    }

    /// The same for all harts.
    pub fn all_known(&self) -> u64 {
        (0..self.dcaches.len()).map(|hart| self.known(hart)).min().unwrap_or(u64::MAX)
    }

    /// `hart`'s cache takes the probe for `line` that arrives in cycle `at`.
    fn probe(&mut self, hart: usize, line: u64, takes: bool, at: u64, answers: &mut Answers) {
        let params = self.params;
        let cache = &mut self.dcaches[hart];
        let from = cache.side.takes_from(at);
        let mut taken = from.max(cache.side.busy);
        if cache.side.last + 3 > taken {
            // Its first two stages have to be empty.
            taken = cache.side.last + 3;
        }
        let copy = cache.probe(line, takes);
        let (done, idle, free) = match copy {
            Copy::Absent => (taken + params.probe_answer, taken + 3, taken + 1),
            Copy::Clean => (taken + params.probe_answer, taken + 4, taken + 4),
            Copy::Dirty => {
                let data = taken + params.probe_data + params.refill_beats - 2;
                let written = data + params.memory_write_latency;
                (written, taken + params.probe_dirty, taken + params.probe_dirty)
            }
        };
        let side = &mut cache.side;
        side.refuses = (if from < side.refuses.1 { side.refuses.0 } else { from }, free);
        side.busy = idle;
        side.reserved = side.reserved.min(taken);
        answers.done = answers.done.max(done);
        answers.kept |= copy != Copy::Absent && !takes;
        answers.remote |= copy != Copy::Absent || taken > at + 2;
    }
}

impl Hub {
    /// For `harts` harts.
    pub fn new(harts: usize) -> Self {
        Self {
            harts,
            requests: Vec::with_capacity(harts),
            transactions: Vec::with_capacity(harts),
            trackers: [Tracker { line: NO_LINE, until: 0 }; TRACKERS],
            grants: vec![None; harts],
            free: 0,
            winner: 0,
        }
    }

    /// The data cache of `hart` asks for a line in cycle `at`.
    pub fn request(&mut self, around: &mut Around<'_>, hart: usize, want: Want, at: u64) {
        self.requests.push(Request { hart, want, at: at + around.params.hub_request });
        around.dcaches[hart].side.known = u64::MAX;
    }

    /// What `hart` gets for its request, once that is known; taken away.
    ///
    /// # Errors
    /// The cycle up to which other harts have to go on first.
    pub fn grant(&mut self, around: &mut Around<'_>, hart: usize) -> Result<Grant, u64> {
        self.advance(around);
        if let Some(grant) = self.grants[hart].take() {
            return Ok(grant);
        }
        Err(self.bound(around))
    }

    /// Up to where harts have to go for any of the requests to get on.
    fn bound(&self, around: &Around<'_>) -> u64 {
        let mut bound = u64::MAX;
        for transaction in &self.transactions {
            for hart in (0..self.harts).filter(|h| transaction.missing >> h & 1 == 1) {
                let from =
                    around.dcaches[hart].side.takes_from(self.arrival(around.params, transaction, hart));
                if around.known(hart) < from {
                    bound = bound.min(from + 2);
                }
            }
        }
        for request in &self.requests {
            bound = bound.min(request.at.max(self.free));
        }
        bound.max(around.all_known() + 3)
    }

    /// Works out everything that can be.
    pub fn advance(&mut self, around: &mut Around<'_>) {
        if self.requests.is_empty() && self.transactions.is_empty() {
            return;
        }
        loop {
            let mut goes_on = self.accept(around);
            let mut index = 0;
            while let Some(&transaction) = self.transactions.get(index) {
                let mut transaction = transaction;
                self.answer(around, &mut transaction);
                if transaction.missing == 0 {
                    self.transactions.remove(index);
                    self.finish(around, &transaction);
                    goes_on = true;
                } else {
                    self.transactions[index] = transaction;
                    index += 1;
                }
            }
            if !goes_on {
                return;
            }
        }
    }

    /// The place of `hart` in the order of arbitration: round robin, downwards.
    fn rank(&self, hart: usize) -> usize {
        (self.winner + 2 * self.harts - 1 - hart) % self.harts
    }

    /// When the line can be accepted, as far as other requests are concerned.
    fn open(&self, line: u64) -> Option<u64> {
        if self.transactions.iter().any(|t| t.request.want.line == line) {
            return None;
        }
        let mut open =
            self.trackers.iter().filter(|t| t.line == line).map(|t| t.until + 1).max().unwrap_or(0);
        let taken = self.transactions.len();
        if taken >= TRACKERS {
            return None;
        }
        // One of the trackers must be free.
        let mut until = self.trackers.map(|t| t.until);
        until.sort_unstable();
        open = open.max(until[taken] + 1);
        Some(open)
    }

    /// Accepts the next request, if it is clear which it is; whether it did.
    fn accept(&mut self, around: &mut Around<'_>) -> bool {
        let Some(first) = self.requests.iter().map(|r| r.at).min() else { return false };
        let horizon = around.all_known().saturating_add(3);
        let mut at = first.max(self.free);
        while at < horizon {
            let there = self.requests.iter().enumerate().filter(|(_, r)| r.at <= at);
            let Some((index, &request)) = there.min_by_key(|(_, r)| self.rank(r.hart)) else { return false };
            let open = self.open(request.want.line);
            if open.is_some_and(|open| open <= at) {
                self.requests.swap_remove(index);
                self.free = at + 1;
                self.winner = request.hart;
                let missing = (u64::MAX >> (64 - self.harts)) & !(1 << request.hart);
                let answers = Answers { remote: at > request.at, ..Answers::default() };
                self.transactions.push(Transaction { request, accepted: at, missing, answers });
                return true;
            }
            // It stalls, until its line is free or one that goes before it arrives.
            let later =
                self.requests.iter().filter(|r| r.at > at && self.rank(r.hart) < self.rank(request.hart));
            let next = later.map(|r| r.at).min().unwrap_or(u64::MAX).min(open.unwrap_or(u64::MAX));
            if next == u64::MAX {
                return false;
            }
            at = next;
        }
        false
    }

    /// When the probe of `transaction` is at the cache of `hart`.
    fn arrival(&self, params: &Params, transaction: &Transaction, hart: usize) -> u64 {
        let own = u64::from(transaction.request.hart < hart);
        transaction.accepted + params.hub_probe + hart as u64 - own
    }

    /// The answers that can be told.
    fn answer(&self, around: &mut Around<'_>, transaction: &mut Transaction) {
        for hart in 0..self.harts {
            if transaction.missing >> hart & 1 == 0 {
                continue;
            }
            let at = self.arrival(around.params, transaction, hart);
            if around.known(hart) < around.dcaches[hart].side.takes_from(at) {
                continue;
            }
            transaction.missing &= !(1 << hart);
            let Want { line, exclusive, .. } = transaction.request.want;
            around.probe(hart, line, exclusive, at, &mut transaction.answers);
        }
    }

    /// Everybody has answered: the line comes from memory.
    fn finish(&mut self, around: &mut Around<'_>, transaction: &Transaction) {
        let Transaction { request: Request { hart, want, .. }, answers, .. } = *transaction;
        let (first, last) = around.port.read_line(around.params, answers.done + 1);
        self.track(around.params, want.line, last);
        let cache = &mut around.dcaches[hart];
        cache.install(want.line, want.dirty, answers.kept);
        cache.side.known = last + 1;
        cache.side.grant = (first, last + around.params.probe_grace);
        cache.ready = last + 1;
        self.grants[hart] = Some(Grant { first, last, remote: answers.remote });
    }

    fn track(&mut self, params: &Params, line: u64, last: u64) {
        if let Some(tracker) = self.trackers.iter_mut().min_by_key(|t| t.until) {
            *tracker = Tracker { line, until: last - params.hub_release };
        }
    }

    /// A read of `line` that is worked out at once, as far as is known in cycle `now`: instruction fetches and
    /// page-table walks. The hart's own data cache, if it is probed, takes that in cycle `own`. Gives the cycles of
    /// the first and last beat at the L1.
    pub fn read(&mut self, around: &mut Around<'_>, line: u64, now: u64, own: Option<u64>) -> (u64, u64) {
        let accepted = (now + around.params.hub_request).max(self.free).max(self.open(line).unwrap_or(0));
        let mut answers = Answers::default();
        let me = around.me;
        self.winner = me;
        if let Some(own) = own {
            around.probe(me, line, false, own, &mut answers);
        }
        for hart in (0..self.harts).filter(|&hart| hart != me) {
            let at = accepted + around.params.hub_probe + hart as u64;
            around.probe(hart, line, false, at, &mut answers);
        }
        let (first, last) = around.port.read_line(around.params, answers.done + 1);
        self.track(around.params, line, last);
        (first, last)
    }
}

#[cfg(test)]
mod tests;
