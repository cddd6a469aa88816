//! From a platform's rows to a bus with devices on it.

use relsim_core::bus::{Bus, MapError, Rom};
use relsim_core::device::{Clock, Console, Device};
use relsim_core::ram::Ram;
use relsim_devices::{
    Block, BlockBackend, Clint, DEFAULT_EPOCH_S, EchoPeer, EmptySlot, HtifDevice, LoadPeer, LoopPeer, Net,
    NetPeer, Plic, ReportPort, RtcGoldfish, TestFinisher, Uart16550, VirtioConsole, VirtioMmio,
};

use crate::config::{MachineConfig, Payload};
use crate::platform::{DeviceKind, DeviceSpec, Platform};

/// How often consoles look for input, in core cycles: a character time at 115200 baud and 100 MHz.
const INPUT_POLL_CYCLES: u64 = 8_680;
/// How long what the built-in network peer sends takes, in core cycles.
const NET_LATENCY_CYCLES: u64 = 10_000;
/// Ethernet address of that peer: a local one.
const PEER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 2];
/// Bytes of the reset code at the start of the boot ROM.
const FW_DYNAMIC_OFFSET: u64 = 0x40;
/// Where the RTL harness's boot ROM begins to run.
const HARNESS_RESET_OFFSET: usize = 0x40;
/// "OSBI", the magic number of OpenSBI's `fw_dynamic_info`.
const FW_DYNAMIC_MAGIC: u64 = 0x4942_534f;

/// What the built-in peer of a network device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Answers ARP, ping and UDP echo for 10.0.2.0/24.
    Echo,
    /// Sends every frame back as it came.
    Loop,
    /// Drives a TCP echo server as the guest asks it to, and answers as [`Peer::Echo`].
    Load,
}

/// What is plugged into the virtio slots, in order.
pub enum Virtio {
    /// A disk.
    Block {
        /// Its contents.
        backend: Box<dyn BlockBackend>,
        /// Its serial number.
        id: String,
        /// Refuses writes.
        read_only: bool,
    },
    /// A console beside the UART.
    Console,
    /// A network device with its peer.
    Net(Peer),
}

/// Why a machine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// Two windows overlap.
    #[error(transparent)]
    Map(#[from] MapError),
    /// A mistake in instruction or CSR rows.
    #[error("{0}")]
    Rows(String),
    /// The tables handed over are those of another instruction set.
    #[error("the tables are those of another instruction set")]
    Tables,
    /// More virtio devices than slots.
    #[error("{platform} has {slots} virtio slots, but {wanted} devices are to be plugged in")]
    Slots {
        /// The platform.
        platform: &'static str,
        /// How many there are.
        slots: usize,
        /// How many are wanted.
        wanted: usize,
    },
    /// A piece of the payload lies outside of memory.
    #[error(
        "{name} ({len:#x} bytes at {address:#x}) does not fit into memory at {ram_base:#x}..{ram_end:#x}"
    )]
    Payload {
        /// The piece.
        name: String,
        /// Where it should go.
        address: u64,
        /// Its size.
        len: u64,
        /// Start of memory.
        ram_base: u64,
        /// End of memory.
        ram_end: u64,
    },
}

fn virtio_device(name: &str, wire: u32, what: Virtio) -> Box<dyn Device> {
    match what {
        Virtio::Block { backend, id, read_only } => {
            Box::new(VirtioMmio::new(name, wire, Block::new(backend, &id, read_only)))
        }
        Virtio::Console => Box::new(VirtioMmio::new(name, wire, VirtioConsole::new(INPUT_POLL_CYCLES))),
        Virtio::Net(peer) => {
            let peer: Box<dyn NetPeer> = match peer {
                Peer::Echo => Box::new(EchoPeer::new(PEER_MAC, [10, 0, 2])),
                Peer::Loop => Box::new(LoopPeer),
                Peer::Load => Box::new(LoadPeer::new(PEER_MAC)),
            };
            let mac = [0x02, 0, 0, 0, 0, 1];
            Box::new(VirtioMmio::new(name, wire, Net::new(mac, NET_LATENCY_CYCLES, peer)))
        }
    }
}

