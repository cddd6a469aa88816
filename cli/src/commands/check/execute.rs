//! Running cases, several at a time. Each has a machine of its own, so they do not see each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use relsim_machine::{Exit, Limits, Machine};
use relsim_traces::baseline::file::{Ending, FileError};
use relsim_traces::baseline::functions::{self, Functions};
use relsim_traces::baseline::{Measured, compare};
use relsim_traces::profile::{Metric, Profile, Summary, Symbol};
use sha2::{Digest, Sha256};

use crate::commands::pool;
use crate::commands::prepare::Prepared;
use crate::commands::recorder::{Recorder, Tail};
use crate::control::Control;
use crate::error::CliError;
use crate::plan::Plan;
use crate::stats::{self, Stats, hex};
use crate::symbols::Symbols;
use crate::{report, status};

use super::counters::look_up;
use super::outcome::Outcome;

/// Lines of the guest's output that are shown when it went wrong.
const OUTPUT_LINES: usize = 10;

/// Where cases come from, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its text.
    pub text: &'a str,
}

/// Runs `cases`, at most `jobs` at a time, and gives what became of each, in their order; nothing if the user
/// interrupted them.
pub fn all(cases: &[Prepared<'_>], jobs: usize, control: &Control, place: Place<'_>) -> Option<Vec<Outcome>> {
    pool::run(cases.len(), jobs, control, |index| {
        execute(&cases[index], control, place).unwrap_or_else(failed)
    })
}

fn failed(error: CliError) -> Outcome {
    let text = report::text(&error);
    Outcome::Failed { message: text.strip_prefix("relsim: ").unwrap_or(&text).into() }
}

fn execute(prepared: &Prepared<'_>, control: &Control, place: Place<'_>) -> Result<Outcome, CliError> {
    let Prepared { case, args, description } = prepared;
    let mut plan = Plan::new(args)?;
    if let Some(text) = &case.stdin_text {
        plan.input = text.as_ref().bytes().collect();
    }
    let given = plan.given();
    let inputs = inputs(&plan);
    let config = plan.config.clone();
    let tail = Tail::default();
    let console = Box::new(Recorder { tail: tail.clone(), input: plan.input.into() });
    let mut machine = Machine::build(plan.config, &plan.software.payload, plan.virtio, console)?;
    let begun = Instant::now();
    let (exit, functions) = match &case.functions {
        Some(_) => {
            let symbols = Symbols::new(std::mem::take(&mut plan.software.symbols), &[])?;
            by_function(&mut machine, args.limits(), control, |address| symbols.find(address))
        }
        None => (machine.run(args.limits(), &control.stop), Functions::new()),
    };
    let report = machine.report(exit);
    drop(machine);
    if let Some(expected) = unexpected(case.exit.as_ref().map(AsRef::as_ref), &report.exit) {
        let ended = status::message(&report.exit);
        return Ok(Outcome::Ended { expected, ended, output: tail.lines(OUTPUT_LINES) });
    }
    let exit = stats::exit_stats(&report.exit, false);
    let stats = Stats::new(given, &config, args.limits(), report, exit, begun.elapsed());
    let (cycles, instructions) = (stats.cycles, stats.instructions);
    let failed = |message: String| FileError::new(message, case.name.span());
    let document = serde_json::to_value(&stats)
        .map_err(|error| CliError::case_file(place.path, place.text, failed(error.to_string())))?;
    let mut counters = BTreeMap::new();
    for counter in &case.counters {
        let wrong = |why| CliError::case_file(place.path, place.text, FileError::new(why, counter.span()));
        let count = look_up(&document, counter.as_ref()).map_err(wrong)?;
        counters.insert(counter.as_ref().clone(), count);
    }
    let (case_hash, machine) = (description.clone(), config.to_string());
    let most = case.functions.as_ref().map_or(0, |count| *count.as_ref());
    let recorded = case.recorded.as_ref();
    let changed = recorded.map_or_else(Vec::new, |r| functions::changes(&r.functions, &functions));
    let functions = functions::most(&functions, most);
    let measured = Measured { cycles, instructions, counters, functions, inputs, case: case_hash, machine };
    let comparison = compare(recorded, &measured, |name| case.tolerance(name));
    Ok(Outcome::Compared { measured, comparison, functions: changed })
}

/// Runs `machine` and tells its functions apart, whatever their privilege and their hart.
fn by_function(
    machine: &mut Machine,
    limits: Limits,
    control: &Control,
    symbols: impl Fn(u64) -> Option<Symbol>,
) -> (Exit, Functions) {
    let mut profile = Profile::new(machine.cores.len(), symbols);
    let exit = machine.run_observed(limits, &control.stop, &mut profile);
    for (index, core) in machine.cores.iter().enumerate() {
        profile.finish_hart(&core.hart, machine.ledger(index).as_ref());
    }
    let tree = profile.into_tree();
    let mut functions = Functions::new();
    for cost in Summary::new(&tree, Metric::Cycles).functions {
        let name = tree.function(cost.function).name.replace(char::is_control, "\u{fffd}");
        *functions.entry(name).or_default() += cost.own.cycles;
    }
    (exit, functions)
}

/// Hashes of all that came out of files, or was typed.
fn inputs(plan: &Plan) -> BTreeMap<String, String> {
    let software = plan.software.inputs.iter().map(|(what, hash)| ((*what).to_string(), hash.clone()));
    let disks = plan.disks.iter().enumerate().map(|(n, disk)| (format!("disk-{n}"), disk.sha256.clone()));
    let input = &plan.input;
    let typed = (!input.is_empty()).then(|| ("stdin".to_string(), hex(&Sha256::digest(input))));
    software.chain(disks).chain(typed).collect()
}

/// What was expected, if it is something else than `exit`.
fn unexpected(expected: Option<&Ending>, exit: &Exit) -> Option<String> {
    let ended = stats::exit_stats(exit, false);
    match expected.unwrap_or(&Ending::Code(0)) {
        Ending::Code(code) => {
            (*exit != Exit::Guest { code: *code }).then(|| format!("the guest exits with code {code}"))
        }
        Ending::Reason(reason) => (reason != ended.reason).then(|| reason.clone()),
    }
}
