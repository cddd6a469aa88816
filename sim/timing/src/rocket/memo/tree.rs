//! Paths of blocks as trees of questions: what a block asks from a node with the same answers up to some point, it
//! asks once, and goes where the answer says. A path that is followed to its end needs no other to have been tried
//! before.

mod places;

use relsim_core::timing::BlockRun;

use super::super::btb::{Btb, Recent};
use super::super::dcache::Dcache;
use super::super::fetch::Fetch;
use super::super::hart::HartModel;
use super::super::memory::{Memory, span};
use super::super::scoreboard::operand_cycles;
use super::super::tlb::{Context, Order, translates};
use super::super::uncore::{Beside, Env};
use super::origin::Named;
use super::short::{Miss, Short, Shorts, TRIES};
use super::steps::{End, MAX_LEARNT, NO_LOOKUP, Side, Sides, Source, Step};
use places::{Place, Trees, UNKNOWN};

/// What comes of a step.
enum Taken {
    /// The answer is the same.
    Same,
    /// It is, and an entry has come to have a tag that none ever had.
    Tagged,
    /// It is another one.
    Other,
    /// The path ends here: the number of its end.
    End(u32),
}

impl From<bool> for Taken {
    #[inline(always)]
    fn from(same: bool) -> Self {
        if same { Self::Same } else { Self::Other }
    }
}

/// The trees of all nodes.
#[derive(Default)]
pub(super) struct Tree {
    trees: Trees,
    shorts: Shorts,
    /// What the steps refer to.
    pub sides: Sides,
}

/// Directions that are learnt at the end of the path, as places with the directions in the lowest bit.
#[derive(Default)]
struct Learnt {
    count: usize,
    written: [u16; MAX_LEARNT],
}

impl Learnt {
    #[inline(always)]
    fn push(&mut self, index: u16, taken: bool) {
        self.written[self.count % MAX_LEARNT] = index << 1 | u16::from(taken);
        self.count += 1;
    }

    /// The direction at `index` after the first `learnt` of them.
    #[inline(always)]
    fn direction(&self, btb: &Btb, index: u16, learnt: u8) -> bool {
        let mut taken = btb.direction(index);
        for &write in self.written.iter().take(learnt.into()) {
            if write >> 1 == index {
                taken = write & 1 == 1;
            }
        }
        taken
    }

    #[inline(always)]
    fn write(&self, btb: &mut Btb) {
        for &write in self.written.iter().take(self.count) {
            btb.set_direction(write >> 1, write & 1 == 1);
        }
    }
}

/// What the path has changed of fetch's translation, to undo it.
type Fetching = Option<(Order, Context)>;

impl Tree {
    /// Whether there is no room for more.
    pub fn is_full(&self) -> bool {
        self.trees.is_full()
    }

    /// Adds a path of `steps` to `end` to the tree at `root`, if there is one: gives its root. `None` if it is known.
    pub fn add(&mut self, root: Option<u32>, steps: &[Step], end: End, btb: &Btb) -> Option<u32> {
        let mut known = 0;
        let mut from = None;
        if let Some(root) = root {
            let mut at = root;
            loop {
                let place = self.trees[at as usize];
                match place.step.is_begin_of(&steps[known..]) {
                    Some(count) => {
                        known += count;
                        at += 1;
                    }
                    _ if matches!(place.step, Step::End(_)) => return None,
                    _ if place.ways.otherwise() == UNKNOWN => {
                        from = Some(at);
                        break;
                    }
                    _ => at = place.ways.otherwise(),
                }
            }
        }
        let end_number = self.shorts.count() as u32;
        self.shorts.add(steps, end);
        let end = [Step::End(end_number), Step::Sources(end.sources)];
        let new = Step::together(&steps[known..], |tag| btb.was_ever(tag)).chain(end);
        let begin = self.trees.add(new, btb);
        match from {
            Some(last) => {
                self.trees.set_otherwise(last, begin);
                root
            }
            None => Some(begin),
        }
    }

