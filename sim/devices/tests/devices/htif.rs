use relsim_core::device::{BusFault, Device, GuestExit};
use relsim_devices::{Htif, HtifDevice};

use crate::bench::{Bench, RAM_BASE};

const FROMHOST: u64 = 0;
const TOHOST: u64 = 8;
const PUTCHAR: u64 = 1 << 56 | 1 << 48;
const GETCHAR: u64 = 1 << 56;
const POLL: u64 = 500;

fn bench() -> Bench<HtifDevice> {
    Bench::new(HtifDevice::new("htif", TOHOST, FROMHOST, POLL))
}

#[test]
fn exit_codes() {
    for (tohost, code) in [
        (1, 0),
        (3, 1),
        (1337 << 1 | 1, 1337),
        (u64::MAX, u32::MAX),
        (0xffff_ffff_ffff, u32::MAX),
        (1 << 40 | 1, u32::MAX),
    ] {
        let mut b = bench();
        b.write(TOHOST, 8, tohost);
        assert_eq!(b.exit, Some(GuestExit::Done(code)), "{tohost:#x}");
        assert_eq!(b.read(TOHOST, 8), 0);
    }
}

#[test]
fn characters_in_and_out() {
    let mut b = bench();
    b.write(TOHOST, 8, PUTCHAR | u64::from(b'o'));
    b.write(TOHOST, 4, u64::from(b'k'));
    assert_eq!(b.printed(), "o");
    b.write(TOHOST + 4, 4, PUTCHAR >> 32);
    assert_eq!(b.printed(), "k");
    assert_eq!((b.read(FROMHOST, 8), b.exit), (0, None));
    b.write(TOHOST, 8, GETCHAR);
    assert_eq!(b.read(FROMHOST, 8), 0);
    assert_eq!(b.next_event(), Some(POLL));
    b.type_in("yz");
    b.run_to(POLL);
    assert_eq!(b.read(FROMHOST, 8), GETCHAR | 0x100 | u64::from(b'y'));
    assert_eq!(b.next_event(), None);
    // The second request is answered when the first answer has been taken.
    b.write(TOHOST, 8, GETCHAR);
    b.round_trip();
    assert_eq!(b.read(FROMHOST, 4), 0x100 | u64::from(b'y'));
    b.write(FROMHOST, 8, 0);
    assert_eq!(b.read(FROMHOST, 8), GETCHAR | 0x100 | u64::from(b'z'));
}

#[test]
fn system_calls_through_the_block() {
    let mut b = bench();
    let block = RAM_BASE + 0x100;
    let call = |b: &mut Bench<HtifDevice>, words: [u64; 4]| {
        for (n, word) in words.into_iter().enumerate() {
            b.ram.put(block + 8 * n as u64, word);
        }
        b.write(TOHOST, 8, block);
        let reply = b.read(FROMHOST, 8);
        b.write(FROMHOST, 8, 0);
        (reply, b.ram.get::<u64>(block).unwrap().cast_signed())
    };
    b.ram.write(RAM_BASE, b"hello\n");
    assert_eq!(call(&mut b, [64, 1, RAM_BASE, 6]), (1, 6));
    assert_eq!(b.printed(), "hello\n");
    assert_eq!(call(&mut b, [64, 7, RAM_BASE, 6]), (1, -9));
    assert_eq!(call(&mut b, [64, 1, 0, 6]), (1, -14));
    assert_eq!(call(&mut b, [64, 1, u64::MAX, u64::MAX]), (1, -14));
    assert_eq!(call(&mut b, [1234, 0, 0, 0]), (1, -38));
    assert_eq!((b.exit, b.printed()), (None, String::new()));
    assert_eq!(call(&mut b, [93, 5, 0, 0]).0, 0);
    assert_eq!(b.exit, Some(GuestExit::Done(5)));
}

#[test]
fn nonsense_is_ignored() {
    let mut b = bench();
    for tohost in [2, 0x1234_5678_9abc, 7 << 56 | 1, 1 << 56 | 9 << 48, !7 & 0xffff_ffff_ffff] {
        b.write(TOHOST, 8, tohost);
        assert_eq!((b.read(FROMHOST, 8), b.exit), (0, None), "{tohost:#x}");
    }
    assert_eq!(b.try_read(16, 8), Err(BusFault));
    assert_eq!(b.try_read(TOHOST, 2), Err(BusFault));
    assert!(b.device.restore(&[0xff; 12]).is_err());
}

#[test]
fn words_in_memory() {
    let mut b = bench();
    let mut htif = Htif::new();
    let (tohost, fromhost) = (RAM_BASE + 0x1000, RAM_BASE + 0x1040);
    b.ram.put(tohost, PUTCHAR | u64::from(b'm'));
    b.with(|_, cx| htif.poll_memory(tohost, Some(fromhost), cx));
    assert_eq!((b.printed(), b.ram.get(tohost)), ("m".into(), Some(0u64)));
    b.ram.put(tohost, GETCHAR);
    b.with(|_, cx| htif.poll_memory(tohost, Some(fromhost), cx));
    assert!(htif.wants_input());
    let saved = htif.save();
    b.ram.put(fromhost, 99u64);
    b.type_in("q");
    b.with(|_, cx| htif.poll_memory(tohost, Some(fromhost), cx));
    assert_eq!(b.ram.get(fromhost), Some(99u64));
    b.ram.put(fromhost, 0u64);
    b.with(|_, cx| htif.poll_memory(tohost, Some(fromhost), cx));
    assert_eq!(b.ram.get(fromhost), Some(GETCHAR | 0x100 | 113));
    htif.restore(&saved).unwrap();
    assert!(htif.wants_input());
    b.ram.put(tohost, 1u32);
    b.with(|_, cx| htif.poll_memory(tohost, None, cx));
    assert_eq!(b.exit, Some(GuestExit::Done(0)));
    b.with(|_, cx| htif.poll_memory(4, Some(u64::MAX), cx));
}
