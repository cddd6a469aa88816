//! Where a run is to stop: breakpoints, watchpoints and catchpoints.

use relsim_core::bus::Bus;
use relsim_core::decode::Decoder;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::{Op, OpClass};
use relsim_core::observe::Observer;
use relsim_core::trap::TrapTaken;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::expr::{Expr, Moment};
use crate::machine::Machine;

/// What a stop waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The instruction at a virtual address is next.
    Address(u64),
    /// A hart is about to execute anything.
    Hart(usize),
    /// A hart has returned from the function, or trap handler, in which it was when the lookout began.
    Return(usize),
    /// An instruction has accessed one of the bytes at these addresses.
    Access {
        /// The bytes.
        bytes: RangeInclusive<u64>,
        /// Whether the addresses are physical.
        physical: bool,
        /// Loads count.
        read: bool,
        /// Stores count.
        write: bool,
    },
    /// An instruction has written a CSR.
    CsrWrite(u16),
    /// An instruction, or a trap, has changed the value of an integer register.
    Register(u8),
    /// A hart has changed its privilege.
    Privilege,
    /// A trap has been taken: of this code, if one is given.
    Trap {
        /// Interrupts, or exceptions; both if it is not said.
        interrupt: Option<bool>,
        /// Cause code.
        code: Option<u8>,
    },
    /// An interrupt has been delivered to U-mode.
    UserInterrupt,
    /// An instruction of this name, or of this family (see [`is_of_family`]), is next.
    Instruction(&'static str),
    /// A hart has got to this core cycle.
    Cycle(u64),
}

/// A place to stop at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The user's number for it.
    pub number: u32,
    /// What it waits for.
    pub trigger: Trigger,
    /// Only if this is not 0 then.
    pub condition: Option<Expr>,
}

/// A stop that was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// [`Stop::number`].
    pub number: u32,
    /// On which hart.
    pub hart: usize,
    /// Steps of all harts before.
    pub steps: u64,
    /// A device, or the built-in firmware, has made the access, before the hart goes on.
    pub outside: bool,
}

/// Steps of each hart, as they are seen.
#[derive(Default)]
pub(super) struct Steps(Vec<u64>);

impl Steps {
    pub fn of<'h>(harts: impl Iterator<Item = &'h Hart>) -> Self {
        Self(harts.map(Hart::steps).collect())
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// `op` is next.
    pub fn before(&mut self, hart: &Hart, op: &Op) {
        self.0[hart.config.id] = hart.instret_at(op) + hart.counts.traps();
    }

    /// `op` executes: a call of the built-in firmware retires where nobody sees it.
    pub fn served_by_firmware(&mut self, hart: &Hart, op: &Op) {
        let call = op.class == OpClass::Call && op.raw == ECALL;
        let firmware = call && hart.privilege == Priv::S && hart.config.firmware_calls;
        self.0[hart.config.id] += u64::from(firmware);
    }

    pub fn retired(&mut self, hart: &Hart) {
        self.0[hart.config.id] += 1;
    }

    pub fn trapped(&mut self, hart: &Hart) {
        self.0[hart.config.id] = hart.steps();
    }
}

/// Looks out for stops.
pub(super) struct Lookout<'a> {
    stops: &'a [Stop],
    decoder: Arc<Decoder>,
    steps: Steps,
    /// What is met here is what the run has stopped at already.
    begin: u64,
    /// What is met from here on does not count.
    end: u64,
    /// Stop at the first, or go on and keep the last.
    stopping: bool,
    /// What was met, in order of time: the last few.
    pub hits: Vec<Hit>,
    /// How many are kept.
    keep: usize,
    registers: Vec<[u64; 32]>,
    privilege: Vec<Priv>,
    cycles: Vec<u64>,
    /// Calls and traps of each hart without a return.
    depth: Vec<i64>,
    /// How many stores of devices have been looked at.
    outside_seen: usize,
}

