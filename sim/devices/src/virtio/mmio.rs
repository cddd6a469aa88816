//! The virtio MMIO transport, version 2 (modern).
//!
//! Registers are 4 bytes wide; other widths fault below 0x100. The configuration space from 0x100 on
//! takes every width.
//!
//! | offset | register | | offset | register |
//! |---|---|---|---|---|
//! | 0x000 | MagicValue "virt" | | 0x050 | QueueNotify (W) |
//! | 0x004 | Version 2 | | 0x060 | InterruptStatus |
//! | 0x008 | DeviceID | | 0x064 | InterruptACK (W) |
//! | 0x00c | VendorID | | 0x070 | Status (RW; 0 resets) |
//! | 0x010 | DeviceFeatures | | 0x080, 0x084 | QueueDesc low, high (W) |
//! | 0x014 | DeviceFeaturesSel (W) | | 0x090, 0x094 | QueueDriver low, high (W) |
//! | 0x020 | DriverFeatures (W) | | 0x0a0, 0x0a4 | QueueDevice low, high (W) |
//! | 0x024 | DriverFeaturesSel (W) | | 0x0b0 to 0x0bc | shared memory: reads all ones (none) |
//! | 0x030 | QueueSel (W) | | 0x0fc | ConfigGeneration, always 0 |
//! | 0x034 | QueueNumMax | | 0x100 | configuration space |
//! | 0x038 | QueueNum (W) | | | |
//! | 0x044 | QueueReady (RW) | | | |
//!
//! Offered beside the device's own features: RING_INDIRECT_DESC, RING_EVENT_IDX, VERSION_1, without the
//! last of which FEATURES_OK does not stick.
//!
//! Source: VIRTIO 1.2, sections 2.1, 3.1 and 4.2.2.

use relsim_core::device::{BusFault, Clock, Console, Device, DeviceCx};
use serde::{Deserialize, Serialize};

use super::queue::{Queue, QueueError};
use super::{Progress, VirtioCx, VirtioDevice};
use crate::state::{decode, encode, read_part, require, write_part};

const MAGIC: u64 = 0x7472_6976;
/// "RLSM" in memory order: no registered vendor.
const VENDOR: u64 = 0x4d53_4c52;
const CONFIG: u64 = 0x100;

const FEATURE_INDIRECT: u64 = 1 << 28;
const FEATURE_EVENT_IDX: u64 = 1 << 29;
const FEATURE_VERSION_1: u64 = 1 << 32;

const STATUS_DRIVER_OK: u32 = 4;
const STATUS_FEATURES_OK: u32 = 8;
const STATUS_NEEDS_RESET: u32 = 64;

const INTERRUPT_USED: u32 = 1;
const INTERRUPT_CONFIG: u32 = 2;

#[derive(Default, Serialize, Deserialize)]
struct Transport {
    status: u32,
    device_features_sel: u32,
    driver_features_sel: u32,
    driver_features: u64,
    queue_sel: u32,
    interrupt_status: u32,
    /// One bit per queue on which the device has work left.
    backlog: u64,
}

#[derive(Serialize, Deserialize)]
struct State {
    transport: Transport,
    queues: Vec<Queue>,
    device: Vec<u8>,
}

/// A virtio device of type `D` behind MMIO registers; see the module's register map.
pub struct VirtioMmio<D> {
    name: String,
    wire: u32,
    device: D,
    transport: Transport,
    queues: Vec<Queue>,
}

impl<D: VirtioDevice> VirtioMmio<D> {
    /// `device` in its reset state, with its interrupt on `wire`.
    pub fn new(name: &str, wire: u32, device: D) -> Self {
        let queues = Self::fresh_queues(&device);
        Self { name: name.into(), wire, device, transport: Transport::default(), queues }
    }

    fn fresh_queues(device: &D) -> Vec<Queue> {
        let sizes = device.queue_sizes().iter().take(64);
        sizes.map(|&size| Queue::new(size)).collect()
    }

    fn offered(&self) -> u64 {
        self.device.features() | FEATURE_INDIRECT | FEATURE_EVENT_IDX | FEATURE_VERSION_1
    }

