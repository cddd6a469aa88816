//! The hot loop.

use serde::{Deserialize, Serialize};

use crate::block::{Block, BlockCache, MAX_OPS};
use crate::bus::Bus;
use crate::hart::{CsrWrite, Hart, RunState};
use crate::insn::{Done, Op, OpClass, Stop};
use crate::observe::Observer;
use crate::region;
use crate::timing::{Around, BlockRun, Held, TimingModel};
use crate::trap::Cause;

/// A block that control leaves at a branch is another one to a timing model, by how many of its instructions were executed.
const SERIALS: u64 = 2 * MAX_OPS as u64;

/// The number of `fflags`.
const FFLAGS: u16 = 0x001;

/// How much longer a slice may be to let a store-conditional follow its load-reserved: several times the
/// 16 instructions of the architecture's constrained loops.
const RESERVATION_GRACE_CYCLES: u64 = 128;

/// A hart with its decoded code.
pub struct Core {
    /// The hart.
    pub hart: Hart,
    /// Its blocks.
    pub blocks: BlockCache,
}

/// Up to where a slice may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceLimits {
    /// No instruction starts at or after this core cycle.
    pub end_cycle: u64,
    /// No more than this many instructions retire in the slice.
    pub max_instructions: u64,
    /// Something happens at this cycle, or another hart goes on, that the hart must not pass by more than an
    /// instruction. Plain blocks that end before may be timed as a whole: the slice then ends at the end of a block.
    pub event_cycle: u64,
    /// A device access may happen only at or before this cycle: the local time of the hart that is furthest
    /// behind among the others, so that devices see accesses in the order of time.
    pub sync_cycle: u64,
}

/// Where somebody interrupts a slice from outside. What the guest does is the same as if nobody had, once the slice is
/// gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// As soon as so many instructions have retired and traps been taken since.
    pub steps: u64,
    /// As soon as the hart's time is this core cycle or a later one.
    pub cycle: u64,
}

impl Pause {
    /// Nobody does.
    pub const NEVER: Self = Self { steps: u64::MAX, cycle: u64::MAX };
}

/// A slice at a moment: what the hot loop knows of it beside the hart. A slice that was paused goes on from here as it
/// would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    limits: SliceLimits,
    /// How many instructions the hart has retired in all when the slice ends.
    last_instret: u64,
    end_cycle: u64,
    event_cycle: u64,
    may_extend: bool,
    look_around: bool,
    /// An interrupt is there, or on its way and some instructions may outrun it; it comes in this cycle, or never, as far as is
    /// known.
    interrupt: u64,
    /// It has taken an instruction's place: by what the hart saw in this cycle.
    interrupted: Option<u64>,
}

impl Slice {
    /// The slice if no instruction may start at or after core cycle `max_cycles`, or as number `max_instructions` of its hart.
    #[must_use]
    pub fn within(mut self, max_cycles: u64, max_instructions: u64) -> Self {
        let Self { limits, end_cycle, event_cycle, .. } = &mut self;
        for cycle in [&mut limits.end_cycle, &mut limits.event_cycle, end_cycle, event_cycle] {
            *cycle = max_cycles.min(*cycle);
        }
        self.last_instret = max_instructions.min(self.last_instret);
        self
    }
}

/// Why a slice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceEnd {
    /// A limit was reached.
    Limit,
    /// A device was touched, or has to be when the other harts have caught up: look at events.
    Device,
    /// The hart waits for an interrupt.
    Wait,
    /// An `ecall` from S-mode for the built-in firmware; `pc` is at the `ecall`.
    FirmwareCall,
    /// A watched line of memory was stored to.
    Watch,
    /// The observer wants to stop.
    Stopped(Slice),
    /// It was interrupted as [`Pause`] says.
    Paused(Slice),
    /// The hart does nothing but trap: see [`Hart::only_traps`]. Said now and again as long as it lasts.
    Stuck,
}

impl Core {
    /// `hart` without decoded code.
    pub fn new(hart: Hart, blocks: BlockCache) -> Self {
        Self { hart, blocks }
    }

    /// Runs until a limit or something that the scheduler has to see. On return `hart.pc` is the address of
    /// the next instruction.
    pub fn run<T: TimingModel, O: Observer>(
        &mut self,
        bus: &mut Bus,
        timing: &mut T,
        observer: &mut O,
        limits: SliceLimits,
    ) -> SliceEnd {
        let slice = self.slice::<T>(limits);
        self.go_on(bus, timing, observer, slice, Pause::NEVER)
    }

