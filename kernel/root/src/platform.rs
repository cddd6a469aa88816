//! What the root task knows of the machine, from the boot information and the device tree that comes with it.

use core::fmt;

use kernel_user::abi::{BOOTINFO_FDT, BootInfo, BootInfoHeader};

/// The device tree's bytes.
#[must_use]
pub fn device_tree(info: &'static BootInfo) -> &'static [u8] {
    let header = size_of::<BootInfoHeader>();
    let mut at = (&raw const *info) as u64 + 4096;
    let end = at + info.extra_len;
    while at + header as u64 <= end {
        // SAFETY: the kernel maps `extra_len` bytes there, which begin with a header and are blobs in a row.
        let blob = unsafe { &*(at as *const BootInfoHeader) };
        if blob.len < header as u64 || at + blob.len > end {
            break;
        }
        if blob.id == BOOTINFO_FDT {
            // SAFETY: as above; nobody writes there.
            return unsafe {
                core::slice::from_raw_parts((at as usize + header) as *const u8, blob.len as usize - header)
            };
        }
        at += blob.len;
    }
    &[]
}

/// Whether `text` stands in the device tree.
fn mentions(info: &'static BootInfo, text: &[u8]) -> bool {
    device_tree(info).windows(text.len()).any(|window| window == text)
}

/// Whether the machine is QEMU's `virt` or one like it.
#[must_use]
pub fn is_virt(info: &'static BootInfo) -> bool {
    mentions(info, b"riscv-virtio")
}

/// Whether it has user interrupts.
#[must_use]
pub fn has_uintc(info: &'static BootInfo) -> bool {
    mentions(info, b"riscv,uintc\0")
}

/// The UART of `virt`: physical address, and its interrupt.
pub const VIRT_UART: (u64, u64) = (0x1000_0000, 10);

/// How many harts there are, in words.
#[derive(Debug, Clone, Copy)]
pub struct Harts(pub u64);

impl fmt::Display for Harts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.0, if self.0 == 1 { "hart" } else { "harts" })
    }
}
