//! The CSRs of chapter N, and how `mip.USIP` hangs together with the UINTC's level.

use relsim_core::hart::Priv;
use uintr_abi::n;

use crate::asm::{A0, A1, csrci, csrr, csrrw, csrsi, csrwi};
use crate::harness::Machine;

const SSTATUS: u16 = 0x100;
const MSTATUS: u16 = 0x300;
const MIDELEG: u16 = 0x303;
const MIE: u16 = 0x304;
const MIP: u16 = 0x344;
const SIE: u16 = 0x104;
const SIP: u16 = 0x144;
const USER: u64 = n::USIP | n::UTIP | n::UEIP;

/// "misa bit 13"
#[test]
fn misa() {
    let m = Machine::new(1);
    assert_eq!(m.csr(0, 0x301) >> 13 & 1, 1);
    assert_eq!(Machine::with_isa(1, "rv64gc").csr(0, 0x301) >> 13 & 1, 0);
}

/// The registers exist with N alone, and U-mode reaches those that are its own.
#[test]
fn existence_and_privilege() {
    let user = [n::USTATUS, n::UIE, n::UTVEC, n::USCRATCH, n::UEPC, n::UCAUSE, n::UTVAL, n::UIP];
    let mut m = Machine::new(1);
    m.enter(0, Priv::U);
    for num in user {
        m.exec(0, csrr(A0, num));
    }
    for num in [n::SEDELEG, n::SIDELEG] {
        m.enter(0, Priv::U);
        assert_eq!(m.exec_trap(0, csrr(A0, num)).0, 2, "S-mode's");
    }
    for num in user.into_iter().chain([n::SEDELEG, n::SIDELEG]) {
        let mut m = Machine::with_isa(1, "rv64gc");
        assert_eq!(m.exec_trap(0, csrr(A0, num)).0, 2, "{num:#x} without N");
    }
}

/// "`ustatus` (UIE bit 0, UPIE bit 4; a view of `mstatus`)", "visible and writable in `sstatus`"
#[test]
fn ustatus_is_a_view() {
    let mut m = Machine::new(1);
    let both = n::STATUS_UIE | n::STATUS_UPIE;
    m.set_csr(0, n::USTATUS, u64::MAX);
    assert_eq!(m.csr(0, n::USTATUS), both);
    for num in [SSTATUS, MSTATUS] {
        assert_eq!(m.csr(0, num) & both, both);
        let old = m.csr(0, num);
        m.set_csr(0, num, old & !n::STATUS_UIE);
        assert_eq!(m.csr(0, n::USTATUS), n::STATUS_UPIE);
        m.set_csr(0, num, old);
        assert_eq!(m.csr(0, n::USTATUS), both);
    }
    let rest = m.csr(0, MSTATUS) & !both;
    m.set_csr(0, n::USTATUS, 0);
    assert_eq!(m.csr(0, MSTATUS), rest, "and nothing else of mstatus");
}

/// "`utvec` (direct 0, vectored 1)"
#[test]
fn utvec_modes() {
    let mut m = Machine::new(1);
    m.set_csr(0, n::UTVEC, 0x8000_0041);
    assert_eq!(m.csr(0, n::UTVEC), 0x8000_0041);
    m.set_csr(0, n::UTVEC, 0x9000_0002);
    assert_eq!(m.csr(0, n::UTVEC) & 3, 1, "a mode that does not exist is not taken");
}

/// `uscratch`, `ucause`, `utval` hold what is written; `uepc` is aligned
#[test]
fn plain_registers() {
    let mut m = Machine::new(1);
    m.enter(0, Priv::U);
    m.hart(0).write_x(A0 as u8, 0x1234_5678_9abc_def1);
    for num in [n::USCRATCH, n::UCAUSE, n::UTVAL] {
        m.exec(0, csrrw(0, num, A0));
        assert_eq!(m.csr(0, num), 0x1234_5678_9abc_def1);
    }
    m.exec(0, csrrw(0, n::UEPC, A0));
    assert_eq!(m.csr(0, n::UEPC), 0x1234_5678_9abc_def0);
}

/// "`uie`/`uip` are views of `mie`/`mip` masked by `sideleg`"; "`uie`/`uip` writes are masked by `sideleg`"
#[test]
fn uie_and_uip_are_masked() {
    for sideleg in [0, n::USIP, n::UTIP | n::UEIP, USER] {
        let mut m = Machine::new(1);
        m.set_csr(0, n::SIDELEG, sideleg);
        m.set_csr(0, MIE, u64::MAX);
        m.set_csr(0, MIP, USER);
        assert_eq!(m.csr(0, n::UIE), sideleg);
        assert_eq!(m.csr(0, n::UIP), sideleg);
        let mie = m.csr(0, MIE);
        m.set_csr(0, n::UIE, 0);
        assert_eq!(m.csr(0, MIE), mie & !sideleg);
        m.set_csr(0, MIE, 0);
        m.set_csr(0, n::UIE, u64::MAX);
        assert_eq!(m.csr(0, MIE), sideleg);
        m.set_csr(0, n::UIP, 0);
        assert_eq!(m.csr(0, MIP), USER & !(sideleg & n::USIP), "of uip only USIP can be written");
        m.set_csr(0, MIP, 0);
        m.set_csr(0, n::UIP, u64::MAX);
        assert_eq!(m.csr(0, MIP), sideleg & n::USIP);
    }
}

