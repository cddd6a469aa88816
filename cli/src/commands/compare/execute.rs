//! Running what is compared, several at a time. Each has a machine of its own, so they do not see each other.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use relsim_machine::Machine;
use relsim_traces::comparison::{Measured, Outcome};

use super::measure;
use crate::commands::pool;
use crate::commands::prepare::Prepared;
use crate::commands::recorder::{Recorder, Tail};
use crate::control::Control;
use crate::error::CliError;
use crate::plan::Plan;
use crate::report;
use crate::symbols::Symbols;

/// Lines of the guest's output that are shown when it went wrong.
const OUTPUT_LINES: usize = 10;

/// Runs `cases`, which are called `names`, at most `jobs` at a time, and gives what became of each, in their order;
/// nothing if the user interrupted them.
pub fn all(cases: &[Prepared<'_>], names: &[String], jobs: usize, control: &Control) -> Option<Vec<Outcome>> {
    // Shows nothing where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(Some(cases.len() as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed_precise} {msg}") {
        bar.set_style(style);
    }
    let outcomes = pool::run(cases.len(), jobs, control, |index| {
        let outcome = match execute(&cases[index], control) {
            Ok(Ok(measured)) => Outcome::Measured(Box::new(measured)),
            Ok(Err(why)) => Outcome::Failed(why),
            Err(error) => {
                let text = report::text(&error);
                Outcome::Failed(text.strip_prefix("relsim: ").unwrap_or(&text).trim_end().into())
            }
        };
        bar.set_message(names[index].clone());
        bar.inc(1);
        outcome
    });
    bar.finish_and_clear();
    outcomes
}

/// Runs one: what it measured, or what is wrong with what it did.
fn execute(prepared: &Prepared<'_>, control: &Control) -> Result<Result<Measured, String>, CliError> {
    let Prepared { case, args, .. } = prepared;
    let mut plan = Plan::new(args)?;
    if let Some(text) = &case.stdin_text {
        plan.input = text.as_ref().bytes().collect();
    }
    let hash = plan.given().hash;
    let image = plan.software.inputs.iter().find(|(what, _)| *what == "image");
    let image_sha256 = image.map_or(String::new(), |(_, hash)| hash.clone());
    let symbols = Symbols::new(std::mem::take(&mut plan.software.symbols), &[])?;
    let config = plan.config.clone();
    let tail = Tail::default();
    let console = Box::new(Recorder { tail: tail.clone(), input: plan.input });
    let mut machine = Machine::build(plan.config, &plan.software.payload, plan.virtio, console)?;
    machine.watch_region(measure::REGION);
    let exit = machine.run(args.limits(), &control.stop);
    let run = measure::Run {
        report: machine.report(exit),
        visit: machine.visit(),
        names: symbols.region_names(&[]),
        output: tail.lines(usize::MAX),
    };
    Ok(match run.counts() {
        Ok(counts) => Ok(Measured {
            core_freq_hz: config.platform.core_freq_hz,
            hash,
            image_sha256,
            machine: config.to_string(),
            ..counts
        }),
        Err(why) => {
            let lines = tail.lines(OUTPUT_LINES);
            Err(lines.iter().fold(why, |text, line| text + "\nconsole: " + line))
        }
    })
}
