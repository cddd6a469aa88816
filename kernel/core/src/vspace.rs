//! Address spaces: page tables of Sv39, ASIDs, frames in them.
//!
//! The page tables are the data structure; that the hardware forgets translations is asked for through
//! [`hw`]. (Privileged specification, chapter "Sv39".)

use core::cell::Cell;

use kernel_abi::{CapRights, Invocation, USER_TOP, VmAttributes, bits};

use crate::cap::{Cap, Kind, frame_rights};
use crate::error::{Error, LookupFault, Stop};
use crate::hw;
use crate::kernel::Kernel;
use crate::lookup;
use crate::mem::{Ptr, clear};
use crate::slot::Slot;
use crate::syscall::Call;
use crate::tcb::{State, Tcb, vspace_root};

/// Entries of a page table.
pub const PTES: usize = 512;
const INDEX_BITS: u64 = 9;
const LEVELS: u64 = 3;
/// Entries of a root that map the kernel: the upper half.
pub const KERNEL_PTES: usize = 256;
const POOL_SIZE: usize = 1 << bits::ASID_POOL_INDEX;
const POOLS: usize = 1 << bits::ASID_POOLS;

/// A page-table entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Pte(pub u64);

impl Pte {
    /// Nothing.
    pub const INVALID: Self = Self(0);
    const V: u64 = 1;
    const R: u64 = 1 << 1;
    const W: u64 = 1 << 2;
    const X: u64 = 1 << 3;
    const U: u64 = 1 << 4;
    const A: u64 = 1 << 6;
    const D: u64 = 1 << 7;

    const fn ppn(paddr: u64) -> u64 {
        paddr >> 12 << 10
    }

    /// The next table.
    #[must_use]
    pub const fn table(paddr: u64) -> Self {
        Self(Self::ppn(paddr) | Self::V)
    }

    /// A page for the kernel: everything but fetches by users. Accessed and dirty are set, so that no hardware has
    /// to, nor any exception comes.
    #[must_use]
    pub const fn kernel(paddr: u64, execute: bool) -> Self {
        let x = if execute { Self::X } else { 0 };
        Self(Self::ppn(paddr) | Self::V | Self::R | Self::W | x | Self::A | Self::D | 1 << 5)
    }

    /// A page for users with `rights`.
    #[must_use]
    pub(crate) fn user(paddr: u64, rights: CapRights, execute: bool) -> Self {
        let mut flags = Self::V | Self::U | Self::A | Self::D;
        if !rights.has(CapRights::READ) {
            // Not for users: valid, so that the place is taken.
            flags = Self::V | Self::R | Self::A | Self::D;
        } else {
            flags |= Self::R;
            if rights.has(CapRights::WRITE) {
                flags |= Self::W;
            }
            if execute {
                flags |= Self::X;
            }
        }
        Self(Self::ppn(paddr) | flags)
    }

    const fn is_valid(self) -> bool {
        self.0 & Self::V != 0
    }

    const fn is_table(self) -> bool {
        self.is_valid() && self.0 & (Self::R | Self::W | Self::X) == 0
    }

    const fn paddr(self) -> u64 {
        (self.0 >> 10 & ((1 << 44) - 1)) << 12
    }
}

/// An entry in memory, which the hardware may read at any time.
type Entry = Cell<Pte>;

/// A pool of ASIDs: roots of address spaces by the lower bits of the ASID; 0 is none.
type Pool = [Cell<u64>; POOL_SIZE];

/// All ASIDs.
pub struct Asids([Cell<Option<Ptr<Pool>>>; POOLS]);

impl Asids {
    pub(crate) const fn new() -> Self {
        Self([const { Cell::new(None) }; POOLS])
    }

    fn pool(&self, asid: u64) -> Option<Ptr<Pool>> {
        self.0[(asid >> bits::ASID_POOL_INDEX) as usize % POOLS].get()
    }

    /// Physical address of the root of address space `asid`.
    #[inline(always)]
    pub(crate) fn root(&self, asid: u64) -> Option<u64> {
        let pool = self.pool(asid)?;
        let root = pool[asid as usize % POOL_SIZE].get();
        (root != 0).then_some(root)
    }

    /// The pool at `paddr` is that of the ASIDs from `base` on.
    pub fn set_pool(&self, base: u64, paddr: Option<u64>) {
        self.0[(base >> bits::ASID_POOL_INDEX) as usize % POOLS].set(paddr.map(Ptr::at));
    }

