use relsim_core::device::Device;
use relsim_devices::{Block, BlockBackend, BlockError, CowDisk, SECTOR_BYTES, VirtioMmio};

use crate::bench::{Bench, RAM_BASE};
use crate::virtio_driver::*;

const HEADER: u64 = BUFFERS;
const STATUS_AT: u64 = BUFFERS + 0x100;
const DATA: u64 = BUFFERS + 0x1000;
const READ: u32 = 0;
const WRITE_OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;

fn image() -> Vec<u8> {
    (0..8 * SECTOR_BYTES - 100).map(|n| (n / SECTOR_BYTES + n) as u8).collect()
}

fn bench(read_only: bool) -> Bench<VirtioMmio<Block>> {
    let disk = Block::new(Box::new(CowDisk::new(image())), "relsim-disk", read_only);
    let mut b = Bench::new(VirtioMmio::new("virtio0", WIRE, disk));
    b.start(0, 1);
    b
}

impl Bench<VirtioMmio<Block>> {
    /// One request with `out` bytes to the device or `into` bytes from it; status and used length.
    fn request(&mut self, kind: u32, sector: u64, out: u32, into: u32) -> (u8, u32) {
        self.ram.put(HEADER, kind);
        self.ram.put(HEADER + 8, sector);
        self.ram.put(STATUS_AT, 0xeeu8);
        self.chain(0, &[(HEADER, 16), (DATA, out)], &[(DATA, into), (STATUS_AT, 1)]);
        let done = self.used_index(0);
        self.submit(0, 0);
        assert_eq!(self.used_index(0), done.wrapping_add(1));
        (self.ram.get(STATUS_AT).unwrap(), self.used_element(0, done).1)
    }
}

#[test]
fn configuration() {
    let mut b = bench(false);
    assert_eq!(b.read(8, 4), 2);
    assert_eq!((b.read(0x100, 8), b.read(0x100, 4), b.read(0x104, 4)), (8, 8, 0));
    assert_eq!((b.read(0x10c, 4), b.read(0x114, 2)), (254, 512));
    assert_eq!((b.read(0x118, 8), b.read(0xff8, 8)), (0, 0));
    assert_eq!(b.read(0x10, 4) & 1 << 5, 0);
    assert_eq!(bench(true).read(0x10, 4) & 1 << 5, 1 << 5);
}

#[test]
fn reads_come_from_the_image() {
    let mut b = bench(false);
    assert_eq!(b.request(READ, 2, 0, 1024), (0, 1025));
    assert_eq!(b.bytes(DATA, 1024), image()[1024..2048]);
    // The last sector is filled up.
    assert_eq!(b.request(READ, 7, 0, 512), (0, 513));
    assert_eq!(b.bytes(DATA, 412), image()[3584..]);
    assert_eq!(b.bytes(DATA + 412, 100), [0; 100]);
}

#[test]
fn writes_stay_beside_the_image_and_survive_a_checkpoint() {
    let mut b = bench(false);
    b.ram.write(DATA, &[0xab; 1024]);
    assert_eq!(b.request(WRITE_OUT, 3, 1024, 0), (0, 1));
    b.ram.write(DATA, &[0; 2048]);
    let saved = b.device.save();
    let mut c = bench(false);
    c.ram = b.ram;
    c.device.restore(&saved).unwrap();
    assert_eq!(c.request(READ, 2, 0, 2048), (0, 2049));
    assert_eq!(c.bytes(DATA, 512), image()[1024..1536]);
    assert_eq!(c.bytes(DATA + 512, 1024), [0xab; 1024]);
    assert_eq!(c.request(FLUSH, 0, 0, 0), (0, 1));
}

#[test]
fn errors_are_reported_in_the_status() {
    let mut b = bench(false);
    assert_eq!(b.request(READ, 8, 0, 512), (1, 0));
    assert_eq!(b.request(READ, 7, 0, 1024), (1, 0));
    assert_eq!(b.request(READ, u64::MAX, 0, 512), (1, 0));
    assert_eq!(b.request(READ, 0, 0, 100), (1, 0));
    assert_eq!(b.request(WRITE_OUT, 8, 512, 0), (1, 1));
    assert_eq!(b.request(WRITE_OUT, 0, 511, 0), (1, 1));
    assert_eq!(b.request(77, 0, 0, 0), (2, 1));
    assert_eq!(bench(true).request(WRITE_OUT, 0, 512, 0), (1, 1));
    assert!(!b.needs_reset());
}

