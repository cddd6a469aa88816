//! What the memory of timed blocks asks the predictor and tells it: blocks that are repeated, and may turn out not to be
//! the same.

use rustc_hash::FxHashMap;

use super::super::memo::UNFOUND;
use super::super::replace::Plru;
use super::entries::{ANY_QUIET, Content, Found, NO_PAGE, NOT_QUIET, Numbered, Odd, Quiet};
use super::{
    BHT_ENTRIES, BTB_ENTRIES, Btb, HISTORY_INDEX, HISTORY_INDEXES, PAGES, ROOM, Recent, SLOT_FREE,
    SLOT_SHARED, TAGS, bht_index, low, page,
};

/// Whether a block that was timed before is being repeated, which may fail.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Repeats {
    #[default]
    No,
    /// No entry has changed yet.
    Yes,
    /// What the entries were is kept.
    WithChanges,
}

/// The entries that have a bit in `mask`.
fn ways(mask: u32) -> impl Iterator<Item = usize> {
    (0..BTB_ENTRIES).filter(move |way| mask >> way & 1 == 1)
}

/// Uses of entries one after the other, as the tree learns of them; and one of which it does not learn yet.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Uses {
    /// The bits of the tree that stay, and those that are set.
    stay: u32,
    set: u32,
    used: Option<u8>,
}

impl Uses {
    /// None at all.
    pub const NONE: Self = Self { stay: u32::MAX, set: 0, used: None };

    /// And one of `way`.
    pub fn touch(&mut self, way: u8) {
        let (stay, set) = Plru::<BTB_ENTRIES>::effect(way.into());
        (self.stay, self.set) = (self.stay & stay, self.set & stay | set);
    }

    /// And one of `way`, of which the tree does not learn yet.
    pub const fn then(&mut self, way: u8) {
        self.used = Some(way);
    }
}

impl Btb {
    /// The uses `uses` come again, behind that of which the tree has not learnt. It does not unless a change is under way:
    /// then there are none.
    #[inline(always)]
    pub(in super::super) fn repeat_uses(&mut self, uses: Uses) {
        if self.settled() {
            self.touch();
        }
        self.recent.plru.apply((uses.stay, uses.set));
        if uses.used.is_some() {
            self.recent.used = uses.used;
        }
    }

    /// The tag of `pc`.
    pub(in super::super) fn tag(pc: u64) -> u16 {
        low(pc)
    }

    /// Whether no entry has one of `tags`.
    #[inline(always)]
    pub(in super::super) fn are_free<const N: usize>(&self, tags: [u16; N]) -> bool {
        // All of them: nearly always they are, and there are few.
        tags.iter().fold(SLOT_FREE, |slots, &tag| slots | self.slots[usize::from(tag) % TAGS]) == SLOT_FREE
    }

    /// The entry that has `tag`, if there is one with this `content` and no other.
    #[inline(always)]
    pub(in super::super) fn entry_of(&self, tag: u16, content: u32) -> Option<u8> {
        let slot = self.slots[usize::from(tag) % TAGS];
        let way = slot.wrapping_sub(1);
        let alone = slot != SLOT_FREE && slot != SLOT_SHARED;
        (alone && self.entries.contents[usize::from(way) % ROOM] == content).then_some(way)
    }

    /// The entry that has `tag`, if there is one that says `quiet` and no other; [`UNFOUND`] if there is none.
    #[inline(always)]
    pub(in super::super) fn quiet_entry(&self, tag: u16, quiet: u32) -> Option<u8> {
        let slot = self.slots[usize::from(tag) % TAGS];
        if slot == SLOT_FREE {
            return Some(UNFOUND);
        }
        let way = slot.wrapping_sub(1);
        let own = self.entries.quiets[usize::from(way) % ROOM];
        let same = own == quiet || quiet == ANY_QUIET && own != NOT_QUIET;
        (slot != SLOT_SHARED && same).then_some(way)
    }

    /// What is under way takes effect, in a cycle with a lookup of `pc`.
    #[inline]
    pub(in super::super) fn settle(&mut self, pc: u64) {
        let used = self.recent.used.take();
        if let Some(update) = self.recent.update.take() {
            self.apply(update, pc);
        } else if let Some(way) = used {
            self.recent.plru.access(usize::from(way));
        }
    }

    /// The tree learns of the latest use.
    #[inline(always)]
    pub(in super::super) fn touch(&mut self) {
        if let Some(way) = self.recent.used.take() {
            self.recent.plru.access(usize::from(way));
        }
    }

