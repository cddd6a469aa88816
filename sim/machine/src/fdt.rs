//! The device tree, made from the platform's description (Devicetree specification 0.4; RISC-V bindings of
//! Linux).

use relsim_core::isa::Ext;
use vm_fdt::{Error, FdtWriter};

use crate::config::MachineConfig;
use crate::platform::{DeviceKind, DeviceSpec};

/// What the boot loader puts into `/chosen`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Kernel command line.
    pub bootargs: String,
    /// Start and end of the initial RAM disk.
    pub initrd: Option<(u64, u64)>,
    /// The image has HTIF's words in its own memory, so the tree must not name the device's.
    pub htif_in_image: bool,
}

const PLIC_PHANDLE: u32 = 1;
const FINISHER_PHANDLE: u32 = 2;
const CPU_INTC_PHANDLE: u32 = 0x10;

fn reg(spec: &DeviceSpec) -> [u64; 2] {
    [spec.base, spec.size_bytes]
}

/// The flattened device tree of `config`.
///
/// # Errors
/// What the writer refuses, e.g. a zero byte in the command line.
pub fn build(config: &MachineConfig, chosen: &Chosen) -> Result<Vec<u8>, Error> {
    let platform = config.platform;
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_string("compatible", platform.compatible)?;
    fdt.property_string("model", &format!("relsim,{}", platform.name))?;

    let node = fdt.begin_node("chosen")?;
    if !chosen.bootargs.is_empty() {
        fdt.property_string("bootargs", &chosen.bootargs)?;
    }
    if let Some((start, end)) = chosen.initrd {
        fdt.property_u64("linux,initrd-start", start)?;
        fdt.property_u64("linux,initrd-end", end)?;
    }
    if let Some(uart) = platform.find(|k| matches!(k, DeviceKind::Uart { .. })) {
        fdt.property_string("stdout-path", &format!("/soc/serial@{:x}", uart.base))?;
    }
    fdt.end_node(node)?;

    let node = fdt.begin_node(&format!("memory@{:x}", platform.ram_base))?;
    fdt.property_string("device_type", "memory")?;
    fdt.property_array_u64("reg", &[platform.ram_base, config.ram_bytes])?;
    fdt.end_node(node)?;

    cpus(&mut fdt, config)?;

    let soc = fdt.begin_node("soc")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_string("compatible", "simple-bus")?;
    fdt.property_null("ranges")?;
    for spec in platform.devices {
        device(&mut fdt, config, spec)?;
    }
    fdt.end_node(soc)?;

    if platform.find(|k| k == DeviceKind::TestFinisher).is_some() {
        for (name, value) in [("poweroff", 0x5555), ("reboot", 0x7777)] {
            let node = fdt.begin_node(name)?;
            fdt.property_string("compatible", &format!("syscon-{name}"))?;
            fdt.property_u32("regmap", FINISHER_PHANDLE)?;
            fdt.property_u32("offset", 0)?;
            fdt.property_u32("value", value)?;
            fdt.end_node(node)?;
        }
    }
    if platform.find(|k| k == DeviceKind::Htif).is_some() {
        let node = fdt.begin_node("htif")?;
        fdt.property_string("compatible", "ucb,htif0")?;
        if let Some(spec) = platform.find(|k| k == DeviceKind::Htif).filter(|_| !chosen.htif_in_image) {
            // fromhost, then tohost.
            fdt.property_array_u64("reg", &[spec.base, 8, spec.base + 8, 8])?;
        }
        fdt.end_node(node)?;
    }
    fdt.end_node(root)?;
    fdt.finish()
}

fn cpus(fdt: &mut FdtWriter, config: &MachineConfig) -> Result<(), Error> {
    let platform = config.platform;
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    fdt.property_u32("timebase-frequency", platform.timebase_freq_hz as u32)?;
    for hart in 0..config.harts {
        let cpu = fdt.begin_node(&format!("cpu@{hart:x}"))?;
        fdt.property_string("device_type", "cpu")?;
        fdt.property_u32("reg", hart as u32)?;
        fdt.property_string("status", "okay")?;
        fdt.property_string("compatible", "riscv")?;
        // Software that does not know the outside extensions' names need not see them: they go into a
        // property of their own.
        let standard = relsim_core::isa::isa_string(config.isa, &[]);
        fdt.property_string("riscv,isa", &standard)?;
        fdt.property_string("riscv,isa-base", "rv64i")?;
        let words = config.isa.iter().filter(|e| {
            let hidden = matches!(e, Ext::S | Ext::U | Ext::N | Ext::Sv39 | Ext::Sv48 | Ext::Sv57);
            !hidden && !e.is_custom()
        });
        fdt.property_string_list("riscv,isa-extensions", words.map(|e| e.name().to_string()).collect())?;
        let outside: Vec<String> = config.active_extensions().map(|e| e.name.to_string()).collect();
        if !outside.is_empty() {
            fdt.property_string_list("relsim,isa-extensions", outside)?;
        }
        let mmu = [(Ext::Sv57, "riscv,sv57"), (Ext::Sv48, "riscv,sv48"), (Ext::Sv39, "riscv,sv39")];
        let mmu = mmu.iter().find(|(e, _)| config.isa.has(*e)).map_or("riscv,none", |(_, name)| name);
        fdt.property_string("mmu-type", mmu)?;
        if config.isa.has(Ext::Zicbom) {
            fdt.property_u32("riscv,cbom-block-size", 64)?;
        }
        if config.isa.has(Ext::Zicboz) {
            fdt.property_u32("riscv,cboz-block-size", 64)?;
        }
        let intc = fdt.begin_node("interrupt-controller")?;
        fdt.property_u32("#interrupt-cells", 1)?;
        fdt.property_null("interrupt-controller")?;
        fdt.property_string("compatible", "riscv,cpu-intc")?;
        fdt.property_phandle(CPU_INTC_PHANDLE + hart as u32)?;
        fdt.end_node(intc)?;
        fdt.end_node(cpu)?;
    }
    fdt.end_node(cpus)
}

