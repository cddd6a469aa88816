//! Baselines: what runs cost once, to be held against what they cost now. No I/O here.
//!
//! [`file`](mod@file) reads cases and their recorded values from TOML, [`compare`] judges, [`bless`] writes
//! values back into the text.
//!
//! What decides whether two runs may be compared is what the user gave: the contents of the files, and the
//! case as it is written. What the simulator makes of it, its defaults and its timing parameters, does not:
//! when these change, the costs change, and that is what a baseline is to show.

mod bless;
mod compare;
pub mod file;
pub mod functions;
mod tolerance;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use bless::bless;
pub use compare::{Change, Comparison, Obstacle, Setting, compare};
pub use tolerance::Tolerance;

/// What a run gave and what it was given: the recorded half of a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Measured {
    /// Core cycles of the hart that is furthest ahead.
    pub cycles: u64,
    /// Instructions of all harts.
    pub instructions: u64,
    /// Further counters, by path.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
    /// Cycles of the functions that took most, where the case asks for them.
    #[serde(default)]
    pub functions: functions::Functions,
    /// Hashes of what was loaded and typed, by what it is.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Hash of the case as it is written, without the timing parameters.
    pub case: String,
    /// The machine as it was used, every default included: `name=value`, separated by spaces.
    pub machine: String,
}

/// The counter that every case has first.
pub const CYCLES: &str = "cycles";
/// The one that comes second.
pub const INSTRUCTIONS: &str = "instructions";

impl Measured {
    /// Every count with its name: cycles, instructions, then the others by path.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        let others = self.counters.iter().map(|(name, count)| (name.as_str(), *count));
        [(CYCLES, self.cycles), (INSTRUCTIONS, self.instructions)].into_iter().chain(others)
    }

    /// The count called `name`.
    pub fn count(&self, name: &str) -> Option<u64> {
        self.counts().find(|(n, _)| *n == name).map(|(_, count)| count)
    }
}

/// What became of a case or of one of its counters; later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// As recorded, within the tolerance.
    Ok,
    /// Less than recorded, by more than the tolerance.
    Improvement,
    /// Nothing is recorded yet.
    New,
    /// What was given is not what the recorded values belong to.
    NotComparable,
    /// More than recorded, by more than the tolerance.
    Regression,
}

impl Verdict {
    /// Every verdict, from the best to the worst.
    pub const ALL: [Self; 5] =
        [Self::Ok, Self::Improvement, Self::New, Self::NotComparable, Self::Regression];

    /// A word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Improvement => "improvement",
            Self::New => "new",
            Self::NotComparable => "not comparable",
            Self::Regression => "regression",
        }
    }
}
