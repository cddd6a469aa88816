//! Blocks that were timed before in the same circumstances are not timed again.
//!
//! The pipeline's state after a block, taken relative to the cycle and to the place in the branch history, is a
//! node; a block timed from there to the next node is an edge. An edge has what it cost, what it asked of the
//! predictor, the caches and the TLBs with the answers, and what it told them. Following an edge asks and tells
//! the same again; only when every answer is the same, the costs are too, by construction. Otherwise everything
//! is undone, and the block is timed instruction by instruction. (After Schnarr and Larus, "Fast out-of-order
//! processor simulation using memoization", ASPLOS 1998.)

mod edge;
mod effect;
mod origin;
mod record;

use relsim_core::insn::{Op, OpClass};
use relsim_core::timing::BlockRun;
use relsim_core::trap::TrapTaken;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::hart::HartModel;
use super::snapshot::{Snapshot, predictions};
use super::uncore::Env;
use edge::{Causes, Edge, Taken};
pub(super) use origin::{Named, Origin};
pub(super) use record::{Act, Check, Outcome, Recorder};

/// Nodes at a time; beyond that all are forgotten.
const MAX_NODES: usize = 1 << 14;
/// Edges of a node; beyond that the oldest is forgotten.
const MAX_EDGES: usize = 24;
/// "Not at a node".
const NOWHERE: u32 = u32::MAX;

/// What edges are for that are no blocks', whose numbers are smaller: an instruction issues, or retires, or raises
/// an exception.
const ISSUES: u64 = 1 << 62;
const RETIRES: u64 = 1 << 63;
const TRAPS: u64 = ISSUES | RETIRES;

/// One step of `op`.
fn single(op: &Op, step: u64, next: u64) -> BlockRun<'_> {
    let serial = step | u64::from(op.raw);
    BlockRun { serial, ops: std::slice::from_ref(op), whole: true, next, facts: &[] }
}

/// Whether no more than its place in the program and the state of the pipeline decides how long `op` takes.
const fn is_simple(op: &Op) -> bool {
    matches!(op.class, OpClass::Csr | OpClass::Call | OpClass::TrapReturn | OpClass::Fence | OpClass::Illegal)
}

struct Node {
    snapshot: Box<Snapshot>,
    /// The direction that the latest lookup gave is part of it.
    given: bool,
    edges: Vec<Edge>,
    /// By edge: the block and where it begins.
    keys: Vec<(u64, u64)>,
    /// The edge that was followed last.
    latest: u32,
    /// The edge that is the next to be forgotten.
    oldest: u32,
}

impl Node {
    /// Another edge, perhaps in the place of an old one.
    fn add(&mut self, key: (u64, u64), edge: Edge) {
        if self.edges.len() < MAX_EDGES {
            self.latest = self.edges.len() as u32;
            self.edges.push(edge);
            self.keys.push(key);
            return;
        }
        let place = self.oldest as usize % MAX_EDGES;
        (self.edges[place], self.keys[place]) = (edge, key);
        (self.latest, self.oldest) = (place as u32, self.oldest.wrapping_add(1));
    }
}

/// What a hart's model remembers.
pub struct Memo {
    nodes: Vec<Node>,
    ids: FxHashMap<Box<[u64]>, u32>,
    at: u32,
    /// The entries of the predictions that are on their way.
    named: Named,
    code_epoch: u64,
    key: Vec<u64>,
    remember: bool,
}

impl Memo {
    /// Nothing yet. Without `remember` it stays like that.
    pub fn new(remember: bool) -> Self {
        let (nodes, ids, key) = (Vec::new(), FxHashMap::default(), Vec::new());
        Self { nodes, ids, at: NOWHERE, named: Named::default(), code_epoch: 0, key, remember }
    }

    /// Brings `hart` up to date.
    #[inline(always)]
    pub fn leave(&mut self, hart: &mut HartModel) {
        if self.at != NOWHERE {
            self.nodes[self.at as usize].snapshot.restore(hart);
            for (made, &entry) in predictions(hart).zip(&self.named.places) {
                if made.names() {
                    made.entry = entry;
                }
            }
            self.at = NOWHERE;
        }
    }

    /// Times the plain instructions at the beginning of a block.
    #[inline(always)]
    pub fn block(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: BlockRun<'_>) {
        let pc = env.hart.pc;
        let expected =
            run.whole && hart.next == pc && hart.issued.is_none() && env.hart.cycle == hart.takes_effect();
        if expected && self.goes_on(hart, env, run, pc) {
            hart.next = run.next;
            return;
        }
        if self.remember {
            self.learn(hart, env, run, pc, expected, |hart, env| hart.time_block(env, run));
        } else {
            hart.time_block(env, run);
        }
    }

