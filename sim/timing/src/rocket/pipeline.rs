//! The joint of fetch and execution: runs the fetch side up to the cycle in which decode lets go of an
//! instruction, with the redirections of older instructions on the way.

use serde::{Deserialize, Serialize};

use relsim_core::hart::Hart;
use relsim_core::insn::{Op, OpClass};
use relsim_core::saved::{Impossible, require};
use relsim_core::timing::{CycleCause as Cause, Ledger};

use super::answers::Answer;
use super::btb::{BHT_ENTRIES, BtbUpdate, Cfi, Prediction};
use super::fetch::{Fetch, Offer, Redirect, Waiting};
use super::hart::WRITE_BACK;
use super::memo::Act;
use super::shadow;
use super::tlb::Context;
use super::uncore::Env;
use super::walker::Walker;
use crate::parts::saved::Latest;

/// An instruction in the memory stage, where the address of what follows is compared with what was fetched.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Resolve {
    pub(super) cycle: u64,
    pub(super) next: u64,
    pub(super) pc: u64,
    pub(super) made: Prediction,
    pub(super) kind: Option<Cfi>,
    pub(super) taken: bool,
    pub(super) rvc: bool,
}

/// Decode is held until the data cache gets its line, whenever that is.
pub(super) const GRANT: u64 = u64::MAX;
/// Decode is held until the data cache has dealt with a probe, whenever that is.
pub(super) const READY: u64 = u64::MAX - 1;
/// Decode is held until the hart wakes up.
const DOZE: u64 = u64::MAX - 2;
/// Cycles in which fetch runs on when the hart falls asleep: until its queue is full.
const DOZES: u64 = 16;
/// Fetch tries again what has missed every so many cycles.
const PERIOD: u64 = 2;
/// Cycles until a line comes that are worth to be passed together.
const WORTH: u64 = 4 * PERIOD;
/// No line comes to a cache sooner than this after the latest cycle for which that is not known.
const SURE: u64 = 4;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Restart {
    pub(super) cycle: u64,
    pub(super) pc: u64,
    pub(super) cause: Cause,
}

/// What the jump `op` is to the predictor (RocketCore.scala, bht_update and btb_update; BTB.scala, CFIType).
#[inline(always)]
pub(super) fn jump_kind(op: &Op) -> Cfi {
    let link = op.len == 4 && op.raw >> 7 & 1 == 1
        || op.len == 2 && op.class == OpClass::JumpIndirect && op.raw & 0x1000 != 0;
    match op.class {
        _ if link => Cfi::Call,
        OpClass::JumpIndirect if matches!(op.rs1, 1 | 5) => Cfi::Return,
        _ => Cfi::Jump,
    }
}

/// Fetch side and what is between decode and write-back.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pipeline {
    /// The fetch side.
    pub fetch: Fetch,
    /// The page-table walker.
    pub walker: Walker,
    /// Cycles by privilege and cause.
    pub ledger: Ledger,
    pub(super) now: u64,
    pub(super) last_issue: u64,
    pub(super) made: Prediction,
    /// A ring of two: what is in the execution and memory stages.
    pub(super) resolves: [Resolve; 2],
    pub(super) first_resolve: usize,
    pub(super) resolve_count: usize,
    pub(super) early: Option<Restart>,
    pub(super) restart: Option<Restart>,
    pub(super) context_changes: bool,
    pub(super) invalidate: Option<u64>,
    pub(super) flush: Option<Option<u64>>,
    pub(super) refetch: Cause,
    pub(super) sleeps: bool,
    /// Cycles that fetch has run on in its sleep, which nobody has been told of.
    dozed: u64,
    /// What issued in the cycle before, if anything: its address.
    pub(super) executing: Option<u64>,
    /// Memory accesses that issued lately: bit n for n cycles before the current one.
    pub(super) accesses: u8,
    /// A device's answer to a load that has not come.
    pub(super) answer: Answer,
    /// A `fence` went through decode behind an instruction that is going to restart fetch.
    pub(super) shadow_fence: bool,
    /// A `fence` went through decode on the wrong path while memory was busy: it holds the accesses of the right one
    /// (RocketCore.scala, id_reg_fence).
    pub(super) wrong_fence: bool,
    /// From when on memory is idle, as far as is known.
    pub(super) memory_idle: u64,
    /// What comes next accesses memory.
    pub(super) accesses_memory: bool,
    /// Its first half alone does not look like that, so that nothing holds it.
    pub(super) half_goes: bool,
    /// In this cycle decode holds accesses behind one that was refused as it executed (RocketCore.scala, dcache_blocked).
    pub(super) blocked: u64,
    /// While decode is held for the data cache ([`READY`]): since this cycle.
    #[serde(skip)]
    pub(super) refused: u64,
    /// The same: a device's answer comes in this cycle.
    #[serde(skip)]
    pub(super) answered: u64,
    /// The same: what comes to the cache in this cycle, from a device or as a victim's acknowledgement, lets decode go, whether the
    /// cache is ready or not (RocketCore.scala, dcache_blocked; DCache.scala, perf.grant).
    #[serde(skip)]
    pub(super) released: u64,
    /// While an interrupt goes down the pipeline, or is going to: the first cycle in which it does, and the cycle up to which the
    /// instruction that it is taken in place of is held in decode all the same, and stays there (RocketCore.scala,
    /// ctrl_stalld). What is behind it comes to nothing.
    pub(super) interrupts: Option<(u64, u64)>,
    /// When an access that comes to nothing executed last, until it is known that it holds up no other.
    pub(super) stray: Option<u64>,
    /// The last cycle that can be run before others are looked at again.
    pub(super) limit: u64,
    /// What may not leave decode while a restart is ahead: users of these registers, up to the cycle.
    pub(super) shadow: Vec<(u32, u64)>,
}

