//! Endpoints: threads that wait to send to each other.

use core::cell::Cell;

use crate::kernel::Kernel;
use crate::mem::Ptr;
use crate::sched::Queue;
use crate::tcb::{Fault, Pending, State, Tcb};

/// Who waits at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Nobody.
    Nobody,
    /// Threads that want to send.
    Senders,
    /// Threads that want to receive.
    Receivers,
}

/// The object: the first and the last thread that wait, and in the lowest bits of the latter what for.
#[repr(C)]
pub struct Endpoint {
    head: Cell<u64>,
    tail: Cell<u64>,
}

const _: () = assert!(size_of::<Endpoint>() == 1 << kernel_abi::bits::ENDPOINT);

const SENDERS: u64 = 1;
const RECEIVERS: u64 = 2;
const SIDE: u64 = 3;

impl Endpoint {
    #[inline(always)]
    pub(crate) fn side(&self) -> Side {
        match self.tail.get() & SIDE {
            SENDERS => Side::Senders,
            RECEIVERS => Side::Receivers,
            _ => Side::Nobody,
        }
    }

    /// The first that waits.
    #[inline(always)]
    pub(crate) fn first(&self) -> Option<Ptr<Tcb>> {
        Ptr::new(self.head.get() as usize)
    }

    fn queue(&self) -> Queue {
        Queue { head: self.first(), tail: Ptr::new((self.tail.get() & !SIDE) as usize) }
    }

    fn set(&self, queue: Queue, side: u64) {
        let addr = |thread: Option<Ptr<Tcb>>| thread.map_or(0, |thread| thread.addr() as u64);
        self.head.set(addr(queue.head));
        self.tail.set(if queue.head.is_some() { addr(queue.tail) | side } else { 0 });
    }

    #[inline(always)]
    pub(crate) fn wait(&self, thread: Ptr<Tcb>, sends: bool) {
        let mut queue = self.queue();
        queue.push_back(thread, |t| &t.waiting);
        self.set(queue, if sends { SENDERS } else { RECEIVERS });
    }

    /// `first`, the first receiver, waits no longer.
    #[inline(always)]
    pub(crate) fn pop_receiver(&self, first: Ptr<Tcb>) {
        match first.waiting.next.take() {
            Some(second) => {
                second.waiting.previous.set(None);
                self.head.set(second.addr() as u64);
            }
            None => {
                self.head.set(0);
                self.tail.set(0);
            }
        }
    }

    #[inline(always)]
    pub(crate) fn leave(&self, thread: Ptr<Tcb>) {
        let side = self.tail.get() & SIDE;
        let mut queue = self.queue();
        queue.remove(thread, |t| &t.waiting);
        self.set(queue, side);
    }
}

impl Kernel {
    /// `sender` sends to `endpoint`.
    pub(crate) fn send(&self, sender: Ptr<Tcb>, endpoint: Ptr<Endpoint>, pending: Pending, blocks: bool) {
        match endpoint.first() {
            Some(receiver) if endpoint.side() == Side::Receivers => {
                endpoint.leave(receiver);
                let grants_reply = receiver.pending.get().can_grant;
                self.transfer(sender, Some(endpoint), pending.badge, pending.can_grant, receiver);
                self.set_state(receiver, State::Running);
                self.wake(receiver);
                if pending.is_call {
                    self.await_reply(sender, receiver, pending, grants_reply);
                }
            }
            _ if blocks => {
                sender.block_on(endpoint);
                sender.pending.set(pending);
                endpoint.wait(sender, true);
                self.set_state(sender, State::Sending);
            }
            _ => {}
        }
    }

    /// `sender` waits for an answer from `receiver`, if it may have one.
    #[inline(always)]
    pub(crate) fn await_reply(&self, sender: Ptr<Tcb>, receiver: Ptr<Tcb>, pending: Pending, grants: bool) {
        if pending.can_grant || pending.can_grant_reply {
            self.setup_caller(sender, receiver, grants);
        } else {
            self.set_state(sender, State::Inactive);
        }
    }

    /// `receiver` receives from `endpoint`, with replies that may carry capabilities if it `can_grant`.
    pub(crate) fn receive(&self, receiver: Ptr<Tcb>, endpoint: Ptr<Endpoint>, can_grant: bool, blocks: bool) {
        if let Some(bound) = receiver.bound.get()
            && let Some(badge) = bound.take_signal()
        {
            self.deliver(receiver, badge);
            return;
        }
        match endpoint.first() {
            Some(sender) if endpoint.side() == Side::Senders => {
                endpoint.leave(sender);
                let pending = sender.pending.get();
                self.transfer(sender, Some(endpoint), pending.badge, pending.can_grant, receiver);
                if pending.is_call {
                    // The faulting thread has a fault, which its handler is to be able to answer.
                    self.await_reply(sender, receiver, pending, can_grant);
                } else {
                    self.set_state(sender, State::Running);
                    self.wake(sender);
                }
            }
            _ if blocks && !self.has_user_interrupt(receiver) => {
                receiver.block_on(endpoint);
                receiver.pending.set(Pending { can_grant, ..Pending::NONE });
                endpoint.wait(receiver, false);
                self.set_state(receiver, State::Receiving);
                self.fall_asleep(receiver);
            }
            _ => self.deliver(receiver, 0),
        }
    }

    /// `thread`, which waits at an endpoint, does so no longer.
    pub(crate) fn leave_endpoint(&self, thread: Ptr<Tcb>) {
        if let Some(endpoint) = thread.blocked_on::<Endpoint>() {
            endpoint.leave(thread);
        }
        thread.fault.set(Fault::None);
        self.set_state(thread, State::Inactive);
    }

    /// The first that waits at `endpoint` tries again. Whether there was one.
    pub(crate) fn cancel_first_at_endpoint(&self, endpoint: Ptr<Endpoint>) -> bool {
        let Some(thread) = endpoint.first() else { return false };
        endpoint.leave(thread);
        self.restart(thread);
        true
    }

    /// Those that wait to send with `badge` try again. One pass over the queue, without a preemption point: the
    /// endpoint stays in use, so there is nowhere to keep how far it has come, and those who try again may have come
    /// to wait once more before it goes on.
    pub(crate) fn cancel_badged(&self, endpoint: Ptr<Endpoint>, badge: u64) {
        if endpoint.side() != Side::Senders {
            return;
        }
        let mut next = endpoint.first();
        while let Some(thread) = next {
            next = thread.waiting.next.get();
            if thread.pending.get().badge == badge {
                endpoint.leave(thread);
                self.restart(thread);
            }
        }
        self.reschedule();
    }

    /// A thread that waited makes its call again, or has its fault again.
    fn restart(&self, thread: Ptr<Tcb>) {
        thread.fault.set(Fault::None);
        self.set_state(thread, State::Restart);
        self.enqueue(thread);
    }
}
