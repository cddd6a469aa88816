//! Looking at a debugger from outside, for what draws it.

use std::sync::atomic::Ordering;

use relsim_machine::session::{Arrival, Moment, Trigger};
use relsim_machine::{RestoreError, Session};

use super::command::{CommandError, Text};
use super::debugger::Debugger;
use crate::symbols::Symbols;

impl Debugger {
    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session, to go through the past.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The names that are known.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// The hart that is looked at.
    pub fn hart(&self) -> usize {
        self.hart
    }

    /// The hart that is looked at, and the machine, as it is.
    pub fn moment(&self) -> Moment<'_> {
        Moment::of(&self.core().hart, &self.session.machine().bus)
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn evaluate(&self, text: &str) -> Result<u64, CommandError> {
        self.value(&Text { at: 0, text: text.into() })
    }

    /// Numbers and texts of the breakpoints, with the address of those that wait for one.
    pub fn stop_places(&self) -> impl Iterator<Item = (u32, &str, Option<u64>)> {
        self.stops.iter().map(|(stop, text)| {
            let at = match stop.trigger {
                Trigger::Address(address) => Some(address),
                _ => None,
            };
            (stop.number, text.as_str(), at)
        })
    }

    /// Goes to a step, whatever the stop flag said before.
    ///
    /// # Errors
    /// As those of the session.
    pub fn stand_at(&mut self, steps: u64) -> Result<(), RestoreError> {
        let stop = self.session.stop_flag();
        while self.session.position().steps != steps {
            stop.store(false, Ordering::Release);
            let arrival = self.session.go_to_step(steps)?;
            if arrival != Arrival::There && !stop.load(Ordering::Acquire) {
                break;
            }
        }
        Ok(())
    }
}
