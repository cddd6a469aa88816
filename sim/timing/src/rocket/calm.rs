//! The common cycles, in which nothing misses, faults, restarts or was mispredicted: the same steps on the same
//! state as in the general loop ([`super::fetch::Fetch::finish`]), without what cannot happen then. A cycle of
//! another kind is left to the general loop before anything of it is done.

use relsim_core::timing::CycleCause as Cause;

use super::btb::Cfi;
use super::fetch::{Group, QUEUE, RING};
use super::pipeline::Pipeline;
use super::scan::{self, Scan, is_memory, is_rvc, transfers};
use super::uncore::Env;

/// What decode does in a cycle.
#[derive(Clone, Copy)]
enum Decode {
    /// Nothing: it is held, or there is nothing.
    Idle,
    /// It takes a half without an instruction being whole.
    Half,
    /// An instruction leaves it.
    Leaves,
}

impl Pipeline {
    /// [`Pipeline::run`] as far as the cycles are common ones; `None` when it comes to one that is not.
    #[inline(always)]
    pub(super) fn calm(&mut self, env: &mut Env<'_>, pc: u64, at: u64, why: Cause) -> Option<u64> {
        let began = self.now;
        let mut issued = None;
        if self.fetch.calm() {
            while self.now < self.limit && self.calm_cycle(env, pc, at) {
                if self.executing.is_some() {
                    issued = Some(self.now);
                    break;
                }
                if self.now + 1 < at {
                    self.skip(at.min(self.limit.saturating_add(1)));
                }
            }
            // What the general loop finds: as the cache has it after a cycle with a hit.
            let fetch = &mut self.fetch;
            fetch.icache.s1_valid = fetch.state.s1_valid;
            fetch.icache.s2_valid = fetch.state.s1_valid_before && fetch.state.s2_valid;
            if self.now > began {
                fetch.icache.s2_hit = true;
                fetch.icache.could_request = true;
                fetch.icache.beat = false;
            }
        }
        self.account(began, at, why, issued)
    }

    /// Charges the cycles from `began` on, of which the last one issued an instruction if `issued` says so.
    #[inline(always)]
    fn account(&mut self, began: u64, at: u64, why: Cause, issued: Option<u64>) -> Option<u64> {
        let privilege = self.fetch.context.privilege;
        let passed = self.now - began - u64::from(issued.is_some());
        if passed > 0 {
            let held = at.saturating_sub(began + 1).min(passed);
            self.ledger.charge(privilege, why, held);
            self.ledger.charge(privilege, self.refetch, passed - held);
        }
        if let Some(now) = issued {
            self.ledger.charge(privilege, Cause::Issue, 1);
            self.last_issue = now;
            self.refetch = Cause::Fetch;
        }
        issued
    }

    /// Goes to the cycle before `at` when nothing changes until then: decode is held, the queue is full and
    /// fetch asks for the same again and again.
    #[inline(always)]
    fn skip(&mut self, at: u64) {
        let fetch = &self.fetch;
        let still = fetch.state.queued == QUEUE
            && !fetch.state.s1_valid
            && !fetch.state.s2_valid
            && fetch.state.replay_before;
        if still && self.resolve_count == 0 && fetch.state.s1_pc == fetch.state.s2_pc && fetch.btb.settled() {
            let cycles = at - 1 - self.now;
            self.now += cycles;
            self.accesses = self.accesses.checked_shl(cycles.min(8) as u32).unwrap_or(0);
            self.executing = None;
        }
    }

