//! A first-level TLB (TLB.scala): sectors of 4 contiguous pages and superpage entries, fully associative,
//! pseudo-LRU with invalid entries first.

use serde::{Deserialize, Serialize};

use relsim_core::hart::{Hart, Priv};
use relsim_core::mmu::{Walk, satp_levels};
use relsim_core::pmp::AccessKind;
use relsim_core::saved::{Impossible, require};

use super::memo::Recorder;
use super::params::Params;
use super::replace::PlruTree;
use super::uncore::Env;
use super::walker::Walker;
use crate::parts::saved::Latest;

/// Privileges whose addresses are translated: users, supervisor.
const MODES: usize = 2;

const fn mode_of(privilege: Priv) -> usize {
    matches!(privilege, Priv::S) as usize
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sector {
    tag: u64,
    valid: u8,
    /// Fetches of users fault, and fetches of the supervisor: the same entry serves both (TLB.scala, priv_x_ok).
    fault: [u8; MODES],
    ppn: [u64; 4],
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Superpage {
    valid: bool,
    fault: [bool; MODES],
    vpn: u64,
    ppn: u64,
    level: u8,
}

/// What a lookup gives.
#[derive(Debug, Clone, Copy, Default)]
pub struct Translation {
    /// The physical address, if known.
    pub pa: u64,
    /// It has to be walked for.
    pub miss: bool,
    /// A fetch there faults.
    pub fault: bool,
}

/// Where a translation goes when it comes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Pending {
    va: u64,
    sector: usize,
    sector_hit: bool,
    superpage: usize,
    /// When the walker answers, once it was asked.
    done: Option<u64>,
    found: Option<Walk>,
    /// Fetches there fault, by privilege.
    fault: [bool; MODES],
}

/// Whether bits of `va` beyond those that translation looks at are all the same.
const fn is_canonical(va: u64, satp: u64) -> bool {
    let unused = 64 - (12 + 9 * satp_levels(satp) as u32);
    ((va << unused) as i64 >> unused) as u64 == va
}

/// What decides whether and how addresses are translated, as the pipeline has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Context {
    /// Privilege of fetches.
    pub privilege: Priv,
    /// `satp`.
    pub satp: u64,
}

impl Context {
    /// The hart's.
    pub fn of(hart: &Hart) -> Self {
        Self { privilege: hart.privilege, satp: hart.csr.satp }
    }
}

/// Whether data accesses go through the TLB.
#[inline(always)]
pub(super) fn translates(hart: &Hart) -> bool {
    hart.data_privilege() != Priv::M && satp_levels(hart.csr.satp) != 0
}

/// What lookups change: the trees, and the page that was looked up last.
pub(super) type Order = (u32, u32, Option<(u64, u64)>);

/// Places for pages that are found quickly.
const QUICK: usize = 64;
/// No entry.
const NO_WAY: u8 = u8::MAX;

/// A page with the entries that a lookup of it uses: what the hardware finds by comparing all at once.
#[derive(Debug, Clone, Copy)]
struct Quick {
    page: u64,
    sector: u8,
    superpage: u8,
}

/// Nothing: no page has this number.
const NO_PAGE: Quick = Quick { page: u64::MAX, sector: NO_WAY, superpage: NO_WAY };

/// Of a leaf in the root of Sv57.
const MAX_LEVEL: u8 = 4;

fn no_pages() -> Box<[Quick; QUICK]> {
    Box::new([NO_PAGE; QUICK])
}

/// A TLB.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tlb {
    sectors: Box<[Sector]>,
    superpages: Box<[Superpage]>,
    sector_lru: PlruTree,
    superpage_lru: PlruTree,
    pending: Option<Pending>,
    #[serde(skip, default = "no_pages")]
    quick: Box<[Quick; QUICK]>,
    /// The page that was looked up last: another lookup of it finds the same, and is no news to the trees.
    pub(super) recent: Option<(u64, u64)>,
}

impl Default for Tlb {
    fn default() -> Self {
        let params = Params::default();
        Self::new(params.dtlb_sectors, params.dtlb_superpages)
    }
}

