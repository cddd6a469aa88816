//! Entries of the BTB by the lookups that found them. Where a branch has its entry differs from time to time, and
//! matters only where the entry is used: a node knows its predictions by their places in the pipeline, and an edge
//! knows which of its lookups, or which place of the node before, each comes from.

/// Places for predictions in a pipeline, and then some.
pub(in super::super) const PLACES: usize = 16;
/// Lookups of an edge, at most: while decode is held, fetch looks up again and again.
pub(super) const LOOKUPS: usize = 256;

/// Where an entry's number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) enum Origin {
    /// It says itself.
    #[default]
    Itself,
    /// A place of the node.
    Place(u8),
    /// A lookup of the edge.
    Lookup(u8),
}

/// The numbers of the entries at hand.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Named {
    /// By the node's places.
    pub(super) places: [u8; PLACES],
    /// By the edge's lookups.
    pub(super) found: [u8; LOOKUPS],
}

impl Default for Named {
    fn default() -> Self {
        Self { places: [0; PLACES], found: [0; LOOKUPS] }
    }
}

impl Named {
    /// The entry that comes from `origin`; `own` is what it says itself.
    #[inline(always)]
    pub fn entry(&self, origin: Origin, own: u8) -> u8 {
        match origin {
            Origin::Itself => own,
            Origin::Place(n) => self.places[usize::from(n) % PLACES],
            Origin::Lookup(n) => self.found[usize::from(n) % LOOKUPS],
        }
    }

    /// The lookup `origin` has found `entry`.
    #[inline(always)]
    pub fn finds(&mut self, origin: Origin, entry: u8) {
        if let Origin::Lookup(n) = origin {
            self.found[usize::from(n) % LOOKUPS] = entry;
        }
    }

    /// The edge has been followed: its node's places hold what comes from `origins`.
    #[inline(always)]
    pub fn moves(&mut self, origins: &[Origin]) {
        let mut places = [0; PLACES];
        for (place, &origin) in places.iter_mut().zip(origins) {
            *place = self.entry(origin, 0);
        }
        self.places = places;
    }
}
