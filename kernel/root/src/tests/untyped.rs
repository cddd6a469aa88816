//! Untyped memory.

use kernel_user::abi::{CapRights, Invocation, LookupFailure, ObjectType, bits};
use kernel_user::bootinfo;
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{CNode, Frame, Untyped, invoke, invoke_label};
use kernel_user::syscall;

use crate::env::Env;
use crate::harness::Outcome;
use crate::{check, check_eq, check_err, tests};

tests!("untyped":
    retype_each_type,
    object_type_out_of_range,
    object_size_out_of_range,
    truncated,
    illegal_label,
    destination_root,
    destination_depth,
    destination_window,
    fan_out_limit,
    destination_occupied,
    exhaustion,
    alignment_of_objects,
    many_objects,
    memory_returns_after_revoke,
    memory_returns_after_delete_of_all,
    memory_is_cleared,
    copies_only_without_children,
    child_untyped_allocates_for_itself,
    device_memory,
);

const TYPES: [(ObjectType, u64); 8] = [
    (ObjectType::Untyped, 12),
    (ObjectType::Tcb, 0),
    (ObjectType::Endpoint, 0),
    (ObjectType::Notification, 0),
    (ObjectType::CapTable, 4),
    (ObjectType::Page, 0),
    (ObjectType::MegaPage, 0),
    (ObjectType::PageTable, 0),
];

fn into_root(
    untyped: Untyped,
    object: ObjectType,
    user_bits: u64,
    slot: u64,
) -> kernel_user::invoke::Result<()> {
    untyped.retype(object, user_bits, ROOT_CNODE, 0, 0, slot, 1)
}

fn retype_each_type(env: &mut Env) -> Outcome {
    for (object, user_bits) in TYPES {
        let slot = env.make(object, user_bits)?;
        check!(syscall::debug_cap_identify(slot) != 0);
        ROOT_CNODE.delete(slot, DEPTH)?;
        check_eq!(syscall::debug_cap_identify(slot), 0);
    }
    Ok(())
}

fn object_type_out_of_range(env: &mut Env) -> Outcome {
    let slot = env.slots.take();
    for object in [10, 11, 255, u64::MAX] {
        let words = [object, 12, 0, 0, slot, 1];
        check_err!(
            invoke(env.untyped.0, Invocation::UntypedRetype, &[ROOT_CNODE.0], &words),
            InvalidArgument,
            0
        );
    }
    Ok(())
}

fn object_size_out_of_range(env: &mut Env) -> Outcome {
    let slot = env.slots.take();
    let max = bits::MAX_UNTYPED;
    for user_bits in [max + 1, 63, 64, 65, u64::MAX] {
        check_err!(into_root(env.untyped, ObjectType::Untyped, user_bits, slot), RangeError, 0, max);
        check_err!(into_root(env.untyped, ObjectType::CapTable, user_bits, slot), RangeError, 0, max);
    }
    // The size counts even where the type does not use it.
    check_err!(into_root(env.untyped, ObjectType::Endpoint, 64, slot), RangeError, 0, max);
    check_err!(into_root(env.untyped, ObjectType::CapTable, max - bits::SLOT + 1, slot), RangeError, 0, max);
    check_err!(into_root(env.untyped, ObjectType::CapTable, 0, slot), InvalidArgument, 1);
    check_err!(into_root(env.untyped, ObjectType::Untyped, bits::MIN_UNTYPED - 1, slot), InvalidArgument, 1);
    into_root(env.untyped, ObjectType::Untyped, bits::MIN_UNTYPED, slot)?;
    let slot = env.slots.take();
    into_root(env.untyped, ObjectType::CapTable, 1, slot)?;
    Ok(())
}

