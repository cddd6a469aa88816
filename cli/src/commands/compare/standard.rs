//! Where a comparison comes from: a file, or the standard one that is built in.

use std::path::{Path, PathBuf};

use relsim_traces::baseline::file::FileError;
use relsim_traces::comparison::file::{Comparison, parse};

use crate::commands::prepare;
use crate::error::CliError;

/// The comparison that runs where no file is named.
pub const TEXT: &str = include_str!("../../../comparisons/standard.toml");
/// What it is called in messages.
const NAME: &str = "the standard comparison";

/// The text of a comparison.
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The one in `file`, or the standard one.
    ///
    /// # Errors
    /// [`CliError::Read`].
    pub fn read(file: Option<&Path>) -> Result<Self, CliError> {
        Ok(match file {
            Some(path) => Self { path: path.into(), text: prepare::read("comparison", path)? },
            None => Self { path: NAME.into(), text: TEXT.into() },
        })
    }

    /// What is compared.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn parse(&self) -> Result<Comparison, CliError> {
        parse(&self.text).map_err(|error| self.wrong(error))
    }

    /// `error` with the file that it is about.
    pub fn wrong(&self, error: FileError) -> CliError {
        CliError::case_file(&self.path, &self.text, error)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_comparison_can_be_run() {
        let comparison = Source::read(None).unwrap().parse().unwrap();
        for experiment in &comparison.experiments {
            for run in &experiment.runs {
                prepare::prepare(&run.case, Path::new(".")).unwrap();
            }
        }
    }
}
