//! The state in which the built-in firmware hands over.

use relsim_core::csr::ENVCFG_ADUE;
use relsim_core::device::NoConsole;
use relsim_core::extension::IsaExtension;
use relsim_core::hart::Priv;
use relsim_machine::{Machine, MachineConfig, Payload, Piece, platform};
use relsim_uintr::UINTR;

static EXTENSIONS: &[&IsaExtension] = &[&UINTR];

/// A machine with `isa` that is about to enter a kernel.
fn machine(isa: &str) -> Machine {
    let mut config = MachineConfig::new(&platform::VIRT, EXTENSIONS).expect("the platform's own ISA");
    config.ram_bytes = 1 << 20;
    config.set_isa(isa).expect("an ISA");
    let entry = platform::VIRT.ram_base;
    let payload = Payload {
        pieces: vec![Piece { name: "kernel".into(), address: entry, bytes: vec![0; 4] }],
        entry,
        privilege: Priv::S,
        next_stage: None,
        dtb_address: 0,
        htif: None,
    };
    Machine::build(config, &payload, Vec::new(), Box::new(NoConsole)).expect("it fits")
}

/// Who sets the A and D bits is what the device tree says (Linux's binding `riscv/extensions.yaml`).
#[test]
fn accessed_and_dirty_bits_are_left_to_whom_the_isa_says() {
    for (isa, hardware) in [("rv64gc", false), ("rv64gc_svade", false), ("rv64gc_svadu", true)] {
        let envcfg = machine(isa).cores[0].hart.csr.menvcfg;
        assert_eq!(envcfg & ENVCFG_ADUE != 0, hardware, "{isa}");
    }
    let both = machine("rv64gc_svade_svadu").cores[0].hart.csr.menvcfg;
    assert_eq!(both & ENVCFG_ADUE, 0, "until it is asked for");
}
