//! The transport and the queues, on a console, which completes whatever it is given.

use relsim_core::device::{BusFault, Device};
use relsim_devices::{EmptySlot, VirtioConsole, VirtioMmio};

use crate::bench::{Bench, RAM_BASE, RAM_BYTES};
use crate::virtio_driver::*;

const TX: u64 = 1;

fn bench() -> Bench<VirtioMmio<VirtioConsole>> {
    Bench::new(VirtioMmio::new("virtio0", WIRE, VirtioConsole::new(1000)))
}

fn started(features: u64) -> Bench<VirtioMmio<VirtioConsole>> {
    let mut b = bench();
    b.start(features, 2);
    b
}

#[test]
fn identification() {
    let mut b = bench();
    assert_eq!(b.read(0, 4), 0x7472_6976);
    assert_eq!((b.read(4, 4), b.read(8, 4)), (2, 3));
    assert_eq!(b.try_read(0, 1), Err(BusFault));
    assert_eq!(b.try_write(0x70, 8, 0), Err(BusFault));
    assert_eq!((b.read(0xb0, 4), b.read(0xfc, 4)), (0xffff_ffff, 0));
    b.write(0x30, 4, 1);
    assert_eq!(b.read(0x34, 4), 64);
    b.write(0x30, 4, 2);
    assert_eq!((b.read(0x34, 4), b.read(0x44, 4)), (0, 0));
    b.write(0x14, 4, 1);
    assert_eq!(b.read(0x10, 4), 1);
    b.write(0x14, 4, 9);
    assert_eq!(b.read(0x10, 4), 0);
    let mut empty = Bench::new(VirtioMmio::new("virtio1", WIRE, EmptySlot));
    assert_eq!((empty.read(0, 4), empty.read(8, 4)), (0x7472_6976, 0));
}

#[test]
fn features_must_be_offered_and_modern() {
    let mut b = bench();
    assert_eq!(b.negotiate(FEATURE_VERSION_1), 11);
    assert_eq!(b.negotiate(0), 3);
    assert_eq!(b.negotiate(FEATURE_VERSION_1 | 1 << 40), 3);
    // Without agreement there is no device, whatever the driver says.
    b.write(STATUS, 4, 15);
    assert_eq!(b.read(STATUS, 4) & 4, 0);
}

#[test]
fn nothing_happens_before_driver_ok() {
    let mut b = bench();
    b.negotiate(FEATURE_VERSION_1);
    b.set_queue(TX, 8);
    b.ram.write(BUFFERS, b"early");
    b.chain(TX, &[(BUFFERS, 5)], &[]);
    b.submit(TX, 0);
    assert_eq!((b.printed(), b.used_index(TX)), (String::new(), 0));
    assert_eq!(b.next_event(), None);
    assert!(!b.device.can_wake(&b.console));
    b.write(STATUS, 4, 15);
    assert_eq!((b.printed(), b.used_index(TX)), ("early".into(), 1));
}

#[test]
fn used_buffers_interrupt_until_acknowledged() {
    let mut b = started(0);
    b.ram.write(BUFFERS, b"abc");
    b.chain(TX, &[(BUFFERS, 2), (BUFFERS + 2, 0), (BUFFERS + 2, 1)], &[]);
    b.submit(TX, 0);
    assert_eq!((b.printed(), b.used_element(TX, 0)), ("abc".into(), (0, 0)));
    assert!(b.lines.wire(WIRE));
    assert_eq!(b.read(0x60, 4), 1);
    b.write(0x64, 4, 1);
    assert!(!b.lines.wire(WIRE));
    // VIRTQ_AVAIL_F_NO_INTERRUPT
    b.ram.put(available(TX), 1u16);
    b.submit(TX, 0);
    assert_eq!((b.used_index(TX), b.lines.wire(WIRE)), (2, false));
}

#[test]
fn rings_wrap_around() {
    let mut b = started(0);
    b.ram.write(BUFFERS, b"x");
    b.chain(TX, &[(BUFFERS, 1)], &[]);
    for round in 1..=70_000u32 {
        b.submit(TX, 0);
        assert_eq!(b.used_index(TX), round as u16);
    }
    assert!(!b.needs_reset());
    assert_eq!(b.console.output.len(), 70_000);
}

#[test]
fn event_index_limits_interrupts_and_asks_for_notifications() {
    let mut b = started(FEATURE_EVENT_IDX);
    b.chain(TX, &[(BUFFERS, 1)], &[]);
    let used_event = available(TX) + 4 + 2 * u64::from(QUEUE_SIZE);
    let avail_event = used(TX) + 4 + 8 * u64::from(QUEUE_SIZE);
    b.ram.put(used_event, 1u16);
    b.submit(TX, 0);
    assert!(!b.lines.wire(WIRE));
    assert_eq!(b.ram.get(avail_event), Some(1u16));
    b.submit(TX, 0);
    assert!(b.lines.wire(WIRE));
    assert_eq!(b.ram.get(avail_event), Some(2u16));
}

