//! Supervisor-mode CSRs (privileged specification 4.1; Sstc; chapter N for `sedeleg` and `sideleg`).

use super::machine::{legal_cbie, legal_epc, legal_tvec};
use super::{CsrDef, irq};
use crate::bus::Bus;
use crate::hart::{Hart, Priv};
use crate::isa::Ext;
use crate::need;

/// Interrupts that S-mode sees: those delegated to it.
fn visible(h: &Hart) -> u64 {
    h.mideleg()
}

fn write_sip(h: &mut Hart, _: &mut Bus, _: u16, value: u64) {
    // SSIP, and of N's bits USIP and UEIP, are S-mode's to write; STIP and SEIP are not.
    let mask = visible(h) & (irq::SSIP | irq::USIP | irq::UEIP);
    h.csr.mip_soft = (h.csr.mip_soft & !mask) | (value & mask);
}

fn write_satp(h: &mut Hart, _: &mut Bus, _: u16, value: u64) {
    let supported = match value >> 60 {
        0 => true,
        8 => h.has(Ext::Sv39),
        9 => h.has(Ext::Sv48),
        10 => h.has(Ext::Sv57),
        _ => false,
    };
    // A write with a mode that is not there changes nothing at all (privileged 4.1.11).
    if supported {
        h.csr.satp = value;
        h.update_contexts();
    }
}

fn write_senvcfg(h: &mut Hart, _: &mut Bus, _: u16, value: u64) {
    let zicbom = if h.has(Ext::Zicbom) { 0x70 } else { 0 };
    let zicboz = if h.has(Ext::Zicboz) { 0x80 } else { 0 };
    h.csr.senvcfg = legal_cbie(h.csr.senvcfg, value & (1 | zicbom | zicboz));
}

fn satp_access(h: &Hart) -> bool {
    h.privilege != Priv::S || !h.csr.status.tvm()
}

fn stimecmp_access(h: &Hart) -> bool {
    h.privilege == Priv::M || (h.stce() && h.csr.mcounteren & 2 != 0)
}

/// Supervisor CSRs.
pub const ROWS: &[CsrDef] = &[
    CsrDef::new(
        0x100,
        "sstatus",
        need!(S),
        "priv 4.1.1",
        |h, _, _| h.csr.status.sstatus(h.config.isa),
        |h, _, _, v| {
            h.csr.status.set_sstatus(v, h.config.isa);
            h.update_contexts();
        },
    ),
    CsrDef::new(
        0x102,
        "sedeleg",
        need!(S + N),
        "N",
        |h, _, _| h.csr.sedeleg,
        // Calls from S and M do not come from U, and so cannot be delegated to it.
        |h, _, _, v| h.csr.sedeleg = v & 0xb1ff,
    ),
    CsrDef::new(
        0x103,
        "sideleg",
        need!(S + N),
        "N",
        |h, _, _| h.csr.sideleg,
        |h, _, _, v| h.csr.sideleg = v & irq::USER,
    ),
    CsrDef::new(
        0x104,
        "sie",
        need!(S),
        "priv 4.1.3",
        |h, _, _| h.csr.mie & visible(h),
        |h, _, _, v| h.csr.mie = (h.csr.mie & !visible(h)) | (v & visible(h)),
    ),
    CsrDef::new(
        0x105,
        "stvec",
        need!(S),
        "priv 4.1.2",
        |h, _, _| h.csr.stvec,
        |h, _, _, v| h.csr.stvec = legal_tvec(h.csr.stvec, v),
    ),
    CsrDef::new(0x10a, "senvcfg", need!(S), "priv 4.1.10", |h, _, _| h.csr.senvcfg, write_senvcfg),
    CsrDef::new(
        0x140,
        "sscratch",
        need!(S),
        "priv 4.1.6",
        |h, _, _| h.csr.sscratch,
        |h, _, _, v| h.csr.sscratch = v,
    ),
    CsrDef::new(
        0x141,
        "sepc",
        need!(S),
        "priv 4.1.7",
        |h, _, _| legal_epc(h, h.csr.sepc),
        |h, _, _, v| h.csr.sepc = legal_epc(h, v),
    ),
    CsrDef::new(
        0x142,
        "scause",
        need!(S),
        "priv 4.1.8",
        |h, _, _| h.csr.scause,
        |h, _, _, v| h.csr.scause = v,
    ),
    CsrDef::new(0x143, "stval", need!(S), "priv 4.1.9", |h, _, _| h.csr.stval, |h, _, _, v| h.csr.stval = v),
    CsrDef::new(
        0x144,
        "sip",
        need!(S),
        "priv 4.1.3",
        |h, bus, _| h.mip_seen(bus, bus.now) & visible(h),
        write_sip,
    )
    .update_from(|h, _, _| h.csr.mip_soft & visible(h)),
    CsrDef::new(
        0x14d,
        "stimecmp",
        need!(Sstc),
        "priv Sstc",
        |h, _, _| h.csr.stimecmp,
        |h, _, _, v| h.csr.stimecmp = v,
    )
    .when(stimecmp_access),
    CsrDef::new(0x180, "satp", need!(S), "priv 4.1.11", |h, _, _| h.csr.satp, write_satp).when(satp_access),
];
