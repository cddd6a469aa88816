//! The state of a hart's pipeline apart from its large tables, relative to a cycle and to a place in the branch
//! history: described, so that two can be compared, and taken, so that it can be put back at another time.

use super::btb::{Btb, Cfi, Prediction};
use super::fetch::{FetchState, RING};
use super::hart::HartModel;
use super::memory::Pending;
use super::pipeline::{Resolve, Restart};
use super::scoreboard::Scoreboard;
use relsim_core::timing::CycleCause;

/// A state between two blocks, right after an instruction has issued.
pub(super) struct Snapshot {
    now: u64,
    place: u8,
    fetch: FetchState,
    resolves: [Resolve; 2],
    first_resolve: usize,
    resolve_count: usize,
    made: Prediction,
    accesses: u8,
    executing: Option<u64>,
    issued: Option<u64>,
    restart: Option<Restart>,
    context_changes: bool,
    shadow: Box<[(u32, u64)]>,
    fence: bool,
    board: Scoreboard,
    live: [bool; 2],
    from: [u64; 2],
    dirtied: u64,
    read_run: (u64, u64),
    idle: u64,
    device_free: u64,
}

/// No relative time: the run of reads does not matter.
const NO_RUN: u64 = 1 << 32;

/// How far back times matter at all.
const PAST: i64 = -64;

fn relative(at: u64, now: u64) -> u64 {
    (at.wrapping_sub(now) as i64).max(PAST) as u64
}

/// The prediction for what is in the second stage. If nothing is predicted for a branch, it is that of no entry.
fn looked_up(made: &Prediction, btb: &Btb, direction: bool, quiet: bool) -> u64 {
    if quiet {
        return u64::from(btb.since(made)) << 24;
    }
    u64::from(made.hit)
        | u64::from(made.taken) << 1
        | u64::from(made.bht_taken && direction) << 2
        | u64::from(made.bridx) << 8
        | u64::from(if made.names() { u8::MAX } else { made.entry }) << 16
        | u64::from(btb.since(made)) << 24
}

/// The prediction for what has left it: where the group ends, which depends on the BTB no more. The entry is no part of it
/// ([`predictions`]).
fn handed_on(made: &Prediction, btb: &Btb) -> u64 {
    let end = if made.taken { 1 + u64::from(made.bridx) } else { 0 };
    end | u64::from(btb.since(made)) << 24
}

/// The predictions on their way in `hart`, of which [`Snapshot::describe`] leaves the entry out, in the order of their places.
pub(super) fn predictions(hart: &mut HartModel) -> impl Iterator<Item = &mut Prediction> {
    let pipe = &mut hart.pipe;
    let FetchState { s2_valid, s2_made, queue, head, queued, buffered, buffer_made, .. } =
        &mut pipe.fetch.state;
    let (head, queued) = (*head, *queued);
    let (first, resolve_count) = (pipe.first_resolve, pipe.resolve_count);
    // The ring, from its head on.
    let (before, from) = queue.split_at_mut(head % RING);
    let ring = from.iter_mut().chain(before).take(queued).map(|group| &mut group.made);
    let (one, two) = pipe.resolves.split_at_mut(1);
    let resolves = if first & 1 == 0 { [&mut one[0], &mut two[0]] } else { [&mut two[0], &mut one[0]] };
    // What has issued and gone on is among what is to resolve.
    hart.issued
        .map(|_| &mut pipe.made)
        .into_iter()
        .chain((*s2_valid).then_some(s2_made))
        .chain(ring)
        .chain((*buffered > 0).then_some(buffer_made))
        .chain(resolves.into_iter().take(resolve_count).map(|resolve| &mut resolve.made))
}

