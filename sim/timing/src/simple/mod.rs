//! One cycle an instruction, and L1 caches: what locality costs, at little more than the price of functional
//! simulation.
//!
//! A hit is free. A miss costs a fixed number of cycles and holds up everything behind it; there is no memory
//! port to share, no write-back and no TLB. Each hart has its own caches. They are not coherent: a store by
//! another hart (or a device) leaves a line where it is, and the next access hits. Accesses to devices and traps
//! cost their one cycle.
//!
//! Caches are indexed by physical address. An instruction that straddles two lines needs both; of misaligned
//! data, the line of the first byte counts.

mod params;

use serde::{Deserialize, Serialize};

use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, Priv, RunState};
use relsim_core::insn::{Op, OpClass};
use relsim_core::pmp::AccessKind;
use relsim_core::saved::{Impossible, require};
use relsim_core::timing::{Around, CycleCause as Cause, Held, Ledger, TimingModel};
use relsim_core::trap::TrapTaken;

use crate::parts::replace::Lfsr;
use crate::parts::saved::Latest;
use crate::parts::tags::{LINE_BYTES, Tags, line_of};
use crate::registry::Model;
pub use params::Params;

/// Fetch translations remembered by a hart: to ask the page table anew at each change of page is slow.
const PAGES: usize = 64;
const PAGE_SHIFT: u32 = 12;

/// An L1: which lines are there, and which goes next.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cache {
    tags: Tags,
    lfsr: Lfsr,
}

impl Cache {
    fn new(sets: u64, ways: u64) -> Self {
        Self { tags: Tags::new(sets, ways), lfsr: Lfsr::default() }
    }

    /// Looks `line` up and brings it in; whether it was there.
    #[inline(always)]
    fn access(&mut self, line: u64) -> bool {
        self.tags.holds(line) || self.fill(line)
    }

    #[cold]
    fn fill(&mut self, line: u64) -> bool {
        self.tags.put(line, self.lfsr.way(self.tags.ways()));
        self.lfsr.step();
        false
    }
}

/// A page that was fetched from: its number and translation context, and where it is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Page {
    number: u64,
    context: u32,
    base: u64,
}

const NO_PAGE: Page = Page { number: u64::MAX, context: 0, base: 0 };

/// Boxed, for serde.
mod pages {
    use serde::{Deserializer, Serializer};
    use serde_big_array::BigArray;

    use super::{PAGES, Page};

    pub fn serialize<S: Serializer>(pages: &[Page; PAGES], to: S) -> Result<S::Ok, S::Error> {
        BigArray::serialize(pages, to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<[Page; PAGES]>, D::Error> {
        BigArray::deserialize(from).map(Box::new)
    }
}

/// What the model knows of a hart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HartModel {
    icache: Cache,
    dcache: Cache,
    #[serde(with = "pages")]
    pages: Box<[Page; PAGES]>,
    /// The line that was fetched from last, by virtual address and context: most instructions lie in it.
    line: u64,
    context: u32,
    /// Of the instructions in that context.
    privilege: Priv,
    ledger: Ledger,
    /// Cycles in the ledger: up to where the hart's time is accounted for.
    accounted: u64,
    sleeps: bool,
}

impl HartModel {
    fn new(params: &Params) -> Self {
        Self {
            icache: Cache::new(params.l1i_sets, params.l1i_ways),
            dcache: Cache::new(params.l1d_sets, params.l1d_ways),
            pages: Box::new([NO_PAGE; PAGES]),
            line: u64::MAX,
            context: 0,
            privilege: Priv::M,
            ledger: Ledger::default(),
            accounted: 0,
            sleeps: false,
        }
    }

    #[inline(always)]
    fn charge(&mut self, cause: Cause, cycles: u64) {
        self.ledger.charge(self.privilege, cause, cycles);
        self.accounted += cycles;
    }

    /// The hart's time was moved on since it was last seen: it slept, or the built-in firmware served a call.
    #[cold]
    fn outside(&mut self, hart: &Hart) {
        let cause = if std::mem::take(&mut self.sleeps) { Cause::Wait } else { Cause::Firmware };
        self.charge(cause, hart.cycle.saturating_sub(self.accounted));
    }

    /// Where the byte at `va` of the instruction stream is; `None` where a fetch would fault.
    fn translate(&mut self, hart: &Hart, bus: &Bus, va: u64) -> Option<u64> {
        let (number, context) = (va >> PAGE_SHIFT, hart.mmu.fetch_context);
        let page = &mut self.pages[number as usize % PAGES];
        if page.number != number || page.context != context {
            let pa = hart.walk(bus, va, AccessKind::Fetch, hart.privilege).ok()?.pa;
            *page = Page { number, context, base: pa >> PAGE_SHIFT << PAGE_SHIFT };
        }
        Some(page.base | va & ((1 << PAGE_SHIFT) - 1))
    }

