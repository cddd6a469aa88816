//! How system calls end that do not simply succeed.

use kernel_abi::LookupFailure;

/// How a lookup in a CSpace failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupFault {
    /// The root is no CNode.
    InvalidRoot,
    /// Nothing there, with `left` bits unresolved.
    Missing {
        /// Bits.
        left: u64,
    },
    /// `left` bits were to be resolved, and there were `found`.
    Depth {
        /// Bits.
        left: u64,
        /// Bits.
        found: u64,
    },
    /// The guard is `guard` of `size` bits, with `left` to be resolved.
    Guard {
        /// Bits.
        left: u64,
        /// Guard.
        guard: u64,
        /// Bits of it.
        size: u64,
    },
}

impl LookupFault {
    /// Words of a message that says so: kind, then details. How many are of use, too.
    #[must_use]
    pub fn words(self) -> ([u64; 4], usize) {
        match self {
            Self::InvalidRoot => ([LookupFailure::InvalidRoot as u64, 0, 0, 0], 1),
            Self::Missing { left } => ([LookupFailure::MissingCapability as u64, left, 0, 0], 2),
            Self::Depth { left, found } => ([LookupFailure::DepthMismatch as u64, left, found, 0], 3),
            Self::Guard { left, guard, size } => {
                ([LookupFailure::GuardMismatch as u64, left, guard, size], 4)
            }
        }
    }
}

/// An invocation that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Argument number so and so.
    InvalidArgument(u64),
    /// Capability number so and so; 0 is the invoked one.
    InvalidCapability(u64),
    /// The object does not do that, or not now.
    IllegalOperation,
    /// Least and greatest that there is.
    Range(u64, u64),
    /// Not aligned.
    Alignment,
    /// A lookup, of the source if so.
    Lookup {
        /// It was that of the source.
        source: bool,
        /// How.
        fault: LookupFault,
    },
    /// Arguments are missing.
    Truncated,
    /// There is something at the destination.
    DeleteFirst,
    /// There are derived capabilities.
    RevokeFirst,
    /// So many bytes are left.
    NotEnoughMemory(u64),
}

impl Error {
    /// Label and words of the reply.
    #[must_use]
    pub fn message(self) -> (kernel_abi::Error, [u64; 5], usize) {
        use kernel_abi::Error as Label;
        let word = |word| [word, 0, 0, 0, 0];
        match self {
            Self::InvalidArgument(n) => (Label::InvalidArgument, word(n), 1),
            Self::InvalidCapability(n) => (Label::InvalidCapability, word(n), 1),
            Self::IllegalOperation => (Label::IllegalOperation, word(0), 0),
            Self::Range(least, greatest) => (Label::RangeError, [least, greatest, 0, 0, 0], 2),
            Self::Alignment => (Label::AlignmentError, word(0), 0),
            Self::Lookup { source, fault } => {
                let (words, used) = fault.words();
                let all = [u64::from(source), words[0], words[1], words[2], words[3]];
                (Label::FailedLookup, all, used + 1)
            }
            Self::Truncated => (Label::TruncatedMessage, word(0), 0),
            Self::DeleteFirst => (Label::DeleteFirst, word(0), 0),
            Self::RevokeFirst => (Label::RevokeFirst, word(0), 0),
            Self::NotEnoughMemory(left) => (Label::NotEnoughMemory, word(left), 1),
        }
    }
}

/// Why an invocation has ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is refused.
    Error(Error),
    /// Something more urgent waits. What was done stays done; the call is made again.
    Preempted,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}
