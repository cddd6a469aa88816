//! Where QEMU 7.2 and relsim may differ, and why: all that the comparison forgives or the programs avoid.

/// A known difference.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What differs.
    pub what: &'static str,
    /// What the specification says of it.
    pub spec: &'static str,
    /// What is done about it here.
    pub handling: &'static str,
}

const fn known(what: &'static str, spec: &'static str, handling: &'static str) -> Known {
    Known { what, spec, handling }
}

/// Every known difference. "QEMU" is version 7.2.
pub const KNOWN: &[Known] = &[
    // Left open by the specification.
    known(
        "xtval of ebreak and of illegal instructions: QEMU often gives 0",
        "priv 3.1.16, 4.1.9: zero, or the address, or the instruction's bits",
        "forgiven in the record of the trap; the handlers clear xtval, so that nothing follows from it",
    ),
    known(
        "FS after instructions that only raise flags: QEMU leaves it Initial or Clean, relsim says Dirty",
        "priv 3.1.6.6: FS may be more pessimistic; QEMU's way loses fflags",
        "programs vary FS between off and dirty; some vary all of it, hide xstatus from random code, and forgive FS",
    ),
    known(
        "store-conditional after traps, to other addresses, of other sizes, and without reservation",
        "unpriv 14.2: may fail; whether a failing one checks rights and alignment is loosely said",
        "pairs with the same address and size, none of what ends a reservation between, on a good pointer",
    ),
    known("medeleg[0] with C", "priv 3.1.8: may be read-only zero", "only set without C"),
    known(
        "fields that take any value: MPP = 2, UXL, VS, xtvec modes 2 and 3, bits of the hypervisor in medeleg, \
         mideleg, mie, mip; senvcfg's CBIE, CBCFE, CBZE without Zicbom and Zicboz",
        "priv 2.3: WARL",
        "written with values that are legal in both",
    ),
    known(
        "cycle, time, instret",
        "unpriv 7.1: they depend on time",
        "accessed for their traps, the value dropped",
    ),
    known("misa.B: QEMU is older than the letter", "unpriv 30", "value dropped"),
    known(
        "relsim has no triggers and no hypervisor, QEMU no Zicond, Zicbo*, Zacas, Zawrs, N",
        "configuration",
        "off on both sides; instructions of relsim's other extensions must be illegal in both",
    ),
    // Errors or gaps of QEMU.
    known(
        "A and D are always set by hardware; menvcfg.ADUE does not exist",
        "priv 9 (Svadu)",
        "relsim runs with ADUE, whose bit is forgiven: faults for A and D are not compared here",
    ),
    known(
        "A and D are set before the PMP refuses the access, and before a bad Svnapot size is seen",
        "priv 4.3.2: step 7 and 9 come after the checks",
        "programs with PMP entries, and such entries, have A and D set beforehand",
    ),
    known(
        "reserved bits 60:54 of page-table entries, PBMT = 3, and PBMT without menvcfg.PBMTE raise nothing",
        "priv 4.4.1, 6",
        "not used; PBMTE is always on",
    ),
    known(
        "MRET and SRET to below M do not clear MPRV",
        "priv 3.1.6.3",
        "random code clears MPRV before it returns",
    ),
    known(
        "translations outlive the change of MPP by MRET under MPRV, and data goes by those of fetches",
        "priv 3.1.6.3",
        "returns under MPRV come after a fence; code is not patched under MPRV",
    ),
    known(
        "S executes a page of U's that it has read under SUM, until the next fence",
        "priv 4.3.1: never, whatever SUM says",
        "S enters pages that may be U's under SUM only after a fence",
    ),
    known(
        "the PMP judges a misaligned access that crosses pages as if it were contiguous",
        "priv 3.7.1",
        "programs with PMP entries access memory aligned",
    ),
    known(
        "access faults: an AMO outside of memory is reported as a load, a misaligned access with its address \
         rounded down",
        "priv 3.1.16, table 15: store/AMO access fault; the address of the access",
        "forgiven in the record; the handlers turn cause 5 into 7, and both are delegated alike",
    ),
    known("xepc keeps its lowest bits when written", "priv 3.1.14: zero", "written with those bits clear"),
    known("sfence.w.inval, sfence.inval.ir do not trap in U", "priv 7 (Svinval)", "left out"),
    known("ctzw counts beyond 32 when the low word is zero", "unpriv 30 (Zbb)", "left out"),
    known("writing stimecmp clears STIP though Sstc is off", "priv 8 (Sstc)", "not written there"),
    known(
        "interrupts of one level are taken by number",
        "priv 3.1.9, 4.1.3: external, software, timer",
        "QEMU's options for the AIA make it follow the order",
    ),
    known(
        "AMOs are a load and a store where there is one hart",
        "unpriv 14.4: they raise store faults",
        "QEMU has a second hart, asleep",
    ),
];

/// Instructions that random programs do not have.
pub const LEFT_OUT: &[&str] = &["sfence.w.inval", "sfence.inval.ir", "ctzw"];

/// `menvcfg.ADUE`.
const ADUE: u64 = 1 << 61;
/// FS, and SD which follows from it.
const FS_AND_SD: u64 = 3 << 13 | 1 << 63;

/// Whether a difference in field `what` is known. In the record of a trap, `cause` is its cause and `code`
/// the instruction.
pub fn forgiven(what: &str, cause: u64, code: u32, relsim: u64, qemu: u64) -> bool {
    let amo = code & 0x7f == 0x2f;
    match what {
        "menvcfg" => relsim ^ qemu == ADUE,
        "mcause" | "scause" => amo && relsim == 7 && qemu == 5,
        "mstatus" | "sstatus" => {
            (relsim ^ qemu) & !FS_AND_SD == 0 && relsim & FS_AND_SD == FS_AND_SD && qemu >> 13 & 3 != 0
        }
        "mtval" | "stval" => match cause {
            2 | 3 => qemu == 0,
            5 | 7 => relsim & !7 == qemu & !7,
            _ => false,
        },
        _ => false,
    }
}
