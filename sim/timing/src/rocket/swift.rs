//! The common case, timed swiftly: plain instructions that hit, predicted rightly or not, one after the other. The same
//! steps on the same state as in [`super::pipeline`], [`super::fetch`] and [`super::calm`], without what cannot happen
//! then, on a state that is packed. An instruction, or a cycle, of another kind is left to them before anything of it is
//! done: the state is put where they expect it.

mod exchange;
mod flow;
mod lines;

use relsim_core::hart::Priv;
use relsim_core::insn::{Op, OpClass};
use relsim_core::timing::{BlockRun, CycleCause as Cause, Fact};

use super::btb::{BHT_ENTRIES, Btb, BtbUpdate, Cfi, Packed};
use super::fetch::{NO_DATA, QUEUE, RING};
use super::hart::{HartModel, WRITE_BACK};
use super::memo::Origin;
use super::memory::{size_log2, span};
use super::pipeline::jump_kind;
use super::scan::{self, LeftOver, Scans, is_memory, plain_partial};
use super::scoreboard::{is_fp, produces_x};
use super::tlb::translates;
use super::uncore::Env;
use crate::parts::tags::NO_LINE;
use exchange::is_left_alone;
use flow::*;
use lines::Lines;

/// Nothing has left decode: no instruction is at an odd address.
const NOTHING: u64 = 1;
/// No cycle.
const NEVER: u64 = u64::MAX;

/// A fetch group in the queue.
#[derive(Clone, Copy, Default)]
struct Slot {
    pc: u64,
    data: u32,
    made: Packed,
    /// How many halves there are for decode.
    halves: u32,
}

impl Slot {
    #[inline(always)]
    fn new(pc: u64, data: u32, made: Packed) -> Self {
        Self { pc, data, made, halves: made.halves().saturating_sub((pc >> 1 & 1) as u32) }
    }

    /// One without a transfer, predicted or not.
    #[inline(always)]
    fn plain(pc: u64, data: u32, made: Packed) -> Self {
        Self { pc, data, made, halves: 2 - (pc >> 1 & 1) as u32 }
    }
}

/// An instruction that has issued, for the time until it resolves.
#[derive(Clone, Copy, Default)]
struct Issued {
    pc: u64,
    made: Packed,
    how: How,
}

/// What an instruction is to the predictor: a [`Cfi`] counted from 1, or 0; whether it is taken, and compressed.
#[derive(Clone, Copy, Default)]
struct How(u32);

impl How {
    const TAKEN: u32 = 1 << 8;
    const RVC: u32 = 1 << 9;

    #[inline(always)]
    fn new(kind: Option<Cfi>, taken: bool, rvc: bool) -> Self {
        let kind = kind.map_or(0, |kind| kind as u32 + 1);
        Self(kind | u32::from(taken) << 8 | u32::from(rvc) << 9)
    }

    fn kind(self) -> Option<Cfi> {
        match self.0 & 0xff {
            0 => None,
            1 => Some(Cfi::Branch),
            2 => Some(Cfi::Jump),
            3 => Some(Cfi::Call),
            _ => Some(Cfi::Return),
        }
    }

    fn taken(self) -> bool {
        self.0 & Self::TAKEN != 0
    }

    fn rvc(self) -> bool {
        self.0 & Self::RVC != 0
    }
}

/// A branch that has issued, for the time until the table learns its direction.
#[derive(Clone, Copy, Default)]
struct Branch {
    at: u64,
    pc: u64,
    made: Packed,
    taken: bool,
}

/// What changes in each cycle: [`super::fetch::FetchState`] and what is beside it.
#[derive(Clone, Copy)]
struct Stages {
    now: u64,
    /// The latest issue, and the one before.
    last: u64,
    before: u64,
    /// The address of what left decode in the cycle before, or [`NOTHING`].
    executing: u64,
    s1_pc: u64,
    s2_pc: u64,
    s2_pa: u64,
    /// A line that is in the cache, by its virtual number, and what its addresses lack to physical ones.
    line: u64,
    delta: u64,
    /// Its groups that are plain, a bit each ([`Lines`]).
    plains: u32,
    output: u64,
    buffer_pc: u64,
    /// When the table learns the next direction.
    learns: u64,
    s2_made: Packed,
    /// What is in the second stage is plain, and nothing was predicted for it.
    s2_plain: u32,
    buffer_made: Packed,
    made: Packed,
    partial: LeftOver,
    buffer: u32,
    buffered: u32,
    head: u32,
    flow: Flow,
    accesses: u32,
    /// Which of the two that issued last is the last.
    newest: u32,
    wrong_path: bool,
    refetch: Cause,
}

