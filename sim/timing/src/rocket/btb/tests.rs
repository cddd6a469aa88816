//! Tests of what the predictor says to the memory of timed blocks, and of what is read of a checkpoint.

use proptest::prelude::*;

use super::*;

/// A BTB with these entries for the jump at the same address to the same target.
fn with_entries(ways: &[u8]) -> Btb {
    let mut btb = Btb::default();
    for &entry in ways {
        let pc = 0x8000_1000;
        btb.update(BtbUpdate {
            entry,
            origin: Origin::default(),
            valid: true,
            pc,
            br_pc: pc,
            cfi: Cfi::Jump,
        });
        // A group that no entry is for takes the target.
        btb.cycle(0x8000_2000, true);
    }
    btb
}

#[test]
fn one_entry_does_not_answer_for_two_that_say_the_same() {
    let pc = 0x8000_1000;
    let (two, one) = (with_entries(&[1, 2]), with_entries(&[3]));
    let found = two.finds(pc);
    assert_eq!(found, one.finds(pc), "by what they say they cannot be told apart");
    assert_ne!(two.odd(pc, true, true).0, one.odd(pc, true, true).0, "only several are forgotten");
    let others = with_entries(&[4, 5]);
    assert_eq!(
        two.odd(pc, true, true).0,
        others.odd(pc, true, true).0,
        "which entries they are does not matter"
    );
    assert_eq!((two.odd(pc, true, true).1, others.odd(pc, true, true).1), (3, 5));
}

#[test]
fn an_entry_beyond_the_last_is_named_where_several_answer() {
    let mut btb = with_entries(&[12, 19]);
    let (made, _) = btb.cycle(0x8000_1000, true);
    assert_eq!((made.entry, made.hit, made.taken), (12 | 19, true, true));
    assert!(made.check().is_ok());
    assert!(btb.complete().is_ok());
    let nobody = Prediction { entry: ROOM as u8, ..made };
    assert!(nobody.check().is_err());
}

/// What several say together is told apart by what comes of it: not by which entries they are, though there may be none of
/// the number that they give, and not by where they go if nobody goes there.
#[test]
fn what_several_say_is_told_apart_by_what_comes_of_it() {
    let pc = 0x8000_1000;
    let several = |ways: [u8; 2], cfi: Cfi, to: u64| {
        let mut btb = Btb::default();
        for entry in ways {
            btb.update(BtbUpdate { entry, origin: Origin::default(), valid: true, pc, br_pc: pc, cfi });
            btb.cycle(to, true);
        }
        btb
    };
    let (one, other) = (0x8000_2000, 0x8000_2004);
    let says = |ways, cfi, to, direction, followed| several(ways, cfi, to).odd(pc, direction, followed);
    let beyond = says([12, 19], Cfi::Branch, one, true, true);
    assert_eq!((beyond.0, beyond.1), (says([1, 2], Cfi::Branch, one, true, true).0, 12 | 19));
    for (cfi, direction, followed, goes) in [
        (Cfi::Branch, true, true, true),
        (Cfi::Branch, false, true, false),
        (Cfi::Branch, true, false, false),
        (Cfi::Jump, false, true, true),
        (Cfi::Jump, false, false, false),
        // The stack is empty.
        (Cfi::Return, false, true, true),
    ] {
        let [here, there] = [one, other].map(|to| says([1, 2], cfi, to, direction, followed).0);
        assert_eq!(here != there, goes, "{cfi:?}, direction {direction}, followed {followed}");
    }
    let taken = says([1, 2], Cfi::Branch, one, true, false).0;
    assert_ne!(taken, says([1, 2], Cfi::Branch, one, false, false).0, "an entry is used or not");
    let returns = |to: u64| {
        let mut btb = several([1, 2], Cfi::Return, to);
        btb.push(0x8000_3000);
        btb.odd(pc, false, true).0
    };
    assert_eq!(returns(one), returns(other), "the stack says where");
}

