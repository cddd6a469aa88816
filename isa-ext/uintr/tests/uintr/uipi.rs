//! The five operations of `uipi`.

use relsim_core::hart::Priv;
use uintr_abi::csr::{SUICFG, SUIRS, SUIST};
use uintr_abi::uintc::{ACTIVE, LOW};
use uintr_abi::{ReceiverLow, SenderEntry, Suirs, Suist, uipi};

use crate::asm::{A0, A1};
use crate::harness::{CODE, Machine, RAM, RECEIVERS, TABLE, UINTC};

const LOAD_ACCESS: u64 = 5;
const STORE_ACCESS: u64 = 7;
const ILLEGAL: u64 = 2;

fn send(m: &mut Machine, index: u64) {
    m.hart(0).write_x(A0 as u8, index);
    m.exec(0, uipi::send(A0));
}

fn sender() -> Machine {
    let mut m = Machine::new(1);
    m.give_table(0, &[SenderEntry::new(3, 5), SenderEntry::new(RECEIVERS - 1, 63), SenderEntry::default()]);
    m.enter(0, Priv::U);
    m
}

/// "SEND: read the entry, then write the vector to the receiver's SEND register"
#[test]
fn send_posts_the_vector() {
    let mut m = sender();
    send(&mut m, 0);
    assert_eq!(m.pending(3), 1 << 5);
    send(&mut m, 1);
    assert_eq!(m.pending(RECEIVERS - 1), 1 << 63);
    send(&mut m, 0);
    assert_eq!(m.pending(3), 1 << 5, "a second send of a pending vector is one");
    assert_eq!(m.receivers().iter().filter(|r| r.pending != 0).count(), 2);
}

/// "funct3 ... accept both", "It can execute in U, S or M"
#[test]
fn every_privilege_and_both_forms() {
    for privilege in [Priv::U, Priv::S, Priv::M] {
        for form in [|word| word, uipi::deployed] {
            let mut m = sender();
            m.give_receiver(0, 3, false);
            m.enter(0, privilege);
            m.hart(0).write_x(A0 as u8, 0);
            m.exec(0, form(uipi::send(A0)));
            assert_eq!(m.pending(3), 1 << 5);
            m.exec(0, form(uipi::read(A1)));
            assert_eq!((m.hart(0).x(A1 as u8), m.pending(3)), (1 << 5, 0));
            m.exec(0, form(uipi::write(A1)));
            assert_eq!(m.pending(3), 1 << 5);
            m.hart(0).csr.mie = 0;
            m.exec(0, form(uipi::activate()));
            assert!(m.receiver(3).low.active);
            m.exec(0, form(uipi::deactivate()));
            assert!(!m.receiver(3).low.active);
        }
    }
}

/// "SEND: no effect (and no memory access) when `suist.enable` is 0": the table would fault if it were read
#[test]
fn send_while_off() {
    let mut m = sender();
    m.set_csr(0, SUIST, Suist { enable: false, size_pages: 1, ppn: 0 }.bits());
    send(&mut m, 0);
    m.set_csr(0, SUIST, Suist { enable: false, size_pages: 1, ppn: TABLE >> 12 }.bits());
    send(&mut m, 0);
    assert!(m.receivers().iter().all(|r| r.pending == 0));
}

/// "... when `index*8 >= size*4096`": likewise without an access
#[test]
fn send_beyond_the_table() {
    let mut m = sender();
    // What lies right behind the table looks like a valid entry.
    assert!(m.bus.ram.put(TABLE + 4096, SenderEntry::new(3, 1).bits()).is_some());
    for index in [512, 513, 1 << 60, (1 << 61) + 1, u64::MAX] {
        send(&mut m, index);
    }
    m.set_csr(0, SUIST, Suist { enable: true, size_pages: 0, ppn: TABLE >> 12 }.bits());
    send(&mut m, 0);
    m.set_csr(0, SUIST, Suist { enable: true, size_pages: 0, ppn: 0 }.bits());
    send(&mut m, 0);
    assert!(m.receivers().iter().all(|r| r.pending == 0));
    m.set_csr(0, SUIST, Suist { enable: true, size_pages: 2, ppn: TABLE >> 12 }.bits());
    send(&mut m, 512);
    assert_eq!(m.pending(3), 1 << 1, "a larger table has it");
}