fn truncated(env: &mut Env) -> Outcome {
    let words = [ObjectType::Endpoint as u64, 0, 0, 0, env.slots.take(), 1];
    for length in 0..6 {
        check_err!(
            invoke(env.untyped.0, Invocation::UntypedRetype, &[ROOT_CNODE.0], &words[..length]),
            TruncatedMessage
        );
    }
    check_err!(invoke(env.untyped.0, Invocation::UntypedRetype, &[], &words), TruncatedMessage);
    Ok(())
}

fn illegal_label(env: &mut Env) -> Outcome {
    for invocation in [Invocation::TcbSuspend, Invocation::CnodeDelete, Invocation::PageMap] {
        check_err!(invoke(env.untyped.0, invocation, &[], &[0; 6]), IllegalOperation);
    }
    check_err!(invoke_label(env.untyped.0, 0, &[], &[]), IllegalOperation);
    check_err!(invoke_label(env.untyped.0, 1 << 40, &[], &[]), IllegalOperation);
    Ok(())
}

fn destination_root(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let slot = env.slots.take();
    // Depth 0: the root itself is the destination, and must be a CNode. What was missing is said with the depth.
    check_err!(
        env.untyped.retype(ObjectType::Endpoint, 0, CNode(endpoint.0), 0, 0, slot, 1),
        FailedLookup,
        0,
        LookupFailure::MissingCapability as u64,
        0
    );
    // Otherwise it is where the lookup of the destination begins.
    check_err!(
        env.untyped.retype(ObjectType::Endpoint, 0, CNode(endpoint.0), 0, DEPTH, slot, 1),
        FailedLookup,
        0,
        LookupFailure::InvalidRoot as u64
    );
    check_err!(
        env.untyped.retype(ObjectType::Endpoint, 0, ROOT_CNODE, endpoint.0, DEPTH, 0, 1),
        FailedLookup,
        0,
        LookupFailure::MissingCapability as u64,
        DEPTH
    );
    Ok(())
}

fn destination_depth(env: &mut Env) -> Outcome {
    let node = env.cnode(4)?;
    for depth in [65, 100, u64::MAX] {
        check_err!(
            env.untyped.retype(ObjectType::Endpoint, 0, ROOT_CNODE, node.0, depth, 0, 1),
            RangeError,
            1,
            64
        );
    }
    // Too shallow for the guard of the root CNode.
    check_err!(
        env.untyped.retype(ObjectType::Endpoint, 0, ROOT_CNODE, node.0, 3, 0, 1),
        FailedLookup,
        0,
        LookupFailure::GuardMismatch as u64
    );
    env.untyped.retype(ObjectType::Endpoint, 0, ROOT_CNODE, node.0, DEPTH, 5, 2)?;
    // Found in the node, whose slots are addressed with 4 bits.
    let to = env.slots.take();
    ROOT_CNODE.move_cap((to, DEPTH), node, (6, 4))?;
    check!(syscall::debug_cap_identify(to) != 0);
    Ok(())
}

fn destination_window(env: &mut Env) -> Outcome {
    let node = env.cnode(4)?;
    let retype = |offset, count| env.untyped.retype(ObjectType::Endpoint, 0, node, 0, 0, offset, count);
    check_err!(retype(16, 1), RangeError, 0, 15);
    check_err!(retype(u64::MAX, 1), RangeError, 0, 15);
    check_err!(retype(0, 0), RangeError, 1, 256);
    check_err!(retype(0, 17), RangeError, 1, 16);
    check_err!(retype(10, 7), RangeError, 1, 6);
    retype(10, 6)?;
    retype(0, 10)?;
    Ok(())
}

fn fan_out_limit(env: &mut Env) -> Outcome {
    let node = env.cnode(9)?;
    let retype = |count| env.untyped.retype(ObjectType::Endpoint, 0, node, 0, 0, 0, count);
    check_err!(retype(257), RangeError, 1, 256);
    check_err!(retype(u64::MAX), RangeError, 1, 256);
    retype(256)?;
    Ok(())
}

