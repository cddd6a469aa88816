//! Numbers of system calls and of invocations.

/// A system call, by the number in `a7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum Syscall {
    /// Invoke, and wait for the reply.
    Call = -1,
    /// Answer the last caller, and wait for the next message.
    ReplyRecv = -2,
    /// Send, waiting for a receiver.
    Send = -3,
    /// Send if somebody waits.
    NbSend = -4,
    /// Wait for a message.
    Recv = -5,
    /// Answer the last caller.
    Reply = -6,
    /// Go behind the others of the same priority.
    Yield = -7,
    /// Take a message if there is one.
    NbRecv = -8,
    /// Print the character in `a0`.
    DebugPutChar = -9,
    /// Print all threads.
    DebugDumpScheduler = -10,
    /// Stop the machine.
    DebugHalt = -11,
    /// The type of a capability.
    DebugCapIdentify = -12,
    /// Print the capabilities of all threads.
    DebugSnapshot = -13,
    /// Name a thread.
    DebugNameThread = -14,
    /// Send a software-generated interrupt to another hart (several harts).
    DebugSendIpi = -15,
    /// The hart that the caller runs on (several harts).
    DebugGetThreadAffinity = -16,
    /// The kernel is to serve the caller's asynchronous requests. Beyond seL4.
    WakeAsync = -17,
}

impl Syscall {
    /// The call with `number`, if there is one in a build for one (`smp` false) or several harts.
    #[must_use]
    pub const fn from_number(number: i64, smp: bool) -> Option<Self> {
        Some(match number {
            -1 => Self::Call,
            -2 => Self::ReplyRecv,
            -3 => Self::Send,
            -4 => Self::NbSend,
            -5 => Self::Recv,
            -6 => Self::Reply,
            -7 => Self::Yield,
            -8 => Self::NbRecv,
            -9 => Self::DebugPutChar,
            -10 => Self::DebugDumpScheduler,
            -11 => Self::DebugHalt,
            -12 => Self::DebugCapIdentify,
            -13 => Self::DebugSnapshot,
            -14 => Self::DebugNameThread,
            -15 if smp => Self::DebugSendIpi,
            -16 if smp => Self::DebugGetThreadAffinity,
            -17 => Self::WakeAsync,
            _ => return None,
        })
    }

    /// The number in `a7`.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }
}