impl Pipeline {
    /// After reset.
    pub fn new(pc: u64) -> Self {
        Self {
            fetch: Fetch::new(pc),
            walker: Walker::default(),
            ledger: Ledger::default(),
            now: 0,
            last_issue: 0,
            made: Prediction::default(),
            resolves: [Resolve::default(); 2],
            first_resolve: 0,
            resolve_count: 0,
            early: None,
            restart: None,
            context_changes: false,
            invalidate: None,
            flush: None,
            refetch: Cause::Fetch,
            sleeps: false,
            dozed: 0,
            executing: None,
            accesses: 0,
            answer: Answer::default(),
            shadow_fence: false,
            wrong_fence: false,
            memory_idle: 0,
            accesses_memory: false,
            half_goes: false,
            blocked: 0,
            refused: 0,
            answered: u64::MAX,
            released: u64::MAX,
            interrupts: None,
            stray: None,
            limit: u64::MAX,
            shadow: Vec::new(),
        }
    }

    /// Works out what is left out of a state that was read, of `own` at another time.
    pub(super) fn settle(&mut self, own: &Self, latest: Latest) -> Result<(), Impossible> {
        self.fetch.settle(&own.fetch, latest)?;
        self.walker.check(latest)?;
        self.ledger.check()?;
        require(self.first_resolve < 2 && self.resolve_count <= 2, "too many instructions in its stages")?;
        self.made.check()?;
        self.resolves.iter().try_for_each(|resolve| resolve.made.check())?;
        let restarts = [self.early, self.restart].into_iter().flatten().map(|restart| restart.cycle);
        let shadow = self.shadow.iter().map(|&(_, at)| at);
        let maybe = [self.invalidate, self.stray].into_iter().flatten();
        latest.all([self.now, self.last_issue, self.dozed, self.memory_idle, self.blocked])?;
        latest.all_known(self.interrupts.into_iter().flat_map(|(from, held)| [from, held]))?;
        latest.all(restarts.chain(shadow).chain(maybe).chain(self.resolves.map(|resolve| resolve.cycle)))?;
        self.answer.check(latest)?;
        latest.all_known([self.limit])
    }

    #[inline(always)]
    fn expect(&mut self, resolve: Resolve) {
        self.resolves[(self.first_resolve + self.resolve_count) & 1] = resolve;
        self.resolve_count = (self.resolve_count + 1).min(2);
    }

    /// The instruction that is in the memory stage in cycle `now`.
    #[inline(always)]
    pub(super) fn due(&self, now: u64) -> Option<&Resolve> {
        let first = &self.resolves[self.first_resolve & 1];
        (self.resolve_count > 0 && first.cycle == now).then_some(first)
    }

    /// The instruction in the memory stage goes on.
    #[inline(always)]
    pub(super) fn resolved(&mut self) {
        self.first_resolve ^= 1;
        self.resolve_count -= 1;
    }

    /// An instruction without control flow issued in cycle `issue`.
    pub fn plain(&mut self, issue: u64, pc: u64, next: u64) {
        self.expect(Resolve {
            cycle: issue + 2,
            next,
            pc,
            made: self.made,
            kind: None,
            taken: false,
            rvc: next == pc + 2,
        });
    }

