//! A hart: registers, CSR state and what instruction functions may do with them.
//!
//! Memory accesses are in `mmu/accesses.rs`, traps in `trap.rs`, CSR rows in `csr/`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::csr::{CsrTable, Status};
use crate::insn::{Done, Op, Stop, X_SINK};
use crate::isa::{Ext, ExtSet};
use crate::mmu::Mmu;
use crate::pmp::Pmp;
use crate::region::{Crossings, Marked, Regions};
use crate::saved::{Impossible, countable, registers, require};
use crate::timing::{Fact, Facts, NO_FACTS};
use crate::trap::{Cause, FutileTraps, Trap};

/// Privilege levels, with their encoding in `mstatus.MPP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Priv {
    /// User.
    U = 0,
    /// Supervisor.
    S = 1,
    /// Machine.
    M = 3,
}

impl Priv {
    /// The level with encoding `bits`; `None` for the reserved 2.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            0 => Some(Self::U),
            1 => Some(Self::S),
            3 => Some(Self::M),
            _ => None,
        }
    }

    /// `U`, `S` or `M`.
    pub const fn letter(self) -> char {
        match self {
            Self::U => 'U',
            Self::S => 'S',
            Self::M => 'M',
        }
    }
}

/// What a hart is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunState {
    /// Executes instructions.
    Running,
    /// In `wfi` (or `wrs.nto`): until an interrupt is pending and enabled in `mie`.
    Waiting,
    /// Not started yet, or stopped by HSM.
    Stopped,
}

/// A data access of an instruction, for timing models and logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    /// Virtual address.
    pub va: u64,
    /// Physical address.
    pub pa: u64,
}

/// What the latest instruction of an extension accessed by physical address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PhysicalLog {
    count: u8,
    accesses: [(u64, bool); 2],
}

impl PhysicalLog {
    /// An instruction begins.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// It accessed `pa`; more than two accesses of an instruction are not recorded.
    pub fn push(&mut self, pa: u64, write: bool) {
        if let Some(slot) = self.accesses.get_mut(usize::from(self.count)) {
            *slot = (pa, write);
            self.count += 1;
        }
    }

    /// Addresses in order of time, with `true` for writes.
    pub fn accesses(&self) -> &[(u64, bool)] {
        &self.accesses[..usize::from(self.count).min(2)]
    }
}

/// The latest CSR write, for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsrWrite {
    /// CSR number.
    pub num: u16,
    /// Its value afterwards.
    pub value: u64,
}

/// Words of hart state for each extension outside the core.
pub const EXT_WORDS: usize = 8;

/// Properties of a hart that the platform decides.
#[derive(Debug, Clone, Default)]
pub struct HartConfig {
    /// `mhartid`.
    pub id: usize,
    /// Extensions.
    pub isa: ExtSet,
    /// Misaligned loads and stores to memory work (else they trap).
    pub misaligned_ok: bool,
    /// S-mode calls go to the machine's built-in firmware instead of trapping to M.
    pub firmware_calls: bool,
    /// Implemented PMP entries: 0, 8 or 16.
    pub pmp_entries: usize,
    /// Value of `pc` after reset.
    pub reset_pc: u64,
    /// `mvendorid`, `marchid`, `mimpid`.
    pub ids: [u64; 3],
}

/// Event counts of a hart since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Exceptions taken, by cause code.
    pub exceptions: [u64; 24],
    /// Interrupts taken, by cause code.
    pub interrupts: [u64; 16],
    /// Interrupts and exceptions that went to U-mode (`utvec`).
    pub user_traps: u64,
    /// All of them.
    all: u64,
}

impl Counts {
    /// All traps.
    pub fn traps(&self) -> u64 {
        self.all
    }

    /// Whether they can be counted on with.
    pub(crate) fn check(&self) -> Result<(), Impossible> {
        let all = self.exceptions.iter().chain(&self.interrupts);
        require(countable(all.clone().copied()) && countable([self.user_traps]), "too many traps")?;
        require(all.sum::<u64>() == self.all, "traps that do not add up")
    }

    pub(crate) fn exception(&mut self, code: u8) {
        self.exceptions[usize::from(code)] += 1;
        self.all += 1;
    }

    pub(crate) fn interrupt(&mut self, code: u8) {
        self.interrupts[usize::from(code)] += 1;
        self.all += 1;
    }
}

/// None yet.
const fn no_facts() -> Facts {
    NO_FACTS
}

