//! Invocations of capabilities, a type for each kind. A value is only an address in the caller's CSpace: making one
//! is safe, since it is the kernel that decides what is there.

use kernel_abi::{CapRights, Error, Invocation, MessageInfo, ObjectType, UserContext, VmAttributes};

use crate::order::Order;
use crate::user_interrupt::Target;
use crate::{bootinfo, ipc, syscall};

/// Why an invocation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvokeError {
    /// What is wrong.
    pub error: Error,
    /// Details, as [`Error`] says; zero beyond the reply's length.
    pub words: [u64; 5],
}

/// What an invocation gives.
pub type Result<T> = core::result::Result<T, InvokeError>;

/// Calls `cptr` with `label`, capabilities and words. The first words of the reply.
#[inline]
pub fn invoke_label(cptr: u64, label: u64, caps: &[u64], words: &[u64]) -> Result<[u64; 4]> {
    for (n, &cap) in caps.iter().enumerate() {
        ipc::set_cap(n, cap);
    }
    let mut regs = [0; 4];
    for (n, &word) in words.iter().enumerate() {
        if n < 4 { regs[n] = word } else { ipc::set_word(n, word) }
    }
    let reply = syscall::call(cptr, MessageInfo::new(label, 0, caps.len() as u64, words.len() as u64), regs);
    if reply.info.label() == Error::None as u64 { Ok(reply.regs) } else { Err(failed_call(&reply)) }
}

#[cold]
fn failed_call(reply: &syscall::Message) -> InvokeError {
    failure(reply.info, |n| if n < 4 { reply.regs[n] } else { ipc::word(n) })
}

/// What the reply `info` with message words as in `word` says has gone wrong.
#[must_use]
pub fn failure(info: MessageInfo, word: impl Fn(usize) -> u64) -> InvokeError {
    let mut words = [0; 5];
    for (n, place) in words.iter_mut().take(info.length()).enumerate() {
        *place = word(n);
    }
    let error = match info.label() {
        1 => Error::InvalidArgument,
        2 => Error::InvalidCapability,
        3 => Error::IllegalOperation,
        4 => Error::RangeError,
        5 => Error::AlignmentError,
        6 => Error::FailedLookup,
        7 => Error::TruncatedMessage,
        8 => Error::DeleteFirst,
        9 => Error::RevokeFirst,
        10 => Error::NotEnoughMemory,
        // Not a label of an error: the words say what came.
        other => return InvokeError { error: Error::None, words: [other, 0, 0, 0, 0] },
    };
    InvokeError { error, words }
}

/// Calls `cptr` for `invocation`.
#[inline]
pub fn invoke(cptr: u64, invocation: Invocation, caps: &[u64], words: &[u64]) -> Result<[u64; 4]> {
    invoke_label(cptr, bootinfo::label(invocation), caps, words)
}

#[inline]
fn run(cptr: u64, invocation: Invocation, caps: &[u64], words: &[u64]) -> Result<()> {
    invoke(cptr, invocation, caps, words).map(|_| ())
}

macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name(pub u64);
        )*
    };
}

capabilities! {
    /// Memory to make objects of.
    Untyped;
    /// Thread.
    Tcb;
    /// Where threads exchange messages.
    Endpoint;
    /// Bits that are signalled and waited for.
    Notification;
    /// Slots for capabilities.
    CNode;
    /// Page table; the root of an address space once it has an ASID.
    PageTable;
    /// Memory to map.
    Frame;
    /// Makes ASID pools.
    AsidControl;
    /// Gives ASIDs.
    AsidPool;
    /// Gives handlers of interrupts.
    IrqControl;
    /// An interrupt.
    IrqHandler;
    /// Sets domains.
    DomainSet;
    /// Where a thread's user interrupts go to.
    SenderTable;
}