/// A hart's pipeline while it is timed swiftly.
pub struct Swift {
    /// It is here, and not in the hart.
    inside: bool,
    stages: Stages,
    queue: [Slot; RING],
    issued: [Issued; 2],
    branches: [Branch; 2],
    scans: Scans,
    lines: Lines,
}

impl Default for Swift {
    fn default() -> Self {
        Self {
            inside: false,
            stages: Stages {
                now: 0,
                last: 0,
                before: 0,
                executing: NOTHING,
                s1_pc: 0,
                s2_pc: 0,
                s2_pa: 0,
                line: NO_LINE,
                delta: 0,
                plains: 0,
                output: NO_DATA,
                buffer_pc: 0,
                learns: NEVER,
                s2_made: Packed::default(),
                s2_plain: 0,
                buffer_made: Packed::default(),
                made: Packed::default(),
                partial: 0,
                buffer: 0,
                buffered: 0,
                head: 0,
                flow: 0,
                accesses: 0,
                newest: 0,
                wrong_path: false,
                refetch: Cause::Fetch,
            },
            queue: [Slot::default(); RING],
            issued: [Issued::default(); 2],
            branches: [Branch::default(); 2],
            scans: Scans::default(),
            lines: Lines::default(),
        }
    }
}

/// How far [`Swift::run`] came with an instruction that is not for it.
enum Left {
    /// It has not issued.
    Before,
    /// It has.
    After,
}

impl Swift {
    /// Times the plain instructions at the beginning of a block.
    #[inline]
    pub fn block(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: &BlockRun<'_>) {
        let expected = hart.next == env.hart.pc && env.hart.cycle == hart.takes_effect();
        if !expected || self.inside && !is_left_alone(hart, env, self.stages.now) {
            self.leave(hart);
        }
        let mut n = 0;
        while n < run.ops.len() {
            if (self.inside || self.enter(hart, env)) && self.run(hart, env, run, &mut n) {
                break;
            }
            hart.time_op(env, run, n);
            n += 1;
        }
    }

    /// Gives the state back to `hart`, if it is here.
    #[inline]
    pub fn leave(&mut self, hart: &mut HartModel) {
        if self.inside {
            self.give_back(hart);
        }
    }

