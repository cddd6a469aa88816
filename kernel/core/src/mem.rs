//! Addresses, and references to kernel objects.
//!
//! Objects lie in memory that users were given as untyped, so they come and go at run time. A [`Ptr`] is made from a
//! capability, or from a queue or table that objects stand in; all of these are withdrawn before the memory is used
//! for something else. That is the kernel's central invariant, and the only reason why following a `Ptr` is sound.
//! Objects are shared and changed through cells, so there is never a `&mut` to one.

use core::marker::PhantomData;
use core::num::NonZeroUsize;
use core::ops::Deref;

/// Bits of a physical address that the kernel deals with: what Sv39 has room for in its upper half, twice.
pub const PADDR_BITS: u32 = 39;
/// First physical address beyond what a user may be given.
pub const PADDR_TOP: u64 = 1 << PADDR_BITS;

/// Where physical address 0 is mapped: the kernel window is the upper half of Sv39.
#[cfg(target_os = "none")]
#[inline(always)]
fn window() -> usize {
    0xffff_ffc0_0000_0000
}

#[cfg(not(target_os = "none"))]
pub use host::{set_window, window};

/// On the host the window is wherever a test has its memory.
#[cfg(not(target_os = "none"))]
mod host {
    use std::cell::Cell;

    std::thread_local! {
        static WINDOW: Cell<usize> = const { Cell::new(0) };
    }

    /// Where physical address 0 is.
    pub fn window() -> usize {
        WINDOW.get()
    }

    /// Physical address 0 is at `to` for this thread.
    pub fn set_window(to: usize) {
        WINDOW.set(to);
    }
}

/// Where the kernel sees physical address `paddr`.
#[inline(always)]
#[must_use]
pub fn to_virtual(paddr: u64) -> usize {
    window().wrapping_add(paddr as usize)
}

/// A kernel object.
#[repr(transparent)]
pub struct Ptr<T> {
    addr: NonZeroUsize,
    of: PhantomData<*const T>,
}

impl<T> Clone for Ptr<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ptr<T> {}

impl<T> PartialEq for Ptr<T> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.addr == other.addr
    }
}
impl<T> Eq for Ptr<T> {}

impl<T> core::fmt::Debug for Ptr<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#x}", self.addr)
    }
}

impl<T> Ptr<T> {
    /// The object at kernel address `addr`, if that is not 0. There has to be one.
    #[inline(always)]
    #[must_use]
    pub const fn new(addr: usize) -> Option<Self> {
        match NonZeroUsize::new(addr) {
            Some(addr) => Some(Self { addr, of: PhantomData }),
            None => None,
        }
    }

    /// The object at physical address `paddr`. There has to be one.
    #[inline(always)]
    #[must_use]
    pub fn at(paddr: u64) -> Self {
        // The window is not at 0, and nothing wraps around to it.
        let addr = NonZeroUsize::new(to_virtual(paddr)).unwrap_or(NonZeroUsize::MIN);
        Self { addr, of: PhantomData }
    }

    /// A reference as a `Ptr`.
    #[inline(always)]
    #[must_use]
    pub fn of(object: &T) -> Self {
        let addr = NonZeroUsize::from(core::ptr::NonNull::from(object).expose_provenance());
        Self { addr, of: PhantomData }
    }

    /// Its address in the kernel.
    #[inline(always)]
    #[must_use]
    pub const fn addr(self) -> usize {
        self.addr.get()
    }

    /// Its physical address. It has to lie in the window.
    #[inline(always)]
    #[must_use]
    pub fn paddr(self) -> u64 {
        self.addr().wrapping_sub(window()) as u64
    }

    /// Number `n` of an array that begins here.
    #[inline(always)]
    #[must_use]
    pub fn nth(self, n: usize) -> Self {
        let addr = self.addr().wrapping_add(n.wrapping_mul(size_of::<T>()));
        Self { addr: NonZeroUsize::new(addr).unwrap_or(self.addr), of: PhantomData }
    }
}

impl<T> Deref for Ptr<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: see the module: there is a `T` as long as there is a `Ptr` to it. Its parts that change are cells,
        // and the kernel's lock keeps other harts away.
        unsafe { &*core::ptr::with_exposed_provenance(self.addr()) }
    }
}

/// Zeroes `bytes` of memory from `paddr` on, which no object lies in.
pub fn clear(paddr: u64, bytes: usize) {
    // SAFETY: the caller owns the memory: it is untyped and has no children, or an object's that was just deleted.
    unsafe {
        core::ptr::write_bytes(core::ptr::with_exposed_provenance_mut::<u8>(to_virtual(paddr)), 0, bytes)
    }
}
