//! A block timed from one node to another: what it cost, and what has to be as it was for it to cost the same.

use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::Op;
use relsim_core::mmu::satp_levels;
use relsim_core::timing::{BlockRun, CycleCause, Fact};
use smallvec::SmallVec;

use super::super::btb::Btb;
use super::super::fetch::Fetch;
use super::super::hart::HartModel;
use super::super::memory::{Memory, span};
use super::super::muldiv::multiplicands;
use super::super::params::Params;
use super::super::scoreboard::operand_cycles;
use super::super::tlb::Context;
use super::super::uncore::Env;
use super::effect::Effect;
use super::origin::{Named, Origin};
use super::record::{Act, Check, Outcome, Recorder};

/// Cycles by privilege and cause.
pub(super) type Causes = SmallVec<[(Priv, CycleCause, u64); 3]>;

/// See the module. What every repetition looks at stands in it, not elsewhere in memory.
pub(super) struct Edge {
    /// The node behind it.
    pub to: u32,
    /// Lines come and go, or become dirty.
    changes_lines: bool,
    cycles: u64,
    /// Generation of the instruction cache at which the lines were last found in it.
    cache: u64,
    /// What it asks of the predictor and does to it, if no entry changes.
    effect: Option<Effect>,
    lines: Box<[u64]>,
    words: Box<[(u64, u32)]>,
    /// Where the predictions come from that are on their way at the end.
    origins: SmallVec<[Origin; 10]>,
    asks: SmallVec<[Ask; 3]>,
    /// What the store buffer is told last.
    stores: [Source; 2],
    causes: Causes,
    /// If lines come: when the data cache and the memory port are done with it, counted from the beginning.
    done: (u64, u64),
    steps: Steps,
}

/// A store whose address is known.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// One from before the block, by its place in the store buffer.
    Before(u8),
    /// That of a fact, of 2^`size` bytes.
    Fact { n: u8, size: u8 },
}

impl Source {
    #[inline(always)]
    fn span(self, memory: &Memory, facts: &[Fact]) -> (u64, u8) {
        match self {
            Self::Before(n) => {
                let store = &memory.stores[usize::from(n) & 1];
                (store.word, store.mask)
            }
            Self::Fact { n, size } => {
                facts.get(usize::from(n)).map_or((0, 0), |fact| span(fact.a, size.into()))
            }
        }
    }
}

/// What has to be found about a fact.
#[derive(Debug, Clone, Copy)]
enum Ask {
    /// The line of a load or store, and nothing else.
    Load,
    Store,
    /// A load of 2^`size` bytes with stores in the buffer, one of which it conflicts with or not.
    LoadBehind {
        size: u8,
        stores: [Option<Source>; 2],
        conflicts: bool,
        outcome: Outcome,
    },
    /// A line that changes.
    Line {
        write: bool,
        outcome: Outcome,
    },
    /// A multiplication or division.
    Operands {
        op: u8,
        cycles: u64,
    },
    /// A multiplication by the length of its first operand.
    Multiplicand {
        mask: u64,
        least: u64,
        greatest: u64,
    },
}

/// `checks` in terms of the facts, and what the store buffer is told last.
fn asks(checks: &[Check], ops: &[Op], params: &Params) -> (SmallVec<[Ask; 3]>, [Source; 2]) {
    let mut stores = [Source::Before(0), Source::Before(1)];
    let ask = |(n, check): (usize, &Check)| match *check {
        Check::Operands { op, cycles } => {
            let operands = Ask::Operands { op, cycles };
            multiplicands(&ops[usize::from(op)], cycles, params)
                .map_or(operands, |(mask, least, greatest)| Ask::Multiplicand { mask, least, greatest })
        }
        Check::Load { conflict, size, outcome } if conflict.live != 0 => {
            let live = |place: usize| (conflict.live >> place & 1 == 1).then_some(stores[place]);
            Ask::LoadBehind { size, stores: [live(0), live(1)], conflicts: conflict.found, outcome }
        }
        Check::Load { outcome: Outcome::Settled, .. } => Ask::Load,
        Check::Load { outcome, .. } => Ask::Line { write: false, outcome },
        Check::Store { size, outcome } => {
            stores = [stores[1], Source::Fact { n: n as u8, size }];
            if outcome == Outcome::Settled { Ask::Store } else { Ask::Line { write: true, outcome } }
        }
    };
    (checks.iter().enumerate().map(ask).collect(), stores)
}

