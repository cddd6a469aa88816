//! The fetch pipeline, cycle by cycle: next-address stage, instruction TLB and cache, predecode, the queue of
//! fetch groups, and the buffer that aligns instructions (Frontend.scala, ICache.scala, ShiftQueue.scala,
//! IBuf.scala).
//!
//! It runs along the predicted path whatever the hart does; the rest of the model tells it, cycle by cycle,
//! whether decode takes an instruction and where to start anew.

use serde::{Deserialize, Serialize};

use relsim_core::bus::Bus;
use relsim_core::hart::Priv;
use relsim_core::saved::{Impossible, require};

use super::btb::{ANY_QUIET, Btb, BtbUpdate, Packed, Prediction, Recent};
use super::icache::{Icache, Stages};
use super::memo::{Act, BEFORE};
use super::scan::{self, Scan, Transfers, is_memory, is_rvc, transfers};
use super::tlb::{Context, Tlb};
use super::uncore::Env;
use super::walker::Walker;
use crate::parts::saved::Latest;

/// Fetch groups that the queue holds.
pub(super) const QUEUE: usize = 5;
/// The ring that the queue lies in.
pub(super) const RING: usize = 8;

/// The cache's data output holds nothing.
pub(super) const NO_DATA: u64 = u64::MAX;

/// A fetch group: four bytes, of which the first or the last two may be void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) pc: u64,
    pub(super) data: u32,
    pub(super) made: Prediction,
    /// It is not cacheable, and was only guessed to come next: it has to be fetched again.
    pub(super) again: bool,
}

/// What decode sees in a cycle.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offer {
    /// There is a whole instruction.
    pub valid: bool,
    /// There is at least something (the head of the queue, or a whole instruction).
    pub anything: bool,
    /// Its address.
    pub pc: u64,
    /// The prediction that came with it.
    pub made: Prediction,
    /// It has to be fetched again.
    pub again: bool,
    low: u16,
    high: u16,
    take: u8,
    buffered_after: Option<u8>,
    pops: bool,
}

impl Offer {
    /// It is a `fence`, or an atomic that acquires.
    pub fn is_fence(&self) -> bool {
        self.low & 0x707f == 0x000f || self.low & 0x7f == 0x2f && self.high >> 10 & 1 == 1
    }

    /// Its word; the upper half means nothing if it is a compressed one.
    pub fn word(&self) -> u32 {
        u32::from(self.high) << 16 | u32::from(self.low)
    }

    /// It reads or writes memory.
    #[inline(always)]
    pub fn is_memory(&self) -> bool {
        is_memory(self.low)
    }
}

/// A new start.
#[derive(Debug, Clone, Copy)]
pub struct Redirect {
    /// Where.
    pub pc: u64,
    /// What is before it may still go wrong.
    pub speculative: bool,
}

/// What is in the stages of fetch, in the queue and in the aligner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct FetchState {
    pub(super) s1_valid: bool,
    pub(super) s1_pc: u64,
    pub(super) s1_speculative: bool,
    pub(super) s1_valid_before: bool,
    pub(super) s2_valid: bool,
    pub(super) s2_pc: u64,
    pub(super) s2_pa: u64,
    pub(super) s2_fault: bool,
    pub(super) s2_miss: bool,
    pub(super) s2_speculative: bool,
    pub(super) s2_made: Prediction,
    /// Address of the group that the cache's data output holds: the latest access's, [`NO_DATA`] if it missed.
    pub(super) output: u64,
    pub(super) replay_before: bool,
    pub(super) partial: Option<u16>,
    pub(super) wrong_path: bool,
    pub(super) queue: [Group; RING],
    pub(super) head: usize,
    pub(super) queued: usize,
    pub(super) buffered: u8,
    pub(super) buffer: u16,
    pub(super) buffer_pc: u64,
    pub(super) buffer_made: Prediction,
    pub(super) buffer_again: bool,
}

