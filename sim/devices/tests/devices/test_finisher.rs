use relsim_core::device::{BusFault, Device, GuestExit};
use relsim_devices::TestFinisher;

use crate::bench::Bench;

fn exit_after(size: u8, value: u64) -> Option<GuestExit> {
    let mut b = Bench::new(TestFinisher::new("test"));
    b.write(0, size, value);
    b.exit
}

#[test]
fn commands() {
    assert_eq!(exit_after(4, 0x5555), Some(GuestExit::Done(0)));
    assert_eq!(exit_after(2, 0xffff_5555), Some(GuestExit::Done(0)));
    assert_eq!(exit_after(4, 0x002a_3333), Some(GuestExit::Done(42)));
    assert_eq!(exit_after(4, 0xffff_3333), Some(GuestExit::Done(0xffff)));
    assert_eq!(exit_after(4, 0x3333), Some(GuestExit::Done(1)));
    assert_eq!(exit_after(8, 0x7777), Some(GuestExit::Reset));
    assert_eq!(exit_after(4, 0x1234), None);
    assert_eq!(exit_after(4, 0), None);
}

#[test]
fn the_rest_is_quiet() {
    let mut b = Bench::new(TestFinisher::new("test"));
    b.write(4, 4, 0x5555);
    assert_eq!((b.exit, b.read(0, 4)), (None, 0));
    assert_eq!(b.try_write(0, 1, 0x55), Err(BusFault));
    b.round_trip();
    assert!(b.device.restore(&[0]).is_err());
}
