//! The L1 data cache (DCache.scala): write-back, blocking, replacement by LFSR. A line is shared, exclusive and
//! clean, or dirty; without other caches none is ever shared.

use relsim_core::saved::{Impossible, require};
use serde::{Deserialize, Serialize};

use super::memo::Outcome;
use super::params::Params;
use super::replace::Lfsr;
use super::uncore::MemoryPort;
use crate::parts::saved::Latest;
use crate::parts::tags::{NO_LINE, Tags, line_of};

/// Cycles after a refill in which no probe is seen (DCache.scala, blockProbeAfterGrantCycles - 1).
const PROBES_HIDDEN: u64 = 7;

/// Probes that are looked back at.
const TAKEN: usize = 4;

/// Places for lines that are found quickly.
const QUICK: usize = 256;

/// What an access finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The line, in a state that allows the access.
    Hit,
    /// The line, which the access makes dirty.
    HitMakesDirty,
    /// Nothing.
    Miss,
    /// The line, which others may have too, for a write.
    Upgrade,
}

/// What a probe finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    /// Nothing.
    Absent,
    /// The line as memory has it.
    Clean,
    /// The only right copy of the line.
    Dirty,
}

/// The cache's side towards the hub: from when on it takes a probe. Cycles are those of the first stage but
/// one, in which a probe and an access of the hart exclude each other.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct ProbeSide {
    /// Every access of the hart before this cycle has been seen.
    pub known: u64,
    /// Every fetch that the hart has asked for in this cycle or before has been seen.
    pub fetched: u64,
    /// The latest access.
    pub last: u64,
    /// The latest accesses that come to nothing, on a wrong path or behind a replay.
    strays: [u64; 2],
    /// The latest refill: its first beat, and when the hart has had its time with the line.
    pub grant: (u64, u64),
    /// A reservation lives until then.
    pub reserved: u64,
    /// Another probe, or a write-back, is under way until then.
    pub busy: u64,
    /// The probes that were taken last, the latest first.
    taken: [Taken; TAKEN],
    /// From when on another one has waited, of which it is not known yet when it is taken.
    waiting: Option<u64>,
    /// From this cycle on decode holds what was refused last, until the cache takes it.
    held: u64,
    /// An access to a device that executed in this cycle waits for its turn: nothing behind it has been seen.
    pub turn: Option<u64>,
}

/// A probe that the cache has taken.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Taken {
    /// From when on it has waited.
    from: u64,
    at: u64,
    /// From when on the cache has done with it.
    free: u64,
}

/// How the cache refuses an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// When it executes.
    Unready,
    /// A cycle later, in its first stage.
    Nacked,
}

impl ProbeSide {
    fn check(&self, latest: Latest) -> Result<(), Impossible> {
        let Self { known, fetched, last, strays, grant, reserved, busy, taken, waiting, held, turn } = *self;
        latest.all([last, strays[0], strays[1], grant.0, grant.1, reserved])?;
        latest.all(taken.iter().flat_map(|probe| [probe.from, probe.at]).chain(waiting).chain(turn))?;
        latest.all_known(taken.iter().map(|probe| probe.free).chain([known, fetched, busy, held]))
    }

    /// From when on a probe that arrives in cycle `at` goes before the hart's accesses.
    pub fn takes_from(&self, at: u64) -> u64 {
        let from = at.max(self.reserved);
        if from > self.grant.0 { from.max(self.grant.1) } else { from }
    }

    /// An access executes in cycle `cycle` that comes to nothing.
    pub fn strays(&mut self, cycle: u64) {
        self.strays = [cycle, self.strays[0]];
    }

    /// Whether its first stage has an access in cycle `cycle` that gets no further (DCache.scala, `s1_valid`).
    pub fn is_strayed_into(&self, cycle: u64) -> bool {
        self.strays.contains(&(cycle - 1)) && self.unready(cycle - 1).is_none()
    }

    /// It takes a probe in cycle `at`, which has waited since `from`, and is done with it in cycle `free`.
    pub fn takes(&mut self, from: u64, at: u64, free: u64) {
        self.taken.rotate_right(1);
        self.taken[0] = Taken { from, at, free };
        self.waiting = None;
    }

    /// It does not take the probe that arrives in cycle `at` before something else is done with.
    pub fn keeps_waiting(&mut self, at: u64) {
        self.waiting = Some(self.takes_from(at));
    }

    /// The probe that it took last keeps it until cycle `free`.
    pub fn keeps_until(&mut self, free: u64) {
        self.taken[0].free = free;
    }

