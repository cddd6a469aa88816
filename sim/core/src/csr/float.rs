//! `fflags`, `frm`, `fcsr` (unprivileged specification, F).

use super::CsrDef;
use crate::hart::Hart;
use crate::need;

fn on(h: &Hart) -> bool {
    h.csr.status.fp_on()
}

/// Floating-point CSRs.
pub const ROWS: &[CsrDef] = &[
    CsrDef::new(
        0x001,
        "fflags",
        need!(F),
        "unpriv F.2",
        |h, _, _| u64::from(h.csr.fflags),
        |h, _, _, v| {
            h.csr.fflags = v as u8 & 0x1f;
            h.csr.status.dirty_fp();
        },
    )
    .when(on),
    CsrDef::new(
        0x002,
        "frm",
        need!(F),
        "unpriv F.2",
        |h, _, _| u64::from(h.csr.frm),
        |h, _, _, v| {
            h.csr.frm = v as u8 & 7;
            h.csr.status.dirty_fp();
        },
    )
    .when(on),
    CsrDef::new(
        0x003,
        "fcsr",
        need!(F),
        "unpriv F.2",
        |h, _, _| u64::from(h.csr.frm) << 5 | u64::from(h.csr.fflags),
        |h, _, _, v| {
            h.csr.fflags = v as u8 & 0x1f;
            h.csr.frm = (v >> 5) as u8 & 7;
            h.csr.status.dirty_fp();
        },
    )
    .when(on),
];
