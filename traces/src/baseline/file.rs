//! The file with cases, and their recorded values: TOML, one `[[case]]` each.
//!
//! Names, values and combinations that only a simulator can judge (platforms, ISA strings, sizes) are kept with
//! their places in the text, so that whoever judges them can point there.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
pub use serde_spanned::Spanned;

use super::{CYCLES, INSTRUCTIONS, Measured, Tolerance};

/// The most functions that a case can have recorded.
const MAX_FUNCTIONS: usize = 1000;

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The cases, in the order of the file; at least one.
    #[serde(rename = "case", default)]
    pub cases: Vec<Case>,
}

/// A number as it may be written: `1000000`, or text such as `"512M"` and `"1e6"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// An integer.
    Integer(u64),
    /// Text, not looked at.
    Text(String),
}

/// `raw`: whether, and where to, an image without a format is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// Yes, or no.
    Flag(bool),
    /// Yes, to this address.
    At(Number),
}

/// How a run is expected to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The guest ends it with this code.
    Code(u32),
    /// Otherwise: a reason as the statistics have it, not looked at.
    Reason(String),
}

/// A case: a run, what of it counts, and what is recorded. Keys are the options of `relsim run`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Case {
    /// Its name, which no other case of the file has.
    pub name: Spanned<String>,
    /// The guest that is built in, by its name, instead of files.
    pub builtin: Option<Spanned<String>>,
    /// The image; files are relative to the file.
    pub image: Option<Spanned<String>>,
    /// Whether it has no format.
    pub raw: Option<Spanned<Raw>>,
    /// Firmware.
    pub firmware: Option<Spanned<String>>,
    /// Initial RAM disk.
    pub initrd: Option<Spanned<String>>,
    /// Kernel command line.
    pub append: Option<Spanned<String>>,
    /// Device tree blob.
    pub dtb: Option<Spanned<String>>,
    /// Platform.
    pub platform: Option<Spanned<String>>,
    /// Number of harts.
    pub harts: Option<Spanned<u64>>,
    /// Memory, in bytes.
    pub mem: Option<Spanned<Number>>,
    /// ISA string.
    pub isa: Option<Spanned<String>>,
    /// Timing model.
    pub timing: Option<Spanned<String>>,
    /// Timing parameters.
    #[serde(default)]
    pub set: BTreeMap<Spanned<String>, Spanned<u64>>,
    /// Quantum, in cycles.
    pub quantum: Option<Spanned<Number>>,
    /// Disks.
    #[serde(default)]
    pub disk: Vec<Spanned<String>>,
    /// Peers of network devices.
    #[serde(default)]
    pub net: Vec<Spanned<String>>,
    /// Whether there is a virtio console.
    #[serde(default)]
    pub virtio_console: bool,
    /// File with console input.
    pub stdin: Option<Spanned<String>>,
    /// Console input itself.
    pub stdin_text: Option<Spanned<String>>,
    /// Limit in core cycles.
    pub max_cycles: Option<Spanned<Number>>,
    /// Limit in instructions of all harts.
    pub max_instructions: Option<Spanned<Number>>,
    /// Expected end; code 0 where nothing is said.
    pub exit: Option<Spanned<Ending>>,
    /// Counters that are compared beside cycles and instructions: paths into the statistics.
    #[serde(default)]
    pub counters: Vec<Spanned<String>>,
    /// How many functions are recorded with their cycles, if any.
    pub functions: Option<Spanned<usize>>,
    /// What every counter of the case may differ by.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// What single counters may differ by.
    #[serde(default)]
    pub tolerances: BTreeMap<Spanned<String>, Tolerance>,
    /// What was recorded last; nothing in a new case.
    pub recorded: Option<Measured>,
}

impl Case {
    /// What the counter `name` may differ by.
    pub fn tolerance(&self, name: &str) -> Tolerance {
        let own = self.tolerances.iter().find(|(counter, _)| counter.as_ref() == name);
        own.map_or(self.tolerance, |(_, tolerance)| *tolerance)
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
}

impl FileError {
    /// `message` about `span`.
    pub fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span }
    }
}