/// One hart.
#[derive(Clone, Serialize, Deserialize)]
pub struct Hart {
    /// Integer registers; 256 so that a byte indexes them without a check. Slot 0 is never written, slot 32
    /// swallows writes to x0, the rest is unused.
    #[serde(with = "registers")]
    pub x: Box<[u64; 256]>,
    /// Floating-point registers, NaN-boxed to 64 bits.
    #[serde(with = "registers")]
    pub f: Box<[u64; 256]>,
    /// Address of the current block's first instruction; between blocks, of the next instruction.
    pub pc: u64,
    /// Where control goes after the current block; after the current instruction where somebody looks at each.
    pub next_pc: u64,
    /// Current privilege.
    pub privilege: Priv,
    /// Running, waiting or stopped.
    pub state: RunState,
    /// Retired instructions before the current block, since reset.
    pub instret: u64,
    /// Core cycle at the start of the current block (at the current instruction under a timing model that
    /// charges instruction by instruction).
    pub cycle: u64,
    /// Cycles that each instruction inside a block adds to `cycle`: 1 in functional mode, 0 where the
    /// timing model keeps `cycle` up to date.
    pub cycles_per_op: u64,
    /// [`Hart::steps`] when an instruction was about to execute, and had to wait until it is its turn among other harts, or
    /// until it is the first of a block: it is the same instruction if it is still at that step.
    pub waited: Option<u64>,
    /// The trap that the last [`Stop::Trap`] stands for.
    pub raised: Trap,
    /// Exceptions taken since an instruction last retired.
    pub futile: FutileTraps,
    /// What the latest instructions said of themselves, by [`Op::slot`]: a slot's holds until the next one with that slot
    /// executes.
    #[serde(skip, default = "no_facts")]
    pub facts: Facts,
    /// Accesses of the latest instruction of an extension outside the core.
    pub physical: PhysicalLog,
    /// Reserved physical address (8-byte granule) of the last load-reserved.
    pub reservation: Option<u64>,
    /// CSR writes of the current instruction; filled only when `log_csr_writes` is set.
    #[serde(skip)]
    pub csr_writes: Vec<CsrWrite>,
    /// Whether somebody reads `csr_writes`.
    #[serde(skip)]
    pub log_csr_writes: bool,
    /// Control and status registers.
    pub csr: Csrs,
    /// Translation and its software TLBs.
    pub mmu: Mmu,
    /// Physical memory protection.
    pub pmp: Pmp,
    /// Retired instructions before the CSR access in progress; see [`crate::csr`].
    pub instret_now: u64,
    /// State of the extensions outside the core, by slot.
    pub ext_state: [[u64; EXT_WORDS]; 4],
    /// Decoded code may be stale (`fence.i`): the loop drops its links.
    pub fetch_stale: bool,
    /// Traps taken.
    pub counts: Counts,
    /// The marker that has just executed, until the loop records it.
    #[serde(skip)]
    pub marked: Option<Marked>,
    /// The regions that markers spoke of.
    pub regions: Regions,
    /// Where one of them was entered or left, for whoever watches it.
    #[serde(skip)]
    pub crossings: Crossings,
    /// The CSR rows that it has.
    #[serde(skip, default = "CsrTable::none")]
    pub csr_table: Arc<CsrTable>,
    /// What the platform decides.
    #[serde(skip)]
    pub config: HartConfig,
}

/// The CSRs of the base privileged architecture and N, as plain state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Csrs {
    /// `mstatus`; `sstatus` and `ustatus` are views.
    pub status: Status,
    /// `medeleg`.
    pub medeleg: u64,
    /// `mideleg`, without the hard-wired bits of N.
    pub mideleg: u64,
    /// `mie`.
    pub mie: u64,
    /// The bits of `mip` that software writes (SSIP, STIP, SEIP, USIP, UTIP, UEIP).
    pub mip_soft: u64,
    /// `mtvec`.
    pub mtvec: u64,
    /// `mcounteren`.
    pub mcounteren: u64,
    /// `mcountinhibit`.
    pub mcountinhibit: u64,
    /// `mscratch`.
    pub mscratch: u64,
    /// `mepc`.
    pub mepc: u64,
    /// `mcause`.
    pub mcause: u64,
    /// `mtval`.
    pub mtval: u64,
    /// `menvcfg`.
    pub menvcfg: u64,
    /// `stvec`.
    pub stvec: u64,
    /// `scounteren`.
    pub scounteren: u64,
    /// `sscratch`.
    pub sscratch: u64,
    /// `sepc`.
    pub sepc: u64,
    /// `scause`.
    pub scause: u64,
    /// `stval`.
    pub stval: u64,
    /// `satp`.
    pub satp: u64,
    /// `senvcfg`.
    pub senvcfg: u64,
    /// `stimecmp`.
    pub stimecmp: u64,
    /// `sedeleg`.
    pub sedeleg: u64,
    /// `sideleg`.
    pub sideleg: u64,
    /// `utvec`.
    pub utvec: u64,
    /// `uscratch`.
    pub uscratch: u64,
    /// `uepc`.
    pub uepc: u64,
    /// `ucause`.
    pub ucause: u64,
    /// `utval`.
    pub utval: u64,
    /// Accrued floating-point exceptions: NV DZ OF UF NX in bits 4..0.
    pub fflags: u8,
    /// Dynamic rounding mode, 0 to 7 (5 to 7 make instructions that use it illegal).
    pub frm: u8,
    /// `mcycle` minus [`Hart::cycle`] (modulo 2^64), or the frozen value while inhibited.
    pub cycle_offset: u64,
    /// `minstret` minus [`Hart::instret`], or the frozen value while inhibited.
    pub instret_offset: u64,
}