fn device(config: &MachineConfig, spec: &DeviceSpec, payload: &Payload) -> Option<Box<dyn Device>> {
    let wire = spec.interrupt.unwrap_or(0);
    Some(match spec.kind {
        DeviceKind::BootRom | DeviceKind::StubRom | DeviceKind::Virtio { .. } => return None,
        DeviceKind::TestFinisher => Box::new(TestFinisher::new(spec.name)),
        DeviceKind::ReportPort { sources } => Box::new(ReportPort::new(spec.name, sources)),
        DeviceKind::Rtc => Box::new(RtcGoldfish::new(spec.name, wire, DEFAULT_EPOCH_S)),
        DeviceKind::Clint => Box::new(Clint::new(spec.name, config.harts)),
        DeviceKind::Plic { sources } => {
            Box::new(Plic::new(spec.name, sources, 7, &Platform::plic_contexts(config.harts)))
        }
        DeviceKind::Uart { reg_shift } => {
            Box::new(Uart16550::new(spec.name, wire, reg_shift, INPUT_POLL_CYCLES))
        }
        // The image's own words take precedence.
        DeviceKind::Htif if payload.htif.is_some() => return None,
        DeviceKind::Htif => Box::new(HtifDevice::new(spec.name, 8, 0, INPUT_POLL_CYCLES)),
        DeviceKind::Extension { name } => {
            let extension = config.active_extensions().find(|e| e.name == name)?;
            extension.device?(spec.size_bytes)
        }
    })
}

