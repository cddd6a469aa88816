//! A network server at user level: a driver for virtio's network device ([`virtio`]), TCP/IP on it ([`Stack`], by
//! `smoltcp`), and what its clients ask for ([`socket`]).
//!
//! How a request gets to the server, and its answer back, is a matter of whoever puts them together: the stack is told
//! who asks by a value that it gives back when the answer is there.

#![no_std]

extern crate alloc;

mod device;
pub mod socket;
mod stack;
pub mod virtio;

pub use smoltcp;
pub use stack::{Address, Stack};