/// The same as an [`Effect`], step by step: for what changes entries, and after what has changed some.
struct Steps {
    /// Entries of the predictor change.
    heavy: bool,
    /// Pages are looked up, or the context changes.
    pages: bool,
    /// The first lookup, if it is quiet: what happened just before takes effect with it.
    first: Option<Act>,
    /// The tags of lookups that find nothing.
    quiet: Box<[u16]>,
    /// What else is asked and told.
    loud: Box<[Act]>,
}

impl Steps {
    fn of(acts: &[Act], heavy: bool) -> Self {
        let quiet = |act: &Act| matches!(act, Act::Cycle { quiet: true, branch: false, .. });
        let is_lookup = |act: &Act| matches!(act, Act::Cycle { .. });
        let tag = |act: &Act| match *act {
            Act::Cycle { pc, .. } => Some(Btb::tag(pc)),
            _ => None,
        };
        Self {
            heavy: heavy || acts.iter().any(|act| matches!(act, Act::Update(_))),
            pages: acts.iter().any(|act| matches!(act, Act::Page { .. } | Act::Context(_))),
            first: acts.iter().copied().find(is_lookup).filter(quiet),
            quiet: acts.iter().filter(|act| quiet(act)).filter_map(tag).collect(),
            loud: acts.iter().copied().filter(|act| !quiet(act)).collect(),
        }
    }

    /// Asks and tells the predictor everything again; whether all answers are the same. If not, nothing has
    /// changed.
    #[inline(never)]
    fn repeat(&self, fetch: &mut Fetch, hart: &Hart, named: &mut Named) -> bool {
        if !fetch.btb.are_free(&self.quiet) {
            return false;
        }
        let first = self.first.filter(|_| !fetch.btb.is_still());
        if first.is_none() && self.loud.is_empty() {
            return true;
        }
        let registers = fetch.btb.registers();
        // Also a change that is under way from before takes effect.
        let entries = (self.heavy || !fetch.btb.settled()).then(|| fetch.btb.entries());
        let order = self.pages.then(|| (fetch.tlb.order(), fetch.context));
        fetch.btb.recorder.replaying = true;
        // What is under way from before takes effect with the first lookup, and may be for one that found nothing.
        let mut pending = !fetch.btb.settled();
        let mut same = true;
        for act in first.iter().chain(&self.loud) {
            same = match *act {
                Act::Page { va, pa, uses } => fetch.tlb.again(fetch.context, va, uses) == Some(pa),
                Act::Context(context) => {
                    fetch.enter(context);
                    context == Context::of(hart)
                }
                _ => fetch.btb.replay(act, named),
            };
            if pending && matches!(act, Act::Cycle { .. }) {
                pending = false;
                same &= fetch.btb.are_free(&self.quiet);
            }
            if !same {
                break;
            }
        }
        fetch.btb.recorder.replaying = false;
        if !same {
            fetch.btb.undo(&registers, entries.as_ref());
            if let Some((order, context)) = order {
                fetch.tlb.reorder(order);
                fetch.context = context;
            }
        }
        fetch.btb.keep();
        same
    }
}

/// Whether data accesses go through the TLB.
#[inline(always)]
fn translates(env: &Env<'_>) -> bool {
    env.hart.data_privilege() != Priv::M && satp_levels(env.hart.csr.satp) != 0
}

/// What a block took, and how things stood before and after it.
pub(super) struct Taken<'a> {
    /// The node behind it.
    pub to: u32,
    /// Its cycles.
    pub causes: Causes,
    /// What it asked and told.
    pub recorder: &'a Recorder,
    /// Where the predictions come from that are on their way at the end.
    pub origins: SmallVec<[Origin; 10]>,
    /// Entries of the predictor changed.
    pub changes: bool,
    /// When the data cache and the memory port are done with its lines, counted from the beginning.
    pub done: (u64, u64),
}

impl Edge {
    /// The block `run`.
    pub fn new(run: BlockRun<'_>, taken: Taken<'_>, params: &Params) -> Self {
        let Taken { to, causes, recorder, origins, changes, done } = taken;
        let (asks, stores) = asks(&recorder.checks, run.ops, params);
        let changes_line = |check: &Check| match *check {
            Check::Load { outcome, .. } | Check::Store { outcome, .. } => outcome != Outcome::Settled,
            Check::Operands { .. } => false,
        };
        Self {
            to,
            changes_lines: recorder.checks.iter().any(changes_line),
            cycles: causes.iter().map(|cause| cause.2).sum(),
            cache: u64::MAX,
            effect: Effect::of(&recorder.acts),
            lines: recorder.lines.clone().into_boxed_slice(),
            words: recorder.words.clone().into_boxed_slice(),
            origins,
            asks,
            stores,
            causes,
            done,
            steps: Steps::of(&recorder.acts, changes),
        }
    }

