//! Runtime for root tasks: system calls, capability and memory allocator, threads, console.

#![no_std]
