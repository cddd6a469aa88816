//! Invocations of threads.

use kernel_abi::{CapRights, Invocation, MESSAGE_REGISTERS, TcbFlags, USER_CONTEXT_WORDS, bits};

use crate::cap::{Cap, Kind};
use crate::error::{Error, Stop};
use crate::hw;
use crate::kernel::{Kernel, SMP};
use crate::mem::Ptr;
use crate::notification::Notification;
use crate::slot::Slot;
use crate::syscall::Call;
use crate::tcb::{Tcb, reg, vspace_root};

/// Numbers of the registers in the order of [`kernel_abi::UserContext`].
const USER_REGISTERS: [usize; USER_CONTEXT_WORDS] = [
    reg::PC,
    1,
    2,
    3,
    8,
    9,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    25,
    26,
    27,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    5,
    6,
    7,
    28,
    29,
    30,
    31,
    4,
];
/// Those of them that `CopyRegisters` calls the frame; the others are the integer registers.
const FRAME_REGISTERS: usize = 16;

/// A new CSpace, VSpace or IPC buffer: the capability to be put in, and where it is from.
type From = Option<(Cap, Ptr<Slot>)>;

/// What a thread is to have, checked.
#[derive(Default)]
struct Setup {
    fault_handler: Option<u64>,
    cspace: From,
    vspace: From,
    /// Address, and frame.
    buffer: Option<(u64, From)>,
}

/// A buffer at `address` in the frame in `slot`; none if the address is 0.
fn check_buffer(kernel: &Kernel, address: u64, slot: Ptr<Slot>) -> Result<From, Error> {
    if address == 0 {
        return Ok(None);
    }
    let cap = kernel.derive(slot, slot.cap())?;
    if !cap.is(Kind::Frame) || cap.is_device() {
        return Err(Error::IllegalOperation);
    }
    if !address.is_multiple_of(1 << bits::IPC_BUFFER) {
        return Err(Error::Alignment);
    }
    Ok(Some((cap, slot)))
}

/// A capability that becomes the root of a CSpace or VSpace, with `data` as its guard if that is not 0.
fn check_root(
    kernel: &Kernel,
    slot: Ptr<Slot>,
    data: u64,
    fits: impl Fn(Cap) -> bool,
) -> Result<From, Error> {
    let cap = match data {
        0 => slot.cap(),
        data => slot.cap().with_data(data, false),
    };
    let cap = kernel.derive(slot, cap)?;
    if fits(cap) { Ok(Some((cap, slot))) } else { Err(Error::IllegalOperation) }
}

impl Kernel {
    /// Invocations of the thread `thread`, whose capability is in `slot`.
    pub(crate) fn invoke_thread(
        &self,
        call: &Call<'_>,
        slot: Ptr<Slot>,
        thread: Ptr<Tcb>,
    ) -> Result<usize, Stop> {
        match call.invocation() {
            Some(Invocation::TcbReadRegisters) => return self.read_registers(call, thread),
            Some(Invocation::TcbWriteRegisters) => self.write_registers(call, thread)?,
            Some(Invocation::TcbCopyRegisters) => self.copy_registers(call, thread)?,
            Some(Invocation::TcbSuspend) => self.suspend(thread),
            Some(Invocation::TcbResume) => self.resume(thread),
            Some(Invocation::TcbConfigure) => self.configure(call, slot, thread)?,
            Some(Invocation::TcbSetPriority) => {
                call.needs(1)?;
                let priority = checked_priority(call, call.word(0))?;
                self.set_priority(thread, priority);
            }
            Some(Invocation::TcbSetMcPriority) => {
                call.needs(1)?;
                thread.max_priority.set(checked_priority(call, call.word(0))?);
            }
            Some(Invocation::TcbSetSchedParams) => {
                call.needs(2)?;
                let max_priority = checked_priority(call, call.word(0))?;
                let priority = checked_priority(call, call.word(1))?;
                thread.max_priority.set(max_priority);
                self.set_priority(thread, priority);
            }
            Some(Invocation::TcbSetIpcBuffer) => {
                call.needs(1)?;
                let address = call.word(0);
                let frame = call.extra.get(0)?;
                let buffer = Some((address, check_buffer(self, address, frame)?));
                self.set_up(slot, thread, Setup { buffer, ..Setup::default() })?;
            }
            Some(Invocation::TcbSetSpace) => {
                call.needs(3)?;
                let (cspace, vspace) = (call.extra.get(0)?, call.extra.get(1)?);
                let setup =
                    self.check_spaces(thread, call.word(0), (cspace, call.word(1)), (vspace, call.word(2)))?;
                self.set_up(slot, thread, setup)?;
            }
            Some(Invocation::TcbBindNotification) => self.bind_notification(call, thread)?,
            Some(Invocation::TcbUnbindNotification) => {
                if thread.bound.get().is_none() {
                    return Err(Error::IllegalOperation.into());
                }
                self.unbind(thread);
            }
            Some(Invocation::TcbSetSenderTable) => self.set_sender_table(call, slot, thread)?,
            Some(Invocation::TcbSetAffinity) if SMP => {
                call.needs(1)?;
                let hart = call.word(0);
                if hart >= self.hart_count.get() as u64 {
                    return Err(Error::IllegalOperation.into());
                }
                self.migrate(thread, hart as usize);
            }
            Some(Invocation::TcbSetTlsBase) => {
                call.needs(1)?;
                self.evict(thread);
                thread.set(reg::TP, call.word(0));
            }
            Some(Invocation::TcbSetFlags) => {
                call.needs(2)?;
                let flags = u64::from(thread.flags.get()) & !call.word(0) | call.word(1) & TcbFlags::MASK.0;
                self.evict(thread);
                thread.flags.set(flags as u8);
                if flags & TcbFlags::FPU_DISABLED.0 != 0 {
                    hw::forget_fpu(thread);
                }
                return Ok(call.answer(flags));
            }
            _ => return Err(Error::IllegalOperation.into()),
        }
        Ok(0)
    }