    /// Goes from `root` as the answers say, and does what the path did: gives the number of its end, and the node
    /// behind it, if the answers are known. If not, nothing has changed.
    #[inline(never)]
    pub fn follow(
        &mut self,
        root: u32,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        named: &mut Named,
    ) -> Option<(u32, u32)> {
        self.trees.asks_again(&hart.pipe.fetch.btb);
        let recent = hart.pipe.fetch.btb.begin();
        let mut fetching = None;
        let mut learnt = Learnt::default();
        let translates = translates(env.hart);
        let mut at = root as usize;
        // The first of the places with other answers to the same question, if there was one, and the last but one that was tried.
        let (mut first, mut before) = (UNKNOWN, UNKNOWN);
        loop {
            // Not a copy: that would have to wait for all of it.
            let place = &self.trees[at];
            let ways = place.ways;
            let taken = Self::takes(
                &self.sides,
                &place.step,
                hart,
                env,
                run,
                named,
                &mut learnt,
                &mut fetching,
                translates,
            );
            match taken {
                Taken::Same | Taken::Tagged => {
                    if first != UNKNOWN {
                        if first != before {
                            self.trees.prefer(at as u32, first, before);
                        }
                        first = UNKNOWN;
                    }
                    let mut skips = ways.skips();
                    if let Taken::Tagged = taken {
                        self.trees.asks_again(&hart.pipe.fetch.btb);
                        skips = self.trees[at].ways.skips();
                    }
                    at += 1 + skips;
                }
                Taken::End(number) => {
                    let Some(&Place { step: Step::Sources(sources), .. }) = self.trees.get(at + 1) else {
                        Self::undo(hart, env, recent, fetching);
                        return None;
                    };
                    let end = self.shorts.end(number);
                    hart.pipe.fetch.btb.keep();
                    learnt.write(&mut hart.pipe.fetch.btb);
                    end.keep(hart.pipe.now, env);
                    named.moves(&sources, end.places);
                    end.arrive(hart, run, translates);
                    return Some((number, end.to));
                }
                Taken::Other => {
                    if ways.otherwise() == UNKNOWN {
                        Self::undo(hart, env, recent, fetching);
                        return None;
                    }
                    before = at as u32;
                    first = if first == UNKNOWN { before } else { first };
                    at = ways.otherwise() as usize;
                }
            }
        }
    }

    /// Takes the short cut number `first`, or another one from the same node: gives the node that it leads to. If it does
    /// not lead anywhere, nothing has changed.
    #[inline(always)]
    pub fn shortens(
        &mut self,
        first: u32,
        hart: &mut HartModel,
        beside: &mut Beside<'_>,
        run: &BlockRun<'_>,
        named: &mut Named,
    ) -> Result<u32, Miss> {
        let core = beside.hart;
        let (all, others) = self.shorts.parts();
        let generation = hart.pipe.fetch.generation();
        let mut number = first;
        let mut miss = Miss::First;
        for _ in 0..TRIES {
            let mut short = Short::get(all, number, generation).ok_or(miss)?;
            short.expect_others(others);
            let same = short.knows_directions(&hart.pipe.fetch.btb);
            if !same {
                let mut from = 0;
                while let Some(n) = short.differs(from, &hart.pipe.fetch.btb) {
                    let other = short.other(n);
                    short = Short::get(all, other, generation).ok_or(Miss::Direction(number, n))?;
                    (number, from) = (other, n + 1);
                }
            }
            let translates = short.has_accesses() && translates(core);
            let settled = !short.has_accesses() || {
                let dcache = &mut beside.uncore.dcaches[core.config.id];
                !translates && short.are_settled(run.facts, dcache)
                    || Self::are_settled(short.accesses(), &mut hart.memory, dcache, run, translates)
            };
            if settled && short.finds(&hart.pipe.fetch.btb) {
                let others = short.others(others);
                if others.is_empty() {
                    short.tell(same, &mut hart.pipe.fetch.btb);
                    short.moves(named);
                    short.end.arrive(hart, run, translates);
                    return Ok(short.end.to);
                }
                let mut env = beside.env(u64::MAX);
                if Self::takes_others(&self.sides, short, others, hart, &mut env, run, named) {
                    return Ok(short.end.to);
                }
            }
            miss = Miss::Otherwise(number);
            number = short.otherwise;
        }
        Err(miss)
    }

    /// Asks what `short` has left to ask beside its directions, accesses and entries: whether it is the same. Then all has
    /// been done that goes with it; if not, nothing has changed.
    #[inline(never)]
    fn takes_others(
        sides: &Sides,
        short: &mut Short,
        others: &[Step],
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        named: &mut Named,
    ) -> bool {
        let translates = translates(env.hart);
        if !Self::are_same(sides, short, others, hart, env, run, translates) {
            return false;
        }
        let btb = &mut hart.pipe.fetch.btb;
        short.tell(short.knows_directions(btb), btb);
        named.finds_first(short.ways());
        for step in others {
            Self::tells(sides, step, &mut hart.pipe.fetch, named);
        }
        short.moves(named);
        short.end.keep(hart.pipe.now, env);
        short.end.arrive(hart, run, translates);
        true
    }

