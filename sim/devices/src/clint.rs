//! Core-local interruptor: machine software and timer interrupts of every hart.
//!
//! | offset | width | register |
//! |---|---|---|
//! | 0x0000 + 4 h | 4 | `msip`: bit 0 drives `mip.MSIP` (bit 3) of hart h |
//! | 0x4000 + 8 h | 8 | `mtimecmp`: `mip.MTIP` (bit 7) of hart h is high while `mtime >= mtimecmp` |
//! | 0xbff8 | 8 | `mtime`, shared; a write moves the platform clock's offset |
//!
//! All take aligned 4- and 8-byte accesses, so the halves of the 64-bit registers and pairs of `msip`
//! as well; other widths fault. Registers of harts that do not exist, and the gaps, read 0 and ignore
//! writes. At reset `mtimecmp` (which the specification leaves open) is all ones: no timer is armed.
//!
//! Sources: SiFive FU540-C000 manual, chapter "CLINT"; RISC-V ACLINT specification 1.0-rc4, sections
//! 2 (MTIMER) and 3 (MSWI); Privileged Architecture, "Machine Timer Registers".

use relsim_core::device::{BusFault, Clock, Device, DeviceCx};
use serde::{Deserialize, Serialize};

use crate::state::{decode, encode, read_part, require, write_part};

const MTIMECMP: u64 = 0x4000;
const MTIME: u64 = 0xbff8;
const MIP_MSIP: u32 = 3;
const MIP_MTIP: u32 = 7;

#[derive(Serialize, Deserialize)]
struct State {
    msip: Vec<bool>,
    mtimecmp: Vec<u64>,
    /// The cycle at which the timer lines were last brought up to date.
    seen_cycle: u64,
}

/// The core-local interruptor; see the module's register map.
pub struct Clint {
    name: String,
    state: State,
}

impl Clint {
    /// A CLINT for harts 0 to `harts - 1`, with no interrupt pending and no timer armed.
    pub fn new(name: &str, harts: usize) -> Self {
        let state = State { msip: vec![false; harts], mtimecmp: vec![u64::MAX; harts], seen_cycle: 0 };
        Self { name: name.into(), state }
    }

    /// The 64-bit word of registers at `offset` (a multiple of 8).
    fn word(&self, cx: &DeviceCx<'_>, offset: u64) -> u64 {
        let msip = |hart: u64| self.state.msip.get(hart as usize) == Some(&true);
        match offset {
            MTIME => cx.clock.mtime(cx.now),
            0..MTIMECMP => u64::from(msip(offset / 4)) | u64::from(msip(offset / 4 + 1)) << 32,
            MTIMECMP..MTIME => {
                let hart = ((offset - MTIMECMP) / 8) as usize;
                self.state.mtimecmp.get(hart).copied().unwrap_or(0)
            }
            _ => 0,
        }
    }

    fn set_msip(&mut self, cx: &mut DeviceCx<'_>, hart: u64, level: bool) {
        if let Some(msip) = self.state.msip.get_mut(hart as usize) {
            *msip = level;
            cx.lines.set_mip(hart as usize, MIP_MSIP, level);
        }
    }

    /// MTIP is a level: it follows the comparison in both directions.
    fn drive_timers(&mut self, cx: &mut DeviceCx<'_>) {
        let mtime = cx.clock.mtime(cx.now);
        for (hart, &deadline) in self.state.mtimecmp.iter().enumerate() {
            cx.lines.set_mip(hart, MIP_MTIP, mtime >= deadline);
        }
        self.state.seen_cycle = cx.now;
    }
}

impl Device for Clint {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8) -> Result<u64, BusFault> {
        if size < 4 {
            return Err(BusFault);
        }
        Ok(read_part(self.word(cx, offset & !7), offset, size))
    }

    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        if size < 4 {
            return Err(BusFault);
        }
        let word = write_part(self.word(cx, offset & !7), offset, size, value);
        match offset & !7 {
            MTIME => {
                let ticks = cx.clock.mtime(cx.now).wrapping_sub(cx.clock.mtime_offset);
                cx.clock.mtime_offset = word.wrapping_sub(ticks);
            }
            at @ 0..MTIMECMP => {
                self.set_msip(cx, at / 4, word & 1 == 1);
                self.set_msip(cx, at / 4 + 1, word >> 32 & 1 == 1);
            }
            at @ MTIMECMP..MTIME => {
                let hart = ((at - MTIMECMP) / 8) as usize;
                if let Some(deadline) = self.state.mtimecmp.get_mut(hart) {
                    *deadline = word;
                }
            }
            _ => {}
        }
        self.drive_timers(cx);
        Ok(())
    }

    fn next_event(&self, clock: &Clock) -> Option<u64> {
        let seen = self.state.seen_cycle;
        let mtime = clock.mtime(seen);
        let rise = self.state.mtimecmp.iter().filter(|&&d| d > mtime).min();
        let rise = rise.and_then(|&deadline| clock.cycle_of(deadline, seen));
        // A guest can set mtime close to its end; when it wraps to 0 the raised levels fall.
        let wrap = clock
            .cycle_of(u64::MAX, seen)
            .and_then(|last| (last / clock.cycles_per_tick).checked_add(1))
            .and_then(|ticks| ticks.checked_mul(clock.cycles_per_tick));
        // The last cycle of all stands for "never".
        rise.into_iter().chain(wrap).min().filter(|&c| c < u64::MAX)
    }

    fn event(&mut self, cx: &mut DeviceCx<'_>) {
        self.drive_timers(cx);
    }

    fn save(&self) -> Vec<u8> {
        encode(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let state: State = decode(state)?;
        let harts = self.state.msip.len();
        let fits = state.msip.len() == harts && state.mtimecmp.len() == harts;
        require(fits, "not for this number of harts")?;
        self.state = state;
        Ok(())
    }
}