    fn read_registers(&self, call: &Call<'_>, thread: Ptr<Tcb>) -> Result<usize, Stop> {
        call.needs(2)?;
        let (flags, count) = (call.word(0), call.word(1));
        check_count(count)?;
        check_other(call, thread)?;
        self.evict(thread);
        if flags & 1 != 0 {
            self.suspend(thread);
        }
        if !call.is_call {
            return Ok(0);
        }
        let value = |n: usize| match USER_REGISTERS[n] {
            reg::PC => thread.context.restart_pc.get(),
            register => thread.get(register),
        };
        let count = (count as usize).min(USER_CONTEXT_WORDS);
        let in_registers = count.min(MESSAGE_REGISTERS);
        for n in 0..in_registers {
            call.thread.set(reg::A2 + n, value(n));
        }
        let Some(buffer) = call.thread.buffer(true) else { return Ok(in_registers) };
        for n in in_registers..count {
            buffer.set_word(n, value(n));
        }
        Ok(count)
    }

    fn write_registers(&self, call: &Call<'_>, thread: Ptr<Tcb>) -> Result<(), Stop> {
        call.needs(2)?;
        let (flags, count) = (call.word(0), call.word(1));
        if (call.length as u64 - 2) < count {
            return Err(Error::Truncated.into());
        }
        check_other(call, thread)?;
        self.evict(thread);
        for (n, &register) in USER_REGISTERS.iter().enumerate().take(count as usize) {
            let value = call.word(2 + n);
            if register == reg::PC {
                thread.context.restart_pc.set(value);
            }
            thread.set(register, value);
        }
        if flags & 1 != 0 {
            self.resume(thread);
        }
        Ok(())
    }

    fn copy_registers(&self, call: &Call<'_>, thread: Ptr<Tcb>) -> Result<(), Stop> {
        call.needs(1)?;
        let flags = call.word(0);
        let source = call.extra.get(0)?.cap();
        if !source.is(Kind::Thread) {
            return Err(Error::InvalidCapability(1).into());
        }
        let source: Ptr<Tcb> = source.object();
        self.evict(source);
        self.evict(thread);
        if flags & 1 != 0 {
            self.suspend(source);
        }
        if flags & 2 != 0 {
            self.resume(thread);
        }
        let copy = |registers: &[usize]| {
            for &register in registers {
                thread.set(register, source.get(register));
            }
        };
        if flags & 4 != 0 {
            copy(&USER_REGISTERS[1..FRAME_REGISTERS]);
            let pc = source.context.restart_pc.get();
            thread.context.restart_pc.set(pc);
            thread.set(reg::PC, pc);
        }
        if flags & 8 != 0 {
            copy(&USER_REGISTERS[FRAME_REGISTERS..]);
        }
        if thread == self.current() {
            self.reschedule();
        }
        Ok(())
    }

