//! Any bytes as a program, on any platform, in M-mode or under the built-in firmware: whatever the guest
//! does, the machine ends with a reason and in order, and twice the same.
#![no_main]

use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use relsim_core::device::NoConsole;
use relsim_core::extension::IsaExtension;
use relsim_core::hart::Priv;
use relsim_devices::CowDisk;
use relsim_machine::{HtifWords, Limits, Machine, MachineConfig, Payload, Peer, Piece, Virtio, platform};
use relsim_uintr::UINTR;

static KNOWN: &[&IsaExtension] = &[&UINTR];
const INSTRUCTIONS: u64 = 3000;
const CYCLES: u64 = 10_000;

fn run(shape: u8, program: &[u8]) -> (String, u64, u64) {
    let platform = platform::ALL[usize::from(shape) % platform::ALL.len()];
    let mut config = MachineConfig::new(platform, KNOWN).expect("platforms are right");
    config.harts = 1 + usize::from(shape >> 4 & 1);
    config.ram_bytes = 1 << 20;
    config.quantum_cycles = if shape & 0x80 == 0 { 1 } else { 100 };
    let base = platform.ram_base;
    let htif = HtifWords { tohost: base + 0x8000, fromhost: Some(base + 0x8008) };
    let payload = Payload {
        pieces: vec![Piece { name: "program".into(), address: base, bytes: program.to_vec() }],
        entry: base,
        privilege: if shape & 0x40 == 0 { Priv::M } else { Priv::S },
        next_stage: None,
        dtb_address: base + 0x1000,
        htif: (shape & 0x20 != 0).then_some(htif),
    };
    let mut virtio = Vec::new();
    if platform.name == "virt" {
        let backend = Box::new(CowDisk::new(vec![0; 4096]));
        virtio.push(Virtio::Block { backend, id: "fuzz".into(), read_only: false });
        virtio.push(Virtio::Net(Peer::Echo));
        virtio.push(Virtio::Console);
    }
    let mut machine = Machine::build(config, &payload, virtio, Box::new(NoConsole)).expect("it fits");
    let limits = Limits { max_cycles: CYCLES, max_instructions: INSTRUCTIONS };
    let exit = machine.run(limits, &AtomicBool::new(false));
    (format!("{exit:?}"), machine.cycles(), machine.instructions())
}

fuzz_target!(|input: (u8, &[u8])| {
    let (shape, program) = input;
    let program = &program[..program.len().min(16 << 10)];
    assert_eq!(run(shape, program), run(shape, program));
});
