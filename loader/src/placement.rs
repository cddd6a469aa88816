//! Where to put what comes along with a kernel: the initial RAM disk and the device tree.
//!
//! Source: QEMU `hw/riscv/boot.c` (`riscv_load_initrd`, `riscv_compute_fdt_addr`), whose choices kernels are used to, with one
//! difference: what is already placed is respected, so nothing ever overlaps.

use crate::error::{DisplayRange, LoadError};

/// Alignment of the device tree: Linux maps it early with pages of this size.
const DTB_ALIGN_BYTES: u64 = 2 << 20;
/// Alignment of the initrd: whole pages, so that Linux can free it.
const INITRD_ALIGN_BYTES: u64 = 4096;
/// The initrd is not put farther behind the kernel than this.
const INITRD_MAX_DISTANCE_BYTES: u64 = 512 << 20;
/// If RAM starts below this address the device tree stays below it, where any kernel's early mapping and 32-bit firmware reach it.
const DTB_LIMIT: u64 = 3 << 30;

/// A range of physical addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub base: u64,
    /// Number of bytes.
    pub size_bytes: u64,
}

impl Region {
    /// The first address after the region. Saturates at the top of the address space, which no RAM reaches.
    pub fn end(self) -> u64 {
        self.base.saturating_add(self.size_bytes)
    }

    /// Whether the two regions have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.size_bytes > 0 && other.size_bytes > 0 && self.base < other.end() && other.base < self.end()
    }

    fn range(self) -> DisplayRange {
        DisplayRange { start: self.base, size_bytes: self.size_bytes }
    }
}

/// Chooses the address of an initial RAM disk of `size_bytes` bytes: half of RAM (but at most 512 MiB) above the kernel's start, out of
/// the way of a kernel that unpacks itself, and behind everything that is in the way there.
///
/// `kernel` is the kernel with all the memory it needs; `occupied` lists what else is placed already.
///
/// # Errors
///
/// [`LoadError::NoRoom`] if it does not fit below the end of RAM.
pub fn place_initrd(
    ram: Region,
    kernel: Region,
    size_bytes: u64,
    occupied: &[Region],
) -> Result<u64, LoadError> {
    let distance = (ram.size_bytes / 2).min(INITRD_MAX_DISTANCE_BYTES);
    let window_start = kernel.base.saturating_add(distance).max(ram.base);
    let mut reason = "the window is too small".to_owned();
    let mut candidate = window_start;
    // Every turn moves up behind a region, so the loop ends.
    while let Some(base) = candidate.checked_next_multiple_of(INITRD_ALIGN_BYTES) {
        let wanted = Region { base, size_bytes };
        if base.checked_add(size_bytes).is_none_or(|end| end > ram.end()) {
            break;
        }
        match occupied.iter().chain([&kernel]).find(|taken| taken.overlaps(wanted)) {
            None => return Ok(base),
            Some(taken) => {
                reason = format!("{} is taken", taken.range());
                candidate = taken.end();
            }
        }
    }
    Err(LoadError::NoRoom {
        name: "initrd",
        size_bytes,
        align_bytes: INITRD_ALIGN_BYTES,
        window: DisplayRange { start: window_start, size_bytes: ram.end().saturating_sub(window_start) },
        reason,
    })
}

/// Chooses the address of a device tree of `size_bytes` bytes: as high as possible in RAM, aligned to 2 MiB, below 3 GiB if RAM starts
/// below that, and overlapping nothing in `occupied` (kernel, initrd, firmware).
///
/// # Errors
///
/// [`LoadError::NoRoom`] if there is no such place.
pub fn place_dtb(ram: Region, size_bytes: u64, occupied: &[Region]) -> Result<u64, LoadError> {
    let limit = if ram.base < DTB_LIMIT { ram.end().min(DTB_LIMIT) } else { ram.end() };
    let mut reason = "the window is too small".to_owned();
    let mut top = limit;
    // Every turn moves down below a region, so the loop ends.
    while let Some(unaligned) = top.checked_sub(size_bytes) {
        let base = unaligned - unaligned % DTB_ALIGN_BYTES;
        if base < ram.base {
            break;
        }
        let wanted = Region { base, size_bytes };
        match occupied.iter().find(|taken| taken.overlaps(wanted)) {
            None => return Ok(base),
            Some(taken) => {
                reason = format!("{} is taken", taken.range());
                top = taken.base;
            }
        }
    }
    Err(LoadError::NoRoom {
        name: "device tree",
        size_bytes,
        align_bytes: DTB_ALIGN_BYTES,
        window: DisplayRange { start: ram.base, size_bytes: limit.saturating_sub(ram.base) },
        reason,
    })
}
