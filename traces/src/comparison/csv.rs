//! The comparison as comma-separated values (RFC 4180): a line for each run that measured something.

use std::collections::BTreeSet;

use super::file::{Experiment, Run};
use super::{Measure, Measured, Outcome, Results};

/// A field, in quotes where it has to be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

/// The table, with a line of names first.
pub fn csv(results: &Results<'_>) -> String {
    let mut axes: Vec<&str> = Vec::new();
    let (mut keys, mut causes, mut harts) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (experiment, _, outcome) in results.runs() {
        for axis in &experiment.axes {
            if !axes.contains(&axis.parameter.as_str()) {
                axes.push(&axis.parameter);
            }
        }
        if let Outcome::Measured(measured) = outcome {
            keys.extend(measured.result.keys().map(String::as_str));
            causes.extend(measured.causes().into_iter().map(|(cause, _)| cause));
            harts = harts.max(measured.harts.len());
        }
    }
    let mut head: Vec<String> = ["experiment", "mechanism"].map(String::from).to_vec();
    head.extend(axes.iter().map(ToString::to_string));
    head.extend(["operations", "cycles"].map(String::from));
    head.extend(Measure::ALL.iter().map(|measure| match measure {
        Measure::Cycles => "cycles-per-operation".to_string(),
        measure => measure.name(),
    }));
    head.extend((0..harts).map(|n| format!("cpu-hart-{n}")));
    head.extend(keys.iter().map(|key| format!("result.{key}")));
    head.extend(causes.iter().map(|cause| format!("cause.{cause}")));
    head.extend(["published-cycles", "hash"].map(String::from));
    let mut text = line(&head);
    for (experiment, run, outcome) in results.runs() {
        let Outcome::Measured(measured) = outcome else { continue };
        let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let mut cells = vec![experiment.name.as_ref().clone(), mechanism(experiment, run).into()];
        cells.extend(axes.iter().map(|axis| value(experiment, run, axis).to_string()));
        cells.extend([measured.operations.to_string(), measured.cycles.to_string()]);
        cells.extend(Measure::ALL.iter().map(|measure| number(measure.of(measured))));
        cells.extend((0..harts).map(|n| number(measured.harts.get(n).and_then(|hart| hart.cpu_percent()))));
        cells.extend(keys.iter().map(|key| number(measured.result.get(*key).copied())));
        cells.extend(causes.iter().map(|cause| cycles(measured, cause).to_string()));
        cells.extend([number(published(experiment, run)), measured.hash.clone()]);
        text.push_str(&line(&cells));
    }
    text
}

fn line(cells: &[String]) -> String {
    cells.iter().map(|cell| field(cell)).collect::<Vec<_>>().join(",") + "\n"
}

fn mechanism<'a>(experiment: &'a Experiment, run: &Run) -> &'a str {
    experiment.mechanisms.get(run.mechanism).map_or("", |mechanism| mechanism.name.as_ref())
}

/// The value of the parameter `axis` in `run`; nothing where it has none.
fn value<'a>(experiment: &'a Experiment, run: &Run, axis: &str) -> &'a str {
    let at = experiment.axes.iter().position(|own| own.parameter == axis);
    let value = at.and_then(|n| experiment.axes[n].values.get(run.point.get(n).copied().flatten()?));
    value.map_or("", String::as_str)
}

fn cycles(measured: &Measured, cause: &str) -> u64 {
    measured.causes().iter().filter(|(name, _)| *name == cause).map(|(_, cycles)| cycles).sum()
}

fn published(experiment: &Experiment, run: &Run) -> Option<f64> {
    let published = experiment.mechanisms.get(run.mechanism)?.published.as_ref()?;
    let x = run.point.first().copied().flatten().and_then(|n| experiment.axes.first()?.values.get(n));
    published.at(&Measure::Cycles, x.map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_have_to_be() {
        assert_eq!(field("sync, \"fast\""), "\"sync, \"\"fast\"\"\"");
        assert_eq!(line(&["a".into(), String::new(), "b\nc".into()]), "a,,\"b\nc\"\n");
    }
}
