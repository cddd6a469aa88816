//! Threads.

use core::cell::Cell;

use kernel_abi::{
    CapRights, IpcBuffer, MAX_EXTRA_CAPS, MESSAGE_MAX_WORDS, MESSAGE_REGISTERS, MessageInfo, bits,
};

use crate::async_call::AsyncState;
use crate::cap::{Cap, Kind};
use crate::error::LookupFault;
use crate::mem::{Ptr, to_virtual};
use crate::slot::Slot;
use crate::user_interrupt::UserInterrupts;

/// Numbers of registers in a [`Context`].
pub mod reg {
    /// Return address.
    pub const RA: usize = 1;
    /// Stack pointer.
    pub const SP: usize = 2;
    /// Global pointer.
    pub const GP: usize = 3;
    /// Thread pointer.
    pub const TP: usize = 4;
    /// Capability, and badge.
    pub const A0: usize = 10;
    /// Message info.
    pub const A1: usize = 11;
    /// First word of the message.
    pub const A2: usize = 12;
    /// System call.
    pub const A7: usize = 17;
    /// Where it goes on; in the place of `x0`.
    pub const PC: usize = 0;
}

/// The registers of a thread, as the trap entry saves them.
#[repr(C)]
pub struct Context {
    /// Integer registers by their numbers; in the place of `x0` is where the thread goes on.
    pub x: [Cell<u64>; 32],
    /// Where the instruction is that the thread goes on with when it is restarted.
    pub restart_pc: Cell<u64>,
    /// For the trap entry: the stack of the hart that it runs on.
    pub kernel_stack: Cell<u64>,
    /// For the trap entry: the hart that it runs on.
    pub hart: Cell<u64>,
    /// `fcsr`.
    pub fcsr: Cell<u64>,
    /// Floating-point registers.
    pub f: [Cell<u64>; 32],
}

impl Context {
    /// Register `n`; number 0 is the program counter.
    #[inline(always)]
    pub fn get(&self, n: usize) -> u64 {
        self.x[n & 31].get()
    }

    /// Sets register `n`.
    #[inline(always)]
    pub fn set(&self, n: usize, to: u64) {
        self.x[n & 31].set(to);
    }
}

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Nothing, until it is resumed.
    Inactive = 0,
    /// It runs, or may.
    Running = 1,
    /// The same, beginning with the instruction that was interrupted.
    Restart = 2,
    /// Waits for a message.
    Receiving = 3,
    /// Waits for a receiver.
    Sending = 4,
    /// Waits for an answer.
    Replying = 5,
    /// Waits for a signal.
    Waiting = 6,
    /// Runs when nothing else does.
    Idle = 7,
}

/// What a thread waiting at an endpoint brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Badge of the capability that was sent to.
    pub badge: u64,
    /// Capabilities may go along. Of a receiver: and with the reply.
    pub can_grant: bool,
    /// It may be answered.
    pub can_grant_reply: bool,
    /// It wants to be.
    pub is_call: bool,
}

impl Pending {
    /// Nothing.
    pub const NONE: Self = Self { badge: 0, can_grant: false, can_grant_reply: false, is_call: false };
}

/// Why a thread cannot go on by itself. Zeroed memory is [`Fault::None`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// It can.
    None = 0,
    /// A capability is not there.
    Cap {
        /// Where.
        address: u64,
        /// It was to be received from.
        receiving: bool,
        /// Why not.
        lookup: LookupFault,
    },
    /// No such system call.
    UnknownSyscall {
        /// Its number.
        number: u64,
    },
    /// An exception.
    Exception {
        /// `scause`.
        number: u64,
        /// Details.
        code: u64,
    },
    /// A page fault.
    Vm {
        /// Where.
        address: u64,
        /// `scause`.
        cause: u64,
        /// While fetching an instruction.
        fetch: bool,
    },
}

/// Neighbours in a queue.
#[derive(Default)]
pub struct Link {
    /// Behind it.
    pub next: Cell<Option<Ptr<Tcb>>>,
    /// Before it.
    pub previous: Cell<Option<Ptr<Tcb>>>,
}

