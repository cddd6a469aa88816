//! Messages: their description, the buffer, rights.

/// Message words that are handed over in registers.
pub const MESSAGE_REGISTERS: usize = 4;
/// Message words in all.
pub const MESSAGE_MAX_WORDS: usize = 120;
/// Capabilities with a message.
pub const MAX_EXTRA_CAPS: usize = 3;

/// Description of a message: label (52 bits), unwrapped capabilities (3), extra capabilities (2), length (7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct MessageInfo(pub u64);

impl MessageInfo {
    /// Puts it together; what does not fit a field is cut off.
    #[inline(always)]
    #[must_use]
    pub const fn new(label: u64, unwrapped: u64, extra_caps: u64, length: u64) -> Self {
        Self(label << 12 | (unwrapped & 7) << 9 | (extra_caps & 3) << 7 | length & 0x7f)
    }

    /// What is asked or answered.
    #[inline(always)]
    #[must_use]
    pub const fn label(self) -> u64 {
        self.0 >> 12
    }

    /// Bit `n`: extra capability `n` came as the badge of an endpoint that the receiver has.
    #[inline(always)]
    #[must_use]
    pub const fn caps_unwrapped(self) -> u64 {
        self.0 >> 9 & 7
    }

    /// Capabilities with it.
    #[inline(always)]
    #[must_use]
    pub const fn extra_caps(self) -> usize {
        (self.0 >> 7 & 3) as usize
    }

    /// Its words as they stand, which may be more than [`MESSAGE_MAX_WORDS`].
    #[inline(always)]
    #[must_use]
    pub const fn length(self) -> usize {
        (self.0 & 0x7f) as usize
    }
}

/// Rights of a capability: write, read, grant, grant reply from bit 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct CapRights(pub u64);

impl CapRights {
    /// Send; write to a frame.
    pub const WRITE: Self = Self(1);
    /// Receive; read a frame.
    pub const READ: Self = Self(2);
    /// Send capabilities.
    pub const GRANT: Self = Self(4);
    /// Be answered.
    pub const GRANT_REPLY: Self = Self(8);
    /// Everything.
    pub const ALL: Self = Self(15);
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// Whether all of `other` are there.
    #[inline(always)]
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Guard of a CNode capability, as `Mint` and `Mutate` take it: guard (58 bits), size (6 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct CnodeData(pub u64);

impl CnodeData {
    /// A guard of `size` bits.
    #[must_use]
    pub const fn new(guard: u64, size: u64) -> Self {
        Self(guard << 6 | size & 0x3f)
    }

    /// The bits to match.
    #[must_use]
    pub const fn guard(self) -> u64 {
        self.0 >> 6
    }

    /// How many.
    #[must_use]
    pub const fn guard_size(self) -> u64 {
        self.0 & 0x3f
    }
}

/// The IPC buffer, 1 KiB at an address that is a multiple of its size.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(1024))]
pub struct IpcBuffer {
    /// Unused by the kernel.
    pub tag: MessageInfo,
    /// Message words; the first four are in registers.
    pub words: [u64; MESSAGE_MAX_WORDS],
    /// The user's.
    pub user_data: u64,
    /// Sending: capabilities to go with it. Received: badges of those that were unwrapped.
    pub caps_or_badges: [u64; MAX_EXTRA_CAPS],
    /// Where a received capability goes: root,
    pub receive_cnode: u64,
    /// index
    pub receive_index: u64,
    /// and depth.
    pub receive_depth: u64,
}

const _: () = assert!(size_of::<IpcBuffer>() == 1024);
