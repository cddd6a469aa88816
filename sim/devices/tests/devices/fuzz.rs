//! No sequence of accesses, events, wire changes and restored states makes a device panic, and what it
//! saves it can always take back.

use proptest::prelude::*;
use relsim_core::device::Device;
use relsim_devices::*;

use crate::bench::{Bench, RAM_BASE, RAM_BYTES};
use crate::virtio_driver::{FEATURE_EVENT_IDX, FEATURE_INDIRECT, QUEUE_SIZE};

#[derive(Debug, Clone)]
enum Step {
    Read { offset: u64, size: u8 },
    Write { offset: u64, size: u8, value: u64 },
    Run(u64),
    Wire(u32, bool),
    Type(u8),
    Poke { pa: u64, value: u64 },
    Damage { at: usize, byte: u8 },
    SaveAndRestore,
}

fn size() -> impl Strategy<Value = u8> {
    prop_oneof![Just(1u8), Just(2), Just(4), Just(4), Just(4), Just(8)]
}

/// Numbers that are likely to mean something: small, near memory, near the ends.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..16u64,
        0..0x1_0000u64,
        (0..RAM_BYTES).prop_map(|n| RAM_BASE + n),
        (0..64u32).prop_map(|n| 1 << n),
        (0..64u64).prop_map(|n| u64::MAX - n),
        any::<u64>(),
    ]
}

fn offset(window: u64, size: u8) -> impl Strategy<Value = u64> {
    let size = u64::from(size);
    prop_oneof![0..window.min(0x120), 0..window].prop_map(move |n| n / size * size)
}

fn step(window: u64) -> impl Strategy<Value = Step> {
    let read = size()
        .prop_flat_map(move |size| offset(window, size).prop_map(move |offset| Step::Read { offset, size }));
    let write = size().prop_flat_map(move |size| {
        (offset(window, size), value()).prop_map(move |(offset, value)| Step::Write { offset, size, value })
    });
    let poke = (0..RAM_BYTES / 8, value()).prop_map(|(n, value)| Step::Poke { pa: RAM_BASE + n * 8, value });
    prop_oneof![
        4 => read,
        8 => write,
        2 => (0..5000u64).prop_map(Step::Run),
        1 => any::<u64>().prop_map(Step::Run),
        2 => (0..1100u32, any::<bool>()).prop_map(|(n, level)| Step::Wire(n, level)),
        1 => any::<u8>().prop_map(Step::Type),
        2 => poke,
        1 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Step::Damage { at, byte }),
        1 => Just(Step::SaveAndRestore),
    ]
}

fn take(b: &mut Bench<dyn Device>, step: Step) {
    match step {
        Step::Read { offset, size } => {
            // Whatever is answered fits the width.
            if let Ok(value) = b.try_read(offset, size) {
                assert!(size == 8 || value >> (8 * size) == 0, "{offset:#x}");
            }
        }
        Step::Write { offset, size, value } => {
            let mask = u64::MAX >> (64 - 8 * u32::from(size));
            let _ = b.try_write(offset, size, value & mask);
        }
        Step::Run(cycles) => {
            // A few events on the way, then the rest in one leap.
            let end = b.now.saturating_add(cycles);
            for _ in 0..8 {
                let Some(due) = b.next_event() else { break };
                if due > end {
                    break;
                }
                b.now = due.max(b.now);
                b.with(|device, cx| device.event(cx));
            }
            b.now = end;
        }
        Step::Wire(wire, level) => b.set_wire(wire, level),
        Step::Type(byte) => b.console.input.push_back(byte),
        Step::Poke { pa, value } => drop(b.ram.put(pa, value)),
        Step::Damage { at, byte } => {
            let mut state = b.device.save();
            let len = state.len().max(1);
            if let Some(target) = state.get_mut(at % len) {
                *target = byte;
            }
            let _ = b.device.restore(&state);
        }
        Step::SaveAndRestore => b.round_trip(),
    }
    b.device.can_wake(&b.console);
    b.next_event();
}

