//! The benchmark workloads of `tests/guests`, in functional mode: host time for a whole run, and guest
//! instructions a second. `cargo xtask guests` builds them; `cargo xtask speed` compares with other
//! simulators.

// The function that `criterion_group!` makes is public and has no documentation.
#![allow(missing_docs)]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use relsim_core::device::NoConsole;
use relsim_core::extension::IsaExtension;
use relsim_core::hart::Priv;
use relsim_loader::{Image, ParseOptions};
use relsim_machine::{Exit, HtifWords, Limits, Machine, MachineConfig, Payload, Piece, platform};
use relsim_uintr::UINTR;

static EXTENSIONS: &[&IsaExtension] = &[&UINTR];

/// Integer, memory, floating point, and traps between U and S under Sv39.
const WORKLOADS: &[&str] = &["integer", "memory", "float", "pingpong"];

fn payload(name: &str) -> Payload {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("guests/target/riscv64gc-unknown-none-elf/release")
        .join(name);
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests` first", path.display()));
    let image = Image::parse(name, &bytes, &ParseOptions::default()).expect("our own guest loads");
    let pieces = image.segments.iter().map(|segment| Piece {
        name: name.to_string(),
        address: segment.paddr,
        bytes: segment.data.to_vec(),
    });
    let words = image.host_interface;
    Payload {
        pieces: pieces.collect(),
        entry: image.entry,
        privilege: Priv::M,
        next_stage: None,
        dtb_address: 0,
        htif: words.tohost.map(|tohost| HtifWords {
            tohost: tohost.phys,
            fromhost: words.fromhost.map(|fromhost| fromhost.phys),
        }),
    }
}

/// Runs to the end and gives the number of instructions.
fn run(payload: &Payload) -> u64 {
    let mut config = MachineConfig::new(&platform::VIRT, EXTENSIONS).expect("the platform is right");
    config.ram_bytes = 64 << 20;
    let mut machine = Machine::build(config, payload, Vec::new(), Box::new(NoConsole)).expect("it fits");
    let exit = machine.run(Limits::default(), &AtomicBool::new(false));
    assert_eq!(exit, Exit::Guest { code: 0 }, "the workload checks itself");
    machine.instructions()
}

fn workloads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("functional");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    for name in WORKLOADS {
        let payload = payload(name);
        group.throughput(Throughput::Elements(run(&payload)));
        group.bench_function(*name, |bencher| bencher.iter(|| run(&payload)));
    }
    group.finish();
}

criterion_group!(benches, workloads);
criterion_main!(benches);