/// Something that a block may do to the predictor.
#[derive(Debug, Clone)]
enum Act {
    Update { entry: u8, valid: bool, pc: u64, cfi: Cfi },
    Settle(u64),
    SettleOdd(u64),
    Use(u8),
    Flush,
}

/// Few addresses, in more pages than there are places for, so that entries share tags and pages.
fn address() -> impl Strategy<Value = u64> {
    (0u64..8, 0u64..4).prop_map(|(page, group)| 0x8000_0000 + (page << PAGE_SHIFT) + group * 4)
}

fn act() -> impl Strategy<Value = Act> {
    let cfi = prop_oneof![Just(Cfi::Branch), Just(Cfi::Jump), Just(Cfi::Return)];
    prop_oneof![
        4 => (0..=NO_ENTRY, any::<bool>(), address(), cfi)
            .prop_map(|(entry, valid, pc, cfi)| Act::Update { entry, valid, pc, cfi }),
        4 => address().prop_map(Act::Settle),
        2 => address().prop_map(Act::SettleOdd),
        2 => (0..NO_ENTRY).prop_map(Act::Use),
        1 => Just(Act::Flush),
    ]
}

impl Btb {
    fn does(&mut self, act: &Act) {
        match *act {
            Act::Update { entry, valid, pc, cfi } => {
                let origin = Origin::default();
                self.update(BtbUpdate { entry, origin, valid, pc, br_pc: pc, cfi });
            }
            Act::Settle(pc) => self.settle(pc),
            Act::SettleOdd(pc) => self.settle_odd(pc),
            Act::Use(way) => self.uses(way),
            Act::Flush => self.flush(),
        }
    }

    /// What is worked out from the entries as they change is what they say.
    fn assert_complete(&self) {
        for tag in 0..TAGS as u16 {
            let hits = self.matching(u64::from(tag) << 1);
            let slot = match hits.count_ones() {
                0 => SLOT_FREE,
                1 => hits.trailing_zeros() as u8 + 1,
                _ => SLOT_SHARED,
            };
            assert_eq!(self.slots[usize::from(tag)], slot, "tag {tag:#x}");
        }
        let mut again = self.clone();
        for way in 0..BTB_ENTRIES {
            again.number(way);
            assert_eq!(self.said[way], again.said[way], "entry {way}");
            assert_eq!(self.entries.contents[way], again.entries.contents[way], "entry {way}");
            assert_eq!(self.entries.quiets[way], again.entries.quiets[way], "entry {way}");
        }
    }
}

proptest! {
    #[test]
    fn a_repetition_that_fails_changes_nothing(
        before in prop::collection::vec(act(), 0..60),
        tried in prop::collection::vec(act(), 0..12),
    ) {
        let mut btb = Btb::default();
        btb.renumber();
        before.iter().for_each(|act| btb.does(act));
        btb.assert_complete();
        let was = btb.clone();
        let recent = btb.begin();
        tried.iter().for_each(|act| btb.does(act));
        btb.assert_complete();
        btb.undo(recent);
        btb.assert_complete();
        prop_assert!(btb.entries == was.entries && btb.recent == was.recent);
    }

    #[test]
    fn uses_come_again_together(uses in prop::collection::vec(0..NO_ENTRY, 0..8), first in 0..NO_ENTRY) {
        let mut one_by_one = Btb::default();
        one_by_one.uses(first);
        let mut together = one_by_one.clone();
        let mut all = Uses::NONE;
        if let Some((&last, others)) = uses.split_last() {
            others.iter().for_each(|&way| all.touch(way));
            all.then(last);
        }
        one_by_one.touch();
        for (n, &way) in uses.iter().enumerate() {
            one_by_one.uses(way);
            if n + 1 < uses.len() {
                one_by_one.touch();
            }
        }
        together.repeat_uses(all);
        prop_assert!(one_by_one.recent == together.recent);
    }
}
