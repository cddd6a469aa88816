//! Guest memory: one contiguous range, owned by the machine, with a record of which 64-byte lines hold
//! decoded code.

mod image;

pub use image::Image;

/// Bytes in a page: the unit of translation and of code tracking.
pub const PAGE_BYTES: u64 = 4096;
/// Bytes in a line of code tracking; 64 of them make a page, so one word describes a page.
const LINE_BYTES: u64 = 64;

/// Main memory.
pub struct Ram {
    base: u64,
    bytes: Vec<u8>,
    /// Per page: bit n set when line n holds instructions that some hart has decoded.
    code_lines: Vec<u64>,
    /// Page numbers (relative to `base`) whose decoded code was overwritten, in order of time.
    code_log: Vec<u32>,
    /// Lines (numbered from `base`) that somebody outside waits for a store to; their code bit stays set.
    watched: Vec<u64>,
    watch_hit: bool,
    /// Stores that no instruction made, for whoever asks for them.
    outside: OutsideStores,
    /// Counts pages that came to hold code; see [`Ram::code_pages_epoch`].
    code_pages_epoch: u64,
    /// How many entries were dropped from the front of `code_log`.
    code_log_start: u64,
    /// What memory was when it was last saved or restored, and which pages may have changed since.
    saved: Image,
    changed: Vec<bool>,
}

/// See [`Ram::record_outside_stores`].
#[derive(Default)]
struct OutsideStores {
    wanted: bool,
    /// One is being made.
    happens: bool,
    stores: Vec<(u64, u64)>,
}

/// A scalar that guest memory can hold, little-endian.
pub trait Scalar: Copy {
    /// Its size in bytes.
    const BYTES: usize;
    /// Reads it at `at` if all its bytes are inside `bytes`.
    fn get(bytes: &[u8], at: usize) -> Option<Self>;
    /// Writes it at `at`; false if it does not fit.
    fn put(bytes: &mut [u8], at: usize, value: Self) -> bool;
    /// Truncates.
    fn from_u64(value: u64) -> Self;
    /// Zero-extends, or truncates what is wider.
    fn to_u64(self) -> u64;
}

macro_rules! scalar {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            const BYTES: usize = size_of::<$t>();
            #[inline(always)]
            fn get(bytes: &[u8], at: usize) -> Option<Self> {
                Some(<$t>::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
            }
            #[inline(always)]
            fn put(bytes: &mut [u8], at: usize, value: Self) -> bool {
                match bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
                    Some(chunk) => { *chunk = value.to_le_bytes(); true }
                    None => false,
                }
            }
            #[inline(always)]
            fn from_u64(value: u64) -> Self { value as $t }
            #[inline(always)]
            fn to_u64(self) -> u64 { self as u64 }
        }
    )*};
}
scalar!(u8, u16, u32, u64, u128);

impl Ram {
    /// Zeroed memory of `size_bytes` (rounded up to whole pages) at physical address `base`.
    pub fn new(base: u64, size_bytes: u64) -> Self {
        let pages = size_bytes.div_ceil(PAGE_BYTES);
        Self {
            base,
            bytes: vec![0; (pages * PAGE_BYTES) as usize],
            code_lines: vec![0; pages as usize],
            code_log: Vec::new(),
            code_pages_epoch: 0,
            watched: Vec::new(),
            watch_hit: false,
            outside: OutsideStores::default(),
            code_log_start: 0,
            saved: Image::zeroed(pages as usize),
            changed: vec![false; pages as usize],
        }
    }

    /// Physical address of the first byte.
    #[inline]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Size in bytes.
    #[inline]
    pub fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether `[pa, pa + len)` lies inside.
    #[inline]
    pub fn contains(&self, pa: u64, len: u64) -> bool {
        pa.wrapping_sub(self.base).checked_add(len).is_some_and(|end| end <= self.size_bytes())
    }

    /// All bytes.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All bytes, for writers that know the page holds no decoded code (the store fast path).
    #[inline(always)]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The scalar at `pa`.
    #[inline]
    pub fn get<T: Scalar>(&self, pa: u64) -> Option<T> {
        // Addresses below the base wrap around to beyond the end.
        T::get(&self.bytes, pa.wrapping_sub(self.base) as usize)
    }

