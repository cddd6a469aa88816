//! What goes on while a block is timed: what is asked of the branch predictor, the caches and the TLBs, with the
//! answers, and what they are told. All of it in the order in which it is asked, and everything before it has an
//! influence: what is asked next then follows from the node, the block and the answers up to there.

use super::super::btb::{BtbUpdate, Found, Odd, Prediction};
use super::super::memory::Conflict;
use super::super::tlb::Context;
use super::origin::{LOOKUPS, Origin};
use crate::parts::tags::NO_LINE;

/// Which entries answer a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Answer {
    /// None.
    Nothing,
    /// One, of this content ([`super::super::btb::Btb`] numbers them).
    Entry(u32),
    /// Several, or one for another page; it may not matter where they go.
    Odd { odd: Odd, followed: bool },
}

/// Something asked or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Act {
    /// A lookup of the BTB.
    Lookup {
        /// Where.
        pc: u64,
        /// What answers.
        answer: Answer,
        /// Its number.
        number: u8,
        /// A change of an entry takes effect with it.
        settles: bool,
        /// Its direction, if that has been asked for.
        direction: Option<bool>,
        /// That is asked for first.
        first: bool,
        /// What an entry may say as well as nothing, by its number: nothing is predicted.
        quiet: Option<u32>,
    },
    /// The entry that lookup `number` found is used.
    Use { number: u8 },
    /// The direction for a lookup, by its place among the acts.
    Direction { lookup: usize, taken: bool },
    /// What the return-address stack says.
    Returns(Option<u64>),
    /// Where the entry for `pc` goes that returns, since the stack says nothing.
    Target { pc: u64, to: u64 },
    /// A call.
    Push(u64),
    /// A return.
    Pop,
    /// A direction for the history.
    Advance(bool),
    /// A change of an entry.
    Update(BtbUpdate),
    /// The BTB forgets everything.
    Flush,
    /// A branch resolved, looked up `since` directions ago.
    Branch { pc: u64, since: u8, taken: bool, wrong: bool },
    /// `since` directions are taken back.
    Forget { since: u8 },
    /// Another page is fetched from.
    Page { va: u64, pa: u64, uses: bool },
    /// Privilege and translation of fetches change.
    Context(Context),
    /// Whether a line is in the instruction cache.
    Line { line: u64, there: bool },
    /// A word that is fetched, but not known to be code.
    Word { pa: u64, word: u32 },
    /// What a load of 2^`size` bytes finds in the store buffer.
    Conflict { fact: u8, size: u8, conflict: Conflict },
    /// Whether the line of an access is there before the block, and would not change.
    Settled { fact: u8, write: bool, settled: bool },
    /// What becomes of the line of an access of 2^`size` bytes.
    Access { fact: u8, size: u8, write: bool, outcome: Outcome },
    /// A multiplication or division, instruction number `op`, takes so long.
    Operands { fact: u8, op: u8, cycles: u64 },
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

/// The lookup that goes with what is in fetch's second stage was made before the block.
pub(in super::super) const BEFORE: usize = usize::MAX;

/// Listens while a block is timed.
#[derive(Debug, Default, Clone)]
pub(in super::super) struct Recorder {
    /// Somebody wants to know.
    pub on: bool,
    /// The fact that is at hand, by its number in the block.
    pub fact: u8,
    pub(super) spoilt: bool,
    pub(super) acts: Vec<Act>,
    latest: usize,
    named: u8,
    /// The direction of the lookup that was made just before the block is known to be the same.
    given: bool,
    /// The line of what is in fetch's second stage: the node says that it was found.
    line: u64,
    /// The line that was asked for last, if it was there.
    asked: u64,
}

impl Recorder {
    /// A block begins. `given`: the direction that the latest lookup gave is part of the node. `line`: a line that
    /// is in the instruction cache whenever the node is come to.
    pub(super) fn begin(&mut self, given: bool, line: u64) {
        self.on = true;
        (self.given, self.line, self.asked) = (given, line, NO_LINE);
        self.spoilt = false;
        self.latest = BEFORE;
        self.named = 0;
        self.fact = 0;
        self.acts.clear();
    }

