//! ASID pools.

use kernel_user::abi::{CapRights, InitialCap, Invocation, LookupFailure, ObjectType, VmAttributes, bits};
use kernel_user::bootinfo;
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{AsidControl, AsidPool, CNode, Frame, PageTable, Untyped, invoke, invoke_label};
use kernel_user::syscall;

use crate::env::{Env, VSPACE};
use crate::harness::Outcome;
use crate::{check, check_eq, check_err, tests};

tests!("asid":
    make_pool_and_use_it,
    make_pool_errors,
    make_pool_of_device_memory,
    all_pools,
    assign_errors,
    assign_twice,
    pool_is_full,
    deleted_pool,
    illegal_labels,
);

const CONTROL: AsidControl = AsidControl(InitialCap::AsidControl as u64);
const INITIAL: AsidPool = AsidPool(InitialCap::AsidPool as u64);
const POOLS: u64 = 1 << bits::ASID_POOLS;

fn pool(env: &mut Env) -> kernel_user::invoke::Result<AsidPool> {
    let untyped = env.untyped(bits::ASID_POOL)?;
    let slot = env.slots.take();
    CONTROL.make_pool(untyped, ROOT_CNODE, slot, DEPTH)?;
    Ok(AsidPool(slot))
}

fn make_pool_and_use_it(env: &mut Env) -> Outcome {
    let pool = pool(env)?;
    let (vspace, frame) = (env.page_table()?, env.frame()?);
    pool.assign(vspace)?;
    for _ in 0..2 {
        env.page_table()?.map(vspace, 0x1000, VmAttributes(0))?;
    }
    frame.map(vspace, 0x1000, CapRights::ALL, VmAttributes(0))?;
    Ok(())
}

fn make_pool_errors(env: &mut Env) -> Outcome {
    let slot = env.slots.take();
    let wrong_size = [env.untyped(11)?.0, env.untyped(13)?.0];
    for wrong in
        [env.endpoint()?.0, env.frame()?.0, ROOT_CNODE.0, env.slots.take()].into_iter().chain(wrong_size)
    {
        check_err!(CONTROL.make_pool(Untyped(wrong), ROOT_CNODE, slot, DEPTH), InvalidCapability, 1);
    }
    let untyped = env.untyped(12)?;
    let occupied = env.endpoint()?;
    check_err!(CONTROL.make_pool(untyped, ROOT_CNODE, occupied.0, DEPTH), DeleteFirst);
    for depth in [0, 65, 255] {
        check_err!(CONTROL.make_pool(untyped, ROOT_CNODE, slot, depth), RangeError, 1, 64);
    }
    check_err!(
        CONTROL.make_pool(untyped, CNode(occupied.0), slot, DEPTH),
        FailedLookup,
        0,
        LookupFailure::InvalidRoot as u64
    );
    check_err!(
        CONTROL.make_pool(untyped, ROOT_CNODE, slot, 5),
        FailedLookup,
        0,
        LookupFailure::GuardMismatch as u64
    );
    for length in 0..2 {
        let caps = [untyped.0, ROOT_CNODE.0];
        let words = [slot, DEPTH];
        check_err!(
            invoke(CONTROL.0, Invocation::AsidControlMakePool, &caps, &words[..length]),
            TruncatedMessage
        );
        check_err!(
            invoke(CONTROL.0, Invocation::AsidControlMakePool, &caps[..length], &words),
            TruncatedMessage
        );
    }
    let child = env.slots.take();
    untyped.retype(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, child, 1)?;
    check_err!(CONTROL.make_pool(untyped, ROOT_CNODE, slot, DEPTH), RevokeFirst);
    ROOT_CNODE.delete(child, DEPTH)?;
    CONTROL.make_pool(untyped, ROOT_CNODE, slot, DEPTH)?;
    // The memory is used up.
    let second = env.slots.take();
    check_err!(CONTROL.make_pool(untyped, ROOT_CNODE, second, DEPTH), RevokeFirst);
    check_err!(untyped.retype(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, second, 1), NotEnoughMemory, 0);
    Ok(())
}

fn make_pool_of_device_memory(env: &mut Env) -> Outcome {
    let found = bootinfo::untypeds(env.info).find(|(_, desc)| desc.is_device != 0 && desc.size_bits >= 12);
    let Some((device, _)) = found else { return Ok(()) };
    let (piece, slot) = (env.slots.take(), env.slots.take());
    Untyped(device).retype(ObjectType::Untyped, 12, ROOT_CNODE, 0, 0, piece, 1)?;
    check_err!(CONTROL.make_pool(Untyped(piece), ROOT_CNODE, slot, DEPTH), InvalidCapability, 1);
    ROOT_CNODE.delete(piece, DEPTH)?;
    Ok(())
}

