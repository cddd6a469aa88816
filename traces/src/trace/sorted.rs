//! What harts that are simulated by turns give out of order, in the order of time.

use std::collections::BTreeMap;

/// Harts are not this many cycles apart, unless one sleeps: what is older goes out.
const WINDOW_CYCLES: u64 = 20_000;

/// Things that wait for what may still come before them.
pub struct Sorted<T> {
    waiting: BTreeMap<u64, Vec<T>>,
    /// The cycle of what went out last.
    out: Option<u64>,
    latest: u64,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), out: None, latest: 0 }
    }
}

impl<T> Sorted<T> {
    /// `thing` belongs to `cycle`, or to the earliest that has not gone out.
    pub fn put(&mut self, cycle: u64, thing: T) {
        let cycle = self.out.map_or(cycle, |out| cycle.max(out + 1));
        self.waiting.entry(cycle).or_default().push(thing);
    }

    /// Some hart has come to `cycle`.
    pub fn reached(&mut self, cycle: u64) {
        self.latest = self.latest.max(cycle);
    }

    /// Everything goes out from now on.
    pub fn finish(&mut self) {
        self.latest = u64::MAX;
    }

    /// The next to go out: the cycle before, if any, its own, and what belongs to it.
    pub fn next(&mut self) -> Option<(Option<u64>, u64, Vec<T>)> {
        let end = if self.latest == u64::MAX { u64::MAX } else { self.latest.saturating_sub(WINDOW_CYCLES) };
        let entry = self.waiting.first_entry().filter(|entry| *entry.key() < end)?;
        let cycle = *entry.key();
        Some((self.out.replace(cycle), cycle, entry.remove()))
    }
}