    /// Writes a scalar; true if it fell on decoded code. `None` outside memory.
    #[inline]
    pub fn put<T: Scalar>(&mut self, pa: u64, value: T) -> Option<bool> {
        let at = pa.checked_sub(self.base)?;
        if !T::put(&mut self.bytes, usize::try_from(at).ok()?, value) {
            return None;
        }
        Some(self.note_store(at, T::BYTES as u64))
    }

    /// The bytes `[pa, pa + len)`.
    pub fn slice(&self, pa: u64, len: u64) -> Option<&[u8]> {
        self.contains(pa, len).then(|| &self.bytes[(pa - self.base) as usize..][..len as usize])
    }

    /// Copies `data` to `pa` (DMA, loader); false, and nothing written, when it does not fit.
    pub fn write(&mut self, pa: u64, data: &[u8]) -> bool {
        let len = data.len() as u64;
        if !self.contains(pa, len) {
            return false;
        }
        let at = pa - self.base;
        self.bytes[at as usize..][..data.len()].copy_from_slice(data);
        if len > 0 {
            self.note_store(at, len);
        }
        true
    }

    /// Whether the page of `pa` has decoded code, so that stores to it need [`Ram::put`].
    #[inline]
    pub fn page_has_code(&self, pa: u64) -> bool {
        self.code_lines.get((pa.wrapping_sub(self.base) / PAGE_BYTES) as usize).is_some_and(|&l| l != 0)
    }

    /// Whether the line of `pa` holds instructions that some hart has decoded.
    #[inline]
    pub fn line_has_code(&self, pa: u64) -> bool {
        let offset = pa.wrapping_sub(self.base);
        let lines = self.code_lines.get((offset / PAGE_BYTES) as usize).copied().unwrap_or(0);
        lines >> (offset % PAGE_BYTES / LINE_BYTES) & 1 == 1
    }

    /// Grows whenever a page that held no code comes to hold some: write translations made before, which
    /// bypass [`Ram::put`], must be dropped then.
    #[inline]
    pub fn code_pages_epoch(&self) -> u64 {
        self.code_pages_epoch
    }

    /// Records that `[pa, pa + len)` was decoded.
    pub fn mark_code(&mut self, pa: u64, len: u64) {
        if !self.contains(pa, len) || len == 0 {
            return;
        }
        let at = pa - self.base;
        for line in at / LINE_BYTES..=(at + len - 1) / LINE_BYTES {
            let lines = &mut self.code_lines[(line / 64) as usize];
            self.code_pages_epoch += u64::from(*lines == 0);
            *lines |= 1 << (line % 64);
        }
    }

    /// Begins a new record of stores by devices and firmware, or none.
    pub fn record_outside_stores(&mut self, wanted: bool) {
        self.outside = OutsideStores { wanted, ..OutsideStores::default() };
    }

    /// The record: where, and how many bytes, in order of time.
    pub fn outside_stores(&self) -> &[(u64, u64)] {
        &self.outside.stores
    }

    /// What is stored from now on is stored by devices or firmware, or it is not.
    pub fn from_outside(&mut self, happens: bool) {
        self.outside.happens = happens;
    }

    #[inline]
    fn note_store(&mut self, at: u64, len: u64) -> bool {
        if self.outside.happens && self.outside.wanted {
            self.outside.stores.push((self.base + at, len));
        }
        let (first, last) = (at / LINE_BYTES, (at + len - 1) / LINE_BYTES);
        let mut hit = false;
        for page in first / 64..=last / 64 {
            self.changed[page as usize] = true;
            let lines = self.code_lines[page as usize];
            if lines != 0 {
                let low = if page == first / 64 { first % 64 } else { 0 };
                let high = if page == last / 64 { last % 64 } else { 63 };
                let mask = (u64::MAX >> (63 - high)) & (u64::MAX << low);
                if lines & mask != 0 {
                    // The whole page is decoded anew when it is next fetched from.
                    let watched = self.watched.iter().filter(|&&l| l / 64 == page);
                    self.code_lines[page as usize] = watched.fold(0, |bits, l| bits | 1 << (l % 64));
                    self.watch_hit |= self.watched.iter().any(|l| (first..=last).contains(l));
                    self.code_log.push(page as u32);
                    hit = true;
                }
            }
        }
        hit
    }

