//! The hub between the L1s of several harts and memory (TLBroadcast.scala): it has no directory and holds no
//! data, so each request probes every other data cache, and reads memory when all have answered.
//!
//! Steps of a request, each some cycles behind the one before (the parameters say how many): the L1 asks; the
//! hub accepts, unless one for the same line is in flight or probes are still going out, which blocks what is
//! behind; the probes go out one a cycle in the order of the harts, as far as there is room on the way to their
//! caches; each cache takes its probes in order, when it can, and answers, a dirty line with its data, which is
//! written to memory; the line is read, and its beats go to the L1. Harts run ahead of each other by some cycles,
//! so a step is worked out once every hart has got far enough for nothing to change it any more.

use serde::{Deserialize, Serialize};

use self::channel::{Buffer, Message};

use super::dcache::{Copy, Dcache};
use super::params::Params;
use super::uncore::MemoryPort;

/// Requests that the hub has in flight at most.
const TRACKERS: usize = 4;
/// Devices that instructions are fetched from: the boot ROM, and what is behind the MMIO port.
const DEVICES: usize = 2;
/// A device taking the next burst to its taking a load that waits for the beats.
const BURST_TAIL: u64 = 7;
/// An access to a device getting out of the system bus to the hub accepting the request of the same tile behind it (the buffer between tile and bus).
const DEVICE_PASSES: u64 = 2;
/// The part of the addresses of lines in which a probe and a victim look alike (DCache.scala: up to bit 20 of the address).
const ALIKE: u64 = (1 << 15) - 1;
/// Probes that wait for a cache on their way from the hub (the buffer between bus and tile).
const PROBES: usize = 2;
/// A hart that waits for a fetch and is this many cycles behind the others is not running.
const ASLEEP: u64 = 8;
/// A time that is not known yet.
const UNKNOWN: u64 = u64::MAX;
/// No tracker has this line.
const NO_LINE: u64 = u64::MAX;

/// What an L1 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// The line's address, in lines.
    pub line: u64,
    /// Nobody else is to have it.
    pub exclusive: bool,
    /// It is written to at once.
    pub dirty: bool,
    /// It is for the instruction cache, which nothing keeps coherent: the hart's own data cache is probed too.
    pub fetch: bool,
}

/// A request of an L1.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Request {
    hart: usize,
    want: Want,
    /// When it is at the hub.
    at: u64,
}

/// A line that an instruction cache fetches from a device, which answers one at a time; nobody is probed for it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Burst {
    hart: usize,
    device: usize,
    /// When the device takes it if it is free.
    at: u64,
    /// Cycles from there to the first beat at the L1.
    latency: u64,
}

/// A request that the hub has accepted, with the answers so far.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Transaction {
    request: Request,
    /// Tells it from the others.
    serial: u64,
    /// The tracker that it has.
    tracker: usize,
    /// Harts, by bit, whose answers are missing.
    missing: u64,
    answers: Answers,
}

/// What came back of the probes of a request.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Answers {
    /// The latest answer without data.
    done: u64,
    /// The response to the write of the line.
    written: u64,
    /// Another cache had the line and keeps it.
    kept: bool,
    /// Another cache had the line, or kept the probe waiting.
    remote: bool,
}

/// Probes that are going out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Walk {
    serial: u64,
    /// Harts, by bit, that are still to be probed.
    targets: u64,
    /// The next one leaves the hub no earlier.
    at: u64,
}

/// The probes on their way to a cache: when each gets there, and whose it is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Way {
    probes: [(u64, u64); PROBES],
    count: usize,
    /// When the latest two that are through were taken, the later one first.
    taken: [u64; PROBES],
}

impl Way {
    /// From when on there is room for one more, if that is known.
    fn room(&self) -> Option<u64> {
        (self.count < PROBES).then(|| self.taken[PROBES - 1 - self.count] + 1)
    }

    fn pop(&mut self, taken: u64) {
        self.probes = [self.probes[1], (0, 0)];
        self.count -= 1;
        self.taken = [taken, self.taken[0]];
    }
}

