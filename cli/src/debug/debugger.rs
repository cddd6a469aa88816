//! What the commands do.

use std::fmt::Write;

use relsim_core::run::Core;
use relsim_machine::session::{Arrival, Expr, Moment, Stop, Trigger, expr, is_of_family};
use relsim_machine::{RestoreError, Session};
use serde_json::{Value, json};

use super::change::Kept;
use super::command::{Catch, Command, CommandError, HELP, Style, Text};
use super::lines::is_line;
use super::places::{hart_json, place};
use super::{show, user_interrupts};
use crate::status;
use crate::symbols::Symbols;

/// Units of memory, or instructions, that are shown at a time.
const MAX_SHOWN: u64 = 4096;

/// What a command says.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// For people: whole lines.
    pub text: String,
    /// For programs: an object.
    pub json: Value,
    /// Whether it was the last command.
    pub quit: bool,
}

impl Answer {
    pub(super) fn new((text, json): (String, Value)) -> Self {
        Self { text, json, quit: false }
    }
}

/// A session, and what a user has set up in it.
pub struct Debugger {
    pub(super) session: Session,
    pub(super) symbols: Symbols,
    pub(super) stops: Vec<(Stop, String)>,
    pub(super) next_number: u32,
    pub(super) hart: usize,
    /// What checkpoints in files are of.
    pub(super) kept: Kept,
}

impl Debugger {
    /// With nothing set up yet.
    pub fn new(session: Session, symbols: Symbols) -> Self {
        let kept = Err("this session keeps no files".into());
        Self { session, symbols, stops: Vec::new(), next_number: 1, hart: 0, kept }
    }

    pub(super) fn core(&self) -> &Core {
        &self.session.machine().cores[self.hart]
    }

    pub(super) fn parse(&self, text: &Text) -> Result<Expr, CommandError> {
        let symbol = |name: &str| self.symbols.address(name);
        Expr::parse(&text.text, &self.core().hart.csr_table, &symbol)
            .map_err(|error| CommandError { at: text.at + error.at, message: error.message })
    }

    pub(super) fn value(&self, text: &Text) -> Result<u64, CommandError> {
        let moment = Moment::of(&self.core().hart, &self.session.machine().bus);
        let value = self.parse(text)?.value(&moment);
        value.map_err(|why| CommandError { at: text.at, message: why.to_string() })
    }

