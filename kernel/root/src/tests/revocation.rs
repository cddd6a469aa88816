//! The derivation tree at size, and deletion of CNodes that hold each other.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kernel_user::abi::{
    CapRights, CnodeData, FaultLabel, ObjectType, Syscall, USER_CONTEXT_WORDS, UserContext, bits,
};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{CNode, Frame, Result, Tcb, Untyped};
use kernel_user::syscall;
use kernel_user::thread::{Config, Resources, Thread};

use crate::env::{ABOVE, Env, PRIORITY, SELF, VSPACE};
use crate::harness::Outcome;
use crate::{check, check_eq, check_err, tests};

tests!("revocation":
    thousands_of_siblings,
    chain_of_untyped,
    tree_of_thousands,
    copies_of_copies,
    order_of_copies_does_not_matter,
    revoke_while_others_run,
    preempted_revocation_is_continued,
    preempted_deletion_of_a_large_cnode,
    a_thousand_wait_at_what_goes,
    cnode_with_itself,
    cnodes_with_each_other,
    chain_of_cnodes,
    last_capability_is_inside,
    thread_in_its_own_cspace,
    deletes_its_own_cspace,
    revoked_in_between,
    large_untyped_is_cleared_in_pieces,
);

fn present(slot: u64) -> bool {
    syscall::debug_cap_identify(slot) != 0
}

/// A CNode of 2^12 slots, at depth 12.
const RADIX: u64 = 12;

fn thousands_of_siblings(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let node = env.cnode(RADIX)?;
    for slot in 0..1 << RADIX {
        node.mint((slot, RADIX), ROOT_CNODE, (notification.0, DEPTH), CapRights::ALL, slot + 1)?;
    }
    check_err!(node.copy((4095, RADIX), ROOT_CNODE, (notification.0, DEPTH), CapRights::ALL), DeleteFirst);
    ROOT_CNODE.revoke(notification.0, DEPTH)?;
    for slot in 0..1 << RADIX {
        node.copy((slot, RADIX), ROOT_CNODE, (notification.0, DEPTH), CapRights::ALL)?;
    }
    // They go with the object as well.
    ROOT_CNODE.revoke(env.untyped.0, DEPTH)?;
    check!(!present(notification.0) && !present(node.0));
    Ok(())
}

fn chain_of_untyped(env: &mut Env) -> Outcome {
    // Each is all of the one before: the deepest tree there is.
    let top = env.untyped(12)?;
    let node = env.cnode(RADIX)?;
    let mut parent = top;
    let at = env.slots.take_range(300);
    for slot in at..at + 300 {
        parent.retype(ObjectType::Untyped, 12, ROOT_CNODE, 0, 0, slot, 1)?;
        parent = Untyped(slot);
    }
    parent.retype(ObjectType::Endpoint, 0, node, 0, 0, 0, 256)?;
    check_err!(top.retype(ObjectType::Endpoint, 0, node, 0, 0, 256, 1), NotEnoughMemory, 0);
    ROOT_CNODE.revoke(at + 150, DEPTH)?;
    check!(present(at + 150) && !present(at + 151) && !present(at + 299));
    node.copy((255, RADIX), ROOT_CNODE, (ROOT_CNODE.0, DEPTH), CapRights::ALL)?;
    ROOT_CNODE.revoke(top.0, DEPTH)?;
    check!(present(top.0) && !present(at));
    top.retype(ObjectType::Untyped, 12, ROOT_CNODE, 0, 0, at, 1)?;
    Ok(())
}

