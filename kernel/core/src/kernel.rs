//! The kernel's own state, and the scheduler's part of each hart.

use core::cell::Cell;

use crate::async_call::Work;
use crate::domain::Domains;
use crate::irq::Irqs;
use crate::mem::Ptr;
use crate::sched::ReadyQueues;
use crate::tcb::{State, Tcb};
use crate::user_interrupt::Receivers;
use crate::vspace::Asids;

/// Whether this build is for several harts: labels of invocations and the lock depend on it.
pub const SMP: bool = cfg!(feature = "smp");
/// Harts, at most.
pub const MAX_HARTS: usize = if SMP { 8 } else { 1 };

/// What happens at the end of a kernel entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The current thread goes on.
    Stay,
    /// The best one is chosen.
    Choose,
    /// This one, which is in no queue, runs if there is none better.
    Switch(Ptr<Tcb>),
}

/// A hart, as the scheduler knows it.
pub struct Hart {
    /// What runs on it.
    pub(crate) current: Cell<Option<Ptr<Tcb>>>,
    /// What is to run next.
    pub(crate) next: Cell<Next>,
    /// Runs when nothing else does.
    pub idle: Tcb,
    /// Threads that may run.
    pub(crate) ready: ReadyQueues,
    /// Receivers of user interrupts that wait.
    pub(crate) sleepers: Cell<Option<Ptr<Tcb>>>,
    /// They interrupt the kernel.
    pub(crate) watches: Cell<bool>,
    /// Asynchronous requests that it is to serve.
    pub(crate) work: Work,
    /// Its thread was taken away by another hart, so what it asked for is void.
    pub(crate) evicted: Cell<bool>,
    /// Translations have changed while it was idle, of which it was not told.
    pub(crate) stale: Cell<bool>,
}

impl Hart {
    const fn new() -> Self {
        Self {
            current: Cell::new(None),
            next: Cell::new(Next::Choose),
            idle: Tcb::new(),
            ready: ReadyQueues::new(),
            sleepers: Cell::new(None),
            watches: Cell::new(false),
            work: Work::new(),
            evicted: Cell::new(false),
            stale: Cell::new(false),
        }
    }
}

/// Everything that is not an object. One hart at a time is in the kernel: one lock is around all of it.
pub struct Kernel {
    harts: [Hart; MAX_HARTS],
    /// The hart that is in the kernel.
    here: Cell<usize>,
    /// Harts that take part.
    pub hart_count: Cell<usize>,
    /// Harts that are to look for something better to run, by bits.
    pub(crate) kicked: Cell<u64>,
    /// The domain schedule.
    pub domains: Domains,
    /// Interrupts.
    pub irqs: Irqs,
    /// Address spaces.
    pub asids: Asids,
    /// Receivers of user interrupts.
    pub receivers: Receivers,
    /// Makes the invocations of asynchronous requests.
    pub(crate) courier: Cell<Option<Ptr<Tcb>>>,
    /// Physical address of the root of the kernel's own address space, whose upper half all share.
    pub kernel_root: Cell<u64>,
    /// Work since the last look for interrupts.
    pub(crate) work: Cell<u32>,
    /// The first of all threads.
    pub(crate) threads: Cell<Option<Ptr<Tcb>>>,
}

// SAFETY: only the hart that holds the kernel's lock touches it, except for what the entry code reads by itself.
unsafe impl Sync for Kernel {}

impl Kernel {
    /// With nothing in it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            harts: [const { Hart::new() }; MAX_HARTS],
            here: Cell::new(0),
            hart_count: Cell::new(1),
            kicked: Cell::new(0),
            domains: Domains::new(),
            irqs: Irqs::new(),
            asids: Asids::new(),
            receivers: Receivers::new(),
            courier: Cell::new(None),
            kernel_root: Cell::new(0),
            work: Cell::new(0),
            threads: Cell::new(None),
        }
    }

    /// Hart number `hart` is the one in the kernel.
    #[inline(always)]
    pub fn enter(&self, hart: usize) {
        if SMP {
            self.here.set(hart);
        }
    }

    /// Number of the hart in the kernel.
    #[inline(always)]
    #[must_use]
    pub fn here(&self) -> usize {
        if SMP { self.here.get() } else { 0 }
    }

    /// The hart in the kernel.
    #[inline(always)]
    #[must_use]
    pub fn hart(&self) -> &Hart {
        self.hart_number(self.here())
    }

    /// Hart number `n`.
    #[inline(always)]
    #[must_use]
    pub fn hart_number(&self, n: usize) -> &Hart {
        &self.harts[n % MAX_HARTS]
    }

    /// The thread that runs on this hart.
    #[inline(always)]
    #[must_use]
    pub fn current(&self) -> Ptr<Tcb> {
        let hart = self.hart();
        hart.current.get().unwrap_or_else(|| Ptr::of(&hart.idle))
    }

    /// The other harts that have to be told of changed translations. One that is idle is in the kernel's own address
    /// space until it has the lock: it is not woken, but forgets all translations before it runs a thread.
    pub fn harts_to_tell(&self) -> impl Iterator<Item = usize> + Clone {
        let mut busy = 0u64;
        for n in (0..self.hart_count.get()).filter(|&n| n != self.here()) {
            let hart = self.hart_number(n);
            if hart.current.get().is_some_and(|thread| thread.state() == State::Idle) {
                hart.stale.set(true);
            } else {
                busy |= 1 << n;
            }
        }
        (0..self.hart_count.get()).filter(move |n| busy >> n & 1 == 1)
    }

    /// Starts hart number `n`, with its idle thread.
    pub fn start_hart(&self, n: usize) {
        let hart = self.hart_number(n);
        hart.idle.put_state(State::Idle);
        hart.idle.affinity.set(n as u8);
        hart.current.set(Some(Ptr::of(&hart.idle)));
        hart.next.set(Next::Choose);
    }

    /// Whether something more urgent waits, in the middle of long work.
    ///
    /// # Errors
    /// `Preempted`, if so.
    pub fn preemption_point(&self) -> Result<(), crate::error::Stop> {
        /// Units of work between looks, as seL4 has them. Tests want to see what each could come upon.
        const WORK_UNITS: u32 = if cfg!(test) { 1 } else { 100 };
        let work = self.work.get() + 1;
        if work < WORK_UNITS {
            self.work.set(work);
            return Ok(());
        }
        self.work.set(0);
        if crate::hw::irq_waits() { Err(crate::error::Stop::Preempted) } else { Ok(()) }
    }

    /// Thread `thread` now exists.
    pub(crate) fn register(&self, thread: Ptr<Tcb>) {
        let first = self.threads.replace(Some(thread));
        thread.all.next.set(first);
        thread.all.previous.set(None);
        if let Some(first) = first {
            first.all.previous.set(Some(thread));
        }
    }

    /// It does no longer.
    pub(crate) fn unregister(&self, thread: Ptr<Tcb>) {
        let (previous, next) = (thread.all.previous.take(), thread.all.next.take());
        match previous {
            Some(previous) => previous.all.next.set(next),
            None => self.threads.set(next),
        }
        if let Some(next) = next {
            next.all.previous.set(previous);
        }
    }

    /// All threads, the youngest first.
    pub fn threads(&self) -> impl Iterator<Item = Ptr<Tcb>> + '_ {
        core::iter::successors(self.threads.get(), |thread| thread.all.next.get())
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}