#[test]
fn indirect_tables() {
    let table = BUFFERS + 0x1000;
    let mut b = started(FEATURE_INDIRECT);
    b.ram.write(BUFFERS, b"indirect");
    b.describe(table, 0, (BUFFERS, 2), NEXT, 2);
    b.describe(table, 2, (BUFFERS + 2, 6), 0, 0);
    b.describe(descriptors(TX), 5, (table, 48), INDIRECT, 0);
    b.submit(TX, 5);
    assert_eq!((b.printed(), b.used_element(TX, 0)), ("indirect".into(), (5, 0)));
    // A link beyond the table, a nested table, an odd size, none at all, a further link.
    for (inner, len, outer) in [
        ((NEXT, 3), 48, INDIRECT),
        ((INDIRECT, 0), 48, INDIRECT),
        ((0, 0), 47, INDIRECT),
        ((0, 0), 0, INDIRECT),
        ((0, 0), 48, INDIRECT | NEXT),
        ((NEXT, 0), 48, INDIRECT),
    ] {
        let mut b = started(FEATURE_INDIRECT);
        b.describe(table, 0, (table, 16), inner.0, inner.1);
        b.describe(descriptors(TX), 5, (table, len), outer, 0);
        b.submit(TX, 5);
        assert!(b.needs_reset(), "{inner:?} {len} {outer}");
    }
    let mut b = started(0);
    b.describe(table, 0, (BUFFERS, 1), 0, 0);
    b.describe(descriptors(TX), 5, (table, 16), INDIRECT, 0);
    b.submit(TX, 5);
    assert!(b.needs_reset());
}

#[test]
fn malformed_queues_need_a_reset() {
    type Damage = fn(&mut Bench<VirtioMmio<VirtioConsole>>);
    let end = RAM_BASE + RAM_BYTES;
    assert_eq!(end, 0x8010_0000);
    let cases: [(&str, Damage); 9] = [
        ("loop", |b| b.describe(descriptors(TX), 0, (BUFFERS, 1), NEXT, 0)),
        ("head beyond the table", |b| b.offer(TX, 8)),
        ("link beyond the table", |b| {
            b.describe(descriptors(TX), 0, (BUFFERS, 1), NEXT, 8);
        }),
        ("index jump", |b| {
            b.ram.put(available(TX) + 2, 100u16);
        }),
        ("buffer across the end of memory", |b| {
            b.describe(descriptors(TX), 0, (0x800f_ffff, 2), 0, 0);
        }),
        ("buffer around the address space", |b| {
            b.describe(descriptors(TX), 0, (u64::MAX, u32::MAX), 0, 0);
        }),
        ("readable after writable", |b| {
            b.describe(descriptors(TX), 0, (BUFFERS, 1), NEXT | WRITE, 1);
            b.describe(descriptors(TX), 1, (BUFFERS, 1), 0, 0);
        }),
        ("more than memory", |b| {
            for n in 0..8 {
                let flags = if n < 7 { NEXT } else { 0 };
                b.describe(descriptors(TX), n, (RAM_BASE, 1 << 20), flags, n + 1);
            }
        }),
        ("rings outside memory", |b| {
            b.write(0x44, 4, 0);
            b.write(0xa4, 4, 0xffff_ffff);
            b.write(0x44, 4, 1);
        }),
    ];
    for (what, damage) in cases {
        let mut b = started(0);
        b.chain(TX, &[(BUFFERS, 1)], &[]);
        damage(&mut b);
        b.submit(TX, 0);
        assert!(b.needs_reset(), "{what}");
        assert_eq!(b.read(0x60, 4) & 2, 2, "{what}");
        assert!(b.lines.wire(WIRE), "{what}");
        // It is left alone from then on ...
        b.chain(TX, &[(BUFFERS, 1)], &[]);
        let before = b.used_index(TX);
        b.submit(TX, 0);
        assert_eq!(b.used_index(TX), before, "{what}");
        // ... until it is reset.
        b.ram.put(available(TX) + 2, 0u16);
        b.start(0, 2);
        assert!(!b.lines.wire(WIRE), "{what}");
        b.submit(TX, 0);
        assert_eq!((b.used_index(TX), b.needs_reset()), (1, false), "{what}");
    }
}

#[test]
fn illegal_queue_sizes() {
    for size in [0, 3, 128, 0x1_0008] {
        let mut b = bench();
        b.negotiate(FEATURE_VERSION_1);
        b.set_queue(TX, size);
        b.write(STATUS, 4, 15);
        assert!(b.needs_reset(), "{size}");
    }
}

#[test]
fn a_ready_queue_keeps_its_layout() {
    let mut b = started(0);
    b.write(0x30, 4, TX);
    b.write(0x80, 4, 0);
    b.write(0x38, 4, 4);
    b.chain(TX, &[(BUFFERS, 1)], &[]);
    b.submit(TX, 0);
    assert_eq!((b.used_index(TX), b.needs_reset()), (1, false));
}

#[test]
fn state_is_checked() {
    let mut b = started(FEATURE_EVENT_IDX);
    b.chain(TX, &[(BUFFERS, 1)], &[]);
    b.submit(TX, 0);
    b.round_trip();
    let saved = b.device.save();
    let mut other = bench();
    other.device.restore(&saved).unwrap();
    assert_eq!(other.read(STATUS, 4), 15);
    assert!(other.device.restore(&saved[1..]).is_err());
    let mut empty = VirtioMmio::new("virtio1", WIRE, EmptySlot);
    assert!(empty.restore(&saved).is_err());
}