    /// Times `run` from instruction `from` on: whether it came to the end. If not, the instruction that it came to is the
    /// hart's.
    #[inline(always)]
    fn run(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: &BlockRun<'_>, from: &mut usize) -> bool {
        let Self { queue, issued, branches, stages, scans, lines, .. } = self;
        if lines.code_epoch != env.bus.ram.code_log_end() {
            lines.forget(env.bus.ram.code_log_end());
            (stages.line, stages.s2_plain) = (NO_LINE, 0);
        }
        let r = stages;
        let translates = translates(env.hart);
        let privilege = hart.pipe.fetch.context.privilege;
        let base = env.hart.pc;
        let mut issues = 0;
        let mut left = None;
        let mut at_op = *from;
        for (n, op) in run.ops.iter().enumerate().skip(*from) {
            at_op = n;
            let pc = base.wrapping_add_signed(op.pc_offset.into());
            let (mut at, mut why) = (0, Cause::Result);
            if !hart.board.is_idle(r.now + 1) {
                (at, why) = hart.board.earliest(op);
            }
            if hart.memory.fence && op.class.is_memory() {
                left = Some((Left::Before, pc));
                break;
            }
            // The cycles up to this one are accounted for.
            let mut accounted = r.now;
            let came = loop {
                let now = r.now + 1;
                let flow = FLOWS[r.flow as usize % FLOWS.len()];
                if r.s1_pc >> 6 != r.line {
                    let uses = r.flow & S1_VALID != 0 && flow & REPLAYS == 0;
                    let Some(line) = turn_line(hart, env, lines, r.s1_pc, uses) else { break false };
                    (r.delta, r.line, r.plains) = line;
                }
                let s1_pa = r.s1_pc.wrapping_add(r.delta);
                let s1_plain = r.plains >> (r.s1_pc >> 2 & 15) & 1;
                // The first stage looks up, and what is in the second one leaves for the queue.
                let mut next = (r.s1_pc & !3).wrapping_add(4);
                let mut after = flow;
                let mut made;
                let btb = &mut hart.pipe.fetch.btb;
                if flow & FIRES != 0 {
                    let Some(word) = env.bus.ram.get::<u32>(r.s2_pa & !3) else { break false };
                    let tail = &mut queue[(r.head + (r.flow >> QUEUED)) as usize % RING];
                    if r.s2_plain == 0 {
                        let group = Leaves {
                            pc: r.s2_pc,
                            word,
                            made: r.s2_made,
                            partial: r.partial,
                            wrong_path: r.wrong_path,
                            crowded: r.flow >> QUEUED >= 2,
                            s1_pc: r.s1_pc,
                        };
                        let told = group.leave(btb, scans);
                        *tail = Slot::new(r.s2_pc, word, told.group);
                        made = told.made;
                        (r.partial, r.wrong_path) = (told.partial, told.wrong_path);
                        next = told.next;
                        after &= told.keeps;
                    } else {
                        *tail = Slot::plain(r.s2_pc, word, r.s2_made);
                        r.partial = plain_partial(r.s2_pc, word, r.partial);
                        made = btb.look_up_plain(r.s1_pc, s1_plain);
                        if made.is_odd() {
                            (made, next) = btb.look_up_odd(r.s1_pc, next);
                        }
                    }
                } else {
                    if r.flow & S2_VALID != 0
                        && r.s2_made.hit()
                        && r.output != NO_DATA
                        && misfits(env, r.output, r.s2_pc, r.partial, r.s2_made)
                    {
                        break false;
                    }
                    made = btb.look_up_plain(r.s1_pc, s1_plain);
                    if made.is_odd() {
                        (made, next) = btb.look_up_odd(r.s1_pc, next);
                    }
                }
                r.output = if r.flow & S1_VALID != 0 { s1_pa & !3 } else { r.output };
                if flow & REPLAYS == 0 {
                    r.s2_pc = r.s1_pc;
                    r.s2_pa = s1_pa;
                    r.s2_made = made;
                    r.s2_plain = s1_plain & u32::from(!made.hit());
                    r.s1_pc = next & !1;
                } else {
                    r.s1_pc = r.s2_pc;
                }
                r.now = now;
                r.accesses <<= 1;
                // What decode sees.
                let head = &queue[r.head as usize % RING];
                let first = (head.pc >> 1) as u32 & 1;
                let halves = if flow & HEAD != 0 { head.halves } else { 0 };
                let (low, offered) = if r.buffered != 0 {
                    (r.buffer, r.buffer_pc)
                } else {
                    (head.data >> (16 * first), head.pc)
                };
                let wide = u32::from(low & 3 == 3);
                let takes = DECODES[(r.buffered << 3 | wide << 2 | halves) as usize % DECODES.len()];
                if now == r.last + 2
                    && !(r.executing == NOTHING && (takes & WHOLE != 0 || flow & HEAD != 0) && offered == pc)
                {
                    // What was fetched behind the instruction that issued last was wrong.
                    let wrong = &issued[r.newest as usize & 1];
                    if wrong.how.kind().is_none() || wrong.how.taken() {
                        btb.update(correction(wrong));
                    }
                    if now == r.learns {
                        r.learns = learn(btb, branches, now, true);
                    } else {
                        btb.reset_history(&wrong.made.prediction());
                    }
                    let refetch = if wrong.how.kind().is_some() { Cause::Branch } else { r.refetch };
                    account(hart, privilege, accounted, now - 1, (at, why), r.refetch);
                    (accounted, r.refetch) = (now - 1, refetch);
                    r.buffered = 0;
                    r.flow = S1_VALID | after & S1_VALID_BEFORE;
                    r.s1_pc = pc & !1;
                    (r.partial, r.wrong_path) = (0, false);
                    r.executing = NOTHING;
                    continue;
                }
                if now == r.learns {
                    r.learns = learn(btb, branches, now, false);
                }
                r.executing = NOTHING;
                if now < at {
                    r.flow = after & 0xff;
                    // Nothing changes until decode goes on.
                    const STILL: Flow = REPLAY_BEFORE | (QUEUE as u32) << QUEUED;
                    if r.flow & !S1_VALID_BEFORE == STILL
                        && now + 1 < at
                        && r.s1_pc == r.s2_pc
                        && r.learns == NEVER
                        && now >= r.last + 2
                        && btb.settled()
                    {
                        let cycles = at - 1 - now;
                        r.now += cycles;
                        r.accesses = r.accesses.checked_shl(cycles.min(31) as u32).unwrap_or(0);
                    }
                    continue;
                }
                let pops = takes >> 1 & 1;
                r.flow = after >> (8 * pops) & 0xff;
                r.head = r.head.wrapping_add(pops);
                if takes & (WHOLE | POPS) == 0 {
                    continue;
                }
                let (was_buffered, buffer_made) = (r.buffered, r.buffer_made);
                let half = first + (takes >> SECOND & 1);
                r.buffered = takes >> KEEPS & 1;
                r.buffer = head.data >> (16 * (half & 1)) & 0xffff;
                r.buffer_pc = (head.pc & !3).wrapping_add(2 * u64::from(half));
                r.buffer_made = head.made;
                if takes & WHOLE == 0 {
                    continue;
                }
                r.executing = offered;
                if offered == pc {
                    r.made = if takes & BUFFERS != 0 { buffer_made } else { head.made };
                    break true;
                }
                r.accesses |= u32::from(is_memory(low as u16));
                if matches!(low & 0x7f, 0x0f | 0x2f) && hart.memory.idle() > now {
                    // It may be a fence, for which memory has something to do.
                    let high = head.data >> (16 * (1 - was_buffered.min(1)));
                    if low & 0x707f == 0x000f || low & 0x7f == 0x2f && high >> 10 & 1 == 1 {
                        hart.pipe.wrong_fence = true;
                        break false;
                    }
                }
            };
            let issue = r.now;
            let waited = if came { issue - 1 } else { issue };
            if waited > accounted {
                account(hart, privilege, accounted, waited, (at, why), r.refetch);
            }
            if !came {
                left = Some((Left::Before, pc));
                break;
            }
            issues += 1;
            r.accesses |= u32::from(op.class.is_memory());
            r.refetch = Cause::Fetch;
            let next = run.after(n, base);
            let Some(how) = execute(hart, env, op, (pc, next), issue, run.fact(op), translates) else {
                left = Some((Left::After, pc));
                break;
            };
            if how.kind() == Some(Cfi::Branch) {
                let at = issue + 2;
                let pc = pc.wrapping_add(if how.rvc() { 0 } else { 2 });
                branches[usize::from(r.learns != NEVER)] =
                    Branch { at, pc, made: r.made, taken: how.taken() };
                r.learns = r.learns.min(at);
            }
            (r.before, r.last) = (r.last, issue);
            r.newest ^= 1;
            issued[r.newest as usize & 1] = Issued { pc, made: r.made, how };
        }
        hart.pipe.ledger.charge(privilege, Cause::Issue, issues);
        match left {
            None => {
                hart.issue = r.last;
                hart.next = run.next;
                true
            }
            Some((left, pc)) => {
                *from = at_op;
                hart.next = pc;
                self.give_back(hart);
                if let Left::After = left {
                    let issue = self.stages.now;
                    hart.issue = issue;
                    hart.pipe.last_issue = issue;
                    hart.issues_again(env, &run.ops[at_op], pc);
                }
                false
            }
        }
    }
}

