//! Deleting capabilities, and what only they kept alive.
//!
//! The last capability for a CNode or thread becomes a zombie, which names the slots that are still to be deleted,
//! from the last to the first. So all progress stands in the capabilities themselves, and the work can be
//! interrupted after each slot. A zombie in the first slot of another is moved out to where the other one was, which
//! bounds the depth.
//!
//! The last capability for an endpoint or notification that threads wait at becomes one, too: nobody new can come to
//! wait, so that those who do get fewer, however often the work is interrupted.

use crate::cap::{Cap, Kind};
use crate::endpoint::Endpoint;
use crate::error::Stop;
use crate::hw;
use crate::kernel::Kernel;
use crate::mem::Ptr;
use crate::notification::Notification;
use crate::slot::Slot;
use crate::tcb::Tcb;

/// What is left of a capability when its object has been told.
struct Remains {
    /// Nothing, or a zombie.
    cap: Cap,
    /// The interrupt that nobody has a handler for any more, once the slot is empty.
    irq: Option<u64>,
}

const NOTHING: Remains = Remains { cap: Cap::NULL, irq: None };

impl Kernel {
    /// Deletes the capability in `slot`.
    ///
    /// # Errors
    /// If it takes longer.
    pub(crate) fn delete(&self, slot: Ptr<Slot>) -> Result<(), Stop> {
        let (done, irq) = self.finalise(slot, true)?;
        if done {
            self.empty(slot, irq);
        }
        Ok(())
    }

    /// Deletes all that derives from the capability in `slot`.
    ///
    /// # Errors
    /// If it takes longer.
    pub(crate) fn revoke(&self, slot: Ptr<Slot>) -> Result<(), Stop> {
        // Progress: a child is gone each time.
        while let Some(child) = slot.first_child() {
            self.delete(child)?;
            self.preemption_point()?;
        }
        Ok(())
    }

    /// Deletes a capability that is not for a CNode or thread, or not the last for it, at once.
    pub(crate) fn delete_one(&self, slot: Ptr<Slot>) {
        if !slot.is_empty() {
            self.let_go(slot);
            let last = slot.is_final();
            let remains = self.release(slot.cap(), last);
            if remains.cap.is(Kind::Zombie) {
                while self.cancel_first(remains.cap) {}
            }
            self.empty(slot, remains.irq);
        }
    }

    fn empty(&self, slot: Ptr<Slot>, irq: Option<u64>) {
        if !slot.is_empty() {
            slot.remove();
        }
        if let Some(irq) = irq {
            self.withdraw_irq(irq);
        }
    }

    /// Brings `slot` to where it can be emptied; whether it is there. Without `all`, that is also where there is a
    /// zombie which has been moved here and whose slots are still full.
    fn finalise(&self, slot: Ptr<Slot>, all: bool) -> Result<(bool, Option<u64>), Stop> {
        let remains = self.let_go_and_release(slot);
        if remains.cap.is(Kind::Zombie) {
            self.wear_down(slot, remains.cap, all)
        } else {
            Ok((true, remains.irq))
        }
    }

    /// Takes back what the capability in `slot` stood for, if there is one.
    #[inline(always)]
    fn let_go_and_release(&self, slot: Ptr<Slot>) -> Remains {
        if slot.is_empty() {
            return NOTHING;
        }
        self.let_go(slot);
        self.release(slot.cap(), slot.is_final())
    }

    /// The same for a slot of which the zombie `cap` remains. Apart, since most capabilities leave none.
    #[inline(never)]
    fn wear_down(&self, slot: Ptr<Slot>, mut cap: Cap, all: bool) -> Result<(bool, Option<u64>), Stop> {
        loop {
            if slot.cap().is(Kind::Thread) {
                self.drop_short_slots(slot.cap().object::<Tcb>());
            }
            if cap.zombie_of_queue().is_some() {
                slot.update(cap);
                while self.cancel_first(cap) {
                    self.preemption_point()?;
                }
                return Ok((true, None));
            }
            // Nothing is left to delete in it, or just the zombie itself.
            let itself = cap.zombie_slots() == slot;
            if cap.zombie_left() == 0 || (cap.zombie_left() == 1 && itself) {
                return Ok((true, None));
            }
            slot.update(cap);
            if !all && itself {
                return Ok((false, None));
            }
            self.reduce(slot, all)?;
            self.preemption_point()?;
            // It may have changed places with something else. No recursion: there may be a long row of these.
            let remains = self.let_go_and_release(slot);
            if !remains.cap.is(Kind::Zombie) {
                return Ok((true, remains.irq));
            }
            cap = remains.cap;
        }
    }