    /// All is as it was.
    #[cold]
    fn undo(hart: &mut HartModel, env: &mut Env<'_>, recent: Recent, fetching: Fetching) {
        let fetch = &mut hart.pipe.fetch;
        fetch.btb.undo(recent);
        if let Some((order, context)) = fetching {
            fetch.tlb.reorder(order);
            fetch.context = context;
        }
        env.dcache().undo();
    }

    /// Whether what `steps` ask is the same, before any of it is told. If so, the data cache has been told; if not, nothing
    /// has changed.
    fn are_same(
        sides: &Sides,
        short: &Short,
        steps: &[Step],
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        translates: bool,
    ) -> bool {
        let mut context = hart.pipe.fetch.context;
        let same = steps.iter().all(|step| match *step {
            Step::Context(side) => {
                context = Context::of(env.hart);
                *sides.get(side) == Side::Context(context)
            }
            Step::Page(side) => match *sides.get(side) {
                Side::Page { va, pa, .. } => hart.pipe.fetch.tlb.would_find(context, va) == Some(pa),
                _ => false,
            },
            Step::Direction { place, learnt, taken, .. } => {
                short.direction(place, learnt, &hart.pipe.fetch.btb) == taken
            }
            _ => Self::is_same(sides, step, hart, env, run, translates),
        });
        if !same {
            env.dcache().undo();
        }
        same
    }

    /// What `step` tells, if its answer is no different from what was asked before it.
    #[inline(always)]
    fn tells(sides: &Sides, step: &Step, fetch: &mut Fetch, named: &mut Named) {
        let btb = &mut fetch.btb;
        match *step {
            Step::Push(address) => btb.push(address.get()),
            Step::Pop => btb.pop(),
            Step::Update(change) => btb.update(named.update(change.get())),
            Step::Page(side) => {
                if let &Side::Page { va, pa, uses } = sides.get(side) {
                    fetch.tlb.finds(fetch.context, va, pa, uses);
                }
            }
            Step::Context(side) => {
                if let &Side::Context(context) = sides.get(side) {
                    fetch.enter(context);
                }
            }
            _ => {}
        }
    }

    /// Asks the host for short cut number `n`, which is going to be tried soon.
    #[inline(always)]
    pub fn expect_short(&self, n: u32) {
        self.shorts.expect(n);
    }

    /// Asks the host for the first places of the tree at `root`, which is going to be followed soon.
    #[inline(always)]
    pub fn expect(&self, root: u32) {
        self.trees.expect(root);
    }

    /// Asks the host for end number `n`, to which a tree is likely to lead.
    #[inline(always)]
    pub fn expect_end(&self, n: u32) {
        self.shorts.expect_end(n);
    }

    /// The path to `end` has been followed in `generation`: whether it has a short cut.
    #[inline]
    pub fn followed(&mut self, end: u32, generation: u64, btb: &Btb) -> bool {
        self.shorts.followed(end, generation, btb)
    }

    /// The short cut to begin with, which was `first`, so that they lead to `end`, which they `missed`.
    #[inline]
    pub fn leads(&mut self, first: u32, end: u32, missed: Miss) -> u32 {
        match missed {
            Miss::Direction(number, n) if self.shorts.turns(number, n, end) => first,
            Miss::First | Miss::Direction(..) => end,
            Miss::Otherwise(n) => {
                *self.shorts.otherwise(n) = end;
                first
            }
        }
    }

    /// Whether the lines of the accesses `facts` are there, and nothing of them changes.
    #[inline(never)]
    fn are_settled(
        (facts, writes): (u32, u32),
        memory: &mut Memory,
        dcache: &mut Dcache,
        run: &BlockRun<'_>,
        translates: bool,
    ) -> bool {
        let mut rest = facts;
        while rest != 0 {
            let n = rest.trailing_zeros() as u8;
            rest &= rest - 1;
            let fact = run.facts[usize::from(n)];
            let there = dcache.settled(fact.b, writes >> n & 1 == 1);
            if !there || translates && !memory.tlb.holds(fact.a) {
                return false;
            }
        }
        true
    }