    /// If it takes no access in cycle `cycle`, from when on it does as far as that probe is concerned.
    fn unready(&self, cycle: u64) -> Option<u64> {
        if cycle < u64::MAX && self.waiting.is_some_and(|from| from <= cycle) {
            return Some(u64::MAX);
        }
        self.taken.iter().find_map(|probe| match cycle {
            _ if (probe.from..=probe.at).contains(&cycle) => Some(probe.at + 1),
            _ if (probe.at + 2..probe.free).contains(&cycle) => Some(probe.free),
            _ => None,
        })
    }

    /// Whether and how it refuses an access that executes in cycle `cycle`. In the cycle behind that in which it takes a
    /// probe it takes an access too, but goes back on it when the probe finds the line (DCache.scala, `probeNack`).
    #[inline]
    pub fn refuses(&mut self, cycle: u64) -> Option<Refusal> {
        let newest = self.taken[0];
        if cycle >= newest.free.max(newest.at + 1) {
            return None;
        }
        if self.unready(cycle).is_some() {
            self.held = cycle;
            return Some(Refusal::Unready);
        }
        let nacked = self.taken.iter().any(|probe| cycle == probe.at + 1 && cycle < probe.free);
        nacked.then(|| {
            self.held = cycle + 2;
            Refusal::Nacked
        })
    }

    /// Whether it has nothing to do with probes, victims and reservations from cycle `cycle` on, unless something new comes.
    pub fn is_quiet(&self, cycle: u64) -> bool {
        let newest = self.taken[0];
        cycle >= newest.free.max(newest.at + 1).max(self.busy).max(self.reserved)
    }

    /// It takes no access before cycle `cycle`, and decode holds what it refused.
    pub fn hold(&mut self, cycle: u64) {
        self.held = cycle;
    }

    /// From when on it takes accesses after what it refused last, as far as probes are known: decode holds accesses
    /// until then (RocketCore.scala, dcache_blocked).
    pub fn ready(&self) -> u64 {
        self.ready_after(self.held)
    }

    /// The same after an access that came to nothing in cycle `cycle`; `cycle` if that was not refused.
    pub fn ready_after(&self, mut cycle: u64) -> u64 {
        while let Some(next) = self.unready(cycle) {
            cycle = next;
        }
        cycle
    }
}

/// How a set was before a change.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// A line of the set.
    line: u64,
    way: usize,
    tag: Option<u64>,
    dirty: u16,
    shared: u16,
    lfsr: Lfsr,
}

/// The tile's crossbar (BaseTile.scala, tlMasterXbar): of two caches that ask in one cycle it serves the one that
/// was not served last, and the other has to try again with its access.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Crossbar {
    /// The data cache has its turn when both ask: also after reset.
    data_next: bool,
    /// When the data cache asks.
    asks: Option<u64>,
}

impl Default for Crossbar {
    fn default() -> Self {
        Self { data_next: true, asks: None }
    }
}

impl Crossbar {
    /// The data cache is going to ask in cycle `at`.
    pub fn ask(&mut self, at: u64) {
        self.asks = Some(at);
    }

    /// The instruction cache asks in cycle `now`: whether it is served.
    pub fn serves_instructions(&mut self, now: u64) -> bool {
        if self.asks == Some(now) {
            if self.data_next {
                return false;
            }
            self.asks = None;
        }
        self.data_next = true;
        true
    }

    /// Whether the data cache was served in the cycle that it asked in, which has passed.
    pub fn served_data(&mut self) -> bool {
        let served = self.asks.take().is_some();
        self.data_next &= !served;
        served
    }

    /// The data cache asks, and is served.
    pub fn serves_data(&mut self) {
        self.data_next = false;
    }
}

fn no_lines() -> Box<[u64; QUICK]> {
    Box::new([NO_LINE; QUICK])
}

/// The data cache.
#[derive(Clone, Serialize, Deserialize)]
pub struct Dcache {
    tags: Tags,
    /// By set: the ways whose lines are dirty.
    dirty: Box<[u16]>,
    /// By set: the ways whose lines others may have too.
    shared: Box<[u16]>,
    lfsr: Lfsr,
    /// The way that waits for its line to come back.
    vacated: Option<usize>,
    /// Lines that are there, by the low bits of their number, with a bit below that says whether they are dirty:
    /// what the hardware finds by comparing the tags of a set at once.
    #[serde(skip, default = "no_lines")]
    quick: Box<[u64; QUICK]>,
    /// What to undo if the repetition of a block fails.
    #[serde(skip)]
    changes: Vec<Change>,
    /// No access is accepted before this cycle.
    pub ready: u64,
    /// Towards the hub.
    pub side: ProbeSide,
    /// The way out of the tile, which it shares with the instruction cache.
    pub crossbar: Crossbar,
    /// Refills so far.
    pub refills: u64,
}

