//! Rocket: an in-order core of five stages.
//!
//! The fetch side runs cycle by cycle ([`fetch`]); the execution side is worked out once an instruction: when
//! it can leave the decode stage, and what of it makes the pipeline start anew. Issue is the cycle in which
//! decode lets go of an instruction; write-back comes three cycles later unless it has to be replayed.
//!
//! Mechanisms as in rocket-chip 850e1d5d5, RocketCore.scala unless said otherwise.

mod answers;
pub mod btb;
mod calm;
mod coprocessor;
pub mod dcache;
pub mod fetch;
mod hart;
pub mod hub;
pub mod icache;
mod memo;
mod memory;
pub mod muldiv;
pub mod params;
mod pipeline;
mod scan;
mod scoreboard;
mod shadow;
mod snapshot;
mod swift;
pub mod tlb;
pub mod uncore;
pub mod walker;

use serde::{Deserialize, Serialize};

use relsim_core::bus::Bus;
use relsim_core::hart::Hart;
use relsim_core::insn::{Op, OpClass};
use relsim_core::saved::{Impossible, require};
use relsim_core::timing::{Around, BlockRun, Held, Ledger, TimingModel};
use relsim_core::trap::TrapTaken;

use crate::parts::replace;
use crate::parts::saved::Latest;
use crate::registry::Model;
use hart::{HartModel, WRITE_BACK};
use memo::Memo;
use params::Params;
use uncore::{Beside, Env, Uncore, arrival};

/// Harts further apart than this could miss an interrupt that another raises: a store to a device takes as many
/// cycles to the decode stages. Memory needs no quantum, as accesses wait for their turn ([`hub`]).
const QUANTUM_CYCLES: u64 = 4;

/// The Rocket model of a machine: its harts, and what they share.
pub struct Rocket {
    params: Params,
    cores: Vec<Core>,
    uncore: Uncore,
}

impl Model for Rocket {
    const NAME: &'static str = "rocket";
    const SUMMARY: &'static str = "an in-order core of five stages with L1 caches and TLBs, as Rocket's RTL";
    type Params = Params;
    const WRITE_BACK_CYCLES: Option<u64> = Some(WRITE_BACK);
    type State = State;

    fn new(params: &Params, pcs: &[u64]) -> Self {
        // Other harts reach into the caches in between.
        let remember = pcs.len() == 1;
        Self {
            params: params.clone(),
            cores: pcs.iter().map(|&pc| Core::new(params, HartModel::new(params, pc), remember)).collect(),
            uncore: Uncore::new(params, pcs.len()),
        }
    }

    fn save(&mut self) -> State {
        // Blocks that were timed before are no state: they are left, and found again.
        self.cores.iter_mut().for_each(|core| core.memo.leave(&mut core.model));
        State {
            harts: self.cores.iter().map(|core| core.model.clone()).collect(),
            uncore: self.uncore.clone(),
        }
    }

    fn settle(&self, state: &mut State, latest: u64) -> Result<(), Impossible> {
        require(state.harts.len() == self.cores.len(), "another number of harts")?;
        for (hart, own) in state.harts.iter_mut().zip(&self.cores) {
            hart.settle(&own.model, Latest(latest))?;
        }
        state.uncore.check(&self.uncore, Latest(latest))
    }

    fn restore(&mut self, state: &State) {
        let remember = state.harts.len() == 1;
        let core = |model: &HartModel| Core::new(&self.params, model.clone(), remember);
        self.cores = state.harts.iter().map(core).collect();
        self.uncore = state.uncore.clone();
    }

    fn state_bytes(&self) -> u64 {
        let caches = |hart: usize| {
            self.cores[hart].model.icache_bytes()
                + self.uncore.dcaches.get(hart).map_or(0, dcache::Dcache::bytes)
        };
        (0..self.cores.len()).map(|hart| caches(hart) + PIPELINE_BYTES).sum()
    }
}

/// A hart, and its blocks that were timed before.
struct Core {
    model: HartModel,
    memo: Memo,
}

impl Core {
    fn new(params: &Params, model: HartModel, remember: bool) -> Self {
        Self { model, memo: Memo::new(params, remember) }
    }
}

/// About what a hart takes apart from its caches: predictor, TLBs, pipeline.
const PIPELINE_BYTES: u64 = 16 << 10;

/// State of the model: that of the harts, and of what they share.
#[derive(Clone, Serialize, Deserialize)]
pub struct State {
    harts: Vec<HartModel>,
    uncore: Uncore,
}

/// Whether `op` reads `mip`, or a part of it.
fn reads_lines(op: &Op) -> bool {
    matches!(op.raw >> 20, 0x044 | 0x144 | 0x344)
}

