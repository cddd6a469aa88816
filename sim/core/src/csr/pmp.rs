//! `pmpcfg` and `pmpaddr` (privileged specification 3.7.1). RV64 has the even configuration registers
//! only. Numbers up to 63 exist in the architecture; relsim implements at most 16 entries, and the
//! registers beyond are not there, as in Rocket.

use super::CsrDef;
use crate::bus::Bus;
use crate::hart::Hart;
use crate::need;

fn read_cfg(h: &Hart, _: &Bus, num: u16) -> u64 {
    let first = usize::from(num - 0x3a0) * 4;
    (0..8).map(|n| u64::from(h.pmp.cfg(first + n)) << (8 * n)).sum()
}

fn write_cfg(h: &mut Hart, _: &mut Bus, num: u16, value: u64) {
    let first = usize::from(num - 0x3a0) * 4;
    for n in 0..8 {
        h.pmp.set_cfg(first + n, (value >> (8 * n)) as u8);
    }
    h.flush_translations();
}

fn read_addr(h: &Hart, _: &Bus, num: u16) -> u64 {
    h.pmp.addr(usize::from(num - 0x3b0))
}

fn write_addr(h: &mut Hart, _: &mut Bus, num: u16, value: u64) {
    h.pmp.set_addr(usize::from(num - 0x3b0), value);
    h.flush_translations();
}

fn any(h: &Hart) -> bool {
    h.config.pmp_entries > 0
}

macro_rules! rows {
    ($(cfg $cn:literal $cname:literal)* $(addr $an:literal $aname:literal)*) => {
        /// PMP registers.
        pub const ROWS: &[CsrDef] = &[
            $(CsrDef::new($cn, $cname, need!(I), "priv 3.7.1", read_cfg, write_cfg).when(any),)*
            $(CsrDef::new($an, $aname, need!(I), "priv 3.7.1", read_addr, write_addr).when(any),)*
        ];
    };
}

rows! {
    cfg 0x3a0 "pmpcfg0"
    cfg 0x3a2 "pmpcfg2"
    addr 0x3b0 "pmpaddr0"
    addr 0x3b1 "pmpaddr1"
    addr 0x3b2 "pmpaddr2"
    addr 0x3b3 "pmpaddr3"
    addr 0x3b4 "pmpaddr4"
    addr 0x3b5 "pmpaddr5"
    addr 0x3b6 "pmpaddr6"
    addr 0x3b7 "pmpaddr7"
    addr 0x3b8 "pmpaddr8"
    addr 0x3b9 "pmpaddr9"
    addr 0x3ba "pmpaddr10"
    addr 0x3bb "pmpaddr11"
    addr 0x3bc "pmpaddr12"
    addr 0x3bd "pmpaddr13"
    addr 0x3be "pmpaddr14"
    addr 0x3bf "pmpaddr15"
}
