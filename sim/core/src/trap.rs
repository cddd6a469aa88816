//! Traps: causes, delegation, entry and return.
//!
//! Privileged specification 3.1.6-3.1.9, 3.3.2, 4.1, and chapter "N" of the v1.11 draft for traps that
//! U-mode takes itself.

use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::csr::{Status, irq};
use crate::hart::{Hart, Priv, RunState};
use crate::insn::{Done, Op, Stop};
use crate::isa::Ext;
use crate::saved::{Impossible, countable, require};

/// Exception causes (`mcause` without the interrupt bit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum Cause {
    /// Jump to an address that is not a multiple of the instruction alignment.
    InstructionMisaligned = 0,
    /// Fetch refused by memory or PMP.
    InstructionAccess = 1,
    /// Illegal instruction.
    #[default]
    IllegalInstruction = 2,
    /// `ebreak`.
    Breakpoint = 3,
    /// Misaligned load.
    LoadMisaligned = 4,
    /// Load refused by memory or PMP.
    LoadAccess = 5,
    /// Misaligned store or AMO.
    StoreMisaligned = 6,
    /// Store or AMO refused by memory or PMP.
    StoreAccess = 7,
    /// `ecall` from U.
    CallU = 8,
    /// `ecall` from S.
    CallS = 9,
    /// `ecall` from M.
    CallM = 11,
    /// Fetch page fault.
    InstructionPage = 12,
    /// Load page fault.
    LoadPage = 13,
    /// Store or AMO page fault.
    StorePage = 15,
}

impl Cause {
    /// Every exception cause that relsim raises.
    pub const ALL: &[Self] = &[
        Self::InstructionMisaligned,
        Self::InstructionAccess,
        Self::IllegalInstruction,
        Self::Breakpoint,
        Self::LoadMisaligned,
        Self::LoadAccess,
        Self::StoreMisaligned,
        Self::StoreAccess,
        Self::CallU,
        Self::CallS,
        Self::CallM,
        Self::InstructionPage,
        Self::LoadPage,
        Self::StorePage,
    ];

    /// The name that Spike's log and relsim's reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InstructionMisaligned => "instruction_address_misaligned",
            Self::InstructionAccess => "instruction_access_fault",
            Self::IllegalInstruction => "illegal_instruction",
            Self::Breakpoint => "breakpoint",
            Self::LoadMisaligned => "load_address_misaligned",
            Self::LoadAccess => "load_access_fault",
            Self::StoreMisaligned => "store_address_misaligned",
            Self::StoreAccess => "store_access_fault",
            Self::CallU => "user_ecall",
            Self::CallS => "supervisor_ecall",
            Self::CallM => "machine_ecall",
            Self::InstructionPage => "instruction_page_fault",
            Self::LoadPage => "load_page_fault",
            Self::StorePage => "store_page_fault",
        }
    }
}

/// The name of interrupt `code`.
pub const fn interrupt_name(code: u8) -> &'static str {
    match code {
        0 => "user_software",
        1 => "supervisor_software",
        3 => "machine_software",
        4 => "user_timer",
        5 => "supervisor_timer",
        7 => "machine_timer",
        8 => "user_external",
        9 => "supervisor_external",
        11 => "machine_external",
        _ => "reserved",
    }
}

/// An exception that an instruction raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trap {
    /// Why.
    pub cause: Cause,
    /// What goes to `mtval`, `stval` or `utval`.
    pub tval: u64,
}

/// A trap as it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrapTaken {
    /// Cause code.
    pub code: u8,
    /// Whether it is an interrupt.
    pub interrupt: bool,
    /// The value that went to `xtval`.
    pub tval: u64,
    /// The address that went to `xepc`.
    pub epc: u64,
    /// Privilege before.
    pub from: Priv,
    /// Privilege after.
    pub to: Priv,
}

/// Exceptions in a row without a retired instruction after which a hart is said to do nothing but trap.
const STUCK_TRAPS: u64 = 10_000;

/// Counts the exceptions that a hart takes without retiring anything. It is looked at only when a trap is
/// taken: that something has retired since the last one is told from `instret`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FutileTraps {
    /// Exceptions taken at `instret`.
    count: u64,
    /// [`Hart::instret`] at the last exception.
    instret: u64,
}

impl FutileTraps {
    fn count_at(&mut self, instret: u64) {
        if self.instret != instret {
            *self = Self { count: 0, instret };
        }
        self.count += 1;
    }

    /// Whether it can be counted on with.
    pub(crate) fn check(&self) -> Result<(), Impossible> {
        require(countable([self.count, self.instret]), "too many exceptions")
    }

    /// Whether the exception that was just taken is one at which somebody should look whether the hart gets
    /// anywhere.
    pub(crate) fn said_now(&self) -> bool {
        self.count.is_multiple_of(STUCK_TRAPS)
    }
}

