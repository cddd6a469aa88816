//! What a timing model is to the hot loop, and the words in which it accounts for cycles.

use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::hart::{Hart, Priv};
use crate::insn::Op;
use crate::trap::TrapTaken;

/// What an instruction meets beside its own hart.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// Local time of the hart that is furthest behind among the others; `u64::MAX` when there is none.
    pub others: u64,
    /// The cycle from which on an interrupt is taken in the place of an instruction that is decided on then
    /// ([`TimingModel::decides_from`]); `u64::MAX` when none is on its way.
    pub interrupt: u64,
}

/// Why an instruction does not take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It cannot be told when before the other harts have gone on up to this cycle.
    Behind(u64),
    /// The interrupt that is on its way takes its place.
    Interrupted {
        /// The cycle in which that is decided, by what the hart sees of the lines.
        decided: u64,
        /// The cycle in which it takes effect.
        cycle: u64,
    },
}

/// Charges cycles to what harts do: one model for all harts of a machine, which tells them apart by
/// [`crate::hart::HartConfig::id`]. The hot loop is compiled once for each model.
pub trait TimingModel {
    /// Whether the model wants to see every instruction. If not, each takes one cycle, and the loop counts
    /// whole blocks.
    const DETAILED: bool;

    /// Whether the model lets accesses of several harts to memory happen in the order of time, and reservations
    /// live and die as in its caches. If not, the loop keeps harts out between a load-reserved and its
    /// store-conditional.
    const ORDERS_MEMORY: bool = false;

    /// Whether `mcycle` stands still while a hart waits for an interrupt.
    const SLEEP_STOPS_MCYCLE: bool = false;

    /// `op` is about to execute on `hart`: gives the cycle at which what it does takes effect, as `mcycle` and
    /// devices see it. `around` is what else there is. Asked again for the same `op` when it has to wait for its turn.
    ///
    /// # Errors
    /// What comes first.
    fn issue(&mut self, hart: &Hart, bus: &Bus, op: &Op, around: Around) -> Result<u64, Held>;

    /// Nothing that `hart` has not done yet takes effect before this cycle. It may come before [`Hart::cycle`], where that says how
    /// far other harts were to go on ([`Held::Behind`]).
    fn acts_from(&self, hart: &Hart) -> u64 {
        hart.cycle
    }

    /// Whether the reservation of `hart` is still there for the store-conditional that has just issued.
    fn keeps_reservation(&self, hart: &Hart) -> bool {
        let _ = hart;
        true
    }

    /// How many cycles a hart may run ahead of the others where `asked` was asked for: no more than that.
    fn quantum_cycles(&self, asked: u64) -> u64 {
        asked
    }

    /// Cycles from a store to the device at `address` taking effect to instructions of any hart seeing the interrupt
    /// lines that it changes, as far as can be told before.
    fn line_arrival(&self, address: u64) -> u64 {
        let _ = address;
        0
    }

    /// The same from what a device does by itself, when its time comes.
    fn event_arrival(&self) -> u64 {
        0
    }

    /// In which cycle harts see the interrupt lines that the latest access to a device has changed, whose instruction has
    /// retired; if there is more to be said than [`TimingModel::line_arrival`] does.
    fn lines_arrive(&self) -> Option<u64> {
        None
    }

    /// The first cycle in which it may be decided whether an interrupt is taken in the place of what comes next on `hart`, by
    /// what the hart sees of the lines then. If nobody says, interrupts are taken as soon as a device drives its line.
    fn decides_from(&self, hart: &Hart) -> Option<u64> {
        let _ = hart;
        None
    }

    /// When a hart wakes up for an interrupt that a device raised by cycle `now`.
    fn wakes_at(&self, now: u64) -> u64 {
        now
    }

    /// `op` has retired on `hart` (whose `cycle` is what [`TimingModel::issue`] gave): gives the earliest cycle
    /// at which the next one can take effect.
    fn retired(&mut self, hart: &Hart, bus: &Bus, op: &Op) -> u64;

    /// `hart` has taken `trap`: gives the cycle at which its handler starts.
    fn trapped(&mut self, hart: &Hart, bus: &Bus, trap: &TrapTaken) -> u64;

    /// Whether the model takes whole blocks ([`TimingModel::block`]).
    const BLOCKS: bool = false;