/// The last entry inside counts.
#[test]
fn send_at_the_end_of_the_table() {
    let mut m = sender();
    assert!(m.bus.ram.put(TABLE + 511 * 8, SenderEntry::new(8, 2).bits()).is_some());
    send(&mut m, 511);
    assert_eq!(m.pending(8), 1 << 2);
}

/// "... or when the entry is not valid"
#[test]
fn send_to_an_invalid_entry() {
    let mut m = sender();
    assert!(m.bus.ram.put(TABLE + 16, SenderEntry { valid: false, vector: 1, receiver: 3 }.bits()).is_some());
    send(&mut m, 2);
    assert!(m.receivers().iter().all(|r| r.pending == 0));
}

/// "a cached 8-byte read": an entry written by the instruction before is the one that counts
#[test]
fn entries_are_read_anew() {
    let mut m = sender();
    send(&mut m, 0);
    assert!(m.bus.ram.put(TABLE, SenderEntry::new(4, 9).bits()).is_some());
    send(&mut m, 0);
    assert_eq!((m.pending(3), m.pending(4)), (1 << 5, 1 << 9));
}

/// A table where there is no memory is an access fault of the sender, with the physical address.
#[test]
fn table_outside_memory() {
    let mut m = sender();
    m.set_csr(0, SUIST, Suist { enable: true, size_pages: 1, ppn: 0x40 }.bits());
    m.hart(0).write_x(A0 as u8, 2);
    assert_eq!(m.exec_trap(0, uipi::send(A0)), (LOAD_ACCESS, 0x40010));
}

/// "READ: returns the receiver's pending bits (all 64) and clears them"
#[test]
fn read_takes_what_is_pending() {
    let mut m = Machine::new(1);
    m.give_receiver(0, 7, false);
    m.enter(0, Priv::U);
    for vector in [0, 31, 32, 63] {
        m.post(7, vector);
    }
    m.exec(0, uipi::read(A0));
    assert_eq!(m.hart(0).x(A0 as u8), 1 << 63 | 1 << 32 | 1 << 31 | 1);
    m.exec(0, uipi::read(A0));
    assert_eq!(m.hart(0).x(A0 as u8), 0);
    m.post(7, 4);
    m.exec(0, uipi::read(0));
    assert_eq!((m.hart(0).x(0), m.pending(7)), (0, 0), "rd = x0 still clears");
}

/// "0 when `suirs.enable` is 0"
#[test]
fn read_while_off() {
    let mut m = Machine::new(1);
    m.give_receiver(0, 7, false);
    m.set_csr(0, SUIRS, Suirs { enable: false, index: 7 }.bits());
    m.post(7, 4);
    m.hart(0).write_x(A0 as u8, 99);
    m.exec(0, uipi::read(A0));
    assert_eq!((m.hart(0).x(A0 as u8), m.pending(7)), (0, 1 << 4));
}

/// "WRITE: ORs rs1 into the pending bits"
#[test]
fn write_ors() {
    let mut m = Machine::new(1);
    m.give_receiver(0, 7, false);
    m.post(7, 1);
    m.hart(0).write_x(A0 as u8, 1 << 63 | 1 << 4);
    m.exec(0, uipi::write(A0));
    assert_eq!(m.pending(7), 1 << 63 | 1 << 4 | 1 << 1);
    m.exec(0, uipi::write(0));
    assert_eq!(m.pending(7), 1 << 63 | 1 << 4 | 1 << 1);
}

/// "ACTIVATE / DEACTIVATE: set / clear ACTIVE", and nothing else in LOW
#[test]
fn activate_and_deactivate() {
    let mut m = Machine::new(1);
    m.give_receiver(0, 7, false);
    m.uintc_write(7, LOW, ReceiverLow { active: false, mode64: true, hartid: 9 }.bits());
    m.exec(0, uipi::activate());
    assert_eq!(m.receiver(7).low, ReceiverLow { active: true, mode64: true, hartid: 9 });
    m.exec(0, uipi::deactivate());
    assert_eq!(m.receiver(7).low, ReceiverLow { active: false, mode64: true, hartid: 9 });
}