/// Line and column of a byte of `text`, counted from 1; columns are characters.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
    (line, 1 + String::from_utf8_lossy(&before[start..]).chars().count())
}

/// Reads `text`.
///
/// # Errors
/// The first thing that is no TOML, no known key or not of its type; a name that stands twice or is empty; a
/// tolerance for a counter that is not compared; a file without cases.
pub fn parse(text: &str) -> Result<CaseFile, FileError> {
    let file: CaseFile = toml_edit::de::from_str(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        FileError::new(message, error.span().unwrap_or(0..0))
    })?;
    if file.cases.is_empty() {
        return Err(FileError::new("there is no [[case]]", 0..0));
    }
    for (index, case) in file.cases.iter().enumerate() {
        check(case, &file.cases[..index])?;
    }
    Ok(file)
}

fn check(case: &Case, earlier: &[Case]) -> Result<(), FileError> {
    let name = case.name.as_ref();
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(FileError::new("a name is one line, and not empty", case.name.span()));
    }
    if earlier.iter().any(|other| other.name.as_ref() == name) {
        return Err(FileError::new(format!("another case is called {name}, too"), case.name.span()));
    }
    for (index, counter) in case.counters.iter().enumerate() {
        let name = counter.as_ref().as_str();
        let built_in = name == CYCLES || name == INSTRUCTIONS;
        if built_in || case.counters[..index].iter().any(|other| other.as_ref() == name) {
            let why = if built_in { "is always compared" } else { "stands twice" };
            return Err(FileError::new(format!("the counter {name} {why}"), counter.span()));
        }
    }
    if let Some(functions) = case.functions.as_ref().filter(|n| !(1..=MAX_FUNCTIONS).contains(n.as_ref())) {
        let message = format!("functions is how many of them are recorded: 1 to {MAX_FUNCTIONS}");
        return Err(FileError::new(message, functions.span()));
    }
    for counter in case.tolerances.keys() {
        let name = counter.as_ref();
        let known = name == CYCLES || name == INSTRUCTIONS;
        if !known && !case.counters.iter().any(|other| other.as_ref() == name) {
            let message = format!("a tolerance for {name}, which is not among the counters of the case");
            return Err(FileError::new(message, counter.span()));
        }
    }
    Ok(())
}

/// Reads an integer or text, where a type takes both.
struct IntegerOrText<T> {
    expected: &'static str,
    integer: fn(u64) -> Option<T>,
    text: fn(&str) -> T,
    flag: Option<fn(bool) -> T>,
}

impl<T> Visitor<'_> for IntegerOrText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        let integer = u64::try_from(value).ok().and_then(self.integer);
        integer.ok_or_else(|| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        (self.integer)(value).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok((self.text)(text))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        let flag = self.flag.ok_or_else(|| E::invalid_type(de::Unexpected::Bool(value), &self))?;
        Ok(flag(value))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntegerOrText {
            expected: "a number such as 1000000 or \"1e6\"",
            integer: |value| Some(Self::Integer(value)),
            text: |text| Self::Text(text.into()),
            flag: None,
        })
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntegerOrText {
            expected: "true, false or an address",
            integer: |value| Some(Self::At(Number::Integer(value))),
            text: |text| Self::At(Number::Text(text.into())),
            flag: Some(Self::Flag),
        })
    }
}

impl<'de> Deserialize<'de> for Ending {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntegerOrText {
            expected: "the guest's exit code, or how else the run ends",
            integer: |value| u32::try_from(value).ok().map(Self::Code),
            text: |text| Self::Reason(text.into()),
            flag: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        [[case]]
        name = "integer"
        image = "a/b.elf"
        timing = "rocket"
        mem = "64M"
        quantum = 1
        raw = 0x8000_0000
        max-instructions = 1_000
        exit = "instruction-limit"
        counters = ["sbi_calls", "harts.0.traps.user_ecall"]
        functions = 2
        tolerance = 2
        tolerances = { cycles = "0.5%", sbi_calls = 0 }
        [case.set]
        memory_read_latency = 21
        [case.recorded]
        cycles = 5
        instructions = 6
        case = "ab"
        machine = "harts=1"
        counters = { sbi_calls = 1 }
        functions = { main = 4, "(others)" = 1 }
        inputs.image = "cd"

