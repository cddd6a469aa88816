//! Branch prediction: BTB, BHT and return-address stack (BTB.scala).

mod entries;
mod prediction;
mod repeat;

use rustc_hash::FxHashMap;

use relsim_core::saved::{Impossible, require};
use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::memo::{Act, Answer, Origin, Recorder};
use super::replace::Plru;
pub(super) use entries::{ANY_QUIET, Found, Odd};
use entries::{Content, Entries, NO_PAGE, NUMBERED, Numbered, Quiet};
pub(super) use prediction::{Packed, Prediction};
use repeat::Repeats;
pub(super) use repeat::Uses;

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

/// Whether a prediction can name `entry`: several that answer at once name one by the union of their bits, which may be
/// beyond the last.
fn may_be_named(entry: u8) -> bool {
    usize::from(entry) < ROOM
}

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
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

/// A change to the BTB: takes effect one cycle later, with the fetch address of that cycle as the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BtbUpdate {
    /// The entry to change, or [`NO_ENTRY`] for the one to replace.
    pub entry: u8,
    /// Which lookup found it, if one did.
    #[serde(skip)]
    pub(super) origin: Origin,
    /// Whether the entry becomes valid.
    pub valid: bool,
    /// Address of the fetch group.
    pub pc: u64,
    /// Address of the halfword that the instruction ends in.
    pub br_pc: u64,
    /// Kind.
    pub cfi: Cfi,
}

#[cfg(test)]
impl BtbUpdate {
    /// A new entry for a jump at `pc`.
    pub(super) const fn jump(pc: u64) -> Self {
        let origin = Origin::Itself;
        Self { entry: NO_ENTRY, origin, valid: true, pc, br_pc: pc, cfi: Cfi::Jump }
    }
}

/// Low parts of fetch addresses, as tags hold them.
const TAGS: usize = 1 << 13;
/// No entry has this tag.
const SLOT_FREE: u8 = 0;
/// Several entries have this tag.
const SLOT_SHARED: u8 = u8::MAX;

/// No number of turns.
pub(super) const NO_TURN: u32 = 0;

/// BTB, BHT and RAS.
#[derive(Clone, Serialize, Deserialize)]
pub struct Btb {
    /// Which valid entry has a tag, counted from 1: what the hardware finds by comparing all tags at once.
    #[serde(skip, default = "no_slots")]
    slots: Box<[u8; TAGS]>,
    entries: Entries,
    #[serde(with = "BigArray")]
    bht: [u8; BHT_ENTRIES],
    registers: Registers,
    recent: Recent,
    /// The entries' contents are numbered once somebody remembers blocks: these have a number.
    #[serde(skip)]
    contents: Option<FxHashMap<Content, u32>>,
    /// The same for what they say when they predict nothing.
    #[serde(skip)]
    quiets: FxHashMap<Quiet, u32>,
    /// Contents that were numbered lately, at hand.
    #[serde(skip, default = "none_numbered")]
    numbered: Box<[Option<Numbered>; NUMBERED]>,
    /// Entries as they were when a repetition began: those that may have changed since.
    #[serde(skip)]
    before: Box<Entries>,
    /// Which these are, a bit each.
    #[serde(skip)]
    changed: u32,
    /// The same of the stack.
    #[serde(skip)]
    stack_before: Option<ReturnStack>,
    #[serde(skip)]
    repeats: Repeats,
    /// How often an entry has come to have a tag that none ever had.
    #[serde(skip, default = "first_generation")]
    generation: u64,
    /// How often an entry has changed.
    #[serde(skip, default = "first_generation")]
    changes: u64,
    /// How often a direction has become the other one: while it is the same, all are.
    #[serde(skip, default = "first_turn")]
    turns: u32,
    /// The tags that an entry ever had, a bit each.
    #[serde(skip, default = "no_tags")]
    ever: Box<[u64; TAGS / 64]>,
    /// These in the order in which they came.
    #[serde(skip)]
    had: Vec<u16>,
    /// The contents of the entries.
    #[serde(skip, default = "no_contents")]
    said: Box<[Content; ROOM]>,
    /// What is asked of the predictor and told to it, while somebody wants to know.
    #[serde(skip)]
    pub(super) recorder: Recorder,
}

fn none_numbered() -> Box<[Option<Numbered>; NUMBERED]> {
    Box::new([None; NUMBERED])
}

fn no_contents() -> Box<[Content; ROOM]> {
    Box::new([Content { page: NO_PAGE, found: Found::default() }; ROOM])
}