/// What a data cache gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Cycle of the first beat at the L1.
    pub first: u64,
    /// Cycle of the last beat at the L1.
    pub last: u64,
    /// Whether another hart's cache or request made it wait.
    pub remote: bool,
}

/// The line that a tracker had last, and until when it takes no other request: [`UNKNOWN`] while that is not known.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Tracker {
    line: u64,
    until: u64,
}

/// The hub.
#[derive(Clone, Serialize, Deserialize)]
pub struct Hub {
    requests: Vec<Request>,
    transactions: Vec<Transaction>,
    bursts: Vec<Burst>,
    /// By device: whose burst came last, and when it takes the next.
    devices: [(usize, u64); DEVICES],
    trackers: [Tracker; TRACKERS],
    /// By hart: what its data cache gets.
    grants: Vec<Option<Grant>>,
    /// By hart: whether nobody has asked yet for the acknowledgement of its latest victim.
    releases: Vec<bool>,
    /// By hart: when memory has got its latest victim.
    written: Vec<u64>,
    /// By hart: the line of that victim.
    victims: Vec<u64>,
    /// By hart: first and last beat of what its instruction cache gets.
    fetches: Vec<Option<(u64, u64)>>,
    /// By hart: probes on their way to its data cache.
    ways: Vec<Way>,
    walk: Option<Walk>,
    /// Messages on their way to the hub.
    messages: Vec<Message>,
    /// By hart: the buffer that its answers without data go through.
    buffers: Vec<Buffer>,
    /// The channel that they come by is taken up to before this cycle.
    channel: u64,
    /// Whose message came last.
    sender: usize,
    /// First and last cycle of the latest lines that were written to memory.
    puts: [(u64, u64); 2],
    /// The port accepts nothing before this cycle.
    free: u64,
    /// Whose request was accepted last.
    winner: usize,
    /// Harts, by bit, whose instruction cache was the last to get a request out of the tile.
    fetch_served: u64,
    /// By hart: a request gets to the hub no sooner, for the access to a device in front of it on the way out of the tile.
    behind: Vec<u64>,
    serial: u64,
}

/// What the hub works on: the data caches by hart, the way to memory, and how far harts have got at least.
pub struct Around<'a> {
    /// The parameters.
    pub params: &'a Params,
    /// Data caches by hart.
    pub dcaches: &'a mut [Dcache],
    /// The way to memory.
    pub port: &'a mut MemoryPort,
    /// What harts other than the one that asks do next takes effect no earlier.
    pub floor: u64,
    /// The hart that asks.
    pub me: usize,
}