/// What comes of `op`, which issued in cycle `issue`, is at the first of `pcs` and goes to the second: what it is to the
/// predictor. `None`, and nothing has changed, if it is not for [`Swift`].
#[inline(always)]
fn execute(
    hart: &mut HartModel,
    env: &mut Env<'_>,
    op: &Op,
    (pc, next): (u64, u64),
    issue: u64,
    fact: Option<Fact>,
    translates: bool,
) -> Option<How> {
    let rvc = op.len == 2;
    let known = fact.unwrap_or_default();
    match op.class {
        OpClass::Alu => hart.board.computes(op, issue),
        OpClass::Load | OpClass::Store | OpClass::FpLoad | OpClass::FpStore => {
            if !access(hart, env, op, issue, known, translates) {
                return None;
            }
        }
        OpClass::Branch => {
            // Whether it is taken to the next instruction, the address does not tell.
            if op.imm == i32::from(op.len) {
                return None;
            }
            hart.board.write_back(issue, false);
            let taken = next != pc.wrapping_add(u64::from(op.len));
            return Some(How::new(Some(Cfi::Branch), taken, rvc));
        }
        OpClass::Jump => {
            hart.board.computes(op, issue);
            return Some(How::new(Some(jump_kind(op)), true, rvc));
        }
        OpClass::JumpIndirect => {
            hart.board.write_back(issue, true);
            hart.board.produce(op, issue, (0, 0), (0, 0), env.params);
            return Some(How::new(Some(jump_kind(op)), true, rvc));
        }
        class => {
            if class.is_float() && hart.board.refuses(op, issue, env.params).is_some() {
                return None;
            }
            let operands = (known.a, known.b);
            hart.board.write_back(issue, produces_x(class));
            hart.board.produce(op, issue, operands, operands, env.params);
        }
    }
    Some(How::new(None, false, rvc))
}

