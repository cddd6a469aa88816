//! Tests of what the predictor says to the memory of timed blocks, and of what is read of a checkpoint.

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
        btb.cycle(0x8000_2000);
    }
    btb
}

#[test]
fn one_entry_does_not_answer_for_two_that_say_the_same() {
    let pc = 0x8000_1000;
    let (two, one) = (with_entries(&[1, 2]), with_entries(&[3]));
    let found = two.finds(pc);
    assert_eq!(found, one.finds(pc), "by what they say they cannot be told apart");
    assert_ne!(two.odd(pc).0, one.odd(pc).0, "only several are forgotten");
    let others = with_entries(&[4, 5]);
    assert_eq!(two.odd(pc).0, others.odd(pc).0, "which entries they are does not matter");
    assert_eq!((two.odd(pc).1, others.odd(pc).1), (3, 5));
}

#[test]
fn an_entry_beyond_the_last_is_named_where_several_answer() {
    let mut btb = with_entries(&[12, 19]);
    let (made, _) = btb.cycle(0x8000_1000);
    assert_eq!((made.entry, made.hit, made.taken), (12 | 19, true, true));
    assert!(made.check().is_ok());
    assert!(btb.complete().is_ok());
    let nobody = Prediction { entry: ROOM as u8, ..made };
    assert!(nobody.check().is_err());
}