/// "No effect when `suirs.enable` is 0."
#[test]
fn receiver_operations_while_off() {
    let mut m = Machine::new(1);
    m.uintc_write(7, ACTIVE, 1);
    m.set_csr(0, SUIRS, 7);
    let before = m.receivers();
    m.hart(0).write_x(A0 as u8, u64::MAX);
    for word in [uipi::write(A0), uipi::deactivate()] {
        m.exec(0, word);
    }
    m.set_csr(0, SUIRS, 8);
    m.exec(0, uipi::activate());
    assert_eq!(m.receivers(), before);
}

/// "`suicfg`: physical base address of the UINTC": where none is, an operation that needs it is an access
/// fault, and one that does not is none
#[test]
fn suicfg_elsewhere() {
    for base in [0, UINTC + 0x20, RAM + 0x8000, u64::MAX - 7] {
        let mut m = sender();
        m.give_receiver(0, 3, false);
        m.set_csr(0, SUICFG, base);
        m.hart(0).write_x(A0 as u8, 0);
        let at = |register: u64| base.wrapping_add(3 * 32 + register);
        assert_eq!(m.exec_trap(0, uipi::send(A0)), (STORE_ACCESS, at(0)));
        m.enter(0, Priv::U);
        assert_eq!(m.exec_trap(0, uipi::read(A0)), (LOAD_ACCESS, at(0x10)));
        m.enter(0, Priv::U);
        assert_eq!(m.exec_trap(0, uipi::write(A0)), (STORE_ACCESS, at(0x10)));
        m.enter(0, Priv::U);
        assert_eq!(m.exec_trap(0, uipi::activate()), (STORE_ACCESS, at(0x18)));
        m.enter(0, Priv::U);
        send(&mut m, 2);
        assert!(m.receivers().iter().all(|r| r.pending == 0));
    }
}

/// "`suicfg` ... base belongs to the platform": Rocket's UINTC elsewhere, found by what is written to it
#[test]
fn suicfg_can_be_moved() {
    let mut m = sender();
    m.bus.add_device(0x1000_0000, 32 * 32, relsim_uintr::UINTR.device.unwrap()(32 * 32)).unwrap();
    m.set_csr(0, SUICFG, 0x1000_0000);
    send(&mut m, 0);
    assert_eq!(m.pending(3), 0);
    assert_eq!(m.bus.read::<u64>(0, 0x1000_0000 + 3 * 32 + 0x10), Ok(1 << 5));
}

/// "its memory accesses use physical addresses, outside translation": a thread whose address space has the code
/// page alone reaches table and UINTC
#[test]
fn outside_translation() {
    let mut m = sender();
    m.give_receiver(0, 3, false);
    // A root table with one 1 GiB user page: virtual 0x4000_0000 is physical 0x8000_0000.
    let root = RAM + 0x1_0000;
    assert!(m.bus.ram.put(root + 8, RAM >> 12 << 10 | 0xdf).is_some());
    m.set_csr(0, 0x180, 8 << 60 | root >> 12);
    let at = m.program(0, &[uipi::send(A0), uipi::read(A1)]);
    m.hart(0).pc = at - RAM + 0x4000_0000;
    m.hart(0).write_x(A0 as u8, 0);
    m.step(0, 2);
    assert_eq!(m.hart(0).x(A1 as u8), 1 << 5);
    assert_eq!(m.hart(0).pc, CODE + 8 - RAM + 0x4000_0000, "nothing trapped");
}

/// "so is every `uipi` when the extension is off"
#[test]
fn illegal_without_the_extension() {
    for privilege in [Priv::U, Priv::S, Priv::M] {
        for word in [uipi::send(A0), uipi::deployed(uipi::read(A0)), uipi::activate()] {
            let mut m = Machine::with_isa(1, "rv64gcn");
            m.enter(0, privilege);
            assert_eq!(m.exec_trap(0, word), (ILLEGAL, u64::from(word)));
        }
    }
}
