//! Random programs run in lockstep by relsim and by QEMU.
//!
//! A program is an image for the `virt` machine: a runtime ([`runtime`]), random blocks ([`block`]) and for
//! each block several runs ([`layout::Run`]) that differ in privilege, translation, protection, delegation
//! and registers ([`program`]). The runtime logs every trap, and after each run all registers, the CSRs and
//! checksums of memory; [`compare`] holds the two logs against each other, and then all of memory.

pub mod asm;
pub mod block;
pub mod code;
pub mod compare;
pub mod csrs;
pub mod exceptions;
pub mod layout;
pub mod paging;
pub mod program;
pub mod rng;
pub mod rows;
pub mod runtime;
pub mod session;
pub mod simulators;
pub mod values;
