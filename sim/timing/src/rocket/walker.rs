//! The page-table walker (PTW.scala) with its cache of upper-level entries. It reads through the L1 data cache.

use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, Priv};
use relsim_core::mmu::{Walk, satp_levels};
use relsim_core::pmp::AccessKind;

use super::dcache::{Dcache, Found};
use super::params::Params;
use super::replace::Plru;

const PTE_CACHE: usize = 8;

/// The walker, and the data cache that it shares with the pipeline.
pub struct Walker {
    /// The data cache.
    pub dcache: Dcache,
    params: Params,
    entries: [u64; PTE_CACHE],
    valid: u8,
    plru: Plru<PTE_CACHE>,
    free: u64,
    /// Walks so far.
    pub walks: u64,
}

impl Walker {
    /// After reset.
    pub fn new(params: &Params) -> Self {
        Self {
            dcache: Dcache::default(),
            params: params.clone(),
            entries: [0; PTE_CACHE],
            valid: 0,
            plru: Plru::default(),
            free: 0,
            walks: 0,
        }
    }

    /// Walks for `va`, asked for by a TLB in cycle `now`: the cycle of the answer, and what was found.
    pub fn walk(
        &mut self,
        hart: &Hart,
        bus: &Bus,
        now: u64,
        va: u64,
        kind: AccessKind,
        privilege: Priv,
    ) -> (u64, Option<Walk>) {
        self.walks += 1;
        let found = hart.walk(bus, va, kind, privilege).ok();
        let levels = satp_levels(hart.csr.satp);
        let mut at = now.max(self.free) + 1;
        let (ptes, reads) = match found {
            Some(walk) => (walk.ptes, walk.reads),
            None => ([0; 5], 0),
        };
        for (n, &pte) in ptes.iter().take(usize::from(reads)).enumerate() {
            let upper = n + 1 < usize::from(levels);
            let hit = (0..PTE_CACHE).find(|&e| self.valid >> e & 1 == 1 && self.entries[e] == pte);
            if let (true, Some(entry)) = (upper, hit) {
                self.plru.access(entry);
                at += 1;
                continue;
            }
            at = self.read(at, pte);
            if upper && n + 1 < usize::from(reads) && hit.is_none() {
                let entry =
                    if self.valid == u8::MAX { self.plru.way() } else { self.valid.trailing_ones() as usize };
                self.entries[entry] = pte;
                self.valid |= 1 << entry;
                self.plru.access(entry);
            }
        }
        self.free = at;
        (at, found)
    }

    /// Reads an entry from cycle `at` on: when the walker goes on.
    fn read(&mut self, at: u64, pa: u64) -> u64 {
        let mut at = at.max(self.dcache.ready);
        if self.dcache.access(pa, false) == Found::Miss {
            let mut refused = at + 2;
            if self.dcache.evict(pa) {
                refused += self.params.writeback + 3;
            }
            at = self.dcache.refill(&self.params, refused, pa, false) + 1;
        }
        at + 4
    }

    /// `sfence.vma` without an address.
    pub fn flush(&mut self) {
        self.valid = 0;
    }
}