macro_rules! invocations {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What is asked of an object. The discriminants are the labels of a build for several harts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u64)]
        pub enum Invocation {
            $($(#[$doc])* $name = $number,)*
        }

        impl Invocation {
            const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

invocations! {
    /// Make objects of untyped memory.
    UntypedRetype = 1,
    /// Registers of a thread.
    TcbReadRegisters = 2,
    /// New registers for a thread.
    TcbWriteRegisters = 3,
    /// Registers from thread to thread.
    TcbCopyRegisters = 4,
    /// Fault endpoint, CSpace, VSpace and IPC buffer at once.
    TcbConfigure = 5,
    /// Priority.
    TcbSetPriority = 6,
    /// Maximum controlled priority.
    TcbSetMcPriority = 7,
    /// Both priorities.
    TcbSetSchedParams = 8,
    /// IPC buffer.
    TcbSetIpcBuffer = 9,
    /// Fault endpoint, CSpace and VSpace.
    TcbSetSpace = 10,
    /// Stop.
    TcbSuspend = 11,
    /// Run.
    TcbResume = 12,
    /// Receive signals of a notification while waiting for messages.
    TcbBindNotification = 13,
    /// No longer.
    TcbUnbindNotification = 14,
    /// The hart to run on (several harts).
    TcbSetAffinity = 15,
    /// `tp`.
    TcbSetTlsBase = 16,
    /// Flags, as [`crate::TcbFlags`].
    TcbSetFlags = 17,
    /// Delete everything derived from a capability.
    CnodeRevoke = 18,
    /// Delete a capability.
    CnodeDelete = 19,
    /// Forget waiting senders with the capability's badge.
    CnodeCancelBadgedSends = 20,
    /// Copy with fewer rights.
    CnodeCopy = 21,
    /// Copy with fewer rights and a badge or guard.
    CnodeMint = 22,
    /// Move.
    CnodeMove = 23,
    /// Move with a badge or guard.
    CnodeMutate = 24,
    /// Two moves at once.
    CnodeRotate = 25,
    /// Keep the reply capability.
    CnodeSaveCaller = 26,
    /// A handler for an interrupt.
    IrqIssueHandler = 27,
    /// The interrupt is served.
    IrqAck = 28,
    /// Where an interrupt is signalled.
    IrqSetHandler = 29,
    /// Nowhere any more.
    IrqClearHandler = 30,
    /// The domain of a thread.
    DomainSet = 31,
    /// An entry of the domain schedule.
    DomainScheduleConfigure = 32,
    /// Where the domain schedule begins.
    DomainScheduleSetStart = 33,
    /// Put a page table into an address space.
    PageTableMap = 34,
    /// Take it out.
    PageTableUnmap = 35,
    /// Put a frame into an address space.
    PageMap = 36,
    /// Take it out.
    PageUnmap = 37,
    /// Physical address of a frame.
    PageGetAddress = 38,
    /// Make an ASID pool.
    AsidControlMakePool = 39,
    /// Give an address space an ASID.
    AsidPoolAssign = 40,
    /// A handler for an interrupt with its trigger.
    IrqIssueHandlerTrigger = 41,
    /// Of a notification: the caller may send user interrupts to its receiver, with the badge as vector. Beyond seL4,
    /// as all that follow.
    NotificationRegisterSender = 42,
    /// Of a notification: the thread that it is bound to receives user interrupts for it.
    NotificationRegisterReceiver = 43,
    /// Of a notification: the kernel serves the caller's requests in a shared frame, and signals completion as the
    /// vector that is its badge.
    NotificationRegisterAsync = 44,
    /// The table by which the thread sends user interrupts.
    TcbSetSenderTable = 45,
}

impl Invocation {
    /// The label in a [`crate::MessageInfo`], in a build for one or several harts: a build for one has no
    /// [`Self::TcbSetAffinity`], and everything behind it moves up.
    #[must_use]
    pub const fn label(self, smp: bool) -> u64 {
        let label = self as u64;
        label - (!smp && label >= Self::TcbSetAffinity as u64) as u64
    }

    /// The invocation with `label`, if there is one.
    #[inline]
    #[must_use]
    pub const fn from_label(label: u64, smp: bool) -> Option<Self> {
        let several = label.wrapping_add((!smp && label >= Self::TcbSetAffinity as u64) as u64);
        // The first is number 1.
        let index = several.wrapping_sub(1);
        if index < Self::ALL.len() as u64 { Some(Self::ALL[index as usize]) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_invocations_agree() {
        for smp in [false, true] {
            for (n, &one) in Invocation::ALL.iter().enumerate() {
                assert_eq!(one as u64, n as u64 + 1, "{one:?} is out of order");
                let exists = smp || one != Invocation::TcbSetAffinity;
                assert_eq!(Invocation::from_label(one.label(smp), smp) == Some(one), exists, "{one:?}");
            }
            assert_eq!(Invocation::from_label(0, smp), None);
            assert_eq!(Invocation::from_label(u64::MAX, smp), None);
            assert_eq!(Invocation::from_label(45 + u64::from(smp), smp), None);
        }
    }

    #[test]
    fn system_calls_have_their_numbers() {
        for number in -20..5 {
            let call = Syscall::from_number(number, true);
            assert_eq!(call.is_some(), (-17..0).contains(&number));
            assert!(call.is_none_or(|call| call.number() == number));
        }
        assert_eq!(Syscall::from_number(-15, false), None);
    }
}
