//! Regions of interest: what a hart did between two markers of its guest.
//!
//! Markers are hints (see [`relsim_markers`]): the row of `slti` gives them operands, text, class and cost, so
//! that every timing model charges what it charges the same instruction without a meaning. Only what they
//! execute differs, and that is decided when they are decoded. A marker ends its block, and the hot loop
//! records it on the way out: other instructions pay nothing.
//!
//! A region is what retires behind its begin marker up to and including its end marker; so `begin` and `end`
//! in a row are one instruction.

use std::collections::BTreeMap;

pub use relsim_markers::Kind;
use relsim_markers::Marker;

use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::hart::{Counts, EXT_WORDS, Hart};
use crate::insn::{Done, Op, Stop};
use crate::saved::{Impossible, countable, require};
use crate::timing::Ledger;

/// Regions that may be open at a time on a hart; what begins beyond that is counted and not measured.
pub const MAX_OPEN: usize = 1024;

/// A marker that has executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    marker: Marker,
    value: Option<u64>,
}

/// Whether the instruction `word` is a marker.
pub(crate) fn is_marker(word: u32) -> bool {
    Marker::decode(word).is_some()
}

/// Whether a block ends with the instruction `word` because it is a marker, or the hint of the same kind that
/// means nothing: so that both take the same time to the last cycle where harts take turns at the ends of blocks.
pub(crate) const fn ends_block(word: u32) -> bool {
    word & relsim_markers::MASK == relsim_markers::BITS
}

/// What markers execute.
pub(crate) fn mark(hart: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    hart.marked = Marker::decode(op.raw)
        .map(|marker| Marked { marker, value: marker.has_value.then(|| hart.x(op.rs1)) });
    Err(Stop::Exit)
}

/// Records the marker that has just retired on `hart`, whose counts are up to date. `ledger` is where its
/// cycles went, if the timing model tells.
#[cold]
#[inline(never)]
pub(crate) fn record(hart: &mut Hart, ledger: Option<&Ledger>) {
    let Some(marked) = hart.marked.take() else { return };
    if hart.crossings.watches(marked.marker) {
        let snapshot = Box::new(Snapshot::of(hart, ledger.cloned()));
        hart.crossings.seen.push(Crossing { kind: marked.marker.kind, snapshot });
    }
    let point = Point {
        cycle: hart.cycle,
        instret: hart.instret,
        traps: hart.counts.traps(),
        ledger: ledger.cloned(),
    };
    hart.regions.mark(marked, point);
}

/// All that is counted of a hart, at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Core cycles.
    pub cycle: u64,
    /// Retired instructions.
    pub instret: u64,
    /// Traps.
    pub counts: Counts,
    /// Where the cycles went, if the timing model tells.
    pub ledger: Option<Ledger>,
    /// Regions and events.
    pub regions: Regions,
    /// State of the extensions outside the core, where they keep their counters.
    pub ext_state: [[u64; EXT_WORDS]; 4],
}

impl Snapshot {
    /// `hart` now, whose cycles went where `ledger` says.
    pub fn of(hart: &Hart, ledger: Option<Ledger>) -> Self {
        Self {
            cycle: hart.cycle,
            instret: hart.instret,
            counts: hart.counts.clone(),
            ledger,
            regions: hart.regions.clone(),
            ext_state: hart.ext_state,
        }
    }
}

/// A hart has entered or left the region that is watched: `snapshot` is its state at the marker, before the marker
/// itself is recorded.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// [`Kind::Begin`] or [`Kind::End`].
    pub kind: Kind,
    /// The hart then.
    pub snapshot: Box<Snapshot>,
}

/// The crossings of one region on a hart, until the machine takes them.
#[derive(Debug, Clone, Default)]
pub struct Crossings {
    /// The region that is watched, if any is.
    pub region: Option<u16>,
    /// What was seen in this slice.
    pub seen: Vec<Crossing>,
}

impl Crossings {
    /// Crossings that are kept of a slice: in a slice that is longer than a visit, a begin and an end.
    const MAX_SEEN: usize = 2;

    fn watches(&self, marker: Marker) -> bool {
        self.region == Some(marker.id) && marker.kind != Kind::Instant && self.seen.len() < Self::MAX_SEEN
    }
}

/// The counts of a hart at a marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Point {
    cycle: u64,
    instret: u64,
    traps: u64,
    ledger: Option<Ledger>,
}

