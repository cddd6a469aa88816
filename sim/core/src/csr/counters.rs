//! Counters (privileged specification 3.1.10-3.1.12, unprivileged Zicntr and Zihpm).
//!
//! `mcycle` and `minstret` are the hart's own counts plus an offset, so that they cost nothing while the
//! hart runs. The event counters 3 to 31 exist and count nothing (both they and their selectors are
//! read-only zero, which the specification allows).

use super::{CsrDef, ignore_write, read_zero};
use crate::bus::Bus;
use crate::hart::{Hart, Priv};
use crate::isa::Ext;
use crate::need;

const CY: u64 = 1 << 0;
const TM: u64 = 1 << 1;
const IR: u64 = 1 << 2;

fn cycle(h: &Hart, bus: &Bus, _: u16) -> u64 {
    if h.csr.mcountinhibit & CY != 0 { h.csr.cycle_offset } else { bus.now.wrapping_add(h.csr.cycle_offset) }
}

fn set_cycle(h: &mut Hart, bus: &mut Bus, _: u16, value: u64) {
    // The write takes the place of the instruction's own increment (privileged 3.1.10).
    let base = if h.csr.mcountinhibit & CY != 0 { 0 } else { bus.now + 1 };
    h.csr.cycle_offset = value.wrapping_sub(base);
}

impl Hart {
    /// `mcycle` does not count `cycles` cycles that have passed.
    pub fn skip_cycles(&mut self, cycles: u64) {
        if self.csr.mcountinhibit & CY == 0 {
            self.csr.cycle_offset = self.csr.cycle_offset.wrapping_sub(cycles);
        }
    }
}

fn instret(h: &Hart, _: &Bus, _: u16) -> u64 {
    if h.csr.mcountinhibit & IR != 0 {
        h.csr.instret_offset
    } else {
        h.instret_now.wrapping_add(h.csr.instret_offset)
    }
}

fn set_instret(h: &mut Hart, _: &mut Bus, _: u16, value: u64) {
    let base = if h.csr.mcountinhibit & IR != 0 { 0 } else { h.instret_now + 1 };
    h.csr.instret_offset = value.wrapping_sub(base);
}

fn set_inhibit(h: &mut Hart, bus: &mut Bus, _: u16, value: u64) {
    // The counts stand still while inhibited: turn the offset into the value and back.
    let (cycle_now, instret_now) = (cycle(h, bus, 0), instret(h, bus, 0));
    h.csr.mcountinhibit = value & (CY | IR);
    h.csr.cycle_offset = if value & CY != 0 { cycle_now } else { cycle_now.wrapping_sub(bus.now) };
    h.csr.instret_offset =
        if value & IR != 0 { instret_now } else { instret_now.wrapping_sub(h.instret_now) };
}

fn time(_: &Hart, bus: &Bus, _: u16) -> u64 {
    bus.clock.mtime(bus.now)
}

/// `mcounteren` (below M) and `scounteren` (in U, where there is an S) must allow `bit`.
fn enabled(h: &Hart, bit: u64) -> bool {
    let m = h.privilege == Priv::M || h.csr.mcounteren & bit != 0;
    let s = h.privilege != Priv::U || !h.has(Ext::S) || h.csr.scounteren & bit != 0;
    m && s
}

fn hpm_enabled<const N: u32>(h: &Hart) -> bool {
    enabled(h, 1 << N)
}

