//! A machine: harts on a bus, and the order in which they run.
//!
//! The hart with the smallest local cycle runs next, ties by hart number, so a run is a function of
//! configuration and payload alone. A slice ends before the next device event, before a device access
//! that another hart's time has not caught up with, and after at most the quantum.

use std::sync::atomic::{AtomicBool, Ordering};

use relsim_core::block::BlockCache;
use relsim_core::bus::Bus;
use relsim_core::csr::irq;
use relsim_core::device::{Console, GuestExit};
use relsim_core::hart::{Hart, HartConfig, Priv, RunState};
use relsim_core::observe::{Observer, Unobserved};
use relsim_core::region::{Crossing, Kind, Snapshot};
use relsim_core::run::{self, Core, Slice, SliceEnd, SliceLimits};
use relsim_core::timing::{CycleCause, Ledger, TimingModel};
use relsim_core::trap::interrupt_name;
use relsim_devices::Htif;
use relsim_timing::registry::{AnyModel, WithModel};

use crate::config::{HtifWords, MachineConfig, Payload};
use crate::platform::DeviceKind;
use crate::report::{Crossed, Exit, HartReport, Report, Visit};
use crate::sbi::Firmware;
use crate::tables::Tables;
use crate::wiring::{BuildError, Virtio, build_bus};

/// Cycles after which a lone hart without events looks up, to see whether it should stop. Not visible to
/// the guest.
const STOP_CHECK_CYCLES: u64 = 20_000_000;
/// How often HTIF words in memory are served when input is awaited, in core cycles.
const HTIF_POLL_CYCLES: u64 = 10_000;

/// Up to where a run may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Core cycles since reset.
    pub max_cycles: u64,
    /// Instructions of all harts together since reset.
    pub max_instructions: u64,
    /// Where to pause.
    pub pause: Pause,
}

/// Where to pause a run, counted since reset: it goes on as if it had not been, whatever the timing model and the
/// number of harts. The run is over with [`Exit::Stopped`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// As soon as so many instructions have retired and traps been taken on all harts together.
    pub steps: u64,
    /// As soon as some hart has got to this core cycle.
    pub cycle: u64,
}

impl Default for Pause {
    /// Nowhere.
    fn default() -> Self {
        Self { steps: u64::MAX, cycle: u64::MAX }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_cycles: u64::MAX, max_instructions: u64::MAX, pause: Pause::default() }
    }
}

/// A machine, ready to run.
pub struct Machine {
    config: MachineConfig,
    /// The harts.
    pub cores: Vec<Core>,
    /// The rest.
    pub bus: Bus,
    pub(crate) firmware: Option<Firmware>,
    pub(crate) htif: Option<(HtifWords, Htif)>,
    pub(crate) next_htif_poll: u64,
    /// The timing model, between runs.
    pub(crate) model: AnyModel,
    pub(crate) visit: Visit,
    /// Which hart went before an event last ([`Machine::acts_before`]).
    went_first: usize,
    /// The slice in which the run was paused, and whose it is.
    pub(crate) paused: Option<(usize, Slice)>,
}

/// What the scheduler has to do next.
enum Next {
    /// Let a hart run.
    Slice(usize, Slice),
    /// Look again: an event was served.
    Again,
    /// No more.
    Exit(Exit),
}

/// A run, to be compiled once for each timing model.
struct Schedule<'a, O> {
    machine: &'a mut Machine,
    limits: Limits,
    stop: &'a AtomicBool,
    observer: &'a mut O,
}

impl<O: Observer> WithModel for Schedule<'_, O> {
    type Output = Exit;

    fn with<T: TimingModel>(self, model: &mut T) -> Exit {
        self.machine.schedule(self.limits, self.stop, self.observer, model)
    }
}

/// [`Machine::wake`], for whatever model.
struct Wake<'a> {
    machine: &'a mut Machine,
    now: u64,
}

impl WithModel for Wake<'_> {
    type Output = ();

    fn with<T: TimingModel>(self, model: &mut T) {
        self.machine.wake(model, self.now);
    }
}

impl Machine {
    /// Builds the machine of `config` with `payload` in memory.
    ///
    /// # Errors
    /// [`BuildError`] says what does not fit.
    pub fn build(
        config: MachineConfig,
        payload: &Payload,
        virtio: Vec<Virtio>,
        console: Box<dyn Console>,
    ) -> Result<Self, BuildError> {
        let tables = Tables::new(&config)?;
        Self::build_with(&tables, config, payload, virtio, console)
    }

