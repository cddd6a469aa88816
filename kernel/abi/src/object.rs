//! Objects: their types, sizes and registers.

/// What untyped memory is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum ObjectType {
    /// Smaller untyped memory.
    Untyped = 0,
    /// Thread.
    Tcb = 1,
    /// Endpoint.
    Endpoint = 2,
    /// Notification.
    Notification = 3,
    /// CNode.
    CapTable = 4,
    /// Frame of 1 GiB.
    GigaPage = 5,
    /// Frame of 4 KiB.
    Page = 6,
    /// Frame of 2 MiB.
    MegaPage = 7,
    /// Page table of any level.
    PageTable = 8,
    /// Where a thread's user interrupts go to. Beyond seL4.
    SenderTable = 9,
}

impl ObjectType {
    /// The type with `number`, if there is one.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Untyped,
            1 => Self::Tcb,
            2 => Self::Endpoint,
            3 => Self::Notification,
            4 => Self::CapTable,
            5 => Self::GigaPage,
            6 => Self::Page,
            7 => Self::MegaPage,
            8 => Self::PageTable,
            9 => Self::SenderTable,
            _ => return None,
        })
    }

    /// log2 of its size in bytes; `user_bits` is what the user says where the type leaves it open: of untyped
    /// memory the size, of a CNode the number of slots.
    #[must_use]
    pub const fn size_bits(self, user_bits: u64) -> u64 {
        match self {
            Self::Untyped => user_bits,
            Self::CapTable => user_bits + bits::SLOT,
            Self::Tcb => bits::TCB,
            Self::Endpoint => bits::ENDPOINT,
            Self::Notification => bits::NOTIFICATION,
            Self::GigaPage => bits::GIGA_PAGE,
            Self::Page => bits::PAGE,
            Self::MegaPage => bits::MEGA_PAGE,
            Self::PageTable => bits::PAGE_TABLE,
            Self::SenderTable => bits::SENDER_TABLE,
        }
    }
}

/// log2 of sizes in bytes.
pub mod bits {
    /// A capability in a CNode.
    pub const SLOT: u64 = 5;
    /// Endpoint.
    pub const ENDPOINT: u64 = 4;
    /// Notification.
    pub const NOTIFICATION: u64 = 5;
    /// Thread.
    pub const TCB: u64 = 11;
    /// Frame.
    pub const PAGE: u64 = 12;
    /// Frame of 2 MiB.
    pub const MEGA_PAGE: u64 = 21;
    /// Frame of 1 GiB.
    pub const GIGA_PAGE: u64 = 30;
    /// Page table.
    pub const PAGE_TABLE: u64 = 12;
    /// ASID pool.
    pub const ASID_POOL: u64 = 12;
    /// Sender table.
    pub const SENDER_TABLE: u64 = 13;
    /// Entries of a sender table.
    pub const SENDER_TABLE_ENTRIES: u64 = 7;
    /// Address spaces in a pool.
    pub const ASID_POOL_INDEX: u64 = 9;
    /// Pools.
    pub const ASID_POOLS: u64 = 7;
    /// Smallest untyped memory.
    pub const MIN_UNTYPED: u64 = 4;
    /// Largest untyped memory.
    pub const MAX_UNTYPED: u64 = 38;
    /// IPC buffer.
    pub const IPC_BUFFER: u64 = 10;
}

/// Flags of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct TcbFlags(pub u64);

impl TcbFlags {
    /// Floating point raises an exception.
    pub const FPU_DISABLED: Self = Self(1);
    /// All that there are.
    pub const MASK: Self = Self(1);
}

/// Attributes of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct VmAttributes(pub u64);

impl VmAttributes {
    /// No instruction fetches.
    pub const EXECUTE_NEVER: Self = Self(1);
}

/// Words of a [`UserContext`].
pub const USER_CONTEXT_WORDS: usize = 32;

/// Registers in the order of `ReadRegisters` and `WriteRegisters`: `pc ra sp gp s0-s11 a0-a7 t0-t6 tp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct UserContext {
    /// Program counter.
    pub pc: u64,
    /// x1.
    pub ra: u64,
    /// x2.
    pub sp: u64,
    /// x3.
    pub gp: u64,
    /// x8, x9, x18 to x27.
    pub s: [u64; 12],
    /// x10 to x17.
    pub a: [u64; 8],
    /// x5 to x7, x28 to x31.
    pub t: [u64; 7],
    /// x4.
    pub tp: u64,
}

const _: () = assert!(size_of::<UserContext>() == 8 * USER_CONTEXT_WORDS);
