//! The supervisor CSRs of user interrupts (U-interrupt specification 0.1.1, chapter "CSRs").

use crate::table::{ENTRIES_PER_PAGE, ENTRY_BYTES};

/// Number of `suist`, the sender table of the running thread; see [`Suist`].
pub const SUIST: u16 = 0x1b0;
/// Number of `suirs`, the receiver entry of the running thread; see [`Suirs`].
pub const SUIRS: u16 = 0x1b1;
/// Number of `suicfg`, the physical base address of the UINTC in bytes. All 64 bits are writable; its reset
/// value is the platform's UINTC.
pub const SUICFG: u16 = 0x1b2;

/// Bit 63 of `suist` and `suirs`: the register is in use.
pub const ENABLE: u64 = 1 << 63;

const SUIST_SIZE_SHIFT: u32 = 44;
const SUIST_SIZE_MASK: u64 = 0xfff;
const SUIST_PPN_MASK: u64 = (1 << 44) - 1;
const SUIRS_INDEX_MASK: u64 = 0xffff;
const PAGE_SHIFT: u32 = 12;

/// Bits of `suist` that can be written; the others read 0.
pub const SUIST_MASK: u64 = ENABLE | SUIST_SIZE_MASK << SUIST_SIZE_SHIFT | SUIST_PPN_MASK;
/// Bits of `suirs` that can be written; the others read 0.
pub const SUIRS_MASK: u64 = ENABLE | SUIRS_INDEX_MASK;

/// `suist`: where the sender table is. Bits 63 enable, 55:44 size, 43:0 PPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Suist {
    /// Sending is on.
    pub enable: bool,
    /// Size of the table in 4 KiB pages; 12 bits, so at most 4095.
    pub size_pages: u16,
    /// Physical page number of the table's first page; 44 bits.
    pub ppn: u64,
}

impl Suist {
    /// The fields of a register value.
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            enable: bits & ENABLE != 0,
            size_pages: (bits >> SUIST_SIZE_SHIFT & SUIST_SIZE_MASK) as u16,
            ppn: bits & SUIST_PPN_MASK,
        }
    }

    /// The register value; fields that are too large lose their high bits.
    pub const fn bits(self) -> u64 {
        (self.enable as u64) << 63
            | (self.size_pages as u64 & SUIST_SIZE_MASK) << SUIST_SIZE_SHIFT
            | self.ppn & SUIST_PPN_MASK
    }

    /// How many entries the table has room for.
    pub const fn entries(self) -> u64 {
        self.size_pages as u64 * ENTRIES_PER_PAGE
    }

    /// Physical address of entry `index`: `None` while sending is off, and beyond the end of the table.
    pub const fn entry_address(self, index: u64) -> Option<u64> {
        if self.enable && index < self.entries() {
            // 44 bits of PPN and 12 of offset; a table at the very top ends within 2^57.
            Some((self.ppn << PAGE_SHIFT) + index * ENTRY_BYTES)
        } else {
            None
        }
    }
}

/// `suirs`: which receiver of the UINTC belongs to what runs on this hart. Bits 63 enable, 15:0 index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Suirs {
    /// Receiving is on.
    pub enable: bool,
    /// Number of the receiver in the UINTC.
    pub index: u16,
}

impl Suirs {
    /// The fields of a register value.
    pub const fn from_bits(bits: u64) -> Self {
        Self { enable: bits & ENABLE != 0, index: (bits & SUIRS_INDEX_MASK) as u16 }
    }

    /// The register value.
    pub const fn bits(self) -> u64 {
        (self.enable as u64) << 63 | self.index as u64
    }

    /// The receiver, if receiving is on.
    pub const fn receiver(self) -> Option<u16> {
        if self.enable { Some(self.index) } else { None }
    }
}