impl Around<'_> {
    /// Every access of `hart` before this cycle has been seen.
    fn known(&self, hart: usize) -> u64 {
        let side = &self.dcaches[hart].side;
        if hart == self.me {
            return side.known;
        }
        // An access is in the data cache's first stage but one two cycles before it takes effect.
        let known = side.known.max(self.floor.saturating_sub(2));
        side.turn.map_or(known, |turn| known.min(turn + 1))
    }

    /// Every fetch that `hart` has asked for in this cycle or before has been seen.
    fn fetched(&self, hart: usize) -> u64 {
        let side = &self.dcaches[hart].side;
        if hart == self.me {
            return side.fetched;
        }
        // An instruction takes effect three cycles after its issue, up to which fetch has run at least the
        // cycle before.
        let fetched = side.fetched.max(self.floor.saturating_sub(4));
        side.turn.map_or(fetched, |turn| fetched.min(turn.saturating_sub(1)))
    }

    /// Whether `hart` sleeps: it has been left behind by the others, and its fetch side stands still.
    fn sleeps(&self, hart: usize) -> bool {
        hart != self.me && self.dcaches[hart].side.fetched.saturating_add(ASLEEP) < self.floor
    }

    /// `hart`'s cache takes the probe for `line` that `arrives`, no earlier than `at`: when it does, and what it finds.
    fn probe(
        &mut self,
        hart: usize,
        (line, takes): (u64, bool),
        arrives: u64,
        at: u64,
        answers: &mut Answers,
    ) -> (u64, Copy) {
        let params = self.params;
        let cache = &mut self.dcaches[hart];
        let from = cache.side.takes_from(arrives);
        if cache.side.busy == UNKNOWN {
            // It sends a line to memory for another probe, and how long is not known yet. Only a page-table walk's read
            // does not wait for that: see `Hub::read`.
            let copy = cache.probe(line, takes);
            answers.kept |= copy != Copy::Absent && !takes;
            answers.remote = true;
            return (from, copy);
        }
        let mut taken = cache.side.takes_from(at).max(cache.side.busy);
        if cache.side.last + 3 > taken {
            // Its first two stages have to be empty.
            taken = cache.side.last + 3;
        }
        if taken == from && cache.side.is_strayed_into(taken) {
            // While it waits, others of the kind are refused.
            taken += 1;
        }
        let copy = cache.probe(line, takes);
        let (idle, free) = match copy {
            Copy::Dirty => (taken + params.probe_dirty, taken + params.probe_dirty),
            clean => answered(taken, clean == Copy::Clean),
        };
        let side = &mut cache.side;
        side.takes(from, taken, free);
        side.busy = idle;
        side.reserved = side.reserved.min(taken);
        answers.kept |= copy != Copy::Absent && !takes;
        answers.remote |= copy != Copy::Absent || taken > arrives + 2;
        (taken, copy)
    }
}

/// When a data cache takes a probe again, and accesses, that took one without data to send in cycle `taken`, and has `found` the line
/// or not.
fn answered(taken: u64, found: bool) -> (u64, u64) {
    if found { (taken + 4, taken + 4) } else { (taken + 3, taken + 1) }
}

impl Hub {
    /// For `harts` harts.
    pub fn new(harts: usize) -> Self {
        Self {
            requests: Vec::with_capacity(2 * harts),
            transactions: Vec::with_capacity(TRACKERS),
            bursts: Vec::with_capacity(harts),
            devices: [(0, 0); DEVICES],
            trackers: [Tracker { line: NO_LINE, until: 0 }; TRACKERS],
            grants: vec![None; harts],
            releases: vec![false; harts],
            written: vec![0; harts],
            victims: vec![NO_LINE; harts],
            fetches: vec![None; harts],
            ways: vec![Way::default(); harts],
            walk: None,
            messages: Vec::with_capacity(2 * harts),
            buffers: vec![Buffer::default(); harts],
            channel: 0,
            sender: 0,
            puts: [(0, 0); 2],
            free: 0,
            winner: 0,
            fetch_served: 0,
            behind: vec![0; harts],
            serial: 0,
        }
    }

    fn harts(&self) -> usize {
        self.ways.len()
    }

    /// An L1 of `hart` asks for a line in cycle `at`.
    pub fn request(&mut self, around: &mut Around<'_>, hart: usize, want: Want, at: u64) {
        let at = (at + around.params.hub_request).max(self.behind[hart]);
        self.requests.push(Request { hart, want, at });
        if !want.fetch {
            around.dcaches[hart].side.known = u64::MAX;
        }
    }

    /// An access of `hart` to a device gets out of the system bus in cycle `out`, up to when it has been in the way of what is
    /// behind it.
    pub fn passes(&mut self, hart: usize, out: u64) {
        self.behind[hart] = out + DEVICE_PASSES;
    }

    /// The instruction cache of `hart` asks device number `device` for a line in cycle `at`, `latency` cycles before its
    /// first beat.
    pub fn request_burst(&mut self, hart: usize, device: usize, at: u64, latency: u64) {
        self.bursts.push(Burst { hart, device, at, latency });
    }

