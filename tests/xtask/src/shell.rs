//! Running other programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// A result whose error is a message for the user.
pub type Outcome<T> = Result<T, String>;

/// A command, for messages.
fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Runs `command` to its end, with our output.
///
/// # Errors
/// If it cannot be started or fails.
pub fn run(command: &mut Command) -> Outcome<()> {
    let status = command.status().map_err(|error| format!("{}: {error}", show(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", show(command))) }
}

/// Runs `command` to its end and gives its standard output.
///
/// # Errors
/// If it cannot be started or fails; with what it said.
pub fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| format!("{}: {error}", show(command)))?;
    if !output.status.success() {
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        return Err(format!("{}: {}\n{}", show(command), output.status, said.trim_end()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `command` can be started and succeeds. Its output goes nowhere.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Whether a program called `name` is on the search path.
pub fn on_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// Adds the file or directory to a message about it.
pub fn at<T>(path: &Path, result: std::io::Result<T>) -> Outcome<T> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}

/// User and system time that children have used so far, in clock ticks (proc(5), stat, fields 16 and 17).
fn children_ticks() -> Outcome<u64> {
    let path = Path::new("/proc/self/stat");
    let stat = at(path, std::fs::read_to_string(path))?;
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok());
    // The first field behind the name is the third.
    ticks(13)
        .zip(ticks(14))
        .map(|(user, system)| user + system)
        .ok_or_else(|| format!("{}: unknown form", path.display()))
}

/// What `run` gives, and the processor time of the programs that it ran, in seconds.
///
/// # Errors
/// Its own, or if the time cannot be told.
pub fn timed<T>(run: impl FnOnce() -> Outcome<T>) -> Outcome<(T, f64)> {
    let before = children_ticks()?;
    let outcome = run()?;
    // Linux counts in hundredths of a second for user space, whatever its own tick is.
    Ok((outcome, (children_ticks()? - before).max(1) as f64 / 100.0))
}
