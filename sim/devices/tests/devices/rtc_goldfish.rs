use relsim_core::device::{BusFault, Device};
use relsim_devices::{DEFAULT_EPOCH_S, RtcGoldfish};

use crate::bench::Bench;

const TIME_LOW: u64 = 0x00;
const TIME_HIGH: u64 = 0x04;
const ALARM_LOW: u64 = 0x08;
const ALARM_HIGH: u64 = 0x0c;
const IRQ_ENABLED: u64 = 0x10;
const CLEAR_ALARM: u64 = 0x14;
const ALARM_STATUS: u64 = 0x18;
const CLEAR_INTERRUPT: u64 = 0x1c;
const WIRE: u32 = 11;
/// The bench runs at 100 MHz.
const NS_PER_CYCLE: u64 = 10;

fn bench() -> Bench<RtcGoldfish> {
    Bench::new(RtcGoldfish::new("rtc", WIRE, DEFAULT_EPOCH_S))
}

impl Bench<RtcGoldfish> {
    fn time(&mut self) -> u64 {
        let low = self.read(TIME_LOW, 4);
        self.read(TIME_HIGH, 4) << 32 | low
    }

    fn set_alarm(&mut self, ns: u64) {
        self.write(ALARM_HIGH, 4, ns >> 32);
        self.write(ALARM_LOW, 4, ns);
    }
}

#[test]
fn time_starts_at_the_epoch_and_follows_the_timer() {
    let mut b = bench();
    let start = DEFAULT_EPOCH_S * 1_000_000_000;
    assert_eq!(b.time(), start);
    b.now = 100_000_000;
    assert_eq!(b.time(), start + 1_000_000_000);
    b.now += 9;
    assert_eq!(b.time(), start + 1_000_000_000);
    // The timer's offset is the CLINT's affair.
    b.clock.mtime_offset = 12345;
    assert_eq!(b.time(), start + 1_000_000_000);
}

#[test]
fn reading_the_low_half_latches_the_high_one() {
    let mut b = bench();
    b.write(TIME_HIGH, 4, 5);
    b.write(TIME_LOW, 4, 0xffff_fff0);
    assert_eq!(b.read(TIME_LOW, 4), 0xffff_fff0);
    b.now = 1000;
    assert_eq!(b.read(TIME_HIGH, 4), 5);
    assert_eq!(b.time(), 0x6_0000_0000 - 16 + 10_000);
}

#[test]
fn alarm_interrupts_at_its_time() {
    let mut b = bench();
    b.now = 5000;
    let time = b.time();
    b.write(IRQ_ENABLED, 4, 1);
    b.set_alarm(time + 1_000_001);
    assert_eq!(b.read(ALARM_STATUS, 4), 1);
    // The first tick (10 cycles, 100 ns) whose time is not before the alarm.
    assert_eq!(b.next_event(), Some(5000 + 1_000_100 / NS_PER_CYCLE));
    b.run_to(5000 + 1_000_090 / NS_PER_CYCLE);
    assert!(!b.lines.wire(WIRE));
    b.run_to(5000 + 1_000_100 / NS_PER_CYCLE);
    assert!(b.lines.wire(WIRE));
    assert_eq!((b.read(ALARM_STATUS, 4), b.next_event()), (0, None));
    b.write(CLEAR_INTERRUPT, 4, 1);
    assert!(!b.lines.wire(WIRE));
}

#[test]
fn an_alarm_in_the_past_fires_at_once_and_a_masked_one_later() {
    let mut b = bench();
    b.set_alarm(1);
    assert!(!b.lines.wire(WIRE));
    assert!(!b.device.can_wake(&b.console));
    b.write(IRQ_ENABLED, 4, 1);
    assert!(b.lines.wire(WIRE));
}

#[test]
fn a_cleared_alarm_stays_quiet_and_moving_the_time_counts() {
    let mut b = bench();
    b.write(IRQ_ENABLED, 4, 1);
    let time = b.time();
    b.set_alarm(time + 1000);
    b.write(CLEAR_ALARM, 4, 0);
    b.run_to(10_000);
    assert!(!b.lines.wire(WIRE));
    b.set_alarm(u64::MAX);
    assert_eq!(b.read(ALARM_HIGH, 4), 0xffff_ffff);
    b.write(TIME_HIGH, 4, 0xffff_ffff);
    b.write(TIME_LOW, 4, 0xffff_ff00);
    b.run_to(20_000);
    assert!(b.lines.wire(WIRE));
}

#[test]
fn only_words_and_a_state_that_fits() {
    let mut b = bench();
    assert_eq!(b.try_read(0, 8), Err(BusFault));
    assert_eq!(b.try_write(0, 1, 0), Err(BusFault));
    assert_eq!(b.read(0x100, 4), 0);
    b.set_alarm(u64::MAX / 2);
    b.round_trip();
    assert_eq!(b.read(ALARM_STATUS, 4), 1);
    assert!(b.device.restore(&[1, 2]).is_err());
}
