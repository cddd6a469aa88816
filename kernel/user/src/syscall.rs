//! The system calls.

use core::arch::asm;

use kernel_abi::{MESSAGE_REGISTERS, MessageInfo, Syscall};

/// What a system call gives back, or what a message consists of apart from what is in the IPC buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Message {
    /// Badge of the capability that it was sent with, or the signals of a notification.
    pub badge: u64,
    /// Description.
    pub info: MessageInfo,
    /// The first words.
    pub regs: [u64; MESSAGE_REGISTERS],
}

/// A system call with any number and arguments `a0` to `a5`; gives the same registers back.
#[inline(always)]
pub fn raw(number: i64, mut args: [u64; 6]) -> [u64; 6] {
    let [a0, a1, a2, a3, a4, a5] = &mut args;
    // SAFETY: the kernel leaves all registers but these as they are, or gives what the handler of an unknown call
    // sets. It writes only into the thread's IPC buffer, which nobody has references to.
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") *a0,
            inlateout("a1") *a1,
            inlateout("a2") *a2,
            inlateout("a3") *a3,
            inlateout("a4") *a4,
            inlateout("a5") *a5,
            // Left alone by the kernel; a handler of unknown system calls may set it.
            lateout("a6") _,
            options(nostack),
        );
    }
    args
}

#[inline(always)]
fn with_message(call: Syscall, cptr: u64, info: MessageInfo, regs: [u64; 4]) -> Message {
    let [a, b, c, d] = regs;
    let [badge, info, a, b, c, d] = raw(call.number(), [cptr, info.0, a, b, c, d]);
    Message { badge, info: MessageInfo(info), regs: [a, b, c, d] }
}

/// Sends and waits for the reply.
#[inline(always)]
#[must_use]
pub fn call(cptr: u64, info: MessageInfo, regs: [u64; 4]) -> Message {
    with_message(Syscall::Call, cptr, info, regs)
}

/// Sends; waits until somebody receives.
#[inline(always)]
pub fn send(cptr: u64, info: MessageInfo, regs: [u64; 4]) {
    with_message(Syscall::Send, cptr, info, regs);
}

/// Sends if somebody waits for it.
#[inline(always)]
pub fn nb_send(cptr: u64, info: MessageInfo, regs: [u64; 4]) {
    with_message(Syscall::NbSend, cptr, info, regs);
}

/// Answers the last caller.
#[inline(always)]
pub fn reply(info: MessageInfo, regs: [u64; 4]) {
    with_message(Syscall::Reply, 0, info, regs);
}

/// Answers the last caller and waits for a message at `cptr`.
#[inline(always)]
#[must_use]
pub fn reply_recv(cptr: u64, info: MessageInfo, regs: [u64; 4]) -> Message {
    with_message(Syscall::ReplyRecv, cptr, info, regs)
}

/// Waits for a message or signal.
#[inline(always)]
pub fn recv(cptr: u64) -> Message {
    with_message(Syscall::Recv, cptr, MessageInfo(0), [0; 4])
}

/// Takes a message or signal if there is one; the badge is 0 if there is none.
#[inline(always)]
pub fn nb_recv(cptr: u64) -> Message {
    with_message(Syscall::NbRecv, cptr, MessageInfo(0), [0; 4])
}

/// Signals a notification.
#[inline(always)]
pub fn signal(cptr: u64) {
    send(cptr, MessageInfo(0), [0; 4]);
}

/// Lets others of the same priority run.
#[inline(always)]
pub fn yield_now() {
    raw(Syscall::Yield.number(), [0; 6]);
}

/// Prints a character.
#[inline]
pub fn debug_put_char(character: u8) {
    raw(Syscall::DebugPutChar.number(), [u64::from(character), 0, 0, 0, 0, 0]);
}

/// The kernel's number for the type of the capability at `cptr`; 0: there is none.
#[must_use]
pub fn debug_cap_identify(cptr: u64) -> u64 {
    raw(Syscall::DebugCapIdentify.number(), [cptr, 0, 0, 0, 0, 0])[0]
}

/// Names a thread in the kernel's dumps.
pub fn debug_name_thread(tcb: u64, name: &str) {
    let buffer = crate::ipc::buffer();
    let longest = kernel_abi::THREAD_NAME_MAX;
    for (n, byte) in name.bytes().take(longest).chain([0]).enumerate() {
        // SAFETY: the buffer is the thread's own, and has room for the longest name with its end.
        unsafe { (&raw mut (*buffer).words).cast::<u8>().add(n).write_volatile(byte) };
    }
    raw(Syscall::DebugNameThread.number(), [tcb, 0, 0, 0, 0, 0]);
}

/// The hart that a thread runs on. Only in a kernel for several harts.
#[must_use]
pub fn debug_affinity(tcb: u64) -> u64 {
    raw(Syscall::DebugGetThreadAffinity.number(), [tcb, 0, 0, 0, 0, 0])[0]
}

/// The kernel serves the calling thread's asynchronous requests: before this returns or, if `elsewhere`, on another
/// hart with less urgent things to do, if there is one.
#[inline(always)]
pub fn wake_async(elsewhere: bool) {
    raw(Syscall::WakeAsync.number(), [u64::from(elsewhere), 0, 0, 0, 0, 0]);
}

/// Prints all threads.
pub fn debug_dump_scheduler() {
    raw(Syscall::DebugDumpScheduler.number(), [0; 6]);
}
