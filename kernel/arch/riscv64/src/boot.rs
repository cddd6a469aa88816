//! From the loader's or firmware's hands to the first user instruction.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kernel_core::boot::{Machine, Region, UserImage};
use kernel_core::debug::print;
use kernel_core::fdt::{Fdt, Reservation};
use kernel_core::mark;
use kernel_core::mem::to_virtual;
use kernel_core::platform::{Platform, PlatformError};
use kernel_core::vspace::{KERNEL_PTES, PTES, Pte};
use kernel_core::{Courier, MAX_HARTS, Ptr, SMP, Tcb};
use uintr_abi::n::USIP;

use crate::machine::MACHINE;
use crate::{KERNEL, LOCK, csr, hart_number, sbi};

/// The physical gigabyte that the image lies in, and where it is mapped; as in the linker script.
const IMAGE_GIGABYTE: u64 = 0x8000_0000;
const IMAGE_WINDOW: u64 = 0xffff_ffff_8000_0000;
/// Root entry for the image.
const IMAGE_ENTRY: usize = 510;
/// Memory from here on is not in the window, since the image is mapped there.
const WINDOW_TOP: u64 = ((IMAGE_ENTRY - (PTES - KERNEL_PTES)) as u64) << 30;
/// The timer interrupts so often a second.
const TICKS_A_SECOND: u64 = 500;
/// How long the first hart waits for the others, as parts of a second.
const PATIENCE: u64 = 10;
/// A hart that another one has started has this in `a1`, with its number.
const STARTED: u64 = 1 << 63;

/// The root of the kernel's own address space.
#[repr(C, align(4096))]
struct Root([Cell<Pte>; PTES]);

// SAFETY: written by the first hart before others read it.
unsafe impl Sync for Root {}

#[unsafe(export_name = "__boot_root")]
static ROOT: Root = Root([const { Cell::new(Pte::INVALID) }; PTES]);

static COURIER: Courier = Courier::new();

/// The first hart has set everything up.
static READY: AtomicBool = AtomicBool::new(false);
/// Others that are there.
static ARRIVED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static __image_start: u8;
    static __image_end: u8;
    static trap_entry: u8;
    fn leave_kernel(thread: Ptr<Tcb>) -> !;
}

/// Physical address of something in the image.
fn physical(addr: usize) -> u64 {
    addr as u64 - IMAGE_WINDOW + IMAGE_GIGABYTE
}

/// The first hart changes to the kernel's own address space: the window in the upper half, the image above it.
fn enter_window() {
    let gigabyte = |n: u64| n << 30;
    for n in 0..PTES {
        let pte = match n.checked_sub(PTES - KERNEL_PTES) {
            Some(_) if n == IMAGE_ENTRY => Pte::kernel(IMAGE_GIGABYTE, true),
            Some(window) if n < IMAGE_ENTRY => Pte::kernel(gigabyte(window as u64), false),
            _ => Pte::INVALID,
        };
        ROOT.0[n].set(pte);
    }
    let root = physical((&raw const ROOT).addr());
    KERNEL.kernel_root.set(root);
    MACHINE.kernel_satp.set(csr::satp_of(root, 0));
    use_window();
    // ASIDs that there are, of 16 bits: those of a write that stay.
    csr::set_satp(csr::satp_of(root, 0xffff));
    let asids = csr::satp() >> 44 & 0xffff;
    MACHINE.flushes.set(asids != 0xffff);
    use_window();
}

fn use_window() {
    csr::set_satp(MACHINE.kernel_satp.get());
    csr::fence_all();
    MACHINE.satp_is(MACHINE.kernel_satp.get());
}

/// This hart takes traps, and interrupts while users run.
fn prepare_hart() {
    csr::set_stvec((&raw const trap_entry).addr() as u64);
    csr::set_sscratch(0);
    csr::set_sstatus(0);
    // Cycles, time, instructions.
    csr::set_scounteren(7);
    csr::set_sie(csr::OWN | USIP);
    MACHINE.uintc.start_hart();
    KERNEL.start_hart(hart_number());
    MACHINE.set_timer();
}

/// Leaves the kernel for the first time.
fn go() -> ! {
    mark::begin_kernel();
    let _ = crate::enter();
    let thread = crate::leave();
    // SAFETY: the thread is the one that this hart is to run, and the trap entry is set.
    unsafe { leave_kernel(thread) }
}

/// How seL4's loader starts the kernel, on each hart. What follows `fdt_size` is there in a build for several harts only:
/// rust-sel4's loader sets nothing more for one.
#[unsafe(no_mangle)]
extern "C" fn loader_entry(
    image_start: u64,
    image_end: u64,
    pv_offset: u64,
    entry: u64,
    fdt: u64,
    fdt_size: u64,
    hart: u64,
    core: u64,
) -> ! {
    if SMP && core != 0 {
        secondary(hart, core);
    }
    let page = |at: u64| at.next_multiple_of(4096);
    let memory = Region { start: image_start, end: page(image_end) };
    let image = UserImage { memory, vaddr: image_start.wrapping_sub(pv_offset), entry };
    enter_window();
    let fdt = Region { start: fdt, end: fdt + fdt_size };
    // As seL4's build takes them out of its kernel's memory.
    let counts = |reservation: &Reservation| reservation.no_map;
    primary(SMP.then_some(hart), fdt, &image, counts, |harts| {
        // The loader has started them; they are on their way.
        let deadline = csr::time() + MACHINE.tick.get() * TICKS_A_SECOND / PATIENCE;
        while ARRIVED.load(Ordering::Acquire) + 1 < harts && csr::time() < deadline {
            core::hint::spin_loop();
        }
    })
}

