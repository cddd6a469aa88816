//! A machine that can be gone back and forth with in time: what a debugger sits on.
//!
//! Time is counted in steps: instructions retired and traps taken, on all harts together. Going back is going to a
//! checkpoint before and running from there to the step that is wanted; since runs repeat to the last cycle, the state
//! there is the one that was. Checkpoints are made on the way.

mod change;
mod console;
pub mod expr;
mod history;
mod single;
mod stops;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use relsim_core::device::NoConsole;
use relsim_core::observe::Observer;
use relsim_core::pmp::AccessKind;
use relsim_core::run::Core;

use crate::checkpoint::RestoreError;
use crate::machine::{Limits, Machine, Pause};
use crate::report::Exit;
pub use change::{NotWritten, Place};
use console::Recorded;
pub use expr::{Expr, ExprError, Moment, NoValue};
use history::History;
use stops::Lookout;
pub use stops::{Hit, Stop, Trigger, is_of_family};

/// How a session keeps its past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The host's memory that checkpoints may take, in bytes.
    pub max_bytes: u64,
    /// Steps from one checkpoint to the next while running.
    pub interval: u64,
}

impl Options {
    /// 512 MiB, and checkpoints as close as a timing model's speed wants it: replay from one to the next takes about
    /// 25 ms.
    pub fn of(machine: &Machine) -> Self {
        let detailed = machine.config().timing.model().name != "functional";
        Self { max_bytes: 512 << 20, interval: if detailed { 250_000 } else { 2_000_000 } }
    }
}

/// A place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Instructions retired and traps taken by all harts.
    pub steps: u64,
    /// The time of the hart that is furthest ahead, in core cycles.
    pub cycles: u64,
}

/// Why a movement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It got where it was to go.
    There,
    /// It met a stop.
    Hit(Hit),
    /// The start of time is there.
    Start,
    /// The run came to its end.
    End(Exit),
}

/// A machine with its past.
pub struct Session {
    machine: Machine,
    history: History,
    options: Options,
    limits: Limits,
    stop: Arc<AtomicBool>,
    progress: Arc<AtomicU64>,
}

impl Session {
    /// Begins with `machine` as it is: one cannot go back beyond that.
    pub fn new(mut machine: Machine, options: Options) -> Self {
        let inner = std::mem::replace(&mut machine.bus.console, Box::new(NoConsole));
        machine.bus.console = Box::new(Recorded::new(inner));
        let history = History::new(machine.checkpoint(), options.max_bytes);
        Self {
            machine,
            history,
            options,
            limits: Limits::default(),
            stop: Arc::default(),
            progress: Arc::default(),
        }
    }

