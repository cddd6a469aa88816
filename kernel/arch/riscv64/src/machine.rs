//! What the objects' logic asks of the machine.

use core::cell::{Cell, UnsafeCell};

use kernel_core::harts::HartMask;
use kernel_core::hw::Machine;
use kernel_core::{Context, MAX_HARTS, Ptr, SMP, Tcb, implement_machine};

use crate::user::{self, Uintc};
use crate::{KERNEL, csr, hart_number, plic::Plic, sbi};

unsafe extern "C" {
    fn fpu_save(context: &Context);
    fn fpu_load(context: &Context);
}

/// Bytes of a hart's stack in the kernel; the entry code has the number, too.
const STACK_SIZE: usize = 1 << 14;

/// Stacks of the harts.
#[repr(C, align(4096))]
struct Stacks(UnsafeCell<[[u8; STACK_SIZE]; MAX_HARTS]>);

// SAFETY: nobody makes a reference to what is in it: each hart has its own part as its stack.
unsafe impl Sync for Stacks {}

/// Where the entry code finds them.
#[unsafe(export_name = "__kernel_stacks")]
static STACKS: Stacks = Stacks(UnsafeCell::new([[0; STACK_SIZE]; MAX_HARTS]));

/// What a hart has in its registers.
pub struct Loaded {
    /// `satp`.
    satp: Cell<u64>,
    /// User interrupts.
    pub user: user::Loaded,
    /// Whose floating-point registers; `sstatus.FS` is not off only while that thread runs.
    fpu: Cell<Option<Ptr<Tcb>>>,
}

/// The machine.
pub struct Riscv {
    harts: [Loaded; MAX_HARTS],
    /// Firmware's numbers of the harts.
    pub hart_ids: [Cell<u64>; MAX_HARTS],
    /// Harts that take part.
    pub hart_count: Cell<usize>,
    /// `satp` of the kernel's own address space.
    pub kernel_satp: Cell<u64>,
    /// Translations have no ASIDs, or too few: they are forgotten at each change of the address space.
    pub flushes: Cell<bool>,
    /// Ticks of the timebase from one timer interrupt to the next.
    pub tick: Cell<u64>,
    /// There is `stimecmp`.
    pub has_stimecmp: Cell<bool>,
    /// Devices' interrupts.
    pub plic: Plic,
    /// User interrupts.
    pub uintc: Uintc,
}

// SAFETY: set up by the first hart before others come; afterwards each hart touches its own part, or has the lock.
unsafe impl Sync for Riscv {}

/// This machine.
pub static MACHINE: Riscv = Riscv {
    harts: [const { Loaded { satp: Cell::new(0), user: user::Loaded::new(), fpu: Cell::new(None) } };
        MAX_HARTS],
    hart_ids: [const { Cell::new(0) }; MAX_HARTS],
    hart_count: Cell::new(1),
    kernel_satp: Cell::new(0),
    flushes: Cell::new(false),
    tick: Cell::new(0),
    has_stimecmp: Cell::new(false),
    plic: Plic::new(),
    uintc: Uintc::new(),
};

impl Riscv {
    #[inline(always)]
    pub fn here(&self) -> &Loaded {
        &self.harts[hart_number() % MAX_HARTS]
    }

    /// What each hart has in its registers.
    pub fn all_harts(&self) -> &[Loaded; MAX_HARTS] {
        &self.harts
    }

    #[inline(always)]
    fn set_satp(&self, satp: u64) {
        let loaded = &self.here().satp;
        if loaded.get() != satp {
            loaded.set(satp);
            csr::set_satp(satp);
            if self.flushes.get() {
                csr::fence_all();
            }
        }
    }

    /// `satp` has been set behind our back.
    pub fn satp_is(&self, satp: u64) {
        self.here().satp.set(satp);
    }

    /// Does `fence` for all other harts that have to know at once.
    fn on_others(&self, fence: impl Fn(HartMask)) {
        HartMask::of(KERNEL.harts_to_tell().map(|n| self.hart_ids[n % MAX_HARTS].get())).for_each(fence);
    }

    /// Lets go of the thread that has come in, which another hart takes away: all its registers are in memory, and
    /// its address space, whose tables may be gone before this hart has the lock, is not used any more.
    pub fn step_aside(&self) {
        self.save_fpu();
        self.unload();
        Self::use_kernel_vspace();
    }

    /// The floating-point registers of the thread that runs here are in memory.
    pub fn save_fpu(&self) {
        if let Some(owner) = self.here().fpu.get()
            && csr::sstatus() & csr::FS == csr::FS_DIRTY
        {
            // SAFETY: `FS` is on, and only the owner's use of the registers has made it dirty.
            unsafe { fpu_save(&owner.context) };
            set_fs(csr::FS_CLEAN);
        }
    }

    /// The thread that was running is not on this hart any more.
    pub fn disown_fpu(&self) {
        set_fs(0);
    }

