//! The kernel's binary interface: seL4's non-MCS API for 64-bit RISC-V (version 16.0.0-dev of `libsel4`), as
//! constants and layouts. Facts only; kernel, user runtime and the host's tools share them.
//!
//! A system call has its number in `a7`, the capability (back: the badge) in `a0`, the [`MessageInfo`] in `a1` and
//! the first four message words in `a2` to `a5`; the others are in the [`IpcBuffer`].

#![no_std]

mod bootinfo;
mod fault;
mod invocation;
mod message;
mod object;
mod request;
pub mod ring;

pub use bootinfo::{
    BOOTINFO_FDT, BootInfo, BootInfoHeader, InitialCap, MAX_BOOTINFO_UNTYPEDS, SlotRegion, UntypedDesc,
};
pub use fault::{
    CAP_FAULT_LENGTH, Error, FaultLabel, LookupFailure, UNKNOWN_SYSCALL_LENGTH, USER_EXCEPTION_LENGTH,
    VM_FAULT_LENGTH, vm_cause,
};
pub use invocation::{Invocation, Syscall};
pub use message::{
    CapRights, CnodeData, IpcBuffer, MAX_EXTRA_CAPS, MESSAGE_MAX_WORDS, MESSAGE_REGISTERS, MessageInfo,
};
pub use object::{ObjectType, TcbFlags, USER_CONTEXT_WORDS, UserContext, VmAttributes, bits};
pub use request::{AsyncChannel, ClientEnd, Completion, Item, Request, RequestKind, ServerEnd};

/// Priorities, 0 the lowest.
pub const PRIORITIES: usize = 256;
/// First address beyond what a user may map.
pub const USER_TOP: u64 = 0x3f_ffff_f000;
/// Longest thread name that `DebugNameThread` keeps, without its end.
pub const THREAD_NAME_MAX: usize = 119;