    /// The instructions of `block` have retired one after the other: gives the earliest cycle at which what
    /// follows can take effect. `facts` are those of its memory accesses, multiplications and divisions, by [`Op::slot`]. The
    /// same as [`TimingModel::issue`] and [`TimingModel::retired`] for each of them; all of it is over before `others`.
    fn block(&mut self, hart: &Hart, bus: &Bus, block: BlockRun<'_>, others: u64) -> u64 {
        let _ = (bus, block, others);
        hart.cycle
    }

    /// Where the cycles of hart number `hart` went, if the model tells.
    fn ledger(&self, hart: usize) -> Option<&Ledger> {
        let _ = hart;
        None
    }
}

/// What a timing model has to know of an execution beside the instruction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Virtual address of the access, or the first operand.
    pub a: u64,
    /// Physical address of the access, or the second operand.
    pub b: u64,
}

/// Facts by [`Op::slot`]: 256 so that a byte indexes them without a check.
pub type Facts = [Fact; 256];

/// None.
pub const NO_FACTS: Facts = [Fact { a: 0, b: 0 }; 256];

/// The plain instructions at the beginning of a block, executed.
#[derive(Clone, Copy)]
pub struct BlockRun<'a> {
    /// A number that no other instructions of the hart ever have.
    pub serial: u64,
    /// What was executed.
    pub ops: &'a [Op],
    /// Whether that is all of it that is plain, or all up to a branch that is taken.
    pub whole: bool,
    /// Where control goes from the last of them.
    pub next: u64,
    /// See [`TimingModel::block`].
    pub facts: &'a Facts,
}

impl BlockRun<'_> {
    /// What is known of `op`, which is one of them, if there is something to know.
    #[inline(always)]
    pub fn fact(&self, op: &Op) -> Option<Fact> {
        op.fact.is_some().then(|| self.facts[usize::from(op.slot)])
    }

    /// Where control goes from instruction number `n`; the first is at `pc`.
    #[inline(always)]
    pub fn after(&self, n: usize, pc: u64) -> u64 {
        self.ops.get(n + 1).map_or(self.next, |op| pc.wrapping_add_signed(op.pc_offset.into()))
    }
}

/// The functional mode: an instruction, or a trap, is one cycle.
#[derive(Debug, Clone, Copy, Default)]
pub struct Functional;

impl TimingModel for Functional {
    const DETAILED: bool = false;

    #[inline(always)]
    fn issue(&mut self, hart: &Hart, _: &Bus, _: &Op, _: Around) -> Result<u64, Held> {
        Ok(hart.cycle)
    }

    #[inline(always)]
    fn retired(&mut self, hart: &Hart, _: &Bus, _: &Op) -> u64 {
        hart.cycle
    }

    #[inline(always)]
    fn trapped(&mut self, hart: &Hart, _: &Bus, _: &TrapTaken) -> u64 {
        hart.cycle + 1
    }
}

macro_rules! cycle_causes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)*) => {
        /// Why a cycle passed: each cycle of a hart has exactly one cause.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum CycleCause {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl CycleCause {
            /// Every cause.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Its name in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// A line about it.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)*
                }
            }
        }
    };
}

cycle_causes! {
    /// An instruction issued.
    Issue = "issue",
    /// An operand comes from a load that hit.
    LoadUse = "load-use",
    /// An operand, or the unit, is busy with a multiplication or division.
    MulDiv = "mul-div",
    /// An operand, or the unit, is busy with floating point.
    FloatingPoint = "floating-point",
    /// An operand is another result that cannot be bypassed: a CSR read, a link.
    Result = "result",
    /// The instruction cache misses.
    InstructionCache = "icache",
    /// The instruction TLB misses.
    InstructionTlb = "itlb",
    /// The data cache misses.
    DataCache = "dcache",
    /// The data TLB misses.
    DataTlb = "dtlb",
    /// A load close behind a store to the same word, or another refusal by the data cache.
    StoreHazard = "store-hazard",
    /// Fetch starts anew after a misprediction.
    Branch = "branch",
    /// Fetch has nothing to offer for another reason: a redirection by predecode, an instruction that
    /// straddles two fetch groups.
    Fetch = "fetch",
    /// A trap or its return, or a flush after a CSR write or a fence of translations.
    Flush = "flush",
    /// A fence waits for memory.
    Fence = "fence",
    /// An access to a device.
    Mmio = "mmio",
    /// The line is in another hart's cache, or another hart's request is in front.
    Coherence = "coherence",
    /// `uipi` waits for its entry, or for its co-processor.
    UserInterrupt = "uintr",
    /// The hart waits for an interrupt.
    Wait = "wait",
    /// The built-in firmware serves a call.
    Firmware = "firmware",
}

