//! From options in several places to those of one run.

use toml_edit::{Item, Key, Table, TableLike};

use super::sweep::TABLES;
use super::{read, scalar};
use crate::baseline::file::{Case, FileError, Spanned};

/// What a case has beside the options of its run.
const OF_CASES: [&str; 6] = ["exit", "counters", "functions", "tolerance", "tolerances", "recorded"];

/// The run of a mechanism: the options of `layers`, then those of `point`, then its `own`, which have its name.
pub(super) fn case(
    layers: &[&Table],
    point: &Table,
    own: &Table,
    name: &Spanned<String>,
) -> Result<Case, FileError> {
    let mut all = Table::new();
    for layer in layers.iter().copied().chain([point]) {
        if let Some(key) = layer.key("name") {
            return Err(FileError::new(
                "experiments and mechanisms have names, nothing else has",
                place(key),
            ));
        }
        merge(&mut all, layer)?;
    }
    merge(&mut all, own)?;
    let words = all.remove("guest").map(|guest| words(&guest)).transpose()?.unwrap_or_default();
    let value = Item::Table(all).into_value();
    let value = value.map_err(|_| FileError::new("there are no options", name.span()))?;
    let mut case: Case = read(value, name.span())?;
    if !words.is_empty() {
        let given = case.append.as_ref().map_or(String::new(), |append| format!("{} ", append.as_ref()));
        case.append = Some(Spanned::new(name.span(), given + &words));
    }
    Ok(case)
}

fn place(key: &Key) -> std::ops::Range<usize> {
    key.span().unwrap_or(0..0)
}

/// Puts the options of `layer` in the place of those in `all`; tables of parameters entry by entry.
fn merge(all: &mut Table, layer: &Table) -> Result<(), FileError> {
    for (name, item) in layer {
        let Some(key) = layer.key(name) else { continue };
        if OF_CASES.contains(&name) {
            let message = format!("{name} belongs to the cases of `relsim check`, not to a comparison");
            return Err(FileError::new(message, place(key)));
        }
        if !TABLES.contains(&name) {
            all.insert_formatted(key, item.clone());
            continue;
        }
        let inner = item.as_table_like().ok_or_else(|| {
            FileError::new(format!("{name} is a table of parameters, {name}.NAME = VALUE"), place(key))
        })?;
        if !all.contains_key(name) {
            all.insert_formatted(key, Item::Table(Table::new()));
        }
        let Some(table) = all.get_mut(name).and_then(Item::as_table_mut) else { continue };
        for (parameter, item) in inner.iter() {
            if let Some(key) = inner.key(parameter) {
                table.insert_formatted(key, item.clone());
            }
        }
    }
    Ok(())
}

/// The parameters of a guest as the words of its command line.
fn words(guest: &Item) -> Result<String, FileError> {
    let mut words = Vec::new();
    let Some(guest) = guest.as_table_like() else { return Ok(String::new()) };
    for (parameter, item) in TableLike::iter(guest) {
        let at = guest.key(parameter).map_or(0..0, place);
        let value_at = item.span().unwrap_or_else(|| at.clone());
        if parameter.is_empty() || parameter.chars().any(|c| c.is_whitespace() || c.is_control() || c == '=')
        {
            return Err(FileError::new("the name of a guest's parameter is a word without =", at));
        }
        let value = scalar(item).ok_or_else(|| {
            FileError::new("a value is a text, an integer, true or false", value_at.clone())
        })?;
        if value.is_empty() || value.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(FileError::new("the value of a guest's parameter is one word", value_at));
        }
        words.push(format!("{parameter}={value}"));
    }
    Ok(words.join(" "))
}
