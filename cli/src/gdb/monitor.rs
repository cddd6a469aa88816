//! gdb's `monitor` commands: what the protocol has no packets for.

use std::collections::BTreeMap;
use std::path::Path;

use gdbstub::outputln;
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd};
use relsim_machine::session::Arrival;
use relsim_machine::{Exit, RestoreError};

use super::target::Debugged;
use crate::args::RunArgs;
use crate::checkpoint::{self, said};
use crate::commands::Traced;
use crate::status;
use crate::symbols::Symbols;
use crate::units::parse_number;

/// Every command: how it is written, and what it does.
const HELP: &[(&str, &str)] = &[
    ("checkpoint FILE", "Write the machine as it is now to FILE, for `relsim run --restore`"),
    ("cycles", "Show where in time the machine is"),
    ("goto CYCLE", "Go to that core cycle, back or forth; then `maintenance flush register-cache`"),
    ("help", "Show this list"),
    ("history", "Show how many checkpoints there are, and their size"),
    ("restore FILE", "Go on from FILE, where the past begins; then as after goto"),
    ("seek CYCLE", "As goto"),
    ("stats", "Show instructions, cycles and traps of every hart"),
    (
        "trace N FILE",
        "Write what happens in the next N cycles to FILE, as `relsim run --trace` does, and come back",
    ),
];

impl MonitorCmd for Debugged {
    fn handle_monitor_cmd(&mut self, cmd: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), RestoreError> {
        let text = String::from_utf8_lossy(cmd);
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            [] | ["help"] => HELP.iter().for_each(|(form, what)| outputln!(out, "{form:<15} {what}")),
            ["cycles"] => self.say_position(&mut out),
            ["history"] => {
                let (count, bytes) = self.session.history_size();
                outputln!(out, "{count} checkpoints, {} KiB", bytes >> 10);
            }
            ["stats"] => self.say_counts(&mut out),
            ["checkpoint", ..] => self.write_checkpoint(rest_of(&text), &mut out),
            ["restore", ..] => self.restore(rest_of(&text), &mut out),
            ["trace", cycles, file, ..] => match parse_number(cycles) {
                Ok(cycles) => {
                    let at = text.find(file).unwrap_or(0);
                    self.trace(cycles, Path::new(text[at..].trim_end()), &mut out)?;
                }
                Err(why) => outputln!(out, "trace: {why}"),
            },
            ["goto" | "seek", cycle] => match parse_number(cycle) {
                Ok(cycle) => {
                    if let Arrival::End(exit) = self.session.go_to_cycle(cycle)? {
                        outputln!(out, "{}", status::message(&exit));
                    }
                    self.say_position(&mut out);
                }
                Err(why) => outputln!(out, "goto: {why}"),
            },
            _ => outputln!(out, "there is no command {:?}; `monitor help` lists them", text.trim()),
        }
        Ok(())
    }
}

/// What follows the command: a file may have blanks in its name.
fn rest_of(text: &str) -> &Path {
    let text = text.trim();
    Path::new(text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start()))
}

impl Debugged {
    fn trace(&mut self, cycles: u64, path: &Path, out: &mut ConsoleOutput<'_>) -> Result<(), RestoreError> {
        // gdb knows the symbols; the trace has addresses.
        let args = RunArgs { trace: Some(path.into()), ..RunArgs::default() };
        let tracer = Traced::of(&args).and_then(|traced| match traced {
            Some(traced) if traced.commit_log().is_none() && traced.profile().is_none() => {
                traced.tracer(self.machine(), Symbols::default(), BTreeMap::new()).map(Some)
            }
            _ => Ok(None),
        });
        let mut tracer = match tracer {
            Ok(Some(tracer)) => tracer,
            Ok(None) => {
                outputln!(out, "trace: only traces of events can be written from here");
                return Ok(());
            }
            Err(error) => {
                outputln!(out, "trace: {}", said(&error));
                return Ok(());
            }
        };
        let to = self.session.position().cycles.saturating_add(cycles);
        self.session.show(to, &mut tracer)?;
        match tracer.finish() {
            Ok(_) => self.say_position(out),
            Err(error) => outputln!(out, "trace: {error}"),
        }
        Ok(())
    }

    fn write_checkpoint(&mut self, path: &Path, out: &mut ConsoleOutput<'_>) {
        let written = match &self.kept {
            Ok(identity) => {
                checkpoint::write(self.session.machine_mut(), identity, path).map_err(|error| said(&error))
            }
            Err(why) => Err(why.clone()),
        };
        match written {
            Ok(bytes) => outputln!(out, "{}, {} KiB", path.display(), bytes.div_ceil(1024)),
            Err(why) => outputln!(out, "checkpoint: {why}"),
        }
    }

    fn restore(&mut self, path: &Path, out: &mut ConsoleOutput<'_>) {
        let begun = match &self.kept {
            Ok(identity) => checkpoint::read(self.session.machine(), identity, path)
                .map_err(|error| said(&error))
                .and_then(|checkpoint| self.session.begin_at(&checkpoint).map_err(|error| error.to_string())),
            Err(why) => Err(why.clone()),
        };
        match begun {
            Ok(()) => self.say_position(out),
            Err(why) => outputln!(out, "restore: {why}"),
        }
    }

    fn say_position(&self, out: &mut ConsoleOutput<'_>) {
        let position = self.session.position();
        outputln!(out, "cycle {}, step {}", position.cycles, position.steps);
    }

    fn say_counts(&self, out: &mut ConsoleOutput<'_>) {
        let report = self.machine().report(Exit::Stopped);
        for (index, hart) in report.harts.iter().enumerate() {
            let traps: u64 = hart.traps.values().sum();
            let (instructions, cycles) = (hart.instructions, hart.cycles);
            outputln!(out, "hart {index}: {instructions} instructions, {cycles} cycles, {traps} traps");
        }
    }
}
