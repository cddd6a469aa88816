//! Branch prediction: BTB, BHT and return-address stack (BTB.scala).

use rustc_hash::FxHashMap;

use relsim_core::saved::{Impossible, require};
use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::memo::{Act, Answer, Origin, Recorder};
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

/// What the predictor says about a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// Which lookup found the entry.
    #[serde(skip)]
    pub(super) origin: Origin,
}

impl Prediction {
    /// Whether `entry` names the entry that was found, whose number means nothing by itself.
    pub(super) fn names(&self) -> bool {
        self.hit && self.entry < NO_ENTRY
    }
}

/// A prediction in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Packed(u32);

impl Packed {
    const HIT: u32 = 1;
    const TAKEN: u32 = 1 << 1;
    const BRIDX: u32 = 1 << 2;
    const DIRECTION: u32 = 1 << 3;
    const ENTRY: u32 = 0xff << 8;
    /// No prediction.
    const ODD: Self = Self(u32::MAX);

    #[inline(always)]
    pub fn is_odd(self) -> bool {
        self == Self::ODD
    }

    #[inline(always)]
    pub fn new(made: &Prediction) -> Self {
        Self(
            u32::from(made.hit)
                | u32::from(made.taken) << 1
                | u32::from(made.bridx & 1) << 2
                | u32::from(made.bht_taken) << 3
                | u32::from(made.entry) << 8
                | u32::from(made.place) << 16,
        )
    }

    /// What a lookup gave: a direction alone makes no prediction.
    pub fn looked_up(made: &Prediction) -> Self {
        Self::new(&Prediction { taken: made.hit && made.taken, ..*made })
    }

    /// Of a lookup that finds nothing, at a place in the history, with the direction there.
    #[inline(always)]
    const fn nothing(place: u8, direction: u8) -> Self {
        Self((direction as u32) << 3 | (place as u32) << 16)
    }

    #[inline(always)]
    const fn found(self, entry: u8, hit: bool, taken: bool, bridx: u8) -> Self {
        Self(self.0 | (entry as u32) << 8 | hit as u32 | (taken as u32) << 1 | (bridx as u32) << 2)
    }

    pub fn prediction(self) -> Prediction {
        Prediction {
            hit: self.hit(),
            taken: self.taken(),
            bridx: self.bridx() as u8,
            entry: self.entry(),
            bht_taken: self.direction(),
            place: (self.0 >> 16) as u8,
            origin: Origin::default(),
        }
    }

    #[inline(always)]
    pub const fn hit(self) -> bool {
        self.0 & Self::HIT != 0
    }

    /// It predicts a transfer that is taken: of what a lookup gives, that it hits, too.
    #[inline(always)]
    pub const fn taken(self) -> bool {
        self.0 & Self::TAKEN != 0
    }

    #[inline(always)]
    pub const fn bridx(self) -> u32 {
        self.0 >> 2 & 1
    }

    #[inline(always)]
    pub const fn direction(self) -> bool {
        self.0 & Self::DIRECTION != 0
    }

