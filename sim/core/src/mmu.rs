//! Address translation, the software TLBs in front of it, and the data accesses of instructions.
//!
//! Privileged specification 3.1.6.3 for MPRV; page walks: [`walk`].
//!
//! The software TLBs are a speed device of the host, not a model of the guest's: they hold a translation
//! only as long as an exact walk would give the same, or until the guest's own `sfence.vma` where the
//! specification lets an implementation go on using the old one.

mod accesses;
mod contexts;
mod walk;

use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::hart::{Hart, Priv};
use crate::pmp::AccessKind;
use crate::ram::{PAGE_BYTES, Ram, Scalar};
use crate::saved::{Impossible, require};
pub use accesses::sign_extend;
use contexts::{ContextKey, Contexts};
pub use walk::{Walk, satp_levels};

/// Entries of each software TLB (direct mapped).
const TLB_ENTRIES: usize = 1024;
/// Context numbers that fit in a tag, see [`Entry`].
const DATA_CONTEXTS: u32 = 512;

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

    /// Whether an access reached a device since that was asked for last.
    #[inline]
    pub(crate) fn has_touched_device(&self) -> bool {
        self.touched_device
    }

    /// The same; asked once.
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

    /// Where an access of this `kind` to `va` goes, if nothing is wrong with it; it has not been made yet.
    #[inline]
    pub fn data_target(&self, bus: &Bus, va: u64, kind: AccessKind) -> Option<u64> {
        let table = if kind == AccessKind::Store { &self.mmu.write } else { &self.mmu.read };
        let entry = table[Mmu::slot(va)];
        if entry.tag == self.mmu.tag::<u8>(va) {
            return Some(va.wrapping_add(entry.addend));
        }
        Some(self.walk(bus, va, kind, self.data_privilege()).ok()?.pa)
    }

    /// From now on accesses to the page of `va` find it at that of `pa`.
    fn fill(&mut self, va: u64, pa: u64, kind: AccessKind) {
        if !self.pmp.uniform_page(pa) {
            return;
        }
        let tag = self.mmu.tag::<u8>(va);
        let entry = Entry { tag, addend: pa.wrapping_sub(va) };
        let table = if kind == AccessKind::Store { &mut self.mmu.write } else { &mut self.mmu.read };
        table[Mmu::slot(va)] = entry;
    }
}
