//! Which CSR writes Spike logs for an instruction: not always the register that the instruction names. A
//! view logs the register behind it, a combination its parts, and floating-point state that becomes dirty
//! logs `mstatus`.

use relsim_core::bus::Bus;
use relsim_core::csr::{ENVCFG_STCE, irq};
use relsim_core::hart::{CsrWrite, Hart};
use relsim_core::insn::{Op, OpClass};

const FFLAGS: u16 = 0x001;
const FRM: u16 = 0x002;
const FCSR: u16 = 0x003;
const SSTATUS: u16 = 0x100;
const SIE: u16 = 0x104;
const SIP: u16 = 0x144;
const MSTATUS: u16 = 0x300;
const MIE: u16 = 0x304;
/// Of Smaia. Spike keeps the software's part of `mip.SEIP` in it, with or without Smaia.
pub(super) const MVIP: u16 = 0x309;
const MIP: u16 = 0x344;
const PMPCFG0: u16 = 0x3a0;
const PMPADDR0: u16 = 0x3b0;
const PMPADDR63: u16 = 0x3ef;
const TSELECT: u16 = 0x7a0;
const TINFO: u16 = 0x7a4;
const MCYCLE: u16 = 0xb00;
const MINSTRET: u16 = 0xb02;
const MHPMCOUNTER3: u16 = 0xb03;
const MHPMCOUNTER31: u16 = 0xb1f;

/// `mcountinhibit.CY` and `mcountinhibit.IR`.
const CY: u64 = 1 << 0;
const IR: u64 = 1 << 2;
/// `mstatus.FS`.
const FS: u64 = 3 << 13;
/// A PMP entry's L bit, and its A field with the value for TOR.
const PMP_LOCKED: u64 = 1 << 7;
const PMP_A: u64 = 3 << 3;
const PMP_TOR: u64 = 1 << 3;

/// What has to be known from before the instruction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CsrsBefore {
    fs: u64,
    mip: u64,
    /// The write is to a locked PMP register, and has no effect.
    locked: bool,
}

impl CsrsBefore {
    /// The state before `op`.
    #[inline]
    pub fn of(hart: &Hart, bus: &Bus, op: &Op) -> Self {
        let fs = hart.csr.status.bits() & FS;
        match op.class {
            OpClass::Csr => Self::of_csr(fs, hart, bus, op),
            _ => Self { fs, mip: 0, locked: false },
        }
    }

    fn of_csr(fs: u64, hart: &Hart, bus: &Bus, op: &Op) -> Self {
        let num = (op.imm & 0xfff) as u16;
        let mip = if matches!(num, MIP | SIP) { hart.mip(bus) } else { 0 };
        let locked = (PMPADDR0..=PMPADDR63).contains(&num) && address_locked(hart, bus, num - PMPADDR0);
        Self { fs, mip, locked }
    }
}

/// Whether `pmpaddr{entry}` cannot be written: its own entry is locked, or the next one is, and begins at it.
fn address_locked(hart: &Hart, bus: &Bus, entry: u16) -> bool {
    let config = |entry: u16| {
        // A register of RV64 holds eight entries; those with odd numbers do not exist.
        let register = hart.peek_csr(bus, PMPCFG0 + entry / 8 * 2).unwrap_or(0);
        register >> (entry % 8 * 8) & 0xff
    };
    let next = if entry == 63 { 0 } else { config(entry + 1) };
    config(entry) & PMP_LOCKED != 0 || (next & PMP_LOCKED != 0 && next & PMP_A == PMP_TOR)
}

/// Fills `writes` with what Spike logs for `op`, which has retired, in the order of CSR numbers.
#[inline]
pub(super) fn written(hart: &Hart, bus: &Bus, op: &Op, before: &CsrsBefore, writes: &mut Vec<CsrWrite>) {
    writes.clear();
    let fs = hart.csr.status.bits() & FS;
    let dirtied = fs == FS && before.fs != FS;
    if !hart.csr_writes.is_empty() || dirtied || op.class == OpClass::TrapReturn {
        gather(hart, bus, op, before, dirtied, writes);
    }
}

fn gather(hart: &Hart, bus: &Bus, op: &Op, before: &CsrsBefore, dirtied: bool, writes: &mut Vec<CsrWrite>) {
    let mut add = |num, value| writes.push(CsrWrite { num, value });
    let value = |num| hart.peek_csr(bus, num).unwrap_or(0);
    for write in &hart.csr_writes {
        match write.num {
            FCSR => {
                add(FFLAGS, value(FFLAGS));
                add(FRM, value(FRM));
            }
            SSTATUS => add(MSTATUS, value(MSTATUS)),
            SIE => {
                add(SIE, write.value);
                add(MIE, value(MIE));
            }
            SIP | MIP => {
                add(MVIP, mvip(hart, before));
                add(MIP, value(MIP));
            }
            // Constants, which cannot be written.
            MHPMCOUNTER3..=MHPMCOUNTER31 | TSELECT..=TINFO => {}
            PMPADDR0..=PMPADDR63 if before.locked => {}
            // The value was read while the instruction was still being counted.
            MCYCLE if hart.csr.mcountinhibit & CY == 0 => {
                add(MCYCLE, write.value.wrapping_add(hart.cycles_per_op));
            }
            MINSTRET if hart.csr.mcountinhibit & IR == 0 => add(MINSTRET, write.value.wrapping_add(1)),
            num => add(num, write.value),
        }
    }
    if dirtied || op.class == OpClass::TrapReturn {
        add(MSTATUS, value(MSTATUS));
    }
    writes.sort_by_key(|write| write.num);
    writes.dedup_by_key(|write| write.num);
}

/// Spike's `mvip` when it logs a write to `mip` or `sip`: SEIP is new already, the views of the other bits
/// are still old.
fn mvip(hart: &Hart, before: &CsrsBefore) -> u64 {
    let views = if hart.csr.menvcfg & ENVCFG_STCE != 0 { irq::SSIP } else { irq::SSIP | irq::STIP };
    hart.csr.mip_soft & irq::SEIP | before.mip & views
}