    /// Whether the question of `step` has its answer; if so, what goes with it is told. Or the end that the step is.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn takes(
        sides: &Sides,
        step: &Step,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        named: &mut Named,
        learnt: &mut Learnt,
        fetching: &mut Fetching,
        translates: bool,
    ) -> Taken {
        let btb = &mut hart.pipe.fetch.btb;
        let same = match *step {
            Step::End(number) => return Taken::End(number),
            Step::Free { touches, tags } => {
                let free = btb.are_free(tags);
                if free && touches {
                    btb.touch();
                }
                free
            }
            Step::Entry { touches, uses, n, tag, content } => match btb.entry_of(tag, content) {
                Some(entry) => {
                    if touches {
                        btb.touch();
                    }
                    named.finds(n, entry);
                    if uses {
                        btb.uses(entry);
                    }
                    true
                }
                None => false,
            },
            Step::Quiet { touches, n, tag, content } => match btb.quiet_entry(tag, content) {
                Some(entry) => {
                    if touches {
                        btb.touch();
                    }
                    named.finds(n, entry);
                    true
                }
                None => false,
            },
            Step::Direction { place, learnt: count, taken, uses } => {
                let same = learnt.direction(btb, place.index(btb.history()), count) == taken;
                if same && uses != NO_LOOKUP {
                    btb.uses(named.lookup(uses));
                }
                same
            }
            Step::Learn { place, taken } => {
                learnt.push(place.index(btb.history()), taken);
                true
            }
            Step::Settle(pc) => {
                return Self::takes_change(btb, |btb| {
                    btb.settle(pc.get());
                    true
                });
            }
            Step::Use { n } => {
                btb.uses(named.lookup(n));
                true
            }
            Step::Push(_) | Step::Pop | Step::Update(_) => {
                Self::tells(sides, step, &mut hart.pipe.fetch, named);
                true
            }
            Step::Flush => {
                btb.flush();
                true
            }
            Step::Odd(side) => {
                return Self::takes_change(btb, |btb| Self::takes_odd(sides.get(side), btb, named, learnt));
            }
            Step::Page(_) | Step::Context(_) => {
                Self::takes_aside(sides, step, &mut hart.pipe.fetch, env, named, fetching)
            }
            _ => Self::is_same(sides, step, hart, env, run, translates),
        };
        same.into()
    }

    /// [`Tree::takes`] for what may change an entry, as `change` does.
    #[inline(always)]
    fn takes_change(btb: &mut Btb, change: impl FnOnce(&mut Btb) -> bool) -> Taken {
        let before = btb.tags_had().len();
        let same = change(btb);
        if btb.tags_had().len() != before { Taken::Tagged } else { same.into() }
    }

    /// [`Tree::takes`] for a lookup that several entries answer, or one for another page.
    #[inline(never)]
    fn takes_odd(side: &Side, btb: &mut Btb, named: &mut Named, learnt: &Learnt) -> bool {
        let &Side::Odd { pc, odd, n, followed, place, learnt: count } = side else { return false };
        let direction = learnt.direction(btb, place.index(btb.history()), count);
        let (now, entry) = btb.odd(pc, direction, followed);
        if now == odd {
            btb.settle_odd(pc);
            named.finds(n, entry);
        }
        now == odd
    }

    /// [`Tree::takes`] for what is rare.
    #[inline(never)]
    fn takes_aside(
        sides: &Sides,
        step: &Step,
        fetch: &mut Fetch,
        env: &Env<'_>,
        named: &mut Named,
        fetching: &mut Fetching,
    ) -> bool {
        let (Step::Page(side) | Step::Context(side)) = *step else { return false };
        let same = match *sides.get(side) {
            Side::Page { va, pa, .. } => fetch.tlb.would_find(fetch.context, va) == Some(pa),
            Side::Context(context) => context == Context::of(env.hart),
            _ => false,
        };
        if same {
            fetching.get_or_insert_with(|| (fetch.tlb.order(), fetch.context));
            Self::tells(sides, step, fetch, named);
        }
        same
    }

    /// Whether the question of `step`, if it is one that neither the entries of the BTB nor translation answers, has its
    /// answer. Nobody is told but the data cache, which knows how to undo that.
    #[inline(always)]
    fn is_same(
        sides: &Sides,
        step: &Step,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        translates: bool,
    ) -> bool {
        let fact = |n: u8| run.facts[usize::from(n)];
        match *step {
            Step::Line { line, there } => hart.pipe.fetch.icache.holds(line.get()) == there,
            Step::Settled { facts, writes } => {
                Self::are_settled((facts, writes), &mut hart.memory, env.dcache(), run, translates)
            }
            Step::Unsettled { n, write } => !env.dcache().settled(fact(n).b, write),
            Step::Becomes { n, write, outcome } => {
                let fact = fact(n);
                (!translates || hart.memory.tlb.holds(fact.a)) && env.dcache().repeat(fact.b, write, outcome)
            }
            Step::Idle => env.uncore.port.free <= hart.pipe.now,
            Step::Behind(side)
            | Step::Operands(side)
            | Step::Returns(side)
            | Step::Target(side)
            | Step::Word(side) => Self::is_same_aside(sides.get(side), hart, env, run),
            Step::Push(_) | Step::Pop | Step::Update(_) => true,
            Step::Free { .. }
            | Step::Entry { .. }
            | Step::Quiet { .. }
            | Step::Direction { .. }
            | Step::Learn { .. }
            | Step::Settle(_)
            | Step::Use { .. }
            | Step::Flush
            | Step::Odd(_)
            | Step::Page(_)
            | Step::Context(_)
            | Step::End(_)
            | Step::Sources(_) => false,
        }
    }

    /// [`Tree::is_same`] for what is kept aside.
    #[inline]
    fn is_same_aside(side: &Side, hart: &HartModel, env: &Env<'_>, run: &BlockRun<'_>) -> bool {
        let fact = |n: u8| run.facts[usize::from(n)];
        match *side {
            Side::Behind { n, size, stores, conflicts } => {
                let (word, mask) = span(fact(n).a, size.into());
                let same = |store: Option<Source>| {
                    store
                        .map(|store| store.span(&hart.memory, run.facts))
                        .is_some_and(|s| s.0 == word && s.1 & mask != 0)
                };
                (same(stores[0]) || same(stores[1])) == conflicts
            }
            Side::Operands { n, op, cycles } => {
                let fact = fact(n);
                let op = run.ops.get(usize::from(op));
                op.is_some_and(|op| operand_cycles(op, (fact.a, fact.b), env.params) == cycles)
            }
            Side::Returns(to) => hart.pipe.fetch.btb.ras_head() == to,
            Side::Target { pc, to } => hart.pipe.fetch.btb.finds(pc).to == to,
            Side::Word { pa, word } => env.bus.ram.get::<u32>(pa) == Some(word),
            Side::Odd { .. } | Side::Page { .. } | Side::Context(_) => false,
        }
    }
}

