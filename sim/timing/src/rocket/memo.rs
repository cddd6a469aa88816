//! Blocks that were timed before in the same circumstances are not timed again.
//!
//! The pipeline's state after a block, taken relative to the cycle and to the place in the branch history, is a
//! node; a block timed from there to the next node is a path. A path has what it cost, what it asked of the
//! predictor, the caches and the TLBs with the answers, and what it told them. Following a path asks and tells
//! the same again; only when every answer is the same, the costs are too, by construction. Paths of the same block
//! from the same node are a tree, which they share as far as their answers are the same ([`tree`]). Where an answer is
//! new, everything is undone, and the block is timed instruction by instruction. (After Schnarr and Larus, "Fast
//! out-of-order processor simulation using memoization", ASPLOS 1998.)

mod early;
mod history;
mod origin;
mod record;
mod short;
mod steps;
mod tree;

use relsim_core::bus::Bus;
use relsim_core::insn::{FactKind, Op, OpClass};
use relsim_core::timing::{BlockRun, NO_FACTS};
use relsim_core::trap::TrapTaken;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::hart::HartModel;
use super::muldiv::Lengths;
use super::params::Params;
use super::snapshot::{Snapshot, predictions};
use super::swift::Swift;
use super::uncore::{Beside, Env};
use crate::parts::tags::{NO_LINE, line_of};
use early::EarlyOuts;
use origin::{Named, PLACES};
pub(super) use origin::{Origin, UNFOUND};
pub(super) use record::{Act, Answer, BEFORE, Outcome, Recorder};
use short::{Miss, NO_SHORT};
use steps::{Compiler, End, Step};
use tree::Tree;

/// Nodes at a time; beyond that all are forgotten.
const MAX_NODES: usize = 1 << 14;
/// What learning a path is charged, in blocks that are timed swiftly: more than the seven that it takes, since the earlier paths
/// are learnt, the more of them are never followed.
const LEARNING: u64 = 128;
/// What may be spent on learning for a path that was followed.
const FOLLOWED: u64 = 4;
/// Saved up before somebody begins to learn: a single path leads nowhere.
const TO_BEGIN: u64 = 8 * LEARNING;
/// No more is ever saved up.
const MAX_CREDIT: u64 = 1 << 18;
/// The longest pause, in blocks.
const MAX_PAUSE: u32 = 64;
/// "Not at a node".
const NOWHERE: u32 = u32::MAX;

/// What paths are for that are no blocks', whose numbers are smaller: an instruction issues, or retires, or raises
/// an exception.
const ISSUES: u64 = 1 << 62;
const RETIRES: u64 = 1 << 63;
const TRAPS: u64 = ISSUES | RETIRES;

/// One step of `op`, with no facts: paths ask for none of an instruction that is timed by itself.
fn single(op: &Op, step: u64, next: u64) -> BlockRun<'_> {
    let serial = step | u64::from(op.raw);
    BlockRun { serial, ops: std::slice::from_ref(op), whole: true, next, facts: &NO_FACTS }
}

/// Whether no more than its place in the program and the state of the pipeline decides how long `op` takes.
const fn is_simple(op: &Op) -> bool {
    matches!(op.class, OpClass::Csr | OpClass::Call | OpClass::TrapReturn | OpClass::Fence | OpClass::Illegal)
}

/// What follows a node: a block, where it begins, and the root of its tree.
#[derive(Clone, Copy)]
struct Next {
    serial: u64,
    /// With 1 in the lowest bit if a change of the BTB is under way: it takes effect with the first lookup.
    pc: u64,
    /// Its instructions that take as long as their operands say, and how long they take: which of [`Nexts::earlies`].
    early: u32,
    root: u32,
    /// The short cut that is tried first.
    short: u32,
    /// What else follows, among [`Nexts::others`].
    sibling: u32,
    /// For which entries and lines there was a short cut last ([`super::fetch::Fetch::generation`]), as far as 32 bits tell.
    held: u32,
    /// Whether the tree led to an end without a short cut the last time that it was asked.
    walked: bool,
    /// Which end its tree led to last.
    end: u32,
}

