//! Notifications: signals that add up until somebody takes them.

use core::cell::Cell;

use crate::kernel::Kernel;
use crate::mem::Ptr;
use crate::sched::Queue;
use crate::tcb::{Pending, State, Tcb, reg};

/// The object.
#[repr(C)]
pub struct Notification {
    /// First that waits.
    head: Cell<Option<Ptr<Tcb>>>,
    /// Bits 0 to 47: the last that waits, or in the lowest bit whether it was signalled instead. Bits 48 to 63: the
    /// number of its receiver of user interrupts, plus one.
    tail: Cell<u64>,
    /// Badges of signals that nobody has taken.
    badge: Cell<u64>,
    /// The thread that takes them while it waits for messages.
    bound: Cell<Option<Ptr<Tcb>>>,
}

const _: () = assert!(size_of::<Notification>() == 1 << kernel_abi::bits::NOTIFICATION);

const SIGNALLED: u64 = 1;
/// Bits of an address that are kept; the others are as the highest of these.
const PLACE: u64 = (1 << RECEIVER_SHIFT) - 1;
const RECEIVER_SHIFT: u32 = 48;

impl Notification {
    /// The thread that it is bound to.
    #[inline(always)]
    pub(crate) fn bound(&self) -> Option<Ptr<Tcb>> {
        self.bound.get()
    }

    /// The number of its receiver of user interrupts, if it has one.
    pub(crate) fn receiver(&self) -> Option<u16> {
        ((self.tail.get() >> RECEIVER_SHIFT) as u16).checked_sub(1)
    }

    /// Sets that.
    pub(crate) fn set_receiver(&self, number: Option<u16>) {
        let number = number.map_or(0, |number| u64::from(number) + 1);
        self.tail.set(self.tail.get() & PLACE | number << RECEIVER_SHIFT);
    }

    /// Whether threads wait.
    pub(crate) fn has_waiters(&self) -> bool {
        self.head.get().is_some()
    }

    /// The first that waits, for tests.
    #[cfg(test)]
    pub(crate) fn first(&self) -> Option<Ptr<Tcb>> {
        self.head.get()
    }

    /// Whether it was signalled.
    #[inline(always)]
    pub(crate) fn is_signalled(&self) -> bool {
        self.tail.get() & SIGNALLED != 0
    }

    /// The signals that nobody has taken, if there are any; they are taken.
    #[inline(always)]
    pub(crate) fn take_signal(&self) -> Option<u64> {
        self.is_signalled().then(|| {
            self.set_tail(0);
            self.badge.replace(0)
        })
    }

    #[inline(always)]
    fn set_tail(&self, to: u64) {
        self.tail.set(self.tail.get() & !PLACE | to & PLACE);
    }

    fn queue(&self) -> Queue {
        let address = ((self.tail.get() & !SIGNALLED) << 16) as i64 >> 16;
        Queue { head: self.head.get(), tail: Ptr::new(address as usize) }
    }

    fn set_queue(&self, queue: Queue) {
        self.head.set(queue.head);
        self.set_tail(queue.tail.map_or(0, |tail| tail.addr() as u64));
    }

    #[inline(always)]
    pub(crate) fn wait(&self, thread: Ptr<Tcb>) {
        let mut queue = self.queue();
        queue.push_back(thread, |t| &t.waiting);
        self.set_queue(queue);
    }

    #[inline(always)]
    pub(crate) fn leave(&self, thread: Ptr<Tcb>) {
        let mut queue = self.queue();
        queue.remove(thread, |t| &t.waiting);
        self.set_queue(queue);
    }
}

impl Kernel {
    /// `receiver` gets a signal, or word that there is none.
    #[inline(always)]
    pub(crate) fn deliver(&self, receiver: Ptr<Tcb>, badge: u64) {
        receiver.set(reg::A0, badge);
    }

    /// Signals `notification`.
    pub(crate) fn signal(&self, notification: Ptr<Notification>, badge: u64) {
        if let Some(waiter) = notification.head.get() {
            notification.leave(waiter);
            self.deliver_and_wake(waiter, badge);
            return;
        }
        if !notification.is_signalled()
            && let Some(bound) = notification.bound.get()
            && bound.state() == State::Receiving
        {
            self.leave_endpoint_quietly(bound);
            self.deliver_and_wake(bound, badge);
            return;
        }
        notification.badge.set(notification.badge.get() | badge);
        notification.set_tail(SIGNALLED);
    }

    fn deliver_and_wake(&self, thread: Ptr<Tcb>, badge: u64) {
        self.deliver(thread, badge);
        self.set_state(thread, State::Running);
        self.wake(thread);
    }

    fn leave_endpoint_quietly(&self, thread: Ptr<Tcb>) {
        if let Some(endpoint) = thread.blocked_on::<crate::endpoint::Endpoint>() {
            endpoint.leave(thread);
        }
        thread.pending.set(Pending::NONE);
    }

    /// `thread` waits for a signal, or takes one that is there.
    pub(crate) fn wait(&self, thread: Ptr<Tcb>, notification: Ptr<Notification>, blocks: bool) {
        // User interrupts are signals of the notification that it is bound to, and of no other.
        let own = thread.bound.get() == Some(notification);
        match notification.take_signal() {
            Some(badge) => self.deliver(thread, badge),
            None if blocks && !(own && self.has_user_interrupt(thread)) => {
                thread.block_on(notification);
                notification.wait(thread);
                self.set_state(thread, State::Waiting);
                if own {
                    self.fall_asleep(thread);
                }
            }
            None => self.deliver(thread, 0),
        }
    }

    /// `thread`, which waits for a signal, does so no longer.
    pub(crate) fn leave_notification(&self, thread: Ptr<Tcb>) {
        if let Some(notification) = thread.blocked_on::<Notification>() {
            notification.leave(thread);
        }
        self.set_state(thread, State::Inactive);
    }

    /// The first that waits for a signal tries again. Whether there was one.
    pub(crate) fn cancel_first_wait(&self, notification: Ptr<Notification>) -> bool {
        let Some(thread) = notification.head.get() else { return false };
        notification.leave(thread);
        self.set_state(thread, State::Restart);
        self.enqueue(thread);
        true
    }

    /// `thread` takes the signals of `notification` while it waits for messages.
    pub(crate) fn bind(&self, thread: Ptr<Tcb>, notification: Ptr<Notification>) {
        notification.bound.set(Some(thread));
        thread.bound.set(Some(notification));
    }

    /// It does no longer.
    pub(crate) fn unbind(&self, thread: Ptr<Tcb>) {
        if let Some(notification) = thread.bound.take() {
            notification.bound.set(None);
            self.unregister_receiver(thread);
        }
    }

    /// Whoever takes the signals of `notification` does so no longer.
    pub(crate) fn unbind_from(&self, notification: Ptr<Notification>) {
        if let Some(thread) = notification.bound.take() {
            thread.bound.set(None);
            self.unregister_receiver(thread);
        }
    }
}
