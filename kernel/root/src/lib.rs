//! The root task: the kernel's own test suite, a program of random system calls, and benchmarks.
//!
//! The tests are written from the seL4 reference manual and checked against the upstream kernel; where that kernel
//! differs from its manual, the test says so and asks for what the kernel does.

#![no_std]

pub mod bench;
pub mod env;
pub mod harness;
pub mod hostile;
pub mod platform;
pub mod shell;
pub mod tests;

/// The number that decimal digits say; for what is set when this is built.
#[must_use]
const fn parse(text: &str) -> u64 {
    let (mut value, mut n) = (0, 0);
    while n < text.len() {
        value = 10 * value + (text.as_bytes()[n] - b'0') as u64;
        n += 1;
    }
    value
}
