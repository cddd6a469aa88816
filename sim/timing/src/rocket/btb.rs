//! Branch prediction: BTB, BHT and return-address stack (BTB.scala).

use super::memo::{Act, Recorder};
use super::replace::Plru;

/// Entries of the BTB.
pub const BTB_ENTRIES: usize = 28;
/// Places for entries: a power of two.
const ROOM: usize = 32;
pub(super) const PAGES: usize = 6;
const PAGE_SHIFT: u32 = 14;
pub(super) const RAS_ENTRIES: usize = 6;
pub(super) const BHT_ENTRIES: usize = 512;
pub(super) const HISTORY_BITS: u32 = 8;
/// `floor(sqrt(3) / 2 * 2^8)`: the multiplier that hashes 8 bits of history to 3.
const HISTORY_HASH: u32 = 221;
/// "No entry" in a prediction.
pub const NO_ENTRY: u8 = BTB_ENTRIES as u8;

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cfi {
    /// Conditional branch.
    #[default]
    Branch,
    /// Jump without link.
    Jump,
    /// Jump with link.
    Call,
    /// Return.
    Return,
}

/// What the predictor says about a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prediction {
    /// The BTB has an entry.
    pub hit: bool,
    /// It predicts a taken control transfer.
    pub taken: bool,
    /// Which halfword of the fetch group the transfer ends in.
    pub bridx: u8,
    /// The entry, or [`NO_ENTRY`]. A lookup that finds nothing says 0, as the encoder of no bits does: a
    /// misprediction then overwrites entry 0, whatever it was for.
    pub entry: u8,
    /// The BHT's bit.
    pub bht_taken: bool,
    /// The place in the global history that it was looked up at, modulo 256.
    pub place: u8,
}

/// A change to the BTB: takes effect one cycle later, with the fetch address of that cycle as the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BtbUpdate {
    /// The entry to change, or [`NO_ENTRY`] for the one to replace.
    pub entry: u8,
    /// Whether the entry becomes valid.
    pub valid: bool,
    /// Address of the fetch group.
    pub pc: u64,
    /// Address of the halfword that the instruction ends in.
    pub br_pc: u64,
    /// Kind.
    pub cfi: Cfi,
}

/// Low parts of fetch addresses, as tags hold them.
const TAGS: usize = 1 << 13;
/// No entry has this tag.
const SLOT_FREE: u8 = 0;
/// Several entries have this tag.
const SLOT_SHARED: u8 = u8::MAX;

/// BTB, BHT and RAS.
pub struct Btb {
    /// Which valid entry has a tag, counted from 1: what the hardware finds by comparing all tags at once.
    slots: Box<[u8; TAGS]>,
    tags: [u16; ROOM],
    tag_pages: [u8; ROOM],
    targets: [u16; ROOM],
    target_pages: [u8; ROOM],
    cfi: [Cfi; ROOM],
    bridx: [u8; ROOM],
    valid: u32,
    pages: [u64; PAGES],
    page_valid: u8,
    next_page: usize,
    plru: Plru<BTB_ENTRIES>,
    /// Way whose use the tree learns of in the next cycle.
    used: Option<u8>,
    update: Option<BtbUpdate>,
    bht: [u8; BHT_ENTRIES],
    /// Directions of branches, the latest in the highest bit: the hardware's history is the highest 8.
    history: u64,
    /// How many directions went into it, modulo 256.
    place: u8,
    ras: [u64; RAS_ENTRIES],
    ras_count: usize,
    ras_pos: usize,
    /// Grows when a tag appears or disappears.
    pub(super) generation: u64,
    /// Directions that were overwritten, while a replay may still fail.
    overwritten: Vec<(u16, u8)>,
    /// What is asked of the predictor and told to it, while somebody wants to know.
    pub(super) recorder: Recorder,
}

/// What replays of common events change, to undo it.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    plru: Plru<BTB_ENTRIES>,
    used: Option<u8>,
    update: Option<BtbUpdate>,
    history: u64,
    place: u8,
    ras: [u64; RAS_ENTRIES],
    ras_count: usize,
    ras_pos: usize,
}

