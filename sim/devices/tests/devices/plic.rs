use relsim_core::device::{BusFault, Device};
use relsim_devices::Plic;

use crate::bench::Bench;

const MEIP: u64 = 1 << 11;
const SEIP: u64 = 1 << 9;

fn priority(source: u64) -> u64 {
    4 * source
}

fn enable(context: u64) -> u64 {
    0x2000 + 0x80 * context
}

fn threshold(context: u64) -> u64 {
    0x20_0000 + 0x1000 * context
}

fn claim(context: u64) -> u64 {
    threshold(context) + 4
}

/// Contexts as on `virt`: machine and supervisor of each of two harts.
fn bench() -> Bench<Plic> {
    let contexts = [(0, 11), (0, 9), (1, 11), (1, 9)];
    Bench::new(Plic::new("plic", 95, 7, &contexts))
}

#[test]
fn one_interrupt_from_wire_to_completion() {
    let mut b = bench();
    b.write(priority(10), 4, 1);
    b.write(enable(3), 4, 1 << 10);
    b.set_wire(10, true);
    assert_eq!(b.read(0x1000, 4), 1 << 10);
    assert_eq!((b.lines.mip(0), b.lines.mip(1)), (0, SEIP));
    assert_eq!(b.read(claim(3), 4), 10);
    assert_eq!((b.lines.mip(1), b.read(0x1000, 4)), (0, 0));
    assert_eq!(b.read(claim(3), 4), 0);
    b.set_wire(10, false);
    b.write(claim(3), 4, 10);
    assert_eq!(b.lines.mip(1), 0);
    b.set_wire(10, true);
    assert_eq!(b.lines.mip(1), SEIP);
}

#[test]
fn a_level_still_high_at_completion_interrupts_again() {
    let mut b = bench();
    b.write(priority(1), 4, 7);
    b.write(enable(0), 4, 2);
    b.set_wire(1, true);
    assert_eq!(b.read(claim(0), 4), 1);
    assert_eq!(b.lines.mip(0), 0);
    b.write(claim(0), 4, 1);
    assert_eq!(b.lines.mip(0), MEIP);
}

#[test]
fn a_forwarded_request_outlives_its_level() {
    let mut b = bench();
    b.write(priority(1), 4, 1);
    b.write(enable(0), 4, 2);
    b.set_wire(1, true);
    b.set_wire(1, false);
    assert_eq!(b.lines.mip(0), MEIP);
    assert_eq!(b.read(claim(0), 4), 1);
    b.write(claim(0), 4, 1);
    assert_eq!((b.lines.mip(0), b.read(claim(0), 4)), (0, 0));
}

#[test]
fn priority_then_number_decides() {
    let mut b = bench();
    for (source, level) in [(3, 2), (5, 6), (40, 6), (94, 1)] {
        b.write(priority(source), 4, level);
    }
    for word in 0..3 {
        b.write(enable(1) + 4 * word, 4, u64::MAX);
    }
    for wire in [94, 40, 5, 3] {
        b.set_wire(wire, true);
    }
    let order: Vec<u64> = (0..5).map(|_| b.read(claim(1), 4)).collect();
    assert_eq!(order, [5, 40, 3, 94, 0]);
}

#[test]
fn the_threshold_masks_the_line_but_not_the_claim() {
    let mut b = bench();
    b.write(priority(4), 4, 3);
    b.write(enable(0), 4, 1 << 4);
    b.write(threshold(0), 4, 3);
    b.set_wire(4, true);
    assert_eq!(b.lines.mip(0), 0);
    b.write(threshold(0), 4, 2);
    assert_eq!(b.lines.mip(0), MEIP);
    b.write(threshold(0), 4, 7);
    assert_eq!(b.read(claim(0), 4), 4);
}

#[test]
fn priority_zero_never_interrupts() {
    let mut b = bench();
    b.write(enable(0), 4, u64::MAX);
    b.set_wire(4, true);
    assert_eq!((b.lines.mip(0), b.read(claim(0), 4)), (0, 0));
    b.write(priority(4), 4, 1);
    assert_eq!(b.lines.mip(0), MEIP);
}

#[test]
fn completion_needs_the_enable_bit_and_a_claim() {
    let mut b = bench();
    b.write(priority(4), 4, 1);
    b.write(enable(0), 4, 1 << 4);
    b.set_wire(4, true);
    // Pending, not claimed: the completion is nonsense.
    b.write(claim(0), 4, 4);
    assert_eq!(b.read(claim(0), 4), 4);
    // Another context, and one that has disabled the source, cannot complete it.
    b.write(claim(1), 4, 4);
    b.write(enable(0), 4, 0);
    b.write(claim(0), 4, 4);
    b.write(enable(0), 4, 1 << 4);
    assert_eq!(b.lines.mip(0), 0);
    b.write(claim(0), 4, 4);
    assert_eq!(b.lines.mip(0), MEIP);
    b.write(claim(0), 4, 5000);
}

#[test]
fn what_does_not_exist_reads_zero() {
    let mut b = bench();
    b.write(priority(0), 4, 7);
    b.write(priority(96), 4, 7);
    b.write(enable(0), 4, 0xffff_ffff);
    b.write(enable(0) + 12, 4, 0xffff_ffff);
    b.write(enable(4), 4, 0xffff_ffff);
    b.write(threshold(4), 4, 5);
    b.write(claim(15_000), 4, 5);
    b.write(0x1000, 4, 0xffff_ffff);
    for offset in [priority(0), priority(96), enable(0) + 12, enable(4), threshold(4), 0x1000] {
        assert_eq!(b.read(offset, 4), 0, "{offset:#x}");
    }
    assert_eq!(b.read(enable(0), 4), 0xffff_fffe);
    assert_eq!(b.read(claim(15_000), 4), 0);
    assert_eq!(b.try_read(0, 8), Err(BusFault));
    assert_eq!(b.try_write(4, 1, 0), Err(BusFault));
}

#[test]
fn priorities_are_warl() {
    let mut b = bench();
    b.write(priority(1), 4, 0xffff_ffff);
    assert_eq!(b.read(priority(1), 4), 7);
    b.write(priority(1), 4, 8);
    assert_eq!(b.read(priority(1), 4), 0);
    let mut odd = Bench::new(Plic::new("plic", 6, 5, &[(0, 11)]));
    odd.write(threshold(0), 4, 7);
    assert_eq!(odd.read(threshold(0), 4), 5);
    odd.write(enable(0), 4, 0xffff_ffff);
    assert_eq!(odd.read(enable(0), 4), 0x7e);
}

#[test]
fn the_largest_controller() {
    let mut b = Bench::new(Plic::new("plic", 5000, u32::MAX, &[(0, 11), (7, 9)]));
    b.write(priority(1023), 4, 0xffff_ffff);
    b.write(enable(1) + 0x7c, 4, 0x8000_0000);
    b.set_wire(1023, true);
    b.set_wire(1024, true);
    assert_eq!(b.read(claim(1), 4), 1023);
}

#[test]
fn state_is_checked() {
    let mut b = bench();
    b.write(priority(4), 4, 1);
    b.set_wire(4, true);
    b.round_trip();
    assert_eq!(b.read(0x1000, 4), 1 << 4);
    let other = Plic::new("plic", 31, 7, &[(0, 11)]).save();
    assert!(b.device.restore(&other).is_err());
    let mut high = Bench::new(Plic::new("plic", 6, 31, &[(0, 11)]));
    high.write(priority(1), 4, 20);
    let low = &mut Plic::new("plic", 6, 7, &[(0, 11)]);
    assert!(low.restore(&high.device.save()).is_err());
}