    /// [`Machine::build`] with the tables of another machine with the same instruction set, for those who build
    /// many.
    ///
    /// # Errors
    /// [`BuildError`] says what does not fit; [`BuildError::Tables`] if it is the tables.
    pub fn build_with(
        tables: &Tables,
        config: MachineConfig,
        payload: &Payload,
        virtio: Vec<Virtio>,
        console: Box<dyn Console>,
    ) -> Result<Self, BuildError> {
        if !tables.fit(&config) {
            return Err(BuildError::Tables);
        }
        let mut bus = build_bus(&config, payload, virtio, console)?;
        let outside: Vec<_> = config.active_extensions().collect();
        let builtin = payload.privilege == Priv::S;
        let mut cores: Vec<Core> = (0..config.harts)
            .map(|id| {
                let hart_config = HartConfig {
                    id,
                    isa: config.isa,
                    misaligned_ok: config.platform.misaligned_ok,
                    firmware_calls: builtin,
                    pmp_entries: config.platform.pmp_entries,
                    reset_pc: config.platform.reset_pc,
                    ids: config.platform.ids,
                };
                let mut hart = Hart::new(hart_config, tables.csrs.clone());
                for extension in &outside {
                    let has_device =
                        |k| matches!(k, DeviceKind::Extension { name } if name == extension.name);
                    (extension.reset)(&mut hart, config.platform.find(has_device).map(|d| d.base));
                }
                Core::new(hart, BlockCache::new(tables.decoder.clone()))
            })
            .collect();
        if builtin {
            for core in &mut cores {
                core.hart.state = RunState::Stopped;
            }
            Firmware::start_hart(&mut cores[0].hart, &mut bus, payload.entry, payload.dtb_address);
        }
        if let Some(words) = payload.htif {
            bus.ram.watch(words.tohost);
        }
        let firmware = builtin.then(|| Firmware::new(config.harts));
        let htif = payload.htif.map(|words| (words, Htif::new()));
        let pcs: Vec<u64> = cores.iter().map(|c| c.hart.pc).collect();
        let model = config.timing.build(&pcs);
        Ok(Self {
            config,
            cores,
            bus,
            firmware,
            htif,
            next_htif_poll: 0,
            model,
            visit: Visit::default(),
            went_first: 0,
            paused: None,
        })
    }

    /// What it was built from.
    pub fn config(&self) -> &MachineConfig {
        &self.config
    }

    /// Where the cycles of hart number `hart` went, if the timing model tells; their sum is the hart's count.
    pub fn ledger(&self, hart: usize) -> Option<Ledger> {
        let mut ledger = self.model.ledger(hart)?.clone();
        let hart = &self.cores[hart].hart;
        // A hart that sleeps, or that somebody from outside moved on, is told when it goes on.
        ledger.charge(hart.privilege, CycleCause::Wait, hart.cycle.saturating_sub(ledger.total()));
        Some(ledger)
    }

    /// Keeps what every hart has counted when one of them first enters region `id`, and when one first leaves it.
    /// The run is the same to the last cycle.
    pub fn watch_region(&mut self, id: u16) {
        self.cores.iter_mut().for_each(|core| core.hart.crossings.region = Some(id));
    }

    /// What was kept of the region that is watched.
    pub fn visit(&self) -> &Visit {
        &self.visit
    }

    /// Notes what was seen of the watched region in a slice of hart `index`. The others did not move in it.
    #[cold]
    fn cross<T: TimingModel>(&mut self, index: usize, model: &T) {
        let seen = std::mem::take(&mut self.cores[index].hart.crossings.seen);
        for Crossing { kind, snapshot } in seen {
            let place = if kind == Kind::Begin { &self.visit.begin } else { &self.visit.end };
            if place.is_some() {
                continue;
            }
            let harts = (0..self.cores.len()).map(|n| {
                let snapshot = if n == index {
                    (*snapshot).clone()
                } else {
                    self.asleep_until(n, snapshot.cycle, model)
                };
                HartReport::of(snapshot, self.config.active_extensions())
            });
            let crossed = Crossed {
                hart: index,
                harts: harts.collect(),
                firmware_calls: self.firmware.as_ref().map_or(0, |f| f.calls),
            };
            *(if kind == Kind::Begin { &mut self.visit.begin } else { &mut self.visit.end }) = Some(crossed);
        }
    }

    /// Hart `index` as it is, or if it sleeps, as it will be at cycle `now` unless something wakes it earlier.
    fn asleep_until<T: TimingModel>(&self, index: usize, now: u64, model: &T) -> Snapshot {
        let hart = &self.cores[index].hart;
        let mut snapshot = Snapshot::of(hart, model.ledger(index).cloned());
        if hart.state != RunState::Running {
            snapshot.cycle = now.max(hart.cycle);
        }
        if let Some(ledger) = &mut snapshot.ledger {
            let untold = snapshot.cycle.saturating_sub(ledger.total());
            ledger.charge(hart.privilege, CycleCause::Wait, untold);
        }
        snapshot
    }