/// Untyped memory in pieces of an eighth, three levels deep, with endpoints and badged copies as leaves. `work` are
/// slots of the root CNode in which a piece is while it is used.
fn grow(node: CNode, piece: Untyped, level: u64, next: &mut u64, work: u64) -> Result<()> {
    const TREE_RADIX: u64 = 12;
    let first = *next;
    if level == 3 {
        *next += 4;
        piece.retype(ObjectType::Endpoint, 0, node, 0, 0, first, 2)?;
        for copy in first + 2..first + 4 {
            node.mint((copy, TREE_RADIX), node, (first, TREE_RADIX), CapRights::ALL, copy)?;
        }
        return Ok(());
    }
    *next += 8;
    piece.retype(ObjectType::Untyped, 13 - 3 * level, node, 0, 0, first, 8)?;
    for slot in first..first + 8 {
        ROOT_CNODE.move_cap((work, DEPTH), node, (slot, TREE_RADIX))?;
        grow(node, Untyped(work), level + 1, next, work + 1)?;
        node.move_cap((slot, TREE_RADIX), ROOT_CNODE, (work, DEPTH))?;
    }
    Ok(())
}

fn tree_of_thousands(env: &mut Env) -> Outcome {
    let top = env.untyped(16)?;
    let node = env.cnode(RADIX)?;
    let work = env.slots.take_range(3);
    for _ in 0..2 {
        let mut next = 0;
        grow(node, top, 0, &mut next, work)?;
        check_eq!(next, 8 + 64 + 512 + 4 * 512);
        ROOT_CNODE.revoke(top.0, DEPTH)?;
        // Every slot is empty.
        for slot in 0..next {
            node.copy((slot, RADIX), ROOT_CNODE, (node.0, DEPTH), CapRights::ALL)?;
            node.delete(slot, RADIX)?;
        }
    }
    Ok(())
}

fn copies_of_copies(env: &mut Env) -> Outcome {
    // Only the original and a badged capability are parents of their copies; a copy is a sibling.
    let endpoint = env.endpoint()?;
    let copy = env.copy(endpoint.0, CapRights::ALL)?;
    let badged = env.mint(copy, CapRights::ALL, 1)?;
    let again = env.copy(badged, CapRights::READ)?;
    ROOT_CNODE.revoke(again, DEPTH)?;
    check!(present(badged) && present(again));
    ROOT_CNODE.revoke(copy, DEPTH)?;
    check!(present(copy) && present(badged) && present(again));
    ROOT_CNODE.revoke(badged, DEPTH)?;
    check!(present(copy) && present(badged) && !present(again));
    ROOT_CNODE.revoke(endpoint.0, DEPTH)?;
    check!(present(endpoint.0) && !present(copy) && !present(badged));
    Ok(())
}

fn order_of_copies_does_not_matter(env: &mut Env) -> Outcome {
    const COPIES: u64 = 64;
    for step in [1, 3, 7, 63] {
        let notification = env.notification()?;
        let badged = env.mint(notification.0, CapRights::ALL, 1)?;
        let node = env.cnode(6)?;
        for n in 0..COPIES {
            let slot = n * step % COPIES;
            let from = if n % 2 == 0 { badged } else { notification.0 };
            node.copy((slot, 6), ROOT_CNODE, (from, DEPTH), CapRights::ALL)?;
        }
        ROOT_CNODE.revoke(badged, DEPTH)?;
        for n in 0..COPIES {
            let filled =
                node.copy((n * step % COPIES, 6), ROOT_CNODE, (notification.0, DEPTH), CapRights::ALL);
            check_eq!(filled.is_ok(), n % 2 == 0);
        }
    }
    Ok(())
}

static COUNT: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

fn fill(node: CNode, from: u64) -> Result<()> {
    for slot in 0..1 << RADIX {
        node.mint((slot, RADIX), ROOT_CNODE, (from, DEPTH), CapRights::ALL, slot + 1)?;
    }
    Ok(())
}

