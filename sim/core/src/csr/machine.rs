//! Machine-mode CSRs (privileged specification 3.1) and the trigger registers as read-only zero.

use super::{CsrDef, ENVCFG_ADUE, ENVCFG_PBMTE, ENVCFG_STCE, ignore_write, irq, read_zero};
use crate::bus::Bus;
use crate::hart::Hart;
use crate::isa::{Ext, ExtSet};
use crate::need;

/// Causes that `medeleg` can delegate: all but the call from M, and the misaligned jump where there is no
/// such thing.
fn delegable(h: &Hart) -> u64 {
    if h.has(Ext::C) { 0xb3fe } else { 0xb3ff }
}

fn misa(isa: ExtSet) -> u64 {
    let letters = isa.iter().filter(|e| e.name().len() == 1);
    let b = isa.has(Ext::Zba) && isa.has(Ext::Zbb) && isa.has(Ext::Zbs);
    letters.fold(2 << 62 | u64::from(b) << 1, |bits, e| bits | 1 << (e.name().as_bytes()[0] - b'a'))
}

/// Interrupts that exist on this hart.
fn implemented(h: &Hart) -> u64 {
    let s = if h.has(Ext::S) { irq::SUPERVISOR } else { 0 };
    let n = if h.has(Ext::N) { irq::USER } else { 0 };
    irq::MACHINE | s | n
}

fn write_mip(h: &mut Hart, _: &mut Bus, _: u16, value: u64) {
    let timer = if h.stce() { irq::STIP } else { 0 };
    let mask = implemented(h) & !irq::MACHINE & !timer;
    h.csr.mip_soft = (h.csr.mip_soft & !mask) | (value & mask);
}

/// Legal trap vector: modes 0 and 1; another mode keeps the old one.
pub(super) fn legal_tvec(old: u64, new: u64) -> u64 {
    if new & 2 != 0 { (new & !3) | (old & 3) } else { new }
}

/// Legal `xepc`: aligned to the shortest instruction.
pub(super) fn legal_epc(h: &Hart, value: u64) -> u64 {
    if h.has(Ext::C) { value & !1 } else { value & !3 }
}

fn write_menvcfg(h: &mut Hart, _: &mut Bus, _: u16, value: u64) {
    let mut mask = 1;
    for (ext, bits) in [
        (Ext::Zicbom, 0x70),
        (Ext::Zicboz, 0x80),
        (Ext::Svadu, ENVCFG_ADUE),
        (Ext::Svpbmt, ENVCFG_PBMTE),
        (Ext::Sstc, ENVCFG_STCE),
    ] {
        if h.has(ext) {
            mask |= bits;
        }
    }
    h.csr.menvcfg = legal_cbie(h.csr.menvcfg, value & mask);
    h.flush_translations();
}

/// CBIE = 2 is reserved: keeps the old field.
pub(super) fn legal_cbie(old: u64, new: u64) -> u64 {
    if new >> 4 & 3 == 2 { (new & !0x30) | (old & 0x30) } else { new }
}

/// Machine CSRs.
pub const ROWS: &[CsrDef] = &[
    CsrDef::new(0xf11, "mvendorid", need!(I), "priv 3.1.2", |h, _, _| h.config.ids[0], ignore_write),
    CsrDef::new(0xf12, "marchid", need!(I), "priv 3.1.3", |h, _, _| h.config.ids[1], ignore_write),
    CsrDef::new(0xf13, "mimpid", need!(I), "priv 3.1.4", |h, _, _| h.config.ids[2], ignore_write),
    CsrDef::new(0xf14, "mhartid", need!(I), "priv 3.1.5", |h, _, _| h.config.id as u64, ignore_write),
    CsrDef::new(0xf15, "mconfigptr", need!(I), "priv 3.1.17", read_zero, ignore_write),
    CsrDef::new(
        0x300,
        "mstatus",
        need!(I),
        "priv 3.1.6",
        |h, _, _| h.csr.status.mstatus(),
        |h, _, _, v| {
            h.csr.status.set_mstatus(v, h.config.isa);
            h.update_contexts();
        },
    ),
    CsrDef::new(0x301, "misa", need!(I), "priv 3.1.1", |h, _, _| misa(h.config.isa), ignore_write),
    CsrDef::new(
        0x302,
        "medeleg",
        need!(S),
        "priv 3.1.8",
        |h, _, _| h.csr.medeleg,
        |h, _, _, v| h.csr.medeleg = v & delegable(h),
    ),
    CsrDef::new(
        0x303,
        "mideleg",
        need!(S),
        "priv 3.1.8",
        |h, _, _| h.mideleg(),
        |h, _, _, v| h.csr.mideleg = v & irq::SUPERVISOR,
    ),
    CsrDef::new(
        0x304,
        "mie",
        need!(I),
        "priv 3.1.9",
        |h, _, _| h.csr.mie,
        |h, _, _, v| h.csr.mie = v & implemented(h),
    ),
    CsrDef::new(
        0x305,
        "mtvec",
        need!(I),
        "priv 3.1.7",
        |h, _, _| h.csr.mtvec,
        |h, _, _, v| h.csr.mtvec = legal_tvec(h.csr.mtvec, v),
    ),
    CsrDef::new(0x30a, "menvcfg", need!(U), "priv 3.1.18", |h, _, _| h.csr.menvcfg, write_menvcfg),
    CsrDef::new(
        0x340,
        "mscratch",
        need!(I),
        "priv 3.1.13",
        |h, _, _| h.csr.mscratch,
        |h, _, _, v| h.csr.mscratch = v,
    ),
    CsrDef::new(
        0x341,
        "mepc",
        need!(I),
        "priv 3.1.14",
        |h, _, _| legal_epc(h, h.csr.mepc),
        |h, _, _, v| h.csr.mepc = legal_epc(h, v),
    ),
    CsrDef::new(
        0x342,
        "mcause",
        need!(I),
        "priv 3.1.15",
        |h, _, _| h.csr.mcause,
        |h, _, _, v| h.csr.mcause = v,
    ),
    CsrDef::new(0x343, "mtval", need!(I), "priv 3.1.16", |h, _, _| h.csr.mtval, |h, _, _, v| h.csr.mtval = v),
    CsrDef::new(0x344, "mip", need!(I), "priv 3.1.9", |h, bus, _| h.mip_seen(bus, bus.now), write_mip)
        .update_from(|h, bus, _| {
            (h.mip_seen(bus, bus.now) & !(irq::SEIP | irq::USER)) | (h.csr.mip_soft & (irq::SEIP | irq::USER))
        }),
    CsrDef::new(0x7a0, "tselect", need!(I), "debug 5.7.1", read_zero, ignore_write),
    CsrDef::new(0x7a1, "tdata1", need!(I), "debug 5.7.2", read_zero, ignore_write),
    CsrDef::new(0x7a2, "tdata2", need!(I), "debug 5.7.3", read_zero, ignore_write),
    CsrDef::new(0x7a3, "tdata3", need!(I), "debug 5.7.4", read_zero, ignore_write),
    CsrDef::new(0x7a4, "tinfo", need!(I), "debug 5.7.5", read_zero, ignore_write),
    CsrDef::new(0x7a5, "tcontrol", need!(I), "debug 5.7.6", read_zero, ignore_write),
];
