//! The root task: the kernel's own test suite and a small shell of benchmarks.

#![no_std]
