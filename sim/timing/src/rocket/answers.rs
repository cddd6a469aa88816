//! Devices' answers to loads: when they come to the data cache, and what is in their way, or they are in the way of.

use serde::{Deserialize, Serialize};

use relsim_core::insn::{Op, OpClass};
use relsim_core::saved::{Impossible, require};
use relsim_core::timing::CycleCause as Cause;

use super::hart::{HartModel, Replay, WRITE_BACK};
use super::memory::produces;
use super::pipeline::Pipeline;
use super::scoreboard::{Register, produces_x};
use super::uncore::Env;
use crate::parts::saved::Latest;

/// A device's answer to a load, on its way.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Answer {
    /// What issues in this cycle is in the memory stage when it is at the data cache; [`NO_ANSWER`] if none is on its way.
    pub(super) meets: u64,
    /// The cycle in which it was at the data cache first.
    since: u64,
    /// What register waits for it, or waited for the latest one.
    pub(super) register: Register,
}

/// When an [`Answer`] comes that does not.
pub(super) const NO_ANSWER: u64 = u64::MAX;

impl Default for Answer {
    fn default() -> Self {
        Self { meets: NO_ANSWER, since: NO_ANSWER, register: Register::default() }
    }
}

impl Answer {
    /// One that is at the data cache in cycle `at`, for `register`.
    pub(super) fn new(at: u64, register: Register) -> Self {
        Self { meets: at - 2, since: at, register }
    }

    /// Whether it can be.
    pub(super) fn check(&self, latest: Latest) -> Result<(), Impossible> {
        require((self.meets == NO_ANSWER) == (self.since == NO_ANSWER), "half an answer")?;
        latest.all_known([self.meets, self.since])
    }
}

impl Pipeline {
    /// Whether a device's answer to a load waits in cycle `at`, the next one: the data cache refuses what executes (DCache.scala,
    /// blockUncachedGrant). Bit 0 of the accesses is what left decode in the cycle before.
    #[inline(always)]
    pub(super) fn answer_waits(&self, at: u64) -> bool {
        let Answer { meets, since, .. } = self.answer;
        since <= at && (at < meets + 2 || (meets..at - 1).all(|left| self.staged(at - 1 - left)))
    }

    /// Whether an access left decode so many cycles ago.
    fn staged(&self, ago: u64) -> bool {
        ago < u64::from(u8::BITS) && self.accesses >> ago & 1 == 1
    }
}

impl HartModel {
    /// A device's answer to a load comes about when `op`, which has issued, is in its stages.
    ///
    /// # Errors
    /// As [`HartModel::replay`].
    #[cold]
    pub(super) fn meets_answer(&mut self, env: &mut Env<'_>, op: &Op, pc: u64) -> Result<(), u64> {
        let memory_stage = self.issue + 2;
        let reads = op.class.is_memory() && produces(op);
        let (comes, refuses) = self.answer_until(memory_stage, self.issue + 1, reads);
        if refuses {
            self.replay_unready(env, pc, 0, Cause::Mmio)
        } else if comes == Some(memory_stage) && produces_x(op.class) {
            self.gives_way(env, op, pc)
        } else {
            Ok(())
        }
    }

    /// The same for `op` that has been replayed; whether it is replayed again.
    ///
    /// # Errors
    /// As [`HartModel::replay`].
    pub(super) fn meets_again(&mut self, env: &mut Env<'_>, op: &Op, pc: u64) -> Result<bool, u64> {
        let issue = self.issue;
        if issue >= self.pipe.answer.meets {
            self.meets_answer(env, op, pc)?;
        }
        Ok(self.issue != issue)
    }

    /// The answer of a device to a load takes the register file's write port from `op`, which is replayed (RocketCore.scala,
    /// dcache_kill_mem).
    ///
    /// # Errors
    /// As [`HartModel::replay`].
    #[cold]
    fn gives_way(&mut self, env: &mut Env<'_>, op: &Op, pc: u64) -> Result<(), u64> {
        let target = match op.class {
            OpClass::Jump => Some(pc),
            OpClass::JumpIndirect => Some(env.hart.x(op.rs1)),
            _ => None,
        };
        match target {
            Some(base) => {
                let next = base.wrapping_add_signed(op.imm.into()) & !1;
                self.pipe.control(self.issue, pc, op, next, true);
            }
            None => self.pipe.plain(self.issue, pc, pc.wrapping_add(op.len.into())),
        }
        self.replay_unready(env, pc, 0, Cause::Mmio)
    }

