//! Invocations as values: what is to be asked of which capability, to be run at once or asynchronously.

use kernel_abi::{Invocation, MAX_EXTRA_CAPS, MESSAGE_REGISTERS, MessageInfo, Request};

use crate::bootinfo;
use crate::invoke::{self, Result};

/// An invocation that has not been made yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order {
    /// The capability that is invoked.
    pub cptr: u64,
    /// Label, and how many capabilities and words there are.
    pub info: MessageInfo,
    /// Extra capabilities.
    pub caps: [u64; MAX_EXTRA_CAPS],
    /// Message words.
    pub words: [u64; Request::MESSAGE_WORDS],
}

impl Order {
    /// `invocation` of `cptr`. Capabilities and words beyond those that there is room for are left out.
    #[inline(always)]
    #[must_use]
    pub fn new(cptr: u64, invocation: Invocation, caps: &[u64], words: &[u64]) -> Self {
        Self::with_label(cptr, bootinfo::label(invocation), caps, words)
    }

    /// The same with a label.
    #[inline(always)]
    #[must_use]
    pub fn with_label(cptr: u64, label: u64, caps: &[u64], words: &[u64]) -> Self {
        let mut order = Self { cptr, ..Self::default() };
        let caps = &caps[..caps.len().min(order.caps.len())];
        let words = &words[..words.len().min(order.words.len())];
        order.caps[..caps.len()].copy_from_slice(caps);
        order.words[..words.len()].copy_from_slice(words);
        order.info = MessageInfo::new(label, 0, caps.len() as u64, words.len() as u64);
        order
    }

    /// Whether it has no more than one extra capability, and no more words than fit into registers.
    #[inline(always)]
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.info.extra_caps() <= 1 && self.info.length() <= MESSAGE_REGISTERS
    }

    /// Makes it now: the first words of the reply.
    #[inline(always)]
    pub fn run(&self) -> Result<[u64; MESSAGE_REGISTERS]> {
        let (caps, words) = (&self.caps[..self.info.extra_caps()], &self.words[..self.info.length()]);
        invoke::invoke_label(self.cptr, self.info.label(), caps, words)
    }
}
