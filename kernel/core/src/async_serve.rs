//! How asynchronous requests are served: each in the place where it stands, which then holds its completion.

use core::cell::Cell;

use kernel_abi::{
    AsyncChannel, CapRights, Completion, Invocation, IpcBuffer, Item, MESSAGE_REGISTERS, MessageInfo,
    Request, RequestKind, ServerEnd,
};

use crate::async_call::BATCH;
use crate::cap::{Cap, FrameSize, Kind};
use crate::error::Error;
use crate::hw;
use crate::kernel::{Kernel, SMP};
use crate::lookup::{self, Extra};
use crate::mark;
use crate::mem::{Ptr, to_virtual};
use crate::syscall::Preempted;
use crate::tcb::{Tcb, reg};
use crate::vspace::Space;

/// Completions that the client is told of at a time, while there are more.
const GATHER: usize = 8;

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

/// What is known while frames are mapped and unmapped in a row, with the kernel's lock held.
#[derive(Default)]
struct Batch {
    /// The address space that was named last, and its name: mapping and unmapping leave it what it is.
    known: Option<(u64, Space)>,
    /// The ASID of which other harts are to forget what they know, before anybody hears that something was done; 0 is
    /// none. To ask them once for all pages is cheaper than for each.
    stale: u64,
}

impl Batch {
    /// Translations of page `vaddr` in address space `asid` are to be forgotten.
    #[inline(always)]
    fn forget(&mut self, asid: u64, vaddr: u64) {
        hw::flush_page_here(asid, vaddr);
        if SMP {
            if self.stale != asid {
                self.flush();
            }
            self.stale = asid;
        }
    }

    /// All harts have forgotten what they are to.
    #[inline(always)]
    fn flush(&mut self) {
        if SMP && self.stale != 0 {
            hw::flush_asid_elsewhere(self.stale);
            self.stale = 0;
        }
    }

    /// Something else is about to be done: nothing is known.
    fn settle(&mut self) {
        self.flush();
        self.known = None;
    }
}

/// How the service of a thread's requests ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// There are no more.
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
    // this one only here. As many items as fit were taken when it was registered.
    unsafe { AsyncChannel::new(memory, thread.async_state.items.get() as usize) }
}

impl Kernel {
    /// Asynchronous requests are served by means of `courier`, whose buffer is at physical address `paddr`.
    pub fn use_courier(&self, courier: &'static Courier, paddr: u64) {
        courier.start(paddr);
        self.courier.set(Some(Ptr::of(&courier.thread)));
    }

    /// Serves up to `most` requests of `thread`.
    #[cold]
    pub(crate) fn serve(&self, thread: Ptr<Tcb>, most: usize) -> Served {
        let frame = thread.shared_frame().cap();
        let (Some(channel), Some(courier)) = (channel_of(&thread), self.courier.get()) else {
            return Served::All;
        };
        channel.server().raise();
        let state = &thread.async_state;
        let mut ring = ServerEnd::new(channel, state.done.get());
        let mut count = 0;
        let mut batch = Batch::default();
        let served = loop {
            let Some(item) = ring.request() else { break Served::All };
            if count == most {
                break Served::Enough;
            }
            if count % BATCH == BATCH - 1 && hw::irq_waits() {
                break Served::Preempted;
            }
            if !self.serve_frame(&thread, item, &mut batch) {
                batch.settle();
                let Ok(done) = self.serve_one(thread, courier, item) else { break Served::Preempted };
                if thread.shared_frame().cap() != frame {
                    // The frame is gone by what was asked for, and perhaps the thread.
                    return Served::All;
                }
                match done {
                    Ok(()) => complete_as(item, courier),
                    Err(error) => complete_with(item, error),
                }
            }
            ring.complete();
            state.done.set(ring.done());
            count += 1;
            if count % GATHER == 0 {
                batch.flush();
                ring.publish();
            }
        };
        batch.flush();
        ring.publish();
        if count > 0
            && channel.client().wake()
            && let Some(receiver) = thread.bound.get().and_then(|bound| bound.receiver())
        {
            hw::post_to_receiver(receiver, state.vector.get());
        }
        served
    }

