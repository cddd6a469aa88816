//! The root task, and what it is given.

use kernel_abi::{
    BOOTINFO_FDT, BootInfo, BootInfoHeader, CapRights, InitialCap, IpcBuffer, MAX_BOOTINFO_UNTYPEDS,
    SlotRegion, UntypedDesc, bits,
};

use crate::cap::{Cap, FrameSize, Kind};
use crate::kernel::{Kernel, Next};
use crate::mem::{PADDR_TOP, Ptr, clear, to_virtual};
use crate::slot::Slot;
use crate::tcb::{State, Tcb, reg};
use crate::vspace::{Pte, map_boot_page};

/// log2 of the slots of the root task's CNode.
pub const ROOT_CNODE_BITS: u64 = 13;
/// The root task's address space.
const ROOT_ASID: u64 = 1;
const PAGE: u64 = 1 << bits::PAGE;
/// Regions of memory or devices, at most.
const MAX_REGIONS: usize = 32;

/// Physical memory from `start` to just before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub start: u64,
    /// Behind the last.
    pub end: u64,
}

impl Region {
    /// All pages that it has a part of.
    #[must_use]
    pub fn whole_pages(self) -> Self {
        let end = self.end.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        Self { start: self.start / PAGE * PAGE, end }
    }
}

/// Disjoint regions in ascending order.
#[derive(Debug, Clone, Copy)]
pub struct Regions {
    list: [Region; MAX_REGIONS],
    count: usize,
}

impl Regions {
    /// One.
    #[must_use]
    pub const fn new(region: Region) -> Self {
        let mut list = [Region { start: 0, end: 0 }; MAX_REGIONS];
        list[0] = region;
        Self { list, count: 1 }
    }

    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self { list: [Region { start: 0, end: 0 }; MAX_REGIONS], count: 0 }
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Region> + '_ {
        self.list.iter().copied().take(self.count)
    }

    /// Without `gone`. What does not fit into the table is lost, at the end.
    #[must_use]
    pub fn without(&self, gone: Region) -> Self {
        let mut left = Self::none();
        for region in self.iter() {
            left.push(Region { start: region.start, end: region.end.min(gone.start) });
            left.push(Region { start: region.start.max(gone.end), end: region.end });
        }
        left
    }

    /// And `region`, which lies behind all others.
    pub fn push(&mut self, region: Region) {
        if region.start < region.end && self.count < MAX_REGIONS {
            self.list[self.count] = region;
            self.count += 1;
        }
    }
}

/// The root task's image.
#[derive(Debug, Clone, Copy)]
pub struct UserImage {
    /// Where it lies, in whole pages.
    pub memory: Region,
    /// Where it is to be: its virtual address.
    pub vaddr: u64,
    /// Where it begins to run.
    pub entry: u64,
}

/// What there is.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// Memory that nothing lies in; the root task's image does not count.
    pub memory: Regions,
    /// What users may be given as devices.
    pub devices: Regions,
    /// The device tree.
    pub fdt: &'a [u8],
    /// Harts.
    pub harts: usize,
    /// Greatest number of an interrupt.
    pub greatest_irq: u64,
}

/// The root task cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootError {
    /// There is no memory for it.
    NoMemory,
    /// Its image is not in whole pages, or not where users may have something.
    BadImage,
    /// More frames than slots.
    NoSlots,
}

/// Work on the way.
struct Boot<'a> {
    kernel: &'a Kernel,
    memory: Regions,
    cnode: Ptr<Slot>,
    next: u64,
    root: u64,
}

