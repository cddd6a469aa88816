//! CNodes and the operations on their slots.

use kernel_user::abi::{CapRights, CnodeData, InitialCap, Invocation, LookupFailure, ObjectType, bits};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{CNode, Notification, Untyped, invoke, invoke_label};
use kernel_user::syscall;

use crate::env::{Env, words};
use crate::harness::Outcome;
use crate::{check, check_eq, check_err, tests};

tests!("cnode":
    copy_each_kind,
    kinds_that_are_not_copied,
    copy_into_occupied,
    copy_from_nothing,
    lookup_depth_out_of_range,
    lookup_guard_mismatch,
    lookup_depth_mismatch,
    lookup_invalid_root,
    lookup_through_levels,
    lookup_matches_guards,
    copy_reduces_rights,
    rights_do_not_come_back,
    mint_badge,
    mint_guard,
    mint_ignores_data_of_other_kinds,
    move_keeps_the_capability,
    move_errors,
    mutate_guard,
    mutate_errors,
    rotate_three_slots,
    rotate_swaps,
    rotate_sets_guards,
    rotate_errors,
    delete,
    revoke_of_nothing,
    revoke_keeps_the_capability,
    cancel_badged_sends_rights,
    save_caller_without_caller,
    truncated,
    truncated_without_capabilities,
    illegal_label,
    invocation_of_nothing,
    source_of_another_cnode,
    address_bits_beyond_depth_do_not_count,
);

const GUARD: u64 = LookupFailure::GuardMismatch as u64;
const DEPTH_MISMATCH: u64 = LookupFailure::DepthMismatch as u64;
const MISSING: u64 = LookupFailure::MissingCapability as u64;
const INVALID_ROOT: u64 = LookupFailure::InvalidRoot as u64;

fn present(slot: u64) -> bool {
    syscall::debug_cap_identify(slot) != 0
}

fn copy_each_kind(env: &mut Env) -> Outcome {
    let kinds = [
        env.untyped(12)?.0,
        env.tcb()?.0,
        env.endpoint()?.0,
        env.notification()?.0,
        env.cnode(3)?.0,
        env.frame()?.0,
        env.make(ObjectType::MegaPage, 0)?,
        InitialCap::Tcb as u64,
        InitialCap::Cnode as u64,
        InitialCap::Vspace as u64,
        InitialCap::AsidControl as u64,
        InitialCap::AsidPool as u64,
        InitialCap::Domain as u64,
    ];
    for kind in kinds {
        let copy = env.copy(kind, CapRights::ALL)?;
        check_eq!(syscall::debug_cap_identify(copy), syscall::debug_cap_identify(kind));
        ROOT_CNODE.delete(copy, DEPTH)?;
        check!(!present(copy));
        check!(present(kind));
    }
    Ok(())
}

fn kinds_that_are_not_copied(env: &mut Env) -> Outcome {
    // A page table that is not mapped may become the root of an address space or a part of one, once.
    let table = env.page_table()?;
    check_err!(env.copy(table.0, CapRights::ALL), IllegalOperation);
    check_err!(env.copy(InitialCap::IrqControl as u64, CapRights::ALL), IllegalOperation);
    // But moved.
    let to = env.slots.take();
    ROOT_CNODE.move_cap((to, DEPTH), ROOT_CNODE, (table.0, DEPTH))?;
    check!(present(to) && !present(table.0));
    Ok(())
}

fn copy_into_occupied(env: &mut Env) -> Outcome {
    let (a, b) = (env.endpoint()?, env.notification()?);
    for occupied in [a.0, b.0] {
        check_err!(ROOT_CNODE.copy((occupied, DEPTH), ROOT_CNODE, (a.0, DEPTH), CapRights::ALL), DeleteFirst);
        check_err!(
            ROOT_CNODE.mint((occupied, DEPTH), ROOT_CNODE, (a.0, DEPTH), CapRights::ALL, 1),
            DeleteFirst
        );
        check_err!(ROOT_CNODE.move_cap((occupied, DEPTH), ROOT_CNODE, (a.0, DEPTH)), DeleteFirst);
        check_err!(ROOT_CNODE.mutate((occupied, DEPTH), ROOT_CNODE, (a.0, DEPTH), 0), DeleteFirst);
    }
    check!(present(a.0) && present(b.0));
    Ok(())
}