    /// Address space `asid` has its root at `root`.
    pub fn set_root(&self, asid: u64, root: Option<u64>) {
        if let Some(pool) = self.pool(asid) {
            pool[asid as usize % POOL_SIZE].set(root.unwrap_or(0));
        }
    }
}

/// An address space that exists: the physical address of its root, and its ASID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    root: u64,
    asid: u64,
}

/// The deepest entry for `vaddr` below `root`, and log2 of what it maps.
fn walk(root: u64, vaddr: u64) -> (Ptr<Entry>, u64) {
    let mut table = root;
    let mut left = 12 + INDEX_BITS * (LEVELS - 1);
    loop {
        let index = (vaddr >> left) as usize % PTES;
        let entry = Ptr::<Entry>::at(table).nth(index);
        let pte = entry.get();
        if !pte.is_table() || left == 12 {
            return (entry, left);
        }
        table = pte.paddr();
        left -= INDEX_BITS;
    }
}

/// Copies the kernel's mappings from the root at `from`, so that it is mapped in every address space.
pub(crate) fn share_kernel(from: u64, to: u64) {
    let (from, to) = (Ptr::<Entry>::at(from), Ptr::<Entry>::at(to));
    for n in PTES - KERNEL_PTES..PTES {
        to.nth(n).set(from.nth(n).get());
    }
}

/// Puts `pte` where `vaddr` is mapped below `root`, whose tables are there down to that.
pub(crate) fn map_boot_page(root: u64, vaddr: u64, pte: Pte) {
    walk(root, vaddr).0.set(pte);
}

impl Kernel {
    /// The root and ASID that `slot` is for.
    fn root_of(&self, slot: Ptr<Slot>) -> Result<(u64, u64), Error> {
        let (root, asid) = vspace_root(slot.cap()).ok_or(Error::InvalidCapability(1))?;
        Ok((root, asid))
    }

    /// That the root at `root` is that of `asid`.
    fn check_root(&self, root: u64, asid: u64) -> Result<(), Error> {
        match self.asids.root(asid) {
            None => Err(Error::Lookup { source: false, fault: LookupFault::InvalidRoot }),
            Some(found) if found != root => Err(Error::InvalidCapability(1)),
            Some(_) => Ok(()),
        }
    }

    /// Invocations of a frame.
    pub(crate) fn invoke_frame(&self, call: &Call<'_>, slot: Ptr<Slot>) -> Result<usize, Stop> {
        let cap = slot.cap();
        match call.invocation() {
            Some(Invocation::PageMap) => {
                call.needs(3)?;
                let space = self.space_of(call.extra.get(0)?)?;
                let (vaddr, rights, attributes) = (call.word(0), CapRights(call.word(1)), call.word(2));
                self.map_frame(slot, space, vaddr, rights, attributes, hw::flush_page)?;
            }
            Some(Invocation::PageUnmap) => {
                self.unmap_frame(cap);
                slot.update(cap.mapped(0, 0));
            }
            Some(Invocation::PageGetAddress) => return Ok(call.answer(cap.paddr())),
            _ => return Err(Error::IllegalOperation.into()),
        }
        Ok(0)
    }

    /// The address space that the capability in `slot` is for.
    #[inline(always)]
    pub(crate) fn space_of(&self, slot: Ptr<Slot>) -> Result<Space, Error> {
        let (root, asid) = self.root_of(slot)?;
        self.check_root(root, asid)?;
        Ok(Space { root, asid })
    }

    /// The frame in `slot` is mapped at `vaddr` of an address space. `flush` has the page of an ASID forgotten.
    #[inline(always)]
    pub(crate) fn map_frame(
        &self,
        slot: Ptr<Slot>,
        space: Space,
        vaddr: u64,
        rights: CapRights,
        attributes: u64,
        flush: impl FnOnce(u64, u64),
    ) -> Result<(), Error> {
        let cap = slot.cap();
        let Space { root, asid } = space;
        let size_bits = cap.frame_bits();
        let last = vaddr.checked_add((1 << size_bits) - 1);
        if last.is_none_or(|last| last >= USER_TOP) {
            return Err(Error::InvalidArgument(0));
        }
        if vaddr & ((1 << size_bits) - 1) != 0 {
            return Err(Error::Alignment);
        }
        let (entry, entry_bits) = walk(root, vaddr);
        if entry_bits != size_bits {
            let fault = LookupFault::Missing { left: entry_bits };
            return Err(Error::Lookup { source: false, fault });
        }
        if cap.asid() != 0 {
            if cap.asid() != asid {
                return Err(Error::InvalidCapability(1));
            }
            if cap.mapped_at() != vaddr {
                return Err(Error::InvalidArgument(0));
            }
            if entry.get().is_table() {
                return Err(Error::DeleteFirst);
            }
        } else if entry.get().is_valid() {
            return Err(Error::DeleteFirst);
        }
        let execute = attributes & VmAttributes::EXECUTE_NEVER.0 == 0;
        slot.update(cap.mapped(asid, vaddr));
        entry.set(Pte::user(cap.paddr(), frame_rights(cap.frame_rights(), rights), execute));
        flush(asid, vaddr);
        Ok(())
    }

