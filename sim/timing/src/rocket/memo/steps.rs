//! What was recorded, as steps that are small and quick to repeat.

use relsim_core::hart::Priv;
use relsim_core::insn::Op;
use relsim_core::timing::{BlockRun, Cell, CycleCause, Facts};
use rustc_hash::FxHashMap;

use super::super::btb::{Btb, BtbUpdate, Cfi, Odd};
use super::super::memory::{Memory, span, word};
use super::super::muldiv::takes_always;
use super::super::tlb::Context;
use super::early::EarlyOuts;
use super::history::{History, Place};
use super::origin::{Origin, PLACES};
use super::record::{Act, Answer, Outcome, origin};

/// Directions that a path may learn: enough for every block there is.
pub(super) const MAX_LEARNT: usize = 8;
/// Different causes of a path's cycles.
const MAX_CHARGES: usize = 6;

/// Tags that no entry has, as a rule.
const FREE_TAGS: usize = 16;

/// Tags that are asked for together.
pub(super) const TAGS: usize = 4;
/// No lookup.
pub(super) const NO_LOOKUP: u8 = u8::MAX;

/// 64 bits that need the alignment of 32 only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wide([u32; 2]);

impl Wide {
    pub(super) const fn new(value: u64) -> Self {
        Self([value as u32, (value >> 32) as u32])
    }

    #[inline(always)]
    pub(super) const fn get(self) -> u64 {
        self.0[0] as u64 | (self.0[1] as u64) << 32
    }
}

/// A [`BtbUpdate`] in as many bytes as a step has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    entry: u8,
    pub(super) origin: Origin,
    valid: bool,
    cfi: Cfi,
    /// The lower bits of where the instruction ends, whose sign the others are.
    end: [u8; CHANGE_END],
}

/// Bytes of an address that may be the end of an instruction whose entry changes.
const CHANGE_END: usize = 6;
const _: () = assert!(size_of::<Step>() == 12);

impl Change {
    /// `None` if it does not fit.
    fn new(update: BtbUpdate) -> Option<Self> {
        let BtbUpdate { entry, origin, valid, pc: _, br_pc, cfi } = update;
        let [a, b, c, d, e, f, ..] = br_pc.to_le_bytes();
        let change = Self { entry, origin, valid, cfi, end: [a, b, c, d, e, f] };
        (change.get() == update).then_some(change)
    }

    #[inline(always)]
    pub(super) fn get(self) -> BtbUpdate {
        let Self { entry, origin, valid, cfi, end: [a, b, c, d, e, f] } = self;
        const REST: u32 = u64::BITS - 8 * CHANGE_END as u32;
        let br_pc = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        let br_pc = ((br_pc << REST) as i64 >> REST) as u64;
        BtbUpdate { entry, origin, valid, pc: br_pc & !3, br_pc, cfi }
    }
}

impl Step {
    /// How many of `steps` it is, if these begin with it.
    pub(super) fn is_begin_of(&self, steps: &[Self]) -> Option<usize> {
        if let Self::Settled { facts, writes } = *self {
            let count = facts.count_ones() as usize;
            let mut all = (0, 0);
            for step in steps.iter().take(count) {
                let &Self::Settled { facts, writes } = step else { return None };
                all = (all.0 | facts, all.1 | writes);
            }
            return (all == (facts, writes)).then_some(count);
        }
        let Self::Free { touches, tags } = *self else { return (steps.first() == Some(self)).then_some(1) };
        let count = tags.iter().position(|&tag| tag == tags[TAGS - 1]).map_or(TAGS, |last| last + 1);
        let alone = |(n, &tag): (usize, &u16)| Self::Free { touches: touches && n == 0, tags: [tag; TAGS] };
        (steps.len() >= count
            && tags[..count].iter().enumerate().map(alone).eq(steps[..count].iter().copied()))
        .then_some(count)
    }

