//! Address translation (Sv39, Sv48, Sv57, Svnapot, Svpbmt, Svade, Svadu), the software TLBs in front of
//! it, and the data accesses of instructions.
//!
//! Privileged specification 4.3-4.5, 5, 6; 3.1.6.3 for MPRV.
//!
//! The software TLBs are a speed device of the host, not a model of the guest's: they hold a translation
//! only as long as an exact walk would give the same, or until the guest's own `sfence.vma` where the
//! specification lets an implementation go on using the old one.

use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::csr::{ENVCFG_ADUE, ENVCFG_PBMTE};
use crate::hart::{Access, Hart, Priv};
use crate::insn::{Done, Op, Stop};
use crate::isa::Ext;
use crate::pmp::AccessKind;
use crate::ram::{PAGE_BYTES, Ram, Scalar};
use crate::saved::{Impossible, require};
use crate::trap::Cause;

/// Entries of each software TLB (direct mapped).
const TLB_ENTRIES: usize = 1024;
/// Context numbers that fit in a tag, see [`Entry`].
const DATA_CONTEXTS: u32 = 512;
/// Contexts that are remembered at a time, so that a guest which switches back and forth keeps its
/// translations.
const KNOWN_CONTEXTS: usize = 16;

/// A cached data translation: valid for an access when its page, the context and a zero misalignment
/// together equal `tag`. The tag has the page number in bits 63:12, the context in 11:3, and zeros in 2:0,
/// where the access puts the address bits that must be zero for natural alignment.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    tag: u64,
    /// Physical minus virtual address.
    addend: u64,
}

const EMPTY: Entry = Entry { tag: u64::MAX, addend: 0 };

/// What a translation depends on apart from the address.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct ContextKey {
    satp: u64,
    /// Privilege in bits 1:0, SUM in 2, MXR in 3.
    flags: u8,
}

/// Numbers for context keys.
#[derive(Clone, Serialize, Deserialize)]
struct Contexts {
    known: Vec<(ContextKey, u32)>,
    next: u32,
    limit: u32,
    oldest: usize,
}

impl Contexts {
    fn new(limit: u32) -> Self {
        Self { known: Vec::with_capacity(KNOWN_CONTEXTS), next: 1, limit, oldest: 0 }
    }

    /// The number of `key`, and whether all numbers started anew (so that everything filed under them
    /// must go).
    fn number(&mut self, key: ContextKey) -> (u32, bool) {
        if let Some(&(_, number)) = self.known.iter().find(|(k, _)| *k == key) {
            return (number, false);
        }
        let wrapped = self.next >= self.limit;
        if wrapped {
            self.known.clear();
            self.next = 1;
        }
        let number = self.next;
        self.next += 1;
        if self.known.len() < KNOWN_CONTEXTS {
            self.known.push((key, number));
        } else {
            self.known[self.oldest] = (key, number);
            self.oldest = (self.oldest + 1) % KNOWN_CONTEXTS;
        }
        (number, wrapped)
    }

    /// Whether it can have become this from `own`, a new one.
    fn check(&self, own: &Self) -> Result<(), Impossible> {
        require(self.limit == own.limit && (1..=self.limit).contains(&self.next), "too many contexts")?;
        require(
            self.known.len() <= KNOWN_CONTEXTS && self.oldest < KNOWN_CONTEXTS,
            "contexts without a place",
        )?;
        require(self.known.iter().all(|&(_, number)| number < self.next), "a context without a number")
    }

    fn forget(&mut self) {
        self.known.clear();
        self.oldest = 0;
    }
}

/// Translation state of a hart that is not architectural.
#[derive(Clone, Serialize, Deserialize)]
pub struct Mmu {
    #[serde(with = "translations")]
    read: Box<[Entry; TLB_ENTRIES]>,
    #[serde(with = "translations")]
    write: Box<[Entry; TLB_ENTRIES]>,
    /// Data context, already shifted to its place in a tag.
    data_context: u64,
    /// Fetch context: number of (privilege, satp) since the last flush; block links carry it.
    pub fetch_context: u32,
    data_contexts: Contexts,
    fetch_contexts: Contexts,
    /// Let the next access reach a device: it runs alone, see [`Stop::Alone`].
    pub alone: bool,
    touched_device: bool,
}