    /// Ends the run at `limits`, whose pause is left out.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = Limits { pause: Pause::default(), ..limits };
    }

    /// The machine as it is now.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The machine, to look at what needs it to be changed.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// The machine, without its past.
    pub fn into_machine(self) -> Machine {
        self.machine
    }

    /// While this is set, no movement goes on: it ends with [`Exit::Interrupted`]. A movement backwards that ends so
    /// leaves the machine anywhere.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Where in time a movement that is under way has got to, in steps: brought up to date a few times a second.
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.progress)
    }

    /// Where in time it is.
    pub fn position(&self) -> Position {
        Position { steps: self.machine.steps(), cycles: self.machine.cycles() }
    }

    /// How many checkpoints there are, and the bytes of the host's memory that they take.
    pub fn history_size(&self) -> (usize, u64) {
        self.history.size()
    }

    /// Runs to `pause` with `lookout`, and makes checkpoints on the way, `interval` steps apart.
    fn run(&mut self, pause: Pause, mut lookout: Option<&mut Lookout<'_>>, interval: u64) -> Arrival {
        loop {
            let steps = self.machine.steps();
            self.progress.store(steps, Ordering::Relaxed);
            if steps >= pause.steps || self.machine.cycles() >= pause.cycle {
                return Arrival::There;
            }
            let next = (steps / interval + 1).saturating_mul(interval);
            let change = self.history.next_change(steps);
            let limits = Limits {
                pause: Pause {
                    steps: next.min(pause.steps).min(change.unwrap_or(u64::MAX)),
                    cycle: pause.cycle,
                },
                ..self.limits
            };
            let looks = lookout.as_mut().is_some_and(|lookout| lookout.looks_outside());
            self.machine.bus.ram.record_outside_stores(looks);
            let exit = match &mut lookout {
                Some(lookout) => self.machine.run_observed(limits, &self.stop, *lookout),
                None => self.machine.run(limits, &self.stop),
            };
            if let Some(lookout) = &mut lookout {
                lookout.paused(&self.machine);
            }
            if change == Some(self.machine.steps()) {
                self.repeat_change(lookout.as_deref_mut());
            }
            if let Some(hit) = lookout.as_ref().and_then(|lookout| lookout.stopped_at()) {
                return Arrival::Hit(hit);
            }
            if exit != Exit::Stopped {
                return Arrival::End(exit);
            }
            if self.machine.steps() == next {
                self.history.add(self.machine.checkpoint());
            }
        }
    }

    fn lookout<'a>(&self, stops: &'a [Stop], keep: usize, end: u64) -> Lookout<'a> {
        let decoder = self.machine.cores[0].blocks.decoder().clone();
        Lookout::new(stops, decoder, self.machine.cores.iter().map(|core| &core.hart), keep, end)
    }

    /// Goes on for `steps` steps of whatever hart is next.
    pub fn step(&mut self, steps: u64) -> Arrival {
        let to = self.machine.steps().saturating_add(steps);
        self.run(Pause { steps: to, ..Pause::default() }, None, self.options.interval)
    }

    /// Goes on to the first of `stops`, or to the end.
    pub fn run_to(&mut self, stops: &[Stop]) -> Arrival {
        if stops.is_empty() {
            return self.run(Pause::default(), None, self.options.interval);
        }
        self.step_to(stops, u64::MAX)
    }

    /// Goes on to the first of `stops`, for at most `steps` steps of whatever hart is next.
    pub fn step_to(&mut self, stops: &[Stop], steps: u64) -> Arrival {
        let pause = Pause { steps: self.machine.steps().saturating_add(steps), ..Pause::default() };
        let mut lookout = self.lookout(stops, 0, u64::MAX);
        self.run(pause, Some(&mut lookout), self.options.interval)
    }

    /// Goes on to the next instruction of hart `hart`; over a call, a trap or what else leads away, to behind it.
    pub fn next(&mut self, hart: usize) -> Arrival {
        let stop = |trigger| [Stop { number: 0, trigger, condition: None }];
        let Some(core) = self.machine.cores.get(hart) else { return Arrival::There };
        let (traps, own) = (core.hart.counts.traps(), core.hart.steps());
        let op = self.instruction(hart, core.hart.pc).map(|(word, _)| core.blocks.decoder().op(word, 0, 0));
        let calls = op.is_some_and(|op| stops::call_depth(&op) > 0);
        // Up to where this hart is next asked: once it has done something.
        let begin = self.machine.steps();
        while self.machine.cores[hart].hart.steps() == own {
            let arrival = self.run_to(&stop(Trigger::Hart(hart)));
            if !matches!(arrival, Arrival::Hit(_)) || self.machine.steps() == begin {
                return arrival;
            }
        }
        let trapped = self.machine.cores[hart].hart.counts.traps() > traps;
        if !calls && !trapped {
            return Arrival::There;
        }
        match self.run_to(&stop(Trigger::Return(hart))) {
            Arrival::Hit(_) => Arrival::There,
            arrival => arrival,
        }
    }

    /// Goes on until hart `hart` returns from the function or trap handler in which it is, or meets one of `stops`.
    pub fn finish(&mut self, hart: usize, stops: &[Stop]) -> Arrival {
        let own = Stop { number: 0, trigger: Trigger::Return(hart), condition: None };
        let all: Vec<Stop> = stops.iter().cloned().chain([own]).collect();
        match self.run_to(&all) {
            Arrival::Hit(Hit { number: 0, .. }) => Arrival::There,
            arrival => arrival,
        }
    }

    /// The instruction at virtual address `va` as hart `hart` sees it, and its length in bytes.
    pub fn instruction(&self, hart: usize, va: u64) -> Option<(u32, u64)> {
        let hart = &self.machine.cores.get(hart)?.hart;
        let parcel = |va| {
            let walk = hart.walk(&self.machine.bus, va, AccessKind::Fetch, hart.privilege).ok()?;
            self.machine.bus.fetch(walk.pa).ok().map(u32::from)
        };
        let low = parcel(va)?;
        if low & 3 == 3 { Some((parcel(va.wrapping_add(2))? << 16 | low, 4)) } else { Some((low, 2)) }
    }

    /// Goes to step `steps`, back or forth.
    ///
    /// # Errors
    /// [`RestoreError`], which no checkpoint of its own machine gives.
    pub fn go_to_step(&mut self, steps: u64) -> Result<Arrival, RestoreError> {
        let now = self.machine.steps();
        let from = self.history.before(steps);
        let mut interval = self.options.interval;
        if steps < now || from.steps() > now {
            let far = steps.saturating_sub(from.steps());
            if far > interval {
                // A thin place: whoever goes back once will go back again.
                interval = (far / 8).max(interval / 8).max(1);
            }
            let from = from.clone();
            self.machine.restore(&from)?;
        }
        Ok(self.run(Pause { steps, ..Pause::default() }, None, interval))
    }

    /// Goes to the first place at which a hart has got to core cycle `cycle`, back or forth.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn go_to_cycle(&mut self, cycle: u64) -> Result<Arrival, RestoreError> {
        if cycle <= self.machine.cycles() {
            let from = self.history.before_cycle(cycle).clone();
            self.machine.restore(&from)?;
        }
        Ok(self.run(Pause { cycle, ..Pause::default() }, None, self.options.interval))
    }

    /// Goes back `steps` steps.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn step_back(&mut self, steps: u64) -> Result<Arrival, RestoreError> {
        let now = self.machine.steps();
        let start = self.history.before(0).steps();
        let arrival = self.go_to_step(now.saturating_sub(steps).max(start))?;
        Ok(if now - start < steps { Arrival::Start } else { arrival })
    }

    /// Goes back to the last place before now at which one of `stops` is met.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn run_back_to(&mut self, stops: &[Stop]) -> Result<Arrival, RestoreError> {
        let start = self.history.before(0).steps();
        match self.last_hits(stops, 1)?.first() {
            Some(&hit) => self.go_to_step(hit.steps).map(|_| Arrival::Hit(hit)),
            None => self.go_to_step(start).map(|_| Arrival::Start),
        }
    }

    /// The last `count` places before now at which one of `stops` is met, the earliest first. The machine is somewhere
    /// else afterwards.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn last_hits(&mut self, stops: &[Stop], count: usize) -> Result<Vec<Hit>, RestoreError> {
        self.hits_before(self.machine.steps(), stops, count)
    }

    /// The last places before step `limit`, and not after now.
    fn hits_before(&mut self, limit: u64, stops: &[Stop], count: usize) -> Result<Vec<Hit>, RestoreError> {
        let mut hits: Vec<Hit> = Vec::new();
        let mut end = self.machine.steps();
        while hits.len() < count && !stops.is_empty() {
            let Some(last) = end.checked_sub(1) else { break };
            let from = self.history.before(last).clone();
            if from.steps() > last {
                break;
            }
            self.machine.restore(&from)?;
            let mut lookout = self.lookout(stops, count.max(1), limit);
            // Up to and with what is met at the end of the segment: the next one begins behind that.
            let pause = Pause { steps: end, ..Pause::default() };
            let arrival = self.run(pause, Some(&mut lookout), self.options.interval);
            hits = lookout.hits.into_iter().chain(hits).collect();
            end = from.steps();
            if arrival == Arrival::End(Exit::Interrupted) {
                break;
            }
        }
        hits.dedup_by_key(|hit| hit.steps);
        Ok(hits.split_off(hits.len().saturating_sub(count)))
    }

    /// The instruction that last wrote one of the 8 bytes at virtual address `address`, as hart `hart` sees it: where
    /// it has retired. The machine stays where it is.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn last_write(&mut self, hart: usize, address: u64) -> Result<Option<Hit>, RestoreError> {
        let now = self.machine.steps();
        let Some(Core { hart, .. }) = self.machine.cores.get(hart) else { return Ok(None) };
        let found = hart.walk(&self.machine.bus, address, AccessKind::Load, hart.data_privilege());
        let Ok(walk) = found else { return Ok(None) };
        let bytes = walk.pa..=walk.pa.saturating_add(7);
        let trigger = Trigger::Access { bytes, physical: true, read: false, write: true };
        let stop = Stop { number: 0, trigger, condition: None };
        // The instruction that has just retired counts, too.
        let hits = self.hits_before(now + 1, &[stop], 1)?;
        self.go_to_step(now)?;
        Ok(hits.first().copied())
    }

    /// Goes through the steps from `from` up to here again, while `observer` looks on. The machine stays where it is,
    /// unless it is interrupted.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn replay<O: Observer>(&mut self, from: u64, observer: &mut O) -> Result<(), RestoreError> {
        let now = self.machine.steps();
        let before = self.history.before(from).steps();
        self.go_to_step(from.min(now))?;
        if self.machine.steps() == from && from - before > now - from {
            // Whoever looks back once will do so again, from close by.
            self.history.add(self.machine.checkpoint());
        }
        while self.machine.steps() < now {
            let limits = Limits { pause: Pause { steps: now, ..Pause::default() }, ..Limits::default() };
            if self.machine.run_observed(limits, &self.stop, observer) != Exit::Stopped {
                break;
            }
        }
        Ok(())
    }
}
