//! The UINTC: what is pending for each receiver, and the user software interrupt of every hart
//! (U-interrupt specification 0.1.1, chapter "UINTC").
//!
//! Receiver i has four registers at 32 i; they take aligned 8-byte accesses, others are access faults.
//!
//! | offset | read | write |
//! |---|---|---|
//! | 0x00 | 0 | SEND: sets pending bit number `value`; 64 and above are ignored |
//! | 0x08 | LOW: active (0), mode (1), hartid (31:16) | the same fields |
//! | 0x10 | HIGH: the pending bits, which it clears | sets the pending bits that are 1 |
//! | 0x18 | active | active (bit 0) |
//!
//! The interrupt of a hart is a level: high while some receiver with that hartid is active, in mode 1, and
//! has something pending. A hartid that the machine does not have interrupts nobody.

use relsim_core::device::{BusFault, Device, DeviceCx};
use uintr_abi::n::USER_SOFTWARE;
use uintr_abi::uintc::{ACCESS_BYTES, ACTIVE, HIGH, LOW, RECEIVER_BYTES, SEND};
use uintr_abi::{ReceiverLow, table};

/// The device's name, by which `uipi` tells it from other devices.
pub const NAME: &str = "uintc";

/// Receivers that a 16-bit index can name.
const MAX_RECEIVERS: u64 = 1 << 16;
/// Bytes of a receiver in a saved state: LOW and the pending bits, little-endian.
const SAVED_BYTES: usize = 16;

/// The state of one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receiver {
    /// Whom it interrupts, and whether.
    pub low: ReceiverLow,
    /// Pending vectors: bit v for vector v.
    pub pending: u64,
}

impl Receiver {
    /// The hart whose interrupt it raises.
    pub fn interrupts(&self) -> Option<u16> {
        (self.low.active && self.low.mode64 && self.pending != 0).then_some(self.low.hartid)
    }
}

/// The UINTC; see the module's register map.
pub struct Uintc {
    receivers: Vec<Receiver>,
}

impl Uintc {
    /// A UINTC that fills a window of `size_bytes`: one receiver for each 32 bytes, all of them clear.
    pub fn new(size_bytes: u64) -> Self {
        let count = (size_bytes / RECEIVER_BYTES).min(MAX_RECEIVERS);
        Self { receivers: vec![Receiver::default(); count as usize] }
    }

    /// The receivers in a state that [`Device::save`] gave, for debuggers.
    ///
    /// # Errors
    /// A description of what is wrong with `state`.
    pub fn receivers_in(state: &[u8]) -> Result<Vec<Receiver>, String> {
        let (whole, rest) = state.as_chunks::<SAVED_BYTES>();
        if !rest.is_empty() {
            return Err(format!("saved state: {} bytes are no whole receivers", state.len()));
        }
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, &b| value << 8 | u64::from(b));
        let receiver = |bytes: &[u8; SAVED_BYTES]| Receiver {
            low: ReceiverLow::from_bits(word(&bytes[..8])),
            pending: word(&bytes[8..]),
        };
        Ok(whole.iter().map(receiver).collect())
    }

    /// The receiver at `offset`, and the register's offset in its window.
    fn find(&self, offset: u64, size: u8) -> Result<(usize, u64), BusFault> {
        let index = offset / RECEIVER_BYTES;
        let whole = u64::from(size) == ACCESS_BYTES && offset.is_multiple_of(ACCESS_BYTES);
        if !whole || index >= self.receivers.len() as u64 {
            return Err(BusFault);
        }
        Ok((index as usize, offset % RECEIVER_BYTES))
    }

    /// Changes a receiver, and the interrupts of the harts that it concerned before or concerns now.
    fn change(&mut self, cx: &mut DeviceCx<'_>, index: usize, act: impl FnOnce(&mut Receiver)) {
        let receiver = &mut self.receivers[index];
        let before = receiver.interrupts();
        act(receiver);
        let after = receiver.interrupts();
        if before == after {
            return;
        }
        for hart in [before, after].into_iter().flatten() {
            // Another receiver of the same hart may hold the level up.
            let level = self.receivers.iter().any(|r| r.interrupts() == Some(hart));
            cx.lines.set_mip(usize::from(hart), USER_SOFTWARE, level);
        }
    }
}

impl Device for Uintc {
    fn name(&self) -> &str {
        NAME
    }

    fn read(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8) -> Result<u64, BusFault> {
        let (index, register) = self.find(offset, size)?;
        let Receiver { low, pending } = self.receivers[index];
        Ok(match register {
            LOW => low.bits(),
            HIGH => {
                self.change(cx, index, |r| r.pending = 0);
                pending
            }
            ACTIVE => u64::from(low.active),
            _ => 0,
        })
    }

    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        let (index, register) = self.find(offset, size)?;
        self.change(cx, index, |r| match register {
            SEND if value < u64::from(table::VECTORS) => r.pending |= 1 << value,
            LOW => r.low = ReceiverLow::from_bits(value),
            HIGH => r.pending |= value,
            ACTIVE => r.low.active = value & 1 == 1,
            _ => {}
        });
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        let words = self.receivers.iter().flat_map(|r| [r.low.bits(), r.pending]);
        words.flat_map(u64::to_le_bytes).collect()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let receivers = Self::receivers_in(state)?;
        if receivers.len() != self.receivers.len() {
            return Err("saved state: not for this number of receivers".into());
        }
        self.receivers = receivers;
        Ok(())
    }
}