    /// Makes the zombie in `slot` one slot smaller, or without `all` moves it out.
    fn reduce(&self, slot: Ptr<Slot>, all: bool) -> Result<(), Stop> {
        let zombie = slot.cap();
        let (slots, left) = (zombie.zombie_slots(), zombie.zombie_left());
        if !all {
            // It stands in another one's slots. It changes places with what is in its own first slot, where the
            // one that is at work finds it no more.
            let first = slots.cap();
            slots.swap(zombie, slot, first);
            return Ok(());
        }
        let last = slots.nth(left as usize - 1);
        let (done, irq) = self.finalise(last, false)?;
        if done {
            self.empty(last, irq);
        }
        // The zombie may meanwhile have changed places with what it led to.
        let now = slot.cap();
        if now.is(Kind::Zombie) && now.is_same_zombie(zombie) && now.zombie_left() == left && last.is_empty()
        {
            slot.update(now.with_zombie_left(left - 1));
        }
        Ok(())
    }

    /// The capability in `slot` is about to be released: what hangs on the slot itself goes first.
    #[inline(always)]
    fn let_go(&self, slot: Ptr<Slot>) {
        let cap = slot.cap();
        if cap.is(Kind::Notification) {
            if cap.is_registration() {
                self.withdraw_sender(slot);
            } else if cap.object::<Notification>().receiver().is_some() {
                self.drop_orphaned_senders(slot);
            }
        }
    }

    /// The slots of `thread` that are not left to its zombie are emptied.
    fn drop_short_slots(&self, thread: Ptr<Tcb>) {
        for slot in [thread.sender_table(), thread.shared_frame()] {
            self.delete_one(slot);
        }
    }

    /// The first that waits at the object of the zombie `cap` tries again, and finds out why it is gone. Whether there
    /// was one.
    fn cancel_first(&self, cap: Cap) -> bool {
        let cancelled = match cap.zombie_of_queue() {
            Some(Kind::Endpoint) => self.cancel_first_at_endpoint(cap.object::<Endpoint>()),
            Some(_) => self.cancel_first_wait(cap.object::<Notification>()),
            None => false,
        };
        if cancelled {
            self.reschedule();
        }
        cancelled
    }

    /// Takes back what the capability `cap` stood for; the `last` one takes the object with it.
    fn release(&self, cap: Cap, last: bool) -> Remains {
        match cap.kind() {
            Kind::Endpoint if last && cap.object::<Endpoint>().first().is_some() => {
                return Remains { cap: cap.zombie_of(), irq: None };
            }
            Kind::Notification if last => {
                let notification = cap.object::<Notification>();
                self.unbind_from(notification);
                self.retire_receiver(notification);
                if notification.has_waiters() {
                    return Remains { cap: cap.zombie_of(), irq: None };
                }
            }
            Kind::CNode if last => return Remains { cap: cap.zombie_of(), irq: None },
            Kind::Thread if last => {
                let thread = cap.object::<Tcb>();
                self.unbind(thread);
                self.forget_requests(thread);
                self.suspend(thread);
                self.unregister(thread);
                hw::forget_fpu(thread);
                return Remains { cap: cap.zombie_of(), irq: None };
            }
            Kind::Zombie => return Remains { cap, irq: None },
            Kind::IrqHandler if last => return Remains { cap: Cap::NULL, irq: Some(cap.irq()) },
            Kind::Frame => self.unmap_frame(cap),
            Kind::PageTable if last => self.retire_page_table(cap),
            Kind::SenderTable => {
                self.unset_sender_table(cap);
                if last {
                    self.retire_sender_table(cap);
                }
            }
            Kind::AsidPool if last => self.retire_asid_pool(cap),
            _ => {}
        }
        NOTHING
    }
}