/// What every lookup may change.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Recent {
    plru: Plru<BTB_ENTRIES>,
    /// Way whose use the tree learns of in the next cycle.
    used: Option<u8>,
    /// It takes effect with the next lookup.
    update: Option<BtbUpdate>,
}

/// What is no table.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Registers {
    /// Directions of branches, the latest in the highest bit: the hardware's history is the highest 8.
    history: u64,
    /// How many directions went into it, modulo 256.
    place: u8,
    stack: ReturnStack,
}

/// The return-address stack.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct ReturnStack {
    addresses: [u64; RAS_ENTRIES],
    count: usize,
    at: usize,
}

impl ReturnStack {
    /// The address that it predicts.
    #[inline(always)]
    pub(super) fn head(&self) -> Option<u64> {
        (self.count > 0).then(|| self.addresses[self.at % RAS_ENTRIES])
    }

    #[inline(always)]
    pub(super) fn push(&mut self, address: u64) {
        self.count = (self.count + 1).min(RAS_ENTRIES);
        self.at = if self.at < RAS_ENTRIES - 1 { self.at + 1 } else { 0 };
        self.addresses[self.at] = address;
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) {
        if self.count > 0 {
            self.count -= 1;
            self.at = if self.at > 0 { self.at - 1 } else { RAS_ENTRIES - 1 };
        }
    }
}

impl Default for Btb {
    fn default() -> Self {
        Self {
            slots: no_slots(),
            entries: Entries::default(),
            bht: [0; BHT_ENTRIES],
            registers: Registers::default(),
            recent: Recent::default(),
            stack_before: None,
            contents: None,
            quiets: FxHashMap::default(),
            numbered: none_numbered(),
            before: Box::default(),
            changed: 0,
            repeats: Repeats::No,
            generation: first_generation(),
            changes: first_generation(),
            turns: first_turn(),
            ever: no_tags(),
            had: Vec::new(),
            said: no_contents(),
            recorder: Recorder::default(),
        }
    }
}

fn no_slots() -> Box<[u8; TAGS]> {
    Box::new([SLOT_FREE; TAGS])
}

fn no_tags() -> Box<[u64; TAGS / 64]> {
    Box::new([0; TAGS / 64])
}

fn first_generation() -> u64 {
    1
}

fn first_turn() -> u32 {
    NO_TURN + 1
}

fn low(addr: u64) -> u16 {
    (addr >> 1) as u16 & 0x1fff
}

/// By history: what of an index is its part.
const HISTORY_INDEX: [u16; 1 << HISTORY_BITS] = {
    let mut table = [0; 1 << HISTORY_BITS];
    let mut history = 0;
    while history < table.len() {
        let hashed = (HISTORY_HASH * history as u32) >> (HISTORY_BITS - 3) & 7;
        table[history] = (hashed << 6) as u16;
        history += 1;
    }
    table
};

/// The bits of an index that a history has a part in.
const HISTORY_INDEXES: u16 = 7 << 6;

/// The index is one part of the address exclusive-or another of the history.
fn bht_index(addr: u64, history: u8) -> usize {
    let hi = addr >> 2;
    let address = (hi & 0x1ff) ^ (hi >> 9 & 3);
    address as usize ^ usize::from(HISTORY_INDEX[usize::from(history)])
}

/// Number of the page of `addr`.
fn page(addr: u64) -> u64 {
    addr >> PAGE_SHIFT & ((1 << (39 - PAGE_SHIFT)) - 1)
}

impl Btb {
    /// Works out what is left out of a state that was read.
    pub(super) fn complete(&mut self) -> Result<(), Impossible> {
        self.entries.check()?;
        require(self.bht.iter().all(|&taken| taken < 2), "a direction that is none")?;
        let stack = &self.registers.stack;
        require(stack.count <= RAS_ENTRIES && stack.at < RAS_ENTRIES, "too many return addresses")?;
        let named = self.recent.used.into_iter().chain(self.recent.update.map(|update| update.entry));
        require(named.into_iter().all(may_be_named), "no entry of the BTB")?;
        self.entries.tags.into_iter().for_each(|tag| self.index(tag));
        (0..BTB_ENTRIES).for_each(|way| self.number(way));
        Ok(())
    }

    /// Which entries of the page table are for the page of `addr`, a bit each.
    fn page_match(&self, addr: u64) -> u8 {
        let page = page(addr);
        let same = |n: usize| u8::from(self.entries.pages[n] == page) << n;
        (0..PAGES).fold(0, |all, n| all | same(n)) & self.entries.page_valid
    }