fn revoke_while_others_run(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let (node, others) = (env.cnode(RADIX)?, env.cnode(RADIX)?);
    fill(node, notification.0)?;
    STOP.store(false, Ordering::Relaxed);
    COUNT.store(0, Ordering::Relaxed);
    // Of the same priority: it runs when this thread's time slice ends, even in the middle of its revocation.
    let hart = env.harts() - 1;
    let from = notification.0;
    let minter = env.spawn_with(&Config { hart, ..Config::new(PRIORITY) }, move || {
        let mut slot = 0;
        while !STOP.load(Ordering::Relaxed) {
            let minted = others.mint((slot, RADIX), ROOT_CNODE, (from, DEPTH), CapRights::ALL, 1);
            slot = (slot + u64::from(minted.is_ok())) % (1 << RADIX);
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        0
    })?;
    while COUNT.load(Ordering::Relaxed) == 0 {
        syscall::yield_now();
    }
    ROOT_CNODE.revoke(notification.0, DEPTH)?;
    STOP.store(true, Ordering::Relaxed);
    minter.join();
    for slot in 0..1 << RADIX {
        node.copy((slot, RADIX), ROOT_CNODE, (notification.0, DEPTH), CapRights::ALL)?;
    }
    ROOT_CNODE.revoke(notification.0, DEPTH)?;
    fill(others, notification.0)?;
    Ok(())
}

fn spinner(env: &mut Env) -> Result<Thread> {
    STOP.store(false, Ordering::Relaxed);
    COUNT.store(0, Ordering::Relaxed);
    env.spawn(PRIORITY, || {
        while !STOP.load(Ordering::Relaxed) {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        0
    })
}

fn preempted_revocation_is_continued(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let node = env.cnode(RADIX)?;
    let thread = spinner(env)?;
    for _ in 0..3 {
        fill(node, notification.0)?;
        ROOT_CNODE.revoke(notification.0, DEPTH)?;
        check!(present(notification.0));
    }
    fill(node, notification.0)?;
    STOP.store(true, Ordering::Relaxed);
    thread.join();
    // It had its share.
    check!(COUNT.load(Ordering::Relaxed) != 0);
    Ok(())
}

fn preempted_deletion_of_a_large_cnode(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let thread = spinner(env)?;
    for _ in 0..3 {
        let holder = env.untyped(RADIX + bits::SLOT)?;
        let node = env.slots.take();
        holder.retype(ObjectType::CapTable, RADIX, ROOT_CNODE, 0, 0, node, 1)?;
        fill(CNode(node), notification.0)?;
        ROOT_CNODE.delete(node, DEPTH)?;
        check!(!present(node));
        // All of its memory is free.
        holder.retype(ObjectType::Untyped, RADIX + bits::SLOT, ROOT_CNODE, 0, 0, node, 1)?;
    }
    STOP.store(true, Ordering::Relaxed);
    thread.join();
    Ok(())
}

/// Makes the system call that the registers say. It needs no stack.
#[unsafe(naked)]
extern "C" fn makes_a_call() -> ! {
    core::arch::naked_asm!("0: ecall", "j 0b")
}

/// A thread without stack and IPC buffer that waits at `object`; its faults are sent to `faults`.
fn waits_at(tcb: Tcb, object: u64, faults: u64) -> Result<()> {
    tcb.set_space(faults, (ROOT_CNODE, 0), VSPACE)?;
    tcb.set_sched_params(SELF, 0, ABOVE)?;
    let mut context = UserContext { pc: makes_a_call as *const () as u64, ..UserContext::default() };
    context.a[0] = object;
    context.a[7] = Syscall::Recv.number() as u64;
    tcb.write_registers(true, &context, USER_CONTEXT_WORDS)
}

fn a_thousand_wait_at_what_goes(env: &mut Env) -> Outcome {
    const BATCH: u64 = 256;
    const BATCHES: u64 = 4;
    let spinner = spinner(env)?;
    let faults = env.endpoint()?;
    let badged = env.mint(faults.0, CapRights::ALL, 1)?;
    let holder = env.untyped(10)?;
    let object = env.slots.take();
    let mut threads = [0; BATCHES as usize];
    for batch in &mut threads {
        *batch = env.make_many(ObjectType::Tcb, 0, BATCH)?;
    }
    for kind in [ObjectType::Endpoint, ObjectType::Notification] {
        holder.retype(kind, 0, ROOT_CNODE, 0, 0, object, 1)?;
        for tcb in threads.iter().flat_map(|&batch| batch..batch + BATCH) {
            waits_at(Tcb(tcb), object, badged)?;
        }
        check_eq!(syscall::nb_recv(faults.0).badge, 0);
        ROOT_CNODE.delete(object, DEPTH)?;
        // Each has tried again, and found nothing.
        for _ in 0..BATCH * BATCHES {
            let fault = syscall::nb_recv(faults.0);
            check_eq!((fault.badge, fault.info.label()), (1, FaultLabel::Cap as u64));
        }
        check_eq!(syscall::nb_recv(faults.0).badge, 0);
        holder.retype(ObjectType::Untyped, 10, ROOT_CNODE, 0, 0, object, 1)?;
        ROOT_CNODE.revoke(holder.0, DEPTH)?;
    }
    STOP.store(true, Ordering::Relaxed);
    spinner.join();
    Ok(())
}

fn cnode_with_itself(env: &mut Env) -> Outcome {
    let holder = env.untyped(4 + bits::SLOT)?;
    let node = env.slots.take();
    for copies in [1, 16] {
        holder.retype(ObjectType::CapTable, 4, ROOT_CNODE, 0, 0, node, 1)?;
        for slot in 0..copies {
            CNode(node).copy((slot, 4), ROOT_CNODE, (node, DEPTH), CapRights::ALL)?;
        }
        ROOT_CNODE.delete(node, DEPTH)?;
        // Nobody reaches it any more, but it is there.
        check_err!(holder.retype(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, node, 1), NotEnoughMemory, 0);
        ROOT_CNODE.revoke(holder.0, DEPTH)?;
    }
    // Moved into itself.
    holder.retype(ObjectType::CapTable, 4, ROOT_CNODE, 0, 0, node, 1)?;
    CNode(node).move_cap((3, 4), ROOT_CNODE, (node, DEPTH))?;
    check!(!present(node));
    ROOT_CNODE.revoke(holder.0, DEPTH)?;
    holder.retype(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, node, 1)?;
    Ok(())
}

fn cnodes_with_each_other(env: &mut Env) -> Outcome {
    let holder = env.untyped(1 + 4 + bits::SLOT)?;
    let nodes = env.slots.take_range(2);
    holder.retype(ObjectType::CapTable, 4, ROOT_CNODE, 0, 0, nodes, 2)?;
    let (a, b) = (CNode(nodes), CNode(nodes + 1));
    a.copy((0, 4), ROOT_CNODE, (b.0, DEPTH), CapRights::ALL)?;
    b.copy((15, 4), ROOT_CNODE, (a.0, DEPTH), CapRights::ALL)?;
    a.copy((15, 4), ROOT_CNODE, (a.0, DEPTH), CapRights::ALL)?;
    ROOT_CNODE.delete(a.0, DEPTH)?;
    // Through the other one it is still reached.
    b.delete(0xf_f, 8)?;
    b.delete(0xf_0, 8)?;
    // What a CNode was the last to reach goes with it. If that is a CNode or a thread itself, the upstream kernel
    // gives its memory back only when that is revoked.
    ROOT_CNODE.delete(b.0, DEPTH)?;
    ROOT_CNODE.revoke(holder.0, DEPTH)?;
    holder.retype(ObjectType::Untyped, 10, ROOT_CNODE, 0, 0, nodes, 1)?;
    ROOT_CNODE.revoke(holder.0, DEPTH)?;

    holder.retype(ObjectType::CapTable, 4, ROOT_CNODE, 0, 0, nodes, 2)?;
    a.copy((0, 4), ROOT_CNODE, (b.0, DEPTH), CapRights::ALL)?;
    b.move_cap((0, 4), ROOT_CNODE, (a.0, DEPTH))?;
    ROOT_CNODE.delete(b.0, DEPTH)?;
    check!(!present(nodes) && !present(nodes + 1));
    check_err!(holder.retype(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, nodes, 1), NotEnoughMemory, 0);
    ROOT_CNODE.revoke(holder.0, DEPTH)?;
    holder.retype(ObjectType::Untyped, 10, ROOT_CNODE, 0, 0, nodes, 1)?;
    Ok(())
}

fn chain_of_cnodes(env: &mut Env) -> Outcome {
    const LENGTH: u64 = 256;
    let holder = env.untyped(8 + 2 + bits::SLOT)?;
    let nodes = env.slots.take_range(LENGTH);
    for first_slot in [0, 3] {
        holder.retype(ObjectType::CapTable, 2, ROOT_CNODE, 0, 0, nodes, LENGTH)?;
        for node in (nodes..nodes + LENGTH - 1).rev() {
            CNode(node).move_cap((first_slot, 2), ROOT_CNODE, (node + 1, DEPTH))?;
            CNode(node).copy((1, 2), ROOT_CNODE, (node, DEPTH), CapRights::ALL)?;
            CNode(node).delete(1, 2)?;
        }
        // One is left, and with it go the others.
        ROOT_CNODE.delete(nodes, DEPTH)?;
        ROOT_CNODE.revoke(holder.0, DEPTH)?;
        holder.retype(ObjectType::Untyped, 15, ROOT_CNODE, 0, 0, nodes, 1)?;
        ROOT_CNODE.revoke(holder.0, DEPTH)?;
    }
    // From the other side: the chain is revoked through its memory.
    holder.retype(ObjectType::CapTable, 2, ROOT_CNODE, 0, 0, nodes, LENGTH)?;
    for node in nodes..nodes + LENGTH - 1 {
        CNode(node).copy((2, 2), ROOT_CNODE, (node + 1, DEPTH), CapRights::ALL)?;
        CNode(node + 1).copy((1, 2), ROOT_CNODE, (node, DEPTH), CapRights::ALL)?;
    }
    ROOT_CNODE.revoke(holder.0, DEPTH)?;
    holder.retype(ObjectType::Untyped, 15, ROOT_CNODE, 0, 0, nodes, 1)?;
    Ok(())
}

fn last_capability_is_inside(env: &mut Env) -> Outcome {
    let holder = env.untyped(15)?;
    let slot = env.slots.take();
    let node = env.cnode(4)?;
    holder.retype(ObjectType::Untyped, 12, node, 0, 0, 0, 1)?;
    holder.retype(ObjectType::Endpoint, 0, node, 0, 0, 1, 3)?;
    holder.retype(ObjectType::Notification, 0, node, 0, 0, 4, 1)?;
    holder.retype(ObjectType::Page, 0, node, 0, 0, 5, 1)?;
    holder.retype(ObjectType::PageTable, 0, node, 0, 0, 6, 1)?;
    check_err!(holder.retype(ObjectType::Untyped, 15, ROOT_CNODE, 0, 0, slot, 1), NotEnoughMemory);
    ROOT_CNODE.delete(node.0, DEPTH)?;
    // They are gone with the CNode that held them.
    holder.retype(ObjectType::Untyped, 15, ROOT_CNODE, 0, 0, slot, 1)?;
    ROOT_CNODE.revoke(holder.0, DEPTH)?;

    // Objects with slots of their own.
    let node = env.cnode(4)?;
    holder.retype(ObjectType::Tcb, 0, node, 0, 0, 0, 2)?;
    holder.retype(ObjectType::CapTable, 3, node, 0, 0, 2, 2)?;
    ROOT_CNODE.delete(node.0, DEPTH)?;
    ROOT_CNODE.revoke(holder.0, DEPTH)?;
    holder.retype(ObjectType::Untyped, 15, ROOT_CNODE, 0, 0, slot, 1)?;
    Ok(())
}

fn thread_in_its_own_cspace(env: &mut Env) -> Outcome {
    let holder = env.untyped(13)?;
    let slots = env.slots.take_range(2);
    for _ in 0..2 {
        holder.retype(ObjectType::Tcb, 0, ROOT_CNODE, 0, 0, slots, 1)?;
        holder.retype(ObjectType::CapTable, 4, ROOT_CNODE, 0, 0, slots + 1, 1)?;
        let (tcb, node) = (kernel_user::invoke::Tcb(slots), CNode(slots + 1));
        tcb.configure(0, (node, CnodeData::new(0, 60).0), VSPACE, (0, Frame(0)))?;
        node.copy((1, 4), ROOT_CNODE, (node.0, DEPTH), CapRights::ALL)?;
        node.move_cap((2, 4), ROOT_CNODE, (tcb.0, DEPTH))?;
        ROOT_CNODE.delete(node.0, DEPTH)?;
        // Thread and CNode hold each other.
        check_err!(holder.retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, slots, 2), NotEnoughMemory);
        ROOT_CNODE.revoke(holder.0, DEPTH)?;
    }
    holder.retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, slots, 2)?;
    Ok(())
}

