//! Taking a hart's state over, and giving it back.

use super::super::answers::NO_ANSWER;
use super::super::btb::{Cfi, Packed};
use super::super::fetch::{Group, RING};
use super::super::hart::HartModel;
use super::super::pipeline::Resolve;
use super::super::scan;
use super::super::uncore::Env;
use super::flow::*;
use super::{Branch, How, Issued, NEVER, NOTHING, Slot, Stages, Swift};
use crate::parts::tags::NO_LINE;

/// Whether other harts have nothing to do with what `hart` does. They do nothing before the end of the block
/// ([`relsim_core::timing::TimingModel::block`]), and nothing is on its way from cycle `now` on.
pub(super) fn is_left_alone(hart: &HartModel, env: &Env<'_>, now: u64) -> bool {
    let Some(hub) = &env.uncore.hub else { return true };
    let side = env.uncore.dcaches.get(env.hart.config.id).map(|cache| &cache.side);
    hub.is_quiet() && !hart.progress.waits && side.is_some_and(|side| side.is_quiet(now))
}

impl Swift {
    /// Takes the state over from `hart`, if it is one that can be gone on with.
    pub(super) fn enter(&mut self, hart: &mut HartModel, env: &Env<'_>) -> bool {
        let pipe = &hart.pipe;
        let state = &pipe.fetch.state;
        let now = pipe.now;
        let newest = (pipe.first_resolve + pipe.resolve_count + 1) & 1;
        let calm = pipe.nothing_restarts()
            && pipe.fetch.calm()
            && state.s1_speculative
            && state.s2_speculative
            && pipe.last_issue == now
            && pipe.resolve_count > 0
            && pipe.resolves[newest].cycle == now + 2
            && !pipe.shadow_fence
            && !pipe.wrong_fence
            && !pipe.sleeps
            && !pipe.context_changes
            && pipe.flush.is_none()
            && hart.issued.is_none()
            && hart.start.is_none()
            && hart.again.is_none()
            && hart.memory.device_load == 0
            && hart.pipe.answer.meets == NO_ANSWER
            && !state.buffer_again
            && is_left_alone(hart, env, now);
        if !calm {
            return false;
        }
        for n in 0..state.queued {
            let from = &state.queue[(state.head + n) % RING];
            if from.again {
                return false;
            }
            self.queue[n] = Slot::new(from.pc, from.data, Packed::new(&from.made));
        }
        let mut learns = NEVER;
        let mut count = 0;
        for n in 0..pipe.resolve_count {
            let at = (pipe.first_resolve + n) & 1;
            let resolve = &pipe.resolves[at];
            let made = Packed::new(&resolve.made);
            self.issued[at] =
                Issued { pc: resolve.pc, made, how: How::new(resolve.kind, resolve.taken, resolve.rvc) };
            if resolve.kind == Some(Cfi::Branch) {
                let pc = resolve.pc.wrapping_add(if resolve.rvc { 0 } else { 2 });
                self.branches[count] = Branch { at: resolve.cycle, pc, made, taken: resolve.taken };
                learns = learns.min(resolve.cycle);
                count += 1;
            }
        }
        self.branches[count..].fill(Branch { at: NEVER, ..Branch::default() });
        self.stages = Stages {
            now,
            last: now,
            before: if pipe.resolve_count > 1 {
                pipe.resolves[newest ^ 1].cycle.saturating_sub(2)
            } else {
                0
            },
            executing: pipe.executing.unwrap_or(NOTHING),
            s1_pc: state.s1_pc,
            s2_pc: state.s2_pc,
            s2_pa: state.s2_pa,
            line: NO_LINE,
            delta: 0,
            plains: 0,
            output: state.output,
            buffer_pc: state.buffer_pc,
            learns,
            s2_made: Packed::looked_up(&state.s2_made),
            s2_plain: 0,
            buffer_made: Packed::new(&state.buffer_made),
            made: Packed::new(&pipe.made),
            partial: scan::left_over(state.partial),
            buffer: state.buffer.into(),
            buffered: state.buffered.into(),
            head: 0,
            flow: bits(state.s1_valid, S1_VALID)
                | bits(state.s1_valid_before, S1_VALID_BEFORE)
                | bits(state.s2_valid, S2_VALID)
                | bits(state.replay_before, REPLAY_BEFORE)
                | ((state.queued as u32) << QUEUED),
            accesses: pipe.accesses.into(),
            newest: newest as u32,
            wrong_path: state.wrong_path,
            refetch: pipe.refetch,
        };
        self.inside = true;
        true
    }

    /// Gives the state back to `hart`.
    #[inline(never)]
    pub(super) fn give_back(&mut self, hart: &mut HartModel) {
        self.inside = false;
        let r = &self.stages;
        let pipe = &mut hart.pipe;
        let state = &mut pipe.fetch.state;
        state.head = 0;
        state.queued = (r.flow >> QUEUED) as usize;
        for n in 0..state.queued {
            let from = &self.queue[(r.head as usize + n) % RING];
            state.queue[n] =
                Group { pc: from.pc, data: from.data, made: from.made.prediction(), again: false };
        }
        (state.s1_pc, state.s2_pc, state.s2_pa) = (r.s1_pc, r.s2_pc, r.s2_pa);
        state.s1_valid = r.flow & S1_VALID != 0;
        state.s1_valid_before = r.flow & S1_VALID_BEFORE != 0;
        state.s2_valid = r.flow & S2_VALID != 0;
        state.replay_before = r.flow & REPLAY_BEFORE != 0;
        state.wrong_path = r.wrong_path;
        (state.s1_speculative, state.s2_speculative) = (true, true);
        state.s2_made = r.s2_made.prediction();
        state.output = r.output;
        state.partial = (r.partial != 0).then_some(r.partial as u16);
        state.buffered = r.buffered as u8;
        state.buffer = r.buffer as u16;
        state.buffer_pc = r.buffer_pc;
        state.buffer_made = r.buffer_made.prediction();
        state.buffer_again = false;
        let cache = &mut pipe.fetch.icache;
        cache.s1_valid = r.flow & S1_VALID != 0;
        cache.s2_valid = r.flow & (S1_VALID_BEFORE | S2_VALID) == S1_VALID_BEFORE | S2_VALID;
        cache.s2_hit = true;
        cache.could_request = true;
        cache.beat = false;
        pipe.now = r.now;
        pipe.last_issue = r.last;
        pipe.executing = (r.executing != NOTHING).then_some(r.executing);
        pipe.accesses = r.accesses as u8;
        pipe.made = r.made.prediction();
        pipe.refetch = r.refetch;
        let newest = r.newest as usize & 1;
        let order = [newest ^ 1, newest];
        let next = [self.issued[newest].pc, hart.next];
        let cycles = [r.before, r.last];
        (pipe.first_resolve, pipe.resolve_count) = (0, 0);
        for ((n, next), cycle) in order.into_iter().zip(next).zip(cycles) {
            let from = &self.issued[n];
            if cycle > 0 && cycle + 2 > r.now {
                pipe.resolves[pipe.resolve_count] = Resolve {
                    cycle: cycle + 2,
                    next,
                    pc: from.pc,
                    made: from.made.prediction(),
                    kind: from.how.kind(),
                    taken: from.how.taken(),
                    rvc: from.how.rvc(),
                };
                pipe.resolve_count += 1;
            }
        }
        hart.issue = r.last;
    }
}
