//! The file that says what is compared: TOML, one `[[experiment]]` for each question, with an
//! `[[experiment.mechanism]]` for each answer.
//!
//! Options of a run stand under the names that they have in a case of [`crate::baseline`]: at the top for all, in an
//! experiment, in its `sweep`, in a mechanism; what comes later in this list wins, key by key. Which of them a
//! simulator takes, it judges itself; they are kept with their places for that.

mod layers;
mod published;
mod sweep;

use serde::de::{DeserializeOwned, IntoDeserializer};
use toml_edit::{ArrayOfTables, Document, Item, Table};

use super::Measure;
use crate::baseline::file::{Case, FileError, Spanned};

pub use published::{Published, PublishedValues};
pub use sweep::Axis;

/// More runs than anybody waits for: a slip of the pen in a sweep.
const MAX_RUNS: usize = 10_000;

/// The file.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What it is about.
    pub title: String,
    /// What is compared, in the order of the file; at least one.
    pub experiments: Vec<Experiment>,
}

/// A question.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// Its name, which no other experiment has.
    pub name: Spanned<String>,
    /// What it is about.
    pub title: String,
    /// More about it.
    pub note: Option<String>,
    /// The parameters that are varied; the first is the axis of charts and tables, which are made anew for each
    /// combination of the others.
    pub axes: Vec<Axis>,
    /// What the mechanisms are compared by; the first is what crossing points are looked for in.
    pub measures: Vec<Measure>,
    /// Who is compared.
    pub mechanisms: Vec<Mechanism>,
    /// The runs: mechanism by mechanism, and the last axis fastest.
    pub runs: Vec<Run>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Mechanism {
    /// Its name, which no other mechanism of the experiment has.
    pub name: Spanned<String>,
    /// Values that somebody else measured.
    pub published: Option<Published>,
    /// Which axes it does not take part in, since it sets their parameters itself.
    pub fixed: Vec<bool>,
}

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Number of its mechanism.
    pub mechanism: usize,
    /// Number of the value of each axis; `None` where the mechanism does not take part in it.
    pub point: Vec<Option<usize>>,
    /// What `relsim run` would be given.
    pub case: Case,
}

impl Experiment {
    /// The run of mechanism number `mechanism` at `point`, a value for each axis.
    pub fn run(&self, mechanism: usize, point: &[usize]) -> Option<usize> {
        let at =
            |run: &Run| run.point.iter().zip(point).all(|(own, wanted)| own.is_none_or(|own| own == *wanted));
        self.runs.iter().position(|run| run.mechanism == mechanism && at(run))
    }

    /// A run in words: `ipc: async, guest.conc=4`.
    pub fn describe(&self, run: &Run) -> String {
        let mechanism = self.mechanisms.get(run.mechanism).map_or("", |m| m.name.as_ref());
        let mut text = format!("{}: {mechanism}", self.name.as_ref());
        for (axis, value) in self.axes.iter().zip(&run.point) {
            if let Some(value) = value.and_then(|n| axis.values.get(n)) {
                text.push_str(&format!(", {}={value}", axis.parameter));
            }
        }
        text
    }
}

/// Reads `text`.
///
/// # Errors
/// The first thing that is no TOML, no known key or not of its type.
pub fn parse(text: &str) -> Result<Comparison, FileError> {
    let document = Document::parse(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        FileError::new(message, error.span().unwrap_or(0..0))
    })?;
    let mut base = document.as_table().clone();
    let title = take(&mut base, "title")?;
    let tables = tables(&mut base, "experiment", text.len())?;
    if tables.is_empty() {
        return Err(FileError::new("there is no [[experiment]]", 0..0));
    }
    let mut experiments: Vec<Experiment> = Vec::new();
    for table in tables.iter() {
        let experiment = experiment(&base, table.clone(), text.len())?;
        let name = &experiment.name;
        if experiments.iter().any(|other| other.name.as_ref() == name.as_ref()) {
            let message = format!("another experiment is called {}, too", name.as_ref());
            return Err(FileError::new(message, name.span()));
        }
        experiments.push(experiment);
        let runs: usize = experiments.iter().map(|experiment| experiment.runs.len()).sum();
        if runs > MAX_RUNS {
            return Err(FileError::new(format!("more than {MAX_RUNS} runs"), span(table, text.len())));
        }
    }
    Ok(Comparison { title: title.unwrap_or("Comparison".into()), experiments })
}

/// Where a table stands, in a text of `len` bytes.
fn span(table: &Table, len: usize) -> std::ops::Range<usize> {
    table.span().map_or(0..0, |span| span.start.min(len)..span.end.min(len))
}

/// Takes what `key` has out of `table`.
fn take<T: DeserializeOwned>(table: &mut Table, key: &str) -> Result<Option<T>, FileError> {
    let Some(item) = table.remove(key) else { return Ok(None) };
    let span = item.span().unwrap_or(0..0);
    let value = item.into_value().map_err(|_| FileError::new(format!("{key} has no value"), span.clone()))?;
    read(value, span).map(Some)
}

