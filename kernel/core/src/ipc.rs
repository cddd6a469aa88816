//! Messages from thread to thread.

use kernel_abi::{MESSAGE_MAX_WORDS, MessageInfo};

use crate::cap::{Cap, Kind};
use crate::endpoint::Endpoint;
use crate::kernel::Kernel;
use crate::lookup::{self, Extra};
use crate::mark;
use crate::mem::Ptr;
use crate::slot::Slot;
use crate::tcb::{Buffer, Fault, State, Tcb, reg};

/// Where `receiver` wants capabilities to go, if that is an empty slot.
fn receive_slot(receiver: &Tcb, buffer: Buffer) -> Option<Ptr<Slot>> {
    let (cnode, index, depth) = buffer.receive_slot();
    let root = lookup::cap(receiver, cnode).ok()?;
    lookup::exact(true, root, index, depth).ok().filter(|slot| slot.is_empty())
}

impl Kernel {
    /// The message of `sender`, or of its fault, goes to `receiver`; by `endpoint`, or as an answer.
    #[inline]
    pub(crate) fn transfer(
        &self,
        sender: Ptr<Tcb>,
        endpoint: Option<Ptr<Endpoint>>,
        badge: u64,
        grant: bool,
        receiver: Ptr<Tcb>,
    ) {
        if sender.fault.get() == Fault::None {
            self.transfer_message(sender, endpoint, badge, grant, receiver);
        } else {
            self.transfer_fault(sender, badge, receiver);
        }
    }

    fn transfer_message(
        &self,
        sender: Ptr<Tcb>,
        endpoint: Option<Ptr<Endpoint>>,
        badge: u64,
        grant: bool,
        receiver: Ptr<Tcb>,
    ) {
        let info = sender.message_info();
        let from = sender.buffer(false);
        let to = receiver.buffer(true);
        // Who cannot be found is not sent, and the rest is not either.
        let extra = match grant && info.extra_caps() > 0 {
            true => Extra::of(&sender, info.extra_caps()).unwrap_or(Extra::NONE),
            false => Extra::NONE,
        };
        let length = self.copy_words(sender, from, receiver, to, info.length());
        let (caps, unwrapped) = match to {
            Some(to) if extra.slot(0).is_some() => self.transfer_caps(&extra, endpoint, receiver, to),
            _ => (0, 0),
        };
        mark::ipc(length);
        let info = MessageInfo::new(info.label(), unwrapped, caps, length as u64);
        receiver.set(reg::A1, info.0);
        receiver.set(reg::A0, badge);
    }

    /// Copies words of a message; how many there was room for.
    #[inline(always)]
    pub(crate) fn copy_words(
        &self,
        sender: Ptr<Tcb>,
        from: Option<Buffer>,
        receiver: Ptr<Tcb>,
        to: Option<Buffer>,
        length: usize,
    ) -> usize {
        let length = length.min(MESSAGE_MAX_WORDS);
        let registers = kernel_abi::MESSAGE_REGISTERS;
        for n in 0..length.min(registers) {
            receiver.set(reg::A2 + n, sender.get(reg::A2 + n));
        }
        match (from, to) {
            (Some(from), Some(to)) => {
                for n in registers..length {
                    to.set_word(n, from.word(n));
                }
                length
            }
            _ => length.min(registers),
        }
    }

    /// Hands over capabilities: how many, and which of them as badges of the endpoint.
    fn transfer_caps(
        &self,
        extra: &Extra,
        endpoint: Option<Ptr<Endpoint>>,
        receiver: Ptr<Tcb>,
        to: Buffer,
    ) -> (u64, u64) {
        let mut place = receive_slot(&receiver, to);
        let (mut count, mut unwrapped) = (0, 0);
        for (n, slot) in extra.iter().enumerate() {
            let cap = slot.cap();
            let is_this = cap.is(Kind::Endpoint) && endpoint.is_some_and(|e| e.paddr() == cap.paddr());
            if is_this {
                to.set_cap_or_badge(n, cap.badge());
                unwrapped |= 1 << n;
            } else {
                let Some(empty) = place.take() else { break };
                let Ok(derived) = self.derive(slot, cap) else { break };
                if derived.is(Kind::Null) {
                    break;
                }
                empty.insert(derived, slot);
            }
            count += 1;
        }
        (count, unwrapped)
    }

    /// `sender` waits for an answer, which `receiver` now may give.
    #[inline(always)]
    pub(crate) fn setup_caller(&self, sender: Ptr<Tcb>, receiver: Ptr<Tcb>, grants: bool) {
        self.set_state(sender, State::Replying);
        receiver.caller().insert_reply(Cap::reply(sender, false, grants), sender.reply());
    }

    /// What replies to `thread` derive from is there.
    pub(crate) fn setup_reply_master(&self, thread: Ptr<Tcb>) {
        let slot = thread.reply();
        if slot.is_empty() {
            slot.plant(Cap::reply(thread, true, true));
        }
    }

    /// `sender` answers by the reply in `slot`.
    pub(crate) fn answer(&self, sender: Ptr<Tcb>, slot: Ptr<Slot>) {
        let cap = slot.cap();
        let receiver: Ptr<Tcb> = cap.object();
        let fault = receiver.fault.get();
        if fault == Fault::None {
            self.transfer(sender, None, 0, cap.reply_grants(), receiver);
            slot.remove();
            self.set_state(receiver, State::Running);
            self.wake(receiver);
        } else {
            slot.remove();
            let restart = self.answer_fault(receiver, sender, fault);
            receiver.fault.set(Fault::None);
            if restart {
                self.set_state(receiver, State::Restart);
                self.wake(receiver);
            } else {
                self.set_state(receiver, State::Inactive);
            }
        }
    }
}
