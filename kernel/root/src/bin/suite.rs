//! All tests, or with `KERNEL_TESTS` set when it is built those whose names contain that.

#![no_std]
#![no_main]

use kernel_root::env::Env;
use kernel_root::{harness, tests};
use kernel_user::abi::BootInfo;
use kernel_user::{entry, exit, println};

entry!(main);

fn main(info: &'static BootInfo) -> ! {
    println!("suite: {} harts", info.num_nodes);
    match Env::new(info) {
        Ok(mut env) => {
            let score = harness::run(&mut env, option_env!("KERNEL_TESTS").unwrap_or(""), tests::ALL);
            println!("suite: {} passed, {} failed", score.passed, score.failed);
        }
        Err(error) => println!("suite: no memory: {error:?}"),
    }
    exit::halt()
}
