//! What a block asks of the branch predictor and does to it, worked out once for all: where no entry changes, the
//! many small steps come to a few masks, a shift of the history and some bits of the direction table.

use super::super::btb::{BTB_ENTRIES, Btb, Found, HISTORY_BITS, NO_ENTRY};
use super::super::replace::Plru;
use super::record::Act;

/// Directions that a block may write: enough for every block there is.
const MAX_WRITES: usize = 8;

/// A history, in terms of the one that the block begins with: `before << forgotten >> new | bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct History {
    forgotten: u32,
    new: u32,
    bits: u64,
}

impl History {
    fn advance(&mut self, taken: bool) {
        self.new += 1;
        self.bits = u64::from(taken) << 63 | self.bits >> 1;
    }

    /// As it was `since` directions ago.
    fn back(mut self, since: u32) -> Self {
        if since <= self.new {
            self.new -= since;
            self.bits <<= since;
        } else {
            self.forgotten += since - self.new;
            (self.new, self.bits) = (0, 0);
        }
        self
    }

    fn is_short(&self) -> bool {
        self.forgotten < 64 && self.new < 64
    }

    #[inline(always)]
    fn after(&self, before: u64) -> u64 {
        before << self.forgotten >> self.new | self.bits
    }
}

/// A bit of the direction table that is looked at, or written.
#[derive(Debug, Clone, Copy)]
struct Direction {
    pc: u64,
    history: History,
    taken: bool,
    writes: bool,
}

/// A lookup and what it has to find.
#[derive(Debug, Clone, Copy)]
struct Lookup {
    pc: u64,
    found: Found,
}

/// A use of the return-address stack.
#[derive(Debug, Clone, Copy)]
enum Stack {
    Says(Option<u64>),
    Push(u64),
    Pop,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Effect {
    lookups: Box<[Lookup]>,
    directions: Box<[Direction]>,
    stack: Box<[Stack]>,
    /// What the uses of entries do to the tree: the bits that stay, and those that are set.
    uses: (u32, u32),
    /// The entry whose use the tree learns of in the next cycle.
    used: Option<u8>,
    history: History,
    place: u8,
    /// The entries at which every lookup was last seen to find the same.
    entries: u64,
}

impl Effect {
    /// Of `acts`, if it is as simple as that.
    pub fn of(acts: &[Act]) -> Option<Self> {
        let (mut lookups, mut directions, mut stack) = (Vec::new(), Vec::new(), Vec::new());
        let (mut uses, mut used) = ((u32::MAX, 0), None);
        let mut history = History::default();
        let mut place = 0u8;
        let mut writes = 0;
        for act in acts {
            match *act {
                Act::Cycle { pc, found, made, branch, .. } => {
                    if let Some(way) = used.take() {
                        let (stays, set) = Plru::<BTB_ENTRIES>::use_of(usize::from(way))?;
                        uses = (uses.0 & stays, uses.1 & stays | set);
                    }
                    lookups.push(Lookup { pc, found });
                    if branch || found.branches {
                        directions.push(Direction { pc, history, taken: made.bht_taken, writes: false });
                    }
                    if made.hit && made.taken {
                        used = Some(made.entry).filter(|&entry| entry < NO_ENTRY);
                        used?;
                    }
                }
                Act::Returns(to) => stack.push(Stack::Says(to)),
                Act::Push(address) => stack.push(Stack::Push(address)),
                Act::Pop => stack.push(Stack::Pop),
                Act::Advance(taken) => {
                    history.advance(taken);
                    place = place.wrapping_add(1);
                }
                Act::Branch { pc, since, taken, wrong } => {
                    let then = history.back(since.into());
                    directions.push(Direction { pc, history: then, taken, writes: true });
                    writes += 1;
                    if wrong {
                        history = then;
                        history.advance(taken);
                        place = place.wrapping_sub(since).wrapping_add(1);
                    }
                }
                Act::Forget { since } => {
                    history = history.back(since.into());
                    place = place.wrapping_sub(since);
                }
                Act::Update(_) | Act::Page { .. } => return None,
            }
        }
        let short = history.is_short() && directions.iter().all(|d| d.history.is_short());
        (short && writes <= MAX_WRITES).then(|| Self {
            lookups: lookups.into_boxed_slice(),
            directions: directions.into_boxed_slice(),
            stack: stack.into_boxed_slice(),
            uses,
            used,
            history,
            place,
            entries: u64::MAX,
        })
    }

    /// Has the effect if everything that is asked is answered as it was; whether that is so. If not, nothing
    /// has changed. No change of an entry may be under way.
    #[inline(always)]
    pub fn repeat(&mut self, btb: &mut Btb) -> bool {
        if self.entries != btb.generation {
            if !self.lookups.iter().all(|lookup| btb.find(lookup.pc) == Some(lookup.found)) {
                return false;
            }
            self.entries = btb.generation;
        }
        let before = btb.history();
        let mut written = [(0u16, false); MAX_WRITES];
        let mut writes = 0;
        for direction in &self.directions {
            let history = (direction.history.after(before) >> (64 - HISTORY_BITS)) as u8;
            let index = Btb::direction_index(direction.pc, history);
            if direction.writes {
                written[writes % MAX_WRITES] = (index, direction.taken);
                writes += 1;
                continue;
            }
            let latest = written[..writes].iter().rev().find(|write| write.0 == index);
            if latest.map_or(btb.direction(index), |write| write.1) != direction.taken {
                return false;
            }
        }
        if !self.stack.is_empty() && !self.stacks(btb) {
            return false;
        }
        for &(index, taken) in &written[..writes.min(MAX_WRITES)] {
            btb.set_direction(index, taken);
        }
        btb.uses(self.uses, self.used);
        btb.set_history(self.history.after(before), self.place);
        true
    }

    /// Whether the return-address stack says what it said; if so it is used as it was.
    fn stacks(&self, btb: &mut Btb) -> bool {
        let mut stack = btb.stack();
        for step in &self.stack {
            match *step {
                Stack::Says(to) if stack.head() != to => return false,
                Stack::Says(_) => {}
                Stack::Push(address) => stack.push(address),
                Stack::Pop => stack.pop(),
            }
        }
        btb.set_stack(stack);
        true
    }
}
