//! The L1 data cache (DCache.scala): write-back, blocking, replacement by LFSR.

use super::params::Params;
use super::replace::Lfsr;
use super::uncore::MemoryPort;
use crate::parts::tags::{Tags, line_of};

/// What an access finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The line, in a state that allows the access.
    Hit,
    /// The line, which the access makes dirty.
    HitMakesDirty,
    /// Nothing.
    Miss,
}

/// The data cache.
pub struct Dcache {
    tags: Tags,
    /// By set: the ways whose lines are dirty.
    dirty: Box<[u16]>,
    lfsr: Lfsr,
    /// No access is accepted before this cycle.
    pub ready: u64,
    /// Refills so far.
    pub refills: u64,
    /// Dirty lines written back so far.
    pub writebacks: u64,
}

impl Dcache {
    /// Empty, of the geometry that `params` say.
    pub fn new(params: &Params) -> Self {
        Self {
            tags: Tags::new(params.l1d_sets, params.l1d_ways),
            dirty: vec![0; params.l1d_sets as usize].into_boxed_slice(),
            lfsr: Lfsr::default(),
            ready: 0,
            refills: 0,
            writebacks: 0,
        }
    }

    /// Looks up physical address `pa`; a write that hits makes the line dirty.
    pub fn access(&mut self, pa: u64, write: bool) -> Found {
        let line = line_of(pa);
        let Some(way) = self.tags.find(line) else { return Found::Miss };
        let set = self.tags.set_of(line);
        if write && self.dirty[set] >> way & 1 == 0 {
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

    /// Evicts the line that a miss on `pa` will replace; whether it was dirty.
    pub fn evict(&mut self, pa: u64) -> bool {
        let (line, way) = (line_of(pa), self.lfsr.way(self.tags.ways()));
        let set = self.tags.set_of(line);
        let dirty = self.tags.evict(line, way).is_some() && self.dirty[set] >> way & 1 == 1;
        self.dirty[set] &= !(1 << way);
        self.writebacks += u64::from(dirty);
        dirty
    }

    /// Fetches the line of `pa`, asked for in cycle `at`, into the way that was evicted: gives the cycle of its
    /// last beat.
    pub fn refill(&mut self, params: &Params, port: &mut MemoryPort, at: u64, pa: u64, write: bool) -> u64 {
        let (_, last) = port.read_line(params, at + params.l1d_request);
        let (line, way) = (line_of(pa), self.lfsr.way(self.tags.ways()));
        let set = self.tags.set_of(line);
        self.tags.put(line, way);
        self.dirty[set] = self.dirty[set] & !(1 << way) | u16::from(write) << way;
        self.lfsr.step();
        self.refills += 1;
        self.ready = last + 1;
        last
    }
}
