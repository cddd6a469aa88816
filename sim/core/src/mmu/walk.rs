//! Page walks: Sv39, Sv48, Sv57, Svnapot, Svpbmt, Svade, Svadu (privileged specification 4.3-4.5, 5, 6).

use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::csr::{ENVCFG_ADUE, ENVCFG_PBMTE};
use crate::hart::{Hart, Priv};
use crate::isa::Ext;
use crate::pmp::AccessKind;
use crate::trap::Cause;

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

pub(super) const fn access_fault(kind: AccessKind) -> Cause {
    match kind {
        AccessKind::Load => Cause::LoadAccess,
        AccessKind::Store => Cause::StoreAccess,
        AccessKind::Fetch => Cause::InstructionAccess,
    }
}

pub(super) const fn misaligned(kind: AccessKind) -> Cause {
    match kind {
        AccessKind::Load => Cause::LoadMisaligned,
        AccessKind::Store => Cause::StoreMisaligned,
        AccessKind::Fetch => Cause::InstructionMisaligned,
    }
}

impl Hart {
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
}