impl Next {
    /// Whether it is block `run` at `pc`, if its instructions that are in `earlies` take as long as `now` says.
    #[inline(always)]
    fn is(
        &self,
        run: &BlockRun<'_>,
        pc: u64,
        earlies: &[(EarlyOuts, [u64; 2])],
        now: impl FnOnce(&EarlyOuts) -> [u64; 2],
    ) -> bool {
        self.serial == run.serial
            && self.pc == pc
            && (self.early == NO_EARLY || {
                let (early, known) = &earlies[self.early as usize];
                now(early) == *known
            })
    }
}

/// No block: none has this number.
const NOTHING: Next = Next {
    serial: u64::MAX,
    pc: 0,
    early: NO_EARLY,
    root: 0,
    short: NO_SHORT,
    sibling: NO_NEXT,
    held: 0,
    walked: false,
    end: NO_SHORT,
};

/// Nothing follows, as far as is known.
const NO_NEXT: u32 = u32::MAX;

/// No instructions that take as long as their operands say.
const NO_EARLY: u32 = u32::MAX;

/// What follows the nodes.
#[derive(Default)]
struct Nexts {
    /// The latest, by node: it is what is expected.
    latest: Vec<Next>,
    others: Vec<Next>,
    earlies: Vec<(EarlyOuts, [u64; 2])>,
}

impl Nexts {
    /// The first short cut of what followed `node` last, if that is `run` at `pc`. If not, how long the instructions of `run`
    /// take that take as long as their operands say, as far as that was worked out.
    #[inline(always)]
    fn is(
        &self,
        node: u32,
        run: &BlockRun<'_>,
        pc: u64,
        lengths: &Lengths,
        params: &Params,
    ) -> Result<u32, Option<[u64; 2]>> {
        let next = self.latest.get(node as usize).ok_or(None)?;
        if next.serial != run.serial || next.pc != pc {
            return Err(None);
        }
        if next.early == NO_EARLY {
            return Ok(next.short);
        }
        let (early, known) = &self.earlies[next.early as usize];
        let now = early.lengths(run, lengths, params);
        if now == *known { Ok(next.short) } else { Err(Some(now)) }
    }

    /// Block `run` at `pc` after `node`, which becomes its latest. Its instructions that take as long as their operands say take
    /// as long as `now` says, if that is known.
    #[inline(never)]
    fn find(
        &mut self,
        node: u32,
        run: &BlockRun<'_>,
        pc: u64,
        lengths: &Lengths,
        params: &Params,
        mut now: Option<[u64; 2]>,
    ) -> Option<&mut Next> {
        let earlies = &self.earlies;
        // They are the block's: it is the same for all that are about it.
        let mut now = |early: &EarlyOuts| *now.get_or_insert_with(|| early.lengths(run, lengths, params));
        let latest = self.latest.get_mut(node as usize)?;
        if latest.is(run, pc, earlies, &mut now) {
            return Some(latest);
        }
        let mut at = latest.sibling;
        loop {
            let other = self.others.get_mut(at as usize)?;
            if other.is(run, pc, earlies, &mut now) {
                // They change places, and what comes behind these stays there.
                std::mem::swap(latest, other);
                std::mem::swap(&mut latest.sibling, &mut other.sibling);
                return Some(latest);
            }
            at = other.sibling;
        }
    }

    /// Another node, which nothing follows yet.
    fn add_node(&mut self) {
        self.latest.push(NOTHING);
    }

    /// Adds what follows `node`.
    fn add(&mut self, node: u32, next: Next) {
        let latest = &mut self.latest[node as usize];
        let before = std::mem::replace(latest, next);
        if before.serial != NOTHING.serial {
            latest.sibling = self.others.len() as u32;
            self.others.push(before);
        }
    }
}

/// A node, as it is come back to.
struct State {
    snapshot: Box<Snapshot>,
    /// The direction that the latest lookup gave is part of it.
    given: bool,
    /// The half in which a branch ends for which nothing is predicted, in fetch's second stage: there may be an entry for it.
    quiet: Option<u8>,
}