fn copy_from_nothing(env: &mut Env) -> Outcome {
    let (to, from) = (env.slots.take(), env.slots.take());
    check_err!(env.copy(from, CapRights::ALL), FailedLookup, 1, MISSING, DEPTH);
    check_err!(env.mint(from, CapRights::ALL, 3), FailedLookup, 1, MISSING, DEPTH);
    check_err!(ROOT_CNODE.move_cap((to, DEPTH), ROOT_CNODE, (from, DEPTH)), FailedLookup, 1, MISSING, DEPTH);
    check_err!(ROOT_CNODE.mutate((to, DEPTH), ROOT_CNODE, (from, DEPTH), 0), FailedLookup, 1, MISSING, DEPTH);
    Ok(())
}

fn lookup_depth_out_of_range(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let to = env.slots.take();
    for depth in [0, 65, 255] {
        let good = (endpoint.0, DEPTH);
        check_err!(ROOT_CNODE.copy((to, depth), ROOT_CNODE, good, CapRights::ALL), RangeError, 1, 64);
        let bad = (endpoint.0, depth);
        check_err!(ROOT_CNODE.copy((to, DEPTH), ROOT_CNODE, bad, CapRights::ALL), RangeError, 1, 64);
        check_err!(ROOT_CNODE.delete(endpoint.0, depth), RangeError, 1, 64);
        check_err!(ROOT_CNODE.revoke(endpoint.0, depth), RangeError, 1, 64);
        check_err!(ROOT_CNODE.save_caller(to, depth), RangeError, 1, 64);
        check_err!(ROOT_CNODE.cancel_badged_sends(endpoint.0, depth), RangeError, 1, 64);
    }
    Ok(())
}

fn lookup_guard_mismatch(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let node = env.cnode(4)?;
    let guarded = CNode(env.mint(node.0, CapRights::ALL, CnodeData::new(0b101, 3).0)?);
    let copy = |index, depth| guarded.copy((index, depth), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL);
    // Details: bits left, the guard, its bits.
    check_err!(copy(0b100_0001, 7), FailedLookup, 0, GUARD, 7, 0b101, 3);
    check_err!(copy(0b001, 2), FailedLookup, 0, GUARD, 2, 0b101, 3);
    copy(0b101_0001, 7)?;
    check_err!(guarded.delete(0b111_0001, 7), FailedLookup, 0, GUARD, 7, 0b101, 3);
    // The source is told apart from the destination.
    let to = (env.slots.take(), DEPTH);
    check_err!(
        ROOT_CNODE.copy(to, guarded, (0b000_0001, 7), CapRights::ALL),
        FailedLookup,
        1,
        GUARD,
        7,
        0b101,
        3
    );
    ROOT_CNODE.copy(to, guarded, (0b101_0001, 7), CapRights::ALL)?;
    Ok(())
}

fn lookup_depth_mismatch(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let node = env.cnode(4)?;
    let copy = |index, depth| node.copy((index, depth), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL);
    // Details: bits left, and the bits that the CNode resolves.
    for depth in 1..4 {
        check_err!(copy(0, depth), FailedLookup, 0, DEPTH_MISMATCH, depth, 4);
    }
    // Beyond the leaf: what is left, and nothing that resolves it.
    check_err!(copy(0, 5), FailedLookup, 0, DEPTH_MISMATCH, 1, 0);
    check_err!(copy(0, 64), FailedLookup, 0, DEPTH_MISMATCH, 60, 0);
    copy(0, 4)?;
    check_err!(node.delete(0, 10), FailedLookup, 0, DEPTH_MISMATCH, 6, 0);
    let to = (env.slots.take(), DEPTH);
    check_err!(ROOT_CNODE.copy(to, node, (0, 3), CapRights::ALL), FailedLookup, 1, DEPTH_MISMATCH, 3, 4);
    check_err!(ROOT_CNODE.copy(to, node, (0, 9), CapRights::ALL), FailedLookup, 1, DEPTH_MISMATCH, 5, 0);
    Ok(())
}

