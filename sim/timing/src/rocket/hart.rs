//! One hart: when each instruction can leave the decode stage, and what of it makes the pipeline start anew.

use serde::{Deserialize, Serialize};

use relsim_core::hart::{Hart, Priv, RunState};
use relsim_core::insn::{FactKind, Op, OpClass};
use relsim_core::saved::{Impossible, require};
use relsim_core::timing::{BlockRun, CycleCause as Cause, Fact, Held, Ledger};
use relsim_core::trap::TrapTaken;

use super::hub::Want;
use super::icache::Icache;
use super::memo::Act;
use super::memory::{Memory, Progress, late};
use super::params::Params;
use super::pipeline::{GRANT, Pipeline, READY};
use super::scoreboard::{Scoreboard, operand_cycles, produces_x};
use super::tlb::Tlb;
use super::uncore::Env;
use crate::parts::saved::Latest;

/// Cycles from issue to write-back.
pub const WRITE_BACK: u64 = 3;

/// An instruction on its way to its issue: its address, and what holds it back until when.
pub(super) type Start = (u64, u64, Cause);

/// A replay on its way.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Replay {
    pc: u64,
    /// It does not issue before this cycle; [`GRANT`] while it waits for a line, [`READY`] for the cache.
    at: u64,
    cause: Cause,
    /// The data cache refused it in this cycle.
    refused: u64,
    /// Cycles that it is held longer than the line's refill.
    late: u64,
    /// Fetch has started anew.
    drained: bool,
    /// What the data cache asks for when it is refused.
    asks: Option<Want>,
    /// It is going to be refused again.
    early: bool,
    /// If a fence behind it holds it back, until then.
    fence: Option<u64>,
    /// It was held back up to this cycle before.
    held: u64,
    /// Other data caches have a part in what it waits for.
    remote: bool,
    /// Cycles charged to waiting for lines before.
    charged: u64,
}

impl Replay {
    pub(super) fn new(pc: u64, at: u64, cause: Cause) -> Self {
        Self {
            pc,
            at,
            cause,
            refused: 0,
            late: 0,
            drained: false,
            asks: None,
            early: false,
            fence: None,
            held: 0,
            remote: false,
            charged: 0,
        }
    }
}

/// The model of one hart.
#[derive(Clone, Serialize, Deserialize)]
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
    pub(super) start: Option<Start>,
    pub(super) again: Option<Replay>,
    /// The cycle up to which other harts were to go on first, the last time.
    pub(super) told: u64,
    /// An interrupt has taken the place of the instruction that was to issue.
    #[serde(skip)]
    interrupted: bool,
}

