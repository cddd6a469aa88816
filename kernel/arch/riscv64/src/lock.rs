//! The kernel's lock: one around everything, in order of arrival. A build for one hart has none.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use kernel_core::{MAX_HARTS, SMP};

use crate::csr;

/// How often a hart looks whether it has the lock before it sleeps between looks. Nobody has the lock for as long, unless
/// the one whose turn it is does not run at the time, as a virtual machine's may not: this one is to leave its processor
/// to that. It wakes at the next tick of its own timer at the latest.
const PATIENCE: u32 = 1000;

/// A ticket lock.
pub struct Lock {
    next: AtomicU32,
    served: AtomicU32,
    /// By hart: it is to step aside, in which case it waits here or soon will.
    asked: [AtomicBool; MAX_HARTS],
}

impl Lock {
    /// Free.
    pub const fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            served: AtomicU32::new(0),
            asked: [const { AtomicBool::new(false) }; MAX_HARTS],
        }
    }

    /// Takes it for hart `hart`, which does `step_aside` if the one that has the lock asks for it.
    #[inline(always)]
    pub fn take(&self, hart: usize, step_aside: impl Fn()) {
        if SMP {
            let ticket = self.next.fetch_add(1, Ordering::Relaxed);
            let asked = &self.asked[hart % MAX_HARTS];
            let mut looks = 0;
            while self.served.load(Ordering::Acquire) != ticket {
                if asked.load(Ordering::Acquire) {
                    step_aside();
                    asked.store(false, Ordering::Release);
                }
                if looks < PATIENCE {
                    looks += 1;
                    core::hint::spin_loop();
                } else {
                    csr::wait_for_interrupt();
                }
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

    /// Asks hart `hart`, which is on its way here, to step aside, and waits until it has. The caller has the lock,
    /// so the other one then does nothing more before it is given back.
    pub fn ask_aside(&self, hart: usize) {
        let asked = &self.asked[hart % MAX_HARTS];
        asked.store(true, Ordering::Release);
        while asked.load(Ordering::Acquire) {
            core::hint::spin_loop();
        }
    }
}
