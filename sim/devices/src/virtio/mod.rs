//! Virtio devices behind the MMIO transport: what a device is to the transport.
//!
//! [`mmio::VirtioMmio`] implements registers, negotiation and interrupts once; a device type supplies
//! a [`VirtioDevice`]. Source of all of it: OASIS Virtual I/O Device (VIRTIO) Version 1.2.

pub(crate) mod block;
pub(crate) mod console;
pub(crate) mod load;
pub(crate) mod mmio;
pub(crate) mod net;
pub(crate) mod peer;
pub(crate) mod queue;

use relsim_core::device::{Console, DeviceCx};

use crate::state::require;
use queue::{Chain, Queue, QueueError};

/// Bytes that one notification may move before the rest is put off to an event, so that the work done
/// inside one guest store is bounded.
const BUDGET_BYTES: u64 = 64 << 20;
/// What a chain costs of the budget however short it is.
const CHAIN_COST_BYTES: u64 = 4096;

/// How far a device got with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Nothing is left to do until the driver notifies again.
    Done,
    /// The budget ran out: call again soon.
    More,
}

/// What a virtio device sees of the machine: its queues and the device context.
pub struct VirtioCx<'a, 'b> {
    queues: &'a mut [Queue],
    /// Clock, memory, console.
    pub cx: &'a mut DeviceCx<'b>,
}

impl<'b> VirtioCx<'_, 'b> {
    /// The next chain that the driver made available in `queue` (numbered as in
    /// [`VirtioDevice::queue_sizes`]).
    ///
    /// # Errors
    /// [`QueueError`] for anything malformed.
    pub fn pop(&mut self, queue: usize) -> Result<Option<Chain>, QueueError> {
        match self.queues.get_mut(queue) {
            Some(queue) => queue.pop(self.cx.ram),
            None => Ok(None),
        }
    }

    /// Gives `chain` of `queue` back, with `written` bytes of its writable part filled.
    ///
    /// # Errors
    /// [`QueueError`] when the used ring lies outside memory.
    pub fn push_used(&mut self, queue: usize, chain: &Chain, written: u32) -> Result<(), QueueError> {
        match self.queues.get_mut(queue) {
            Some(queue) => queue.push_used(self.cx.ram, chain, written),
            None => Ok(()),
        }
    }

    /// Serves all available chains of `queue` in order, as far as the budget of one call goes. `serve`
    /// returns how many bytes it wrote into the chain.
    ///
    /// # Errors
    /// [`QueueError`] for anything malformed, from the queue or from `serve`.
    pub fn drain(
        &mut self,
        queue: usize,
        mut serve: impl FnMut(&Chain, &mut DeviceCx<'b>) -> Result<u32, QueueError>,
    ) -> Result<Progress, QueueError> {
        let mut budget = BUDGET_BYTES;
        while let Some(chain) = self.pop(queue)? {
            let written = serve(&chain, self.cx)?;
            self.push_used(queue, &chain, written)?;
            let cost = CHAIN_COST_BYTES + chain.readable_len() + chain.writable_len();
            budget = budget.saturating_sub(cost);
            if budget == 0 {
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done)
    }
}

/// One type of virtio device. The transport calls it only between DRIVER_OK and reset.
///
/// A [`QueueError`] from any method makes the transport set DEVICE_NEEDS_RESET and leave the queues
/// alone until the driver resets the device (section 2.1.2).
pub trait VirtioDevice: Send {
    /// Device type (section 5).
    fn device_id(&self) -> u32;

    /// The feature bits of this device type (bits 0 to 23); the transport adds its own.
    fn features(&self) -> u64 {
        0
    }

    /// Largest size of each queue: powers of two, at most 64 queues.
    fn queue_sizes(&self) -> &'static [u16] {
        &[]
    }

    /// The configuration space; it reads 0 beyond its end.
    fn config(&self) -> Vec<u8> {
        Vec::new()
    }

    /// A write of the low `size` bytes of `value` to the configuration space. Unlike the other methods
    /// it can be called in any status.
    fn write_config(&mut self, _cx: &mut DeviceCx<'_>, _offset: u64, _size: u8, _value: u64) {}

    /// The driver notified `queue`, or the last call left [`Progress::More`] there.
    ///
    /// # Errors
    /// [`QueueError`] for anything malformed.
    fn notify(&mut self, io: &mut VirtioCx<'_, '_>, queue: usize) -> Result<Progress, QueueError>;

    /// The core cycle at which [`VirtioDevice::event`] is wanted.
    fn next_event(&self) -> Option<u64> {
        None
    }

    /// That cycle has come.
    ///
    /// # Errors
    /// [`QueueError`] for anything malformed.
    fn event(&mut self, _io: &mut VirtioCx<'_, '_>) -> Result<(), QueueError> {
        Ok(())
    }

    /// Whether an event can still bring a driver that waits something: see
    /// [`relsim_core::device::Device::can_wake`].
    fn can_wake(&self, _console: &dyn Console) -> bool {
        true
    }

    /// The driver reset the device: forget what belongs to the connection.
    fn reset(&mut self) {}

    /// The state of the device behind the transport.
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes a state that [`VirtioDevice::save`] gave.
    ///
    /// # Errors
    /// A description of what does not fit; the device is unchanged then.
    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        require(state.is_empty(), "this virtio device has none")
    }
}

/// A slot with nothing in it: device type 0, which drivers skip (section 4.2.2).
#[derive(Debug, Default, Clone, Copy)]
pub struct EmptySlot;

impl VirtioDevice for EmptySlot {
    fn device_id(&self) -> u32 {
        0
    }

    fn notify(&mut self, _: &mut VirtioCx<'_, '_>, _: usize) -> Result<Progress, QueueError> {
        Ok(Progress::Done)
    }
}
