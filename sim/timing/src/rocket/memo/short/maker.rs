//! Makes short cuts of the steps of paths.

use smallvec::SmallVec;

use super::super::history::Place;
use super::super::origin::{Named, Origin, Places};
use super::super::steps::{Change, NO_LOOKUP, Step};
use super::{Direction, FREE, Free, Learns, NO_CHECK, NO_SHORT, QUIET, Short};

/// What makes a short cut of steps.
pub(super) struct Maker<'a> {
    pub short: Short,
    /// Tags that no entry has, or one that predicts nothing and is not asked for again, with [`FREE`] or what it says.
    pub free: Free,
    /// The lookups whose entries somebody asks for again, a bit each.
    needed: [u64; 4],
    /// Lookups that find an entry, with their checks.
    found: SmallVec<[(u8, u8); 4]>,
    /// The lookup that is used last, if the tree has not learnt of it.
    used: Option<u8>,
    /// The stack has changed.
    stacked: bool,
    others: &'a mut Vec<Step>,
}

impl<'a> Maker<'a> {
    /// Of `short`, which has no more than its end; what stands aside goes to `others`.
    pub fn new(short: Short, others: &'a mut Vec<Step>) -> Self {
        Self {
            short,
            free: Free::new(),
            needed: [0; 4],
            found: SmallVec::new(),
            used: None,
            stacked: false,
            others,
        }
    }

    /// The check that finds the entry of lookup `n`.
    fn check(&self, n: u8) -> Option<u8> {
        Some(self.found.iter().find(|found| found.0 == n)?.1)
    }

    /// The tree learns of the latest use. Of several of the same in a row only the last one matters.
    fn touch(&mut self) -> Option<()> {
        let Some(used) = self.used.take() else { return Some(()) };
        let check = self.check(used)?;
        let touches = usize::from(self.short.touches);
        if touches == 0 || self.short.touched[touches - 1] != check {
            *self.short.touched.get_mut(touches)? = check;
            self.short.touches += 1;
        }
        Some(())
    }

    /// Asks for a direction, with the rest if there is no more room.
    fn direction(&mut self, place: Place, learnt: u8, taken: bool) -> Option<()> {
        let learns = self.short.learnt.get(..learnt.into())?;
        let learnt = if learns.iter().any(|learns| learns.place.may_be(place)) { learnt } else { 0 };
        match self.short.directions.get_mut(usize::from(self.short.asks)) {
            Some(direction) => {
                *direction = Direction { place, learnt, taken, other: NO_SHORT };
                self.short.asks += 1;
            }
            None => self.others.push(Step::Direction { place, learnt, taken, uses: NO_LOOKUP }),
        }
        Some(())
    }

    fn learns(&mut self, learns: Learns) -> Option<()> {
        *self.short.learnt.get_mut(usize::from(self.short.learns))? = learns;
        self.short.learns += 1;
        Some(())
    }

    fn finds(&mut self, n: u8, tag: u16, content: u32) -> Option<()> {
        let content = u16::try_from(content).ok().filter(|&content| content < QUIET)?;
        let check = self.short.check(tag, content)?;
        self.found.push((n, check));
        Some(())
    }

    /// Nothing, or an entry that predicts nothing: that is checked for by itself if somebody asks for the entry.
    fn quiet(&mut self, n: u8, tag: u16, content: u32) -> Option<()> {
        let content = QUIET | u16::try_from(content).ok().filter(|&content| content < FREE & !QUIET)?;
        if self.needed[usize::from(n / 64)] >> (n % 64) & 1 == 0 {
            self.free.push((tag, content));
        } else {
            let check = self.short.check(tag, content)?;
            self.found.push((n, check));
        }
        Some(())
    }

    /// An update, of what a check finds where it is of what a lookup finds.
    fn update(&mut self, mut change: Change) -> Option<()> {
        if let Origin::Lookup(n) = change.origin {
            change.origin = Origin::Lookup(self.check(n)?);
        }
        self.others.push(Step::Update(change));
        Some(())
    }