impl FetchState {
    /// Whether what follows the first stage is only guessed; `taken`: it is the target of a prediction.
    #[inline(always)]
    pub(super) fn guesses(&self, taken: bool) -> bool {
        self.s1_speculative | (self.s2_valid & !self.s2_speculative) | taken
    }
}

/// All that a cycle of fetch depends on and may change while a line is on its way, as long as nobody redirects it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    state: FetchState,
    cache: Stages,
    recent: Recent,
    place: u8,
}

/// The fetch pipeline.
#[derive(Clone, Serialize, Deserialize)]
pub struct Fetch {
    /// Branch prediction.
    pub btb: Btb,
    /// The instruction cache.
    pub icache: Icache,
    /// The instruction TLB.
    pub tlb: Tlb,
    /// Privilege and translation as fetches see them.
    pub context: Context,
    /// What is in its stages.
    pub(super) state: FetchState,
    /// The lookup that made the prediction in the second stage, in the record.
    #[serde(skip)]
    pub(super) s2_act: usize,
    // Worked out by `offer` for `finish`.
    #[serde(skip)]
    pub(super) group: Group,
    #[serde(skip)]
    pub(super) group_valid: bool,
    #[serde(skip)]
    pub(super) fire: bool,
    #[serde(skip)]
    pub(super) scan: Scan,
}

impl Fetch {
    /// After reset, about to fetch from `pc`.
    pub fn new(pc: u64) -> Self {
        Self {
            btb: Btb::default(),
            icache: Icache::default(),
            tlb: Tlb::default(),
            context: Context { privilege: Priv::M, satp: 0 },
            state: FetchState {
                s1_pc: pc,
                s2_pc: pc,
                output: NO_DATA,
                replay_before: true,
                ..FetchState::default()
            },
            s2_act: BEFORE,
            group: Group::default(),
            group_valid: false,
            fire: false,
            scan: Scan::default(),
        }
    }

    /// Whether the coming cycle goes without misses, walks and faults as far as fetch can tell.
    #[inline(always)]
    pub fn calm(&self) -> bool {
        let cache = &self.icache;
        // The cache drops requests while words come in.
        let with_us = cache.s1_valid == self.state.s1_valid
            && cache.s2_valid == (self.state.s1_valid_before && self.state.s2_valid);
        cache.calm() && with_us && !self.tlb.walking() && !self.state.s2_fault && !self.state.s2_miss
    }

    /// What decode sees in this cycle.
    #[inline(always)]
    pub fn offer(&mut self, bus: &Bus) -> Offer {
        let hit = self.icache.hit();
        let again = !hit && !self.state.s2_fault && self.must_not_refill(bus);
        self.group_valid = self.state.s1_valid_before
            && self.state.s2_valid
            && (hit || (self.state.s2_fault || again) && !self.state.s2_miss);
        self.fire = self.group_valid && self.state.queued < QUEUE;
        if self.group_valid {
            let base = self.state.s2_pa & !3;
            let word = if again {
                0
            } else {
                bus.ram.get::<u32>(base).unwrap_or_else(|| {
                    let half = |pa| u32::from(bus.fetch(pa).unwrap_or(0));
                    half(base) | half(base + 2) << 16
                })
            };
            self.scan = self.predecode(word, self.fire);
            let mut made = self.state.s2_made;
            let by_btb = made.hit && made.taken;
            made.taken = by_btb;
            if !by_btb && self.scan.taken {
                made.bends(self.scan.taken_idx);
            }
            self.group = Group { pc: self.state.s2_pc, data: word, made, again };
        }
        let head = if self.state.queued > 0 {
            Some(&self.state.queue[self.state.head % RING])
        } else {
            self.group_valid.then_some(&self.group)
        };
        Self::align(
            head,
            self.state.buffered,
            self.state.buffer,
            self.state.buffer_pc,
            &self.state.buffer_made,
            self.state.buffer_again,
        )
    }

