//! The root task of the default image: a quick self test, what IPC costs, and a shell if somebody wants one. Without
//! a device to read from it runs everything and stops.

#![no_std]
#![no_main]

use kernel_root::env::Env;
use kernel_root::platform::Harts;
use kernel_root::shell::{self, Input};
use kernel_root::{bench, harness, hostile, tests};
use kernel_user::abi::BootInfo;
use kernel_user::{bootinfo, entry, exit, println};

/// Of the platform that has the device to read from.
const TICKS_A_SECOND: u64 = 10_000_000;

entry!(main);

fn main(info: &'static BootInfo) -> ! {
    let memory: u64 = bootinfo::untypeds(info)
        .filter(|(_, desc)| desc.is_device == 0)
        .map(|(_, desc)| 1 << desc.size_bits)
        .sum();
    println!("root task: {}, {} MiB of memory", Harts(info.num_nodes), memory >> 20);
    match Env::new(info) {
        Ok(mut env) => start(&mut env),
        Err(error) => println!("no memory: {error:?}"),
    }
    exit::halt()
}

fn start(env: &mut Env) {
    let Some(mut input) = Input::new(env) else {
        let score = harness::run(env, "", "", tests::ALL).and(harness::run(env, "", "", hostile::GROUPS));
        println!("suite: {} passed, {} failed", score.passed, score.failed);
        bench::run(env, "");
        return;
    };
    let score = harness::run(env, "untyped::", "", tests::ALL);
    println!("self test: {} passed, {} failed", score.passed, score.failed);
    bench::run(env, "ipc_two_spaces");
    println!("press a key within a second for a shell");
    if input.comes_within(TICKS_A_SECOND) {
        println!("try help");
        shell::run(env, &mut input);
    }
}