/// The reset code, as on QEMU's `virt`: a0 = hart, a1 = device tree, a2 = `fw_dynamic_info`, jump to the
/// entry.
fn boot_rom(spec: &DeviceSpec, payload: &Payload) -> Rom {
    let code: [u32; 6] = [
        0x0000_0297, // auipc t0, 0
        0x0402_8613, // addi  a2, t0, FW_DYNAMIC_OFFSET
        0xf140_2573, // csrr  a0, mhartid
        0x0202_b583, // ld    a1, 32(t0)
        0x0182_b283, // ld    t0, 24(t0)
        0x0002_8067, // jr    t0
    ];
    let next_stage = payload.next_stage.unwrap_or(0);
    let mut bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(payload.entry.to_le_bytes());
    bytes.extend(payload.dtb_address.to_le_bytes());
    bytes.resize(FW_DYNAMIC_OFFSET as usize, 0);
    // Version 2: magic, version, next address, next mode (1: S), options, boot hart (0).
    for word in [FW_DYNAMIC_MAGIC, 2, next_stage, 1, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.resize(spec.size_bytes as usize, 0);
    Rom { base: spec.base, bytes }
}

/// The boot ROM of the RTL harness: as long as its first fetches go, it is the one that the chip has (without
/// the write to a CSR that only Rocket has; `mie` flushes the pipeline as that does).
fn harness_rom(spec: &DeviceSpec) -> Rom {
    let code: [u32; 6] = [
        0x3040_5073, // csrwi mie, 0
        0x1000_0437, // lui   s0, 0x10000
        0xf140_2573, // csrr  a0, mhartid
        0x0000_0597, // auipc a1, 0
        0x0745_8593, // addi  a1, a1, 116
        0x0000_8402, // c.jr  s0
    ];
    let mut bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize(HARNESS_RESET_OFFSET, 0);
    bytes.extend(0xfc1f_f06f_u32.to_le_bytes()); // j -64
    bytes.resize(spec.size_bytes as usize, 0);
    Rom { base: spec.base, bytes }
}

/// The stub of the RTL harness with several harts: those behind the last one sleep.
fn stub_rom_of_many(spec: &DeviceSpec, payload: &Payload, harts: usize) -> Rom {
    let code: [u32; 8] = [
        0xf140_22f3, // csrr  t0, mhartid
        0x0000_0317, // auipc t1, 0
        0x0243_3383, // ld    t2, 36(t1)
        0x0072_f663, // bgeu  t0, t2, 12
        0x01c3_3303, // ld    t1, 28(t1)
        0x0003_0067, // jr    t1
        0x1050_0073, // wfi
        0xffdf_f06f, // j     -4
    ];
    let mut bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(payload.entry.to_le_bytes());
    bytes.extend((harts as u64).to_le_bytes());
    bytes.resize(spec.size_bytes as usize, 0);
    Rom { base: spec.base, bytes }
}

/// The stub of the RTL harness.
fn stub_rom(spec: &DeviceSpec, payload: &Payload) -> Rom {
    let code: [u32; 4] = [
        0x0000_0297, // auipc t0, 0
        0x0102_b303, // ld    t1, 16(t0)
        0x0003_0067, // jr    t1
        0x0000_0013, // nop
    ];
    let mut bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(payload.entry.to_le_bytes());
    bytes.resize(spec.size_bytes as usize, 0);
    Rom { base: spec.base, bytes }
}

/// The bus of `config`, with `payload` in memory.
///
/// # Errors
/// [`BuildError`].
pub fn build_bus(
    config: &MachineConfig,
    payload: &Payload,
    virtio: Vec<Virtio>,
    console: Box<dyn Console>,
) -> Result<Bus, BuildError> {
    config.validate()?;
    let platform = config.platform;
    let mut ram = Ram::new(platform.ram_base, config.ram_bytes);
    for piece in &payload.pieces {
        if !ram.write(piece.address, &piece.bytes) {
            return Err(BuildError::Payload {
                name: piece.name.clone(),
                address: piece.address,
                len: piece.bytes.len() as u64,
                ram_base: platform.ram_base,
                ram_end: platform.ram_base + config.ram_bytes,
            });
        }
    }
    let clock = Clock::new(platform.core_freq_hz, platform.timebase_freq_hz);
    let mut bus = Bus::new(ram, config.harts, clock, console);
    let wanted = virtio.len();
    let mut virtio = virtio.into_iter();
    for spec in platform.devices {
        match spec.kind {
            DeviceKind::BootRom if platform.find(|k| k == DeviceKind::StubRom).is_some() => {
                bus.add_rom(harness_rom(spec))?;
            }
            DeviceKind::BootRom => bus.add_rom(boot_rom(spec, payload))?,
            DeviceKind::StubRom if config.harts > 1 => {
                bus.add_rom(stub_rom_of_many(spec, payload, config.harts))?;
            }
            DeviceKind::StubRom => bus.add_rom(stub_rom(spec, payload))?,
            DeviceKind::Virtio { slots } => {
                let size_bytes = spec.size_bytes / u64::from(slots);
                for slot in 0..slots {
                    let name = format!("{}{slot}", spec.name);
                    let wire = spec.interrupt.unwrap_or(0) + slot;
                    let device = match virtio.next() {
                        Some(what) => virtio_device(&name, wire, what),
                        None => Box::new(VirtioMmio::new(&name, wire, EmptySlot)),
                    };
                    bus.add_device(spec.base + u64::from(slot) * size_bytes, size_bytes, device)?;
                }
            }
            _ => {
                if let Some(device) = device(config, spec, payload) {
                    bus.add_device(spec.base, spec.size_bytes, device)?;
                }
            }
        }
    }
    if virtio.next().is_some() {
        let slots = platform.devices.iter().map(|d| match d.kind {
            DeviceKind::Virtio { slots } => slots as usize,
            _ => 0,
        });
        return Err(BuildError::Slots { platform: platform.name, slots: slots.sum(), wanted });
    }
    Ok(bus)
}
