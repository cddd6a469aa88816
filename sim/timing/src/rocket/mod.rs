//! Rocket: an in-order core of five stages.
//!
//! The fetch side runs cycle by cycle ([`fetch`]); the execution side is worked out once an instruction: when
//! it can leave the decode stage, and what of it makes the pipeline start anew. Issue is the cycle in which
//! decode lets go of an instruction; write-back comes three cycles later unless it has to be replayed.
//!
//! Mechanisms as in rocket-chip 850e1d5d5, RocketCore.scala unless said otherwise.

pub mod btb;
pub mod cause;
pub mod dcache;
pub mod fetch;
pub mod icache;
mod memory;
pub mod muldiv;
pub mod params;
mod pipeline;
pub mod replace;
mod scoreboard;
pub mod tlb;
pub mod walker;

use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, RunState};
use relsim_core::insn::{Op, OpClass};
use relsim_core::timing::TimingModel;
use relsim_core::trap::TrapTaken;

use cause::Cause;
use fetch::Fetch;
use memory::Memory;
use params::Params;
use pipeline::Pipeline;
use scoreboard::{Scoreboard, produces_x};

/// Cycles from issue to write-back.
const WRITE_BACK: u64 = 3;

/// The Rocket model of one hart.
pub struct Rocket {
    params: Params,
    pipe: Pipeline,
    board: Scoreboard,
    memory: Memory,
    issued: bool,
    issue: u64,
    operands: (u64, u64),
    floats: (u64, u64),
    /// When the decode stage sees what the latest store to a device changed.
    interrupt_at: u64,
}

impl Rocket {
    /// After reset, about to fetch from `pc`.
    pub fn new(params: &Params, pc: u64) -> Self {
        Self {
            params: params.clone(),
            pipe: Pipeline::new(params, pc),
            board: Scoreboard::default(),
            memory: Memory::default(),
            issued: false,
            issue: 0,
            operands: (0, 0),
            floats: (0, 0),
            interrupt_at: 0,
        }
    }

    /// Cycles so far by cause; their sum is the number of cycles that the decode stage has seen.
    pub fn cycles_by_cause(&self) -> &[u64; Cause::ALL.len()] {
        &self.pipe.causes
    }

    /// Cycles that the decode stage has seen.
    pub fn cycles(&self) -> u64 {
        self.pipe.cycles()
    }

    /// The fetch side, for its counters.
    pub fn fetch(&self) -> &Fetch {
        &self.pipe.fetch
    }

    /// Replays the instruction at `pc`, which was refused at write-back, no earlier than `at`.
    fn replay(&mut self, hart: &Hart, bus: &Bus, pc: u64, next: u64, at: u64, cause: Cause) -> u64 {
        self.pipe.plain(self.issue, pc, next);
        self.pipe.restart(self.issue + WRITE_BACK, pc, cause);
        // A fence behind it has gone through decode before the refusal, and holds it back when it comes again.
        let fence = self.pipe.drain(hart, bus, &self.params);
        let at = if fence { at.max(self.memory.idle()) } else { at };
        self.issue = self.pipe.run(hart, bus, &self.params, pc, at, cause);
        self.issue
    }

    fn next_pc(hart: &Hart, op: &Op) -> u64 {
        if op.class.ends_block() { hart.next_pc } else { hart.pc_of(op).wrapping_add(u64::from(op.len)) }
    }
}

/// Whether `op` writes a CSR such that the pipeline is flushed (CSR.scala, write_flush).
fn csr_flushes(op: &Op) -> bool {
    let funct3 = op.raw >> 12 & 3;
    let reads_only = funct3 != 1 && op.raw >> 15 & 31 == 0;
    let number = op.raw >> 20 | 0x300;
    !reads_only && !(0x340..=0x343).contains(&number)
}

impl TimingModel for Rocket {
    const DETAILED: bool = true;

