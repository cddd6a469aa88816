//! Writing recorded values into the text of a file, and leaving all else as it is.

use toml_edit::{Document, InlineTable, Item, Table, TableLike, Value, value};

use super::Measured;
use super::file::FileError;

/// `text` with `values` recorded: one entry per case, in the order of the file; where there is none, what stands
/// there stays. Comments and layout are kept, and values that are right already keep their spelling.
///
/// # Errors
/// [`FileError`] if `text` is not one that [`super::file::parse`] takes, or a count does not fit into TOML's
/// 63 bits.
pub fn bless(text: &str, values: &[Option<Measured>]) -> Result<String, FileError> {
    let no_cases = || FileError::new("there is no [[case]]", 0..0);
    let mut document = Document::parse(text)
        .map_err(|error| FileError::new(error.message(), error.span().unwrap_or(0..0)))?
        .into_mut();
    match document.get_mut("case").ok_or_else(no_cases)? {
        Item::ArrayOfTables(cases) => {
            for (case, measured) in cases.iter_mut().zip(values) {
                record(case, measured.as_ref(), Item::Table(Table::new()))?;
            }
        }
        // Nothing but values can stand in an inline table.
        Item::Value(Value::Array(cases)) => {
            for (case, measured) in cases.iter_mut().zip(values) {
                let case = case.as_inline_table_mut().ok_or_else(no_cases)?;
                record(case, measured.as_ref(), value(InlineTable::new()))?;
            }
        }
        _ => return Err(no_cases()),
    }
    let new = document.to_string();
    // What was added has Unix line ends.
    let foreign = text.contains('\n') && text.matches('\n').count() == text.matches("\r\n").count();
    Ok(if foreign { new.replace("\r\n", "\n").replace('\n', "\r\n") } else { new })
}

/// Puts `measured` into `case`. `empty` is the table for it where there is none.
fn record(case: &mut dyn TableLike, measured: Option<&Measured>, empty: Item) -> Result<(), FileError> {
    let Some(measured) = measured else { return Ok(()) };
    let table = case.entry("recorded").or_insert(empty).as_table_like_mut();
    let table = table.ok_or_else(|| FileError::new("recorded is no table", 0..0))?;
    set(table, "cycles", integer(measured.cycles)?);
    set(table, "instructions", integer(measured.instructions)?);
    for (key, counts) in [("counters", &measured.counters), ("functions", &measured.functions)] {
        let counts = counts.iter().map(|(name, count)| Ok((name.as_str(), integer(*count)?)));
        set_all(table, key, &counts.collect::<Result<Vec<_>, FileError>>()?);
    }
    let inputs: Vec<_> =
        measured.inputs.iter().map(|(name, hash)| (name.as_str(), Value::from(hash.as_str()))).collect();
    set_all(table, "inputs", &inputs);
    set(table, "case", measured.case.as_str().into());
    set(table, "machine", measured.machine.as_str().into());
    Ok(())
}

fn integer(count: u64) -> Result<Value, FileError> {
    let signed = i64::try_from(count);
    signed.map(Value::from).map_err(|_| FileError::new(format!("{count} does not fit into a file"), 0..0))
}

/// Sets `key`, and keeps the blanks and comments around an old value.
fn set(table: &mut dyn TableLike, key: &str, mut new: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) if old.as_integer() == new.as_integer() && old.as_str() == new.as_str() => {}
        Some(old) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => {
            table.insert(key, value(new));
        }
    }
}

