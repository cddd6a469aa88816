//! Short cuts. Most of what a path asks is which entries the BTB has; and few of the addresses that are looked up ever have
//! one. A path that changes no entry in its middle has a short cut: which entries there are among those tags that ever had
//! one, and what else is left to ask while no other tag comes to have one and no line of the instruction cache comes or
//! goes. All of that stands together, whatever the path asks, so that nobody has to look what is asked next.

mod maker;

use std::mem::offset_of;
use std::slice::from_ref;

use prefetch_index::prefetch_index;
use relsim_core::timing::Facts;
use smallvec::SmallVec;

use super::super::btb::{ANY_QUIET, Btb, NO_TURN, Uses};
use super::super::dcache::Dcache;
use super::history::Place;
use super::origin::{Named, Places, UNFOUND};
use super::steps::{End, Step};
use maker::Maker;

/// Short cuts that are tried one after the other.
pub(super) const TRIES: usize = 4;
/// Entries of the BTB that a short cut asks for at most, or whether there are none.
const CHECKS: usize = 6;
/// Directions that it asks for at most, and learns.
const DIRECTIONS: usize = 5;
const LEARNS: usize = 3;
/// Uses of entries that it tells the BTB's tree of at most.
const TOUCHES: usize = 4;
/// No entry has the tag.
const FREE: u16 = u16::MAX;
/// None, or one that predicts nothing: the content is what it says then.
const QUIET: u16 = 1 << 15;
/// No check.
const NO_CHECK: u8 = u8::MAX;
/// A history is shifted at least so far that its rest has 16 bits.
const LEAST_SHIFT: u8 = 48;
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
struct Direction {
    place: Place,
    /// How many directions are learnt before it, if one of them may be at its place.
    learnt: u8,
    taken: bool,
    /// The short cut for the other direction; it agrees up to here.
    other: u32,
}

const NO_DIRECTION: Direction = Direction { place: Place::NOWHERE, learnt: 0, taken: false, other: NO_SHORT };

/// A direction that is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Learns {
    place: Place,
    taken: bool,
}

/// The short cut of a path, in four cache lines of the host: what it asks in two of them, what it tells, and what the path
/// comes to. One that does not hold, and a tree that leads to the end, have to wait for no more than theirs.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Short {
    /// The entries and lines for which it holds ([`super::super::fetch::Fetch::generation`]).
    generation: u64,
    /// How often an entry had changed when the checks were made last.
    made: u64,
    /// Accesses whose lines are there, and which of them write.
    facts: u32,
    writes: u32,
    /// How many facts there are up to the last of these.
    accesses: u8,
    /// How many directions it asks for, and how many it learns.
    asks: u8,
    learns: u8,
    /// How much else it asks and tells.
    others: u8,
    /// The short cut to try where its accesses, or what else it asks, are not the same.
    pub otherwise: u32,
    /// How often directions had turned when all that it asks for were right last, and it learnt none anew.
    turns: u32,
    /// What the history was then, as far as it decides which directions these are, and how far it is shifted for that.
    history: u16,
    shift: u8,
    /// How many tags it asks for.
    checks: u8,
    directions: [Direction; DIRECTIONS],
    /// Tags with the content of their entry, [`FREE`], or [`QUIET`] and what it says then.
    tags: [u16; CHECKS],
    contents: [u16; CHECKS],
    /// Where what else it asks and tells begins.
    first_other: u32,
    /// Which uses of entries it tells the BTB's tree of, when the checks were made last.
    uses: Uses,
    learnt: [Learns; LEARNS],
    /// Which entries the checks found last, and what the predictions' places come to hold of these, if that is all that they
    /// hold and it has been worked out.
    ways: [u8; CHECKS],
    moved: Places,
    is_known: bool,
    is_moved: bool,
    /// The checks that find the entries that are used, in order; the one of the last use, of which the tree does not learn
    /// yet.
    touches: u8,
    used: u8,
    touched: [u8; TOUCHES],
    /// What the path comes to. A lookup stands for the check that finds its entry.
    pub end: End,
}

const _: () = assert!(size_of::<Short>() == 256);
const _: () = assert!(offset_of!(Short, first_other) < 128);
const _: () = assert!(offset_of!(Short, end) == 192);

/// Tags with what is asked for them.
type Free = SmallVec<[(u16, u16); 12]>;

