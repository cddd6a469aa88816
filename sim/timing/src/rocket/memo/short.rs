//! Short cuts. Most of what a path asks is which entries the BTB has and which lines the instruction cache has; and most
//! of the time none of these has changed since the path was followed last. A path in which none changes either has a
//! short cut: what is left to ask while the entries and lines are the same, and what all of its uses of entries come to.

use smallvec::SmallVec;

use super::super::btb::{BTB_ENTRIES, Btb};
use super::super::replace::Plru;
use super::history::Place;
use super::origin::Named;
use super::steps::{End, NO_LOOKUP, Side, Sides, Step};

/// Short cuts that are tried one after the other.
pub(super) const TRIES: usize = 4;
/// Lookups that a short cut names at most.
const NAMES: usize = 4;
/// No short cut.
pub(super) const NO_SHORT: u32 = u32::MAX;

/// Where a short cut ends that leads nowhere.
#[derive(Debug, Clone, Copy)]
pub(super) enum Miss {
    /// There is none.
    First,
    /// A direction of this one, by its number among all, is the other one.
    Direction(u32, u32),
    /// The accesses, or what else this one asks, are not the same.
    Otherwise(u32),
}

/// A direction that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direction {
    pub place: Place,
    pub learnt: u8,
    pub taken: bool,
    /// The short cut for the other direction; it agrees up to here.
    pub other: u32,
}

/// A direction that is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Learns {
    pub place: Place,
    pub taken: bool,
}

/// The short cut of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    /// The entries and lines for which it holds ([`super::super::fetch::Fetch::generation`]).
    pub generation: u64,
    /// Accesses whose lines are there, and which of them write.
    pub facts: u32,
    pub writes: u32,
    /// The short cut to try where its accesses, or what else it asks, are not the same.
    otherwise: u32,
    /// Where its directions, and the ones that it learns, begin, and how many they are.
    directions: (u32, u8),
    learns: (u32, u8),
    others: (u32, u8),
    /// Whether there is one.
    possible: bool,
    /// The entry that is used last.
    used: Option<u8>,
    /// How many lookups are named, with what they have found.
    names: u8,
    named: [(u8, u8); NAMES],
    /// What the uses make of a tree with no bit set, and of one with all.
    least: Plru<BTB_ENTRIES>,
    most: Plru<BTB_ENTRIES>,
}

/// All short cuts, by the numbers of their paths' ends.
#[derive(Default)]
pub(super) struct Shorts {
    all: Vec<Short>,
    /// The lookups whose entries each uses, in order; the last of them if the tree has not learnt of it.
    uses: Vec<(SmallVec<[u8; 8]>, Option<u8>)>,
    directions: Vec<Direction>,
    learns: Vec<Learns>,
    others: Vec<Step>,
}

impl Shorts {
    /// The next path is one of `steps` to `end`.
    pub fn add(&mut self, steps: &[Step], end: &End, sides: &Sides) {
        let from = (self.directions.len(), self.learns.len(), self.others.len());
        let mut short = Short {
            generation: 0,
            facts: 0,
            writes: 0,
            otherwise: NO_SHORT,
            directions: (from.0 as u32, 0),
            learns: (from.1 as u32, 0),
            others: (from.2 as u32, 0),
            possible: true,
            used: None,
            names: 0,
            named: [(0, 0); NAMES],
            least: Plru::default(),
            most: Plru::default(),
        };
        let (mut touched, mut used) = (SmallVec::new(), None);
        let (mut stacked, mut updates) = (false, None);
        for &step in steps {
            match step {
                Step::Free { touches, .. } | Step::Entry { touches, .. } if touches => {
                    touched.extend(used.take())
                }
                _ => {}
            }
            match step {
                Step::Free { .. } | Step::Line { .. } => {}
                Step::Entry { uses: true, n, .. } | Step::Use { n } => used = Some(n),
                Step::Entry { .. } => {}
                Step::Settled { facts, writes } => {
                    (short.facts, short.writes) = (short.facts | facts, short.writes | writes);
                }
                Step::Direction { place, learnt, taken, uses } => {
                    self.directions.push(Direction { place, learnt, taken, other: NO_SHORT });
                    if uses != NO_LOOKUP {
                        used = Some(uses);
                    }
                }
                Step::Learn { place, taken } => self.learns.push(Learns { place, taken }),
                Step::Push(_) | Step::Pop => {
                    stacked = true;
                    self.others.push(step);
                }
                // Another answer than before the block.
                Step::Returns(_) if stacked => short.possible = false,
                Step::Update(side) => {
                    updates = Some(side);
                    self.others.push(step);
                }
                Step::Returns(_)
                | Step::Page(_)
                | Step::Context(_)
                | Step::Word(_)
                | Step::Behind(_)
                | Step::Operands(_)
                | Step::Multiplicand(_)
                | Step::Unsettled { .. }
                | Step::Becomes { .. }
                | Step::Idle => self.others.push(step),
                Step::Odd(_) | Step::Settle(_) | Step::Flush | Step::End(_) => short.possible = false,
            }
        }
        let updated = updates.and_then(|side| match *sides.get(side) {
            Side::Update(update) => Named::lookup_of(update.origin.index()?),
            _ => None,
        });
        let moved =
            end.sources[..usize::from(end.places)].iter().filter_map(|&source| Named::lookup_of(source));
        for n in moved.chain(updated) {
            match short.named.get_mut(usize::from(short.names)) {
                Some(named) => *named = (n, 0),
                None => short.possible = false,
            }
            short.names += 1;
        }
        let count = |all: usize, from: usize| u8::try_from(all - from).ok();
        let counts = (
            count(self.directions.len(), from.0),
            count(self.learns.len(), from.1),
            count(self.others.len(), from.2),
        );
        if let ((Some(directions), Some(learns), Some(others)), true) = (counts, short.possible) {
            (short.directions.1, short.learns.1, short.others.1) = (directions, learns, others);
            self.uses.push((touched, used));
        } else {
            self.directions.truncate(from.0);
            self.learns.truncate(from.1);
            self.others.truncate(from.2);
            short.possible = false;
            self.uses.push((SmallVec::new(), None));
        }
        self.all.push(short);
    }