impl Boot<'_> {
    /// Clear memory of 2^`size_bits` bytes, from the highest address on.
    fn allocate(&mut self, size_bits: u64) -> Result<u64, BootError> {
        let size = 1 << size_bits;
        let place =
            |region: Region| (region.end & !(size - 1)).checked_sub(size).filter(|&p| p >= region.start);
        let paddr = self.memory.iter().rev().find_map(place).ok_or(BootError::NoMemory)?;
        self.memory = self.memory.without(Region { start: paddr, end: paddr + size });
        clear(paddr, size as usize);
        Ok(paddr)
    }

    fn put(&self, slot: u64, cap: Cap) {
        self.cnode.nth(slot as usize).plant(cap);
    }

    /// Into the next free slot.
    fn give(&mut self, cap: Cap) -> Result<(), BootError> {
        if self.next >= 1 << ROOT_CNODE_BITS {
            return Err(BootError::NoSlots);
        }
        self.put(self.next, cap);
        self.next += 1;
        Ok(())
    }

    /// Maps `paddr` at `vaddr`, for which there are page tables: the capability for the frame.
    fn map(&self, paddr: u64, vaddr: u64) -> Cap {
        map_boot_page(self.root, vaddr, Pte::user(paddr, CapRights(3), true));
        Cap::frame(paddr, FrameSize::Page, CapRights(3), false).mapped(ROOT_ASID, vaddr)
    }

    /// Page tables for `start` to just before `end`.
    fn make_tables(&mut self, start: u64, end: u64) -> Result<(), BootError> {
        for level_bits in [bits::GIGA_PAGE, bits::MEGA_PAGE] {
            let mut vaddr = start >> level_bits << level_bits;
            while vaddr < end {
                let table = self.allocate(bits::PAGE_TABLE)?;
                map_boot_page(self.root, vaddr, Pte::table(table));
                self.give(Cap::page_table(table).mapped(ROOT_ASID, vaddr))?;
                vaddr += 1 << level_bits;
            }
        }
        Ok(())
    }

    /// Untyped memory for all of `regions`, in the largest pieces that are aligned.
    fn give_untyped(
        &mut self,
        regions: &Regions,
        device: bool,
        list: &mut [UntypedDesc; MAX_BOOTINFO_UNTYPEDS],
        count: &mut usize,
    ) {
        for region in regions.iter() {
            let mut at = region.start.next_multiple_of(1 << bits::MIN_UNTYPED);
            while at < region.end && *count < list.len() {
                let fits = (region.end - at).checked_ilog2().unwrap_or(0);
                let aligned = if at == 0 { 63 } else { at.trailing_zeros() };
                let size_bits = u64::from(fits.min(aligned)).min(bits::MAX_UNTYPED);
                if size_bits < bits::MIN_UNTYPED {
                    break;
                }
                // All of it is in use, so that it is cleared when it is used.
                let free = if device { 0 } else { 1 << size_bits };
                if self.give(Cap::untyped(at, size_bits, device, free)).is_err() {
                    return;
                }
                list[*count] = UntypedDesc {
                    paddr: at,
                    size_bits: size_bits as u8,
                    is_device: u8::from(device),
                    padding: [0; 6],
                };
                *count += 1;
                at += 1 << size_bits;
            }
        }
    }
}

/// Writes `value` at the beginning of memory at `paddr`.
fn write<T>(paddr: u64, value: T) {
    // SAFETY: the memory was just allocated, is large enough and aligned to its size.
    unsafe { core::ptr::with_exposed_provenance_mut::<T>(to_virtual(paddr)).write(value) }
}

