//! What a block asks of the branch predictor and does to it, worked out once for all: where no entry changes, the
//! many small steps come to a few masks, a shift of the history and some bits of the direction table.

use smallvec::SmallVec;

use super::super::btb::{BTB_ENTRIES, Btb, BtbUpdate, Found, HISTORY_BITS, NO_ENTRY};
use super::super::replace::Plru;
use super::origin::{Named, Origin};
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

/// What the tree of the entries learns of.
#[derive(Debug, Clone, Copy)]
enum Use {
    /// The entry that this lookup finds.
    Lookup(u16),
    /// The entry of this change.
    Change(u8),
}

/// A lookup and what it has to find.
#[derive(Debug, Clone, Copy)]
struct Lookup {
    pc: u64,
    found: Found,
    /// Of the entry, when it was last looked at.
    version: u64,
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
    /// Without repetitions in a row.
    lookups: Box<[Lookup]>,
    /// The lookups that find an entry, by their number in the edge, and their index here.
    named: SmallVec<[(u8, u16); 4]>,
    confirmed: Box<[Confirmed]>,
    /// In order.
    directions: SmallVec<[Direction; 4]>,
    stack: Box<[Stack]>,
    uses: Box<[Use]>,
    /// What they do to the tree: the bits that stay, and those that are set.
    learns: (u32, u32),
    /// The lookup of whose entry the tree learns in the next cycle.
    used: Option<u16>,
    /// The change that is under way at the end.
    update: Option<BtbUpdate>,
    /// Where the first lookup is.
    first: u64,
    history: History,
    place: u8,
    /// The generation of the entries at which every lookup was last seen to find the same.
    entries: u64,
    /// The one at which a lookup was last seen to find something else.
    refused: u64,
}

/// `update` with the number of its entry.
fn named_update(update: BtbUpdate, named: &Named) -> BtbUpdate {
    BtbUpdate { entry: named.entry(update.origin, update.entry), ..update }
}

impl Effect {
    /// Of `acts`, if it is as simple as that.
    pub fn of(acts: &[Act]) -> Option<Self> {
        let (mut lookups, mut stack) = (Vec::<Lookup>::new(), Vec::new());
        let (mut named, mut directions) = (SmallVec::new(), SmallVec::new());
        let (mut confirmed, mut update) = (Vec::new(), None::<BtbUpdate>);
        let mut short = true;
        let mut learnt = 0;
        let (mut uses, mut used) = (Vec::new(), None);
        let mut history = History::default();
        let mut place = 0u8;
        for act in acts {
            match *act {
                Act::Cycle { pc, found, made, branch, .. } => {
                    let before = used.take();
                    // A change goes before the use of an entry.
                    match update.take() {
                        Some(update) => {
                            uses.push(Use::Change(confirmed.len() as u8));
                            confirmed.push(Confirmed { update, target: pc });
                        }
                        None => uses.extend(before.map(Use::Lookup)),
                    }
                    if lookups.last().is_none_or(|last| last.pc != pc || last.found != found) {
                        lookups.push(Lookup { pc, found, version: u64::MAX });
                    }
                    let index = (lookups.len() - 1) as u16;
                    if let (true, Origin::Lookup(n)) = (made.names(), made.origin) {
                        named.push((n, index));
                    }
                    if made.hit && made.taken {
                        used = Some(index);
                    }
                    if branch || found.branches {
                        short &= history.is_short();
                        let place = Place::new(pc, &history);
                        directions.push(Direction { place, taken: made.bht_taken, learnt: false });
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
            named,
            directions,
            confirmed: confirmed.into_boxed_slice(),
            update,
            first,
            stack: stack.into_boxed_slice(),
            uses: uses.into_boxed_slice(),
            learns: (u32::MAX, 0),
            used,
            history,
            place,
            entries: u64::MAX,
            refused: u64::MAX,
        })
    }

    /// Whether a change that is under way changes nothing that the effect is about.
    #[inline(always)]
    pub fn begins(&self, btb: &Btb) -> bool {
        btb.settled() || btb.confirms_update(self.first)
    }

    /// Whether a lookup is known to find something else.
    #[inline(always)]
    pub fn is_refused(&self, btb: &Btb) -> bool {
        self.refused == btb.generation && btb.settled()
    }

    /// Has the effect if everything that is asked is answered as it was; whether that is so. If not, nothing
    /// has changed. [`Effect::begins`] has to hold.
    #[inline(always)]
    pub fn repeat(&mut self, btb: &mut Btb, named: &mut Named) -> bool {
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
        if self.entries != btb.generation && !self.finds(btb) {
            return false;
        }
        for &(n, index) in &self.named {
            named.found[usize::from(n)] = self.lookups[usize::from(index)].found.entry;
        }
        if !self.confirmed.is_empty() && !self.confirms(btb, named) {
            return false;
        }
        if !self.stack.is_empty() && !self.stacks(btb) {
            return false;
        }
        for &write in &written[..writes.min(MAX_WRITES)] {
            btb.set_direction(write >> 1, write & 1 == 1);
        }
        let used = self.used.and_then(|n| self.lookups.get(usize::from(n))).map(|lookup| lookup.found.entry);
        let update = self.update.map(|update| named_update(update, named));
        btb.uses(self.learns, used, update);
        btb.set_history(self.history.after(before), self.place);
        true
    }

    /// Whether every lookup finds what it found, wherever that is now.
    #[inline(never)]
    fn finds(&mut self, btb: &Btb) -> bool {
        for Lookup { pc, found, version } in &mut self.lookups {
            if !btb.finds(*pc, found, version) {
                self.refused = btb.generation;
                return false;
            }
        }
        self.learns = self.uses_of(|_| 0);
        self.entries = btb.generation;
        true
    }

    /// What the uses of entries do to the tree, if changes are to entries as `changed` says.
    fn uses_of(&self, changed: impl Fn(usize) -> u8) -> (u32, u32) {
        let mut learns = (u32::MAX, 0);
        for step in &self.uses {
            let way = match *step {
                Use::Lookup(n) => self.lookups[usize::from(n)].found.entry,
                Use::Change(n) => changed(usize::from(n)),
            };
            if let Some((stays, set)) = Plru::<BTB_ENTRIES>::use_of(usize::from(way)) {
                learns = (learns.0 & stays, learns.1 & stays | set);
            }
        }
        learns
    }

    /// Whether every change changes nothing but the use of its entry.
    #[inline(never)]
    fn confirms(&mut self, btb: &Btb, named: &Named) -> bool {
        let confirms = |c: &Confirmed| btb.confirms(&named_update(c.update, named), c.target);
        let all = self.confirmed.iter().all(confirms);
        if all {
            let changed = |n: usize| named_update(self.confirmed[n].update, named).entry;
            self.learns = self.uses_of(changed);
        }
        all
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
