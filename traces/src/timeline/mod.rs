//! One operation of a guest, instruction by instruction: what [`Timeline`] watches, [`phases`] groups, and [`text`]
//! shows for two runs side by side.
//!
//! The guest marks what is measured as region [`REGION`], and the end of each operation as event [`EVENT`]. The last
//! operation that is whole is kept: by then, caches and predictors know the way.

pub mod phases;
pub mod text;

use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::Op;
use relsim_core::observe::Observer;
use relsim_core::timing::{CycleCause, Ledger};
use relsim_core::trap::TrapTaken;
use relsim_markers::{Kind, Marker};

use crate::observed::{add_causes, trap_name};

/// The region that is measured.
pub const REGION: u16 = 1;
/// The event that ends an operation.
pub const EVENT: u16 = 2;
/// Steps of an operation that are kept: some hundred megabytes.
const MAX_STEPS: usize = 2_000_000;

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An instruction retired: its word.
    Instruction(u32),
    /// A trap was taken, of this name, to this privilege.
    Trap(&'static str, Priv),
}

/// An instruction, or a trap that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which hart.
    pub hart: usize,
    /// Its cycle when the step was done.
    pub end_cycle: u64,
    /// Cycles that it took, with those that it waited before.
    pub cycles: u64,
    /// Privilege at which it ran, or from which the trap was taken.
    pub privilege: Priv,
    /// Its address, or the one of the instruction that trapped.
    pub pc: u64,
    /// What it is.
    pub what: What,
    /// Where its cycles went, if the timing model tells.
    pub causes: Vec<(CycleCause, u64)>,
}

/// An operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    /// The hart that marks.
    pub hart: usize,
    /// Number of harts.
    pub harts: usize,
    /// Its cycle at the begin.
    pub begin_cycle: u64,
    /// Its cycle at the end.
    pub end_cycle: u64,
    /// Every step of every hart, in the order of the simulation: by hart in the order of time.
    pub steps: Vec<Step>,
}

impl Operation {
    /// How long it took.
    pub fn cycles(&self) -> u64 {
        self.end_cycle - self.begin_cycle
    }
}

/// Why there is no operation to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoOperation {
    /// The region never began.
    #[error("the guest marked no begin of region {REGION}, which is measured")]
    NoRegion,
    /// No event in it.
    #[error("the guest marked no event {EVENT}, which ends an operation, in region {REGION}")]
    NoEvent,
    /// Too long to be kept.
    #[error("the last operation has more than {MAX_STEPS} instructions")]
    TooLong,
}

#[derive(Debug, Clone, Default)]
struct Watched {
    ledger: Ledger,
    cycle: u64,
    causes: Vec<(CycleCause, u64)>,
}

/// Keeps the last whole operation of a run.
#[derive(Debug)]
pub struct Timeline {
    harts: Vec<Watched>,
    current: Option<Operation>,
    last: Option<Operation>,
    too_long: bool,
    done: bool,
}

impl Timeline {
    /// Of a machine with `harts` harts.
    pub fn new(harts: usize) -> Self {
        let harts = vec![Watched::default(); harts];
        Self { harts, current: None, last: None, too_long: false, done: false }
    }

    /// The operation.
    ///
    /// # Errors
    /// [`NoOperation`].
    pub fn finish(self) -> Result<Operation, NoOperation> {
        match self.last {
            _ if self.too_long => Err(NoOperation::TooLong),
            Some(operation) => Ok(operation),
            None if self.current.is_some() || self.done => Err(NoOperation::NoEvent),
            None => Err(NoOperation::NoRegion),
        }
    }

    fn step(&mut self, hart: &Hart, cycle: u64, privilege: Priv, pc: u64, what: What) {
        let id = hart.config.id;
        let Some(watched) = self.harts.get_mut(id) else { return };
        let cycles = cycle.saturating_sub(watched.cycle);
        watched.cycle = cycle;
        let causes = std::mem::take(&mut watched.causes);
        let Some(operation) = &mut self.current else { return };
        if operation.steps.len() == MAX_STEPS {
            self.too_long = true;
            return;
        }
        operation.steps.push(Step { hart: id, end_cycle: cycle, cycles, privilege, pc, what, causes });
    }

    /// A marker has retired on hart `id` in cycle `cycle`.
    fn mark(&mut self, marker: Marker, id: usize, cycle: u64) {
        let begin =
            Operation { hart: id, harts: self.harts.len(), begin_cycle: cycle, ..Operation::default() };
        match (marker.kind, marker.id) {
            (Kind::Begin, REGION) if self.current.is_none() => self.current = Some(begin),
            (Kind::Instant, EVENT) if self.current.as_ref().is_some_and(|current| current.hart == id) => {
                self.last = self.current.replace(begin);
                self.too_long = false;
                if let Some(last) = &mut self.last {
                    last.end_cycle = cycle;
                }
            }
            (Kind::End, REGION) if self.current.as_ref().is_some_and(|current| current.hart == id) => {
                // What came behind the last event was no whole operation, and may be as long as it is.
                self.current = None;
                self.too_long = false;
                self.done = true;
            }
            _ => {}
        }
    }
}

impl Observer for Timeline {
    const ON: bool = true;

    fn charged(&mut self, hart: &Hart, ledger: Option<&Ledger>) {
        let (Some(ledger), Some(watched)) = (ledger, self.harts.get_mut(hart.config.id)) else { return };
        match self.current {
            Some(_) => add_causes(&mut watched.causes, ledger, &mut watched.ledger),
            None => watched.ledger.clone_from(ledger),
        }
    }

    fn retired(&mut self, hart: &Hart, _: &Bus, op: &Op, pc: u64, privilege: Priv) {
        // Without a timing model that counts, a block's cycles are added when it ends.
        let cycle = hart.cycle_at(op) + hart.cycles_per_op;
        self.step(hart, cycle, privilege, pc, What::Instruction(op.raw));
        if let Some(marker) = Marker::decode(op.raw) {
            self.mark(marker, hart.config.id, cycle);
        }
    }

    fn trapped(&mut self, hart: &Hart, _: &Bus, trap: &TrapTaken) {
        self.step(hart, hart.cycle, trap.from, trap.epc, What::Trap(trap_name(trap), trap.to));
    }

    fn wants_stop(&self) -> bool {
        self.done
    }
}