impl HartModel {
    /// Bytes of the host's memory that its instruction cache takes.
    pub fn icache_bytes(&self) -> u64 {
        self.pipe.fetch.icache.tags.bytes()
    }

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
            start: None,
            again: None,
            told: 0,
            interrupted: false,
        }
    }

    /// Works out what is left out of a state that was read, of `own` at another time.
    pub(super) fn settle(&mut self, own: &Self, latest: Latest) -> Result<(), Impossible> {
        self.pipe.settle(&own.pipe, latest)?;
        self.board.check(latest)?;
        self.board.complete();
        self.memory.check(&own.memory, latest)?;
        latest.all([self.issue, self.interrupt_at, self.coprocessor_free, self.told])?;
        require(self.progress.loads.is_none_or(|(rd, cycles)| rd < 64 && cycles <= latest.0), "no register")?;
        latest.all_known(self.start.map(|(_, at, _)| at))?;
        latest.all_known([self.progress.line_at])?;
        let Some(again) = self.again else { return Ok(()) };
        latest.all_known([again.at])?;
        latest.all([again.late, again.held, again.refused].into_iter().chain(again.fence))?;
        require(again.charged <= self.pipe.ledger.by_cause(again.cause), "a replay that was charged before")
    }

    /// Where its cycles went.
    pub fn ledger(&self) -> &Ledger {
        &self.pipe.ledger
    }

    /// Replays the instruction at `pc`, which was refused at write-back, no earlier than `at`.
    ///
    /// # Errors
    /// The cycle up to which other harts have to go on first; [`HartModel::resume`] goes on with it.
    pub(super) fn replay(
        &mut self,
        env: &mut Env<'_>,
        pc: u64,
        next: u64,
        at: u64,
        cause: Cause,
    ) -> Result<(), u64> {
        self.pipe.plain(self.issue, pc, next);
        self.replays(env, self.issue + WRITE_BACK, Replay::new(pc, at, cause))
    }

    /// The same, until `late` cycles after the data cache has got the line that it waits for.
    pub(super) fn replay_for_line(
        &mut self,
        env: &mut Env<'_>,
        pc: u64,
        next: u64,
        late: u64,
    ) -> Result<(), u64> {
        let cause = Cause::DataCache;
        self.pipe.plain(self.issue, pc, next);
        self.refused(pc, cause);
        let charged = self.pipe.ledger.by_cause(cause);
        self.again = Some(Replay { late, charged, ..Replay::new(pc, GRANT, cause) });
        self.resume(env)
    }

    /// Replays the access at `pc`, no earlier than `at`, for which the data cache was not ready when it executed: it
    /// gets no further, so that nothing looks at what was fetched behind it (RocketCore.scala,
    /// replay_ex_structural).
    ///
    /// # Errors
    /// As [`HartModel::replay`].
    pub(super) fn replay_unready(
        &mut self,
        env: &mut Env<'_>,
        pc: u64,
        at: u64,
        cause: Cause,
    ) -> Result<(), u64> {
        self.replays(env, self.issue + 1, Replay::new(pc, at, cause))
    }

    fn replays(&mut self, env: &mut Env<'_>, refused: u64, again: Replay) -> Result<(), u64> {
        self.pipe.restart(self.issue + WRITE_BACK, again.pc, again.cause);
        self.pipe.blocked = self.issue + 2;
        if let Some((rd, _)) = self.progress.loads {
            // Not valid in the memory stage, it holds a user up in the execution stage alone.
            self.pipe.holds_up(rd, self.issue + 2);
        }
        self.again = Some(Replay { refused, ..again });
        self.resume(env)
    }

    /// Goes on with a replay, if there is one.
    #[inline]
    pub(super) fn resume(&mut self, env: &mut Env<'_>) -> Result<(), u64> {
        if self.again.is_some() { self.go_on(env) } else { Ok(()) }
    }

    fn go_on(&mut self, env: &mut Env<'_>) -> Result<(), u64> {
        let Some(mut again) = self.again else { return Ok(()) };
        if !again.drained {
            again.fence = self.drain(env)?;
            again.drained = true;
            if let Some(want) = again.asks.take() {
                self.asks(env, want, &mut again);
            }
            self.again = Some(again);
        }
        if again.at == READY {
            let answer = self.memory.uncached;
            self.pipe.refused = again.refused;
            self.pipe.answered = if answer < again.refused { u64::MAX } else { answer };
            self.pipe.run(env, again.pc, READY, again.cause)?;
            if self.pipe.now + 1 < env.interrupt || !self.pipe.interruptible(env) {
                again.at = env.dcache().side.ready().saturating_add(1).min(self.pipe.released);
                self.again = Some(again);
            }
        }
        if again.at == GRANT {
            self.pipe.run(env, again.pc, GRANT, again.cause)?;
            let (me, now) = (env.hart.config.id, self.pipe.now);
            if let Some((hub, around)) = env.hub()
                && let Some(early) = hub.take_acknowledged(around.params, me)
                && early > now
                && hub.granted(me).is_none_or(|grant| early < grant.last)
            {
                (again.at, again.early) = (early, true);
                self.again = Some(again);
            }
        }
        if again.at == GRANT {
            let me = env.hart.config.id;
            if let Some(grant) = env.hub().and_then(|(hub, _)| hub.grant(me)) {
                self.progress.line_comes(grant);
                again.remote = grant.remote;
                // Held back in decode, it sees the end of the refill a cycle later than it would be refused.
                let late = again.late.max(again.fence.is_some().into());
                again.at = grant.last + late;
            }
            self.again = Some(again);
        }
        let at = again.at.max(again.held).max(again.fence.unwrap_or(0));
        self.pipe.interrupts = (env.interrupt < u64::MAX).then_some((env.interrupt, at));
        self.issue = self.pipe.run(env, again.pc, at.min(env.interrupt), again.cause)?;
        self.again = None;
        self.decided(env)?;
        if again.remote {
            let privilege = self.pipe.fetch.context.privilege;
            let cycles = self.pipe.ledger.by_cause(again.cause) - again.charged;
            self.pipe.ledger.recharge(privilege, again.cause, Cause::Coherence, cycles);
        }
        if again.early {
            // Decode has taken the victim's acknowledgement for the line, and tries again too early (RocketCore.scala,
            // dcache_blocked; DCache.scala, perf.grant).
            let (me, issue) = (env.hart.config.id, self.issue);
            if let Some((hub, _)) = env.hub()
                && hub.granted(me).is_some_and(|grant| grant.last <= issue)
                && let Some(grant) = hub.grant(me)
            {
                self.progress.line_comes(grant);
                return Ok(());
            }
            self.refused(again.pc, again.cause);
            self.again = Some(Replay { at: GRANT, drained: false, early: false, fence: None, ..again });
            return self.go_on(env);
        }
        Ok(())
    }

    /// What has left decode is the instruction, and no interrupt in its place.
    ///
    /// # Errors
    /// The cycle in which the interrupt takes effect.
    #[inline]
    fn decided(&mut self, env: &Env<'_>) -> Result<(), u64> {
        self.interrupted = self.issue >= env.interrupt;
        if self.interrupted { Err(self.takes_effect()) } else { Ok(()) }
    }

    /// See [`relsim_core::timing::TimingModel::decides_from`].
    pub fn decides_from(&self, hart: &Hart) -> u64 {
        if self.issued.is_some() && self.again.is_none() {
            // It has left decode, and waits for its turn.
            self.issue
        } else if hart.cycle == self.told {
            // While others go on, time passes for the machine, and not in the pipeline.
            self.pipe.now + 1
        } else {
            (hart.cycle + 1).saturating_sub(WRITE_BACK)
        }
    }

    /// What an error means that says `cycle`.
    pub(super) fn held(&mut self, cycle: u64) -> Held {
        if std::mem::take(&mut self.interrupted) {
            return Held::Interrupted { decided: self.issue, cycle };
        }
        self.told = cycle;
        Held::Behind(cycle)
    }

    /// Replays the access at `pc`, which has missed, until the data cache has got what it `asks` for, and `late` cycles
    /// longer; or sooner, if an instruction fetch was in the way of the request.
    pub(super) fn replay_for_request(
        &mut self,
        env: &mut Env<'_>,
        pc: u64,
        next: u64,
        late: u64,
        asks: Want,
    ) -> Result<(), u64> {
        let cause = Cause::DataCache;
        env.dcache().crossbar.ask(self.issue + WRITE_BACK);
        self.pipe.plain(self.issue, pc, next);
        self.refused(pc, cause);
        let charged = self.pipe.ledger.by_cause(cause);
        self.again = Some(Replay { late, charged, asks: Some(asks), ..Replay::new(pc, GRANT, cause) });
        self.resume(env)
    }

    /// The data cache asks for `want` at the write-back of the access that is refused.
    fn asks(&mut self, env: &mut Env<'_>, want: Want, again: &mut Replay) {
        let (me, refused) = (env.hart.config.id, self.issue + WRITE_BACK);
        if !env.dcache().crossbar.served_data() {
            // It has invalidated the victim meanwhile, and held decode back for it (DCache.scala,
            // s_voluntary_write_meta; RocketCore.scala, dcache_blocked).
            env.dcache().side.hold(refused + 2);
            (again.at, again.cause, again.refused) = (READY, Cause::InstructionCache, refused);
            return;
        }
        if let Some((hub, mut around)) = env.hub() {
            hub.request(&mut around, me, want, refused);
            self.progress.asked();
        }
    }

    /// Goes on to the cycle in which the instruction at `pc` is refused: if a fence holds it back then, up to which
    /// cycle.
    ///
    /// # Errors
    /// As [`HartModel::replay`].
    pub(super) fn refuse(
        &mut self,
        env: &mut Env<'_>,
        pc: u64,
        next: u64,
        cause: Cause,
    ) -> Result<Option<u64>, u64> {
        self.pipe.plain(self.issue, pc, next);
        self.refused(pc, cause);
        self.drain(env)
    }

    /// The instruction at `pc`, which has issued, is refused.
    fn refused(&mut self, pc: u64, cause: Cause) {
        self.pipe.restart(self.issue + WRITE_BACK, pc, cause);
        if let Some((rd, late)) = self.progress.loads {
            self.pipe.holds_up(rd, self.issue + late);
        }
    }

    /// Goes on until fetch has started anew: if a fence behind the refused instruction has gone through decode
    /// before, which holds it back when it comes again, up to which cycle.
    fn drain(&mut self, env: &mut Env<'_>) -> Result<Option<u64>, u64> {
        Ok(self.pipe.drain(env)?.then(|| self.memory.idle()))
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
        if !slept && hart.cycle == self.told {
            // Nothing was: others have gone on meanwhile.
            return;
        }
        let floor = if slept { woken } else { hart.cycle.saturating_sub(WRITE_BACK) };
        // What woke it may be the interrupt that is taken at once: the time up to then was slept all the same.
        if floor > self.issue && (floor > *at || slept && floor == *at) {
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
    pub fn time_block(&mut self, env: &mut Env<'_>, run: &BlockRun<'_>) {
        (0..run.ops.len()).for_each(|n| self.time_op(env, run, n));
    }

    /// Times instruction number `n` of a block.
    #[inline]
    pub(super) fn time_op(&mut self, env: &mut Env<'_>, run: &BlockRun<'_>, n: usize) {
        let op = &run.ops[n];
        let pc = env.hart.pc_of(op);
        let known = if op.class.is_memory() { run.fact(op) } else { None };
        while self.issue_in_turn(env, op, pc, known).is_err() {
            // The block was to be over before others go on, but memory is slower than was thought.
            (env.others, env.heedless) = (u64::MAX, true);
        }
        if let Some(kind) = op.fact {
            env.fact = run.facts[usize::from(op.slot)];
            self.pipe.fetch.btb.recorder.fact = op.slot;
            if kind == FactKind::Floats {
                self.floats = (env.fact.a, env.fact.b);
            }
            if kind != FactKind::Access {
                let cycles = operand_cycles(op, (env.fact.a, env.fact.b), env.params);
                let operands = Act::Operands { fact: op.slot, op: n as u8, cycles };
                self.pipe.fetch.btb.recorder.act(operands);
            }
        }
        self.retired(env, op, pc, run.after(n, env.hart.pc));
    }
}

/// Whether decode takes the first half of the atomic `op` for one as long as it has no more: it sees that half twice (IBuf.scala,
/// `icData`), so that what `funct5` is compared with is the end of `rd`, `funct3`, and the beginning of `rs1`. The two that
/// there are look like `amoxor.w` and `amomax.w`.
fn half_is_atomic(op: &Op) -> bool {
    op.raw >> 12 & 7 == 2 && op.raw >> 11 & 1 == 0
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
    ///
    /// # Errors
    /// The cycle up to which other harts have to go on first.
    #[inline]
    pub fn issue(&mut self, env: &mut Env<'_>, op: &Op, pc: u64) -> Result<(), u64> {
        if self.issued == Some(pc) {
            self.resume(env)?;
            return self.decided(env);
        }
        let (at, why) = match self.start {
            Some((start, at, why)) if start == pc => (at, why),
            _ => self.starts(env, op, pc),
        };
        if self.memory.device_load != 0 && self.trusts_device(env, op, pc, at, why)? {
            self.issued = Some(pc);
            self.begins();
            return self.resume(env);
        }
        self.pipe.memory_idle = self.memory.idle();
        self.pipe.accesses_memory = op.class.is_memory();
        self.pipe.half_goes = op.class.is_atomic() && !half_is_atomic(op);
        if (self.progress.waits || self.progress.line_at > self.pipe.now) && op.class.is_memory() {
            self.holds_for_line(op, pc, at);
            self.resume(env)?;
            return self.decided(env);
        }
        // What it was woken by before it does not come sooner.
        let slept = why == Cause::Wait;
        let comes = if slept && env.interrupt < at.saturating_sub(1) { at } else { at.min(env.interrupt) };
        // It is held in decode in the cycle in which it wakes up.
        if self.pipe.restart.is_none() || self.pipe.interrupts.is_none() {
            // None that has been taken is on its way yet.
            let held = if slept { comes + 1 } else { at };
            self.pipe.interrupts = (env.interrupt < u64::MAX).then_some((env.interrupt, held));
        }
        match self.pipe.run(env, pc, comes, why) {
            Ok(issue) => self.issue = issue,
            Err(cycle) => {
                self.start = Some((pc, at, why));
                return Err(cycle);
            }
        }
        if std::mem::take(&mut self.pipe.wrong_fence) {
            self.memory.fence();
        }
        self.start = None;
        self.issued = Some(pc);
        self.begins();
        self.decided(env)?;
        if self.issue >= self.pipe.answer.meets { self.meets_answer(env, op, pc) } else { Ok(()) }
    }

    /// Decode holds `op`, up to cycle `at` at least, for the line that an access has asked for that was interrupted
    /// (RocketCore.scala, dcache_blocked).
    #[cold]
    fn holds_for_line(&mut self, op: &Op, pc: u64, at: u64) {
        let cause = Cause::DataCache;
        let charged = self.pipe.ledger.by_cause(cause);
        let Progress { waits, line_at, remote, .. } = self.progress;
        let line = if waits { GRANT } else { line_at + late(op) };
        let held = Replay { late: late(op), drained: true, charged, ..Replay::new(pc, line, cause) };
        self.again = Some(Replay { held: at, remote: remote && !waits, ..held });
        (self.start, self.issued) = (None, Some(pc));
        self.begins();
    }

    /// [`HartModel::issue`], and among several harts, the access of `op` in its turn ([`HartModel::access_in_turn`]).
    ///
    /// # Errors
    /// The cycle up to which other harts have to go on first.
    #[inline]
    pub fn issue_in_turn(
        &mut self,
        env: &mut Env<'_>,
        op: &Op,
        pc: u64,
        known: Option<Fact>,
    ) -> Result<(), u64> {
        self.issue(env, op, pc)?;
        if env.uncore.hub.is_some() {
            if op.class.is_memory() {
                self.access_in_turn(env, op, pc, known)?;
            } else if op.class.is_float() {
                self.wait_for_unit(env, op, pc)?;
            }
        }
        Ok(())
    }

    /// What holds `op`, which comes next, back in decode.
    #[inline]
    fn starts(&mut self, env: &mut Env<'_>, op: &Op, pc: u64) -> (u64, Cause) {
        if pc != self.next {
            self.moved(pc);
        }
        let (mut at, mut why) = self.board.earliest(op);
        // It wakes a cycle after it has seen the interrupt.
        self.outside(env.hart, env.hart.cycle + 1, &mut at, &mut why);
        if op.class == OpClass::Custom {
            self.constrain_command(&mut at, &mut why);
        }
        self.memory.constrain(op, &mut at, &mut why);
        while at > self.pipe.answer.meets.saturating_add(2) {
            // A device's answer may come later than was thought.
            self.answer_until(at + 1, 0, false);
            let (later, cause) = self.board.earliest(op);
            if later > at {
                (at, why) = (later, cause);
            }
            self.memory.constrain(op, &mut at, &mut why);
        }
        if !op.class.is_memory() {
            self.read_operands(env.hart, op);
        }
        (at, why)
    }

    /// Replays the floating-point `op`, which touches no memory, for the unit that it waits for.
    ///
    /// # Errors
    /// The cycle up to which other harts have to go on first.
    pub fn wait_for_unit(&mut self, env: &mut Env<'_>, op: &Op, pc: u64) -> Result<(), u64> {
        self.resume(env)?;
        while let Some(at) = self.board.refuses(op, self.issue, env.params) {
            self.replay(env, pc, pc.wrapping_add(op.len.into()), at, Cause::FloatingPoint)?;
        }
        Ok(())
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
                let _ = self.replay(env, pc, next, at, Cause::FloatingPoint);
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
                    self.pipe.sleeps(env);
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
        env.uncore.unclaim(env.hart.config.id);
        let held = self.start.take().map(|(_, _, why)| why).or(self.again.map(|again| again.cause));
        let replays = self.again.take().is_some() && trap.interrupt;
        if self.issued.take().is_none() || replays {
            // Nothing is on its way: an interrupt, or a fetch that faults. It goes down the pipeline in the
            // place of the instruction at `epc`.
            if trap.epc != self.next && !replays {
                self.moved(trap.epc);
            }
            let (mut at, mut why) = (0, held.unwrap_or(Cause::Flush));
            self.outside(env.hart, env.hart.cycle + 1, &mut at, &mut why);
            self.pipe.interrupts = trap.interrupt.then_some((0, 0));
            // With no regard to harts that are behind: it has been taken.
            env.heedless = true;
            if let Ok(issue) = self.pipe.run(env, trap.epc, at, why) {
                self.issue = issue;
            }
        }
        self.next = env.hart.pc;
        self.pipe.restart(self.issue + WRITE_BACK, env.hart.pc, Cause::Flush);
        self.pipe.context_changes();
        self.issue + WRITE_BACK
    }
}
