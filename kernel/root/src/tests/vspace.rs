//! Address spaces: frames and page tables.

use kernel_user::abi::{
    CapRights, FaultLabel, Invocation, LookupFailure, ObjectType, USER_TOP, VmAttributes, bits, vm_cause,
};
use kernel_user::bootinfo;
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{Frame, PageTable, Untyped, invoke, invoke_label};
use kernel_user::syscall;
use kernel_user::thread::Config;

use crate::env::{BELOW, Env, VSPACE};
use crate::harness::{Failure, Outcome};
use crate::{check, check_eq, check_err, tests};

tests!("vspace":
    map_write_unmap,
    contents_move_with_the_frame,
    missing_tables,
    tables_level_by_level,
    mega_page,
    mega_page_over_tables,
    page_under_mega_page,
    giga_page,
    alignment,
    addresses_beyond_the_user,
    occupied_address,
    map_again_with_other_rights,
    map_at_a_second_address,
    map_into_a_second_address_space,
    copies_share_memory,
    read_only,
    rights_of_the_capability_count,
    no_rights,
    write_only,
    execute,
    execute_never,
    unmapped_page_faults,
    deleted_frame_faults,
    replaced_frame_is_seen,
    wrong_address_space,
    page_truncated,
    page_illegal_label,
    unmap_of_what_is_not_mapped,
    get_address,
    table_errors,
    table_is_mapped_once,
    table_unmap_takes_pages_out,
    table_delete_takes_pages_out,
    table_unmap_with_copies,
    root_is_not_unmapped,
    table_unmapped_is_not_a_root,
    deleted_address_space,
    every_page_of_a_table,
    device_frame_is_no_ipc_buffer,
);

const MISSING: u64 = LookupFailure::MissingCapability as u64;
const ANY: VmAttributes = VmAttributes(0);

fn write(address: u64, value: u64) {
    // SAFETY: callers pass addresses that tests have mapped.
    unsafe { (address as *mut u64).write_volatile(value) }
}

fn read(address: u64) -> u64 {
    // SAFETY: as in `write`.
    unsafe { (address as *const u64).read_volatile() }
}

/// What an access comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Done(u64),
    /// Address, whether it was a fetch, and the exception's cause.
    Fault(u64, bool, u64),
}

const LOAD_FAULT: u64 = vm_cause::LOAD;
const STORE_FAULT: u64 = vm_cause::STORE;
const FETCH_FAULT: u64 = vm_cause::FETCH;

/// Runs `access` in a thread whose faults come here.
fn attempt(env: &mut Env, access: impl FnOnce() -> u64 + Send + 'static) -> Result<Access, Failure> {
    let faults = env.endpoint()?;
    let badged = env.mint(faults.0, CapRights::ALL, 1)?;
    let config = Config { fault_endpoint: badged, ..Config::new(BELOW) };
    let thread = env.spawn_with(&config, move || {
        let result = access();
        syscall::send(badged, crate::env::words(0, 1), [result, 0, 0, 0]);
        0
    })?;
    let message = syscall::recv(faults.0);
    let outcome = if message.info.label() == FaultLabel::Vm as u64 {
        Access::Fault(message.regs[1], message.regs[2] != 0, message.regs[3])
    } else if message.info.label() == 0 {
        Access::Done(message.regs[0])
    } else {
        return Err(Failure::new(format_args!("an access ends with {message:x?}")));
    };
    ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    Ok(outcome)
}

fn map_write_unmap(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    for n in 0..512 {
        check_eq!(read(address + 8 * n), 0);
        write(address + 8 * n, n);
    }
    for n in 0..512 {
        check_eq!(read(address + 8 * n), n);
    }
    frame.unmap()?;
    frame.unmap()?;
    Ok(())
}

fn contents_move_with_the_frame(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    write(address, 0x1234);
    frame.unmap()?;
    let other = env.map(frame, bits::PAGE)?;
    check!(other != address);
    check_eq!(read(other), 0x1234);
    Ok(())
}

