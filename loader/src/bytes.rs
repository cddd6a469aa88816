//! A part of a file that is shared, not copied.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A range of bytes inside a shared file: cheap to clone, read as a `&[u8]`.
///
/// Segments hold these instead of vectors, because a damaged file may name the same bytes in thousands of segments.
#[derive(Clone)]
pub struct Bytes {
    file: Arc<[u8]>,
    range: Range<usize>,
}

impl Bytes {
    /// The whole of `file`.
    pub fn new(file: impl Into<Arc<[u8]>>) -> Self {
        let file = file.into();
        let range = 0..file.len();
        Self { file, range }
    }

    /// The bytes `start..start + len` of this part, or `None` if it does not have them.
    pub fn slice(&self, start: u64, len: u64) -> Option<Self> {
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        if end > self.len() {
            return None;
        }
        Some(Self { file: Arc::clone(&self.file), range: self.range.start + start..self.range.start + end })
    }

    /// The whole file that these bytes are a part of, and where in it they are.
    pub fn file_and_range(&self) -> (&Arc<[u8]>, Range<usize>) {
        (&self.file, self.range.clone())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.file[self.range.clone()]
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

/// Shows the length only: images are megabytes.
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({:#x} bytes at {:#x})", self.len(), self.range.start)
    }
}
