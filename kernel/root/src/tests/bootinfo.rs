//! What the kernel tells the root task, against what is there.

use kernel_user::abi::{Error, InitialCap, bits};
use kernel_user::bootinfo;
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{Frame, InvokeError};
use kernel_user::syscall;

use crate::env::Env;
use crate::harness::Outcome;
use crate::{check, check_eq, platform, tests};

tests!("bootinfo":
    initial_capabilities,
    empty_slots,
    size_of_the_cnode,
    untyped_is_aligned_and_apart,
    image_frames,
    ipc_buffer,
    harts_and_domain,
    device_tree,
);

fn initial_capabilities(env: &mut Env) -> Outcome {
    use InitialCap::*;
    check_eq!(syscall::debug_cap_identify(Null as u64), 0);
    let expected = [Tcb, Cnode, Vspace, IrqControl, AsidControl, AsidPool, BootInfoFrame, IpcBuffer, Domain];
    for cap in expected {
        check!(syscall::debug_cap_identify(cap as u64) != 0);
    }
    // The slots between are those of other architectures.
    for slot in [7, 8, 12, 13, 14, 15] {
        check_eq!(syscall::debug_cap_identify(slot), 0);
    }
    let info = env.info;
    for region in [info.user_image_frames, info.user_image_paging, info.extra_bi_pages, info.untyped] {
        check!(region.start <= region.end);
        for slot in region.start..region.end {
            check!(syscall::debug_cap_identify(slot) != 0);
        }
    }
    check_eq!(info.shared_frames.end - info.shared_frames.start, 0);
    check_eq!(info.io_space_caps.end - info.io_space_caps.start, 0);
    check_eq!(info.num_io_pt_levels, 0);
    Ok(())
}

fn empty_slots(env: &mut Env) -> Outcome {
    let (next, end) = (env.slots.mark(), env.info.empty.end);
    check_eq!(end, 1 << env.info.init_thread_cnode_size_bits);
    for slot in next..end {
        check_eq!(syscall::debug_cap_identify(slot), 0);
    }
    Ok(())
}

fn size_of_the_cnode(env: &mut Env) -> Outcome {
    // Its guard takes what bits the slots leave, so that an address beyond the last slot is a mismatch.
    let slots = 1u64 << env.info.init_thread_cnode_size_bits;
    ROOT_CNODE.delete(slots - 1, DEPTH)?;
    let guard_bits = 64 - env.info.init_thread_cnode_size_bits;
    let words = [0, kernel_user::abi::LookupFailure::GuardMismatch as u64, 64, 0, guard_bits];
    check_eq!(ROOT_CNODE.delete(slots, DEPTH), Err(InvokeError { error: Error::FailedLookup, words }));
    Ok(())
}

fn untyped_is_aligned_and_apart(env: &mut Env) -> Outcome {
    let list = bootinfo::untypeds(env.info);
    for (slot, desc) in list.clone() {
        check!((bits::MIN_UNTYPED..=bits::MAX_UNTYPED).contains(&u64::from(desc.size_bits)));
        check!(desc.paddr.is_multiple_of(1 << desc.size_bits));
        check_eq!(desc.padding, [0; 6]);
        let end = desc.paddr + (1 << desc.size_bits);
        for (other_slot, other) in list.clone().filter(|(other, _)| *other > slot) {
            let other_end = other.paddr + (1 << other.size_bits);
            if end > other.paddr && other_end > desc.paddr {
                return Err(crate::harness::Failure::new(format_args!(
                    "untyped {slot} and {other_slot} overlap: {desc:x?}, {other:x?}"
                )));
            }
        }
    }
    check!(list.clone().any(|(_, desc)| desc.is_device == 0));
    Ok(())
}

fn image_frames(env: &mut Env) -> Outcome {
    let image = bootinfo::image();
    let pages = (image.end - image.start) >> bits::PAGE;
    let frames = env.info.user_image_frames;
    check!(frames.end - frames.start >= pages);
    let base = Frame(frames.start).address()?;
    for page in 0..pages {
        let paddr = Frame(frames.start + page).address()?;
        check_eq!(paddr, base + (page << bits::PAGE));
        // The image is no memory to make objects of.
        for (_, desc) in bootinfo::untypeds(env.info) {
            check!(paddr < desc.paddr || (paddr - desc.paddr) >> desc.size_bits != 0);
        }
    }
    Ok(())
}

fn ipc_buffer(env: &mut Env) -> Outcome {
    let buffer = env.info.ipc_buffer as u64;
    check_eq!(kernel_user::ipc::buffer() as u64, buffer);
    check!(buffer.is_multiple_of(1 << bits::IPC_BUFFER));
    check!(buffer >= bootinfo::image().end);
    check!(Frame(InitialCap::IpcBuffer as u64).address()? != 0);
    Ok(())
}

fn harts_and_domain(env: &mut Env) -> Outcome {
    check!(env.info.num_nodes >= 1);
    check!(env.info.num_nodes == 1 || bootinfo::smp());
    check_eq!(env.info.node_id, 0);
    check_eq!(env.info.init_thread_domain, 0);
    Ok(())
}

fn device_tree(env: &mut Env) -> Outcome {
    // If there is one, it is one.
    let tree = platform::device_tree(env.info);
    if let Some(magic) = tree.first_chunk() {
        check_eq!(u32::from_be_bytes(*magic), 0xd00d_feed);
    }
    Ok(())
}
