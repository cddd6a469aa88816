//! Replacement as Rocket has it: LFSRs and pseudo-LRU trees.

use relsim_core::saved::{Impossible, require};
use serde::{Deserialize, Serialize};

/// A 16-bit Fibonacci LFSR (util/LFSR16): `s = s << 1 | s15 ^ s13 ^ s12 ^ s10`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Lfsr(u16);

impl Default for Lfsr {
    fn default() -> Self {
        Self(1)
    }
}

impl Lfsr {
    /// The way that it points at, of `ways` (a power of two).
    #[inline]
    pub fn way(self, ways: usize) -> usize {
        usize::from(self.0) & (ways - 1)
    }

    /// Steps it.
    pub fn step(&mut self) {
        let s = self.0;
        self.0 = s << 1 | ((s >> 15 ^ s >> 13 ^ s >> 12 ^ s >> 10) & 1);
    }
}

/// A pseudo-LRU tree over `N` ways (util/Replacement.scala, PseudoLRU), which need not be a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plru<const N: usize>(u32);

const fn ceil_log2(n: usize) -> u32 {
    n.next_power_of_two().trailing_zeros()
}

const fn next_state(state: u32, way: usize, ways: usize) -> u32 {
    if ways > 2 {
        let log = ceil_log2(ways);
        let right = 1 << (log - 1);
        let left = ways - right;
        let left_older = way >> (log - 1) & 1 == 0;
        let right_mask = (1u32 << (right - 1)) - 1;
        let (left_state, right_state) = (state >> (right - 1) & ((1 << (left - 1)) - 1), state & right_mask);
        let low = way & (right - 1);
        let new_right = if left_older { next_state(right_state, low, right) } else { right_state };
        let new_left = if left_older || left == 1 {
            left_state
        } else {
            next_state(left_state, low & ((1 << ceil_log2(left)) - 1), left)
        };
        (left_older as u32) << (ways - 2) | new_left << (right - 1) | new_right
    } else {
        (way & 1 == 0) as u32
    }
}

const fn replace_way(state: u32, ways: usize) -> usize {
    if ways > 2 {
        let log = ceil_log2(ways);
        let right = 1 << (log - 1);
        let left = ways - right;
        let left_older = state >> (ways - 2) & 1 == 1;
        if left_older {
            let left_state = state >> (right - 1) & ((1 << (left - 1)) - 1);
            let low = if left > 1 { replace_way(left_state, left) } else { 0 };
            1 << (log - 1) | low
        } else {
            replace_way(state & ((1 << (right - 1)) - 1), right)
        }
    } else if ways == 2 {
        (state & 1) as usize
    } else {
        0
    }
}

impl<const N: usize> Plru<N> {
    /// What an access to a way does to the tree: the bits that stay, and the bits that are set.
    const ACCESS: [(u32, u32); N] = {
        let mut table = [(0, 0); N];
        let mut way = 0;
        while way < N {
            let (set, other) = (next_state(0, way, N), next_state(u32::MAX, way, N));
            table[way] = (set ^ other, set);
            way += 1;
        }
        table
    };

    /// Way `way` was used.
    #[inline(always)]
    pub fn access(&mut self, way: usize) {
        match Self::ACCESS.get(way) {
            Some((stays, set)) => self.0 = self.0 & stays | set,
            // The BTB says so where several entries answer at once.
            None => self.0 = next_state(self.0, way, N),
        }
    }

    /// What an access to `way`, one of the `N`, does to the tree: the bits that stay, and the bits that are set.
    pub fn effect(way: usize) -> (u32, u32) {
        Self::ACCESS[way % N]
    }

    /// Accesses happen whose effects come to this.
    #[inline(always)]
    pub fn apply(&mut self, (stays, set): (u32, u32)) {
        self.0 = self.0 & stays | set;
    }

    /// The way to replace.
    pub fn way(self) -> usize {
        replace_way(self.0, N)
    }
}

