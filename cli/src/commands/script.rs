//! `relsim script`.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use relsim_machine::session::Options;
use relsim_machine::{Machine, Session};
use serde_json::json;

use super::print;
use crate::args::ScriptArgs;
use crate::checkpoint;
use crate::console::{Collected, Input, InputSource, Output};
use crate::control::Control;
use crate::debug::{Command, CommandError, Debugger};
use crate::error::CliError;
use crate::plan::Plan;
use crate::symbols::Symbols;
use crate::{payload, status};

/// Carries out the commands of a file and gives the exit status.
///
/// # Errors
/// What is wrong with the arguments' files. A command that is wrong is said, and has a status of its own.
pub fn run(args: &ScriptArgs) -> Result<u8, CliError> {
    checkpoint::without_end("script", &args.run)?;
    let script = read(&args.script)?;
    let mut plan = Plan::travelling(&args.run)?;
    if plan.input_source == InputSource::Terminal {
        plan.input.clear();
    }
    let symbols = Symbols::new(std::mem::take(&mut plan.software.symbols), &args.run.symbols)?;
    let kept = checkpoint::identity(&args.run, &plan);
    let output = Output::default();
    let console = Collected { output: output.clone(), input: Input::Bytes(plan.input.into()) };
    let machine = Machine::build(plan.config, &plan.software.payload, plan.virtio, Box::new(console))?;
    let mut options = Options::of(&machine);
    options.max_bytes = args.history.unwrap_or(options.max_bytes);
    let mut session = Session::new(machine, options);
    session.set_limits(args.run.limits());
    let control = Arc::new(Control::default());
    control.stops(session.stop_flag());
    control.watch_signals()?;
    let mut debugger = Debugger::new(session, symbols);
    debugger.keeps(kept);
    for (line, number) in script.lines().zip(1usize..) {
        let done = match Command::parse(line) {
            Ok(None) => continue,
            Ok(Some(command)) => debugger.carry_out(&command),
            Err(error) => Err(error),
        };
        let console = output.take();
        let answer = match done {
            Ok(answer) => answer,
            Err(error) => {
                eprint!("{}", message(&args.script, line, number, &error));
                return Ok(status::SCRIPT);
            }
        };
        let console = String::from_utf8_lossy(&console);
        if args.json {
            let mut object = json!({"line": number, "command": line.trim(), "answer": answer.json});
            if !console.is_empty() {
                object["console"] = console.into();
            }
            print(format!("{object}\n").as_bytes())?;
        } else {
            let end = if console.is_empty() || console.ends_with('\n') { "" } else { "\n" };
            print(format!("(relsim) {}\n{console}{end}{}", line.trim(), answer.text).as_bytes())?;
        }
        if control.quits().is_some() {
            return Ok(status::INTERRUPTED);
        }
        if answer.quit {
            break;
        }
    }
    Ok(0)
}

fn read(path: &Path) -> Result<String, CliError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let failed = |source| CliError::Read { what: "script", path: "standard input".into(), source };
        std::io::stdin().read_to_end(&mut bytes).map_err(failed)?;
        bytes
    } else {
        payload::read("script", path)?
    };
    String::from_utf8(bytes).map_err(|error| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error());
        CliError::Read { what: "script", path: path.into(), source }
    })
}

/// What is wrong with a line, with the line and a mark below the place.
fn message(path: &Path, line: &str, number: usize, error: &CommandError) -> String {
    let before = line.get(..error.at).unwrap_or(line);
    let column = before.chars().count() + 1;
    let blank: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    format!("relsim: {}:{number}:{column}: {}\n  {line}\n  {blank}^\n", path.display(), error.message)
}
