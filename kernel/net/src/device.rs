//! The network device as the stack has it.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::virtio::{Frame, MAX_FRAME_BYTES, Nic, Receiver, Transmitter};

/// A frame that has come. Its buffer goes back to the device with it.
pub struct Received<'a> {
    receiver: &'a mut Receiver,
    frame: Frame,
}

/// Room for a frame.
pub struct Room<'a>(&'a mut Transmitter);

impl RxToken for Received<'_> {
    #[inline(always)]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.receiver.bytes(&self.frame))
    }
}

impl Drop for Received<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.receiver.give_back(&self.frame);
    }
}

impl TxToken for Room<'_> {
    #[inline(always)]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        self.0.send(len, fill)
    }
}

impl Device for Nic {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    #[inline(always)]
    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Room<'_>)> {
        if !self.transmitter.has_room() {
            return None;
        }
        let frame = self.receiver.take()?;
        Some((Received { receiver: &mut self.receiver, frame }, Room(&mut self.transmitter)))
    }

    #[inline(always)]
    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        self.transmitter.has_room().then_some(Room(&mut self.transmitter))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MAX_FRAME_BYTES;
        capabilities
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::virtio::{MEMORY_BYTES, Memory};

    /// Where the parts of a queue are, from its beginning.
    const AVAILABLE: usize = 1024;
    const USED: usize = 2048;
    const TRANSMIT: usize = 4096;
    const BUFFERS: usize = 8192;

    /// Registers and memory that nobody acts on but the test.
    struct Bench {
        registers: Vec<u32>,
        memory: Vec<u64>,
    }

    impl Bench {
        fn new() -> (Self, Nic) {
            let mut registers = vec![0; 1024];
            (registers[0], registers[1], registers[2]) = (0x7472_6976, 2, 1);
            registers[0x34 / 4] = 64;
            let mut memory = vec![0_u64; MEMORY_BYTES as usize / 8];
            let (at, address) = (registers.as_mut_ptr() as u64, memory.as_mut_ptr() as u64);
            // SAFETY: both are there as long as the bench, which outlives the device in each test; what is said about
            // pages matters to a device only.
            let nic = unsafe {
                assert!(Nic::is_there(at));
                Nic::new(at, Memory { address, physical: address + 0x1000_0000 }).expect("it starts")
            };
            (Self { registers, memory }, nic)
        }

        fn at<T: Copy>(&self, offset: usize) -> T {
            assert!(offset + size_of::<T>() <= MEMORY_BYTES as usize);
            // SAFETY: it is within the memory; all bits are a number.
            unsafe { self.memory.as_ptr().cast::<u8>().add(offset).cast::<T>().read_volatile() }
        }

        fn set<T>(&mut self, offset: usize, value: T) {
            assert!(offset + size_of::<T>() <= MEMORY_BYTES as usize);
            // SAFETY: as above.
            unsafe { self.memory.as_mut_ptr().cast::<u8>().add(offset).cast::<T>().write_volatile(value) };
        }

        /// The device gives `item` of the queue at `queue` back, as number `n`.
        fn give(&mut self, queue: usize, n: u16, item: u32, len: u32) {
            let element = queue + USED + 4 + 8 * usize::from(n % 64);
            self.set(element, item);
            self.set(element + 4, len);
            self.set(queue + USED + 2, n.wrapping_add(1));
        }
    }

    #[test]
    fn frames_come_and_their_buffers_go_back() {
        let (mut bench, mut nic) = Bench::new();
        assert_eq!(bench.registers[0x70 / 4], 15);
        // All buffers, without interrupts.
        assert_eq!((bench.at::<u16>(AVAILABLE), bench.at::<u16>(AVAILABLE + 2)), (1, 64));
        let buffer = bench.memory.as_ptr() as u64 + 0x1000_0000 + (BUFFERS + 5 * 2048) as u64;
        let descriptor: (u64, u32, u16) = (bench.at(5 * 16), bench.at(5 * 16 + 8), bench.at(5 * 16 + 12));
        assert_eq!(descriptor, (buffer, 2048, 2));
        assert!(!nic.has_input() && nic.receive(Instant::ZERO).is_none());
        bench.set(BUFFERS + 5 * 2048 + 12, [1_u8, 2, 3]);
        bench.give(0, 0, 5, 15);
        assert!(nic.has_input());
        let (received, _) = nic.receive(Instant::ZERO).expect("a frame");
        received.consume(|frame| assert_eq!(frame, [1, 2, 3]));
        assert!(!nic.has_input());
        assert_eq!((bench.at::<u16>(AVAILABLE + 2), bench.at::<u16>(AVAILABLE + 4)), (65, 5));
        nic.set_interrupt(true);
        assert_eq!(bench.at::<u16>(AVAILABLE), 0);
        assert!(!nic.take_interrupt());
        bench.registers[0x60 / 4] = 1;
        assert!(nic.take_interrupt());
        assert_eq!(bench.registers[0x64 / 4], 1);
    }

    #[test]
    fn frames_are_sent_as_long_as_there_is_room() {
        let (mut bench, mut nic) = Bench::new();
        for n in 0..64 {
            let room = nic.transmit(Instant::ZERO).expect("room");
            room.consume(4, |frame| frame.fill(n));
        }
        assert!(nic.transmit(Instant::ZERO).is_none());
        let queue = TRANSMIT;
        assert_eq!((bench.at::<u16>(queue + AVAILABLE + 2), bench.at::<u32>(queue + 16 * 9 + 8)), (64, 16));
        let third = BUFFERS + (64 + 3) * 2048;
        assert_eq!(bench.at::<[u8; 17]>(third), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 3, 0]);
        bench.registers[0x50 / 4] = 9;
        nic.tell();
        assert_eq!(bench.registers[0x50 / 4], 1);
        bench.registers[0x50 / 4] = 9;
        nic.tell();
        assert_eq!(bench.registers[0x50 / 4], 9, "there is nothing to tell");
        bench.give(queue, 0, 17, 0);
        nic.transmit(Instant::ZERO).expect("room").consume(1, |frame| frame.fill(0xff));
        assert_eq!(bench.at::<u16>(queue + AVAILABLE + 4), 17);
        assert!(nic.transmit(Instant::ZERO).is_none());
    }

    #[test]
    fn what_a_device_says_does_not_lead_out_of_the_buffers() {
        let (mut bench, mut nic) = Bench::new();
        for (n, (item, len)) in
            [(64, 100), (u32::MAX, 0), (3, u32::MAX), (70, 11), (3, 1527), (0, 12)].into_iter().enumerate()
        {
            bench.give(0, n as u16, item, len);
            bench.give(TRANSMIT, n as u16, item, len);
            let start = bench.memory.as_ptr() as usize + BUFFERS;
            let (received, room) = nic.receive(Instant::ZERO).expect("a frame");
            received.consume(|frame| {
                let place = frame.as_ptr() as usize - start;
                assert!(place / 2048 < 64 && place % 2048 + frame.len() <= 2048, "{item} {len}");
            });
            room.consume(usize::MAX, |frame| assert_eq!(frame.len(), MAX_FRAME_BYTES));
        }
    }
}