    /// `thread`, which runs here, wants to use floating point; whether it could not.
    pub fn give_fpu(&self, thread: Ptr<Tcb>) -> bool {
        if csr::sstatus() & csr::FS != 0 {
            return false;
        }
        set_fs(csr::FS_CLEAN);
        // SAFETY: `FS` is on.
        unsafe { fpu_load(&thread.context) };
        set_fs(csr::FS_CLEAN);
        self.here().fpu.set(Some(thread));
        true
    }

    /// When the timer interrupt comes next.
    pub fn set_timer(&self) {
        let next = csr::time() + self.tick.get();
        if self.has_stimecmp.get() {
            csr::set_stimecmp(next);
        } else {
            sbi::set_timer(next);
        }
    }
}

fn set_fs(state: u64) {
    csr::set_sstatus(csr::sstatus() & !csr::FS | state);
}

impl Machine for Riscv {
    fn put_char(byte: u8) {
        sbi::put_char(byte);
    }

    fn halt() -> ! {
        sbi::shut_down()
    }

    #[inline(always)]
    fn flush_page(asid: u64, vaddr: u64) {
        csr::fence_page(asid, vaddr);
        if SMP && MACHINE.hart_count.get() > 1 {
            MACHINE.on_others(|harts| sbi::fence_page(harts, asid, vaddr));
        }
    }

    #[inline(always)]
    fn flush_page_here(asid: u64, vaddr: u64) {
        csr::fence_page(asid, vaddr);
    }

    fn flush_asid_elsewhere(asid: u64) {
        if SMP && MACHINE.hart_count.get() > 1 {
            MACHINE.on_others(|harts| sbi::fence_asid(harts, asid));
        }
    }

    fn flush_asid(asid: u64) {
        csr::fence_asid(asid);
        Self::flush_asid_elsewhere(asid);
    }

    fn flush_all() {
        csr::fence_all();
        if SMP && MACHINE.hart_count.get() > 1 {
            MACHINE.on_others(sbi::fence_all);
        }
    }

    fn flush_here() {
        csr::fence_all();
    }

    #[inline(always)]
    fn use_vspace(root: u64, asid: u64) {
        MACHINE.set_satp(csr::satp_of(root, asid));
    }

    #[inline(always)]
    fn use_kernel_vspace() {
        MACHINE.set_satp(MACHINE.kernel_satp.get());
    }

    fn enable_irq(irq: u64, on: bool) {
        MACHINE.plic.enable(irq, on);
    }

    fn complete_irq(irq: u64) {
        MACHINE.plic.complete(irq);
    }

    fn irq_waits() -> bool {
        csr::sip() & csr::sie() & csr::OWN != 0
    }

    fn interrupt_hart(hart: usize) {
        sbi::send_ipi(HartMask::one(MACHINE.hart_ids[hart % MAX_HARTS].get()));
    }

    fn stop_hart(hart: usize) {
        Self::interrupt_hart(hart);
        crate::LOCK.ask_aside(hart);
    }

    #[inline(always)]
    fn switch(from: Ptr<Tcb>, to: Ptr<Tcb>) {
        let hart = hart_number();
        let top = STACKS.0.get().addr() + (hart + 1) * STACK_SIZE;
        to.context.kernel_stack.set(top as u64);
        to.context.hart.set(hart as u64);
        if MACHINE.user_interrupts_matter(to) {
            MACHINE.switch_user_interrupts(from, to);
        }
        if let Some(owner) = MACHINE.here().fpu.get() {
            if owner == from {
                MACHINE.save_fpu();
                set_fs(0);
            }
            if owner == to {
                set_fs(csr::FS_CLEAN);
            }
        }
    }

    fn load_user_interrupts(thread: Ptr<Tcb>) {
        MACHINE.load(thread);
    }

    fn unload_user_interrupts() {
        MACHINE.unload();
    }

    fn forget_user_interrupts(thread: Ptr<Tcb>) {
        MACHINE.forget_user_interrupts_of(thread);
    }

    fn save_user_csrs(thread: Ptr<Tcb>) {
        MACHINE.save_csrs(thread);
    }

    fn aim_receiver(number: u16, hart: usize, on: bool) {
        MACHINE.uintc.aim(number, MACHINE.hart_ids[hart % MAX_HARTS].get(), on);
    }

    fn receiver_has_pending(number: u16) -> bool {
        MACHINE.uintc.has_pending(number)
    }

    fn post_to_receiver(number: u16, vector: u64) {
        MACHINE.uintc.post(number, vector);
    }

    fn retire_receiver(number: u16) {
        MACHINE.uintc.retire(number);
    }

    fn forget_fpu(thread: Ptr<Tcb>) {
        if KERNEL.current() == thread {
            // It may go on elsewhere, with what it has in them.
            MACHINE.save_fpu();
            set_fs(0);
        }
        for hart in &MACHINE.harts {
            if hart.fpu.get() == Some(thread) {
                hart.fpu.set(None);
            }
        }
    }
}

implement_machine!(Riscv);
