//! Where the steps of the trees stand. There are many paths, and few different steps: a place has the number of its step, so
//! that what a walk goes through is in few cache lines of the host.

use prefetch_index::prefetch_index;
use rustc_hash::FxHashMap;

use super::origin::PLACES;
use super::steps::Step;

/// Places at a time; beyond that all are forgotten.
const MAX_PLACES: usize = 1 << 22;
/// No other answer is known.
pub(super) const UNKNOWN: u32 = 0;
/// With this bit the number is that of an end.
const END: u32 = 1 << 31;
/// How many places stand in a cache line of the host.
const PER_LINE: usize = 64 / size_of::<Place>();

/// What the next place in memory follows.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The number of its step; that of an end, with [`END`]; in front of a branch of a tree none.
    step: u32,
    /// Where to go if the answer is another one; the sources of an end; in front of a branch, the end to which it leads if
    /// no other answer comes.
    otherwise: u32,
}

/// What stands at a place.
pub(super) enum At<'a> {
    /// A step, and where to go if the answer is another one.
    Step(&'a Step, u32),
    /// The end of this number, and where the predictions that are on their way there come from.
    End(u32, &'a [u8; PLACES]),
}

/// The places of all trees.
#[derive(Default)]
pub(super) struct Trees {
    places: Vec<Place>,
    /// Each step once, and its number.
    steps: Vec<Step>,
    numbers: FxHashMap<Step, u32>,
    /// The same for the sources of ends.
    sources: Vec<[u8; PLACES]>,
    source_numbers: FxHashMap<[u8; PLACES], u32>,
}

/// The number of `one`, which is added to `all` if it is new.
fn number<T: Copy + Eq + std::hash::Hash>(all: &mut Vec<T>, numbers: &mut FxHashMap<T, u32>, one: T) -> u32 {
    *numbers.entry(one).or_insert_with(|| {
        all.push(one);
        all.len() as u32 - 1
    })
}

impl Trees {
    /// Whether there is no room for more.
    pub fn is_full(&self) -> bool {
        self.places.len() >= MAX_PLACES
    }

    /// What stands at place `at`.
    #[inline(always)]
    pub fn at(&self, at: u32) -> At<'_> {
        let Place { step, otherwise } = self.places[at as usize];
        if step & END == 0 {
            At::Step(&self.steps[step as usize], otherwise)
        } else {
            At::End(step & !END, &self.sources[otherwise as usize])
        }
    }

    /// The end to which the branch leads that begins at `at`, if no other answer comes.
    #[inline(always)]
    pub fn end(&self, at: u32) -> u32 {
        self.places[at as usize - 1].otherwise
    }

    /// Adds a path of `steps` to end number `end`, whose predictions come from `sources`, to the tree at `root`, if there is
    /// one: gives its root. `None` if it is known.
    pub fn add(&mut self, root: Option<u32>, steps: &[Step], end: u32, sources: [u8; PLACES]) -> Option<u32> {
        let (mut known, mut from) = (0, None);
        let mut at = root;
        while let Some(place) = at {
            let At::Step(step, otherwise) = self.at(place) else { return None };
            at = match step.is_begin_of(&steps[known..]) {
                Some(count) => {
                    known += count;
                    Some(place + 1)
                }
                None if otherwise == UNKNOWN => {
                    from = Some(place);
                    None
                }
                None => Some(otherwise),
            };
        }
        self.places.push(Place { step: 0, otherwise: end });
        let begin = self.places.len() as u32;
        for step in Step::together(&steps[known..]) {
            let step = number(&mut self.steps, &mut self.numbers, step);
            self.places.push(Place { step, otherwise: UNKNOWN });
        }
        let sources = number(&mut self.sources, &mut self.source_numbers, sources);
        self.places.push(Place { step: END | end, otherwise: sources });
        let Some(last) = from else { return Some(begin) };
        self.places[last as usize].otherwise = begin;
        root
    }

    /// The answer at `at`, behind that at `before`, is the one to be tried next after that at `first`: it may be the answer
    /// again.
    #[inline]
    pub fn prefer(&mut self, at: u32, first: u32, before: u32) {
        let next = std::mem::replace(&mut self.places[first as usize].otherwise, at);
        let behind = std::mem::replace(&mut self.places[at as usize].otherwise, next);
        self.places[before as usize].otherwise = behind;
    }

    /// Asks the host for place `at`.
    #[inline(always)]
    pub fn expect(&self, at: u32) {
        prefetch_index(&self.places, at as usize);
    }

    /// Asks the host for the first places of the tree at `root`, which is going to be followed soon.
    #[inline(always)]
    pub fn expect_root(&self, root: u32) {
        self.expect(root);
        prefetch_index(&self.places, root as usize + PER_LINE);
    }
}
