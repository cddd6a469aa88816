//! What an invocation or a thread fails with.

/// Label of the reply to an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Error {
    /// Done.
    None = 0,
    /// Argument number (word 0) is wrong.
    InvalidArgument = 1,
    /// Capability number (word 0) is wrong; 0 is the invoked one.
    InvalidCapability = 2,
    /// The object does not do that, or not now.
    IllegalOperation = 3,
    /// Outside of word 0 (least) to word 1 (greatest).
    RangeError = 4,
    /// Not aligned.
    AlignmentError = 5,
    /// A lookup failed, of the source if word 0 is set; how says [`LookupFailure`] in word 1.
    FailedLookup = 6,
    /// Arguments are missing.
    TruncatedMessage = 7,
    /// There is something at the destination.
    DeleteFirst = 8,
    /// There are derived capabilities.
    RevokeFirst = 9,
    /// Word 0 bytes are left.
    NotEnoughMemory = 10,
}

/// How a lookup in a CSpace fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum LookupFailure {
    /// The root is no CNode.
    InvalidRoot = 1,
    /// Nothing there.
    MissingCapability = 2,
    /// Bits are left over, or too few.
    DepthMismatch = 3,
    /// The guard differs.
    GuardMismatch = 4,
}

/// Label of a fault message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum FaultLabel {
    /// None.
    Null = 0,
    /// A capability that was sent to or received from is not there.
    Cap = 1,
    /// No such system call.
    UnknownSyscall = 2,
    /// An exception.
    UserException = 3,
    /// A page fault.
    Vm = 5,
}

/// Words of a capability fault without those that say how the lookup failed: pc, address, receive phase, kind.
pub const CAP_FAULT_LENGTH: usize = 4;
/// pc, sp, ra, a0 to a6, number.
pub const UNKNOWN_SYSCALL_LENGTH: usize = 11;
/// pc, sp, cause, code.
pub const USER_EXCEPTION_LENGTH: usize = 4;
/// pc, address, instruction fetch, cause.
pub const VM_FAULT_LENGTH: usize = 4;

/// Causes in a VM fault: those of the access faults, for page faults as well.
pub mod vm_cause {
    /// Instruction fetch.
    pub const FETCH: u64 = 1;
    /// Load.
    pub const LOAD: u64 = 5;
    /// Store.
    pub const STORE: u64 = 7;
}
