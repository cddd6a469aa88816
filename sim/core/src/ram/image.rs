//! The contents of memory at a moment. Pages that did not change between two of them are there once.

use std::sync::Arc;

use super::PAGE_BYTES;
use crate::saved::{Impossible, require};

const BYTES: usize = PAGE_BYTES as usize;
/// Pages of a chunk: what is copied of the table when a page changes.
const CHUNK: usize = 256;

type Page = [u8; BYTES];
type Chunk = [Option<Arc<Page>>; CHUNK];

static ZERO: Page = [0; BYTES];

/// Contents of memory. A page without an entry is zero, as is a chunk.
#[derive(Clone)]
pub struct Image {
    chunks: Vec<Option<Arc<Chunk>>>,
    pages: usize,
    /// A store to a watched line has not been reported yet.
    pub(super) watch_hit: bool,
}

impl Image {
    /// `pages` pages of zeros.
    pub(super) fn zeroed(pages: usize) -> Self {
        Self { chunks: vec![None; pages.div_ceil(CHUNK)], pages, watch_hit: false }
    }

    /// As many pages as `like` has, all zero. `watch_hit`: see [`Image::watch_hit`].
    pub fn blank(like: &Self, watch_hit: bool) -> Self {
        Self { watch_hit, ..Self::zeroed(like.pages) }
    }

    /// Lets page `page` be `bytes`.
    ///
    /// # Errors
    /// [`Impossible`] if it is beyond the end.
    pub fn put(&mut self, page: usize, bytes: &[u8; BYTES]) -> Result<(), Impossible> {
        require(page < self.pages, "a page beyond the end of memory")?;
        self.set(page, bytes);
        Ok(())
    }

    /// Whether a store to a watched line has not been reported yet.
    pub fn watch_hit(&self) -> bool {
        self.watch_hit
    }

    /// Size in pages.
    pub fn pages(&self) -> usize {
        self.pages
    }

    fn entry(&self, page: usize) -> Option<&Arc<Page>> {
        self.chunks.get(page / CHUNK)?.as_ref()?[page % CHUNK].as_ref()
    }

    /// Page number `page`; zeros beyond the end.
    pub fn page(&self, page: usize) -> &[u8; BYTES] {
        self.entry(page).map_or(&ZERO, |page| page)
    }

    /// The pages that hold anything but zeros, with their numbers.
    pub fn contents(&self) -> impl Iterator<Item = (usize, &[u8; BYTES])> {
        let chunks = self.chunks.iter().enumerate().filter_map(|(n, chunk)| Some((n, chunk.as_ref()?)));
        chunks.flat_map(|(n, chunk)| {
            let pages = chunk.iter().enumerate();
            pages.filter_map(move |(at, page)| Some((n * CHUNK + at, &**page.as_ref()?)))
        })
    }

    /// Lets page `page` be `bytes`; the entry stays if that is what it holds.
    pub(super) fn set(&mut self, page: usize, bytes: &[u8]) {
        let Ok(bytes) = <&Page>::try_from(bytes) else { return };
        if page >= self.pages || self.page(page) == bytes {
            return;
        }
        let chunk = self.chunks[page / CHUNK].get_or_insert_with(|| Arc::new([const { None }; CHUNK]));
        Arc::make_mut(chunk)[page % CHUNK] = (*bytes != ZERO).then(|| Arc::new(*bytes));
    }

    /// The pages that may differ from those of `other`: all that they do not have in common.
    pub(super) fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> + 'a {
        let chunks = self.chunks.iter().zip(&other.chunks).enumerate().filter(|(_, (a, b))| match (a, b) {
            (None, None) => false,
            (Some(a), Some(b)) => !Arc::ptr_eq(a, b),
            _ => true,
        });
        chunks.flat_map(move |(n, _)| n * CHUNK..(n + 1) * CHUNK).filter(move |&page| {
            match (self.entry(page), other.entry(page)) {
                (None, None) => false,
                (Some(a), Some(b)) => !Arc::ptr_eq(a, b),
                _ => true,
            }
        })
    }

    /// Bytes of the host's memory that it takes beside those that it shares with `before`.
    pub fn own_bytes(&self, before: Option<&Self>) -> u64 {
        let mut bytes = 0;
        for (n, chunk) in self.chunks.iter().enumerate() {
            let Some(chunk) = chunk else { continue };
            let theirs = before.and_then(|image| image.chunks.get(n)?.as_ref());
            if theirs.is_some_and(|theirs| Arc::ptr_eq(chunk, theirs)) {
                continue;
            }
            let shared = |at: usize, page| {
                theirs.and_then(|theirs| theirs[at].as_ref()).is_some_and(|theirs| Arc::ptr_eq(theirs, page))
            };
            let pages = chunk.iter().enumerate().filter_map(|(at, page)| Some((at, page.as_ref()?)));
            bytes += size_of::<Chunk>() + pages.filter(|&(at, page)| !shared(at, page)).count() * BYTES;
        }
        bytes as u64
    }
}