    pub const fn entry(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Where the group ends, in halves.
    #[inline(always)]
    pub const fn halves(self) -> u32 {
        2 - (self.0 >> 1 & !(self.0 >> 2) & 1)
    }

    /// The group ends in the transfer at half `idx`, as predecode found.
    #[inline(always)]
    pub const fn bends(self, idx: u8) -> Self {
        let rest = self.0 & !(Self::BRIDX | Self::ENTRY);
        Self(rest | Self::TAKEN | (idx as u32) << 2 | (NO_ENTRY as u32) << 8)
    }
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

/// Low parts of fetch addresses, as tags hold them.
const TAGS: usize = 1 << 13;
/// No entry has this tag.
const SLOT_FREE: u8 = 0;
/// Several entries have this tag.
const SLOT_SHARED: u8 = u8::MAX;

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
    /// The entries' contents are numbered: these have a number.
    #[serde(skip)]
    contents: FxHashMap<Content, u32>,
    /// The entries as they were when a repetition began, if it has changed any.
    #[serde(skip)]
    before: Box<Entries>,
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
    /// The tags that an entry ever had, a bit each.
    #[serde(skip, default = "no_tags")]
    ever: Box<[u64; TAGS / 64]>,
    /// The contents of the entries.
    #[serde(skip, default = "no_contents")]
    said: Box<[Content; ROOM]>,
    /// What is asked of the predictor and told to it, while somebody wants to know.
    #[serde(skip)]
    pub(super) recorder: Recorder,
}

fn no_contents() -> Box<[Content; ROOM]> {
    Box::new([Content { page: NO_PAGE, found: Found::default() }; ROOM])
}

/// Whether a block that was timed before is being repeated, which may fail.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Repeats {
    #[default]
    No,
    /// No entry has changed yet.
    Yes,
    /// What the entries were is kept.
    WithChanges,
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

/// What the entries say about a fetch, whatever direction and return address are predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Found {
    pub(super) hit: bool,
    pub(super) bridx: u8,
    pub(super) entry: u8,
    /// It goes where the direction says, or the return-address stack.
    pub(super) branches: bool,
    pub(super) returns: bool,
    pub(super) to: u64,
}

/// An answer of several entries, which are forgotten for it, or of one for another page. What several say together, another
/// one may say alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Odd {
    several: bool,
    /// With 0 for the entry if that is one that predictions name.
    found: Found,
}

/// What an entry says, wherever it is, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Content {
    /// The page of its fetch group; [`NO_PAGE`] if it has lost it.
    page: u64,
    /// With 0 for the entry.
    found: Found,
}

/// No address is in this page.
const NO_PAGE: u64 = u64::MAX;

/// The entries of the BTB, and the pages that they share.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entries {
    tags: [u16; ROOM],
    tag_pages: [u8; ROOM],
    targets: [u16; ROOM],
    target_pages: [u8; ROOM],
    cfi: [Cfi; ROOM],
    bridx: [u8; ROOM],
    /// The numbers of their contents.
    #[serde(skip)]
    contents: [u32; ROOM],
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
            contents: [0; ROOM],
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
            slots: no_slots(),
            entries: Entries::default(),
            bht: [0; BHT_ENTRIES],
            registers: Registers::default(),
            recent: Recent::default(),
            stack_before: None,
            contents: FxHashMap::default(),
            before: Box::default(),
            repeats: Repeats::No,
            generation: first_generation(),
            changes: first_generation(),
            ever: no_tags(),
            said: no_contents(),
            recorder: Recorder::default(),
        }
    }
}

impl Prediction {
    /// Whether it can have been made.
    pub(super) fn check(&self) -> Result<(), Impossible> {
        require(self.bridx < 2 && self.entry <= NO_ENTRY, "a prediction by no entry")
    }
}

impl Entries {
    fn check(&self) -> Result<(), Impossible> {
        let lows = |lows: &[u16; ROOM]| lows.iter().all(|&low| usize::from(low) < TAGS);
        require(lows(&self.tags) && lows(&self.targets), "an address that is too long for the BTB")?;
        let paged = |&page: &u8| usize::from(page) <= PAGES;
        require(
            self.tag_pages.iter().chain(&self.target_pages).all(paged),
            "a page that the BTB has no place for",
        )?;
        require(self.bridx.iter().all(|&n| n < 2) && self.valid >> BTB_ENTRIES == 0, "an entry too many")?;
        let pages = self.pages.iter().all(|&n| n == page(n << PAGE_SHIFT));
        require(pages && self.page_valid >> PAGES == 0 && self.next_page < PAGES, "a page too many")
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
        require(named.into_iter().all(|entry| entry <= NO_ENTRY), "no entry of the BTB")?;
        require(self.recent.used != Some(NO_ENTRY), "no entry was used")?;
        self.entries.tags.into_iter().for_each(|tag| self.index(tag));
        self.renumber();
        Ok(())
    }

