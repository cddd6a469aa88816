//! The L1 data cache (DCache.scala): 64 sets of 4 ways, write-back,
//! blocking, replacement by LFSR.

use super::icache::{SETS, WAYS};
use super::params::Params;
use super::replace::Lfsr;
use super::uncore::MemoryPort;

const NO_LINE: u64 = u64::MAX;

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
    tags: [[u64; WAYS]; SETS],
    dirty: [u8; SETS],
    lfsr: Lfsr,
    /// No access is accepted before this cycle.
    pub ready: u64,
    /// Refills so far.
    pub refills: u64,
    /// Dirty lines written back so far.
    pub writebacks: u64,
}

impl Default for Dcache {
    fn default() -> Self {
        Self {
            tags: [[NO_LINE; WAYS]; SETS],
            dirty: [0; SETS],
            lfsr: Lfsr::default(),
            ready: 0,
            refills: 0,
            writebacks: 0,
        }
    }
}

impl Dcache {
    /// Looks up physical address `pa`; a write that hits makes the line dirty.
    pub fn access(&mut self, pa: u64, write: bool) -> Found {
        let line = pa >> 6;
        let set = line as usize % SETS;
        let Some(way) = self.tags[set].iter().position(|&tag| tag == line) else { return Found::Miss };
        if write && self.dirty[set] >> way & 1 == 0 {
            self.dirty[set] |= 1 << way;
            return Found::HitMakesDirty;
        }
        Found::Hit
    }

    /// Whether an access to `pa` hits and changes nothing.
    #[inline(always)]
    pub(super) fn settled(&self, pa: u64, write: bool) -> bool {
        let line = pa >> 6;
        let set = line as usize % SETS;
        let hit = |way: usize| self.tags[set][way] == line && (!write || self.dirty[set] >> way & 1 == 1);
        hit(0) || hit(1) || hit(2) || hit(3)
    }

    /// Evicts the line that a miss on `pa` will replace; whether it was dirty.
    pub fn evict(&mut self, pa: u64) -> bool {
        let (set, way) = ((pa >> 6) as usize % SETS, self.lfsr.way());
        let dirty = self.tags[set][way] != NO_LINE && self.dirty[set] >> way & 1 == 1;
        self.tags[set][way] = NO_LINE;
        self.dirty[set] &= !(1 << way);
        self.writebacks += u64::from(dirty);
        dirty
    }

    /// Fetches the line of `pa`, asked for in cycle `at`, into the way that was evicted: gives the cycle of its
    /// last beat.
    pub fn refill(&mut self, params: &Params, port: &mut MemoryPort, at: u64, pa: u64, write: bool) -> u64 {
        let (_, last) = port.read_line(params, at + params.l1d_request);
        let (line, way) = (pa >> 6, self.lfsr.way());
        let set = line as usize % SETS;
        self.tags[set][way] = line;
        self.dirty[set] = self.dirty[set] & !(1 << way) | u8::from(write) << way;
        self.lfsr.step();
        self.refills += 1;
        self.ready = last + 1;
        last
    }
}
