//! Control and status registers: one row each, grouped by file.
//!
//! A row's read is pure; permission is checked apart from it, once, by number (privileged specification
//! 2.1) and by the row's own condition; every write goes through one place.

mod counters;
mod float;
mod machine;
mod pmp;
mod status;
mod supervisor;
mod user;

pub use status::Status;

use std::sync::Arc;

use crate::bus::Bus;
use crate::hart::{CsrWrite, Hart, Priv};
use crate::insn::{Done, Op, Stop};
use crate::isa::{ExtSet, Need};

/// Interrupt bits of `mip` and `mie`.
pub mod irq {
    /// User software.
    pub const USIP: u64 = 1 << 0;
    /// Supervisor software.
    pub const SSIP: u64 = 1 << 1;
    /// Machine software.
    pub const MSIP: u64 = 1 << 3;
    /// User timer.
    pub const UTIP: u64 = 1 << 4;
    /// Supervisor timer.
    pub const STIP: u64 = 1 << 5;
    /// Machine timer.
    pub const MTIP: u64 = 1 << 7;
    /// User external.
    pub const UEIP: u64 = 1 << 8;
    /// Supervisor external.
    pub const SEIP: u64 = 1 << 9;
    /// Machine external.
    pub const MEIP: u64 = 1 << 11;
    /// The three of U-mode.
    pub const USER: u64 = USIP | UTIP | UEIP;
    /// The three of S-mode.
    pub const SUPERVISOR: u64 = SSIP | STIP | SEIP;
    /// The three of M-mode.
    pub const MACHINE: u64 = MSIP | MTIP | MEIP;
}

/// `menvcfg.ADUE`: hardware updates A and D.
pub const ENVCFG_ADUE: u64 = 1 << 61;
/// `menvcfg.PBMTE`: Svpbmt is on.
pub const ENVCFG_PBMTE: u64 = 1 << 62;
/// `menvcfg.STCE`: Sstc is on.
pub const ENVCFG_STCE: u64 = 1 << 63;

/// Whether an access by number and privilege, which is right so far, is right for this row too.
pub type Access = fn(hart: &Hart) -> bool;

/// A CSR.
#[derive(Clone, Copy)]
pub struct CsrDef {
    /// Number; bits 9:8 are the lowest privilege, bits 11:10 = 3 mean read-only.
    pub num: u16,
    /// Name.
    pub name: &'static str,
    /// Extensions that bring it.
    pub need: Need,
    /// Where the specification says it.
    pub spec: &'static str,
    /// Its value, without side effects. The number serves rows that stand for an array.
    pub read: fn(&Hart, &Bus, u16) -> u64,
    /// Takes a value, legalised; does nothing for fields that cannot be written.
    pub write: fn(&mut Hart, &mut Bus, u16, u64),
    /// The value that `csrrs` and `csrrc` combine with their operand, where it is not what `read` gives
    /// (`mip`: SEIP as software wrote it, without the controller's level).
    pub read_for_update: Option<fn(&Hart, &Bus, u16) -> u64>,
    /// A further condition (counter enables, FS, TVM, STCE).
    pub access: Option<Access>,
}

impl CsrDef {
    /// A row without further conditions.
    pub const fn new(
        num: u16,
        name: &'static str,
        need: Need,
        spec: &'static str,
        read: fn(&Hart, &Bus, u16) -> u64,
        write: fn(&mut Hart, &mut Bus, u16, u64),
    ) -> Self {
        Self { num, name, need, spec, read, write, read_for_update: None, access: None }
    }

    /// The same row with a further condition.
    pub const fn when(self, access: Access) -> Self {
        Self { access: Some(access), ..self }
    }

    /// The same row with another value for read-modify-write.
    pub const fn update_from(self, read: fn(&Hart, &Bus, u16) -> u64) -> Self {
        Self { read_for_update: Some(read), ..self }
    }
}

/// The rows of the core.
pub const BASE: &[&[CsrDef]] =
    &[machine::ROWS, supervisor::ROWS, user::ROWS, counters::ROWS, float::ROWS, pmp::ROWS];

/// For fields that are read-only.
pub fn ignore_write(_: &mut Hart, _: &mut Bus, _: u16, _: u64) {}

/// For registers that are read-only zero.
pub fn read_zero(_: &Hart, _: &Bus, _: u16) -> u64 {
    0
}

/// Two rows have the same number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CSR {num:#05x} stands twice: {first} and {second}")]
pub struct DuplicateCsr {
    /// The number.
    pub num: u16,
    /// One name.
    pub first: &'static str,
    /// The other.
    pub second: &'static str,
}

/// The CSRs of a hart with certain extensions, by number.
pub struct CsrTable {
    rows: Vec<CsrDef>,
    /// Row number + 1 by CSR number; 0 where there is none.
    index: Box<[u16; 4096]>,
}