/// `interrupts-extended`: pairs of hart controller and interrupt number.
fn to_harts(config: &MachineConfig, numbers: &[u32]) -> Vec<u32> {
    (0..config.harts as u32)
        .flat_map(|h| numbers.iter().flat_map(move |&n| [CPU_INTC_PHANDLE + h, n]))
        .collect()
}

fn device(fdt: &mut FdtWriter, config: &MachineConfig, spec: &DeviceSpec) -> Result<(), Error> {
    let address = |name: &str| format!("{name}@{:x}", spec.base);
    let interrupt = |fdt: &mut FdtWriter, number: Option<u32>| -> Result<(), Error> {
        let Some(number) = number else { return Ok(()) };
        fdt.property_u32("interrupts", number)?;
        fdt.property_u32("interrupt-parent", PLIC_PHANDLE)
    };
    match spec.kind {
        DeviceKind::BootRom | DeviceKind::StubRom | DeviceKind::ReportPort { .. } | DeviceKind::Htif => {}
        DeviceKind::TestFinisher => {
            let node = fdt.begin_node(&address("test"))?;
            let names = ["sifive,test1", "sifive,test0", "syscon"];
            fdt.property_string_list("compatible", names.map(String::from).to_vec())?;
            fdt.property_array_u64("reg", &reg(spec))?;
            fdt.property_phandle(FINISHER_PHANDLE)?;
            fdt.end_node(node)?;
        }
        DeviceKind::Rtc => {
            let node = fdt.begin_node(&address("rtc"))?;
            fdt.property_string("compatible", "google,goldfish-rtc")?;
            fdt.property_array_u64("reg", &reg(spec))?;
            interrupt(fdt, spec.interrupt)?;
            fdt.end_node(node)?;
        }
        DeviceKind::Clint => {
            let node = fdt.begin_node(&address("clint"))?;
            let names = ["sifive,clint0", "riscv,clint0"];
            fdt.property_string_list("compatible", names.map(String::from).to_vec())?;
            fdt.property_array_u64("reg", &reg(spec))?;
            fdt.property_array_u32("interrupts-extended", &to_harts(config, &[3, 7]))?;
            fdt.end_node(node)?;
        }
        DeviceKind::Plic { sources } => {
            let node = fdt.begin_node(&address("plic"))?;
            fdt.property_phandle(PLIC_PHANDLE)?;
            fdt.property_u32("riscv,ndev", sources)?;
            fdt.property_array_u64("reg", &reg(spec))?;
            fdt.property_array_u32("interrupts-extended", &to_harts(config, &[11, 9]))?;
            fdt.property_null("interrupt-controller")?;
            let names = ["sifive,plic-1.0.0", "riscv,plic0"];
            fdt.property_string_list("compatible", names.map(String::from).to_vec())?;
            fdt.property_u32("#interrupt-cells", 1)?;
            fdt.property_u32("#address-cells", 0)?;
            fdt.end_node(node)?;
        }
        DeviceKind::Uart { reg_shift } => {
            let node = fdt.begin_node(&address("serial"))?;
            fdt.property_string("compatible", "ns16550a")?;
            fdt.property_array_u64("reg", &reg(spec))?;
            fdt.property_u32("clock-frequency", 3_686_400)?;
            if reg_shift != 0 {
                fdt.property_u32("reg-shift", reg_shift)?;
                fdt.property_u32("reg-io-width", 1)?;
            }
            interrupt(fdt, spec.interrupt)?;
            fdt.end_node(node)?;
        }
        DeviceKind::Virtio { slots } => {
            let size_bytes = spec.size_bytes / u64::from(slots);
            for slot in 0..slots {
                let base = spec.base + u64::from(slot) * size_bytes;
                let node = fdt.begin_node(&format!("virtio_mmio@{base:x}"))?;
                fdt.property_string("compatible", "virtio,mmio")?;
                fdt.property_array_u64("reg", &[base, size_bytes])?;
                interrupt(fdt, spec.interrupt.map(|n| n + slot))?;
                fdt.end_node(node)?;
            }
        }
        DeviceKind::Extension { name } => {
            if config.active_extensions().any(|e| e.name == name) {
                let node = fdt.begin_node(&address(spec.name))?;
                fdt.property_string("compatible", &format!("riscv,{}", spec.name))?;
                fdt.property_array_u64("reg", &reg(spec))?;
                fdt.property_array_u32("interrupts-extended", &to_harts(config, &[0]))?;
                fdt.end_node(node)?;
            }
        }
    }
    Ok(())
}
