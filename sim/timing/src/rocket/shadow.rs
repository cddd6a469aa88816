//! Registers of instructions that decode sees behind one that will restart fetch: they come to nothing, but how far
//! they get decides what fetch does meanwhile (RocketCore.scala, id_ex_hazard).

/// Integer registers, a bit each: what `word` writes.
pub(super) fn writes(word: u32) -> u32 {
    let at = |shift: u32| 1u32 << (word >> shift & 31);
    let short = |shift: u32| 1u32 << (8 + (word >> shift & 7));
    let mask = match (word & 3, word >> 13 & 7) {
        (3, _) => match word >> 2 & 31 {
            // Loads, immediate and register operations, atomics, jumps, CSRs.
            0 | 4 | 5 | 6 | 11 | 12 | 13 | 14 | 25 | 27 | 28 => at(7),
            // Floating point to integer.
            20 if matches!(word >> 27, 0x14 | 0x18 | 0x1c) => at(7),
            _ => 0,
        },
        (0, 0 | 2 | 3) => short(2),
        (1, 0..=3) => at(7),
        (1, 4) => short(7),
        (2, 0 | 2 | 3) => at(7),
        (2, 4) if word >> 2 & 31 != 0 => at(7),
        (2, 4) if word & 0x1000 != 0 => 2,
        _ => 0,
    };
    mask & !1
}

/// What `word` reads or writes.
pub(super) fn uses(word: u32) -> u32 {
    let at = |shift: u32| 1u32 << (word >> shift & 31);
    let short = |shift: u32| 1u32 << (8 + (word >> shift & 7));
    let reads = match (word & 3, word >> 13 & 7) {
        (3, _) => match word >> 2 & 31 {
            0 | 1 | 4 | 6 | 9 | 25 => at(15),
            8 | 11 | 12 | 14 | 24 => at(15) | at(20),
            28 if word >> 14 & 1 == 0 => at(15),
            20 if matches!(word >> 27, 0x1a | 0x1e) => at(15),
            _ => 0,
        },
        (0, 0) => 4,
        (0, 6 | 7) => short(7) | short(2),
        (0, _) => short(7),
        (1, 0 | 1) => at(7),
        (1, 4) if word >> 10 & 3 == 3 => short(7) | short(2),
        (1, 4 | 6 | 7) => short(7),
        (2, 0) => at(7),
        (2, 4) if word >> 2 & 31 == 0 => at(7),
        (2, 4) if word & 0x1000 == 0 => at(2),
        (2, 4) => at(7) | at(2),
        (2, 6 | 7) => at(2) | 4,
        (2, _) => 4,
        _ => 0,
    };
    (reads | writes(word)) & !1
}

/// Cycles from the issue of `word` to that of a user of its result, where these are not in a row.
pub(super) fn late(word: u32) -> Option<u64> {
    match (word & 3, word >> 13 & 7) {
        (3, funct3) => match word >> 2 & 31 {
            // Words and doublewords, or less.
            0 => Some(if word >> 13 & 1 == 1 { 2 } else { 3 }),
            11 => Some(2),
            12 | 14 if word >> 25 == 1 => Some(3),
            25 => Some(2),
            28 if funct3 | word >> 12 & 1 != 0 => Some(3),
            20 => Some(3),
            _ => None,
        },
        (0 | 2, 2 | 3) => Some(2),
        (2, 4) if word >> 2 & 31 == 0 && word & 0x1000 != 0 => Some(2),
        _ => None,
    }
}
