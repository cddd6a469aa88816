//! Address spaces.

use kernel_abi::{CapRights, Error, ObjectType, VmAttributes, bits};

use crate::cspace::{ROOT_CNODE, Slots};
use crate::invoke::{Frame, PageTable, Result, Untyped};

/// An address space with a range of free addresses, which are handed out upwards.
#[derive(Debug, Clone, Copy)]
pub struct VSpace {
    /// Its root.
    pub root: PageTable,
    next: u64,
}

impl VSpace {
    /// The address space of `root`, where nothing is mapped from `free` upwards.
    #[must_use]
    pub const fn new(root: PageTable, free: u64) -> Self {
        Self { root, next: free }
    }

    /// An address for something of 2^`size_bits` bytes, with a page before it that stays free.
    pub fn reserve(&mut self, size_bits: u64) -> u64 {
        let size = 1 << size_bits.max(bits::PAGE);
        let address = (self.next + (1 << bits::PAGE)).next_multiple_of(size);
        self.next = address + size;
        address
    }

    /// The first of the addresses of `count` pages in a row, with a page before them that stays free.
    pub fn reserve_pages(&mut self, count: u64) -> u64 {
        let address = self.reserve(bits::PAGE);
        self.next = address + (count << bits::PAGE);
        address
    }

    /// A mark for [`VSpace::reset`].
    #[must_use]
    pub const fn mark(&self) -> u64 {
        self.next
    }

    /// Hands the addresses since `mark` out again; the caller has unmapped what was there.
    pub const fn reset(&mut self, mark: u64) {
        self.next = mark;
    }

    /// Maps a frame, with page tables of `untyped` where they are missing.
    pub fn map(
        &self,
        untyped: Untyped,
        slots: &mut Slots,
        frame: Frame,
        address: u64,
        rights: CapRights,
        attributes: VmAttributes,
    ) -> Result<()> {
        loop {
            match frame.map(self.root, address, rights, attributes) {
                Err(error) if error.error == Error::FailedLookup => {
                    let table = slots.take();
                    untyped.retype(ObjectType::PageTable, 0, ROOT_CNODE, 0, 0, table, 1)?;
                    // Something smaller than the frame is mapped there: more tables do not help.
                    PageTable(table).map(self.root, address, VmAttributes::default()).map_err(|_| error)?;
                }
                other => return other,
            }
        }
    }
}
