//! The comparison as JSON, for programs: every count, not only what is compared.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Measure, Measured, Outcome, Panel, Results};

#[derive(Serialize)]
struct Document<'a> {
    relsim_version: &'a str,
    title: &'a str,
    command: &'a str,
    file_sha256: &'a str,
    experiments: Vec<ExperimentDocument<'a>>,
}

#[derive(Serialize)]
struct ExperimentDocument<'a> {
    name: &'a str,
    title: &'a str,
    axes: Vec<AxisDocument<'a>>,
    runs: Vec<RunDocument<'a>>,
    crossings: Vec<String>,
    published_crossings: Vec<String>,
}

#[derive(Serialize)]
struct AxisDocument<'a> {
    parameter: &'a str,
    values: &'a [String],
}

#[derive(Serialize)]
struct RunDocument<'a> {
    mechanism: &'a str,
    /// Values of the parameters that are varied; without those that the mechanism sets itself.
    point: BTreeMap<&'a str, &'a str>,
    /// The kernel command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    append: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    measures: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<&'a Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'a str>,
}

/// The document.
///
/// # Errors
/// None that is known: names are text and numbers are finite.
pub fn json(results: &Results<'_>) -> serde_json::Result<String> {
    let panels = results.panels();
    let experiments =
        results.comparison.experiments.iter().zip(&results.outcomes).map(|(experiment, outcomes)| {
            let of = panels.iter().filter(|panel| panel.experiment.name.as_ref() == experiment.name.as_ref());
            ExperimentDocument {
                name: experiment.name.as_ref(),
                title: &experiment.title,
                axes: experiment
                    .axes
                    .iter()
                    .map(|axis| AxisDocument { parameter: &axis.parameter, values: &axis.values })
                    .collect(),
                runs: experiment
                    .runs
                    .iter()
                    .zip(outcomes)
                    .map(|(run, outcome)| {
                        let (measured, failed) = match outcome {
                            Outcome::Measured(measured) => (Some(&**measured), None),
                            Outcome::Failed(why) => (None, Some(why.as_str())),
                        };
                        let values = measured.map_or(BTreeMap::new(), |measured| {
                            let value = |measure: &Measure| Some((measure.name(), measure.of(measured)?));
                            Measure::ALL.iter().filter_map(value).collect()
                        });
                        let point = experiment.axes.iter().zip(&run.point);
                        RunDocument {
                            mechanism: experiment
                                .mechanisms
                                .get(run.mechanism)
                                .map_or("", |m| m.name.as_ref()),
                            point: point
                                .filter_map(|(axis, n)| {
                                    Some((axis.parameter.as_str(), axis.values.get((*n)?)?.as_str()))
                                })
                                .collect(),
                            append: run.case.append.as_ref().map(|append| append.as_ref().as_str()),
                            measures: values,
                            measured,
                            failed,
                        }
                    })
                    .collect(),
                crossings: of.clone().flat_map(Panel::crossings).collect(),
                published_crossings: of.flat_map(Panel::published_crossings).collect(),
            }
        });
    let document = Document {
        relsim_version: &results.version,
        title: &results.comparison.title,
        command: &results.command,
        file_sha256: &results.file_sha256,
        experiments: experiments.collect(),
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}
