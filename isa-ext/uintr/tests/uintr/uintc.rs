//! The UINTC's registers and its lines.

use relsim_core::device::Device;
use relsim_uintr::UINTR;
use relsim_uintr::uintc::Uintc;
use uintr_abi::ReceiverLow;
use uintr_abi::uintc::{ACTIVE, HIGH, LOW, LOW_MASK, SEND, register_offset};

use crate::harness::{Machine, NEIGHBOUR, RECEIVERS, REGISTERS, UINTC};

const ON: ReceiverLow = ReceiverLow { active: true, mode64: true, hartid: 0 };

/// "512 receivers of 32 bytes each"
#[test]
fn receivers() {
    let mut m = Machine::new(1);
    assert_eq!(m.receivers().len(), 512);
    for receiver in [0, 1, RECEIVERS - 1] {
        m.post(receiver, 5);
        assert_eq!(m.pending(receiver), 1 << 5);
    }
    assert_eq!(m.receivers().iter().filter(|r| r.pending != 0).count(), 3, "each has its own");
}

/// "base and count belong to the platform": 0x300_0000 with 32 receivers on Rocket
#[test]
fn count_is_the_windows() {
    let rocket = UINTR.device.unwrap()(32 * 32);
    assert_eq!(Uintc::receivers_in(&rocket.save()).unwrap().len(), 32);
    assert_eq!(Uintc::new(0).save().len(), 0);
    assert_eq!(Uintc::receivers_in(&Uintc::new(u64::MAX).save()).unwrap().len(), 1 << 16);
}

/// "8-byte aligned 8-byte accesses only (others are access faults)"
#[test]
fn access_sizes() {
    let mut m = Machine::new(1);
    m.post(0, 1);
    for register in REGISTERS {
        for part in 0..8 {
            let at = UINTC + register + part;
            assert!(m.bus.read::<u8>(0, at).is_err() && m.bus.write::<u8>(0, at, 1).is_err());
            if part % 2 == 0 {
                assert!(m.bus.read::<u16>(0, at).is_err() && m.bus.write::<u16>(0, at, 1).is_err());
            }
            if part % 4 == 0 {
                assert!(m.bus.read::<u32>(0, at).is_err() && m.bus.write::<u32>(0, at, 1).is_err());
            }
            if part > 0 {
                assert!(m.bus.read::<u64>(0, at).is_err() && m.bus.write::<u64>(0, at, 1).is_err());
            }
        }
    }
    assert_eq!(m.pending(0), 1 << 1, "nothing happened");
    assert_eq!(m.receiver(0).low, ReceiverLow::default());
}

/// "0x00: read 0; SEND: pending |= 1 << value, for value < 64; larger values are ignored"
#[test]
fn send_register() {
    let mut m = Machine::new(1);
    let mut expected = 0;
    for vector in (0..64).rev() {
        m.post(3, vector);
        expected |= 1 << vector;
        assert_eq!(m.pending(3), expected);
    }
    let mut m = Machine::new(1);
    for vector in [64, 65, 128, 1 << 32, u64::MAX] {
        m.post(3, vector);
    }
    assert_eq!(m.pending(3), 0);
    m.post(3, 7);
    assert_eq!(m.uintc_read(3, SEND), 0);
    assert_eq!(m.pending(3), 1 << 7, "reading SEND clears nothing");
}

/// "0x08: LOW: active (0), mode (1), hartid (31:16); write: same fields"
#[test]
fn low_register() {
    let mut m = Machine::new(1);
    m.uintc_write(1, LOW, u64::MAX);
    assert_eq!(m.uintc_read(1, LOW), LOW_MASK);
    m.uintc_write(1, LOW, 0x0003_0002);
    assert_eq!(m.receiver(1).low, ReceiverLow { active: false, mode64: true, hartid: 3 });
    m.post(1, 0);
    m.uintc_write(1, LOW, 0);
    assert_eq!(m.pending(1), 1, "LOW leaves what is pending alone");
}

/// "0x10: HIGH: pending, read clears it; write pending |= value"
#[test]
fn high_register() {
    let mut m = Machine::new(1);
    m.uintc_write(2, HIGH, 0xf0);
    m.uintc_write(2, HIGH, 1 << 63);
    m.uintc_write(2, HIGH, 0);
    assert_eq!(m.uintc_read(2, HIGH), 1 << 63 | 0xf0);
    assert_eq!(m.uintc_read(2, HIGH), 0);
}