#[test]
fn identification() {
    let mut b = bench(false);
    assert_eq!(b.request(GET_ID, 0, 0, 20), (0, 21));
    assert_eq!(b.bytes(DATA, 20), b"relsim-disk\0\0\0\0\0\0\0\0\0");
    assert_eq!(b.request(GET_ID, 0, 0, 6), (0, 7));
}

#[test]
fn framing_is_free() {
    let mut b = bench(false);
    b.ram.put(HEADER, READ);
    b.ram.put(HEADER + 8, 1u64);
    // Header in two pieces, data and status in three that cut across both.
    b.chain(0, &[(HEADER, 3), (HEADER + 3, 13)], &[(DATA, 500), (DATA + 500, 0), (DATA + 500, 13)]);
    b.ram.put(DATA + 512, 0xeeu8);
    b.submit(0, 0);
    assert_eq!(b.used_element(0, 0).1, 513);
    assert_eq!(b.bytes(DATA, 512), image()[512..1024]);
    assert_eq!(b.bytes(DATA + 512, 1), [0]);
}

#[test]
fn requests_without_header_or_status_need_a_reset() {
    let mut b = bench(false);
    b.chain(0, &[(HEADER, 16)], &[]);
    b.submit(0, 0);
    assert!(b.needs_reset());
    let mut b = bench(false);
    b.chain(0, &[(HEADER, 15)], &[(STATUS_AT, 1)]);
    b.submit(0, 0);
    assert!(b.needs_reset());
}

#[test]
fn a_failing_backend_is_an_io_error() {
    struct Broken;
    impl BlockBackend for Broken {
        fn capacity_sectors(&self) -> u64 {
            u64::MAX
        }
        fn read(&mut self, _: u64, _: &mut [u8]) -> Result<(), BlockError> {
            Err(BlockError)
        }
        fn write(&mut self, _: u64, _: &[u8]) -> Result<(), BlockError> {
            Err(BlockError)
        }
        fn flush(&mut self) -> Result<(), BlockError> {
            Err(BlockError)
        }
        fn save(&self) -> Vec<u8> {
            Vec::new()
        }
        fn restore(&mut self, _: &[u8]) -> Result<(), String> {
            Ok(())
        }
    }
    let disk = Block::new(Box::new(Broken), "a name that is longer than twenty bytes", false);
    let mut b = Bench::new(VirtioMmio::new("virtio0", WIRE, disk));
    b.start(0, 1);
    assert_eq!(b.request(READ, u64::MAX - 1, 0, 512), (1, 0));
    assert_eq!(b.request(WRITE_OUT, 0, 512, 0), (1, 1));
    assert_eq!(b.request(FLUSH, 0, 0, 0), (1, 1));
}

#[test]
fn a_checkpoint_of_another_disk_is_refused() {
    let mut small = CowDisk::new(vec![0; 512]);
    let mut large = CowDisk::new(vec![0; 1024]);
    large.write(1, &[1; 512]).unwrap();
    assert!(small.restore(&large.save()).is_err());
    assert!(small.restore(&[0xff; 9]).is_err());
    assert!(large.clone().restore(&large.save()).is_ok());
}

#[test]
fn a_long_notification_is_served_in_portions() {
    let mut b = bench(false);
    b.negotiate(FEATURE_VERSION_1);
    b.set_queue(0, 256);
    b.write(STATUS, 4, 15);
    // 256 times the same unknown request with nearly a megabyte of data.
    b.ram.put(HEADER, 77u32);
    b.chain(0, &[(HEADER, 16), (RAM_BASE, 0xf_0000)], &[(STATUS_AT, 1)]);
    b.ram.put(available(0) + 2, 256u16);
    b.kick(0);
    let first = b.used_index(0);
    assert!((1..256).contains(&first), "{first}");
    assert!(b.next_event().is_some());
    assert!(b.lines.wire(WIRE));
    b.round_trip();
    b.run_to(10);
    assert_eq!((b.used_index(0), b.next_event()), (256, None));
    assert!(!b.needs_reset());
}