    /// Does what `command` says.
    ///
    /// # Errors
    /// What is wrong with it, and where in its line.
    pub fn carry_out(&mut self, command: &Command) -> Result<Answer, CommandError> {
        let restored = |result: Result<Arrival, RestoreError>| {
            result.map_err(|error| CommandError { at: 0, message: error.to_string() })
        };
        Ok(match command {
            Command::Step(steps) => {
                let arrival = self.session.step(*steps);
                self.arrived(&arrival)
            }
            Command::ReverseStep(steps) => {
                let arrival = restored(self.session.step_back(*steps))?;
                self.arrived(&arrival)
            }
            Command::StepHart(steps) => {
                let mut arrival = Arrival::There;
                for _ in 0..*steps {
                    arrival = self.session.step_hart(self.hart, &[]);
                    if arrival != Arrival::There {
                        break;
                    }
                }
                self.stays(&arrival)
            }
            Command::ReverseStepHart(steps) => {
                let mut arrival = Arrival::There;
                for _ in 0..*steps {
                    arrival = restored(self.session.step_hart_back(self.hart))?;
                    if arrival != Arrival::There {
                        break;
                    }
                }
                self.stays(&arrival)
            }
            Command::ReverseNext => {
                let arrival = restored(self.session.next_back(self.hart))?;
                self.stays(&arrival)
            }
            Command::ReverseFinish => {
                let arrival = restored(self.session.finish_back(self.hart))?;
                self.stays(&arrival)
            }
            Command::Set { target, value } => self.set(target, value)?,
            Command::Checkpoint(file) => self.write_checkpoint(file)?,
            Command::Restore(file) => self.restore(file)?,
            Command::Next => {
                let arrival = self.session.next(self.hart);
                self.stays(&arrival)
            }
            Command::Finish => {
                let stops = self.stops();
                let arrival = self.session.finish(self.hart, &stops);
                self.stays(&arrival)
            }
            Command::Continue => {
                let stops = self.stops();
                let arrival = self.session.run_to(&stops);
                self.arrived(&arrival)
            }
            Command::ReverseContinue => {
                let stops = self.stops();
                let arrival = restored(self.session.run_back_to(&stops))?;
                self.arrived(&arrival)
            }
            Command::GoTo(cycle) => {
                let arrival = restored(self.session.go_to_cycle(*cycle))?;
                self.arrived(&arrival)
            }
            Command::Break { place, condition } if is_line(&place.text) => {
                self.break_at_line(place, condition.as_ref())?
            }
            Command::Break { place, condition } => {
                let address = self.value(place)?;
                self.add(
                    Trigger::Address(address),
                    condition.as_ref(),
                    &format!("break {}", self.place(address)),
                )?
            }
            Command::Watch { place, condition, read, write } => {
                let address = self.value(place)?;
                let bytes = address..=address.saturating_add(7);
                let name = if !*read {
                    "watch"
                } else if *write {
                    "awatch"
                } else {
                    "rwatch"
                };
                let trigger = Trigger::Access { bytes, physical: false, read: *read, write: *write };
                self.add(trigger, condition.as_ref(), &format!("{name} {}", self.place(address)))?
            }
            Command::Catch { what, condition } => {
                let (trigger, text) = self.catch(what)?;
                self.add(trigger, condition.as_ref(), &format!("catch {text}"))?
            }
            Command::Delete(number) => {
                let before = self.stops.len();
                self.stops.retain(|(stop, _)| number.is_some_and(|number| number != stop.number));
                let deleted = before - self.stops.len();
                if deleted == 0 && number.is_some() {
                    return Err(CommandError {
                        at: 0,
                        message: "there is no breakpoint of that number".into(),
                    });
                }
                Answer::new((String::new(), json!({"deleted": deleted})))
            }
            Command::InfoBreakpoints => self.breakpoints(),
            Command::InfoHarts => self.harts(),
            Command::InfoHistory => {
                let (count, bytes) = self.session.history_size();
                let text = format!("{count} checkpoints, {} KiB\n", bytes >> 10);
                Answer::new((text, json!({"checkpoints": count, "bytes": bytes})))
            }
            Command::Registers(None) => Answer::new(show::registers(&self.session, self.hart, &self.symbols)),
            Command::Registers(Some(name)) | Command::Print(name) => {
                let value = self.value(name)?;
                let text = format!("{} = {} ({value})\n", name.text, self.place(value));
                Answer::new((text, json!({"value": format!("{value:#x}")})))
            }
            Command::Csr(name) => {
                let machine = self.session.machine();
                let hart = &self.core().hart;
                let Some(def) = hart.csr_table.by_name(&name.text) else {
                    let message = format!("the hart has no CSR {:?}", name.text);
                    return Err(CommandError { at: name.at, message });
                };
                Answer::new(show::csr(def, (def.read)(hart, &machine.bus, def.num)))
            }
            Command::Examine { format, place } => {
                let at = self.value(place)?;
                let mut format = *format;
                format.count = format.count.min(MAX_SHOWN);
                Answer::new(if format.style == Style::Instructions {
                    show::instructions(&self.session, self.hart, at, format.count, &self.symbols)
                } else {
                    show::memory(&self.session, self.hart, at, format)
                })
            }
            Command::Disassemble { place, count } => {
                let at = place.as_ref().map_or(Ok(self.core().hart.pc), |place| self.value(place))?;
                let count = (*count).min(MAX_SHOWN);
                Answer::new(show::instructions(&self.session, self.hart, at, count, &self.symbols))
            }
            Command::Backtrace => Answer::new(show::backtrace(&self.session, self.hart, &self.symbols)),
            Command::LastWrite(place) => self.last_write(place)?,
            Command::UserInterrupts => Answer::new(user_interrupts::show(self.session.machine())),
            Command::Hart(hart) => {
                let harts = self.session.machine().cores.len();
                if *hart >= harts {
                    return Err(CommandError {
                        at: 5,
                        message: format!("there are harts 0 to {}", harts - 1),
                    });
                }
                self.hart = *hart;
                self.here("")
            }
            Command::Cycles => {
                let position = self.session.position();
                let text = format!("cycle {}, step {}\n", position.cycles, position.steps);
                Answer::new((text, json!({"cycles": position.cycles, "steps": position.steps})))
            }
            Command::Help => {
                let text = HELP.iter().map(|(form, meaning)| format!("{form:<24} {meaning}\n")).collect();
                Answer::new((text, json!({"commands": HELP.iter().map(|row| row.0).collect::<Vec<_>>()})))
            }
            Command::Quit => Answer { text: String::new(), json: json!({}), quit: true },
        })
    }