    /// Instructions retired by all harts.
    pub fn instructions(&self) -> u64 {
        self.cores.iter().map(|c| c.hart.instret).sum()
    }

    /// Instructions retired and traps taken by all harts.
    pub fn steps(&self) -> u64 {
        self.cores.iter().map(|c| c.hart.steps()).sum()
    }

    /// The hart that goes on next, if one does without an event.
    pub fn next_hart(&self) -> Option<usize> {
        let next = || (0..self.cores.len()).filter_map(|n| Some((self.ready_cycle(n)?, n))).min();
        self.paused.map(|(index, _)| index).or_else(|| Some(next()?.1))
    }

    /// The time of the hart that is furthest ahead.
    pub fn cycles(&self) -> u64 {
        self.cores.iter().map(|c| c.hart.cycle).max().unwrap_or(0)
    }

    /// Somebody outside has changed something: what a slice under way knows does not hold any more, and a hart that sleeps
    /// may have a reason to wake up.
    pub fn look_around(&mut self) {
        self.paused = None;
        self.cores.iter_mut().for_each(|core| core.hart.waited = None);
        let now = self.cycles();
        let mut model = std::mem::take(&mut self.model);
        model.with(Wake { machine: self, now });
        self.model = model;
    }

    /// Runs until the guest ends, a limit is reached, or `stop` is set.
    pub fn run(&mut self, limits: Limits, stop: &AtomicBool) -> Exit {
        self.run_observed(limits, stop, &mut Unobserved)
    }

    /// [`Machine::run`] with somebody watching.
    pub fn run_observed<O: Observer>(&mut self, limits: Limits, stop: &AtomicBool, observer: &mut O) -> Exit {
        for core in &mut self.cores {
            core.hart.log_csr_writes = O::ON;
        }
        let mut model = std::mem::take(&mut self.model);
        let exit = model.with(Schedule { machine: self, limits, stop, observer });
        self.model = model;
        exit
    }

    /// When a hart can go on: at once, when its supervisor timer rings, or only through somebody else.
    fn ready_cycle(&self, index: usize) -> Option<u64> {
        let hart = &self.cores[index].hart;
        match hart.state {
            RunState::Running => Some(hart.cycle),
            RunState::Stopped => None,
            RunState::Waiting => {
                let rings = hart.csr.mie & irq::STIP != 0;
                if rings { hart.timer_deadline(&self.bus) } else { None }
            }
        }
    }

    /// The next time at which something other than a hart acts.
    fn next_event(&self, now: u64) -> u64 {
        let timers = self.firmware.as_ref().and_then(|f| f.next_deadline(&self.bus, now));
        let htif =
            self.htif.as_ref().filter(|(_, h)| h.wants_input()).map(|_| self.next_htif_poll.max(now + 1));
        self.bus.next_event().min(timers.unwrap_or(u64::MAX)).min(htif.unwrap_or(u64::MAX))
    }

    /// The same, when every hart sleeps: only what can wake one counts.
    fn next_waking_event(&self, now: u64) -> Option<u64> {
        let timers = self.firmware.as_ref().and_then(|f| f.next_deadline(&self.bus, now));
        self.bus.next_waking_event().into_iter().chain(timers).min()
    }

    fn run_events(&mut self, now: u64) {
        self.bus.run_events(now);
        if let Some(firmware) = &mut self.firmware {
            firmware.run_timers(&mut self.cores, &self.bus, now);
        }
        if self.htif.as_ref().is_some_and(|(_, h)| h.wants_input()) && now >= self.next_htif_poll {
            self.serve_htif(now);
        }
    }

    fn serve_htif(&mut self, now: u64) {
        if let Some((words, htif)) = &mut self.htif {
            self.bus.ram.from_outside(true);
            htif.poll_memory(words.tohost, words.fromhost, &mut self.bus.device_cx(now));
            self.bus.ram.from_outside(false);
            self.bus.ram.take_watch_hit();
            self.next_htif_poll = now + HTIF_POLL_CYCLES;
        }
    }

