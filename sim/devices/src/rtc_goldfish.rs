//! Goldfish real-time clock: wall-clock time in nanoseconds, with one alarm.
//!
//! All registers are 4 bytes wide; other widths fault, the rest of the window reads 0.
//!
//! | offset | register | read | write |
//! |---|---|---|---|
//! | 0x00 | `TIME_LOW` | low half of the time; latches the high half | sets the low half |
//! | 0x04 | `TIME_HIGH` | the latched high half | sets the high half |
//! | 0x08 | `ALARM_LOW` | low half of the alarm | sets it and arms the alarm |
//! | 0x0c | `ALARM_HIGH` | high half of the alarm | sets it (written before the low half) |
//! | 0x10 | `IRQ_ENABLED` | bit 0 | bit 0 lets the alarm drive the wire |
//! | 0x14 | `CLEAR_ALARM` | 0 | disarms |
//! | 0x18 | `ALARM_STATUS` | 1 while armed | ignored |
//! | 0x1c | `CLEAR_INTERRUPT` | 0 | drops a pending interrupt |
//!
//! The time is a given start plus the simulated time that has passed, in steps of the platform's timer
//! tick: two runs see the same dates. A guest that writes `mtime` does not move this clock.
//!
//! Sources: AOSP "Goldfish virtual hardware" (`GOLDFISH-VIRTUAL-HARDWARE.TXT`, section "RTC"); Linux
//! `drivers/rtc/rtc-goldfish.c`.

use relsim_core::device::{BusFault, Clock, Console, Device, DeviceCx};
use serde::{Deserialize, Serialize};

use crate::state::{decode, encode};

/// The date at which a run begins unless told otherwise: 2025-01-01 00:00:00 UTC, in seconds since
/// 1970.
pub const DEFAULT_EPOCH_S: u64 = 1_735_689_600;

const NS_PER_S: u64 = 1_000_000_000;

#[derive(Serialize, Deserialize)]
struct State {
    /// Time (ns since 1970) at cycle 0; the guest's writes to the time move it. Modulo 2^64.
    start_ns: u64,
    latched_high: u32,
    alarm_ns: u64,
    armed: bool,
    /// While armed: simulated nanoseconds since cycle 0 at which the alarm fires. Unlike the time that
    /// the guest sees this never wraps around.
    deadline_ns: u128,
    irq_enabled: bool,
    irq_pending: bool,
}

/// The real-time clock; see the module's register map.
pub struct RtcGoldfish {
    name: String,
    wire: u32,
    state: State,
}

/// Simulated nanoseconds since cycle 0.
fn elapsed_ns(clock: &Clock, now: u64) -> u128 {
    let tick_start = now - now % clock.cycles_per_tick.max(1);
    u128::from(tick_start) * u128::from(NS_PER_S) / u128::from(clock.core_freq_hz.max(1))
}

impl RtcGoldfish {
    /// A clock that shows `epoch_s` seconds since 1970 at cycle 0 and raises `wire` for its alarm.
    pub fn new(name: &str, wire: u32, epoch_s: u64) -> Self {
        let state = State {
            start_ns: epoch_s.wrapping_mul(NS_PER_S),
            latched_high: 0,
            alarm_ns: 0,
            armed: false,
            deadline_ns: 0,
            irq_enabled: false,
            irq_pending: false,
        };
        Self { name: name.into(), wire, state }
    }

    fn time_ns(&self, cx: &DeviceCx<'_>) -> u64 {
        self.state.start_ns.wrapping_add(elapsed_ns(cx.clock, cx.now) as u64)
    }

    fn set_time(&mut self, cx: &DeviceCx<'_>, time_ns: u64) {
        self.state.start_ns = time_ns.wrapping_sub(elapsed_ns(cx.clock, cx.now) as u64);
    }

    /// Works out when the alarm fires, after the time or the alarm was set: at once if it lies in the
    /// past.
    fn schedule(&mut self, cx: &DeviceCx<'_>) {
        let ahead = self.state.alarm_ns.saturating_sub(self.time_ns(cx));
        self.state.deadline_ns = elapsed_ns(cx.clock, cx.now) + u128::from(ahead);
    }

    /// Fires the alarm if its time has come, and drives the wire.
    fn settle(&mut self, cx: &mut DeviceCx<'_>) {
        if self.state.armed && self.state.deadline_ns <= elapsed_ns(cx.clock, cx.now) {
            self.state.armed = false;
            self.state.irq_pending = true;
        }
        let level = self.state.irq_pending && self.state.irq_enabled;
        cx.lines.set_wire(self.wire, level);
    }
}

const HIGH: u64 = 0xffff_ffff_0000_0000;

impl Device for RtcGoldfish {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8) -> Result<u64, BusFault> {
        if size != 4 {
            return Err(BusFault);
        }
        Ok(match offset {
            0x00 => {
                let time = self.time_ns(cx);
                self.state.latched_high = (time >> 32) as u32;
                time & !HIGH
            }
            0x04 => u64::from(self.state.latched_high),
            0x08 => self.state.alarm_ns & !HIGH,
            0x0c => self.state.alarm_ns >> 32,
            0x10 => u64::from(self.state.irq_enabled),
            0x18 => u64::from(self.state.armed),
            _ => 0,
        })
    }

    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        if size != 4 {
            return Err(BusFault);
        }
        let value = value & !HIGH;
        match offset {
            0x00 => self.set_time(cx, self.time_ns(cx) & HIGH | value),
            0x04 => self.set_time(cx, self.time_ns(cx) & !HIGH | value << 32),
            0x08 => {
                self.state.alarm_ns = self.state.alarm_ns & HIGH | value;
                self.state.armed = true;
            }
            0x0c => self.state.alarm_ns = self.state.alarm_ns & !HIGH | value << 32,
            0x10 => self.state.irq_enabled = value & 1 == 1,
            0x14 => self.state.armed = false,
            0x1c => self.state.irq_pending = false,
            _ => {}
        }
        if offset < 0x10 {
            self.schedule(cx);
        }
        self.settle(cx);
        Ok(())
    }

    fn next_event(&self, clock: &Clock) -> Option<u64> {
        if !self.state.armed {
            return None;
        }
        // The first tick whose time is not before the deadline.
        let cycles_per_tick = u128::from(clock.cycles_per_tick.max(1));
        let scaled = u128::from(clock.core_freq_hz).checked_mul(self.state.deadline_ns)?;
        let ticks = scaled.div_ceil(cycles_per_tick * u128::from(NS_PER_S));
        u64::try_from(ticks.checked_mul(cycles_per_tick)?).ok()
    }

    fn event(&mut self, cx: &mut DeviceCx<'_>) {
        self.settle(cx);
    }

    fn can_wake(&self, _: &dyn Console) -> bool {
        self.state.irq_enabled
    }

    fn save(&self) -> Vec<u8> {
        encode(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = decode(state)?;
        Ok(())
    }
}