    /// The frame of `cap` is mapped nowhere.
    pub(crate) fn unmap_frame(&self, cap: Cap) {
        self.unmap_frame_with(cap, hw::flush_page);
    }

    /// The same; `flush` has the page of an ASID forgotten.
    #[inline(always)]
    pub(crate) fn unmap_frame_with(&self, cap: Cap, flush: impl FnOnce(u64, u64)) {
        let (asid, vaddr) = (cap.asid(), cap.mapped_at());
        let Some(root) = self.asids.root(asid).filter(|_| asid != 0) else { return };
        let (entry, entry_bits) = walk(root, vaddr);
        let pte = entry.get();
        if entry_bits == cap.frame_bits() && pte.is_valid() && !pte.is_table() && pte.paddr() == cap.paddr() {
            entry.set(Pte::INVALID);
            flush(asid, vaddr);
        }
    }

    /// Invocations of a page table.
    pub(crate) fn invoke_page_table(&self, call: &Call<'_>, slot: Ptr<Slot>) -> Result<usize, Stop> {
        let cap = slot.cap();
        match call.invocation() {
            Some(Invocation::PageTableUnmap) => {
                if !slot.is_final() {
                    return Err(Error::RevokeFirst.into());
                }
                // The root of an address space goes with its capability only.
                if cap.asid() != 0 && self.asids.root(cap.asid()) == Some(cap.paddr()) {
                    return Err(Error::RevokeFirst.into());
                }
                if cap.asid() != 0 {
                    self.unmap_page_table(cap);
                    clear(cap.paddr(), 1 << bits::PAGE_TABLE);
                }
                slot.update(cap.mapped(0, 0));
                Ok(0)
            }
            Some(Invocation::PageTableMap) => self.map_page_table(call, slot).map_err(Stop::from),
            _ => Err(Error::IllegalOperation.into()),
        }
    }

    fn map_page_table(&self, call: &Call<'_>, slot: Ptr<Slot>) -> Result<usize, Error> {
        call.needs(2)?;
        let vspace = call.extra.get(0)?;
        let vaddr = call.word(0);
        let cap = slot.cap();
        if cap.asid() != 0 {
            return Err(Error::InvalidCapability(0));
        }
        let (root, asid) = self.root_of(vspace)?;
        if vaddr >= USER_TOP {
            return Err(Error::InvalidArgument(0));
        }
        self.check_root(root, asid)?;
        let (entry, entry_bits) = walk(root, vaddr);
        if entry_bits == bits::PAGE || entry.get().is_valid() {
            return Err(Error::DeleteFirst);
        }
        slot.update(cap.mapped(asid, vaddr >> entry_bits << entry_bits));
        entry.set(Pte::table(cap.paddr()));
        // Of entries that are no leaves, hardware forgets what it has only together with all others.
        hw::flush_asid(asid);
        Ok(0)
    }

    /// The page table of `cap` is in no other.
    fn unmap_page_table(&self, cap: Cap) {
        let (asid, vaddr) = (cap.asid(), cap.mapped_at());
        let Some(mut table) = self.asids.root(asid) else { return };
        let mut left = 12 + INDEX_BITS * (LEVELS - 1);
        while left > 12 {
            let entry = Ptr::<Entry>::at(table).nth((vaddr >> left) as usize % PTES);
            let pte = entry.get();
            if !pte.is_table() {
                return;
            }
            if pte.paddr() == cap.paddr() {
                entry.set(Pte::INVALID);
                hw::flush_asid(asid);
                return;
            }
            table = pte.paddr();
            left -= INDEX_BITS;
        }
    }