impl Rocket {
    #[inline(always)]
    fn parts<'a>(
        &'a mut self,
        hart: &'a Hart,
        bus: &'a Bus,
    ) -> (&'a mut HartModel, &'a mut Memo, Beside<'a>) {
        let Self { params, cores, uncore } = self;
        let Core { model, memo } = &mut cores[hart.config.id];
        (model, memo, Beside { hart, bus, params, uncore })
    }
}

impl TimingModel for Rocket {
    const DETAILED: bool = true;
    const BLOCKS: bool = true;
    const ORDERS_MEMORY: bool = true;
    // CSR.scala, csr_stall.
    const SLEEP_STOPS_MCYCLE: bool = true;

    #[inline]
    fn issue(&mut self, hart: &Hart, bus: &Bus, op: &Op, around: Around) -> Result<u64, Held> {
        let Around { others, interrupt } = around;
        let (model, memo, mut beside) = self.parts(hart, bus);
        let mut env = Env { interrupt, ..beside.env(others) };
        if interrupt == u64::MAX && memo.issue(model, &mut env, op, hart.pc_of(op)) {
            return Ok(model.takes_effect());
        }
        memo.leave(model);
        if let Err(cycle) = model.issue_in_turn(&mut env, op, hart.pc_of(op), None) {
            return Err(model.held(cycle));
        }
        if env.uncore.hub.is_some() && op.class == OpClass::Csr && reads_lines(op) {
            // What another hart's store changes may still arrive before it reads.
            if env.lines_known() <= model.takes_effect() {
                return Err(Held::Behind(model.takes_effect()));
            }
        }
        Ok(model.takes_effect())
    }

    fn keeps_reservation(&self, hart: &Hart) -> bool {
        let model = &self.cores[hart.config.id].model;
        if self.uncore.hub.is_some() { model.keeps_reservation() } else { model.still_reserved() }
    }

    fn line_arrival(&self, address: u64) -> u64 {
        arrival(&self.params, address)
    }

    fn event_arrival(&self) -> u64 {
        self.params.timer_arrival
    }

    fn lines_arrive(&self) -> Option<u64> {
        Some(self.uncore.interrupt_at)
    }

    fn acts_from(&self, hart: &Hart) -> u64 {
        let id = hart.config.id;
        let from = self.cores[id].model.decides_from(hart) + WRITE_BACK;
        // An access to a device that takes others before comes when they are done.
        self.uncore.claims[id].as_ref().map_or(from, |claim| from.max(self.uncore.taken(claim)))
    }

    fn decides_from(&self, hart: &Hart) -> Option<u64> {
        // In the decode stage (RocketCore.scala, id_xcpt).
        Some(self.cores[hart.config.id].model.decides_from(hart))
    }

    fn wakes_at(&self, now: u64) -> u64 {
        // It has seen a timer's line the cycle before.
        if self.uncore.interrupt_at >= now { self.uncore.interrupt_at } else { now.saturating_sub(1) }
    }

    fn quantum_cycles(&self, asked: u64) -> u64 {
        if self.uncore.hub.is_some() { asked.min(QUANTUM_CYCLES) } else { asked }
    }

    #[inline]
    fn retired(&mut self, hart: &Hart, bus: &Bus, op: &Op) -> u64 {
        let (model, memo, mut beside) = self.parts(hart, bus);
        let mut env = beside.env(u64::MAX);
        if op.class.is_memory() {
            env.fact = hart.facts[usize::from(op.slot)];
        } else {
            env.fact = model.operands();
        }
        if !memo.retired(model, &mut env, op, hart.pc_of(op), hart.next_pc) {
            memo.leave(model);
            model.retired(&mut env, op, hart.pc_of(op), hart.next_pc);
        }
        model.takes_effect()
    }

    #[inline]
    fn block(&mut self, hart: &Hart, bus: &Bus, block: BlockRun<'_>, others: u64) -> u64 {
        let (model, memo, beside) = self.parts(hart, bus);
        memo.block(model, beside, others, &block);
        model.takes_effect()
    }

    fn trapped(&mut self, hart: &Hart, bus: &Bus, trap: &TrapTaken) -> u64 {
        let (model, memo, mut beside) = self.parts(hart, bus);
        let mut env = beside.env(u64::MAX);
        if memo.trapped(model, &mut env, trap) {
            return model.takes_effect();
        }
        memo.leave(model);
        model.trapped(&mut env, trap)
    }

    fn ledger(&self, hart: usize) -> Option<&Ledger> {
        self.cores.get(hart).map(|core| core.model.ledger())
    }
}
