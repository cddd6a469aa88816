//! One hart's steps, calls and returns among those of the others.

use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::Op;
use relsim_core::observe::Observer;
use relsim_core::trap::TrapTaken;

use super::stops::{Steps, call_depth};
use super::{Arrival, Exit, Hit, Limits, Pause, Session, Stop, Trigger};
use crate::checkpoint::RestoreError;

/// The number of the stop at which it is the hart's turn: users' numbers begin with 1.
const TURN: u32 = 0;

/// The calls of a hart that have not returned.
struct Calls {
    hart: usize,
    steps: Steps,
    /// The step of each: the call, or what trapped, is next there.
    open: Vec<u64>,
    /// Returns from what had been called before.
    returned: usize,
    /// Where the instruction at hand is.
    at: u64,
}

impl Calls {
    fn returns(&mut self) {
        if self.open.pop().is_none() {
            self.returned += 1;
        }
    }
}

impl Observer for Calls {
    const ON: bool = true;

    fn before(&mut self, hart: &Hart, _: &Bus, op: &Op, _: u64) {
        self.steps.before(hart, op);
        self.at = self.steps.total();
        self.steps.served_by_firmware(hart, op);
    }

    fn retired(&mut self, hart: &Hart, _: &Bus, op: &Op, _: u64, _: Priv) {
        self.steps.retired(hart);
        if hart.config.id == self.hart {
            match call_depth(op) {
                1 => self.open.push(self.at),
                -1 => self.returns(),
                _ => {}
            }
        }
    }

    fn trapped(&mut self, hart: &Hart, _: &Bus, _: &TrapTaken) {
        self.steps.trapped(hart);
        if hart.config.id == self.hart {
            self.open.push(self.steps.total() - 1);
        }
    }
}

impl Session {
    fn own_steps(&self, hart: usize) -> u64 {
        self.machine.cores.get(hart).map_or(0, |core| core.hart.steps())
    }

    /// One step of hart `hart`, or up to the first of `stops`. The others go on up to where it is that hart's turn, and no
    /// further.
    pub fn step_hart(&mut self, hart: usize, stops: &[Stop]) -> Arrival {
        let turn = Stop { number: TURN, trigger: Trigger::Hart(hart), condition: None };
        let with_turn: Vec<Stop> = stops.iter().cloned().chain([turn]).collect();
        let begin = self.own_steps(hart);
        loop {
            if self.machine.next_hart() != Some(hart) {
                match self.run_to(&with_turn) {
                    Arrival::Hit(Hit { number: TURN, .. }) => {}
                    arrival => return arrival,
                }
            }
            let arrival = self.step_to(stops, 1);
            if arrival != Arrival::There || self.own_steps(hart) != begin {
                return arrival;
            }
        }
    }

    /// Back to before the last step of hart `hart`.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn step_hart_back(&mut self, hart: usize) -> Result<Arrival, RestoreError> {
        let end = self.own_steps(hart);
        // Mostly it was the last that moved.
        let arrival = self.step_back(1)?;
        if arrival != Arrival::There || self.own_steps(hart) < end {
            return Ok(arrival);
        }
        let turn = Stop { number: TURN, trigger: Trigger::Hart(hart), condition: None };
        Ok(match self.run_back_to(&[turn])? {
            Arrival::Hit(_) => Arrival::There,
            arrival => arrival,
        })
    }

    /// Back to the call of the function, or to what was interrupted by the trap handler, in which hart `hart` is.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn finish_back(&mut self, hart: usize) -> Result<Arrival, RestoreError> {
        let mut end = self.machine.steps();
        let mut returned = 0;
        while let Some(last) = end.checked_sub(1) {
            let from = self.history.before(last).clone();
            if from.steps() > last {
                break;
            }
            self.machine.restore(&from)?;
            let steps = Steps::of(self.machine.cores.iter().map(|core| &core.hart));
            let mut calls = Calls { hart, steps, open: Vec::new(), returned: 0, at: 0 };
            self.run_watched(Pause { steps: end, ..Pause::default() }, &mut calls);
            let open = calls.open.len();
            if open > returned {
                return self.go_to_step(calls.open[open - 1 - returned]);
            }
            returned = returned - open + calls.returned;
            end = from.steps();
        }
        let start = self.history.before(0).steps();
        self.go_to_step(start).map(|_| Arrival::Start)
    }

    /// Back to before the last instruction of hart `hart`; over what returned, to its call.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn next_back(&mut self, hart: usize) -> Result<Arrival, RestoreError> {
        let traps =
            |session: &Self| session.machine.cores.get(hart).map_or(0, |core| core.hart.counts.traps());
        let before = traps(self);
        let arrival = self.step_hart_back(hart)?;
        if arrival != Arrival::There || traps(self) != before {
            return Ok(arrival);
        }
        let Some(core) = self.machine.cores.get(hart) else { return Ok(arrival) };
        let op = self.instruction(hart, core.hart.pc).map(|(word, _)| core.blocks.decoder().op(word, 0, 0));
        if op.is_some_and(|op| call_depth(&op) < 0) { self.finish_back(hart) } else { Ok(arrival) }
    }

    /// Shows `observer` what happens from here until a hart has got to core cycle `cycle`, and comes back.
    ///
    /// # Errors
    /// As [`Session::go_to_step`].
    pub fn show(&mut self, cycle: u64, observer: &mut impl Observer) -> Result<Arrival, RestoreError> {
        let here = self.machine.steps();
        self.run_watched(Pause { cycle, ..Pause::default() }, observer);
        self.go_to_step(here)
    }

    /// Runs to `pause` with `observer`; changes are made on the way.
    fn run_watched(&mut self, pause: Pause, observer: &mut impl Observer) {
        while self.machine.steps() < pause.steps && self.machine.cycles() < pause.cycle {
            let change = self.history.next_change(self.machine.steps());
            let steps = pause.steps.min(change.unwrap_or(u64::MAX));
            let limits = Limits { pause: Pause { steps, ..pause }, ..self.limits };
            let exit = self.machine.run_observed(limits, &self.stop, observer);
            if change == Some(self.machine.steps()) {
                self.repeat_change(None);
            }
            if exit != Exit::Stopped {
                return;
            }
        }
    }
}