    /// From when on device number `device` takes the load that gets to it in cycle `at`, behind the bursts in front.
    pub fn behind_bursts(&self, device: usize, at: u64) -> u64 {
        let free = self.devices[device].1;
        // It comes back behind their beats (measured: start of the golden files).
        if at < free + BURST_TAIL { free + BURST_TAIL } else { at }
    }

    /// A device takes the next burst, if it is clear which it is; whether one did.
    fn burst(&mut self, around: &Around<'_>) -> bool {
        let taken = |b: &Burst| b.at.max(self.devices[b.device].1);
        let Some(first) = self.bursts.iter().min_by_key(|b| taken(b)) else { return false };
        let (at, device) = (taken(first), first.device);
        if (0..self.harts()).any(|hart| around.fetched(hart) < at) {
            return false;
        }
        let there = self.bursts.iter().enumerate().filter(|(_, b)| b.device == device && b.at <= at);
        let last = self.devices[device].0;
        let Some((index, &Burst { hart, latency, .. })) =
            there.min_by_key(|(_, b)| (last + 2 * self.harts() - 1 - b.hart) % self.harts())
        else {
            return false;
        };
        self.bursts.swap_remove(index);
        let beats = around.params.refill_beats;
        self.devices[device] = (hart, at + beats);
        self.fetches[hart] = Some((at + latency, at + latency + beats - 1));
        true
    }

    /// What the data cache of `hart` gets for its request, once that is known; taken away.
    pub fn grant(&mut self, hart: usize) -> Option<Grant> {
        self.grants[hart].take()
    }

    /// What [`Hub::grant`] gives, which stays.
    pub fn granted(&self, hart: usize) -> Option<Grant> {
        self.grants[hart]
    }

    /// What [`Hub::acknowledges`] gives, once that is known, until it is taken away.
    pub fn acknowledged(&self, params: &Params, hart: usize) -> Option<u64> {
        self.releases[hart].then(|| self.acknowledges(params, hart))
    }

    /// When the data cache of `hart` sees the acknowledgement of its latest victim, of those that the hub has got.
    pub fn acknowledges(&self, params: &Params, hart: usize) -> u64 {
        self.written[hart] + params.refill_return
    }

    /// What [`Hub::acknowledged`] gives; taken away.
    pub fn take_acknowledged(&mut self, params: &Params, hart: usize) -> Option<u64> {
        std::mem::take(&mut self.releases[hart]).then(|| self.acknowledges(params, hart))
    }

    /// First and last beat of what the instruction cache of `hart` gets, once that is known; taken away.
    pub fn fetch(&mut self, hart: usize) -> Option<(u64, u64)> {
        self.fetches[hart].take()
    }

    /// What [`Hub::fetch`] gives, which stays.
    pub fn fetch_beats(&self, hart: usize) -> Option<(u64, u64)> {
        self.fetches[hart]
    }

    /// When the probe for the fetch of `hart` is at its own data cache, if it is next there.
    pub fn own_probe(&self, hart: usize) -> Option<u64> {
        let way = &self.ways[hart];
        let (at, serial) = way.probes[0];
        let own = |t: &Transaction| t.serial == serial && t.request.hart == hart;
        (way.count > 0 && self.transactions.iter().any(own)).then_some(at)
    }

    /// Whether the probe that is next at the data cache of `hart` is for its own fetch, which takes it as it goes on.
    fn takes_its_own(&self, around: &Around<'_>, hart: usize) -> bool {
        self.own_probe(hart).is_some() && !around.sleeps(hart)
    }

    /// The data cache of `hart` takes that probe in cycle `now`, if it is there and nothing keeps the cache from it but accesses,
    /// of which it has none in its first two stages.
    pub fn take_own_probe(&mut self, around: &mut Around<'_>, hart: usize, now: u64) {
        let side = &around.dcaches[hart].side;
        let takes = side.takes_from(now) == now && side.busy <= now;
        let own = self.own_probe(hart).is_some_and(|at| at <= now);
        if takes && own && self.behind_victim(around.params, hart) <= now {
            self.take(around, hart, now);
            self.advance(around);
        }
    }