/// "0x18: active; active = value & 1"
#[test]
fn active_register() {
    let mut m = Machine::new(1);
    m.uintc_write(2, LOW, 0x0005_0002);
    m.uintc_write(2, ACTIVE, 3);
    assert_eq!((m.uintc_read(2, ACTIVE), m.uintc_read(2, LOW)), (1, 0x0005_0003));
    m.uintc_write(2, ACTIVE, 2);
    assert_eq!((m.uintc_read(2, ACTIVE), m.uintc_read(2, LOW)), (0, 0x0005_0002));
}

/// "a level: high while any receiver has `active`, `mode`=1 (64-bit) and a non-zero `pending`, and `hartid`=h"
#[test]
fn level_needs_all_three() {
    for bits in 0..8u64 {
        let mut m = Machine::new(1);
        let low = ReceiverLow { active: bits & 1 != 0, mode64: bits & 2 != 0, hartid: 0 };
        m.uintc_write(9, LOW, low.bits());
        m.uintc_write(9, HIGH, (bits >> 2) << 40);
        assert_eq!(m.level(0), bits == 7, "{low:?}");
    }
}

/// The level falls as soon as one of them goes, whichever register does it.
#[test]
fn level_falls() {
    let fall: [fn(&mut Machine); 4] = [
        |m| assert_eq!(m.uintc_read(9, HIGH), 1),
        |m| m.uintc_write(9, ACTIVE, 0),
        |m| m.uintc_write(9, LOW, ReceiverLow { active: false, ..ON }.bits()),
        |m| m.uintc_write(9, LOW, ReceiverLow { mode64: false, ..ON }.bits()),
    ];
    for fall in fall {
        let mut m = Machine::new(1);
        m.uintc_write(9, LOW, ON.bits());
        m.post(9, 0);
        assert!(m.level(0));
        fall(&mut m);
        assert!(!m.level(0));
    }
}

/// "any receiver": the level stays while one of a hart's receivers wants it
#[test]
fn level_is_an_or() {
    let mut m = Machine::new(2);
    for receiver in [4, 5, 6] {
        m.uintc_write(receiver, LOW, ON.bits());
        m.post(receiver, 1);
    }
    m.uintc_read(4, HIGH);
    assert!(m.level(0));
    m.uintc_write(5, ACTIVE, 0);
    assert!(m.level(0));
    m.uintc_read(6, HIGH);
    assert!(!m.level(0));
}

/// "and `hartid`=h": the line moves with the receiver
#[test]
fn level_moves_with_hartid() {
    let mut m = Machine::new(2);
    m.uintc_write(4, LOW, ON.bits());
    m.post(4, 1);
    assert_eq!((m.level(0), m.level(1)), (true, false));
    m.uintc_write(4, LOW, ReceiverLow { hartid: 1, ..ON }.bits());
    assert_eq!((m.level(0), m.level(1)), (false, true));
}

/// A hart that does not exist is interrupted by nobody, and nothing breaks.
#[test]
fn hartid_beyond_the_machine() {
    let mut m = Machine::new(2);
    m.uintc_write(4, LOW, ReceiverLow { hartid: 0xffff, ..ON }.bits());
    m.post(4, 1);
    assert_eq!((m.level(0), m.level(1)), (false, false));
}

/// The window ends where it ends.
#[test]
fn window() {
    let mut m = Machine::new(1);
    let beyond = UINTC + register_offset(RECEIVERS, SEND);
    assert_eq!(beyond, NEIGHBOUR);
    assert_eq!(m.bus.read::<u64>(0, beyond), Ok(u64::MAX), "that is another device");
    assert_eq!(m.neighbour_accesses(), 1);
    // A window that is no multiple of a receiver: the rest answers nothing.
    let mut m = Machine::new(1);
    m.bus.add_device(0x1000_0000, 40, UINTR.device.unwrap()(40)).unwrap();
    assert!(m.bus.read::<u64>(0, 0x1000_0018).is_ok());
    assert!(m.bus.read::<u64>(0, 0x1000_0020).is_err());
}

/// Equal states give equal bytes, a state comes back whole, and one that does not fit changes nothing.
#[test]
fn save_and_restore() {
    let mut m = Machine::new(1);
    m.uintc_write(0, LOW, ON.bits());
    m.uintc_write(0, HIGH, 0x0123_4567_89ab_cdef);
    m.uintc_write(511, LOW, LOW_MASK);
    let (_, _, device) = m.bus.devices().next().unwrap();
    let state = device.save();
    let mut other = Uintc::new(0x4000);
    other.restore(&state).unwrap();
    assert_eq!(other.save(), state);
    assert_eq!(Uintc::receivers_in(&state).unwrap(), m.receivers());
    for bad in [&state[1..], &state[..16], &[]] {
        assert!(other.restore(bad).is_err());
        assert_eq!(other.save(), state);
    }
}
