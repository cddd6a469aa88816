//! Any bytes as a program, on any platform, in M-mode or under the built-in firmware, under any timing model:
//! whatever the guest does, the machine ends with a reason and in order, and twice the same.
#![no_main]

use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use relsim_core::device::NoConsole;
use relsim_core::extension::IsaExtension;
use relsim_core::hart::Priv;
use relsim_devices::CowDisk;
use relsim_machine::{
    HtifWords, Limits, Machine, MachineConfig, Payload, Peer, Piece, Tables, Timing, Virtio, platform,
};
use relsim_uintr::UINTR;

static KNOWN: &[&IsaExtension] = &[&UINTR];
// Most programs soon do nothing but trap: more of that shows nothing new.
const INSTRUCTIONS: u64 = 1000;
const CYCLES: u64 = 3000;
const RAM_BYTES: u64 = 64 << 10;

/// Each platform's defaults, and what only depends on those.
static PLATFORMS: LazyLock<Vec<(MachineConfig, Tables)>> = LazyLock::new(|| {
    let platforms = platform::ALL.iter().map(|platform| {
        let config = MachineConfig::new(platform, KNOWN).expect("platforms are right");
        let tables = Tables::new(&config).expect("rows do not contradict each other");
        (config, tables)
    });
    platforms.collect()
});

fn run(shape: u16, program: &[u8]) -> (String, u64, u64) {
    let (config, tables) = &PLATFORMS[usize::from(shape & 0xf) % PLATFORMS.len()];
    let mut config = config.clone();
    let platform = config.platform;
    config.harts = 1 + usize::from(shape >> 4 & 1);
    config.ram_bytes = RAM_BYTES;
    config.quantum_cycles = if shape & 0x80 == 0 { 1 } else { 100 };
    config.timing =
        if shape & 0x100 == 0 { Timing::Functional(Box::default()) } else { Timing::Rocket(Box::default()) };
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
    let mut machine =
        Machine::build_with(tables, config, &payload, virtio, Box::new(NoConsole)).expect("it fits");
    let limits = Limits { max_cycles: CYCLES, max_instructions: INSTRUCTIONS, ..Limits::default() };
    let exit = machine.run(limits, &AtomicBool::new(false));
    (format!("{exit:?}"), machine.cycles(), machine.instructions())
}

fuzz_target!(|input: (u16, &[u8])| {
    let (shape, program) = input;
    let program = &program[..program.len().min(16 << 10)];
    assert_eq!(run(shape, program), run(shape, program));
});
