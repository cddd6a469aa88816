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

use kernel_abi::ring::Consumer;
use kernel_abi::{
    AsyncChannel, CapRights, Completion, IpcBuffer, MESSAGE_REGISTERS, MessageInfo, Request, RequestKind,
};

use crate::cap::{Cap, FrameSize, Kind};
use crate::error::{Error, Stop};
use crate::hw;
use crate::kernel::{Kernel, SMP};
use crate::lookup::{self, Extra};
use crate::mark;
use crate::mem::{Ptr, to_virtual};
use crate::notification::Notification;
use crate::syscall::{Call, Preempted};
use crate::tcb::{State, Tcb, reg};
use crate::user_interrupt::vector_of;

/// Requests that are served before others get at the kernel's lock, and before the next look for interrupts.
const BATCH: usize = 16;
/// How often in a row a hart that is idle looks for more requests before it sleeps.
const PATIENCE: u32 = 32;

/// The kernel's side of what a thread shares with it.
#[derive(Default)]
pub(crate) struct AsyncState {
    /// Requests taken out.
    taken: Cell<u64>,
    /// Completions put in.
    put: Cell<u64>,
    /// Items of each ring.
    items: Cell<u32>,
    /// The vector that tells of completions, to the receiver of the notification that the thread is bound to.
    vector: Cell<u64>,
    /// Stands in the queue of the hart of this number, plus one.
    queued: Cell<u8>,
    /// The next in that queue.
    next: Cell<Option<Ptr<Tcb>>>,
}

impl AsyncState {
    /// Nothing shared.
    #[allow(clippy::declare_interior_mutable_const)]
    pub(crate) const NONE: Self = Self {
        taken: Cell::new(0),
        put: Cell::new(0),
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

/// What invocations of requests are made with: the message of a thread that never runs.
pub struct Courier {
    thread: Tcb,
    buffer: Page,
}

/// A page for its IPC buffer.
#[repr(C, align(4096))]
struct Page(Cell<[u64; size_of::<IpcBuffer>() / 8]>);

// SAFETY: used by the hart that is in the kernel.
unsafe impl Sync for Courier {}

impl Courier {
    /// With nothing to carry.
    #[must_use]
    pub const fn new() -> Self {
        Self { thread: Tcb::new(), buffer: Page(Cell::new([0; size_of::<IpcBuffer>() / 8])) }
    }

    /// Where its buffer is, as the kernel's image is mapped.
    #[must_use]
    pub fn buffer_addr(&self) -> usize {
        (&raw const self.buffer).addr()
    }

    /// Its buffer is at physical address `paddr`.
    fn start(&self, paddr: u64) {
        self.thread.buffer_frame().update(Cap::frame(paddr, FrameSize::Page, CapRights(3), false));
        self.thread.buffer_address.set(0);
    }
}

impl Default for Courier {
    fn default() -> Self {
        Self::new()
    }
}

/// How the service of a thread's requests ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    /// There are no more, or no room for completions.
    All,
    /// As many as were to be.
    Enough,
    /// Something more urgent waits.
    Preempted,
}

/// What `thread` shares with the kernel.
fn channel_of(thread: &Tcb) -> Option<AsyncChannel<'_>> {
    let frame = thread.shared_frame().cap();
    if !frame.is(Kind::Frame) {
        return None;
    }
    let memory = core::ptr::with_exposed_provenance(to_virtual(frame.paddr()));
    // SAFETY: no kernel object lies in a frame, and all memory is mapped in the window; the kernel uses what is in
    // this one only here.
    let channel = unsafe { AsyncChannel::new(memory, 1 << frame.frame_bits()) };
    channel.map(|channel| channel.limited(thread.async_state.items.get() as usize))
}