/// The entries, to undo a change of them.
#[derive(Clone, Copy)]
pub(super) struct Entries {
    tags: [u16; ROOM],
    tag_pages: [u8; ROOM],
    targets: [u16; ROOM],
    target_pages: [u8; ROOM],
    cfi: [Cfi; ROOM],
    bridx: [u8; ROOM],
    valid: u32,
    pages: [u64; PAGES],
    page_valid: u8,
    next_page: usize,
}

impl Default for Btb {
    fn default() -> Self {
        Self {
            slots: Box::new([SLOT_FREE; TAGS]),
            tags: [0; ROOM],
            tag_pages: [0; ROOM],
            targets: [0; ROOM],
            target_pages: [0; ROOM],
            cfi: [Cfi::Branch; ROOM],
            bridx: [0; ROOM],
            valid: 0,
            pages: [0; PAGES],
            page_valid: 0,
            next_page: 0,
            plru: Plru::default(),
            used: None,
            update: None,
            bht: [0; BHT_ENTRIES],
            history: 0,
            place: 0,
            ras: [0; RAS_ENTRIES],
            ras_count: 0,
            ras_pos: 0,
            generation: 0,
            overwritten: Vec::new(),
            recorder: Recorder::default(),
        }
    }
}

fn low(addr: u64) -> u16 {
    (addr >> 1) as u16 & 0x1fff
}

fn bht_index(addr: u64, history: u8) -> usize {
    let hi = addr >> 2;
    let address = (hi & 0x1ff) ^ (hi >> 9 & 3);
    let hashed = (HISTORY_HASH * u32::from(history)) >> (HISTORY_BITS - 3) & 7;
    (address ^ u64::from(hashed) << 6) as usize
}

impl Btb {
    fn page_match(&self, addr: u64) -> u8 {
        let page = addr >> PAGE_SHIFT & ((1 << (39 - PAGE_SHIFT)) - 1);
        (0..PAGES).filter(|&n| self.page_valid >> n & 1 == 1 && self.pages[n] == page).map(|n| 1 << n).sum()
    }

    /// Whether entry `n` of the page table is for the page of `addr`.
    fn page_is(&self, n: usize, addr: u64) -> bool {
        let page = addr >> PAGE_SHIFT & ((1 << (39 - PAGE_SHIFT)) - 1);
        n < PAGES && self.page_valid >> n & 1 == 1 && self.pages[n] == page
    }

    fn matching(&self, addr: u64) -> u32 {
        let tag = low(addr);
        let mut hits = 0;
        for (n, &t) in self.tags.iter().enumerate() {
            hits |= u32::from(t == tag) << n;
        }
        hits & self.valid
    }

    /// Brings the slot of `tag` up to date with the entries.
    fn index(&mut self, tag: u16) {
        let hits = self.matching(u64::from(tag) << 1);
        self.slots[usize::from(tag)] = match hits.count_ones() {
            0 => SLOT_FREE,
            1 => hits.trailing_zeros() as u8 + 1,
            _ => SLOT_SHARED,
        };
    }

    /// Looks `pc` up, and lets changes of the last cycle take effect afterwards: gives what is predicted, and
    /// where to.
    #[inline(always)]
    pub fn cycle(&mut self, pc: u64) -> (Prediction, u64) {
        if self.recorder.on {
            return self.recorded_cycle(pc);
        }
        self.unrecorded_cycle(pc)
    }

    #[cold]
    fn recorded_cycle(&mut self, pc: u64) -> (Prediction, u64) {
        let quiet = self.slots[usize::from(low(pc))] == SLOT_FREE && self.is_still();
        let (made, to) = self.unrecorded_cycle(pc);
        self.recorder.cycle(Act::Cycle { pc, made, to, quiet, branch: false });
        (made, to)
    }

    /// The tag of `pc`.
    pub(super) fn tag(pc: u64) -> u16 {
        low(pc)
    }