    /// Issues `op` at `pc`, which is not timed together with others: whether that was remembered, or is now.
    #[inline]
    pub fn issue(&mut self, hart: &mut HartModel, env: &mut Env<'_>, op: &Op, pc: u64) -> bool {
        if self.at == NOWHERE || !is_simple(op) || hart.issued.is_some() {
            return false;
        }
        let expected = hart.next == pc && env.hart.cycle == hart.takes_effect();
        let step = single(op, ISSUES, pc);
        if expected && self.goes_on(hart, env, step, pc) {
            hart.issues_again(env, op, pc);
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
        if self.nodes.is_empty() || !(simple || op.class.is_atomic()) {
            return false;
        }
        let step = single(op, RETIRES, next);
        let expected = simple && hart.issued == Some(pc) && hart.next == pc;
        if expected && self.goes_on(hart, env, step, pc) {
            hart.issued = None;
            hart.next = next;
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
        let step = BlockRun { serial: TRAPS, ops: &[], whole: true, next: env.hart.pc, facts: &[] };
        let expected = hart.issued == Some(hart.next);
        if expected && self.goes_on(hart, env, step, trap.epc) {
            hart.issued = None;
            hart.next = env.hart.pc;
        } else {
            self.learn(hart, env, step, trap.epc, expected, |hart, env| {
                hart.trapped(env, trap);
            });
        }
        true
    }

    /// Follows an edge for `run` at `pc`, if there is one that is as it was.
    #[inline(always)]
    fn goes_on(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: BlockRun<'_>, pc: u64) -> bool {
        if self.at == NOWHERE || env.bus.ram.code_log_end() != self.code_epoch {
            return false;
        }
        let node = &mut self.nodes[self.at as usize];
        let (latest, key) = (node.latest as usize, (run.serial, pc));
        if node.keys.get(latest) == Some(&key)
            && let Some(edge) = node.edges.get_mut(latest)
            && edge.follow(hart, env, run, &mut self.named)
        {
            self.at = edge.to;
            return true;
        }
        for (n, _) in node.keys.iter().enumerate().filter(|&(n, k)| *k == key && n != latest) {
            let edge = &mut node.edges[n];
            if edge.follow(hart, env, run, &mut self.named) {
                node.latest = n as u32;
                self.at = edge.to;
                return true;
            }
        }
        false
    }

    /// Times `run` at `pc` by `step`, and remembers it if it was `expected`.
    #[inline(never)]
    fn learn(
        &mut self,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: BlockRun<'_>,
        pc: u64,
        expected: bool,
        step: impl FnOnce(&mut HartModel, &mut Env<'_>),
    ) {
        let epoch = env.bus.ram.code_log_end();
        let from = self.at;
        self.leave(hart);
        let full = self.nodes.len() >= MAX_NODES;
        if epoch != self.code_epoch || full {
            (self.nodes, self.ids) = (Vec::new(), FxHashMap::default());
            self.code_epoch = epoch;
        }
        let from = if epoch == self.code_epoch && !full && expected && (from as usize) < self.nodes.len() {
            from
        } else {
            NOWHERE
        };
        let begun = hart.pipe.now;
        let ledger = hart.pipe.ledger.clone();
        let entries = hart.pipe.fetch.btb.generation;
        let (port, refills) = (env.uncore.port.free, env.dcache().refills);
        hart.pipe.fetch.s2_act = usize::MAX;
        let given = from != NOWHERE && self.nodes[from as usize].given;
        if from != NOWHERE {
            hart.pipe.fetch.btb.recorder.begin(given);
            for (n, made) in predictions(hart).enumerate() {
                made.origin = Origin::Place(n as u8);
            }
        }
        step(hart, env);
        let given = hart.pipe.fetch.direction_matters(env.bus);
        if given {
            let lookup = hart.pipe.fetch.s2_act;
            hart.pipe.fetch.btb.recorder.branch(lookup);
        }
        hart.pipe.fetch.btb.recorder.on = false;
        self.key.clear();
        if !run.whole || !Snapshot::describe(hart, given, &mut self.key) {
            return;
        }
        let to = match self.ids.get(&self.key[..]) {
            Some(&to) => to,
            None => {
                let to = self.nodes.len() as u32;
                self.nodes.push(Node {
                    snapshot: Box::new(Snapshot::take(hart)),
                    given,
                    edges: Vec::new(),
                    keys: Vec::new(),
                    latest: 0,
                    oldest: 0,
                });
                self.ids.insert(self.key.clone().into_boxed_slice(), to);
                to
            }
        };
        let mut origins = SmallVec::new();
        for (made, place) in predictions(hart).zip(&mut self.named.places) {
            *place = made.entry;
            origins.push(if made.names() { made.origin } else { Origin::Itself });
        }
        let recorder = &hart.pipe.fetch.btb.recorder;
        let (dcache, after) = env.data();
        let done = match dcache.refills != refills {
            true => (dcache.ready.saturating_sub(begun), after.free.saturating_sub(begun)),
            false => (0, 0),
        };
        // What comes over a port that is not free yet depends on when it is.
        let port_matters = done != (0, 0) && port > begun;
        if from != NOWHERE && !recorder.spoilt && !port_matters {
            let passed = hart.pipe.now - begun;
            let causes: Causes = hart.pipe.ledger.since(&ledger).collect();
            if causes.iter().map(|c| c.2).sum::<u64>() == passed {
                let changes = hart.pipe.fetch.btb.generation != entries;
                let taken = Taken { to, causes, recorder, origins, changes, done };
                self.nodes[from as usize].add((run.serial, pc), Edge::new(run, taken, env.params));
            }
        }
        self.at = to;
    }
}
