//! A block timed from one node to another: what it cost, and what has to be as it was for it to cost the same.

use relsim_core::hart::Priv;
use relsim_core::mmu::satp_levels;
use relsim_core::timing::{BlockRun, CycleCause, Fact};

use super::super::btb::Btb;
use super::super::fetch::Fetch;
use super::super::hart::HartModel;
use super::super::muldiv;
use super::super::uncore::Env;
use super::effect::Effect;
use super::record::{Act, Check, Recorder};

/// See the module.
pub(super) struct Edge {
    /// Of the block.
    pub serial: u64,
    /// Where the block begins.
    pub pc: u64,
    /// The node behind it.
    pub to: u32,
    cycles: u64,
    /// Generation of the instruction cache at which the lines were last found in it.
    cache: u64,
    /// What it asks of the predictor and does to it, if no entry changes.
    effect: Option<Effect>,
    lines: Box<[u64]>,
    words: Box<[(u64, u32)]>,
    checks: Box<[Check]>,
    causes: Box<[(CycleCause, u64)]>,
    steps: Steps,
}

/// The same as an [`Effect`], step by step: for what changes entries, and after what has changed some.
struct Steps {
    /// Entries of the predictor change.
    heavy: bool,
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
            pages: acts.iter().any(|act| matches!(act, Act::Page { .. })),
            first: acts.iter().copied().find(is_lookup).filter(quiet),
            quiet: acts.iter().filter(|act| quiet(act)).filter_map(tag).collect(),
            loud: acts.iter().copied().filter(|act| !quiet(act)).collect(),
        }
    }

    /// Asks and tells the predictor everything again; whether all answers are the same. If not, nothing has
    /// changed.
    #[inline(never)]
    fn repeat(&self, fetch: &mut Fetch) -> bool {
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

/// Whether data accesses go through the TLB.
#[inline(always)]
fn translates(env: &Env<'_>) -> bool {
    env.hart.data_privilege() != Priv::M && satp_levels(env.hart.csr.satp) != 0
}

impl Edge {
    /// The block `run`, which took `causes` from `pc` to node `to`, as `recorder` has it. `changes`: entries of
    /// the predictor changed meanwhile.
    pub fn new(
        run: BlockRun<'_>,
        pc: u64,
        to: u32,
        causes: Box<[(CycleCause, u64)]>,
        recorder: &Recorder,
        changes: bool,
    ) -> Self {
        Self {
            serial: run.serial,
            pc,
            to,
            cycles: causes.iter().map(|cause| cause.1).sum(),
            cache: u64::MAX,
            effect: Effect::of(&recorder.acts),
            lines: recorder.lines.clone().into_boxed_slice(),
            words: recorder.words.clone().into_boxed_slice(),
            checks: recorder.checks.clone().into_boxed_slice(),
            causes,
            steps: Steps::of(&recorder.acts, changes),
        }
    }

    /// Follows the edge if everything is as it was; whether it is.
    #[inline(always)]
    pub fn follow(&mut self, hart: &mut HartModel, env: &mut Env<'_>, run: BlockRun<'_>) -> bool {
        let translates = translates(env);
        let Some(stores) = self.accesses(hart, env, run, translates) else { return false };
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
            Some(effect) if fetch.btb.settled() => effect.repeat(&mut fetch.btb),
            _ => self.steps.repeat(fetch),
        };
        if !same {
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
        if translates {
            self.touch(hart, run.facts);
        }
        true
    }

    /// Whether accesses, multiplications and divisions go as they did; the latest two stores afterwards.
    #[inline(always)]
    fn accesses(
        &self,
        hart: &HartModel,
        env: &mut Env<'_>,
        run: BlockRun<'_>,
        translates: bool,
    ) -> Option<[(u64, u8); 2]> {
        let [older, newer] = &hart.memory.stores;
        let mut stores = [(older.word, older.mask), (newer.word, newer.mask)];
        if self.checks.len() != run.facts.len() {
            return None;
        }
        let params = env.params;
        let dcache = env.dcache();
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
            if !dcache.settled(fact.b, write) || (translates && !hart.memory.tlb.holds(fact.a)) {
                return None;
            }
            let span = || (fact.a >> 3 & 0x1ff, (((1u16 << (1 << size)) - 1) << (fact.a & 7)) as u8);
            match *check {
                Check::Load { live: 0, .. } => {}
                Check::Load { live, .. } => {
                    let (word, mask) = span();
                    let same =
                        |n: usize| live >> n & 1 == 1 && stores[n].0 == word && stores[n].1 & mask != 0;
                    if same(0) || same(1) {
                        return None;
                    }
                }
                _ => stores = [stores[1], span()],
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
}
