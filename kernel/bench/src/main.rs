//! Benchmarks that compare mechanisms. What is measured is said on the kernel command line: `bench=ipc mech=async
//! conc=8 ops=2000`; see the guide to comparisons. Every benchmark checks its answers.

#![no_std]
#![no_main]

extern crate alloc;

mod calls;
mod echo;
mod flood;
mod ipc;
mod measure;
mod oneway;
mod pairs;
mod params;
mod stress;
mod ways;
mod work;
mod world;

use kernel_root::harness::Failure;
use kernel_user::abi::BootInfo;
use kernel_user::{entry, exit, println};

use measure::Score;
use params::{Params, Unknown};
use world::World;

entry!(main);

/// A benchmark: it refuses parameters that it does not know, or fails, or gives what came out.
type Bench = fn(&mut World, Params) -> Result<Result<Score, Failure>, Unknown>;

const BENCHES: [(&str, Bench); 7] = [
    ("ipc", ipc::run),
    ("calls", calls::run),
    ("ways", ways::run),
    ("oneway", oneway::run),
    ("stress", stress::run),
    ("flood", flood::run),
    ("echo", echo::run),
];

fn main(info: &'static BootInfo) -> ! {
    let params = Params::new(info);
    let outcome = params.choice("bench", &BENCHES).and_then(|bench| match World::new(info) {
        Ok(mut world) => bench(&mut world, params),
        Err(failure) => Ok(Err(failure)),
    });
    match outcome {
        Ok(Ok(score)) => score.report(),
        Ok(Err(failure)) => println!("failed at {failure}"),
        Err(Unknown(key)) => println!("{key}={}: unknown", params.get(key).unwrap_or("")),
    }
    exit::halt()
}