    /// Whether entry `n` of the page table is for the page of `addr`.
    fn page_is(&self, n: usize, addr: u64) -> bool {
        n < PAGES && self.entries.page_valid >> n & 1 == 1 && self.entries.pages[n] == page(addr)
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
        if hits != 0 {
            self.is_had(tag);
        }
        self.slots[usize::from(tag)] = match hits.count_ones() {
            0 => SLOT_FREE,
            1 => hits.trailing_zeros() as u8 + 1,
            _ => SLOT_SHARED,
        };
    }

    /// An entry has `tag`.
    fn is_had(&mut self, tag: u16) {
        if !self.was_ever(tag) {
            self.ever[usize::from(tag) / 64 % (TAGS / 64)] |= 1 << (tag % 64);
            self.had.push(tag);
            self.generation += 1;
        }
    }

    /// Entry `way` is about to change: it is not valid until it [comes](Btb::comes) back.
    fn goes(&mut self, way: usize) {
        self.keeps_entry(way);
        if self.entries.valid >> way & 1 == 0 {
            return;
        }
        self.entries.valid &= !(1 << way);
        let tag = self.entries.tags[way];
        match &mut self.slots[usize::from(tag)] {
            slot if *slot != SLOT_SHARED => *slot = SLOT_FREE,
            _ => self.index(tag),
        }
    }

    /// Entry `way` has become valid.
    fn comes(&mut self, way: usize) {
        self.entries.valid |= 1 << way;
        let tag = self.entries.tags[way];
        let slot = &mut self.slots[usize::from(tag)];
        *slot = if *slot == SLOT_FREE { way as u8 + 1 } else { SLOT_SHARED };
        self.is_had(tag);
    }

    /// Looks `pc` up, and lets changes of the last cycle take effect afterwards: gives what is predicted, and
    /// where to. It does not matter where if that is not `followed`.
    #[inline(always)]
    pub fn cycle(&mut self, pc: u64, followed: bool) -> (Prediction, u64) {
        if self.recorder.on {
            return self.recorded_cycle(pc, followed);
        }
        self.unrecorded_cycle(pc)
    }

    #[cold]
    fn recorded_cycle(&mut self, pc: u64, followed: bool) -> (Prediction, u64) {
        let found = self.finds(pc);
        let direction = self.bht[bht_index(pc, (self.registers.history >> 56) as u8)] != 0;
        let answer = match self.slots[usize::from(low(pc))] {
            SLOT_FREE => Answer::Nothing,
            n if n == SLOT_SHARED || !found.hit => {
                Answer::Odd { odd: self.odd(pc, direction, followed).0, followed }
            }
            n => Answer::Entry(self.entries.contents[usize::from(n - 1)]),
        };
        let settles = !self.settled();
        let (mut made, to) = self.unrecorded_cycle(pc);
        let goes = followed && made.hit && made.taken;
        let stack = Some(self.ras_head()).filter(|_| found.returns && goes);
        self.recorder.lookup(pc, answer, found, settles, stack, &mut made);
        (made, to)
    }

    /// Whether no change is under way.
    #[inline(always)]
    pub fn settled(&self) -> bool {
        self.recent.update.is_none()
    }

    #[inline(always)]
    fn unrecorded_cycle(&mut self, pc: u64) -> (Prediction, u64) {
        if self.slots[usize::from(low(pc))] != SLOT_FREE || self.recent.update.is_some() {
            return self.full_cycle(pc);
        }
        self.touch();
        let bht_taken = self.bht[bht_index(pc, (self.registers.history >> 56) as u8)] != 0;
        let made = Prediction { place: self.registers.place, bht_taken, ..Prediction::default() };
        (made, 0)
    }

    /// [`Btb::look_up`] of a group whose direction does not matter if it is `plain`, if no entry has its tag and nothing
    /// changes; [`Packed::is_odd`] otherwise, before anything is done.
    #[inline(always)]
    pub(super) fn look_up_plain(&mut self, pc: u64, plain: u32) -> Packed {
        let slot = self.slots[usize::from(low(pc))];
        if slot != SLOT_FREE || self.recent.update.is_some() || plain == 0 {
            return Packed::ODD;
        }
        self.touch();
        Packed::nothing(self.registers.place, 0)
    }

    /// [`Btb::look_up`], which gives where fetch goes, instead of `next` if it predicts a transfer.
    #[inline(never)]
    pub(super) fn look_up_odd(&mut self, pc: u64, next: u64) -> (Packed, u64) {
        let (made, to) = self.look_up(pc);
        (made, if made.taken() { to } else { next })
    }

