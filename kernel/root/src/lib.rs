//! The root task: the kernel's own test suite, a program of random system calls, and benchmarks.
//!
//! The tests are written from the seL4 reference manual and checked against the upstream kernel; where that kernel
//! differs from its manual, the test says so and asks for what the kernel does.

#![no_std]

pub mod env;
pub mod harness;
pub mod platform;
pub mod tests;