    fn bind_notification(&self, call: &Call<'_>, thread: Ptr<Tcb>) -> Result<(), Stop> {
        let cap = call.extra.get(0)?.cap();
        if thread.bound.get().is_some() {
            return Err(Error::IllegalOperation.into());
        }
        if !cap.is(Kind::Notification) {
            return Err(Error::IllegalOperation.into());
        }
        let notification = cap.object::<Notification>();
        if !cap.may(CapRights::READ) || notification.bound().is_some() || notification.has_waiters() {
            return Err(Error::IllegalOperation.into());
        }
        self.bind(thread, notification);
        Ok(())
    }

    fn configure(&self, call: &Call<'_>, slot: Ptr<Slot>, thread: Ptr<Tcb>) -> Result<(), Stop> {
        call.needs(4)?;
        let extra = call.extra;
        let (cspace, vspace, frame) = (extra.get(0)?, extra.get(1)?, extra.get(2)?);
        let address = call.word(3);
        let buffer = check_buffer(self, address, frame)?;
        let setup =
            self.check_spaces(thread, call.word(0), (cspace, call.word(1)), (vspace, call.word(2)))?;
        self.set_up(slot, thread, Setup { buffer: Some((address, buffer)), ..setup })
    }

    fn check_spaces(
        &self,
        thread: Ptr<Tcb>,
        fault_handler: u64,
        cspace: (Ptr<Slot>, u64),
        vspace: (Ptr<Slot>, u64),
    ) -> Result<Setup, Error> {
        // What takes long to delete is not replaced on the way.
        if !thread.cspace().deletion_is_short() || !thread.vspace().deletion_is_short() {
            return Err(Error::IllegalOperation);
        }
        let cspace = check_root(self, cspace.0, cspace.1, |cap| cap.is(Kind::CNode))?;
        let vspace = check_root(self, vspace.0, vspace.1, |cap| vspace_root(cap).is_some())?;
        Ok(Setup { fault_handler: Some(fault_handler), cspace, vspace, buffer: None })
    }

    /// Gives `thread`, whose capability is in `slot`, what it is to have.
    fn set_up(&self, slot: Ptr<Slot>, thread: Ptr<Tcb>, setup: Setup) -> Result<(), Stop> {
        self.evict(thread);
        if let Some(handler) = setup.fault_handler {
            thread.fault_handler.set(handler);
        }
        for (place, from) in [(thread.cspace(), setup.cspace), (thread.vspace(), setup.vspace)] {
            if let Some((cap, source)) = from {
                self.delete(place)?;
                self.put(place, cap, source, slot, thread);
            }
        }
        if let Some((address, from)) = setup.buffer {
            self.delete(thread.buffer_frame())?;
            thread.buffer_address.set(address);
            if let Some((cap, source)) = from {
                self.put(thread.buffer_frame(), cap, source, slot, thread);
            }
        }
        if thread == self.current() {
            self.use_vspace_of(thread);
            self.reschedule();
        }
        Ok(())
    }

    /// Puts `cap` from `source` into `place`, unless deleting what was there has taken `source` or the thread along.
    fn put(&self, place: Ptr<Slot>, cap: Cap, source: Ptr<Slot>, own: Ptr<Slot>, thread: Ptr<Tcb>) {
        if cap.is_same_object(source.cap()) && own.cap() == Cap::thread(thread.paddr()) {
            place.insert(cap, source);
        }
    }
}

/// That `thread` is not the caller.
fn check_other(call: &Call<'_>, thread: Ptr<Tcb>) -> Result<(), Error> {
    if thread == call.thread { Err(Error::IllegalOperation) } else { Ok(()) }
}

fn check_count(count: u64) -> Result<(), Error> {
    let greatest = USER_CONTEXT_WORDS as u64;
    if (1..=greatest).contains(&count) { Ok(()) } else { Err(Error::Range(1, greatest)) }
}

/// `priority`, if the thread whose capability is with `call` may give it.
fn checked_priority(call: &Call<'_>, priority: u64) -> Result<u8, Error> {
    let authority = call.extra.get(0)?.cap();
    if !authority.is(Kind::Thread) {
        return Err(Error::InvalidCapability(1));
    }
    let greatest = u64::from(authority.object::<Tcb>().max_priority.get());
    if priority > greatest { Err(Error::Range(0, greatest)) } else { Ok(priority as u8) }
}
