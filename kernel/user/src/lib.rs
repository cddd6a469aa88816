//! Runtime for root tasks: start, system calls, typed invocations, allocators of capabilities and memory, address
//! spaces, threads, console, time.
//!
//! Every thread keeps the address of its IPC buffer in `tp`, which the kernel saves with the other registers;
//! nothing else needs thread-local storage.

#![no_std]

pub mod bootinfo;
pub mod console;
pub mod cspace;
pub mod exit;
pub mod invoke;
pub mod ipc;
pub mod memory;
pub mod order;
mod start;
pub mod syscall;
pub mod thread;
pub mod time;
pub mod user_interrupt;
pub mod vspace;

pub use kernel_abi as abi;
