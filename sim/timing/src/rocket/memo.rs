//! Blocks that were timed before in the same circumstances are not timed again.
//!
//! The pipeline's state after a block, taken relative to the cycle and to the place in the branch history, is a
//! node; a block timed from there to the next node is an edge. An edge has what it cost, what it asked of the
//! predictor, the caches and the TLBs with the answers, and what it told them. Following an edge asks and tells
//! the same again; only when every answer is the same, the costs are too, by construction. Otherwise everything
//! is undone, and the block is timed instruction by instruction. (After Schnarr and Larus, "Fast out-of-order
//! processor simulation using memoization", ASPLOS 1998.)

use std::collections::HashMap;

use relsim_core::hart::Priv;
use relsim_core::mmu::satp_levels;
use relsim_core::timing::{BlockRun, CycleCause, Fact};

use super::btb::{Btb, BtbUpdate, Prediction};
use super::fetch::Fetch;
use super::hart::HartModel;
use super::muldiv;
use super::snapshot::Snapshot;
use super::uncore::Env;

/// Nodes at a time; beyond that all are forgotten.
const MAX_NODES: usize = 1 << 14;
/// Edges of a node; beyond that the oldest is forgotten.
const MAX_EDGES: usize = 24;
/// "Not at a node".
const NOWHERE: u32 = u32::MAX;

/// Something asked of, or told to, the branch predictor or the instruction TLB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// A lookup with its answer. `quiet`: it found nothing and changed nothing; `branch`: the direction
    /// matters.
    Cycle { pc: u64, made: Prediction, to: u64, quiet: bool, branch: bool },
    /// What the return-address stack says.
    Returns(Option<u64>),
    /// A call.
    Push(u64),
    /// A return.
    Pop,
    /// A direction for the history.
    Advance(bool),
    /// A change of an entry.
    Update(BtbUpdate),
    /// A branch resolved, looked up `since` directions ago.
    Branch { pc: u64, since: u8, taken: bool, wrong: bool },
    /// `since` directions are taken back.
    Forget { since: u8 },
    /// Another page is fetched from.
    Page { va: u64, pa: u64, uses: bool },
}

/// What an edge expects of an access, multiplication or division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// A load of 2^`size` bytes that hits, and not in the stores that are `live`.
    Load { live: u8, size: u8 },
    /// A store of 2^`size` bytes to a line that is dirty.
    Store { size: u8 },
    /// So many iterations.
    MulDiv { op: u8, iterations: u64 },
}

/// What goes on while a block is timed.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// Somebody wants to know.
    pub on: bool,
    /// A recorded edge is being followed.
    pub replaying: bool,
    spoilt: bool,
    acts: Vec<Act>,
    last_cycle: usize,
    lines: Vec<u64>,
    words: Vec<(u64, u32)>,
    checks: Vec<Check>,
}

impl Recorder {
    fn begin(&mut self) {
        self.on = true;
        self.spoilt = false;
        self.acts.clear();
        self.lines.clear();
        self.words.clear();
        self.checks.clear();
    }

    /// Something that cannot be repeated.
    #[inline(always)]
    pub fn spoil(&mut self) {
        self.spoilt = true;
    }

    #[inline(always)]
    pub fn act(&mut self, act: Act) {
        if self.on {
            self.acts.push(act);
        }
    }

    /// [`Act::Cycle`].
    pub fn cycle(&mut self, act: Act) {
        self.last_cycle = self.acts.len();
        self.acts.push(act);
    }

    /// The latest lookup.
    #[inline(always)]
    pub fn last(&self) -> usize {
        self.last_cycle
    }

    /// The direction that lookup `n` gave matters.
    pub fn branch(&mut self, n: usize) {
        if self.on
            && let Some(Act::Cycle { branch, .. }) = self.acts.get_mut(n)
        {
            *branch = true;
        }
    }

    pub fn returns(&mut self, to: Option<u64>) {
        self.act(Act::Returns(to));
    }

    pub fn page(&mut self, va: u64, pa: u64, uses: bool, known: bool) {
        self.spoilt |= !known;
        self.acts.push(Act::Page { va, pa, uses });
    }

    pub fn line(&mut self, line: u64) {
        if self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
    }

    pub fn word(&mut self, pa: u64, word: u32) {
        if self.words.last() != Some(&(pa, word)) {
            self.words.push((pa, word));
        }
    }

    #[inline(always)]
    pub fn check(&mut self, check: Check) {
        if self.on {
            self.checks.push(check);
        }
    }
}

/// A block timed from one node to another.
struct Edge {
    serial: u64,
    pc: u64,
    cycles: u64,
    to: u32,
    /// Generation of the cache at which the lines were last found in it.
    cache: u64,
    /// Entries of the predictor change.
    heavy: bool,
    pages: bool,
    /// The first lookup, if it is quiet: what happened just before takes effect with it.
    first: Option<Act>,
    /// The tags of lookups that find nothing.
    quiet: Box<[u16]>,
    /// What else is asked and told.
    loud: Box<[Act]>,
    lines: Box<[u64]>,
    words: Box<[(u64, u32)]>,
    checks: Box<[Check]>,
    causes: Box<[(CycleCause, u64)]>,
}

