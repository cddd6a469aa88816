//! From a capability's address to its slot.

use kernel_abi::MAX_EXTRA_CAPS;

use crate::cap::{Cap, Kind};
use crate::error::{Error, LookupFault};
use crate::mem::Ptr;
use crate::slot::Slot;
use crate::tcb::Tcb;

/// The slot at `address` in the CSpace below `root`, of which `depth` bits count, and how many bits are left over:
/// there may be something behind it that is no CNode.
#[inline(always)]
fn resolve(root: Cap, address: u64, depth: u64) -> Result<(Ptr<Slot>, u64), LookupFault> {
    let mut node = root;
    let mut left = depth;
    if !node.is(Kind::CNode) {
        return Err(LookupFault::InvalidRoot);
    }
    loop {
        let (radix, guard_size) = (node.radix(), node.guard_size());
        // A shift by 64 does not occur: `left` is not 0 here, and a guard of 0 bits is 0.
        let at = address >> (left - guard_size.min(left)) % 64;
        let fits = guard_size == 0 || (guard_size <= left && at & ((1 << guard_size) - 1) == node.guard());
        if !fits {
            return Err(LookupFault::Guard { left, guard: node.guard(), size: guard_size });
        }
        let consumed = radix + guard_size;
        if consumed > left {
            return Err(LookupFault::Depth { left, found: consumed });
        }
        let index = address >> (left - consumed) & ((1 << radix) - 1);
        let slot = node.object::<Slot>().nth(index as usize);
        left -= consumed;
        if left == 0 {
            return Ok((slot, 0));
        }
        node = slot.cap();
        if !node.is(Kind::CNode) {
            return Ok((slot, left));
        }
    }
}

/// The slot that `thread` means by `address`. What is left over of the address does not matter.
///
/// # Errors
/// If there is none.
#[inline(always)]
pub fn slot(thread: &Tcb, address: u64) -> Result<Ptr<Slot>, LookupFault> {
    resolve(thread.cspace().cap(), address, 64).map(|(slot, _)| slot)
}

/// The capability that `thread` means by `address`.
///
/// # Errors
/// If there is none.
#[inline(always)]
pub fn cap(thread: &Tcb, address: u64) -> Result<Cap, LookupFault> {
    slot(thread, address).map(|slot| slot.cap())
}

/// The slot at `index` of `root`, of which exactly `depth` bits are to be resolved.
///
/// # Errors
/// If there is none; as that of a `source` or not.
pub fn exact(source: bool, root: Cap, index: u64, depth: u64) -> Result<Ptr<Slot>, Error> {
    let failed = |fault| Error::Lookup { source, fault };
    if !root.is(Kind::CNode) {
        return Err(failed(LookupFault::InvalidRoot));
    }
    if !(1..=64).contains(&depth) {
        return Err(Error::Range(1, 64));
    }
    match resolve(root, index, depth) {
        Ok((slot, 0)) => Ok(slot),
        Ok((_, left)) => Err(failed(LookupFault::Depth { left, found: 0 })),
        Err(fault) => Err(failed(fault)),
    }
}

/// The slots of the capabilities that go with a message, as many as are there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extra {
    slots: [Option<Ptr<Slot>>; MAX_EXTRA_CAPS],
}

impl Extra {
    /// None.
    pub const NONE: Self = Self { slots: [None; MAX_EXTRA_CAPS] };

    /// Those that `sender` names in its buffer.
    ///
    /// # Errors
    /// The address of one that is not there, and why.
    pub fn of(sender: &Tcb, count: usize) -> Result<Self, (u64, LookupFault)> {
        let mut extra = Self::NONE;
        if count > 0
            && let Some(buffer) = sender.buffer(false)
        {
            for (n, place) in extra.slots.iter_mut().enumerate().take(count) {
                let address = buffer.cap_or_badge(n);
                *place = Some(slot(sender, address).map_err(|fault| (address, fault))?);
            }
        }
        Ok(extra)
    }

    /// Number `n`.
    #[must_use]
    pub fn slot(&self, n: usize) -> Option<Ptr<Slot>> {
        self.slots.get(n).copied().flatten()
    }

    /// Number `n`.
    ///
    /// # Errors
    /// `Truncated` if it was not sent.
    pub fn get(&self, n: usize) -> Result<Ptr<Slot>, Error> {
        self.slot(n).ok_or(Error::Truncated)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Ptr<Slot>> + '_ {
        self.slots.iter().map_while(|slot| *slot)
    }
}