fn lookup_invalid_root(env: &mut Env) -> Outcome {
    let to = (env.slots.take(), DEPTH);
    for root in [env.endpoint()?.0, env.tcb()?.0, env.frame()?.0, env.untyped(12)?.0, env.slots.take()] {
        check_err!(
            ROOT_CNODE.copy(to, CNode(root), (1, DEPTH), CapRights::ALL),
            FailedLookup,
            1,
            INVALID_ROOT
        );
    }
    Ok(())
}

fn lookup_through_levels(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let (outer, inner) = (env.cnode(4)?, env.cnode(8)?);
    outer.copy((3, 4), ROOT_CNODE, (inner.0, DEPTH), CapRights::ALL)?;
    outer.copy((0x3_25, 12), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL)?;
    // The same slot, from the inner CNode.
    check_err!(inner.copy((0x25, 8), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL), DeleteFirst);
    // Depth says whether the inner CNode's capability is meant or what is inside.
    check_err!(outer.copy((3, 4), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL), DeleteFirst);
    check_err!(outer.delete(0x3_2, 8), FailedLookup, 0, DEPTH_MISMATCH, 4, 8);
    check_err!(outer.delete(0x3_250, 16), FailedLookup, 0, DEPTH_MISMATCH, 4, 0);
    outer.delete(3, 4)?;
    check_err!(outer.delete(0x3_25, 12), FailedLookup, 0, DEPTH_MISMATCH, 8, 0);
    inner.delete(0x25, 8)?;
    Ok(())
}

fn lookup_matches_guards(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let (outer, inner) = (env.cnode(4)?, env.cnode(4)?);
    let guard = CnodeData::new(0x5a, 8).0;
    outer.mint((7, 4), ROOT_CNODE, (inner.0, DEPTH), CapRights::ALL, guard)?;
    let copy = |index| outer.copy((index, 16), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL);
    check_err!(copy(0x7_5b_3), FailedLookup, 0, GUARD, 12, 0x5a, 8);
    copy(0x7_5a_3)?;
    inner.delete(3, 4)?;
    copy(0x7_5a_3)?;
    Ok(())
}

fn copy_reduces_rights(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let notification = env.notification()?;
    for rights in [CapRights::READ, CapRights::NONE, CapRights::GRANT, CapRights::GRANT_REPLY] {
        // Without write, both refuse to send.
        let copy = env.copy(endpoint.0, rights)?;
        check_err!(invoke_label(copy, 0, &[], &[]), InvalidCapability, 0);
        let copy = env.copy(notification.0, rights)?;
        check_err!(invoke_label(copy, 0, &[], &[]), InvalidCapability, 0);
    }
    let write = env.copy(notification.0, CapRights::WRITE)?;
    let badged = env.mint(write, CapRights::ALL, 4)?;
    syscall::signal(badged);
    check_eq!(syscall::nb_recv(notification.0).badge, 4);
    Ok(())
}

fn rights_do_not_come_back(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let read = env.copy(endpoint.0, CapRights::READ)?;
    for again in [env.copy(read, CapRights::ALL)?, env.mint(read, CapRights::ALL, 1)?] {
        check_err!(invoke_label(again, 0, &[], &[]), InvalidCapability, 0);
    }
    Ok(())
}