    fn page_match(&self, addr: u64) -> u8 {
        (0..PAGES)
            .filter(|&n| self.entries.page_valid >> n & 1 == 1 && self.entries.pages[n] == page(addr))
            .map(|n| 1 << n)
            .sum()
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
        if hits != 0 && !self.was_ever(tag) {
            self.ever[usize::from(tag) / 64 % (TAGS / 64)] |= 1 << (tag % 64);
            self.generation += 1;
        }
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
        let found = self.finds(pc);
        let answer = match self.slots[usize::from(low(pc))] {
            SLOT_FREE => Answer::Nothing,
            n if n == SLOT_SHARED || !found.hit => Answer::Odd(self.odd(pc).0),
            n => Answer::Entry(self.entries.contents[usize::from(n - 1)]),
        };
        let settles = !self.settled();
        let (mut made, to) = self.unrecorded_cycle(pc);
        self.recorder.lookup(pc, answer, found, settles, &mut made);
        if found.returns {
            self.recorder.act(Act::Returns(self.ras_head()));
        }
        (made, to)
    }

    /// The tag of `pc`.
    pub(super) fn tag(pc: u64) -> u16 {
        low(pc)
    }

    /// Whether no entry has one of `tags`.
    #[inline(always)]
    pub(super) fn are_free<const N: usize>(&self, tags: [u16; N]) -> bool {
        // All of them: nearly always they are, and there are few.
        tags.iter().fold(SLOT_FREE, |slots, &tag| slots | self.slots[usize::from(tag) % TAGS]) == SLOT_FREE
    }

    /// The entry that has `tag`, if there is one with this `content` and no other.
    #[inline(always)]
    pub(super) fn entry_of(&self, tag: u16, content: u32) -> Option<u8> {
        let slot = self.slots[usize::from(tag) % TAGS];
        let way = slot.wrapping_sub(1);
        let alone = slot != SLOT_FREE && slot != SLOT_SHARED;
        (alone && self.entries.contents[usize::from(way) % ROOM] == content).then_some(way)
    }

    /// Whether no change is under way.
    #[inline(always)]
    pub fn settled(&self) -> bool {
        self.recent.update.is_none()
    }

    /// What is under way takes effect, in a cycle with a lookup of `pc`.
    #[inline]
    pub(super) fn settle(&mut self, pc: u64) {
        let used = self.recent.used.take();
        if let Some(update) = self.recent.update.take() {
            self.apply(update, pc);
        } else if let Some(way) = used {
            self.recent.plru.access(usize::from(way));
        }
    }

    /// The tree learns of the latest use.
    #[inline(always)]
    pub(super) fn touch(&mut self) {
        if let Some(way) = self.recent.used.take() {
            self.recent.plru.access(usize::from(way));
        }
    }

    /// How often an entry has changed: while it is the same, lookups find the same.
    #[inline(always)]
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether an entry ever had `tag`.
    #[inline(always)]
    pub(super) fn was_ever(&self, tag: u16) -> bool {
        self.ever[usize::from(tag) / 64 % (TAGS / 64)] >> (tag % 64) & 1 == 1
    }

    /// Changes when an entry comes to have a tag that none ever had: while it is the same, no lookup of another tag finds
    /// anything.
    #[inline(always)]
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Entry `way` is used: the tree learns of it in the next cycle.
    #[inline(always)]
    pub(super) fn uses(&mut self, way: u8) {
        self.recent.used = Some(way);
    }