        [[case]]
        name = "new"
        builtin = 'uintr'
    "#;

    #[test]
    fn every_kind_of_value() {
        let file = parse(WHOLE).unwrap();
        let [case, new] = file.cases.as_slice() else { panic!() };
        assert_eq!(case.mem.as_ref().unwrap().as_ref(), &Number::Text("64M".into()));
        assert_eq!(case.quantum.as_ref().unwrap().as_ref(), &Number::Integer(1));
        assert_eq!(case.raw.as_ref().unwrap().as_ref(), &Raw::At(Number::Integer(0x8000_0000)));
        assert_eq!(case.exit.as_ref().unwrap().as_ref(), &Ending::Reason("instruction-limit".into()));
        let (key, value) = case.set.first_key_value().unwrap();
        assert_eq!((&WHOLE[key.span()], &WHOLE[value.span()]), ("memory_read_latency", "21"));
        assert_eq!(case.tolerance("cycles"), "0.5%".parse().unwrap());
        assert_eq!(case.tolerance("sbi_calls"), Tolerance::Absolute(0));
        assert_eq!(case.tolerance("instructions"), Tolerance::Absolute(2));
        let recorded = case.recorded.as_ref().unwrap();
        assert_eq!((recorded.cycles, recorded.counters["sbi_calls"]), (5, 1));
        assert_eq!((recorded.functions["main"], case.functions.as_ref().unwrap().as_ref()), (4, &2));
        assert!(new.recorded.is_none() && new.builtin.is_some() && new.exit.is_none());
    }

    /// What is wrong, with the place that is pointed at.
    fn wrong(text: &str) -> (String, &str) {
        let error = parse(text).unwrap_err();
        (error.message, &text[error.span])
    }

    #[test]
    fn errors_have_a_place() {
        let case = "[[case]]\nname = 'a'\n";
        for (rest, place, message) in [
            ("imgae = 'x'", "imgae", "unknown field `imgae`, expected one of `name`, `builtin`"),
            ("harts = 'two'", "'two'", "invalid type: string \"two\""),
            ("harts = -1", "-1", "invalid value: integer `-1`"),
            ("mem = 1.5", "1.5", "invalid type: floating point"),
            ("raw = []", "[]", "expected true, false or an address"),
            ("exit = 4294967296", "4294967296", "exit code"),
            ("tolerance = '1'\ntolerances = { cycles = 'a%' }", "'a%'", "a tolerance is a number such as"),
            ("tolerance = -1", "-1", "a tolerance is"),
            ("tolerances.sbi_calls = 1", "sbi_calls", "not among the counters"),
            ("counters = ['cycles']", "'cycles'", "always compared"),
            ("counters = ['x', 'x']", "'x'", "stands twice"),
            ("functions = 0", "0", "1 to 1000"),
            ("functions = true", "true", "invalid type"),
            ("recorded = { cycles = 1 }", "{ cycles = 1 }", "missing field `instructions`"),
            ("[[case]]\nname = 'a'", "'a'", "called a, too"),
            ("[[case]]\nname = ''", "''", "not empty"),
            ("[[case]]\nname = \"a\\nb\"", "\"a\\nb\"", "one line"),
            ("set.x = 'y'", "'y'", "invalid type"),
            ("set.x = 1\nset.x = 2", "x", "duplicate key"),
        ] {
            let text = format!("{case}{rest}\n");
            let (found, at) = wrong(&text);
            assert!(found.contains(message), "{rest}: {found}");
            assert_eq!(at, place, "{rest}: {found}");
        }
        assert_eq!(wrong("").0, "there is no [[case]]");
        assert!(wrong("[[case]]\n").0.contains("missing field `name`"));
        assert!(wrong("cases = 1").0.contains("unknown field `cases`"));
        assert_eq!(wrong("[[case]").1, "");
    }

    #[test]
    fn lines_and_columns() {
        assert_eq!(line_column("", 0), (1, 1));
        assert_eq!(line_column("ab\ncd", 4), (2, 2));
        assert_eq!(line_column("ab\néd", 5), (2, 2));
        assert_eq!(line_column("ab\n", 99), (2, 1));
    }
}