/// Charges the cycles behind `from` up to `to`, in which nothing issued.
#[inline]
fn account(hart: &mut HartModel, privilege: Priv, from: u64, to: u64, held: (u64, Cause), refetch: Cause) {
    let passed = to - from;
    let (at, why) = held;
    let waits = at.saturating_sub(from + 1).min(passed);
    hart.pipe.ledger.charge(privilege, why, waits);
    hart.pipe.ledger.charge(privilege, refetch, passed - waits);
}

/// What the BTB is told by an instruction that resolves against its prediction.
fn correction(wrong: &Issued) -> BtbUpdate {
    let br_pc = wrong.pc.wrapping_add(if wrong.how.rvc() { 0 } else { 2 });
    let kind = wrong.how.kind();
    BtbUpdate {
        entry: wrong.made.entry(),
        origin: Origin::default(),
        valid: kind.is_some(),
        pc: br_pc & !3,
        br_pc,
        cfi: kind.unwrap_or_default(),
    }
}

/// The table learns the direction of the first of `branches`, in cycle `now`: gives when it learns the next.
#[inline]
fn learn(btb: &mut Btb, branches: &mut [Branch; 2], now: u64, wrong: bool) -> u64 {
    let branch = branches[0];
    let learns = now > BHT_ENTRIES as u64;
    btb.resolve_branch(branch.pc & !3, &branch.made.prediction(), branch.taken, wrong, learns);
    branches[0] = branches[1];
    branches[1].at = NEVER;
    branches[0].at
}

/// Fetch comes to another line, that of `pc`: what its addresses lack to physical ones, its virtual number, or
/// [`NO_LINE`] if the page has to be looked up once more, and its plain groups. `None` if the cache has not got it, or the
/// page is not known.
#[inline(never)]
fn turn_line(
    hart: &mut HartModel,
    env: &Env<'_>,
    lines: &mut Lines,
    pc: u64,
    uses: bool,
) -> Option<(u64, u64, u32)> {
    let fetch = &mut hart.pipe.fetch;
    let page = pc >> 12;
    let (base, sticks) = match fetch.tlb.recent {
        Some((recent, base)) if recent == page => (base, true),
        _ => {
            let base = fetch.tlb.would_find(fetch.context, pc)? & !0xfff;
            if !fetch.icache.holds((base | pc & 0xfff) >> 6) {
                return None;
            }
            fetch.tlb.finds(fetch.context, pc, base | pc & 0xfff, uses);
            (base, fetch.tlb.recent.is_some_and(|(recent, _)| recent == page))
        }
    };
    let pa = base | pc & 0xfff;
    let there = fetch.icache.holds(pa >> 6);
    there.then(|| {
        (pa.wrapping_sub(pc), if sticks { pc >> 6 } else { NO_LINE }, lines.plains(&env.bus.ram, pa))
    })
}