/// A software TLB: its entries, with their places.
mod translations {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{EMPTY, Entry, TLB_ENTRIES};

    pub fn serialize<S: Serializer>(table: &[Entry; TLB_ENTRIES], to: S) -> Result<S::Ok, S::Error> {
        let held = table.iter().enumerate().filter(|(_, entry)| **entry != EMPTY);
        let held: Vec<(usize, u64, u64)> = held.map(|(at, entry)| (at, entry.tag, entry.addend)).collect();
        to.collect_seq(held)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<[Entry; TLB_ENTRIES]>, D::Error> {
        let mut table = Box::new([EMPTY; TLB_ENTRIES]);
        for (at, tag, addend) in Vec::<(usize, u64, u64)>::deserialize(from)? {
            let entry = table.get_mut(at).ok_or_else(|| D::Error::custom("a translation without a place"))?;
            *entry = Entry { tag, addend };
        }
        Ok(table)
    }
}

impl Default for Mmu {
    fn default() -> Self {
        Self {
            read: Box::new([EMPTY; TLB_ENTRIES]),
            write: Box::new([EMPTY; TLB_ENTRIES]),
            data_context: 0,
            fetch_context: 0,
            data_contexts: Contexts::new(DATA_CONTEXTS),
            fetch_contexts: Contexts::new(u32::MAX),
            alone: false,
            touched_device: false,
        }
    }
}

impl Mmu {
    /// What its tables take of the host's memory.
    pub(crate) const BYTES: u64 = 2 * (TLB_ENTRIES * size_of::<Entry>()) as u64;

    #[inline(always)]
    fn slot(va: u64) -> usize {
        (va / PAGE_BYTES) as usize % TLB_ENTRIES
    }

    #[inline(always)]
    fn tag<T: Scalar>(&self, va: u64) -> u64 {
        (va & (!(PAGE_BYTES - 1) | (T::BYTES as u64 - 1))) | self.data_context
    }

    /// Whether it can have come into this state.
    pub(crate) fn check(&self) -> Result<(), Impossible> {
        for table in [&self.read, &self.write] {
            let legal = |(at, entry): (usize, &Entry)| {
                let page = Self::slot(entry.tag) == at && entry.tag & 7 == 0;
                *entry == EMPTY || page && entry.addend.is_multiple_of(PAGE_BYTES)
            };
            require(table.iter().enumerate().all(legal), "a translation in another's place")?;
        }
        let own = Self::default();
        self.data_contexts.check(&own.data_contexts)?;
        self.fetch_contexts.check(&own.fetch_contexts)?;
        let data = u64::from(self.data_contexts.next) << 3;
        let given = self.data_context < data && self.data_context & 7 == 0;
        require(given && self.fetch_context < self.fetch_contexts.next, "a context without a number")?;
        require(!self.alone && !self.touched_device, "an access that is under way")
    }

    /// Whether an access reached a device since the last call.
    #[inline]
    pub fn take_touched_device(&mut self) -> bool {
        std::mem::take(&mut self.touched_device)
    }

    /// Drops the write translations, so that the next store to each page takes the slow path once.
    pub fn drop_write_translations(&mut self) {
        self.write.fill(EMPTY);
    }

    /// Physical addresses in the pages that stores can reach without [`crate::ram::Ram::put`].
    pub fn stores_reach(&self) -> impl Iterator<Item = u64> + '_ {
        let pages = self.write.iter().filter(|entry| entry.tag != EMPTY.tag);
        pages.map(|entry| (entry.tag & !(PAGE_BYTES - 1)).wrapping_add(entry.addend))
    }

    /// Drops the write translations to pages that hold decoded code in `ram`.
    pub(crate) fn keep_off_code(&mut self, ram: &Ram) {
        for entry in &mut self.write[..] {
            let pa = (entry.tag & !(PAGE_BYTES - 1)).wrapping_add(entry.addend);
            if entry.tag != EMPTY.tag && ram.page_has_code(pa) {
                *entry = EMPTY;
            }
        }
    }

