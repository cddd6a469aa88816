//! From an address to a slot.

// The groups are guard, index, and index of the next level.
#![allow(clippy::unusual_byte_groupings)]

use std::vec::Vec;

use super::harness::{Arena, BASE, Rng};
use crate::cap::Cap;
use crate::error::{Error, LookupFault};
use crate::lookup::exact;
use crate::mem::{Ptr, clear};
use crate::slot::Slot;

/// A CNode of 2^`radix` empty slots at `at`.
fn node(at: u64, radix: u64, guard: u64, guard_size: u64) -> Cap {
    clear(at, 32 << radix);
    Cap::cnode(at, radix, guard, guard_size)
}

fn slot(cap: Cap, n: u64) -> Ptr<Slot> {
    cap.object::<Slot>().nth(n as usize)
}

fn failed(fault: LookupFault) -> Result<Ptr<Slot>, Error> {
    Err(Error::Lookup { source: true, fault })
}

#[test]
fn each_failure() {
    let _arena = Arena::new();
    let root = node(BASE, 4, 0b101, 3);
    let thread = Cap::thread(BASE + 0x1000);
    assert_eq!(exact(true, Cap::NULL, 0, 1), failed(LookupFault::InvalidRoot));
    assert_eq!(exact(true, thread, 0, 0), failed(LookupFault::InvalidRoot));
    for depth in [0, 65, 1 << 32, u64::MAX] {
        assert_eq!(exact(true, root, 0, depth), Err(Error::Range(1, 64)));
    }
    assert_eq!(exact(true, root, 0b101_0110, 7), Ok(slot(root, 6)));
    // More bits than those that count do not matter.
    assert_eq!(exact(true, root, 0b1_101_0110, 7), Ok(slot(root, 6)));
    let guard = |left| failed(LookupFault::Guard { left, guard: 0b101, size: 3 });
    assert_eq!(exact(true, root, 0b100_0110, 7), guard(7));
    assert_eq!(exact(true, root, 0b10, 2), guard(2), "the guard does not fit");
    assert_eq!(exact(true, root, 0b101, 3), failed(LookupFault::Depth { left: 3, found: 7 }));
    assert_eq!(exact(true, root, 0b101_011, 6), failed(LookupFault::Depth { left: 6, found: 7 }));
    // Something is left over behind what is no CNode.
    assert_eq!(exact(true, root, 0b101_0110_11, 9), failed(LookupFault::Depth { left: 2, found: 0 }));
    slot(root, 6).plant(thread);
    assert_eq!(exact(true, root, 0b101_0110_11, 9), failed(LookupFault::Depth { left: 2, found: 0 }));
    // A second level.
    let second = node(BASE + 0x2000, 2, 0, 0);
    slot(root, 7).plant(second);
    assert_eq!(exact(true, root, 0b101_0111_11, 9), Ok(slot(second, 3)));
    assert_eq!(exact(true, root, 0b101_0111, 7), Ok(slot(root, 7)), "the slot of the CNode itself");
    assert_eq!(exact(true, root, 0b101_0111_1, 8), failed(LookupFault::Depth { left: 1, found: 2 }));
}

/// The extremes of shifts.
#[test]
fn whole_words() {
    let _arena = Arena::new();
    for (radix, size) in [(1, 63), (2, 62), (13, 51), (10, 0)] {
        let guard = u64::MAX >> (64 - size.max(1)) & if size == 0 { 0 } else { u64::MAX };
        let root = node(BASE, radix, guard, size);
        let last = (1 << radix) - 1;
        let depth = radix + size;
        assert_eq!(exact(false, root, u64::MAX, depth), Ok(slot(root, last)));
        let address = guard.checked_shl(radix as u32).unwrap_or(0);
        assert_eq!(exact(false, root, address, depth), Ok(slot(root, 0)));
    }
    // A CNode in itself is followed until the address ends, and no further.
    let root = node(BASE, 1, 0, 0);
    slot(root, 1).plant(root);
    for depth in 1..=64 {
        assert_eq!(exact(false, root, u64::MAX - 1, depth), Ok(slot(root, 0)));
        assert_eq!(exact(false, root, u64::MAX, depth), Ok(slot(root, 1)));
    }
}

/// The same, one bit at a time.
fn by_bits(root: Cap, address: u64, depth: u64) -> Result<Ptr<Slot>, LookupFault> {
    let mut bits: Vec<u64> = (0..depth).rev().map(|n| address >> n & 1).collect();
    let mut node = root;
    loop {
        let left = bits.len() as u64;
        let (size, radix) = (node.guard_size(), node.radix());
        let number = |bits: &[u64]| bits.iter().fold(0, |n, bit| n << 1 | bit);
        if size > left || number(&bits[..size as usize]) != node.guard() {
            return Err(LookupFault::Guard { left, guard: node.guard(), size });
        }
        if size + radix > left {
            return Err(LookupFault::Depth { left, found: size + radix });
        }
        let rest = bits.split_off((size + radix) as usize);
        let found = slot(node, number(&bits[size as usize..]));
        bits = rest;
        if bits.is_empty() {
            return Ok(found);
        }
        node = found.cap();
        if !node.is(crate::cap::Kind::CNode) {
            return Err(LookupFault::Depth { left: bits.len() as u64, found: 0 });
        }
    }
}

#[test]
fn as_one_bit_at_a_time() {
    let _arena = Arena::new();
    let mut rng = Rng::new(1);
    for _ in 0..300 {
        let nodes: Vec<Cap> = (0..6)
            .map(|n| {
                let (radix, size) = (1 + rng.below(4), rng.below(8));
                node(BASE + n * 0x1000, radix, rng.below(1 << size) & 3, size)
            })
            .collect();
        for &node in &nodes {
            for n in 0..1 << node.radix() {
                if rng.below(3) > 0 {
                    slot(node, n).plant(rng.of(&nodes));
                }
            }
        }
        for _ in 0..200 {
            let depth = 1 + rng.below(64);
            // Small guards, so that some match.
            let address = rng.next() << 20 ^ rng.next() & rng.next() & rng.next();
            let expected = by_bits(nodes[0], address, depth);
            let expected = expected.map_err(|fault| Error::Lookup { source: false, fault });
            assert_eq!(exact(false, nodes[0], address, depth), expected);
        }
    }
}
