//! Capabilities by themselves.

use std::vec::Vec;

use kernel_abi::{CapRights, CnodeData};

use super::harness::Arena;
use crate::cap::{Cap, FrameSize, Kind, frame_rights};
use crate::mem::Ptr;
use crate::tcb::Tcb;

const AT: u64 = 0x40_0000;

fn reply(at: u64) -> Cap {
    Cap::reply(Ptr::<Tcb>::at(at), false, true)
}

#[test]
fn fields_are_kept() {
    let top = (1 << 38) - (1 << 21);
    let untyped = Cap::untyped(top, 38, true, 1 << 38);
    assert_eq!((untyped.kind(), untyped.paddr()), (Kind::Untyped, top));
    assert_eq!((untyped.untyped_bits(), untyped.is_device(), untyped.free_offset()), (38, true, 1 << 38));
    assert!(!Cap::untyped(top, 38, false, 0).is_device());

    let endpoint = Cap::endpoint(top + 16, CapRights(9), u64::MAX);
    assert_eq!((endpoint.paddr(), endpoint.rights(), endpoint.badge()), (top + 16, CapRights(9), u64::MAX));
    assert!(endpoint.may(CapRights::WRITE) && !endpoint.may(CapRights::READ));

    for (radix, size) in [(1, 63), (33, 31), (13, 51), (33, 0)] {
        let guard = (1u64 << size) - 1;
        let cnode = Cap::cnode(AT, radix, guard, size);
        assert_eq!((cnode.radix(), cnode.guard_size(), cnode.guard()), (radix, size, guard));
        assert_eq!((cnode.kind(), cnode.paddr()), (Kind::CNode, AT));
    }

    for (size, bits) in [(FrameSize::Page, 12), (FrameSize::Mega, 21), (FrameSize::Giga, 30)] {
        for device in [false, true] {
            let frame = Cap::frame(AT, size, CapRights(2), device).mapped(0xffff, 0x3f_ffff_e000);
            assert_eq!((frame.frame_bits(), frame.frame_rights()), (bits, CapRights(2)));
            assert_eq!(
                (frame.is_device(), frame.asid(), frame.mapped_at()),
                (device, 0xffff, 0x3f_ffff_e000)
            );
            assert_eq!(frame.mapped(0, 0).asid(), 0);
        }
    }
    let zombie = Cap::cnode(AT, 33, 5, 3).zombie_of();
    assert_eq!((zombie.kind(), zombie.paddr(), zombie.zombie_left()), (Kind::Zombie, AT, 1 << 33));
    assert_eq!(zombie.with_zombie_left(7).zombie_left(), 7);
    assert!(zombie.is_same_zombie(zombie.with_zombie_left(7)));
    assert!(!zombie.is_same_zombie(Cap::cnode(AT, 32, 0, 0).zombie_of()));
    assert_eq!(zombie.zombie_of_queue(), None);
    for (cap, kind) in [
        (Cap::endpoint(AT, CapRights::ALL, 9), Kind::Endpoint),
        (Cap::notification(AT, CapRights(3), 9), Kind::Notification),
    ] {
        let zombie = cap.zombie_of();
        assert_eq!((zombie.kind(), zombie.zombie_of_queue(), zombie.paddr()), (Kind::Zombie, Some(kind), AT));
        assert_eq!(zombie.object_bits(), cap.object_bits());
    }
}

#[test]
fn rights_only_get_fewer() {
    for had in 0..16 {
        for asked in [0, 1, 2, 3, 4, 5, 8, 10, 15, u64::MAX, u64::MAX << 4] {
            let asked = CapRights(asked);
            let endpoint = Cap::endpoint(AT, CapRights(had), 7).restricted(asked);
            assert_eq!(endpoint, Cap::endpoint(AT, CapRights(had & asked.0), 7));
            let notification = Cap::notification(AT, CapRights(had & 3), 7).restricted(asked);
            assert_eq!(notification, Cap::notification(AT, CapRights(had & 3 & asked.0), 7));
            let frame = Cap::frame(AT, FrameSize::Mega, CapRights(had & 3), true).mapped(3, 1 << 21);
            let left = frame.restricted(asked);
            let reads = had & asked.0 & 2 != 0;
            assert_eq!(left.frame_rights().0, if reads { had & asked.0 & 3 } else { 0 });
            assert_eq!((left.asid(), left.mapped_at(), left.frame_bits()), (3, 1 << 21, 21));
            assert!(left.is_device());
            assert_eq!(frame_rights(CapRights(had), asked).0 & !had, 0);
        }
    }
    for cap in [Cap::thread(AT), Cap::cnode(AT, 4, 1, 2), Cap::page_table(AT), Cap::NULL] {
        assert_eq!(cap.restricted(CapRights::NONE), cap);
    }
}

