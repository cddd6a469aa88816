//! What a block asks of the branch predictor and does to it, worked out once for all: where no entry changes, the
//! many small steps come to a few masks, a shift of the history and some bits of the direction table.

use super::super::btb::{BTB_ENTRIES, Btb, BtbUpdate, Found, HISTORY_BITS, NO_ENTRY};
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

/// Where in the direction table something is, after the history that the block begins with.
#[derive(Debug, Clone, Copy)]
struct Place {
    address: u16,
    left: u8,
    right: u8,
    /// The bits of the history that come from before the block, and those that the block gave.
    old: u8,
    new: u8,
}

impl Place {
    fn new(pc: u64, history: &History) -> Self {
        let new = history.new.min(HISTORY_BITS);
        Self {
            address: Btb::direction_index(pc, 0),
            left: history.forgotten as u8,
            right: (64 - HISTORY_BITS + history.new).min(63) as u8,
            old: (0xffu32 >> new) as u8,
            new: (history.bits >> (64 - HISTORY_BITS)) as u8,
        }
    }

    #[inline(always)]
    fn index(&self, before: u64) -> u16 {
        let old = before.wrapping_shl(self.left.into()).wrapping_shr(self.right.into()) as u8;
        self.address ^ Btb::direction_index(0, old & self.old | self.new)
    }
}

/// A bit of the direction table that matters, or that is learnt.
#[derive(Debug, Clone, Copy)]
struct Direction {
    place: Place,
    taken: bool,
    learnt: bool,
}

/// A change of an entry that changes nothing but its use, since it is like that already.
#[derive(Debug, Clone, Copy)]
struct Confirmed {
    update: BtbUpdate,
    target: u64,
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
    confirmed: Box<[Confirmed]>,
    /// In order.
    directions: Box<[Direction]>,
    stack: Box<[Stack]>,
    /// What the uses of entries do to the tree: the bits that stay, and those that are set.
    uses: (u32, u32),
    /// The entry whose use the tree learns of in the next cycle.
    used: Option<u8>,
    /// The change that is under way at the end.
    update: Option<BtbUpdate>,
    /// Where the first lookup is.
    first: u64,
    history: History,
    place: u8,
    /// The entries at which every lookup was last seen to find the same.
    entries: u64,
}

impl Effect {
    /// Of `acts`, if it is as simple as that.
    pub fn of(acts: &[Act]) -> Option<Self> {
        let (mut lookups, mut directions, mut stack) = (Vec::new(), Vec::new(), Vec::new());
        let (mut confirmed, mut update) = (Vec::new(), None::<BtbUpdate>);
        let mut short = true;
        let mut learnt = 0;
        let (mut uses, mut used) = ((u32::MAX, 0), None);
        let mut history = History::default();
        let mut place = 0u8;
        for act in acts {
            match *act {
                Act::Cycle { pc, found, made, branch, .. } => {
                    let before = used.take();
                    // A change goes before the use of an entry.
                    let way = match update.take() {
                        Some(update) => {
                            confirmed.push(Confirmed { update, target: pc });
                            Some(update.entry)
                        }
                        None => before,
                    };
                    if let Some(way) = way {
                        let (stays, set) = Plru::<BTB_ENTRIES>::use_of(usize::from(way))?;
                        uses = (uses.0 & stays, uses.1 & stays | set);
                    }
                    lookups.push(Lookup { pc, found });
                    if branch || found.branches {
                        short &= history.is_short();
                        let place = Place::new(pc, &history);
                        directions.push(Direction { place, taken: made.bht_taken, learnt: false });
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
                    short &= then.is_short();
                    directions.push(Direction { place: Place::new(pc, &then), taken, learnt: true });
                    learnt += 1;
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
                // Others take the place of an entry.
                Act::Update(change) if change.entry < NO_ENTRY => update = Some(change),
                Act::Update(_) | Act::Page { .. } | Act::Context(_) => return None,
            }
        }
        let first = lookups.first()?.pc;
        (short && history.is_short() && learnt <= MAX_WRITES).then(|| Self {
            lookups: lookups.into_boxed_slice(),
            directions: directions.into_boxed_slice(),
            confirmed: confirmed.into_boxed_slice(),
            update,
            first,
            stack: stack.into_boxed_slice(),
            uses,
            used,
            history,
            place,
            entries: u64::MAX,
        })
    }

    /// Whether a change that is under way changes nothing that the effect is about.
    #[inline(always)]
    pub fn begins(&self, btb: &Btb) -> bool {
        btb.settled() || btb.confirms_update(self.first)
    }

    /// Has the effect if everything that is asked is answered as it was; whether that is so. If not, nothing
    /// has changed. [`Effect::begins`] has to hold.
    #[inline(always)]
    pub fn repeat(&mut self, btb: &mut Btb) -> bool {
        if self.entries != btb.generation {
            let confirms = |c: &Confirmed| btb.confirms(&c.update, c.target);
            if !self.lookups.iter().all(|lookup| btb.find(lookup.pc) == Some(lookup.found))
                || !self.confirmed.iter().all(confirms)
            {
                return false;
            }
            self.entries = btb.generation;
        }
        let before = btb.history();
        // Their places, with the directions in the lowest bit.
        let mut written = [0u16; MAX_WRITES];
        let mut writes = 0;
        for direction in &self.directions {
            let index = direction.place.index(before);
            if direction.learnt {
                written[writes % MAX_WRITES] = index << 1 | u16::from(direction.taken);
                writes += 1;
                continue;
            }
            let mut taken = btb.direction(index);
            for &write in &written[..writes.min(MAX_WRITES)] {
                if write >> 1 == index {
                    taken = write & 1 == 1;
                }
            }
            if taken != direction.taken {
                return false;
            }
        }
        if !self.stack.is_empty() && !self.stacks(btb) {
            return false;
        }
        for &write in &written[..writes.min(MAX_WRITES)] {
            btb.set_direction(write >> 1, write & 1 == 1);
        }
        btb.uses(self.uses, self.used, self.update);
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