    /// A control transfer issued; `goes`: if it is a branch, it is taken.
    pub fn control(&mut self, issue: u64, pc: u64, op: &Op, next: u64, goes: bool) {
        let kind = if op.class == OpClass::Branch { Cfi::Branch } else { jump_kind(op) };
        let taken = kind != Cfi::Branch || goes;
        self.expect(Resolve {
            cycle: issue + 2,
            next,
            pc,
            made: self.made,
            kind: Some(kind),
            taken,
            rvc: op.len == 2,
        });
    }

    /// At write-back in `cycle`, fetch starts anew at `pc`.
    pub fn restart(&mut self, cycle: u64, pc: u64, cause: Cause) {
        self.restart = Some(Restart { cycle, pc, cause });
    }

    /// What comes behind the instruction that issued last, which is going to restart fetch, can use its result in
    /// register `rd` from cycle `at` on.
    pub fn holds_up(&mut self, rd: u8, at: u64) {
        self.shadow.push((1 << (rd & 31) & !1, at));
    }

    /// Whether what is offered has to wait in decode for a result of what will come to nothing.
    fn hazard(&self, offer: &Offer, now: u64) -> bool {
        offer.valid
            && self
                .shadow
                .iter()
                .any(|&(registers, at)| now < at && registers & shadow::uses(offer.word()) != 0)
    }

    /// In the memory stage in `cycle`, fetch starts anew at `pc` whatever was predicted.
    pub fn restart_early(&mut self, cycle: u64, pc: u64) {
        self.early = Some(Restart { cycle, pc, cause: Cause::Flush });
    }

    /// Privilege or translation change with the restart.
    pub fn context_changes(&mut self) {
        self.context_changes = true;
    }

    /// `fence.i` invalidates the instruction cache in `cycle`.
    pub fn invalidate_at(&mut self, cycle: u64) {
        self.invalidate = Some(cycle);
    }

    /// `sfence.vma` at the restart.
    pub fn flush_translations(&mut self, va: Option<u64>) {
        self.flush = Some(va);
    }

    /// The hart sleeps from its restart on. Among others, fetch goes on at once, until it is full or misses: what
    /// it asks for then gets in the others' way.
    pub fn sleeps(&mut self, env: &mut Env<'_>) {
        self.sleeps = true;
        if env.uncore.hub.is_some() {
            let (ledger, began) = (self.ledger.clone(), self.now);
            let _ = self.go::<false>(env, 0, DOZE, Cause::Wait);
            self.ledger = ledger;
            self.dozed = self.now - began;
        }
    }

    /// Whether the hart slept; asked once.
    #[inline]
    pub fn slept(&mut self) -> bool {
        if self.dozed > 0 {
            self.ledger.charge(self.fetch.context.privilege, Cause::Wait, std::mem::take(&mut self.dozed));
        }
        std::mem::take(&mut self.sleeps)
    }

    /// Runs until the instruction at `pc` issues, no earlier than `at`, for which `why` is the reason: gives
    /// the cycle. If `at` is [`GRANT`] or [`READY`], only until it is known when that is.
    ///
    /// # Errors
    /// The cycle up to which the other harts have to go on first; to be called again then.
    #[inline]
    pub fn run(&mut self, env: &mut Env<'_>, pc: u64, at: u64, why: Cause) -> Result<u64, u64> {
        self.go::<false>(env, pc, at, why)
    }

    /// Runs until fetch has started anew; whether a `fence` has gone through decode meanwhile.
    ///
    /// # Errors
    /// As [`Pipeline::run`].
    pub fn drain(&mut self, env: &mut Env<'_>) -> Result<bool, u64> {
        self.go::<true>(env, 0, 0, Cause::Fetch)?;
        Ok(std::mem::take(&mut self.shadow_fence))
    }

    /// Whether decode has an instruction whose place an interrupt can take: not only its first half (RocketCore.scala,
    /// ex_reg_xcpt_interrupt).
    pub fn interruptible(&mut self, env: &Env<'_>) -> bool {
        self.fetch.offer(env.bus).valid
    }