/// A thread. The object is this, and nothing beyond it. Zeroed memory is one that does nothing, but for its time
/// slice.
#[repr(C, align(2048))]
pub struct Tcb {
    /// Registers.
    pub context: Context,
    /// Capabilities: CSpace, VSpace, master of its replies, caller, frame of the IPC buffer.
    slots: [Slot; Self::SLOTS],
    /// What it does.
    state: Cell<State>,
    /// Stands in a ready queue.
    pub queued: Cell<bool>,
    /// The least priority is 0.
    pub priority: Cell<u8>,
    /// Greatest priority that it may give.
    pub max_priority: Cell<u8>,
    /// It runs only while this domain does.
    pub domain: Cell<u8>,
    /// The hart that it runs on.
    pub affinity: Cell<u8>,
    /// As [`kernel_abi::TcbFlags`].
    pub flags: Cell<u8>,
    /// There is something in its user interrupts.
    pub has_user_interrupts: Cell<bool>,
    /// Waits, and user interrupts wake it.
    pub(crate) asleep: Cell<bool>,
    /// Ticks until others of its priority run.
    pub time_slice: Cell<u32>,
    /// Address of the endpoint that faults are sent to, in its CSpace.
    pub fault_handler: Cell<u64>,
    /// Where it has its IPC buffer.
    pub buffer_address: Cell<u64>,
    /// The endpoint or notification that it waits at.
    blocked_on: Cell<usize>,
    /// What it brings along there.
    pub pending: Cell<Pending>,
    /// In a ready queue.
    pub ready: Link,
    /// At an endpoint or notification.
    pub waiting: Link,
    /// The notification whose signals it receives while it waits for a message.
    pub bound: Cell<Option<Ptr<crate::notification::Notification>>>,
    /// Why it cannot go on.
    pub fault: Cell<Fault>,
    /// The capability of its sender table.
    senders: Slot,
    /// And of the frame that it shares with the kernel.
    shared: Slot,
    /// User interrupts.
    pub user_interrupts: UserInterrupts,
    /// Asynchronous system calls.
    pub(crate) async_state: AsyncState,
    /// Neighbours in the list of all threads.
    pub all: Link,
    /// For people, ended by 0.
    pub name: [Cell<u8>; kernel_abi::THREAD_NAME_MAX + 1],
}

const _: () = assert!(size_of::<Tcb>() == 1 << bits::TCB);

impl Tcb {
    /// Slots in a thread whose deletion may take long.
    pub const SLOTS: usize = 5;
    const CSPACE: usize = 0;
    const VSPACE: usize = 1;
    const REPLY: usize = 2;
    const CALLER: usize = 3;
    const BUFFER: usize = 4;