    /// A slice that has not begun.
    pub fn slice<T: TimingModel>(&self, limits: SliceLimits) -> Slice {
        Slice {
            limits,
            last_instret: self.hart.instret.saturating_add(limits.max_instructions),
            end_cycle: limits.end_cycle,
            event_cycle: 0,
            may_extend: limits.sync_cycle != u64::MAX && !T::ORDERS_MEMORY,
            look_around: true,
            interrupt: u64::MAX,
            interrupted: None,
        }
    }

    /// [`Core::run`] for a slice that may have been paused before, up to `pause`.
    pub fn go_on<T: TimingModel, O: Observer>(
        &mut self,
        bus: &mut Bus,
        timing: &mut T,
        observer: &mut O,
        slice: Slice,
        pause: Pause,
    ) -> SliceEnd {
        if pause == Pause::NEVER {
            self.advance::<T, O, false>(bus, timing, observer, slice, pause)
        } else {
            self.advance::<T, O, true>(bus, timing, observer, slice, pause)
        }
    }

    /// [`Core::go_on`], compiled once more for those who never pause: it costs them a tenth of their time to ask.
    fn advance<T: TimingModel, O: Observer, const PAUSES: bool>(
        &mut self,
        bus: &mut Bus,
        timing: &mut T,
        observer: &mut O,
        slice: Slice,
        pause: Pause,
    ) -> SliceEnd {
        let pause = if PAUSES { pause } else { Pause::NEVER };
        let Self { hart, blocks } = self;
        hart.cycles_per_op = u64::from(!T::DETAILED);
        let Slice {
            limits,
            last_instret,
            mut end_cycle,
            mut event_cycle,
            mut may_extend,
            mut look_around,
            mut interrupt,
            mut interrupted,
        } = slice;
        // The slice as it is now.
        macro_rules! now {
            () => {
                Slice {
                    limits,
                    last_instret,
                    end_cycle,
                    event_cycle,
                    may_extend,
                    look_around,
                    interrupt,
                    interrupted,
                }
            };
        }
        // How many instructions the hart has retired in all at the pause; a trap is a step in place of one.
        let mut pause_instret = if PAUSES { hart.instret.saturating_add(pause.steps) } else { u64::MAX };
        let mut stop_instret = last_instret.min(pause_instret);
        let mut stop_cycle = end_cycle.min(pause.cycle);
        let mut from = None;
        loop {
            // Before a trap is taken, too.
            if O::ON && observer.wants_stop() {
                return SliceEnd::Stopped(now!());
            }
            if look_around {
                if PAUSES && hart.instret >= pause_instret {
                    return SliceEnd::Paused(now!());
                }
                look_around = false;
                from = None;
                blocks.sync(hart, bus);
                if let Some(end) = look(hart, bus) {
                    return end;
                }
                let timer = hart.timer_deadline(bus).unwrap_or(u64::MAX);
                end_cycle = limits.end_cycle.min(timer);
                event_cycle = limits.event_cycle.min(timer);
                stop_cycle = end_cycle.min(pause.cycle);
                let seen = interrupted.take();
                let decides = timing.decides_from(hart).filter(|_| seen.is_none());
                interrupt = decides.and_then(|from| hart.interrupted_from(bus, from)).unwrap_or(u64::MAX);
                if (seen.is_some() || decides.is_none() && hart.cycle < end_cycle)
                    && let Some(trap) = hart.take_interrupt(bus, seen)
                {
                    hart.cycle = timing.trapped(hart, bus, &trap);
                    if O::ON {
                        observer.charged(hart, timing.ledger(hart.config.id));
                        observer.trapped(hart, bus, &trap);
                    }
                    if PAUSES {
                        pause_instret -= u64::from(pause_instret != u64::MAX);
                        stop_instret = last_instret.min(pause_instret);
                    }
                }
            }
            if hart.instret >= stop_instret {
                let limit = !PAUSES || hart.instret >= last_instret;
                return if limit { SliceEnd::Limit } else { SliceEnd::Paused(now!()) };
            }
            if hart.cycle >= stop_cycle {
                if PAUSES && hart.cycle < end_cycle {
                    return SliceEnd::Paused(now!());
                }
                // Other harts cannot be let in between a load-reserved and its store-conditional without
                // watching their stores: finish the pair first, or else give the reservation up.
                if may_extend && hart.reservation.is_some() {
                    may_extend = false;
                    end_cycle = hart.cycle + RESERVATION_GRACE_CYCLES;
                    stop_cycle = end_cycle.min(pause.cycle);
                    continue;
                }
                if limits.sync_cycle != u64::MAX && !T::ORDERS_MEMORY {
                    hart.reservation = None;
                }
                return SliceEnd::Limit;
            }
            let mut index = match blocks.find(hart, bus, from) {
                Ok(index) => index,
                Err(_) => {
                    let epc = hart.pc;
                    look_around = true;
                    interrupted = (interrupt <= hart.cycle).then_some(hart.cycle);
                    if interrupted.is_some() {
                        continue;
                    }
                    if let Some(end) = trap(hart, bus, timing, observer, epc) {
                        return end;
                    }
                    if PAUSES {
                        pause_instret -= u64::from(pause_instret != u64::MAX);
                        stop_instret = last_instret.min(pause_instret);
                    }
                    continue;
                }
            };
            let mut ran = None;
            let before = event_cycle.min(pause.cycle);
            if T::BLOCKS && !O::ON && interrupt == u64::MAX {
                let until = Until { instret: stop_instret, cycle: stop_cycle, before };
                match follow(hart, bus, blocks, timing, index, until, limits.sync_cycle) {
                    Followed::Nowhere => {}
                    Followed::Behind(block) => {
                        from = Some(block);
                        continue;
                    }
                    Followed::Within(block, done, end) => (index, ran) = (block, Some((done, end))),
                }
            }
            let block = blocks.get(index);
            let mut budget = stop_instret - hart.instret;
            if !T::DETAILED {
                budget = budget.min(stop_cycle - hart.cycle);
            }
            let whole = block.ops.len() as u64 <= budget;
            let ops = if whole { &block.ops[..] } else { &block.ops[..budget as usize] };
            if ran.is_none() {
                hart.next_pc = hart.pc.wrapping_add_signed(block.bytes);
            }
            let mut stopped = None;
            let mut paused = false;
            let mut from_op = 0;
            // Control leaves the block by a branch.
            let mut leaves = false;
            // Where somebody watches, a slice ends where it ends when nobody does.
            let together =
                T::BLOCKS && O::ON && interrupt == u64::MAX && whole && fits_before(hart, block, before);
            if let Some((done, end)) = ran {
                from_op = done;
                if end == Err(Stop::Exit) {
                    stopped = Some((&ops[done - 1], Stop::Exit));
                }
            }
            let rest = if stopped.is_none() { &ops[from_op..] } else { &[] };
            for op in rest {
                if T::DETAILED || O::ON {
                    hart.next_pc = block.after(hart.pc, op);
                }
                let around = Around { others: limits.sync_cycle, interrupt };
                let done = step(hart, bus, timing, observer, op, around, &mut interrupted);
                leaves = done == Err(Stop::Taken);
                if let Err(why) = done
                    && !leaves
                {
                    stopped = Some((op, why));
                    break;
                }
                let timed_together = together && usize::from(op.index) < block.plain;
                if T::DETAILED && !timed_together && hart.cycle >= stop_cycle {
                    paused = PAUSES && hart.cycle < end_cycle;
                    stopped = Some((op, Stop::Exit));
                    break;
                }
                if leaves {
                    stopped = Some((op, Stop::Taken));
                    break;
                }
            }
            let Some((op, why)) = stopped else {
                let retired = ops.len() as u64;
                hart.instret += retired;
                if !T::DETAILED {
                    hart.cycle += retired;
                }
                if whole {
                    hart.pc = hart.next_pc;
                    from = Some(index);
                } else {
                    hart.pc = hart.pc_of(&block.ops[ops.len()]);
                    from = None;
                }
                continue;
            };
            let pc = hart.pc_of(op);
            let retired = u64::from(op.index) + u64::from(matches!(why, Stop::Exit | Stop::Taken));
            let last = usize::from(op.index) + 1 == block.ops.len();
            let after = if last || leaves { hart.next_pc } else { block.after(hart.pc, op) };
            hart.instret += retired;
            hart.cycle += retired * hart.cycles_per_op;
            match why {
                Stop::Taken => {
                    hart.pc = after;
                    from = Some(index);
                }
                Stop::Exit => {
                    hart.pc = after;
                    from = None;
                    look_around = !paused;
                    if hart.marked.is_some() {
                        region::record(hart, timing.ledger(hart.config.id));
                    }
                    if hart.mmu.take_touched_device() {
                        return SliceEnd::Device;
                    }
                }
                Stop::Alone => {
                    hart.pc = pc;
                    from = None;
                    if O::ON && observer.wants_stop() {
                        return SliceEnd::Stopped(now!());
                    }
                    hart.waited = Some(hart.steps());
                    if op.index == 0 {
                        // A model's turn is not only for devices: nothing has to be looked at.
                        return if T::ORDERS_MEMORY { SliceEnd::Limit } else { SliceEnd::Device };
                    }
                }
                Stop::Interrupted => {
                    hart.pc = pc;
                    look_around = true;
                }
                Stop::Trap => {
                    look_around = true;
                    if let Some(end) = trap(hart, bus, timing, observer, pc) {
                        return end;
                    }
                    if PAUSES {
                        pause_instret -= u64::from(pause_instret != u64::MAX);
                        stop_instret = last_instret.min(pause_instret);
                    }
                }
            }
        }
    }
}