    /// The short cut number `n`, if it holds for `generation`.
    #[inline(always)]
    pub fn get(&self, n: u32, generation: u64) -> Option<&Short> {
        self.all.get(n as usize).filter(|short| short.generation == generation)
    }

    /// Its directions, from number `from` among all of them on: the number of the first that is another one.
    #[inline(always)]
    pub fn differs(&self, short: &Short, from: u32, btb: &Btb) -> Option<u32> {
        let history = btb.history();
        let end = short.directions.0 + u32::from(short.directions.1);
        (from..end).find(|&n| {
            let direction = &self.directions[n as usize];
            let index = direction.place.index(history);
            let mut taken = btb.direction(index);
            for learns in &self.learns[short.learns.0 as usize..][..direction.learnt.into()] {
                if learns.place.index(history) == index {
                    taken = learns.taken;
                }
            }
            taken != direction.taken
        })
    }

    /// The number of the short cut to try where `short` does not hold.
    #[inline(always)]
    pub fn next(short: &Short) -> u32 {
        short.otherwise
    }

    /// Number `other` is the short cut for the other direction than number `n` of all, which is one of `number`, if it agrees
    /// with that up to there: what else they ask may have led elsewhere before. Whether it does.
    pub fn turns(&mut self, number: u32, n: u32, other: u32) -> bool {
        let agrees = self.agree(&self.all[number as usize], n, &self.all[other as usize]);
        if agrees {
            self.directions[n as usize].other = other;
        }
        agrees
    }

    fn agree(&self, one: &Short, n: u32, two: &Short) -> bool {
        let directions = |short: &Short| {
            self.directions.iter().skip(short.directions.0 as usize).take(short.directions.1.into())
        };
        let learns =
            |short: &Short, count: u8| self.learns.iter().skip(short.learns.0 as usize).take(count.into());
        let asked = (n - one.directions.0) as usize + 1;
        let same = |(n, (a, b)): (usize, (&Direction, &Direction))| {
            (a.place, a.learnt) == (b.place, b.learnt)
                && (a.taken == b.taken) == (n + 1 < asked)
                && learns(one, a.learnt).eq(learns(two, a.learnt))
        };
        (one.facts, one.writes) == (two.facts, two.writes)
            && directions(two).count() >= asked
            && directions(one).zip(directions(two)).take(asked).enumerate().all(same)
    }

    /// The short cut for the other direction than number `n` of `short`, and its direction behind that.
    #[inline(always)]
    pub fn other(&self, short: &Short, n: u32, generation: u64) -> Option<(u32, &Short, u32)> {
        let number = self.directions[n as usize].other;
        let other = self.get(number, generation)?;
        Some((number, other, other.directions.0 + (n - short.directions.0) + 1))
    }

    /// The short cut to try where that of number `n` does not hold.
    #[inline(always)]
    pub fn otherwise(&mut self, n: u32) -> &mut u32 {
        &mut self.all[n as usize].otherwise
    }

    /// Where the directions of `short` begin.
    #[inline(always)]
    pub fn first_direction(short: &Short) -> u32 {
        short.directions.0
    }

    /// What else it asks and tells.
    #[inline(always)]
    pub fn others(&self, short: &Short) -> &[Step] {
        &self.others[short.others.0 as usize..][..short.others.1.into()]
    }

    /// Does what the path of `short` does to the predictor, and names what it found.
    #[inline(always)]
    pub fn tell(&self, short: &Short, btb: &mut Btb, named: &mut Named) {
        btb.uses_all(short.least, short.most, short.used);
        let history = btb.history();
        for learns in &self.learns[short.learns.0 as usize..][..short.learns.1.into()] {
            btb.set_direction(learns.place.index(history), learns.taken);
        }
        for &(n, entry) in short.named.iter().take(short.names.into()) {
            named.finds(n, entry);
        }
    }

    /// The path to end `n` has been followed in `generation`, with lookups as `named` says: whether there is a short cut.
    pub fn followed(&mut self, n: u32, generation: u64, named: &Named) -> bool {
        let short = &mut self.all[n as usize];
        if short.possible && short.generation != generation {
            short.generation = generation;
            let (touched, used) = &self.uses[n as usize];
            (short.least, short.most) = (Plru::default(), Plru::all());
            for &n in touched {
                short.least.access(named.lookup(n).into());
                short.most.access(named.lookup(n).into());
            }
            short.used = used.map(|n| named.lookup(n));
            for (n, entry) in short.named.iter_mut().take(short.names.into()) {
                *entry = named.lookup(*n);
            }
        }
        short.possible
    }
}
