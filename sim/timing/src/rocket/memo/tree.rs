//! Paths of blocks as trees of questions: what a block asks from a node with the same answers up to some point, it
//! asks once, and goes where the answer says. A path that is followed to its end needs no other to have been tried
//! before.

use relsim_core::timing::{BlockRun, Fact};

use super::super::btb::Btb;
use super::super::fetch::Fetch;
use super::super::hart::HartModel;
use super::super::memory::{Memory, span};
use super::super::scoreboard::operand_cycles;
use super::super::tlb::{Context, Order, translates};
use super::super::uncore::Env;
use super::origin::Named;
use super::short::{Miss, Shorts, TRIES};
use super::steps::{End, MAX_LEARNT, NO_LOOKUP, Side, Sides, Source, Step};

/// Steps at a time; beyond that all are forgotten.
const MAX_STEPS: usize = 1 << 22;
/// No other answer is known.
const UNKNOWN: u32 = 0;

/// A step that the next in memory follows.
#[derive(Debug, Clone, Copy)]
struct Place {
    step: Step,
    /// Where to go if the answer is another one.
    otherwise: u32,
}

/// The trees of all nodes.
#[derive(Default)]
pub(super) struct Tree {
    places: Vec<Place>,
    shorts: Shorts,
    /// What the steps refer to.
    pub sides: Sides,
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
        self.places.len() >= MAX_STEPS
    }

    /// Adds a path of `steps` to `end` to the tree at `root`, if there is one: gives its root. `None` if it is known.
    pub fn add(&mut self, root: Option<u32>, steps: &[Step], end: End) -> Option<u32> {
        if self.places.is_empty() {
            // Nothing is at `UNKNOWN`.
            self.places.push(Place { step: Step::Pop, otherwise: UNKNOWN });
        }
        let mut known = 0;
        let mut from = None;
        if let Some(root) = root {
            let mut at = root;
            loop {
                let place = self.places[at as usize];
                match place.step.is_begin_of(&steps[known..]) {
                    Some(count) => {
                        known += count;
                        at += 1;
                    }
                    _ if matches!(place.step, Step::End(_)) => return None,
                    _ if place.otherwise == UNKNOWN => {
                        from = Some(at);
                        break;
                    }
                    _ => at = place.otherwise,
                }
            }
        }
        let begin = self.places.len() as u32;
        let end_number = self.shorts.count() as u32;
        self.shorts.add(steps, end, &self.sides);
        while let Some((step, count)) = Step::first_of(&steps[known..]) {
            self.places.push(Place { step, otherwise: UNKNOWN });
            known += count;
        }
        self.places.push(Place { step: Step::End(end_number), otherwise: UNKNOWN });
        match from {
            Some(last) => {
                self.places[last as usize].otherwise = begin;
                root
            }
            None => Some(begin),
        }
    }

    /// Goes from `root` as the answers say, and does what the path did: gives the number of its end, if the answers are
    /// known. If not, nothing has changed.
    #[inline(always)]
    pub fn follow(
        &mut self,
        root: u32,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        named: &mut Named,
    ) -> Option<u32> {
        let recent = hart.pipe.fetch.btb.begin();
        let mut fetching = None;
        let mut learnt = Learnt::default();
        let translates = translates(env.hart);
        let mut at = root;
        // The first of the places with other answers to the same question, and the last but one that was tried.
        let (mut first, mut before) = (UNKNOWN, UNKNOWN);
        loop {
            let place = self.places[at as usize];
            if let Step::End(number) = place.step {
                let end = &self.shorts.path(number).end;
                hart.pipe.fetch.btb.keep();
                learnt.write(&mut hart.pipe.fetch.btb);
                Self::arrive(end, hart, env, run, named, translates);
                return Some(number);
            }
            if self.takes(&place.step, hart, env, run, named, &mut learnt, &mut fetching, translates) {
                if first != before {
                    self.prefer(at, first, before);
                }
                (first, before) = (UNKNOWN, UNKNOWN);
                at += 1;
            } else if place.otherwise != UNKNOWN {
                (first, before) = (if first == UNKNOWN { at } else { first }, at);
                at = place.otherwise;
            } else {
                hart.pipe.fetch.btb.undo(recent);
                if let Some((order, context)) = fetching {
                    hart.pipe.fetch.tlb.reorder(order);
                    hart.pipe.fetch.context = context;
                }
                env.dcache().undo();
                return None;
            }
        }
    }

    /// The answer at `at`, behind that at `before`, is the one to be tried next after that at `first`: it may be the answer
    /// again.
    #[inline]
    fn prefer(&mut self, at: u32, first: u32, before: u32) {
        let next = std::mem::replace(&mut self.places[first as usize].otherwise, at);
        let behind = std::mem::replace(&mut self.places[at as usize].otherwise, next);
        self.places[before as usize].otherwise = behind;
    }

    /// The node behind end number `end`.
    #[inline(always)]
    pub fn behind(&self, end: u32) -> u32 {
        self.shorts.path(end).end.to
    }

    /// Takes the short cut number `first`, or another one from the same node: gives the number of its path's end. If that
    /// does not lead to an end, nothing has changed.
    #[inline(always)]
    pub fn shortens(
        &mut self,
        first: u32,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        named: &mut Named,
    ) -> Result<u32, Miss> {
        let generation = hart.pipe.fetch.generation();
        let translates = translates(env.hart);
        let mut number = first;
        let mut miss = Miss::First;
        for _ in 0..TRIES {
            let mut short = self.shorts.get(number, generation).ok_or(miss)?;
            miss = Miss::Otherwise(number);
            if !Self::are_settled(short.facts, short.writes, &mut hart.memory, env, run, translates) {
                number = Shorts::next(short);
                continue;
            }
            let mut from = 0;
            while let Some(n) = Shorts::differs(short, from, &hart.pipe.fetch.btb) {
                (number, short) =
                    self.shorts.other(short, n, generation).ok_or(Miss::Direction(number, n))?;
                from = n + 1;
            }
            let next = Shorts::next(short);
            if !self.shorts.finds(number, &hart.pipe.fetch.btb) {
                (miss, number) = (Miss::Otherwise(number), next);
                continue;
            }
            let short = self.shorts.path(number);
            let others = self.shorts.others(short);
            if !others.is_empty() && !self.are_same(others, hart, env, run, translates) {
                miss = Miss::Otherwise(number);
                number = Shorts::next(short);
                continue;
            }
            Shorts::tell(short, &mut hart.pipe.fetch.btb, named);
            others.iter().for_each(|step| self.tells(step, &mut hart.pipe.fetch, named));
            Self::arrive(&short.end, hart, env, run, named, translates);
            return Ok(number);
        }
        Err(miss)
    }

    /// Whether what `steps` ask is the same, before any of it is told. If so, the data cache has been told; if not, nothing
    /// has changed.
    fn are_same(
        &self,
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
                *self.sides.get(side) == Side::Context(context)
            }
            Step::Page(side) => match *self.sides.get(side) {
                Side::Page { va, pa, .. } => hart.pipe.fetch.tlb.would_find(context, va) == Some(pa),
                _ => false,
            },
            _ => self.is_same(step, hart, env, run, translates),
        });
        if !same {
            env.dcache().undo();
        }
        same
    }

    /// What `step` tells, if its answer is no different from what was asked before it.
    #[inline(always)]
    fn tells(&self, step: &Step, fetch: &mut Fetch, named: &mut Named) {
        let btb = &mut fetch.btb;
        match *step {
            Step::Push(address) => btb.push(address.get()),
            Step::Pop => btb.pop(),
            Step::Update(side) => {
                if let &Side::Update(update) = self.sides.get(side) {
                    btb.update(named.update(update));
                }
            }
            Step::Page(side) => {
                if let &Side::Page { va, pa, uses } = self.sides.get(side) {
                    fetch.tlb.finds(fetch.context, va, pa, uses);
                }
            }
            Step::Context(side) => {
                if let &Side::Context(context) = self.sides.get(side) {
                    fetch.enter(context);
                }
            }
            _ => {}
        }
    }

    /// The path to `end` has been followed, which a short cut missed: the short cut to begin with, if that is to change.
    #[inline]
    pub fn followed(&mut self, end: u32, missed: Miss, generation: u64, btb: &Btb) -> Option<u32> {
        if !self.shorts.followed(end, generation, btb) {
            return None;
        }
        match missed {
            Miss::Direction(number, n) if self.shorts.turns(number, n, end) => None,
            Miss::First | Miss::Direction(..) => Some(end),
            Miss::Otherwise(n) => {
                *self.shorts.otherwise(n) = end;
                None
            }
        }
    }

    /// Whether the lines of the accesses `facts` are there, and nothing of them changes.
    #[inline(always)]
    fn are_settled(
        facts: u32,
        writes: u32,
        memory: &mut Memory,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        translates: bool,
    ) -> bool {
        let dcache = env.dcache();
        let mut rest = facts;
        while rest != 0 {
            let n = rest.trailing_zeros();
            rest &= rest - 1;
            let fact = run.facts.get(n as usize).copied().unwrap_or_default();
            let there = dcache.settled(fact.b, writes >> n & 1 == 1);
            if !there || translates && !memory.tlb.holds(fact.a) {
                return false;
            }
        }
        true
    }

    /// Whether the question of `step` has its answer; if so, what goes with it is told.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn takes(
        &self,
        step: &Step,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        named: &mut Named,
        learnt: &mut Learnt,
        fetching: &mut Fetching,
        translates: bool,
    ) -> bool {
        let btb = &mut hart.pipe.fetch.btb;
        match *step {
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
                btb.settle(pc.get());
                true
            }
            Step::Use { n } => {
                btb.uses(named.lookup(n));
                true
            }
            Step::Push(_) | Step::Pop | Step::Update(_) => {
                self.tells(step, &mut hart.pipe.fetch, named);
                true
            }
            Step::Flush => {
                btb.flush();
                true
            }
            Step::Odd(_) | Step::Page(_) | Step::Context(_) => {
                self.takes_aside(step, &mut hart.pipe.fetch, env, named, fetching)
            }
            _ => self.is_same(step, hart, env, run, translates),
        }
    }

    /// [`Tree::takes`] for what is rare.
    #[inline(never)]
    fn takes_aside(
        &self,
        step: &Step,
        fetch: &mut Fetch,
        env: &Env<'_>,
        named: &mut Named,
        fetching: &mut Fetching,
    ) -> bool {
        let (Step::Odd(side) | Step::Page(side) | Step::Context(side)) = *step else { return false };
        let same = match *self.sides.get(side) {
            Side::Odd { pc, odd, n } => {
                let (now, entry) = fetch.btb.odd(pc);
                if now == odd {
                    fetch.btb.settle_odd(pc);
                    named.finds(n, entry);
                }
                return now == odd;
            }
            Side::Page { va, pa, .. } => fetch.tlb.would_find(fetch.context, va) == Some(pa),
            Side::Context(context) => context == Context::of(env.hart),
            _ => false,
        };
        if same {
            fetching.get_or_insert_with(|| (fetch.tlb.order(), fetch.context));
            self.tells(step, fetch, named);
        }
        same
    }

    /// Whether the question of `step`, if it is one that neither the entries of the BTB nor translation answers, has its
    /// answer. Nobody is told but the data cache, which knows how to undo that.
    #[inline(always)]
    fn is_same(
        &self,
        step: &Step,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        translates: bool,
    ) -> bool {
        let fact = |n: u8| run.facts.get(usize::from(n)).copied().unwrap_or_default();
        match *step {
            Step::Line { line, there } => hart.pipe.fetch.icache.holds(line.get()) == there,
            Step::Settled { facts, writes } => {
                Self::are_settled(facts, writes, &mut hart.memory, env, run, translates)
            }
            Step::Unsettled { n, write } => !env.dcache().settled(fact(n).b, write),
            Step::Becomes { n, write, outcome } => {
                let fact = fact(n);
                (!translates || hart.memory.tlb.holds(fact.a)) && env.dcache().repeat(fact.b, write, outcome)
            }
            Step::Idle => env.uncore.port.free <= hart.pipe.now,
            Step::Behind(side)
            | Step::Multiplicand(side)
            | Step::Operands(side)
            | Step::Returns(side)
            | Step::Word(side) => Self::is_same_aside(self.sides.get(side), hart, env, run),
            Step::Push(_) | Step::Pop | Step::Update(_) => true,
            Step::Free { .. }
            | Step::Entry { .. }
            | Step::Direction { .. }
            | Step::Learn { .. }
            | Step::Settle(_)
            | Step::Use { .. }
            | Step::Flush
            | Step::Odd(_)
            | Step::Page(_)
            | Step::Context(_)
            | Step::End(_) => false,
        }
    }

    /// [`Tree::is_same`] for what is kept aside.
    #[inline]
    fn is_same_aside(side: &Side, hart: &HartModel, env: &Env<'_>, run: &BlockRun<'_>) -> bool {
        let fact = |n: u8| run.facts.get(usize::from(n)).copied().unwrap_or_default();
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
            Side::Multiplicand { n, mask, least, greatest } => {
                (least..=greatest).contains(&(fact(n).a & mask))
            }
            Side::Operands { n, op, cycles } => {
                let fact = fact(n);
                let op = run.ops.get(usize::from(op));
                op.is_some_and(|op| operand_cycles(op, (fact.a, fact.b), env.params) == cycles)
            }
            Side::Returns(to) => hart.pipe.fetch.btb.ras_head() == to,
            Side::Word { pa, word } => env.bus.ram.get::<u32>(pa) == Some(word),
            Side::Odd { .. } | Side::Page { .. } | Side::Update(_) | Side::Context(_) => false,
        }
    }

    /// What is left to do when every question has been answered.
    #[inline(always)]
    fn arrive(
        end: &End,
        hart: &mut HartModel,
        env: &mut Env<'_>,
        run: &BlockRun<'_>,
        named: &mut Named,
        translates: bool,
    ) {
        let now = hart.pipe.now;
        hart.pipe.fetch.btb.advance(end.history.after(hart.pipe.fetch.btb.history()), end.place);
        named.moves(&end.sources, end.places);
        let mut after = now;
        for &(privilege, cause, cycles) in end.charges.iter().take(end.charged.into()) {
            hart.pipe.ledger.charge(privilege, cause, cycles.into());
            after += u64::from(cycles);
        }
        let (dcache, port) = env.data();
        dcache.keep();
        if end.done != (0, 0) {
            (dcache.ready, port.free) = (now + u64::from(end.done.0), now + u64::from(end.done.1));
            dcache.crossbar.serves_data();
        }
        (hart.pipe.now, hart.issue) = (after, after);
        let memory = &mut hart.memory;
        if let Source::Fact { .. } = end.stores[1] {
            let (first, second) =
                (end.stores[0].span(memory, run.facts), end.stores[1].span(memory, run.facts));
            let [one, two] = &mut memory.stores;
            (one.word, one.mask) = first;
            (two.word, two.mask) = second;
        }
        if translates {
            let is_access = |n: usize| end.accesses >> (n & 63) & 1 == 1;
            for (_, fact) in run.facts.iter().enumerate().filter(|&(n, _)| is_access(n)) {
                memory.tlb.touch(fact.a);
            }
        }
    }
}