    /// Wakes the sleeping harts that have a reason at cycle `now`.
    fn wake<T: TimingModel>(&mut self, model: &T, now: u64) {
        for core in &mut self.cores {
            let hart = &mut core.hart;
            if hart.state == RunState::Waiting
                && hart.mip_at(&self.bus, now.max(hart.cycle)) & hart.csr.mie != 0
            {
                hart.state = RunState::Running;
                let from = hart.cycle.max(now);
                let woken =
                    hart.sees_at(&self.bus, from).unwrap_or_else(|| model.wakes_at(from)).max(hart.cycle);
                if T::SLEEP_STOPS_MCYCLE {
                    hart.skip_cycles(woken - hart.cycle);
                }
                hart.cycle = woken;
            }
        }
    }

    fn schedule<T: TimingModel, O: Observer>(
        &mut self,
        limits: Limits,
        stop: &AtomicBool,
        observer: &mut O,
        model: &mut T,
    ) -> Exit {
        self.bus.set_line_arrivals(|address| model.line_arrival(address), model.event_arrival());
        loop {
            match self.bus.exit {
                Some(GuestExit::Done(code)) => return Exit::Guest { code },
                Some(GuestExit::Reset) => return Exit::Reset,
                None => {}
            }
            if stop.load(Ordering::Relaxed) {
                return Exit::Interrupted;
            }
            let instructions = self.instructions();
            if instructions >= limits.max_instructions {
                return Exit::InstructionLimit;
            }
            if self.is_paused(limits.pause) {
                return Exit::Stopped;
            }
            let (index, slice) = match self.paused.take() {
                // It may have been begun under other limits.
                Some((index, slice)) => {
                    let left = limits.max_instructions - instructions;
                    let last = self.cores[index].hart.instret.saturating_add(left);
                    (index, slice.within(limits.max_cycles, last))
                }
                None => match self.next_slice(limits, instructions, model) {
                    Next::Slice(index, slice) => (index, slice),
                    Next::Again => continue,
                    Next::Exit(exit) => return exit,
                },
            };
            let pause = run::Pause { steps: self.steps_to(limits.pause), cycle: limits.pause.cycle };
            let end = self.cores[index].go_on(&mut self.bus, model, observer, slice, pause);
            let now = self.cores[index].hart.cycle;
            if !self.cores[index].hart.crossings.seen.is_empty() {
                self.cross(index, model);
            }
            match end {
                SliceEnd::Limit => {}
                // What it waits for may be on its way already.
                SliceEnd::Device | SliceEnd::Wait => self.wake(model, now),
                SliceEnd::Watch => self.serve_htif(now),
                SliceEnd::FirmwareCall => {
                    if let Some(firmware) = &mut self.firmware {
                        self.bus.ram.from_outside(true);
                        firmware.call(&mut self.cores, &mut self.bus, index, self.config.sbi_call_cycles);
                        self.bus.ram.from_outside(false);
                    }
                    self.wake(model, self.cores[index].hart.cycle);
                }
                SliceEnd::Stopped(slice) => {
                    self.paused = Some((index, slice));
                    return Exit::Stopped;
                }
                // The loop says where to.
                SliceEnd::Paused(slice) => self.paused = Some((index, slice)),
                SliceEnd::Stuck if self.is_stuck(now) => {
                    return Exit::Stuck { detail: self.describe_harts() };
                }
                SliceEnd::Stuck => {}
            }
        }
    }

    /// What comes next: a slice of the hart that is furthest behind, unless something else acts before it.
    fn next_slice<T: TimingModel>(&mut self, limits: Limits, instructions: u64, model: &T) -> Next {
        // Who is next, and how far behind the others are.
        let (mut next, mut others) = (None, u64::MAX);
        for index in 0..self.cores.len() {
            let Some(ready) = self.ready_cycle(index) else { continue };
            match next {
                None => next = Some((ready, index)),
                Some((cycle, _)) if ready < cycle => {
                    others = cycle;
                    next = Some((ready, index));
                }
                Some(_) => others = others.min(ready),
            }
        }
        let now = self.cycles();
        let Some((cycle, index)) = next else {
            let Some(at) = self.next_waking_event(now) else { return Next::Exit(self.dead()) };
            let at = at.max(now);
            if at >= limits.max_cycles {
                return Next::Exit(Exit::CycleLimit);
            }
            self.run_events(at);
            self.wake(model, at);
            return Next::Again;
        };
        if cycle >= limits.max_cycles {
            return Next::Exit(Exit::CycleLimit);
        }
        let event = self.next_event(cycle);
        let waits = self.cores[index].hart.state == RunState::Waiting;
        if event <= cycle
            && let Some(first) = self.acts_before(event, model)
        {
            // What it does comes before the event: it goes on from where it is.
            let hart = &mut self.cores[first].hart;
            hart.cycle = model.acts_from(hart).saturating_sub(1);
            let others = if first == index { others } else { cycle };
            let slice = SliceLimits {
                end_cycle: event,
                event_cycle: event.min(others),
                max_instructions: limits.max_instructions - instructions,
                sync_cycle: others,
            };
            self.went_first = first;
            return Next::Slice(first, self.cores[first].slice::<T>(slice));
        }
        let hart = &self.cores[index].hart;
        if event <= cycle {
            // A hart that sleeps is there only when its timer rings, and what happens before may wake it.
            let at = if waits { event.max(hart.cycle) } else { cycle };
            self.run_events(at);
            self.wake(model, at);
            return Next::Again;
        }
        if waits {
            self.wake(model, cycle);
            return Next::Again;
        }
        let lone = others == u64::MAX;
        let stop_check = if lone { cycle.saturating_add(STOP_CHECK_CYCLES) } else { u64::MAX };
        let quantum = others.saturating_add(model.quantum_cycles(self.config.quantum_cycles));
        let slice = SliceLimits {
            end_cycle: event.min(limits.max_cycles).min(quantum).min(stop_check),
            // Accesses of several harts have to come one at a time.
            event_cycle: event.min(limits.max_cycles).min(others),
            max_instructions: limits.max_instructions - instructions,
            sync_cycle: others,
        };
        Next::Slice(index, self.cores[index].slice::<T>(slice))
    }

