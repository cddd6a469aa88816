//! A driver for virtio's network device, version 2 of the MMIO transport, without offloads. Source: VIRTIO 1.2,
//! sections 2.7 (split virtqueues), 3.1, 4.2 and 5.1.

use core::sync::atomic::{Ordering, fence};

/// Items of each queue, and buffers: two pages for the queues, then so many buffers for each.
const ITEMS: u16 = 64;
const BUFFER_BYTES: u64 = 2048;
/// `virtio_net_hdr`.
const HEADER_BYTES: usize = 12;
/// The longest frame: Ethernet's, without checksum.
pub const MAX_FRAME_BYTES: usize = 1514;
/// Bytes of memory that a device needs.
pub const MEMORY_BYTES: u64 = 2 * QUEUE_BYTES + 2 * ITEMS as u64 * BUFFER_BYTES;

const QUEUE_BYTES: u64 = 4096;
/// Where the parts of a queue lie in its page.
const AVAILABLE: u64 = 1024;
const USED: u64 = 2048;

const RECEIVE: u32 = 0;
const TRANSMIT: u32 = 1;

const MAGIC: (u64, u32) = (0x000, 0x7472_6976);
const VERSION: (u64, u32) = (0x004, 2);
const NETWORK: (u64, u32) = (0x008, 1);
const DRIVER_FEATURES: u64 = 0x020;
const DRIVER_FEATURES_SEL: u64 = 0x024;
const QUEUE_SEL: u64 = 0x030;
const QUEUE_NUM_MAX: u64 = 0x034;
const QUEUE_NUM: u64 = 0x038;
const QUEUE_READY: u64 = 0x044;
const QUEUE_NOTIFY: u64 = 0x050;
const INTERRUPT_STATUS: u64 = 0x060;
const INTERRUPT_ACK: u64 = 0x064;
const STATUS: u64 = 0x070;
const QUEUE_DESC: u64 = 0x080;
const QUEUE_DRIVER: u64 = 0x090;
const QUEUE_DEVICE: u64 = 0x0a0;
const CONFIG: u64 = 0x100;

const FEATURE_MAC: u32 = 1 << 5;
/// Bit 32: the second word's first.
const FEATURE_VERSION_1: u32 = 1;

const ACKNOWLEDGE: u32 = 1;
const DRIVER: u32 = 2;
const DRIVER_OK: u32 = 4;
const FEATURES_OK: u32 = 8;

const DESCRIPTOR_WRITE: u16 = 2;
const NO_INTERRUPT: u16 = 1;
const NO_NOTIFY: u16 = 1;

/// Memory that the device reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Where the driver has it.
    pub address: u64,
    /// Where the device has it.
    pub physical: u64,
}

impl Memory {
    const fn at(self, offset: u64) -> Self {
        Self { address: self.address + offset, physical: self.physical + offset }
    }

    #[inline(always)]
    fn read<T: Copy>(self, offset: u64) -> T {
        // SAFETY: it is within the memory of `Nic::new`, aligned, and a number.
        unsafe { ((self.address + offset) as *const T).read_volatile() }
    }

    #[inline(always)]
    fn write<T>(self, offset: u64, value: T) {
        // SAFETY: as above.
        unsafe { ((self.address + offset) as *mut T).write_volatile(value) };
    }
}

/// The device's registers.
#[derive(Debug, Clone, Copy)]
struct Registers(u64);

impl Registers {
    #[inline(always)]
    fn read(self, offset: u64) -> u32 {
        // SAFETY: the page is mapped: see `Nic::new`.
        unsafe { ((self.0 + offset) as *const u32).read_volatile() }
    }

    #[inline(always)]
    fn write(self, offset: u64, value: u32) {
        // SAFETY: as above. What the device does with memory is what it was given: see `Queue::new`.
        unsafe { ((self.0 + offset) as *mut u32).write_volatile(value) };
    }
}

/// A queue, whose item n is descriptor n and buffer n.
#[derive(Debug)]
struct Queue {
    memory: Memory,
    buffers: Memory,
    /// Put in, and taken out, so far.
    put: u16,
    taken: u16,
    /// The device has not been told of all that was put in.
    untold: bool,
}

