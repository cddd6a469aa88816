//! The side of the debugger: carries out what the screen asks for, and gives back what there is to see.

use std::sync::atomic::Ordering;

use relsim_machine::RestoreError;

use super::view::code::Sources;
use super::view::{Before, Look, View};
use crate::debug::{Answer, Command, CommandError, Debugger};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// A command.
    Line(String),
    /// An expression says where to look.
    Place(Target, String),
    /// Just to look.
    Look,
}

/// What shows a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Disassembly.
    Code,
    /// Memory.
    Memory,
    /// Page tables.
    Walk,
}

/// A job, and where the user looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The job.
    pub job: Job,
    /// Where he looks.
    pub look: Look,
}

/// What came of it.
pub struct Reply {
    /// The job.
    pub job: Job,
    /// What the command said.
    pub answer: Option<Result<Answer, CommandError>>,
    /// Where the user looks now.
    pub look: Look,
    /// What he sees there.
    pub view: Box<View>,
    /// The commands that made the breakpoints that there are.
    pub breakpoints: Vec<String>,
}

/// A debugger behind a screen.
pub struct Engine {
    debugger: Debugger,
    before: Before,
    sources: Sources,
    /// Numbers of breakpoints, and the commands that made them.
    made: Vec<(u64, String)>,
}

impl Engine {
    /// For `debugger` with `sources`.
    pub fn new(debugger: Debugger, sources: Sources) -> Self {
        let before = Before::now(&debugger);
        Self { debugger, before, sources, made: Vec::new() }
    }

    /// The debugger.
    pub fn debugger(&self) -> &Debugger {
        &self.debugger
    }

    /// Does what is asked for.
    pub fn perform(&mut self, request: Request) -> Reply {
        let Request { job, mut look } = request;
        let answer = match &job {
            Job::Line(line) => self.carry_out(line),
            Job::Place(target, text) => match self.debugger.evaluate(text) {
                Ok(at) => {
                    match target {
                        Target::Code => look.code = Some(at),
                        Target::Memory => look.memory = Some(at),
                        Target::Walk => look.walk = Some(at),
                    }
                    None
                }
                Err(error) => Some(Err(error)),
            },
            Job::Look => None,
        };
        let view = View::take(&mut self.debugger, &look, &self.before, &mut self.sources);
        let there: Vec<u64> = self.debugger.stop_places().map(|(number, ..)| number.into()).collect();
        self.made.retain(|(number, _)| there.contains(number));
        let breakpoints = self.made.iter().map(|(_, line)| line.clone()).collect();
        Reply { job, answer, look, view: Box::new(view), breakpoints }
    }

    fn carry_out(&mut self, line: &str) -> Option<Result<Answer, CommandError>> {
        let command = match Command::parse(line) {
            Ok(command) => command?,
            Err(error) => return Some(Err(error)),
        };
        let (before, from, hart) =
            (Before::now(&self.debugger), self.debugger.session().position(), self.debugger.hart());
        let mut answer = self.debugger.carry_out(&command);
        let stop = self.debugger.session().stop_flag();
        if stop.swap(false, Ordering::AcqRel) && command.goes_back() {
            // Anywhere on the way back is nowhere.
            answer = self.stay(from.steps, hart, &answer);
        }
        if self.debugger.session().position() != from {
            self.before = before;
        }
        if let Ok(answer) = &answer
            && command.is_breakpoint()
            && let Some(number) = answer.json["number"].as_u64()
        {
            self.made.push((number, line.trim().into()));
        }
        Some(answer)
    }

    /// Goes to where it was before a command that was interrupted.
    fn stay(
        &mut self,
        steps: u64,
        hart: usize,
        answer: &Result<Answer, CommandError>,
    ) -> Result<Answer, CommandError> {
        let failed = |error: RestoreError| CommandError { at: 0, message: error.to_string() };
        self.debugger.stand_at(steps).map_err(failed)?;
        self.debugger.carry_out(&Command::Hart(hart))?;
        let text = "interrupted: it is where it was\n".to_string();
        answer.clone().map(|answer| Answer { text, ..answer })
    }
}