    /// Before the next cycle, which depends on what other harts do: whether it has become known how long decode
    /// is held, if `at` says that it was not.
    fn meet(&mut self, env: &mut Env<'_>, at: u64) -> Result<bool, u64> {
        self.limit = u64::MAX;
        let (now, me, others) = (self.now, env.hart.config.id, env.others);
        let waits = self.probed(env, now + 1);
        let Some((hub, mut around)) = env.hub() else { return Ok(false) };
        let side = &mut around.dcaches[me].side;
        side.fetched = now;
        side.known = side.known.max(now + 2);
        hub.advance(&mut around);
        if at >= READY {
            let ready = around.dcaches[me].side.ready();
            let known = match at {
                GRANT => {
                    // The grant would be known if it came before.
                    let soon = |at| (now + 1..=now + SURE).contains(&at);
                    hub.granted(me).is_some() || hub.acknowledged(around.params, me).is_some_and(soon)
                }
                // Another probe may come before, or wait.
                _ => {
                    let acknowledged = hub.acknowledges(around.params, me);
                    let sees = if acknowledged < self.refused { u64::MAX } else { acknowledged };
                    self.released = self.answered.min(sees);
                    others >= now + 2 && (ready <= now + 1 && !waits || now + 1 >= self.released)
                }
            };
            if known {
                return Ok(true);
            }
            let sure = if at == GRANT { now + SURE } else { ready.max(now + 2).min(self.released) - 1 };
            self.limit = sure.min(now + SURE).min(others - 1);
        }
        // Probes for fetches that others may have asked for up to three cycles before.
        if others < now + 2 { Err(now + 4) } else { Ok(false) }
    }