    /// Whether no entry has one of `tags`.
    #[inline(always)]
    pub(super) fn are_free(&self, tags: &[u16]) -> bool {
        // All of them: nearly always they are, and there are few.
        tags.iter().fold(SLOT_FREE, |slots, &tag| slots | self.slots[usize::from(tag) % TAGS]) == SLOT_FREE
    }

    /// Whether a lookup that finds nothing changes nothing.
    #[inline(always)]
    pub(super) fn is_still(&self) -> bool {
        self.update.is_none() && self.used.is_none()
    }

    #[inline(always)]
    fn unrecorded_cycle(&mut self, pc: u64) -> (Prediction, u64) {
        if self.slots[usize::from(low(pc))] != SLOT_FREE || self.update.is_some() {
            return self.full_cycle(pc);
        }
        if let Some(way) = self.used.take() {
            self.plru.access(usize::from(way));
        }
        let bht_taken = self.bht[bht_index(pc, (self.history >> 56) as u8)] != 0;
        let made = Prediction { place: self.place, bht_taken, ..Prediction::default() };
        (made, 0)
    }

    #[inline(never)]
    fn full_cycle(&mut self, pc: u64) -> (Prediction, u64) {
        let slot = self.slots[usize::from(low(pc))];
        let hits = match slot {
            SLOT_FREE => 0,
            SLOT_SHARED => self.matching(pc),
            n => 1 << (n - 1),
        };
        let mut answer = Prediction { place: self.place, ..Prediction::default() };
        let mut to = 0;
        answer.bht_taken = self.bht[bht_index(pc, (self.history >> 56) as u8)] != 0;
        if hits != 0 {
            // Several entries answer with the union of their bits.
            let (mut tag_page, mut target_page, mut target) = (0, 0, 0);
            let (mut branches, mut returns) = (false, false);
            let mut rest = hits;
            while rest != 0 {
                let n = rest.trailing_zeros() as usize % ROOM;
                rest &= rest - 1;
                answer.entry |= n as u8;
                answer.bridx |= self.bridx[n];
                tag_page |= self.tag_pages[n];
                target_page |= self.target_pages[n];
                target |= u64::from(self.targets[n]);
                branches |= self.cfi[n] == Cfi::Branch;
                returns |= self.cfi[n] == Cfi::Return;
            }
            answer.hit = tag_page != 0 && self.page_is(usize::from(tag_page - 1), pc);
            answer.taken = !branches || answer.bht_taken;
            // Beyond the table the first entry answers.
            let page = if usize::from(target_page) < PAGES { usize::from(target_page) } else { 0 };
            let base = if self.page_valid >> page & 1 == 1 { self.pages[page] } else { 0 };
            to = (((base << PAGE_SHIFT | target << 1) << 25) as i64 >> 25) as u64;
            if returns && self.ras_count > 0 {
                to = self.ras[self.ras_pos];
            }
        }
        let left = (hits.count_ones() > 1).then_some(self.valid & !hits);
        let used = self.used.take();
        if answer.hit && answer.taken {
            self.used = Some(answer.entry);
        }
        if let Some(update) = self.update.take() {
            self.apply(update, pc);
        } else if let Some(way) = used {
            self.plru.access(usize::from(way));
        }
        if let Some(left) = left {
            self.recorder.spoil();
            // They are forgotten, and so is the entry that was to become valid.
            let changed = self.valid ^ left;
            self.valid = left;
            for n in (0..BTB_ENTRIES).filter(|n| changed >> n & 1 == 1) {
                self.index(self.tags[n]);
            }
            self.index(low(pc));
            self.generation += 1;
        }
        (answer, to)
    }