fn mint_badge(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    for badge in [1, 2, 1 << 31, 1 << 63, u64::MAX] {
        let badged = env.mint(notification.0, CapRights::ALL, badge)?;
        syscall::signal(badged);
        check_eq!(syscall::nb_recv(notification.0).badge, badge);
        // It is there once and for all.
        check_err!(env.mint(badged, CapRights::ALL, 5), IllegalOperation);
        let copy = env.copy(badged, CapRights::ALL)?;
        syscall::signal(copy);
        check_eq!(syscall::nb_recv(notification.0).badge, badge);
    }
    let endpoint = env.endpoint()?;
    let badged = env.mint(endpoint.0, CapRights::ALL, 5)?;
    check_err!(env.mint(badged, CapRights::ALL, 6), IllegalOperation);
    check_err!(env.mint(badged, CapRights::ALL, 0), IllegalOperation);
    let plain = env.mint(endpoint.0, CapRights::ALL, 0)?;
    env.mint(plain, CapRights::ALL, 7)?;
    Ok(())
}

fn mint_guard(env: &mut Env) -> Outcome {
    let node = env.cnode(4)?;
    let endpoint = env.endpoint()?;
    for (guard, size) in [(0, 60), (0x123_4567_89ab, 58), (1, 1)] {
        let guarded = CNode(env.mint(node.0, CapRights::ALL, CnodeData::new(guard, size).0)?);
        let index = guard << 4 | 9;
        guarded.copy((index, size + 4), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL)?;
        node.delete(9, 4)?;
    }
    // Guard and slots must fit an address.
    for size in [61, 62, 63] {
        check_err!(env.mint(node.0, CapRights::ALL, CnodeData::new(0, size).0), IllegalOperation);
    }
    Ok(())
}

fn mint_ignores_data_of_other_kinds(env: &mut Env) -> Outcome {
    for kind in [env.tcb()?.0, env.frame()?.0, InitialCap::Vspace as u64, InitialCap::Domain as u64] {
        let minted = env.mint(kind, CapRights::ALL, 0x77)?;
        check_eq!(syscall::debug_cap_identify(minted), syscall::debug_cap_identify(kind));
    }
    Ok(())
}

fn move_keeps_the_capability(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let badged = env.mint(notification.0, CapRights::WRITE, 8)?;
    let node = env.cnode(4)?;
    node.move_cap((2, 4), ROOT_CNODE, (badged, DEPTH))?;
    check!(!present(badged));
    let back = env.slots.take();
    ROOT_CNODE.move_cap((back, DEPTH), node, (2, 4))?;
    syscall::signal(back);
    check_eq!(syscall::nb_recv(notification.0).badge, 8);
    // Derived as before.
    ROOT_CNODE.revoke(notification.0, DEPTH)?;
    check!(!present(back) && present(notification.0));
    Ok(())
}

fn move_errors(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let node = env.cnode(4)?;
    check_err!(node.move_cap((0, 3), ROOT_CNODE, (endpoint.0, DEPTH)), FailedLookup, 0, DEPTH_MISMATCH, 3, 4);
    check_err!(node.move_cap((0, 4), CNode(endpoint.0), (0, 4)), FailedLookup, 1, INVALID_ROOT);
    // Onto itself: the destination is not empty.
    check_err!(ROOT_CNODE.move_cap((endpoint.0, DEPTH), ROOT_CNODE, (endpoint.0, DEPTH)), DeleteFirst);
    check!(present(endpoint.0));
    Ok(())
}

fn mutate_guard(env: &mut Env) -> Outcome {
    let node = env.cnode(4)?;
    let endpoint = env.endpoint()?;
    let to = env.slots.take();
    ROOT_CNODE.mutate((to, DEPTH), ROOT_CNODE, (node.0, DEPTH), CnodeData::new(3, 2).0)?;
    check!(!present(node.0));
    CNode(to).copy((0b11_0101, 6), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL)?;
    // And back.
    ROOT_CNODE.mutate((node.0, DEPTH), ROOT_CNODE, (to, DEPTH), 0)?;
    node.delete(0b0101, 4)?;
    Ok(())
}

