//! The branch history in terms of the one that a block begins with: worked out once, and good for any.

use super::super::btb::{Btb, HISTORY_BITS};

/// A history: `before << forgotten >> new | bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct History {
    forgotten: u8,
    new: u8,
    bits: u64,
}

impl History {
    pub(super) fn advance(&mut self, taken: bool) {
        self.new = self.new.saturating_add(1);
        self.bits = u64::from(taken) << 63 | self.bits >> 1;
    }

    /// As it was `since` directions ago, which are fewer than 64.
    pub(super) fn back(mut self, since: u8) -> Self {
        if since <= self.new {
            self.new -= since;
            self.bits <<= since;
        } else {
            self.forgotten = self.forgotten.saturating_add(since - self.new);
            (self.new, self.bits) = (0, 0);
        }
        self
    }

    /// Whether [`History::after`] is right.
    pub(super) fn is_short(&self) -> bool {
        self.forgotten < 64 && self.new < 64
    }

    #[inline(always)]
    pub(super) fn after(&self, before: u64) -> u64 {
        before.wrapping_shl(self.forgotten.into()).wrapping_shr(self.new.into()) | self.bits
    }
}

/// Where in the direction table something is, after the history that the block begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    address: u16,
    left: u8,
    right: u8,
    /// The bits of the history that come from before the block, and those that the block gave.
    old: u8,
    new: u8,
}

impl Place {
    pub(super) fn new(pc: u64, history: &History) -> Self {
        let new = u32::from(history.new).min(HISTORY_BITS);
        Self {
            address: Btb::direction_index(pc, 0),
            left: history.forgotten,
            right: (64 - HISTORY_BITS + u32::from(history.new)).min(63) as u8,
            old: (0xffu32 >> new) as u8,
            new: (history.bits >> (64 - HISTORY_BITS)) as u8,
        }
    }

    #[inline(always)]
    pub(super) fn index(&self, before: u64) -> u16 {
        let old = before.wrapping_shl(self.left.into()).wrapping_shr(self.right.into()) as u8;
        Btb::direction_index_at(self.address, old & self.old | self.new)
    }
}