fn all_pools(env: &mut Env) -> Outcome {
    for round in 0..2 {
        let mut made = 0;
        let error = loop {
            match pool(env) {
                Ok(_) => made += 1,
                Err(error) => break error,
            }
        };
        check_eq!(error.error, crate::harness::Error::DeleteFirst);
        // All but the one that was there.
        check_eq!(made, POOLS - 1);
        if round == 0 {
            ROOT_CNODE.revoke(env.untyped.0, DEPTH)?;
        }
    }
    Ok(())
}

fn assign_errors(env: &mut Env) -> Outcome {
    for wrong in [env.endpoint()?.0, env.frame()?.0, ROOT_CNODE.0, env.slots.take()] {
        check_err!(INITIAL.assign(PageTable(wrong)), InvalidCapability, 1);
    }
    check_err!(invoke(INITIAL.0, Invocation::AsidPoolAssign, &[], &[]), TruncatedMessage);
    // Part of an address space already.
    let (vspace, table) = (env.address_space()?, env.page_table()?);
    table.map(vspace, 0, VmAttributes(0))?;
    check_err!(INITIAL.assign(table), InvalidCapability, 1);
    Ok(())
}

fn assign_twice(env: &mut Env) -> Outcome {
    let pool = pool(env)?;
    let vspace = env.address_space()?;
    check_err!(INITIAL.assign(vspace), InvalidCapability, 1);
    check_err!(pool.assign(vspace), InvalidCapability, 1);
    check_err!(pool.assign(VSPACE), InvalidCapability, 1);
    Ok(())
}

fn pool_is_full(env: &mut Env) -> Outcome {
    let pool = pool(env)?;
    let spaces = 1 << bits::ASID_POOL_INDEX;
    let mut last = 0;
    for _ in 0..2 {
        let tables = env.make_many(ObjectType::PageTable, 0, spaces / 2)?;
        for table in tables..tables + spaces / 2 {
            pool.assign(PageTable(table))?;
            last = table;
        }
    }
    let one_more = env.page_table()?;
    check_err!(pool.assign(one_more), DeleteFirst);
    // Deleting an address space gives its ASID back.
    ROOT_CNODE.delete(last, DEPTH)?;
    pool.assign(one_more)?;
    Ok(())
}

fn deleted_pool(env: &mut Env) -> Outcome {
    let pool = pool(env)?;
    let (vspace, frame, table) = (env.page_table()?, env.frame()?, env.page_table()?);
    pool.assign(vspace)?;
    for _ in 0..2 {
        env.page_table()?.map(vspace, 0x1000, VmAttributes(0))?;
    }
    frame.map(vspace, 0x1000, CapRights::ALL, VmAttributes(0))?;
    let copy = AsidPool(env.copy(pool.0, CapRights::ALL)?);
    ROOT_CNODE.delete(pool.0, DEPTH)?;
    // The copy keeps it.
    frame.map(vspace, 0x1000, CapRights::READ, VmAttributes(0))?;
    ROOT_CNODE.delete(copy.0, DEPTH)?;
    // Its address spaces are no more.
    check_err!(frame.map(vspace, 0x1000, CapRights::READ, VmAttributes(0)), FailedLookup, 0);
    check_err!(table.map(vspace, 0x4000_0000, VmAttributes(0)), FailedLookup, 0);
    frame.unmap()?;
    env.map(Frame(frame.0), bits::PAGE)?;
    check!(syscall::debug_cap_identify(vspace.0) != 0);
    Ok(())
}

fn illegal_labels(_: &mut Env) -> Outcome {
    for invocation in [Invocation::AsidPoolAssign, Invocation::PageMap, Invocation::UntypedRetype] {
        check_err!(invoke(CONTROL.0, invocation, &[VSPACE.0], &[0; 6]), IllegalOperation);
    }
    for invocation in [Invocation::AsidControlMakePool, Invocation::PageMap, Invocation::TcbSuspend] {
        check_err!(invoke(INITIAL.0, invocation, &[VSPACE.0], &[0; 6]), IllegalOperation);
    }
    check_err!(invoke_label(CONTROL.0, 0, &[], &[]), IllegalOperation);
    check_err!(invoke_label(INITIAL.0, 0, &[], &[]), IllegalOperation);
    Ok(())
}
