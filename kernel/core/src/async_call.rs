//! Asynchronous system calls: a thread puts requests into a frame that it shares with the kernel, and takes
//! completions out of it.
//!
//! For the kernel, a thread's requests are a coroutine: it goes on where it stopped, whenever somebody wakes it, until
//! there is nothing more to do or something more urgent waits. It runs on the hart of the one that wakes it, or on
//! another one that has nothing as urgent to do. A request is an invocation of a capability, with the authority of the
//! thread whose frame it is; what would wait for somebody else, and so would block those behind it, is refused.
//!
//! Completions are announced by a user interrupt to the receiver of the notification that the frame was registered
//! with, if the thread says that it is asleep.

use core::cell::Cell;

use kernel_abi::{AsyncChannel, CapRights};

use crate::async_serve::{Served, rest};
use crate::cap::{Cap, Kind};
use crate::error::{Error, Stop};
use crate::kernel::{Kernel, SMP};
use crate::mark;
use crate::mem::Ptr;
use crate::notification::Notification;
use crate::syscall::Call;
use crate::tcb::{State, Tcb, reg};
use crate::user_interrupt::vector_of;

/// Requests that are served before others get at the kernel's lock, and before the next look for interrupts.
pub(crate) const BATCH: usize = 16;
/// How often in a row a hart that is idle looks for more requests before it sleeps.
const PATIENCE: u32 = 32;

/// The kernel's side of what a thread shares with it.
#[derive(Default)]
pub(crate) struct AsyncState {
    /// Requests served.
    pub(crate) done: Cell<u64>,
    /// Items of the ring.
    pub(crate) items: Cell<u32>,
    /// The vector that tells of completions, to the receiver of the notification that the thread is bound to.
    pub(crate) vector: Cell<u64>,
    /// Stands in the queue of the hart of this number, plus one.
    queued: Cell<u8>,
    /// The next in that queue.
    next: Cell<Option<Ptr<Tcb>>>,
}

impl AsyncState {
    /// Nothing shared.
    #[allow(clippy::declare_interior_mutable_const)]
    pub(crate) const NONE: Self = Self {
        done: Cell::new(0),
        items: Cell::new(0),
        vector: Cell::new(0),
        queued: Cell::new(0),
        next: Cell::new(None),
    };
}

/// Threads whose requests a hart is to serve.
pub(crate) struct Work {
    first: Cell<Option<Ptr<Tcb>>>,
    /// How often in a row there was nothing to do.
    idle: Cell<u32>,
}

impl Work {
    pub(crate) const fn new() -> Self {
        Self { first: Cell::new(None), idle: Cell::new(0) }
    }
}

impl Kernel {
    /// The frame that goes with the call is shared with the caller from now on; completions are told to the receiver
    /// of the notification `cap`.
    #[cold]
    pub(crate) fn register_async(&self, call: &Call<'_>, cap: Cap) -> Result<usize, Stop> {
        let thread = call.thread;
        let vector = vector_of(cap)?;
        let notification = cap.object::<Notification>();
        if notification.receiver().is_none() || notification.bound() != Some(thread) {
            return Err(Error::IllegalOperation.into());
        }
        let source = call.extra.get(0)?;
        let frame = self.derive(source, source.cap())?;
        if !frame.is(Kind::Frame) || frame.is_device() || !frame.frame_rights().has(CapRights(3)) {
            return Err(Error::InvalidCapability(1).into());
        }
        self.forget_requests(thread);
        self.delete_one(thread.shared_frame());
        thread.shared_frame().insert(frame, source);
        let state = &thread.async_state;
        state.done.set(0);
        state.vector.set(u64::from(vector));
        // As many as the thread wants, or as there is room for.
        let most = if call.length > 0 { call.word(0) as usize } else { usize::MAX };
        state.items.set(AsyncChannel::items_within(1 << frame.frame_bits(), most) as u32);
        Ok(0)
    }

    /// `WakeAsync`: the current thread's requests are served: here or, if the first argument is 1, by another hart
    /// that has less urgent things to do, if there is one.
    #[cold]
    pub(crate) fn wake_async(&self) {
        let thread = self.current();
        if SMP
            && thread.get(reg::A0) == 1
            && let Some(hart) = self.hart_for_requests(thread)
        {
            self.enqueue_requests(thread, hart);
            return;
        }
        loop {
            match self.serve(thread, usize::MAX) {
                // What is left is served when this hart has seen to that.
                Served::Preempted => return self.enqueue_requests(thread, self.here()),
                _ if rest(&thread) => return,
                _ => {}
            }
        }
    }

    /// Another hart for the requests of `thread`: one that is idle, or else one that runs something less urgent.
    fn hart_for_requests(&self, thread: Ptr<Tcb>) -> Option<usize> {
        let urgency = |hart: usize| {
            let runs = self.hart_number(hart).current.get();
            let busy = runs.filter(|runs| runs.state() != State::Idle);
            busy.map_or(0, |runs| u32::from(runs.priority.get()) + 1)
        };
        let others = (0..self.hart_count.get()).filter(|&hart| hart != self.here());
        let best = others.min_by_key(|&hart| urgency(hart))?;
        (urgency(best) <= u32::from(thread.priority.get())).then_some(best)
    }

    fn enqueue_requests(&self, thread: Ptr<Tcb>, hart: usize) {
        let state = &thread.async_state;
        if state.queued.get() == 0 {
            let work = &self.hart_number(hart).work;
            state.queued.set(hart as u8 + 1);
            state.next.set(work.first.replace(Some(thread)));
            work.idle.set(0);
            if SMP && hart != self.here() {
                self.kicked.set(self.kicked.get() | 1 << hart);
            }
        }
    }

    /// The requests of `thread` are not served any more.
    pub(crate) fn forget_requests(&self, thread: Ptr<Tcb>) {
        let state = &thread.async_state;
        let Some(hart) = usize::from(state.queued.take()).checked_sub(1) else { return };
        let rest = state.next.take();
        let first = &self.hart_number(hart).work.first;
        if first.get() == Some(thread) {
            first.set(rest);
            return;
        }
        let queue = core::iter::successors(first.get(), |thread| thread.async_state.next.get());
        for before in queue {
            if before.async_state.next.get() == Some(thread) {
                before.async_state.next.set(rest);
                return;
            }
        }
    }

    /// Serves some of the requests that this hart is to serve; whether it is to look again at once.
    #[inline(always)]
    pub fn serve_requests(&self) -> bool {
        self.hart().work.first.get().is_some() && self.serve_some()
    }

    #[cold]
    fn serve_some(&self) -> bool {
        let work = &self.hart().work;
        let Some(thread) = work.first.get() else { return false };
        let _marked = mark::AsyncCalls::enter();
        let done = thread.async_state.done.get();
        match self.serve(thread, BATCH) {
            Served::Preempted => return false,
            Served::Enough => work.idle.set(0),
            Served::All => {
                // What is asked for may have taken the thread along, and then it stands in no queue.
                if work.first.get() != Some(thread) {
                    return true;
                }
                let idle = if thread.async_state.done.get() == done { work.idle.get() + 1 } else { 0 };
                work.idle.set(idle);
                let lingers = self.current().state() == State::Idle && idle < PATIENCE;
                if !lingers && rest(&thread) {
                    self.forget_requests(thread);
                }
            }
        }
        work.first.get().is_some()
    }
}
