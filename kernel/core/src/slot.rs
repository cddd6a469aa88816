//! Slots, and the derivation tree.
//!
//! The capabilities of an object, and those of what was made in its memory, stand in one doubly linked list in
//! pre-order: what derives from a capability follows it. Whether the next one is a child is seen from the two
//! capabilities and two flags, so that nothing is to be updated in others when one in the middle goes.

use core::cell::Cell;

use crate::cap::{Cap, Kind};
use crate::error::Error;
use crate::mem::Ptr;

/// Originals may be revoked: what follows and lies in the same object derives from them.
const ORIGINAL: u64 = 1;
/// The first of a badge: not a child of one that has the same badge.
const FIRST_BADGED: u64 = 2;
const FLAGS: u64 = 3;

/// A place for a capability.
#[repr(C)]
pub struct Slot {
    cap: Cell<Cap>,
    previous: Cell<Option<Ptr<Slot>>>,
    /// Address of the next, and flags in the lowest bits.
    next: Cell<u64>,
}

const _: () = assert!(size_of::<Slot>() == 1 << kernel_abi::bits::SLOT);

impl Slot {
    /// An empty one.
    #[allow(clippy::declare_interior_mutable_const)]
    pub const EMPTY: Self = Self { cap: Cell::new(Cap::NULL), previous: Cell::new(None), next: Cell::new(0) };

    /// The capability in it.
    #[inline(always)]
    pub fn cap(&self) -> Cap {
        self.cap.get()
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.cap.get().is(Kind::Null)
    }

    /// Another capability for the same object, in the same place of the tree.
    #[inline(always)]
    pub fn update(&self, cap: Cap) {
        self.cap.set(cap);
    }

    #[inline(always)]
    fn next(&self) -> Option<Ptr<Slot>> {
        Ptr::new((self.next.get() & !FLAGS) as usize)
    }

    #[inline(always)]
    fn flag(&self, flag: u64) -> bool {
        self.next.get() & flag != 0
    }

    #[inline(always)]
    fn set_next(&self, next: Option<Ptr<Slot>>) {
        let flags = self.next.get() & FLAGS;
        self.next.set(next.map_or(0, |next| next.addr() as u64) | flags);
    }
}

impl Ptr<Slot> {
    /// Puts `cap`, which nothing derives from, into this empty slot, outside of any tree.
    pub fn plant(self, cap: Cap) {
        self.cap.set(cap);
        self.previous.set(None);
        self.next.set(ORIGINAL | FIRST_BADGED);
    }

    /// Puts `cap` into this empty slot behind `parent`, with `flags`.
    #[inline(always)]
    fn link(self, cap: Cap, parent: Self, flags: u64) {
        let next = parent.next();
        self.cap.set(cap);
        self.previous.set(Some(parent));
        self.next.set(next.map_or(0, |next| next.addr() as u64) | flags);
        parent.set_next(Some(self));
        if let Some(next) = next {
            next.previous.set(Some(self));
        }
    }

    /// Puts `cap`, for an object that was just made of the memory of `parent`, into this empty slot.
    pub fn insert_new(self, cap: Cap, parent: Self) {
        self.link(cap, parent, ORIGINAL | FIRST_BADGED);
    }

    /// Puts `cap`, which was made from that of `source`, into this empty slot.
    #[inline(always)]
    pub fn insert(self, cap: Cap, source: Self) {
        let flags = if cap.is_original_from(source.cap()) { ORIGINAL | FIRST_BADGED } else { 0 };
        // Whoever has a copy may use all of the memory.
        let from = source.cap();
        if from.is(Kind::Untyped) && cap.is(Kind::Untyped) && from.covers(cap) && cap.covers(from) {
            source.update(from.with_free_offset(1 << from.untyped_bits()));
        }
        self.link(cap, source, flags);
    }

    /// Puts a reply, made from the master at `master`, into this empty slot.
    #[inline(always)]
    pub fn insert_reply(self, cap: Cap, master: Self) {
        self.link(cap, master, 0);
    }

    /// Moves the capability of `source`, as `cap`, into this empty slot.
    pub fn move_from(self, cap: Cap, source: Self) {
        let (previous, next) = (source.previous.get(), source.next.get());
        self.cap.set(cap);
        self.previous.set(previous);
        self.next.set(next);
        source.reset();
        self.reconnect();
    }

    /// Makes the neighbours point here.
    fn reconnect(self) {
        if let Some(previous) = self.previous.get() {
            previous.set_next(Some(self));
        }
        if let Some(next) = self.next() {
            next.previous.set(Some(self));
        }
    }