    /// Whether a miss in the second stage must not refill: what is not cacheable is not asked for while what is
    /// before it may go wrong (Frontend.scala, s2_can_speculatively_refill).
    #[inline(always)]
    fn must_not_refill(&self, bus: &Bus) -> bool {
        self.state.s2_speculative && !bus.ram.contains(self.state.s2_pa, 1)
    }

    /// Works out what is left out of a state that was read, of `own` at another time.
    pub(super) fn settle(&mut self, own: &Self, latest: Latest) -> Result<(), Impossible> {
        self.btb.complete()?;
        self.icache.check(&own.icache, latest)?;
        self.tlb.check(&own.tlb, latest)?;
        let state = &self.state;
        require(state.head < RING && state.queued <= QUEUE, "more than the fetch queue holds")?;
        require(state.buffered <= 1, "more than the aligner holds")?;
        let made = state.queue.iter().map(|group| &group.made).chain([&state.s2_made, &state.buffer_made]);
        made.into_iter().try_for_each(Prediction::check)
    }

    /// The aligner (IBuf.scala).
    #[inline(always)]
    fn align(
        head: Option<&Group>,
        buffered: u8,
        buffer: u16,
        buffer_pc: u64,
        made: &Prediction,
        buffer_again: bool,
    ) -> Offer {
        let mut offer = Offer::default();
        let first = head.map_or(0, |g| (g.pc >> 1 & 1) as u8);
        let in_head =
            head.map_or(0, |g| (if g.made.taken { g.made.bridx + 1 } else { 2 }).saturating_sub(first));
        let total = in_head + buffered;
        let low = match head {
            _ if buffered > 0 => buffer,
            Some(g) => (g.data >> (16 * first)) as u16,
            None => 0,
        };
        let rvc = is_rvc(low);
        let full = total > 0 && (rvc || total >= 2);
        offer.valid = full;
        offer.anything = full || head.is_some();
        offer.pc = if buffered > 0 { buffer_pc } else { head.map_or(0, |g| g.pc) };
        offer.made = match head {
            _ if buffered > 0 && rvc => *made,
            Some(g) => g.made,
            None => *made,
        };
        offer.again =
            buffered > 0 && buffer_again || (buffered == 0 || !rvc) && head.is_some_and(|g| g.again);
        offer.low = low;
        offer.high = head.map_or(0, |g| (g.data >> (16 * (first + 1 - buffered.min(1)).min(1))) as u16);
        offer.take = if !full {
            0
        } else if rvc {
            1
        } else {
            2
        };
        if offer.take >= buffered && head.is_some() {
            let from_head = offer.take - buffered;
            if from_head >= in_head || in_head - from_head <= 1 {
                offer.pops = true;
                if from_head < in_head {
                    offer.buffered_after = Some(first + from_head);
                }
            }
        }
        offer
    }

    /// What predecode finds in the second stage's group, which is `word`. Nothing comes of it unless the group `fires`, which is
    /// to go to the queue.
    pub(super) fn predecode(&mut self, word: u32, fires: bool) -> Scan {
        let partial = scan::left_over(self.state.partial);
        if !self.state.s2_made.hit && !transfers(word, partial) {
            return Scan::plain(self.state.s2_pc, word, partial);
        }
        let group = Transfers::new(self.state.s2_pc, word, partial);
        let ras = self.btb.ras_head();
        let made = Packed::looked_up(&self.state.s2_made);
        let recorder = &mut self.btb.recorder;
        if recorder.on && fires {
            if group.asks_direction() {
                recorder.directs(self.s2_act, self.state.s2_made.bht_taken);
            }
            if group.asks_stack(made) {
                recorder.act(Act::Returns(ras));
            }
        }
        group.scan(made, ras)
    }