impl Snapshot {
    /// Adds to `key` everything that what follows depends on; `false` if the state is none to come back to.
    /// `given`: the direction that the latest lookup gave is among it; `quiet`: nothing is predicted for what is in the second
    /// stage, whether there is an entry or not.
    pub fn describe(hart: &mut HartModel, given: bool, quiet: bool, key: &mut Vec<u64>) -> bool {
        let now = hart.pipe.now;
        hart.memory.drain(now);
        let pipe = &hart.pipe;
        let fetch = &pipe.fetch;
        let still = pipe.early.is_none()
            && pipe.invalidate.is_none()
            && pipe.restart.is_none_or(|restart| restart.pc == hart.next)
            && pipe.flush.is_none()
            && !pipe.sleeps
            && !pipe.shadow_fence
            && !pipe.wrong_fence
            && pipe.walker.is_free(now)
            && pipe.executing.is_some()
            && pipe.last_issue == now
            && fetch.calm()
            && !fetch.icache.beat
            && hart.issued.is_none_or(|pc| pc == hart.next)
            && hart.start.is_none()
            && hart.again.is_none()
            && hart.memory.device_load == 0
            && hart.coprocessor_free <= now
            && hart.interrupt_at <= now
            && hart.memory.reserved <= now
            && hart.memory.device_free <= now;
        if !still {
            return false;
        }
        let btb = &fetch.btb;
        let (page, base) = fetch.tlb.recent.map_or((u64::MAX, 0), |recent| recent);
        key.extend([
            fetch.context.privilege as u64 | fetch.context.satp << 2,
            page,
            base,
            u64::from(fetch.state.s1_valid)
                | u64::from(fetch.state.s1_valid_before) << 1
                | u64::from(fetch.state.s2_valid) << 2
                | u64::from(fetch.state.replay_before) << 3
                | u64::from(fetch.state.wrong_path) << 4
                | u64::from(fetch.state.s1_speculative) << 5
                | u64::from(fetch.state.s2_speculative) << 6
                | u64::from(fetch.state.buffered) << 8
                | u64::from(pipe.accesses & 7) << 16
                | (fetch.state.queued as u64) << 24
                | (pipe.resolve_count as u64) << 32
                | u64::from(hart.issued.is_some()) << 40
                | u64::from(pipe.context_changes) << 41
                | u64::from(hart.memory.fence) << 42
                | pipe.restart.map_or(0, |r| 1 + r.cause as u64) << 48,
            pipe.restart.map_or(0, |r| relative(r.cycle, now)),
            fetch.state.s1_pc,
            fetch.state.s2_pc,
            fetch.state.output,
            fetch.state.partial.map_or(0, |half| u64::from(half) | 1 << 16),
            pipe.executing.unwrap_or(0),
            hart.issued.map_or(0, |_| handed_on(&pipe.made, btb)),
        ]);
        if fetch.state.s2_valid {
            key.extend([fetch.state.s2_pa, looked_up(&fetch.state.s2_made, btb, given, quiet)]);
        }
        for n in 0..fetch.state.queued {
            let group = &fetch.state.queue[(fetch.state.head + n) % RING];
            let data = u64::from(group.data) | u64::from(group.again) << 32;
            key.extend([group.pc, data, handed_on(&group.made, btb)]);
        }
        if fetch.state.buffered > 0 {
            let made = handed_on(&fetch.state.buffer_made, btb);
            let half = u64::from(fetch.state.buffer) | u64::from(fetch.state.buffer_again) << 16;
            key.extend([half, fetch.state.buffer_pc, made]);
        }
        for n in 0..pipe.resolve_count {
            let resolve = &pipe.resolves[(pipe.first_resolve + n) & 1];
            let last = n + 1 == pipe.resolve_count;
            // A branch that was taken to the next instruction: the address does not tell.
            let length = if resolve.rvc { 2 } else { 4 };
            if last
                && resolve.kind == Some(Cfi::Branch)
                && resolve.taken
                && resolve.next == resolve.pc + length
            {
                return false;
            }
            key.extend([
                relative(resolve.cycle, now),
                resolve.pc,
                resolve.kind.map_or(0, |kind| kind as u64 + 1) | u64::from(resolve.rvc) << 8,
                btb.since(&resolve.made).into(),
            ]);
            // Where the last one goes is what comes next.
            if !last || pipe.restart.is_some() {
                key.extend([resolve.next, resolve.taken.into()]);
            }
        }
        key.extend(
            pipe.shadow
                .iter()
                .map(|&(registers, at)| u64::from(registers) << 32 | relative(at, now) & 0xffff),
        );
        hart.board.describe(now, key);
        let memory = &hart.memory;
        for store in &memory.stores {
            key.push(if store.live { relative(store.from, now) } else { u64::MAX });
        }
        // A run of reads matters to stores that wait for its end, and to a read that goes on with it.
        let (run_from, run_to) = memory.read_run;
        let waits = |store: &Pending| store.live && (run_from..=run_to).contains(&store.from);
        key.extend(if run_to > now || memory.stores.iter().any(waits) {
            [relative(run_from, now), relative(run_to, now)]
        } else {
            [NO_RUN, NO_RUN]
        });
        key.extend([
            memory.idle.saturating_sub(now),
            if memory.dirtied + 2 > now { now - memory.dirtied } else { u64::MAX },
        ]);
        true
    }