    /// `steps`, of which is one what can be asked for together. Tags for which `one` says the same stand together, and others do
    /// not.
    pub(super) fn together(mut steps: &[Self], one: impl Fn(u16) -> bool) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || {
            let (step, count) = Self::first_of(steps, &one)?;
            steps = &steps[count..];
            Some(step)
        })
    }

    /// The first of `steps`, with what can be asked for together with it, and how many these are.
    fn first_of(steps: &[Self], one: impl Fn(u16) -> bool) -> Option<(Self, usize)> {
        let &first = steps.first()?;
        if let Self::Settled { mut facts, mut writes } = first {
            let mut count = 1;
            while let Some(&Self::Settled { facts: more, writes: write }) = steps.get(count) {
                (facts, writes) = (facts | more, writes | write);
                count += 1;
            }
            return Some((Self::Settled { facts, writes }, count));
        }
        let Self::Free { touches, mut tags } = first else { return Some((first, 1)) };
        let mut count = 1;
        while count < TAGS
            && let Some(&Self::Free { touches: false, tags: more }) = steps.get(count)
            // The last of them stands for what is not there.
            && !tags[..count].contains(&more[0])
            && one(more[0]) == one(tags[0])
        {
            tags[count..].fill(more[0]);
            count += 1;
        }
        Some((Self::Free { touches, tags }, count))
    }
}

/// A question with one of its answers, or something to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// No entry of the BTB has one of these tags. `touches`: the tree learns of the latest use.
    Free { touches: bool, tags: [u16; TAGS] },
    /// One entry has it, of this content: lookup `n`. `uses`: it is used.
    Entry { touches: bool, uses: bool, n: u8, tag: u16, content: u32 },
    /// The same if nothing is predicted, whether there is one that says no more than `content` or none.
    Quiet { touches: bool, n: u8, tag: u16, content: u32 },
    /// Another lookup: [`Side::Odd`].
    Odd(u32),
    /// A change takes effect, with this target.
    Settle(Wide),
    /// What lookup `n` found is used.
    Use { n: u8 },
    /// The direction at a place, as it was after so many were learnt. If so, the entry that lookup `uses` found is used,
    /// if it is one.
    Direction { place: Place, learnt: u8, taken: bool, uses: u8 },
    /// A direction is learnt.
    Learn { place: Place, taken: bool },
    /// What the return-address stack says: [`Side::Returns`].
    Returns(u32),
    /// Where an entry goes: [`Side::Target`].
    Target(u32),
    /// A call.
    Push(Wide),
    /// A return.
    Pop,
    /// A change is under way.
    Update(Change),
    /// The BTB forgets everything.
    Flush,
    /// [`Side::Page`].
    Page(u32),
    /// [`Side::Context`].
    Context(u32),
    /// Whether a line is in the instruction cache.
    Line { line: Wide, there: bool },
    /// [`Side::Word`].
    Word(u32),
    /// The lines of these accesses are there, and nothing of them changes: a bit each, and another for writes.
    Settled { facts: u32, writes: u32 },
    /// That is not so for access `n`.
    Unsettled { n: u8, write: bool },
    /// What becomes of its line.
    Becomes { n: u8, write: bool, outcome: Outcome },
    /// Nothing is on its way from memory.
    Idle,
    /// [`Side::Behind`].
    Behind(u32),
    /// [`Side::Operands`].
    Operands(u32),
    /// Every question is answered: the end, by its number. [`Step::Sources`] follow.
    End(u32),
    /// Where the predictions that are on their way at the end come from.
    Sources([u8; PLACES]),
}

/// What does not fit into a step, and is rare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// A lookup that several entries answer, or one for another page.
    Odd {
        pc: u64,
        odd: Odd,
        n: u8,
        followed: bool,
        /// Where its direction is, after so many were learnt.
        place: Place,
        learnt: u8,
    },
    Returns(Option<u64>),
    /// The entries for `pc` go there.
    Target {
        pc: u64,
        to: u64,
    },
    Page {
        va: u64,
        pa: u64,
        uses: bool,
    },
    Context(Context),
    Word {
        pa: u64,
        word: u32,
    },
    /// Load `n` of 2^`size` bytes conflicts with one of the stores, or with none.
    Behind {
        n: u8,
        size: u8,
        stores: [Option<Source>; 2],
        conflicts: bool,
    },
    /// A multiplication or division, instruction number `op`.
    Operands {
        n: u8,
        op: u8,
        cycles: u64,
    },
}

