//! One hart: when each instruction can leave the decode stage, and what of it makes the pipeline start anew.

use relsim_core::hart::{Hart, Priv, RunState};
use relsim_core::insn::{FactKind, Op, OpClass};
use relsim_core::timing::{BlockRun, CycleCause as Cause, Fact, Ledger};
use relsim_core::trap::TrapTaken;

use super::icache::Icache;
use super::memo::Check;
use super::memory::{Memory, Progress};
use super::params::Params;
use super::pipeline::Pipeline;
use super::scoreboard::{Scoreboard, operand_cycles, produces_x};
use super::tlb::Tlb;
use super::uncore::Env;

/// Cycles from issue to write-back.
pub const WRITE_BACK: u64 = 3;

/// The model of one hart.
pub struct HartModel {
    pub(super) pipe: Pipeline,
    pub(super) board: Scoreboard,
    pub(super) memory: Memory,
    /// Address of the instruction that has issued and not retired.
    pub(super) issued: Option<u64>,
    /// Address of the instruction that has to come next, if nobody from outside interferes.
    pub(super) next: u64,
    pub(super) issue: u64,
    pub(super) operands: Fact,
    pub(super) floats: (u64, u64),
    /// When the decode stage sees what its latest store to a device changed.
    pub(super) interrupt_at: u64,
    /// The co-processor takes no command before this cycle.
    pub(super) coprocessor_free: u64,
    /// How far the access that has issued has got.
    pub(super) progress: Progress,
}

impl HartModel {
    /// After reset, about to fetch from `pc`.
    pub fn new(params: &Params, pc: u64) -> Self {
        let mut pipe = Pipeline::new(pc);
        pipe.fetch.icache = Icache::new(params);
        pipe.fetch.tlb = Tlb::new(params.itlb_sectors, params.itlb_superpages);
        // Cycles are counted at write-back: the pipeline fills first.
        pipe.ledger.charge(Priv::M, Cause::Fetch, WRITE_BACK);
        Self {
            pipe,
            board: Scoreboard::default(),
            memory: Memory::new(params),
            issued: None,
            next: pc,
            issue: 0,
            operands: Fact::default(),
            floats: (0, 0),
            interrupt_at: 0,
            coprocessor_free: 0,
            progress: Progress::default(),
        }
    }

    /// Where its cycles went.
    pub fn ledger(&self) -> &Ledger {
        &self.pipe.ledger
    }

    /// Replays the instruction at `pc`, which was refused at write-back, no earlier than `at`.
    pub(super) fn replay(&mut self, env: &mut Env<'_>, pc: u64, next: u64, at: u64, cause: Cause) -> u64 {
        let held = self.refuse(env, pc, next, cause).unwrap_or(0);
        self.issue = self.pipe.run(env, pc, at.max(held), cause);
        self.issue
    }

    /// Replays the access at `pc`, no earlier than `at`, for which the data cache was not ready when it executed: it gets no further, so
    /// that nothing looks at what was fetched behind it (RocketCore.scala, replay_ex_structural).
    pub(super) fn replay_unready(&mut self, env: &mut Env<'_>, pc: u64, at: u64, cause: Cause) {
        let held = self.drain(env, pc, cause).unwrap_or(0);
        self.issue = self.pipe.run(env, pc, at.max(held), cause);
    }

    /// Goes on to the cycle in which the instruction at `pc` is refused: if a fence holds it back then, up to which
    /// cycle.
    pub(super) fn refuse(&mut self, env: &mut Env<'_>, pc: u64, next: u64, cause: Cause) -> Option<u64> {
        self.pipe.plain(self.issue, pc, next);
        self.drain(env, pc, cause)
    }

