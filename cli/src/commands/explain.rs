//! `relsim explain`: one operation of two mechanisms, side by side.

use std::sync::Arc;

use relsim_core::disasm;
use relsim_machine::Exit;
use relsim_traces::comparison::file::{Comparison, Experiment, Run};
use relsim_traces::timeline::phases::{self, Lane};
use relsim_traces::timeline::text::{self, Side};
use relsim_traces::timeline::{Operation, Timeline};

use super::compare::Source;
use super::prepare;
use super::print;
use super::started::Started;
use crate::args::{ExplainArgs, RunArgs};
use crate::control::Control;
use crate::error::CliError;
use crate::status;

/// A run that is to be shown.
struct Wanted {
    name: String,
    args: RunArgs,
    typed: Option<String>,
}

/// What a run showed.
struct Shown {
    name: String,
    operation: Operation,
    lanes: Vec<Lane>,
    disassemble: Box<dyn Fn(u32, u64) -> String>,
}

/// Runs the mechanisms and gives the exit status.
///
/// # Errors
/// What is wrong with the arguments, the file, or what the guests did.
pub fn run(args: &ExplainArgs) -> Result<u8, CliError> {
    let wanted = if args.builtin.is_some() || args.image.is_some() {
        args.operations.iter().map(|line| by_command_line(args, line)).collect()
    } else {
        let source = Source::read(args.file.as_deref())?;
        let comparison = source.parse()?;
        if args.operations.is_empty() {
            print(list(&comparison).as_bytes())?;
            return Ok(0);
        }
        let by_name = |name: &String| by_name(&source, &comparison, name);
        args.operations.iter().map(by_name).collect::<Result<Vec<_>, _>>()?
    };
    let control = Arc::new(Control::default());
    control.watch_signals()?;
    let mut shown = Vec::new();
    for wanted in wanted {
        match show(wanted, args, &control)? {
            Some(side) => shown.push(side),
            None => return Ok(status::INTERRUPTED),
        }
    }
    let sides = shown.iter().map(|shown| Side {
        name: &shown.name,
        operation: &shown.operation,
        lanes: shown.lanes.clone(),
        disassemble: args.instructions.then_some(&*shown.disassemble),
    });
    print(text::text(&sides.collect::<Vec<_>>()).as_bytes())?;
    Ok(0)
}

/// The guest of the arguments with `line` as its command line.
fn by_command_line(args: &ExplainArgs, line: &str) -> Wanted {
    let args = RunArgs {
        image: args.image.clone(),
        builtin: args.builtin.clone(),
        machine: args.machine.clone(),
        append: Some(line.into()),
        stdin: "none".into(),
        quiet: true,
        ..RunArgs::default()
    };
    Wanted { name: line.into(), args, typed: None }
}

/// The run of `comparison` that `name` stands for: `EXPERIMENT:MECHANISM[@KEY=VALUE,...]`.
fn by_name(source: &Source, comparison: &Comparison, name: &str) -> Result<Wanted, CliError> {
    let wrong = |why: String| CliError::NoOperation { name: name.into(), why };
    let (experiment, run) = find(comparison, name).map_err(wrong)?;
    let prepared = prepare::prepare(&run.case, prepare::directory(source.path()));
    let args = prepared.map_err(|error| source.wrong(error))?.args;
    let typed = run.case.stdin_text.as_ref().map(|text| text.as_ref().clone());
    Ok(Wanted { name: experiment.describe(run), args, typed })
}

fn find<'a>(comparison: &'a Comparison, name: &str) -> Result<(&'a Experiment, &'a Run), String> {
    let (experiment, rest) = name.split_once(':').ok_or("EXPERIMENT:MECHANISM is wanted")?;
    let experiments = &comparison.experiments;
    let experiment = experiments.iter().find(|e| e.name.as_ref() == experiment);
    let experiment = experiment.ok_or("there is no such experiment")?;
    let position = |name: &str| experiment.mechanisms.iter().position(|m| m.name.as_ref() == name);
    // A name may have an @ in it.
    let (mechanism, point) = match (position(rest), rest.rsplit_once('@')) {
        (Some(mechanism), _) => (Some(mechanism), ""),
        (None, Some((mechanism, point))) => (position(mechanism), point),
        (None, None) => (None, ""),
    };
    let mechanism = mechanism.ok_or("the experiment has no such mechanism")?;
    let mut values = vec![0; experiment.axes.len()];
    for pair in point.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(format!("{pair}: KEY=VALUE is wanted"))?;
        let axes = &experiment.axes;
        let axis = axes.iter().position(|axis| axis.parameter == key || axis.short() == key);
        let axis = axis.ok_or(format!("{key} is not swept"))?;
        let at = axes[axis].values.iter().position(|known| known == value);
        values[axis] = at.ok_or(format!("{key} is one of {}", axes[axis].values.join(", ")))?;
    }
    let run = experiment.run(mechanism, &values).and_then(|n| experiment.runs.get(n));
    run.map(|run| (experiment, run)).ok_or("there is no such run".into())
}