#[test]
fn badges_are_given_once() {
    for make in [Cap::endpoint, Cap::notification] {
        let plain = make(AT, CapRights(3), 0);
        assert_eq!(plain.with_data(9, false), make(AT, CapRights(3), 9));
        assert_eq!(plain.with_data(9, false).with_data(8, false), Cap::NULL);
        assert_eq!(plain.with_data(9, true), Cap::NULL);
    }
    assert_eq!(Cap::thread(AT).with_data(9, false), Cap::thread(AT));
}

#[test]
fn guards_fit() {
    for radix in 1..34 {
        for size in 0..64 {
            let cap = Cap::cnode(AT, radix, 0, 0).with_data(CnodeData::new(u64::MAX, size).0, false);
            if size + radix > 64 {
                assert_eq!(cap, Cap::NULL);
            } else {
                assert_eq!((cap.radix(), cap.guard_size()), (radix, size));
                // There is room for 58 bits of a guard.
                assert_eq!(cap.guard(), ((1u64 << size) - 1) & (u64::MAX >> 6));
            }
        }
    }
}

#[test]
fn what_covers_what() {
    let _arena = Arena::new();
    let caps: Vec<Cap> = std::vec![
        Cap::untyped(AT, 16, false, 0),
        Cap::untyped(AT, 12, false, 0),
        Cap::untyped(AT + 0x1000, 12, false, 0),
        Cap::endpoint(AT, CapRights::ALL, 0),
        Cap::endpoint(AT, CapRights::NONE, 5),
        Cap::endpoint(AT + 0x1000, CapRights::ALL, 0),
        Cap::notification(AT, CapRights(3), 0),
        Cap::thread(AT + 0x800),
        Cap::thread(AT + 0x800).zombie_of(),
        Cap::endpoint(AT, CapRights::ALL, 5).zombie_of(),
        Cap::notification(AT + 0x1000, CapRights(3), 0).zombie_of(),
        Cap::cnode(AT, 3, 0, 0),
        Cap::cnode(AT, 3, 1, 1),
        Cap::cnode(AT, 3, 0, 0).zombie_of(),
        Cap::frame(AT, FrameSize::Page, CapRights(3), false),
        Cap::frame(AT + 0x1000, FrameSize::Page, CapRights(3), false),
        Cap::frame(AT, FrameSize::Mega, CapRights(3), false),
        Cap::page_table(AT),
        Cap::asid_pool(AT, 512),
        reply(AT),
        reply(AT + 0x800),
        Cap::irq_handler(1),
        Cap::irq_handler(2),
        Cap::control(Kind::IrqControl),
        Cap::control(Kind::Domain),
        Cap::control(Kind::AsidControl),
        Cap::NULL,
    ];
    let in_memory = |cap: Cap| {
        use Kind::{AsidControl, Domain, IrqControl, IrqHandler, Null, Reply};
        !matches!(cap.kind(), Null | Reply | IrqControl | IrqHandler | Domain | AsidControl)
    };
    let range = |cap: Cap| (cap.paddr(), cap.paddr() + (1 << cap.object_bits()));
    for &one in &caps {
        assert_eq!(one.is_physical(), in_memory(one));
        for &other in &caps {
            let ((start, end), (first, last)) = (range(one), range(other));
            // Where a thread's slots begin counts for its zombie.
            let last = if other.is(Kind::Zombie) { first + 1 } else { last };
            let inside = start <= first && last <= end;
            let expected = match (one.kind(), other.kind()) {
                (Kind::Untyped, _) => in_memory(other) && inside,
                (Kind::Frame, Kind::Frame) => inside,
                (Kind::IrqControl, Kind::IrqHandler) => true,
                (Kind::IrqHandler, Kind::IrqHandler) => one.irq() == other.irq(),
                (Kind::Zombie | Kind::Null, _) => false,
                (a, b) => a == b && start == first,
            };
            assert_eq!(one.covers(other), expected, "{one:?} {other:?}");
            let same = expected
                && !one.is(Kind::Untyped)
                && one.kind() == other.kind()
                && one.object_bits() == other.object_bits();
            assert_eq!(one.is_same_object(other), same, "{one:?} {other:?}");
        }
    }
}

#[test]
fn originals() {
    let plain = Cap::endpoint(AT, CapRights::ALL, 0);
    let badged = plain.with_data(5, false);
    assert!(badged.is_original_from(plain) && !plain.is_original_from(plain));
    assert!(!badged.is_original_from(badged));
    assert!(Cap::irq_handler(1).is_original_from(Cap::control(Kind::IrqControl)));
    assert!(!Cap::irq_handler(1).is_original_from(Cap::irq_handler(1)));
    let untyped = Cap::untyped(AT, 12, false, 0);
    assert!(untyped.is_original_from(untyped));
    assert!(!Cap::thread(AT).is_original_from(Cap::thread(AT)));
}