/// Reads `value`, which stands at `span`.
fn read<T: DeserializeOwned>(value: toml_edit::Value, span: std::ops::Range<usize>) -> Result<T, FileError> {
    T::deserialize(value.into_deserializer()).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        FileError::new(message, error.span().unwrap_or(span))
    })
}

/// Takes the tables called `key` out of `table`; none if there are none.
fn tables(table: &mut Table, key: &str, len: usize) -> Result<ArrayOfTables, FileError> {
    let Some(item) = table.remove(key) else { return Ok(ArrayOfTables::new()) };
    let place = item.span().unwrap_or_else(|| span(table, len));
    item.into_array_of_tables()
        .map_err(|_| FileError::new(format!("{key} is a list of tables: [[{key}]]"), place))
}

/// Takes the table called `key` out of `table`; an empty one if there is none.
fn table(table: &mut Table, key: &str) -> Result<Table, FileError> {
    let Some(item) = table.remove(key) else { return Ok(Table::new()) };
    let place = item.span().unwrap_or(0..0);
    item.into_table().map_err(|item| {
        FileError::new(format!("{key} is a table, not a value of type {}", item.type_name()), place)
    })
}

/// Takes the name out of `table`, of what `what` says.
fn name(table: &mut Table, what: &str, len: usize) -> Result<Spanned<String>, FileError> {
    let place = span(table, len);
    let name: Spanned<String> =
        take(table, "name")?.ok_or_else(|| FileError::new(format!("the {what} has no name"), place))?;
    if name.as_ref().trim().is_empty() || name.as_ref().chars().any(char::is_control) {
        return Err(FileError::new("a name is one line, and not empty", name.span()));
    }
    Ok(name)
}

fn experiment(base: &Table, mut own: Table, len: usize) -> Result<Experiment, FileError> {
    let name = name(&mut own, "experiment", len)?;
    let title: Option<String> = take(&mut own, "title")?;
    let note = take(&mut own, "note")?;
    let swept = sweep::parse(table(&mut own, "sweep")?)?;
    let measures = measures(take(&mut own, "measures")?.unwrap_or_default())?;
    let tables = tables(&mut own, "mechanism", len)?;
    if tables.is_empty() {
        return Err(FileError::new("the experiment has no [[experiment.mechanism]]", name.span()));
    }
    let layers = [base, &own];
    let (mut mechanisms, mut runs): (Vec<Mechanism>, Vec<Run>) = (Vec::new(), Vec::new());
    for table in tables.iter() {
        let mut table = table.clone();
        // The name stays among the options: it is that of their case.
        let name = self::name(&mut table.clone(), "mechanism", len)?;
        if mechanisms.iter().any(|other| other.name.as_ref() == name.as_ref()) {
            let message = format!("another mechanism of the experiment is called {}, too", name.as_ref());
            return Err(FileError::new(message, name.span()));
        }
        let axes: Vec<&Axis> = swept.iter().map(|swept| &swept.axis).collect();
        let published = table.remove("published");
        let published = published.map(|item| published::parse(item, axes.first().copied())).transpose()?;
        let fixed: Vec<bool> = swept.iter().map(|swept| swept.path.is_in(&table)).collect();
        for point in sweep::points(&swept, &fixed) {
            let case = layers::case(&layers, &sweep::layer(&swept, &point), &table, &name)?;
            runs.push(Run { mechanism: mechanisms.len(), point, case });
            if runs.len() > MAX_RUNS {
                return Err(FileError::new(format!("more than {MAX_RUNS} runs"), name.span()));
            }
        }
        mechanisms.push(Mechanism { name, published, fixed });
    }
    let title = title.unwrap_or_else(|| name.as_ref().clone());
    let axes = swept.into_iter().map(|swept| swept.axis).collect();
    Ok(Experiment { name, title, note, axes, measures, mechanisms, runs })
}

fn measures(names: Vec<Spanned<String>>) -> Result<Vec<Measure>, FileError> {
    if names.is_empty() {
        return Ok(vec![Measure::Cycles, Measure::KernelEntries, Measure::UserInterrupts, Measure::Cpu]);
    }
    let mut measures = Vec::new();
    for name in names {
        let measure = published::measure(name.as_ref()).map_err(|why| FileError::new(why, name.span()))?;
        if measures.contains(&measure) {
            return Err(FileError::new(format!("{} stands twice", name.as_ref()), name.span()));
        }
        measures.push(measure);
    }
    Ok(measures)
}

/// Reads something of a type that has no name of its own here.
fn scalar(item: &Item) -> Option<String> {
    use toml_edit::Value;
    match item.as_value()? {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(flag) => Some(flag.value().to_string()),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_) => None,
    }
}

#[cfg(test)]
mod tests;
