//! Where a debugger finds in memory what the kernel knows of threads and capabilities. It is no part of the interface
//! for programs, and may change with the kernel; the tests of `kernel-core` compare it with what is so.

#![no_std]

/// Where the kernel sees physical address 0.
pub const WINDOW: u64 = 0xffff_ffc0_0000_0000;

/// A thread: offsets in bytes, of words of 8 bytes unless said otherwise. It is aligned to its size. While a user runs,
/// `sscratch` has its address.
pub mod tcb {
    /// Its size, and the multiple at which it lies.
    pub const SIZE: u64 = 2048;
    /// Where the thread goes on.
    pub const PC: u64 = 0;
    /// The stack of the hart that it runs on; 0 before it has run.
    pub const KERNEL_STACK: u64 = 264;
    /// The hart that it runs on.
    pub const HART: u64 = 272;
    /// Its slots, the root of its CSpace first.
    pub const SLOTS: u64 = 544;
    /// A byte, by [`STATES`].
    pub const STATE: u64 = 704;
    /// A byte: whether it stands in a ready queue. What runs does not.
    pub const QUEUED: u64 = 705;
    /// A byte.
    pub const PRIORITY: u64 = 706;
    /// A byte.
    pub const DOMAIN: u64 = 708;
    /// A byte: the number of a hart.
    pub const AFFINITY: u64 = 709;
    /// The endpoint or notification that it waits at.
    pub const BLOCKED_ON: u64 = 736;
    /// Its number as a receiver of user interrupts, plus one.
    pub const RECEIVER: u64 = 1000;
    /// The next in the list of all threads.
    pub const NEXT: u64 = 1040;
    /// The one before it there.
    pub const PREVIOUS: u64 = 1048;
    /// Bytes, ended by 0.
    pub const NAME: u64 = 1056;
    /// So many at most.
    pub const NAME_MAX: u64 = 119;

    /// What a thread does, by the numbers that stand at [`STATE`].
    pub const STATES: [&str; 8] =
        ["inactive", "running", "restart", "receiving", "sending", "replying", "waiting", "idle"];
}

/// A capability, in the first two words of a slot.
pub mod cap {
    /// Bytes of a slot.
    pub const SLOT_SIZE: u64 = 32;
    /// The lowest bit of the kind in the first word.
    pub const KIND_SHIFT: u32 = 59;
    /// The lowest bit of the details; below is the object's physical address.
    pub const DETAIL_SHIFT: u32 = 39;
    /// The lowest bit of an address space's number in the second word of a frame or page table.
    pub const ASID_SHIFT: u32 = 40;

    /// Kinds, by their numbers.
    pub const KINDS: [(u8, &str); 16] = [
        (0, "null"),
        (1, "frame"),
        (2, "untyped"),
        (3, "page table"),
        (4, "endpoint"),
        (5, "sender table"),
        (6, "notification"),
        (8, "reply"),
        (10, "CNode"),
        (11, "ASID control"),
        (12, "thread"),
        (13, "ASID pool"),
        (14, "IRQ control"),
        (16, "IRQ handler"),
        (18, "zombie"),
        (20, "domain"),
    ];
}