struct Node {
    snapshot: Snapshot,
    edges: Vec<Edge>,
}

/// What a hart's model remembers.
pub struct Memo {
    nodes: Vec<Node>,
    ids: HashMap<Box<[u64]>, u32>,
    at: u32,
    code_epoch: u64,
    key: Vec<u64>,
    remember: bool,
}

impl Memo {
    /// Nothing yet. Without `remember` it stays like that.
    pub fn new(remember: bool) -> Self {
        let (nodes, ids, key) = (Vec::new(), HashMap::new(), Vec::new());
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

    /// Times the instructions of a block.
    #[inline(always)]
    pub fn block(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: BlockRun<'_>) {
        let expected = run.whole && hart.next == env.hart.pc && env.hart.cycle == hart.takes_effect();
        if expected && self.at != NOWHERE && env.bus.ram.code_log_end() == self.code_epoch {
            let pc = env.hart.pc;
            let node = &mut self.nodes[self.at as usize];
            for n in 0..node.edges.len() {
                let edge = &mut node.edges[n];
                if edge.serial == run.serial && edge.pc == pc && edge.follow(hart, env, run) {
                    self.at = edge.to;
                    hart.next = env.hart.next_pc;
                    if n > 0 {
                        // Most lately used first.
                        node.edges.swap(n, n - 1);
                    }
                    return;
                }
            }
        }
        if self.remember {
            self.time(hart, env, run, expected);
        } else {
            hart.time_block(env, run);
        }
    }

    /// Times a block instruction by instruction, and remembers it.
    #[inline(never)]
    fn time(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: BlockRun<'_>, expected: bool) {
        let epoch = env.bus.ram.code_log_end();
        let from = self.at;
        self.leave(hart);
        let full = self.nodes.len() >= MAX_NODES;
        if epoch != self.code_epoch || full {
            (self.nodes, self.ids) = (Vec::new(), HashMap::new());
            self.code_epoch = epoch;
        }
        let from = if epoch == self.code_epoch && !full && expected && (from as usize) < self.nodes.len() {
            from
        } else {
            NOWHERE
        };
        let begun = hart.pipe.now;
        let privilege = hart.pipe.fetch.context.privilege;
        let ledger = hart.pipe.ledger.clone();
        let entries = hart.pipe.fetch.btb.generation;
        hart.pipe.fetch.s2_act = usize::MAX;
        hart.pipe.fetch.btb.recorder.begin();
        hart.time_block(env, run);
        hart.pipe.fetch.btb.recorder.on = false;
        self.key.clear();
        if !run.whole || !Snapshot::describe(hart, &mut self.key) {
            return;
        }
        let to = match self.ids.get(&self.key[..]) {
            Some(&to) => to,
            None => {
                let to = self.nodes.len() as u32;
                self.nodes.push(Node { snapshot: Snapshot::take(hart), edges: Vec::new() });
                self.ids.insert(self.key.clone().into_boxed_slice(), to);
                to
            }
        };
        let recorder = &hart.pipe.fetch.btb.recorder;
        if from != NOWHERE && !recorder.spoilt {
            let passed = hart.pipe.now - begun;
            let causes: Vec<_> = CycleCause::ALL
                .into_iter()
                .map(|c| (c, hart.pipe.ledger.get(privilege, c) - ledger.get(privilege, c)))
                .filter(|&(_, n)| n > 0)
                .collect();
            if causes.iter().map(|c| c.1).sum::<u64>() == passed {
                let edges = &mut self.nodes[from as usize].edges;
                if edges.len() >= MAX_EDGES {
                    edges.remove(0);
                }
                let quiet = |act: &Act| matches!(act, Act::Cycle { quiet: true, branch: false, .. });
                let is_lookup = |act: &Act| matches!(act, Act::Cycle { .. });
                let tag = |act: &Act| match *act {
                    Act::Cycle { pc, .. } => Some(Btb::tag(pc)),
                    _ => None,
                };
                edges.push(Edge {
                    serial: run.serial,
                    pc: env.hart.pc,
                    cycles: passed,
                    to,
                    cache: u64::MAX,
                    heavy: hart.pipe.fetch.btb.generation != entries
                        || recorder.acts.iter().any(|a| matches!(a, Act::Update(_))),
                    pages: recorder.acts.iter().any(|a| matches!(a, Act::Page { .. })),
                    first: recorder.acts.iter().copied().find(is_lookup).filter(quiet),
                    quiet: recorder.acts.iter().filter(|a| quiet(a)).filter_map(tag).collect(),
                    loud: recorder.acts.iter().copied().filter(|a| !quiet(a)).collect(),
                    lines: recorder.lines.clone().into_boxed_slice(),
                    words: recorder.words.clone().into_boxed_slice(),
                    checks: recorder.checks.clone().into_boxed_slice(),
                    causes: causes.into_boxed_slice(),
                });
            }
        }
        self.at = to;
    }
}

impl Edge {
    /// Follows the edge if everything is as it was; whether it is.
    #[inline(always)]
    fn follow(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: BlockRun<'_>) -> bool {
        let Some(stores) = self.accesses(hart, env, run) else { return false };
        let fetch = &mut hart.pipe.fetch;
        if self.cache != fetch.icache.generation {
            if !self.lines.iter().all(|&line| fetch.icache.holds(line)) {
                return false;
            }
            self.cache = fetch.icache.generation;
        }
        for &(pa, word) in &self.words {
            if env.bus.ram.get::<u32>(pa) != Some(word) {
                return false;
            }
        }
        if !fetch.btb.are_free(&self.quiet) || !self.acts(fetch) {
            return false;
        }
        let privilege = hart.pipe.fetch.context.privilege;
        for &(cause, cycles) in &self.causes {
            hart.pipe.ledger.charge(privilege, cause, cycles);
        }
        hart.pipe.now += self.cycles;
        hart.issue = hart.pipe.now;
        for (store, (word, mask)) in hart.memory.stores.iter_mut().zip(stores) {
            (store.word, store.mask) = (word, mask);
        }
        if env.hart.data_privilege() != Priv::M && satp_levels(env.hart.csr.satp) != 0 {
            self.touch(hart, run.facts);
        }
        true
    }