    fn drain(&mut self, env: &mut Env<'_>, pc: u64, cause: Cause) -> Option<u64> {
        self.pipe.restart(self.issue + WRITE_BACK, pc, cause);
        if let Some((rd, late)) = self.progress.loads {
            self.pipe.holds_up(rd, self.issue + late);
        }
        // A fence behind it has gone through decode before the refusal, and holds it back when it comes again.
        self.pipe.drain(env).then(|| self.memory.idle())
    }

    /// The built-in firmware, or a debugger, has moved the program counter.
    #[cold]
    fn moved(&mut self, pc: u64) {
        self.issued = None;
        self.pipe.restart(self.issue + WRITE_BACK, pc, Cause::Firmware);
        self.pipe.context_changes();
    }

    /// Holds the next instruction back while the hart's time was moved on: it slept, until `woken` at least, or
    /// firmware ran.
    #[inline]
    fn outside(&mut self, hart: &Hart, woken: u64, at: &mut u64, why: &mut Cause) {
        let slept = self.pipe.slept();
        let floor = if slept { hart.cycle.max(woken) } else { hart.cycle.saturating_sub(WRITE_BACK) };
        if floor > self.issue && floor > *at {
            (*at, *why) = (floor, if slept { Cause::Wait } else { Cause::Firmware });
        }
    }

    /// What `op` reads before it executes.
    #[inline]
    fn read_operands(&mut self, hart: &Hart, op: &Op) {
        self.operands = Fact { a: hart.x[usize::from(op.rs1)], b: hart.x[usize::from(op.rs2)] };
        self.floats = (hart.f[usize::from(op.rs1)], hart.f[usize::from(op.rs2)]);
    }

    /// The operands of the instruction that issued last.
    pub fn operands(&self) -> Fact {
        self.operands
    }

    /// The cycle at which the instruction that issued last takes effect: its write-back.
    #[inline(always)]
    pub fn takes_effect(&self) -> u64 {
        self.issue + WRITE_BACK
    }

    /// Times the instructions of a block one by one.
    pub fn time_block(&mut self, env: &mut Env<'_>, run: BlockRun<'_>) {
        let mut facts = run.facts.iter();
        let last = run.ops.len() - 1;
        for (n, op) in run.ops.iter().enumerate() {
            let pc = env.hart.pc_of(op);
            self.issue(env, op, pc);
            if let Some(kind) = op.class.fact() {
                env.fact = facts.next().copied().unwrap_or_default();
                if kind == FactKind::Floats {
                    self.floats = (env.fact.a, env.fact.b);
                }
                if kind != FactKind::Access {
                    let cycles = operand_cycles(op, (env.fact.a, env.fact.b), env.params);
                    self.pipe.fetch.btb.recorder.check(Check::Operands { op: n as u8, cycles });
                }
            }
            let next = if n == last { run.next } else { pc.wrapping_add(u64::from(op.len)) };
            self.retired(env, op, pc, next);
        }
    }
}

/// Whether `op` writes a CSR such that the pipeline is flushed (CSR.scala, write_flush).
fn csr_flushes(op: &Op) -> bool {
    let funct3 = op.raw >> 12 & 3;
    let reads_only = funct3 != 1 && op.raw >> 15 & 31 == 0;
    let number = op.raw >> 20 | 0x300;
    !reads_only && !(0x340..=0x343).contains(&number)
}

impl HartModel {
    /// Whether `op` is a branch to the instruction behind it that is taken: what comes next does not tell.
    #[inline]
    fn is_taken_to_next(&mut self, op: &Op) -> bool {
        if op.class != OpClass::Branch || op.imm != i32::from(op.len) {
            return false;
        }
        self.pipe.fetch.btb.recorder.spoil();
        let (a, b) = (self.operands.a, self.operands.b);
        let condition = match op.len {
            2 => op.raw >> 13 & 1,
            _ => op.raw >> 12 & 7,
        };
        match condition {
            0 => a == b,
            1 => a != b,
            4 => (a as i64) < b as i64,
            5 => a as i64 >= b as i64,
            6 => a < b,
            _ => a >= b,
        }
    }