    pub(super) fn place(&self, address: u64) -> String {
        place(&self.symbols, address)
    }

    fn stops(&self) -> Vec<Stop> {
        self.stops.iter().map(|(stop, _)| stop.clone()).collect()
    }

    fn add(
        &mut self,
        trigger: Trigger,
        condition: Option<&Text>,
        text: &str,
    ) -> Result<Answer, CommandError> {
        let number = self.next_number;
        let parsed = condition.map(|text| self.parse(text)).transpose()?;
        self.next_number += 1;
        let condition = condition.map_or(String::new(), |condition| format!(" if {}", condition.text));
        let text = format!("{text}{condition}");
        self.stops.push((Stop { number, trigger, condition: parsed }, text.clone()));
        Ok(Answer::new((format!("{number}: {text}\n"), json!({"number": number, "stop": text}))))
    }

    fn catch(&self, what: &Catch) -> Result<(Trigger, String), CommandError> {
        let unknown = |name: &Text, what: &str| {
            Err(CommandError { at: name.at, message: format!("there is no {what} {:?}", name.text) })
        };
        let code_text = |code: &Option<u8>| code.map_or(String::new(), |code| format!(" {code}"));
        Ok(match what {
            Catch::Trap(code) => {
                let interrupt = code.map(|_| false);
                (Trigger::Trap { interrupt, code: *code }, format!("trap{}", code_text(code)))
            }
            Catch::Interrupt(code) => {
                let trigger = Trigger::Trap { interrupt: Some(true), code: *code };
                (trigger, format!("interrupt{}", code_text(code)))
            }
            Catch::UserInterrupt => (Trigger::UserInterrupt, "user-interrupt".into()),
            Catch::Privilege => (Trigger::Privilege, "privilege".into()),
            Catch::Cycle(cycle) => (Trigger::Cycle(*cycle), format!("cycle {cycle}")),
            Catch::Csr(name) => match self.core().hart.csr_table.by_name(&name.text) {
                Some(def) => (Trigger::CsrWrite(def.num), format!("csr {}", def.name)),
                None => return unknown(name, "CSR"),
            },
            Catch::Register(name) => match expr::register(&name.text) {
                Some(register) => (Trigger::Register(register), format!("register {}", name.text)),
                None => return unknown(name, "register"),
            },
            Catch::Instruction(name) => {
                match self.core().blocks.decoder().rows().find(|def| is_of_family(def.name, &name.text)) {
                    Some(def) => {
                        let name = &def.name[..name.text.len()];
                        (Trigger::Instruction(name), format!("instruction {name}"))
                    }
                    None => return unknown(name, "instruction"),
                }
            }
        })
    }

    /// After a movement: the hart to look at is the one that it was about.
    pub(super) fn arrived(&mut self, arrival: &Arrival) -> Answer {
        let next = self.session.machine().next_hart();
        self.hart = match arrival {
            Arrival::Hit(hit) => hit.hart,
            _ => next.unwrap_or(self.hart),
        };
        self.stays(arrival)
    }