fn destination_occupied(env: &mut Env) -> Outcome {
    let node = env.cnode(4)?;
    let retype = |offset, count| env.untyped.retype(ObjectType::Endpoint, 0, node, 0, 0, offset, count);
    retype(3, 1)?;
    check_err!(retype(3, 1), DeleteFirst);
    check_err!(retype(0, 4), DeleteFirst);
    check_err!(retype(0, 16), DeleteFirst);
    // Nothing of what failed is there.
    retype(0, 3)?;
    retype(4, 12)?;
    Ok(())
}

fn exhaustion(env: &mut Env) -> Outcome {
    let small = env.untyped(12)?;
    let node = env.cnode(9)?;
    check_err!(small.retype(ObjectType::Untyped, 13, node, 0, 0, 0, 1), NotEnoughMemory, 4096);
    check_err!(small.retype(ObjectType::Tcb, 0, node, 0, 0, 0, 3), NotEnoughMemory, 4096);
    small.retype(ObjectType::Tcb, 0, node, 0, 0, 0, 1)?;
    check_err!(small.retype(ObjectType::Page, 0, node, 0, 0, 1, 1), NotEnoughMemory, 2048);
    check_err!(small.retype(ObjectType::Tcb, 0, node, 0, 0, 1, 2), NotEnoughMemory, 2048);
    small.retype(ObjectType::Endpoint, 0, node, 0, 0, 1, 128)?;
    check_err!(small.retype(ObjectType::Endpoint, 0, node, 0, 0, 200, 1), NotEnoughMemory, 0);
    Ok(())
}

fn alignment_of_objects(env: &mut Env) -> Outcome {
    // An endpoint moves what follows to the next multiple of its size.
    let untyped = env.untyped(15)?;
    let node = env.cnode(4)?;
    untyped.retype(ObjectType::Endpoint, 0, node, 0, 0, 0, 1)?;
    let frames = env.slots.take_range(7);
    untyped.retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, frames, 7)?;
    let first = Frame(frames).address()?;
    for frame in 0..7 {
        check_eq!(Frame(frames + frame).address()?, first + (frame << bits::PAGE));
    }
    check_eq!(first & 0x7fff, 0x1000);
    check_err!(untyped.retype(ObjectType::Endpoint, 0, node, 0, 0, 1, 1), NotEnoughMemory, 0);
    Ok(())
}

fn many_objects(env: &mut Env) -> Outcome {
    let first = env.make_many(ObjectType::Notification, 0, 256)?;
    for slot in first..first + 256 {
        syscall::signal(slot);
    }
    for slot in first..first + 256 {
        // An unbadged signal is a signal of nothing.
        check_eq!(syscall::nb_recv(slot).badge, 0);
        check!(syscall::debug_cap_identify(slot) != 0);
    }
    Ok(())
}

fn memory_returns_after_revoke(env: &mut Env) -> Outcome {
    let untyped = env.untyped(16)?;
    let frames = env.slots.take_range(16);
    for _ in 0..3 {
        untyped.retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, frames, 16)?;
        let first = Frame(frames).address()?;
        check_err!(
            untyped.retype(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, env.slots.mark(), 1),
            NotEnoughMemory,
            0
        );
        ROOT_CNODE.revoke(untyped.0, DEPTH)?;
        for slot in frames..frames + 16 {
            check_eq!(syscall::debug_cap_identify(slot), 0);
        }
        untyped.retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, frames, 1)?;
        check_eq!(Frame(frames).address()?, first);
        ROOT_CNODE.revoke(untyped.0, DEPTH)?;
    }
    Ok(())
}

fn memory_returns_after_delete_of_all(env: &mut Env) -> Outcome {
    let untyped = env.untyped(13)?;
    let slots = env.slots.take_range(2);
    untyped.retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, slots, 2)?;
    ROOT_CNODE.delete(slots, DEPTH)?;
    // Some is left, so nothing has returned.
    check_err!(into_root(untyped, ObjectType::Page, 0, slots), NotEnoughMemory, 0);
    ROOT_CNODE.delete(slots + 1, DEPTH)?;
    into_root(untyped, ObjectType::Untyped, 13, slots)?;
    Ok(())
}