    /// Where a prediction comes from in terms of checks.
    fn source(&self, source: u8) -> Option<u8> {
        match Named::lookup_of(source) {
            Some(n) => Origin::Lookup(self.check(n)?).index(),
            None => Some(source),
        }
    }

    fn step(&mut self, step: Step) -> Option<()> {
        match step {
            Step::Free { touches, .. } | Step::Entry { touches, .. } | Step::Quiet { touches, .. }
                if touches =>
            {
                self.touch()?
            }
            _ => {}
        }
        let short = &mut self.short;
        match step {
            Step::Line { .. } => {}
            Step::Free { tags, .. } => self.free.push((tags[0], FREE)),
            Step::Quiet { n, tag, content, .. } => self.quiet(n, tag, content)?,
            Step::Use { n } => self.used = Some(n),
            Step::Entry { uses, n, tag, content, .. } => {
                self.finds(n, tag, content)?;
                self.used = if uses { Some(n) } else { self.used };
            }
            Step::Settled { facts, writes } => {
                (short.facts, short.writes) = (short.facts | facts, short.writes | writes);
            }
            Step::Direction { place, learnt, taken, uses } => {
                self.direction(place, learnt, taken)?;
                self.used = if uses == NO_LOOKUP { self.used } else { Some(uses) };
            }
            Step::Learn { place, taken } => self.learns(Learns { place, taken })?,
            Step::Push(_) | Step::Pop => {
                self.stacked = true;
                self.others.push(step);
            }
            // Another answer than before the block.
            Step::Returns(_) if self.stacked => return None,
            Step::Update(change) => self.update(change)?,
            Step::Returns(_)
            | Step::Target(_)
            | Step::Page(_)
            | Step::Context(_)
            | Step::Word(_)
            | Step::Behind(_)
            | Step::Operands(_)
            | Step::Unsettled { .. }
            | Step::Becomes { .. }
            | Step::Idle => self.others.push(step),
            // Entries change in its middle.
            Step::Odd(_) | Step::Settle(_) | Step::Flush | Step::End(_) | Step::Sources(_) => return None,
        }
        Some(())
    }

    /// All of `steps`; `None` if it does not fit.
    pub fn steps(&mut self, steps: &[Step]) -> Option<()> {
        self.need(steps);
        steps.iter().try_for_each(|&step| self.step(step))?;
        self.finish()
    }

    /// Somebody asks for the entries that lookups have found where predictions come from them at the end, or updates.
    fn need(&mut self, steps: &[Step]) {
        let end = &self.short.end;
        let updates = steps.iter().filter_map(|step| match *step {
            Step::Update(change) => change.origin.index(),
            _ => None,
        });
        for source in end.sources.into_iter().take(end.places.into()).chain(updates) {
            if let Some(n) = Named::lookup_of(source) {
                self.needed[usize::from(n / 64)] |= 1 << (n % 64);
            }
        }
    }

    fn finish(&mut self) -> Option<()> {
        for n in 0..usize::from(self.short.end.places) {
            self.short.end.sources[n] = self.source(self.short.end.sources[n])?;
        }
        let end = &self.short.end;
        self.short.is_known = Places::are_known(&end.sources[..end.places.into()]);
        self.short.used = self.used.map_or(Some(NO_CHECK), |n| self.check(n))?;
        let asked =
            self.short.directions.iter().take(self.short.asks.into()).map(|direction| direction.place);
        let learnt = self.short.learnt.iter().take(self.short.learns.into()).map(|learns| learns.place);
        let shift = asked.chain(learnt).map(Place::shift).min().unwrap_or(u64::BITS - 1);
        self.short.shift = shift as u8;
        self.short.others = u8::try_from(self.others.len() - self.short.first_other as usize).ok()?;
        self.short.accesses = (u32::BITS - self.short.facts.leading_zeros()) as u8;
        Some(())
    }
}