/// What a hart's model remembers.
pub struct Memo {
    nexts: Nexts,
    states: Vec<State>,
    ids: FxHashMap<Box<[u64]>, u32>,
    tree: Tree,
    at: u32,
    /// The entries of the predictions that are on their way.
    named: Named,
    code_epoch: u64,
    /// How long multiplications take.
    lengths: Lengths,
    /// The description of a node, and the steps of a path, while they are made.
    key: Vec<u64>,
    steps: Vec<Step>,
    remember: bool,
    /// Times what is not remembered, unless somebody has to listen.
    swift: Swift,
    /// What learning may cost ([`LEARNING`]): a share of the time that is spent without, and more where it pays.
    credit: u64,
    /// Blocks to go until somebody looks whether the state is a node, and how many these were the last time.
    pause: (u32, u32),
}

impl Memo {
    /// Nothing yet. Without `remember` it stays like that.
    pub fn new(params: &Params, remember: bool) -> Self {
        Self {
            nexts: Nexts::default(),
            states: Vec::new(),
            ids: FxHashMap::default(),
            tree: Tree::default(),
            at: NOWHERE,
            named: Named::default(),
            code_epoch: 0,
            lengths: Lengths::new(params),
            key: Vec::new(),
            steps: Vec::new(),
            remember,
            swift: Swift::default(),
            credit: 0,
            pause: (0, 0),
        }
    }

    /// Brings `hart` up to date.
    #[inline(always)]
    pub fn leave(&mut self, hart: &mut HartModel) {
        if self.at != NOWHERE {
            let state = &self.states[self.at as usize];
            state.snapshot.restore(hart);
            for (made, &mut entry) in predictions(hart).zip(self.named.places()) {
                made.entry = entry;
            }
            if let Some(half) = state.quiet {
                let made = &mut hart.pipe.fetch.state.s2_made;
                made.hit = made.entry != UNFOUND;
                made.bridx = if made.hit { half } else { 0 };
            }
            predictions(hart).for_each(|made| made.entry &= !UNFOUND);
            self.at = NOWHERE;
        }
        self.swift.leave(hart);
    }

    /// Times the plain instructions at the beginning of a block, as far as others have got.
    #[inline(always)]
    pub fn block(&mut self, hart: &mut HartModel, mut beside: Beside<'_>, others: u64, run: &BlockRun<'_>) {
        let pc = beside.hart.pc;
        let expected =
            run.whole && hart.next == pc && hart.issued.is_none() && beside.hart.cycle == hart.takes_effect();
        let mut missed = None;
        if expected && self.is_at_node(beside.bus) {
            match self.shortens(hart, &mut beside, run, pc) {
                Ok(()) => {
                    hart.next = run.next;
                    self.earns(FOLLOWED);
                    return;
                }
                Err(why) => missed = why,
            }
        }
        self.block_at_length(hart, &mut beside.env(others), run, expected, missed);
    }

    /// The same where no short cut is known; what is known is what `missed` it.
    #[inline(never)]
    fn block_at_length(
        &mut self,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        expected: bool,
        missed: Option<Miss>,
    ) {
        let pc = env.hart.pc;
        let mut goes_on = missed.is_some_and(|missed| self.goes_at_length(hart, env, run, missed));
        if expected && self.at == NOWHERE && self.remember {
            self.looks_around(hart, env);
            goes_on = self.goes_on(hart, env, run, pc);
        }
        if goes_on {
            hart.next = run.next;
            self.earns(FOLLOWED);
        } else if self.may_learn() {
            self.learn(hart, env, run, pc, expected, |hart, env| hart.time_block(env, run));
        } else {
            self.swiftly(hart, env, run);
        }
    }

    /// Times `run` without listening.
    #[inline(never)]
    fn swiftly(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: &BlockRun<'_>) {
        if self.at != NOWHERE {
            self.leave(hart);
        }
        self.earns(1);
        self.swift.block(hart, env, run);
    }

    #[inline(always)]
    fn earns(&mut self, credit: u64) {
        self.credit += credit;
    }

    /// Whether learning a path may cost what it costs; if so, it does.
    #[inline]
    fn may_learn(&mut self) -> bool {
        let needed = if self.at == NOWHERE { TO_BEGIN } else { LEARNING };
        self.credit = self.credit.min(MAX_CREDIT);
        if !self.remember || self.credit < needed {
            return false;
        }
        self.credit -= LEARNING;
        true
    }