    /// How often an entry has changed: while it is the same, lookups find the same.
    #[inline(always)]
    pub(in super::super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether an entry ever had `tag`.
    #[inline(always)]
    pub(in super::super) fn was_ever(&self, tag: u16) -> bool {
        self.ever[usize::from(tag) / 64 % (TAGS / 64)] >> (tag % 64) & 1 == 1
    }

    /// The tags that an entry ever had, in the order in which they came.
    #[inline(always)]
    pub(in super::super) fn tags_had(&self) -> &[u16] {
        &self.had
    }

    /// Changes when an entry comes to have a tag that none ever had: while it is the same, no lookup of another tag finds
    /// anything.
    #[inline(always)]
    pub(in super::super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Entry `way` is used: the tree learns of it in the next cycle.
    #[inline(always)]
    pub(in super::super) fn uses(&mut self, way: u8) {
        self.recent.used = Some(way);
    }

    /// What the entries say about `pc` together with `direction`, and the number that they give together. If it is not
    /// `followed`, it does not matter where that goes.
    pub(in super::super) fn odd(&self, pc: u64, direction: bool, followed: bool) -> (Odd, u8) {
        let found = self.finds(pc);
        let taken = found.hit && (!found.branches || direction);
        let goes = taken && followed && !(found.returns && self.ras_head().is_some());
        let to = if goes { found.to } else { 0 };
        // Which entry it is does not matter where that has a name ([`Prediction::names`]).
        let entry = u8::from(!found.hit && found.entry != 0);
        let several = self.hits(pc).count_ones() > 1;
        (Odd { several, taken, found: Found { entry, to, ..found } }, found.entry)
    }

    /// [`Btb::settle`], and where several entries have answered the lookup, they are forgotten, and so is the entry that
    /// was to become valid.
    pub(in super::super) fn settle_odd(&mut self, pc: u64) {
        let hits = self.hits(pc);
        let left = (hits.count_ones() > 1).then_some(self.entries.valid & !hits);
        self.settle(pc);
        if let Some(left) = left {
            self.keeps_entries();
            self.changes += 1;
            let valid = self.entries.valid;
            ways(valid & !left).for_each(|way| self.goes(way));
            ways(left & !valid).for_each(|way| self.comes(way));
        }
    }

    /// An entry is about to change.
    #[inline(always)]
    pub(super) fn keeps_entries(&mut self) {
        if self.repeats == Repeats::Yes {
            self.repeats = Repeats::WithChanges;
            self.changed = 0;
            self.before.copy_pages(&self.entries);
        }
    }

    /// Entry `way` is about to change.
    #[inline(always)]
    pub(super) fn keeps_entry(&mut self, way: usize) {
        if self.repeats == Repeats::WithChanges && self.changed >> way & 1 == 0 {
            self.changed |= 1 << way;
            self.before.copy_entry(&self.entries, way);
        }
    }

    /// The stack is about to change.
    #[inline(always)]
    pub(super) fn keeps_stack(&mut self) {
        if self.repeats != Repeats::No && self.stack_before.is_none() {
            self.stack_before = Some(self.registers.stack);
        }
    }

    /// Works out what entry `way` says, and numbers it if somebody wants numbers.
    pub(super) fn number(&mut self, way: usize) {
        self.keeps_entry(way);
        let content = self.says(way);
        if self.contents.is_none() {
            return;
        }
        // Entries come back, and looking for them here is quicker than in the tables.
        let at = content.place();
        let Numbered { number, quiet, .. } = match self.numbered[at] {
            Some(numbered) if numbered.content == content => numbered,
            _ => {
                let numbered = self.looks_up(content);
                self.numbered[at] = Some(numbered);
                numbered
            }
        };
        (self.entries.contents[way], self.entries.quiets[way]) = (number, quiet);
    }

    /// The numbers of `content`.
    #[inline(never)]
    fn looks_up(&mut self, content: Content) -> Numbered {
        let Content { page, found } = content;
        // A return goes where the stack says.
        let to = if found.returns { 0 } else { found.to };
        let contents = self.contents.get_or_insert_default();
        let next = contents.len() as u32;
        let number = *contents.entry(Content { page, found: Found { to, ..found } }).or_insert(next);
        let quiet = match found.branches {
            true => self.quiet(Quiet { page, bridx: found.bridx }),
            false => NOT_QUIET,
        };
        Numbered { content, number, quiet }
    }

    /// The number of `quiet`.
    fn quiet(&mut self, quiet: Quiet) -> u32 {
        let next = ANY_QUIET + 1 + self.quiets.len() as u32;
        *self.quiets.entry(quiet).or_insert(next)
    }

    /// What an entry for the branch that ends in half `bridx` of the group at `pc` says when it predicts nothing: its number.
    pub(in super::super) fn quiet_at(&mut self, pc: u64, bridx: u8) -> u32 {
        self.quiet(Quiet { page: page(pc), bridx })
    }

    /// Works out what entry `way` says.
    fn says(&mut self, way: usize) -> Content {
        let entries = &self.entries;
        let tag_page = usize::from(entries.tag_pages[way]).wrapping_sub(1);
        let has_page = tag_page < PAGES && entries.page_valid >> tag_page & 1 == 1;
        let page = if has_page { entries.pages[tag_page] } else { NO_PAGE };
        let found = Found { entry: 0, hit: has_page, ..self.combine(0, 1 << way) };
        let content = Content { page, found };
        self.said[way] = content;
        content
    }

    /// Whether contents have numbers.
    pub(in super::super) fn is_numbered(&self) -> bool {
        self.contents.is_some()
    }

    /// Gives numbers to the contents that entries have, and forgets those of others.
    pub(in super::super) fn renumber(&mut self) {
        self.contents = Some(FxHashMap::default());
        self.quiets = FxHashMap::default();
        self.numbered.fill(None);
        self.generation += 1;
        self.changes += 1;
        (0..BTB_ENTRIES).for_each(|way| self.number(way));
    }

    /// What every lookup may change.
    pub(in super::super) fn recent(&self) -> Recent {
        self.recent
    }

    /// The place in the history, modulo 256.
    pub(in super::super) fn place(&self) -> u8 {
        self.registers.place
    }

    /// A repetition begins, which [`Btb::keep`] or [`Btb::undo`] ends. Unless a change is under way, the tree learns of
    /// the latest use at once.
    #[inline(always)]
    pub(in super::super) fn begin(&mut self) -> Recent {
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
    pub(in super::super) fn keep(&mut self) {
        self.repeats = Repeats::No;
    }

    /// The repetition has failed: all is as it was.
    #[cold]
    pub(in super::super) fn undo(&mut self, recent: Recent) {
        self.recent = recent;
        if let Some(stack) = self.stack_before.take() {
            self.registers.stack = stack;
        }
        if self.repeats == Repeats::WithChanges {
            self.changes += 1;
            let changed = self.changed;
            ways(changed).for_each(|way| self.goes(way));
            self.entries.copy_pages(&self.before);
            for way in ways(changed) {
                self.entries.copy_entry(&self.before, way);
                if self.before.valid >> way & 1 == 1 {
                    self.comes(way);
                }
                self.says(way);
            }
        }
        self.repeats = Repeats::No;
    }

    /// All directions since reset, the latest in the highest bit.
    #[inline(always)]
    pub(in super::super) fn history(&self) -> u64 {
        self.registers.history
    }

    /// The history becomes `history`, `places` further on.
    #[inline(always)]
    pub(in super::super) fn advance(&mut self, history: u64, places: u8) {
        self.registers.history = history;
        self.registers.place = self.registers.place.wrapping_add(places);
    }

    /// Where the direction for `pc` after `history` is.
    #[inline(always)]
    pub(in super::super) fn direction_index(pc: u64, history: u8) -> u16 {
        bht_index(pc, history) as u16
    }

    /// Where it is if `address` is where it is without a history.
    #[inline(always)]
    pub(in super::super) fn direction_index_at(address: u16, history: u8) -> u16 {
        address ^ HISTORY_INDEX[usize::from(history)]
    }

    /// Whether two places that are `one` and `other` without a history may be the same one with one.
    pub(in super::super) const fn may_share_direction(one: u16, other: u16) -> bool {
        (one ^ other) & !HISTORY_INDEXES == 0
    }

    /// The direction at `index`.
    #[inline(always)]
    pub(in super::super) fn direction(&self, index: u16) -> bool {
        self.bht[usize::from(index) % BHT_ENTRIES] != 0
    }

    /// Writes the direction at `index`.
    #[inline(always)]
    pub(in super::super) fn set_direction(&mut self, index: u16, taken: bool) {
        let direction = &mut self.bht[usize::from(index) % BHT_ENTRIES];
        self.turns = self.turns.saturating_add(u32::from(*direction ^ u8::from(taken)));
        *direction = u8::from(taken);
    }

    /// How often a direction has become the other one, as long as that can be told.
    #[inline(always)]
    pub(in super::super) fn turns(&self) -> Option<u32> {
        (self.turns != u32::MAX).then_some(self.turns)
    }
}
