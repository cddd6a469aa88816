use relsim_core::device::{BusFault, Device};
use relsim_devices::Uart16550;

use crate::bench::Bench;

const RBR: u64 = 0;
const THR: u64 = 0;
const IER: u64 = 1;
const IIR: u64 = 2;
const FCR: u64 = 2;
const LCR: u64 = 3;
const MCR: u64 = 4;
const LSR: u64 = 5;
const MSR: u64 = 6;
const SCR: u64 = 7;
const WIRE: u32 = 10;
const POLL: u64 = 1000;

fn bench() -> Bench<Uart16550> {
    Bench::new(Uart16550::new("uart0", WIRE, 0, POLL))
}

impl Bench<Uart16550> {
    fn get(&mut self, register: u64) -> u64 {
        self.read(register, 1)
    }

    fn set(&mut self, register: u64, value: u64) {
        self.write(register, 1, value);
    }
}

#[test]
fn opensbi_initialises_and_prints() {
    let mut b = bench();
    b.set(IER, 0);
    b.set(LCR, 0x80);
    b.set(0, 0x0d);
    b.set(1, 0x01);
    assert_eq!((b.get(0), b.get(1)), (0x0d, 0x01));
    b.set(LCR, 3);
    b.set(FCR, 1);
    b.set(MCR, 0);
    b.get(LSR);
    b.get(RBR);
    b.set(SCR, 0);
    for byte in b"OpenSBI" {
        assert_eq!(b.get(LSR) & 0x60, 0x60);
        b.set(THR, u64::from(*byte));
    }
    assert_eq!(b.printed(), "OpenSBI");
    assert!(!b.lines.wire(WIRE));
}

#[test]
fn registers_can_be_four_bytes_apart() {
    let mut b = Bench::new(Uart16550::new("uart0", 1, 2, POLL));
    b.write(SCR << 2, 4, 0xffff_ff5a);
    assert_eq!((b.read(SCR << 2, 4), b.read(SCR << 2, 1)), (0x5a, 0x5a));
    b.write(0, 4, u64::from(b'x'));
    assert_eq!(b.printed(), "x");
    assert_eq!(b.try_read(8 << 2, 4), Err(BusFault));
    assert_eq!(b.try_write(0, 8, 0), Err(BusFault));
}

/// `autoconfig` of Linux' 8250 driver, step by step, up to the decision for a 16550A.
#[test]
fn linux_detects_a_16550a() {
    let mut b = bench();
    b.set(IER, 0);
    assert_eq!(b.get(IER) & 0x0f, 0);
    b.set(IER, 0x0f);
    assert_eq!(b.get(IER) & 0x0f, 0x0f);
    b.set(IER, 0);
    // Modem lines in loopback: OUT2 and RTS come back as DCD and CTS.
    b.set(MCR, 0x10 | 0x0a);
    assert_eq!(b.get(MSR) & 0xf0, 0x90);
    b.set(MCR, 0);
    b.set(LCR, 0xbf);
    b.set(2, 0);
    b.set(LCR, 0);
    b.set(FCR, 1);
    assert_eq!(b.get(IIR) >> 6, 3);
    // No enhanced features register, so no 16650.
    b.set(LCR, 0x80);
    assert_ne!(b.get(2), 0);
    b.set(LCR, 0xbf);
    assert_ne!(b.get(2), 0);
    // No National Semiconductor extended registers.
    b.set(LCR, 0);
    let mcr = b.get(MCR);
    b.set(LCR, 0xe0);
    let before = b.get(2);
    b.set(LCR, 0);
    b.set(MCR, mcr ^ 0x10);
    b.set(LCR, 0xe0);
    assert_eq!((b.get(2) ^ before) & 0x10, 0);
    b.set(LCR, 0);
    b.set(MCR, mcr);
    // No 64-byte FIFO, with or without DLAB.
    b.set(FCR, 0x21);
    assert_eq!(b.get(IIR) & 0xe0, 0xc0);
    b.set(LCR, 0x80);
    b.set(FCR, 0x21);
    assert_eq!(b.get(IIR) & 0xe0, 0xc0);
    b.set(LCR, 0);
    // No XScale unit enable bit.
    b.set(IER, 0x40);
    assert_eq!(b.get(IER) & 0x40, 0);
}

/// `size_fifo`: 256 bytes are looped back, and as many as the FIFO holds arrive.
#[test]
fn linux_measures_sixteen_bytes_of_fifo() {
    let mut b = bench();
    b.set(FCR, 7);
    b.set(MCR, 0x10);
    for byte in 0..256 {
        b.set(THR, byte);
    }
    let mut received = Vec::new();
    assert_eq!(b.get(LSR) & 2, 2);
    while b.get(LSR) & 1 == 1 {
        received.push(b.get(RBR));
    }
    assert_eq!(received, (0..16).collect::<Vec<_>>());
    assert_eq!(b.printed(), "");
}