    /// Whether accesses, multiplications and divisions go as they did; the latest two stores afterwards.
    #[inline(always)]
    fn accesses(&self, hart: &HartModel, env: &mut Env<'_>, run: BlockRun<'_>) -> Option<[(u64, u8); 2]> {
        let [older, newer] = &hart.memory.stores;
        let mut stores = [(older.word, older.mask), (newer.word, newer.mask)];
        if self.checks.len() != run.facts.len() {
            return None;
        }
        let translated = env.hart.data_privilege() != Priv::M && satp_levels(env.hart.csr.satp) != 0;
        let params = env.params;
        let dcache = &*env.dcache();
        for (check, fact) in self.checks.iter().zip(run.facts) {
            let (write, size) = match *check {
                Check::MulDiv { op, iterations } => {
                    if muldiv::iterations(&run.ops[usize::from(op)], fact.a, fact.b, params) != iterations {
                        return None;
                    }
                    continue;
                }
                Check::Load { size, .. } => (false, size),
                Check::Store { size } => (true, size),
            };
            if !dcache.settled(fact.b, write) || (translated && !hart.memory.tlb.holds(fact.a)) {
                return None;
            }
            let (word, mask) = (fact.a >> 3 & 0x1ff, (((1u16 << (1 << size)) - 1) << (fact.a & 7)) as u8);
            match *check {
                Check::Load { live, .. } => {
                    let same =
                        |n: usize| live >> n & 1 == 1 && stores[n].0 == word && stores[n].1 & mask != 0;
                    if same(0) || same(1) {
                        return None;
                    }
                }
                _ => stores = [stores[1], (word, mask)],
            }
        }
        Some(stores)
    }

    /// The data TLB's trees learn of the accesses.
    fn touch(&self, hart: &mut HartModel, facts: &[Fact]) {
        for (check, fact) in self.checks.iter().zip(facts) {
            if !matches!(check, Check::MulDiv { .. }) {
                hart.memory.tlb.touch(fact.a);
            }
        }
    }

    /// Asks and tells the predictor everything again; whether all answers are the same. If not, nothing has
    /// changed.
    #[inline(always)]
    fn acts(&self, fetch: &mut Fetch) -> bool {
        let first = self.first.filter(|_| !fetch.btb.is_still());
        if first.is_none() && self.loud.is_empty() {
            return true;
        }
        let registers = fetch.btb.registers();
        // Also a change that is under way from before takes effect.
        let entries = (self.heavy || !fetch.btb.settled()).then(|| fetch.btb.entries());
        let order = self.pages.then(|| fetch.tlb.order());
        fetch.btb.recorder.replaying = true;
        let mut same = first.is_none_or(|act| fetch.btb.replay(&act));
        for act in &self.loud {
            if !same {
                break;
            }
            same = match *act {
                Act::Page { va, pa, uses } => fetch.tlb.again(fetch.context, va, uses) == Some(pa),
                _ => fetch.btb.replay(act),
            };
        }
        fetch.btb.recorder.replaying = false;
        if !same {
            fetch.btb.undo(&registers, entries.as_ref());
            if let Some(order) = order {
                fetch.tlb.reorder(order);
            }
        }
        fetch.btb.keep();
        same
    }
}
