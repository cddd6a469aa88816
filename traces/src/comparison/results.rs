//! What the runs of a comparison measured, by experiment, mechanism and point.

use super::crossing::{self, Crossing};
use super::file::{Comparison, Experiment, Run};
use super::{Measure, Measured};

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It measured something.
    Measured(Box<Measured>),
    /// It did not, for this reason; the first line says all of it.
    Failed(String),
}

/// A comparison with what its runs measured.
#[derive(Debug, Clone)]
pub struct Results<'a> {
    /// What was compared.
    pub comparison: &'a Comparison,
    /// What became of each run, by experiment.
    pub outcomes: Vec<Vec<Outcome>>,
    /// Version of the program.
    pub version: String,
    /// What makes these results again.
    pub command: String,
    /// Hash of the file.
    pub file_sha256: String,
}

/// An experiment for one combination of the values that are not on the axis: one table, one set of charts.
#[derive(Debug, Clone)]
pub struct Panel<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    outcomes: &'a [Outcome],
    /// The number of the value of each further axis.
    rest: Vec<usize>,
}

/// A mechanism in a panel.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where its published values come from, if it has some.
    pub source: Option<&'a str>,
    /// What it measured, by value of the axis.
    pub measured: Vec<Option<&'a Measured>>,
    /// Whether that is one run, which does not depend on the axis.
    pub constant: bool,
    mechanism: usize,
}

impl<'a> Results<'a> {
    /// Every panel, in the order of the file.
    pub fn panels(&self) -> Vec<Panel<'_>> {
        let mut panels = Vec::new();
        for (experiment, outcomes) in self.comparison.experiments.iter().zip(&self.outcomes) {
            let mut combinations = vec![Vec::new()];
            for axis in experiment.axes.iter().skip(1) {
                let longer = |rest: &Vec<usize>, n| rest.iter().copied().chain([n]).collect();
                combinations = combinations
                    .iter()
                    .flat_map(|rest| (0..axis.values.len()).map(move |n| longer(rest, n)))
                    .collect();
            }
            panels.extend(combinations.into_iter().map(|rest| Panel { experiment, outcomes, rest }));
        }
        panels
    }

    /// Every run with what became of it, in the order of the file.
    pub fn runs(&self) -> impl Iterator<Item = (&'a Experiment, &'a Run, &Outcome)> {
        let experiments = self.comparison.experiments.iter().zip(&self.outcomes);
        experiments.flat_map(|(e, outcomes)| {
            e.runs.iter().zip(outcomes).map(move |(run, outcome)| (e, run, outcome))
        })
    }

    /// The runs that measured nothing, in words, with the reason.
    pub fn failures(&self) -> Vec<(String, &str)> {
        let failed = self.runs().filter_map(|(experiment, run, outcome)| match outcome {
            Outcome::Failed(why) => Some((experiment.describe(run), why.as_str())),
            Outcome::Measured(_) => None,
        });
        failed.collect()
    }
}

impl<'a> Panel<'a> {
    /// What it is about, in a line.
    pub fn title(&self) -> String {
        let mut title = self.experiment.title.clone();
        for (axis, value) in self.experiment.axes.iter().skip(1).zip(&self.rest) {
            title.push_str(&format!(", {} = {}", axis.short(), axis.values[*value]));
        }
        title
    }

    /// The name of the axis, if there is one.
    pub fn axis(&self) -> Option<&'a str> {
        self.experiment.axes.first().map(|axis| axis.short())
    }

    /// The values of the axis, as they are written; one without a name where nothing is swept.
    pub fn xs(&self) -> Vec<&'a str> {
        match self.experiment.axes.first() {
            Some(axis) => axis.values.iter().map(String::as_str).collect(),
            None => vec![""],
        }
    }

    /// The same as numbers, if they are: then lines can be drawn over them.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        self.experiment.axes.first()?.numbers().filter(|numbers| numbers.len() > 1)
    }

    /// The mechanisms.
    pub fn rows(&self) -> Vec<Row<'a>> {
        let rows = self.experiment.mechanisms.iter().enumerate().map(|(mechanism, m)| Row {
            name: m.name.as_ref(),
            source: m.published.as_ref().map(|published| published.source.as_str()),
            measured: (0..self.xs().len()).map(|x| self.measured(mechanism, x)).collect(),
            constant: m.fixed.first().copied().unwrap_or(false),
            mechanism,
        });
        rows.collect()
    }

    fn measured(&self, mechanism: usize, x: usize) -> Option<&'a Measured> {
        // Without an axis, a point has no values.
        let axes = self.experiment.axes.len().min(1);
        let point: Vec<usize> = std::iter::repeat_n(x, axes).chain(self.rest.iter().copied()).collect();
        match self.outcomes.get(self.experiment.run(mechanism, &point)?)? {
            Outcome::Measured(measured) => Some(measured),
            Outcome::Failed(_) => None,
        }
    }

    /// The values of `measure` of `row` over the axis.
    pub fn series(&self, row: &Row<'_>, measure: &Measure) -> Vec<Option<f64>> {
        row.measured.iter().map(|measured| measure.of((*measured)?)).collect()
    }

    /// The published values of `measure` of `row` over the axis.
    pub fn published(&self, row: &Row<'_>, measure: &Measure) -> Vec<Option<f64>> {
        let published = self.experiment.mechanisms[row.mechanism].published.as_ref();
        let axis = self.experiment.axes.first();
        let x = |x: &&str| published?.at(measure, axis.map(|_| *x));
        self.xs().iter().map(x).collect()
    }

    /// The measures that say something: those that are not 0, or unknown, everywhere.
    pub fn measures(&self) -> Vec<&'a Measure> {
        let rows = self.rows();
        let says = |measure: &&Measure| {
            let all = rows.iter().flat_map(|row| {
                self.series(row, measure).into_iter().chain(self.published(row, measure)).flatten()
            });
            all.into_iter().any(|value| value != 0.0)
        };
        self.experiment.measures.iter().filter(says).collect()
    }

    /// Where the better one of two mechanisms changes, by the first measure of the experiment, in words.
    pub fn crossings(&self) -> Vec<String> {
        self.crossings_of(Self::series)
    }

    /// The same of the published values.
    pub fn published_crossings(&self) -> Vec<String> {
        self.crossings_of(Self::published)
    }

    fn crossings_of(&self, series: impl Fn(&Self, &Row<'a>, &Measure) -> Vec<Option<f64>>) -> Vec<String> {
        let (Some(xs), Some(measure), Some(axis)) =
            (self.numbers(), self.experiment.measures.first(), self.axis())
        else {
            return Vec::new();
        };
        let rows = self.rows();
        let mut found = Vec::new();
        for (n, a) in rows.iter().enumerate() {
            for b in &rows[n + 1..] {
                for crossing in crossing::find(&xs, &series(self, a, measure), &series(self, b, measure)) {
                    found.push(said(&crossing, a.name, b.name, measure, axis));
                }
            }
        }
        found
    }
}

fn said(crossing: &Crossing, a: &str, b: &str, measure: &Measure, axis: &str) -> String {
    let lower_better = measure.less_is_better();
    let a_passes = crossing.first_becomes_less == lower_better.unwrap_or(true);
    let (winner, loser) = if a_passes { (a, b) } else { (b, a) };
    let verb = if lower_better.is_some() { "passes" } else { "falls below" };
    let (from, to) = crossing.between;
    if from == to {
        return format!("{winner} {verb} {loser} at {axis} {from}");
    }
    format!(
        "{winner} {verb} {loser} between {axis} {from} and {to} (about {})",
        super::table::number(crossing.at)
    )
}
