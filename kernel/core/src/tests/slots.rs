//! The derivation list by itself.

use std::vec::Vec;

use kernel_abi::CapRights;

use super::harness::{Arena, BASE, Rng};
use crate::cap::Cap;
use crate::mem::{Ptr, clear};
use crate::slot::Slot;

const SLOTS: usize = 24;

fn slots() -> Vec<Ptr<Slot>> {
    clear(BASE, 32 * SLOTS);
    (0..SLOTS).map(|n| Ptr::<Slot>::at(BASE).nth(n)).collect()
}

/// From the first to the last, looked at from both ends.
fn list(first: Ptr<Slot>) -> Vec<Ptr<Slot>> {
    let mut found = std::vec![first];
    assert_eq!(first.neighbours().0, None);
    while let Some(next) = found[found.len() - 1].neighbours().1 {
        assert_eq!(next.neighbours().0, found.last().copied());
        found.push(next);
    }
    found
}

fn frame(n: u64) -> Cap {
    Cap::frame(BASE + n * 0x1000, crate::cap::FrameSize::Page, CapRights(3), false)
}

/// Against a plain list of names.
#[test]
fn the_list_is_a_list() {
    let _arena = Arena::new();
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let slots = slots();
        slots[0].plant(Cap::untyped(BASE, 30, false, 0));
        // Slot and frame, in the order of the list.
        let mut model: Vec<(usize, u64)> = std::vec![(0, u64::MAX)];
        for step in 0..300 {
            let (place, at) = {
                let place = rng.below(model.len() as u64) as usize;
                (place, model[place].0)
            };
            let to = rng.below(SLOTS as u64) as usize;
            let empty = slots[to].is_empty();
            assert_eq!(empty, model.iter().all(|&(slot, _)| slot != to));
            match rng.below(5) {
                0 if empty => {
                    slots[to].insert_new(frame(step), slots[0]);
                    model.insert(1, (to, step));
                }
                1 if empty && place > 0 => {
                    slots[to].insert(slots[at].cap(), slots[at]);
                    model.insert(place + 1, (to, model[place].1));
                }
                2 if empty && place > 0 => {
                    slots[to].move_from(slots[at].cap(), slots[at]);
                    model[place].0 = to;
                }
                3 if place > 0 => {
                    slots[at].remove();
                    model.remove(place);
                }
                // With something or nothing, a neighbour or not.
                4 if place > 0 && to != at && to != 0 => {
                    slots[at].swap(slots[to].cap(), slots[to], slots[at].cap());
                    if let Some(other) = model.iter_mut().find(|(slot, _)| *slot == to) {
                        other.0 = at;
                    }
                    model[place].0 = to;
                }
                _ => continue,
            }
            let expected: Vec<_> = model.iter().map(|&(slot, _)| slots[slot]).collect();
            assert_eq!(list(slots[0]), expected, "seed {seed}, step {step}");
            for &(slot, n) in &model[1..] {
                assert_eq!(slots[slot].cap(), frame(n));
                let copies = model.iter().filter(|&&(_, other)| other == n).count();
                assert_eq!(slots[slot].is_final(), copies == 1);
            }
        }
    }
}

#[test]
fn a_badge_derives_from_its_own_minting_only() {
    let _arena = Arena::new();
    let slots = slots();
    let plain = Cap::endpoint(BASE, CapRights::ALL, 0);
    let badged = plain.with_data(5, false);
    slots[0].plant(plain);
    // The later of two with the same badge stands first.
    slots[1].insert(badged, slots[0]);
    slots[2].insert(badged, slots[1]);
    slots[3].insert(badged, slots[0]);
    assert_eq!(list(slots[0]), [slots[0], slots[3], slots[1], slots[2]]);
    assert_eq!(slots[3].first_child(), None);
    assert_eq!(slots[1].first_child(), Some(slots[2]));
    // Neither does the other one's child, when that has gone.
    slots[1].remove();
    assert_eq!(slots[3].first_child(), None);
    assert_eq!(slots[0].first_child(), Some(slots[3]));
    // A copy is not revocable.
    slots[4].insert(badged, slots[2]);
    assert_eq!(slots[2].first_child(), None);
    slots[3].remove();
    assert_eq!(slots[0].first_child(), Some(slots[2]));
}