impl Kernel {
    /// Makes the root task of `image`: it runs when this hart next leaves the kernel.
    ///
    /// # Errors
    /// If there is no room.
    pub fn start_root_task(&self, machine: &Machine<'_>, image: &UserImage) -> Result<(), BootError> {
        let length = image.memory.end.saturating_sub(image.memory.start);
        if !(image.vaddr | image.memory.start | length).is_multiple_of(PAGE) || length == 0 {
            return Err(BootError::BadImage);
        }
        self.irqs.devices.set(machine.greatest_irq);
        self.hart_count.set(machine.harts);
        let mut memory = machine.memory.without(image.memory);
        memory = memory.without(Region { start: PADDR_TOP / 2, end: u64::MAX });

        // Boot information with the device tree behind it.
        let header = size_of::<BootInfoHeader>();
        let extra_len = (header + machine.fdt.len()) as u64;
        let extra_pages = extra_len.div_ceil(PAGE);
        let buffer_at = image.vaddr + length;
        let info_at = buffer_at + PAGE;
        let extra_at = info_at + PAGE;
        let end = extra_at + extra_pages * PAGE;
        if end > kernel_abi::USER_TOP {
            return Err(BootError::BadImage);
        }

        let mut boot =
            Boot { kernel: self, memory, cnode: Ptr::at(0), next: InitialCap::Free as u64, root: 0 };
        let cnode = boot.allocate(ROOT_CNODE_BITS + bits::SLOT)?;
        boot.cnode = Ptr::at(cnode);
        boot.root = boot.allocate(bits::PAGE_TABLE)?;
        let pool = boot.allocate(bits::ASID_POOL)?;
        self.asids.set_pool(0, Some(pool));
        self.asids.set_root(ROOT_ASID, Some(boot.root));
        crate::vspace::share_kernel(self.kernel_root.get(), boot.root);
        let cnode_cap = Cap::cnode(cnode, ROOT_CNODE_BITS, 0, 64 - ROOT_CNODE_BITS);
        let vspace_cap = Cap::page_table(boot.root).mapped(ROOT_ASID, 0);
        boot.put(InitialCap::Cnode as u64, cnode_cap);
        boot.put(InitialCap::Vspace as u64, vspace_cap);
        boot.put(InitialCap::IrqControl as u64, Cap::control(Kind::IrqControl));
        boot.put(InitialCap::AsidControl as u64, Cap::control(Kind::AsidControl));
        boot.put(InitialCap::AsidPool as u64, Cap::asid_pool(pool, 0));
        boot.put(InitialCap::Domain as u64, Cap::control(Kind::Domain));

        let region = |start, boot: &Boot<'_>| SlotRegion { start, end: boot.next };
        let paging_start = boot.next;
        boot.make_tables(image.vaddr, end)?;
        let user_image_paging = region(paging_start, &boot);

        let buffer = boot.allocate(bits::PAGE)?;
        let buffer_cap = boot.map(buffer, buffer_at);
        boot.put(InitialCap::IpcBuffer as u64, buffer_cap);
        let info = boot.allocate(bits::PAGE)?;
        let info_cap = boot.map(info, info_at);
        boot.put(InitialCap::BootInfoFrame as u64, info_cap);

        let extra_start = boot.next;
        for n in 0..extra_pages {
            let page = boot.allocate(bits::PAGE)?;
            let cap = boot.map(page, extra_at + n * PAGE);
            boot.give(cap)?;
            copy_extra(machine.fdt, extra_len, n, page);
        }
        let extra_bi_pages = region(extra_start, &boot);

        let frames_start = boot.next;
        for offset in (0..length).step_by(PAGE as usize) {
            let cap = boot.map(image.memory.start + offset, image.vaddr + offset);
            boot.give(cap)?;
        }
        let user_image_frames = region(frames_start, &boot);

        let thread_at = boot.allocate(bits::TCB)?;
        let thread = Ptr::<Tcb>::at(thread_at);
        boot.put(InitialCap::Tcb as u64, Cap::thread(thread_at));
        let slot = |cap: InitialCap| boot.cnode.nth(cap as usize);
        thread.cspace().insert(cnode_cap, slot(InitialCap::Cnode));
        thread.vspace().insert(vspace_cap, slot(InitialCap::Vspace));
        thread.buffer_frame().insert(buffer_cap.mapped(0, 0), slot(InitialCap::IpcBuffer));
        thread.buffer_address.set(buffer_at);
        thread.priority.set(u8::MAX);
        thread.max_priority.set(u8::MAX);
        self.init_thread(thread);
        self.setup_reply_master(thread);
        for (place, byte) in thread.name.iter().zip(*b"root") {
            place.set(byte);
        }
        thread.set(reg::A0, info_at);
        thread.set(reg::PC, image.entry);
        thread.context.restart_pc.set(image.entry);
        thread.put_state(State::Running);

        let untyped_start = boot.next;
        let mut untyped_list = [UntypedDesc::default(); MAX_BOOTINFO_UNTYPEDS];
        let mut count = 0;
        boot.give_untyped(&machine.devices, true, &mut untyped_list, &mut count);
        let memory = boot.memory;
        boot.give_untyped(&memory, false, &mut untyped_list, &mut count);
        let untyped = region(untyped_start, &boot);

        write(
            info,
            BootInfo {
                extra_len,
                node_id: 0,
                num_nodes: machine.harts as u64,
                num_io_pt_levels: 0,
                ipc_buffer: core::ptr::without_provenance_mut::<IpcBuffer>(buffer_at as usize),
                empty: SlotRegion { start: boot.next, end: 1 << ROOT_CNODE_BITS },
                shared_frames: SlotRegion::default(),
                user_image_frames,
                user_image_paging,
                io_space_caps: SlotRegion::default(),
                extra_bi_pages,
                init_thread_cnode_size_bits: ROOT_CNODE_BITS,
                init_thread_domain: 0,
                untyped,
                untyped_list,
            },
        );
        boot.kernel.hart().next.set(Next::Switch(thread));
        Ok(())
    }
}

/// Page `n` of what is behind the boot information: a header, then the device tree.
fn copy_extra(fdt: &[u8], extra_len: u64, n: u64, page: u64) {
    let header = size_of::<BootInfoHeader>();
    let skipped = (n * PAGE) as usize;
    let (offset, from) = match n {
        0 => {
            write(page, BootInfoHeader { id: BOOTINFO_FDT, len: extra_len });
            (header, 0)
        }
        _ => (0, skipped - header),
    };
    let length = fdt.len().saturating_sub(from).min(PAGE as usize - offset);
    if let Some(bytes) = fdt.get(from..from + length) {
        // SAFETY: the page was just allocated, and the bytes fit into the rest of it.
        unsafe {
            let to = core::ptr::with_exposed_provenance_mut::<u8>(to_virtual(page) + offset);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, length);
        }
    }
}
