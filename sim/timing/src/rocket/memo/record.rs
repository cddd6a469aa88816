//! What goes on while a block is timed: what is asked of the branch predictor, the caches and the TLBs, with the
//! answers, and what they are told.

use super::super::btb::{BtbUpdate, Found, Prediction};
use super::super::memory::Conflict;
use super::super::tlb::Context;

/// Something asked of, or told to, the branch predictor or the instruction TLB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Act {
    /// A lookup: what the entries say, and what is predicted.
    Cycle {
        /// Where.
        pc: u64,
        /// What the entries say.
        found: Found,
        /// What is predicted.
        made: Prediction,
        /// Where to.
        to: u64,
        /// It found nothing and changed nothing.
        quiet: bool,
        /// The direction matters.
        branch: bool,
    },
    /// What the return-address stack says.
    Returns(Option<u64>),
    /// A call.
    Push(u64),
    /// A return.
    Pop,
    /// A direction for the history.
    Advance(bool),
    /// A change of an entry.
    Update(BtbUpdate),
    /// A branch resolved, looked up `since` directions ago.
    Branch { pc: u64, since: u8, taken: bool, wrong: bool },
    /// `since` directions are taken back.
    Forget { since: u8 },
    /// Another page is fetched from.
    Page { va: u64, pa: u64, uses: bool },
    /// Privilege and translation of fetches change.
    Context(Context),
}

/// What becomes of the line of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Outcome {
    /// It is there, and nothing of it changes.
    Settled,
    /// It is there, and becomes dirty.
    Dirties,
    /// It comes from memory, in the place of one that is dirty or not.
    Misses { dirty: bool },
}

/// What a block found that its operands and addresses decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Check {
    /// A load of 2^`size` bytes.
    Load { conflict: Conflict, size: u8, outcome: Outcome },
    /// A store of 2^`size` bytes.
    Store { size: u8, outcome: Outcome },
    /// A multiplication or division, instruction number `op`, which took so long.
    Operands { op: u8, cycles: u64 },
}

/// No lookup of this block.
const EARLIER: usize = usize::MAX;

/// Listens while a block is timed.
#[derive(Debug, Default)]
pub(in super::super) struct Recorder {
    /// Somebody wants to know.
    pub on: bool,
    /// A recorded edge is being followed.
    pub replaying: bool,
    pub(super) spoilt: bool,
    pub(super) acts: Vec<Act>,
    last_cycle: usize,
    /// The direction of the lookup that was made just before the block is known to be the same.
    pub(super) given: bool,
    pub(super) lines: Vec<u64>,
    pub(super) words: Vec<(u64, u32)>,
    pub(super) checks: Vec<Check>,
}

impl Recorder {
    /// A block begins. `given`: the direction that the latest lookup gave is part of the node.
    pub(super) fn begin(&mut self, given: bool) {
        self.on = true;
        self.given = given;
        self.spoilt = false;
        self.last_cycle = EARLIER;
        self.acts.clear();
        self.lines.clear();
        self.words.clear();
        self.checks.clear();
    }

    /// Something that cannot be repeated.
    #[inline(always)]
    pub fn spoil(&mut self) {
        self.spoilt = true;
    }

    #[inline(always)]
    pub fn act(&mut self, act: Act) {
        if self.on {
            self.acts.push(act);
        }
    }

    /// [`Act::Cycle`].
    pub fn cycle(&mut self, act: Act) {
        self.last_cycle = self.acts.len();
        self.acts.push(act);
    }

    /// The latest lookup.
    #[inline(always)]
    pub fn last(&self) -> usize {
        self.last_cycle
    }

    /// The direction that lookup `n` gave matters.
    pub fn branch(&mut self, n: usize) {
        if !self.on {
            return;
        }
        match self.acts.get_mut(n) {
            Some(Act::Cycle { branch, .. }) => *branch = true,
            // Made before the block.
            _ => self.spoilt |= !self.given,
        }
    }

    pub fn returns(&mut self, to: Option<u64>) {
        self.act(Act::Returns(to));
    }

    pub fn page(&mut self, va: u64, pa: u64, uses: bool, known: bool) {
        self.spoilt |= !known;
        self.acts.push(Act::Page { va, pa, uses });
    }

    pub fn line(&mut self, line: u64) {
        if self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
    }

    pub fn word(&mut self, pa: u64, word: u32) {
        if self.words.last() != Some(&(pa, word)) {
            self.words.push((pa, word));
        }
    }

    #[inline(always)]
    pub fn check(&mut self, check: Check) {
        if self.on {
            self.checks.push(check);
        }
    }
}