    /// Whether there was something that cannot be repeated.
    pub fn is_spoilt(&self) -> bool {
        self.spoilt
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

    /// `made` is what the lookup of `pc` gives, as the entries `answer`, which say `found`; if one returns, the stack says where.
    pub fn lookup(
        &mut self,
        pc: u64,
        answer: Answer,
        found: Found,
        settles: bool,
        returns: Option<Option<u64>>,
        made: &mut Prediction,
    ) {
        let number = self.named;
        if usize::from(number) < LOOKUPS {
            self.named += 1;
            if made.names() || answer == Answer::Nothing {
                made.origin = Origin::Lookup(number);
            }
        } else {
            self.spoilt |= answer != Answer::Nothing;
        }
        self.latest = self.acts.len();
        self.acts.push(Act::Lookup {
            pc,
            answer,
            number,
            settles,
            direction: None,
            first: false,
            quiet: None,
        });
        if let Some(to) = returns {
            self.acts.push(Act::Returns(to));
            if to.is_none() && matches!(answer, Answer::Entry(_)) {
                // Its own target counts, which is no part of its content.
                self.acts.push(Act::Target { pc, to: found.to });
            }
        }
        // Several say something together with the direction.
        if found.branches && !matches!(answer, Answer::Odd { .. }) {
            self.directs(self.latest, made.bht_taken);
        }
        if made.hit && made.taken {
            self.acts.push(Act::Use { number });
        }
    }

    /// The latest lookup.
    #[inline(always)]
    pub fn last(&self) -> usize {
        self.latest
    }

    /// The direction that `lookup` gave matters, which is `taken`.
    pub fn directs(&mut self, lookup: usize, taken: bool) {
        if !self.on {
            return;
        }
        match self.acts.get_mut(lookup) {
            Some(Act::Lookup { direction, .. }) => {
                if direction.replace(taken).is_none() {
                    self.acts.push(Act::Direction { lookup, taken });
                }
            }
            _ => self.spoilt |= !self.given,
        }
    }

    /// The direction that `lookup` gave is `taken`, and matters. It is to be asked for before the entry.
    pub fn directs_first(&mut self, lookup: usize, taken: bool) {
        self.directs(lookup, taken);
        if let Some(Act::Lookup { first, .. }) = self.acts.get_mut(lookup) {
            *first = true;
        }
    }

    /// `lookup`, if it was made since the block began, predicts nothing, whether it finds an entry that says `number` or none.
    pub fn quiet(&mut self, lookup: usize, number: u32) {
        if let Some(Act::Lookup { answer, quiet, number: n, .. }) = self.acts.get_mut(lookup)
            && !matches!(answer, Answer::Odd { .. })
            && usize::from(*n) < LOOKUPS
        {
            *quiet = Some(number);
        }
    }

    /// [`origin`] among what was recorded.
    pub fn origin(&self, from: Origin) -> Origin {
        origin(&self.acts, from)
    }

    pub fn page(&mut self, va: u64, pa: u64, uses: bool, known: bool) {
        self.spoilt |= !known;
        self.acts.push(Act::Page { va, pa, uses });
    }

    /// Whether a line is in the instruction cache.
    pub fn line(&mut self, line: u64, there: bool) {
        let known = there && (line == self.line || line == self.asked);
        if !known {
            self.once(Act::Line { line, there });
            self.asked = if there { line } else { NO_LINE };
        }
    }

    /// Asks what is not changed by anything that can be repeated: once is enough.
    pub fn once(&mut self, act: Act) {
        if !self.acts.iter().rev().any(|a| *a == act) {
            self.acts.push(act);
        }
    }
}

/// Where an entry comes from that is said to come `from` one of `acts`: a lookup that has found nothing gives none, unless it
/// might have found one.
pub(super) fn origin(acts: &[Act], from: Origin) -> Origin {
    let Origin::Lookup(n) = from else { return from };
    let finds_nothing = |act: &Act| matches!(act, Act::Lookup { answer: Answer::Nothing, number, quiet: None, .. } if *number == n);
    if acts.iter().any(finds_nothing) { Origin::Itself } else { from }
}
