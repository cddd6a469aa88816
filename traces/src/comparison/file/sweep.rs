//! Parameters that are varied.

use std::collections::BTreeSet;
use std::ops::Range;

use toml_edit::{Item, Key, Table};

use super::scalar;
use crate::baseline::file::FileError;

/// Options that are tables, whose entries are parameters of their own.
pub(super) const TABLES: [&str; 2] = ["guest", "set"];

/// A parameter that is varied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// What it is called: `guest.conc`, `set.memory_read_latency`, `harts`.
    pub parameter: String,
    /// Its values, as they are written.
    pub values: Vec<String>,
}

impl Axis {
    /// Its values as numbers, if all of them are positive ones.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let number = |text: &String| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
        self.values.iter().map(number).collect()
    }

    /// What it is called, without the table that it stands in.
    pub fn short(&self) -> &str {
        self.parameter.split_once('.').map_or(&self.parameter, |(_, name)| name)
    }
}

/// Where a parameter stands in a table of options.
pub(super) struct Path {
    table: Option<Key>,
    key: Key,
}

impl Path {
    /// Whether `options` have it.
    pub(super) fn is_in(&self, options: &Table) -> bool {
        let table = match &self.table {
            Some(table) => options.get(table.get()).and_then(Item::as_table_like),
            None => Some(options as &dyn toml_edit::TableLike),
        };
        table.is_some_and(|table| table.contains_key(self.key.get()))
    }
}

/// An axis, with what is put into the options for each of its values.
pub(super) struct Swept {
    pub(super) axis: Axis,
    pub(super) path: Path,
    items: Vec<Item>,
}

/// The axes of a `sweep`, in the order of the file.
pub(super) fn parse(table: Table) -> Result<Vec<Swept>, FileError> {
    let mut swept: Vec<(usize, Swept)> = Vec::new();
    for (name, item) in &table {
        let Some(key) = table.key(name) else { continue };
        if !TABLES.contains(&name) {
            swept.push((place(key).start, axis(None, key, item)?));
            continue;
        }
        let inner = item.as_table_like().ok_or_else(|| {
            FileError::new(format!("{name} is a table of parameters with their values"), place(key))
        })?;
        for (parameter, item) in inner.iter() {
            let Some(inner_key) = inner.key(parameter) else { continue };
            swept.push((place(inner_key).start, axis(Some(key), inner_key, item)?));
        }
    }
    swept.sort_by_key(|(at, _)| *at);
    Ok(swept.into_iter().map(|(_, swept)| swept).collect())
}

fn place(key: &Key) -> Range<usize> {
    key.span().unwrap_or(0..0)
}

fn axis(table: Option<&Key>, key: &Key, item: &Item) -> Result<Swept, FileError> {
    let parameter = table.map_or(key.get().to_string(), |table| format!("{}.{}", table.get(), key.get()));
    let wrong = |why: String| FileError::new(why, item.span().unwrap_or_else(|| place(key)));
    let list = item.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| wrong(format!("{parameter} is swept over a list of values")))?;
    let (mut values, mut items, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for value in list {
        let place = value.span().unwrap_or_else(|| place(key));
        let item = Item::Value(value.clone());
        let text = scalar(&item)
            .ok_or_else(|| FileError::new("a value is a text, an integer, true or false", place.clone()))?;
        if !seen.insert(text.clone()) {
            return Err(FileError::new(format!("{text} stands twice"), place));
        }
        values.push(text);
        items.push(item);
    }
    let path = Path { table: table.cloned(), key: key.clone() };
    Ok(Swept { axis: Axis { parameter, values }, path, items })
}

/// Every combination of values, the last axis fastest; axes that are `fixed` have none.
pub(super) fn points(swept: &[Swept], fixed: &[bool]) -> Vec<Vec<Option<usize>>> {
    let mut points = vec![Vec::new()];
    for (swept, fixed) in swept.iter().zip(fixed) {
        let count = if *fixed { 1 } else { swept.items.len() };
        let longer = |point: &Vec<Option<usize>>, n: usize| {
            let mut point = point.clone();
            point.push((!fixed).then_some(n));
            point
        };
        // One more than are admitted is enough to say so.
        points = points
            .iter()
            .flat_map(|point| (0..count).map(move |n| longer(point, n)))
            .take(super::MAX_RUNS + 1)
            .collect();
    }
    points
}

/// The options that `point` stands for.
pub(super) fn layer(swept: &[Swept], point: &[Option<usize>]) -> Table {
    let mut layer = Table::new();
    for (swept, value) in swept.iter().zip(point) {
        let Some(item) = value.and_then(|n| swept.items.get(n)) else { continue };
        let Path { table, key } = &swept.path;
        let Some(table) = table else {
            layer.insert_formatted(key, item.clone());
            continue;
        };
        if !layer.contains_key(table.get()) {
            layer.insert_formatted(table, Item::Table(Table::new()));
        }
        if let Some(inner) = layer.get_mut(table.get()).and_then(Item::as_table_mut) {
            inner.insert_formatted(key, item.clone());
        }
    }
    layer
}
