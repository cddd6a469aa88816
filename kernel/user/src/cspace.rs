//! Free slots of the root task's CNode.

use kernel_abi::{BootInfo, InitialCap};

use crate::invoke::CNode;

/// The root task's CNode: it resolves all 64 bits of an address, so a slot's number is its address.
pub const ROOT_CNODE: CNode = CNode(InitialCap::Cnode as u64);
/// Depth that addresses a slot of the root task's CNode.
pub const DEPTH: u64 = 64;

/// Hands out slots in order. Those of a scope are given back together, by [`Slots::reset`].
#[derive(Debug)]
pub struct Slots {
    next: u64,
    end: u64,
}

impl Slots {
    /// The slots that boot information says are free.
    #[must_use]
    pub fn new(info: &BootInfo) -> Self {
        Self { next: info.empty.start, end: info.empty.end }
    }

    /// A free slot.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn take(&mut self) -> u64 {
        self.take_range(1)
    }

    /// The first of `count` free slots in a row.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    #[must_use]
    pub fn take_range(&mut self, count: u64) -> u64 {
        assert!(self.end - self.next >= count, "out of slots");
        self.next += count;
        self.next - count
    }

    /// A mark for [`Slots::reset`], which is the next slot.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.next
    }

    /// Takes back all slots since `mark`, deleting what is in those that the owner did not empty.
    pub fn reset(&mut self, mark: u64) {
        for slot in mark..self.next {
            // An empty slot is no error. One that cannot be deleted does not exist in a CNode's own slots.
            let _ = ROOT_CNODE.delete(slot, DEPTH);
        }
        self.next = mark;
    }
}
