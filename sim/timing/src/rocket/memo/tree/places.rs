//! The steps of all trees, in memory one after the other, and where to go from each of them.

use std::ops::Index;

use prefetch_index::prefetch_index;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::super::super::btb::Btb;
use super::super::steps::Step;

/// Steps at a time; beyond that all are forgotten.
const MAX_STEPS: usize = 1 << 22;
/// No other answer is known.
pub(super) const UNKNOWN: u32 = 0;
/// How many places stand in a cache line of the host.
const PER_LINE: usize = 64 / size_of::<Place>();

/// A step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub step: Step,
    pub ways: Ways,
}

/// Where to go from a step: if the answer is the same, to the next in memory but for those that need not be asked now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways(u32);

/// Where how many are left out stands, above where to go if the answer is another one.
const SKIPS: u32 = 24;
/// No more are left out together.
const MAX_SKIPS: usize = 0xff;
const _: () = assert!(2 * MAX_STEPS <= 1 << SKIPS);

impl Ways {
    /// Where to go if the answer is another one.
    #[inline(always)]
    pub const fn otherwise(self) -> u32 {
        self.0 & ((1 << SKIPS) - 1)
    }

    const fn set_otherwise(&mut self, otherwise: u32) {
        self.0 = self.0 >> SKIPS << SKIPS | otherwise;
    }

    /// How many of the next are left out.
    #[inline(always)]
    pub const fn skips(self) -> usize {
        (self.0 >> SKIPS) as usize
    }

    fn set_skips(&mut self, skips: usize) {
        self.0 = (skips.min(MAX_SKIPS) as u32) << SKIPS | self.otherwise();
    }
}

impl Place {
    const fn new(step: Step) -> Self {
        Self { step, ways: Ways(UNKNOWN) }
    }

    /// The tags of which it asks whether no entry has them, if it does nothing else.
    fn tags(&self) -> &[u16] {
        match &self.step {
            Step::Free { touches: false, tags } => tags,
            _ => &[],
        }
    }
}

/// The places of all trees.
#[derive(Default)]
pub(super) struct Trees {
    all: Vec<Place>,
    /// Those that are left out as long as no entry of the BTB ever had one of the tags that they ask for, by tag.
    left_out: FxHashMap<u16, SmallVec<[u32; 4]>>,
    /// How many tags an entry had ever had when somebody looked last.
    had: usize,
}

impl Index<usize> for Trees {
    type Output = Place;

    #[inline(always)]
    fn index(&self, at: usize) -> &Place {
        &self.all[at]
    }
}

impl Trees {
    /// Whether there is no room for more.
    pub fn is_full(&self) -> bool {
        self.all.len() >= MAX_STEPS
    }

    /// The place at `at`, if there is one.
    #[inline(always)]
    pub fn get(&self, at: usize) -> Option<&Place> {
        self.all.get(at)
    }

    /// Adds `steps` that follow each other, and leaves out what need not be asked of them: gives where they begin.
    pub fn add(&mut self, steps: impl Iterator<Item = Step>, btb: &Btb) -> u32 {
        if self.all.is_empty() {
            // Nothing is at `UNKNOWN`.
            self.all.push(Place::new(Step::Pop));
        }
        let begin = self.all.len();
        self.all.extend(steps.map(Place::new));
        self.leave_out(begin, btb);
        begin as u32
    }

    /// Leaves out what need not be asked of the places from `begin` on: no entry ever had one of their tags. The first one
    /// is asked, since what leads to it does not know how many to leave out.
    fn leave_out(&mut self, begin: usize, btb: &Btb) {
        self.asks_again(btb);
        let mut skips = 0;
        for at in (begin..self.all.len()).rev() {
            let place = &mut self.all[at];
            place.ways.set_skips(skips);
            let tags = place.tags();
            let never = !tags.is_empty() && !tags.iter().any(|&tag| btb.was_ever(tag));
            skips = if never && skips < MAX_SKIPS { skips + 1 } else { 0 };
            if never && at > begin {
                for tag in tags {
                    let places = self.left_out.entry(*tag).or_default();
                    if places.last() != Some(&(at as u32)) {
                        places.push(at as u32);
                    }
                }
            }
        }
    }

