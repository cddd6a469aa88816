//! Untyped memory.

use kernel_abi::{BootInfo, ObjectType};

use crate::bootinfo;
use crate::cspace::{DEPTH, ROOT_CNODE, Slots};
use crate::invoke::{InvokeError, Result, Untyped};

/// Makes objects of the root task's memory, each from the smallest untyped capability that still has room.
///
/// The kernel allocates upwards within an untyped capability and never back; this keeps the books of that.
#[derive(Debug)]
pub struct Memory {
    pools: [Pool; kernel_abi::MAX_BOOTINFO_UNTYPEDS],
    count: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pool {
    cptr: u64,
    size: u64,
    used: u64,
}

impl Pool {
    fn after(&self, size: u64) -> Option<u64> {
        let end = self.used.next_multiple_of(size) + size;
        (end <= self.size).then_some(end)
    }
}

impl Memory {
    /// All memory that is not a device's.
    #[must_use]
    pub fn new(info: &BootInfo) -> Self {
        let mut memory = Self { pools: [Pool::default(); _], count: 0 };
        for (cptr, _) in bootinfo::untypeds(info).filter(|(_, desc)| desc.is_device == 0) {
            let desc = &info.untyped_list[(cptr - info.untyped.start) as usize];
            memory.pools[memory.count] = Pool { cptr, size: 1 << desc.size_bits, used: 0 };
            memory.count += 1;
        }
        memory
    }

    /// Makes an object with its capability in `slot` of the root task's CNode; `user_bits` as for
    /// [`ObjectType::size_bits`]. Not enough memory is the kernel's error.
    pub fn make_at(&mut self, object: ObjectType, user_bits: u64, slot: u64) -> Result<()> {
        let size = 1 << object.size_bits(user_bits);
        let fitting = self.pools[..self.count].iter_mut().filter(|pool| pool.after(size).is_some());
        let Some(pool) = fitting.min_by_key(|pool| pool.size) else {
            return Err(InvokeError { error: kernel_abi::Error::NotEnoughMemory, words: [0; 5] });
        };
        Untyped(pool.cptr).retype(object, user_bits, ROOT_CNODE, 0, 0, slot, 1)?;
        // It fitted above.
        pool.used = pool.after(size).unwrap_or(pool.size);
        Ok(())
    }

    /// Makes an object in a slot of its own, whose address it gives.
    pub fn make(&mut self, slots: &mut Slots, object: ObjectType, user_bits: u64) -> Result<u64> {
        let slot = slots.take();
        self.make_at(object, user_bits, slot).map(|()| slot)
    }
}

/// Finds the device memory with physical address `paddr`, and makes a frame of 4 KiB of it. Everything below it in the
/// same untyped capability is given up: the kernel allocates upwards.
pub fn device_frame(info: &BootInfo, slots: &mut Slots, paddr: u64) -> Result<u64> {
    device_frames(info, slots, paddr, 1)
}

/// The same with `count` frames in a row: the first of their slots, which are in a row, too.
pub fn device_frames(info: &BootInfo, slots: &mut Slots, paddr: u64, count: u64) -> Result<u64> {
    let found = bootinfo::untypeds(info).find(|(_, desc)| {
        desc.is_device != 0 && paddr >= desc.paddr && (paddr - desc.paddr) >> desc.size_bits == 0
    });
    let Some((cptr, desc)) = found else {
        return Err(InvokeError { error: kernel_abi::Error::InvalidArgument, words: [0; 5] });
    };
    let mut at = desc.paddr;
    // The largest pieces that fit below, then the page.
    while at < paddr {
        let size_bits = u64::from(at.trailing_zeros()).min(u64::from((paddr - at).ilog2()));
        let filler = slots.take();
        Untyped(cptr).retype(ObjectType::Untyped, size_bits, ROOT_CNODE, 0, 0, filler, 1)?;
        at += 1 << size_bits;
    }
    let first = slots.take_range(count);
    Untyped(cptr).retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, first, count)?;
    Ok(first)
}

/// Takes everything back that was made of the untyped memory at `cptr`.
pub fn revoke(cptr: u64) -> Result<()> {
    ROOT_CNODE.revoke(cptr, DEPTH)
}