/// `xtvec`: base and mode.
fn vector(tvec: u64, code: u8, interrupt: bool) -> u64 {
    let base = tvec & !3;
    if tvec & 3 == 1 && interrupt { base.wrapping_add(4 * u64::from(code)) } else { base }
}

impl Hart {
    /// All pending interrupts: what software wrote, what devices drive, and the supervisor timer.
    #[inline]
    pub fn mip(&self, bus: &Bus) -> u64 {
        self.mip_at(bus, self.cycle)
    }

    /// [`Hart::mip`] at core cycle `cycle`.
    pub fn mip_at(&self, bus: &Bus, cycle: u64) -> u64 {
        self.mip_of(bus, cycle, bus.lines.mip(self.config.id))
    }

    /// [`Hart::mip`] as an instruction reads it in core cycle `cycle`: without what is still on its way from a device.
    pub fn mip_seen(&self, bus: &Bus, cycle: u64) -> u64 {
        self.mip_of(bus, cycle, bus.lines.mip_seen(self.config.id, cycle))
    }

    /// All pending interrupts in core cycle `cycle` where devices drive `lines`.
    #[inline]
    fn mip_of(&self, bus: &Bus, cycle: u64, lines: u64) -> u64 {
        let mut mip = self.csr.mip_soft | lines;
        if self.stce() {
            mip &= !irq::STIP;
            if bus.clock.mtime(cycle) >= self.csr.stimecmp {
                mip |= irq::STIP;
            }
        }
        mip
    }

    /// Whether `stimecmp` drives STIP.
    #[inline]
    pub fn stce(&self) -> bool {
        self.csr.menvcfg & crate::csr::ENVCFG_STCE != 0
    }

    /// The core cycle at which `stimecmp` will raise STIP, if that is still to come.
    pub fn timer_deadline(&self, bus: &Bus) -> Option<u64> {
        if !self.stce() {
            return None;
        }
        bus.clock.cycle_of(self.csr.stimecmp, self.cycle).filter(|&c| c > self.cycle)
    }

    /// `mideleg` with the bits that N hard-wires: user interrupts never go to M, so that firmware that
    /// knows nothing of them need not delegate them.
    #[inline]
    pub fn mideleg(&self) -> u64 {
        self.csr.mideleg | if self.has(Ext::N) { irq::USER } else { 0 }
    }

    /// The interrupt that the hart takes now, if any: its code and the privilege that takes it.
    pub fn interrupt_to_take(&self, bus: &Bus) -> Option<(u8, Priv)> {
        self.interrupt_among(self.mip(bus) & self.csr.mie)
    }

    /// The same by what the hart sees in core cycle `cycle`.
    pub fn interrupt_seen(&self, bus: &Bus, cycle: u64) -> Option<(u8, Priv)> {
        self.interrupt_among(self.mip_seen(bus, cycle) & self.csr.mie)
    }

    /// The first cycle from core cycle `from` on in which the hart would take an interrupt that is there or on its way.
    pub fn interrupted_from(&self, bus: &Bus, from: u64) -> Option<u64> {
        let sees = |&at: &u64| self.interrupt_seen(bus, at).is_some();
        if sees(&from) {
            return Some(from);
        }
        let comes = bus.lines.arrivals(self.config.id, from).filter(sees).min();
        comes.or_else(|| self.interrupt_to_take(bus).map(|_| from))
    }

    /// The interrupt that the hart would take if those of `pending` were pending and enabled in `mie`.
    #[inline]
    fn interrupt_among(&self, pending: u64) -> Option<(u8, Priv)> {
        if pending == 0 {
            return None;
        }
        let (mideleg, status) = (self.mideleg(), self.csr.status);
        let at_m = pending & !mideleg;
        if at_m != 0 && (self.privilege < Priv::M || status.mie()) {
            return Some((highest(at_m), Priv::M));
        }
        let sideleg = if self.has(Ext::N) { self.csr.sideleg } else { 0 };
        let at_s = pending & mideleg & !sideleg;
        if at_s != 0 && (self.privilege < Priv::S || (self.privilege == Priv::S && status.sie())) {
            return Some((highest(at_s), Priv::S));
        }
        let at_u = pending & mideleg & sideleg;
        if at_u != 0 && self.privilege == Priv::U && status.uie() {
            return Some((highest(at_u), Priv::U));
        }
        None
    }

    /// Whether the hart does nothing but trap: its last 10,000 exceptions came without a retired instruction in
    /// between, since its handler cannot be executed.
    pub fn only_traps(&self) -> bool {
        self.state == RunState::Running
            && self.futile.instret == self.instret
            && self.futile.count >= STUCK_TRAPS
    }