fn missing_tables(env: &mut Env) -> Outcome {
    let (vspace, frame) = (env.address_space()?, env.frame()?);
    // The detail: how many bits of the address are left where the lookup ends.
    check_err!(frame.map(vspace, 0x1000, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 30);
    let table = env.page_table()?;
    table.map(vspace, 0x1000, ANY)?;
    check_err!(frame.map(vspace, 0x1000, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 21);
    let table = env.page_table()?;
    table.map(vspace, 0x1000, ANY)?;
    frame.map(vspace, 0x1000, CapRights::ALL, ANY)?;
    // The tables are there for what is near.
    let other = env.frame()?;
    other.map(vspace, 0x1f_f000, CapRights::ALL, ANY)?;
    check_err!(env.frame()?.map(vspace, 0x20_0000, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 21);
    check_err!(env.frame()?.map(vspace, 0x4000_0000, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 30);
    Ok(())
}

fn tables_level_by_level(env: &mut Env) -> Outcome {
    let vspace = env.address_space()?;
    for _ in 0..2 {
        env.page_table()?.map(vspace, 0x1234_5678, ANY)?;
    }
    check_err!(env.page_table()?.map(vspace, 0x1234_5678, ANY), DeleteFirst);
    Ok(())
}

fn mega_page(env: &mut Env) -> Outcome {
    let frame = Frame(env.make(ObjectType::MegaPage, 0)?);
    let address = env.map(frame, bits::MEGA_PAGE)?;
    check_eq!(address % (1 << bits::MEGA_PAGE), 0);
    for page in 0..512 {
        write(address + (page << 12), page + 1);
    }
    for page in 0..512 {
        check_eq!(read(address + (page << 12)), page + 1);
    }
    frame.unmap()?;
    check_eq!(attempt(env, move || read(address))?, Access::Fault(address, false, LOAD_FAULT));
    Ok(())
}

fn mega_page_over_tables(env: &mut Env) -> Outcome {
    let (vspace, frame) = (env.address_space()?, Frame(env.make(ObjectType::MegaPage, 0)?));
    for _ in 0..2 {
        env.page_table()?.map(vspace, 0, ANY)?;
    }
    check_err!(frame.map(vspace, 0, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 12);
    frame.map(vspace, 0x20_0000, CapRights::ALL, ANY)?;
    Ok(())
}

fn page_under_mega_page(env: &mut Env) -> Outcome {
    let (vspace, frame) = (env.address_space()?, Frame(env.make(ObjectType::MegaPage, 0)?));
    env.page_table()?.map(vspace, 0, ANY)?;
    frame.map(vspace, 0, CapRights::ALL, ANY)?;
    check_err!(env.frame()?.map(vspace, 0x1000, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 21);
    check_err!(env.page_table()?.map(vspace, 0x1000, ANY), DeleteFirst);
    Ok(())
}

fn giga_page(env: &mut Env) -> Outcome {
    // Of a device's memory, which need not be cleared; nobody touches it.
    let found = bootinfo::untypeds(env.info).find(|(_, desc)| desc.is_device != 0 && desc.size_bits >= 31);
    let Some((device, _)) = found else { return Ok(()) };
    let frames = env.slots.take_range(2);
    Untyped(device).retype(ObjectType::GigaPage, 0, ROOT_CNODE, 0, 0, frames, 2)?;
    let (a, b) = (Frame(frames), Frame(frames + 1));
    check_eq!(b.address()? - a.address()?, 1 << bits::GIGA_PAGE);
    let vspace = env.address_space()?;
    check_err!(a.map(vspace, 1 << 21, CapRights::ALL, ANY), AlignmentError);
    a.map(vspace, 0, CapRights::ALL, ANY)?;
    b.map(vspace, 1 << 30, CapRights::ALL, ANY)?;
    check_err!(env.page_table()?.map(vspace, 1 << 30, ANY), DeleteFirst);
    check_err!(env.frame()?.map(vspace, 0x5000, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 30);
    a.unmap()?;
    env.page_table()?.map(vspace, 0, ANY)?;
    check_err!(a.map(vspace, 0, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 21);
    // The last one begins at the top of the user's addresses.
    let last = USER_TOP & !((1 << 30) - 1);
    check_err!(a.map(vspace, last, CapRights::ALL, ANY), InvalidArgument, 0);
    ROOT_CNODE.delete(a.0, DEPTH)?;
    ROOT_CNODE.delete(b.0, DEPTH)?;
    Ok(())
}

fn alignment(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    for address in [1, 8, 0x800, 0x1fff, 0x10_0000_0800] {
        check_err!(frame.map(VSPACE, address, CapRights::ALL, ANY), AlignmentError);
    }
    let frame = Frame(env.make(ObjectType::MegaPage, 0)?);
    for address in [0x1000, 0x10_0000, 0x20_1000] {
        check_err!(frame.map(VSPACE, address, CapRights::ALL, ANY), AlignmentError);
    }
    Ok(())
}

fn addresses_beyond_the_user(env: &mut Env) -> Outcome {
    let (frame, table) = (env.frame()?, env.page_table()?);
    for address in [USER_TOP, USER_TOP + 0x1000, 1 << 39, 0xffff_ffc0_0000_0000, 0xffff_ffff_8020_0000] {
        check_err!(frame.map(VSPACE, address, CapRights::ALL, ANY), InvalidArgument, 0);
        check_err!(table.map(VSPACE, address, ANY), InvalidArgument, 0);
    }
    let last = USER_TOP - 0x1000;
    check_err!(frame.map(VSPACE, last, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 30);
    env.map_at(frame, last, CapRights::ALL)?;
    write(last + 0xff8, 5);
    check_eq!(read(last + 0xff8), 5);
    Ok(())
}

fn occupied_address(env: &mut Env) -> Outcome {
    let (frame, other) = (env.frame()?, env.frame()?);
    let address = env.map(frame, bits::PAGE)?;
    check_err!(other.map(VSPACE, address, CapRights::ALL, ANY), DeleteFirst);
    // A copy is another mapping.
    let copy = Frame(env.copy(frame.0, CapRights::ALL)?);
    check_err!(copy.map(VSPACE, address, CapRights::ALL, ANY), DeleteFirst);
    // Where the root task's own code is.
    check_err!(other.map(VSPACE, bootinfo::image().start, CapRights::ALL, ANY), DeleteFirst);
    frame.unmap()?;
    other.map(VSPACE, address, CapRights::ALL, ANY)?;
    Ok(())
}

fn map_again_with_other_rights(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    write(address, 6);
    frame.map(VSPACE, address, CapRights::READ, ANY)?;
    check_eq!(attempt(env, move || read(address))?, Access::Done(6));
    check_eq!(
        attempt(env, move || {
            write(address, 7);
            7
        })?,
        Access::Fault(address, false, STORE_FAULT)
    );
    frame.map(VSPACE, address, CapRights::ALL, ANY)?;
    write(address, 8);
    check_eq!(read(address), 8);
    Ok(())
}

fn map_at_a_second_address(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    check_err!(frame.map(VSPACE, address + 0x1000, CapRights::ALL, ANY), InvalidArgument, 0);
    Ok(())
}

fn map_into_a_second_address_space(env: &mut Env) -> Outcome {
    let (frame, vspace) = (env.frame()?, env.address_space()?);
    let address = env.map(frame, bits::PAGE)?;
    for _ in 0..2 {
        env.page_table()?.map(vspace, address, ANY)?;
    }
    check_err!(frame.map(vspace, address, CapRights::ALL, ANY), InvalidCapability, 1);
    let copy = Frame(env.copy(frame.0, CapRights::ALL)?);
    copy.map(vspace, address, CapRights::ALL, ANY)?;
    Ok(())
}

fn copies_share_memory(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let copy = Frame(env.copy(frame.0, CapRights::ALL)?);
    let (a, b) = (env.map(frame, bits::PAGE)?, env.map(copy, bits::PAGE)?);
    check_eq!(frame.address()?, copy.address()?);
    write(a, 3);
    check_eq!(read(b), 3);
    // A copy of what is mapped is not mapped.
    let third = Frame(env.copy(frame.0, CapRights::ALL)?);
    let c = env.map(third, bits::PAGE)?;
    frame.unmap()?;
    write(b + 8, 4);
    check_eq!(read(c + 8), 4);
    check_eq!(attempt(env, move || read(a))?, Access::Fault(a, false, LOAD_FAULT));
    Ok(())
}

fn read_only(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let address = env.vspace.reserve(bits::PAGE);
    env.map_at(frame, address, CapRights::READ)?;
    check_eq!(attempt(env, move || read(address))?, Access::Done(0));
    let outcome = attempt(env, move || {
        write(address + 16, 1);
        0
    })?;
    check_eq!(outcome, Access::Fault(address + 16, false, STORE_FAULT));
    check_eq!(read(address + 16), 0);
    Ok(())
}

fn rights_of_the_capability_count(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let weak = Frame(env.copy(frame.0, CapRights::READ)?);
    let address = env.map(weak, bits::PAGE)?;
    let outcome = attempt(env, move || {
        write(address, 1);
        0
    })?;
    check_eq!(outcome, Access::Fault(address, false, STORE_FAULT));
    // A copy of the copy has no more.
    let again = Frame(env.copy(weak.0, CapRights::ALL)?);
    let address = env.map(again, bits::PAGE)?;
    let outcome = attempt(env, move || {
        write(address, 1);
        0
    })?;
    check_eq!(outcome, Access::Fault(address, false, STORE_FAULT));
    Ok(())
}

fn no_rights(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let address = env.vspace.reserve(bits::PAGE);
    env.map_at(frame, address, CapRights::NONE)?;
    check_eq!(attempt(env, move || read(address))?, Access::Fault(address, false, LOAD_FAULT));
    Ok(())
}

fn write_only(env: &mut Env) -> Outcome {
    // The architecture has no such thing, and the kernel gives nothing instead.
    let frame = env.frame()?;
    let address = env.vspace.reserve(bits::PAGE);
    env.map_at(frame, address, CapRights::WRITE)?;
    check_eq!(attempt(env, move || read(address))?, Access::Fault(address, false, LOAD_FAULT));
    let outcome = attempt(env, move || {
        write(address, 1);
        0
    })?;
    check_eq!(outcome, Access::Fault(address, false, STORE_FAULT));
    Ok(())
}

/// `li a0, 42; ret`.
const FUNCTION: u64 = 0x0000_8067_02a0_0513;

fn call(address: u64) -> u64 {
    // SAFETY: the caller has put a function there that needs nothing and keeps the calling convention.
    let function: extern "C" fn() -> u64 = unsafe { core::mem::transmute(address as *const ()) };
    function()
}

fn fence_i() {
    // SAFETY: orders fetches behind writes, nothing else.
    unsafe { core::arch::asm!("fence.i", options(nostack)) }
}

fn execute(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    write(address, FUNCTION);
    let run = move || {
        fence_i();
        call(address)
    };
    check_eq!(attempt(env, run)?, Access::Done(42));
    // Read-only pages are executed as well.
    frame.map(VSPACE, address, CapRights::READ, ANY)?;
    check_eq!(attempt(env, run)?, Access::Done(42));
    Ok(())
}

fn execute_never(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    write(address, FUNCTION);
    frame.map(VSPACE, address, CapRights::ALL, VmAttributes::EXECUTE_NEVER)?;
    check_eq!(attempt(env, move || call(address))?, Access::Fault(address, true, FETCH_FAULT));
    check_eq!(attempt(env, move || read(address))?, Access::Done(FUNCTION));
    Ok(())
}

fn unmapped_page_faults(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    write(address, 1);
    frame.unmap()?;
    check_eq!(attempt(env, move || read(address + 8))?, Access::Fault(address + 8, false, LOAD_FAULT));
    check_eq!(attempt(env, move || call(address))?, Access::Fault(address, true, FETCH_FAULT));
    // Where there never was anything, and in the kernel's part.
    for address in [0, 0x8, 0x3f_ffff_f000, 0xffff_ffc0_8020_0000] {
        check_eq!(attempt(env, move || read(address))?, Access::Fault(address, false, LOAD_FAULT));
    }
    Ok(())
}

fn deleted_frame_faults(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    let copy = Frame(env.copy(frame.0, CapRights::ALL)?);
    let (a, b) = (env.map(frame, bits::PAGE)?, env.map(copy, bits::PAGE)?);
    write(a, 1);
    ROOT_CNODE.delete(frame.0, DEPTH)?;
    check_eq!(attempt(env, move || read(a))?, Access::Fault(a, false, LOAD_FAULT));
    check_eq!(read(b), 1);
    ROOT_CNODE.delete(copy.0, DEPTH)?;
    check_eq!(attempt(env, move || read(b))?, Access::Fault(b, false, LOAD_FAULT));
    Ok(())
}

fn replaced_frame_is_seen(env: &mut Env) -> Outcome {
    let (first, second) = (env.frame()?, env.frame()?);
    let address = env.map(second, bits::PAGE)?;
    write(address, 2);
    second.unmap()?;
    first.map(VSPACE, address, CapRights::ALL, ANY)?;
    write(address, 1);
    for _ in 0..10 {
        first.unmap()?;
        second.map(VSPACE, address, CapRights::ALL, ANY)?;
        check_eq!(read(address), 2);
        second.unmap()?;
        first.map(VSPACE, address, CapRights::ALL, ANY)?;
        check_eq!(read(address), 1);
    }
    Ok(())
}

fn wrong_address_space(env: &mut Env) -> Outcome {
    let (frame, table) = (env.frame()?, env.page_table()?);
    let unassigned = env.page_table()?;
    // Part of an address space, but not its root.
    let inner = env.page_table()?;
    let vspace = env.address_space()?;
    inner.map(vspace, 0, ANY)?;
    for wrong in [env.endpoint()?.0, frame.0, ROOT_CNODE.0, unassigned.0, inner.0, env.slots.take()] {
        check_err!(frame.map(PageTable(wrong), 0x1000, CapRights::ALL, ANY), InvalidCapability, 1);
        check_err!(table.map(PageTable(wrong), 0x1000, ANY), InvalidCapability, 1);
    }
    Ok(())
}

fn page_truncated(env: &mut Env) -> Outcome {
    let frame = env.frame()?;
    for length in 0..3 {
        check_err!(
            invoke(frame.0, Invocation::PageMap, &[VSPACE.0], &[0x1000, 3, 0][..length]),
            TruncatedMessage
        );
    }
    check_err!(invoke(frame.0, Invocation::PageMap, &[], &[0x1000, 3, 0]), TruncatedMessage);
    let table = env.page_table()?;
    for length in 0..2 {
        check_err!(
            invoke(table.0, Invocation::PageTableMap, &[VSPACE.0], &[0x1000, 0][..length]),
            TruncatedMessage
        );
    }
    check_err!(invoke(table.0, Invocation::PageTableMap, &[], &[0x1000, 0]), TruncatedMessage);
    Ok(())
}

fn page_illegal_label(env: &mut Env) -> Outcome {
    let (frame, table) = (env.frame()?, env.page_table()?);
    for invocation in [Invocation::PageTableMap, Invocation::TcbResume, Invocation::UntypedRetype] {
        check_err!(invoke(frame.0, invocation, &[VSPACE.0], &[0; 6]), IllegalOperation);
    }
    for invocation in [Invocation::PageMap, Invocation::PageUnmap, Invocation::CnodeDelete] {
        check_err!(invoke(table.0, invocation, &[VSPACE.0], &[0; 6]), IllegalOperation);
    }
    check_err!(invoke_label(frame.0, 0, &[], &[]), IllegalOperation);
    check_err!(invoke_label(table.0, 9999, &[], &[]), IllegalOperation);
    Ok(())
}

fn unmap_of_what_is_not_mapped(env: &mut Env) -> Outcome {
    env.frame()?.unmap()?;
    env.page_table()?.unmap()?;
    Frame(env.make(ObjectType::MegaPage, 0)?).unmap()?;
    Ok(())
}

fn get_address(env: &mut Env) -> Outcome {
    let first = env.make_many(ObjectType::Page, 0, 8)?;
    let base = Frame(first).address()?;
    for n in 0..8 {
        check_eq!(Frame(first + n).address()?, base + (n << bits::PAGE));
    }
    check!(Frame(env.make(ObjectType::MegaPage, 0)?).address()?.is_multiple_of(1 << bits::MEGA_PAGE));
    // The image's frames are in order.
    let image = bootinfo::image();
    check_eq!(
        env.image_frame(image.start + 0x1000).address()?,
        env.image_frame(image.start).address()? + 0x1000
    );
    Ok(())
}

fn table_errors(env: &mut Env) -> Outcome {
    let (vspace, table) = (env.address_space()?, env.page_table()?);
    // The address need not be aligned.
    table.map(vspace, 0x12_3456, ANY)?;
    check_err!(table.map(vspace, 0x4000_0000, ANY), InvalidCapability, 0);
    check_err!(vspace.map(VSPACE, 0x4000_0000, ANY), InvalidCapability, 0);
    Ok(())
}

fn table_is_mapped_once(env: &mut Env) -> Outcome {
    let (vspace, table) = (env.address_space()?, env.page_table()?);
    table.map(vspace, 0, ANY)?;
    table.unmap()?;
    table.map(vspace, 0x8000_0000, ANY)?;
    check_err!(env.frame()?.map(vspace, 0, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 30);
    check_err!(env.frame()?.map(vspace, 0x8000_0000, CapRights::ALL, ANY), FailedLookup, 0, MISSING, 21);
    Ok(())
}

/// A page with the table that holds its entry, in the root task's address space.
fn page_with_table(env: &mut Env) -> Result<(Frame, PageTable, u64), Failure> {
    let address = 0x20_0000_0000;
    for _ in 0..2 {
        let table = env.page_table()?;
        table.map(VSPACE, address, ANY)?;
        if let Ok(()) = env.frame()?.map(VSPACE, address, CapRights::ALL, ANY) {
            // Take that one.
            let frame = Frame(env.slots.mark() - 1);
            return Ok((frame, table, address));
        }
    }
    Err(Failure::new(format_args!("two tables are not enough")))
}

fn table_unmap_takes_pages_out(env: &mut Env) -> Outcome {
    let (frame, table, address) = page_with_table(env)?;
    write(address, 77);
    table.unmap()?;
    check_eq!(attempt(env, move || read(address))?, Access::Fault(address, false, LOAD_FAULT));
    // The table comes back empty; the frame can go where it was.
    table.map(VSPACE, address, ANY)?;
    check_eq!(attempt(env, move || read(address))?, Access::Fault(address, false, LOAD_FAULT));
    frame.map(VSPACE, address, CapRights::ALL, ANY)?;
    check_eq!(read(address), 77);
    table.unmap()?;
    frame.unmap()?;
    Ok(())
}

fn table_delete_takes_pages_out(env: &mut Env) -> Outcome {
    let (frame, table, address) = page_with_table(env)?;
    write(address, 78);
    ROOT_CNODE.delete(table.0, DEPTH)?;
    check_eq!(attempt(env, move || read(address))?, Access::Fault(address, false, LOAD_FAULT));
    frame.unmap()?;
    let other = env.map(frame, bits::PAGE)?;
    check_eq!(read(other), 78);
    Ok(())
}

fn table_unmap_with_copies(env: &mut Env) -> Outcome {
    let (vspace, table) = (env.address_space()?, env.page_table()?);
    table.map(vspace, 0, ANY)?;
    let copy = PageTable(env.copy(table.0, CapRights::ALL)?);
    check_err!(table.unmap(), RevokeFirst);
    check_err!(copy.unmap(), RevokeFirst);
    ROOT_CNODE.delete(copy.0, DEPTH)?;
    table.unmap()?;
    Ok(())
}

fn root_is_not_unmapped(env: &mut Env) -> Outcome {
    let vspace = env.address_space()?;
    check_err!(vspace.unmap(), RevokeFirst);
    check_err!(VSPACE.unmap(), RevokeFirst);
    Ok(())
}

fn table_unmapped_is_not_a_root(env: &mut Env) -> Outcome {
    let (table, tcb) = (env.page_table()?, env.tcb()?);
    check_err!(tcb.set_space(0, (ROOT_CNODE, 0), table), IllegalOperation);
    Ok(())
}

fn deleted_address_space(env: &mut Env) -> Outcome {
    let (vspace, frame) = (env.address_space()?, env.frame()?);
    let copy = PageTable(env.copy(vspace.0, CapRights::ALL)?);
    let tables = [env.page_table()?, env.page_table()?];
    for table in tables {
        table.map(vspace, 0x1000, ANY)?;
    }
    frame.map(vspace, 0x1000, CapRights::ALL, ANY)?;
    ROOT_CNODE.delete(vspace.0, DEPTH)?;
    // The copy keeps it.
    frame.map(copy, 0x1000, CapRights::READ, ANY)?;
    ROOT_CNODE.delete(copy.0, DEPTH)?;
    // What was mapped is free again, once it is unmapped.
    frame.unmap()?;
    env.map(frame, bits::PAGE)?;
    let other = env.address_space()?;
    for table in tables {
        table.unmap()?;
        table.map(other, 0x1000, ANY)?;
    }
    Ok(())
}

fn every_page_of_a_table(env: &mut Env) -> Outcome {
    let base = 0x20_0000_0000;
    let mut frames = 0;
    for batch in 0..2 {
        let first = env.make_many(ObjectType::Page, 0, 256)?;
        for n in 0..256 {
            env.map_at(Frame(first + n), base + ((256 * batch + n) << 12), CapRights::ALL)?;
            write(base + ((256 * batch + n) << 12), 256 * batch + n);
            frames += 1;
        }
    }
    for n in 0..frames {
        check_eq!(read(base + (n << 12)), n);
    }
    Ok(())
}

fn device_frame_is_no_ipc_buffer(env: &mut Env) -> Outcome {
    let found = bootinfo::untypeds(env.info).find(|(_, desc)| desc.is_device != 0 && desc.size_bits >= 12);
    let Some((device, _)) = found else { return Ok(()) };
    let frame = Frame(env.slots.take());
    Untyped(device).retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, frame.0, 1)?;
    check_err!(env.tcb()?.set_ipc_buffer(0x1000, frame), IllegalOperation);
    env.map(frame, bits::PAGE)?;
    ROOT_CNODE.delete(frame.0, DEPTH)?;
    Ok(())
}