    #[inline(always)]
    fn unrecorded_cycle(&mut self, pc: u64) -> (Prediction, u64) {
        if self.slots[usize::from(low(pc))] != SLOT_FREE || self.recent.update.is_some() {
            return self.full_cycle(pc);
        }
        if let Some(way) = self.recent.used.take() {
            self.recent.plru.access(usize::from(way));
        }
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
        if let Some(way) = self.recent.used.take() {
            self.recent.plru.access(usize::from(way));
        }
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
        if let Some(way) = self.recent.used.take() {
            self.recent.plru.access(usize::from(way));
        }
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

    /// What the entries say about `pc` together, and the number that they give together.
    pub(super) fn odd(&self, pc: u64) -> (Odd, u8) {
        let found = self.finds(pc);
        // Which entry it is does not matter where that has a name.
        let entry = if found.hit && found.entry < NO_ENTRY { 0 } else { found.entry };
        let several = self.hits(pc).count_ones() > 1;
        (Odd { several, found: Found { entry, ..found } }, found.entry)
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

    /// [`Btb::settle`], and where several entries have answered the lookup, they are forgotten, and so is the entry that
    /// was to become valid.
    pub(super) fn settle_odd(&mut self, pc: u64) {
        let hits = self.hits(pc);
        let left = (hits.count_ones() > 1).then_some(self.entries.valid & !hits);
        self.settle(pc);
        if let Some(left) = left {
            self.keeps_entries();
            self.changes += 1;
            let changed = self.entries.valid ^ left;
            self.entries.valid = left;
            for n in (0..BTB_ENTRIES).filter(|n| changed >> n & 1 == 1) {
                self.index(self.entries.tags[n]);
            }
            self.index(low(pc));
        }
    }

    /// An entry is about to change.
    #[inline(always)]
    fn keeps_entries(&mut self) {
        if self.repeats == Repeats::Yes {
            self.repeats = Repeats::WithChanges;
            *self.before = self.entries;
        }
    }

    /// The stack is about to change.
    #[inline(always)]
    fn keeps_stack(&mut self) {
        if self.repeats != Repeats::No && self.stack_before.is_none() {
            self.stack_before = Some(self.registers.stack);
        }
    }

    /// Numbers the content of entry `way`.
    fn number(&mut self, way: usize) {
        let entries = &self.entries;
        let tag_page = usize::from(entries.tag_pages[way]).wrapping_sub(1);
        let has_page = tag_page < PAGES && entries.page_valid >> tag_page & 1 == 1;
        let page = if has_page { entries.pages[tag_page] } else { NO_PAGE };
        let found = Found { entry: 0, hit: has_page, ..self.combine(0, 1 << way) };
        let next = self.contents.len() as u32;
        let content = Content { page, found };
        self.said[way] = content;
        self.entries.contents[way] = *self.contents.entry(content).or_insert(next);
    }

    /// Forgets the numbers of contents that no entry has.
    pub(super) fn renumber(&mut self) {
        self.contents.clear();
        self.generation += 1;
        self.changes += 1;
        (0..BTB_ENTRIES).for_each(|way| self.number(way));
    }

    fn apply(&mut self, update: BtbUpdate, target: u64) {
        let way = if update.entry < NO_ENTRY { usize::from(update.entry) } else { self.recent.plru.way() };
        self.recent.plru.access(way);
        if self.confirms(&update, way, target) {
            return;
        }
        self.keeps_entries();
        self.changes += 1;
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
        if new_index {
            self.entries.pages[replaced.trailing_zeros() as usize] = page(update.pc);
            self.entries.page_valid |= replaced;
        }
        if new_target {
            self.entries.pages[target_replaced.trailing_zeros() as usize] = page(target);
            self.entries.page_valid |= target_replaced;
        }
        self.index(old);
        self.index(low(update.pc));
        if new_index || new_target {
            // Others may share the page.
            (0..BTB_ENTRIES).for_each(|way| self.number(way));
        } else {
            self.number(way);
        }
    }

    /// Whether `update` of entry `way` with `target` changes nothing but the use of the entry.
    fn confirms(&self, update: &BtbUpdate, way: usize, target: u64) -> bool {
        let entries = &self.entries;
        if entries.tags[way] != low(update.pc)
            || entries.targets[way] != low(target)
            || (entries.valid >> way & 1 == 1) != update.valid
        {
            return false;
        }
        let (page, target_page) = (self.page_match(update.pc), self.page_match(target));
        page != 0
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
        for n in (0..BTB_ENTRIES).filter(|n| self.entries.valid >> n & 1 == 1) {
            self.slots[usize::from(self.entries.tags[n])] = SLOT_FREE;
        }
        self.entries.valid = 0;
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
        self.registers.stack.head()
    }

    /// What every lookup may change.
    pub(super) fn recent(&self) -> Recent {
        self.recent
    }

    /// The place in the history, modulo 256.
    pub(super) fn place(&self) -> u8 {
        self.registers.place
    }

    /// A repetition begins, which [`Btb::keep`] or [`Btb::undo`] ends. Unless a change is under way, the tree learns of
    /// the latest use at once.
    #[inline(always)]
    pub(super) fn begin(&mut self) -> Recent {
        let recent = self.recent;
        self.repeats = Repeats::Yes;
        self.stack_before = None;
        if self.settled() {
            self.touch();
        }
        recent
    }

    /// The repetition has succeeded.
    #[inline(always)]
    pub(super) fn keep(&mut self) {
        self.repeats = Repeats::No;
    }

    /// The repetition has failed: all is as it was.
    #[cold]
    pub(super) fn undo(&mut self, recent: Recent) {
        self.recent = recent;
        if let Some(stack) = self.stack_before.take() {
            self.registers.stack = stack;
        }
        if self.repeats == Repeats::WithChanges {
            self.changes += 1;
            let changed = std::mem::replace(&mut self.entries, *self.before).tags;
            changed.into_iter().chain(self.entries.tags).for_each(|tag| self.index(tag));
            (0..BTB_ENTRIES).for_each(|way| self.number(way));
        }
        self.repeats = Repeats::No;
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

    /// All directions since reset, the latest in the highest bit.
    #[inline(always)]
    pub(super) fn history(&self) -> u64 {
        self.registers.history
    }

    /// The history becomes `history`, `places` further on.
    #[inline(always)]
    pub(super) fn advance(&mut self, history: u64, places: u8) {
        self.registers.history = history;
        self.registers.place = self.registers.place.wrapping_add(places);
    }

    /// Where the direction for `pc` after `history` is.
    #[inline(always)]
    pub(super) fn direction_index(pc: u64, history: u8) -> u16 {
        bht_index(pc, history) as u16
    }

    /// Where it is if `address` is where it is without a history.
    #[inline(always)]
    pub(super) fn direction_index_at(address: u16, history: u8) -> u16 {
        address ^ HISTORY_INDEX[usize::from(history)]
    }

    /// The direction at `index`.
    #[inline(always)]
    pub(super) fn direction(&self, index: u16) -> bool {
        self.bht[usize::from(index) % BHT_ENTRIES] != 0
    }

    /// Writes the direction at `index`.
    #[inline(always)]
    pub(super) fn set_direction(&mut self, index: u16, taken: bool) {
        self.bht[usize::from(index) % BHT_ENTRIES] = u8::from(taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A BTB with these entries for the jump at the same address to the same target.
    fn with_entries(ways: &[u8]) -> Btb {
        let mut btb = Btb::default();
        for &entry in ways {
            let pc = 0x8000_1000;
            btb.update(BtbUpdate {
                entry,
                origin: Origin::default(),
                valid: true,
                pc,
                br_pc: pc,
                cfi: Cfi::Jump,
            });
            // A group that no entry is for takes the target.
            btb.cycle(0x8000_2000);
        }
        btb
    }

    #[test]
    fn one_entry_does_not_answer_for_two_that_say_the_same() {
        let pc = 0x8000_1000;
        let (two, one) = (with_entries(&[1, 2]), with_entries(&[3]));
        let found = two.finds(pc);
        assert_eq!(found, one.finds(pc), "by what they say they cannot be told apart");
        assert_ne!(two.odd(pc).0, one.odd(pc).0, "only several are forgotten");
        let others = with_entries(&[4, 5]);
        assert_eq!(two.odd(pc).0, others.odd(pc).0, "which entries they are does not matter");
        assert_eq!((two.odd(pc).1, others.odd(pc).1), (3, 5));
    }
}
