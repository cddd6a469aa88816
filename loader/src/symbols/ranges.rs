//! Which symbol an address belongs to, worked out once for all addresses.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Entry, SymbolKind};

/// Addresses `start..=last`, which belong to the symbol number `entry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CoveredRange {
    pub(super) start: u64,
    pub(super) last: u64,
    pub(super) entry: u32,
}

/// Splits the address space into disjoint ranges, sorted. `entries` are sorted by address, the preferred one of an address first.
///
/// Symbols nest and overlap (a label in a function, aliases, a function in an object that a linker script defines), so a search for the
/// closest symbol below an address is wrong, and a walk back to one that covers it has no bound. One sweep over all starts and ends, with
/// the symbols that are open at a point in a heap, gives at most two ranges per symbol.
pub(super) fn cover(entries: &[Entry]) -> Vec<CoveredRange> {
    let lasts = last_addresses(entries);
    let mut ranges: Vec<CoveredRange> = Vec::new();
    // Open symbols: sized ones first, then the innermost (latest start), then the preferred one of an address.
    let mut open: BinaryHeap<(bool, u64, Reverse<u32>)> = BinaryHeap::new();
    let mut next = 0;
    let mut at = 0;
    loop {
        while open
            .peek()
            .is_some_and(|&(_, _, Reverse(index))| lasts[index as usize].is_none_or(|last| last < at))
        {
            open.pop();
        }
        if open.is_empty() {
            match entries.get(next) {
                None => break,
                Some(entry) => at = entry.address,
            }
        }
        while let Some(entry) = entries.get(next).filter(|entry| entry.address <= at) {
            // A label inside of a function or object never wins there, and must not claim what follows it.
            let inside = entry.size_bytes == 0 && open.peek().is_some_and(|&(sized, _, _)| sized);
            if lasts[next].is_some() && !inside {
                open.push((entry.size_bytes > 0, entry.address, Reverse(next as u32)));
            }
            next += 1;
        }
        let Some(&(_, _, Reverse(entry))) = open.peek() else { continue };
        let own_last = lasts[entry as usize].unwrap_or(at);
        let last = match entries.get(next) {
            Some(following) => own_last.min(following.address - 1),
            None => own_last,
        };
        match ranges.last_mut() {
            Some(previous) if previous.entry == entry && previous.last.checked_add(1) == Some(at) => {
                previous.last = last
            }
            _ => ranges.push(CoveredRange { start: at, last, entry }),
        }
        match last.checked_add(1) {
            None => break,
            Some(after) => at = after,
        }
    }
    ranges
}

/// The last address of each symbol; `None` for those that cover none.
fn last_addresses(entries: &[Entry]) -> Vec<Option<u64>> {
    let mut lasts = vec![None; entries.len()];
    // Address of the closest symbol above, other than those at the same address.
    let mut following = None;
    for (index, entry) in entries.iter().enumerate().rev() {
        if let Some(above) = entries.get(index + 1).filter(|above| above.address > entry.address) {
            following = Some(above.address);
        }
        lasts[index] = match (entry.kind, entry.size_bytes.checked_sub(1)) {
            (SymbolKind::Absolute, _) => None,
            (_, Some(rest)) => Some(entry.address.saturating_add(rest)),
            (_, None) => {
                let end = following.map_or(entry.section_end, |above| above.min(entry.section_end));
                // A label at the end of its section (`_end`) still names that one address.
                Some(end.saturating_sub(1).max(entry.address))
            }
        };
    }
    lasts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(address: u64, size_bytes: u64) -> Entry {
        Entry {
            address,
            size_bytes,
            section_end: 0x1000,
            name_start: 0,
            name_len: 0,
            kind: if size_bytes > 0 { SymbolKind::Function } else { SymbolKind::Label },
            global: true,
        }
    }

    fn covered(entries: &[Entry]) -> Vec<(u64, u64, u32)> {
        cover(entries).into_iter().map(|range| (range.start, range.last, range.entry)).collect()
    }

    #[test]
    fn a_label_does_not_split_a_function() {
        assert_eq!(covered(&[entry(0x100, 0x40), entry(0x110, 0)]), [(0x100, 0x13f, 0)]);
    }

    #[test]
    fn the_innermost_function_wins() {
        let nested = [entry(0x100, 0x40), entry(0x110, 0x10)];
        assert_eq!(covered(&nested), [(0x100, 0x10f, 0), (0x110, 0x11f, 1), (0x120, 0x13f, 0)]);
    }

    #[test]
    fn labels_reach_to_the_next_symbol_and_the_section_end() {
        assert_eq!(covered(&[entry(0x100, 0), entry(0x200, 0)]), [(0x100, 0x1ff, 0), (0x200, 0xfff, 1)]);
        assert_eq!(covered(&[entry(0x1000, 0)]), [(0x1000, 0x1000, 0)]);
    }

    #[test]
    fn gaps_between_functions_belong_to_nobody() {
        assert_eq!(
            covered(&[entry(0x100, 0x10), entry(0x200, 0x10)]),
            [(0x100, 0x10f, 0), (0x200, 0x20f, 1)]
        );
    }

    #[test]
    fn sizes_up_to_the_end_of_the_address_space_end_the_sweep() {
        assert_eq!(covered(&[entry(0x100, u64::MAX)]), [(0x100, u64::MAX, 0)]);
        assert_eq!(covered(&[entry(u64::MAX, 1), entry(u64::MAX, 1)]), [(u64::MAX, u64::MAX, 0)]);
    }
}