    #[inline]
    fn go<const DRAIN: bool>(&mut self, env: &mut Env<'_>, pc: u64, at: u64, why: Cause) -> Result<u64, u64> {
        let waits = !DRAIN && at >= READY;
        self.limit = if at == DOZE { self.now + DOZES } else { u64::MAX };
        let (unfenced, unfenced_why) = (at, why);
        // An interrupt goes on in the place of what waits, and what is behind it, on the wrong path too, comes to nothing.
        let known = if at == DOZE { u64::MAX } else { env.interrupts_known() };
        if self.interrupts.is_none() && env.interrupt < u64::MAX {
            self.interrupts = Some((env.interrupt, 0));
        }
        let mut waiting = None;
        loop {
            let (mut at, mut why) = (unfenced, unfenced_why);
            if self.wrong_fence && self.accesses_memory && self.memory_idle > at {
                (at, why) = (self.memory_idle, Cause::Fence);
            }
            if at == DOZE && (self.now >= self.limit || self.fetch.icache.refilling()) {
                return Ok(self.now);
            }
            let comes = waits && self.now + 1 >= env.interrupt;
            if comes && self.interruptible(env) {
                return Ok(self.now);
            }
            if (waits || self.fetch.icache.waits()) && self.meet(env, at)? {
                return Ok(self.now);
            }
            if self.now + 1 >= known {
                return Err(known + WRITE_BACK);
            }
            let until = if waits && !comes { env.interrupt - 1 } else { u64::MAX };
            self.limit =
                self.limit.min(known.saturating_sub(1)).min(if comes { self.now + 1 } else { until });
            if !DRAIN
                && at < READY
                && self.accesses_memory
                && let Some(stray) = self.stray
            {
                self.meet(env, 0)?;
                let ready = env.dcache().side.ready_after(stray);
                if stray < ready && ready > self.now {
                    // It was refused, and decode holds every access until the cache is ready (RocketCore.scala,
                    // dcache_blocked).
                    if self.now + 2 > at {
                        let own = self.fetch.icache.waits();
                        (at, why) =
                            (self.now + 2, if own { Cause::InstructionCache } else { Cause::Coherence });
                    }
                } else if stray <= self.now {
                    self.stray = None;
                }
                // It is asked anew before each cycle.
                self.limit = if self.stray.is_some() { self.now + 1 } else { known.saturating_sub(1) };
            }
            let interrupts = self.interrupts.is_some();
            if !DRAIN && self.nothing_restarts() && !(interrupts && self.now + 1 >= at) {
                let limit = self.limit;
                if interrupts {
                    self.limit = limit.min(at - 1);
                }
                let issued = self.calm(env, pc, at, why);
                self.limit = limit;
                if let Some(issue) = issued {
                    return Ok(issue);
                }
                if self.now >= self.limit {
                    continue;
                }
            }
            let now = self.now + 1;
            let offer = self.fetch.offer(env.bus);
            let mut redirect = None;
            let mut update = None;
            let mut resolved = None;
            if let Some(&resolve) = self.due(now) {
                self.resolved();
                let right = match self.executing {
                    Some(pc) => pc == resolve.next,
                    None if offer.anything => offer.pc == resolve.next,
                    None => false,
                };
                let overruled = self.restart.is_some_and(|r| r.cycle == now);
                if !overruled {
                    resolved = Some((resolve, !right));
                    if !right {
                        redirect = Some(Redirect { pc: resolve.next, speculative: true });
                        self.refetch =
                            if resolve.kind.is_some() { Cause::Branch } else { self.fetch_cause() };
                        if resolve.kind.is_none() || resolve.taken {
                            let br_pc = resolve.pc + if resolve.rvc { 0 } else { 2 };
                            update = Some(BtbUpdate {
                                entry: resolve.made.entry,
                                origin: resolve.made.origin,
                                valid: resolve.kind.is_some(),
                                pc: br_pc & !3,
                                br_pc,
                                cfi: resolve.kind.unwrap_or_default(),
                            });
                        }
                    }
                }
            }
            if let Some(early) = self.early
                && early.cycle == now
            {
                self.early = None;
                redirect = Some(Redirect { pc: early.pc, speculative: true });
            }
            let mut restarts = false;
            // Behind an instruction that will restart fetch, decode goes on without regard to `at`.
            let shadow = self.restart.is_some();
            if let Some(restart) = self.restart
                && restart.cycle == now
            {
                self.restart = None;
                self.shadow.clear();
                restarts = true;
                self.interrupts = None;
                self.resolve_count = 0;
                redirect = Some(Redirect { pc: restart.pc, speculative: false });
                self.refetch = restart.cause;
            }
            if restarts {
                // What was behind gets no further than the stage before the data cache's first.
                self.accesses &= !0b11;
            }
            let interrupts = self.interrupts.filter(|&(from, _)| from <= now);
            let stays = interrupts.is_some_and(|(_, held)| now < held);
            let ready = if shadow {
                !(stays || self.hazard(&offer, now) || now == self.blocked && offer.is_memory())
            } else {
                now >= at
            };
            let leaves = offer.valid && ready && redirect.is_none();
            if self.probed(env, now) || self.answer_waits(now) {
                // What executes is refused, and gets into no stage of the data cache.
                self.accesses &= !1;
            }
            // First and second stage of the data cache: two and three cycles after the issue.
            let data_busy = self.accesses & 0b110 != 0;
            // The first half of what is held for as long as nobody knows goes, or else nothing would.
            let goes = !stays || !offer.valid && interrupts.is_some_and(|(_, held)| held >= READY);
            let takes = ready && goes || !shadow && !offer.valid && self.half_goes;
            self.fetch.finish(env, &mut self.walker, now, &offer, takes, redirect, update, data_busy);
            // An instruction goes on, and not an interrupt.
            let executes = leaves && !(interrupts.is_some() && (shadow || offer.pc == pc));
            self.accesses = self.accesses << 1 | u8::from(executes && offer.is_memory());
            if executes && offer.is_memory() && (shadow || offer.pc != pc) {
                self.strays(env, now + 1);
            }
            if shadow && executes {
                self.shadow_fence |= offer.is_fence();
                if let Some(late) = shadow::late(offer.word()) {
                    self.shadow.push((shadow::writes(offer.word()), now + late));
                }
            }
            if leaves && !shadow && offer.pc != pc && offer.is_fence() && self.memory_idle > now {
                self.fetch.btb.recorder.spoil();
                self.wrong_fence = true;
            }
            self.now = now;
            if let Some((resolve, wrong)) = resolved {
                self.learn(&resolve, wrong);
            }
            if restarts {
                self.commit_context(env.hart);
            }
            if !DRAIN && restarts && std::mem::take(&mut self.shadow_fence) && self.memory_idle > now {
                self.fetch.btb.recorder.spoil();
                self.wrong_fence = true;
            }
            if self.invalidate == Some(now) {
                self.invalidate = None;
                self.fetch.icache.invalidate();
            }
            self.executing = leaves.then_some(offer.pc);
            if leaves && !shadow && offer.pc == pc && offer.again {
                self.restart = Some(Restart { cycle: now + WRITE_BACK, pc, cause: Cause::InstructionCache });
            } else if leaves && !shadow && offer.pc == pc {
                self.ledger.charge(self.fetch.context.privilege, Cause::Issue, 1);
                self.last_issue = now;
                self.made = offer.made;
                self.refetch = Cause::Fetch;
                return Ok(now);
            }
            let cause = if now < at && !shadow { why } else { self.fetch_cause() };
            self.ledger.charge(self.fetch.context.privilege, cause, 1);
            if DRAIN && restarts {
                return Ok(now);
            }
            if let Some(comes) = self.fetch.icache.comes_at()
                && comes > now + WORTH
            {
                self.wait_for_line(&mut waiting, comes, at, cause);
            }
        }
    }