/// A store whose address is known: that of a fact, or one from before the block, by its place in the store buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Source {
    n: u8,
    /// A bit for each of its bytes at the beginning of a doubleword; none if it is from before.
    bytes: u8,
}

impl Source {
    const fn before(n: u8) -> Self {
        Self { n, bytes: 0 }
    }

    /// That of fact `n`, of 2^`size` bytes.
    fn fact(n: u8, size: u8) -> Self {
        Self { n, bytes: span(0, size.into()).1 }
    }

    /// Whether it is of this block.
    #[inline(always)]
    pub(super) const fn is_new(self) -> bool {
        self.bytes != 0
    }

    /// Its doubleword, and which of its bytes, as [`span`] says.
    #[inline(always)]
    pub(super) fn span(self, memory: &Memory, facts: &Facts) -> (u64, u8) {
        if self.is_new() {
            let address = facts[usize::from(self.n)].a;
            (word(address), self.bytes << (address & 7))
        } else {
            let store = &memory.stores[usize::from(self.n) & 1];
            (store.word, store.mask)
        }
    }
}

/// Every [`Side`], once.
#[derive(Default)]
pub(super) struct Sides {
    all: Vec<Side>,
    numbers: FxHashMap<Side, u32>,
}

impl Sides {
    /// Its number.
    pub(super) fn number(&mut self, side: Side) -> u32 {
        *self.numbers.entry(side).or_insert_with(|| {
            self.all.push(side);
            self.all.len() as u32 - 1
        })
    }

    #[inline(always)]
    pub(super) fn get(&self, number: u32) -> &Side {
        &self.all[number as usize]
    }
}

/// What a path comes to when every question is answered. What is left to do for nearly all of them comes first.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct End {
    /// The facts that are accesses.
    pub accesses: u64,
    /// The node behind it.
    pub to: u32,
    /// Whether its path has a short cut.
    pub shortens: bool,
    /// How many places the node has, and where these come from.
    pub places: u8,
    pub sources: [u8; PLACES],
    pub history: History,
    /// What the store buffer is told last.
    pub stores: [Source; 2],
    /// How many causes its cycles have, which, and how many each.
    pub charged: u8,
    pub cells: [Cell; MAX_CHARGES],
    pub cycles: [u16; MAX_CHARGES],
    /// If lines come: when the data cache and the memory port are done with it, counted from the beginning.
    pub done: (u16, u16),
}

impl End {
    /// At node `to`, after cycles as `charges` say, with predictions on their way that come from `sources`; `done`: when
    /// the data cache and the memory port are done. `None` if it does not fit.
    pub fn new(
        to: u32,
        charges: impl Iterator<Item = (Priv, CycleCause, u64)>,
        sources: impl Iterator<Item = Option<u8>>,
        done: (u64, u64),
    ) -> Option<Self> {
        let mut end = Self {
            to,
            history: History::default(),
            shortens: false,
            places: 0,
            sources: [0; PLACES],
            charged: 0,
            cells: [Cell::new(Priv::M, CycleCause::Issue); MAX_CHARGES],
            cycles: [0; MAX_CHARGES],
            stores: [Source::before(0), Source::before(1)],
            accesses: 0,
            done: (done.0.try_into().ok()?, done.1.try_into().ok()?),
        };
        for (privilege, cause, cycles) in charges {
            let n = usize::from(end.charged);
            *end.cells.get_mut(n)? = Cell::new(privilege, cause);
            *end.cycles.get_mut(n)? = cycles.try_into().ok()?;
            end.charged += 1;
        }
        for source in sources {
            *end.sources.get_mut(usize::from(end.places))? = source?;
            end.places += 1;
        }
        Some(end)
    }
}

impl End {
    /// How many cycles the path takes.
    pub fn cycles(&self) -> u64 {
        self.cycles.iter().map(|&cycles| u64::from(cycles)).sum()
    }
}

