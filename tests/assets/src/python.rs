//! The Python that has the packages which tests read our files with.

use std::path::PathBuf;

/// Where its environment lies.
pub fn directory() -> PathBuf {
    crate::cache().join("python")
}

/// Its interpreter.
pub fn interpreter() -> PathBuf {
    directory().join("bin/python3")
}
