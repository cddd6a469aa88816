//! What is kept from one session to the next, for each image: breakpoints, panes, lines that were typed.

use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kept {
    /// The commands that make the breakpoints.
    pub breakpoints: Vec<String>,
    /// The panes that are shown, by their names.
    pub panes: Vec<String>,
    /// Lines that were typed.
    pub history: Vec<String>,
}

/// The file of an image.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// It is not what it was to be, and stays for its owner to look at.
    broken: bool,
}

impl StateFile {
    /// That of the image with hash `hash`, in the user's directory of state (XDG Base Directory Specification); `None` if
    /// there is no such directory.
    pub fn of(hash: &str) -> Option<Self> {
        let base = etcetera::choose_base_strategy().ok()?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir());
        Some(Self::at(&state.join("relsim").join("debug"), hash))
    }

    fn at(directory: &Path, hash: &str) -> Self {
        Self { path: directory.join(format!("{hash}.toml")), broken: false }
    }

    /// What was kept.
    ///
    /// # Errors
    /// A message, if the file cannot be read or is not what it was to be.
    pub fn load(&mut self) -> Result<Kept, String> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(self.broken(&error.to_string())),
        };
        toml::from_str(&text).map_err(|error| self.broken(error.message()))
    }

    fn broken(&mut self, why: &str) -> String {
        self.broken = true;
        format!("{why}: left as it is, {}", self.path.display())
    }

    /// Keeps `kept`.
    ///
    /// # Errors
    /// A message.
    pub fn save(&self, kept: &Kept) -> Result<(), String> {
        if self.broken {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", self.path.display());
        let text = toml::to_string(kept).map_err(|error| failed(&error))?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
        // All of it or nothing: two debuggers may run on an image.
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(&error))?;
        io::Write::write_all(&mut file, text.as_bytes()).map_err(|error| failed(&error))?;
        file.persist(&self.path).map(drop).map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = StateFile::at(&directory.path().join("new"), "abc");
        assert_eq!(file.load(), Ok(Kept::default()));
        let kept = Kept { breakpoints: vec!["break trap_entry if a7 == \"x\"".into()], ..Kept::default() };
        file.save(&kept).unwrap();
        assert_eq!(file.load(), Ok(kept));
    }

    #[test]
    fn a_broken_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["breakpoints = 1", "nonsense = []", "\u{fffd}["] {
            std::fs::write(directory.path().join("abc.toml"), text).unwrap();
            let mut file = StateFile::at(directory.path(), "abc");
            let message = file.load().unwrap_err();
            assert!(message.contains(": left as it is, ") && message.ends_with("abc.toml"), "{message}");
            file.save(&Kept::default()).unwrap();
            assert_eq!(std::fs::read_to_string(directory.path().join("abc.toml")).unwrap(), text);
        }
    }
}
