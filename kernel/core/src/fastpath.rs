//! The short way through the two system calls that servers live on.
//!
//! Each looks whether nothing can come up that needs the general way, and only then changes something. What it does
//! then is what the general way does, with all that cannot be the case left out.

use kernel_abi::{CapRights, MESSAGE_REGISTERS, MessageInfo};

use crate::cap::{Cap, Kind};
use crate::endpoint::{Endpoint, Side};
use crate::hw;
use crate::kernel::{Kernel, SMP};
use crate::lookup;
use crate::mark;
use crate::mem::Ptr;
use crate::notification::Notification;
use crate::tcb::{Fault, Pending, State, Tcb, reg};

/// Whether a message is in registers altogether.
#[inline(always)]
fn is_short(info: MessageInfo) -> bool {
    info.extra_caps() == 0 && info.length() <= MESSAGE_REGISTERS
}

impl Kernel {
    /// `Call` on an endpoint at which somebody waits for it; whether that was it. If not, nothing has changed.
    #[inline(always)]
    pub fn fast_call(&self) -> bool {
        let thread = self.current();
        let info = thread.message_info();
        if !is_short(info) {
            return false;
        }
        let Ok(cap) = lookup::cap(&thread, thread.get(reg::A0)) else { return false };
        if !cap.is(Kind::Endpoint) || !cap.may(CapRights::WRITE) {
            return false;
        }
        let endpoint = cap.object::<Endpoint>();
        let Some(receiver) = endpoint.first().filter(|_| endpoint.side() == Side::Receivers) else {
            return false;
        };
        if !(cap.may(CapRights::GRANT) || cap.may(CapRights::GRANT_REPLY)) {
            return false;
        }
        // Whoever is ready may not be more important than the receiver: the current thread is not, if it is not.
        let enough = receiver.priority.get() >= thread.priority.get() || self.is_highest(&receiver);
        if self.minds_sleepers(thread, receiver) {
            return false;
        }
        let Some((root, asid)) = self.fast_target(receiver).filter(|_| enough) else { return false };

        mark::fast_call(receiver.addr());
        endpoint.pop_receiver(receiver);
        let grants = receiver.pending.get().can_grant;
        thread.put_state(State::Replying);
        receiver.caller().insert_reply(Cap::reply(thread, false, grants), thread.reply());
        self.fast_switch(thread, receiver, info, cap.badge(), (root, asid));
        true
    }

    /// `ReplyRecv` that answers a caller, and then finds no message; whether that was it. If not, nothing has
    /// changed.
    #[inline(always)]
    pub fn fast_reply_receive(&self) -> bool {
        let thread = self.current();
        let info = thread.message_info();
        if !is_short(info) {
            return false;
        }
        let Ok(cap) = lookup::cap(&thread, thread.get(reg::A0)) else { return false };
        if !cap.is(Kind::Endpoint) || !cap.may(CapRights::READ) {
            return false;
        }
        let endpoint = cap.object::<Endpoint>();
        let has_signal = thread.bound.get().is_some_and(|bound| bound.is_signalled());
        if has_signal || endpoint.side() == Side::Senders {
            return false;
        }
        let slot = thread.caller();
        let reply = slot.cap();
        if !reply.is(Kind::Reply) {
            return false;
        }
        let caller = reply.object::<Tcb>();
        if caller.fault.get() != Fault::None {
            return false;
        }
        // A receiver of user interrupts does not only wait for messages.
        if thread.has_user_interrupts.get() || self.minds_sleepers(thread, caller) {
            return false;
        }
        // The current thread waits from now on, so only those that are ready count.
        let enough = self.is_highest(&caller);
        let Some(space) = self.fast_target(caller).filter(|_| enough) else { return false };

        mark::fast_reply_recv(caller.addr());
        thread.block_on(endpoint);
        thread.pending.set(Pending { can_grant: cap.may(CapRights::GRANT), ..Pending::NONE });
        endpoint.wait(thread, false);
        thread.put_state(State::Receiving);
        slot.remove();
        self.fast_switch(thread, caller, info, 0, space);
        true
    }

    /// `Recv` on the caller's own notification by a receiver of user interrupts, which has been sent something, or
    /// goes to sleep while another one is to be woken; whether that was it. If not, nothing has changed.
    #[inline(always)]
    pub fn fast_wait(&self) -> bool {
        let thread = self.current();
        if !thread.has_user_interrupts.get() {
            return false;
        }
        let Ok(cap) = lookup::cap(&thread, thread.get(reg::A0)) else { return false };
        if !cap.is(Kind::Notification) || !cap.may(CapRights::READ) {
            return false;
        }
        let notification = cap.object::<Notification>();
        if thread.bound.get() != Some(notification) || notification.is_signalled() {
            return false;
        }
        let Some(number) = thread.user_interrupts.receiver() else { return false };
        if hw::receiver_has_pending(number) {
            self.deliver(thread, 0);
            return true;
        }
        // The one that has slept for the shortest time is the one that this one is in conversation with, if any.
        let Some(sleeper) = self.hart().sleepers.get() else { return false };
        if sleeper.state() != State::Waiting || !self.is_highest(&sleeper) {
            return false;
        }
        let Some((root, asid)) = self.fast_target(sleeper) else { return false };
        let Some(theirs) = sleeper.blocked_on::<Notification>() else { return false };
        if !sleeper.user_interrupts.receiver().is_some_and(hw::receiver_has_pending) {
            return false;
        }

        mark::fast_wait(sleeper.addr());
        theirs.leave(sleeper);
        sleeper.put_state(State::Running);
        self.deliver(sleeper, 0);
        thread.block_on(notification);
        notification.wait(thread);
        thread.put_state(State::Waiting);
        self.take_sleepers_place(thread, sleeper);
        hw::switch(thread, sleeper);
        self.hart().current.set(Some(sleeper));
        hw::use_vspace(root, asid);
        true
    }

    /// Whether it matters to receivers of user interrupts that sleep here that `to` runs instead of `from`.
    #[inline(always)]
    fn minds_sleepers(&self, from: Ptr<Tcb>, to: Ptr<Tcb>) -> bool {
        self.hart().sleepers.get().is_some()
            && (from.has_user_interrupts.get() || to.has_user_interrupts.get())
    }

    /// Whether nobody is ready who is more important than `thread`.
    #[inline(always)]
    fn is_highest(&self, thread: &Tcb) -> bool {
        let highest = self.hart().ready.highest(self.domains.current());
        highest.is_none_or(|highest| highest <= thread.priority.get())
    }

    /// The address space of `thread`, if it may run here, at once.
    #[inline(always)]
    fn fast_target(&self, thread: Ptr<Tcb>) -> Option<(u64, u64)> {
        if SMP && usize::from(thread.affinity.get()) != self.here() {
            return None;
        }
        if thread.domain.get() != self.domains.current() {
            return None;
        }
        self.valid_vspace(thread)
    }

    /// `to` gets the message and runs.
    #[inline(always)]
    fn fast_switch(&self, from: Ptr<Tcb>, to: Ptr<Tcb>, info: MessageInfo, badge: u64, space: (u64, u64)) {
        // No more than is sent: what else is in these registers is nobody's business.
        for n in 0..info.length().min(MESSAGE_REGISTERS) {
            to.set(reg::A2 + n, from.get(reg::A2 + n));
        }
        to.set(reg::A1, MessageInfo::new(info.label(), 0, 0, info.length() as u64).0);
        to.set(reg::A0, badge);
        to.put_state(State::Running);
        hw::switch(from, to);
        self.hart().current.set(Some(to));
        hw::use_vspace(space.0, space.1);
    }
}