    /// After a movement of the hart that is looked at.
    fn stays(&mut self, arrival: &Arrival) -> Answer {
        let why = match arrival {
            Arrival::There => String::new(),
            Arrival::Hit(hit) => {
                self.hart = hit.hart;
                let text =
                    self.stops.iter().find(|(stop, _)| stop.number == hit.number).map(|(_, text)| text);
                text.map_or(String::new(), |text| format!("stop {}: {text}\n", hit.number))
            }
            Arrival::Start => "the start of time\n".into(),
            Arrival::End(exit) => format!("{}\n", status::message(exit)),
        };
        self.here(&why)
    }

    /// Where the machine and the hart are.
    fn here(&self, why: &str) -> Answer {
        let hart = &self.core().hart;
        let position = self.session.position();
        let (id, mode) = (hart.config.id, hart.privilege.letter());
        let line = show::instruction(&self.session, self.hart, hart.pc, &self.symbols);
        let line = line.map_or_else(|| self.place(hart.pc), |(line, _)| line);
        let text =
            format!("{why}step {}, cycle {}, hart {id} {mode}: {line}\n", position.steps, position.cycles);
        let mut json = hart_json(&self.symbols, hart);
        json["steps"] = position.steps.into();
        json["cycles"] = position.cycles.into();
        json["instruction"] = line.into();
        if !why.is_empty() {
            json["why"] = why.trim_end().into();
        }
        Answer::new((text, json))
    }

    fn breakpoints(&self) -> Answer {
        let lines = self.listed().map(|(stop, text)| format!("{}: {text}\n", stop.number));
        let list = self.listed().map(|(stop, text)| json!({"number": stop.number, "stop": text}));
        Answer::new((lines.collect(), json!({"stops": list.collect::<Vec<_>>()})))
    }

    fn harts(&self) -> Answer {
        let mut text = String::new();
        let machine = self.session.machine();
        for core in &machine.cores {
            let hart = &core.hart;
            let mark = if hart.config.id == self.hart { '*' } else { ' ' };
            let state = format!("{:?}", hart.state).to_lowercase();
            let (id, mode, at) = (hart.config.id, hart.privilege.letter(), self.place(hart.pc));
            let _ = writeln!(text, "{mark} hart {id} {state} {mode} cycle {}: {at}", hart.cycle);
        }
        let list: Vec<_> = machine.cores.iter().map(|core| hart_json(&self.symbols, &core.hart)).collect();
        Answer::new((text, json!({"harts": list})))
    }

    fn last_write(&mut self, text: &Text) -> Result<Answer, CommandError> {
        let address = self.value(text)?;
        let now = self.session.position().steps;
        let failed = |error: RestoreError| CommandError { at: 0, message: error.to_string() };
        let Some(hit) = self.session.last_write(self.hart, address).map_err(failed)? else {
            let text = format!("nothing wrote {} since the start\n", self.place(address));
            return Ok(Answer::new((text, json!({"found": false}))));
        };
        if hit.outside {
            let text =
                format!("step {}: a device, or the firmware, before hart {} went on\n", hit.steps, hit.hart);
            let json = json!({"found": true, "steps": hit.steps, "hart": hit.hart, "outside": true});
            return Ok(Answer::new((text, json)));
        }
        // The store is the step before.
        self.session.go_to_step(hit.steps.saturating_sub(1)).map_err(failed)?;
        let pc = self.session.machine().cores[hit.hart].hart.pc;
        let line = show::instruction(&self.session, hit.hart, pc, &self.symbols);
        let line = line.map_or_else(|| self.place(pc), |(line, _)| line);
        let cycle = self.session.machine().cores[hit.hart].hart.cycle;
        self.session.go_to_step(now).map_err(failed)?;
        let text = format!("step {}, cycle {cycle}, hart {}: {line}\n", hit.steps - 1, hit.hart);
        let json = json!({
            "found": true, "steps": hit.steps - 1, "cycle": cycle, "hart": hit.hart, "pc": format!("{pc:#x}"),
            "instruction": line,
        });
        Ok(Answer::new((text, json)))
    }
}