    /// A hart that may do something before cycle `event`, to which all have got, as far as they wait for each other: each in
    /// turn, since one of them may have to wait for another.
    fn acts_before<T: TimingModel>(&self, event: u64, model: &T) -> Option<usize> {
        let harts = self.cores.len();
        (1..=harts).map(|n| (self.went_first + n) % harts).find(|&index| {
            let hart = &self.cores[index].hart;
            hart.state == RunState::Running && model.acts_from(hart) < event
        })
    }

    fn is_paused(&self, pause: Pause) -> bool {
        pause.steps != u64::MAX && self.steps() >= pause.steps
            || pause.cycle != u64::MAX && self.cycles() >= pause.cycle
    }

    fn steps_to(&self, pause: Pause) -> u64 {
        if pause.steps == u64::MAX { u64::MAX } else { pause.steps.saturating_sub(self.steps()) }
    }

    fn dead(&self) -> Exit {
        Exit::Dead { detail: self.describe_harts() }
    }

    /// Whether every hart does nothing but trap, or sleeps, and no interrupt can come that would change that.
    fn is_stuck(&self, now: u64) -> bool {
        let something_comes = self.next_waking_event(now).is_some();
        self.cores.iter().all(|Core { hart, .. }| {
            if hart.state == RunState::Running && !hart.only_traps() {
                return false;
            }
            let reach = hart.interrupts_that_reach();
            let rings = reach & irq::STIP != 0 && hart.timer_deadline(&self.bus).is_some();
            !(rings || reach & hart.mip(&self.bus) != 0 || reach != 0 && something_comes)
        })
    }

    /// What each hart does, where nothing goes on.
    fn describe_harts(&self) -> String {
        let describe = |core: &Core| {
            let hart = &core.hart;
            let (id, pc, mode) = (hart.config.id, hart.pc, hart.privilege.letter());
            match hart.state {
                RunState::Stopped => format!("hart {id} was never started or has stopped"),
                RunState::Running => format!(
                    "hart {id} only traps: {} ({}tval {:#x}) at its own trap handler, pc {pc:#x} in {mode}-mode",
                    hart.raised.cause.name(),
                    mode.to_ascii_lowercase(),
                    hart.raised.tval,
                ),
                RunState::Waiting => {
                    let names = |bits: u64| {
                        let set = (0..16u8).filter(|bit| bits >> bit & 1 == 1);
                        let names: Vec<_> = set.map(interrupt_name).collect();
                        if names.is_empty() { "nothing".to_string() } else { names.join(", ") }
                    };
                    format!(
                        "hart {id} waits for an interrupt at pc {pc:#x} in {mode}-mode (enabled: {}; pending: {})",
                        names(hart.csr.mie),
                        names(hart.mip(&self.bus)),
                    )
                }
            }
        };
        self.cores.iter().map(describe).collect::<Vec<_>>().join("; ")
    }

    /// Counts so far.
    pub fn report(&self, exit: Exit) -> Report {
        let harts = self.cores.iter().zip(0..).map(|(core, n)| {
            HartReport::of(Snapshot::of(&core.hart, self.ledger(n)), self.config.active_extensions())
        });
        Report { exit, harts: harts.collect(), firmware_calls: self.firmware.as_ref().map_or(0, |f| f.calls) }
    }
}