    /// Whether `op` at `pc` has left decode as if the load from a device in front of it had hit. It is
    /// replayed when that is refuted (RocketCore.scala, replay_ex_load_use): fetch starts anew.
    ///
    /// # Errors
    /// The cycle up to which the other harts have to go on before it is known if an interrupt comes.
    #[cold]
    pub(super) fn trusts_device(
        &mut self,
        env: &mut Env<'_>,
        op: &Op,
        pc: u64,
        at: u64,
        why: Cause,
    ) -> Result<bool, u64> {
        let leaves = self.memory.device_load + 2;
        let known = env.interrupts_known();
        if known <= leaves {
            return Err(known + WRITE_BACK);
        }
        self.memory.device_load = 0;
        if why != Cause::Mmio
            || at <= leaves
            || self.pipe.now >= leaves
            || self.start.is_some()
            || env.interrupt <= leaves
        {
            return Ok(false);
        }
        let offer = self.pipe.fetch.offer(env.bus);
        if !offer.valid || offer.pc != pc {
            return Ok(false);
        }
        let Ok(issue) = self.pipe.run(env, pc, leaves, why) else { return Ok(false) };
        self.issue = issue;
        if op.class.is_memory() {
            self.pipe.strays(env, issue + 1);
        }
        self.pipe.restart(issue + WRITE_BACK, pc, why);
        if let Some(rd) = self.pipe.answer.register.integer() {
            // The load is in write-back now, and has missed.
            self.pipe.holds_up(rd, issue + WRITE_BACK);
        }
        self.again = Some(Replay::new(pc, at, why));
        Ok(true)
    }

    /// A device's answer to a load is at the data cache, or is known to be until cycle `until`, and comes when nothing uses
    /// the data array: no access is in its first stage, and no store went there in the cycle before. While it waits the cache
    /// takes no access (DCache.scala, blockUncachedGrant). What issued last executes in cycle `executes`, and `reads` or not.
    /// Gives the cycle in which the answer comes, if that is known, and whether what issued last is refused.
    #[cold]
    pub(super) fn answer_until(&mut self, until: u64, executes: u64, reads: bool) -> (Option<u64>, bool) {
        let mut refuses = false;
        loop {
            let at = self.pipe.answer.meets + 2;
            if at > until {
                return (None, refuses);
            }
            let staged = self.pipe.now.checked_sub(at - 2).is_some_and(|ago| self.pipe.staged(ago));
            if !staged && !self.memory.drains_in(at - 1, reads && at - 1 == executes) {
                let register = self.pipe.answer.register;
                self.pipe.answer = Answer { register, ..Answer::default() };
                return (Some(at), refuses);
            }
            if at == executes && self.pipe.accesses & 1 == 1 {
                // Refused, it is in no first stage.
                self.pipe.accesses &= !1;
                refuses = true;
            }
            self.answers_later();
        }
    }

    /// A device's answer to a load comes a cycle later.
    fn answers_later(&mut self) {
        let memory = &mut self.memory;
        let answer = &mut self.pipe.answer;
        let done = answer.meets + WRITE_BACK;
        answer.meets += 1;
        memory.uncached += 1;
        memory.device_free += 1;
        memory.idle = memory.idle.max(done + 1);
        self.board.delivers(answer.register, done + 1, Cause::Mmio);
    }

    /// When a device's answer gets to the hart that comes in cycle `at`: not between the beats of the line that its
    /// instruction cache gets (Arbiter.scala, beatsLeft).
    pub(super) fn behind_fetched(&self, env: &mut Env<'_>, at: u64) -> u64 {
        let me = env.hart.config.id;
        let fetched = self.pipe.fetch.icache.beats().or_else(|| env.hub()?.0.fetch_beats(me));
        match fetched {
            Some((first, last)) if (first..=last).contains(&at) => last + 1,
            _ => at,
        }
    }
}