impl Tlb {
    /// Empty, with that many sectors and superpage entries: at most 32.
    pub fn new(sectors: u64, superpages: u64) -> Self {
        Self {
            sectors: vec![Sector::default(); sectors as usize].into_boxed_slice(),
            superpages: vec![Superpage::default(); superpages as usize].into_boxed_slice(),
            sector_lru: PlruTree::new(sectors as usize),
            superpage_lru: PlruTree::new(superpages as usize),
            pending: None,
            quick: no_pages(),
            recent: None,
        }
    }

    /// Whether it can be `own` at another time.
    pub(super) fn check(&self, own: &Self, latest: Latest) -> Result<(), Impossible> {
        let lengths = |tlb: &Self| {
            (tlb.sectors.len(), tlb.superpages.len(), tlb.sector_lru.ways(), tlb.superpage_lru.ways())
        };
        require(lengths(self) == lengths(own), "a TLB of another geometry")?;
        require(self.superpages.iter().all(|page| page.level <= MAX_LEVEL), "a page larger than any")?;
        let Some(pending) = &self.pending else { return Ok(()) };
        let placed = pending.sector < self.sectors.len() && pending.superpage < self.superpages.len();
        require(placed, "a walk for no entry")?;
        let walked = |walk: &Walk| walk.level <= MAX_LEVEL && usize::from(walk.reads) <= walk.ptes.len();
        require(pending.found.as_ref().is_none_or(walked), "a walk that is too long")?;
        latest.all(pending.done)
    }

    /// Where an access to `va` is translated to, if it is known; whether a fetch by `privilege` faults there.
    fn lookup(&mut self, va: u64, uses: bool, privilege: Priv) -> Option<Translation> {
        let mode = mode_of(privilege);
        let vpn = va >> 12;
        let mut answer = None;
        for (n, sector) in self.sectors.iter().enumerate() {
            if sector.valid != 0 && sector.tag == vpn >> 2 {
                if uses {
                    self.sector_lru.access(n);
                }
                let page = (vpn & 3) as usize;
                if sector.valid >> page & 1 == 1 {
                    let fault = sector.fault[mode] >> page & 1 == 1;
                    answer =
                        Some(Translation { pa: sector.ppn[page] << 12 | va & 0xfff, miss: false, fault });
                }
                break;
            }
        }
        for (n, page) in self.superpages.iter().enumerate() {
            let shift = 9 * u32::from(page.level);
            if page.valid && page.vpn >> shift == vpn >> shift {
                if uses {
                    self.superpage_lru.access(n);
                }
                let low = (1u64 << (12 + shift)) - 1;
                let fault = page.fault[mode];
                answer = Some(Translation { pa: (page.ppn << 12) & !low | va & low, miss: false, fault });
                break;
            }
        }
        answer
    }

    fn miss(&self, va: u64) -> Pending {
        let tag = va >> 14;
        let hit = self.sectors.iter().position(|s| s.valid != 0 && s.tag == tag);
        let empty = self.sectors.iter().position(|s| s.valid == 0);
        let superpage = self.superpages.iter().position(|p| !p.valid);
        Pending {
            va,
            sector: hit.or(empty).unwrap_or_else(|| self.sector_lru.way()),
            sector_hit: hit.is_some(),
            superpage: superpage.unwrap_or_else(|| self.superpage_lru.way()),
            done: None,
            found: None,
            fault: [false; MODES],
        }
    }

    fn insert(&mut self, pending: &Pending) {
        self.recent = None;
        self.quick.fill(NO_PAGE);
        let vpn = pending.va >> 12;
        match pending.found {
            Some(walk) if walk.level > 0 => {
                self.superpages[pending.superpage] = Superpage {
                    valid: true,
                    fault: pending.fault,
                    vpn,
                    ppn: walk.pa >> 12,
                    level: walk.level,
                };
            }
            found => {
                let sector = &mut self.sectors[pending.sector];
                if !pending.sector_hit {
                    *sector = Sector::default();
                }
                let page = (vpn & 3) as usize;
                sector.tag = vpn >> 2;
                sector.valid |= 1 << page;
                for (faults, fault) in sector.fault.iter_mut().zip(pending.fault) {
                    *faults = *faults & !(1 << page) | u8::from(fault) << page;
                }
                sector.ppn[page] = found.map_or(0, |walk| walk.pa >> 12);
            }
        }
    }

