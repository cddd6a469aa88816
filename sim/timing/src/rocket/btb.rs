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
    entries: Entries,
    bht: [u8; BHT_ENTRIES],
    registers: Registers,
    /// Grows when a tag appears or disappears.
    pub(super) generation: u64,
    /// Directions that were overwritten, while a replay may still fail.
    overwritten: Vec<(u16, u8)>,
    /// What is asked of the predictor and told to it, while somebody wants to know.
    pub(super) recorder: Recorder,
}

/// What common events change: small enough to be kept for the case that a replay fails.
#[derive(Clone, Copy, Default)]
pub(super) struct Registers {
    plru: Plru<BTB_ENTRIES>,
    /// Way whose use the tree learns of in the next cycle.
    used: Option<u8>,
    update: Option<BtbUpdate>,
    /// Directions of branches, the latest in the highest bit: the hardware's history is the highest 8.
    history: u64,
    /// How many directions went into it, modulo 256.
    place: u8,
    ras: [u64; RAS_ENTRIES],
    ras_count: usize,
    ras_pos: usize,
}

/// The entries of the BTB, and the pages that they share.
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

impl Default for Entries {
    fn default() -> Self {
        Self {
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
        }
    }
}

impl Default for Btb {
    fn default() -> Self {
        Self {
            slots: Box::new([SLOT_FREE; TAGS]),
            entries: Entries::default(),
            bht: [0; BHT_ENTRIES],
            registers: Registers::default(),
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
        (0..PAGES)
            .filter(|&n| self.entries.page_valid >> n & 1 == 1 && self.entries.pages[n] == page)
            .map(|n| 1 << n)
            .sum()
    }

    /// Whether entry `n` of the page table is for the page of `addr`.
    fn page_is(&self, n: usize, addr: u64) -> bool {
        let page = addr >> PAGE_SHIFT & ((1 << (39 - PAGE_SHIFT)) - 1);
        n < PAGES && self.entries.page_valid >> n & 1 == 1 && self.entries.pages[n] == page
    }

    fn matching(&self, addr: u64) -> u32 {
        let tag = low(addr);
        let mut hits = 0;
        for (n, &t) in self.entries.tags.iter().enumerate() {
            hits |= u32::from(t == tag) << n;
        }
        hits & self.entries.valid
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
        self.registers.update.is_none() && self.registers.used.is_none()
    }

    #[inline(always)]
    fn unrecorded_cycle(&mut self, pc: u64) -> (Prediction, u64) {
        if self.slots[usize::from(low(pc))] != SLOT_FREE || self.registers.update.is_some() {
            return self.full_cycle(pc);
        }
        if let Some(way) = self.registers.used.take() {
            self.registers.plru.access(usize::from(way));
        }
        let bht_taken = self.bht[bht_index(pc, (self.registers.history >> 56) as u8)] != 0;
        let made = Prediction { place: self.registers.place, bht_taken, ..Prediction::default() };
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
        let mut answer = Prediction { place: self.registers.place, ..Prediction::default() };
        let mut to = 0;
        answer.bht_taken = self.bht[bht_index(pc, (self.registers.history >> 56) as u8)] != 0;
        if hits != 0 {
            // Several entries answer with the union of their bits.
            let (mut tag_page, mut target_page, mut target) = (0, 0, 0);
            let (mut branches, mut returns) = (false, false);
            let mut rest = hits;
            while rest != 0 {
                let n = rest.trailing_zeros() as usize % ROOM;
                rest &= rest - 1;
                answer.entry |= n as u8;
                answer.bridx |= self.entries.bridx[n];
                tag_page |= self.entries.tag_pages[n];
                target_page |= self.entries.target_pages[n];
                target |= u64::from(self.entries.targets[n]);
                branches |= self.entries.cfi[n] == Cfi::Branch;
                returns |= self.entries.cfi[n] == Cfi::Return;
            }
            answer.hit = tag_page != 0 && self.page_is(usize::from(tag_page - 1), pc);
            answer.taken = !branches || answer.bht_taken;
            // Beyond the table the first entry answers.
            let page = if usize::from(target_page) < PAGES { usize::from(target_page) } else { 0 };
            let base = if self.entries.page_valid >> page & 1 == 1 { self.entries.pages[page] } else { 0 };
            to = (((base << PAGE_SHIFT | target << 1) << 25) as i64 >> 25) as u64;
            if returns && self.registers.ras_count > 0 {
                to = self.registers.ras[self.registers.ras_pos];
            }
        }
        let left = (hits.count_ones() > 1).then_some(self.entries.valid & !hits);
        let used = self.registers.used.take();
        if answer.hit && answer.taken {
            self.registers.used = Some(answer.entry);
        }
        if let Some(update) = self.registers.update.take() {
            self.apply(update, pc);
        } else if let Some(way) = used {
            self.registers.plru.access(usize::from(way));
        }
        if let Some(left) = left {
            self.recorder.spoil();
            // They are forgotten, and so is the entry that was to become valid.
            let changed = self.entries.valid ^ left;
            self.entries.valid = left;
            for n in (0..BTB_ENTRIES).filter(|n| changed >> n & 1 == 1) {
                self.index(self.entries.tags[n]);
            }
            self.index(low(pc));
            self.generation += 1;
        }
        (answer, to)
    }

    fn apply(&mut self, update: BtbUpdate, target: u64) {
        let way = if update.entry < NO_ENTRY { usize::from(update.entry) } else { self.registers.plru.way() };
        self.registers.plru.access(way);
        let page = |addr: u64| addr >> PAGE_SHIFT & ((1 << (39 - PAGE_SHIFT)) - 1);
        let rotate = |set: u8| (set << 1 | set >> (PAGES - 1)) & ((1 << PAGES) - 1);
        let page_hit = self.page_match(target);
        let update_hit = self.page_match(update.pc);
        let replaced = rotate(page_hit) | if page_hit != 0 { 0 } else { 1 << self.entries.next_page };
        let index_set = if update_hit != 0 { update_hit } else { replaced };
        let new_index = update_hit == 0;
        let same = page(update.pc) == page(target);
        let new_target = !same && page_hit == 0;
        let target_replaced = if same { index_set } else { rotate(index_set) };
        let target_set = page_hit | if page_hit != 0 { 0 } else { target_replaced };
        if new_index || new_target {
            let next = self.entries.next_page + if new_index && new_target { 2 } else { 1 };
            self.entries.next_page = if next >= PAGES { next & 1 } else { next };
        }
        let old = self.entries.tags[way];
        self.entries.tags[way] = low(update.pc);
        self.entries.targets[way] = low(target);
        self.entries.tag_pages[way] = index_set.trailing_zeros() as u8 + 1;
        self.entries.target_pages[way] = target_set.trailing_zeros() as u8;
        self.entries.cfi[way] = update.cfi;
        self.entries.bridx[way] = (update.br_pc >> 1 & 1) as u8;
        self.entries.valid =
            if update.valid { self.entries.valid | 1 << way } else { self.entries.valid & !(1 << way) };
        self.index(old);
        self.index(low(update.pc));
        self.generation += 1;
        if new_index {
            self.entries.pages[replaced.trailing_zeros() as usize] = page(update.pc);
            self.entries.page_valid |= replaced;
        }
        if new_target {
            self.entries.pages[target_replaced.trailing_zeros() as usize] = page(target);
            self.entries.page_valid |= target_replaced;
        }
    }

    /// Whether no change is under way.
    #[inline(always)]
    pub fn settled(&self) -> bool {
        self.registers.update.is_none()
    }

    /// A change for the next cycle.
    pub fn update(&mut self, update: BtbUpdate) {
        self.recorder.act(Act::Update(update));
        self.registers.update = Some(update);
    }

    /// Forgets every entry.
    pub fn flush(&mut self) {
        self.entries.valid = 0;
        self.slots.fill(SLOT_FREE);
        self.generation += 1;
        self.recorder.spoil();
    }

    /// How many directions have gone into the history since `made` was looked up: fewer than are in flight.
    fn since(&self, made: &Prediction) -> u32 {
        u32::from(self.registers.place.wrapping_sub(made.place)) & 63
    }

    /// A branch resolved: the table learns its direction if it `learns`, and the history starts anew if it was
    /// wrong.
    pub fn resolve_branch(&mut self, pc: u64, made: &Prediction, taken: bool, wrong: bool, learns: bool) {
        let since = self.since(made);
        self.recorder.act(Act::Branch { pc, since: since as u8, taken, wrong });
        let then = self.registers.history << since;
        let index = bht_index(pc, (then >> 56) as u8);
        if self.recorder.replaying {
            self.overwritten.push((index as u16, self.bht[index]));
        }
        if learns {
            self.bht[index] = u8::from(taken);
        } else {
            self.recorder.spoil();
        }
        if wrong {
            self.registers.history = u64::from(taken) << 63 | then >> 1;
            self.registers.place = made.place.wrapping_add(1);
        }
    }

    /// Something that is no branch went elsewhere than predicted.
    pub fn reset_history(&mut self, made: &Prediction) {
        let since = self.since(made);
        self.recorder.act(Act::Forget { since: since as u8 });
        self.registers.history <<= since;
        self.registers.place = made.place;
    }

    /// A branch was fetched.
    pub fn advance_history(&mut self, made: &Prediction) {
        self.recorder.act(Act::Advance(made.bht_taken));
        self.registers.history = u64::from(made.bht_taken) << 63 | self.registers.history >> 1;
        self.registers.place = self.registers.place.wrapping_add(1);
    }

    /// The return address that the stack predicts.
    pub fn ras_head(&self) -> Option<u64> {
        (self.registers.ras_count > 0).then(|| self.registers.ras[self.registers.ras_pos])
    }

    /// The place in the history, modulo 256.
    pub(super) fn place(&self) -> u8 {
        self.registers.place
    }

    /// What the replay of an edge may change.
    #[inline(always)]
    pub(super) fn registers(&self) -> Registers {
        self.registers
    }

    /// The entries, where a replay may change these.
    pub(super) fn entries(&self) -> Entries {
        self.entries
    }

    /// A replay begins, or has succeeded: what it overwrote need not be remembered.
    #[inline(always)]
    pub(super) fn keep(&mut self) {
        self.overwritten.clear();
    }

    /// Undoes a replay that failed.
    #[cold]
    pub(super) fn undo(&mut self, registers: &Registers, entries: Option<&Entries>) {
        self.registers = *registers;
        while let Some((index, taken)) = self.overwritten.pop() {
            self.bht[usize::from(index)] = taken;
        }
        if let Some(entries) = entries {
            let changed = std::mem::replace(&mut self.entries, *entries).tags;
            for tag in changed.into_iter().chain(entries.tags) {
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
                let made =
                    Prediction { place: self.registers.place.wrapping_sub(since), ..Prediction::default() };
                self.resolve_branch(pc, &made, taken, wrong, true);
            }
            Act::Forget { since } => {
                let made =
                    Prediction { place: self.registers.place.wrapping_sub(since), ..Prediction::default() };
                self.reset_history(&made);
            }
            Act::Page { .. } => {}
        }
        true
    }

    /// A call was fetched.
    pub fn push(&mut self, address: u64) {
        self.recorder.act(Act::Push(address));
        self.registers.ras_count = (self.registers.ras_count + 1).min(RAS_ENTRIES);
        self.registers.ras_pos =
            if self.registers.ras_pos < RAS_ENTRIES - 1 { self.registers.ras_pos + 1 } else { 0 };
        self.registers.ras[self.registers.ras_pos] = address;
    }

    /// A return was fetched.
    pub fn pop(&mut self) {
        self.recorder.act(Act::Pop);
        if self.registers.ras_count > 0 {
            self.registers.ras_count -= 1;
            self.registers.ras_pos =
                if self.registers.ras_pos > 0 { self.registers.ras_pos - 1 } else { RAS_ENTRIES - 1 };
        }
    }
}
