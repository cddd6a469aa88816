//! Entry to U-mode's own handler, `uret`, and exceptions that U-mode takes itself.

use relsim_core::hart::Priv;
use uintr_abi::n;

use crate::asm::{A0, A1, EBREAK, ECALL, NOP, URET, csrr, ld, lw, sd};
use crate::harness::{CODE, M_HANDLER, Machine, S_HANDLER, U_HANDLER};

/// "Entry: UPIE<-UIE, UIE<-0, `uepc`<-pc, `ucause`, `utval`, pc<-`utvec`. Privilege stays U."
#[test]
fn interrupt_entry() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.hart(0).csr.utval = 99;
    let at = m.program(0, &[NOP; 3]);
    m.step(0, 2);
    m.post(3, 1);
    m.settle(0);
    assert!(m.in_user_handler(0, at + 8));
    assert_eq!(m.csr(0, n::USTATUS), n::STATUS_UPIE);
    assert_eq!(m.hart(0).counts.user_traps, 1);
    assert_eq!(m.hart(0).counts.interrupts[0], 1);
    m.step(0, 3);
    assert_eq!(m.hart(0).counts.user_traps, 1, "UIE is off: no second entry while the level is up");
}

/// "(+4*cause when vectored)"; interrupts 0, 4, 8, external before software before timer
#[test]
fn vectored() {
    for (bits, code) in [(1, 0), (0x10, 4), (0x100, 8), (0x111, 8), (0x11, 0)] {
        let mut m = Machine::new(1);
        m.set_csr(0, n::SIDELEG, 0x111);
        m.set_csr(0, n::UIE, 0x111);
        m.set_csr(0, n::USTATUS, 1);
        m.set_csr(0, n::UTVEC, U_HANDLER | n::UTVEC_VECTORED);
        m.hart(0).csr.mip_soft = bits;
        m.enter(0, Priv::U);
        m.program(0, &[NOP]);
        m.settle(0);
        assert_eq!((m.hart(0).pc, m.csr(0, n::UCAUSE)), (U_HANDLER + 4 * code, n::CAUSE_INTERRUPT | code));
    }
}

/// Software can raise the interrupt with `uip.USIP` alone, without a UINTC.
#[test]
fn software_bit_interrupts() {
    let mut m = Machine::new(1);
    m.listen(0);
    m.set_csr(0, n::USTATUS, 1);
    m.enter(0, Priv::U);
    let at = m.program(0, &[crate::asm::csrsi(n::UIP, 1), NOP]);
    m.step(0, 1);
    m.settle(0);
    assert!(m.in_user_handler(0, at + 4));
}

/// "`uret` (0x00200073): pc<-`uepc`, UIE<-UPIE, UPIE<-1."
#[test]
fn uret() {
    for upie in [0, n::STATUS_UPIE] {
        for uie in [0, n::STATUS_UIE] {
            let mut m = Machine::new(1);
            m.set_csr(0, n::USTATUS, upie | uie);
            m.set_csr(0, n::UEPC, CODE + 0x80);
            m.enter(0, Priv::U);
            m.program(0, &[URET]);
            m.step(0, 1);
            assert_eq!((m.hart(0).pc, m.hart(0).privilege), (CODE + 0x80, Priv::U));
            assert_eq!(m.csr(0, n::USTATUS), n::STATUS_UPIE | upie >> 4);
        }
    }
}

/// "Illegal without N."
#[test]
fn uret_without_n() {
    for privilege in [Priv::U, Priv::S, Priv::M] {
        let mut m = Machine::with_isa(1, "rv64gc");
        m.enter(0, privilege);
        assert_eq!(m.exec_trap(0, URET), (2, u64::from(URET)));
    }
}