    fn apply(&mut self, update: BtbUpdate, target: u64) {
        let way = if update.entry < NO_ENTRY { usize::from(update.entry) } else { self.plru.way() };
        self.plru.access(way);
        let page = |addr: u64| addr >> PAGE_SHIFT & ((1 << (39 - PAGE_SHIFT)) - 1);
        let rotate = |set: u8| (set << 1 | set >> (PAGES - 1)) & ((1 << PAGES) - 1);
        let page_hit = self.page_match(target);
        let update_hit = self.page_match(update.pc);
        let replaced = rotate(page_hit) | if page_hit != 0 { 0 } else { 1 << self.next_page };
        let index_set = if update_hit != 0 { update_hit } else { replaced };
        let new_index = update_hit == 0;
        let same = page(update.pc) == page(target);
        let new_target = !same && page_hit == 0;
        let target_replaced = if same { index_set } else { rotate(index_set) };
        let target_set = page_hit | if page_hit != 0 { 0 } else { target_replaced };
        if new_index || new_target {
            let next = self.next_page + if new_index && new_target { 2 } else { 1 };
            self.next_page = if next >= PAGES { next & 1 } else { next };
        }
        let old = self.tags[way];
        self.tags[way] = low(update.pc);
        self.targets[way] = low(target);
        self.tag_pages[way] = index_set.trailing_zeros() as u8 + 1;
        self.target_pages[way] = target_set.trailing_zeros() as u8;
        self.cfi[way] = update.cfi;
        self.bridx[way] = (update.br_pc >> 1 & 1) as u8;
        self.valid = if update.valid { self.valid | 1 << way } else { self.valid & !(1 << way) };
        self.index(old);
        self.index(low(update.pc));
        self.generation += 1;
        if new_index {
            self.pages[replaced.trailing_zeros() as usize] = page(update.pc);
            self.page_valid |= replaced;
        }
        if new_target {
            self.pages[target_replaced.trailing_zeros() as usize] = page(target);
            self.page_valid |= target_replaced;
        }
    }

    /// Whether no change is under way.
    #[inline(always)]
    pub fn settled(&self) -> bool {
        self.update.is_none()
    }

    /// A change for the next cycle.
    pub fn update(&mut self, update: BtbUpdate) {
        self.recorder.act(Act::Update(update));
        self.update = Some(update);
    }

    /// Forgets every entry.
    pub fn flush(&mut self) {
        self.valid = 0;
        self.slots.fill(SLOT_FREE);
        self.generation += 1;
        self.recorder.spoil();
    }

    /// How many directions have gone into the history since `made` was looked up: fewer than are in flight.
    fn since(&self, made: &Prediction) -> u32 {
        u32::from(self.place.wrapping_sub(made.place)) & 63
    }

    /// A branch resolved: the table learns its direction, and the history starts anew if it was wrong.
    pub fn resolve_branch(&mut self, pc: u64, made: &Prediction, taken: bool, wrong: bool) {
        let since = self.since(made);
        self.recorder.act(Act::Branch { pc, since: since as u8, taken, wrong });
        let then = self.history << since;
        let index = bht_index(pc, (then >> 56) as u8);
        if self.recorder.replaying {
            self.overwritten.push((index as u16, self.bht[index]));
        }
        self.bht[index] = u8::from(taken);
        if wrong {
            self.history = u64::from(taken) << 63 | then >> 1;
            self.place = made.place.wrapping_add(1);
        }
    }

    /// Something that is no branch went elsewhere than predicted.
    pub fn reset_history(&mut self, made: &Prediction) {
        let since = self.since(made);
        self.recorder.act(Act::Forget { since: since as u8 });
        self.history <<= since;
        self.place = made.place;
    }

    /// A branch was fetched.
    pub fn advance_history(&mut self, made: &Prediction) {
        self.recorder.act(Act::Advance(made.bht_taken));
        self.history = u64::from(made.bht_taken) << 63 | self.history >> 1;
        self.place = self.place.wrapping_add(1);
    }

    /// The return address that the stack predicts.
    pub fn ras_head(&self) -> Option<u64> {
        (self.ras_count > 0).then(|| self.ras[self.ras_pos])
    }

    /// The place in the history, modulo 256.
    pub(super) fn place(&self) -> u8 {
        self.place
    }

    /// What the replay of an edge may change.
    #[inline(always)]
    pub(super) fn registers(&self) -> Registers {
        let Self { plru, used, update, history, place, ras, ras_count, ras_pos, .. } = *self;
        Registers { plru, used, update, history, place, ras, ras_count, ras_pos }
    }

