//! Timing models as TOML: what `--timing FILE` reads, and `relsim timing show --format toml` writes.

use std::fmt::Write;
use std::ops::Range;

use relsim_machine::{ParamError, TIMING_MODELS, Timing};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::suggest::{closest, for_parameter};

const MODEL: &str = "model";
const PARAMETERS: &str = "parameters";

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes.
    pub place: Range<usize>,
    /// What may help.
    pub help: Option<String>,
}

impl FileError {
    fn new(place: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), place, help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// The model in `text`.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str) -> Result<Timing, FileError> {
    let document = DeTable::parse(text).map_err(|error| {
        let place = error.span().unwrap_or(0..0);
        // The message may have several lines; what was expected stands in the later ones.
        let mut lines = error.message().lines();
        let wrong = FileError::new(place, lines.next().unwrap_or("this is no TOML"));
        match lines.collect::<Vec<_>>().join(", ") {
            more if more.is_empty() => wrong,
            more => wrong.help(more),
        }
    })?;
    let document = in_order(document.get_ref());
    let find =
        |key: &str| document.iter().find(|(k, _)| k.get_ref().as_ref() == key).map(|(_, value)| *value);

    let Some(model) = find(MODEL) else {
        let names: Vec<_> = TIMING_MODELS.iter().map(|m| m.name).collect();
        return Err(FileError::new(0..0, "the file does not name its model")
            .help(format!("begin it with a line such as model = \"{}\"", names[names.len() - 1])));
    };
    let Some(name) = model.get_ref().as_str() else {
        return Err(wrong_type("model", "a string", model));
    };
    let Some(mut timing) = Timing::by_name(name) else {
        let error = FileError::new(model.span(), format!("there is no timing model {name:?}"));
        return Err(match closest(name, TIMING_MODELS.iter().map(|m| m.name)) {
            Some(known) => {
                error.help(format!("did you mean {known:?}? `relsim timing list` shows the models"))
            }
            None => error.help("`relsim timing list` shows the models"),
        });
    };

    let known = |key: &str| [MODEL, PARAMETERS].contains(&key);
    if let Some((key, _)) = document.iter().find(|(key, _)| !known(key.get_ref())) {
        return Err(unknown_key(key, &timing));
    }
    let Some(parameters) = find(PARAMETERS) else { return Ok(timing) };
    let Some(table) = parameters.get_ref().as_table() else {
        return Err(wrong_type(PARAMETERS, "a table", parameters));
    };
    for (key, value) in in_order(table) {
        let name = key.get_ref().as_ref();
        let DeValue::Integer(integer) = value.get_ref() else {
            // A wrong name first: what its type should be, nobody knows.
            return Err(match timing.set(name, 0) {
                Err(error @ (ParamError::Unknown { .. } | ParamError::Fixed { .. })) => {
                    refused(&timing, key.span(), &error)
                }
                _ => wrong_type(name, "an integer", value),
            });
        };
        let Ok(number) = u64::from_str_radix(integer.as_str(), integer.radix()) else {
            let known = timing.model().parameters.iter().find(|p| p.name == name);
            let range = known.map_or(String::new(), |p| format!(": {name} takes {}", p.range()));
            return Err(FileError::new(value.span(), format!("{integer} is out of range{range}")));
        };
        if let Err(error) = timing.set(name, number) {
            let about_value = matches!(error, ParamError::Range { .. } | ParamError::NoPowerOfTwo { .. });
            return Err(refused(&timing, if about_value { value.span() } else { key.span() }, &error));
        }
    }
    Ok(timing)
}

/// A table's entries in the order of the file.
fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn wrong_type(what: &str, wanted: &str, value: &Spanned<DeValue<'_>>) -> FileError {
    FileError::new(
        value.span(),
        format!("{what} is {wanted}, not a value of type {}", value.get_ref().type_str()),
    )
}

fn refused(timing: &Timing, place: Range<usize>, error: &ParamError) -> FileError {
    FileError { message: error.to_string(), place, help: for_parameter(timing.model(), error) }
}

fn unknown_key(key: &Spanned<std::borrow::Cow<'_, str>>, timing: &Timing) -> FileError {
    let name = key.get_ref().as_ref();
    let error = FileError::new(key.span(), format!("there is no key {name:?} here"));
    if timing.model().parameters.iter().any(|p| p.name == name) {
        return error.help(format!("parameters stand below a line [{PARAMETERS}]"));
    }
    match closest(name, [MODEL, PARAMETERS].into_iter()) {
        Some(known) => error.help(format!("did you mean {known}?")),
        None => error.help(format!("a file has {MODEL} = \"...\" and a table [{PARAMETERS}]")),
    }
}

