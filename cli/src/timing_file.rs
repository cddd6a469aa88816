//! `--timing`: a model by its name, or a TOML file that names one and gives other values to parameters.
//!
//! ```toml
//! model = "rocket"
//!
//! [parameters]
//! memory_read_latency = 40
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

use relsim_machine::{TIMING_MODELS, Timing};

use crate::error::CliError;
use crate::suggest::closest;
use crate::timing_toml::parse;

/// Nobody writes more about a model.
const LIMIT_BYTES: u64 = 1 << 20;

/// The model that `argument` names: a model, or else a file.
///
/// # Errors
/// [`CliError::NoTiming`], [`CliError::Read`], and what is wrong in the file.
pub fn load(argument: &str) -> Result<Timing, CliError> {
    if let Some(timing) = Timing::by_name(argument) {
        return Ok(timing);
    }
    let path = Path::new(argument);
    if !path.exists() && !argument.contains(['/', '\\', '.']) {
        let help = match closest(argument, TIMING_MODELS.iter().map(|m| m.name)) {
            Some(name) => format!("did you mean {name}? `relsim timing list` shows the models"),
            None => "`relsim timing list` shows the models".into(),
        };
        return Err(CliError::NoTiming { name: argument.into(), help });
    }
    let read = |source| CliError::Read { what: "timing model", path: path.into(), source };
    let mut text = String::new();
    File::open(path).map_err(read)?.take(LIMIT_BYTES + 1).read_to_string(&mut text).map_err(read)?;
    if text.len() as u64 > LIMIT_BYTES {
        return Err(CliError::TimingFileSize { path: path.into(), limit_bytes: LIMIT_BYTES });
    }
    parse(&text).map_err(|error| CliError::timing_file(path, text, error))
}