/// Executes the plain instructions `ops` of a block until one does not simply retire: gives how many retired, and what the
/// last of them said. One that did not retire has had no effect.
#[inline(always)]
fn execute(hart: &mut Hart, bus: &mut Bus, ops: &[Op]) -> (usize, Done) {
    for op in ops {
        if let Err(why) = (op.exec)(hart, bus, op) {
            let n = usize::from(op.index);
            return match why {
                Stop::Exit | Stop::Taken => (n + 1, Err(why)),
                Stop::Trap | Stop::Alone | Stop::Interrupted => (n, Ok(())),
            };
        }
    }
    (ops.len(), Ok(()))
}

/// Whether what `block` has of plain instructions at its beginning, if anything, ends before cycle `before`.
#[inline(always)]
const fn fits_before(hart: &Hart, block: &Block, before: u64) -> bool {
    block.longest < before.saturating_sub(hart.cycle)
}

/// Executes the plain instructions at the beginning of `block`, and times them together: gives what [`execute`] does.
#[inline(always)]
fn execute_together<T: TimingModel>(
    hart: &mut Hart,
    bus: &mut Bus,
    timing: &mut T,
    block: &Block,
    sync_cycle: u64,
) -> (usize, Done) {
    let (done, end) = execute(hart, bus, &block.ops[..block.plain]);
    let leaves = end == Err(Stop::Taken);
    let run = BlockRun {
        serial: block.serial * SERIALS + done as u64,
        ops: &block.ops[..done],
        whole: done == block.plain || leaves,
        next: match block.ops.get(done) {
            Some(op) if !leaves => hart.pc_of(op),
            _ => hart.next_pc,
        },
        facts: &hart.facts,
    };
    if done > 0 {
        hart.cycle = timing.block(hart, bus, run, sync_cycle);
    }
    (done, end)
}