    /// [`Btb::cycle`] where nobody listens.
    #[inline(always)]
    pub(super) fn look_up(&mut self, pc: u64) -> (Packed, u64) {
        let slot = self.slots[usize::from(low(pc))];
        if self.recent.update.is_some() || slot == SLOT_SHARED {
            let (made, to) = self.full_cycle(pc);
            return (Packed::looked_up(&made), to);
        }
        self.touch();
        let direction = self.bht[bht_index(pc, (self.registers.history >> 56) as u8)];
        let nothing = Packed::nothing(self.registers.place, direction);
        if slot == SLOT_FREE {
            return (nothing, 0);
        }
        let way = slot - 1;
        let Content { page: there, found } = &self.said[usize::from(way) % ROOM];
        // An entry for another page names itself all the same.
        let hit = *there == page(pc);
        let taken = hit && (!found.branches || direction != 0);
        if taken {
            self.recent.used = Some(way);
        }
        let to = if found.returns { self.ras_head().unwrap_or(found.to) } else { found.to };
        (nothing.found(way, hit, taken, found.bridx), to)
    }

    /// The entries that have the tag of `pc`.
    #[inline(always)]
    fn hits(&self, pc: u64) -> u32 {
        match self.slots[usize::from(low(pc))] {
            SLOT_FREE => 0,
            SLOT_SHARED => self.matching(pc),
            n => 1 << (n - 1),
        }
    }

    /// What the entries say about `pc`, with the number of the one that says it.
    pub(super) fn finds(&self, pc: u64) -> Found {
        match self.hits(pc) {
            0 => Found::default(),
            hits => self.combine(pc, hits),
        }
    }

    /// What the entries `hits` say about `pc`: several answer with the union of their bits.
    fn combine(&self, pc: u64, hits: u32) -> Found {
        let entries = &self.entries;
        let mut found = Found::default();
        let (mut tag_page, mut target_page, mut target) = (0, 0, 0);
        let mut rest = hits;
        while rest != 0 {
            let n = rest.trailing_zeros() as usize % ROOM;
            rest &= rest - 1;
            found.entry |= n as u8;
            found.bridx |= entries.bridx[n];
            tag_page |= entries.tag_pages[n];
            target_page |= entries.target_pages[n];
            target |= u64::from(entries.targets[n]);
            found.branches |= entries.cfi[n] == Cfi::Branch;
            found.returns |= entries.cfi[n] == Cfi::Return;
        }
        found.hit = tag_page != 0 && self.page_is(usize::from(tag_page - 1), pc);
        // Beyond the table the first entry answers.
        let page = if usize::from(target_page) < PAGES { usize::from(target_page) } else { 0 };
        let base = if entries.page_valid >> page & 1 == 1 { entries.pages[page] } else { 0 };
        found.to = (((base << PAGE_SHIFT | target << 1) << 25) as i64 >> 25) as u64;
        found
    }

    #[inline(never)]
    fn full_cycle(&mut self, pc: u64) -> (Prediction, u64) {
        let hits = self.hits(pc);
        let mut answer = Prediction { place: self.registers.place, ..Prediction::default() };
        let mut to = 0;
        answer.bht_taken = self.bht[bht_index(pc, (self.registers.history >> 56) as u8)] != 0;
        if hits != 0 {
            let found = self.combine(pc, hits);
            (answer.hit, answer.entry, answer.bridx) = (found.hit, found.entry, found.bridx);
            answer.taken = !found.branches || answer.bht_taken;
            to = self.ras_head().filter(|_| found.returns).unwrap_or(found.to);
        }
        self.settle_odd(pc);
        if answer.hit && answer.taken {
            self.uses(answer.entry);
        }
        (answer, to)
    }

    fn apply(&mut self, update: BtbUpdate, target: u64) {
        let way = if update.entry < NO_ENTRY { usize::from(update.entry) } else { self.recent.plru.way() };
        self.recent.plru.access(way);
        let update_hit = self.page_match(update.pc);
        let page_hit = if page(update.pc) == page(target) { update_hit } else { self.page_match(target) };
        if self.confirms(&update, way, target, update_hit, page_hit) {
            return;
        }
        self.keeps_entries();
        let before = self.shows(way);
        if update_hit != 0 && page_hit != 0 {
            self.replace(&update, way, target, update_hit, page_hit);
            self.number(way);
            self.changes += u64::from(self.shows(way) != before);
        } else {
            self.replace_pages(&update, way, target, update_hit, page_hit);
            // Others may share the page.
            (0..BTB_ENTRIES).for_each(|way| self.number(way));
            self.changes += 1;
        }
    }

