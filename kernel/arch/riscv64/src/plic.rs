//! The platform-level interrupt controller. (PLIC specification 1.0.)

use core::cell::Cell;

use kernel_core::mem::to_virtual;
use kernel_core::platform;

/// Where it is, and the context of the hart that takes all interrupts.
pub struct Plic {
    base: Cell<u64>,
    context: Cell<u64>,
}

// SAFETY: set once at boot; afterwards used under the kernel's lock.
unsafe impl Sync for Plic {}

impl Plic {
    /// None yet.
    pub const fn new() -> Self {
        Self { base: Cell::new(0), context: Cell::new(0) }
    }

    fn register(&self, offset: u64) -> *mut u32 {
        core::ptr::with_exposed_provenance_mut(to_virtual(self.base.get() + offset))
    }

    fn read(&self, offset: u64) -> u32 {
        // SAFETY: a register of the device, which is mapped in the window.
        unsafe { self.register(offset).read_volatile() }
    }

    fn write(&self, offset: u64, value: u32) {
        // SAFETY: as above.
        unsafe { self.register(offset).write_volatile(value) }
    }

    /// It is `found`: nothing comes through until it is enabled.
    pub fn start(&self, found: &platform::Plic) {
        self.base.set(found.base);
        self.context.set(found.context);
        for source in 1..=found.greatest_irq {
            self.enable(source, false);
            self.write(4 * source, 1);
        }
        self.write(0x20_0000 + 0x1000 * self.context.get(), 0);
    }

    /// Lets interrupt `source` through, or not.
    pub fn enable(&self, source: u64, on: bool) {
        if self.base.get() != 0 {
            let offset = 0x2000 + 0x80 * self.context.get() + source / 32 * 4;
            let bit = 1 << (source % 32);
            let old = self.read(offset);
            self.write(offset, if on { old | bit } else { old & !bit });
        }
    }

    fn claim_offset(&self) -> u64 {
        0x20_0004 + 0x1000 * self.context.get()
    }

    /// The most urgent interrupt that waits; 0 if there is none.
    pub fn claim(&self) -> u64 {
        if self.base.get() == 0 { 0 } else { self.read(self.claim_offset()).into() }
    }

    /// Interrupt `source` has been served.
    pub fn complete(&self, source: u64) {
        if self.base.get() != 0 {
            self.write(self.claim_offset(), source as u32);
        }
    }
}