fn mutate_errors(env: &mut Env) -> Outcome {
    let to = (env.slots.take(), DEPTH);
    // Mutate does not give badges, whatever the badge.
    let endpoint = env.endpoint()?;
    for badge in [0, 1] {
        check_err!(ROOT_CNODE.mutate(to, ROOT_CNODE, (endpoint.0, DEPTH), badge), IllegalOperation);
    }
    let notification = env.notification()?;
    check_err!(ROOT_CNODE.mutate(to, ROOT_CNODE, (notification.0, DEPTH), 1), IllegalOperation);
    let node = env.cnode(4)?;
    let guard = CnodeData::new(0, 63).0;
    check_err!(ROOT_CNODE.mutate(to, ROOT_CNODE, (node.0, DEPTH), guard), IllegalOperation);
    check!(present(endpoint.0) && present(notification.0) && present(node.0));
    // Of other kinds it is a move.
    let tcb = env.tcb()?;
    ROOT_CNODE.mutate(to, ROOT_CNODE, (tcb.0, DEPTH), 1)?;
    check!(present(to.0) && !present(tcb.0));
    Ok(())
}

type Place = (CNode, (u64, u64), u64);

fn rotate_three_slots(env: &mut Env) -> Outcome {
    let (source, pivot) = (env.tcb()?.0, env.frame()?.0);
    let to = env.slots.take();
    let kinds = (syscall::debug_cap_identify(source), syscall::debug_cap_identify(pivot));
    ROOT_CNODE.rotate((to, DEPTH), (ROOT_CNODE, (pivot, DEPTH), 0), (ROOT_CNODE, (source, DEPTH), 0))?;
    check_eq!(syscall::debug_cap_identify(to), kinds.1);
    check_eq!(syscall::debug_cap_identify(pivot), kinds.0);
    check!(!present(source));
    Ok(())
}

fn rotate_swaps(env: &mut Env) -> Outcome {
    let (source, pivot) = (env.tcb()?.0, env.frame()?.0);
    let kinds = (syscall::debug_cap_identify(source), syscall::debug_cap_identify(pivot));
    for _ in 0..3 {
        // Destination and source are the same.
        let pivot = (ROOT_CNODE, (pivot, DEPTH), 0);
        ROOT_CNODE.rotate((source, DEPTH), pivot, (ROOT_CNODE, (source, DEPTH), 0))?;
    }
    check_eq!(syscall::debug_cap_identify(source), kinds.1);
    check_eq!(syscall::debug_cap_identify(pivot), kinds.0);
    Ok(())
}

fn rotate_sets_guards(env: &mut Env) -> Outcome {
    let (source, pivot) = (env.cnode(4)?, env.cnode(5)?);
    let endpoint = env.endpoint()?;
    let to = env.slots.take();
    let pivot_place: Place = (ROOT_CNODE, (pivot.0, DEPTH), CnodeData::new(1, 3).0);
    let source_place: Place = (ROOT_CNODE, (source.0, DEPTH), CnodeData::new(2, 2).0);
    ROOT_CNODE.rotate((to, DEPTH), pivot_place, source_place)?;
    let from = (endpoint.0, DEPTH);
    CNode(to).copy((0b001_11111, 8), ROOT_CNODE, from, CapRights::ALL)?;
    CNode(pivot.0).copy((0b10_1111, 6), ROOT_CNODE, from, CapRights::ALL)?;
    Ok(())
}