    /// Exchanges the capabilities of two slots, as `cap` here and `other_cap` there.
    pub fn swap(self, cap: Cap, other: Self, other_cap: Cap) {
        let mine = (self.previous.get(), self.next.get());
        let theirs = (other.previous.get(), other.next.get());
        // A neighbour that is the other one becomes the slot itself.
        let seen = |slot: Option<Self>, was: Self, is: Self| if slot == Some(was) { Some(is) } else { slot };
        let place = |slot: Self, cap: Cap, (previous, next): (Option<Self>, u64), from: Self| {
            slot.cap.set(cap);
            slot.previous.set(seen(previous, slot, from));
            let follows = seen(Ptr::new((next & !FLAGS) as usize), slot, from);
            slot.next.set(follows.map_or(0, |s| s.addr() as u64) | next & FLAGS);
        };
        place(self, cap, theirs, other);
        place(other, other_cap, mine, self);
        self.reconnect();
        other.reconnect();
    }

    #[inline(always)]
    fn reset(self) {
        self.cap.set(Cap::NULL);
        self.previous.set(None);
        self.next.set(0);
    }

    /// Takes the capability out of the tree.
    #[inline(always)]
    pub fn remove(self) {
        let (previous, next) = (self.previous.get(), self.next());
        if let Some(previous) = previous {
            previous.set_next(next);
        }
        if let Some(next) = next {
            next.previous.set(previous);
            // Who comes to stand behind another is the first of its badge, if the one that went was.
            next.next.set(next.next.get() | self.next.get() & FIRST_BADGED);
        }
        self.reset();
    }

    /// Whether the capability of `other` derives from this one; `other` has to stand behind it.
    fn is_parent_of(self, other: Self) -> bool {
        let (cap, child) = (self.cap(), other.cap());
        if !self.flag(ORIGINAL) || !cap.covers(child) {
            return false;
        }
        match cap.kind() {
            Kind::Endpoint | Kind::Notification if cap.badge() != 0 => {
                cap.badge() == child.badge() && !other.flag(FIRST_BADGED)
            }
            _ => true,
        }
    }

    /// The first that derives from this.
    #[must_use]
    pub fn first_child(self) -> Option<Self> {
        self.next().filter(|&next| self.is_parent_of(next))
    }

    /// That nothing derives from it.
    ///
    /// # Errors
    /// `RevokeFirst`.
    pub fn check_no_children(self) -> Result<(), Error> {
        if self.first_child().is_some() { Err(Error::RevokeFirst) } else { Ok(()) }
    }

    /// That there is no capability.
    ///
    /// # Errors
    /// `DeleteFirst`.
    #[inline]
    pub fn check_empty(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(Error::DeleteFirst) }
    }

    /// Whether no other capability is for the same object.
    #[must_use]
    pub fn is_final(self) -> bool {
        let cap = self.cap();
        let same = |neighbour: Option<Self>, first: bool| {
            neighbour.is_some_and(|n| {
                if first { n.cap().is_same_object(cap) } else { cap.is_same_object(n.cap()) }
            })
        };
        !same(self.previous.get(), true) && !same(self.next(), false)
    }

    /// A capability that is not final, or is of a kind whose deletion takes only a moment.
    #[must_use]
    pub fn deletion_is_short(self) -> bool {
        let cap = self.cap();
        !self.is_final() || !matches!(cap.kind(), Kind::Thread | Kind::Zombie | Kind::CNode)
    }

    /// The reply that was made from the master in this slot, if there is one.
    #[inline(always)]
    #[must_use]
    pub fn reply_of_master(self) -> Option<Self> {
        self.next().filter(|next| {
            let cap = next.cap();
            cap.is(Kind::Reply) && !cap.is_master() && cap.paddr() == self.cap().paddr()
        })
    }

    /// Those before it in the list, from here on.
    pub(crate) fn before(self) -> impl Iterator<Item = Self> {
        core::iter::successors(self.previous.get(), |slot| slot.previous.get())
    }

    /// Those behind it in the list, from here on.
    pub(crate) fn behind(self) -> impl Iterator<Item = Self> {
        core::iter::successors(self.next(), |slot| slot.next())
    }

    /// Those before and behind it in the list, for tests.
    #[cfg(test)]
    pub(crate) fn neighbours(self) -> (Option<Self>, Option<Self>) {
        (self.previous.get(), self.next())
    }
}
