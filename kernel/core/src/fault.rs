//! Faults as messages.

use kernel_abi::{
    CAP_FAULT_LENGTH, CapRights, FaultLabel, MESSAGE_REGISTERS, MessageInfo, UNKNOWN_SYSCALL_LENGTH,
    USER_EXCEPTION_LENGTH, VM_FAULT_LENGTH,
};

use crate::cap::Kind;
use crate::debug::{DEBUG, print, print_number};
use crate::endpoint::Endpoint;
use crate::kernel::Kernel;
use crate::lookup;
use crate::mark;
use crate::mem::Ptr;
use crate::tcb::{Fault, Pending, State, Tcb, reg};

/// Registers in the message of an unknown system call, and in the answer to it.
const SYSCALL_REGISTERS: [usize; UNKNOWN_SYSCALL_LENGTH - 1] =
    [reg::PC, reg::SP, reg::RA, 10, 11, 12, 13, 14, 15, 16];
/// Registers in the message of an exception, and in the answer to it.
const EXCEPTION_REGISTERS: [usize; 2] = [reg::PC, reg::SP];

/// No handler can be told of `fault`: a person is.
fn report(thread: Ptr<Tcb>, fault: Fault) {
    let mut at = thread.context.restart_pc.get();
    print(b"kernel: thread \"");
    thread.name().for_each(crate::hw::put_char);
    print(b"\" stops, since no handler can be told of its fault: ");
    match fault {
        Fault::None => {}
        Fault::Cap { address, receiving, .. } => {
            print(if receiving { b"no capability to receive from at " } else { b"no capability at " });
            print_number(address);
        }
        Fault::UnknownSyscall { number } => {
            print(b"no system call ");
            print_number(number);
        }
        Fault::Exception { number, code } => {
            print(b"exception ");
            print_number(number);
            print(b", ");
            print_number(code);
        }
        Fault::Vm { address, cause, .. } => {
            print(b"page fault at ");
            print_number(address);
            print(b", scause ");
            print_number(cause);
        }
    }
    print(b"; pc ");
    if at == 0 {
        at = thread.get(reg::PC);
    }
    print_number(at);
    print(b"\n");
}

impl Kernel {
    /// The current thread cannot go on: its handler is told.
    pub fn handle_fault(&self, fault: Fault) {
        let _marked = mark::FaultMessage::enter();
        let thread = self.current();
        let address = thread.fault_handler.get();
        let reachable = match lookup::cap(&thread, address) {
            Ok(cap) => {
                let may = cap.is(Kind::Endpoint)
                    && cap.may(CapRights::WRITE)
                    && (cap.may(CapRights::GRANT) || cap.may(CapRights::GRANT_REPLY));
                may.then_some(cap)
            }
            Err(_) => None,
        };
        match reachable {
            Some(cap) => {
                thread.fault.set(fault);
                let pending = Pending {
                    badge: cap.badge(),
                    can_grant: cap.may(CapRights::GRANT),
                    can_grant_reply: cap.may(CapRights::GRANT_REPLY),
                    is_call: true,
                };
                self.send(thread, cap.object::<Endpoint>(), pending, true);
            }
            None => {
                if DEBUG {
                    report(thread, fault);
                }
                self.set_state(thread, State::Inactive);
            }
        }
    }

    /// The fault of `sender` as a message for `receiver`.
    pub(crate) fn transfer_fault(&self, sender: Ptr<Tcb>, badge: u64, receiver: Ptr<Tcb>) {
        let buffer = receiver.buffer(true);
        let pc = sender.context.restart_pc.get();
        let mut length = 0;
        let mut put = |word| {
            if receiver.set_word(buffer, length, word) {
                length += 1;
            }
        };
        // Where a register is the program counter, it is that of the instruction that faulted.
        let value = |n: usize| if n == reg::PC { pc } else { sender.get(n) };
        let label = match sender.fault.get() {
            Fault::None => FaultLabel::Null,
            Fault::Cap { address, receiving, lookup } => {
                let (words, used) = lookup.words();
                [pc, address, u64::from(receiving)].into_iter().for_each(&mut put);
                words.into_iter().take(used).for_each(&mut put);
                const { assert!(CAP_FAULT_LENGTH == 4) }
                FaultLabel::Cap
            }
            Fault::UnknownSyscall { number } => {
                SYSCALL_REGISTERS.into_iter().map(value).for_each(&mut put);
                put(number);
                FaultLabel::UnknownSyscall
            }
            Fault::Exception { number, code } => {
                EXCEPTION_REGISTERS.into_iter().map(value).for_each(&mut put);
                [number, code].into_iter().for_each(&mut put);
                const { assert!(USER_EXCEPTION_LENGTH == 4) }
                FaultLabel::UserException
            }
            Fault::Vm { address, cause, fetch } => {
                [pc, address, u64::from(fetch), cause].into_iter().for_each(&mut put);
                const { assert!(VM_FAULT_LENGTH == 4) }
                FaultLabel::Vm
            }
        };
        receiver.set(reg::A1, MessageInfo::new(label as u64, 0, 0, length as u64).0);
        receiver.set(reg::A0, badge);
    }

    /// `handler` has answered the fault of `thread`: whether that goes on.
    pub(crate) fn answer_fault(&self, thread: Ptr<Tcb>, handler: Ptr<Tcb>, fault: Fault) -> bool {
        let info = handler.message_info();
        let buffer = handler.buffer(false);
        let goes_on = info.label() == 0;
        let registers: &[usize] = match fault {
            Fault::UnknownSyscall { .. } => &SYSCALL_REGISTERS,
            Fault::Exception { .. } => &EXCEPTION_REGISTERS,
            _ => return true,
        };
        let there = if buffer.is_some() { registers.len() } else { MESSAGE_REGISTERS };
        for (n, &register) in registers.iter().enumerate().take(info.length().min(there)) {
            let word = handler.word(buffer, n);
            if register == reg::PC {
                thread.context.restart_pc.set(word);
            } else {
                thread.set(register, word);
            }
        }
        goes_on
    }
}
