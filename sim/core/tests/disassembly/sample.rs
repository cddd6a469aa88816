//! Words to disassemble.

use relsim_core::rows;

/// A small generator (SplitMix64) with a fixed seed: every run sees the same words.
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }
}

/// Words that an oracle knows and relsim does not have: hret, sfence.vm, dret, hinval.gvma, hfence.gvma.
const EDGES: [u32; 5] = [0x2020_0073, 0x1040_0073, 0x7b20_0073, 0x67b3_8073, 0x62b3_8073];

/// Every 16-bit word of the three quadrants, and [`long_words`].
pub fn words() -> Vec<u32> {
    let mut words: Vec<_> = (0..1 << 16).filter(|word| word & 3 != 3).collect();
    words.extend(long_words());
    words
}

/// 32-bit words: of each row, and of each row with one of its fixed bits wrong; and random ones.
fn long_words() -> Vec<u32> {
    const PER_ROW: usize = 600;
    const NEIGHBOUR_ROUNDS: usize = 12;
    const RANDOM: usize = 150_000;
    let mut random = Random::new(1);
    let mut words = Vec::new();
    for def in rows::BASE.iter().flat_map(|file| file.iter()).filter(|def| def.pattern.len == 4) {
        let pattern = def.pattern;
        words.extend((0..PER_ROW).map(|_| random.next_u32() & !pattern.mask | pattern.bits));
        for _ in 0..NEIGHBOUR_ROUNDS {
            let fixed = (2..32).filter(|bit| pattern.mask >> bit & 1 == 1);
            words.extend(fixed.map(|bit| (random.next_u32() & !pattern.mask | pattern.bits) ^ 1 << bit));
        }
    }
    words.extend(EDGES);
    words.extend((0..RANDOM).map(|_| random.next_u32() | 3));
    // What looks longer than 32 bits would put the oracles out of step; another test covers it.
    words.retain(|word| word & 0x1c != 0x1c);
    assert!(words.len() >= 300_000, "only {} words", words.len());
    words
}