/// Turns acts into steps.
pub(super) struct Compiler<'a> {
    steps: &'a mut Vec<Step>,
    sides: &'a mut Sides,
    history: History,
    /// By act: the history before it, and how many directions have been learnt.
    then: Vec<(History, u8)>,
    learnt: u8,
    /// Directions that are learnt: they are told before the next lookup, when somebody asks for one, or in the end.
    learns: Vec<Step>,
    /// Accesses whose lines are there all the time, a bit each.
    settled: u32,
    /// The tree has a use to learn of.
    used: bool,
    /// The address of the latest lookup, if a change takes effect with it.
    settles: Option<u64>,
    /// Tags that no entry has, since the entries changed last.
    free: Vec<u16>,
    stores: [Source; 2],
    accesses: u64,
    short: bool,
    /// Instructions of which is known how long they take.
    early: EarlyOuts,
}

impl<'a> Compiler<'a> {
    /// The steps go to `steps`, and what does not fit into them to `sides`. How long `early` take is known.
    pub fn new(steps: &'a mut Vec<Step>, sides: &'a mut Sides, early: EarlyOuts) -> Self {
        steps.clear();
        Self {
            steps,
            sides,
            history: History::default(),
            then: Vec::new(),
            learnt: 0,
            learns: Vec::with_capacity(MAX_LEARNT),
            settled: 0,
            used: false,
            settles: None,
            free: Vec::with_capacity(FREE_TAGS),
            stores: [Source::before(0), Source::before(1)],
            accesses: 0,
            short: true,
            early,
        }
    }

    /// The steps of `acts` in `run`, and in `end` what they come to; whether that is possible.
    pub fn compile(mut self, acts: &[Act], run: &BlockRun<'_>, end: &mut End) -> bool {
        self.then.reserve_exact(acts.len());
        for act in acts {
            if !matches!(act, Act::Returns(_) | Act::Target { .. }) {
                self.settle();
            }
            self.then.push((self.history, self.learnt));
            self.step(act, acts, run.ops);
            self.short &= self.history.is_short();
        }
        self.settle();
        self.steps.append(&mut self.learns);
        end.history = self.history;
        (end.stores, end.accesses) = (self.stores, self.accesses);
        self.short && usize::from(self.learnt) <= MAX_LEARNT
    }

    fn aside(&mut self, step: impl FnOnce(u32) -> Step, side: Side) {
        let number = self.sides.number(side);
        self.steps.push(step(number));
    }

    fn step(&mut self, act: &Act, acts: &[Act], ops: &[Op]) {
        match *act {
            Act::Lookup { pc, answer, number, settles, direction, first, quiet } => {
                if let Some(taken) = direction.filter(|_| first) {
                    self.direction(pc, self.history, self.learnt, taken);
                }
                self.lookup(pc, answer, number, settles, quiet);
            }
            Act::Use { number: n } => {
                self.used = true;
                match self.steps.last_mut() {
                    Some(Step::Entry { uses, .. }) => *uses = true,
                    Some(Step::Direction { uses, .. }) => *uses = n,
                    _ => self.steps.push(Step::Use { n }),
                }
            }
            Act::Direction { lookup, taken } => {
                if let (Some(&(history, learnt)), Some(&Act::Lookup { pc, first: false, .. })) =
                    (self.then.get(lookup), acts.get(lookup))
                {
                    self.direction(pc, history, learnt, taken);
                }
            }
            Act::Branch { pc, since, taken, wrong } => {
                let then = self.history.back(since);
                self.short &= then.is_short();
                self.learns.push(Step::Learn { place: Place::new(pc, &then), taken });
                self.learnt = self.learnt.saturating_add(1);
                if wrong {
                    self.history = then;
                    self.history.advance(taken);
                }
            }
            Act::Advance(taken) => {
                self.history.advance(taken);
            }
            Act::Forget { since } => {
                self.history = self.history.back(since);
            }
            Act::Returns(to) => self.aside(Step::Returns, Side::Returns(to)),
            Act::Target { pc, to } => self.aside(Step::Target, Side::Target { pc, to }),
            Act::Push(address) => self.steps.push(Step::Push(Wide::new(address))),
            Act::Pop => self.steps.push(Step::Pop),
            Act::Update(update) => {
                // Where the entry is named, its number now does not matter.
                let origin = origin(acts, update.origin);
                let entry = if origin == Origin::Itself { update.entry } else { 0 };
                match Change::new(BtbUpdate { entry, origin, ..update }) {
                    Some(change) => self.steps.push(Step::Update(change)),
                    None => self.short = false,
                }
            }
            Act::Flush => {
                self.free.clear();
                self.steps.push(Step::Flush);
            }
            Act::Page { va, pa, uses } => self.aside(Step::Page, Side::Page { va, pa, uses }),
            Act::Context(context) => self.aside(Step::Context, Side::Context(context)),
            Act::Line { line, there } => self.steps.push(Step::Line { line: Wide::new(line), there }),
            Act::Word { pa, word } => self.aside(Step::Word, Side::Word { pa, word }),
            Act::Conflict { fact: n, size, conflict } => {
                if conflict.live != 0 {
                    let live = |place: usize| (conflict.live >> place & 1 == 1).then_some(self.stores[place]);
                    let stores = [live(0), live(1)];
                    self.aside(Step::Behind, Side::Behind { n, size, stores, conflicts: conflict.found });
                }
            }
            Act::Settled { fact: n, write, settled } => {
                if settled {
                    self.settled |= 1 << n;
                    self.steps.push(Step::Settled { facts: 1 << n, writes: u32::from(write) << n });
                } else {
                    self.steps.push(Step::Unsettled { n, write });
                }
            }
            Act::Access { fact: n, size, write, outcome } => {
                self.accesses |= 1 << (n & 63);
                if write {
                    self.stores = [self.stores[1], Source::fact(n, size)];
                }
                if outcome != Outcome::Settled || n >= 32 || self.settled >> n & 1 == 0 {
                    self.steps.push(Step::Becomes { n, write, outcome });
                }
                if let Outcome::Misses { .. } = outcome {
                    // Another line has gone.
                    self.settled = 0;
                    self.steps.push(Step::Idle);
                }
            }
            Act::Operands { fact: n, op, cycles } => {
                if !self.early.has(n) && !ops.get(usize::from(op)).is_some_and(takes_always) {
                    self.aside(Step::Operands, Side::Operands { n, op, cycles });
                }
            }
        }
    }

