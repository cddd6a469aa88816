//! The L1 data cache (DCache.scala): write-back, blocking, replacement by LFSR. A line is shared, exclusive and
//! clean, or dirty; without other caches none is ever shared.

use super::params::Params;
use super::replace::Lfsr;
use super::uncore::MemoryPort;
use crate::parts::tags::{Tags, line_of};

/// Cycles after a refill in which no probe is seen (DCache.scala, blockProbeAfterGrantCycles - 1).
const PROBES_HIDDEN: u64 = 7;

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
#[derive(Debug, Clone, Copy, Default)]
pub struct ProbeSide {
    /// Every access of the hart before this cycle has been seen.
    pub known: u64,
    /// Every fetch that the hart has asked for in this cycle or before has been seen.
    pub fetched: u64,
    /// The latest access.
    pub last: u64,
    /// The latest refill: its first beat, and when the hart has had its time with the line.
    pub grant: (u64, u64),
    /// A reservation lives until then.
    pub reserved: u64,
    /// Another probe, or a write-back, is under way until then.
    pub busy: u64,
    /// The cache refuses accesses from the first to before the second.
    pub refuses: (u64, u64),
    /// The same for what was before.
    pub refused: (u64, u64),
    /// The access that was refused last.
    pub turned_away: u64,
}

impl ProbeSide {
    /// From when on a probe that arrives in cycle `at` goes before the hart's accesses.
    pub fn takes_from(&self, at: u64) -> u64 {
        let from = at.max(self.reserved);
        if from > self.grant.0 { from.max(self.grant.1) } else { from }
    }

    /// Whether it refuses an access in cycle `cycle`.
    #[inline]
    pub fn refuses(&self, cycle: u64) -> bool {
        let within = |(from, to): (u64, u64)| (from..to).contains(&cycle);
        within(self.refuses) || within(self.refused)
    }

    /// From when on it takes the access that it refused last, as far as probes are known.
    pub fn ready(&self) -> u64 {
        let cycle = self.turned_away;
        let within = |&(from, to): &(u64, u64)| (from..to).contains(&cycle);
        [self.refuses, self.refused].into_iter().find(within).map_or(cycle, |(_, to)| to)
    }
}

/// The data cache.
pub struct Dcache {
    tags: Tags,
    /// By set: the ways whose lines are dirty.
    dirty: Box<[u16]>,
    /// By set: the ways whose lines others may have too.
    shared: Box<[u16]>,
    lfsr: Lfsr,
    /// The way that waits for its line to come back.
    vacated: Option<usize>,
    /// No access is accepted before this cycle.
    pub ready: u64,
    /// Towards the hub.
    pub side: ProbeSide,
    /// Refills so far.
    pub refills: u64,
}

impl Dcache {
    /// Empty, of the geometry that `params` say.
    pub fn new(params: &Params) -> Self {
        Self {
            tags: Tags::new(params.l1d_sets, params.l1d_ways),
            dirty: vec![0; params.l1d_sets as usize].into_boxed_slice(),
            shared: vec![0; params.l1d_sets as usize].into_boxed_slice(),
            lfsr: Lfsr::default(),
            vacated: None,
            ready: 0,
            side: ProbeSide::default(),
            refills: 0,
        }
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
    pub(super) fn settled(&self, pa: u64, write: bool) -> bool {
        let line = line_of(pa);
        let dirty = |way: usize| self.dirty[self.tags.set_of(line)] >> way & 1 == 1;
        self.tags.find(line).is_some_and(|way| !write || dirty(way))
    }

    /// Whether others may have the line of `pa` too.
    pub fn shares(&self, pa: u64) -> bool {
        self.find(line_of(pa)).is_some_and(|(set, way)| self.shared[set] >> way & 1 == 1)
    }

    /// A write to the shared line of `pa` misses: the line goes, and comes back to its way.
    pub fn give_up(&mut self, pa: u64) {
        if let Some((_, way)) = self.find(line_of(pa)) {
            self.tags.evict(line_of(pa), way);
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
        self.refills > 0 && at + beats > self.ready && at < self.ready + PROBES_HIDDEN
    }

    /// Evicts the line that a miss on `pa` will replace; whether it was dirty.
    pub fn evict(&mut self, pa: u64) -> bool {
        let (line, way) = (line_of(pa), self.lfsr.way(self.tags.ways()));
        let set = self.tags.set_of(line);
        let dirty = self.tags.evict(line, way).is_some() && self.dirty[set] >> way & 1 == 1;
        self.dirty[set] &= !(1 << way);
        dirty
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
        if takes {
            self.tags.evict(line, way);
        } else {
            self.shared[set] |= 1 << way;
        }
        if dirty { Copy::Dirty } else { Copy::Clean }
    }
}