/// `serial8250_THRE_test`: the interrupt comes whenever it is enabled with the transmitter empty.
#[test]
fn linux_thre_test_finds_no_bug() {
    let mut b = bench();
    for _ in 0..2 {
        b.set(IER, 2);
        assert!(b.lines.wire(WIRE));
        assert_eq!(b.get(IIR) & 0x0f, 2);
        assert!(!b.lines.wire(WIRE));
        assert_eq!(b.get(IIR) & 0x0f, 1);
        b.set(IER, 0);
    }
    b.set(IER, 2);
    b.get(IIR);
    b.set(THR, u64::from(b'a'));
    assert!(b.lines.wire(WIRE));
}

#[test]
fn scratch_and_write_only_bits() {
    let mut b = bench();
    b.set(SCR, 0xa5);
    assert_eq!(b.get(SCR), 0xa5);
    b.set(MCR, 0xff);
    assert_eq!(b.get(MCR), 0x1f);
    b.set(LSR, 0);
    assert_eq!(b.get(LSR), 0x60);
    // FIFO control bits count only together with the enable bit.
    b.set(FCR, 0xc6);
    assert_eq!(b.get(IIR), 1);
}

#[test]
fn polled_input_arrives_once_per_interval() {
    let mut b = bench();
    b.set(FCR, 1);
    assert_eq!(b.next_event(), None);
    assert!(!b.device.can_wake(&b.console));
    b.type_in("hi");
    assert_eq!(b.get(LSR) & 1, 1);
    assert_eq!((b.get(RBR), b.get(RBR)), (104, 105));
    assert_eq!(b.get(LSR) & 1, 0);
    b.type_in("x");
    b.run_to(POLL - 1);
    assert_eq!(b.get(LSR) & 1, 0);
    b.run_to(POLL);
    assert_eq!(b.get(LSR) & 1, 1);
}

#[test]
fn receive_interrupt_with_trigger_level_and_timeout() {
    let mut b = bench();
    b.set(FCR, 0x81);
    b.set(IER, 1);
    assert!(b.device.can_wake(&b.console));
    b.run_to(POLL - 1);
    assert_eq!(b.next_event(), Some(POLL));
    b.type_in("1234567");
    b.run_to(POLL);
    assert!(b.lines.wire(WIRE));
    assert_eq!(b.get(IIR), 0xcc);
    // Reading restarts the timeout; what is left below the trigger level reports itself again.
    assert_eq!(b.get(RBR), u64::from(b'1'));
    assert!(!b.lines.wire(WIRE));
    b.run_to(2 * POLL);
    assert_eq!(b.get(IIR), 0xcc);
    b.type_in("89");
    b.run_to(3 * POLL);
    assert_eq!(b.get(IIR), 0xc4);
    b.get(RBR);
    assert_eq!(b.get(IIR), 0xc1);
    let rest: Vec<u64> = (0..7).map(|_| b.get(RBR)).collect();
    assert_eq!(rest, b"3456789".map(u64::from));
    b.run_to(9 * POLL);
    assert!(!b.lines.wire(WIRE));
}

#[test]
fn the_fifo_takes_no_more_than_fits() {
    let mut b = bench();
    b.set(FCR, 1);
    b.type_in("0123456789abcdefghij");
    b.get(LSR);
    assert_eq!(b.console.input.len(), 4);
    b.set(FCR, 0);
    b.now = POLL;
    b.get(LSR);
    assert_eq!(b.console.input.len(), 3);
    assert_eq!(b.get(RBR), u64::from(b'g'));
}

#[test]
fn interrupts_are_identified_in_order_of_urgency() {
    let mut b = bench();
    b.set(MCR, 0x10);
    b.get(MSR);
    b.set(IER, 0x0f);
    b.set(MCR, 0x12);
    b.set(THR, 1);
    b.set(THR, 2);
    assert_eq!(b.get(IIR), 6);
    b.get(LSR);
    assert_eq!(b.get(IIR), 4);
    assert_eq!(b.get(RBR), 2);
    assert_eq!(b.get(IIR), 2);
    assert_eq!(b.get(IIR), 0);
    assert_eq!(b.get(MSR), 0x11);
    assert_eq!(b.get(IIR), 1);
    assert!(!b.lines.wire(WIRE));
}

#[test]
fn the_ring_line_reports_its_trailing_edge() {
    let mut b = bench();
    b.set(MCR, 0x10);
    b.get(MSR);
    b.set(MCR, 0x14);
    assert_eq!(b.get(MSR), 0x40);
    b.set(MCR, 0x10);
    assert_eq!(b.get(MSR), 0x04);
}

#[test]
fn state_is_checked() {
    let mut b = bench();
    b.set(FCR, 1);
    b.set(SCR, 9);
    b.type_in("abc");
    b.get(LSR);
    b.round_trip();
    assert_eq!((b.get(SCR), b.get(RBR)), (9, 97));
    assert!(b.device.restore(&[0xff; 40]).is_err());
    assert!(b.device.restore(&[]).is_err());
}

#[test]
fn input_that_has_ended_wakes_nobody() {
    let mut b = bench();
    b.set(IER, 1);
    assert!(!b.device.can_wake(&relsim_core::device::NoConsole), "nobody will ever type");
    b.type_in("x");
    b.run_to(POLL);
    assert!(b.device.can_wake(&relsim_core::device::NoConsole), "but what was typed is still to be read");
}
