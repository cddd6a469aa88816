//! The ABI crate against the numbers of the specification.

use uintr_abi::{ReceiverLow, SenderEntry, Suirs, Suist, csr, n, uintc, uipi};

/// "`suist` 0x1B0, `suirs` 0x1B1, `suicfg` 0x1B2"
#[test]
fn csr_numbers() {
    assert_eq!([csr::SUIST, csr::SUIRS, csr::SUICFG], [0x1b0, 0x1b1, 0x1b2]);
}

/// "`suist`: 63 enable, 55:44 size in 4 KiB pages, 43:0 PPN of the sender table"
#[test]
fn suist_layout() {
    let suist = Suist { enable: true, size_pages: 0xabc, ppn: 0x123_4567_89ab };
    assert_eq!(suist.bits(), 0x80ab_c123_4567_89ab);
    assert_eq!(Suist::from_bits(suist.bits()), suist);
    assert_eq!(Suist::from_bits(u64::MAX).bits(), csr::SUIST_MASK);
    assert_eq!(csr::SUIST_MASK, 0x80ff_ffff_ffff_ffff);
    assert_eq!(Suist { enable: false, size_pages: u16::MAX, ppn: u64::MAX }.bits(), 0x00ff_ffff_ffff_ffff);
}

/// "`suirs`: 63 enable, 15:0 index"
#[test]
fn suirs_layout() {
    assert_eq!(Suirs { enable: true, index: 0x1ff }.bits(), 0x8000_0000_0000_01ff);
    assert_eq!(Suirs::from_bits(u64::MAX).bits(), csr::SUIRS_MASK);
    assert_eq!(csr::SUIRS_MASK, 0x8000_0000_0000_ffff);
    assert_eq!(Suirs::from_bits(7).receiver(), None);
}

/// "Sender table entry, 8 bytes at `PPN<<12 + index*8`: bit 0 valid, 31:16 vector, 63:48 receiver index."
#[test]
fn entry_layout() {
    let entry = SenderEntry::new(0x1234, 0x5678);
    assert_eq!(entry.bits(), 0x1234_0000_5678_0001);
    assert_eq!(SenderEntry::from_bits(u64::MAX).bits(), 0xffff_0000_ffff_0001);
    assert!(!SenderEntry::from_bits(0xffff_ffff_ffff_fffe).valid);
    let suist = Suist { enable: true, size_pages: 2, ppn: 0x80008 };
    assert_eq!(suist.entry_address(0), Some(0x8000_8000));
    assert_eq!(suist.entry_address(1023), Some(0x8000_9ff8));
    assert_eq!(suist.entry_address(1024), None);
    assert_eq!(suist.entry_address(u64::MAX), None, "index * 8 must not wrap");
    assert_eq!(suist.entry_address(1 << 61), None, "index * 8 must not wrap");
    assert_eq!(Suist { enable: false, ..suist }.entry_address(0), None);
}

/// "512 receivers of 32 bytes each": SEND 0x00, LOW 0x08, HIGH 0x10, ACTIVE 0x18; "active (0), mode (1), hartid
/// (31:16)"
#[test]
fn uintc_layout() {
    assert_eq!([uintc::SEND, uintc::LOW, uintc::HIGH, uintc::ACTIVE], [0, 8, 0x10, 0x18]);
    assert_eq!(uintc::register_offset(511, uintc::ACTIVE), 0x3ff8);
    let low = ReceiverLow { active: true, mode64: true, hartid: 0x1234 };
    assert_eq!(low.bits(), 0x1234_0003);
    assert_eq!(ReceiverLow::from_bits(u64::MAX).bits(), uintc::LOW_MASK);
    assert_eq!(uintc::LOW_MASK, 0xffff_0003);
}

/// "`uipi`: custom-3 (opcode 0x7B), R-type", as an assembler writes `.insn r 0x7b, 0b010, funct7, rd, rs1, x0`
#[test]
fn uipi_words() {
    assert_eq!(uipi::send(10), 0x0005_207b);
    assert_eq!(uipi::read(10), 0x0200_257b);
    assert_eq!(uipi::write(31), 0x040f_a07b);
    assert_eq!(uipi::activate(), 0x0600_207b);
    assert_eq!(uipi::deactivate(), 0x0800_207b);
    assert_eq!(uipi::deployed(uipi::read(10)), 0x0200_657b);
}

/// N's numbers: "`ustatus` 0x000 (UIE bit 0, UPIE bit 4) ... 0 user software, 4 user timer, 8 user external"
#[test]
fn n_numbers() {
    assert_eq!([n::USTATUS, n::UIE, n::UTVEC, n::USCRATCH], [0, 4, 5, 0x40]);
    assert_eq!([n::UEPC, n::UCAUSE, n::UTVAL, n::UIP], [0x41, 0x42, 0x43, 0x44]);
    assert_eq!([n::SEDELEG, n::SIDELEG], [0x102, 0x103]);
    assert_eq!([n::STATUS_UIE, n::STATUS_UPIE], [1, 0x10]);
    assert_eq!([n::USIP, n::UTIP, n::UEIP], [1, 0x10, 0x100]);
    assert_eq!(n::URET, 0x0020_0073);
}
