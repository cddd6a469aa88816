//! Letting the machine go, forwards and backwards, and saying why it stopped.

use gdbstub::common::{Signal, Tid};
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::target::ext::base::multithread::{
    MultiThreadResume, MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps, MultiThreadSingleStep,
    MultiThreadSingleStepOps,
};
use gdbstub::target::ext::base::reverse_exec::{
    ReplayLogPosition, ReverseCont, ReverseContOps, ReverseStep, ReverseStepOps,
};
use relsim_machine::session::{Arrival, Hit, Stop, Trigger};
use relsim_machine::{Exit, RestoreError};

use super::points::Point;
use super::target::{Debugged, thread};
use crate::status;

/// Why the machine stands still.
pub type Reason = MultiThreadStopReason<u64>;

/// What gdb wants to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Go on.
    Continue,
    /// Nobody goes on: gdb named no thread, or none that there is.
    Stay,
    /// One instruction, or trap, of a hart.
    Step(Tid),
    /// Go back to where something is met.
    ReverseContinue,
    /// Back by one instruction, or trap, of a hart.
    ReverseStep(Tid),
}

impl Debugged {
    /// Does what gdb wanted. `None` if it is not done, because the session's stop flag was set; what goes backwards does not
    /// look at that.
    ///
    /// # Errors
    /// As those of the session.
    pub fn go(&mut self) -> Result<Option<Reason>, RestoreError> {
        let stops = self.points.stops();
        match self.action {
            Action::Continue => {
                let arrival = self.session.run_to(&stops);
                self.before_access(&arrival)?;
                Ok(self.reason(arrival, None))
            }
            Action::Stay => Ok(self.reason(Arrival::There, None)),
            Action::Step(tid) => {
                let arrival = self.session.step_hart(tid.get() - 1, &stops);
                self.before_access(&arrival)?;
                Ok(self.reason(arrival, Some(tid)))
            }
            Action::ReverseContinue => {
                let arrival = match self.access_just_made(&stops)? {
                    Some(hit) => Arrival::Hit(hit),
                    None => self.session.run_back_to(&stops)?,
                };
                Ok(self.reason(arrival, None))
            }
            Action::ReverseStep(tid) => {
                let arrival = self.session.step_hart_back(tid.get() - 1)?;
                Ok(self.reason(arrival, Some(tid)))
            }
        }
    }

    /// To before an access that was met forwards: gdb takes it on RISC-V as about to happen, and goes over it itself, in the
    /// direction in which it met it, to compare what is there with what it knew.
    fn before_access(&mut self, arrival: &Arrival) -> Result<(), RestoreError> {
        if let Arrival::Hit(hit) = arrival
            && let Some(Point::Watch(..)) = self.points.get(hit.number)
            && !hit.outside
        {
            self.session.go_to_step(hit.steps.saturating_sub(1))?;
        }
        Ok(())
    }

    /// The access of the very last step, which the session would take for what it has stopped at already. Going back, it is
    /// the first to be met.
    fn access_just_made(&mut self, stops: &[Stop]) -> Result<Option<Hit>, RestoreError> {
        let access = |stop: &&Stop| matches!(stop.trigger, Trigger::Access { .. });
        let watched: Vec<Stop> = stops.iter().filter(access).cloned().collect();
        if watched.is_empty() || self.session.step_back(1)? != Arrival::There {
            return Ok(None);
        }
        match self.session.step_to(&watched, 1) {
            Arrival::Hit(hit) => Ok(Some(hit)),
            _ => Ok(None),
        }
    }

    /// What `arrival` is for gdb; `stepped` is the thread that was to move.
    fn reason(&mut self, arrival: Arrival, stepped: Option<Tid>) -> Option<Reason> {
        let tid = stepped.or_else(|| self.machine().next_hart().map(thread)).unwrap_or(Tid::MIN);
        Some(match arrival {
            Arrival::There => Reason::SignalWithThread { tid, signal: Signal::SIGTRAP },
            Arrival::Hit(hit) => {
                let tid = thread(hit.hart);
                match self.points.get(hit.number) {
                    Some(Point::Software(_)) => Reason::SwBreak(tid),
                    Some(Point::Hardware(_)) => Reason::HwBreak(tid),
                    Some(Point::Watch(addr, _, kind)) => Reason::Watch { tid, kind, addr },
                    None => Reason::SignalWithThread { tid, signal: Signal::SIGTRAP },
                }
            }
            Arrival::Start => Reason::ReplayLog { tid: Some(tid), pos: ReplayLogPosition::Begin },
            Arrival::End(Exit::Interrupted) => return None,
            Arrival::End(exit) => {
                let code = status::of(&exit);
                self.ended = Some(exit);
                Reason::Exited(code)
            }
        })
    }

    /// What to say when gdb interrupts.
    pub fn interrupted(&self) -> Reason {
        let tid = self.machine().next_hart().map_or(Tid::MIN, thread);
        Reason::SignalWithThread { tid, signal: Signal::SIGINT }
    }
}

impl MultiThreadResume for Debugged {
    /// The machine goes on in [`Debugged::go`].
    fn resume(&mut self) -> Result<(), RestoreError> {
        Ok(())
    }

    /// All threads go on, unless something else comes.
    fn clear_resume_actions(&mut self) -> Result<(), RestoreError> {
        self.action = Action::Continue;
        self.named = false;
        Ok(())
    }

    fn set_resume_action_continue(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), RestoreError> {
        self.named |= self.hart(tid).is_some();
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_reverse_step(&mut self) -> Option<ReverseStepOps<'_, Tid, Self>> {
        Some(self)
    }

    fn support_reverse_cont(&mut self) -> Option<ReverseContOps<'_, Tid, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Debugged {
    fn set_resume_action_step(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), RestoreError> {
        if self.hart(tid).is_some() {
            self.action = Action::Step(tid);
            self.named = true;
        }
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Debugged {
    /// Only threads that were named are to go. Whose turn it is is part of the run: harts cannot be held, or it would be
    /// another run, unless all are.
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), RestoreError> {
        if !self.named {
            self.action = Action::Stay;
        }
        Ok(())
    }
}

impl ReverseCont<Tid> for Debugged {
    fn reverse_cont(&mut self) -> Result<(), RestoreError> {
        self.action = Action::ReverseContinue;
        Ok(())
    }
}

impl ReverseStep<Tid> for Debugged {
    fn reverse_step(&mut self, tid: Tid) -> Result<(), RestoreError> {
        self.action =
            if self.hart(tid).is_some() { Action::ReverseStep(tid) } else { Action::ReverseContinue };
        Ok(())
    }
}
