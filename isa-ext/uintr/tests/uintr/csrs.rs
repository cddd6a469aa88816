//! `suist`, `suirs`, `suicfg`: fields, privilege, reset.

use relsim_core::csr::{CsrTable, DuplicateCsr};
use relsim_core::hart::Priv;
use relsim_core::isa::parse_isa;
use relsim_uintr::UINTR;
use uintr_abi::csr::{SUICFG, SUIRS, SUIRS_MASK, SUIST, SUIST_MASK};

use crate::asm::{A0, A1, csrr, csrrw};
use crate::harness::{Machine, UINTC};

const ILLEGAL: u64 = 2;

/// "fields (RV64)": what is not a field reads 0
#[test]
fn fields() {
    for (num, mask) in [(SUIST, SUIST_MASK), (SUIRS, SUIRS_MASK), (SUICFG, u64::MAX)] {
        let mut m = Machine::new(1);
        m.enter(0, Priv::S);
        m.hart(0).write_x(A0 as u8, u64::MAX);
        m.exec(0, csrrw(A1, num, A0));
        m.exec(0, csrr(A1, num));
        assert_eq!(m.hart(0).x(A1 as u8), mask, "{num:#x}");
        m.exec(0, csrrw(A1, num, 0));
        assert_eq!(m.csr(0, num), 0, "{num:#x}");
    }
}

/// "S-mode; access from U is illegal"
#[test]
fn privilege() {
    for num in [SUIST, SUIRS, SUICFG] {
        for word in [csrr(A1, num), csrrw(0, num, A0)] {
            let mut m = Machine::new(1);
            for privilege in [Priv::S, Priv::M] {
                m.enter(0, privilege);
                m.exec(0, word);
            }
            m.set_csr(0, num, 0x77);
            m.enter(0, Priv::U);
            assert_eq!(m.exec_trap(0, word), (ILLEGAL, u64::from(word)));
            assert_eq!(m.csr(0, num), 0x77, "unchanged");
        }
    }
}

/// "`suicfg`: reset value: the platform's UINTC base"; the others come up off
#[test]
fn reset() {
    let mut m = Machine::new(1);
    assert_eq!([m.csr(0, SUIST), m.csr(0, SUIRS), m.csr(0, SUICFG)], [0, 0, UINTC]);
    m.set_csr(0, SUIST, u64::MAX);
    (UINTR.reset)(m.hart(0), Some(0x300_0000));
    assert_eq!([m.csr(0, SUIST), m.csr(0, SUIRS), m.csr(0, SUICFG)], [0, 0, 0x300_0000]);
    (UINTR.reset)(m.hart(0), None);
    assert_eq!(m.csr(0, SUICFG), 0, "a platform without a UINTC");
}

/// Each hart has its own.
#[test]
fn per_hart() {
    let mut m = Machine::new(2);
    m.set_csr(0, SUIRS, 5);
    assert_eq!((m.csr(0, SUIRS), m.csr(1, SUIRS)), (5, 0));
}

/// The numbers are nobody else's, and are gone when the extension is off.
#[test]
fn rows_fit_in() {
    let on = parse_isa("rv64gcn_xuintr", &[&UINTR]).unwrap();
    let table: Result<CsrTable, DuplicateCsr> = CsrTable::new(on, &[UINTR.csrs]);
    assert!(table.unwrap().by_name("suist").is_some());
    let off = parse_isa("rv64gcn", &[&UINTR]).unwrap();
    let table = CsrTable::new(off, &[UINTR.csrs]).unwrap();
    assert!([SUIST, SUIRS, SUICFG].iter().all(|&num| table.get(num).is_none()));
}
