use relsim_core::device::Device;
use relsim_devices::{VirtioConsole, VirtioMmio};

use crate::bench::Bench;
use crate::virtio_driver::*;

const RX: u64 = 0;
const POLL: u64 = 1000;

fn bench() -> Bench<VirtioMmio<VirtioConsole>> {
    let mut b = Bench::new(VirtioMmio::new("virtio0", WIRE, VirtioConsole::new(POLL)));
    b.start(0, 2);
    b
}

#[test]
fn input_fills_the_buffers_offered() {
    let mut b = bench();
    b.run_to(0);
    b.chain(RX, &[], &[(BUFFERS, 3), (BUFFERS + 16, 2)]);
    b.submit(RX, 0);
    assert!(b.device.can_wake(&b.console));
    assert_eq!(b.next_event(), Some(POLL));
    b.type_in("seven!!");
    b.run_to(POLL);
    assert_eq!((b.used_index(RX), b.used_element(RX, 0)), (1, (0, 5)));
    assert_eq!(b.bytes(BUFFERS, 3), b"sev");
    assert_eq!(b.bytes(BUFFERS + 16, 2), b"en");
    assert!(b.lines.wire(WIRE));
    // What did not fit waits for the next buffer, and is part of the state.
    b.round_trip();
    b.submit(RX, 0);
    assert_eq!(b.used_element(RX, 1), (0, 2));
    assert_eq!(b.bytes(BUFFERS, 2), b"!!");
}

#[test]
fn a_receive_buffer_of_no_size_comes_back_empty() {
    let mut b = bench();
    b.chain(RX, &[(BUFFERS, 4)], &[]);
    b.type_in("a");
    b.submit(RX, 0);
    b.run_to(2 * POLL);
    assert_eq!((b.used_index(RX), b.used_element(RX, 0)), (1, (0, 0)));
}

#[test]
fn input_waits_for_a_driver() {
    let mut b = bench();
    b.type_in(&"z".repeat(300));
    b.run_to(POLL);
    assert_eq!(b.console.input.len(), 300 - 256);
    b.write(STATUS, 4, 0);
    b.ram.put(available(RX) + 2, 0u16);
    b.start(0, 2);
    b.chain(RX, &[], &[(BUFFERS, 1000)]);
    b.submit(RX, 0);
    assert_eq!(b.used_element(RX, 0), (0, 256));
}

#[test]
fn emergency_write_needs_no_driver() {
    let mut b = Bench::new(VirtioMmio::new("virtio0", WIRE, VirtioConsole::new(POLL)));
    b.write(0x108, 4, u64::from(b'!'));
    assert_eq!(b.printed(), "!");
    assert_eq!(b.read(0x104, 4), 1);
}
