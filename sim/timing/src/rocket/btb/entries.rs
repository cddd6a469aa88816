//! The entries of the BTB, and what they say.

use relsim_core::saved::{Impossible, require};
use serde::{Deserialize, Serialize};

use super::{BTB_ENTRIES, Cfi, PAGE_SHIFT, PAGES, ROOM, TAGS, page};

/// What the entries say about a fetch, whatever direction and return address are predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(in super::super) struct Found {
    pub(in super::super) hit: bool,
    pub(in super::super) bridx: u8,
    pub(in super::super) entry: u8,
    /// It goes where the direction says, or the return-address stack.
    pub(in super::super) branches: bool,
    pub(in super::super) returns: bool,
    pub(in super::super) to: u64,
}

/// An answer of several entries, which are forgotten for it, or of one for another page. What several say together, another
/// one may say alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Odd {
    pub(super) several: bool,
    /// A transfer is predicted.
    pub(super) taken: bool,
    /// With 1 for the entry if that has a name without a hit, and 0 otherwise; with 0 for where it goes if nobody goes there, or
    /// the return-address stack says where.
    pub(super) found: Found,
}

/// What an entry says, wherever it is, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Content {
    /// The page of its fetch group; [`NO_PAGE`] if it has lost it.
    pub(super) page: u64,
    /// With 0 for the entry.
    pub(super) found: Found,
}

impl Content {
    /// Its place among the [`NUMBERED`] that are at hand.
    pub(super) fn place(&self) -> usize {
        let Found { branches, bridx, to, .. } = self.found;
        let kind = usize::from(branches) << 7 | usize::from(bridx) << 6;
        ((to >> 1) as usize ^ (to >> 9) as usize ^ kind) % NUMBERED
    }
}

/// What an entry for a branch says while that is predicted not to be taken: no more than no entry does. But it names itself,
/// in case the branch is taken after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Quiet {
    pub(super) page: u64,
    /// The half of the group in which the branch ends.
    pub(super) bridx: u8,
}

/// A content with its number, and that of its [`Quiet`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered {
    pub(super) content: Content,
    pub(super) number: u32,
    pub(super) quiet: u32,
}

/// How many of them are at hand.
pub(super) const NUMBERED: usize = 256;

/// The number of all [`Quiet`]s together.
pub(in super::super) const ANY_QUIET: u32 = 0;
/// The number of no [`Quiet`].
pub(super) const NOT_QUIET: u32 = u32::MAX;

/// No address is in this page.
pub(super) const NO_PAGE: u64 = u64::MAX;

/// The entries of the BTB, and the pages that they share.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Entries {
    pub(super) tags: [u16; ROOM],
    pub(super) tag_pages: [u8; ROOM],
    pub(super) targets: [u16; ROOM],
    pub(super) target_pages: [u8; ROOM],
    pub(super) cfi: [Cfi; ROOM],
    pub(super) bridx: [u8; ROOM],
    /// The numbers of their contents.
    #[serde(skip)]
    pub(super) contents: [u32; ROOM],
    /// The numbers of what they say when they predict nothing ([`Quiet`]).
    #[serde(skip)]
    pub(super) quiets: [u32; ROOM],
    pub(super) valid: u32,
    pub(super) pages: [u64; PAGES],
    pub(super) page_valid: u8,
    pub(super) next_page: usize,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            tags: [0; ROOM],
            tag_pages: [0; ROOM],
            targets: [0; ROOM],
            target_pages: [0; ROOM],
            cfi: [Cfi::Branch; ROOM],
            bridx: [0; ROOM],
            contents: [0; ROOM],
            quiets: [NOT_QUIET; ROOM],
            valid: 0,
            pages: [0; PAGES],
            page_valid: 0,
            next_page: 0,
        }
    }
}

impl Entries {
    /// Entry `way` becomes what it is among `others`, apart from whether it is valid.
    pub(super) fn copy_entry(&mut self, others: &Self, way: usize) {
        self.tags[way] = others.tags[way];
        self.tag_pages[way] = others.tag_pages[way];
        self.targets[way] = others.targets[way];
        self.target_pages[way] = others.target_pages[way];
        self.cfi[way] = others.cfi[way];
        self.bridx[way] = others.bridx[way];
        self.contents[way] = others.contents[way];
        self.quiets[way] = others.quiets[way];
    }

    /// The pages become what they are for `others`, and so does which entries are valid.
    pub(super) const fn copy_pages(&mut self, others: &Self) {
        self.valid = others.valid;
        (self.pages, self.page_valid, self.next_page) = (others.pages, others.page_valid, others.next_page);
    }

    pub(super) fn check(&self) -> Result<(), Impossible> {
        let lows = |lows: &[u16; ROOM]| lows.iter().all(|&low| usize::from(low) < TAGS);
        require(lows(&self.tags) && lows(&self.targets), "an address that is too long for the BTB")?;
        let paged = |&page: &u8| usize::from(page) <= PAGES;
        require(
            self.tag_pages.iter().chain(&self.target_pages).all(paged),
            "a page that the BTB has no place for",
        )?;
        require(self.bridx.iter().all(|&n| n < 2) && self.valid >> BTB_ENTRIES == 0, "an entry too many")?;
        let pages = self.pages.iter().all(|&n| n == page(n << PAGE_SHIFT));
        require(pages && self.page_valid >> PAGES == 0 && self.next_page < PAGES, "a page too many")
    }
}