impl Dcache {
    /// Bytes of the host's memory that it takes.
    pub fn bytes(&self) -> u64 {
        self.tags.bytes()
            + (size_of_val(&*self.dirty) + size_of_val(&*self.shared) + size_of::<Self>()) as u64
    }

    /// Empty, of the geometry that `params` say.
    pub fn new(params: &Params) -> Self {
        Self {
            tags: Tags::new(params.l1d_sets, params.l1d_ways),
            dirty: vec![0; params.l1d_sets as usize].into_boxed_slice(),
            shared: vec![0; params.l1d_sets as usize].into_boxed_slice(),
            lfsr: Lfsr::default(),
            vacated: None,
            quick: no_lines(),
            changes: Vec::new(),
            ready: 0,
            side: ProbeSide::default(),
            crossbar: Crossbar::default(),
            refills: 0,
        }
    }

    /// Whether it can be `own` at another time.
    pub(super) fn check(&self, own: &Self, latest: Latest) -> Result<(), Impossible> {
        self.tags.check(&own.tags)?;
        let ways = self.tags.ways();
        let sized = self.dirty.len() == own.dirty.len() && self.shared.len() == own.shared.len();
        let masks = self.dirty.iter().chain(&self.shared).all(|&set| u32::from(set) >> ways == 0);
        require(sized && masks && self.vacated.is_none_or(|way| way < ways), "a way too many")?;
        latest.all([self.ready, self.refills].into_iter().chain(self.crossbar.asks))?;
        self.side.check(latest)
    }

    fn find(&self, line: u64) -> Option<(usize, usize)> {
        self.tags.find(line).map(|way| (self.tags.set_of(line), way))
    }

    /// Looks up physical address `pa`; a write that hits makes the line dirty.
    pub fn access(&mut self, pa: u64, write: bool) -> Found {
        let Some((set, way)) = self.find(line_of(pa)) else { return Found::Miss };
        if write && self.dirty[set] >> way & 1 == 0 {
            if self.shared[set] >> way & 1 == 1 {
                return Found::Upgrade;
            }
            self.dirty[set] |= 1 << way;
            return Found::HitMakesDirty;
        }
        Found::Hit
    }

    /// Whether an access to `pa` hits and changes nothing.
    #[inline(always)]
    pub(super) fn settled(&mut self, pa: u64, write: bool) -> bool {
        self.is_settled(pa, (!write).into()) || self.find_settled(line_of(pa), write)
    }

    /// Whether that is known at once; `read` is 1 for a read, and 0 for a write.
    #[inline(always)]
    pub(super) fn is_settled(&self, pa: u64, read: u32) -> bool {
        let line = line_of(pa);
        self.quick[line as usize % QUICK] | u64::from(read) == line << 1 | 1
    }

    #[inline(never)]
    fn find_settled(&mut self, line: u64, write: bool) -> bool {
        let Some((set, way)) = self.find(line) else { return false };
        let dirty = self.dirty[set] >> way & 1 == 1;
        self.quick[line as usize % QUICK] = line << 1 | u64::from(dirty);
        dirty || !write
    }

    /// The line that takes the place of `line` among those that are found quickly, if it is there, goes or changes.
    fn forget(&mut self, line: u64) {
        self.quick[line as usize % QUICK] = NO_LINE;
    }

    /// The access to `pa` has the `outcome` again, whose changes [`Dcache::undo`] undoes; whether it can.
    #[inline]
    pub(super) fn repeat(&mut self, pa: u64, write: bool, outcome: Outcome) -> bool {
        let line = line_of(pa);
        let set = self.tags.set_of(line);
        let (found, lfsr) = (self.tags.find(line), self.lfsr);
        let (dirty, shared) = (self.dirty[set], self.shared[set]);
        match (outcome, found) {
            (Outcome::Settled, Some(way)) => !write || dirty >> way & 1 == 1,
            (Outcome::Dirties, Some(way)) => {
                let clean = (dirty | shared) >> way & 1 == 0;
                if clean {
                    self.changes.push(Change { line, way, tag: Some(line), dirty, shared, lfsr });
                    self.dirty[set] |= 1 << way;
                }
                clean
            }
            (Outcome::Misses { dirty: expected }, None) => {
                let way = self.lfsr.way(self.tags.ways());
                let tag = self.tags.evict(line, way);
                if (tag.is_some() && dirty >> way & 1 == 1) != expected {
                    tag.into_iter().for_each(|tag| self.tags.put(tag, way));
                    return false;
                }
                self.changes.push(Change { line, way, tag, dirty, shared, lfsr });
                tag.into_iter().for_each(|tag| self.forget(tag));
                self.install(line, write, false);
                true
            }
            _ => false,
        }
    }