    fn drop_data_translations(&mut self) {
        self.read.fill(EMPTY);
        self.write.fill(EMPTY);
    }
}

// PTE bits (privileged specification 4.4.1).
const PTE_V: u64 = 1 << 0;
const PTE_R: u64 = 1 << 1;
const PTE_W: u64 = 1 << 2;
const PTE_X: u64 = 1 << 3;
const PTE_U: u64 = 1 << 4;
const PTE_A: u64 = 1 << 6;
const PTE_D: u64 = 1 << 7;
const PTE_RESERVED: u64 = 0x7f << 54;
const PTE_PBMT: u64 = 3 << 61;
const PTE_N: u64 = 1 << 63;

/// What a page walk found and touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// Physical address of the byte in question.
    pub pa: u64,
    /// Level of the leaf: 0 for 4 KiB.
    pub level: u8,
    /// Physical addresses of the page-table entries that were read, the root's first.
    pub ptes: [u64; 5],
    /// How many of them; 0 when translation is off.
    pub reads: u8,
    /// The leaf's address and new value where A or D has to be set first.
    pub update: Option<(u64, u64)>,
}

/// Levels of the mode in `satp`; 0 when translation is off.
pub const fn satp_levels(satp: u64) -> u8 {
    match satp >> 60 {
        8 => 3,
        9 => 4,
        10 => 5,
        _ => 0,
    }
}

const fn page_fault(kind: AccessKind) -> Cause {
    match kind {
        AccessKind::Load => Cause::LoadPage,
        AccessKind::Store => Cause::StorePage,
        AccessKind::Fetch => Cause::InstructionPage,
    }
}

const fn access_fault(kind: AccessKind) -> Cause {
    match kind {
        AccessKind::Load => Cause::LoadAccess,
        AccessKind::Store => Cause::StoreAccess,
        AccessKind::Fetch => Cause::InstructionAccess,
    }
}

const fn misaligned(kind: AccessKind) -> Cause {
    match kind {
        AccessKind::Load => Cause::LoadMisaligned,
        AccessKind::Store => Cause::StoreMisaligned,
        AccessKind::Fetch => Cause::InstructionMisaligned,
    }
}

impl Hart {
    /// The privilege that data accesses have: MPRV lends M-mode that of MPP.
    #[inline]
    pub fn data_privilege(&self) -> Priv {
        if self.csr.status.mprv() { self.csr.status.mpp() } else { self.privilege }
    }

    /// Works out anew which translations hold: after every change of privilege, `satp` or `mstatus`.
    pub fn update_contexts(&mut self) {
        let status = self.csr.status;
        let data = self.data_privilege();
        let key = |privilege: Priv, flags: u8| ContextKey {
            satp: if privilege == Priv::M { 0 } else { self.csr.satp },
            flags: privilege as u8 | flags,
        };
        let data_key = key(data, u8::from(status.sum()) << 2 | u8::from(status.mxr()) << 3);
        let fetch_key = key(self.privilege, 0);
        let (number, wrapped) = self.mmu.data_contexts.number(data_key);
        self.mmu.data_context = u64::from(number) << 3;
        if wrapped {
            self.mmu.drop_data_translations();
        }
        let (number, wrapped) = self.mmu.fetch_contexts.number(fetch_key);
        self.mmu.fetch_context = number;
        self.fetch_stale |= wrapped;
    }

    /// Forgets every cached translation (`sfence.vma`, PMP writes).
    pub fn flush_translations(&mut self) {
        self.mmu.data_contexts.forget();
        self.mmu.fetch_contexts.forget();
        self.update_contexts();
    }

    /// Walks the page table for `va` without changing anything.
    ///
    /// # Errors
    /// The exception that the access raises.
    pub fn walk(&self, bus: &Bus, va: u64, kind: AccessKind, privilege: Priv) -> Result<Walk, Cause> {
        let levels = if privilege == Priv::M { 0 } else { satp_levels(self.csr.satp) };
        let mut walk = Walk { pa: va, level: 0, ptes: [0; 5], reads: 0, update: None };
        self.walk_levels(bus, va, kind, privilege, levels, &mut walk)?;
        Ok(walk)
    }

