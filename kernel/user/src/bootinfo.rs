//! What the kernel told the root task.

use core::sync::atomic::{AtomicBool, Ordering};

use kernel_abi::{BootInfo, Error, InitialCap, Invocation, UntypedDesc};

use crate::invoke::invoke_label;

/// Whether the kernel is a build for several harts, which has other labels.
static SMP: AtomicBool = AtomicBool::new(false);

/// Finds out which labels the kernel has: the last one exists only in a build for several harts, however many it
/// found. Without arguments it fails either way, by what it lacks or by not being there.
pub(crate) fn init() {
    let last = Invocation::IrqIssueHandlerTrigger.label(true);
    let smp = match invoke_label(InitialCap::IrqControl as u64, last, &[], &[]) {
        Err(failure) => failure.error == Error::TruncatedMessage,
        Ok(_) => false,
    };
    SMP.store(smp, Ordering::Relaxed);
}

/// Whether the kernel is a build for several harts.
#[inline]
#[must_use]
pub fn smp() -> bool {
    SMP.load(Ordering::Relaxed)
}

/// The label of `invocation` in this kernel.
#[inline]
#[must_use]
pub fn label(invocation: Invocation) -> u64 {
    invocation.label(smp())
}

/// Untyped memory with its slots.
pub fn untypeds(info: &BootInfo) -> impl Iterator<Item = (u64, &UntypedDesc)> + Clone {
    (info.untyped.start..info.untyped.end).zip(&info.untyped_list)
}

unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __image_end: u8;
}

/// Addresses of the root task's image.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    /// Where it and its code begin.
    pub start: u64,
    /// Where the code ends, on a page boundary.
    pub text_end: u64,
    /// Where constants end, on a page boundary.
    pub rodata_end: u64,
    /// Where it ends, on a page boundary.
    pub end: u64,
}

/// Addresses of the root task's image.
#[must_use]
pub fn image() -> Image {
    Image {
        start: &raw const __image_start as u64,
        text_end: &raw const __text_end as u64,
        rodata_end: &raw const __rodata_end as u64,
        end: &raw const __image_end as u64,
    }
}