    /// Whether the driver is up and the device may touch the queues.
    fn live(&self) -> bool {
        self.transport.status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET) == STATUS_DRIVER_OK
    }

    fn drive(&self, cx: &mut DeviceCx<'_>) {
        cx.lines.set_wire(self.wire, self.transport.interrupt_status != 0);
    }

    /// Lets the device act on its queues, and raises the interrupts that follow.
    fn act(
        &mut self,
        cx: &mut DeviceCx<'_>,
        action: impl FnOnce(&mut D, &mut VirtioCx<'_, '_>) -> Result<(), QueueError>,
    ) {
        if !self.live() {
            return;
        }
        let before: Vec<u16> = self.queues.iter().map(Queue::used_index).collect();
        let mut io = VirtioCx { queues: &mut self.queues, cx };
        let mut result = action(&mut self.device, &mut io);
        for (queue, old) in self.queues.iter().zip(before) {
            match queue.wants_interrupt(cx.ram, old) {
                Ok(wanted) => self.transport.interrupt_status |= if wanted { INTERRUPT_USED } else { 0 },
                Err(error) => result = result.and(Err(error)),
            }
        }
        if result.is_err() {
            self.transport.status |= STATUS_NEEDS_RESET;
            self.transport.interrupt_status |= INTERRUPT_CONFIG;
            self.transport.backlog = 0;
        }
    }

    fn notify(&mut self, cx: &mut DeviceCx<'_>, queue: u32) {
        if queue as usize >= self.queues.len() {
            return;
        }
        let mut more = false;
        self.act(cx, |device, io| {
            more = device.notify(io, queue as usize)? == Progress::More;
            Ok(())
        });
        let bit = 1 << queue;
        self.transport.backlog &= !bit;
        if more && self.live() {
            self.transport.backlog |= bit;
        }
    }

    fn reset(&mut self) {
        self.transport = Transport::default();
        self.queues = Self::fresh_queues(&self.device);
        self.device.reset();
    }

    fn set_status(&mut self, cx: &mut DeviceCx<'_>, status: u32) {
        if status == 0 {
            self.reset();
            return;
        }
        let was_live = self.live();
        let had = self.transport.status;
        let mut status = status & 0xff | had & STATUS_NEEDS_RESET;
        if status & STATUS_FEATURES_OK != 0 && had & STATUS_FEATURES_OK == 0 {
            let features = self.transport.driver_features;
            let acceptable = features & FEATURE_VERSION_1 != 0 && features & !self.offered() == 0;
            if acceptable {
                for queue in &mut self.queues {
                    queue.indirect = features & FEATURE_INDIRECT != 0;
                    queue.event_idx = features & FEATURE_EVENT_IDX != 0;
                }
            } else {
                status &= !STATUS_FEATURES_OK;
            }
        }
        if status & STATUS_FEATURES_OK == 0 {
            // A driver that goes on regardless gets no device.
            status &= !STATUS_DRIVER_OK;
        }
        self.transport.status = status;
        if self.live() && !was_live {
            // Buffers may have been made available, and notified, before the driver was up.
            for queue in 0..self.queues.len() as u32 {
                self.notify(cx, queue);
            }
        }
    }

    fn set_features(&mut self, value: u64) {
        if self.transport.status & STATUS_FEATURES_OK != 0 {
            return;
        }
        let offset = match self.transport.driver_features_sel {
            0 => 0,
            1 => 4,
            _ => return,
        };
        let features = self.transport.driver_features;
        self.transport.driver_features = write_part(features, offset, 4, value);
    }

    fn selected(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(self.transport.queue_sel as usize)
    }

    /// The layout of the selected queue; it is fixed once the queue is ready.
    fn set_queue(&mut self, offset: u64, value: u64) {
        let Some(queue) = self.selected() else { return };
        if queue.ready {
            return;
        }
        let address = match offset & !7 {
            0x080 => &mut queue.descriptors,
            0x090 => &mut queue.available,
            0x0a0 => &mut queue.used,
            _ => {
                // A size that is not legal is remembered as none, and found when the queue is used.
                queue.size = u16::try_from(value).unwrap_or(0);
                return;
            }
        };
        *address = write_part(*address, offset, 4, value);
    }

    fn read_config(&self, offset: u64, size: u8) -> u64 {
        let config = self.device.config();
        let byte = |at: u64| usize::try_from(at).ok().and_then(|at| config.get(at));
        let bytes = (0..u64::from(size)).map(|n| byte(offset.saturating_add(n)).copied());
        bytes.enumerate().fold(0, |value, (n, byte)| value | u64::from(byte.unwrap_or(0)) << (8 * n))
    }
}