    /// What [`Dcache::repeat`] changed stays as it is.
    pub(super) fn keep(&mut self) {
        self.changes.clear();
    }

    /// What [`Dcache::repeat`] changed goes back to what it was.
    #[cold]
    pub(super) fn undo(&mut self) {
        while let Some(Change { line, way, tag, dirty, shared, lfsr }) = self.changes.pop() {
            let set = self.tags.set_of(line);
            if tag != Some(line) {
                self.tags.evict(line, way);
                tag.into_iter().for_each(|tag| self.tags.put(tag, way));
                self.refills -= 1;
            }
            self.forget(line);
            (self.dirty[set], self.shared[set], self.lfsr) = (dirty, shared, lfsr);
        }
    }

    /// Whether others may have the line of `pa` too.
    pub fn shares(&self, pa: u64) -> bool {
        self.find(line_of(pa)).is_some_and(|(set, way)| self.shared[set] >> way & 1 == 1)
    }

    /// A write to the shared line of `pa` misses: the line goes, and comes back to its way.
    pub fn give_up(&mut self, pa: u64) {
        if let Some((_, way)) = self.find(line_of(pa)) {
            self.tags.evict(line_of(pa), way);
            self.forget(line_of(pa));
            self.vacated = Some(way);
        }
    }

    /// Whether a line came in just before cycle `at`: no probe is seen then (DCache.scala,
    /// blockProbeAfterGrantCount).
    pub(super) fn hides_probes(&self, at: u64) -> bool {
        self.refills > 0 && at >= self.ready && at < self.ready + PROBES_HIDDEN
    }

    /// Whether a line of so many `beats` comes in in cycle `at`, or came in just before: no probe is taken then
    /// (grantInProgress).
    pub(super) fn takes_no_probe(&self, beats: u64, at: u64) -> bool {
        // A reservation keeps probes out (DCache.scala, block_probe_for_core_progress).
        at < self.side.reserved
            || self.refills > 0 && at + beats > self.ready && at < self.ready + PROBES_HIDDEN
    }

    /// A lone hart's fetch probes `line`: whether it was dirty, which it is no more.
    pub(super) fn cleans(&mut self, line: u64) -> bool {
        let Some((set, way)) = self.find(line) else { return false };
        let dirty = self.dirty[set] >> way & 1 == 1;
        if dirty {
            self.dirty[set] &= !(1 << way);
            self.forget(line);
        }
        dirty
    }

    /// Evicts the line that a miss on `pa` will replace: gives it if it was dirty.
    pub fn evict(&mut self, pa: u64) -> Option<u64> {
        let (line, way) = (line_of(pa), self.lfsr.way(self.tags.ways()));
        let set = self.tags.set_of(line);
        let victim = self.tags.evict(line, way);
        let dirty = self.dirty[set] >> way & 1 == 1;
        self.dirty[set] &= !(1 << way);
        victim.into_iter().for_each(|line| self.forget(line));
        victim.filter(|_| dirty)
    }

    /// Fetches the line of `pa`, asked for in cycle `at`, into the way that was evicted: gives the cycle of its
    /// last beat.
    pub fn refill(&mut self, params: &Params, port: &mut MemoryPort, at: u64, pa: u64, write: bool) -> u64 {
        let (_, last) = port.read_line(params, at + params.l1d_request);
        self.install(line_of(pa), write, false);
        self.ready = last + 1;
        last
    }

    /// Puts `line` into the way that was given up or evicted.
    pub fn install(&mut self, line: u64, dirty: bool, shared: bool) {
        let way = self.vacated.take().unwrap_or(self.lfsr.way(self.tags.ways()));
        let set = self.tags.set_of(line);
        let victim = self.tags.evict(line, way);
        victim.into_iter().for_each(|line| self.forget(line));
        self.tags.put(line, way);
        self.dirty[set] = self.dirty[set] & !(1 << way) | u16::from(dirty) << way;
        self.shared[set] = self.shared[set] & !(1 << way) | u16::from(shared) << way;
        self.lfsr.step();
        self.refills += 1;
    }

    /// A probe for `line`, which takes it away, or leaves it as a shared one.
    pub fn probe(&mut self, line: u64, takes: bool) -> Copy {
        let Some((set, way)) = self.find(line) else { return Copy::Absent };
        let dirty = self.dirty[set] >> way & 1 == 1;
        self.dirty[set] &= !(1 << way);
        self.forget(line);
        if takes {
            self.tags.evict(line, way);
        } else {
            self.shared[set] |= 1 << way;
        }
        if dirty { Copy::Dirty } else { Copy::Clean }
    }
}