impl Queue {
    fn new(registers: Registers, number: u32, memory: Memory) -> Option<Self> {
        registers.write(QUEUE_SEL, number);
        if registers.read(QUEUE_NUM_MAX) < u32::from(ITEMS) {
            return None;
        }
        let queue = memory.at(u64::from(number) * QUEUE_BYTES);
        let first = 2 * QUEUE_BYTES + u64::from(number) * u64::from(ITEMS) * BUFFER_BYTES;
        registers.write(QUEUE_NUM, u32::from(ITEMS));
        for (register, offset) in [(QUEUE_DESC, 0), (QUEUE_DRIVER, AVAILABLE), (QUEUE_DEVICE, USED)] {
            let physical = queue.physical + offset;
            registers.write(register, physical as u32);
            registers.write(register + 4, (physical >> 32) as u32);
        }
        registers.write(QUEUE_READY, 1);
        Some(Self { memory: queue, buffers: memory.at(first), put: 0, taken: 0, untold: false })
    }

    const fn buffer(&self, item: u16) -> Memory {
        self.buffers.at(item as u64 * BUFFER_BYTES)
    }

    /// Puts buffer `item` in, with `len` bytes.
    #[inline(always)]
    fn put(&mut self, item: u16, len: usize, flags: u16) {
        let descriptor = 16 * u64::from(item);
        self.memory.write(descriptor, self.buffer(item).physical);
        self.memory.write(descriptor + 8, len as u32);
        self.memory.write(descriptor + 12, flags);
        self.memory.write(AVAILABLE + 4 + 2 * u64::from(self.put % ITEMS), item);
        self.put = self.put.wrapping_add(1);
        fence(Ordering::Release);
        self.memory.write(AVAILABLE + 2, self.put);
        self.untold = true;
    }

    /// Whether the device has given something back.
    #[inline(always)]
    fn has_used(&self) -> bool {
        self.memory.read::<u16>(USED + 2) != self.taken
    }

    /// What it has given back, with how many bytes it has written.
    #[inline(always)]
    fn take(&mut self) -> Option<(u16, usize)> {
        if !self.has_used() {
            return None;
        }
        fence(Ordering::Acquire);
        let element = USED + 4 + 8 * u64::from(self.taken % ITEMS);
        self.taken = self.taken.wrapping_add(1);
        let (item, len): (u32, u32) = (self.memory.read(element), self.memory.read(element + 4));
        Some((item as u16 % ITEMS, len as usize))
    }

    /// Whether the device is to interrupt when it gives something back.
    #[inline(always)]
    fn set_interrupt(&self, wanted: bool) {
        self.memory.write(AVAILABLE, if wanted { 0 } else { NO_INTERRUPT });
        // What is looked at then has come before the device looks at this, or it interrupts.
        fence(Ordering::SeqCst);
    }

    /// Tells the device of what was put in.
    #[inline(always)]
    fn tell(&mut self, registers: Registers, number: u32) {
        if core::mem::take(&mut self.untold) {
            fence(Ordering::SeqCst);
            if self.memory.read::<u16>(USED) & NO_NOTIFY == 0 {
                registers.write(QUEUE_NOTIFY, number);
            }
        }
    }
}

/// A frame that has come: its buffer and length.
#[derive(Debug)]
pub struct Frame {
    item: u16,
    len: usize,
}

/// Frames that have come.
#[derive(Debug)]
pub struct Receiver(Queue);

impl Receiver {
    /// Takes the next frame out, if there is one. It has to be given back.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<Frame> {
        let (item, len) = self.0.take()?;
        Some(Frame { item, len: len.clamp(HEADER_BYTES, HEADER_BYTES + MAX_FRAME_BYTES) - HEADER_BYTES })
    }

    #[inline(always)]
    pub(crate) fn bytes(&self, frame: &Frame) -> &[u8] {
        let place = (self.0.buffer(frame.item).address + HEADER_BYTES as u64) as *const u8;
        // SAFETY: a part of the buffer, which the device does not write before it is given back.
        unsafe { core::slice::from_raw_parts(place, frame.len) }
    }

    #[inline(always)]
    pub(crate) fn give_back(&mut self, frame: &Frame) {
        self.0.put(frame.item, BUFFER_BYTES as usize, DESCRIPTOR_WRITE);
    }
}

/// Frames to be sent.
#[derive(Debug)]
pub struct Transmitter {
    queue: Queue,
    /// Bit n: buffer n is free.
    free: u64,
}

const _: () = assert!(ITEMS as u32 == u64::BITS);

