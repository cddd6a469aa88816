//! Running what is compared, several at a time. Each has a machine of its own, so they do not see each other.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use relsim_traces::comparison::{Measured, Outcome};

use super::measure;
use crate::commands::pool;
use crate::commands::prepare::Prepared;
use crate::commands::started::Started;
use crate::control::Control;
use crate::error::CliError;
use crate::report;

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
    let typed = case.stdin_text.as_ref().map(|text| text.as_ref().as_str());
    let mut started = Started::new(args, typed, &[])?;
    let machine = &mut started.machine;
    machine.watch_region(measure::REGION);
    let exit = machine.run(args.limits(), &control.stop);
    let run = measure::Run {
        report: machine.report(exit),
        visit: machine.visit(),
        names: started.symbols.region_names(&[]),
        output: started.tail.lines(usize::MAX),
    };
    let config = machine.config();
    let counts = run.counts().map(|counts| Measured {
        core_freq_hz: config.platform.core_freq_hz,
        hash: started.hash.clone(),
        image_sha256: started.image_sha256.clone(),
        machine: config.to_string(),
        ..counts
    });
    Ok(counts.map_err(|why| started.with_output(&why)))
}
