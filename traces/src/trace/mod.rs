//! Traces: what happens in a run, event by event, for other tools to show.
//!
//! [`Tracer`] watches a run and tells an [`Exporter`]; there is one file for each: [`perfetto`], [`konata`], [`vcd`] and
//! [`jsonl`]. Profiles and Spike's log have observers of their own ([`crate::profile`], [`crate::commit_log`]). Logs of
//! instructions come back by [`import`], and are compared by [`diff`].
//!
//! Times are core cycles of the hart that something happens on. With several harts, each one's events come in the order
//! of time, and those of different harts in the order in which they were simulated.

pub mod diff;
mod event;
pub mod import;
pub mod jsonl;
pub mod konata;
pub mod perfetto;
mod sorted;
mod tracer;
pub mod vcd;

pub use event::{About, Access, Event, Exporter, Instruction, Mark, Names, Trap, Wants, What};
pub use tracer::{Condition, Messages, Tracer};
