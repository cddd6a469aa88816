//! The side of the root task: what answers a hostile program, and moves its threads on.

use kernel_user::abi::{FaultLabel, USER_CONTEXT_WORDS};
use kernel_user::invoke::{Endpoint, Tcb};
use kernel_user::syscall;

use super::{ProgramThread, THREADS, child};
use crate::env::words;

/// Label of the message, without badge, that ends the server.
pub(super) const END: u64 = 0x0e0d;

/// Badge of the endpoint of a thread's faults.
pub(super) const fn badge(thread: u64) -> u64 {
    0xf0_0000 + thread
}

/// Answers messages until the end: a fault by letting the thread go on behind its system call, all else with nothing.
pub(super) fn serve(endpoint: Endpoint, threads: [ProgramThread; THREADS]) -> u64 {
    let mut faults = 0;
    // What each has done at its last fault, and how often it has faulted since.
    let mut last = [(0, 0); THREADS];
    loop {
        let message = syscall::recv(endpoint.0);
        let label = message.info.label();
        match threads.iter().find(|thread| badge(thread.number) == message.badge) {
            // A program may send what looks like a fault: what counts is where the thread is.
            Some(thread) if label <= FaultLabel::Vm as u64 && label != 0 => {
                faults += 1;
                // One that has made its calls faults for ever, and one that has lost its memory: they stay.
                let (done, times) = &mut last[thread.number as usize];
                *times = if *done == thread.done() { *times + 1 } else { 0 };
                *done = thread.done();
                if thread.is_done() || *times > 4 {
                    continue;
                }
                // One that did not fault in a system call begins again, since it would fault again.
                if move_on(thread.tcb, true, || thread.restart()).is_err() {
                    return faults;
                }
            }
            None if message.badge == 0 && label == END => return faults,
            _ => syscall::reply(words(0, 0), [0; 4]),
        }
    }
}

/// Lets a thread that waits in a system call go on behind it. One that is elsewhere runs on, or is restarted.
pub(super) fn move_on(
    tcb: Tcb,
    restart_elsewhere: bool,
    restart: impl FnOnce() -> kernel_user::invoke::Result<()>,
) -> kernel_user::invoke::Result<()> {
    let mut context = tcb.read_registers(true, USER_CONTEXT_WORDS)?;
    if context.pc == child::call_address() {
        context.pc += 4;
        tcb.write_registers(true, &context, USER_CONTEXT_WORDS)
    } else if restart_elsewhere {
        restart()
    } else {
        tcb.resume()
    }
}
