//! The driver's side of virtio-mmio, as far as the tests need one.

use relsim_core::device::Device;

use crate::bench::{Bench, RAM_BASE};

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;

pub const FEATURE_INDIRECT: u64 = 1 << 28;
pub const FEATURE_EVENT_IDX: u64 = 1 << 29;
pub const FEATURE_VERSION_1: u64 = 1 << 32;

pub const STATUS: u64 = 0x70;
pub const NEEDS_RESET: u64 = 64;
pub const WIRE: u32 = 3;
pub const QUEUE_SIZE: u16 = 8;

/// Where buffers go: behind the rings of all queues.
pub const BUFFERS: u64 = RAM_BASE + 0x4_0000;

pub fn descriptors(queue: u64) -> u64 {
    RAM_BASE + 0x1_0000 * queue
}

pub fn available(queue: u64) -> u64 {
    descriptors(queue) + 0x4000
}

pub fn used(queue: u64) -> u64 {
    descriptors(queue) + 0x8000
}

impl<D: Device + ?Sized> Bench<D> {
    /// Goes through section 3.1.1 with the given features; returns the status that results.
    pub fn negotiate(&mut self, features: u64) -> u64 {
        self.write(STATUS, 4, 0);
        self.write(STATUS, 4, 1);
        self.write(STATUS, 4, 3);
        for half in 0..2 {
            self.write(0x24, 4, half);
            self.write(0x20, 4, features >> (32 * half));
        }
        self.write(STATUS, 4, 3 | 8);
        self.read(STATUS, 4)
    }

    pub fn set_queue(&mut self, queue: u64, size: u64) {
        self.write(0x30, 4, queue);
        self.write(0x38, 4, size);
        let rings = [descriptors(queue), available(queue), used(queue)];
        for (register, address) in [0x80, 0x90, 0xa0].into_iter().zip(rings) {
            self.write(register, 4, address);
            self.write(register + 4, 4, address >> 32);
        }
        self.write(0x44, 4, 1);
    }

    /// Brings the device up with `queues` queues.
    pub fn start(&mut self, features: u64, queues: u64) {
        assert_eq!(self.negotiate(features | FEATURE_VERSION_1), 11);
        for queue in 0..queues {
            self.set_queue(queue, u64::from(QUEUE_SIZE));
        }
        self.write(STATUS, 4, 15);
    }

    pub fn describe(&mut self, table: u64, index: u16, buffer: (u64, u32), flags: u16, next: u16) {
        let at = table + 16 * u64::from(index);
        self.ram.put(at, buffer.0);
        self.ram.put(at + 8, buffer.1);
        self.ram.put(at + 12, flags);
        self.ram.put(at + 14, next);
    }

    /// A chain from descriptor 0 on: readable buffers, then writable ones.
    pub fn chain(&mut self, queue: u64, readable: &[(u64, u32)], writable: &[(u64, u32)]) {
        let count = readable.len() + writable.len();
        let all = readable.iter().map(|b| (b, 0)).chain(writable.iter().map(|b| (b, WRITE)));
        for (index, (buffer, flags)) in all.enumerate() {
            let next = if index + 1 < count { NEXT } else { 0 };
            let index = index as u16;
            self.describe(descriptors(queue), index, *buffer, flags | next, index + 1);
        }
    }

    /// Makes `head` available without a notification.
    pub fn offer(&mut self, queue: u64, head: u16) {
        let index: u16 = self.ram.get(available(queue) + 2).unwrap();
        let slot = u64::from(index % QUEUE_SIZE);
        self.ram.put(available(queue) + 4 + 2 * slot, head);
        self.ram.put(available(queue) + 2, index.wrapping_add(1));
    }

    pub fn kick(&mut self, queue: u64) {
        self.write(0x50, 4, queue);
    }

    pub fn submit(&mut self, queue: u64, head: u16) {
        self.offer(queue, head);
        self.kick(queue);
    }

    pub fn used_index(&self, queue: u64) -> u16 {
        self.ram.get(used(queue) + 2).unwrap()
    }

    /// Head and length of used element `n`.
    pub fn used_element(&self, queue: u64, n: u16) -> (u32, u32) {
        let at = used(queue) + 4 + 8 * u64::from(n % QUEUE_SIZE);
        (self.ram.get(at).unwrap(), self.ram.get(at + 4).unwrap())
    }

    pub fn needs_reset(&mut self) -> bool {
        self.read(STATUS, 4) & NEEDS_RESET != 0
    }

    pub fn bytes(&self, pa: u64, len: usize) -> Vec<u8> {
        self.ram.slice(pa, len as u64).unwrap().to_vec()
    }
}