/// What is rarely asked for of a path.
pub(super) struct Path {
    /// How many checks of its short cut find entries, and the tags of the others, with [`FREE`] or what an entry says that
    /// predicts nothing.
    found: u8,
    free: Free,
}

/// All short cuts, by the numbers of their paths' ends.
#[derive(Default)]
pub(super) struct Shorts {
    all: Vec<Short>,
    paths: Vec<Path>,
    others: Vec<Step>,
}

impl Shorts {
    /// The next path is one of `steps` to `end`.
    pub fn add(&mut self, steps: &[Step], end: End) {
        let first_other = self.others.len();
        let short = Short {
            generation: NEVER,
            made: 0,
            facts: 0,
            writes: 0,
            accesses: 0,
            asks: 0,
            learns: 0,
            others: 0,
            uses: Uses::NONE,
            turns: NO_TURN,
            history: 0,
            shift: 0,
            directions: [NO_DIRECTION; DIRECTIONS],
            learnt: [Learns { place: Place::NOWHERE, taken: false }; LEARNS],
            end,
            ways: [0; CHECKS],
            moved: Places::default(),
            is_known: false,
            is_moved: false,
            checks: 0,
            tags: [0; CHECKS],
            contents: [FREE; CHECKS],
            touches: 0,
            touched: [0; TOUCHES],
            used: NO_CHECK,
            otherwise: NO_SHORT,
            first_other: first_other as u32,
        };
        let mut maker = Maker::new(short, &mut self.others);
        let possible = maker.steps(steps).is_some();
        let Maker { mut short, mut free, .. } = maker;
        short.end.shortens = possible;
        if !possible {
            self.others.truncate(first_other);
            free.clear();
        }
        self.paths.push(Path { found: short.checks, free });
        self.all.push(short);
    }

    /// What the path number `n` comes to. Where its predictions come from is right for its short cut.
    pub fn end(&self, n: u32) -> &End {
        &self.all[n as usize].end
    }

    /// Asks the host for short cut number `n`, which is going to be tried soon.
    #[inline(always)]
    pub fn expect(&self, n: u32) {
        if let Some(short) = self.all.get(n as usize) {
            // A line each.
            prefetch_index(from_ref(&short.generation), 0);
            prefetch_index(&short.tags[..], 0);
            prefetch_index(&short.learnt[..], 0);
            self.expect_end(n);
        }
    }

    /// Asks the host for end number `n`.
    #[inline(always)]
    pub fn expect_end(&self, n: u32) {
        if let Some(short) = self.all.get(n as usize) {
            prefetch_index(from_ref(&short.end), 0);
        }
    }

    /// All short cuts, and what they ask and tell beside what stands in them.
    #[inline(always)]
    pub fn parts(&mut self) -> (&mut [Short], &[Step]) {
        (&mut self.all, &self.others)
    }

    /// How many paths there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Number `other` is the short cut for the other direction than number `n` of `number`, if it agrees with that up to
    /// there: what else they ask may have led elsewhere before. Whether it does.
    pub fn turns(&mut self, number: u32, n: usize, other: u32) -> bool {
        let agrees = self.all[number as usize].agrees(n, &self.all[other as usize]);
        if agrees && let Some(direction) = self.all[number as usize].directions.get_mut(n) {
            direction.other = other;
        }
        agrees
    }

    /// The short cut to try where that of number `n` does not hold.
    pub fn otherwise(&mut self, n: u32) -> &mut u32 {
        &mut self.all[n as usize].otherwise
    }

    /// The path to end `n` has been followed in `generation`: whether there is a short cut.
    #[inline]
    pub fn followed(&mut self, n: u32, generation: u64, btb: &Btb) -> bool {
        let short = &mut self.all[n as usize];
        if short.end.shortens && short.generation != generation {
            short.end.shortens = short.works_out(&self.paths[n as usize], btb).is_some();
            // Others may still lead to one that is possible no more.
            short.generation = if short.end.shortens { generation } else { NEVER };
        }
        short.end.shortens
    }
}

impl Short {
    /// The short cut number `n` of `all`, if it holds for `generation`.
    #[inline(always)]
    pub fn get(all: &mut [Self], n: u32, generation: u64) -> Option<&mut Self> {
        all.get_mut(n as usize).filter(|short| short.generation == generation)
    }