    /// A thread that does nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            context: Context {
                x: [const { Cell::new(0) }; 32],
                restart_pc: Cell::new(0),
                kernel_stack: Cell::new(0),
                hart: Cell::new(0),
                fcsr: Cell::new(0),
                f: [const { Cell::new(0) }; 32],
            },
            slots: [Slot::EMPTY; Self::SLOTS],
            state: Cell::new(State::Inactive),
            queued: Cell::new(false),
            priority: Cell::new(0),
            max_priority: Cell::new(0),
            domain: Cell::new(0),
            affinity: Cell::new(0),
            flags: Cell::new(0),
            has_user_interrupts: Cell::new(false),
            asleep: Cell::new(false),
            time_slice: Cell::new(crate::sched::TIME_SLICE),
            fault_handler: Cell::new(0),
            buffer_address: Cell::new(0),
            blocked_on: Cell::new(0),
            pending: Cell::new(Pending::NONE),
            ready: Link { next: Cell::new(None), previous: Cell::new(None) },
            waiting: Link { next: Cell::new(None), previous: Cell::new(None) },
            bound: Cell::new(None),
            fault: Cell::new(Fault::None),
            senders: Slot::EMPTY,
            shared: Slot::EMPTY,
            user_interrupts: UserInterrupts::NONE,
            async_state: AsyncState::NONE,
            all: Link { next: Cell::new(None), previous: Cell::new(None) },
            name: [const { Cell::new(0) }; kernel_abi::THREAD_NAME_MAX + 1],
        }
    }

    #[inline(always)]
    fn slot(&self, n: usize) -> Ptr<Slot> {
        Ptr::of(&self.slots[n])
    }

    /// Where its slots lie.
    #[must_use]
    pub fn slots_paddr(&self) -> u64 {
        self.slot(0).paddr()
    }

    /// Root of its capabilities.
    #[inline(always)]
    pub fn cspace(&self) -> Ptr<Slot> {
        self.slot(Self::CSPACE)
    }

    /// Root of its address space.
    #[inline(always)]
    pub fn vspace(&self) -> Ptr<Slot> {
        self.slot(Self::VSPACE)
    }

    /// What replies to it derive from.
    #[inline(always)]
    pub fn reply(&self) -> Ptr<Slot> {
        self.slot(Self::REPLY)
    }

    /// For answering its caller.
    #[inline(always)]
    pub fn caller(&self) -> Ptr<Slot> {
        self.slot(Self::CALLER)
    }

    /// The frame of its IPC buffer.
    #[inline(always)]
    pub fn buffer_frame(&self) -> Ptr<Slot> {
        self.slot(Self::BUFFER)
    }

    /// Whether it waits, and user interrupts wake it.
    #[inline(always)]
    pub fn asleep(&self) -> bool {
        self.asleep.get()
    }

    /// Where its user interrupts go to.
    #[inline(always)]
    pub fn sender_table(&self) -> Ptr<Slot> {
        Ptr::of(&self.senders)
    }

    /// The frame of requests that it shares with the kernel.
    #[inline(always)]
    pub fn shared_frame(&self) -> Ptr<Slot> {
        Ptr::of(&self.shared)
    }

    /// What it does.
    #[inline(always)]
    pub fn state(&self) -> State {
        self.state.get()
    }

    /// Sets that, and nothing else: see [`crate::Kernel::set_state`].
    #[inline(always)]
    pub fn put_state(&self, state: State) {
        self.state.set(state);
    }

    /// Whether it may run.
    #[inline(always)]
    pub fn is_runnable(&self) -> bool {
        matches!(self.state(), State::Running | State::Restart)
    }

    /// Whether it waits for something.
    pub fn is_blocked(&self) -> bool {
        matches!(self.state(), State::Receiving | State::Sending | State::Replying | State::Waiting)
    }

    /// What it waits at.
    #[inline(always)]
    pub fn blocked_on<T>(&self) -> Option<Ptr<T>> {
        Ptr::new(self.blocked_on.get())
    }

    /// It waits at `object`.
    #[inline(always)]
    pub fn block_on<T>(&self, object: Ptr<T>) {
        self.blocked_on.set(object.addr());
    }

    /// Register `n`.
    #[inline(always)]
    pub fn get(&self, n: usize) -> u64 {
        self.context.get(n)
    }

    /// Sets register `n`.
    #[inline(always)]
    pub fn set(&self, n: usize, to: u64) {
        self.context.set(n, to);
    }

    /// What it says of its message.
    #[inline(always)]
    pub fn message_info(&self) -> MessageInfo {
        MessageInfo(self.get(reg::A1))
    }

    /// Its IPC buffer, to be read or written, if it has one that it may use so itself.
    #[inline(always)]
    #[must_use]
    pub fn buffer(&self, write: bool) -> Option<Buffer> {
        let frame = self.buffer_frame().cap();
        let needed = if write { CapRights(3) } else { CapRights::READ };
        if !frame.is(Kind::Frame) || frame.is_device() || !frame.frame_rights().has(needed) {
            return None;
        }
        let offset = self.buffer_address.get() & ((1 << frame.frame_bits()) - 1);
        Ptr::new(to_virtual(frame.paddr() + offset)).map(Buffer)
    }

    /// Word `n` of its message.
    #[inline(always)]
    pub fn word(&self, buffer: Option<Buffer>, n: usize) -> u64 {
        if n < MESSAGE_REGISTERS { self.get(reg::A2 + n) } else { buffer.map_or(0, |buffer| buffer.word(n)) }
    }

    /// Sets word `n` of its message, if there is a place for it; whether there is.
    #[inline(always)]
    pub fn set_word(&self, buffer: Option<Buffer>, n: usize, to: u64) -> bool {
        if n < MESSAGE_REGISTERS {
            self.set(reg::A2 + n, to);
            return true;
        }
        if let Some(buffer) = buffer {
            buffer.set_word(n, to);
        }
        buffer.is_some()
    }

    /// Its name, without its end.
    pub fn name(&self) -> impl Iterator<Item = u8> + '_ {
        self.name.iter().map(Cell::get).take_while(|&byte| byte != 0)
    }
}

impl Default for Tcb {
    fn default() -> Self {
        Self::new()
    }
}

/// The root of an address space, if `cap` is one.
#[inline(always)]
#[must_use]
pub fn vspace_root(cap: Cap) -> Option<(u64, u64)> {
    (cap.is(Kind::PageTable) && cap.asid() != 0).then(|| (cap.paddr(), cap.asid()))
}

/// An IPC buffer in a user's frame. The user may write to it at any time, from another hart, too: every access is a
/// single load or store of a word, whose value is not trusted.
#[derive(Debug, Clone, Copy)]
pub struct Buffer(Ptr<IpcBuffer>);