    /// Whether the group in the second stage, which does not get into the queue, makes the BTB forget everything:
    /// the prediction is compared with what the cache's data output happens to hold (Frontend.scala, scanInsns).
    #[inline(always)]
    pub(super) fn misfits(&mut self, bus: &Bus) -> bool {
        if !self.state.s2_valid || !self.state.s2_made.hit || self.state.output == NO_DATA {
            return false;
        }
        self.begins_in_output(bus, self.state.s2_made.bridx)
    }

    /// Whether an instruction of 32 bits begins in `half` of what the cache's data output holds.
    #[inline(never)]
    fn begins_in_output(&mut self, bus: &Bus, half: u8) -> bool {
        let Some(word) = bus.ram.get::<u32>(self.state.output) else { return false };
        if self.btb.recorder.on && !bus.ram.line_has_code(self.state.output) {
            self.btb.recorder.once(Act::Word { pa: self.state.output, word });
        }
        scan::begins(self.state.s2_pc, word, scan::left_over(self.state.partial), half.into())
    }

    /// Privilege and translation of fetches change.
    pub(super) fn enter(&mut self, context: Context) {
        self.context = context;
        self.tlb.context_changes();
    }

    /// What it is like while a line is on its way, if it walks for nothing.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        let Self { state, icache, btb, .. } = self;
        let waiting =
            Waiting { state: *state, cache: icache.stages(), recent: btb.recent(), place: btb.place() };
        (!self.tlb.walking()).then_some(waiting)
    }

    /// Changes whenever an entry of the BTB has a tag that none ever had, or a line of the cache comes or goes.
    #[inline(always)]
    pub(super) fn generation(&self) -> u64 {
        self.btb.generation().wrapping_add(self.icache.generation)
    }

    /// Whether it matters which direction the lookup gave that goes with the group in the second stage.
    pub(super) fn direction_matters(&self, bus: &Bus) -> bool {
        let word = bus.ram.get::<u32>(self.state.s2_pa & !3);
        let partial = scan::left_over(self.state.partial);
        self.state.s2_valid
            && word.is_none_or(|word| {
                transfers(word, partial) && Transfers::new(self.state.s2_pc, word, partial).asks_direction()
            })
    }

    /// The half in which the only transfer of the group in the second stage ends, if that is a branch.
    fn only_branch(&self, bus: &Bus) -> Option<u8> {
        let FetchState { s2_valid, s2_pc, s2_pa, partial, .. } = self.state;
        let word = bus.ram.get::<u32>(s2_pa & !3).filter(|_| s2_valid)?;
        let partial = scan::left_over(partial);
        if !transfers(word, partial) {
            return None;
        }
        Transfers::new(s2_pc, word, partial).only_branch()
    }

    /// The same if nothing is predicted for it: whether the BTB has an entry for it or none matters only if it is taken.
    pub(super) fn quiet_half(&self, bus: &Bus) -> Option<u8> {
        self.only_branch(bus).filter(|&half| self.predicts_nothing(half))
    }

    /// Whether nothing is predicted for the branch that ends in `half` of the group in the second stage.
    fn predicts_nothing(&self, half: u8) -> bool {
        let made = &self.state.s2_made;
        let same = if made.hit { made.bridx == half } else { made.entry == 0 };
        same && !made.taken && !made.bht_taken
    }

    /// What is in the second stage does not depend on whether there is an entry for a branch that is predicted not to be
    /// taken. If it has not `fired`, it must not make the BTB forget everything with one.
    #[cold]
    pub(super) fn record_prediction(&mut self, bus: &Bus, fired: bool) {
        let Some(half) = self.only_branch(bus) else { return };
        let direction = self.state.s2_made.bht_taken;
        self.btb.recorder.directs_first(self.s2_act, direction);
        if !self.predicts_nothing(half) {
            return;
        }
        if !fired && self.state.output != NO_DATA && self.begins_in_output(bus, half) {
            if self.s2_act == BEFORE {
                self.btb.recorder.spoil();
            }
            return;
        }
        let quiet = self.btb.quiet_at(self.state.s2_pc, half);
        self.btb.recorder.quiet(self.s2_act, quiet);
    }

    /// The latest lookup, of the group at `pa`, is not followed, and has given `made`: an entry for a branch that is predicted
    /// not to be taken is as good as none.
    #[cold]
    pub(super) fn record_discarded(&mut self, bus: &Bus, pa: u64, made: &Prediction) {
        let base = pa & !3;
        let Some(word) = bus.ram.get::<u32>(base) else { return };
        let before = bus.ram.get::<u16>(base.wrapping_sub(2)).unwrap_or(0);
        if !scan::may_branch(before, word) {
            return;
        }
        let recorder = &mut self.btb.recorder;
        let lookup = recorder.last();
        recorder.directs_first(lookup, made.bht_taken);
        if !made.taken && !made.bht_taken {
            recorder.quiet(lookup, ANY_QUIET);
        }
    }

    /// What a cycle depends on beside the predictor.
    #[cold]
    pub(super) fn record_cycle(&mut self, env: &Env<'_>, s1_pa: u64) {
        let line = s1_pa >> 6;
        let there = self.icache.holds(line);
        let recorder = &mut self.btb.recorder;
        recorder.line(line, there);
        if !self.icache.calm() || self.state.s2_fault || self.state.s2_miss {
            recorder.spoil();
        }
        if self.state.s2_valid && self.state.s1_valid_before {
            let pa = self.state.s2_pa & !3;
            match env.bus.ram.get::<u32>(pa) {
                Some(word) if !env.bus.ram.line_has_code(pa) => recorder.once(Act::Word { pa, word }),
                _ => {}
            }
        }
    }

    /// What the group that leaves the second stage tells the predictor: gives the entry that it wants.
    pub(super) fn second_stage(&mut self, scan: &Scan, queued_before: usize) -> Option<BtbUpdate> {
        let Self { btb, state, .. } = self;
        let (wrong_path, update) =
            scan.tell(btb, state.s2_pc, &state.s2_made, state.wrong_path, queued_before >= 2);
        (state.wrong_path, state.partial) = (wrong_path, scan.left_over());
        update
    }

    /// Ends the cycle `now`. `ready`: decode is not stalled; `redirect`: start anew; `update`: what the
    /// resolution of a control transfer changes in the BTB.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    pub fn finish(
        &mut self,
        env: &mut Env<'_>,
        walker: &mut Walker,
        now: u64,
        offer: &Offer,
        ready: bool,
        redirect: Option<Redirect>,
        update: Option<BtbUpdate>,
        data_busy: bool,
    ) {
        let (fire, scan) = (self.fire, if self.group_valid { self.scan } else { Scan::default() });
        let by_btb = self.state.s2_made.hit && self.state.s2_made.taken;
        let replay = (self.state.s2_valid && !fire) || self.state.replay_before;
        let bends = fire && !by_btb && scan.taken;
        let redirected = redirect.is_some() || bends;
        let queued_before = self.state.queued;
        if self.btb.recorder.on {
            self.record_prediction(env.bus, fire);
        }
        let known = scan.npc.filter(|_| self.state.s2_valid && self.group_valid);
        // Behind a transfer of which nobody knows where it goes, fetch follows what is looked up now.
        let followed = !replay && redirect.is_none() && known.is_none();
        // Looked up in the state that the cycle began with.
        let (made, to) = self.btb.cycle(self.state.s1_pc, followed);

        let own_update = if fire { self.second_stage(&scan, queued_before) } else { None };
        if !fire && self.misfits(env.bus) {
            self.btb.flush();
            self.state.wrong_path = true;
        }

        // First stage: translation, cache and prediction.
        let looks_up = self.state.s1_valid && !replay;
        let translation = self.tlb.fetch(
            &mut self.btb.recorder,
            env,
            self.context,
            walker,
            now,
            self.state.s1_pc,
            looks_up,
            self.state.s2_valid,
        );
        if self.btb.recorder.on {
            self.record_cycle(env, translation.pa);
        }
        let s1_kill = redirected || translation.miss || replay;
        let killed = self.state.s2_fault || self.state.s2_miss || self.must_not_refill(env.bus);
        let accessed = self.icache.s1_valid;
        self.icache.cycle(env, now, translation.pa, s1_kill, killed, data_busy);
        if accessed {
            self.state.output = if self.icache.s2_hit { translation.pa & !3 } else { NO_DATA };
        }

        let mut next = (self.state.s1_pc & !3).wrapping_add(4);
        if made.hit && made.taken {
            next = to;
        }
        next = known.unwrap_or(next);
        let full = |n: usize| queued_before >= n;
        let space = !full(3)
            || (!full(4) && (!self.state.s1_valid || !self.state.s2_valid))
            || (!full(5) && !self.state.s1_valid && !self.state.s2_valid);
        let s0_valid = redirect.is_some() || space;
        let npc = match redirect {
            Some(redirect) => redirect.pc & !1,
            None if replay => self.state.s2_pc,
            None => next & !1,
        };

        // Queue and aligner.
        self.advance_queue(offer, ready, redirect.is_some());

        if let Some(update) = update.or(own_update) {
            self.btb.update(update);
        }
        if self.btb.recorder.on && (replay || redirected) {
            self.record_discarded(env.bus, translation.pa, &made);
        }
        self.state.replay_before = replay && !s0_valid;
        self.state.s1_valid_before = self.state.s1_valid;
        // Two fetches after a restart at write-back are certain (Frontend.scala, s0_speculative).
        let speculative = match redirect {
            Some(redirect) => redirect.speculative,
            None if replay => self.state.s2_speculative,
            None => self.state.guesses(made.hit && made.taken),
        };
        self.state.s2_valid = false;
        if !replay {
            self.state.s2_speculative = self.state.s1_speculative;
            self.state.s2_valid = !redirected;
            self.state.s2_pc = self.state.s1_pc;
            self.state.s2_pa = translation.pa;
            self.state.s2_fault = translation.fault;
            self.state.s2_miss = translation.miss;
            self.state.s2_made = made;
            self.s2_act = self.btb.recorder.last();
        }
        self.icache.request(s0_valid);
        self.state.s1_pc = npc;
        self.state.s1_speculative = speculative;
        self.state.s1_valid = s0_valid;
        if redirected {
            self.state.partial = None;
        }
        if redirect.is_some() {
            self.state.wrong_path = false;
        }
    }

    #[inline(always)]
    fn advance_queue(&mut self, offer: &Offer, ready: bool, kill: bool) {
        if kill {
            self.state.queued = 0;
            self.state.buffered = 0;
            return;
        }
        let mut pops = false;
        if ready {
            let head =
                if self.state.queued > 0 { self.state.queue[self.state.head % RING] } else { self.group };
            if offer.pops {
                pops = true;
                self.state.buffered = 0;
                if let Some(half) = offer.buffered_after {
                    self.state.buffered = 1;
                    self.state.buffer = (head.data >> (16 * half)) as u16;
                    self.state.buffer_pc = (head.pc & !3) + 2 * u64::from(half);
                    self.state.buffer_made = head.made;
                    self.state.buffer_again = head.again;
                }
            } else {
                self.state.buffered = self.state.buffered.saturating_sub(offer.take);
            }
        }
        if pops && self.state.queued > 0 {
            self.state.head = (self.state.head + 1) % RING;
            self.state.queued -= 1;
            pops = false;
        }
        if self.fire && !pops {
            self.state.queue[(self.state.head + self.state.queued) % RING] = self.group;
            self.state.queued += 1;
        }
    }
}
