//! Domains: sets of threads that run in turns, for fixed times.

use core::cell::Cell;

use kernel_abi::Invocation;

use crate::cap::Kind;
use crate::error::{Error, Stop};
use crate::kernel::Kernel;
use crate::mem::Ptr;
use crate::syscall::Call;
use crate::tcb::Tcb;

/// Domains.
pub const DOMAINS: usize = 1;
/// Entries of the schedule.
const ENTRIES: usize = 2;
/// Durations have 56 bits.
const DURATION_TOP: u64 = 1 << 56;

/// An entry of the schedule; a duration of 0 marks its end.
#[derive(Clone, Copy)]
struct Entry {
    domain: u8,
    ticks: u64,
}

/// The domain schedule.
pub struct Domains {
    entries: [Cell<Entry>; ENTRIES],
    start: Cell<usize>,
    at: Cell<usize>,
    left: Cell<u64>,
}

impl Domains {
    /// Domain 0, for ever.
    pub(crate) const fn new() -> Self {
        let first = Entry { domain: 0, ticks: DURATION_TOP - 1 };
        let end = Entry { domain: 0, ticks: 0 };
        Self {
            entries: [Cell::new(first), Cell::new(end)],
            start: Cell::new(0),
            at: Cell::new(0),
            left: Cell::new(DURATION_TOP - 1),
        }
    }

    /// The domain whose threads run.
    #[inline(always)]
    pub(crate) fn current(&self) -> u8 {
        if DOMAINS == 1 { 0 } else { self.entries[self.at.get() % ENTRIES].get().domain }
    }

    /// Whether its time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.left.get() == 0
    }

    /// The next entry.
    pub(crate) fn advance(&self) {
        let next = self.at.get() + 1;
        let ends = next >= ENTRIES || self.entries[next].get().ticks == 0;
        self.go_to(if ends { self.start.get() } else { next });
    }

    fn go_to(&self, at: usize) {
        self.at.set(at);
        self.left.set(self.entries[at].get().ticks);
    }

    /// A tick: whether the domain's time is over now.
    pub(crate) fn tick(&self) -> bool {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        left == 0
    }
}

impl Kernel {
    /// Invocations of the domain capability.
    pub(crate) fn invoke_domain(&self, call: &Call<'_>) -> Result<usize, Stop> {
        let domains = &self.domains;
        let in_range = |value: u64, count: usize| {
            if value < count as u64 { Ok(value as usize) } else { Err(Error::Range(0, count as u64 - 1)) }
        };
        match call.invocation() {
            Some(Invocation::DomainSet) => {
                call.needs(1)?;
                let domain = call.word(0);
                if domain >= DOMAINS as u64 {
                    return Err(Error::InvalidArgument(0).into());
                }
                let thread = call.extra.get(0)?.cap();
                if !thread.is(Kind::Thread) {
                    return Err(Error::InvalidArgument(1).into());
                }
                let thread: Ptr<Tcb> = thread.object();
                self.set_domain(thread, domain as u8);
            }
            Some(Invocation::DomainScheduleConfigure) => {
                call.needs(3)?;
                let index = in_range(call.word(0), ENTRIES)?;
                let domain = in_range(call.word(1), DOMAINS)?;
                let ticks = call.word(2);
                let end_at_start = ticks == 0 && index == domains.start.get();
                if (ticks == 0 && domain != 0) || end_at_start || ticks >= DURATION_TOP {
                    return Err(Error::InvalidArgument(2).into());
                }
                domains.entries[index].set(Entry { domain: domain as u8, ticks });
            }
            Some(Invocation::DomainScheduleSetStart) => {
                call.needs(1)?;
                let index = in_range(call.word(0), ENTRIES)?;
                if domains.entries[index].get().ticks == 0 {
                    return Err(Error::InvalidArgument(0).into());
                }
                domains.start.set(index);
                domains.go_to(index);
                self.reschedule();
            }
            _ => return Err(Error::IllegalOperation.into()),
        }
        Ok(0)
    }
}
