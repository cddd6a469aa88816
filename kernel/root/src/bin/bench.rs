//! All benchmarks.

#![no_std]
#![no_main]

use kernel_root::bench;
use kernel_root::env::Env;
use kernel_user::abi::BootInfo;
use kernel_user::{entry, exit, println};

entry!(main);

fn main(info: &'static BootInfo) -> ! {
    match Env::new(info) {
        Ok(mut env) => bench::run(&mut env, ""),
        Err(error) => println!("bench: no memory: {error:?}"),
    }
    exit::halt()
}
