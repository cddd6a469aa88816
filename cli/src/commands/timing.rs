//! `relsim timing list` and `relsim timing show NAME|FILE`: the timing models and their parameters.

use std::fmt::Write;
use std::io::IsTerminal;

use relsim_machine::{FixedDef, ParamDef, TIMING_MODELS, Timing};
use serde_json::json;

use crate::args::{TimingCommand, TimingFormat};
use crate::error::CliError;
use crate::{timing_file, timing_toml};

/// Width of a table where there is no terminal, and the largest one where there is.
const WIDTH: usize = 100;
const MAX_WIDTH: usize = 140;
/// A column of meanings that is narrower than this goes below its row instead.
const MIN_MEANING: usize = 36;

/// Prints the list, or one model's parameters.
///
/// # Errors
/// [`CliError::Write`], and what is wrong with a file that was named.
pub fn run(command: &TimingCommand) -> Result<(), CliError> {
    let text = match command {
        TimingCommand::List => {
            TIMING_MODELS.iter().map(|m| format!("{:<12}{}\n", m.name, m.summary)).collect()
        }
        TimingCommand::Show { model, format } => {
            let timing = timing_file::load(model)?;
            match format {
                TimingFormat::Text => table(&timing, width()),
                TimingFormat::Json => json_text(&timing)?,
                TimingFormat::Toml => timing_toml::text(&timing),
            }
        }
    };
    super::print(text.as_bytes())
}

fn width() -> usize {
    let terminal = std::io::stdout().is_terminal();
    match crossterm::terminal::size() {
        Ok((columns, _)) if terminal && columns > 0 => usize::from(columns).min(MAX_WIDTH),
        _ => WIDTH,
    }
}

/// A row of the table: name, value, unit, range, and the rest.
type Row = ([String; 4], String);

fn parameter_row(param: &ParamDef, value: u64) -> Row {
    let default = if value == param.default { String::new() } else { format!("; default {}", param.default) };
    let about = format!("{} ({}{default})", param.meaning, param.source);
    ([param.name.into(), value.to_string(), param.unit.into(), param.range()], about)
}

fn fixed_row(fixed: &FixedDef) -> Row {
    let about = format!("{} ({})", fixed.meaning, fixed.source);
    ([fixed.name.into(), fixed.value.to_string(), fixed.unit.into(), "fixed".into()], about)
}

/// What is known about `timing`, in lines of at most `width` characters, if that can be.
fn table(timing: &Timing, width: usize) -> String {
    let model = timing.model();
    let mut text = format!("{}: {}\n", model.name, model.summary);
    if model.parameters.is_empty() && model.fixed.is_empty() {
        text.push_str("It has no parameters.\n");
        return text;
    }
    let head = (["parameter", "value", "unit", "range"].map(String::from), "meaning (source)".to_string());
    let rows: Vec<Row> = std::iter::once(head)
        .chain(timing.parameters().map(|(param, value)| parameter_row(param, value)))
        .chain(model.fixed.iter().map(fixed_row))
        .collect();
    let widest = |column: usize| rows.iter().map(|(cells, _)| cells[column].len()).max().unwrap_or(0);
    let [name, value, unit, range] = [0, 1, 2, 3].map(widest);
    let left = name + value + unit + range + 8;
    let beside = width >= left + MIN_MEANING;
    let indent = if beside { left } else { 4 };
    text.push('\n');
    for (cells, about) in &rows {
        let [a, b, c, d] = cells;
        let row = format!("{a:name$}  {b:>value$}  {c:unit$}  {d:range$}");
        let mut lines = wrapped(about, width.saturating_sub(indent)).into_iter();
        // Writing to a string does not fail.
        let _ = match lines.next().filter(|_| beside) {
            Some(first) => writeln!(text, "{row}  {first}"),
            None => {
                lines = wrapped(about, width.saturating_sub(indent)).into_iter();
                writeln!(text, "{}", row.trim_end())
            }
        };
        for line in lines {
            let _ = writeln!(text, "{:indent$}{line}", "");
        }
    }
    text
}

/// The words of `text` in lines of at most `width` characters; longer words have their own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

fn json_text(timing: &Timing) -> Result<String, CliError> {
    let model = timing.model();
    let parameters: Vec<_> = timing
        .parameters()
        .map(|(p, value)| {
            json!({
                "name": p.name, "value": value, "default": p.default, "unit": p.unit, "min": p.min, "max": p.max,
                "power_of_two": p.shape == relsim_machine::Shape::PowerOfTwo,
                "meaning": p.meaning, "source": p.source,
            })
        })
        .collect();
    let fixed: Vec<_> = model
        .fixed
        .iter()
        .map(|f| {
            json!({
                "name": f.name, "value": f.value, "unit": f.unit, "meaning": f.meaning, "source": f.source,
            })
        })
        .collect();
    let document = json!({
        "model": model.name, "summary": model.summary, "parameters": parameters, "fixed": fixed,
    });
    serde_json::to_string_pretty(&document).map(|text| text + "\n").map_err(|error| CliError::Write {
        what: "output",
        path: "standard output".into(),
        source: error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_their_width() {
        for model in TIMING_MODELS {
            let timing = (model.timing)();
            for width in [80, 100, 140] {
                let text = table(&timing, width);
                let long = text.lines().find(|line| line.chars().count() > width);
                assert_eq!(long, None, "{} at {width}", model.name);
                for param in model.parameters {
                    assert!(text.contains(&format!("\n{} ", param.name)), "{}", param.name);
                }
            }
            // No width is too small for the words to be there.
            let words =
                |width| table(&timing, width).split_whitespace().map(String::from).collect::<Vec<_>>();
            assert_eq!(words(0), words(100));
        }
    }

    #[test]
    fn a_value_of_ones_own_shows_the_default_too() {
        let mut timing = Timing::by_name("simple").unwrap();
        timing.set("l1d_miss", 7).unwrap();
        let text = table(&timing, 200);
        let row = text.lines().find(|line| line.starts_with("l1d_miss ")).unwrap();
        assert!(row.contains("  7  cycles ") && row.ends_with("; default 40)"), "{row}");
    }
}