    /// From now on a store to the 64-byte line of `pa` is reported by [`Ram::take_watch_hit`] (HTIF's
    /// `tohost` lies in memory). Outside memory: nothing.
    pub fn watch(&mut self, pa: u64) {
        if self.contains(pa, 1) {
            self.watched.push((pa - self.base) / LINE_BYTES);
            self.mark_code(pa, 1);
        }
    }

    /// Whether a watched line was stored to since the last call.
    #[inline]
    pub fn take_watch_hit(&mut self) -> bool {
        std::mem::take(&mut self.watch_hit)
    }

    /// Position in time of the code log; a block cache compares it with what it last saw.
    #[inline]
    pub fn code_log_end(&self) -> u64 {
        self.code_log_start + self.code_log.len() as u64
    }

    /// Physical page addresses overwritten since position `since`; `None` when that is too long ago to
    /// tell (drop everything then).
    pub fn code_log_since(&self, since: u64) -> Option<impl Iterator<Item = u64> + '_> {
        let skip = since.checked_sub(self.code_log_start)?;
        Some(self.code_log[skip as usize..].iter().map(|&p| self.base + u64::from(p) * PAGE_BYTES))
    }

    /// Forgets the log when it has grown beyond `limit` entries.
    pub fn trim_code_log(&mut self, limit: usize) {
        if self.code_log.len() > limit {
            self.code_log_start += self.code_log.len() as u64;
            self.code_log.clear();
        }
    }

    /// Memory as it is. `reached`: addresses in the pages that somebody can write to without [`Ram::put`], now and
    /// later.
    pub fn save(&mut self, reached: impl IntoIterator<Item = u64>) -> Image {
        for page in 0..self.changed.len() {
            if std::mem::take(&mut self.changed[page]) {
                self.saved.set(page, &self.bytes[page * PAGE_BYTES as usize..][..PAGE_BYTES as usize]);
            }
        }
        self.may_change(reached);
        self.saved.watch_hit = self.watch_hit;
        self.saved.clone()
    }

    /// Contents of memory to be filled in: all zero.
    pub fn blank(&self, watch_hit: bool) -> Image {
        Image::blank(&self.saved, watch_hit)
    }

    /// Takes the contents of `image`; `reached` is as in [`Ram::save`]. Decoded code is dropped where it differs.
    ///
    /// # Errors
    /// If it is of another size. Nothing has changed then.
    pub fn restore(
        &mut self,
        image: &Image,
        reached: impl IntoIterator<Item = u64>,
    ) -> Result<(), OtherSize> {
        if image.pages() != self.changed.len() {
            return Err(OtherSize { pages: image.pages(), own: self.changed.len() });
        }
        let differ: Vec<usize> = self.saved.differences(image).collect();
        differ.into_iter().for_each(|page| self.changed[page] = true);
        for page in 0..self.changed.len() {
            if !std::mem::take(&mut self.changed[page]) {
                continue;
            }
            let (at, wanted) = (page as u64 * PAGE_BYTES, image.page(page));
            if self.bytes[at as usize..][..PAGE_BYTES as usize] != wanted[..] {
                self.bytes[at as usize..][..PAGE_BYTES as usize].copy_from_slice(wanted);
                self.note_store(at, PAGE_BYTES);
            }
            self.changed[page] = false;
        }
        self.watch_hit = image.watch_hit;
        self.saved = image.clone();
        self.may_change(reached);
        Ok(())
    }

    fn may_change(&mut self, reached: impl IntoIterator<Item = u64>) {
        for pa in reached {
            if let Some(changed) = self.changed.get_mut((pa.wrapping_sub(self.base) / PAGE_BYTES) as usize) {
                *changed = true;
            }
        }
    }
}

/// The contents belong to a memory of another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a memory of {pages} pages cannot become one of {own} pages")]
pub struct OtherSize {
    /// Of the contents.
    pub pages: usize,
    /// Of the memory.
    pub own: usize,
}