    /// Its directions, from number `from` on: the number of the first that is another one.
    #[inline(always)]
    pub fn differs(&self, from: usize, btb: &Btb) -> Option<usize> {
        for n in from..usize::from(self.asks).min(DIRECTIONS) {
            let direction = &self.directions[n];
            if self.direction(direction.place, direction.learnt, btb) != direction.taken {
                return Some(n);
            }
        }
        None
    }

    /// The direction at `place`, as it is after so many were `learnt`.
    #[inline(always)]
    pub fn direction(&self, place: Place, learnt: u8, btb: &Btb) -> bool {
        let history = btb.history();
        let index = place.index(history);
        let mut taken = btb.direction(index);
        if learnt != 0 {
            for learns in self.learnt.iter().take(learnt.into()) {
                if learns.place.index(history) == index {
                    taken = learns.taken;
                }
            }
        }
        taken
    }

    /// The number of the short cut for the other direction than number `n`.
    #[inline(always)]
    pub fn other(&self, n: usize) -> u32 {
        self.directions[n % DIRECTIONS].other
    }

    /// Whether the lines of its accesses are where they are found quickly, and nothing of them changes.
    #[inline(always)]
    pub fn are_settled(&self, facts: &Facts, dcache: &Dcache) -> bool {
        let facts = &facts[..self.accesses.into()];
        let mut same = true;
        let mut reads = !self.writes;
        if self.facts & self.facts.wrapping_add(1) == 0 {
            // Nothing but accesses.
            for fact in facts {
                same &= dcache.is_settled(fact.b, reads & 1);
                reads >>= 1;
            }
        } else {
            let mut others = !self.facts;
            for fact in facts {
                same &= others & 1 == 1 || dcache.is_settled(fact.b, reads & 1);
                (reads, others) = (reads >> 1, others >> 1);
            }
        }
        same
    }

    /// Asks the host for what else it asks and tells, of `others`.
    #[inline(always)]
    pub fn expect_others(&self, others: &[Step]) {
        prefetch_index(others, self.first_other as usize);
    }

    /// Whether it has accesses whose lines are there.
    #[inline(always)]
    pub fn has_accesses(&self) -> bool {
        self.facts != 0
    }

    /// These, and which of them write.
    pub fn accesses(&self) -> (u32, u32) {
        (self.facts, self.writes)
    }

    /// Whether the BTB has the entries that it asks for, and none of the others. If so, it knows which these are.
    #[inline(always)]
    pub fn finds(&mut self, btb: &Btb) -> bool {
        self.made == btb.changes() || self.asks_for_entries(btb)
    }