    /// See [`relsim_core::timing::TimingModel::issue`].
    #[inline]
    pub fn issue(&mut self, env: &mut Env<'_>, op: &Op, pc: u64) {
        if self.issued != Some(pc) {
            if pc != self.next {
                self.moved(pc);
            }
            let (mut at, mut why) = self.board.earliest(op);
            // It wakes a cycle after it has seen the interrupt.
            self.outside(env.hart, env.uncore.interrupt_at + 1, &mut at, &mut why);
            if op.class == OpClass::Custom {
                self.constrain_command(&mut at, &mut why);
            }
            self.memory.constrain(op, &mut at, &mut why);
            if !op.class.is_memory() {
                self.read_operands(env.hart, op);
            }
            self.issue = self.pipe.run(env, pc, at, why);
            self.issued = Some(pc);
            self.begins();
        }
    }

    /// `op` has issued as it did before in the same circumstances, in the cycle that [`HartModel::issue`] would give.
    #[inline]
    pub(super) fn issues_again(&mut self, env: &Env<'_>, op: &Op, pc: u64) {
        self.read_operands(env.hart, op);
        self.issued = Some(pc);
        self.begins();
    }

    /// See [`relsim_core::timing::TimingModel::retired`].
    #[inline]
    pub fn retired(&mut self, env: &mut Env<'_>, op: &Op, pc: u64, next: u64) {
        self.issued = None;
        self.next = next;
        if op.class.is_memory() {
            self.access(env, op, pc, next);
        } else if op.class.is_float() {
            while let Some(at) = self.board.refuses(op, self.issue, env.params) {
                self.replay(env, pc, next, at, Cause::FloatingPoint);
            }
        }
        let issue = self.issue;
        self.board.write_back(issue, produces_x(op.class));
        self.board.produce(op, issue, (env.fact.a, env.fact.b), self.floats, env.params);
        match op.class {
            OpClass::Branch | OpClass::Jump | OpClass::JumpIndirect => {
                let goes = next != pc + u64::from(op.len) || self.is_taken_to_next(op);
                self.pipe.control(issue, pc, op, next, goes);
            }
            OpClass::Csr => {
                self.pipe.plain(issue, pc, next);
                if csr_flushes(op) {
                    self.pipe.holds_up(op.rd, issue + WRITE_BACK);
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
                // The memory stage takes the address for that of the next instruction (RocketCore.scala, mem_npc).
                self.pipe.plain(issue, pc, env.fact.a & !1);
                self.pipe.restart_early(issue + 2, env.fact.a & !1);
                self.pipe.restart(issue + WRITE_BACK, next, Cause::Flush);
                let va = (op.rs1 != 0).then_some(env.fact.a);
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
                if env.hart.state == RunState::Waiting {
                    self.pipe.sleeps();
                }
            }
            OpClass::Custom => {
                self.pipe.plain(issue, pc, next);
                self.command(env, op);
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
            | OpClass::Illegal => self.pipe.plain(issue, pc, next),
        }
    }

    /// See [`relsim_core::timing::TimingModel::trapped`].
    pub fn trapped(&mut self, env: &mut Env<'_>, trap: &TrapTaken) -> u64 {
        if self.issued.take().is_none() {
            // Nothing is on its way: an interrupt, or a fetch that faults. It goes down the pipeline in the
            // place of the instruction at `epc`.
            if trap.epc != self.next {
                self.moved(trap.epc);
            }
            let (mut at, mut why) = (if trap.interrupt { env.uncore.interrupt_at } else { 0 }, Cause::Flush);
            self.outside(env.hart, 0, &mut at, &mut why);
            self.issue = self.pipe.run(env, trap.epc, at, why);
        }
        self.next = env.hart.pc;
        self.pipe.restart(self.issue + WRITE_BACK, env.hart.pc, Cause::Flush);
        self.pipe.context_changes();
        self.issue + WRITE_BACK
    }
}