    /// Entry `way` becomes what `update` says, of pages `index_set` and `target_set`.
    #[inline(always)]
    fn replace(&mut self, update: &BtbUpdate, way: usize, target: u64, index_set: u8, target_set: u8) {
        self.goes(way);
        self.entries.tags[way] = low(update.pc);
        self.entries.targets[way] = low(target);
        self.entries.tag_pages[way] = index_set.trailing_zeros() as u8 + 1;
        self.entries.target_pages[way] = target_set.trailing_zeros() as u8;
        self.entries.cfi[way] = update.cfi;
        self.entries.bridx[way] = (update.br_pc >> 1 & 1) as u8;
        if update.valid {
            self.comes(way);
        }
    }

    /// The same where a page has to be replaced for it.
    #[cold]
    fn replace_pages(&mut self, update: &BtbUpdate, way: usize, target: u64, update_hit: u8, page_hit: u8) {
        let rotate = |set: u8| (set << 1 | set >> (PAGES - 1)) & ((1 << PAGES) - 1);
        let replaced = rotate(page_hit) | if page_hit != 0 { 0 } else { 1 << self.entries.next_page };
        let index_set = if update_hit != 0 { update_hit } else { replaced };
        let new_index = update_hit == 0;
        let same = page(update.pc) == page(target);
        let new_target = !same && page_hit == 0;
        let target_replaced = if same { index_set } else { rotate(index_set) };
        let target_set = page_hit | if page_hit != 0 { 0 } else { target_replaced };
        let next = self.entries.next_page + if new_index && new_target { 2 } else { 1 };
        self.entries.next_page = if next >= PAGES { next & 1 } else { next };
        self.replace(update, way, target, index_set, target_set);
        if new_index {
            self.entries.pages[replaced.trailing_zeros() as usize] = page(update.pc);
            self.entries.page_valid |= replaced;
        }
        if new_target {
            self.entries.pages[target_replaced.trailing_zeros() as usize] = page(target);
            self.entries.page_valid |= target_replaced;
        }
    }

    /// What is seen of entry `way`: its tag and the number of its content, if it is valid.
    fn shows(&self, way: usize) -> Option<(u16, u32)> {
        (self.entries.valid >> way & 1 == 1).then(|| (self.entries.tags[way], self.entries.contents[way]))
    }

    /// Whether `update` of entry `way` with `target`, whose pages match these, changes nothing but the use of the entry.
    fn confirms(&self, update: &BtbUpdate, way: usize, target: u64, page: u8, target_page: u8) -> bool {
        let entries = &self.entries;
        entries.tags[way] == low(update.pc)
            && entries.targets[way] == low(target)
            && (entries.valid >> way & 1 == 1) == update.valid
            && page != 0
            && target_page != 0
            && entries.tag_pages[way] == page.trailing_zeros() as u8 + 1
            && entries.target_pages[way] == target_page.trailing_zeros() as u8
            && entries.cfi[way] == update.cfi
            && entries.bridx[way] == (update.br_pc >> 1 & 1) as u8
    }

    /// A change for the next cycle.
    pub fn update(&mut self, update: BtbUpdate) {
        self.recorder.act(Act::Update(update));
        self.recent.update = Some(update);
    }

    /// Forgets every entry.
    pub fn flush(&mut self) {
        self.recorder.act(Act::Flush);
        self.keeps_entries();
        self.changes += 1;
        (0..BTB_ENTRIES).for_each(|way| self.goes(way));
    }

    /// How many directions have gone into the history since `made` was looked up: fewer than are in flight.
    pub(super) fn since(&self, made: &Prediction) -> u32 {
        u32::from(self.registers.place.wrapping_sub(made.place)) & 63
    }

    /// A branch resolved: the table learns its direction if it `learns`, and the history starts anew if it was
    /// wrong.
    pub fn resolve_branch(&mut self, pc: u64, made: &Prediction, taken: bool, wrong: bool, learns: bool) {
        let since = self.since(made);
        self.recorder.act(Act::Branch { pc, since: since as u8, taken, wrong });
        let then = self.registers.history << since;
        let index = bht_index(pc, (then >> 56) as u8);
        if learns {
            self.set_direction(index as u16, taken);
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
        self.registers.stack.head()
    }

    /// A call was fetched.
    pub fn push(&mut self, address: u64) {
        self.recorder.act(Act::Push(address));
        self.keeps_stack();
        self.registers.stack.push(address);
    }

    /// A return was fetched.
    pub fn pop(&mut self) {
        self.recorder.act(Act::Pop);
        self.keeps_stack();
        self.registers.stack.pop();
    }
}

#[cfg(test)]
mod tests;
