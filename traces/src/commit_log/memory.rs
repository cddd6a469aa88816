//! The memory part of a line.

use relsim_core::bus::Bus;
use relsim_core::hart::{Access, Hart};
use relsim_core::insn::{File, Fmt, InsnDef, Op, OpClass, X_SINK};

use super::line::Line;

/// `cbo.zero` stores a block byte by byte.
const BLOCK_BYTES: u64 = 64;

/// What an instruction does with memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemoryKind {
    /// Nothing that is logged.
    None,
    /// Loads.
    Load,
    /// Stores so many bytes of rs2.
    Store { size_bytes: u32, file: File },
    /// Stores so many bytes if rd is 0 afterwards.
    StoreConditional { size_bytes: u32 },
    /// Loads and stores so many bytes.
    Amo { size_bytes: u32 },
    /// Loads so many bytes, and stores if they were as expected.
    CompareAndSwap { size_bytes: u32 },
    /// Stores a block of zeros.
    ZeroBlock,
}

impl MemoryKind {
    /// What the instruction of a row does.
    pub fn of(def: &InsnDef) -> Self {
        // funct3, in the encodings of 32 bits.
        let size_bytes = 1 << (def.pattern.bits >> 12 & 7);
        match def.class {
            OpClass::Load | OpClass::FpLoad | OpClass::LoadReserved => Self::Load,
            OpClass::Store | OpClass::FpStore => Self::Store {
                size_bytes: match def.fmt {
                    Fmt::CSw | Fmt::CSwsp => 4,
                    Fmt::CSd | Fmt::CSdsp | Fmt::CFsd | Fmt::CFsdsp => 8,
                    _ => size_bytes,
                },
                file: def.fmt.files().rs2,
            },
            OpClass::StoreConditional => Self::StoreConditional { size_bytes },
            OpClass::Amo if def.name.starts_with("amocas") => Self::CompareAndSwap { size_bytes },
            OpClass::Amo => Self::Amo { size_bytes },
            OpClass::CacheBlock if def.name == "cbo.zero" => Self::ZeroBlock,
            _ => Self::None,
        }
    }
}

/// rd and its neighbour before the instruction: what a compare-and-swap expects.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Compared([u64; 2]);

impl Compared {
    /// The registers before `op`.
    pub fn of(hart: &Hart, op: &Op) -> Self {
        if op.rd == X_SINK { Self([0, 0]) } else { Self([hart.x(op.rd), hart.x(op.rd + 1)]) }
    }

    /// Whether the compare-and-swap `op` found what it expected: what it found is in rd now.
    fn found(self, hart: &Hart, bus: &Bus, op: &Op, size_bytes: u32) -> bool {
        let [low, high] = self.0;
        match size_bytes {
            4 => hart.x(op.rd) as u32 == low as u32,
            8 => hart.x(op.rd) == low,
            // What was found is gone, but it was swapped if rs2 is there now (or it was there before).
            _ if op.rd == X_SINK => {
                let new = if op.rs2 == 0 { [0, 0] } else { [hart.x(op.rs2), hart.x(op.rs2 + 1)] };
                let word = |offset| bus.ram.get::<u64>(hart.access(op).pa + offset);
                [word(0), word(8)] == new.map(Some)
            }
            _ => hart.x(op.rd) == low && hart.x(op.rd + 1) == high,
        }
    }
}

/// Appends the accesses of `op`, which has retired.
pub(super) fn log(
    line: &mut Line<'_>,
    hart: &Hart,
    bus: &Bus,
    op: &Op,
    kind: MemoryKind,
    compared: &Compared,
) {
    let address = hart.access(op).va;
    match kind {
        MemoryKind::None => {}
        MemoryKind::Load => line.load(address),
        MemoryKind::Store { size_bytes, file } => {
            let value = if file == File::F { hart.f(op.rs2) } else { hart.x(op.rs2) };
            line.store(address, value, size_bytes);
        }
        MemoryKind::StoreConditional { size_bytes } => {
            // The result is readable also where rd is x0: it went to the sink.
            if hart.x(op.rd) == 0 {
                stored(line, hart, bus, op, size_bytes);
            }
        }
        MemoryKind::Amo { size_bytes } => {
            line.load(address);
            stored(line, hart, bus, op, size_bytes);
        }
        MemoryKind::CompareAndSwap { size_bytes } => {
            line.load(address);
            if compared.found(hart, bus, op, size_bytes) {
                stored(line, hart, bus, op, size_bytes);
            }
        }
        MemoryKind::ZeroBlock => {
            let block = address & !(BLOCK_BYTES - 1);
            (block..block + BLOCK_BYTES).for_each(|address| line.store(address, 0, 1));
        }
    }
}

/// A store of what is in memory now: rs2 may have been overwritten by the result.
fn stored(line: &mut Line<'_>, hart: &Hart, bus: &Bus, op: &Op, size_bytes: u32) {
    let Access { va, pa } = hart.access(op);
    let bytes = bus.ram.slice(pa, size_bytes.into()).unwrap_or(&[]);
    for (index, chunk) in bytes.chunks(8).enumerate() {
        let value = chunk.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        line.store(va + 8 * index as u64, value, chunk.len() as u32);
    }
}