macro_rules! rows {
    ($($n:literal $user:literal $machine:literal $event:literal)*) => {
        /// Counter registers.
        pub const ROWS: &[CsrDef] = &[
            CsrDef::new(0xb00, "mcycle", need!(I), "priv 3.1.10", cycle, set_cycle),
            CsrDef::new(0xb02, "minstret", need!(I), "priv 3.1.10", instret, set_instret),
            CsrDef::new(0xc00, "cycle", need!(Zicntr), "unpriv Zicntr", cycle, ignore_write)
                .when(|h| enabled(h, CY)),
            CsrDef::new(0xc01, "time", need!(Zicntr), "unpriv Zicntr", time, ignore_write)
                .when(|h| enabled(h, TM)),
            CsrDef::new(0xc02, "instret", need!(Zicntr), "unpriv Zicntr", instret, ignore_write)
                .when(|h| enabled(h, IR)),
            CsrDef::new(
                0x320, "mcountinhibit", need!(I), "priv 3.1.12",
                |h, _, _| h.csr.mcountinhibit, set_inhibit,
            ),
            CsrDef::new(
                0x306, "mcounteren", need!(U), "priv 3.1.11",
                |h, _, _| h.csr.mcounteren,
                |h, _, _, v| h.csr.mcounteren = v & 0xffff_ffff,
            ),
            CsrDef::new(
                0x106, "scounteren", need!(S), "priv 4.1.5",
                |h, _, _| h.csr.scounteren,
                |h, _, _, v| h.csr.scounteren = v & 0xffff_ffff,
            ),
            $(
                CsrDef::new(0xb00 + $n, $machine, need!(I), "priv 3.1.10", read_zero, ignore_write),
                CsrDef::new(0x320 + $n, $event, need!(I), "priv 3.1.10", read_zero, ignore_write),
                CsrDef::new(0xc00 + $n, $user, need!(Zihpm), "unpriv Zihpm", read_zero, ignore_write)
                    .when(hpm_enabled::<$n>),
            )*
        ];
    };
}

rows! {
    3 "hpmcounter3" "mhpmcounter3" "mhpmevent3"
    4 "hpmcounter4" "mhpmcounter4" "mhpmevent4"
    5 "hpmcounter5" "mhpmcounter5" "mhpmevent5"
    6 "hpmcounter6" "mhpmcounter6" "mhpmevent6"
    7 "hpmcounter7" "mhpmcounter7" "mhpmevent7"
    8 "hpmcounter8" "mhpmcounter8" "mhpmevent8"
    9 "hpmcounter9" "mhpmcounter9" "mhpmevent9"
    10 "hpmcounter10" "mhpmcounter10" "mhpmevent10"
    11 "hpmcounter11" "mhpmcounter11" "mhpmevent11"
    12 "hpmcounter12" "mhpmcounter12" "mhpmevent12"
    13 "hpmcounter13" "mhpmcounter13" "mhpmevent13"
    14 "hpmcounter14" "mhpmcounter14" "mhpmevent14"
    15 "hpmcounter15" "mhpmcounter15" "mhpmevent15"
    16 "hpmcounter16" "mhpmcounter16" "mhpmevent16"
    17 "hpmcounter17" "mhpmcounter17" "mhpmevent17"
    18 "hpmcounter18" "mhpmcounter18" "mhpmevent18"
    19 "hpmcounter19" "mhpmcounter19" "mhpmevent19"
    20 "hpmcounter20" "mhpmcounter20" "mhpmevent20"
    21 "hpmcounter21" "mhpmcounter21" "mhpmevent21"
    22 "hpmcounter22" "mhpmcounter22" "mhpmevent22"
    23 "hpmcounter23" "mhpmcounter23" "mhpmevent23"
    24 "hpmcounter24" "mhpmcounter24" "mhpmevent24"
    25 "hpmcounter25" "mhpmcounter25" "mhpmevent25"
    26 "hpmcounter26" "mhpmcounter26" "mhpmevent26"
    27 "hpmcounter27" "mhpmcounter27" "mhpmevent27"
    28 "hpmcounter28" "mhpmcounter28" "mhpmevent28"
    29 "hpmcounter29" "mhpmcounter29" "mhpmevent29"
    30 "hpmcounter30" "mhpmcounter30" "mhpmevent30"
    31 "hpmcounter31" "mhpmcounter31" "mhpmevent31"
}