    /// Now and again, sees whether the state is a node.
    #[inline]
    fn looks_around(&mut self, hart: &mut HartModel, env: &Env<'_>) {
        if self.pause.0 > 0 {
            self.pause.0 -= 1;
        } else if self.comes_back(hart, env) {
            self.pause = (0, 0);
        } else {
            let pause = (2 * self.pause.1 + 1).min(MAX_PAUSE);
            self.pause = (pause, pause);
        }
    }

    /// Comes to the node that the state is, if it is one; whether it is.
    #[inline(never)]
    fn comes_back(&mut self, hart: &mut HartModel, env: &Env<'_>) -> bool {
        if env.bus.ram.code_log_end() != self.code_epoch {
            return false;
        }
        self.swift.leave(hart);
        let given = hart.pipe.fetch.direction_matters(env.bus);
        self.key.clear();
        let quiet = hart.pipe.fetch.quiet_half(env.bus);
        if !Snapshot::describe(hart, given, quiet.is_some(), &mut self.key) {
            return false;
        }
        let Some(&node) = self.ids.get(&self.key[..]) else { return false };
        self.comes_to(hart, node);
        true
    }

    /// Is at `node` from now on.
    fn comes_to(&mut self, hart: &mut HartModel, node: u32) {
        for (made, place) in predictions(hart).zip(self.named.places()) {
            *place = if made.hit || made.entry != 0 { made.entry } else { UNFOUND };
        }
        self.is_at(node, hart.pipe.fetch.generation());
    }

    /// Is at `node`, after which is expected what came after it the last time: it is looked up while the next block
    /// executes, and is at hand when that is to be timed.
    #[inline(always)]
    fn is_at(&mut self, node: u32, generation: u64) {
        self.at = node;
        if let Some(next) = self.nexts.latest.get(node as usize) {
            if next.held == generation as u32 {
                self.tree.expect_short(next.short);
            }
            if next.walked {
                self.tree.expect(next.root);
                self.tree.expect_end(next.end);
            }
        }
    }

    /// Issues `op` at `pc`, which is not timed together with others: whether that was remembered, or is now.
    #[inline]
    pub fn issue(&mut self, hart: &mut HartModel, env: &mut Env<'_>, op: &Op, pc: u64) -> bool {
        if self.at == NOWHERE || !is_simple(op) || hart.issued.is_some() {
            return false;
        }
        let expected = hart.next == pc && env.hart.cycle == hart.takes_effect();
        let step = &single(op, ISSUES, pc);
        if expected && self.goes_on(hart, env, step, pc) {
            hart.issues_again(env, op, pc);
        } else if !self.may_learn() {
            return false;
        } else {
            self.learn(hart, env, step, pc, expected, |hart, env| {
                // A lone hart waits for nobody.
                let _ = hart.issue(env, op, pc);
            });
        }
        true
    }

    /// `op` at `pc` has retired, with control going to `next`: whether that was remembered, or is now.
    #[inline]
    pub fn retired(&mut self, hart: &mut HartModel, env: &mut Env<'_>, op: &Op, pc: u64, next: u64) -> bool {
        let simple = is_simple(op);
        if self.states.is_empty() || !(simple || op.class.is_atomic()) {
            return false;
        }
        let step = &single(op, RETIRES, next);
        let expected = simple && hart.issued == Some(pc) && hart.next == pc;
        if expected && self.goes_on(hart, env, step, pc) {
            hart.issued = None;
            hart.next = next;
        } else if !self.may_learn() {
            return false;
        } else {
            self.learn(hart, env, step, pc, expected, |hart, env| hart.retired(env, op, pc, next));
        }
        true
    }

    /// The instruction that has issued has raised an exception: whether that was remembered, or is now.
    #[inline]
    pub fn trapped(&mut self, hart: &mut HartModel, env: &mut Env<'_>, trap: &TrapTaken) -> bool {
        if self.at == NOWHERE || hart.issued.is_none() {
            return false;
        }
        let step = &BlockRun { serial: TRAPS, ops: &[], whole: true, next: env.hart.pc, facts: &NO_FACTS };
        let expected = hart.issued == Some(hart.next);
        if expected && self.goes_on(hart, env, step, trap.epc) {
            hart.issued = None;
            hart.next = env.hart.pc;
        } else if !self.may_learn() {
            return false;
        } else {
            self.learn(hart, env, step, trap.epc, expected, |hart, env| {
                hart.trapped(env, trap);
            });
        }
        true
    }