/// A file with every parameter of `timing`, which [`parse`] reads back.
pub fn text(timing: &Timing) -> String {
    let model = timing.model();
    // Writing to a string does not fail.
    let mut text = format!("# {}\n{MODEL} = \"{}\"\n", model.summary, model.name);
    if !model.parameters.is_empty() {
        let _ = writeln!(text, "\n[{PARAMETERS}]");
    }
    for (param, value) in timing.parameters() {
        let _ = writeln!(text, "# {}; {}, {} ({})", param.meaning, param.unit, param.range(), param.source);
        let _ = writeln!(text, "{} = {value}", param.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for model in TIMING_MODELS {
            let mut timing = (model.timing)();
            assert_eq!(parse(&text(&timing)), Ok(timing.clone()));
            for param in model.parameters {
                timing.set(param.name, param.max).unwrap();
            }
            assert_eq!(parse(&text(&timing)), Ok(timing));
        }
    }

    #[test]
    fn what_is_left_out_keeps_its_default() {
        let timing = parse("model='rocket'\n[parameters]\nmul_step = 0x10 # hex\nl1d_sets=1_024\n").unwrap();
        for (param, value) in timing.parameters() {
            let wanted = match param.name {
                "mul_step" => 16,
                "l1d_sets" => 1024,
                _ => param.default,
            };
            assert_eq!(value, wanted, "{}", param.name);
        }
        assert_eq!(parse("model = \"functional\""), Ok(Timing::default()));
    }

    /// Files, the text that the error points to, a part of the message and one of the help.
    const WRONG: &[(&str, &str, &str, &str)] = &[
        ("", "", "does not name its model", "model = \"rocket\""),
        ("model = 1", "1", "model is a string, not a value of type integer", ""),
        ("model = \"rokcet\"", "\"rokcet\"", "no timing model \"rokcet\"", "did you mean \"rocket\"?"),
        ("model = \"toaster\"", "\"toaster\"", "no timing model \"toaster\"", "relsim timing list"),
        ("modle = \"rocket\"", "", "does not name its model", ""),
        (
            "model = \"rocket\"\nparamters = 1",
            "paramters",
            "no key \"paramters\"",
            "did you mean parameters?",
        ),
        ("mul_step = 8\nmodel = \"rocket\"", "mul_step", "no key \"mul_step\"", "below a line [parameters]"),
        ("model = \"rocket\"\nx = 1", "x", "no key \"x\"", "[parameters]"),
        ("model = \"rocket\"\nparameters = 3", "3", "parameters is a table", ""),
        ("model = \"rocket\"\n[[parameters]]\nmul_step = 8", "[[parameters]]", "parameters is a table", ""),
        (
            "model = \"rocket\"\n[parameters]\nmul_steps = 8",
            "mul_steps",
            "no parameter mul_steps",
            "mul_step?",
        ),
        (
            "model = \"rocket\"\n[parameters]\nmul_steps = \"8\"",
            "mul_steps",
            "no parameter mul_steps",
            "mul_step?",
        ),
        ("model = \"rocket\"\n[parameters]\nmul_step = \"8\"", "\"8\"", "mul_step is an integer", ""),
        ("model = \"rocket\"\n[parameters]\nmul_step = 8.0", "8.0", "not a value of type float", ""),
        ("model = \"rocket\"\n[parameters]\nmul_step = 7", "7", "mul_step takes powers of two", ""),
        ("model = \"rocket\"\n[parameters]\nmul_step = 64", "64", "takes 1 to 32 bits, not 64", ""),
        (
            "model = \"rocket\"\n[parameters]\nmul_step = -8",
            "-8",
            "-8 is out of range: mul_step takes 1 to 32",
            "",
        ),
        (
            "model = \"rocket\"\n[parameters]\nl1d_sets = 99999999999999999999999",
            "99999999999999999999999",
            "is out of range: l1d_sets takes 1 to 4096",
            "",
        ),
        ("model = \"rocket\"\n[parameters]\nras_entries = 8", "ras_entries", "is fixed at 6", "timing show"),
        ("model = \"functional\"\n[parameters]\nx = 8", "x", "has no parameter x", "no parameters"),
        ("model = \"rocket\"\n[parameters]\nmul_step = 8\nmul_step = 4", "mul_step", "duplicate key", ""),
        ("model = \"rocket\" \"x\"", "", "unexpected key or value", ""),
        ("model = \"rocket", "", "", ""),
        ("\u{1f680} = 1", "\u{1f680}", "", ""),
    ];

    #[test]
    fn errors_point_to_their_place() {
        for &(file, place, message, help) in WRONG {
            let error = parse(file).unwrap_err();
            let shown = format!("{file:?}: {error:?}");
            if !place.is_empty() {
                assert_eq!(&file[error.place.clone()], place, "{shown}");
            }
            assert!(file.get(error.place.clone()).is_some() && !error.message.is_empty(), "{shown}");
            assert!(error.message.contains(message) && !error.message.contains('\n'), "{shown}");
            assert!(error.help.unwrap_or_default().contains(help), "{shown}");
        }
    }

    /// What the fuzz target checks, for the files above with bytes changed: the same ones in each run.
    #[test]
    fn no_text_is_too_odd() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % n as u64) as usize
        };
        const ODD: &[u8] = b"\"'[]{}=.,#\n\r\t \\_+-0x9eE:\xc3\xa9\x00\xff";
        let (mut accepted, mut refused) = (0, 0);
        for case in 0..200_000 {
            let mut bytes = WRONG[case % WRONG.len()].0.as_bytes().to_vec();
            for _ in 0..=below(4) {
                let (at, odd) = (below(bytes.len() + 1), ODD[below(ODD.len())]);
                match below(3) {
                    0 => bytes.insert(at, odd),
                    1 if at < bytes.len() => bytes[at] = odd,
                    _ => bytes.truncate(bytes.len().max(1) - usize::from(at == 0)),
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            match parse(&text) {
                Ok(timing) => {
                    accepted += 1;
                    assert_eq!(parse(&super::text(&timing)), Ok(timing));
                }
                Err(error) => {
                    refused += 1;
                    assert!(text.get(error.place.clone()).is_some(), "{text:?}: {error:?}");
                    assert!(
                        !error.message.is_empty() && !error.message.contains('\n'),
                        "{text:?}: {error:?}"
                    );
                }
            }
        }
        assert!(accepted > 100 && refused > 100_000, "{accepted} files were taken, {refused} refused");
    }
}
