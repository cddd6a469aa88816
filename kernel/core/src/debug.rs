//! What helps to find mistakes in programs: characters, names, lists.

use kernel_abi::{Syscall, THREAD_NAME_MAX};

use crate::cap::Kind;
use crate::hw;
use crate::kernel::Kernel;
use crate::lookup;
use crate::mem::Ptr;
use crate::tcb::{State, Tcb, reg};

/// Whether this build has the debug system calls. Any thread may make them, without a capability.
pub const DEBUG: bool = cfg!(feature = "debug");

/// Whether `call` exists in this build.
#[inline(always)]
pub(crate) const fn exists(call: Syscall) -> bool {
    DEBUG
        || !matches!(
            call,
            Syscall::DebugPutChar
                | Syscall::DebugDumpScheduler
                | Syscall::DebugHalt
                | Syscall::DebugCapIdentify
                | Syscall::DebugSnapshot
                | Syscall::DebugNameThread
                | Syscall::DebugSendIpi
                | Syscall::DebugGetThreadAffinity
        )
}

/// Prints `text`.
pub fn print(text: &[u8]) {
    text.iter().copied().for_each(hw::put_char);
}

/// Prints `number` in hexadecimal.
pub fn print_number(number: u64) {
    print(b"0x");
    let digits = 16 - number.leading_zeros() / 4;
    for digit in (0..digits.max(1)).rev() {
        hw::put_char(b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]);
    }
}

const fn state_name(state: State) -> &'static [u8] {
    match state {
        State::Inactive => b"inactive",
        State::Running => b"running",
        State::Restart => b"restart",
        State::Receiving => b"receiving",
        State::Sending => b"sending",
        State::Replying => b"awaiting a reply",
        State::Waiting => b"waiting for a signal",
        State::Idle => b"idle",
    }
}

impl Kernel {
    /// The debug calls. They do not fail: what is asked of nothing is not done.
    pub(crate) fn debug_call(&self, call: Syscall) {
        let thread = self.current();
        match call {
            Syscall::DebugPutChar => hw::put_char(thread.get(reg::A0) as u8),
            Syscall::DebugCapIdentify => {
                let kind = lookup::cap(&thread, thread.get(reg::A0)).map_or(Kind::Null, |cap| cap.kind());
                thread.set(reg::A0, kind as u64);
            }
            Syscall::DebugNameThread => self.name_thread(thread),
            Syscall::DebugDumpScheduler | Syscall::DebugSnapshot => self.print_threads(),
            Syscall::DebugSendIpi => {
                let hart = thread.get(reg::A0) as usize;
                if hart < self.hart_count.get() {
                    hw::interrupt_hart(hart);
                }
            }
            Syscall::DebugGetThreadAffinity => {
                let cap = lookup::cap(&thread, thread.get(reg::A0)).ok().filter(|cap| cap.is(Kind::Thread));
                let affinity = cap.map_or(0, |cap| u64::from(cap.object::<Tcb>().affinity.get()));
                thread.set(reg::A0, affinity);
            }
            _ => {}
        }
    }

    /// The thread that the caller names gets the name in the caller's buffer.
    fn name_thread(&self, caller: Ptr<Tcb>) {
        let Ok(cap) = lookup::cap(&caller, caller.get(reg::A0)) else { return };
        let Some(buffer) = caller.buffer(false).filter(|_| cap.is(Kind::Thread)) else { return };
        let thread: Ptr<Tcb> = cap.object();
        let mut ended = false;
        for (n, place) in thread.name.iter().enumerate() {
            let byte = if ended || n == THREAD_NAME_MAX { 0 } else { buffer.byte(n) };
            ended |= byte == 0;
            place.set(byte);
        }
    }

    fn print_threads(&self) {
        for thread in self.threads() {
            print(b"thread \"");
            thread.name().for_each(hw::put_char);
            print(b"\": ");
            print(state_name(thread.state()));
            print(b", priority ");
            print_number(u64::from(thread.priority.get()));
            print(b", hart ");
            print_number(u64::from(thread.affinity.get()));
            print(b", pc ");
            print_number(thread.context.restart_pc.get());
            print(b"\n");
        }
    }
}
