//! "What an operating system must do": what the hardware gives it to do it with, against senders and receivers
//! that mean harm.

use relsim_core::hart::Priv;
use uintr_abi::csr::SUIRS;
use uintr_abi::{SenderEntry, Suirs, uipi};

use crate::asm::{A0, A1, ld, sd};
use crate::harness::{Machine, RAM, RECEIVERS, UINTC};

fn send(m: &mut Machine, index: u64) {
    m.hart(0).write_x(A0 as u8, index);
    m.exec(0, uipi::send(A0));
}

/// "A malicious sender must not reach a receiver it was not given": of all indices only those of its table
/// do anything
#[test]
fn sender_reaches_its_table_only() {
    let mut m = Machine::new(1);
    m.give_table(0, &[SenderEntry::new(3, 5)]);
    m.enter(0, Priv::U);
    for index in (1..600).chain((0..64).map(|n| 1 << n)).chain([u64::MAX]).filter(|&n| n != 0) {
        send(&mut m, index);
    }
    assert!(m.receivers().iter().all(|r| r.pending == 0));
    assert_eq!(m.neighbour_accesses(), 0);
}

/// "`suist` is switched with it": after the switch the old thread's targets are out of reach
#[test]
fn table_is_switched() {
    let mut m = Machine::new(1);
    m.give_table(0, &[SenderEntry::new(3, 5)]);
    m.set_csr(0, uintr_abi::csr::SUIST, 0);
    m.enter(0, Priv::U);
    send(&mut m, 0);
    assert_eq!(m.pending(3), 0);
}

/// A receiver index beyond the UINTC's has no effect: no fault, and no access to the device that comes next.
#[test]
fn entry_beyond_the_uintc() {
    let mut m = Machine::new(1);
    let beyond = [RECEIVERS, RECEIVERS + 1, 0x7fff, u16::MAX];
    m.give_table(0, &beyond.map(|receiver| SenderEntry::new(receiver, 1)));
    m.enter(0, Priv::U);
    for index in 0..beyond.len() as u64 {
        send(&mut m, index);
    }
    assert!(m.receivers().iter().all(|r| r.pending == 0));
    assert_eq!(m.neighbour_accesses(), 0);
}

/// "SEND: larger values are ignored": a vector of 64 or more does nothing, and does not wrap around
#[test]
fn vector_beyond_64() {
    let mut m = Machine::new(1);
    m.give_table(0, &[64, 65, 128, u16::MAX].map(|vector| SenderEntry::new(3, vector)));
    m.running_receiver(0, 3);
    for index in 0..4 {
        send(&mut m, index);
    }
    assert_eq!((m.pending(3), m.level(0)), (0, false));
}

/// The same for a receiver whose `suirs` names none: READ gives 0, the others do nothing.
#[test]
fn suirs_beyond_the_uintc() {
    for index in [RECEIVERS, u16::MAX] {
        let mut m = Machine::new(1);
        m.set_csr(0, SUIRS, Suirs { enable: true, index }.bits());
        m.enter(0, Priv::U);
        m.hart(0).write_x(A0 as u8, u64::MAX);
        let before = m.receivers();
        for word in [uipi::write(A0), uipi::activate(), uipi::deactivate(), uipi::read(A0)] {
            m.exec(0, word);
        }
        assert_eq!(m.hart(0).x(A0 as u8), 0);
        assert_eq!(m.receivers(), before);
        assert_eq!(m.neighbour_accesses(), 0);
    }
}

/// "A receiver must not redirect interrupts: hartid and mode are writable only through the MMIO page": nothing
/// that it executes on its own receiver changes them, nor another receiver
#[test]
fn receiver_cannot_redirect() {
    let mut m = Machine::new(2);
    m.give_receiver(1, 4, true);
    m.give_receiver(0, 3, true);
    m.enter(0, Priv::U);
    m.hart(0).csr.mie = 0;
    m.hart(0).write_x(A0 as u8, u64::MAX);
    let low = m.receiver(3).low;
    let other = m.receiver(4);
    for word in [uipi::write(A0), uipi::deactivate(), uipi::activate(), uipi::read(A1)] {
        m.exec(0, word);
        let now = m.receiver(3).low;
        assert_eq!((now.hartid, now.mode64), (low.hartid, low.mode64));
        assert_eq!(m.receiver(4), other);
    }
    assert!(!m.level(1));
}

/// "which no user maps": loads and stores of a user that has not mapped the page do not get there
#[test]
fn mmio_page_is_not_mapped() {
    const LOAD_PAGE: u64 = 13;
    const STORE_PAGE: u64 = 15;
    let mut m = Machine::new(1);
    let root = RAM + 0x1_0000;
    // Identity for memory, nothing for devices.
    assert!(m.bus.ram.put(root + 16, RAM >> 12 << 10 | 0xdf).is_some());
    m.set_csr(0, 0x180, 8 << 60 | root >> 12);
    m.hart(0).write_x(A0 as u8, UINTC + 8);
    m.hart(0).csr.medeleg = 0;
    for (word, cause) in [(sd(A1, A0), STORE_PAGE), (ld(A1, A0), LOAD_PAGE)] {
        m.enter(0, Priv::U);
        assert_eq!(m.exec_trap(0, word), (cause, UINTC + 8));
    }
}

/// "A receiver that is not running must not interrupt whoever runs: clear ACTIVE (or `suirs`) on switch-out, and
/// deliver on switch-in."
#[test]
fn receiver_not_running() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.uintc_write(3, uintr_abi::uintc::ACTIVE, 0);
    // Another thread runs, which has user interrupts of its own on.
    m.give_receiver(0, 4, true);
    let at = m.program(0, &[crate::asm::NOP; 4]);
    m.post(3, 9);
    m.step(0, 2);
    assert_eq!(m.hart(0).pc, at + 8, "it is not disturbed");
    m.exec(0, uipi::read(A0));
    assert_eq!(m.hart(0).x(A0 as u8), 0, "nor does it see what is not its own");
    // Switch in.
    let at = m.program(0, &[crate::asm::NOP]);
    m.give_receiver(0, 3, true);
    m.settle(0);
    assert!(m.in_user_handler(0, at));
    m.exec(0, uipi::read(A0));
    assert_eq!(m.hart(0).x(A0 as u8), 1 << 9);
}