/// `sideleg` has the three user interrupts and `sedeleg` what can come from U
#[test]
fn delegation_registers() {
    let mut m = Machine::new(1);
    m.set_csr(0, n::SIDELEG, u64::MAX);
    assert_eq!(m.csr(0, n::SIDELEG), USER);
    m.set_csr(0, n::SEDELEG, u64::MAX);
    assert_eq!(m.csr(0, n::SEDELEG), 0xb1ff);
}

/// "with the extension on, `mideleg` bits 0, 4 and 8 read as 1 (hard-wired)"
#[test]
fn mideleg_is_hard_wired() {
    let mut m = Machine::new(1);
    m.set_csr(0, MIDELEG, 0);
    assert_eq!(m.csr(0, MIDELEG), USER);
    m.set_csr(0, MIDELEG, u64::MAX);
    assert_eq!(m.csr(0, MIDELEG), USER | 0x222);
    let mut m = Machine::with_isa(1, "rv64gc");
    m.set_csr(0, MIDELEG, 0);
    assert_eq!(m.csr(0, MIDELEG), 0, "not without N");
}

/// ... "so that unmodified OpenSBI works": with `mideleg` 0 the interrupt still goes to U
#[test]
fn firmware_that_knows_nothing_of_n() {
    let mut m = Machine::new(1);
    m.set_csr(0, MIDELEG, 0);
    m.running_receiver(0, 3);
    let at = m.program(0, &[]);
    m.post(3, 1);
    m.settle(0);
    assert!(m.in_user_handler(0, at));
}

/// "`mip.USIP` reads as this level OR the software-written bit"
#[test]
fn usip_is_level_or_software() {
    for (level, software) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut m = Machine::new(1);
        m.give_receiver(0, 3, true);
        m.set_csr(0, n::SIDELEG, n::USIP);
        if level {
            m.post(3, 1);
        }
        m.exec(0, if software { csrsi(SIP, 1) } else { csrci(SIP, 1) });
        for num in [MIP, SIP, n::UIP] {
            m.exec(0, csrr(A1, num));
            assert_eq!(m.hart(0).x(A1 as u8) & 1 == 1, level || software, "{num:#x}");
        }
    }
}

/// "software writes change only its own bit": whatever register and instruction, the level stays, and reading it
/// in a read-modify-write does not turn it into a software bit
#[test]
fn software_writes_leave_the_level() {
    for num in [MIP, SIP, n::UIP] {
        let mut m = Machine::new(1);
        m.give_receiver(0, 3, true);
        m.set_csr(0, n::SIDELEG, n::USIP);
        m.post(3, 1);
        for word in [csrci(num, 1), csrwi(num, 0), csrsi(num, 2), csrci(num, 2)] {
            m.exec(0, word);
            assert_eq!(m.csr(0, num) & 1, 1, "the level is still up");
            assert_eq!(m.hart(0).csr.mip_soft & n::USIP, 0, "{num:#x}: no software bit came to be");
        }
        m.exec(0, csrsi(num, 1));
        assert_eq!(m.hart(0).csr.mip_soft & n::USIP, n::USIP);
        assert_eq!(m.receiver(3).pending, 1 << 1);
        m.uintc_read(3, uintr_abi::uintc::HIGH);
        assert_eq!(m.csr(0, num) & 1, 1, "the software bit is still up");
        m.exec(0, csrci(num, 1));
        assert_eq!(m.csr(0, num) & 1, 0);
    }
}

/// S-mode sees the user interrupts in `sie` and `sip`, and can write USIP and UEIP there (N, `sip`).
#[test]
fn supervisor_views() {
    let mut m = Machine::new(1);
    m.set_csr(0, SIE, u64::MAX);
    assert_eq!(m.csr(0, SIE), USER | 0x222);
    m.set_csr(0, SIP, u64::MAX);
    assert_eq!(m.csr(0, MIP), n::USIP | n::UEIP | 2);
}

/// "`rdcycle` from U (needs `mcounteren.CY`)"
#[test]
fn rdcycle_from_u() {
    let rdcycle = csrr(A0, 0xc00);
    let mut m = Machine::new(1);
    m.set_csr(0, 0x306, 1);
    m.set_csr(0, 0x106, 1);
    m.enter(0, Priv::U);
    m.exec(0, rdcycle);
    m.set_csr(0, 0x306, 0);
    assert_eq!(m.exec_trap(0, rdcycle), (2, u64::from(rdcycle)));
}
