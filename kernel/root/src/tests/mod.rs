//! The tests, by object.

use kernel_user::abi::BootInfo;

use crate::harness::Test;

mod asid;
mod async_call;
mod bootinfo;
mod cnode;
mod domain;
mod fault;
mod ipc;
mod irq;
mod notification;
mod revocation;
mod sched;
mod smp;
mod tcb;
mod untyped;
mod user_interrupt;
mod vspace;

/// Those of what the kernel has beyond seL4, as far as the machine has what it takes.
#[must_use]
pub fn beyond_sel4(info: &'static BootInfo) -> &'static [&'static [Test]] {
    if crate::platform::has_uintc(info) {
        &[
            user_interrupt::TESTS,
            user_interrupt::senders::TESTS,
            user_interrupt::harts::TESTS,
            async_call::TESTS,
        ]
    } else {
        &[user_interrupt::WITHOUT]
    }
}

/// All of seL4's interface.
pub const ALL: &[&[Test]] = &[
    bootinfo::TESTS,
    untyped::TESTS,
    cnode::TESTS,
    revocation::TESTS,
    tcb::TESTS,
    notification::TESTS,
    ipc::TESTS,
    vspace::TESTS,
    asid::TESTS,
    irq::TESTS,
    domain::TESTS,
    fault::TESTS,
    sched::TESTS,
    smp::TESTS,
];