    /// The interrupts that can make the hart do something else than now: end its `wfi`, or interrupt it where
    /// it is. Bits as in `mip`.
    pub fn interrupts_that_reach(&self) -> u64 {
        let reaches = |bit: &u64| match self.state {
            RunState::Running => self.interrupt_among(*bit).is_some(),
            RunState::Waiting => true,
            RunState::Stopped => false,
        };
        (0..16).map(|code| 1 << code).filter(|bit| self.csr.mie & bit != 0).filter(reaches).sum()
    }

    /// The cycle behind core cycle `cycle` in which the hart sees an interrupt that ends a `wfi`, if it is on its way from a
    /// device and none was there before.
    pub fn sees_at(&self, bus: &Bus, cycle: u64) -> Option<u64> {
        let sees = |&at: &u64| self.mip_seen(bus, at) & self.csr.mie != 0;
        if sees(&cycle) { None } else { bus.lines.arrivals(self.config.id, cycle).filter(sees).min() }
    }

    /// Whether a `wfi` ends: an interrupt is pending and enabled in `mie`, whatever `mstatus` says.
    pub fn wakes(&self, bus: &Bus) -> bool {
        self.mip_seen(bus, self.cycle) & self.csr.mie != 0
    }

    /// Takes the pending interrupt, if there is one that may be taken; by what the hart sees in core cycle `seen`, if that is
    /// said.
    pub fn take_interrupt(&mut self, bus: &Bus, seen: Option<u64>) -> Option<TrapTaken> {
        let was = seen.and_then(|cycle| self.interrupt_seen(bus, cycle));
        let (code, to) = was.or_else(|| self.interrupt_to_take(bus))?;
        self.counts.interrupt(code);
        Some(self.enter(code, true, 0, self.pc, to))
    }

    /// Takes the exception in [`Hart::raised`] for the instruction at `epc`.
    pub fn take_exception(&mut self, epc: u64) -> TrapTaken {
        let Trap { cause, tval } = self.raised;
        let code = cause as u8;
        let delegated = |set: u64| set >> code & 1 == 1;
        let to = if self.privilege == Priv::M || !delegated(self.csr.medeleg) {
            Priv::M
        } else if self.privilege == Priv::U && self.has(Ext::N) && delegated(self.csr.sedeleg) {
            Priv::U
        } else {
            Priv::S
        };
        self.counts.exception(code);
        self.futile.count_at(self.instret);
        self.enter(code, false, tval, epc, to)
    }

    fn enter(&mut self, code: u8, interrupt: bool, tval: u64, epc: u64, to: Priv) -> TrapTaken {
        let from = self.privilege;
        let cause = u64::from(code) | u64::from(interrupt) << 63;
        let csr = &mut self.csr;
        let tvec = match to {
            Priv::M => {
                (csr.mepc, csr.mcause, csr.mtval) = (epc, cause, tval);
                csr.status.enter_m(from);
                csr.mtvec
            }
            Priv::S => {
                (csr.sepc, csr.scause, csr.stval) = (epc, cause, tval);
                csr.status.enter_s(from);
                csr.stvec
            }
            Priv::U => {
                (csr.uepc, csr.ucause, csr.utval) = (epc, cause, tval);
                csr.status.enter_u();
                csr.utvec
            }
        };
        self.counts.user_traps += u64::from(to == Priv::U);
        self.reservation = None;
        self.pc = vector(tvec, code, interrupt);
        self.privilege = to;
        self.update_contexts();
        TrapTaken { code, interrupt, tval, epc, from, to }
    }

    /// `mret`, `sret` (by `level`): back to the privilege and address that were saved.
    ///
    /// # Errors
    /// [`Stop::Exit`] always, since what may run next has changed; [`Stop::Trap`] if it is illegal here.
    pub fn trap_return(&mut self, op: &Op, level: Priv) -> Done {
        let status: &mut Status = &mut self.csr.status;
        let (to, epc) = match level {
            Priv::M if self.privilege == Priv::M => (status.leave_m(self.config.isa), self.csr.mepc),
            Priv::S if self.privilege == Priv::M || (self.privilege == Priv::S && !status.tsr()) => {
                (status.leave_s(self.config.isa), self.csr.sepc)
            }
            Priv::U => {
                // Illegal only where N is missing; the row's `need` sees to that. UPP is always U.
                status.leave_u();
                (Priv::U, self.csr.uepc)
            }
            _ => return Err(self.illegal(op)),
        };
        self.privilege = to;
        self.reservation = None;
        self.next_pc = if self.has(Ext::C) { epc & !1 } else { epc & !3 };
        self.update_contexts();
        Err(Stop::Exit)
    }
}

/// The interrupt to take among several of one level: external, software, timer; M's before S's before
/// U's (privileged specification 3.1.9).
fn highest(pending: u64) -> u8 {
    const ORDER: [u8; 9] = [11, 3, 7, 9, 1, 5, 8, 0, 4];
    ORDER.into_iter().find(|&code| pending >> code & 1 == 1).unwrap_or_else(|| pending.trailing_zeros() as u8)
}