impl Hart {
    /// A hart after reset: M-mode, at the reset vector. Hart state that the specification leaves
    /// undefined is zero.
    pub fn new(config: HartConfig, csr_table: Arc<CsrTable>) -> Self {
        let mut hart = Self {
            x: Box::new([0; 256]),
            f: Box::new([0; 256]),
            pc: config.reset_pc,
            next_pc: config.reset_pc,
            privilege: Priv::M,
            state: RunState::Running,
            instret: 0,
            cycle: 0,
            cycles_per_op: 1,
            waited: None,
            raised: Trap::default(),
            futile: FutileTraps::default(),
            facts: NO_FACTS,
            physical: PhysicalLog::default(),
            reservation: None,
            csr_writes: Vec::new(),
            log_csr_writes: false,
            csr: Csrs::default(),
            mmu: Mmu::default(),
            pmp: Pmp::new(config.pmp_entries),
            instret_now: 0,
            ext_state: [[0; EXT_WORDS]; 4],
            fetch_stale: false,
            counts: Counts::default(),
            marked: None,
            regions: Regions::default(),
            crossings: Crossings::default(),
            csr_table,
            config,
        };
        hart.csr.status = Status::reset(hart.config.isa);
        hart.csr.stimecmp = u64::MAX;
        if hart.has(Ext::Svadu) && !hart.has(Ext::Svade) {
            hart.csr.menvcfg |= crate::csr::ENVCFG_ADUE;
        }
        hart.update_contexts();
        hart
    }

    /// What a copy of one takes of the host's memory, as good as: registers and software TLBs.
    pub const BYTES: u64 = 2 * 256 * 8 + Mmu::BYTES + size_of::<Self>() as u64;

    /// Whether the hart has `ext`.
    #[inline]
    pub fn has(&self, ext: Ext) -> bool {
        self.config.isa.has(ext)
    }

    /// The state words of the outside extension in `slot`.
    ///
    /// # Panics
    /// If `slot` is not one of the custom slots: a mistake in the extension's own rows.
    pub fn ext_words(&mut self, slot: Ext) -> &mut [u64; EXT_WORDS] {
        assert!(slot.is_custom());
        &mut self.ext_state[slot as usize - Ext::Custom0 as usize]
    }

    /// Instructions retired and traps taken, since reset: what a debugger steps by.
    pub fn steps(&self) -> u64 {
        self.instret + self.counts.traps()
    }

    /// Takes the state of `saved`, a copy of this hart at another time; what somebody outside has set up to watch it
    /// stays.
    pub fn restore(&mut self, saved: &Self) {
        let log_csr_writes = self.log_csr_writes;
        self.clone_from(saved);
        self.log_csr_writes = log_csr_writes;
    }

    /// Integer register `r`.
    #[inline(always)]
    pub fn x(&self, r: u8) -> u64 {
        self.x[r as usize]
    }

    /// Writes the integer register in operand slot `r` (x0 has become [`X_SINK`] at decode time).
    #[inline(always)]
    pub fn set_x(&mut self, r: u8, value: u64) {
        self.x[r as usize] = value;
    }

    /// Writes architectural register `r`, for debuggers and firmware; x0 stays 0.
    pub fn write_x(&mut self, r: u8, value: u64) {
        self.set_x(if r == 0 { X_SINK } else { r }, value);
    }

    /// The address of `op` (valid while its block runs).
    #[inline(always)]
    pub fn pc_of(&self, op: &Op) -> u64 {
        self.pc.wrapping_add_signed(op.pc_offset.into())
    }

    /// Notes what the latency of `op` depends on.
    #[inline(always)]
    pub(crate) fn note(&mut self, op: &Op, fact: Fact) {
        self.facts[usize::from(op.slot)] = fact;
    }

    /// The data access of `op`, which has executed.
    #[inline(always)]
    pub fn access(&self, op: &Op) -> Access {
        let Fact { a: va, b: pa } = self.facts[usize::from(op.slot)];
        Access { va, pa }
    }

    /// Retired instructions before `op`.
    #[inline]
    pub fn instret_at(&self, op: &Op) -> u64 {
        self.instret + u64::from(op.index)
    }

    /// The core cycle at which `op` executes.
    #[inline]
    pub fn cycle_at(&self, op: &Op) -> u64 {
        self.cycle + u64::from(op.index) * self.cycles_per_op
    }

    /// Notes a trap that the current instruction raises instead of retiring.
    #[cold]
    #[inline(never)]
    pub fn raise(&mut self, cause: Cause, tval: u64) -> Stop {
        self.raised = Trap { cause, tval };
        Stop::Trap
    }

    /// An illegal-instruction trap for `op`.
    #[cold]
    #[inline(never)]
    pub fn illegal(&mut self, op: &Op) -> Stop {
        self.raise(Cause::IllegalInstruction, u64::from(op.raw))
    }

    /// A jump to `target`; checks alignment where compressed instructions are off.
    #[inline(always)]
    pub fn jump(&mut self, target: u64) -> Done {
        if target & 2 != 0 && !self.has(Ext::C) {
            return Err(self.raise(Cause::InstructionMisaligned, target));
        }
        self.next_pc = target;
        Ok(())
    }
}
