//! User-mode trap CSRs (privileged specification v1.11 draft, chapter N).

use super::machine::{legal_epc, legal_tvec};
use super::{CsrDef, irq};
use crate::bus::Bus;
use crate::hart::Hart;
use crate::need;

/// Interrupts that U-mode sees: those that S-mode delegated.
fn visible(h: &Hart) -> u64 {
    h.mideleg() & h.csr.sideleg
}

fn write_uip(h: &mut Hart, _: &mut Bus, _: u16, value: u64) {
    let mask = visible(h) & irq::USIP;
    h.csr.mip_soft = (h.csr.mip_soft & !mask) | (value & mask);
}

/// User CSRs of N.
pub const ROWS: &[CsrDef] = &[
    CsrDef::new(
        0x000,
        "ustatus",
        need!(N),
        "N",
        |h, _, _| h.csr.status.ustatus(),
        |h, _, _, v| h.csr.status.set_ustatus(v),
    ),
    CsrDef::new(
        0x004,
        "uie",
        need!(N),
        "N",
        |h, _, _| h.csr.mie & visible(h),
        |h, _, _, v| h.csr.mie = (h.csr.mie & !visible(h)) | (v & visible(h)),
    ),
    CsrDef::new(
        0x005,
        "utvec",
        need!(N),
        "N",
        |h, _, _| h.csr.utvec,
        |h, _, _, v| h.csr.utvec = legal_tvec(h.csr.utvec, v),
    ),
    CsrDef::new(0x040, "uscratch", need!(N), "N", |h, _, _| h.csr.uscratch, |h, _, _, v| h.csr.uscratch = v),
    CsrDef::new(
        0x041,
        "uepc",
        need!(N),
        "N",
        |h, _, _| legal_epc(h, h.csr.uepc),
        |h, _, _, v| h.csr.uepc = legal_epc(h, v),
    ),
    CsrDef::new(0x042, "ucause", need!(N), "N", |h, _, _| h.csr.ucause, |h, _, _, v| h.csr.ucause = v),
    CsrDef::new(0x043, "utval", need!(N), "N", |h, _, _| h.csr.utval, |h, _, _, v| h.csr.utval = v),
    CsrDef::new(0x044, "uip", need!(N), "N", |h, bus, _| h.mip_seen(bus, bus.now) & visible(h), write_uip)
        .update_from(|h, _, _| h.csr.mip_soft & visible(h)),
];