/// See [`super::fetch::Fetch::misfits`].
#[inline(never)]
fn misfits(env: &Env<'_>, output: u64, pc: u64, partial: LeftOver, made: Packed) -> bool {
    env.bus.ram.get::<u32>(output).is_some_and(|word| scan::begins(pc, word, partial, made.bridx()))
}

/// A group with control transfers that leaves the second stage, in a cycle in which the first one looks `s1_pc` up.
#[derive(Clone, Copy)]
struct Leaves {
    pc: u64,
    word: u32,
    made: Packed,
    partial: LeftOver,
    wrong_path: bool,
    /// There are too many groups in the queue for a change of the BTB.
    crowded: bool,
    s1_pc: u64,
}

/// What comes of [`Leaves`].
#[derive(Clone, Copy)]
struct Told {
    /// The prediction that goes with the group.
    group: Packed,
    /// What the first stage finds.
    made: Packed,
    /// Where fetch goes.
    next: u64,
    /// What stays of the flow: the second stage is empty if fetch does not go where the first one is.
    keeps: u32,
    partial: LeftOver,
    wrong_path: bool,
}

impl Leaves {
    #[inline(always)]
    fn leave(self, btb: &mut Btb, scans: &mut Scans) -> Told {
        let scan = scans.scan(self.pc, self.word, self.partial, self.made, btb.ras_head());
        let (made, to) = btb.look_up(self.s1_pc);
        let mut next = if made.taken() { to } else { (self.s1_pc & !3).wrapping_add(4) };
        let bends = !self.made.taken() && scan.taken;
        next = scan.npc.unwrap_or(next);
        let (wrong_path, update) =
            scan.tell(btb, self.pc, &self.made.prediction(), self.wrong_path, self.crowded);
        if let Some(update) = update {
            btb.update(update);
        }
        let group = if bends { self.made.bends(scan.taken_idx) } else { self.made };
        let keeps = if bends { !(S2_VALID | S2_VALID << 8) } else { u32::MAX };
        Told { group, made, next, keeps, partial: scan.partial, wrong_path }
    }
}

/// The access of `op`, which issued in cycle `issue`, if it hits and nothing is in its way.
#[inline(always)]
fn access(
    hart: &mut HartModel,
    env: &mut Env<'_>,
    op: &Op,
    issue: u64,
    fact: Fact,
    translates: bool,
) -> bool {
    let write = matches!(op.class, OpClass::Store | OpClass::FpStore);
    let size = size_log2(op);
    let memory = &mut hart.memory;
    let refused = memory.dirtied != 0 && (issue == memory.dirtied + 1 || issue == memory.dirtied + 2);
    if refused
        || memory.reserved != 0
        || is_fp(op.class) && hart.board.refuses(op, issue, env.params).is_some()
        || !env.dcache().settled(fact.b, write)
        || translates && !memory.tlb.holds(fact.a)
    {
        return false;
    }
    let (word, mask) = span(fact.a, size);
    if write {
        memory.stores(word, mask, issue + WRITE_BACK);
        hart.board.write_back(issue, false);
    } else {
        if memory.has_stores() {
            // Whoever replays it asks once more, as if nobody had: what drains depends on what is there.
            let stores = memory.stores;
            if memory.conflict(issue, word, mask).found {
                memory.stores = stores;
                return false;
            }
        }
        memory.reads(issue);
        let float = op.class == OpClass::FpLoad;
        let late = if float {
            env.params.fp_load
        } else if size < 2 {
            env.params.redirect_load_slow
        } else {
            env.params.redirect_load_int
        };
        hart.board.loaded(op, issue + late, Cause::LoadUse);
        hart.board.write_back(issue, !float);
    }
    if env.uncore.hub.is_some() {
        env.dcache().side.last = issue + 1;
    }
    let memory = &mut hart.memory;
    if translates {
        memory.tlb.touch(fact.a);
    }
    memory.idle = memory.idle.max(issue + WRITE_BACK + 1);
    true
}