fn memory_is_cleared(env: &mut Env) -> Outcome {
    let untyped = env.untyped(13)?;
    let slot = env.slots.take();
    for _ in 0..2 {
        into_root(untyped, ObjectType::Page, 0, slot)?;
        let mark = env.vspace.mark();
        let address = env.map(Frame(slot), bits::PAGE)?;
        let words = address as *mut u64;
        for n in 0..512 {
            // SAFETY: the page has just been mapped there.
            unsafe {
                check_eq!(words.add(n).read_volatile(), 0);
                words.add(n).write_volatile(u64::MAX);
            }
        }
        ROOT_CNODE.revoke(untyped.0, DEPTH)?;
        env.vspace.reset(mark);
    }
    Ok(())
}

fn copies_only_without_children(env: &mut Env) -> Outcome {
    let untyped = env.untyped(13)?;
    let copy = Untyped(env.copy(untyped.0, CapRights::ALL)?);
    let slot = env.slots.take();
    // The copy counts as a child of what it was copied from: only the copy has its memory to give.
    check_err!(into_root(untyped, ObjectType::Page, 0, slot), NotEnoughMemory);
    into_root(copy, ObjectType::Page, 0, slot)?;
    check_err!(env.copy(copy.0, CapRights::ALL), RevokeFirst);
    ROOT_CNODE.revoke(untyped.0, DEPTH)?;
    check_eq!(syscall::debug_cap_identify(copy.0), 0);
    check_eq!(syscall::debug_cap_identify(slot), 0);
    Ok(())
}

fn child_untyped_allocates_for_itself(env: &mut Env) -> Outcome {
    let parent = env.untyped(14)?;
    let children = env.slots.take_range(4);
    parent.retype(ObjectType::Untyped, 12, ROOT_CNODE, 0, 0, children, 4)?;
    let frames = env.slots.take_range(4);
    for n in 0..4 {
        into_root(Untyped(children + n), ObjectType::Page, 0, frames + n)?;
    }
    ROOT_CNODE.revoke(children + 1, DEPTH)?;
    check_eq!(syscall::debug_cap_identify(frames + 1), 0);
    check!(syscall::debug_cap_identify(children + 1) != 0);
    check!(syscall::debug_cap_identify(frames) != 0);
    ROOT_CNODE.revoke(parent.0, DEPTH)?;
    for slot in (children..children + 4).chain(frames..frames + 4) {
        check_eq!(syscall::debug_cap_identify(slot), 0);
    }
    Ok(())
}

fn device_memory(env: &mut Env) -> Outcome {
    let found = bootinfo::untypeds(env.info).find(|(_, desc)| desc.is_device != 0 && desc.size_bits >= 21);
    let Some((device, _)) = found else { return Ok(()) };
    let device = Untyped(device);
    let slot = env.slots.take();
    for (object, user_bits) in TYPES {
        if matches!(object, ObjectType::Untyped | ObjectType::Page | ObjectType::MegaPage) {
            into_root(device, object, user_bits, slot)?;
            ROOT_CNODE.delete(slot, DEPTH)?;
        } else {
            // The manual has no word for it; the kernel blames the size.
            check_err!(into_root(device, object, user_bits, slot), InvalidArgument, 1);
        }
    }
    // A piece of it is a device's as well.
    into_root(device, ObjectType::Untyped, 12, slot)?;
    let inner = env.slots.take();
    check_err!(into_root(Untyped(slot), ObjectType::Endpoint, 0, inner), InvalidArgument, 1);
    ROOT_CNODE.delete(slot, DEPTH)?;
    Ok(())
}