    /// The entries, where a replay may change these.
    pub(super) fn entries(&self) -> Entries {
        let Self {
            tags,
            tag_pages,
            targets,
            target_pages,
            cfi,
            bridx,
            valid,
            pages,
            page_valid,
            next_page,
            ..
        } = *self;
        Entries { tags, tag_pages, targets, target_pages, cfi, bridx, valid, pages, page_valid, next_page }
    }

    /// A replay begins, or has succeeded: what it overwrote need not be remembered.
    #[inline(always)]
    pub(super) fn keep(&mut self) {
        self.overwritten.clear();
    }

    /// Undoes a replay that failed.
    #[cold]
    pub(super) fn undo(&mut self, registers: &Registers, entries: Option<&Entries>) {
        let Registers { plru, used, update, history, place, ras, ras_count, ras_pos } = *registers;
        (self.plru, self.used, self.update, self.history, self.place) = (plru, used, update, history, place);
        (self.ras, self.ras_count, self.ras_pos) = (ras, ras_count, ras_pos);
        while let Some((index, taken)) = self.overwritten.pop() {
            self.bht[usize::from(index)] = taken;
        }
        if let Some(entries) = entries {
            let changed = self.tags;
            let Entries { tags, tag_pages, targets, target_pages, cfi, bridx, valid, .. } = *entries;
            (self.tags, self.tag_pages, self.targets, self.target_pages) =
                (tags, tag_pages, targets, target_pages);
            (self.cfi, self.bridx, self.valid) = (cfi, bridx, valid);
            (self.pages, self.page_valid, self.next_page) =
                (entries.pages, entries.page_valid, entries.next_page);
            for tag in changed.into_iter().chain(tags) {
                self.index(tag);
            }
            self.generation += 1;
        }
    }

    /// Does again what was recorded; whether the answer is what it was then.
    #[inline(always)]
    pub(super) fn replay(&mut self, act: &Act) -> bool {
        match *act {
            Act::Cycle { pc, made: then, to, branch, .. } => {
                // That would change entries, which only some replays can undo.
                if self.slots[usize::from(low(pc)) % TAGS] == SLOT_SHARED {
                    return false;
                }
                let (made, now_to) = self.unrecorded_cycle(pc);
                return made.hit == then.hit
                    && made.taken == then.taken
                    && made.entry == then.entry
                    && made.bridx == then.bridx
                    && now_to == to
                    && (!branch || made.bht_taken == then.bht_taken);
            }
            Act::Returns(to) => return self.ras_head() == to,
            Act::Push(address) => self.push(address),
            Act::Pop => self.pop(),
            Act::Advance(taken) => {
                self.advance_history(&Prediction { bht_taken: taken, ..Prediction::default() });
            }
            Act::Update(update) => self.update(update),
            Act::Branch { pc, since, taken, wrong } => {
                let made = Prediction { place: self.place.wrapping_sub(since), ..Prediction::default() };
                self.resolve_branch(pc, &made, taken, wrong);
            }
            Act::Forget { since } => {
                let made = Prediction { place: self.place.wrapping_sub(since), ..Prediction::default() };
                self.reset_history(&made);
            }
            Act::Page { .. } => {}
        }
        true
    }

    /// A call was fetched.
    pub fn push(&mut self, address: u64) {
        self.recorder.act(Act::Push(address));
        self.ras_count = (self.ras_count + 1).min(RAS_ENTRIES);
        self.ras_pos = if self.ras_pos < RAS_ENTRIES - 1 { self.ras_pos + 1 } else { 0 };
        self.ras[self.ras_pos] = address;
    }

    /// A return was fetched.
    pub fn pop(&mut self) {
        self.recorder.act(Act::Pop);
        if self.ras_count > 0 {
            self.ras_count -= 1;
            self.ras_pos = if self.ras_pos > 0 { self.ras_pos - 1 } else { RAS_ENTRIES - 1 };
        }
    }
}