    /// One cycle; whether it was a common one. The instruction at `pc` issues in it if [`Pipeline::executing`]
    /// says so afterwards.
    #[inline(always)]
    fn calm_cycle(&mut self, env: &mut Env<'_>, pc: u64, at: u64) -> bool {
        let now = self.now + 1;
        let fetch = &mut self.fetch;
        // First stage: only what was looked up lately, or hits.
        let s1_pc = fetch.state.s1_pc;
        let s1_pa = match fetch.tlb.recent {
            Some((page, base)) if page == s1_pc >> 12 => base | s1_pc & 0xfff,
            _ => return false,
        };
        if !fetch.icache.holds(s1_pa >> 6) {
            return false;
        }
        // Second stage: the group that enters the queue.
        let fire = fetch.state.s2_valid & fetch.state.s1_valid_before & (fetch.state.queued < QUEUE);
        if !fire && fetch.misfits(env.bus) {
            return false;
        }
        let (mut partial, mut scanned) = (fetch.state.partial, None);
        if fire {
            let base = fetch.state.s2_pa & !3;
            let Some(word) = env.bus.ram.get::<u32>(base) else { return false };
            let mut made = fetch.state.s2_made;
            made.taken &= made.hit;
            if made.hit || transfers(word, scan::left_over(partial)) {
                let found = fetch.predecode(word, true);
                if !made.taken && found.taken {
                    made.bends(found.taken_idx);
                }
                scanned = Some(found);
            } else {
                partial = Scan::plain(fetch.state.s2_pc, word, scan::left_over(partial)).left_over();
            }
            fetch.state.queue[(fetch.state.head + fetch.state.queued) % RING] =
                Group { pc: fetch.state.s2_pc, data: word, made, again: false };
        }
        // Decode.
        let is_head = fire | (fetch.state.queued > 0);
        let head = &fetch.state.queue[fetch.state.head % RING];
        let (first, in_head) = if is_head {
            let first = (head.pc >> 1 & 1) as u8;
            (first, (if head.made.taken { head.made.bridx + 1 } else { 2 }).saturating_sub(first))
        } else {
            (0, 0)
        };
        let buffered = fetch.state.buffered;
        let (low, offered) = if buffered > 0 {
            (fetch.state.buffer, fetch.state.buffer_pc)
        } else {
            ((head.data >> (16 * first)) as u16, head.pc)
        };
        let again = is_head & head.again | (buffered > 0) & fetch.state.buffer_again;
        let rvc = is_rvc(low);
        let halves = in_head + buffered;
        let take = if rvc { 1 } else { 2 };
        let whole = halves >= take;
        if let Some(resolve) = self.due(now) {
            let right = match self.executing {
                Some(pc) => pc == resolve.next,
                None => (whole || is_head) && offered == resolve.next,
            };
            if !right {
                return false;
            }
        }
        let ready = now >= at;
        let decode = match (ready, whole) {
            (true, true) if offered == pc && !again => Decode::Leaves,
            (true, true) => return false,
            (_, false) if is_head && (ready || self.half_goes) => Decode::Half,
            _ => Decode::Idle,
        };
        // From here on the cycle is a common one.
        let fetch = &mut self.fetch;
        let made_here = match decode {
            Decode::Leaves if buffered > 0 && (rvc || !is_head) => fetch.state.buffer_made,
            _ => fetch.state.queue[fetch.state.head % RING].made,
        };
        if fetch.btb.recorder.on {
            fetch.record_prediction(env.bus, fire);
            fetch.record_cycle(env, s1_pa);
        }
        let queued_before = fetch.state.queued;
        let replay = (fetch.state.s2_valid & !fire) | fetch.state.replay_before;
        let by_btb = fetch.state.s2_made.hit && fetch.state.s2_made.taken;
        let bends = !by_btb && scanned.is_some_and(|scan| scan.taken);
        let followed = !replay && scanned.is_none_or(|scan| scan.npc.is_none());
        let (made, to) = fetch.btb.cycle(s1_pc, followed);
        let mut next = (s1_pc & !3).wrapping_add(4);
        if made.hit && made.taken {
            next = to;
        }
        let mut wanted = None;
        match &scanned {
            Some(scan) => {
                next = scan.npc.unwrap_or(next);
                wanted = fetch.second_stage(scan, queued_before);
            }
            None => fetch.state.partial = partial,
        }
        let space =
            queued_before + usize::from(fetch.state.s1_valid) + usize::from(fetch.state.s2_valid) <= 4;
        let npc = if replay { fetch.state.s2_pc } else { next & !1 };
        // Queue and aligner.
        fetch.state.queued += usize::from(fire);
        match decode {
            Decode::Idle => {}
            Decode::Leaves | Decode::Half => {
                let taken = if matches!(decode, Decode::Leaves) { take } else { 0 };
                fetch.take(taken, buffered, is_head, first, in_head);
            }
        }
        if let Some(update) = wanted {
            fetch.btb.update(update);
        }
        if fetch.state.s1_valid {
            fetch.state.output = s1_pa & !3;
        }
        if fetch.btb.recorder.on && (replay || bends) {
            fetch.record_discarded(env.bus, s1_pa, &made);
        }
        fetch.state.replay_before = replay & !space;
        fetch.state.s1_valid_before = fetch.state.s1_valid;
        let guesses = fetch.state.guesses(made.hit & made.taken);
        fetch.state.s2_valid = !replay & !bends;
        let was = fetch.state.s1_speculative;
        fetch.state.s1_speculative = if replay { fetch.state.s2_speculative } else { guesses };
        if !replay {
            fetch.state.s2_speculative = was;
            fetch.state.s2_pc = s1_pc;
            fetch.state.s2_pa = s1_pa;
            fetch.state.s2_made = made;
            fetch.s2_act = fetch.btb.recorder.last();
        }
        if bends {
            fetch.state.partial = None;
        }
        fetch.state.s1_pc = npc;
        fetch.state.s1_valid = space;
        self.now = now;
        if let Some(&resolve) = self.due(now) {
            self.resolved();
            if resolve.kind == Some(Cfi::Branch) {
                self.learn(&resolve, false);
            }
        }
        let leaves = matches!(decode, Decode::Leaves);
        self.accesses = self.accesses << 1 | u8::from(leaves && is_memory(low));
        self.executing = leaves.then_some(pc);
        if leaves {
            self.made = made_here;
        }
        true
    }
}

impl super::fetch::Fetch {
    /// Decode takes `take` halves of the `buffered` and those of the head of the queue.
    #[inline(always)]
    fn take(&mut self, take: u8, buffered: u8, is_head: bool, first: u8, in_head: u8) {
        let from_head = take.saturating_sub(buffered);
        if take >= buffered && is_head && (from_head >= in_head || in_head - from_head <= 1) {
            self.state.buffered = 0;
            let head = self.state.queue[self.state.head % RING];
            if from_head < in_head {
                let half = first + from_head;
                self.state.buffered = 1;
                self.state.buffer = (head.data >> (16 * half)) as u16;
                self.state.buffer_pc = (head.pc & !3) + 2 * u64::from(half);
                self.state.buffer_made = head.made;
                self.state.buffer_again = head.again;
            }
            self.state.head = (self.state.head + 1) % RING;
            self.state.queued -= 1;
        } else {
            self.state.buffered = buffered.saturating_sub(take);
        }
    }
}
