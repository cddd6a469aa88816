//! The kernel's lock: one around everything, in order of arrival. A build for one hart has none.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use kernel_core::{MAX_HARTS, SMP};

/// A ticket lock.
pub struct Lock {
    next: AtomicU32,
    served: AtomicU32,
    /// By hart: it waits here, with all registers of its thread in memory.
    waits: [AtomicBool; MAX_HARTS],
}

impl Lock {
    /// Free.
    pub const fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            served: AtomicU32::new(0),
            waits: [const { AtomicBool::new(false) }; MAX_HARTS],
        }
    }

    /// Takes it for hart `hart`; `prepare` is done before waiting, if there is waiting.
    #[inline(always)]
    pub fn take(&self, hart: usize, prepare: impl FnOnce()) {
        if SMP {
            let ticket = self.next.fetch_add(1, Ordering::Relaxed);
            if self.served.load(Ordering::Acquire) != ticket {
                prepare();
                let waits = &self.waits[hart % MAX_HARTS];
                waits.store(true, Ordering::Release);
                while self.served.load(Ordering::Acquire) != ticket {
                    core::hint::spin_loop();
                }
                waits.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Gives it back.
    #[inline(always)]
    pub fn give(&self) {
        if SMP {
            let served = self.served.load(Ordering::Relaxed);
            self.served.store(served.wrapping_add(1), Ordering::Release);
        }
    }

    /// Waits until hart `hart` waits.
    pub fn await_waiter(&self, hart: usize) {
        while !self.waits[hart % MAX_HARTS].load(Ordering::Acquire) {
            core::hint::spin_loop();
        }
    }
}