    /// Asks for tags that entries have come to have.
    #[inline(always)]
    pub fn asks_again(&mut self, btb: &Btb) {
        if self.had != btb.tags_had().len() {
            self.asks_for(btb.tags_had());
        }
    }

    /// Asks for `tags` again, as far as they are new.
    #[cold]
    fn asks_for(&mut self, tags: &[u16]) {
        for tag in tags.get(self.had..).unwrap_or(tags) {
            for at in self.left_out.remove(tag).unwrap_or_default() {
                let at = at as usize;
                // Those before it that lead past it lead to it.
                for before in (0..at).rev() {
                    let ways = &mut self.all[before].ways;
                    if before + ways.skips() < at {
                        break;
                    }
                    ways.set_skips(at - before - 1);
                }
            }
        }
        self.had = tags.len();
    }

    /// Where the answer at `at` is another one, it goes on at `otherwise`.
    pub fn set_otherwise(&mut self, at: u32, otherwise: u32) {
        self.all[at as usize].ways.set_otherwise(otherwise);
    }

    /// The answer at `at`, behind that at `before`, is the one to be tried next after that at `first`: it may be the answer
    /// again.
    #[inline]
    pub fn prefer(&mut self, at: u32, first: u32, before: u32) {
        let [next, behind] = [first, at].map(|place| self.all[place as usize].ways.otherwise());
        self.set_otherwise(first, at);
        self.set_otherwise(at, next);
        self.set_otherwise(before, behind);
    }

    /// Asks the host for the first places from `root` on, which are going to be looked at soon.
    #[inline(always)]
    pub fn expect(&self, root: u32) {
        prefetch_index(&self.all, root as usize);
        prefetch_index(&self.all, root as usize + PER_LINE);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::super::super::btb::BtbUpdate;
    use super::*;

    const BASE: u64 = 0x8000_0000;

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (any::<bool>(), vec(0u64..12, 1..=4)).prop_map(|(touches, groups)| {
                let tag = |n: usize| Btb::tag(BASE + 4 * groups[n.min(groups.len() - 1)]);
                Step::Free { touches, tags: [tag(0), tag(1), tag(2), tag(3)] }
            }),
            1 => Just(Step::Pop),
        ]
    }

    proptest! {
        /// What is left out is what asks for nothing but tags that no entry ever had, but for what stands first.
        #[test]
        fn no_more_is_left_out_than_need_not_be_asked(
            paths in vec((vec(step(), 1..40), vec(0u64..12, 0..3)), 1..6),
        ) {
            let (mut trees, mut btb) = (Trees::default(), Btb::default());
            let mut added: Vec<(usize, usize)> = Vec::new();
            for (steps, groups) in paths {
                let begin = trees.add(steps.iter().copied(), &btb) as usize;
                added.push((begin, steps.len()));
                for group in groups {
                    let pc = BASE + 4 * group;
                    btb.update(BtbUpdate::jump(pc));
                    btb.settle(pc);
                }
                trees.asks_again(&btb);
                for &(begin, count) in &added {
                    let mut at = begin;
                    let asked: Vec<_> = std::iter::from_fn(|| {
                        let now = (at < begin + count).then_some(at)?;
                        at += 1 + trees[now].ways.skips();
                        Some(now)
                    }).collect();
                    let needed: Vec<_> = (begin..begin + count).filter(|&at| {
                        let tags = trees[at].tags();
                        at == begin || tags.is_empty() || tags.iter().any(|&tag| btb.was_ever(tag))
                    }).collect();
                    prop_assert_eq!(asked, needed);
                }
            }
        }
    }
}
