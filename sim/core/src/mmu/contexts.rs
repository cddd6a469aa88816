//! Numbers for what translations depend on apart from the address, for the tags of software TLBs and the links of blocks.

use serde::{Deserialize, Serialize};

use crate::saved::{Impossible, require};

/// Contexts that are remembered at a time, so that a guest which switches back and forth keeps its
/// translations.
const KNOWN_CONTEXTS: usize = 16;

/// What a translation depends on apart from the address.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ContextKey {
    pub satp: u64,
    /// Privilege in bits 1:0, SUM in 2, MXR in 3.
    pub flags: u8,
}

/// Numbers for context keys.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Contexts {
    known: Vec<(ContextKey, u32)>,
    /// The number that comes next.
    pub next: u32,
    limit: u32,
    oldest: usize,
}

impl Contexts {
    pub fn new(limit: u32) -> Self {
        Self { known: Vec::with_capacity(KNOWN_CONTEXTS), next: 1, limit, oldest: 0 }
    }

    /// The number of `key`, and whether all numbers started anew (so that everything filed under them
    /// must go).
    pub fn number(&mut self, key: ContextKey) -> (u32, bool) {
        if let Some(&(_, number)) = self.known.iter().find(|(k, _)| *k == key) {
            return (number, false);
        }
        let wrapped = self.next >= self.limit;
        if wrapped {
            self.known.clear();
            self.next = 1;
        }
        let number = self.next;
        self.next += 1;
        if self.known.len() < KNOWN_CONTEXTS {
            self.known.push((key, number));
        } else {
            self.known[self.oldest] = (key, number);
            self.oldest = (self.oldest + 1) % KNOWN_CONTEXTS;
        }
        (number, wrapped)
    }

    /// Whether it can have become this from `own`, a new one.
    pub fn check(&self, own: &Self) -> Result<(), Impossible> {
        require(self.limit == own.limit && (1..=self.limit).contains(&self.next), "too many contexts")?;
        require(
            self.known.len() <= KNOWN_CONTEXTS && self.oldest < KNOWN_CONTEXTS,
            "contexts without a place",
        )?;
        require(self.known.iter().all(|&(_, number)| number < self.next), "a context without a number")
    }

    pub fn forget(&mut self) {
        self.known.clear();
        self.oldest = 0;
    }
}