impl<'a> Lookout<'a> {
    /// From the state of `harts` on. `keep`: how many of the last hits before step `end` are of interest; 0 to stop at
    /// the first.
    pub fn new<'h>(
        stops: &'a [Stop],
        decoder: Arc<Decoder>,
        harts: impl Iterator<Item = &'h Hart>,
        keep: usize,
        end: u64,
    ) -> Self {
        let mut this = Self {
            stops,
            decoder,
            steps: Steps::default(),
            begin: 0,
            end,
            stopping: keep == 0,
            hits: Vec::new(),
            keep: keep.max(1),
            registers: Vec::new(),
            privilege: Vec::new(),
            cycles: Vec::new(),
            depth: Vec::new(),
            outside_seen: 0,
        };
        for hart in harts {
            this.steps.0.push(hart.steps());
            this.registers.push(registers(hart));
            this.privilege.push(hart.privilege);
            this.cycles.push(hart.cycle);
            this.depth.push(0);
        }
        this.begin = this.total();
        this
    }

    /// Whether stores of devices are of interest, of which a new record begins.
    pub fn looks_outside(&mut self) -> bool {
        self.outside_seen = 0;
        self.stops.iter().any(|stop| matches!(stop.trigger, Trigger::Access { write: true, .. }))
    }

    /// `machine` has come to a pause: what was stored since an instruction was last seen.
    pub fn paused(&mut self, machine: &Machine) {
        let next = machine.next_hart().unwrap_or(0);
        if machine.bus.ram.outside_stores().len() > self.outside_seen
            && let Some(core) = machine.cores.get(next)
        {
            self.steps = Steps::of(machine.cores.iter().map(|core| &core.hart));
            self.look_outside(&core.hart, &machine.bus);
        }
    }

    /// Somebody has changed what `harts` hold: that is no news.
    pub fn goes_on_from<'h>(&mut self, harts: impl Iterator<Item = &'h Hart>) {
        for hart in harts {
            let id = hart.config.id;
            (self.registers[id], self.privilege[id]) = (registers(hart), hart.privilege);
        }
    }

    fn total(&self) -> u64 {
        self.steps.total()
    }

    /// Where it stopped, if it was to.
    pub fn stopped_at(&self) -> Option<Hit> {
        self.hits.first().filter(|_| self.stopping).copied()
    }

    fn meet(&mut self, stop: &Stop, moment: &Moment<'_>) {
        self.meet_by(stop, moment, false);
    }

    /// What devices and firmware have stored since the last look.
    #[inline]
    fn look_outside(&mut self, hart: &Hart, bus: &Bus) {
        let stores = bus.ram.outside_stores();
        if stores.len() > self.outside_seen {
            self.met_outside(hart, bus, &stores[self.outside_seen..]);
            self.outside_seen = stores.len();
        }
    }

    #[cold]
    fn met_outside(&mut self, hart: &Hart, bus: &Bus, stores: &[(u64, u64)]) {
        let moment = Moment::of(hart, bus);
        let stops = self.stops;
        for stop in stops {
            let Trigger::Access { bytes, physical, write: true, .. } = &stop.trigger else { continue };
            // Devices know no virtual addresses: where the first of the bytes is now.
            let start =
                if *physical { Some(*bytes.start()) } else { hart.debug_address(bus, *bytes.start()) };
            let Some(start) = start else { continue };
            let bytes = start..=start.saturating_add(bytes.end() - bytes.start());
            if stores.iter().any(|&(at, size)| touches(&bytes, at, size)) {
                self.meet_by(stop, &moment, true);
            }
        }
    }

    fn meet_by(&mut self, stop: &Stop, moment: &Moment<'_>, outside: bool) {
        if self.total() >= self.end {
            return;
        }
        if let Some(condition) = &stop.condition
            && !condition.value(moment).is_ok_and(|value| value != 0)
        {
            return;
        }
        let hit = Hit { number: stop.number, hart: moment.hart.config.id, steps: self.total(), outside };
        // Of several stops at a place the first counts.
        if self.hits.last().is_some_and(|last| last.steps == hit.steps)
            || self.stopping && !self.hits.is_empty()
        {
            return;
        }
        if self.hits.len() >= self.keep {
            self.hits.remove(0);
        }
        self.hits.push(hit);
    }

    /// What there is after an instruction or a trap, beside what it did itself.
    fn after(&mut self, moment: &Moment<'_>) {
        let hart = moment.hart;
        let id = hart.config.id;
        let stops = self.stops;
        for stop in stops {
            let met = match stop.trigger {
                Trigger::Register(r) => hart.x(r & 31) != self.registers[id][usize::from(r & 31)],
                Trigger::Privilege => hart.privilege != self.privilege[id],
                Trigger::Cycle(cycle) => self.cycles[id] < cycle && moment.cycle >= cycle,
                _ => false,
            };
            if met {
                self.meet(stop, moment);
            }
        }
        self.registers[id] = registers(hart);
        self.privilege[id] = hart.privilege;
        self.cycles[id] = moment.cycle;
    }
}

/// Whether an instruction called `name` is one called `family`, or of those whose names go on with a dot: `lr.w` of `lr`.
pub fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn registers(hart: &Hart) -> [u64; 32] {
    std::array::from_fn(|r| hart.x[r])
}

/// Whether one of `size` bytes from `at` on is among `bytes`.
fn touches(bytes: &RangeInclusive<u64>, at: u64, size: u64) -> bool {
    at <= *bytes.end() && at.saturating_add(size - 1) >= *bytes.start()
}