    /// Whether the state is a node, of which is known what follows.
    #[inline(always)]
    fn is_at_node(&self, bus: &Bus) -> bool {
        self.at != NOWHERE && bus.ram.code_log_end() == self.code_epoch
    }

    /// Follows the path for `run` at `pc`, if the answers are known.
    #[inline(never)]
    fn goes_on(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: &BlockRun<'_>, pc: u64) -> bool {
        self.is_at_node(env.bus)
            && match self.shortens(hart, &mut Beside::of(env), run, pc) {
                Ok(()) => true,
                Err(missed) => missed.is_some_and(|missed| self.goes_at_length(hart, env, run, missed)),
            }
    }

    /// Follows the path for `run` at `pc` by a short cut. If none leads along it, where they end; or nothing, if it is not known
    /// that `run` follows.
    #[inline(always)]
    fn shortens(
        &mut self,
        hart: &mut HartModel,
        beside: &mut Beside<'_>,
        run: &BlockRun<'_>,
        pc: u64,
    ) -> Result<(), Option<Miss>> {
        let pc = pc | u64::from(!hart.pipe.fetch.btb.settled());
        let short = match self.nexts.is(self.at, run, pc, &self.lengths, beside.params) {
            Ok(short) => short,
            Err(now) => {
                let next = self.nexts.find(self.at, run, pc, &self.lengths, beside.params, now);
                next.ok_or(None)?.short
            }
        };
        let to = self.tree.shortens(short, hart, beside, run, &mut self.named);
        self.is_at(to.map_err(Some)?, hart.pipe.fetch.generation());
        Ok(())
    }

    /// Follows the path for `run`, which came after the node last, step by step, if the answers are known.
    fn goes_at_length(
        &mut self,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        missed: Miss,
    ) -> bool {
        let next = &mut self.nexts.latest[self.at as usize];
        self.tree.expect_end(next.end);
        let Some((end, to)) = self.tree.follow(next.root, hart, env, run, &mut self.named) else {
            return false;
        };
        let generation = hart.pipe.fetch.generation();
        let shortens = self.tree.followed(end, generation, &hart.pipe.fetch.btb);
        if shortens {
            next.short = self.tree.leads(next.short, end, missed);
        }
        next.walked = !shortens;
        (next.held, next.end) = (generation as u32, end);
        self.is_at(to, generation);
        true
    }