    /// What else it asks and tells, of `others`.
    #[inline(always)]
    pub fn others<'a>(&self, others: &'a [Step]) -> &'a [Step] {
        if self.others == 0 {
            return &[];
        }
        &others[self.first_other as usize..][..self.others.into()]
    }

    /// Does what its path does to the predictor. If `same`, its directions are known to be right.
    #[inline(always)]
    pub fn tell(&mut self, same: bool, btb: &mut Btb) {
        btb.repeat_uses(self.uses);
        if !same {
            self.learn_first(btb);
        }
    }

    /// Which entries its checks have found.
    #[inline(always)]
    pub fn ways(&self) -> [u8; CHECKS] {
        self.ways
    }

    /// Names what its predictions' places come to hold.
    #[inline(always)]
    pub fn moves(&mut self, named: &mut Named) {
        if self.is_known {
            if !self.is_moved {
                self.is_moved = true;
                self.moved = Places::of(&self.end.sources, self.end.places, self.ways);
            }
            named.set_places(self.moved);
        } else {
            named.finds_first(self.ways);
            named.moves(&self.end.sources, self.end.places);
        }
    }

    /// Whether all directions that it asks for are right, and those that it learns are nothing new: they are those of the
    /// last time, and none has turned.
    #[inline(always)]
    pub fn knows_directions(&self, btb: &Btb) -> bool {
        btb.turns() == Some(self.turns) && (btb.history() >> (self.shift & 63)) as u16 == self.history
    }

    /// The directions are learnt; those that it asks for are right, and are known to be if that has turned none.
    #[inline(always)]
    fn learn_first(&mut self, btb: &mut Btb) {
        let before = btb.turns();
        self.learn(btb);
        self.turns = if before == btb.turns() && self.shift >= LEAST_SHIFT {
            before.unwrap_or(NO_TURN)
        } else {
            NO_TURN
        };
        self.history = (btb.history() >> (self.shift & 63)) as u16;
    }

    /// The directions are learnt.
    #[inline(always)]
    fn learn(&self, btb: &mut Btb) {
        let history = btb.history();
        for learns in self.learnt.iter().take(self.learns.into()) {
            btb.set_direction(learns.place.index(history), learns.taken);
        }
    }

    fn asks_for_entries(&mut self, btb: &Btb) -> bool {
        let mut ways = [0; CHECKS];
        let checks = self.tags.iter().zip(&self.contents).take(self.checks.into());
        for ((&tag, &content), found) in checks.zip(&mut ways) {
            if content == FREE {
                if !btb.are_free([tag]) {
                    return false;
                }
                *found = UNFOUND;
            } else if content & QUIET != 0 {
                let Some(way) = btb.quiet_entry(tag, u32::from(content & !QUIET)) else { return false };
                *found = way;
            } else {
                let Some(way) = btb.entry_of(tag, content.into()) else { return false };
                *found = way;
            }
        }
        let way = |check: u8| ways.get(usize::from(check)).copied().unwrap_or(0);
        let mut uses = Uses::NONE;
        self.touched.iter().take(self.touches.into()).for_each(|&check| uses.touch(way(check)));
        if self.used != NO_CHECK {
            uses.then(way(self.used));
        }
        (self.made, self.ways, self.uses) = (btb.changes(), ways, uses);
        self.is_moved = false;
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

    /// Works out what to ask for, now that the entries have come to have the tags that they ever had, beside the entries
    /// that its first checks find: whether it fits.
    fn works_out(&mut self, path: &Path, btb: &Btb) -> Option<()> {
        (self.checks, self.made) = (path.found, 0);
        for &(tag, content) in path.free.iter().filter(|(tag, _)| btb.was_ever(*tag)) {
            self.check(tag, content)?;
        }
        Some(())
    }

    /// Asks for `content` by `tag`: gives the number of the check.
    fn check(&mut self, tag: u16, content: u16) -> Option<u8> {
        let n = usize::from(self.checks);
        if let Some(known) = self.tags.get(..n)?.iter().position(|&other| other == tag) {
            self.contents[known] = both(self.contents[known], content)?;
            return Some(known as u8);
        }
        (*self.tags.get_mut(n)?, *self.contents.get_mut(n)?) = (tag, content);
        self.checks += 1;
        Some(n as u8)
    }
}