impl Transmitter {
    /// Whether there is a buffer.
    #[inline(always)]
    pub(crate) fn has_room(&mut self) -> bool {
        while let Some((item, _)) = self.queue.take() {
            self.free |= 1 << item;
        }
        self.free != 0
    }

    /// Sends a frame of `len` bytes that `fill` writes. Without room it is lost.
    #[inline(always)]
    pub(crate) fn send<R>(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let len = len.min(MAX_FRAME_BYTES);
        // Without room some other frame is spoilt, which nobody asks for: see `has_room`.
        let item = self.free.trailing_zeros().min(u32::from(ITEMS) - 1) as u16;
        let frame = (self.queue.buffer(item).address + HEADER_BYTES as u64) as *mut u8;
        // SAFETY: a part of the buffer, which nobody else uses; its header stays as it is: zeros.
        let result = fill(unsafe { core::slice::from_raw_parts_mut(frame, len) });
        if self.free != 0 {
            self.free &= !(1 << item);
            self.queue.put(item, HEADER_BYTES + len, 0);
        }
        result
    }
}

/// A network device.
#[derive(Debug)]
pub struct Nic {
    registers: Registers,
    pub(crate) receiver: Receiver,
    pub(crate) transmitter: Transmitter,
}

impl Nic {
    /// Whether there is a network device at `registers`.
    ///
    /// # Safety
    /// The registers of a virtio device are mapped there.
    #[must_use]
    pub unsafe fn is_there(registers: u64) -> bool {
        let registers = Registers(registers);
        [MAGIC, VERSION, NETWORK].iter().all(|&(offset, value)| registers.read(offset) == value)
    }

    /// Starts the device at `registers` with `memory`, without interrupts. `None` if it refuses.
    ///
    /// # Safety
    /// As above, for good; nobody else uses the device, nor the memory, which is [`MEMORY_BYTES`] long, of zeros, and
    /// begins on a page boundary.
    #[must_use]
    pub unsafe fn new(registers: u64, memory: Memory) -> Option<Self> {
        let registers = Registers(registers);
        registers.write(STATUS, 0);
        registers.write(STATUS, ACKNOWLEDGE | DRIVER);
        for (word, features) in [(0, FEATURE_MAC), (1, FEATURE_VERSION_1)] {
            registers.write(DRIVER_FEATURES_SEL, word);
            registers.write(DRIVER_FEATURES, features);
        }
        registers.write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        if registers.read(STATUS) & FEATURES_OK == 0 {
            return None;
        }
        let mut receiver = Receiver(Queue::new(registers, RECEIVE, memory)?);
        let transmitter = Transmitter { queue: Queue::new(registers, TRANSMIT, memory)?, free: u64::MAX };
        for item in 0..ITEMS {
            receiver.0.put(item, BUFFER_BYTES as usize, DESCRIPTOR_WRITE);
        }
        receiver.0.set_interrupt(false);
        transmitter.queue.set_interrupt(false);
        registers.write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        let mut nic = Self { registers, receiver, transmitter };
        nic.tell();
        Some(nic)
    }

    /// Its Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        // SAFETY: as in `Registers`; the configuration space takes every width.
        core::array::from_fn(|n| unsafe {
            ((self.registers.0 + CONFIG + n as u64) as *const u8).read_volatile()
        })
    }

    /// Whether a frame has come.
    #[inline(always)]
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.receiver.0.has_used()
    }

    /// Whether a frame can be sent.
    #[inline(always)]
    #[must_use]
    pub fn has_room(&mut self) -> bool {
        self.transmitter.has_room()
    }

    /// Tells the device of frames to be sent, and of buffers for others.
    #[inline(always)]
    pub fn tell(&mut self) {
        self.transmitter.queue.tell(self.registers, TRANSMIT);
        self.receiver.0.tell(self.registers, RECEIVE);
    }

    /// Whether the device interrupts when a frame comes. What has come before is to be looked for then.
    #[inline(always)]
    pub fn set_interrupt(&self, wanted: bool) {
        self.receiver.0.set_interrupt(wanted);
    }

    /// Takes the interrupt back, if there is one.
    #[inline(always)]
    #[must_use]
    pub fn take_interrupt(&self) -> bool {
        let status = self.registers.read(INTERRUPT_STATUS);
        if status != 0 {
            self.registers.write(INTERRUPT_ACK, status);
        }
        status != 0
    }
}