impl Buffer {
    /// Where it is in the kernel, for tests.
    #[cfg(test)]
    pub(crate) fn addr(self) -> usize {
        self.0.addr()
    }

    #[inline(always)]
    fn at(self, offset: usize) -> *mut u64 {
        core::ptr::with_exposed_provenance_mut(self.0.addr() + offset)
    }

    #[inline(always)]
    fn load(self, offset: usize) -> u64 {
        // SAFETY: the offset lies in the buffer, the buffer in a frame of memory, which is mapped in the window.
        unsafe { self.at(offset).read_volatile() }
    }

    #[inline(always)]
    fn store(self, offset: usize, value: u64) {
        // SAFETY: as above, and no kernel object lies in a frame.
        unsafe { self.at(offset).write_volatile(value) }
    }

    /// Word `n` of the message.
    #[inline(always)]
    #[must_use]
    pub fn word(self, n: usize) -> u64 {
        self.load(core::mem::offset_of!(IpcBuffer, words) + 8 * n.min(MESSAGE_MAX_WORDS - 1))
    }

    /// Sets word `n` of the message.
    #[inline(always)]
    pub fn set_word(self, n: usize, to: u64) {
        self.store(core::mem::offset_of!(IpcBuffer, words) + 8 * n.min(MESSAGE_MAX_WORDS - 1), to);
    }

    /// Address of capability `n` to be sent.
    #[must_use]
    pub fn cap_or_badge(self, n: usize) -> u64 {
        self.load(core::mem::offset_of!(IpcBuffer, caps_or_badges) + 8 * n.min(MAX_EXTRA_CAPS - 1))
    }

    /// Sets address or badge of capability `n`.
    pub fn set_cap_or_badge(self, n: usize, badge: u64) {
        self.store(core::mem::offset_of!(IpcBuffer, caps_or_badges) + 8 * n.min(MAX_EXTRA_CAPS - 1), badge);
    }

    /// Where a received capability goes: root, index, depth.
    #[must_use]
    pub fn receive_slot(self) -> (u64, u64, u64) {
        (
            self.load(core::mem::offset_of!(IpcBuffer, receive_cnode)),
            self.load(core::mem::offset_of!(IpcBuffer, receive_index)),
            self.load(core::mem::offset_of!(IpcBuffer, receive_depth)),
        )
    }

    /// Byte `n` of the words, as names are passed.
    #[must_use]
    pub fn byte(self, n: usize) -> u8 {
        (self.word(n / 8) >> (n % 8 * 8)) as u8
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use kernel_layout::tcb;

    use super::*;

    /// What debuggers are told is so.
    #[test]
    fn threads_lie_as_they_are_told_to() {
        let context = offset_of!(Tcb, context);
        let user = offset_of!(Tcb, user_interrupts);
        for (told, is) in [
            (tcb::SIZE, size_of::<Tcb>()),
            (tcb::SIZE, align_of::<Tcb>()),
            (tcb::PC, context + offset_of!(Context, x)),
            (tcb::KERNEL_STACK, context + offset_of!(Context, kernel_stack)),
            (tcb::HART, context + offset_of!(Context, hart)),
            (tcb::SLOTS, offset_of!(Tcb, slots)),
            (tcb::STATE, offset_of!(Tcb, state)),
            (tcb::QUEUED, offset_of!(Tcb, queued)),
            (tcb::PRIORITY, offset_of!(Tcb, priority)),
            (tcb::DOMAIN, offset_of!(Tcb, domain)),
            (tcb::AFFINITY, offset_of!(Tcb, affinity)),
            (tcb::BLOCKED_ON, offset_of!(Tcb, blocked_on)),
            (tcb::RECEIVER, user + offset_of!(UserInterrupts, receiver)),
            (tcb::NEXT, offset_of!(Tcb, all) + offset_of!(Link, next)),
            (tcb::PREVIOUS, offset_of!(Tcb, all) + offset_of!(Link, previous)),
            (tcb::NAME, offset_of!(Tcb, name)),
            (tcb::NAME_MAX, kernel_abi::THREAD_NAME_MAX),
            (0, Tcb::CSPACE),
        ] {
            assert_eq!(told, is as u64);
        }
        for (state, name) in
            [(State::Inactive, "inactive"), (State::Running, "running"), (State::Idle, "idle")]
        {
            assert_eq!(tcb::STATES[state as usize], name);
        }
    }
}