    /// Whether nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        let none = self.requests.is_empty() && self.transactions.is_empty() && self.messages.is_empty();
        none && self.bursts.is_empty()
    }

    /// Works out everything that can be.
    pub fn advance(&mut self, around: &mut Around<'_>) {
        if self.is_quiet() {
            return;
        }
        // What comes first is worked out first: an answer in front of a message that gets through, and a request in front
        // of either.
        while self.walk()
            || self.accept(around)
            || self.burst(around)
            || (0..self.harts()).any(|hart| self.answer(around, hart))
            || self.receive(around)
            || self.finish(around)
        {}
    }

    /// The place of `hart` in the order of arbitration: round robin, downwards (Arbiter.scala).
    fn rank(&self, hart: usize) -> usize {
        (self.winner + 2 * self.harts() - 1 - hart) % self.harts()
    }

    /// The tracker that a request for `line` gets: the one that had it last, or the first that is free by cycle `at`
    /// (Broadcast.scala, selectTracker).
    fn tracker(&self, line: u64, at: u64) -> Option<usize> {
        let had = self.trackers.iter().position(|t| t.line == line);
        had.or_else(|| self.trackers.iter().position(|t| t.until < at))
    }

    /// When the line can be accepted, as far as other requests are concerned.
    fn open(&self, line: u64) -> Option<u64> {
        let had = self.trackers.iter().find(|t| t.line == line).map(|t| t.until);
        let until = had.or_else(|| self.trackers.iter().map(|t| t.until).min())?;
        (until != UNKNOWN).then(|| until + 1)
    }

    /// The request of `hart` that is first in line, of its two L1s.
    fn head(&self, hart: usize) -> Option<(usize, Request)> {
        let turn = self.fetch_served >> hart & 1 == 1;
        let of_hart = self.requests.iter().copied().enumerate().filter(|(_, r)| r.hart == hart);
        of_hart.min_by_key(|(_, r)| (r.at, r.want.fetch == turn))
    }

    /// Up to here, but not including, it is known what requests come.
    fn horizon(&self, around: &Around<'_>) -> u64 {
        let fetched = (0..self.harts()).map(|hart| around.fetched(hart)).min().unwrap_or(u64::MAX);
        fetched.saturating_add(1 + around.params.hub_request)
    }

    /// Accepts the next request, if it is clear which it is; whether it did.
    fn accept(&mut self, around: &mut Around<'_>) -> bool {
        if self.walk.is_some() {
            return false;
        }
        let Some(first) = self.requests.iter().map(|r| r.at).min() else { return false };
        let horizon = self.horizon(around);
        let mut at = first.max(self.free);
        while at < horizon {
            let heads = (0..self.harts()).filter_map(|hart| self.head(hart));
            let there = heads.clone().filter(|(_, r)| r.at <= at);
            let Some((index, request)) = there.min_by_key(|(_, r)| self.rank(r.hart)) else { return false };
            let open = self.open(request.want.line);
            if open.is_some_and(|open| open <= at) {
                self.begin(around, index, at);
                return true;
            }
            // It stalls, until its line is free or one that goes before it arrives.
            let later = heads.filter(|(_, r)| r.at > at && self.rank(r.hart) < self.rank(request.hart));
            let next = later.map(|(_, r)| r.at).min().unwrap_or(u64::MAX).min(open.unwrap_or(u64::MAX));
            if next == u64::MAX {
                return false;
            }
            at = next;
        }
        false
    }

    /// Accepts request number `index` in cycle `at`.
    fn begin(&mut self, around: &Around<'_>, index: usize, at: u64) {
        let request = self.requests.swap_remove(index);
        let Request { hart, want, .. } = request;
        // What waits behind it for the same way out of the tile is a cycle behind at least.
        for other in self.requests.iter_mut().filter(|r| r.hart == hart) {
            other.at = other.at.max(at + 1);
        }
        self.winner = hart;
        self.fetch_served = self.fetch_served & !(1 << hart) | u64::from(want.fetch) << hart;
        self.serial += 1;
        let everybody = u64::MAX >> (64 - self.harts());
        let missing = if want.fetch { everybody } else { everybody & !(1 << hart) };
        let answers = Answers { remote: at > request.at, ..Answers::default() };
        let serial = self.serial;
        // There is one, or it would not be accepted.
        let tracker = self.tracker(want.line, at).unwrap_or(TRACKERS - 1);
        self.trackers[tracker] = Tracker { line: want.line, until: UNKNOWN };
        self.transactions.push(Transaction { request, serial, tracker, missing, answers });
        self.walk = Some(Walk { serial, targets: missing, at: at + around.params.hub_probe - 1 });
    }

    /// Sends the probes out that there is room for; whether any was sent. Nothing is accepted meanwhile
    /// (probe_busy).
    fn walk(&mut self) -> bool {
        let mut sent = false;
        while let Some(walk) = &mut self.walk {
            if walk.targets == 0 {
                self.free = walk.at;
                self.walk = None;
                break;
            }
            let hart = walk.targets.trailing_zeros() as usize;
            let way = &mut self.ways[hart];
            let Some(room) = way.room() else { break };
            let at = walk.at.max(room);
            way.probes[way.count] = (at + 1, walk.serial);
            way.count += 1;
            walk.targets &= walk.targets - 1;
            walk.at = at + 1;
            sent = true;
        }
        sent
    }

    /// The answers of `hart` that can be told; whether there were any.
    fn answer(&mut self, around: &mut Around<'_>, hart: usize) -> bool {
        let mut any = false;
        while self.ways[hart].count > 0 {
            let (at, _) = self.ways[hart].probes[0];
            let own = self.takes_its_own(around, hart);
            let known = around.known(hart);
            let side = &mut around.dcaches[hart].side;
            // Its own it takes as its fetch goes on.
            if own || side.busy == UNKNOWN {
                side.keeps_waiting(at);
                break;
            }
            let behind = self.behind_victim(around.params, hart);
            if behind > at {
                side.keeps_waiting(at);
                if !self.is_worked_out(around, behind) {
                    break;
                }
            } else if known < side.takes_from(at) {
                break;
            }
            self.take(around, hart, at.max(behind));
            any = true;
        }
        any
    }

    /// From when on the data cache of `hart` takes the probe that is next there, as far as its victim is concerned: not before
    /// the acknowledgement if they look alike (DCache.scala, block_probe_for_pending_release_ack).
    fn behind_victim(&self, params: &Params, hart: usize) -> u64 {
        let (_, serial) = self.ways[hart].probes[0];
        let line = self.transactions.iter().find(|t| t.serial == serial).map(|t| t.request.want.line);
        let alike = line.is_some_and(|line| (line ^ self.victims[hart]) & ALIKE == 0);
        if alike { self.acknowledges(params, hart) + 1 } else { 0 }
    }

    /// Whether nothing that is still to be worked out takes place before cycle `at`: no response moves that comes until then.
    fn is_worked_out(&self, around: &Around<'_>, at: u64) -> bool {
        let ready = |t: &Transaction| t.missing == 0 && self.ready(t) < at;
        self.horizon(around) >= at
            && (0..self.harts()).all(|hart| around.known(hart) >= at)
            && self.next_message(around.params).is_none_or(|next| next >= at)
            && !self.transactions.iter().any(ready)
    }

    /// The data cache of `hart` takes the probe that is next there, no earlier than `at`.
    fn take(&mut self, around: &mut Around<'_>, hart: usize, at: u64) {
        let (arrives, serial) = self.ways[hart].probes[0];
        if let Some(transaction) = self.transactions.iter_mut().find(|t| t.serial == serial) {
            let Want { line, exclusive, .. } = transaction.request.want;
            let (taken, copy) = around.probe(hart, (line, exclusive), arrives, at, &mut transaction.answers);
            self.sends(around, hart, serial, (taken, copy));
            self.ways[hart].pop(taken);
        }
    }

    /// When the line of `transaction` can be read, which everybody has answered.
    fn ready(&self, Transaction { request, answers, .. }: &Transaction) -> u64 {
        // A read of a line that others keep has the bus identifier of the hart's victims, and waits until the last of them is
        // written (TLBroadcast, TRANSFORM_B; TLToAXI4, idStall).
        let alike = answers.kept && !request.want.fetch;
        answers.done.max(answers.written).max(if alike { self.written[request.hart] } else { 0 })
    }

    /// Where everybody has answered, the line comes from memory, in the order of the last answers, and of the trackers
    /// (Broadcast.scala, lowestFromSeq); whether any did.
    fn finish(&mut self, around: &mut Around<'_>) -> bool {
        let answered = self.transactions.iter().enumerate().filter(|(_, t)| t.missing == 0);
        let Some((index, &transaction)) = answered.min_by_key(|(_, t)| (self.ready(t), t.tracker)) else {
            return false;
        };
        let ready = self.ready(&transaction);
        // Others may still be answered as early.
        let sent = self.next_message(around.params).unwrap_or(UNKNOWN);
        if ready >= sent.min(self.messages_from(around)) {
            return false;
        }
        self.transactions.remove(index);
        let Transaction { request: Request { hart, want, .. }, tracker, answers, .. } = transaction;
        let mut handshake = ready + 1;
        for &(first, last) in self.puts.iter().rev() {
            if (first..=last).contains(&handshake) {
                handshake = last + 1;
            }
        }
        let (first, last) = around.port.read_line(around.params, handshake);
        self.hold_responses(around);
        self.trackers[tracker].until = last - around.params.hub_release;
        if want.fetch {
            self.fetches[hart] = Some((first, last));
            return true;
        }
        let cache = &mut around.dcaches[hart];
        cache.install(want.line, want.dirty, answers.kept);
        cache.side.known = last + 1;
        cache.side.grant = (first, last + around.params.probe_grace);
        cache.ready = last + 1;
        self.grants[hart] = Some(Grant { first, last, remote: answers.remote });
        true
    }

    /// Responses to writes wait behind the read that the port has taken.
    fn hold_responses(&mut self, around: &Around<'_>) {
        let response = |written: &mut u64| *written = around.port.response(*written);
        self.written.iter_mut().for_each(response);
        self.transactions.iter_mut().for_each(|t| response(&mut t.answers.written));
    }

    /// A read of `line` for a page-table walk, worked out at once, as far as is known in cycle `now`. Gives the
    /// cycles of the first and last beat at the L1.
    pub fn read(&mut self, around: &mut Around<'_>, line: u64, now: u64) -> (u64, u64) {
        let accepted = (now + around.params.hub_request).max(self.free).max(self.open(line).unwrap_or(0));
        let mut answers = Answers::default();
        let me = around.me;
        self.winner = me;
        let (mut at, mut done) = (accepted + around.params.hub_probe, 0);
        for hart in (0..self.harts()).filter(|&hart| hart != me) {
            let (taken, copy) = around.probe(hart, (line, false), at, at, &mut answers);
            let params = around.params;
            done = done.max(match copy {
                Copy::Absent | Copy::Clean => taken + params.probe_answer,
                Copy::Dirty => {
                    taken + params.probe_data + params.refill_beats - 2 + params.memory_write_latency
                }
            });
            at += 1;
        }
        self.free = self.free.max(at - 1);
        let (first, last) = around.port.read_line(around.params, done + 1);
        // In the midst of others it may find none.
        if let Some(tracker) = self.tracker(line, accepted).filter(|&n| self.trackers[n].until != UNKNOWN) {
            self.trackers[tracker] = Tracker { line, until: last - around.params.hub_release };
        }
        (first, last)
    }
}

mod channel;
#[cfg(test)]
mod orders;
mod saved;
#[cfg(test)]
mod tests;