/// What can be named, a line each, with what is swept.
fn list(comparison: &Comparison) -> String {
    let mut text = String::new();
    for experiment in &comparison.experiments {
        for mechanism in &experiment.mechanisms {
            text.push_str(&format!("{}:{}", experiment.name.as_ref(), mechanism.name.as_ref()));
            let swept = experiment.axes.iter().zip(&mechanism.fixed).filter(|(_, fixed)| !**fixed);
            let swept: Vec<_> =
                swept.map(|(axis, _)| format!("{}={}", axis.short(), axis.values.join("|"))).collect();
            if !swept.is_empty() {
                text.push_str(&format!("@{}", swept.join(",")));
            }
            text.push('\n');
        }
    }
    text
}

/// Runs `wanted` and takes an operation out of it; nothing if the user interrupted it.
fn show(wanted: Wanted, args: &ExplainArgs, control: &Control) -> Result<Option<Shown>, CliError> {
    let Wanted { name, args: run, typed } = wanted;
    let mut started = Started::new(&run, typed.as_deref(), &args.symbols)?;
    let mut timeline = Timeline::new(started.machine.cores.len());
    let exit = started.machine.run_observed(run.limits(), &control.stop, &mut timeline);
    if control.quits().is_some() {
        return Ok(None);
    }
    let operation = match timeline.finish() {
        // The end of the region stops the run.
        Ok(operation) if exit == Exit::Stopped => operation,
        other => {
            let why =
                other.err().map_or("the region that is measured did not end".into(), |why| why.to_string());
            let why = started.with_output(&format!("{why}; {}", status::message(&exit)));
            return Err(CliError::NothingMarked { name, why });
        }
    };
    let names = started.symbols.region_names(&[]);
    let function = |pc| started.symbols.find(pc).map(|symbol| symbol.name);
    let lanes = phases::lanes(&operation, &function, &|id| names.get(&id).cloned());
    let core = &started.machine.cores[0];
    let (decoder, csrs) = (core.blocks.decoder().clone(), core.hart.csr_table.clone());
    let disassemble = Box::new(move |word, pc| match decoder.decode(word) {
        Some((_, row)) => disasm::text(row, word, pc, &|number| csrs.get(number).map(|csr| csr.name)),
        None => format!("{word:#x}"),
    });
    Ok(Some(Shown { name, operation, lanes, disassemble }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_names() {
        let text = "[[experiment]]\nname = 'e'\nbuiltin = 'ways'\nsweep.guest.gap = [1, 2]\nsweep.harts = [1, 2]\n\
                    [[experiment.mechanism]]\nname = 'a@b'\n[[experiment.mechanism]]\nname = 'c'\nharts = 3\n";
        let comparison = relsim_traces::comparison::file::parse(text).unwrap();
        let found = |name: &str| find(&comparison, name).map(|(e, run)| e.describe(run));
        assert_eq!(found("e:a@b").unwrap(), "e: a@b, guest.gap=1, harts=1");
        assert_eq!(found("e:a@b@gap=2").unwrap(), "e: a@b, guest.gap=2, harts=1");
        assert_eq!(found("e:c@guest.gap=2").unwrap(), "e: c, guest.gap=2");
        for (name, why) in [
            ("e", "EXPERIMENT:MECHANISM"),
            ("f:c", "no such experiment"),
            ("e:d", "no such mechanism"),
            ("e:c@gap", "KEY=VALUE"),
            ("e:c@gap=3", "one of 1, 2"),
            ("e:c@x=3", "not swept"),
        ] {
            assert!(found(name).unwrap_err().contains(why), "{name}");
        }
        assert_eq!(list(&comparison), "e:a@b@gap=1|2,harts=1|2\ne:c@gap=1|2\n");
    }
}
