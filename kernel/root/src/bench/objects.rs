//! Making, mapping, copying and deleting.

use kernel_user::abi::{CapRights, ObjectType, USER_CONTEXT_WORDS, UserContext, VmAttributes};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{CNode, Tcb};
use kernel_user::syscall;

use super::Bench;
use crate::env::{BELOW, SELF, VSPACE};
use crate::harness::Failure;

const OBJECTS: [(&str, &str, ObjectType, u64); 7] = [
    ("retype_untyped_4k", "delete_untyped_4k", ObjectType::Untyped, 12),
    ("retype_tcb", "delete_tcb", ObjectType::Tcb, 0),
    ("retype_endpoint", "delete_endpoint", ObjectType::Endpoint, 0),
    ("retype_notification", "delete_notification", ObjectType::Notification, 0),
    ("retype_cnode_16", "delete_cnode_16", ObjectType::CapTable, 4),
    ("retype_page", "delete_page", ObjectType::Page, 0),
    ("retype_page_table", "delete_page_table", ObjectType::PageTable, 0),
];

pub(super) fn run(bench: &mut Bench<'_>) -> Result<(), Failure> {
    let slot = bench.env.slots.take();
    let untyped = bench.env.untyped(23)?;
    // Something stays, so that the memory is not cleared each time.
    let keep = bench.env.slots.take();
    untyped.retype(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, keep, 1)?;
    for (retype, delete, object, user_bits) in OBJECTS {
        bench.row(retype, |_, clock| {
            let before = clock.now();
            untyped.retype(object, user_bits, ROOT_CNODE, 0, 0, slot, 1)?;
            let taken = clock.now() - before;
            ROOT_CNODE.delete(slot, DEPTH)?;
            Ok(taken)
        })?;
        bench.row(delete, |_, clock| {
            untyped.retype(object, user_bits, ROOT_CNODE, 0, 0, slot, 1)?;
            let before = clock.now();
            ROOT_CNODE.delete(slot, DEPTH)?;
            Ok(clock.now() - before)
        })?;
    }
    capabilities(bench, slot, keep)?;
    mappings(bench)?;
    threads(bench, slot)
}

fn capabilities(bench: &mut Bench<'_>, slot: u64, endpoint: u64) -> Result<(), Failure> {
    bench.row("cap_copy", |_, clock| {
        let before = clock.now();
        ROOT_CNODE.copy((slot, DEPTH), ROOT_CNODE, (endpoint, DEPTH), CapRights::ALL)?;
        let taken = clock.now() - before;
        ROOT_CNODE.delete(slot, DEPTH)?;
        Ok(taken)
    })?;
    bench.row("cap_mint", |_, clock| {
        let before = clock.now();
        ROOT_CNODE.mint((slot, DEPTH), ROOT_CNODE, (endpoint, DEPTH), CapRights::ALL, 1)?;
        let taken = clock.now() - before;
        ROOT_CNODE.delete(slot, DEPTH)?;
        Ok(taken)
    })?;
    bench.row("cap_delete", |_, clock| {
        ROOT_CNODE.copy((slot, DEPTH), ROOT_CNODE, (endpoint, DEPTH), CapRights::ALL)?;
        let before = clock.now();
        ROOT_CNODE.delete(slot, DEPTH)?;
        Ok(clock.now() - before)
    })?;
    let node = bench.env.cnode(6)?;
    bench.row("revoke_64", |_, clock| {
        fill(node, endpoint)?;
        let before = clock.now();
        ROOT_CNODE.revoke(endpoint, DEPTH)?;
        Ok(clock.now() - before)
    })
}

fn fill(node: CNode, from: u64) -> kernel_user::invoke::Result<()> {
    (1..=64).try_for_each(|badge| node.mint((badge - 1, 6), ROOT_CNODE, (from, DEPTH), CapRights::ALL, badge))
}

fn mappings(bench: &mut Bench<'_>) -> Result<(), Failure> {
    let frame = bench.env.frame()?;
    let address = bench.env.map(frame, 12)?;
    let attributes = VmAttributes::default();
    bench.row("page_unmap", |_, clock| {
        let before = clock.now();
        frame.unmap()?;
        let taken = clock.now() - before;
        frame.map(VSPACE, address, CapRights::ALL, attributes)?;
        Ok(taken)
    })?;
    bench.row("page_map", |_, clock| {
        frame.unmap()?;
        let before = clock.now();
        frame.map(VSPACE, address, CapRights::ALL, attributes)?;
        Ok(clock.now() - before)
    })?;
    let table = bench.env.page_table()?;
    let far = 0x30_0000_0000;
    bench.row("page_table_map", |_, clock| {
        let before = clock.now();
        table.map(VSPACE, far, attributes)?;
        let taken = clock.now() - before;
        table.unmap()?;
        Ok(taken)
    })?;
    bench.row("page_table_unmap", |_, clock| {
        table.map(VSPACE, far, attributes)?;
        let before = clock.now();
        table.unmap()?;
        Ok(clock.now() - before)
    })
}

fn threads(bench: &mut Bench<'_>, slot: u64) -> Result<(), Failure> {
    let untyped = bench.env.untyped(20)?;
    let frame = bench.env.frame()?;
    let keep = bench.env.slots.take();
    untyped.retype(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, keep, 1)?;
    let tcb = Tcb(slot);
    bench.row("thread_create", |_, clock| {
        let before = clock.now();
        untyped.retype(ObjectType::Tcb, 0, ROOT_CNODE, 0, 0, slot, 1)?;
        tcb.configure(0, (ROOT_CNODE, 0), VSPACE, (0x1000, frame))?;
        tcb.set_sched_params(SELF, 0, BELOW)?;
        tcb.write_registers(false, &UserContext::default(), USER_CONTEXT_WORDS)?;
        let taken = clock.now() - before;
        ROOT_CNODE.delete(slot, DEPTH)?;
        Ok(taken)
    })?;
    let tcb = bench.env.tcb()?;
    bench.timed("read_registers", || tcb.read_registers(false, USER_CONTEXT_WORDS).map(|_| ()))?;
    bench.timed("write_registers", || {
        tcb.write_registers(false, &UserContext::default(), USER_CONTEXT_WORDS)
    })?;
    bench.timed("set_priority", || tcb.set_priority(SELF, BELOW))?;
    bench.timed("failed_invocation", || {
        let _ = kernel_user::invoke::invoke_label(tcb.0, 0, &[], &[]);
        Ok(())
    })?;
    syscall::yield_now();
    Ok(())
}