/// Number, sum and extremes of some values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Their sum; stays at the largest number once it gets there.
    pub total: u64,
    /// The smallest.
    pub min: u64,
    /// The largest.
    pub max: u64,
}

impl Spread {
    fn add(this: &mut Option<Self>, value: u64) {
        let old = this.unwrap_or(Self { count: 0, total: 0, min: u64::MAX, max: 0 });
        *this = Some(Self {
            count: old.count + 1,
            total: old.total.saturating_add(value),
            min: old.min.min(value),
            max: old.max.max(value),
        });
    }

    /// Both together.
    pub fn merged(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            total: self.total.saturating_add(other.total),
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// What a hart did in a region, over all its visits that have ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Cycles of each visit; `None` if none has ended.
    pub cycles: Option<Spread>,
    /// Instructions of each visit.
    pub instructions: Option<Spread>,
    /// Traps taken in all visits.
    pub traps: u64,
    /// Where the cycles of all visits went, if the timing model tells.
    pub ledger: Option<Ledger>,
    /// The values that its markers carried.
    pub values: Option<Spread>,
    /// Visits that have begun and not ended.
    pub unfinished: u64,
    /// End markers without a begin marker.
    pub unmatched_ends: u64,
    /// Visits that were not measured because [`MAX_OPEN`] others were open.
    pub unmeasured: u64,
    /// Those of them that have not ended.
    unmeasured_open: u64,
}

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instant {
    /// How often it happened.
    pub count: u64,
    /// When it first did, in core cycles.
    pub first_cycle: u64,
    /// When it last did.
    pub last_cycle: u64,
    /// The values that its markers carried.
    pub values: Option<Spread>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    id: u16,
    begin: Point,
}

/// The regions and events of one hart.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Regions {
    open: Vec<Open>,
    regions: BTreeMap<u16, Region>,
    instants: BTreeMap<u16, Instant>,
}

impl Regions {
    /// The regions that markers spoke of, by number.
    pub fn regions(&self) -> impl Iterator<Item = (u16, &Region)> {
        self.regions.iter().map(|(&id, region)| (id, region))
    }

    /// The events that happened, by number.
    pub fn instants(&self) -> impl Iterator<Item = (u16, &Instant)> {
        self.instants.iter().map(|(&id, instant)| (id, instant))
    }

    /// Whether they can be those of `hart`.
    pub(crate) fn check(&self, hart: &Hart) -> Result<(), Impossible> {
        require(self.open.len() <= MAX_OPEN, "too many open regions")?;
        for Open { id, begin } in &self.open {
            let past = begin.cycle <= hart.cycle && begin.instret <= hart.instret;
            require(past && begin.traps <= hart.counts.traps(), "a region that begins later")?;
            require(self.regions.contains_key(id), "an open region that never began")?;
            begin.ledger.as_ref().map_or(Ok(()), Ledger::check)?;
        }
        for (id, region) in &self.regions {
            let open = self.open.iter().filter(|open| open.id == *id).count() as u64;
            let unfinished = open.checked_add(region.unmeasured_open);
            require(unfinished == Some(region.unfinished), "regions that do not add up")?;
            let Region { traps, unmatched_ends, unmeasured, .. } = *region;
            let spreads = [region.cycles, region.instructions, region.values];
            let visits = spreads.into_iter().flatten().map(|spread| spread.count);
            let counts = visits.chain([traps, unmatched_ends, unmeasured, region.unfinished]);
            require(countable(counts), "a region that was too long")?;
            region.ledger.as_ref().map_or(Ok(()), Ledger::check)?;
        }
        let events = self.instants.values();
        let counts = events.flat_map(|event| [event.count, event.values.map_or(0, |values| values.count)]);
        require(countable(counts), "an event that happened too often")
    }

