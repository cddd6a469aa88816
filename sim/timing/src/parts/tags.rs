//! The tags of a set-associative cache, of any geometry.

use relsim_core::saved::{Impossible, require};
use serde::{Deserialize, Serialize};

/// Bytes of a line.
pub const LINE_BYTES: u64 = 64;
/// Ways that are looked up at a time: a constant lets the compiler compare them together.
const GROUP: usize = 4;
/// In a way that holds nothing. No line has this number: addresses have 64 bits, line numbers 58.
pub const NO_LINE: u64 = u64::MAX;

/// Number of the line that physical address `pa` is in.
#[inline(always)]
pub const fn line_of(pa: u64) -> u64 {
    pa / LINE_BYTES
}

/// Which lines are where. Sets are selected by the low bits of the line number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tags {
    /// The ways of a set stand together, in groups; the last group may have more places than ways.
    groups: Box<[[u64; GROUP]]>,
    groups_per_set: usize,
    set_mask: u64,
    ways: usize,
}

impl Tags {
    /// Empty, of `sets` sets (a power of two) with `ways` ways.
    pub fn new(sets: u64, ways: u64) -> Self {
        let groups_per_set = (ways as usize).div_ceil(GROUP).max(1);
        let sets = sets.next_power_of_two();
        Self {
            groups: vec![[NO_LINE; GROUP]; groups_per_set * sets as usize].into_boxed_slice(),
            groups_per_set,
            set_mask: sets - 1,
            ways: ways as usize,
        }
    }

    /// Whether they can be those of `own` at another time.
    ///
    /// # Errors
    /// [`Impossible`].
    pub fn check(&self, own: &Self) -> Result<(), Impossible> {
        let same = self.groups_per_set == own.groups_per_set && self.set_mask == own.set_mask;
        let sized = self.groups.len() == own.groups.len() && self.ways == own.ways;
        require(same && sized, "a cache of another geometry")?;
        for (set, groups) in self.groups.chunks(self.groups_per_set).enumerate() {
            let places = groups.iter().flatten().enumerate().filter(|(_, tag)| **tag != NO_LINE);
            let mut held = places.map(|(way, &tag)| (way, tag));
            let legal = |(way, tag)| way < self.ways && tag <= line_of(u64::MAX) && self.set_of(tag) == set;
            require(held.all(legal), "a line where it cannot be")?;
        }
        Ok(())
    }

    /// Bytes of the host's memory that they take.
    pub fn bytes(&self) -> u64 {
        size_of_val(&*self.groups) as u64
    }

    /// Number of ways.
    #[inline(always)]
    pub fn ways(&self) -> usize {
        self.ways
    }

    /// The set that `line` belongs to.
    #[inline(always)]
    pub fn set_of(&self, line: u64) -> usize {
        (line & self.set_mask) as usize
    }

    /// The way that holds `line`.
    #[inline(always)]
    pub fn find(&self, line: u64) -> Option<usize> {
        let first = self.set_of(line) * self.groups_per_set;
        for (n, group) in self.groups[first..first + self.groups_per_set].iter().enumerate() {
            if let Some(way) = group.iter().position(|&tag| tag == line) {
                return Some(n * GROUP + way);
            }
        }
        None
    }

    /// Whether `line` is there.
    #[inline(always)]
    pub fn holds(&self, line: u64) -> bool {
        let first = self.set_of(line) * self.groups_per_set;
        self.groups[first..first + self.groups_per_set].iter().any(|group| group.contains(&line))
    }

    #[inline(always)]
    fn place(&mut self, line: u64, way: usize) -> &mut u64 {
        let first = self.set_of(line) * self.groups_per_set;
        &mut self.groups[first + way / GROUP][way % GROUP]
    }

    /// Puts `line` into `way` of its set.
    #[inline]
    pub fn put(&mut self, line: u64, way: usize) {
        *self.place(line, way) = line;
    }

    /// Empties `way` of the set that `line` belongs to, and gives the line that was there.
    #[inline]
    pub fn evict(&mut self, line: u64, way: usize) -> Option<u64> {
        let before = std::mem::replace(self.place(line, way), NO_LINE);
        (before != NO_LINE).then_some(before)
    }

    /// Empties all.
    pub fn clear(&mut self) {
        self.groups.fill([NO_LINE; GROUP]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_where_they_were_put() {
        for (sets, ways) in [(1, 1), (64, 4), (2, 3), (4096, 16), (8, 5)] {
            let mut tags = Tags::new(sets, ways);
            // As many lines of one set as it has ways, and one of the next set.
            let lines: Vec<u64> = (0..ways).map(|n| 7 + n * sets).collect();
            for (way, &line) in lines.iter().enumerate() {
                assert_eq!(tags.find(line), None);
                tags.put(line, way);
            }
            for (way, &line) in lines.iter().enumerate() {
                assert_eq!((tags.find(line), tags.holds(line)), (Some(way), true));
            }
            assert!(!tags.holds(8) || sets == 1);
            assert_eq!(tags.evict(7, 0), Some(7));
            assert_eq!((tags.evict(7, 0), tags.holds(7)), (None, false));
            tags.clear();
            assert!(lines.iter().all(|&line| !tags.holds(line)));
        }
        assert!(!Tags::new(64, 4).holds(line_of(u64::MAX)), "no address finds an empty way");
    }
}