/// Makes the entries of the table `key` those of `new`.
fn set_all(table: &mut dyn TableLike, key: &str, new: &[(&str, Value)]) {
    if new.is_empty() {
        table.remove(key);
        return;
    }
    let inner = table.entry(key).or_insert(value(InlineTable::new()));
    if !inner.is_table_like() {
        *inner = value(InlineTable::new());
    }
    let Some(inner) = inner.as_table_like_mut() else { return };
    let gone: Vec<String> = inner
        .iter()
        .map(|(name, _)| name.to_string())
        .filter(|name| new.iter().all(|(kept, _)| kept != name))
        .collect();
    for name in gone {
        inner.remove(&name);
    }
    for (name, count) in new {
        set(inner, name, count.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;
    use super::*;

    fn measured(cycles: u64) -> Measured {
        Measured {
            cycles,
            instructions: 6,
            counters: [("harts.0.traps.user_ecall".to_string(), 3)].into(),
            functions: [("(others)".to_string(), 1), ("a::b".to_string(), 2)].into(),
            inputs: [("image".to_string(), "cd".to_string())].into(),
            case: "ab".into(),
            machine: "harts=1".into(),
        }
    }

    const FILE: &str = "\
# The cases of the project.

[[case]] # first
name = 'a'   # its name
image   =   \"a.elf\"
counters = [
    \"harts.0.traps.user_ecall\", # calls
]

# What was.
[case.recorded] # last week
cycles = 1_000   # before the change
instructions = 6
counters = { sbi_calls = 1 } # one
functions = { \"a::b\" = 9, gone = 1 } # two
case = \"ab\"
machine = \"harts=1\"
inputs.image = 'cd' # hash

# A new one.
[[case]]
name = 'b'

[case.set]
x = 1

[[case]]
name = 'c'
# The end.
";

    #[test]
    fn comments_and_layout_stay() {
        let text = bless(FILE, &[Some(measured(1001)), Some(measured(7)), None]).unwrap();
        let expected = "\
# The cases of the project.

[[case]] # first
name = 'a'   # its name
image   =   \"a.elf\"
counters = [
    \"harts.0.traps.user_ecall\", # calls
]

# What was.
[case.recorded] # last week
cycles = 1001   # before the change
instructions = 6
counters = { \"harts.0.traps.user_ecall\" = 3 } # one
functions = { \"a::b\" = 2, \"(others)\" = 1 } # two
case = \"ab\"
machine = \"harts=1\"
inputs.image = 'cd' # hash

# A new one.
[[case]]
name = 'b'

[case.set]
x = 1

[case.recorded]
cycles = 7
instructions = 6
counters = { \"harts.0.traps.user_ecall\" = 3 }
functions = { \"(others)\" = 1, \"a::b\" = 2 }
inputs = { image = \"cd\" }
case = \"ab\"
machine = \"harts=1\"

[[case]]
name = 'c'
# The end.
";
        assert_eq!(text, expected);
        let file = parse(&text).unwrap();
        assert_eq!(file.cases[0].recorded, Some(measured(1001)));
        assert_eq!(file.cases[1].recorded, Some(measured(7)));
        assert_eq!(file.cases[2].recorded, None);
        // Once more changes nothing, and neither do values that are right.
        assert_eq!(bless(&text, &[Some(measured(1001)), Some(measured(7)), None]).unwrap(), text);
        let (mut same, untouched) = (measured(1000), FILE.replace("{ sbi_calls = 1 }", "{ sbi_calls = 1}"));
        same.counters = [("sbi_calls".to_string(), 1)].into();
        same.functions = [("a::b".to_string(), 9), ("gone".to_string(), 1)].into();
        assert_eq!(bless(&untouched, &[Some(same), None, None]).unwrap(), untouched);
    }

    #[test]
    fn line_ends_and_inline_tables_stay() {
        let text = bless(&FILE.replace('\n', "\r\n"), &[Some(measured(5)), Some(measured(7)), None]).unwrap();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert_eq!(parse(&text).unwrap().cases[1].recorded, Some(measured(7)));
        let text =
            bless("case = [{ name = 'a' }, { name = 'b' }] # both", &[None, Some(measured(7))]).unwrap();
        assert!(text.ends_with("}] # both") || text.ends_with("}] # both\n"), "{text}");
        let file = parse(&text).unwrap();
        assert_eq!((&file.cases[0].recorded, &file.cases[1].recorded), (&None, &Some(measured(7))));
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        assert!(bless(FILE, &[Some(measured(u64::MAX))]).unwrap_err().message.contains("does not fit"));
        assert!(bless("x = 1", &[None]).is_err());
        assert!(bless("case = 1", &[None]).is_err());
        assert!(bless("[[case", &[None]).is_err());
    }
}
