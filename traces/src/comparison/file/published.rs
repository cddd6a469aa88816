//! Values that somebody else measured.

use std::collections::BTreeMap;

use toml_edit::{Item, TableLike};

use super::sweep::Axis;
use crate::baseline::file::FileError;
use crate::comparison::Measure;

/// Values that somebody else measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Who, and where it can be read.
    pub source: String,
    /// The values.
    pub values: BTreeMap<Measure, PublishedValues>,
}

/// The values of a measure.
#[derive(Debug, Clone, PartialEq)]
pub enum PublishedValues {
    /// The same everywhere.
    Everywhere(f64),
    /// At values of the axis, as they are written there.
    At(BTreeMap<String, f64>),
}

impl Published {
    /// The value of `measure` where the axis has `x`.
    pub fn at(&self, measure: &Measure, x: Option<&str>) -> Option<f64> {
        match self.values.get(measure)? {
            PublishedValues::Everywhere(value) => Some(*value),
            PublishedValues::At(values) => values.get(x?).copied(),
        }
    }
}

/// The measure called `name`.
pub(super) fn measure(name: &str) -> Result<Measure, String> {
    Measure::by_name(name).ok_or_else(|| {
        let known: Vec<_> = Measure::ALL.iter().map(Measure::name).collect();
        format!("unknown measure {name:?}: there is {} and result.KEY", known.join(", "))
    })
}

/// Reads the table `published` of a mechanism that is measured over `axis`.
pub(super) fn parse(item: Item, axis: Option<&Axis>) -> Result<Published, FileError> {
    let whole = item.span().unwrap_or(0..0);
    let wrong = |why: &str| FileError::new(why, whole.clone());
    let table =
        item.as_table_like().ok_or_else(|| wrong("published is a table with a source and measures"))?;
    let source = table.get("source").and_then(Item::as_str);
    let source = source.ok_or_else(|| wrong("published values have a source = \"...\""))?.to_string();
    let mut values = BTreeMap::new();
    for (name, item) in table.iter().filter(|(name, _)| *name != "source") {
        match item.as_table_like().filter(|_| name == "result") {
            // `result.KEY` is a table inside of the table.
            Some(inner) => {
                for (key, item) in inner.iter() {
                    add(&mut values, inner, &format!("{name}.{key}"), key, item, axis)?;
                }
            }
            None => add(&mut values, table, name, name, item, axis)?,
        }
    }
    Ok(Published { source, values })
}

/// Adds what `item` says about the measure called `name`; it has `key` in `table`.
fn add(
    values: &mut BTreeMap<Measure, PublishedValues>,
    table: &dyn TableLike,
    name: &str,
    key: &str,
    item: &Item,
    axis: Option<&Axis>,
) -> Result<(), FileError> {
    let at = table.key(key).and_then(toml_edit::Key::span).unwrap_or(0..0);
    let measure = measure(name).map_err(|why| FileError::new(why, at.clone()))?;
    let number = |item: &Item| {
        let number = item.as_float().or_else(|| item.as_integer().map(|n| n as f64));
        let place = item.span().unwrap_or_else(|| at.clone());
        let number = number.filter(|n| n.is_finite() && *n >= 0.0);
        number.ok_or_else(|| FileError::new("a published value is a number, not below 0", place))
    };
    let Some(points) = item.as_table_like() else {
        values.insert(measure, PublishedValues::Everywhere(number(item)?));
        return Ok(());
    };
    let mut found = BTreeMap::new();
    for (x, item) in points.iter() {
        let place = points.key(x).and_then(toml_edit::Key::span).unwrap_or_else(|| at.clone());
        let known = axis.is_some_and(|axis| axis.values.iter().any(|value| value == x));
        if !known {
            let why = match axis {
                Some(axis) => format!("{x} is no value of {} in the sweep", axis.parameter),
                None => "nothing is swept, so there is one value".into(),
            };
            return Err(FileError::new(why, place));
        }
        found.insert(x.to_string(), number(item)?);
    }
    values.insert(measure, PublishedValues::At(found));
    Ok(())
}