    /// The state as it is.
    pub fn take(hart: &HartModel) -> Self {
        let (pipe, memory) = (&hart.pipe, &hart.memory);
        let fetch = &pipe.fetch;
        Self {
            now: pipe.now,
            place: fetch.btb.place(),
            fetch: fetch.state,
            resolves: pipe.resolves,
            first_resolve: pipe.first_resolve,
            resolve_count: pipe.resolve_count,
            made: pipe.made,
            accesses: pipe.accesses,
            executing: pipe.executing,
            issued: hart.issued,
            restart: pipe.restart,
            context_changes: pipe.context_changes,
            shadow: pipe.shadow.clone().into_boxed_slice(),
            fence: memory.fence,
            board: hart.board.clone(),
            dirtied: if memory.dirtied + 2 > pipe.now { memory.dirtied } else { 0 },
            live: [memory.stores[0].live, memory.stores[1].live],
            from: [memory.stores[0].from, memory.stores[1].from],
            read_run: memory.read_run,
            idle: memory.idle,
            device_free: memory.device_free,
        }
    }

    /// Puts the state back, at the cycle and the place in the history where `hart` is now. The tables, the
    /// ledger and the addresses of the latest stores stay as they are.
    pub fn restore(&self, hart: &mut HartModel) {
        let by = hart.pipe.now.wrapping_sub(self.now);
        let pipe = &mut hart.pipe;
        let places = pipe.fetch.btb.place().wrapping_sub(self.place);
        let moved = |made: &Prediction| Prediction { place: made.place.wrapping_add(places), ..*made };
        let later = |at: u64| at.wrapping_add(by);
        let (fetch, state) = (&mut pipe.fetch, &self.fetch);
        fetch.state = *state;
        let queued = fetch.state.queue.iter_mut().map(|group| &mut group.made);
        for made in queued.chain([&mut fetch.state.s2_made, &mut fetch.state.buffer_made]) {
            *made = moved(made);
        }
        let cache = &mut fetch.icache;
        cache.s1_valid = state.s1_valid;
        cache.s2_valid = state.s1_valid_before && state.s2_valid;
        cache.s2_hit = true;
        cache.could_request = true;
        cache.beat = false;
        pipe.resolves = self.resolves;
        for resolve in &mut pipe.resolves {
            resolve.made = moved(&resolve.made);
            resolve.cycle = later(resolve.cycle);
        }
        pipe.first_resolve = self.first_resolve;
        pipe.resolve_count = self.resolve_count;
        if self.resolve_count > 0 && self.restart.is_none() {
            let last = &mut pipe.resolves[(self.first_resolve + self.resolve_count - 1) & 1];
            last.next = hart.next;
            let length = if last.rvc { 2 } else { 4 };
            last.taken = last.kind.is_some_and(|k| k != Cfi::Branch) || hart.next != last.pc + length;
        }
        pipe.made = moved(&self.made);
        pipe.accesses = self.accesses;
        pipe.executing = self.executing;
        pipe.restart = self.restart.map(|r| Restart { cycle: later(r.cycle), pc: hart.next, ..r });
        pipe.context_changes = self.context_changes;
        pipe.shadow.clear();
        pipe.shadow.extend(self.shadow.iter().map(|&(registers, at)| (registers, later(at))));
        pipe.last_issue = pipe.now;
        pipe.refetch = CycleCause::Fetch;
        hart.issue = pipe.now;
        hart.issued = self.issued;
        hart.memory.fence = self.fence;
        hart.board = self.board.clone();
        hart.board.shift(self.now, by);
        let memory = &mut hart.memory;
        for (n, store) in memory.stores.iter_mut().enumerate() {
            (store.live, store.from) = (self.live[n], later(self.from[n]));
        }
        memory.read_run = (later(self.read_run.0), later(self.read_run.1));
        memory.idle = later(self.idle);
        memory.device_free = later(self.device_free);
        memory.dirtied = if self.dirtied == 0 { 0 } else { later(self.dirtied) };
    }
}