/// Bytes that a memory instruction accesses: the width in its encoding (unprivileged specification, chapters 2.6, 13
/// and 27).
fn access_bytes(op: &Op) -> u64 {
    if op.len == 2 {
        // c.lw, c.sw and the like; all others are of 8 bytes.
        return if op.raw >> 13 & 3 == 2 { 4 } else { 8 };
    }
    match op.class {
        OpClass::Amo => 1 << (op.raw >> 12 & 7).min(4),
        OpClass::CacheBlock => 64,
        _ => 1 << (op.raw >> 12 & 3),
    }
}

/// What an instruction adds to the number of calls under way: by the registers that calls and returns use (unprivileged
/// specification 2.5.1).
pub(super) fn call_depth(op: &Op) -> i64 {
    let link = |r: u8| r == 1 || r == 5;
    match op.class {
        OpClass::Jump | OpClass::JumpIndirect if link(op.rd) => 1,
        OpClass::JumpIndirect if link(op.rs1) => -1,
        OpClass::TrapReturn => -1,
        _ => 0,
    }
}

fn reads(class: OpClass) -> bool {
    matches!(class, OpClass::Load | OpClass::FpLoad | OpClass::LoadReserved | OpClass::Amo)
}

fn writes(hart: &Hart, op: &Op) -> bool {
    match op.class {
        OpClass::Store | OpClass::FpStore | OpClass::Amo => true,
        OpClass::StoreConditional => hart.x(op.rd) == 0,
        // cbo.zero.
        OpClass::CacheBlock => op.raw >> 20 == 4 && op.raw >> 12 & 7 == 2,
        _ => false,
    }
}

impl Observer for Lookout<'_> {
    const ON: bool = true;

    fn before(&mut self, hart: &Hart, bus: &Bus, op: &Op, pc: u64) {
        let id = hart.config.id;
        self.steps.before(hart, op);
        self.look_outside(hart, bus);
        let moment = Moment { hart, bus, pc, instret: hart.instret_at(op), cycle: hart.cycle_at(op) };
        if !self.stopping || self.total() > self.begin {
            // One that has waited for its turn is where it was met before, with the others elsewhere.
            let new = hart.waited != Some(self.steps.0[id]);
            let stops = self.stops;
            for stop in stops {
                let met = match stop.trigger {
                    Trigger::Address(address) => new && pc == address,
                    Trigger::Hart(hart) => hart == id && (new || self.stopping),
                    Trigger::Instruction(name) => new && is_of_family(self.decoder.row(op.row).name, name),
                    _ => false,
                };
                if met {
                    self.meet(stop, &moment);
                }
            }
        }
        if !self.wants_stop() {
            self.steps.served_by_firmware(hart, op);
        }
    }

    fn retired(&mut self, hart: &Hart, bus: &Bus, op: &Op, pc: u64, _: Priv) {
        let id = hart.config.id;
        self.steps.retired(hart);
        let instret = hart.instret_at(op) + 1;
        let moment = Moment { hart, bus, pc, instret, cycle: hart.cycle_at(op) + hart.cycles_per_op };
        let depth_before = self.depth[id];
        self.depth[id] += call_depth(op);
        let depth = self.depth[id];
        let stops = self.stops;
        for stop in stops {
            let met = match &stop.trigger {
                Trigger::Access { bytes, physical, read, write } => {
                    let size = access_bytes(op);
                    let access = hart.access(op);
                    let at = if *physical { access.pa } else { access.va };
                    let own = *read && reads(op.class) || *write && writes(hart, op);
                    own && touches(bytes, at, size)
                        || op.class == OpClass::Custom
                            && hart.physical.accesses().iter().any(|&(pa, stores)| {
                                (if stores { *write } else { *read }) && touches(bytes, pa, 8)
                            })
                }
                Trigger::Return(hart) => *hart == id && depth < 0 && self.depth[id] < depth_before,
                Trigger::CsrWrite(num) => hart.csr_writes.iter().any(|write| write.num == *num),
                _ => false,
            };
            if met {
                self.meet(stop, &moment);
            }
        }
        self.after(&moment);
    }

    fn trapped(&mut self, hart: &Hart, bus: &Bus, trap: &TrapTaken) {
        self.steps.trapped(hart);
        self.depth[hart.config.id] += 1;
        let moment = Moment::of(hart, bus);
        let stops = self.stops;
        for stop in stops {
            let met = match stop.trigger {
                Trigger::Trap { interrupt, code } => {
                    interrupt.is_none_or(|i| i == trap.interrupt) && code.is_none_or(|c| c == trap.code)
                }
                Trigger::UserInterrupt => trap.interrupt && trap.to == Priv::U,
                _ => false,
            };
            if met {
                self.meet(stop, &moment);
            }
        }
        self.after(&moment);
    }

    fn wants_stop(&self) -> bool {
        self.stopping && !self.hits.is_empty()
    }
}

/// The word of `ecall`.
const ECALL: u32 = 0x73;