fn run(device: Box<dyn Device>, steps: Vec<Step>) {
    let mut b = Bench::of(device);
    for step in steps {
        take(&mut b, step);
    }
}

macro_rules! never_panics {
    ($($name:ident: $window:expr, $device:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
            $(
                #[test]
                fn $name(steps in prop::collection::vec(step($window), 0..100)) {
                    run(Box::new($device), steps);
                }
            )*
        }
    };
}

fn block() -> Block {
    Block::new(Box::new(CowDisk::new(vec![7; 5000])), "disk", false)
}

fn net() -> Net {
    let peer = Box::new(EchoPeer::new([2; 6], [10, 0, 2]));
    Net::new([2; 6], 300, peer)
}

fn load() -> Net {
    Net::new([2; 6], 300, Box::new(LoadPeer::new([2; 6])))
}

never_panics! {
    clint: 0x1_0000, Clint::new("clint", 2);
    plic: 0x60_0000, Plic::new("plic", 95, 7, &[(0, 11), (0, 9), (1, 11), (1, 9)]);
    uart: 0x100, Uart16550::new("uart", 10, 0, 1000);
    rtc: 0x1000, RtcGoldfish::new("rtc", 11, DEFAULT_EPOCH_S);
    finisher: 0x1000, TestFinisher::new("test");
    htif: 0x10, HtifDevice::new("htif", 8, 0, 1000);
    virtio_block: 0x1000, VirtioMmio::new("virtio", 1, block());
    virtio_console: 0x1000, VirtioMmio::new("virtio", 1, VirtioConsole::new(1000));
    virtio_net: 0x1000, VirtioMmio::new("virtio", 1, net());
    virtio_load: 0x1000, VirtioMmio::new("virtio", 1, load());
    virtio_empty: 0x1000, VirtioMmio::new("virtio", 1, EmptySlot);
}

/// A running virtio device whose rings, in the first 64 KiB of each queue, are filled at random.
fn abuse(device: Box<dyn Device>, features: u64, rings: &[(u16, u64, u32, u16, u16)], jump: u16) {
    let mut b = Bench::of(device);
    b.start(features, 2);
    for queue in 0..2 {
        let table = crate::virtio_driver::descriptors(queue);
        for &(index, pa, len, flags, next) in rings {
            b.describe(table, index % 12, (pa, len), flags, next);
        }
        for head in 0..QUEUE_SIZE {
            b.offer(queue, head.wrapping_mul(3) % 9);
        }
        let index = crate::virtio_driver::available(queue) + 2;
        let offered: u16 = b.ram.get(index).unwrap();
        b.ram.put(index, offered.wrapping_add(jump));
        b.kick(queue);
        let soon = b.now + 10_000;
        b.type_in("some input");
        b.run_to(soon);
    }
    b.round_trip();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn random_rings(
        kind in 0..4,
        features in prop_oneof![Just(0), Just(FEATURE_INDIRECT), Just(FEATURE_EVENT_IDX)],
        rings in prop::collection::vec(
            (
                0..12u16,
                prop_oneof![4 => (0..RAM_BYTES).prop_map(|n| RAM_BASE + n), 1 => value()],
                prop_oneof![4 => 0..2000u32, 1 => (0..64u32).prop_map(|n| 16 * n), 1 => any::<u32>()],
                prop_oneof![8 => 0..8u16, 1 => any::<u16>()],
                prop_oneof![8 => 0..9u16, 1 => any::<u16>()],
            ),
            0..40,
        ),
        jump in prop_oneof![8 => Just(0u16), 1 => any::<u16>()],
    ) {
        let device: Box<dyn Device> = match kind {
            0 => Box::new(VirtioMmio::new("virtio", 1, block())),
            1 => Box::new(VirtioMmio::new("virtio", 1, VirtioConsole::new(1000))),
            2 => Box::new(VirtioMmio::new("virtio", 1, net())),
            _ => Box::new(VirtioMmio::new("virtio", 1, load())),
        };
        abuse(device, features, &rings, jump);
    }
}
