//! The UINTC, the device that holds what is pending for each receiver (U-interrupt specification 0.1.1,
//! chapter "UINTC").
//!
//! Receiver `i` is a window of [`RECEIVER_BYTES`] at `i *` [`RECEIVER_BYTES`]. Its four registers take aligned
//! 8-byte accesses and no others. How many receivers there are and where the device lies belongs to the
//! platform.

/// Size of a receiver's window in bytes.
pub const RECEIVER_BYTES: u64 = 32;
/// Size of every access, and of every register, in bytes.
pub const ACCESS_BYTES: u64 = 8;

/// SEND. Write: sets the pending bit whose number is written; numbers from 64 on do nothing. Reads 0.
pub const SEND: u64 = 0x00;
/// LOW: state of the receiver, see [`ReceiverLow`].
pub const LOW: u64 = 0x08;
/// HIGH. Read: all 64 pending bits, which are cleared. Write: sets the bits that are written as 1.
pub const HIGH: u64 = 0x10;
/// ACTIVE: bit 0 is [`ReceiverLow::active`] alone, other bits read 0.
pub const ACTIVE: u64 = 0x18;

/// Bits of LOW that exist; the others read 0.
pub const LOW_MASK: u64 = LOW_ACTIVE | LOW_MODE | 0xffff << LOW_HARTID_SHIFT;

const LOW_ACTIVE: u64 = 1 << 0;
const LOW_MODE: u64 = 1 << 1;
const LOW_HARTID_SHIFT: u32 = 16;

/// Offset of `register` (one of [`SEND`], [`LOW`], [`HIGH`], [`ACTIVE`]) of receiver `index` from the UINTC's base.
pub const fn register_offset(index: u16, register: u64) -> u64 {
    index as u64 * RECEIVER_BYTES + register
}

/// LOW of a receiver: bits 0 active, 1 mode, 31:16 hartid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiverLow {
    /// What is pending interrupts the hart.
    pub active: bool,
    /// Mode 1: pending bits are 64 wide. Only receivers in this mode interrupt.
    pub mode64: bool,
    /// The hart that is interrupted.
    pub hartid: u16,
}

impl ReceiverLow {
    /// The fields of a register value.
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            active: bits & LOW_ACTIVE != 0,
            mode64: bits & LOW_MODE != 0,
            hartid: (bits >> LOW_HARTID_SHIFT) as u16,
        }
    }

    /// The register value.
    pub const fn bits(self) -> u64 {
        self.active as u64 | (self.mode64 as u64) << 1 | (self.hartid as u64) << LOW_HARTID_SHIFT
    }
}