    /// The short way through what is asked for most: a frame is mapped or unmapped, with everything that takes there.
    /// Whether that was it; if not, nothing has changed.
    #[inline(always)]
    fn serve_frame(&self, thread: &Tcb, item: Item<'_>, batch: &mut Batch) -> bool {
        const MAP: MessageInfo = MessageInfo::new(Invocation::PageMap.label(SMP), 0, 1, 3);
        const UNMAP: MessageInfo = MessageInfo::new(Invocation::PageUnmap.label(SMP), 0, 0, 0);
        let info = MessageInfo(item.word(Request::INFO));
        let (_, kind) = Request::parse_head(item.word(Request::HEAD));
        if (info != MAP && info != UNMAP) || kind != Some(RequestKind::Invoke) {
            return false;
        }
        let Ok(slot) = lookup::slot(thread, item.word(Request::CPTR)) else { return false };
        if !slot.cap().is(Kind::Frame) {
            return false;
        }
        let done = if info == MAP {
            let name = item.word(Request::CAPS[0]);
            let space = match batch.known {
                Some((known, space)) if known == name => space,
                _ => {
                    let named = lookup::slot(thread, name).ok().and_then(|slot| self.space_of(slot).ok());
                    let Some(space) = named else { return false };
                    batch.known = Some((name, space));
                    space
                }
            };
            let [vaddr, rights, attributes] = core::array::from_fn(|n| item.word(Request::MESSAGE[n]));
            mark::invocation(info.label());
            let flush = |asid, vaddr| batch.forget(asid, vaddr);
            self.map_frame(slot, space, vaddr, CapRights(rights), attributes, flush)
        } else {
            mark::invocation(info.label());
            let cap = slot.cap();
            self.unmap_frame_with(cap, |asid, vaddr| batch.forget(asid, vaddr));
            slot.update(cap.mapped(0, 0));
            Ok(())
        };
        match done {
            Ok(()) => item.set(Completion::INFO, MessageInfo::default().0),
            Err(error) => complete_with(item, error),
        }
        true
    }

    /// Serves the request in `item`, which is one of `thread`. Whether it is refused for what it is; if not, the reply
    /// is in the courier's message.
    #[cold]
    fn serve_one(
        &self,
        thread: Ptr<Tcb>,
        courier: Ptr<Tcb>,
        item: Item<'_>,
    ) -> Result<Result<(), Error>, Preempted> {
        match Request::parse_head(item.word(Request::HEAD)).1 {
            Some(RequestKind::Invoke) => self.invoke_request(thread, courier, item),
            Some(RequestKind::Print) => {
                let count = item.word(Request::INFO).min(Request::TEXT_BYTES as u64) as usize;
                for n in 0..count {
                    hw::put_char((item.word(Request::TEXT + n / 8) >> (n % 8 * 8)) as u8);
                }
                courier.set(reg::A1, MessageInfo::default().0);
                Ok(Ok(()))
            }
            None => Ok(Err(Error::InvalidArgument(0))),
        }
    }

    /// The same for an invocation.
    fn invoke_request(
        &self,
        thread: Ptr<Tcb>,
        courier: Ptr<Tcb>,
        item: Item<'_>,
    ) -> Result<Result<(), Error>, Preempted> {
        let cptr = item.word(Request::CPTR);
        let info = MessageInfo(item.word(Request::INFO));
        let length = info.length().min(Request::MESSAGE_WORDS);
        // No copy: it stays the thread's, and is looked at only while the kernel is not left.
        courier.cspace().update(thread.cspace().cap());
        courier.set(reg::A0, cptr);
        courier.set(reg::A1, MessageInfo::new(info.label(), 0, info.extra_caps() as u64, length as u64).0);
        let buffer = courier.buffer(true);
        // Those that are in registers lie in the same cache line, and are more quickly copied than counted.
        for (n, &at) in Request::MESSAGE.iter().enumerate().take(MESSAGE_REGISTERS) {
            courier.set(reg::A2 + n, item.word(at));
        }
        for (n, &at) in Request::MESSAGE.iter().enumerate().take(length).skip(MESSAGE_REGISTERS) {
            courier.set_word(buffer, n, item.word(at));
        }
        if let Some(buffer) = buffer {
            for (n, &at) in Request::CAPS.iter().enumerate().take(info.extra_caps()) {
                buffer.set_cap_or_badge(n, item.word(at));
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
pub(crate) fn rest(thread: &Tcb) -> bool {
    let Some(channel) = channel_of(thread) else { return true };
    channel.server().lower();
    ServerEnd::new(channel, thread.async_state.done.get()).request().is_none()
}

/// The reply in the message of `courier` is the completion in `item`.
fn complete_as(item: Item<'_>, courier: Ptr<Tcb>) {
    let info = courier.message_info();
    let buffer = courier.buffer(false);
    item.set(Completion::INFO, info.0);
    for n in 0..info.length().min(Completion::MESSAGE_WORDS) {
        item.set(Completion::MESSAGE + n, courier.word(buffer, n));
    }
}

/// The completion in `item` is that the request was refused.
#[cold]
fn complete_with(item: Item<'_>, error: Error) {
    let (label, words, used) = error.message();
    item.set(Completion::INFO, MessageInfo::new(label as u64, 0, 0, used as u64).0);
    for (n, &word) in words.iter().enumerate().take(used) {
        item.set(Completion::MESSAGE + n, word);
    }
}
