//! Entries of the BTB by the lookups that found them. Which entry a prediction names differs from time to time, and that it
//! names none, too; it matters only where the entry is used, when a prediction was wrong. So a node knows predictions by
//! their order in the pipeline, and a path knows which of its lookups, or which place of the node before, the entry of each
//! comes from.

use super::super::btb::{BtbUpdate, NO_ENTRY};

/// Places for predictions in a pipeline: in execution, in fetch's second stage (if it names an entry), in its queue and
/// aligner, and two on their way to the memory stage.
pub(in super::super) const PLACES: usize = 10;
/// Lookups of a path that find an entry, at most.
pub(super) const LOOKUPS: usize = 240;
/// Where the lookups' entries begin among [`Named`]; between the places and these are [`CONSTANTS`].
const FIRST: usize = 16;
/// What a lookup names that finds no entry: the first one, as predictions have it, and yet none.
pub(in super::super) const UNFOUND: u8 = 1 << 7;
/// What lookups say that find no entry, or several.
const CONSTANTS: [u8; 5] = [UNFOUND, NO_ENTRY, NO_ENTRY + 1, NO_ENTRY + 2, NO_ENTRY + 3];

/// Where an entry's number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(in super::super) enum Origin {
    /// It says itself.
    #[default]
    Itself,
    /// A place of the node.
    Place(u8),
    /// A lookup of the path.
    Lookup(u8),
}

impl Origin {
    /// Its index among [`Named`], if it has one.
    #[inline(always)]
    pub(super) fn index(self) -> Option<u8> {
        match self {
            Self::Itself => None,
            Self::Place(n) => Some(n),
            Self::Lookup(n) => Some(n.wrapping_add(FIRST as u8)),
        }
    }

    /// The index among [`Named`] of what `entry` is that comes from here, if it has one.
    pub(super) fn source(self, entry: u8) -> Option<u8> {
        let entry = if entry == 0 { UNFOUND } else { entry };
        self.index().or_else(|| Some((PLACES + CONSTANTS.iter().position(|&own| own == entry)?) as u8))
    }
}

/// Most nodes have no more places than that.
const FEW: usize = 4;

/// What the places of a node hold: the first few of them together, since bytes that were just written are slow to read as a
/// word.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    few: u32,
    more: [u8; PLACES - FEW],
}

impl Places {
    /// What comes from the first `count` of `sources`, which have [no other](Self::are_known) than constants and the first
    /// lookups of the path, which have found `ways`.
    #[inline(always)]
    pub(super) fn of<const N: usize>(sources: &[u8; PLACES], count: u8, ways: [u8; N]) -> Self {
        let mut known = [0; 2 * FIRST];
        known[PLACES..][..CONSTANTS.len()].copy_from_slice(&CONSTANTS);
        known[FIRST..][..N].copy_from_slice(&ways);
        let entry = |n: usize| known[usize::from(sources[n]) % known.len()];
        let few = u32::from_le_bytes([entry(0), entry(1), entry(2), entry(3)]);
        let mut more = [0; PLACES - FEW];
        if usize::from(count) > FEW {
            (FEW..).zip(&mut more).for_each(|(n, place)| *place = entry(n));
        }
        Self { few, more }
    }

    /// Whether `sources` are no others than constants and the first lookups of the path.
    pub(super) fn are_known(sources: &[u8]) -> bool {
        sources.iter().all(|&source| usize::from(source) >= PLACES)
    }
}

/// The numbers of the entries at hand: by the node's places, then by the path's lookups.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Named {
    entries: [u8; 256],
}

impl Default for Named {
    fn default() -> Self {
        let mut entries = [0; 256];
        entries[PLACES..][..CONSTANTS.len()].copy_from_slice(&CONSTANTS);
        Self { entries }
    }
}

impl Named {
    /// The entry that comes from `origin`; `own` is what it says itself.
    #[inline(always)]
    pub fn entry(&self, origin: Origin, own: u8) -> u8 {
        origin.index().map_or(own, |index| self.entries[usize::from(index)] & !UNFOUND)
    }

    /// Lookup `n` of the path has found `entry`.
    #[inline(always)]
    pub fn finds(&mut self, n: u8, entry: u8) {
        self.entries[usize::from(n.wrapping_add(FIRST as u8))] = entry;
    }

    /// The first lookups of the path have found `entries`.
    #[inline(always)]
    pub(super) fn finds_first<const N: usize>(&mut self, entries: [u8; N]) {
        self.entries[FIRST..FIRST + N].copy_from_slice(&entries);
    }

    /// The path has been followed: its node's places hold these.
    #[inline(always)]
    pub(super) fn set_places(&mut self, places: Places) {
        self.entries[..FEW].copy_from_slice(&places.few.to_le_bytes());
        self.entries[FEW..PLACES].copy_from_slice(&places.more);
    }

    /// What lookup `n` of the path has found.
    #[inline(always)]
    pub fn lookup(&self, n: u8) -> u8 {
        self.entries[usize::from(n.wrapping_add(FIRST as u8))]
    }

    /// `update`, of the entry that it comes from.
    #[inline(always)]
    pub fn update(&self, update: BtbUpdate) -> BtbUpdate {
        BtbUpdate { entry: self.entry(update.origin, update.entry), ..update }
    }

    /// The path has been followed: the first `count` of its node's places hold what comes from `sources`.
    #[inline(always)]
    pub fn moves(&mut self, sources: &[u8; PLACES], count: u8) {
        // Together: bytes that were just written are slow to read as a word.
        const MANY: usize = 8;
        let entry = |n: usize| u64::from(self.entries[usize::from(sources[n])]) << (8 * (n % MANY));
        let few = entry(0) | entry(1) | entry(2) | entry(3);
        if usize::from(count) <= FEW {
            self.entries[..FEW].copy_from_slice(&(few as u32).to_le_bytes());
            return;
        }
        let many = few | entry(4) | entry(5) | entry(6) | entry(7);
        let rest = [self.entries[usize::from(sources[8])], self.entries[usize::from(sources[9])]];
        self.entries[..MANY].copy_from_slice(&many.to_le_bytes());
        self.entries[MANY..PLACES].copy_from_slice(&rest);
    }

    /// The lookup that `source` is, if it is one.
    pub(super) fn lookup_of(source: u8) -> Option<u8> {
        source.checked_sub(FIRST as u8)
    }

    /// The node's places.
    pub fn places(&mut self) -> &mut [u8] {
        &mut self.entries[..PLACES]
    }
}