/// "With `sedeleg` set, a synchronous exception raised in U goes to `utvec` likewise."
#[test]
fn exceptions_to_u() {
    let nowhere = 0x4000_0000;
    for (word, cause, tval) in [
        (ECALL, 8, None),
        (EBREAK, 3, None),
        (0xffff_ffff, 2, Some(0xffff_ffff)),
        (csrr(A1, 0x100), 2, Some(u64::from(csrr(A1, 0x100)))),
        (ld(A1, A0), 5, Some(nowhere)),
        (lw(A1, A0), 5, Some(nowhere)),
        (sd(A1, A0), 7, Some(nowhere)),
    ] {
        let mut m = Machine::new(1);
        m.set_csr(0, n::SEDELEG, 1 << cause);
        // Vectored: exceptions go to the base all the same.
        m.set_csr(0, n::UTVEC, U_HANDLER | n::UTVEC_VECTORED);
        m.set_csr(0, n::USTATUS, n::STATUS_UIE);
        m.enter(0, Priv::U);
        m.hart(0).write_x(A0 as u8, nowhere);
        let at = m.program(0, &[word]);
        m.step(0, 1);
        let csr = &m.hart(0).csr;
        assert_eq!((csr.uepc, csr.ucause), (at, cause), "{word:#010x}");
        assert!(tval.is_none_or(|tval| csr.utval == tval), "{:#x}", csr.utval);
        assert_eq!((m.hart(0).pc, m.hart(0).privilege), (U_HANDLER, Priv::U));
        assert_eq!(m.csr(0, n::USTATUS), n::STATUS_UPIE);
        assert_eq!(m.hart(0).counts.user_traps, 1);
    }
}

/// An exception whose bit is clear in `sedeleg` is S-mode's, one clear in `medeleg` M-mode's.
#[test]
fn exceptions_that_are_not_delegated() {
    for (medeleg, sedeleg, pc, privilege) in [
        (0x100, 0x100, U_HANDLER, Priv::U),
        (0x100, 0, S_HANDLER, Priv::S),
        (0x100, 0x4, S_HANDLER, Priv::S),
        (0, 0x100, M_HANDLER, Priv::M),
    ] {
        let mut m = Machine::new(1);
        m.hart(0).csr.medeleg = medeleg;
        m.set_csr(0, n::SEDELEG, sedeleg);
        m.enter(0, Priv::U);
        m.program(0, &[ECALL]);
        m.step(0, 1);
        assert_eq!((m.hart(0).pc, m.hart(0).privilege), (pc, privilege), "{medeleg:#x} {sedeleg:#x}");
    }
}

/// "a synchronous exception raised in U": one raised in S or M is never U's
#[test]
fn exceptions_of_s_and_m_stay_there() {
    for (privilege, pc) in [(Priv::S, S_HANDLER), (Priv::M, M_HANDLER)] {
        let mut m = Machine::new(1);
        m.set_csr(0, n::SEDELEG, u64::MAX);
        m.enter(0, privilege);
        m.program(0, &[EBREAK]);
        m.step(0, 1);
        assert_eq!((m.hart(0).pc, m.hart(0).privilege), (pc, privilege));
    }
}

/// "A handler can interrupt any instruction: user contexts that hold `uepc`/`ustatus`/`uscratch` are part of the
/// thread's state": a trap to S in a handler leaves them as they are
#[test]
fn trap_to_s_inside_a_handler() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.set_csr(0, n::USCRATCH, 0x55);
    let at = m.program(0, &[NOP]);
    assert!(m.bus.ram.put(U_HANDLER, ECALL).is_some());
    m.post(3, 1);
    m.step(0, 1);
    assert_eq!((m.hart(0).privilege, m.hart(0).csr.sepc), (Priv::S, U_HANDLER));
    assert_eq!((m.csr(0, n::UEPC), m.csr(0, n::USCRATCH)), (at, 0x55));
    assert_eq!(m.csr(0, 0x100) & (n::STATUS_UIE | n::STATUS_UPIE), n::STATUS_UPIE);
}
