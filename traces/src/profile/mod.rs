//! Profiles: which functions took how many cycles, for which causes, called from where.
//!
//! [`Profile`] watches a run ([`collect`]) and grows a tree of calls ([`tree`]); [`Summary`] adds it up by
//! function; the exporters write either: [`table`] for people, [`folded`] for flame graphs, [`callgrind`] for
//! KCachegrind and callgrind_annotate, [`json`] for programs.
//!
//! A cycle belongs to the instruction that issues next: what an instruction waited for is its own. So a function
//! pays for the operands that its instructions wait for, and for the fetch that its first instruction is behind,
//! and cycles at a trap belong to what was interrupted. Each cycle of each hart is in exactly one function.

mod collect;
mod stack;
mod summary;
mod tree;

pub mod callgrind;
pub mod folded;
pub mod json;
pub mod table;

pub use collect::Profile;
pub use summary::{CallCost, FunctionCost, Summary};
pub use tree::{Cost, FunctionId, FunctionInfo, NodeId, Symbol, Tree};

use relsim_core::timing::CycleCause;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metric {
    /// Core cycles.
    #[default]
    Cycles,
    /// Retired instructions.
    Instructions,
    /// Core cycles for one cause.
    Cause(CycleCause),
}

impl Metric {
    /// Every metric, by name.
    pub fn all() -> impl Iterator<Item = (&'static str, Self)> {
        let causes = CycleCause::ALL.iter().map(|&cause| (cause.name(), Self::Cause(cause)));
        [("cycles", Self::Cycles), ("instructions", Self::Instructions)].into_iter().chain(causes)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cycles => "cycles",
            Self::Instructions => "instructions",
            Self::Cause(cause) => cause.name(),
        }
    }

    /// How much of it is in `cost`.
    pub const fn of(self, cost: &Cost) -> u64 {
        match self {
            Self::Cycles => cost.cycles,
            Self::Instructions => cost.instructions,
            Self::Cause(cause) => cost.causes[cause as usize],
        }
    }
}
