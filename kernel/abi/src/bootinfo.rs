//! What the kernel tells the root task.

use crate::IpcBuffer;

/// Untyped memory that boot information lists, at most.
pub const MAX_BOOTINFO_UNTYPEDS: usize = 230;
/// [`BootInfoHeader::id`] of the device tree.
pub const BOOTINFO_FDT: u64 = 6;

/// Slots of the root task's CNode that are filled at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum InitialCap {
    /// Nothing.
    Null = 0,
    /// Its thread.
    Tcb = 1,
    /// Its CNode.
    Cnode = 2,
    /// Its address space.
    Vspace = 3,
    /// Interrupts.
    IrqControl = 4,
    /// ASID pools.
    AsidControl = 5,
    /// Its ASID pool.
    AsidPool = 6,
    /// The frame of the boot information.
    BootInfoFrame = 9,
    /// The frame of its IPC buffer.
    IpcBuffer = 10,
    /// Domains.
    Domain = 11,
    /// The first that is free.
    Free = 16,
}

/// Slots, from the first to the one behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SlotRegion {
    /// First.
    pub start: u64,
    /// Behind the last.
    pub end: u64,
}

/// Untyped memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct UntypedDesc {
    /// Physical address.
    pub paddr: u64,
    /// log2 of its size in bytes.
    pub size_bits: u8,
    /// Not memory.
    pub is_device: u8,
    /// Zero.
    pub padding: [u8; 6],
}

/// Boot information, at the beginning of its frame.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct BootInfo {
    /// Bytes of what follows in the pages behind it: blobs with a [`BootInfoHeader`] each.
    pub extra_len: u64,
    /// 0.
    pub node_id: u64,
    /// Harts.
    pub num_nodes: u64,
    /// 0.
    pub num_io_pt_levels: u64,
    /// Where the root task has its IPC buffer.
    pub ipc_buffer: *mut IpcBuffer,
    /// Free slots.
    pub empty: SlotRegion,
    /// None.
    pub shared_frames: SlotRegion,
    /// Frames of the root task's image.
    pub user_image_frames: SlotRegion,
    /// Page tables of the root task's address space.
    pub user_image_paging: SlotRegion,
    /// None.
    pub io_space_caps: SlotRegion,
    /// Frames of what follows.
    pub extra_bi_pages: SlotRegion,
    /// log2 of the slots of the root task's CNode.
    pub init_thread_cnode_size_bits: u64,
    /// The root task's domain.
    pub init_thread_domain: u64,
    /// Untyped memory.
    pub untyped: SlotRegion,
    /// The same slot by slot.
    pub untyped_list: [UntypedDesc; MAX_BOOTINFO_UNTYPEDS],
}

const _: () = assert!(size_of::<BootInfo>() <= 4096);

/// What a blob behind the boot information begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct BootInfoHeader {
    /// What it is.
    pub id: u64,
    /// Its bytes, with this header.
    pub len: u64,
}