    /// Follows the edge if everything is as it was; whether it is.
    #[inline(always)]
    pub fn follow(
        &mut self,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: BlockRun<'_>,
        named: &mut Named,
    ) -> bool {
        let btb = &hart.pipe.fetch.btb;
        if self.asks.len() != run.facts.len()
            || self.effect.as_ref().is_some_and(|effect| effect.is_refused(btb))
        {
            return false;
        }
        if self.changes_lines {
            return self.follow_with_changes(hart, env, run, named);
        }
        let translates = translates(env);
        if !self.accesses::<false>(hart, env, run, translates) || !self.fetches(hart, env, named) {
            return false;
        }
        self.commit(hart, run, translates);
        true
    }

    /// [`Edge::follow`] where lines come and go.
    #[inline(never)]
    fn follow_with_changes(
        &mut self,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: BlockRun<'_>,
        named: &mut Named,
    ) -> bool {
        let now = hart.pipe.now;
        if env.uncore.port.free > now {
            return false;
        }
        let translates = translates(env);
        if !self.accesses::<true>(hart, env, run, translates) || !self.fetches(hart, env, named) {
            env.dcache().undo();
            return false;
        }
        let (dcache, port) = env.data();
        dcache.keep();
        if self.done != (0, 0) {
            (dcache.ready, port.free) = (now + self.done.0, now + self.done.1);
            dcache.crossbar.serves_data();
        }
        self.commit(hart, run, translates);
        true
    }

    /// Whether fetch finds what it found. If so, the predictor has learnt what it learnt.
    #[inline(always)]
    fn fetches(&mut self, hart: &mut HartModel, env: &mut Env<'_>, named: &mut Named) -> bool {
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
        let same = match &mut self.effect {
            Some(effect) if effect.begins(&fetch.btb) => effect.repeat(&mut fetch.btb, named),
            _ => self.steps.repeat(fetch, env.hart, named),
        };
        if same {
            named.moves(&self.origins);
        }
        same
    }

    #[inline(always)]
    fn commit(&self, hart: &mut HartModel, run: BlockRun<'_>, translates: bool) {
        for &(privilege, cause, cycles) in &self.causes {
            hart.pipe.ledger.charge(privilege, cause, cycles);
        }
        hart.pipe.now += self.cycles;
        hart.issue = hart.pipe.now;
        let memory = &mut hart.memory;
        if let Source::Fact { .. } = self.stores[1] {
            let spans = self.stores.map(|store| store.span(memory, run.facts));
            for (store, (word, mask)) in memory.stores.iter_mut().zip(spans) {
                (store.word, store.mask) = (word, mask);
            }
        }
        if translates {
            for (ask, fact) in self.asks.iter().zip(run.facts) {
                if !matches!(ask, Ask::Operands { .. } | Ask::Multiplicand { .. }) {
                    memory.tlb.touch(fact.a);
                }
            }
        }
    }

    /// Whether accesses, multiplications and divisions go as they did. `CHANGES`: lines of the data cache have
    /// changed, also if they do not.
    #[inline(always)]
    fn accesses<const CHANGES: bool>(
        &self,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: BlockRun<'_>,
        translates: bool,
    ) -> bool {
        let params = env.params;
        let dcache = env.dcache();
        for (ask, fact) in self.asks.iter().zip(run.facts) {
            let there = match ask {
                Ask::Load => dcache.settled(fact.b, false),
                Ask::Store => dcache.settled(fact.b, true),
                &Ask::LoadBehind { size, stores, conflicts, outcome } => {
                    let (word, mask) = span(fact.a, size.into());
                    let same = |store: Option<Source>| {
                        store
                            .map(|store| store.span(&hart.memory, run.facts))
                            .is_some_and(|s| s.0 == word && s.1 & mask != 0)
                    };
                    let line = match outcome {
                        Outcome::Settled => dcache.settled(fact.b, false),
                        _ => CHANGES && dcache.repeat(fact.b, false, outcome),
                    };
                    line && (same(stores[0]) || same(stores[1])) == conflicts
                }
                &Ask::Line { write, outcome } => CHANGES && dcache.repeat(fact.b, write, outcome),
                &Ask::Multiplicand { mask, least, greatest } => {
                    let operand = fact.a & mask;
                    if operand < least || operand > greatest {
                        return false;
                    }
                    continue;
                }
                &Ask::Operands { op, cycles } => {
                    let op = run.ops.get(usize::from(op));
                    if op.is_none_or(|op| operand_cycles(op, (fact.a, fact.b), params) != cycles) {
                        return false;
                    }
                    continue;
                }
            };
            if !there || (translates && !hart.memory.tlb.holds(fact.a)) {
                return false;
            }
        }
        true
    }
}
