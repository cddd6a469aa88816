//! Platforms: what stands at which address. Addresses and interrupt numbers stand here and nowhere else;
//! the wiring, the device tree and `relsim platform show` are made from these rows.
//!
//! Sources: QEMU `hw/riscv/virt.c` and `spike.c`, riscv-isa-sim, and the Rocket configuration that the
//! published user-interrupt figures were measured on.

use serde::Serialize;

/// Kinds of devices that a platform can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DeviceKind {
    /// Read-only memory with the reset vector and the device tree.
    BootRom,
    /// Read-only memory with the three instructions that the RTL harness of Rocket starts with: they load the
    /// payload's entry and jump there.
    StubRom,
    /// Report port of the RTL harness.
    ReportPort {
        /// External interrupt wires that it drives.
        sources: u32,
    },
    /// SiFive test finisher.
    TestFinisher,
    /// Goldfish real-time clock.
    Rtc,
    /// SiFive CLINT.
    Clint,
    /// Platform-level interrupt controller.
    Plic {
        /// Number of sources (the first is 1).
        sources: u32,
    },
    /// 16550A UART.
    Uart {
        /// Registers are `1 << reg_shift` bytes apart.
        reg_shift: u32,
    },
    /// A row of virtio-mmio slots, 4 KiB each, on consecutive interrupts.
    Virtio {
        /// How many.
        slots: u32,
    },
    /// `tohost` and `fromhost` as a device (where the image has no such symbols).
    Htif,
    /// The device of the ISA extension with this name.
    Extension {
        /// The extension's name in ISA strings.
        name: &'static str,
    },
}

/// A device of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DeviceSpec {
    /// Name, also in messages.
    pub name: &'static str,
    /// What it is.
    #[serde(flatten)]
    pub kind: DeviceKind,
    /// Physical address.
    pub base: u64,
    /// Window in bytes.
    pub size_bytes: u64,
    /// Source number at the PLIC (of the first slot, for virtio).
    pub interrupt: Option<u32>,
}

/// A platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// `compatible` of the device tree's root.
    pub compatible: &'static str,
    /// Core clock in Hz.
    pub core_freq_hz: u64,
    /// Rate of `mtime` in Hz.
    pub timebase_freq_hz: u64,
    /// Address of main memory.
    pub ram_base: u64,
    /// Its size where `--mem` does not say another.
    pub default_ram_bytes: u64,
    /// Harts where `--harts` does not say another.
    pub default_harts: usize,
    /// Most harts.
    pub max_harts: usize,
    /// Extensions where `--isa` does not say others.
    pub default_isa: &'static str,
    /// Misaligned loads and stores work.
    pub misaligned_ok: bool,
    /// PMP entries.
    pub pmp_entries: usize,
    /// Where harts start; the boot ROM hands over from there.
    pub reset_pc: u64,
    /// `mvendorid`, `marchid`, `mimpid`.
    pub ids: [u64; 3],
    /// Devices in address order.
    pub devices: &'static [DeviceSpec],
}

const fn device(
    name: &'static str,
    kind: DeviceKind,
    base: u64,
    size_bytes: u64,
    interrupt: Option<u32>,
) -> DeviceSpec {
    DeviceSpec { name, kind, base, size_bytes, interrupt }
}

const MIB: u64 = 1 << 20;

/// QEMU's `virt`, plus the UINTC.
pub const VIRT: Platform = Platform {
    name: "virt",
    summary: "QEMU's virt machine, plus the UINTC",
    compatible: "riscv-virtio",
    core_freq_hz: 100_000_000,
    timebase_freq_hz: 10_000_000,
    ram_base: 0x8000_0000,
    default_ram_bytes: 512 * MIB,
    default_harts: 1,
    max_harts: 64,
    default_isa: "rv64imafdcn_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintpause_zihpm_zacas_zawrs_zfh_zba_zbb_zbc_zbkb_zbkc_zbkx_zbs_sstc_svadu_svinval_svnapot_svpbmt_xuintr",
    misaligned_ok: true,
    pmp_entries: 16,
    reset_pc: 0x1000,
    ids: [0, 0, 0],
    devices: &[
        device("rom", DeviceKind::BootRom, 0x1000, 0xf000, None),
        device("finisher", DeviceKind::TestFinisher, 0x10_0000, 0x1000, None),
        device("rtc", DeviceKind::Rtc, 0x10_1000, 0x1000, Some(11)),
        device("clint", DeviceKind::Clint, 0x200_0000, 0x1_0000, None),
        device("uintc", DeviceKind::Extension { name: "xuintr" }, 0x2f1_0000, 0x4000, None),
        device("plic", DeviceKind::Plic { sources: 95 }, 0xc00_0000, 0x60_0000, None),
        device("uart", DeviceKind::Uart { reg_shift: 0 }, 0x1000_0000, 0x100, Some(10)),
        device("virtio", DeviceKind::Virtio { slots: 8 }, 0x1000_1000, 0x8000, Some(1)),
    ],
};