    /// Times `run` at `pc` by `step`, and remembers it if it was `expected`.
    #[inline(never)]
    fn learn(
        &mut self,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        pc: u64,
        expected: bool,
        step: impl FnOnce(&mut HartModel, &mut Env<'_>),
    ) {
        let from = self.at;
        self.leave(hart);
        let kept = self.has_room(hart, env);
        let from = if kept && expected { from } else { NOWHERE };
        let pc = pc | u64::from(!hart.pipe.fetch.btb.settled());
        let begun = hart.pipe.now;
        let ledger = hart.pipe.ledger.clone();
        let (port, refills) = (env.uncore.port.free, env.dcache().refills);
        self.listen(hart, env, run, from);
        step(hart, env);
        let given = hart.pipe.fetch.direction_matters(env.bus);
        let fetch = &mut hart.pipe.fetch;
        if given {
            fetch.btb.recorder.directs(fetch.s2_act, fetch.state.s2_made.bht_taken);
        }
        fetch.record_prediction(env.bus, true);
        let quiet = fetch.quiet_half(env.bus);
        fetch.btb.recorder.on = false;
        let Some(to) = (if run.whole { self.arrive(hart, given, quiet) } else { None }) else { return };
        let (dcache, after) = env.data();
        let done = match dcache.refills != refills {
            true => (dcache.ready.saturating_sub(begun), after.free.saturating_sub(begun)),
            false => (0, 0),
        };
        // What comes over a port that is not free yet depends on when it is.
        let port_matters = done != (0, 0) && port > begun;
        if from != NOWHERE && !hart.pipe.fetch.btb.recorder.spoilt && !port_matters {
            let made: SmallVec<[(Origin, u8); PLACES]> =
                predictions(hart).map(|made| (made.origin, made.entry)).collect();
            let recorder = &hart.pipe.fetch.btb.recorder;
            let sources = made.into_iter().map(|(origin, entry)| recorder.origin(origin).source(entry));
            let charges = hart.pipe.ledger.since(&ledger);
            if let Some(end) = End::new(to, charges, sources, done)
                && end.cycles() == hart.pipe.now - begun
            {
                self.store(hart, env.params, (from, pc), run, end);
            }
        }
    }

    /// Makes room if there is none, or if what is known is about other code: whether nothing was forgotten for it.
    fn has_room(&mut self, hart: &mut HartModel, env: &Env<'_>) -> bool {
        let epoch = env.bus.ram.code_log_end();
        let room = self.states.len() < MAX_NODES && !self.tree.is_full();
        let kept = epoch == self.code_epoch && room && hart.pipe.fetch.btb.is_numbered();
        if !kept {
            self.nexts = Nexts::default();
            self.states.clear();
            self.ids.clear();
            self.tree = Tree::default();
            hart.pipe.fetch.btb.renumber();
            self.code_epoch = epoch;
        }
        kept
    }

    /// Listens to what is asked from node `from` on, if there is one.
    fn listen(&self, hart: &mut HartModel, env: &mut Env<'_>, run: &BlockRun<'_>, from: u32) {
        hart.pipe.fetch.s2_act = BEFORE;
        if let Some(state) = self.states.get(from as usize) {
            // What is in the second stage of a node has hit, and nothing has taken the line away since.
            let fetch = &mut hart.pipe.fetch;
            let line = if fetch.icache.hit() { line_of(fetch.state.s2_pa) } else { NO_LINE };
            fetch.btb.recorder.begin(state.given, line);
            hart.pipe.fetch.state.s2_made.origin = Origin::Itself;
            for (place, made) in (0..).zip(predictions(hart)) {
                made.origin = Origin::Place(place);
            }
            // Whether the lines of the first accesses are there is asked before all else.
            for op in run.ops.iter().filter(|op| op.fact == Some(FactKind::Access) && op.slot < 32) {
                let write = matches!(op.class, OpClass::Store | OpClass::FpStore);
                let settled = env.dcache().settled(run.facts[usize::from(op.slot)].b, write);
                hart.pipe.fetch.btb.recorder.act(Act::Settled { fact: op.slot, write, settled });
            }
        }
    }

    /// Comes to a node, if the state is one to come back to: gives it. `given`: the direction that the latest lookup
    /// gave is part of it.
    fn arrive(&mut self, hart: &mut HartModel, given: bool, quiet: Option<u8>) -> Option<u32> {
        self.key.clear();
        if !Snapshot::describe(hart, given, quiet.is_some(), &mut self.key) {
            return None;
        }
        let to = match self.ids.get(&self.key[..]) {
            Some(&to) => to,
            None => {
                let to = self.states.len() as u32;
                self.nexts.add_node();
                self.states.push(State { snapshot: Box::new(Snapshot::take(hart)), given, quiet });
                self.ids.insert(self.key.clone().into_boxed_slice(), to);
                to
            }
        };
        self.comes_to(hart, to);
        Some(to)
    }

    /// Adds the path that was recorded.
    fn store(
        &mut self,
        hart: &HartModel,
        params: &Params,
        (from, pc): (u32, u64),
        run: &BlockRun<'_>,
        mut end: End,
    ) {
        let acts = &hart.pipe.fetch.btb.recorder.acts;
        let early = EarlyOuts::of(run.ops, &self.lengths);
        let compiler = Compiler::new(&mut self.steps, &mut self.tree.sides, early);
        if !compiler.compile(acts, run, &mut end) {
            return;
        }
        let next = self.nexts.find(from, run, pc, &self.lengths, params, None);
        let root = next.map(|next| next.root);
        let added = self.tree.add(root, &self.steps, end, &hart.pipe.fetch.btb);
        if let (None, Some(root)) = (root, added) {
            let mut number = NO_EARLY;
            if !early.is_empty() {
                number = self.nexts.earlies.len() as u32;
                self.nexts.earlies.push((early, early.lengths(run, &self.lengths, params)));
            }
            self.nexts
                .add(from, Next { serial: run.serial, pc, early: number, root, walked: true, ..NOTHING });
        }
    }
}