/// How firmware starts it: `value` is the device tree, or of a hart that another one has started its number.
#[unsafe(no_mangle)]
extern "C" fn firmware_entry(hart: u64, value: u64) -> ! {
    if value & STARTED != 0 {
        secondary(hart, value & !STARTED);
    }
    enter_window();
    let Some(image) = bundled::image() else { give_up(b"there is no root task in this image") };
    // What the device tree says of its own size.
    // SAFETY: firmware hands over a device tree, which lies in memory that nothing else uses.
    let size = Fdt::size(unsafe { memory(value, 8) }).unwrap_or(0) as u64;
    primary(
        Some(hart),
        Region { start: value, end: value + size },
        &image,
        |_| true,
        |harts| {
            for n in 1..harts {
                let id = MACHINE.hart_ids[n].get();
                let before = ARRIVED.load(Ordering::Acquire);
                if !sbi::start_hart(id, physical((&raw const __image_start).addr()), STARTED | n as u64) {
                    break;
                }
                while ARRIVED.load(Ordering::Acquire) == before {
                    core::hint::spin_loop();
                }
            }
        },
    )
}

fn give_up(why: &[u8]) -> ! {
    print(b"kernel: ");
    print(why);
    print(b"\n");
    sbi::shut_down()
}

/// Memory that nobody writes to.
///
/// # Safety
/// That.
unsafe fn memory(paddr: u64, size: usize) -> &'static [u8] {
    // SAFETY: all memory is mapped in the window.
    unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(to_virtual(paddr)), size) }
}

/// The first hart: finds out what there is, gets the others in, makes the root task. Memory that is reserved and
/// `counts` so is left alone.
fn primary(
    hart: Option<u64>,
    fdt_at: Region,
    image: &UserImage,
    counts: impl Fn(&Reservation) -> bool,
    get_others: impl FnOnce(usize),
) -> ! {
    // SAFETY: the device tree lies in memory that nothing else uses; it is not given away below.
    let bytes = unsafe { memory(fdt_at.start, (fdt_at.end - fdt_at.start) as usize) };
    let Some(fdt) = Fdt::new(bytes) else { give_up(b"the device tree cannot be read") };
    let image_start = physical((&raw const __image_start).addr());
    let image_end = physical((&raw const __image_end).addr());
    // Below the image there is firmware.
    let platform = match Platform::new(&fdt, hart, image_start, counts) {
        Ok(platform) => platform,
        Err(PlatformError::NoInterruptContext) => {
            give_up(b"the device tree has no PLIC context for supervisor mode of the hart that boots")
        }
    };
    for (place, id) in MACHINE.hart_ids.iter().zip(platform.hart_ids) {
        place.set(id);
    }
    if let Some(uintc) = platform.uintc {
        KERNEL.receivers.start(MACHINE.uintc.start(uintc.start, uintc.end - uintc.start));
    }
    if let Some(plic) = &platform.plic {
        MACHINE.plic.start(plic);
    }
    MACHINE.tick.set((platform.timebase / TICKS_A_SECOND).max(1));
    MACHINE.has_stimecmp.set(csr::has_stimecmp());
    let mut harts = 1;
    if SMP {
        get_others(platform.harts);
        harts += ARRIVED.load(Ordering::Acquire);
    }
    MACHINE.hart_count.set(harts);
    prepare_hart();
    KERNEL.use_courier(&COURIER, physical(COURIER.buffer_addr()));

    let memory = platform
        .memory
        .without(Region { start: image_start, end: image_end })
        .without(Region { start: WINDOW_TOP, end: u64::MAX })
        .without(fdt_at.whole_pages());
    let greatest_irq = platform.plic.map_or(0, |plic| plic.greatest_irq);
    let machine = Machine { memory, devices: platform.devices, fdt: bytes, harts, greatest_irq };
    LOCK.take(hart_number(), || {});
    KERNEL.enter(hart_number());
    let made = KERNEL.start_root_task(&machine, image);
    LOCK.give();
    if made.is_err() {
        give_up(b"there is no room for the root task");
    }
    READY.store(true, Ordering::Release);
    go()
}

/// Another hart, with the number `core` among ours.
fn secondary(hart: u64, core: u64) -> ! {
    // It is on the loader's page table, or on the one with which the first one began, too.
    ARRIVED.fetch_add(1, Ordering::AcqRel);
    while !READY.load(Ordering::Acquire) {
        core::hint::spin_loop();
    }
    use_window();
    MACHINE.hart_ids[core as usize % MAX_HARTS].set(hart);
    prepare_hart();
    go()
}

/// The root task in this image.
mod bundled {
    use super::UserImage;

    #[cfg(feature = "bundled")]
    pub fn image() -> Option<UserImage> {
        use super::{Region, physical};
        const BYTES: &[u8] = include_bytes!(env!("KERNEL_ROOT_IMAGE"));
        #[repr(C, align(4096))]
        struct Pages([u8; BYTES.len()]);
        #[unsafe(link_section = ".root")]
        #[used]
        static PAGES: Pages = Pages(*include_bytes!(env!("KERNEL_ROOT_IMAGE")));
        let word = |n: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&BYTES[8 * n..8 * n + 8]);
            u64::from_le_bytes(bytes)
        };
        // A page with virtual address and entry, then the pages of the task.
        let start = physical((&raw const PAGES).addr()) + 4096;
        let length = BYTES.len() as u64 - 4096;
        let memory = Region { start, end: start + length };
        Some(UserImage { memory, vaddr: word(0), entry: word(1) })
    }

    #[cfg(not(feature = "bundled"))]
    pub fn image() -> Option<UserImage> {
        None
    }
}