/// A place in a ledger: a privilege and a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell(u8);

impl Cell {
    /// That of `privilege` and `cause`.
    pub const fn new(privilege: Priv, cause: CycleCause) -> Self {
        Self(privilege as u8 * CycleCause::ALL.len() as u8 + cause as u8)
    }
}

/// A hart's cycles by privilege and cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    cycles: [[u64; CycleCause::ALL.len()]; 4],
}

impl Default for Ledger {
    fn default() -> Self {
        Self { cycles: [[0; CycleCause::ALL.len()]; 4] }
    }
}

impl Ledger {
    /// `cycles` more at `privilege` for `cause`.
    #[inline(always)]
    pub fn charge(&mut self, privilege: Priv, cause: CycleCause, cycles: u64) {
        self.cycles[privilege as usize & 3][cause as usize] += cycles;
    }

    /// `cycles` more at `cell`.
    #[inline(always)]
    pub fn charge_at(&mut self, cell: Cell, cycles: u64) {
        if let Some(sum) = self.cycles.as_flattened_mut().get_mut(usize::from(cell.0)) {
            *sum += cycles;
        }
    }

    /// `cycles` that were charged to `cause` at `privilege` had the cause `to`.
    pub fn recharge(&mut self, privilege: Priv, cause: CycleCause, to: CycleCause, cycles: u64) {
        let row = &mut self.cycles[privilege as usize & 3];
        let moved = cycles.min(row[cause as usize]);
        row[cause as usize] -= moved;
        row[to as usize] += moved;
    }

    /// Cycles at `privilege` for `cause`.
    pub fn get(&self, privilege: Priv, cause: CycleCause) -> u64 {
        self.cycles[privilege as usize & 3][cause as usize]
    }

    /// Cycles for `cause`, whatever the privilege.
    pub fn by_cause(&self, cause: CycleCause) -> u64 {
        self.cycles.iter().map(|row| row[cause as usize]).sum()
    }

    /// What `self` has and `before`, an earlier state of the same ledger, had not.
    pub fn since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (Priv, CycleCause, u64)> + 'a {
        // As a rule, it is one privilege.
        let differs = |&p: &Priv| self.cycles[p as usize] != before.cycles[p as usize];
        let privileges = [Priv::U, Priv::S, Priv::M].into_iter().filter(differs);
        let cells = privileges.flat_map(|p| CycleCause::ALL.map(|c| (p, c)));
        cells.map(|(p, c)| (p, c, self.get(p, c) - before.get(p, c))).filter(|cell| cell.2 > 0)
    }

    /// Makes of an earlier state of the same ledger what `now` is, and tells what is new.
    pub fn catch_up(&mut self, now: &Self, mut tell: impl FnMut(Priv, CycleCause, u64)) {
        for privilege in [Priv::U, Priv::S, Priv::M] {
            let (old, new) = (&mut self.cycles[privilege as usize], &now.cycles[privilege as usize]);
            // As a rule, it is one privilege.
            if old == new {
                continue;
            }
            for (cause, (old, new)) in CycleCause::ALL.into_iter().zip(old.iter_mut().zip(new)) {
                let cycles = *new - std::mem::replace(old, *new);
                if cycles > 0 {
                    tell(privilege, cause, cycles);
                }
            }
        }
    }

    /// Adds what `now` has and `before`, an earlier state of the same ledger, had not.
    pub fn add_difference(&mut self, now: &Self, before: &Self) {
        let cells = self.cycles.iter_mut().flatten();
        for (sum, (now, before)) in cells.zip(now.cycles.iter().flatten().zip(before.cycles.iter().flatten()))
        {
            *sum += now.saturating_sub(*before);
        }
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = &u64> {
        self.cycles.iter().flatten()
    }

    /// All cycles.
    pub fn total(&self) -> u64 {
        self.cycles.iter().flatten().sum()
    }
}
