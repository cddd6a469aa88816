//! The branch history in terms of the one that a block begins with: worked out once, and good for any.

use super::super::btb::{Btb, HISTORY_BITS};

/// Where in a history its latest directions are that the hardware looks at.
const LATEST: u32 = u64::BITS - HISTORY_BITS;

/// A history: `before << forgotten >> new | bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct History {
    forgotten: u8,
    new: u8,
    /// In bytes, for the sake of where it stands.
    bits: [u8; 8],
}

impl History {
    #[inline(always)]
    fn bits(&self) -> u64 {
        u64::from_ne_bytes(self.bits)
    }

    /// How many directions further on it is, modulo 256.
    #[inline(always)]
    pub(super) const fn place(&self) -> u8 {
        self.new.wrapping_sub(self.forgotten)
    }

    pub(super) fn advance(&mut self, taken: bool) {
        self.new = self.new.saturating_add(1);
        self.bits = (u64::from(taken) << 63 | self.bits() >> 1).to_ne_bytes();
    }

    /// As it was `since` directions ago, which are fewer than 64.
    pub(super) fn back(mut self, since: u8) -> Self {
        if since <= self.new {
            self.new -= since;
            self.bits = (self.bits() << since).to_ne_bytes();
        } else {
            self.forgotten = self.forgotten.saturating_add(since - self.new);
            (self.new, self.bits) = (0, [0; 8]);
        }
        self
    }

    /// Whether [`History::after`] is right, and a [`Place`] can be.
    pub(super) fn is_short(&self) -> bool {
        u32::from(self.forgotten) <= LATEST && self.new < 64
    }

    #[inline(always)]
    pub(super) fn after(&self, before: u64) -> u64 {
        before.wrapping_shl(self.forgotten.into()).wrapping_shr(self.new.into()) | self.bits()
    }
}

/// Where in the direction table something is, after the history that the block begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Where it would be without a history.
    address: u16,
    /// What is left of the history before the block: how far that is shifted, and which bits of it count.
    shift: u8,
    mask: u8,
    /// The directions that the block has given.
    bits: u8,
}

impl Place {
    /// None that anybody asks for.
    pub(super) const NOWHERE: Self = Self { address: 0, shift: 0, mask: 0, bits: 0 };

    pub(super) fn new(pc: u64, history: &History) -> Self {
        let new = u32::from(history.new).min(HISTORY_BITS);
        Self {
            address: Btb::direction_index(pc, 0),
            // Not beyond all bits: those that would be left do not count.
            shift: (LATEST + new).saturating_sub(history.forgotten.into()).min(u64::BITS - 1) as u8,
            mask: u8::MAX.checked_shr(new).unwrap_or(0),
            bits: (history.bits() >> LATEST) as u8,
        }
    }

    #[inline(always)]
    pub(super) fn index(&self, before: u64) -> u16 {
        let old = before.wrapping_shr(self.shift.into()) as u8 & self.mask;
        Btb::direction_index_at(self.address, old | self.bits)
    }

    /// How far to shift a history such that what is left decides where it is, and nothing else does.
    pub(super) fn shift(self) -> u32 {
        self.shift.into()
    }

    /// Whether it may be where `other` is, after some history.
    pub(super) const fn may_be(self, other: Self) -> bool {
        Btb::may_share_direction(self.address, other.address)
    }
}