    /// Fetches the line of `va`; whether it was there.
    fn fetch(&mut self, hart: &Hart, bus: &Bus, va: u64) -> bool {
        // What faults is charged as a trap, not as a miss.
        self.translate(hart, bus, va).is_none_or(|pa| self.icache.access(line_of(pa)))
    }

    /// An instruction that does not lie in the line of the one before it: the number of misses.
    #[inline(never)]
    fn other_line(&mut self, hart: &Hart, bus: &Bus, pc: u64, last: u64) -> u64 {
        let mut misses = 0;
        if line_of(pc) != self.line || self.context != hart.mmu.fetch_context {
            misses += u64::from(!self.fetch(hart, bus, pc));
        }
        if line_of(last) != line_of(pc) {
            misses += u64::from(!self.fetch(hart, bus, last & !(LINE_BYTES - 1)));
        }
        (self.line, self.context) = (line_of(last), hart.mmu.fetch_context);
        self.privilege = hart.privilege;
        misses
    }
}

/// The simple model of a machine.
#[derive(Debug)]
pub struct Simple {
    params: Params,
    harts: Vec<HartModel>,
}

impl Model for Simple {
    const NAME: &'static str = "simple";
    const SUMMARY: &'static str = "one cycle an instruction, and L1 caches whose misses cost a fixed time";
    type Params = Params;
    type State = Vec<HartModel>;

    fn new(params: &Params, pcs: &[u64]) -> Self {
        Self { params: params.clone(), harts: pcs.iter().map(|_| HartModel::new(params)).collect() }
    }

    fn save(&mut self) -> Self::State {
        self.harts.clone()
    }

    fn settle(&self, state: &mut Self::State, latest: u64) -> Result<(), Impossible> {
        require(state.len() == self.harts.len(), "another number of harts")?;
        for (hart, own) in state.iter().zip(&self.harts) {
            hart.icache.tags.check(&own.icache.tags)?;
            hart.dcache.tags.check(&own.dcache.tags)?;
            hart.ledger.check()?;
            Latest(latest).all([hart.accounted])?;
            require(hart.accounted == hart.ledger.total(), "a ledger that does not add up")?;
        }
        Ok(())
    }

    fn restore(&mut self, state: &Self::State) {
        self.harts.clone_from(state);
    }

    fn state_bytes(&self) -> u64 {
        let caches = |hart: &HartModel| hart.icache.tags.bytes() + hart.dcache.tags.bytes();
        self.harts.iter().map(|hart| caches(hart) + size_of::<[Page; PAGES]>() as u64).sum()
    }
}

impl TimingModel for Simple {
    const DETAILED: bool = true;

    #[inline(always)]
    fn issue(&mut self, hart: &Hart, bus: &Bus, op: &Op, _: Around) -> Result<u64, Held> {
        let model = &mut self.harts[hart.config.id];
        if hart.cycle != model.accounted {
            model.outside(hart);
        }
        let pc = hart.pc_of(op);
        let last = pc.wrapping_add(u64::from(op.len) - 1);
        if line_of(last) != model.line || line_of(pc) != model.line || hart.mmu.fetch_context != model.context
        {
            let misses = model.other_line(hart, bus, pc, last);
            model.charge(Cause::InstructionCache, misses * self.params.l1i_miss);
        }
        // Asked again, the line is there, and the time is the same.
        Ok(model.accounted)
    }

    #[inline(always)]
    fn retired(&mut self, hart: &Hart, bus: &Bus, op: &Op) -> u64 {
        let model = &mut self.harts[hart.config.id];
        model.charge(Cause::Issue, 1);
        if op.class.is_memory() {
            let pa = hart.access(op).pa;
            if bus.ram.contains(pa, 1) && !model.dcache.access(line_of(pa)) {
                model.charge(Cause::DataCache, self.params.l1d_miss);
            }
        } else if op.class == OpClass::FenceI {
            model.icache.tags.clear();
            model.line = u64::MAX;
        } else if op.class == OpClass::Wait {
            model.sleeps = hart.state == RunState::Waiting;
        }
        model.accounted
    }

    fn trapped(&mut self, hart: &Hart, _: &Bus, _: &TrapTaken) -> u64 {
        let model = &mut self.harts[hart.config.id];
        if hart.cycle != model.accounted {
            model.outside(hart);
        }
        model.charge(Cause::Flush, 1);
        model.accounted
    }

    fn ledger(&self, hart: usize) -> Option<&Ledger> {
        self.harts.get(hart).map(|model| &model.ledger)
    }
}
