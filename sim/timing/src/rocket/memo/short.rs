//! Short cuts. Most of what a path asks is which entries the BTB has; and few of the addresses that are looked up ever have
//! one. A path that changes no entry in its middle has a short cut: which entries there are among those tags that ever had
//! one, and what else is left to ask while no other tag comes to have one and no line of the instruction cache comes or
//! goes. All of that stands together, whatever the path asks, so that nobody has to look what is asked next.

use smallvec::SmallVec;

use super::super::btb::Btb;
use super::history::Place;
use super::origin::Named;
use super::steps::{End, NO_LOOKUP, Side, Sides, Step};

/// Short cuts that are tried one after the other.
pub(super) const TRIES: usize = 4;
/// Lookups that a short cut names at most.
const NAMES: usize = 4;
/// Entries of the BTB that a short cut asks for at most, or whether there are none.
const CHECKS: usize = 6;
/// Directions that it asks for at most, and learns.
const DIRECTIONS: usize = 4;
const LEARNS: usize = 3;
/// Uses of entries that it tells the BTB's tree of at most.
const TOUCHES: usize = 4;
/// No entry has the tag.
const FREE: u32 = u32::MAX;
/// No check.
const NO_CHECK: u8 = u8::MAX;
/// No generation.
const NEVER: u64 = 0;
/// No short cut.
pub(super) const NO_SHORT: u32 = u32::MAX;

/// Where a short cut ends that leads nowhere.
#[derive(Debug, Clone, Copy)]
pub(super) enum Miss {
    /// There is none.
    First,
    /// A direction of this one, by its number, is the other one.
    Direction(u32, usize),
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
    /// Whether there is one.
    possible: bool,
    /// How many directions it asks for, and how many it learns.
    asks: u8,
    learns: u8,
    /// Tags with the content of their entry, or [`FREE`].
    checks: u8,
    tags: [u16; CHECKS],
    contents: [u32; CHECKS],
    /// How often an entry had changed when the checks were made last, and which entries they found.
    made: u64,
    ways: [u8; CHECKS],
    /// The checks that find the entries that are used, in order; the one of the last use, of which the tree does not learn
    /// yet.
    touches: u8,
    touched: [u8; TOUCHES],
    used: u8,
    /// How many lookups are named, with the checks that find their entries.
    names: u8,
    named: [(u8, u8); NAMES],
    directions: [Direction; DIRECTIONS],
    learnt: [Learns; LEARNS],
    /// Where what else it asks and tells begins, and how much that is.
    others: (u32, u8),
    /// What the path comes to.
    pub end: End,
}

/// What a path asks the BTB for.
#[derive(Default)]
struct Lookups {
    /// Tags that no entry has.
    free: SmallVec<[u16; 12]>,
    /// Lookups that find an entry: number, tag, content.
    found: SmallVec<[(u8, u16, u32); 4]>,
    /// The lookups whose entries are used, in order; the last of them if the tree has not learnt of it.
    touched: SmallVec<[u8; 4]>,
    used: Option<u8>,
}

/// All short cuts, by the numbers of their paths' ends.
#[derive(Default)]
pub(super) struct Shorts {
    all: Vec<Short>,
    lookups: Vec<Lookups>,
    others: Vec<Step>,
}

