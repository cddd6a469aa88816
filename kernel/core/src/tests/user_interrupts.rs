//! Receivers and senders of user interrupts that come and go at random: what can be sent is what somebody still has the
//! right to, and numbers of receivers belong to one notification each.

use std::collections::BTreeSet;
use std::vec::Vec;

use kernel_abi::{InitialCap, Invocation};

use super::harness::{FREE, Rng, World};
use crate::cap::Kind;
use crate::notification::Notification;
use crate::user_interrupt::entries;

const OWN: u64 = InitialCap::Tcb as u64;
/// Capabilities for notifications: originals, each followed by copies with badges.
const NOTIFICATIONS: u64 = FREE;
const COPIES: u64 = 4;
const COUNT: u64 = 3;
/// Sender tables.
const TABLES: u64 = FREE + 40;
/// Fewer than notifications, so that they run out.
const RECEIVERS: usize = 2;

fn act(world: &World, rng: &mut Rng) {
    let notification = NOTIFICATIONS + rng.below(COUNT) * COPIES;
    let copy = notification + 1 + rng.below(COPIES - 1);
    let table = TABLES + rng.below(2);
    // Most of these are refused now and then, which is as it should be.
    match rng.below(12) {
        0 if world.slot(notification).is_empty() => {
            let _ = world.retype(world.largest(), 3, 0, notification, 1);
        }
        1 if world.slot(table).is_empty() => {
            let _ = world.retype(world.largest(), 9, 0, table, 1);
        }
        2 | 3 if world.slot(copy).is_empty() => {
            let _ = world.mint(notification, copy, 3, 1 + rng.below(66));
        }
        4 => drop(world.invoke(OWN, Invocation::TcbBindNotification, &[notification], &[])),
        5 => drop(world.invoke(notification, Invocation::NotificationRegisterReceiver, &[OWN], &[])),
        6 => drop(world.invoke(OWN, Invocation::TcbSetSenderTable, &[table], &[])),
        7 | 8 => drop(world.invoke(copy, Invocation::NotificationRegisterSender, &[], &[])),
        9 => drop(world.invoke(OWN, Invocation::TcbUnbindNotification, &[], &[])),
        10 => drop(world.delete(rng.of(&[notification, copy, table]))),
        11 => drop(world.revoke(rng.of(&[notification, copy, table]))),
        _ => {}
    }
}

fn check(world: &World) {
    world.check();
    let mut receivers = BTreeSet::new();
    for slot in (0..COUNT * COPIES).map(|n| world.slot(NOTIFICATIONS + n)) {
        if slot.cap().is(Kind::Notification) {
            let object = slot.cap().object::<Notification>();
            if let Some(number) = object.receiver() {
                receivers.insert((number, object.addr()));
            }
        }
    }
    let numbers: Vec<_> = receivers.iter().map(|receiver| receiver.0).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "two have the same number");
    assert_eq!(world.kernel.receivers.in_use(), numbers);
    let own = world.root.sender_table();
    let tables = [world.slot(TABLES), world.slot(TABLES + 1), own];
    for cap in tables.map(|slot| slot.cap()).into_iter().filter(|cap| cap.is(Kind::SenderTable)) {
        for (entry, registration) in entries(cap) {
            assert_eq!(
                entry.valid,
                registration.is_some(),
                "an entry without a registration, or the reverse"
            );
            if let Some(registration) = registration {
                let object = registration.object::<Notification>();
                assert_eq!(Some(entry.receiver), object.receiver());
                assert_eq!(u64::from(entry.vector), registration.badge());
                assert!(receivers.contains(&(entry.receiver, object.addr())), "nobody has that any more");
            }
        }
    }
    let senders = world.root.user_interrupts.senders.get();
    assert_eq!(senders, if own.is_empty() { 0 } else { own.cap().paddr() });
}

/// How many entries of the root task's table are valid.
fn registered(world: &World) -> usize {
    let cap = world.root.sender_table().cap();
    if cap.is(Kind::SenderTable) { entries(cap).filter(|(entry, _)| entry.valid).count() } else { 0 }
}

fn run(seed: u64) {
    let world = World::new();
    world.kernel.receivers.start(RECEIVERS);
    let mut rng = Rng::new(seed);
    let mut sent = 0;
    for _ in 0..1500 {
        act(&world, &mut rng);
        check(&world);
        sent += registered(&world);
    }
    assert!(sent > 0, "nothing was ever registered");
}

#[test]
fn entries_are_valid_as_long_as_somebody_may_send() {
    (0..20).for_each(|seed| run(seed));
}
