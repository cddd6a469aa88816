//! The tests, by object.

use crate::harness::Test;

mod asid;
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
mod vspace;

/// All of them.
pub const ALL: &[&[Test]] = &[
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
