//! System calls, and the invocation of capabilities.

use kernel_abi::{CapRights, Invocation, MESSAGE_MAX_WORDS, MESSAGE_REGISTERS, MessageInfo, Syscall};

use crate::cap::{Cap, Kind};
use crate::debug;
use crate::endpoint::Endpoint;
use crate::error::{Error, LookupFault, Stop};
use crate::hw;
use crate::kernel::{Kernel, SMP};
use crate::lookup::{self, Extra};
use crate::mark;
use crate::mem::Ptr;
use crate::notification::Notification;
use crate::slot::Slot;
use crate::tcb::{Buffer, Fault, Pending, State, Tcb, reg};

/// An invocation: what was asked, by whom, with what.
pub(crate) struct Call<'a> {
    /// The caller.
    pub thread: Ptr<Tcb>,
    /// Its message.
    pub info: MessageInfo,
    /// Words that are there.
    pub length: usize,
    /// The caller's buffer.
    pub buffer: Option<Buffer>,
    /// Capabilities with it.
    pub extra: &'a Extra,
    /// There is to be an answer.
    pub is_call: bool,
}

impl Call<'_> {
    /// What is asked for.
    #[inline(always)]
    pub fn invocation(&self) -> Option<Invocation> {
        Invocation::from_label(self.info.label(), SMP)
    }

    /// Word `n` of the message.
    #[inline(always)]
    pub fn word(&self, n: usize) -> u64 {
        self.thread.word(self.buffer, n)
    }

    /// That there are `n` words.
    #[inline(always)]
    pub fn needs(&self, n: usize) -> Result<(), Error> {
        if self.length < n { Err(Error::Truncated) } else { Ok(()) }
    }

    /// Answers with one word, if there is to be an answer: how many words that are.
    pub fn answer(&self, word: u64) -> usize {
        if !self.is_call {
            return 0;
        }
        self.thread.set(reg::A2, word);
        1
    }
}

/// How a system call came out that could not be finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preempted;

impl Kernel {
    /// The system call that the current thread has made.
    ///
    /// # Errors
    /// If it is to be made again, since something more urgent waits.
    pub fn syscall(&self, number: i64) -> Result<(), Preempted> {
        let Some(call) = Syscall::from_number(number, SMP).filter(|&call| debug::exists(call)) else {
            self.handle_fault(Fault::UnknownSyscall { number: number as u64 });
            return Ok(());
        };
        match call {
            Syscall::Call => {
                let _marked = mark::Call::enter();
                return self.handle_invocation(self.current(), true, true);
            }
            Syscall::Send => {
                let _marked = mark::Send::enter();
                return self.handle_invocation(self.current(), false, true);
            }
            Syscall::NbSend => {
                let _marked = mark::NbSend::enter();
                return self.handle_invocation(self.current(), false, false);
            }
            Syscall::Recv => {
                let _marked = mark::Recv::enter();
                self.handle_receive(true);
            }
            Syscall::NbRecv => {
                let _marked = mark::NbRecv::enter();
                self.handle_receive(false);
            }
            Syscall::Reply => {
                let _marked = mark::Reply::enter();
                self.handle_reply();
            }
            Syscall::ReplyRecv => {
                let _marked = mark::ReplyRecv::enter();
                self.handle_reply();
                self.handle_receive(true);
            }
            Syscall::Yield => {
                let _marked = mark::Yield::enter();
                self.yield_now();
            }
            Syscall::DebugHalt => {
                mark::end_kernel();
                hw::halt();
            }
            Syscall::WakeAsync => {
                let _marked = mark::AsyncCalls::enter();
                self.wake_async();
            }
            _ => {
                let _marked = mark::DebugCall::enter();
                self.debug_call(call);
            }
        }
        Ok(())
    }

    /// `thread`, which is the current one or carries what another one asks for, sends to, or asks something of, the
    /// capability that it names.
    pub(crate) fn handle_invocation(
        &self,
        thread: Ptr<Tcb>,
        is_call: bool,
        blocks: bool,
    ) -> Result<(), Preempted> {
        let info = thread.message_info();
        let address = thread.get(reg::A0);
        let missing = |address, lookup| {
            if blocks {
                self.handle_fault(Fault::Cap { address, receiving: false, lookup });
            }
            Ok(())
        };
        let slot = match lookup::slot(&thread, address) {
            Ok(slot) => slot,
            Err(fault) => return missing(address, fault),
        };
        let extra = match Extra::of(&thread, info.extra_caps()) {
            Ok(extra) => extra,
            Err((address, fault)) => return missing(address, fault),
        };
        let buffer = thread.buffer(false);
        let there = if buffer.is_some() { MESSAGE_MAX_WORDS } else { MESSAGE_REGISTERS };
        let call = Call { thread, info, length: info.length().min(there), buffer, extra: &extra, is_call };
        // If it is preempted, or ends in something else's way, it begins again.
        thread.put_state(State::Restart);
        match self.invoke(&call, slot, blocks) {
            Err(Stop::Preempted) => return Err(Preempted),
            Err(Stop::Error(error)) => {
                if is_call {
                    self.reply_error(thread, error);
                }
            }
            // It may have stopped itself, or wait for something.
            Ok(_) if thread.state() != State::Restart => return Ok(()),
            Ok(words) => {
                if is_call {
                    thread.set(reg::A0, 0);
                    thread.set(reg::A1, MessageInfo::new(0, 0, 0, words as u64).0);
                }
            }
        }
        thread.put_state(State::Running);
        Ok(())
    }