/// The same tree over a number of ways that is known when the model is built: at most 32.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "SavedTree", into = "SavedTree")]
pub struct PlruTree {
    state: u32,
    /// By way: the bits that a use of it keeps, and those that it sets. A use writes the nodes on the way's
    /// path and no others, and what it writes does not depend on what was there.
    uses: Box<[(u32, u32)]>,
}

/// Number of ways, and bits.
#[derive(Serialize, Deserialize)]
struct SavedTree(u8, u32);

impl From<PlruTree> for SavedTree {
    fn from(tree: PlruTree) -> Self {
        Self(tree.uses.len() as u8, tree.state)
    }
}

impl TryFrom<SavedTree> for PlruTree {
    type Error = Impossible;

    fn try_from(SavedTree(ways, state): SavedTree) -> Result<Self, Impossible> {
        require(usize::from(ways) <= PlruTree::MAX_WAYS, "a tree over too many ways")?;
        Ok(Self { state, ..Self::new(ways.into()) })
    }
}

impl PlruTree {
    const MAX_WAYS: usize = 32;

    /// Number of ways.
    pub fn ways(&self) -> usize {
        self.uses.len()
    }

    /// Over `ways` ways.
    pub fn new(ways: usize) -> Self {
        let uses = |way| {
            let set = next_state(0, way, ways);
            (next_state(u32::MAX, way, ways) & !set, set)
        };
        Self { state: 0, uses: (0..ways).map(uses).collect() }
    }

    /// Way `way` was used.
    #[inline]
    pub fn access(&mut self, way: usize) {
        let (keep, set) = self.uses[way];
        self.state = self.state & keep | set;
    }

    /// Its bits, by which [`PlruTree::restore`] brings it back.
    pub fn state(&self) -> u32 {
        self.state
    }

    /// As it was when [`PlruTree::state`] gave `state`.
    pub fn restore(&mut self, state: u32) {
        self.state = state;
    }

    /// The way to replace.
    pub fn way(&self) -> usize {
        replace_way(self.state, self.uses.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like_the_constant_one<const N: usize>() {
        let (mut tree, mut plru) = (PlruTree::new(N), Plru::<N>::default());
        let mut lfsr = Lfsr::default();
        for step in 0..2000 {
            lfsr.step();
            let way = if step % 3 == 0 { plru.way() } else { usize::from(lfsr.0) % N };
            tree.access(way);
            plru.access(way);
            assert_eq!(tree.way(), plru.way(), "{N} ways");
        }
    }

    #[test]
    fn trees_of_any_size_are_the_same_trees() {
        like_the_constant_one::<1>();
        like_the_constant_one::<2>();
        like_the_constant_one::<3>();
        like_the_constant_one::<4>();
        like_the_constant_one::<6>();
        like_the_constant_one::<8>();
        like_the_constant_one::<28>();
        like_the_constant_one::<31>();
        like_the_constant_one::<32>();
    }

    #[test]
    fn trees_replace_what_was_not_used() {
        let mut plru = Plru::<28>::default();
        for way in 0..28 {
            plru.access(way);
            assert_ne!(plru.way(), way);
        }
        let mut four = Plru::<4>::default();
        [0, 1, 2, 3].into_iter().for_each(|w| four.access(w));
        assert_eq!(four.way(), 0);
    }

    #[test]
    fn the_table_of_accesses_does_what_the_tree_does() {
        let mut plru = Plru::<28>::default();
        let mut state = 0;
        for n in 0..1000 {
            let way = n * 17 % 28;
            plru.access(way);
            state = next_state(state, way, 28);
            assert_eq!(plru.0, state);
        }
    }

    #[test]
    fn lfsr_has_the_first_values_of_the_rtl() {
        let mut lfsr = Lfsr::default();
        for _ in 0..11 {
            lfsr.step();
        }
        assert_eq!(lfsr.0, 0x0801);
    }
}
