//! Asynchronous system calls: what stands in the rings that a thread shares with the kernel. Beyond seL4.

use crate::ring::Channel;

/// The frame that a thread shares with the kernel.
pub type AsyncChannel<'a> = Channel<'a, { Request::WORDS }, { Completion::WORDS }>;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum RequestKind {
    /// An invocation, as `Call` would make it.
    Invoke = 0,
    /// Characters for the kernel's console.
    Print = 1,
}

/// A request. Its words: number and kind; then of an invocation the [`MessageInfo`](crate::MessageInfo), the invoked capability, the first
/// extra capability, four message words; four more, and two more capabilities. Of text the number of bytes, and the
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request;

impl Request {
    /// Words of an item.
    pub const WORDS: usize = 16;
    /// Where the number (bits 0 to 31) and the kind (from 32 on) stand.
    pub const HEAD: usize = 0;
    /// Where the message info stands, or the number of bytes.
    pub const INFO: usize = 1;
    /// Where the invoked capability stands.
    pub const CPTR: usize = 2;
    /// Where extra capabilities stand.
    pub const CAPS: [usize; 3] = [3, 12, 13];
    /// Where message words stand.
    pub const MESSAGE: [usize; Self::MESSAGE_WORDS] = [4, 5, 6, 7, 8, 9, 10, 11];
    /// Message words, at most.
    pub const MESSAGE_WORDS: usize = 8;
    /// Where text begins.
    pub const TEXT: usize = 2;
    /// Bytes of text, at most.
    pub const TEXT_BYTES: usize = 8 * (Self::WORDS - Self::TEXT);

    /// The first word.
    #[inline(always)]
    #[must_use]
    pub const fn head(number: u32, kind: RequestKind) -> u64 {
        number as u64 | (kind as u64) << 32
    }

    /// What the first word says; `None` if there is no such kind.
    #[inline(always)]
    #[must_use]
    pub const fn parse_head(word: u64) -> (u32, Option<RequestKind>) {
        let kind = match word >> 32 {
            0 => Some(RequestKind::Invoke),
            1 => Some(RequestKind::Print),
            _ => None,
        };
        (word as u32, kind)
    }
}

/// A completion. Its words: the request's number, the reply's [`MessageInfo`](crate::MessageInfo), whose label is an
/// [`Error`](crate::Error), and the first words of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion;

impl Completion {
    /// Words of an item.
    pub const WORDS: usize = 8;
    /// Words of the reply, at most.
    pub const MESSAGE_WORDS: usize = Self::WORDS - 2;
}