    fn mark(&mut self, Marked { marker: Marker { kind, id, .. }, value }: Marked, now: Point) {
        if kind == Kind::Instant {
            let instant = self.instants.entry(id).or_default();
            if instant.count == 0 {
                instant.first_cycle = now.cycle;
            }
            instant.count += 1;
            instant.last_cycle = now.cycle;
            value.into_iter().for_each(|value| Spread::add(&mut instant.values, value));
            return;
        }
        let region = self.regions.entry(id).or_default();
        value.into_iter().for_each(|value| Spread::add(&mut region.values, value));
        if kind == Kind::Begin {
            region.unfinished += 1;
            if self.open.len() < MAX_OPEN {
                self.open.push(Open { id, begin: now });
            } else {
                region.unmeasured += 1;
                region.unmeasured_open += 1;
            }
            return;
        }
        if region.unmeasured_open > 0 {
            // The latest to begin is the first to end.
            region.unmeasured_open -= 1;
            region.unfinished -= 1;
            return;
        }
        let Some(at) = self.open.iter().rposition(|open| open.id == id) else {
            region.unmatched_ends += 1;
            return;
        };
        let Open { begin, .. } = self.open.remove(at);
        region.unfinished -= 1;
        Spread::add(&mut region.cycles, now.cycle.saturating_sub(begin.cycle));
        Spread::add(&mut region.instructions, now.instret.saturating_sub(begin.instret));
        region.traps += now.traps - begin.traps;
        if let (Some(now), Some(begin)) = (&now.ledger, &begin.ledger) {
            region.ledger.get_or_insert_default().add_difference(now, begin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(regions: &mut Regions, kind: Kind, id: u16, cycle: u64, value: Option<u64>) {
        let marker = Marker { kind, id, has_value: value.is_some() };
        let now = Point { cycle, instret: cycle / 2, traps: cycle / 10, ledger: None };
        regions.mark(Marked { marker, value }, now);
    }

    fn region(regions: &Regions, id: u16) -> Region {
        regions.regions().find(|r| r.0 == id).map(|r| r.1.clone()).unwrap()
    }

    #[test]
    fn regions_nest_and_overlap() {
        let mut r = Regions::default();
        for (kind, id, cycle) in [
            (Kind::Begin, 1, 0),
            (Kind::Begin, 2, 10),
            (Kind::Begin, 1, 20),
            (Kind::End, 1, 24),
            (Kind::End, 1, 100),
            (Kind::End, 2, 110),
        ] {
            mark(&mut r, kind, id, cycle, None);
        }
        let one = region(&r, 1);
        assert_eq!(one.cycles, Some(Spread { count: 2, total: 104, min: 4, max: 100 }));
        assert_eq!(one.instructions, Some(Spread { count: 2, total: 52, min: 2, max: 50 }));
        assert_eq!((one.traps, one.unfinished, one.unmatched_ends), (10, 0, 0));
        assert_eq!(region(&r, 2).cycles, Some(Spread { count: 1, total: 100, min: 100, max: 100 }));
    }

    #[test]
    fn what_does_not_match_is_counted() {
        let mut r = Regions::default();
        mark(&mut r, Kind::End, 3, 5, None);
        mark(&mut r, Kind::Begin, 4, 6, Some(9));
        assert_eq!((region(&r, 3).unmatched_ends, region(&r, 3).cycles), (1, None));
        assert_eq!((region(&r, 4).unfinished, region(&r, 4).values.unwrap().max), (1, 9));
    }

    #[test]
    fn too_many_open_regions_are_counted_and_still_matched() {
        let mut r = Regions::default();
        let count = MAX_OPEN as u64 + 10;
        (0..count).for_each(|cycle| mark(&mut r, Kind::Begin, 7, cycle, None));
        (0..count).for_each(|cycle| mark(&mut r, Kind::End, 7, count + cycle, None));
        let seven = region(&r, 7);
        assert_eq!((seven.unmeasured, seven.unfinished, seven.unmatched_ends), (10, 0, 0));
        assert_eq!(seven.cycles.unwrap().count, MAX_OPEN as u64);
        // The first that was measured began last of those, and ended behind the ten that were not.
        assert_eq!(seven.cycles.unwrap().min, count + 10 - (MAX_OPEN as u64 - 1));
    }

    #[test]
    fn events_have_times_and_values() {
        let mut r = Regions::default();
        mark(&mut r, Kind::Instant, 0, 5, Some(u64::MAX));
        mark(&mut r, Kind::Instant, 0, 50, Some(3));
        let (_, event) = r.instants().next().unwrap();
        assert_eq!((event.count, event.first_cycle, event.last_cycle), (2, 5, 50));
        assert_eq!(event.values, Some(Spread { count: 2, total: u64::MAX, min: 3, max: u64::MAX }));
    }
}