impl End {
    /// The lines that the path brought have come, behind cycle `now` in which it began.
    fn keep(&self, now: u64, env: &mut Env<'_>) {
        let (dcache, port) = env.data();
        dcache.keep();
        if self.done != (0, 0) {
            (dcache.ready, port.free) = (now + u64::from(self.done.0), now + u64::from(self.done.1));
            dcache.crossbar.serves_data();
        }
    }

    /// What is left to do when every question has been answered, but for the predictions' entries.
    #[inline(always)]
    fn arrive(&self, hart: &mut HartModel, run: &BlockRun<'_>, translates: bool) {
        let btb = &mut hart.pipe.fetch.btb;
        btb.advance(self.history.after(btb.history()), self.history.place());
        let mut now = hart.pipe.now;
        for (&cell, &cycles) in self.cells.iter().zip(&self.cycles).take(self.charged.into()) {
            hart.pipe.ledger.charge_at(cell, cycles.into());
            now += u64::from(cycles);
        }
        (hart.pipe.now, hart.issue) = (now, now);
        if self.stores[1].is_new() {
            let memory = &mut hart.memory;
            let (first, second) =
                (self.stores[0].span(memory, run.facts), self.stores[1].span(memory, run.facts));
            let [one, two] = &mut memory.stores;
            (one.word, one.mask) = first;
            (two.word, two.mask) = second;
        }
        if translates {
            self.uses_pages(&mut hart.memory, run);
        }
    }

    /// The TLB learns of the accesses.
    #[inline(never)]
    fn uses_pages(&self, memory: &mut Memory, run: &BlockRun<'_>) {
        let mut rest = self.accesses;
        while rest != 0 {
            memory.tlb.touch(run.facts[rest.trailing_zeros() as usize].a);
            rest &= rest - 1;
        }
    }
}

#[cfg(test)]
mod tests;
