//! Another text for a file, all of it or nothing.

use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::CliError;
use crate::payload;

/// Puts `new` in the place of `old` in the file at `path`: written beside it and renamed, so that nobody ever
/// sees half of it. Links and permissions stay.
///
/// # Errors
/// [`CliError::FileChanged`] if the file does not hold `old` any more; [`CliError::Read`], [`CliError::Write`].
pub fn replace(path: &Path, old: &str, new: &str) -> Result<(), CliError> {
    let failed = |source| CliError::Write { what: "cases", path: path.into(), source };
    if payload::read("cases", path)? != old.as_bytes() {
        return Err(CliError::FileChanged { path: path.into() });
    }
    let target = path.canonicalize().map_err(failed)?;
    // A path that names a file has a parent once it is absolute.
    let directory = target.parent().unwrap_or(Path::new("/"));
    let mut file = NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(new.as_bytes()).map_err(failed)?;
    let permissions = std::fs::metadata(&target).map_err(failed)?.permissions();
    file.as_file().set_permissions(permissions).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cases.toml");
        std::fs::write(&path, "theirs").unwrap();
        assert!(matches!(replace(&path, "old", "new"), Err(CliError::FileChanged { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("cases.toml"), directory.path().join("link.toml"));
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("cases.toml", &link).unwrap();
        replace(&link, "old", "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