fn rotate_errors(env: &mut Env) -> Outcome {
    let (source, pivot, empty, other) =
        (env.tcb()?.0, env.frame()?.0, env.slots.take(), env.notification()?.0);
    let at = |slot| (ROOT_CNODE, (slot, DEPTH), 0);
    let to = (env.slots.take(), DEPTH);
    check_err!(ROOT_CNODE.rotate(to, at(source), at(source)), IllegalOperation);
    check_err!(ROOT_CNODE.rotate((pivot, DEPTH), at(pivot), at(source)), IllegalOperation);
    check_err!(ROOT_CNODE.rotate((other, DEPTH), at(pivot), at(source)), DeleteFirst);
    check_err!(ROOT_CNODE.rotate(to, at(pivot), at(empty)), FailedLookup, 1, MISSING, DEPTH);
    check_err!(ROOT_CNODE.rotate(to, at(empty), at(source)), FailedLookup, 0, MISSING, DEPTH);
    // A badge for a notification, as source and as pivot.
    let badge = (ROOT_CNODE, (other, DEPTH), 1);
    check_err!(ROOT_CNODE.rotate(to, badge, at(source)), IllegalOperation);
    check_err!(ROOT_CNODE.rotate(to, at(pivot), badge), IllegalOperation);
    let shallow = (ROOT_CNODE, (pivot, 0), 0);
    check_err!(ROOT_CNODE.rotate(to, shallow, at(source)), RangeError, 1, 64);
    check_err!(ROOT_CNODE.rotate(to, at(pivot), (ROOT_CNODE, (source, 65), 0)), RangeError, 1, 64);
    let no_root = (CNode(other), (pivot, DEPTH), 0);
    check_err!(ROOT_CNODE.rotate(to, at(pivot), no_root), FailedLookup, 1, INVALID_ROOT);
    // The upstream kernel looks the pivot up as if it were a source.
    check_err!(ROOT_CNODE.rotate(to, no_root, at(source)), FailedLookup, 1, INVALID_ROOT);
    check!(present(source) && present(pivot) && present(other) && !present(to.0));
    Ok(())
}

fn delete(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let copy = env.copy(endpoint.0, CapRights::ALL)?;
    ROOT_CNODE.delete(endpoint.0, DEPTH)?;
    check!(!present(endpoint.0) && present(copy));
    // Nothing to delete is fine.
    ROOT_CNODE.delete(endpoint.0, DEPTH)?;
    ROOT_CNODE.delete(copy, DEPTH)?;
    Ok(())
}

fn revoke_of_nothing(env: &mut Env) -> Outcome {
    let slot = env.slots.take();
    ROOT_CNODE.revoke(slot, DEPTH)?;
    // A capability with nothing derived from it.
    let endpoint = env.endpoint()?;
    ROOT_CNODE.revoke(endpoint.0, DEPTH)?;
    check!(present(endpoint.0));
    Ok(())
}

fn revoke_keeps_the_capability(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let badged = env.mint(notification.0, CapRights::ALL, 1)?;
    let of_badged = env.copy(badged, CapRights::ALL)?;
    let sibling = env.mint(notification.0, CapRights::ALL, 2)?;
    // A badged capability is the parent of its copies.
    ROOT_CNODE.revoke(badged, DEPTH)?;
    check!(present(notification.0) && present(badged) && !present(of_badged) && present(sibling));
    ROOT_CNODE.revoke(notification.0, DEPTH)?;
    check!(present(notification.0) && !present(badged) && !present(sibling));
    Ok(())
}

fn cancel_badged_sends_rights(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let all = CapRights::ALL;
    let badged = env.mint(endpoint.0, all, 1)?;
    ROOT_CNODE.cancel_badged_sends(badged, DEPTH)?;
    ROOT_CNODE.cancel_badged_sends(endpoint.0, DEPTH)?;
    for missing in [CapRights::READ, CapRights::WRITE, CapRights::GRANT] {
        let weak = env.mint(endpoint.0, CapRights(all.0 & !missing.0), 1)?;
        check_err!(ROOT_CNODE.cancel_badged_sends(weak, DEPTH), IllegalOperation);
    }
    let empty = env.slots.take();
    for other in [env.notification()?.0, env.tcb()?.0, empty] {
        check_err!(ROOT_CNODE.cancel_badged_sends(other, DEPTH), IllegalOperation);
    }
    Ok(())
}

fn save_caller_without_caller(env: &mut Env) -> Outcome {
    let slot = env.slots.take();
    // The kernel takes that for done, with nothing in the slot.
    ROOT_CNODE.save_caller(slot, DEPTH)?;
    check!(!present(slot));
    let endpoint = env.endpoint()?;
    check_err!(ROOT_CNODE.save_caller(endpoint.0, DEPTH), DeleteFirst);
    Ok(())
}

