//! Asynchronous programs: tasks, each written like a thread, that share one thread and its hart.
//!
//! An [`Executor`] runs tasks by their priorities. What they wait for comes from [`Source`]s: the answers of a server
//! ([`ipc::Client`]), the requests of clients ([`ipc::Server`]), the completions of the kernel ([`calls::Calls`]).
//! Only when no task can go on and no source has anything the executor sleeps; then, and only then, the other side
//! has to notify it.
//!
//! What is allocated comes from [`heap`].

#![no_std]

extern crate alloc;

mod awaited;
pub mod calls;
mod executor;
pub mod heap;
pub mod ipc;
mod ready;
mod source;

pub use executor::{Executor, LEVELS, TaskId, yield_now};
pub use source::{Idle, Rest, Source, Statistics};
