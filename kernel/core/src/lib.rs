//! The kernel's objects and what may be done with them: everything that is not RISC-V's trap entry, CSRs or devices.
//!
//! A [`Kernel`] is told what has happened (a system call, a fault, an interrupt), changes the objects, and afterwards
//! chooses the thread that runs ([`Kernel::schedule`]). The machine below is in [`hw`].

#![no_std]

#[cfg(not(target_os = "none"))]
extern crate std;

mod async_call;
mod async_serve;
pub mod boot;
pub mod cap;
mod cnode;
pub mod debug;
mod delete;
mod domain;
mod endpoint;
pub mod error;
mod fastpath;
mod fault;
pub mod fdt;
pub mod harts;
#[cfg_attr(test, macro_use)]
pub mod hw;
mod ipc;
mod irq;
mod kernel;
mod lookup;
pub mod mark;
pub mod mem;
mod notification;
pub mod platform;
mod sched;
mod slot;
mod syscall;
mod tcb;
#[cfg(test)]
mod tests;
mod thread;
mod untyped;
mod user_interrupt;
pub mod vspace;

pub use async_serve::Courier;
pub use kernel::{Hart, Kernel, MAX_HARTS, SMP};
pub use mem::Ptr;
pub use syscall::Preempted;
pub use tcb::{Context, Fault, State, Tcb, reg};
pub use user_interrupt::UserCsr;