const CNODE_OPERATIONS: [(Invocation, usize, usize); 9] = [
    (Invocation::CnodeRevoke, 0, 2),
    (Invocation::CnodeDelete, 0, 2),
    (Invocation::CnodeCancelBadgedSends, 0, 2),
    (Invocation::CnodeCopy, 1, 5),
    (Invocation::CnodeMint, 1, 6),
    (Invocation::CnodeMove, 1, 4),
    (Invocation::CnodeMutate, 1, 5),
    (Invocation::CnodeRotate, 2, 8),
    (Invocation::CnodeSaveCaller, 0, 2),
];

fn truncated(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let to = env.slots.take();
    for (invocation, caps, length) in CNODE_OPERATIONS {
        let mut words = [0; 8];
        words[..4].copy_from_slice(&[to, DEPTH, endpoint.0, DEPTH]);
        for length in 0..length {
            check_err!(
                invoke(ROOT_CNODE.0, invocation, &[ROOT_CNODE.0; 2][..caps], &words[..length]),
                TruncatedMessage
            );
        }
    }
    check!(!present(to));
    Ok(())
}

fn truncated_without_capabilities(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let to = env.slots.take();
    for (invocation, caps, _) in CNODE_OPERATIONS {
        let words = [to, DEPTH, endpoint.0, DEPTH, 15, 0, 0, 0];
        for caps in 0..caps {
            check_err!(
                invoke(ROOT_CNODE.0, invocation, &[ROOT_CNODE.0; 2][..caps], &words),
                TruncatedMessage
            );
        }
    }
    check!(!present(to));
    Ok(())
}

fn illegal_label(env: &mut Env) -> Outcome {
    let node = env.cnode(4)?;
    for invocation in [Invocation::UntypedRetype, Invocation::TcbResume, Invocation::IrqAck] {
        check_err!(invoke(node.0, invocation, &[], &[0, 4]), IllegalOperation);
    }
    for label in [0, 100, u64::MAX >> 12] {
        check_err!(invoke_label(node.0, label, &[], &[0, 4]), IllegalOperation);
    }
    Ok(())
}

fn invocation_of_nothing(env: &mut Env) -> Outcome {
    let empty = env.slots.take();
    check_err!(invoke_label(empty, 0, &[], &[]), InvalidCapability, 0);
    check_err!(invoke_label(0, 0, &[], &[]), InvalidCapability, 0);
    check_err!(Untyped(empty).retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, 0, 1), InvalidCapability, 0);
    // Without an answer there is no error.
    syscall::send(empty, words(0, 0), [0; 4]);
    syscall::nb_send(empty, words(0, 0), [0; 4]);
    Ok(())
}

fn source_of_another_cnode(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let (from, to) = (env.cnode(3)?, env.cnode(6)?);
    from.mint((7, 3), ROOT_CNODE, (notification.0, DEPTH), CapRights::WRITE, 0x99)?;
    to.copy((63, 6), from, (7, 3), CapRights::ALL)?;
    from.delete(7, 3)?;
    let slot = env.slots.take();
    ROOT_CNODE.move_cap((slot, DEPTH), to, (63, 6))?;
    syscall::signal(slot);
    check_eq!(syscall::nb_recv(Notification(notification.0).0).badge, 0x99);
    Ok(())
}

fn address_bits_beyond_depth_do_not_count(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let node = env.cnode(4)?;
    node.copy((u64::MAX << 4 | 2, 4), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL)?;
    check_err!(node.copy((2, 4), ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL), DeleteFirst);
    // The invocation's depth is a byte, and what is beyond it is beyond the range.
    check_err!(node.delete(2, 4 + 256), RangeError, 1, 64);
    node.delete(2, 4)?;
    check_eq!(bits::SLOT, 5);
    Ok(())
}