    /// The last capability for a page table goes.
    pub(crate) fn retire_page_table(&self, cap: Cap) {
        if cap.asid() == 0 {
            return;
        }
        if self.asids.root(cap.asid()) == Some(cap.paddr()) {
            self.asids.set_root(cap.asid(), None);
            self.leave_vspace();
            hw::flush_asid(cap.asid());
        } else {
            self.unmap_page_table(cap);
        }
    }

    /// The last capability for an ASID pool goes.
    pub(crate) fn retire_asid_pool(&self, cap: Cap) {
        let base = cap.asid_base();
        let Some(pool) = self.asids.pool(base).filter(|pool| pool.paddr() == cap.paddr()) else { return };
        self.asids.set_pool(base, None);
        self.leave_vspace();
        // At once, since other harts take as long for one address space as for all.
        if pool.iter().any(|root| root.get() != 0) {
            hw::flush_all();
        }
    }

    /// An address space is gone, which threads may be running in: its tables are not walked any more. Only then may
    /// its translations be forgotten, since harts in it may otherwise come by new ones at any time.
    fn leave_vspace(&self) {
        self.use_vspace_of(self.current());
        for hart in 0..self.hart_count.get() {
            // Who has no address space may still be running in the one that it had before that was revoked.
            if let Some(thread) = self.hart_number(hart).current.get()
                && thread.state() != State::Idle
                && self.valid_vspace(thread).is_none()
            {
                self.evict(thread);
            }
        }
    }

    /// Root and ASID of the address space of `thread`, if it has one that is valid.
    #[inline(always)]
    pub(crate) fn valid_vspace(&self, thread: Ptr<Tcb>) -> Option<(u64, u64)> {
        vspace_root(thread.vspace().cap()).filter(|&(root, asid)| self.asids.root(asid) == Some(root))
    }

    /// Invocations of the capability for ASID pools.
    pub(crate) fn invoke_asid_control(&self, call: &Call<'_>) -> Result<usize, Stop> {
        if call.invocation() != Some(Invocation::AsidControlMakePool) {
            return Err(Error::IllegalOperation.into());
        }
        call.needs(2)?;
        let (untyped, root) = (call.extra.get(0)?, call.extra.get(1)?.cap());
        let free = self.asids.0.iter().position(|pool| pool.get().is_none()).ok_or(Error::DeleteFirst)?;
        let cap = untyped.cap();
        if !cap.is(Kind::Untyped) || cap.untyped_bits() != bits::ASID_POOL || cap.is_device() {
            return Err(Error::InvalidCapability(1).into());
        }
        untyped.check_no_children()?;
        let to = lookup::exact(false, root, call.word(0), call.word(1))?;
        to.check_empty()?;
        let base = (free as u64) << bits::ASID_POOL_INDEX;
        untyped.update(cap.with_free_offset(1 << bits::ASID_POOL));
        clear(cap.paddr(), 1 << bits::ASID_POOL);
        to.insert_new(Cap::asid_pool(cap.paddr(), base), untyped);
        self.asids.set_pool(base, Some(cap.paddr()));
        Ok(0)
    }

    /// Invocations of an ASID pool.
    pub(crate) fn invoke_asid_pool(&self, call: &Call<'_>, pool: Cap) -> Result<usize, Stop> {
        if call.invocation() != Some(Invocation::AsidPoolAssign) {
            return Err(Error::IllegalOperation.into());
        }
        let slot = call.extra.get(0)?;
        let cap = slot.cap();
        if !cap.is(Kind::PageTable) || cap.asid() != 0 {
            return Err(Error::InvalidCapability(1).into());
        }
        let base = pool.asid_base();
        let Some(found) = self.asids.pool(base) else {
            return Err(Error::Lookup { source: false, fault: LookupFault::InvalidRoot }.into());
        };
        if found.paddr() != pool.paddr() {
            return Err(Error::InvalidCapability(0).into());
        }
        // ASID 0 is none.
        let free = (0..POOL_SIZE)
            .find(|&n| base + n as u64 != 0 && found[n].get() == 0)
            .ok_or(Error::DeleteFirst)?;
        let asid = base + free as u64;
        slot.update(cap.mapped(asid, 0));
        share_kernel(self.kernel_root.get(), cap.paddr());
        found[free].set(cap.paddr());
        Ok(0)
    }
}