    #[inline]
    fn issue(&mut self, hart: &Hart, bus: &Bus, op: &Op) -> u64 {
        if !self.issued {
            let pc = hart.pc_of(op);
            let (mut at, mut why) = self.board.earliest(op);
            self.memory.constrain(op, self.pipe.last_issue(), &mut at, &mut why);
            self.operands = (hart.x[usize::from(op.rs1)], hart.x[usize::from(op.rs2)]);
            self.floats = (hart.f[usize::from(op.rs1)], hart.f[usize::from(op.rs2)]);
            self.issue = self.pipe.run(hart, bus, &self.params, pc, at, why);
            self.issued = true;
        }
        self.issue + WRITE_BACK
    }

    #[inline]
    fn retired(&mut self, hart: &Hart, bus: &Bus, op: &Op) -> u64 {
        self.issued = false;
        let pc = hart.pc_of(op);
        let next = Self::next_pc(hart, op);
        if op.class.is_memory() {
            self.access(hart, bus, op, pc, next);
        } else if op.class.is_float() {
            while let Some(at) = self.board.refuses(op, self.issue, &self.params) {
                self.replay(hart, bus, pc, next, at, Cause::FloatingPoint);
            }
        }
        let issue = self.issue;
        self.board.write_back(issue, produces_x(op.class));
        self.board.produce(op, issue, self.operands, self.floats, &self.params);
        match op.class {
            OpClass::Branch | OpClass::Jump | OpClass::JumpIndirect => self.pipe.control(issue, pc, op, next),
            OpClass::Csr => {
                self.pipe.plain(issue, pc, next);
                if csr_flushes(op) {
                    self.pipe.restart(issue + WRITE_BACK, next, Cause::Flush);
                    self.pipe.context_changes();
                }
            }
            OpClass::TrapReturn | OpClass::Call => {
                self.pipe.plain(issue, pc, pc + u64::from(op.len));
                self.pipe.restart(issue + WRITE_BACK, next, Cause::Flush);
                self.pipe.context_changes();
            }
            OpClass::SfenceVma => {
                self.pipe.plain(issue, pc, next);
                self.pipe.restart_early(issue + 2, next);
                self.pipe.restart(issue + WRITE_BACK, next, Cause::Flush);
                let va = (op.rs1 != 0).then_some(self.operands.0);
                self.memory.flush_translations(va);
                self.pipe.flush_translations(va);
            }
            OpClass::FenceI => {
                self.pipe.plain(issue, pc, next);
                self.pipe.restart(issue + WRITE_BACK, next, Cause::Flush);
                self.pipe.invalidate_at(issue + WRITE_BACK);
            }
            OpClass::Wait => {
                self.pipe.plain(issue, pc, next);
                self.pipe.restart(issue + WRITE_BACK, next, Cause::Flush);
                if hart.state == RunState::Waiting {
                    self.pipe.sleeps();
                }
            }
            OpClass::Fence => {
                self.memory.fence();
                self.pipe.plain(issue, pc, next);
            }
            OpClass::Alu
            | OpClass::Mul
            | OpClass::Div
            | OpClass::Load
            | OpClass::Store
            | OpClass::FpLoad
            | OpClass::FpStore
            | OpClass::LoadReserved
            | OpClass::StoreConditional
            | OpClass::Amo
            | OpClass::FpArithSingle
            | OpClass::FpArithDouble
            | OpClass::FpDivSingle
            | OpClass::FpDivDouble
            | OpClass::FpMisc
            | OpClass::FpToInt
            | OpClass::IntToFp
            | OpClass::CacheBlock
            | OpClass::Custom
            | OpClass::Illegal => self.pipe.plain(issue, pc, next),
        }
        issue + WRITE_BACK
    }

    fn trapped(&mut self, hart: &Hart, bus: &Bus, trap: &TrapTaken) -> u64 {
        if !std::mem::take(&mut self.issued) {
            // Nothing is on its way: an interrupt, or a fetch that faults. It goes down the pipeline in the
            // place of the instruction at `epc`.
            let at = if trap.interrupt { self.interrupt_at } else { 0 };
            self.issue = self.pipe.run(hart, bus, &self.params, trap.epc, at, Cause::Flush);
        }
        self.pipe.discarded(self.issue);
        self.pipe.restart(self.issue + WRITE_BACK, hart.pc, Cause::Flush);
        self.pipe.context_changes();
        self.issue + WRITE_BACK
    }
}