impl Untyped {
    /// Makes `count` objects with capabilities from slot `offset` of the CNode that `root`, `index` and `depth`
    /// say; depth 0 is `root` itself.
    #[allow(clippy::too_many_arguments, reason = "they are the invocation's")]
    pub fn retype(
        self,
        object: ObjectType,
        size_bits: u64,
        root: CNode,
        index: u64,
        depth: u64,
        offset: u64,
        count: u64,
    ) -> Result<()> {
        self.retype_order(object, size_bits, root, index, depth, offset, count).run().map(drop)
    }

    /// The same, to be run.
    #[allow(clippy::too_many_arguments, reason = "they are the invocation's")]
    #[must_use]
    #[inline(always)]
    pub fn retype_order(
        self,
        object: ObjectType,
        size_bits: u64,
        root: CNode,
        index: u64,
        depth: u64,
        offset: u64,
        count: u64,
    ) -> Order {
        let words = [object as u64, size_bits, index, depth, offset, count];
        Order::new(self.0, Invocation::UntypedRetype, &[root.0], &words)
    }
}

impl CNode {
    /// Deletes what is derived from the capability.
    pub fn revoke(self, index: u64, depth: u64) -> Result<()> {
        self.revoke_order(index, depth).run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn revoke_order(self, index: u64, depth: u64) -> Order {
        Order::new(self.0, Invocation::CnodeRevoke, &[], &[index, depth])
    }

    /// Empties a slot.
    pub fn delete(self, index: u64, depth: u64) -> Result<()> {
        self.delete_order(index, depth).run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn delete_order(self, index: u64, depth: u64) -> Order {
        Order::new(self.0, Invocation::CnodeDelete, &[], &[index, depth])
    }

    /// Ends the sends that wait with the badge of the capability.
    pub fn cancel_badged_sends(self, index: u64, depth: u64) -> Result<()> {
        run(self.0, Invocation::CnodeCancelBadgedSends, &[], &[index, depth])
    }

    /// Copies a capability, at `from` of the CNode `source`, into this one.
    pub fn copy(self, to: (u64, u64), source: CNode, from: (u64, u64), rights: CapRights) -> Result<()> {
        self.copy_order(to, source, from, rights).run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn copy_order(self, to: (u64, u64), source: CNode, from: (u64, u64), rights: CapRights) -> Order {
        Order::new(self.0, Invocation::CnodeCopy, &[source.0], &[to.0, to.1, from.0, from.1, rights.0])
    }

    /// Copies with a badge, or a guard as [`kernel_abi::CnodeData`].
    pub fn mint(
        self,
        to: (u64, u64),
        source: CNode,
        from: (u64, u64),
        rights: CapRights,
        data: u64,
    ) -> Result<()> {
        self.mint_order(to, source, from, rights, data).run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn mint_order(
        self,
        to: (u64, u64),
        source: CNode,
        from: (u64, u64),
        rights: CapRights,
        data: u64,
    ) -> Order {
        let words = [to.0, to.1, from.0, from.1, rights.0, data];
        Order::new(self.0, Invocation::CnodeMint, &[source.0], &words)
    }

    /// Moves a capability.
    pub fn move_cap(self, to: (u64, u64), source: CNode, from: (u64, u64)) -> Result<()> {
        self.move_cap_order(to, source, from).run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn move_cap_order(self, to: (u64, u64), source: CNode, from: (u64, u64)) -> Order {
        Order::new(self.0, Invocation::CnodeMove, &[source.0], &[to.0, to.1, from.0, from.1])
    }

    /// Moves a capability, giving it a badge or guard.
    pub fn mutate(self, to: (u64, u64), source: CNode, from: (u64, u64), data: u64) -> Result<()> {
        run(self.0, Invocation::CnodeMutate, &[source.0], &[to.0, to.1, from.0, from.1, data])
    }

    /// Moves `pivot` to this CNode's `to`, and `source` to where `pivot` was; each is CNode, slot, data.
    pub fn rotate(
        self,
        to: (u64, u64),
        pivot: (CNode, (u64, u64), u64),
        source: (CNode, (u64, u64), u64),
    ) -> Result<()> {
        let ((pivot_root, pivot, pivot_data), (source_root, source, source_data)) = (pivot, source);
        let words = [to.0, to.1, pivot_data, pivot.0, pivot.1, source_data, source.0, source.1];
        run(self.0, Invocation::CnodeRotate, &[pivot_root.0, source_root.0], &words)
    }

    /// Puts the caller's reply capability into a slot.
    pub fn save_caller(self, index: u64, depth: u64) -> Result<()> {
        run(self.0, Invocation::CnodeSaveCaller, &[], &[index, depth])
    }
}

/// What [`Tcb::copy_registers`] does besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyFlags {
    /// Stop the thread that is copied from.
    pub suspend_source: bool,
    /// Run the thread that is copied to.
    pub resume_target: bool,
    /// Copy those that a system call preserves.
    pub frame: bool,
    /// Copy the others.
    pub integer: bool,
}

impl Tcb {
    /// Sets fault endpoint, CSpace, VSpace and IPC buffer.
    pub fn configure(
        self,
        fault_endpoint: u64,
        cspace: (CNode, u64),
        vspace: PageTable,
        buffer: (u64, Frame),
    ) -> Result<()> {
        self.configure_order(fault_endpoint, cspace, vspace, buffer).run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn configure_order(
        self,
        fault_endpoint: u64,
        cspace: (CNode, u64),
        vspace: PageTable,
        buffer: (u64, Frame),
    ) -> Order {
        let words = [fault_endpoint, cspace.1, 0, buffer.0];
        Order::new(self.0, Invocation::TcbConfigure, &[cspace.0.0, vspace.0, buffer.1.0], &words)
    }

    /// Sets fault endpoint, CSpace and VSpace.
    pub fn set_space(self, fault_endpoint: u64, cspace: (CNode, u64), vspace: PageTable) -> Result<()> {
        run(self.0, Invocation::TcbSetSpace, &[cspace.0.0, vspace.0], &[fault_endpoint, cspace.1, 0])
    }

    /// Sets the IPC buffer; address 0: none.
    pub fn set_ipc_buffer(self, address: u64, frame: Frame) -> Result<()> {
        run(self.0, Invocation::TcbSetIpcBuffer, &[frame.0], &[address])
    }

    /// Sets the priority, up to the maximum that `authority` controls.
    pub fn set_priority(self, authority: Tcb, priority: u64) -> Result<()> {
        self.set_priority_order(authority, priority).run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn set_priority_order(self, authority: Tcb, priority: u64) -> Order {
        Order::new(self.0, Invocation::TcbSetPriority, &[authority.0], &[priority])
    }

    /// Sets the maximum controlled priority.
    pub fn set_mc_priority(self, authority: Tcb, priority: u64) -> Result<()> {
        run(self.0, Invocation::TcbSetMcPriority, &[authority.0], &[priority])
    }

    /// Sets both.
    pub fn set_sched_params(self, authority: Tcb, mc_priority: u64, priority: u64) -> Result<()> {
        run(self.0, Invocation::TcbSetSchedParams, &[authority.0], &[mc_priority, priority])
    }

    /// Stops the thread.
    pub fn suspend(self) -> Result<()> {
        self.suspend_order().run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn suspend_order(self) -> Order {
        Order::new(self.0, Invocation::TcbSuspend, &[], &[])
    }

    /// Runs the thread.
    pub fn resume(self) -> Result<()> {
        self.resume_order().run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn resume_order(self) -> Order {
        Order::new(self.0, Invocation::TcbResume, &[], &[])
    }

    /// Signals of the notification reach the thread while it waits for a message.
    pub fn bind_notification(self, notification: Notification) -> Result<()> {
        run(self.0, Invocation::TcbBindNotification, &[notification.0], &[])
    }

    /// No longer.
    pub fn unbind_notification(self) -> Result<()> {
        run(self.0, Invocation::TcbUnbindNotification, &[], &[])
    }

    /// The thread sends user interrupts by `table`.
    pub fn set_sender_table(self, table: SenderTable) -> Result<()> {
        run(self.0, Invocation::TcbSetSenderTable, &[table.0], &[])
    }

    /// Moves the thread to a hart; only in a kernel for several.
    pub fn set_affinity(self, hart: u64) -> Result<()> {
        run(self.0, Invocation::TcbSetAffinity, &[], &[hart])
    }

    /// Sets `tp`.
    pub fn set_tls_base(self, address: u64) -> Result<()> {
        run(self.0, Invocation::TcbSetTlsBase, &[], &[address])
    }

    /// Clears and sets flags; gives what they are then.
    pub fn set_flags(self, clear: u64, set: u64) -> Result<u64> {
        invoke(self.0, Invocation::TcbSetFlags, &[], &[clear, set]).map(|words| words[0])
    }

    /// The first `count` registers; the others are zero.
    pub fn read_registers(self, suspend: bool, count: usize) -> Result<UserContext> {
        let regs = invoke(self.0, Invocation::TcbReadRegisters, &[], &[u64::from(suspend), count as u64])?;
        let mut words = [0; kernel_abi::USER_CONTEXT_WORDS];
        for (n, word) in words.iter_mut().enumerate().take(count) {
            *word = if n < 4 { regs[n] } else { ipc::word(n) };
        }
        Ok(context(words))
    }

    /// Sets the first `count` registers.
    pub fn write_registers(self, resume: bool, context: &UserContext, count: usize) -> Result<()> {
        let mut words = [0; 2 + kernel_abi::USER_CONTEXT_WORDS];
        words[0] = u64::from(resume);
        words[1] = count as u64;
        words[2..].copy_from_slice(&context_words(context));
        run(self.0, Invocation::TcbWriteRegisters, &[], &words[..2 + count])
    }

    /// Copies registers from `source`.
    pub fn copy_registers(self, source: Tcb, flags: CopyFlags) -> Result<()> {
        let bits = [flags.suspend_source, flags.resume_target, flags.frame, flags.integer];
        let word = bits.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit));
        run(self.0, Invocation::TcbCopyRegisters, &[source.0], &[word])
    }
}

/// The registers in their order, as words.
#[must_use]
pub fn context_words(context: &UserContext) -> [u64; kernel_abi::USER_CONTEXT_WORDS] {
    // SAFETY: both are the same number of 64-bit words without padding, as the ABI asserts.
    unsafe { core::mem::transmute_copy(context) }
}

/// Words in their order, as registers.
#[must_use]
pub fn context(words: [u64; kernel_abi::USER_CONTEXT_WORDS]) -> UserContext {
    // SAFETY: as in `context_words`; every word is a valid register.
    unsafe { core::mem::transmute(words) }
}

impl PageTable {
    /// Puts the table into an address space, at the level that is missing first.
    pub fn map(self, vspace: PageTable, address: u64, attributes: VmAttributes) -> Result<()> {
        run(self.0, Invocation::PageTableMap, &[vspace.0], &[address, attributes.0])
    }

    /// Takes it out.
    pub fn unmap(self) -> Result<()> {
        run(self.0, Invocation::PageTableUnmap, &[], &[])
    }
}

impl Frame {
    /// Puts the frame into an address space.
    pub fn map(
        self,
        vspace: PageTable,
        address: u64,
        rights: CapRights,
        attributes: VmAttributes,
    ) -> Result<()> {
        self.map_order(vspace, address, rights, attributes).run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn map_order(
        self,
        vspace: PageTable,
        address: u64,
        rights: CapRights,
        attributes: VmAttributes,
    ) -> Order {
        Order::new(self.0, Invocation::PageMap, &[vspace.0], &[address, rights.0, attributes.0])
    }

    /// Takes it out.
    pub fn unmap(self) -> Result<()> {
        self.unmap_order().run().map(drop)
    }

    /// The same, to be run.
    #[must_use]
    #[inline(always)]
    pub fn unmap_order(self) -> Order {
        Order::new(self.0, Invocation::PageUnmap, &[], &[])
    }

    /// Its physical address.
    pub fn address(self) -> Result<u64> {
        invoke(self.0, Invocation::PageGetAddress, &[], &[]).map(|words| words[0])
    }
}

impl AsidControl {
    /// Makes a pool of 4 KiB of untyped memory, with a capability in the slot that `root`, `index` and `depth` say.
    pub fn make_pool(self, untyped: Untyped, root: CNode, index: u64, depth: u64) -> Result<()> {
        run(self.0, Invocation::AsidControlMakePool, &[untyped.0, root.0], &[index, depth])
    }
}

impl AsidPool {
    /// Makes a page table the root of an address space.
    pub fn assign(self, table: PageTable) -> Result<()> {
        run(self.0, Invocation::AsidPoolAssign, &[table.0], &[])
    }
}

impl IrqControl {
    /// A handler of `irq`, in the slot that `root`, `index` and `depth` say.
    pub fn get(self, irq: u64, root: CNode, index: u64, depth: u64) -> Result<()> {
        run(self.0, Invocation::IrqIssueHandler, &[root.0], &[irq, index, depth])
    }

    /// The same with a trigger, 0 for level and 1 for edge.
    pub fn get_trigger(self, irq: u64, trigger: u64, root: CNode, index: u64, depth: u64) -> Result<()> {
        run(self.0, Invocation::IrqIssueHandlerTrigger, &[root.0], &[irq, trigger, index, depth])
    }
}

impl IrqHandler {
    /// The interrupt may come again.
    pub fn ack(self) -> Result<()> {
        run(self.0, Invocation::IrqAck, &[], &[])
    }

    /// Where it is signalled.
    pub fn set_notification(self, notification: Notification) -> Result<()> {
        run(self.0, Invocation::IrqSetHandler, &[notification.0], &[])
    }

    /// Nowhere any more.
    pub fn clear(self) -> Result<()> {
        run(self.0, Invocation::IrqClearHandler, &[], &[])
    }
}

impl DomainSet {
    /// Moves a thread into a domain.
    pub fn set(self, domain: u64, thread: Tcb) -> Result<()> {
        run(self.0, Invocation::DomainSet, &[thread.0], &[domain])
    }

    /// Sets an entry of the schedule.
    pub fn configure(self, index: u64, domain: u64, duration: u64) -> Result<()> {
        run(self.0, Invocation::DomainScheduleConfigure, &[], &[index, domain, duration])
    }

    /// Begins the schedule there.
    pub fn set_start(self, index: u64) -> Result<()> {
        run(self.0, Invocation::DomainScheduleSetStart, &[], &[index])
    }
}

impl Notification {
    /// Signals it; to be run asynchronously, since [`syscall::signal`] is shorter.
    #[must_use]
    #[inline(always)]
    pub fn signal_order(self) -> Order {
        Order::with_label(self.0, 0, &[], &[])
    }

    /// The calling thread may send user interrupts to the receiver of the notification, with the badge of this
    /// capability as their vector.
    pub fn register_sender(self) -> Result<Target> {
        let words = invoke(self.0, Invocation::NotificationRegisterSender, &[], &[])?;
        Ok(Target(words[0]))
    }

    /// `thread`, which is bound to the notification, receives user interrupts for it.
    pub fn register_receiver(self, thread: Tcb) -> Result<()> {
        run(self.0, Invocation::NotificationRegisterReceiver, &[thread.0], &[])
    }

    /// The calling thread, the receiver of the notification, shares `frame` with the kernel, which serves requests
    /// in it, and tells of completions with the badge of this capability as vector. As many of them are in it together
    /// as the greatest power of two up to `items` says, or as there is room for.
    pub fn register_async(self, frame: Frame, items: u64) -> Result<()> {
        run(self.0, Invocation::NotificationRegisterAsync, &[frame.0], &[items])
    }
}