/// What to ask for that answers to `one` content as well as to `other`, of the same tag.
fn both(one: u16, other: u16) -> Option<u16> {
    const ANY: u16 = QUIET | ANY_QUIET as u16;
    let is_quiet = |content: u16| content & QUIET != 0 && content != FREE;
    match (one, other) {
        _ if one == other => Some(one),
        // What is there exactly says what it says when it predicts nothing.
        (ANY, known) | (known, ANY) => Some(known),
        _ => match (is_quiet(one), is_quiet(other)) {
            // No entry says both, but there may be none.
            (true, true) => Some(FREE),
            (true, false) => Some(other),
            (false, true) => Some(one),
            (false, false) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::super::btb::{BtbUpdate, Cfi};
    use super::super::history::History;
    use super::super::origin::{Origin, UNFOUND};
    use super::super::steps::NO_LOOKUP;
    use super::*;

    /// While a short cut knows that its directions are right, they are, and it learns nothing.
    #[test]
    fn directions_that_are_known_are_right() {
        let (known, asked) = (Cell::new(0), Cell::new(0));
        proptest!(|(
            asks in vec((0u64..4, 0u8..4, vec(any::<bool>(), 0..3), any::<bool>()), 1..=DIRECTIONS),
            learns in vec((0u64..4, 0u8..12, vec(any::<bool>(), 0..10), any::<bool>()), 0..=LEARNS),
            events in vec((0u16..8, any::<bool>(), 0u64..4, 0u64..4), 1..64),
        )| {
            let place = |pc: u64, back: u8, then: &[bool]| {
                let mut history = History::default().back(back);
                then.iter().for_each(|&taken| history.advance(taken));
                Place::new(0x8000_0000 + 4 * pc, &history)
            };
            let learns = learns.iter().map(|(pc, back, then, taken)| {
                Step::Learn { place: place(*pc, *back, then), taken: *taken }
            });
            let asks = asks.iter().map(|(pc, back, then, taken)| {
                Step::Direction { place: place(*pc, *back, then), learnt: 0, taken: *taken, uses: NO_LOOKUP }
            });
            let steps: Vec<_> = asks.chain(learns).collect();
            let end = End::new(0, std::iter::empty(), std::iter::empty(), (0, 0)).unwrap();
            let (mut shorts, mut btb) = (Shorts::default(), Btb::default());
            shorts.add(&steps, end);
            let short = &mut shorts.all[0];
            for (pc, taken, low, high) in events {
                btb.set_direction(Btb::direction_index(0x8000_0000 + 4 * u64::from(pc), 0), taken);
                btb.advance(high << 62 | low << 54, 0);
                if short.knows_directions(&btb) {
                    known.set(known.get() + 1);
                    let turns = btb.turns();
                    prop_assert_eq!(short.differs(0, &btb), None);
                    short.learn(&mut btb);
                    prop_assert_eq!(btb.turns(), turns);
                } else if short.differs(0, &btb).is_none() {
                    asked.set(asked.get() + 1);
                    short.tell(false, &mut btb);
                }
            }
        });
        assert!(known.get() > 0 && asked.get() > 0, "{known:?} known, {asked:?} asked for");
    }

    /// Where nothing is predicted, an entry for the branch is as good as none, and is named if somebody asks for it.
    #[test]
    fn entries_that_predict_nothing_may_be_there() {
        const PC: u64 = 0x1000;
        let mut btb = Btb::default();
        btb.renumber();
        let (tag, second_half) = (Btb::tag(PC), btb.quiet_at(PC, 1));
        let elsewhere = btb.quiet_at(PC + 0x4000, 1);
        assert_eq!(Btb::tag(PC + 0x4000), tag);
        let quiet = |n: u8, content: u32| Step::Quiet { touches: false, n, tag, content };
        let holds = |steps: &[Step], asked_for: bool, btb: &Btb| {
            let source = Origin::Lookup(3).source(0).filter(|_| asked_for);
            let end = End::new(0, std::iter::empty(), source.map(Some).into_iter(), (0, 0)).unwrap();
            let mut shorts = Shorts::default();
            shorts.add(steps, end);
            assert!(shorts.followed(0, btb.generation(), btb));
            let short = &mut shorts.all[0];
            short.finds(btb).then(|| short.ways()[0])
        };
        let found = |asked_for: bool, content: u32, btb: &Btb| holds(&[quiet(3, content)], asked_for, btb);
        let together = |btb: &Btb| {
            let steps = [quiet(3, elsewhere), quiet(4, second_half), quiet(5, ANY_QUIET)];
            [true, false].map(|asked_for| holds(&steps, asked_for, btb).is_some())
        };
        assert_eq!(together(&btb), [true, true]);
        assert_eq!(found(true, second_half, &btb), Some(UNFOUND));
        let mut becomes = |cfi: Cfi, half: u64| {
            let (entry, origin) = (0, Origin::Itself);
            btb.update(BtbUpdate { entry, origin, valid: true, pc: PC, br_pc: PC | half << 1, cfi });
            btb.cycle(0x8000, true);
            // Another group has the same tag, and both find nothing.
            assert_eq!(together(&btb), [false, false]);
            [second_half, ANY_QUIET].map(|content| {
                let way = found(true, content, &btb);
                assert_eq!(found(false, content, &btb).is_some(), way.is_some());
                way
            })
        };
        assert_eq!(becomes(Cfi::Branch, 1), [Some(0), Some(0)]);
        assert_eq!(becomes(Cfi::Branch, 0), [None, Some(0)]);
        assert_eq!(becomes(Cfi::Jump, 1), [None, None]);
    }

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
        shorts.add(&steps, end);
        let mut follow = |btb: &Btb| {
            let followed = shorts.followed(0, btb.generation(), btb);
            assert_eq!(Short::get(shorts.parts().0, 0, btb.generation()).is_some(), followed);
            followed
        };
        assert!(follow(&btb));
        let mut held = Vec::new();
        for tag in tags {
            btb.update(BtbUpdate::jump(address(tag)));
            btb.cycle(0x8000, true);
            held.push(follow(&btb));
        }
        assert_eq!(held.iter().position(|held| !held), Some(CHECKS));
    }
}