/// How far [`follow`] came.
enum Followed {
    /// The first block is not for it.
    Nowhere,
    /// Behind this block.
    Behind(u32),
    /// Within this block, after what [`execute`] gives.
    Within(u32, usize, Done),
}

/// How far [`follow`] may go.
struct Until {
    /// No more instructions than that have retired.
    instret: u64,
    /// No block begins in this cycle, or later.
    cycle: u64,
    /// What is timed together does not end as late as in this one.
    before: u64,
}

/// Executes blocks from `index` on, and times what is plain of each together, while one is linked to the next, up to one
/// that is left in its middle. By itself, since it is what nearly all blocks go through.
#[inline(never)]
fn follow<T: TimingModel>(
    hart: &mut Hart,
    bus: &mut Bus,
    blocks: &BlockCache,
    timing: &mut T,
    mut index: u32,
    until: Until,
    sync_cycle: u64,
) -> Followed {
    let mut behind = None;
    loop {
        let block = blocks.get(index);
        let count = block.ops.len();
        let fits = count as u64 <= until.instret - hart.instret && fits_before(hart, block, until.before);
        if !fits || hart.cycle >= until.cycle {
            return behind.map_or(Followed::Nowhere, Followed::Behind);
        }
        hart.next_pc = hart.pc.wrapping_add_signed(block.bytes);
        let (done, end) = execute_together(hart, bus, timing, block, sync_cycle);
        if end != Err(Stop::Taken) && (done < count || end.is_err()) {
            return Followed::Within(index, done, end);
        }
        hart.instret += done as u64;
        hart.pc = hart.next_pc;
        match blocks.linked(hart, index) {
            Some(next) => (behind, index) = (Some(index), next),
            None => return Followed::Behind(index),
        }
    }
}

/// What has to be known before the next block, apart from interrupts.
#[inline(always)]
fn look(hart: &mut Hart, bus: &mut Bus) -> Option<SliceEnd> {
    if bus.ram.take_watch_hit() {
        return Some(SliceEnd::Watch);
    }
    if bus.exit.is_some() {
        return Some(SliceEnd::Device);
    }
    (hart.state != RunState::Running).then_some(SliceEnd::Wait)
}

