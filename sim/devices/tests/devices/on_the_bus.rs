//! Devices together on the real bus: wires end at the controller, events and clock changes are noticed.

use relsim_core::bus::Bus;
use relsim_core::device::{Clock, Console};
use relsim_core::ram::Ram;
use relsim_devices::{Clint, EmptySlot, Plic, Uart16550, VirtioConsole, VirtioMmio};

const CLINT: u64 = 0x200_0000;
const PLIC: u64 = 0xc00_0000;
const UART: u64 = 0x1000_0000;
const VIRTIO: u64 = 0x1000_1000;
const SEIP: u64 = 1 << 9;
const MTIP: u64 = 1 << 7;

/// One byte of input, then silence.
struct OneKey(Option<u8>);

impl Console for OneKey {
    fn write(&mut self, _: &[u8]) {}

    fn read(&mut self) -> Option<u8> {
        self.0.take()
    }
}

fn bus() -> Bus {
    let clock = Clock::new(100_000_000, 10_000_000);
    let mut bus = Bus::new(Ram::new(0x8000_0000, 1 << 20), 1, clock, Box::new(OneKey(Some(b'k'))));
    bus.add_device(CLINT, 0x1_0000, Box::new(Clint::new("clint", 1))).unwrap();
    bus.add_device(PLIC, 0x60_0000, Box::new(Plic::new("plic", 95, 7, &[(0, 11), (0, 9)]))).unwrap();
    bus.add_device(UART, 0x100, Box::new(Uart16550::new("uart0", 10, 0, 1000))).unwrap();
    let console = VirtioMmio::new("virtio0", 1, VirtioConsole::new(1000));
    bus.add_device(VIRTIO, 0x1000, Box::new(console)).unwrap();
    bus.add_device(VIRTIO + 0x1000, 0x1000, Box::new(VirtioMmio::new("virtio1", 2, EmptySlot))).unwrap();
    bus
}

#[test]
fn a_key_travels_to_the_supervisor() {
    let mut bus = bus();
    bus.write(0, PLIC + 4 * 10, 1u32).unwrap();
    bus.write(0, PLIC + 0x2080, 1u32 << 10).unwrap();
    assert_eq!(bus.next_waking_event(), None);
    bus.now = 1;
    bus.write(0, UART + 1, 1u8).unwrap();
    assert!(bus.next_waking_event().is_some());
    bus.run_events(1000);
    assert_eq!(bus.lines.mip(0), SEIP);
    assert_eq!(bus.read(0, PLIC + 0x20_1004), Ok(10u32));
    assert_eq!(bus.lines.mip(0), 0);
    assert_eq!(bus.read(0, UART), Ok(b'k'));
    bus.write(0, PLIC + 0x20_1004, 10u32).unwrap();
    assert_eq!(bus.lines.mip(0), 0);
}

#[test]
fn a_written_clock_moves_the_timer_event() {
    let mut bus = bus();
    bus.write(0, CLINT + 0x4000, 1000u64).unwrap();
    assert_eq!(bus.next_event(), 10_000);
    bus.write(0, CLINT + 0xbff8, 900u64).unwrap();
    assert_eq!(bus.next_event(), 1000);
    bus.run_events(999);
    assert_eq!(bus.lines.mip(0), 0);
    bus.run_events(1000);
    assert_eq!((bus.lines.mip(0), bus.next_event()), (MTIP, u64::MAX));
}