/// What Spike has: HTIF and a CLINT.
pub const SPIKE: Platform = Platform {
    name: "spike",
    summary: "Spike's machine: HTIF console and exit, CLINT, no interrupt controller",
    compatible: "ucbbar,spike-bare",
    core_freq_hz: 100_000_000,
    timebase_freq_hz: 10_000_000,
    ram_base: 0x8000_0000,
    default_ram_bytes: 2048 * MIB,
    default_harts: 1,
    max_harts: 64,
    default_isa: VIRT.default_isa,
    misaligned_ok: true,
    pmp_entries: 16,
    reset_pc: 0x1000,
    ids: [0, 5, 0],
    devices: &[
        device("rom", DeviceKind::BootRom, 0x1000, 0xf000, None),
        device("htif", DeviceKind::Htif, 0x100_0000, 0x1000, None),
        device("clint", DeviceKind::Clint, 0x200_0000, 0x1_0000, None),
        device("uintc", DeviceKind::Extension { name: "xuintr" }, 0x2f1_0000, 0x4000, None),
    ],
};

/// The FPGA that the published figures of user interrupts were measured on.
pub const ROCKET_UINTR: Platform = Platform {
    name: "rocket-uintr",
    summary: "four Rocket cores with N and the UINTC, as on the FPGA of the published figures",
    compatible: "freechips,rocketchip-unknown-dev",
    core_freq_hz: 100_000_000,
    timebase_freq_hz: 10_000_000,
    ram_base: 0x8000_0000,
    default_ram_bytes: 256 * MIB,
    default_harts: 4,
    max_harts: 8,
    default_isa: "rv64imafdcn_zicntr_zicsr_zifencei_zihpm_sv39_xuintr",
    misaligned_ok: false,
    pmp_entries: 8,
    reset_pc: 0x1_0000,
    ids: [0, 1, 0x2018_1004],
    devices: &[
        device("rom", DeviceKind::BootRom, 0x1_0000, 0x1_0000, None),
        device("clint", DeviceKind::Clint, 0x200_0000, 0x1_0000, None),
        device("uintc", DeviceKind::Extension { name: "xuintr" }, 0x300_0000, 0x400, None),
        device("plic", DeviceKind::Plic { sources: 6 }, 0xc00_0000, 0x400_0000, None),
        device("uart", DeviceKind::Uart { reg_shift: 2 }, 0x6000_1000, 0x1000, Some(1)),
    ],
};

/// The RTL harness that the golden cycle counts of Rocket come from.
pub const ROCKET_GOLDEN: Platform = Platform {
    name: "rocket-golden",
    summary: "the RTL harness of Rocket's golden cycle counts: CLINT, PLIC, report port",
    compatible: "freechips,rocketchip-unknown-dev",
    core_freq_hz: 100_000_000,
    timebase_freq_hz: 1_000_000,
    ram_base: 0x8000_0000,
    default_ram_bytes: 2048 * MIB,
    default_harts: 1,
    max_harts: 4,
    default_isa: "rv64imafdc_zicntr_zicsr_zifencei_zihpm_sv39",
    misaligned_ok: false,
    pmp_entries: 8,
    reset_pc: 0x1_0040,
    ids: [0, 1, 0x2018_1004],
    devices: &[
        device("rom", DeviceKind::BootRom, 0x1_0000, 0x1_0000, None),
        device("clint", DeviceKind::Clint, 0x200_0000, 0x1_0000, None),
        device("plic", DeviceKind::Plic { sources: 8 }, 0xc00_0000, 0x400_0000, None),
        device("stub", DeviceKind::StubRom, 0x1000_0000, 0x1000, None),
        device("report", DeviceKind::ReportPort { sources: 8 }, 0x1000_1000, 0x3000, None),
    ],
};

/// Every platform, the default first.
pub const ALL: &[&Platform] = &[&VIRT, &SPIKE, &ROCKET_UINTR, &ROCKET_GOLDEN];

/// The platform called `name`.
pub fn by_name(name: &str) -> Option<&'static Platform> {
    ALL.iter().copied().find(|p| p.name == name)
}

impl Platform {
    /// The device of a kind, if there is one.
    pub fn find(&self, wanted: impl Fn(DeviceKind) -> bool) -> Option<&DeviceSpec> {
        self.devices.iter().find(|d| wanted(d.kind))
    }

    /// Contexts of the PLIC: hart and `mip` bit, for M and S of each hart in turn.
    pub fn plic_contexts(harts: usize) -> Vec<(usize, u32)> {
        (0..harts).flat_map(|hart| [(hart, 11), (hart, 9)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_in_order_and_apart() {
        for platform in ALL {
            for pair in platform.devices.windows(2) {
                assert!(
                    pair[0].base + pair[0].size_bytes <= pair[1].base,
                    "{}: {} and {}",
                    platform.name,
                    pair[0].name,
                    pair[1].name
                );
            }
            assert!(platform.find(|k| k == DeviceKind::BootRom).is_some());
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        for platform in ALL {
            assert_eq!(by_name(platform.name).map(|p| p.summary), Some(platform.summary));
        }
        assert!(by_name("toaster").is_none());
    }
}