fn deletes_its_own_cspace(env: &mut Env) -> Outcome {
    // A thread revokes the memory that it is made of, stack and all.
    let holder = env.untyped(17)?;
    let config = Config::new(ABOVE);
    let mut resources = Resources { untyped: holder, slots: &mut env.slots, vspace: &mut env.vspace };
    let thread = Thread::new(&mut resources, &config)?;
    // It runs until it is gone, and then this thread goes on.
    thread.start(move || {
        let _ = ROOT_CNODE.revoke(holder.0, DEPTH);
        0
    })?;
    check!(!present(thread.tcb.0) && !present(thread.buffer_frame.0));
    let slot = env.slots.take();
    holder.retype(ObjectType::Untyped, 17, ROOT_CNODE, 0, 0, slot, 1)?;
    Ok(())
}

fn revoked_in_between(env: &mut Env) -> Outcome {
    // What was there a moment ago is not there any more, whoever asks.
    let holder = env.untyped(13)?;
    let frame = Frame(env.slots.take());
    holder.retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, frame.0, 1)?;
    env.map(frame, bits::PAGE)?;
    let copy = Frame(env.copy(frame.0, CapRights::ALL)?);
    ROOT_CNODE.revoke(holder.0, DEPTH)?;
    check_err!(frame.address(), InvalidCapability, 0);
    check_err!(copy.address(), InvalidCapability, 0);
    check_err!(frame.unmap(), InvalidCapability, 0);
    check_err!(env.copy(frame.0, CapRights::ALL), FailedLookup, 1);
    let tcb = env.tcb()?;
    ROOT_CNODE.delete(tcb.0, DEPTH)?;
    check_err!(tcb.resume(), InvalidCapability, 0);
    Ok(())
}

fn large_untyped_is_cleared_in_pieces(env: &mut Env) -> Outcome {
    let holder = env.untyped(23)?;
    let frames = env.slots.take_range(4);
    for _ in 0..2 {
        holder.retype(ObjectType::MegaPage, 0, ROOT_CNODE, 0, 0, frames, 4)?;
        let mark = env.vspace.mark();
        for frame in frames..frames + 4 {
            let address = env.map(Frame(frame), bits::MEGA_PAGE)?;
            for page in 0..512 {
                let word = (address + (page << bits::PAGE) + 8 * page) as *mut u64;
                // SAFETY: 2 MiB have just been mapped there.
                unsafe {
                    check_eq!(word.read_volatile(), 0);
                    word.write_volatile(!0);
                }
            }
        }
        ROOT_CNODE.revoke(holder.0, DEPTH)?;
        env.vspace.reset(mark);
    }
    Ok(())
}
