//! All tests. Set when it is built, `KERNEL_TESTS` chooses those whose names contain it, and `KERNEL_SKIP` leaves out
//! those whose names contain that.

#![no_std]
#![no_main]

use kernel_root::env::Env;
use kernel_root::platform::Harts;
use kernel_root::{harness, hostile, tests};
use kernel_user::abi::BootInfo;
use kernel_user::{entry, exit, println};

entry!(main);

const FILTER: &str = match option_env!("KERNEL_TESTS") {
    Some(filter) => filter,
    None => "",
};
const SKIP: &str = match option_env!("KERNEL_SKIP") {
    Some(skip) => skip,
    None => "",
};

fn main(info: &'static BootInfo) -> ! {
    println!("suite: {}", Harts(info.num_nodes));
    match Env::new(info) {
        Ok(mut env) => {
            let objects = harness::run(&mut env, FILTER, SKIP, tests::ALL);
            let beyond = harness::run(&mut env, FILTER, SKIP, tests::beyond_sel4(info));
            let hostile = harness::run(&mut env, FILTER, SKIP, hostile::GROUPS);
            let score = objects.and(beyond).and(hostile);
            println!("suite: {} passed, {} failed", score.passed, score.failed);
        }
        Err(error) => println!("suite: no memory: {error:?}"),
    }
    exit::halt()
}