    pub(crate) fn reply_error(&self, thread: Ptr<Tcb>, error: Error) {
        let (label, words, used) = error.message();
        let buffer = thread.buffer(true);
        let mut length = 0;
        for (n, &word) in words.iter().enumerate().take(used) {
            length += usize::from(thread.set_word(buffer, n, word));
        }
        thread.set(reg::A0, 0);
        thread.set(reg::A1, MessageInfo::new(label as u64, 0, 0, length as u64).0);
    }

    /// Does what is asked: the words of the answer, which stand in the caller's message then.
    fn invoke(&self, call: &Call<'_>, slot: Ptr<Slot>, blocks: bool) -> Result<usize, Stop> {
        let cap = slot.cap();
        if !matches!(cap.kind(), Kind::Endpoint | Kind::Notification | Kind::Reply) {
            mark::invocation(call.info.label());
        }
        match cap.kind() {
            Kind::Endpoint => self.invoke_endpoint(call, cap, blocks),
            Kind::Notification => self.invoke_notification(call, slot),
            Kind::Reply if cap.is_master() => Err(Error::InvalidCapability(0).into()),
            Kind::Reply if self.is_courier(call.thread) => Err(Error::IllegalOperation.into()),
            Kind::Reply => {
                self.answer(call.thread, slot);
                Ok(0)
            }
            Kind::Thread => self.invoke_thread(call, slot, cap.object()),
            Kind::CNode => self.invoke_cnode(call, cap),
            Kind::Untyped => self.invoke_untyped(call, slot),
            Kind::IrqControl => self.invoke_irq_control(call, slot),
            Kind::IrqHandler => self.invoke_irq_handler(call, cap.irq()),
            Kind::Domain => self.invoke_domain(call),
            Kind::Frame => self.invoke_frame(call, slot),
            Kind::PageTable => self.invoke_page_table(call, slot),
            Kind::AsidControl => self.invoke_asid_control(call),
            Kind::AsidPool => self.invoke_asid_pool(call, cap),
            Kind::Null | Kind::Zombie | Kind::SenderTable => Err(Error::InvalidCapability(0).into()),
        }
    }

    /// Signals the notification in `slot`; only a call can ask it for something.
    #[inline(always)]
    fn invoke_notification(&self, call: &Call<'_>, slot: Ptr<Slot>) -> Result<usize, Stop> {
        let cap = slot.cap();
        if call.is_call
            && let Some(invocation) = call.invocation()
        {
            match invocation {
                Invocation::NotificationRegisterReceiver if cap.may(CapRights::READ) => {
                    return self.register_receiver(call, cap);
                }
                Invocation::NotificationRegisterSender if cap.may(CapRights::WRITE) => {
                    return self.register_sender(call, slot);
                }
                Invocation::NotificationRegisterAsync if cap.may(CapRights::WRITE) => {
                    return self.register_async(call, cap);
                }
                _ => {}
            }
        }
        if !cap.may(CapRights::WRITE) {
            return Err(Error::InvalidCapability(0).into());
        }
        self.signal(cap.object::<Notification>(), cap.badge());
        Ok(0)
    }

    fn invoke_endpoint(&self, call: &Call<'_>, cap: Cap, blocks: bool) -> Result<usize, Stop> {
        if !cap.may(CapRights::WRITE) {
            return Err(Error::InvalidCapability(0).into());
        }
        if self.is_courier(call.thread) {
            return Err(Error::IllegalOperation.into());
        }
        let pending = Pending {
            badge: cap.badge(),
            can_grant: cap.may(CapRights::GRANT),
            can_grant_reply: cap.may(CapRights::GRANT_REPLY),
            is_call: call.is_call,
        };
        let endpoint = cap.object::<Endpoint>();
        self.send(call.thread, endpoint, pending, blocks);
        // A call that found nobody and did not wait has no answer either.
        if call.thread.state() == State::Restart {
            call.thread.put_state(State::Running);
        }
        Ok(0)
    }

    /// The current thread receives from the capability that it names.
    fn handle_receive(&self, blocks: bool) {
        let thread = self.current();
        let address = thread.get(reg::A0);
        let missing = LookupFault::Missing { left: 0 };
        let fault = match lookup::cap(&thread, address) {
            Ok(cap) if cap.is(Kind::Endpoint) && cap.may(CapRights::READ) => {
                self.delete_caller(thread);
                return self.receive(thread, cap.object(), cap.may(CapRights::GRANT), blocks);
            }
            Ok(cap) if cap.is(Kind::Notification) && cap.may(CapRights::READ) => {
                let notification = cap.object::<Notification>();
                if notification.bound().is_none_or(|bound| bound == thread) {
                    return self.wait(thread, notification, blocks);
                }
                missing
            }
            Ok(_) => missing,
            Err(fault) => fault,
        };
        self.handle_fault(Fault::Cap { address, receiving: true, lookup: fault });
    }

    /// The reply of `thread` to its caller is not needed any more.
    #[inline(always)]
    pub(crate) fn delete_caller(&self, thread: Ptr<Tcb>) {
        let slot = thread.caller();
        if !slot.is_empty() {
            self.delete_one(slot);
        }
    }

    /// The current thread answers its caller, if it has one.
    fn handle_reply(&self) {
        let thread = self.current();
        let slot = thread.caller();
        if slot.cap().is(Kind::Reply) {
            self.answer(thread, slot);
        }
    }
}