impl<D: VirtioDevice> Device for VirtioMmio<D> {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, _: &mut DeviceCx<'_>, offset: u64, size: u8) -> Result<u64, BusFault> {
        if let Some(offset) = offset.checked_sub(CONFIG) {
            return Ok(self.read_config(offset, size));
        }
        if size != 4 {
            return Err(BusFault);
        }
        Ok(match offset {
            0x000 => MAGIC,
            0x004 => 2,
            0x008 => u64::from(self.device.device_id()),
            0x00c => VENDOR,
            0x010 => match self.transport.device_features_sel {
                0 => read_part(self.offered(), 0, 4),
                1 => read_part(self.offered(), 4, 4),
                _ => 0,
            },
            0x034 => self.selected().map_or(0, |q| u64::from(q.max_size())),
            0x044 => self.selected().map_or(0, |q| u64::from(q.ready)),
            0x060 => u64::from(self.transport.interrupt_status),
            0x070 => u64::from(self.transport.status),
            0x0b0..=0x0bc => 0xffff_ffff,
            _ => 0,
        })
    }

    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        if let Some(offset) = offset.checked_sub(CONFIG) {
            self.device.write_config(cx, offset, size, value);
            return Ok(());
        }
        if size != 4 {
            return Err(BusFault);
        }
        let word = value as u32;
        match offset {
            0x014 => self.transport.device_features_sel = word,
            0x020 => self.set_features(value),
            0x024 => self.transport.driver_features_sel = word,
            0x030 => self.transport.queue_sel = word,
            0x038 | 0x080 | 0x084 | 0x090 | 0x094 | 0x0a0 | 0x0a4 => {
                self.set_queue(offset, u64::from(word));
            }
            0x044 => {
                if let Some(queue) = self.selected() {
                    queue.ready = word & 1 == 1;
                }
            }
            0x050 => self.notify(cx, word),
            0x064 => self.transport.interrupt_status &= !word,
            0x070 => self.set_status(cx, word),
            _ => {}
        }
        self.drive(cx);
        Ok(())
    }

    fn next_event(&self, _: &Clock) -> Option<u64> {
        if !self.live() {
            None
        } else if self.transport.backlog != 0 {
            // Long overdue: the rest of a notification.
            Some(0)
        } else {
            self.device.next_event()
        }
    }

    fn event(&mut self, cx: &mut DeviceCx<'_>) {
        let backlog = self.transport.backlog;
        for queue in (0..64).filter(|queue| backlog >> queue & 1 == 1) {
            self.notify(cx, queue);
        }
        let now = cx.now;
        if self.device.next_event().is_some_and(|due| due <= now) {
            self.act(cx, D::event);
        }
        self.drive(cx);
    }

    /// A live device acts only on behalf of its driver, who waits for its interrupt.
    fn can_wake(&self, console: &dyn Console) -> bool {
        self.live() && self.device.can_wake(console)
    }

    fn save(&self) -> Vec<u8> {
        // Borrowed twin of `State`, field by field.
        encode(&(&self.transport, &self.queues, self.device.save()))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let State { transport, queues, device } = decode(state)?;
        require(queues.len() == self.queues.len(), "a virtio device of another type")?;
        for (queue, own) in queues.iter().zip(&self.queues) {
            queue.check(own.max_size())?;
        }
        let known = transport.backlog.checked_shr(queues.len() as u32);
        require(known.unwrap_or(0) == 0, "work left on a queue that does not exist")?;
        self.device.restore(&device)?;
        self.transport = transport;
        self.queues = queues;
        Ok(())
    }
}
