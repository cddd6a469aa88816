//! What harts that are simulated by turns give out of order, in the order of time.

use std::collections::BTreeMap;

/// Harts are not this many cycles apart, unless one sleeps: what is older goes out.
const WINDOW_CYCLES: u64 = 20_000;
/// The same of one hart, which only tells of the instructions in its pipeline by turns.
const ALONE_WINDOW_CYCLES: u64 = 64;
/// Cycles behind the window that have a place of their own, too, as the end of a long instruction wants one.
const MORE_CYCLES: u64 = 1_000;

/// Things that wait for what may still come before them.
pub struct Sorted<T> {
    window_cycles: u64,
    /// What belongs to cycles from `first` on, fewer behind it than there are places (a power of 2), at their remainder.
    places: Vec<Vec<T>>,
    /// How many things are there.
    near: usize,
    first: u64,
    /// What belongs to cycles behind those.
    far: BTreeMap<u64, Vec<T>>,
    /// The cycle of what went out last.
    out: Option<u64>,
    latest: u64,
}

impl<T> Sorted<T> {
    /// For so many harts.
    pub fn new(harts: usize) -> Self {
        let window_cycles = if harts == 1 { ALONE_WINDOW_CYCLES } else { WINDOW_CYCLES };
        let places = (window_cycles + MORE_CYCLES).next_power_of_two();
        Self {
            window_cycles,
            places: (0..places).map(|_| Vec::new()).collect(),
            near: 0,
            first: 0,
            far: BTreeMap::new(),
            out: None,
            latest: 0,
        }
    }

    /// `thing` belongs to `cycle`, or to the earliest that has not gone out.
    #[inline]
    pub fn put(&mut self, cycle: u64, thing: T) {
        let cycle = self.out.map_or(cycle, |out| cycle.max(out + 1)).max(self.first);
        if cycle - self.first < self.places.len() as u64 {
            self.place(cycle).push(thing);
            self.near += 1;
        } else {
            self.far.entry(cycle).or_default().push(thing);
        }
    }

    /// The place of `cycle`, which is one of those that have one.
    #[inline]
    fn place(&mut self, cycle: u64) -> &mut Vec<T> {
        let places = self.places.len();
        &mut self.places[cycle as usize & (places - 1)]
    }

    /// Some hart has come to `cycle`.
    pub fn reached(&mut self, cycle: u64) {
        self.latest = self.latest.max(cycle);
    }

    /// Everything goes out from now on.
    pub fn finish(&mut self) {
        self.latest = u64::MAX;
    }

    /// The next cycle that goes out, and the one before, if any; `things`, which was empty, gets what belongs to it.
    pub fn next(&mut self, things: &mut Vec<T>) -> Option<(Option<u64>, u64)> {
        let end =
            if self.latest == u64::MAX { u64::MAX } else { self.latest.saturating_sub(self.window_cycles) };
        if self.near == 0 {
            let (&cycle, _) = self.far.first_key_value().filter(|(cycle, _)| **cycle < end)?;
            self.begin_at(cycle);
        }
        while self.first < end {
            let cycle = self.first;
            // Its memory comes back for a cycle to come.
            std::mem::swap(self.place(cycle), things);
            self.near -= things.len();
            self.begin_at(cycle + 1);
            if !things.is_empty() {
                return Some((self.out.replace(cycle), cycle));
            }
        }
        None
    }

    /// No cycle before `first` has things, and none gets any.
    fn begin_at(&mut self, first: u64) {
        self.first = first;
        let places = self.places.len() as u64;
        while let Some(entry) = self.far.first_entry().filter(|entry| *entry.key() - first < places) {
            let (cycle, things) = entry.remove_entry();
            self.near += things.len();
            self.place(cycle).extend(things);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes out, with the cycles before.
    fn all(sorted: &mut Sorted<u32>) -> Vec<(Option<u64>, u64, Vec<u32>)> {
        let mut all = Vec::new();
        let mut things = Vec::new();
        while let Some((before, cycle)) = sorted.next(&mut things) {
            all.push((before, cycle, std::mem::take(&mut things)));
        }
        all
    }

    #[test]
    fn things_go_out_in_the_order_of_time() {
        let mut sorted = Sorted::new(2);
        let places = sorted.places.len() as u64;
        sorted.reached(WINDOW_CYCLES + 8);
        for (cycle, thing) in [(7, 1), (5, 2), (7, 3), (8, 4), (3_000_000_000, 5), (3_000_000_000 - 1, 6)] {
            sorted.put(cycle, thing);
        }
        assert_eq!(all(&mut sorted), [(None, 5, vec![2]), (Some(5), 7, vec![1, 3])]);
        // Too late for its cycle.
        sorted.put(6, 7);
        sorted.reached(3_000_000_000 + WINDOW_CYCLES);
        assert_eq!(all(&mut sorted), [(Some(7), 8, vec![4, 7]), (Some(8), 2_999_999_999, vec![6])]);
        sorted.put(3_000_000_000 + places + 1, 8);
        sorted.put(3_000_000_000 + places - 1, 9);
        sorted.put(3_000_000_000 + places - 1, 10);
        sorted.finish();
        let at = |cycle| 3_000_000_000 + cycle;
        let last = [
            (Some(at(0) - 1), at(0), vec![5]),
            (Some(at(0)), at(places - 1), vec![9, 10]),
            (Some(at(places - 1)), at(places + 1), vec![8]),
        ];
        assert_eq!(all(&mut sorted), last);
    }

    #[test]
    fn one_hart_waits_for_its_pipeline_only() {
        let mut sorted = Sorted::new(1);
        sorted.put(1, 1);
        sorted.reached(ALONE_WINDOW_CYCLES + 1);
        assert_eq!(all(&mut sorted), []);
        sorted.reached(ALONE_WINDOW_CYCLES + 2);
        assert_eq!(all(&mut sorted), [(None, 1, vec![1])]);
    }
}
