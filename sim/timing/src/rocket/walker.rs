//! The page-table walker (PTW.scala) with its cache of upper-level entries. It reads through the L1 data cache.

use serde::{Deserialize, Serialize};

use relsim_core::hart::Priv;
use relsim_core::mmu::{Walk, satp_levels};
use relsim_core::pmp::AccessKind;
use relsim_core::saved::Impossible;

use super::dcache::Found;
use super::replace::Plru;
use super::uncore::Env;
use crate::parts::saved::Latest;

pub(super) const PTE_CACHE: usize = 8;

/// The walker.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Walker {
    entries: [u64; PTE_CACHE],
    valid: u8,
    plru: Plru<PTE_CACHE>,
    free: u64,
}

impl Walker {
    /// Whether it can have come into this state.
    pub(super) fn check(&self, latest: Latest) -> Result<(), Impossible> {
        latest.all([self.free])
    }

    /// Whether a walk that is asked for in cycle `now` begins at once.
    pub(super) fn is_free(&self, now: u64) -> bool {
        self.free <= now
    }

    /// Walks for `va`, asked for by a TLB in cycle `now`: the cycle of the answer, and what was found.
    pub fn walk(
        &mut self,
        env: &mut Env<'_>,
        now: u64,
        va: u64,
        kind: AccessKind,
        privilege: Priv,
    ) -> (u64, Option<Walk>) {
        let found = env.hart.walk(env.bus, va, kind, privilege).ok();
        let levels = satp_levels(env.hart.csr.satp);
        let mut at = now.max(self.free) + 1;
        // One that comes to a fault has read as far as there.
        let (ptes, reads) = match found {
            Some(walk) => (walk.ptes, walk.reads),
            None => env.hart.walked(env.bus, va, kind, privilege),
        };
        for (n, &pte) in ptes.iter().take(usize::from(reads)).enumerate() {
            let upper = n + 1 < usize::from(levels);
            let hit = (0..PTE_CACHE).find(|&e| self.valid >> e & 1 == 1 && self.entries[e] == pte);
            if let (true, Some(entry)) = (upper, hit) {
                self.plru.access(entry);
                at += 1;
                continue;
            }
            at = Self::read(env, at, pte);
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
    pub(super) fn read(env: &mut Env<'_>, at: u64, pa: u64) -> u64 {
        let params = env.params;
        let dcache = env.dcache();
        let mut at = at.max(dcache.ready);
        if dcache.access(pa, false) == Found::Miss {
            let mut refused = at + 2;
            if dcache.evict(pa).is_some() {
                // It tries again sooner than the pipeline (measured: dtlb_miss_entry_miss_dirty).
                refused += params.writeback.saturating_sub(2);
            }
            env.dcache().crossbar.serves_data();
            at = if let Some((_, last)) = env.read_line(pa >> 6, refused) {
                env.dcache().install(pa >> 6, false, true);
                last + 1
            } else {
                let (dcache, port) = env.data();
                dcache.refill(params, port, refused, pa, false) + 1
            };
        }
        at + 4
    }

    /// `sfence.vma` without an address.
    pub fn flush(&mut self) {
        self.valid = 0;
    }
}
