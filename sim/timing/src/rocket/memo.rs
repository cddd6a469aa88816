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
mod record;

use relsim_core::insn::{Op, OpClass};
use relsim_core::timing::BlockRun;
use relsim_core::trap::TrapTaken;
use rustc_hash::FxHashMap;

use super::hart::HartModel;
use super::snapshot::Snapshot;
use super::uncore::Env;
use edge::{Edge, Taken};
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
    /// The edge that was followed last.
    latest: u32,
}

/// What a hart's model remembers.
pub struct Memo {
    nodes: Vec<Node>,
    ids: FxHashMap<Box<[u64]>, u32>,
    at: u32,
    code_epoch: u64,
    key: Vec<u64>,
    remember: bool,
}

impl Memo {
    /// Nothing yet. Without `remember` it stays like that.
    pub fn new(remember: bool) -> Self {
        let (nodes, ids, key) = (Vec::new(), FxHashMap::default(), Vec::new());
        Self { nodes, ids, at: NOWHERE, code_epoch: 0, key, remember }
    }

    /// Brings `hart` up to date.
    #[inline(always)]
    pub fn leave(&mut self, hart: &mut HartModel) {
        if self.at != NOWHERE {
            self.nodes[self.at as usize].snapshot.restore(hart);
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
        let latest = node.latest as usize;
        if let Some(edge) = node.edges.get_mut(latest)
            && edge.serial == run.serial
            && edge.pc == pc
            && edge.follow(hart, env, run)
        {
            self.at = edge.to;
            return true;
        }
        for (n, edge) in node.edges.iter_mut().enumerate() {
            if edge.serial == run.serial && edge.pc == pc && n != latest && edge.follow(hart, env, run) {
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
                    latest: 0,
                });
                self.ids.insert(self.key.clone().into_boxed_slice(), to);
                to
            }
        };
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
            let causes: Box<[_]> = hart.pipe.ledger.since(&ledger).collect();
            if causes.iter().map(|c| c.2).sum::<u64>() == passed {
                let edges = &mut self.nodes[from as usize].edges;
                if edges.len() >= MAX_EDGES {
                    edges.remove(0);
                }
                let changes = hart.pipe.fetch.btb.generation != entries;
                let taken = Taken { to, causes, recorder, changes, done };
                edges.push(Edge::new(run, pc, taken, env.params));
            }
        }
        self.at = to;
    }
}
