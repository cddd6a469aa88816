//! What a lookup predicts.

use relsim_core::saved::{Impossible, require};
use serde::{Deserialize, Serialize};

use super::super::memo::Origin;
use super::{NO_ENTRY, may_be_named};

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
    pub(in super::super) origin: Origin,
}

impl Prediction {
    /// Whether `entry` names the entry that was found, whose number means nothing by itself: one for another page names
    /// itself, too, and several name what the union of their numbers is, though there may be no such entry.
    pub(in super::super) fn names(&self) -> bool {
        self.hit || self.entry != 0
    }

    /// The group ends in the transfer at half `idx`, as predecode found.
    #[inline(always)]
    pub(in super::super) fn bends(&mut self, idx: u8) {
        (self.taken, self.bridx) = (true, idx);
        (self.entry, self.origin) = (NO_ENTRY, Origin::Itself);
    }

    /// Whether it can have been made.
    pub(in super::super) fn check(&self) -> Result<(), Impossible> {
        require(self.bridx < 2 && may_be_named(self.entry), "a prediction by no entry")
    }
}

/// A prediction in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Packed(u32);

impl Packed {
    const HIT: u32 = 1;
    const TAKEN: u32 = 1 << 1;
    const BRIDX: u32 = 1 << 2;
    const DIRECTION: u32 = 1 << 3;
    const ENTRY: u32 = 0xff << 8;
    /// No prediction.
    pub(super) const ODD: Self = Self(u32::MAX);

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
    pub(super) const fn nothing(place: u8, direction: u8) -> Self {
        Self((direction as u32) << 3 | (place as u32) << 16)
    }

    #[inline(always)]
    pub(super) const fn found(self, entry: u8, hit: bool, taken: bool, bridx: u8) -> Self {
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