    /// One cycle of the instruction TLB: the lookup of `va` in the first stage. A miss is dropped when nothing
    /// is in the second stage one cycle later.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    pub(super) fn fetch(
        &mut self,
        recorder: &mut Recorder,
        env: &mut Env<'_>,
        context: Context,
        walker: &mut Walker,
        now: u64,
        va: u64,
        valid: bool,
        s2_valid: bool,
    ) -> Translation {
        match self.recent {
            Some((page, base)) if page == va >> 12 && self.pending.is_none() => {
                Translation { pa: base | va & 0xfff, miss: false, fault: false }
            }
            _ => {
                let still = self.pending.is_none();
                let found = self.full_fetch(env, context, walker, now, va, valid, s2_valid);
                if recorder.on {
                    let known = still && self.pending.is_none() && !found.miss && !found.fault;
                    recorder.page(va, found.pa, valid, known);
                }
                found
            }
        }
    }

    /// Where a fetch in `context` would find `va`, if it would at once and without a fault.
    pub(super) fn would_find(&mut self, context: Context, va: u64) -> Option<u64> {
        if self.pending.is_some() {
            None
        } else if context.privilege == Priv::M || satp_levels(context.satp) == 0 {
            Some(va)
        } else {
            self.lookup(va, false, context.privilege).filter(|found| !found.fault).map(|found| found.pa)
        }
    }

    /// A fetch finds `va` at `pa`, as [`Tlb::would_find`] has it.
    pub(super) fn finds(&mut self, context: Context, va: u64, pa: u64, uses: bool) {
        let bare = context.privilege == Priv::M || satp_levels(context.satp) == 0;
        if uses && !bare {
            self.lookup(va, true, context.privilege);
        }
        if uses || bare {
            self.recent = Some((va >> 12, pa & !0xfff));
        }
    }

    /// What [`Tlb::finds`] changes, to undo it.
    pub(super) fn order(&self) -> Order {
        (self.sector_lru.state(), self.superpage_lru.state(), self.recent)
    }

    /// Undoes [`Tlb::finds`].
    pub(super) fn reorder(&mut self, order: Order) {
        self.sector_lru.restore(order.0);
        self.superpage_lru.restore(order.1);
        self.recent = order.2;
    }

    /// Whether an access to `va` would be translated at once.
    #[inline(always)]
    pub(super) fn holds(&mut self, va: u64) -> bool {
        let page = va >> 12;
        self.quick[page as usize % QUICK].page == page || self.find(va)
    }

    #[inline(never)]
    fn find(&mut self, va: u64) -> bool {
        let page = va >> 12;
        let sector = self.sectors.iter().position(|s| s.valid != 0 && s.tag == page >> 2);
        let superpage = |p: &Superpage| p.valid && p.vpn >> (9 * p.level) == page >> (9 * p.level);
        let superpage = self.superpages.iter().position(superpage);
        let there =
            superpage.is_some() || sector.is_some_and(|n| self.sectors[n].valid >> (page & 3) & 1 == 1);
        if there {
            let way = |found: Option<usize>| found.map_or(NO_WAY, |n| n as u8);
            self.quick[page as usize % QUICK] =
                Quick { page, sector: way(sector), superpage: way(superpage) };
        }
        there
    }

    /// An access to `va`, of which [`Tlb::holds`] has just said that it is translated at once.
    #[inline(always)]
    pub(super) fn touch(&mut self, va: u64) {
        let page = va >> 12;
        let quick = self.quick[page as usize % QUICK];
        if quick.page != page {
            self.lookup(va, true, Priv::U);
            return;
        }
        if quick.sector != NO_WAY {
            self.sector_lru.access(quick.sector.into());
        }
        if quick.superpage != NO_WAY {
            self.superpage_lru.access(quick.superpage.into());
        }
    }

    /// Privilege or translation of fetches has changed.
    pub fn context_changes(&mut self) {
        self.recent = None;
    }

    #[allow(clippy::too_many_arguments)]
    fn full_fetch(
        &mut self,
        env: &mut Env<'_>,
        context: Context,
        walker: &mut Walker,
        now: u64,
        va: u64,
        valid: bool,
        s2_valid: bool,
    ) -> Translation {
        if context.privilege == Priv::M || satp_levels(context.satp) == 0 {
            if self.pending.is_some_and(|p| p.done.is_none() || p.done <= Some(now)) {
                self.pending = None;
            }
            if self.pending.is_none() {
                self.recent = Some((va >> 12, va & !0xfff));
            }
            return Translation { pa: va, miss: false, fault: false };
        }
        let mut busy = false;
        if let Some(mut pending) = self.pending {
            busy = true;
            self.pending = Some(pending);
            match pending.done {
                None if !s2_valid => self.pending = None,
                None => {
                    let (done, found) =
                        walker.walk(env, now, pending.va, AccessKind::Fetch, context.privilege);
                    let other = if context.privilege == Priv::S { Priv::U } else { Priv::S };
                    let others = env.hart.walk(env.bus, pending.va, AccessKind::Fetch, other).ok();
                    pending.fault[mode_of(context.privilege)] = found.is_none();
                    pending.fault[mode_of(other)] = others.is_none();
                    (pending.done, pending.found) = (Some(done), found.or(others));
                    self.pending = Some(pending);
                }
                Some(done) if done <= now => {
                    self.insert(&pending);
                    self.pending = None;
                    return Translation { pa: va, miss: true, fault: false };
                }
                Some(_) => {}
            }
        }
        match self.lookup(va, valid, context.privilege) {
            Some(answer) => {
                if valid && !answer.fault {
                    self.recent = Some((va >> 12, answer.pa & !0xfff));
                }
                answer
            }
            // Nobody walks for an address that is none (TLB.scala, bad_va).
            None if !is_canonical(va, context.satp) => Translation { pa: va, miss: false, fault: true },
            None => {
                if valid && !busy {
                    self.pending = Some(self.miss(va));
                }
                Translation { pa: va, miss: true, fault: false }
            }
        }
    }

    /// Whether a translation is on its way.
    pub fn walking(&self) -> bool {
        self.pending.is_some()
    }

    /// A data access to `va` that looks up in cycle `now`: `None` on a hit, else the cycle of the walker's
    /// answer.
    pub fn data(
        &mut self,
        env: &mut Env<'_>,
        walker: &mut Walker,
        now: u64,
        va: u64,
        kind: AccessKind,
    ) -> Option<u64> {
        let privilege = env.hart.data_privilege();
        if !translates(env.hart) || self.lookup(va, true, privilege).is_some() {
            return None;
        }
        let mut pending = self.miss(va);
        let (done, found) = walker.walk(env, now + 1, va, kind, privilege);
        pending.found = found;
        self.insert(&pending);
        Some(done)
    }

    /// `sfence.vma`: everything, or only the page of `va`.
    pub fn flush(&mut self, va: Option<u64>) {
        self.recent = None;
        self.quick.fill(NO_PAGE);
        match va {
            None => {
                self.sectors.fill(Sector::default());
                self.superpages.fill(Superpage::default());
            }
            Some(va) => {
                for sector in self.sectors.iter_mut().filter(|s| s.tag == va >> 14) {
                    sector.valid &= !(1 << (va >> 12 & 3));
                }
                for page in &mut self.superpages {
                    let shift = 12 + 9 * u32::from(page.level);
                    page.valid &= page.vpn << 12 >> shift != va >> shift;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(pa: u64, level: u8) -> Option<Walk> {
        Some(Walk { pa, level, ptes: [0; 5], reads: 0, update: None })
    }

    /// Found by a guess of the supervisor's, a page of users is theirs all the same.
    #[test]
    fn whether_a_fetch_faults_depends_on_who_fetches() {
        for (level, va) in [(0, 0x1234_5678), (1, 0x4020_0000)] {
            let mut tlb = Tlb::default();
            let pending = Pending { found: walk(va, level), fault: [false, true], ..tlb.miss(va) };
            tlb.insert(&pending);
            let fault = |tlb: &mut Tlb, privilege| tlb.lookup(va, true, privilege).map(|found| found.fault);
            assert_eq!(fault(&mut tlb, Priv::S), Some(true));
            assert_eq!(fault(&mut tlb, Priv::U), Some(false));
            assert_eq!(tlb.lookup(va, false, Priv::U).map(|found| found.pa), Some(va));
            tlb.flush(Some(va));
            assert_eq!(fault(&mut tlb, Priv::U), None);
        }
    }
}