    /// While a line is on its way that comes in cycle `comes`, fetch tries again and again, every other cycle. If it is as it
    /// was two cycles ago, and nobody else does anything, goes on to just before something happens: the line comes, or decode
    /// is no longer held, in cycle `at`. Until then each cycle has the cause of this one.
    #[inline(never)]
    fn wait_for_line(&mut self, before: &mut Option<(u64, Waiting)>, comes: u64, at: u64, cause: Cause) {
        let quiet = self.nothing_restarts()
            && self.resolve_count == 0
            && self.executing.is_none()
            && self.stray.is_none()
            && (!self.fetch.btb.recorder.on || self.fetch.btb.recorder.is_spoilt());
        let Some(now_waiting) = self.fetch.waiting().filter(|_| quiet) else {
            *before = None;
            return;
        };
        match before {
            Some((then, waiting)) if *then + PERIOD == self.now && *waiting == now_waiting => {
                let held = if self.now < at { at - 1 } else { u64::MAX };
                let until = (comes - PERIOD).min(held).min(self.limit);
                let cycles = until.saturating_sub(self.now) / PERIOD * PERIOD;
                self.ledger.charge(self.fetch.context.privilege, cause, cycles);
                self.now += cycles;
                self.accesses = self.accesses.checked_shl(cycles.min(8) as u32).unwrap_or(0);
                *before = None;
            }
            Some((then, _)) if self.now < *then + PERIOD => {}
            _ => *before = Some((self.now, now_waiting)),
        }
    }

    #[inline(always)]
    pub(super) fn nothing_restarts(&self) -> bool {
        self.restart.is_none() && self.early.is_none() && self.invalidate.is_none()
    }

    /// Whether the probe of a fetch is at the data cache in cycle `at`, in which an access executes: it goes
    /// before the hart, also while it has to wait itself (DCache.scala, metaArb).
    #[inline(always)]
    pub(super) fn probed(&self, env: &mut Env<'_>, at: u64) -> bool {
        if !self.fetch.icache.waits() {
            return false;
        }
        let me = env.hart.config.id;
        match env.hub() {
            Some((hub, around)) => {
                let seen = around.dcaches[me].side.takes_from(at) == at;
                seen && hub.own_probe(me).is_some_and(|probe| probe <= at)
            }
            None => self.fetch.icache.probes(at) && !env.dcache().hides_probes(at),
        }
    }

    /// An access executes in cycle `cycle`, the next one, that comes to nothing.
    pub(super) fn strays(&mut self, env: &mut Env<'_>, cycle: u64) {
        if env.uncore.hub.is_some() && !self.answer_waits(cycle) {
            env.dcache().side.strays(cycle);
            self.stray = Some(cycle);
        }
    }

    fn fetch_cause(&self) -> Cause {
        match self.refetch {
            _ if self.fetch.tlb.walking() => Cause::InstructionTlb,
            _ if self.fetch.icache.refilling() => Cause::InstructionCache,
            cause => cause,
        }
    }

    pub(super) fn learn(&mut self, resolve: &Resolve, wrong: bool) {
        let br_pc = resolve.pc + if resolve.rvc { 0 } else { 2 };
        if resolve.kind == Some(Cfi::Branch) {
            // After reset the table is cleared an entry a cycle, and learns nothing meanwhile (BTB.scala, resetting).
            let learns = self.now > BHT_ENTRIES as u64;
            self.fetch.btb.resolve_branch(br_pc & !3, &resolve.made, resolve.taken, wrong, learns);
        } else if wrong {
            self.fetch.btb.reset_history(&resolve.made);
        }
    }

    fn commit_context(&mut self, hart: &Hart) {
        if std::mem::take(&mut self.context_changes) {
            let context = Context::of(hart);
            self.fetch.btb.recorder.act(Act::Context(context));
            self.fetch.enter(context);
        }
        if let Some(va) = self.flush.take() {
            self.fetch.btb.recorder.spoil();
            self.fetch.tlb.flush(va);
            if va.is_none() {
                self.walker.flush();
            }
        }
    }
}