    /// The physical address of virtual address `va` for a debugger: what the hart may load or fetch now, and in a kernel also
    /// what belongs to its user. `None` where nothing is mapped.
    pub fn debug_address(&self, bus: &Bus, va: u64) -> Option<u64> {
        let ways = [
            (AccessKind::Load, self.data_privilege()),
            (AccessKind::Fetch, self.privilege),
            (AccessKind::Load, Priv::U),
            (AccessKind::Fetch, Priv::U),
        ];
        let below = |&(_, privilege): &(AccessKind, Priv)| privilege != Priv::U || self.privilege <= Priv::S;
        let mut walks =
            ways.into_iter().filter(below).map(|(kind, privilege)| self.walk(bus, va, kind, privilege));
        walks.find_map(|walk| walk.ok().map(|walk| walk.pa))
    }

    /// The page-table entries that a walk for `va` reads, the root's first, and how many, whatever it comes to.
    pub fn walked(&self, bus: &Bus, va: u64, kind: AccessKind, privilege: Priv) -> ([u64; 5], u8) {
        let levels = if privilege == Priv::M { 0 } else { satp_levels(self.csr.satp) };
        let mut walk = Walk { pa: va, level: 0, ptes: [0; 5], reads: 0, update: None };
        let _ = self.walk_levels(bus, va, kind, privilege, levels, &mut walk);
        (walk.ptes, walk.reads)
    }

    fn walk_levels(
        &self,
        bus: &Bus,
        va: u64,
        kind: AccessKind,
        privilege: Priv,
        levels: u8,
        walk: &mut Walk,
    ) -> Result<(), Cause> {
        if levels == 0 {
            return Ok(());
        }
        let fault = Err(page_fault(kind));
        let va_bits = 12 + 9 * u32::from(levels);
        if ((va as i64) << (64 - va_bits)) >> (64 - va_bits) != va as i64 {
            return fault;
        }
        let status = self.csr.status;
        let pbmt_on = self.has(Ext::Svpbmt) && self.csr.menvcfg & ENVCFG_PBMTE != 0;
        let mut table = (self.csr.satp & ((1 << 44) - 1)) << 12;
        for level in (0..levels).rev() {
            let shift = 12 + 9 * u32::from(level);
            let pte_pa = table + (va >> shift & 0x1ff) * 8;
            if !self.pmp.allows(pte_pa, 8, AccessKind::Load, Priv::S) {
                return Err(access_fault(kind));
            }
            let Some(pte) = bus.ram.get::<u64>(pte_pa) else { return Err(access_fault(kind)) };
            walk.ptes[usize::from(walk.reads)] = pte_pa;
            walk.reads += 1;
            let bad_pbmt = pte & PTE_PBMT == PTE_PBMT || (pte & PTE_PBMT != 0 && !pbmt_on);
            let bad_n = pte & PTE_N != 0 && !self.has(Ext::Svnapot);
            if pte & PTE_V == 0
                || pte & (PTE_R | PTE_W) == PTE_W
                || pte & PTE_RESERVED != 0
                || bad_pbmt
                || bad_n
            {
                return fault;
            }
            let ppn = pte >> 10 & ((1 << 44) - 1);
            if pte & (PTE_R | PTE_X) == 0 {
                if pte & (PTE_A | PTE_D | PTE_U | PTE_PBMT | PTE_N) != 0 {
                    return fault;
                }
                table = ppn << 12;
                continue;
            }
            let allowed = match kind {
                AccessKind::Load => pte & PTE_R != 0 || (status.mxr() && pte & PTE_X != 0),
                AccessKind::Store => pte & PTE_W != 0,
                AccessKind::Fetch => pte & PTE_X != 0,
            };
            let user_page = pte & PTE_U != 0;
            let mode_ok = match privilege {
                Priv::U => user_page,
                _ => !user_page || (status.sum() && kind != AccessKind::Fetch),
            };
            if !allowed || !mode_ok {
                return fault;
            }
            let mut offset_bits = shift;
            let mut base = ppn << 12;
            if pte & PTE_N != 0 {
                if level != 0 || ppn & 0xf != 8 {
                    return fault;
                }
                offset_bits = 16;
                base &= !0xffff;
            } else if base & ((1 << shift) - 1) != 0 {
                return fault;
            }
            let wanted = PTE_A | if kind == AccessKind::Store { PTE_D } else { 0 };
            if pte & wanted != wanted {
                if self.csr.menvcfg & ENVCFG_ADUE == 0 {
                    return fault;
                }
                if !self.pmp.allows(pte_pa, 8, AccessKind::Store, Priv::S) {
                    return Err(access_fault(kind));
                }
                walk.update = Some((pte_pa, pte | wanted));
            }
            walk.pa = base | (va & ((1 << offset_bits) - 1));
            walk.level = level;
            return Ok(());
        }
        fault
    }

