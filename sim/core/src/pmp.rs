//! Physical memory protection (privileged specification 3.7), 16 entries, 4-byte granularity.

use serde::{Deserialize, Serialize};

use crate::hart::Priv;
use crate::ram::PAGE_BYTES;
use crate::saved::{Impossible, require};

/// What an access wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessKind {
    /// Read.
    Load,
    /// Write (and read-modify-write).
    Store,
    /// Execute.
    Fetch,
}

const R: u8 = 1;
const W: u8 = 2;
const X: u8 = 4;
const LOCK: u8 = 0x80;

/// The PMP registers of a hart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pmp {
    cfg: [u8; 16],
    addr: [u64; 16],
    #[serde(skip)]
    entries: usize,
    /// Ranges `[start, end)` (end 0 for "to the top") of the entries that are on, with their number.
    #[serde(skip)]
    ranges: Vec<(u64, u128, u8)>,
}

impl Pmp {
    /// All entries off; `entries` (at most 16) are implemented, the rest reads as zero.
    pub fn new(entries: usize) -> Self {
        Self { cfg: [0; 16], addr: [0; 16], entries: entries.min(16), ranges: Vec::new() }
    }

    /// Makes registers that were read those of `own` at another time.
    pub(crate) fn settle(&mut self, own: &Self) -> Result<(), Impossible> {
        self.entries = own.entries;
        let legal = |&cfg: &u8| cfg & !(LOCK | 0x1f) == 0 && cfg & (R | W) != W;
        require(self.cfg.iter().all(legal), "a pmpcfg that cannot be written")?;
        require(self.addr.iter().all(|addr| addr >> 54 == 0), "a pmpaddr that cannot be written")?;
        let there = self.cfg[self.entries..].iter().all(|&cfg| cfg == 0);
        require(there && self.addr[self.entries..].iter().all(|&addr| addr == 0), "a PMP entry too many")?;
        self.rebuild();
        Ok(())
    }

    /// `pmpcfg[index]` as one byte.
    pub fn cfg(&self, index: usize) -> u8 {
        self.cfg[index & 15]
    }

    /// `pmpaddr[index]`.
    pub fn addr(&self, index: usize) -> u64 {
        self.addr[index & 15]
    }

    fn locked(&self, index: usize) -> bool {
        self.cfg[index] & LOCK != 0
    }

    /// Writes one byte of `pmpcfg`. Locked entries keep theirs; W without R is reserved and not taken.
    pub fn set_cfg(&mut self, index: usize, value: u8) {
        if index < self.entries && !self.locked(index) && value & (R | W) != W {
            self.cfg[index] = value & (LOCK | 0x1f);
            self.rebuild();
        }
    }

    /// Writes `pmpaddr`. A locked entry keeps its own, and a locked TOR entry that of the one below.
    pub fn set_addr(&mut self, index: usize, value: u64) {
        let next_tor_locked = index + 1 < 16 && self.locked(index + 1) && self.cfg[index + 1] >> 3 & 3 == 1;
        if index < self.entries && !self.locked(index) && !next_tor_locked {
            self.addr[index] = value & ((1 << 54) - 1);
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        self.ranges.clear();
        for n in 0..self.entries {
            let addr = u128::from(self.addr[n]) << 2;
            let (start, end) = match self.cfg[n] >> 3 & 3 {
                0 => continue,
                1 => (if n == 0 { 0 } else { u128::from(self.addr[n - 1]) << 2 }, addr),
                2 => (addr, addr + 4),
                _ => {
                    let size = 8u128 << self.addr[n].trailing_ones();
                    (addr & !(size - 1), (addr & !(size - 1)) + size)
                }
            };
            if start < end {
                self.ranges.push((start as u64, end, n as u8));
            }
        }
    }

    /// Whether `privilege` may do `kind` on all of `[pa, pa + len)`.
    pub fn allows(&self, pa: u64, len: u64, kind: AccessKind, privilege: Priv) -> bool {
        let (start, end) = (u128::from(pa), u128::from(pa) + u128::from(len));
        for &(from, to, n) in &self.ranges {
            if end <= u128::from(from) || start >= to {
                continue;
            }
            if start < u128::from(from) || end > to {
                // A match of only some of the bytes fails, whatever the permissions.
                return false;
            }
            let cfg = self.cfg[usize::from(n)];
            if privilege == Priv::M && cfg & LOCK == 0 {
                return true;
            }
            let bit = match kind {
                AccessKind::Load => R,
                AccessKind::Store => W,
                AccessKind::Fetch => X,
            };
            return cfg & bit != 0;
        }
        privilege == Priv::M || self.entries == 0
    }

    /// Whether no entry begins or ends inside the page of `pa`, so that one answer holds for all of it.
    pub fn uniform_page(&self, pa: u64) -> bool {
        let page = u128::from(pa & !(PAGE_BYTES - 1));
        let inside = |edge: u128| edge > page && edge < page + u128::from(PAGE_BYTES);
        !self.ranges.iter().any(|&(from, to, _)| inside(u128::from(from)) || inside(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_priority_and_lock() {
        let mut pmp = Pmp::new(16);
        assert!(pmp.allows(0, 8, AccessKind::Load, Priv::M));
        assert!(!pmp.allows(0, 8, AccessKind::Load, Priv::S), "entries exist and none matches");
        // NAPOT 8 KiB at 0x8000_0000, read only.
        pmp.set_addr(1, (0x8000_0000 | 0xfff) >> 2);
        pmp.set_cfg(1, 0x18 | R);
        assert!(pmp.allows(0x8000_1ff8, 8, AccessKind::Load, Priv::U));
        assert!(!pmp.allows(0x8000_1ffc, 8, AccessKind::Load, Priv::U), "half in, half out");
        assert!(!pmp.allows(0x8000_0000, 8, AccessKind::Store, Priv::U));
        assert!(pmp.allows(0x8000_0000, 8, AccessKind::Store, Priv::M));
        // A TOR entry with a lower number wins.
        pmp.set_addr(0, 0x8000_0800 >> 2);
        pmp.set_cfg(0, 0x08 | R | W | X);
        assert!(pmp.allows(0x8000_0400, 4, AccessKind::Store, Priv::U));
        assert!(!pmp.uniform_page(0x8000_0123) && pmp.uniform_page(0x8000_1000));
        // Locked: binds M too, and cannot be changed.
        pmp.set_cfg(1, LOCK | 0x18 | R);
        pmp.set_cfg(1, 0x1f);
        pmp.set_addr(1, 0);
        assert!(!pmp.allows(0x8000_1000, 8, AccessKind::Store, Priv::M));
        pmp.set_cfg(2, W);
        assert_eq!(pmp.cfg(2), 0, "W without R is reserved");
    }
}