impl Kernel {
    /// Asynchronous requests are served by means of `courier`, whose buffer is at physical address `paddr`.
    pub fn use_courier(&self, courier: &'static Courier, paddr: u64) {
        courier.start(paddr);
        self.courier.set(Some(Ptr::of(&courier.thread)));
    }

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
        state.taken.set(0);
        state.put.set(0);
        state.vector.set(u64::from(vector));
        // As many as the thread wants, or as there is room for.
        state.items.set(if call.length > 0 {
            call.word(0).min(u64::from(u32::MAX)) as u32
        } else {
            u32::MAX
        });
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
        let taken = thread.async_state.taken.get();
        match self.serve(thread, BATCH) {
            Served::Preempted => return false,
            Served::Enough => work.idle.set(0),
            Served::All => {
                // What is asked for may have taken the thread along, and then it stands in no queue.
                if work.first.get() != Some(thread) {
                    return true;
                }
                let idle = if thread.async_state.taken.get() == taken { work.idle.get() + 1 } else { 0 };
                work.idle.set(idle);
                let lingers = self.current().state() == State::Idle && idle < PATIENCE;
                if !lingers && rest(&thread) {
                    self.forget_requests(thread);
                }
            }
        }
        work.first.get().is_some()
    }

    /// Serves up to `most` requests of `thread`.
    #[cold]
    fn serve(&self, thread: Ptr<Tcb>, most: usize) -> Served {
        let frame = thread.shared_frame().cap();
        let (Some(channel), Some(courier)) = (channel_of(&thread), self.courier.get()) else {
            return Served::All;
        };
        channel.server().raise();
        let state = &thread.async_state;
        let mut requests = channel.request_consumer(state.taken.get());
        let mut completions = channel.completion_producer(state.put.get());
        let mut count = 0;
        let served = loop {
            if requests.is_empty() || completions.is_full() {
                break Served::All;
            }
            if count == most {
                break Served::Enough;
            }
            if count % BATCH == BATCH - 1 && hw::irq_waits() {
                break Served::Preempted;
            }
            let Ok(number) = self.serve_one(thread, courier, &requests) else { break Served::Preempted };
            if thread.shared_frame().cap() != frame {
                // The frame is gone by what was asked for, and perhaps the thread.
                return Served::All;
            }
            requests.step();
            state.taken.set(requests.at());
            let info = courier.message_info();
            let buffer = courier.buffer(false);
            let mut words = [0; Completion::MESSAGE_WORDS];
            let used = info.length().min(words.len());
            for (n, word) in words.iter_mut().enumerate().take(used) {
                *word = courier.word(buffer, n);
            }
            // There is room.
            let _ = completions.push_parts([number, info.0], &words[..used]);
            state.put.set(completions.at());
            count += 1;
        };
        requests.publish();
        if count > 0
            && channel.client().wake()
            && let Some(receiver) = thread.bound.get().and_then(|bound| bound.receiver())
        {
            hw::post_to_receiver(receiver, state.vector.get());
        }
        served
    }

    /// Serves the next of `requests`, which are those of `thread`: its number. The reply is in the courier's message.
    fn serve_one(
        &self,
        thread: Ptr<Tcb>,
        courier: Ptr<Tcb>,
        requests: &Consumer<'_, { Request::WORDS }>,
    ) -> Result<u64, Preempted> {
        let (number, kind) = Request::parse_head(requests.word(Request::HEAD));
        let done = match kind {
            Some(RequestKind::Invoke) => self.invoke_request(thread, courier, requests)?,
            Some(RequestKind::Print) => {
                let count = requests.word(Request::INFO).min(Request::TEXT_BYTES as u64) as usize;
                for n in 0..count {
                    hw::put_char((requests.word(Request::TEXT + n / 8) >> (n % 8 * 8)) as u8);
                }
                courier.set(reg::A1, MessageInfo::default().0);
                Ok(())
            }
            None => Err(Error::InvalidArgument(0)),
        };
        if let Err(error) = done {
            self.reply_error(courier, error);
        }
        Ok(u64::from(number))
    }

    /// Makes the invocation that is the next of `requests`. Whether it is refused for what it names; if not, its reply
    /// is in the courier's message.
    fn invoke_request(
        &self,
        thread: Ptr<Tcb>,
        courier: Ptr<Tcb>,
        requests: &Consumer<'_, { Request::WORDS }>,
    ) -> Result<Result<(), Error>, Preempted> {
        let cptr = requests.word(Request::CPTR);
        let info = MessageInfo(requests.word(Request::INFO));
        let length = info.length().min(Request::MESSAGE_WORDS);
        // No copy: it stays the thread's, and is looked at only while the kernel is not left.
        courier.cspace().update(thread.cspace().cap());
        courier.set(reg::A0, cptr);
        courier.set(reg::A1, MessageInfo::new(info.label(), 0, info.extra_caps() as u64, length as u64).0);
        let buffer = courier.buffer(true);
        // Those that are in registers lie in the same cache line, and are more quickly copied than counted.
        for (n, &at) in Request::MESSAGE.iter().enumerate().take(MESSAGE_REGISTERS) {
            courier.set(reg::A2 + n, requests.word(at));
        }
        for (n, &at) in Request::MESSAGE.iter().enumerate().take(length).skip(MESSAGE_REGISTERS) {
            courier.set_word(buffer, n, requests.word(at));
        }
        if let Some(buffer) = buffer {
            for (n, &at) in Request::CAPS.iter().enumerate().take(info.extra_caps()) {
                buffer.set_cap_or_badge(n, requests.word(at));
            }
        }
        self.handle_invocation(courier, true, false)?;
        // A capability that is not there is nothing that somebody is told of, and no answer either.
        if courier.get(reg::A0) == 0 {
            return Ok(Ok(()));
        }
        let failed = |fault| Error::Lookup { source: false, fault };
        let missing = lookup::slot(&thread, cptr).err();
        let missing =
            missing.or_else(|| Extra::of(&courier, info.extra_caps()).err().map(|(_, fault)| fault));
        Ok(Err(missing.map_or(Error::IllegalOperation, failed)))
    }

    /// Whether `thread` carries what another one asks for.
    #[inline(always)]
    pub(crate) fn is_courier(&self, thread: Ptr<Tcb>) -> bool {
        self.courier.get() == Some(thread)
    }
}

/// The kernel is about to look no more for requests of `thread`; whether there are none.
fn rest(thread: &Tcb) -> bool {
    let Some(channel) = channel_of(thread) else { return true };
    channel.server().lower();
    let state = &thread.async_state;
    channel.request_consumer(state.taken.get()).is_empty()
        || channel.completion_producer(state.put.get()).is_full()
}