impl CsrTable {
    /// Of a hart that is still to be told which it has.
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self { rows: Vec::new(), index: Box::new([0; 4096]) })
    }

    /// The rows that `isa` has, of the core and of `outside`.
    ///
    /// # Errors
    /// [`DuplicateCsr`] if two rows share a number.
    pub fn new(isa: ExtSet, outside: &[&'static [CsrDef]]) -> Result<Self, DuplicateCsr> {
        let mut table = Self { rows: Vec::new(), index: Box::new([0; 4096]) };
        for row in BASE.iter().chain(outside).flat_map(|rows| rows.iter()) {
            if !row.need.met_by(isa) {
                continue;
            }
            if let Some(other) = table.get(row.num) {
                return Err(DuplicateCsr { num: row.num, first: other.name, second: row.name });
            }
            table.rows.push(*row);
            table.index[usize::from(row.num & 0xfff)] = table.rows.len() as u16;
        }
        Ok(table)
    }

    /// The row of CSR `num`.
    pub fn get(&self, num: u16) -> Option<&CsrDef> {
        let row = self.index[usize::from(num & 0xfff)];
        self.rows.get(usize::from(row).wrapping_sub(1))
    }

    /// The row called `name`.
    pub fn by_name(&self, name: &str) -> Option<&CsrDef> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// All rows, in the order of the files.
    pub fn rows(&self) -> &[CsrDef] {
        &self.rows
    }
}

/// What a CSR instruction does with the old value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CsrOp {
    Write,
    Set,
    Clear,
}

/// A CSR instruction: permission, read, write. `operand` is rs1 or the immediate; `reads` and `writes` say
/// which of the two happen at all (unprivileged specification, Zicsr).
pub(crate) fn access(
    h: &mut Hart,
    bus: &mut Bus,
    op: &Op,
    kind: CsrOp,
    operand: u64,
    reads: bool,
    writes: bool,
) -> Done {
    let num = (op.imm & 0xfff) as u16;
    let row = h.csr_table.get(num).copied().filter(|row| {
        let level_ok = h.privilege as u16 >= (num >> 8 & 3).min(Priv::M as u16);
        let mode_ok = !writes || num >> 10 != 3;
        level_ok && mode_ok && row.access.is_none_or(|ok| ok(h))
    });
    let Some(row) = row else { return Err(h.illegal(op)) };
    bus.now = h.cycle_at(op);
    h.instret_now = h.instret_at(op);
    let old = if reads { (row.read)(h, bus, num) } else { 0 };
    if writes {
        let base = match row.read_for_update {
            Some(read) if kind != CsrOp::Write => read(h, bus, num),
            _ => old,
        };
        let new = match kind {
            CsrOp::Write => operand,
            CsrOp::Set => base | operand,
            CsrOp::Clear => base & !operand,
        };
        (row.write)(h, bus, num, new);
        if h.log_csr_writes {
            let value = (row.read)(h, bus, num);
            h.csr_writes.push(CsrWrite { num, value });
        }
    }
    h.set_x(op.rd, old);
    // Every write may change what is pending, enabled or translated; the loop looks after each.
    if writes { Err(Stop::Exit) } else { Ok(()) }
}

impl Hart {
    /// The value of CSR `num` for debuggers and reports: no permission check, no side effect. `None` if the
    /// hart has no such CSR.
    pub fn peek_csr(&self, bus: &Bus, num: u16) -> Option<u64> {
        self.csr_table.get(num).map(|row| (row.read)(self, bus, num))
    }

    /// Writes CSR `num` for debuggers and firmware, as an M-mode write would. False if there is no such CSR
    /// or it is read-only.
    pub fn poke_csr(&mut self, bus: &mut Bus, num: u16, value: u64) -> bool {
        match self.csr_table.get(num).copied().filter(|_| num >> 10 != 3) {
            Some(row) => {
                (row.write)(self, bus, num, value);
                true
            }
            None => false,
        }
    }

    /// Floating-point register `r`.
    #[inline(always)]
    pub fn f(&self, r: u8) -> u64 {
        self.f[r as usize]
    }

    /// Writes floating-point register `r`; FS becomes Dirty.
    #[inline(always)]
    pub fn set_f(&mut self, r: u8, value: u64) {
        self.f[r as usize] = value;
        self.csr.status.dirty_fp();
    }

    /// Illegal instruction while floating point is off.
    ///
    /// # Errors
    /// [`Stop::Trap`].
    #[inline(always)]
    pub fn fp_on(&mut self, op: &Op) -> Done {
        if self.csr.status.fp_on() { Ok(()) } else { Err(self.illegal(op)) }
    }

    /// Adds to the accrued exceptions.
    #[inline(always)]
    pub fn accrue(&mut self, flags: u8) {
        if flags != 0 {
            self.csr.fflags |= flags;
            self.csr.status.dirty_fp();
        }
    }
}