    /// Translates `[va, va + len)`, which lies in one page, checks PMP and sets A and D.
    ///
    /// # Errors
    /// The exception that the access raises.
    pub fn translate(
        &mut self,
        bus: &mut Bus,
        va: u64,
        len: u64,
        kind: AccessKind,
        privilege: Priv,
    ) -> Result<u64, Cause> {
        let walk = self.walk(bus, va, kind, privilege)?;
        if !self.pmp.allows(walk.pa, len, kind, privilege) {
            return Err(access_fault(kind));
        }
        if let Some((pte_pa, pte)) = walk.update {
            bus.ram.put(pte_pa, pte);
        }
        Ok(walk.pa)
    }

    /// Translates the address of an instruction parcel.
    ///
    /// # Errors
    /// The exception that the fetch raises.
    pub fn translate_fetch(&mut self, bus: &mut Bus, va: u64) -> Result<u64, Cause> {
        self.translate(bus, va, 2, AccessKind::Fetch, self.privilege)
    }

    /// Reads a `T` at virtual address `va`.
    ///
    /// # Errors
    /// [`Stop::Trap`] with the fault raised; [`Stop::Alone`] before a device access.
    #[inline(always)]
    pub fn load<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, va: u64) -> Result<T, Stop> {
        let entry = self.mmu.read[Mmu::slot(va)];
        if entry.tag == self.mmu.tag::<T>(va) {
            let pa = va.wrapping_add(entry.addend);
            self.access = Access { va, pa };
            if let Some(value) = bus.ram.get::<T>(pa) {
                return Ok(value);
            }
        }
        self.load_slow::<T>(bus, op, va)
    }

    /// Reads a `T` at virtual address `va` and hands it to `put`: what load instructions do. The slow path
    /// ends in `put` too, so that the fast one needs no frame.
    ///
    /// # Errors
    /// As [`Hart::load`].
    #[inline(always)]
    pub fn load_then<T: Scalar>(
        &mut self,
        bus: &mut Bus,
        op: &Op,
        va: u64,
        put: impl Fn(&mut Self, &Op, T) + Copy,
    ) -> Done {
        let entry = self.mmu.read[Mmu::slot(va)];
        if entry.tag == self.mmu.tag::<T>(va) {
            let pa = va.wrapping_add(entry.addend);
            self.access = Access { va, pa };
            if let Some(value) = bus.ram.get::<T>(pa) {
                put(self, op, value);
                return Ok(());
            }
        }
        self.load_then_slow(bus, op, va, put)
    }

    #[cold]
    #[inline(never)]
    fn load_then_slow<T: Scalar>(
        &mut self,
        bus: &mut Bus,
        op: &Op,
        va: u64,
        put: impl Fn(&mut Self, &Op, T),
    ) -> Done {
        let value = self.load_slow::<T>(bus, op, va)?;
        put(self, op, value);
        Ok(())
    }

    /// Writes a `T` at virtual address `va`.
    ///
    /// # Errors
    /// [`Stop::Trap`] with the fault raised; [`Stop::Alone`] before a device access; [`Stop::Exit`] when
    /// the store is done and the loop has to look around.
    #[inline(always)]
    pub fn store<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, va: u64, value: T) -> Done {
        let entry = self.mmu.write[Mmu::slot(va)];
        if entry.tag == self.mmu.tag::<T>(va) {
            let pa = va.wrapping_add(entry.addend);
            self.access = Access { va, pa };
            let at = pa.wrapping_sub(bus.ram.base()) as usize;
            if T::put(bus.ram.bytes_mut(), at, value) {
                return Ok(());
            }
        }
        self.store_slow::<T>(bus, op, va, value)
    }

    #[cold]
    #[inline(never)]
    fn load_slow<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, va: u64) -> Result<T, Stop> {
        if !va.is_multiple_of(T::BYTES as u64) {
            let mut bytes = [0u8; 8];
            self.misaligned_access(bus, va, T::BYTES, AccessKind::Load, |bus, n, pa| {
                bytes[n] = bus.ram.get(pa)?;
                Some(false)
            })?;
            return Ok(T::from_u64(u64::from_le_bytes(bytes)));
        }
        let pa = self.data_address(bus, va, T::BYTES, AccessKind::Load)?;
        self.access = Access { va, pa };
        if let Some(value) = bus.ram.get::<T>(pa) {
            self.fill(va, pa, AccessKind::Load);
            return Ok(value);
        }
        if !bus.is_memory(pa) {
            self.want_alone()?;
        }
        bus.now = self.cycle_at(op);
        bus.read::<T>(self.config.id, pa).map_err(|_| self.raise(Cause::LoadAccess, va))
    }

    #[cold]
    #[inline(never)]
    fn store_slow<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, va: u64, value: T) -> Done {
        if !va.is_multiple_of(T::BYTES as u64) {
            let bytes = value.to_u64().to_le_bytes();
            let on_code = self.misaligned_access(bus, va, T::BYTES, AccessKind::Store, |bus, n, pa| {
                bus.ram.put(pa, bytes[n])
            })?;
            return if on_code { Err(Stop::Exit) } else { Ok(()) };
        }
        let pa = self.data_address(bus, va, T::BYTES, AccessKind::Store)?;
        self.access = Access { va, pa };
        if let Some(on_code) = bus.ram.put(pa, value) {
            // Pages with code stay on this path, so that a store to code is always seen.
            if !bus.ram.page_has_code(pa) {
                self.fill(va, pa, AccessKind::Store);
            }
            return if on_code { Err(Stop::Exit) } else { Ok(()) };
        }
        self.want_alone()?;
        bus.now = self.cycle_at(op);
        match bus.write::<T>(self.config.id, pa, value) {
            Ok(_) => Err(Stop::Exit),
            Err(_) => Err(self.raise(Cause::StoreAccess, va)),
        }
    }

    fn want_alone(&mut self) -> Done {
        self.mmu.touched_device |= self.mmu.alone;
        if self.mmu.alone { Ok(()) } else { Err(Stop::Alone) }
    }

    fn data_address(&mut self, bus: &mut Bus, va: u64, len: usize, kind: AccessKind) -> Result<u64, Stop> {
        let privilege = self.data_privilege();
        self.translate(bus, va, len as u64, kind, privilege).map_err(|cause| self.raise(cause, va))
    }

    fn fill(&mut self, va: u64, pa: u64, kind: AccessKind) {
        if !self.pmp.uniform_page(pa) {
            return;
        }
        let tag = (va & !(PAGE_BYTES - 1)) | self.mmu.data_context;
        let entry = Entry { tag, addend: pa.wrapping_sub(va) };
        let table = if kind == AccessKind::Store { &mut self.mmu.write } else { &mut self.mmu.read };
        table[Mmu::slot(va)] = entry;
    }

    /// A misaligned access to memory, byte by byte; all translations come first, so that a fault on the
    /// second page leaves no half-done store.
    fn misaligned_access(
        &mut self,
        bus: &mut Bus,
        va: u64,
        len: usize,
        kind: AccessKind,
        mut byte: impl FnMut(&mut Bus, usize, u64) -> Option<bool>,
    ) -> Result<bool, Stop> {
        if !self.config.misaligned_ok {
            return Err(self.raise(misaligned(kind), va));
        }
        let in_page = (PAGE_BYTES - va % PAGE_BYTES).min(len as u64) as usize;
        let first = self.data_address(bus, va, in_page, kind)?;
        let mut second = first;
        if in_page < len {
            let next = va.wrapping_add(in_page as u64);
            second = self.data_address(bus, next, len - in_page, kind)?;
        }
        self.access = Access { va, pa: first };
        let address = |n: usize| {
            if n < in_page { first + n as u64 } else { second + (n - in_page) as u64 }
        };
        if !(0..len).all(|n| bus.ram.contains(address(n), 1)) {
            return Err(self.raise(access_fault(kind), va));
        }
        let mut on_code = false;
        for n in 0..len {
            on_code |= byte(bus, n, address(n)).unwrap_or(false);
        }
        Ok(on_code)
    }

    /// The physical address of an atomic access, which must be aligned; faults are those of stores unless
    /// it is a load-reserved.
    fn atomic_address<T: Scalar>(&mut self, bus: &mut Bus, va: u64, kind: AccessKind) -> Result<u64, Stop> {
        if !va.is_multiple_of(T::BYTES as u64) {
            // No platform splits atomics; the two causes are equally right (unprivileged 13.4), and
            // a misaligned exception tells the handler more.
            return Err(self.raise(misaligned(kind), va));
        }
        let pa = self.data_address(bus, va, T::BYTES, kind)?;
        self.access = Access { va, pa };
        Ok(pa)
    }

    /// A translated atomic read-modify-write: gives the old value, and whether the loop has to look
    /// around afterwards.
    ///
    /// # Errors
    /// As [`Hart::store`].
    pub fn amo_raw<T: Scalar>(
        &mut self,
        bus: &mut Bus,
        op: &Op,
        va: u64,
        update: impl FnOnce(T) -> T,
    ) -> Result<(T, bool), Stop> {
        let entry = self.mmu.write[Mmu::slot(va)];
        if entry.tag == self.mmu.tag::<T>(va) {
            let pa = va.wrapping_add(entry.addend);
            if let Some(old) = bus.ram.get::<T>(pa) {
                self.access = Access { va, pa };
                let at = pa.wrapping_sub(bus.ram.base()) as usize;
                T::put(bus.ram.bytes_mut(), at, update(old));
                return Ok((old, false));
            }
        }
        let pa = self.atomic_address::<T>(bus, va, AccessKind::Store)?;
        if let Some(old) = bus.ram.get::<T>(pa) {
            let on_code = bus.ram.put(pa, update(old)).unwrap_or(false);
            if !bus.ram.page_has_code(pa) {
                self.fill(va, pa, AccessKind::Store);
            }
            return Ok((old, on_code));
        }
        self.want_alone()?;
        bus.now = self.cycle_at(op);
        let id = self.config.id;
        let done = bus.read::<T>(id, pa).and_then(|old| bus.write::<T>(id, pa, update(old)).map(|_| old));
        done.map(|old| (old, true)).map_err(|_| self.raise(Cause::StoreAccess, va))
    }

    /// An AMO: address in rs1, operand in rs2, old value (sign-extended) to rd.
    ///
    /// # Errors
    /// As [`Hart::store`].
    #[inline]
    pub fn amo<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, update: impl FnOnce(T, T) -> T) -> Done {
        let operand = T::from_u64(self.x(op.rs2));
        let (old, exit) = self.amo_raw::<T>(bus, op, self.x(op.rs1), |old| update(old, operand))?;
        self.set_x(op.rd, sign_extend(old));
        if exit { Err(Stop::Exit) } else { Ok(()) }
    }

    /// `lr`: address in rs1, value (sign-extended) to rd. Only memory can be reserved.
    ///
    /// # Errors
    /// [`Stop::Trap`] with the fault raised.
    pub fn load_reserved<T: Scalar>(&mut self, bus: &mut Bus, op: &Op) -> Done {
        let va = self.x(op.rs1);
        let pa = self.atomic_address::<T>(bus, va, AccessKind::Load)?;
        let Some(value) = bus.ram.get::<T>(pa) else { return Err(self.raise(Cause::LoadAccess, va)) };
        self.reservation = Some(pa);
        self.set_x(op.rd, sign_extend(value));
        Ok(())
    }

    /// `sc`: address in rs1, value in rs2, 0 to rd on success and 1 on failure.
    ///
    /// # Errors
    /// As [`Hart::store`].
    pub fn store_conditional<T: Scalar>(&mut self, bus: &mut Bus, op: &Op) -> Done {
        let va = self.x(op.rs1);
        let pa = self.atomic_address::<T>(bus, va, AccessKind::Store)?;
        let held = self.reservation.take() == Some(pa);
        let mut on_code = false;
        if held {
            let Some(hit) = bus.ram.put(pa, T::from_u64(self.x(op.rs2))) else {
                return Err(self.raise(Cause::StoreAccess, va));
            };
            on_code = hit;
        } else if !bus.ram.contains(pa, T::BYTES as u64) {
            return Err(self.raise(Cause::StoreAccess, va));
        }
        self.set_x(op.rd, u64::from(!held));
        if on_code { Err(Stop::Exit) } else { Ok(()) }
    }

    /// Checks that a store to `va` would be allowed, without storing (cache-block operations).
    ///
    /// # Errors
    /// [`Stop::Trap`] with the fault raised.
    pub fn probe_store(&mut self, bus: &mut Bus, _op: &Op, va: u64) -> Done {
        let pa = self.data_address(bus, va, 1, AccessKind::Store)?;
        self.access = Access { va, pa };
        Ok(())
    }

    /// Whether PMP lets an extension's own access through: it acts for the kernel that set it up, so with
    /// the rights of S-mode, or of M-mode when executed there.
    fn physical_allowed(&self, pa: u64, len: usize, kind: AccessKind) -> bool {
        pa.is_multiple_of(len as u64) && self.pmp.allows(pa, len as u64, kind, self.privilege.max(Priv::S))
    }

    /// A read at a physical address, outside translation, with the rights of the kernel (extensions).
    ///
    /// # Errors
    /// [`Stop::Trap`] with a load access fault; [`Stop::Alone`] before a device access.
    pub fn load_physical<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, pa: u64) -> Result<T, Stop> {
        if !self.physical_allowed(pa, T::BYTES, AccessKind::Load) {
            return Err(self.raise(Cause::LoadAccess, pa));
        }
        self.access = Access { va: pa, pa };
        let value = match bus.ram.get::<T>(pa) {
            Some(value) => value,
            None => {
                self.want_alone()?;
                bus.now = self.cycle_at(op);
                bus.read::<T>(self.config.id, pa).map_err(|_| self.raise(Cause::LoadAccess, pa))?
            }
        };
        self.physical.push(pa, false);
        Ok(value)
    }

    /// A write at a physical address; otherwise as [`Hart::load_physical`].
    ///
    /// # Errors
    /// [`Stop::Trap`] with a store access fault; [`Stop::Alone`] before a device access; [`Stop::Exit`]
    /// after one.
    pub fn store_physical<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, pa: u64, value: T) -> Done {
        if !self.physical_allowed(pa, T::BYTES, AccessKind::Store) {
            return Err(self.raise(Cause::StoreAccess, pa));
        }
        self.access = Access { va: pa, pa };
        if let Some(on_code) = bus.ram.put(pa, value) {
            self.physical.push(pa, true);
            return if on_code { Err(Stop::Exit) } else { Ok(()) };
        }
        self.want_alone()?;
        bus.now = self.cycle_at(op);
        match bus.write::<T>(self.config.id, pa, value) {
            Ok(_) => {
                self.physical.push(pa, true);
                Err(Stop::Exit)
            }
            Err(_) => Err(self.raise(Cause::StoreAccess, pa)),
        }
    }
}

/// The value of a scalar as the loads and AMOs of its size extend it.
#[inline(always)]
pub fn sign_extend<T: Scalar>(value: T) -> u64 {
    let shift = 64 - 8 * T::BYTES as u32;
    ((value.to_u64() << shift) as i64 >> shift) as u64
}
