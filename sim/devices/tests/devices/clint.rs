use relsim_core::device::{BusFault, Device};
use relsim_devices::Clint;

use crate::bench::{Bench, CYCLES_PER_TICK};

const MSIP: u64 = 1 << 3;
const MTIP: u64 = 1 << 7;
const MTIMECMP: u64 = 0x4000;
const MTIME: u64 = 0xbff8;

fn bench() -> Bench<Clint> {
    Bench::new(Clint::new("clint", 2))
}

#[test]
fn software_interrupts_reach_their_hart_only() {
    let mut b = bench();
    b.write(4, 4, u64::MAX);
    assert_eq!((b.lines.mip(0), b.lines.mip(1)), (0, MSIP));
    assert_eq!((b.read(0, 4), b.read(4, 4)), (0, 1));
    assert_eq!(b.read(0, 8), 1 << 32);
    b.write(0, 8, 1);
    assert_eq!((b.lines.mip(0), b.lines.mip(1)), (MSIP, 0));
}

#[test]
fn timer_rises_at_its_cycle_and_falls_with_a_new_deadline() {
    let mut b = bench();
    assert_eq!(b.next_event(), None);
    b.write(MTIMECMP, 8, 100);
    b.write(MTIMECMP + 8, 8, 250);
    assert_eq!(b.next_event(), Some(100 * CYCLES_PER_TICK));
    b.run_to(100 * CYCLES_PER_TICK - 1);
    assert_eq!(b.lines.mip(0), 0);
    b.run_to(100 * CYCLES_PER_TICK);
    assert_eq!((b.lines.mip(0), b.lines.mip(1)), (MTIP, 0));
    assert_eq!(b.next_event(), Some(250 * CYCLES_PER_TICK));
    b.write(MTIMECMP, 8, u64::MAX);
    assert_eq!(b.lines.mip(0), 0);
    b.run_to(250 * CYCLES_PER_TICK);
    assert_eq!(b.lines.mip(1), MTIP);
    assert_eq!(b.next_event(), None);
}

#[test]
fn the_32_bit_write_sequence_of_the_privileged_specification() {
    let mut b = bench();
    b.write(MTIMECMP, 4, 0xffff_ffff);
    b.write(MTIMECMP + 4, 4, 1);
    b.write(MTIMECMP, 4, 5);
    assert_eq!(b.read(MTIMECMP, 8), 0x1_0000_0005);
    assert_eq!((b.read(MTIMECMP, 4), b.read(MTIMECMP + 4, 4)), (5, 1));
    assert_eq!(b.lines.mip(0), 0);
}

#[test]
fn writing_mtime_moves_the_clock_and_the_levels() {
    let mut b = bench();
    b.run_to(1234 * CYCLES_PER_TICK);
    assert_eq!(b.read(MTIME, 8), 1234);
    b.write(MTIMECMP, 8, 5000);
    b.write(MTIME, 8, 6000);
    assert_eq!(b.lines.mip(0), MTIP);
    b.write(MTIME, 8, 10);
    assert_eq!(b.lines.mip(0), 0);
    assert_eq!(b.next_event(), Some((1234 + 4990) * CYCLES_PER_TICK));
    b.write(MTIME + 4, 4, 7);
    assert_eq!(b.read(MTIME, 8), 7 << 32 | 10);
    assert_eq!(b.read(MTIME, 4), 10);
}

#[test]
fn the_level_falls_when_mtime_wraps() {
    let mut b = bench();
    b.write(MTIMECMP, 8, u64::MAX - 1);
    b.write(MTIME, 8, u64::MAX - 3);
    b.run_to(2 * CYCLES_PER_TICK);
    assert_eq!(b.lines.mip(0), MTIP);
    b.run_to(4 * CYCLES_PER_TICK - 1);
    assert_eq!(b.lines.mip(0), MTIP);
    b.run_to(4 * CYCLES_PER_TICK);
    assert_eq!((b.lines.mip(0), b.read(MTIME, 8)), (0, 0));
}

#[test]
fn a_clock_of_one_cycle_per_tick_has_no_event_at_the_end_of_time() {
    let mut b = bench();
    b.clock.cycles_per_tick = 1;
    b.write(0, 4, 0);
    assert_eq!(b.next_event(), None);
}

#[test]
fn harts_that_do_not_exist_read_zero() {
    let mut b = bench();
    b.write(8, 4, 1);
    b.write(MTIMECMP + 16, 8, 1);
    b.write(0xc000, 8, 1);
    assert_eq!((b.read(8, 4), b.read(MTIMECMP + 16, 8), b.read(0xc000, 8)), (0, 0, 0));
    assert_eq!(b.try_read(0, 1), Err(BusFault));
    assert_eq!(b.try_write(MTIME, 2, 0), Err(BusFault));
}

#[test]
fn state_of_another_machine_is_refused() {
    let mut b = bench();
    b.write(MTIMECMP, 8, 77);
    b.round_trip();
    assert_eq!(b.read(MTIMECMP, 8), 77);
    assert!(b.device.restore(&Clint::new("other", 3).save()).is_err());
    assert!(b.device.restore(&[]).is_err());
    assert_eq!(b.read(MTIMECMP, 8), 77);
}
