//! The sender table: what `uipi.send` may reach (U-interrupt specification 0.1.1, chapter "Sender").
//!
//! The kernel writes it and points `suist` at it; user code only names entries by index. It lies in
//! physically contiguous, page-aligned memory.

/// Size of an entry in bytes. (The specification's "128 B" is a misprint.)
pub const ENTRY_BYTES: u64 = 8;
/// Entries in a 4 KiB page.
pub const ENTRIES_PER_PAGE: u64 = 4096 / ENTRY_BYTES;
/// Number of vectors of a receiver: `uipi.send` with a vector from here on is ignored by the UINTC.
pub const VECTORS: u16 = 64;

const VALID: u64 = 1 << 0;
const VECTOR_SHIFT: u32 = 16;
const RECEIVER_SHIFT: u32 = 48;

/// A sender table entry: one target. Bits 0 valid, 31:16 vector, 63:48 receiver, little-endian in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderEntry {
    /// The entry names a target.
    pub valid: bool,
    /// Which pending bit to set, 0 to 63.
    pub vector: u16,
    /// Number of the receiver in the UINTC.
    pub receiver: u16,
}

impl SenderEntry {
    /// An entry for `vector` of `receiver`.
    pub const fn new(receiver: u16, vector: u16) -> Self {
        Self { valid: true, vector, receiver }
    }

    /// The fields of an entry in memory.
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            valid: bits & VALID != 0,
            vector: (bits >> VECTOR_SHIFT) as u16,
            receiver: (bits >> RECEIVER_SHIFT) as u16,
        }
    }

    /// The entry as it stands in memory.
    pub const fn bits(self) -> u64 {
        self.valid as u64 | (self.vector as u64) << VECTOR_SHIFT | (self.receiver as u64) << RECEIVER_SHIFT
    }
}