    /// Whether the lookup of `pc` after `history`, when so many directions were learnt, says that it is `taken`.
    fn direction(&mut self, pc: u64, history: History, learnt: u8, taken: bool) {
        if learnt > 0 {
            self.steps.append(&mut self.learns);
        }
        let place = Place::new(pc, &history);
        let is_same = |step: &Step| matches!(*step, Step::Direction { place: other, learnt: then, .. } if (other, then) == (place, learnt));
        if !self.steps.iter().any(is_same) {
            self.steps.push(Step::Direction { place, learnt, taken, uses: NO_LOOKUP });
        }
    }

    /// A lookup. What takes effect with it does so after the question; but what only the tree learns of has no
    /// influence on the answer, and goes with it.
    fn lookup(&mut self, pc: u64, answer: Answer, n: u8, settles: bool, quiet: Option<u32>) {
        let tag = Btb::tag(pc);
        // What is told has no other answer: it comes before the question, whatever the answer to that is.
        self.steps.append(&mut self.learns);
        // With a change, a use is no news to the tree.
        let touches = std::mem::take(&mut self.used) && !settles;
        match answer {
            Answer::Nothing | Answer::Entry(_) if let Some(content) = quiet => {
                self.steps.push(Step::Quiet { touches, n, tag, content });
            }
            Answer::Nothing => {
                if touches || !self.free.contains(&tag) {
                    self.steps.push(Step::Free { touches, tags: [tag; TAGS] });
                    self.free.push(tag);
                }
            }
            Answer::Entry(content) => {
                self.steps.push(Step::Entry { touches, uses: false, n, tag, content });
            }
            Answer::Odd { odd, followed } => {
                let (place, learnt) = (Place::new(pc, &self.history), self.learnt);
                self.aside(Step::Odd, Side::Odd { pc, odd, n, followed, place, learnt });
            }
        }
        let is_odd = matches!(answer, Answer::Odd { .. });
        if settles || is_odd {
            self.free.clear();
        }
        if settles && !is_odd {
            self.settles = Some(pc);
        }
    }

    /// What takes effect with the latest lookup does so behind what that asks.
    fn settle(&mut self) {
        self.steps.extend(self.settles.take().map(|pc| Step::Settle(Wide::new(pc))));
    }
}