/// Executes one instruction. `Err(Stop::Alone)` with the instruction first in its block means that other
/// harts have to catch up before it may touch a device, or that the observer wants to stop before it.
#[inline(always)]
fn step<T: TimingModel, O: Observer>(
    hart: &mut Hart,
    bus: &mut Bus,
    timing: &mut T,
    observer: &mut O,
    op: &Op,
    around: Around,
    interrupted: &mut Option<u64>,
) -> Done {
    if !T::DETAILED && !O::ON {
        let done = (op.exec)(hart, bus, op);
        // Asked first: nearly all of them are.
        if done.is_ok() {
            return Ok(());
        }
        return if done == Err(Stop::Alone) { step_alone(hart, bus, op, around.others) } else { done };
    }
    let (pc, privilege) = (hart.pc_of(op), hart.privilege);
    if O::ON && T::DETAILED && around.interrupt != u64::MAX {
        // What is interrupted does not execute.
        if let Err(held) = timing.issue(hart, bus, op, around) {
            return Err(holds(hart, held, interrupted));
        }
    }
    if O::ON {
        observer.before(hart, bus, op, pc);
        if observer.wants_stop() {
            return Err(Stop::Alone);
        }
    }
    if T::DETAILED {
        // Before it executes: what it reads from counters and devices depends on when it gets there.
        match timing.issue(hart, bus, op, around) {
            Ok(cycle) => hart.cycle = cycle,
            Err(held) => return Err(holds(hart, held, interrupted)),
        }
        if op.class == OpClass::StoreConditional && !timing.keeps_reservation(hart) {
            hart.reservation = None;
        }
    }
    // What an instruction accrues is told from what was there before by looking at it alone.
    let accrues = O::ON && op.class.is_float();
    let accrued = if accrues { std::mem::take(&mut hart.csr.fflags) } else { 0 };
    if T::DETAILED || O::ON {
        hart.physical.clear();
    }
    let mut done = (op.exec)(hart, bus, op);
    if accrues {
        let raised = hart.csr.fflags;
        hart.csr.fflags |= accrued;
        if raised != 0 {
            hart.csr_writes.push(CsrWrite { num: FFLAGS, value: hart.csr.fflags.into() });
        }
    }
    if done == Err(Stop::Alone) {
        done = step_alone(hart, bus, op, around.others);
    }
    if matches!(done, Ok(()) | Err(Stop::Exit | Stop::Taken)) {
        if T::DETAILED {
            hart.cycle = timing.retired(hart, bus, op);
            if done == Err(Stop::Exit)
                && hart.mmu.has_touched_device()
                && let Some(at) = timing.lines_arrive()
            {
                bus.lines.arrive(at);
            }
        }
        if O::ON {
            observer.charged(hart, timing.ledger(hart.config.id));
            observer.retired(hart, bus, op, pc, privilege);
            hart.csr_writes.clear();
        }
    }
    done
}

/// The instruction that was to issue on `hart` does nothing yet, or not at all.
#[cold]
#[inline(never)]
fn holds(hart: &mut Hart, held: Held, interrupted: &mut Option<u64>) -> Stop {
    match held {
        Held::Behind(cycle) => {
            hart.cycle = cycle;
            Stop::Alone
        }
        Held::Interrupted { decided, cycle } => {
            hart.cycle = cycle;
            *interrupted = Some(decided);
            Stop::Interrupted
        }
    }
}

/// An instruction that is about to reach a device does so only as the first of its block, and in its turn.
#[cold]
#[inline(never)]
fn step_alone(hart: &mut Hart, bus: &mut Bus, op: &Op, sync_cycle: u64) -> Done {
    if op.index != 0 || hart.cycle > sync_cycle {
        return Err(Stop::Alone);
    }
    hart.physical.clear();
    hart.mmu.alone = true;
    let done = (op.exec)(hart, bus, op);
    hart.mmu.alone = false;
    done.and(Err(Stop::Exit))
}

/// Takes the exception that was raised at `epc`.
fn trap<T: TimingModel, O: Observer>(
    hart: &mut Hart,
    bus: &mut Bus,
    timing: &mut T,
    observer: &mut O,
    epc: u64,
) -> Option<SliceEnd> {
    if hart.raised.cause == Cause::CallS && hart.config.firmware_calls {
        hart.pc = epc;
        return Some(SliceEnd::FirmwareCall);
    }
    let taken = hart.take_exception(epc);
    hart.cycle = timing.trapped(hart, bus, &taken);
    if O::ON {
        observer.charged(hart, timing.ledger(hart.config.id));
        observer.trapped(hart, bus, &taken);
        hart.csr_writes.clear();
    }
    hart.futile.said_now().then_some(SliceEnd::Stuck)
}