impl Shorts {
    /// The next path is one of `steps` to `end`.
    pub fn add(&mut self, steps: &[Step], end: End, sides: &Sides) {
        let from = self.others.len();
        let mut short = Short {
            generation: NEVER,
            facts: 0,
            writes: 0,
            otherwise: NO_SHORT,
            possible: true,
            asks: 0,
            learns: 0,
            checks: 0,
            tags: [0; CHECKS],
            contents: [FREE; CHECKS],
            made: 0,
            ways: [0; CHECKS],
            touches: 0,
            touched: [0; TOUCHES],
            used: NO_CHECK,
            names: 0,
            named: [(0, 0); NAMES],
            directions: [Direction { place: Place::default(), learnt: 0, taken: false, other: NO_SHORT };
                DIRECTIONS],
            learnt: [Learns { place: Place::default(), taken: false }; LEARNS],
            others: (from as u32, 0),
            end,
        };
        let mut lookups = Lookups::default();
        let (mut stacked, mut updates) = (false, None);
        for &step in steps {
            match step {
                Step::Free { touches, .. } | Step::Entry { touches, .. } if touches => {
                    let used = lookups.used.take();
                    lookups.touched.extend(used);
                }
                _ => {}
            }
            match step {
                Step::Line { .. } => {}
                Step::Free { tags, .. } => lookups.free.push(tags[0]),
                Step::Use { n } => lookups.used = Some(n),
                Step::Entry { uses, n, tag, content, .. } => {
                    lookups.found.push((n, tag, content));
                    lookups.used = if uses { Some(n) } else { lookups.used };
                }
                Step::Settled { facts, writes } => {
                    (short.facts, short.writes) = (short.facts | facts, short.writes | writes);
                }
                Step::Direction { place, learnt, taken, uses } => {
                    match short.directions.get_mut(usize::from(short.asks)) {
                        Some(direction) => *direction = Direction { place, learnt, taken, other: NO_SHORT },
                        None => short.possible = false,
                    }
                    short.asks = short.asks.saturating_add(1);
                    if uses != NO_LOOKUP {
                        lookups.used = Some(uses);
                    }
                }
                Step::Learn { place, taken } => {
                    match short.learnt.get_mut(usize::from(short.learns)) {
                        Some(learns) => *learns = Learns { place, taken },
                        None => short.possible = false,
                    }
                    short.learns = short.learns.saturating_add(1);
                }
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
        match u8::try_from(self.others.len() - from) {
            Ok(others) if short.possible => short.others.1 = others,
            _ => {
                self.others.truncate(from);
                short.possible = false;
            }
        }
        self.lookups.push(if short.possible { lookups } else { Lookups::default() });
        self.all.push(short);
    }

    /// The short cut number `n`, if it holds for `generation`.
    #[inline(always)]
    pub fn get(&self, n: u32, generation: u64) -> Option<&Short> {
        self.all.get(n as usize).filter(|short| short.generation == generation)
    }

    /// The path number `n`.
    #[inline(always)]
    pub fn path(&self, n: u32) -> &Short {
        &self.all[n as usize]
    }

    /// How many paths there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Its directions, from number `from` on: the number of the first that is another one.
    #[inline(always)]
    pub fn differs(short: &Short, from: usize, btb: &Btb) -> Option<usize> {
        let history = btb.history();
        for n in from..usize::from(short.asks).min(DIRECTIONS) {
            let direction = &short.directions[n];
            let index = direction.place.index(history);
            let mut taken = btb.direction(index);
            for learns in short.learnt.iter().take(direction.learnt.into()) {
                if learns.place.index(history) == index {
                    taken = learns.taken;
                }
            }
            if taken != direction.taken {
                return Some(n);
            }
        }
        None
    }

    /// The number of the short cut to try where `short` does not hold.
    #[inline(always)]
    pub fn next(short: &Short) -> u32 {
        short.otherwise
    }

    /// Number `other` is the short cut for the other direction than number `n` of `number`, if it agrees with that up to
    /// there: what else they ask may have led elsewhere before. Whether it does.
    pub fn turns(&mut self, number: u32, n: usize, other: u32) -> bool {
        let agrees = self.path(number).agrees(n, self.path(other));
        if agrees && let Some(direction) = self.all[number as usize].directions.get_mut(n) {
            direction.other = other;
        }
        agrees
    }

    /// The short cut for the other direction than number `n` of `short`.
    #[inline(always)]
    pub fn other(&self, short: &Short, n: usize, generation: u64) -> Option<(u32, &Short)> {
        let number = short.directions[n % DIRECTIONS].other;
        Some((number, self.get(number, generation)?))
    }

    /// The short cut to try where that of number `n` does not hold.
    #[inline(always)]
    pub fn otherwise(&mut self, n: u32) -> &mut u32 {
        &mut self.all[n as usize].otherwise
    }

    /// What else it asks and tells.
    #[inline(always)]
    pub fn others(&self, short: &Short) -> &[Step] {
        &self.others[short.others.0 as usize..][..short.others.1.into()]
    }

    /// Whether the BTB has the entries that number `n` asks for, and none of the others. If so, it knows which these are.
    #[inline(always)]
    pub fn finds(&mut self, n: u32, btb: &Btb) -> bool {
        let short = &mut self.all[n as usize];
        short.made == btb.changes() || short.asks_for_entries(btb)
    }

    /// Does what the path of `short` does to the predictor, and names what it found.
    #[inline(always)]
    pub fn tell(short: &Short, btb: &mut Btb, named: &mut Named) {
        let way = |check: u8| short.ways[usize::from(check) % CHECKS];
        if btb.settled() {
            btb.touch();
        }
        for &check in short.touched.iter().take(short.touches.into()) {
            btb.uses(way(check));
            btb.touch();
        }
        if short.used != NO_CHECK {
            btb.uses(way(short.used));
        }
        let history = btb.history();
        for learns in short.learnt.iter().take(short.learns.into()) {
            btb.set_direction(learns.place.index(history), learns.taken);
        }
        for &(n, check) in short.named.iter().take(short.names.into()) {
            named.finds(n, way(check));
        }
    }

    /// The path to end `n` has been followed in `generation`: whether there is a short cut.
    #[inline]
    pub fn followed(&mut self, n: u32, generation: u64, btb: &Btb) -> bool {
        let short = &mut self.all[n as usize];
        if short.possible && short.generation != generation {
            short.possible = short.works_out(&self.lookups[n as usize], btb);
            // Others may still lead to one that is possible no more.
            short.generation = if short.possible { generation } else { NEVER };
        }
        short.possible
    }
}

impl Short {
    #[inline]
    fn asks_for_entries(&mut self, btb: &Btb) -> bool {
        let mut ways = [0; CHECKS];
        let mut n = 0;
        while n < usize::from(self.checks).min(CHECKS) {
            let (tag, content) = (self.tags[n], self.contents[n]);
            if content == FREE {
                if !btb.are_free([tag]) {
                    return false;
                }
            } else {
                let Some(way) = btb.entry_of(tag, content) else { return false };
                ways[n] = way;
            }
            n += 1;
        }
        (self.made, self.ways) = (btb.changes(), ways);
        true
    }

    /// Whether it asks the same as `other` up to direction `n`, in which they differ.
    fn agrees(&self, n: usize, other: &Self) -> bool {
        let same = |(at, (a, b)): (usize, (&Direction, &Direction))| {
            let learnt = usize::from(a.learnt).min(LEARNS);
            (a.place, a.learnt) == (b.place, b.learnt)
                && (a.taken == b.taken) == (at < n)
                && self.learnt[..learnt] == other.learnt[..learnt]
        };
        (self.facts, self.writes) == (other.facts, other.writes)
            && usize::from(other.asks) > n
            && self.directions.iter().zip(&other.directions).take(n + 1).enumerate().all(same)
    }

    /// Works out what to ask for, now that the entries have come to have the tags that they ever had; whether it fits.
    fn works_out(&mut self, lookups: &Lookups, btb: &Btb) -> bool {
        (self.checks, self.made) = (0, 0);
        for &(_, tag, content) in &lookups.found {
            if !self.check(tag, content) {
                return false;
            }
        }
        for &tag in lookups.free.iter().filter(|&&tag| btb.was_ever(tag)) {
            if !self.check(tag, FREE) {
                return false;
            }
        }
        let check = |n: u8| {
            let &(_, tag, _) = lookups.found.iter().find(|found| found.0 == n)?;
            let at = self.tags.iter().take(self.checks.into()).position(|&other| other == tag)?;
            Some(at as u8)
        };
        let (mut touches, mut touched) = (0, [0; TOUCHES]);
        for (n, &use_of) in lookups.touched.iter().enumerate() {
            // Only the last of several in a row matters.
            if lookups.touched.get(n + 1) == Some(&use_of) {
                continue;
            }
            let (Some(place), Some(check)) = (touched.get_mut(touches), check(use_of)) else { return false };
            *place = check;
            touches += 1;
        }
        let used = match lookups.used {
            Some(n) => match check(n) {
                Some(check) => check,
                None => return false,
            },
            None => NO_CHECK,
        };
        let mut named = self.named;
        for (n, at) in named.iter_mut().take(self.names.into()) {
            let Some(check) = check(*n) else { return false };
            *at = check;
        }
        (self.touches, self.touched, self.used, self.named) = (touches as u8, touched, used, named);
        true
    }

    fn check(&mut self, tag: u16, content: u32) -> bool {
        let n = usize::from(self.checks);
        if let Some(known) = self.tags[..n].iter().position(|&other| other == tag) {
            return self.contents[known] == content;
        }
        let (Some(tags), Some(contents)) = (self.tags.get_mut(n), self.contents.get_mut(n)) else {
            return false;
        };
        (*tags, *contents) = (tag, content);
        self.checks += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::btb::{BtbUpdate, Cfi, NO_ENTRY};
    use super::super::origin::Origin;
    use super::*;

    /// A short cut that asks for more tags than it has room for, now that entries have had them, holds no more, whoever
    /// leads to it.
    #[test]
    fn what_does_not_fit_any_more_does_not_hold() {
        let tags = 0..CHECKS as u16 + 1;
        let address = |tag: u16| 0x1000 + u64::from(tag) * 4;
        let steps: Vec<_> =
            tags.clone().map(|n| Step::Free { touches: false, tags: [Btb::tag(address(n)); 4] }).collect();
        let end = End::new(0, std::iter::empty(), std::iter::empty(), (0, 0)).unwrap();
        let (mut shorts, mut btb) = (Shorts::default(), Btb::default());
        shorts.add(&steps, end, &Sides::default());
        let mut follow = |btb: &Btb| {
            let followed = shorts.followed(0, btb.generation(), btb);
            assert_eq!(shorts.get(0, btb.generation()).is_some(), followed);
            followed
        };
        assert!(follow(&btb));
        let mut held = Vec::new();
        for tag in tags {
            let pc = address(tag);
            let origin = Origin::Itself;
            btb.update(BtbUpdate { entry: NO_ENTRY, origin, valid: true, pc, br_pc: pc, cfi: Cfi::Jump });
            btb.cycle(0x8000);
            held.push(follow(&btb));
        }
        assert_eq!(held.iter().position(|held| !held), Some(CHECKS));
    }
}
