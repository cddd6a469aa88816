//! Entries of the BTB by the lookups that found them. Where a branch has its entry differs from time to time, and
//! matters only where the entry is used: a node knows the predictions that name one by their order in the pipeline, and a
//! path knows which of its lookups, or which place of the node before, each comes from.

use super::super::btb::BtbUpdate;

/// Places for predictions in a pipeline: in execution, in fetch's second stage, in its queue and aligner, and two
/// on their way to the memory stage.
pub(in super::super) const PLACES: usize = 10;
/// Lookups of a path that find an entry, at most.
pub(super) const LOOKUPS: usize = 240;
/// Where the lookups' entries begin among [`Named`].
const FIRST: usize = 16;

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
}

/// The numbers of the entries at hand: by the node's places, then by the path's lookups.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Named {
    entries: [u8; 256],
}

impl Default for Named {
    fn default() -> Self {
        Self { entries: [0; 256] }
    }
}

impl Named {
    /// The entry that comes from `origin`; `own` is what it says itself.
    #[inline(always)]
    pub fn entry(&self, origin: Origin, own: u8) -> u8 {
        origin.index().map_or(own, |index| self.entries[usize::from(index)])
    }

    /// Lookup `n` of the path has found `entry`.
    #[inline(always)]
    pub fn finds(&mut self, n: u8, entry: u8) {
        self.entries[usize::from(n.wrapping_add(FIRST as u8))] = entry;
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
        // Together: most often there are few, and bytes that were just written are slow to read as a word.
        const FEW: usize = 4;
        if usize::from(count) > FEW {
            self.moves_all(sources);
        } else if count > 0 {
            let entry = |n: usize| u32::from(self.entries[usize::from(sources[n])]) << (8 * n);
            let places = entry(0) | entry(1) | entry(2) | entry(3);
            self.entries[..FEW].copy_from_slice(&places.to_le_bytes());
        }
    }

    #[inline(never)]
    fn moves_all(&mut self, sources: &[u8; PLACES]) {
        let mut places = [0; PLACES];
        for (place, &source) in places.iter_mut().zip(sources) {
            *place = self.entries[usize::from(source)];
        }
        self.entries[..PLACES].copy_from_slice(&places);
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
