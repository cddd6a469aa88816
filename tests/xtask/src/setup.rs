//! `cargo xtask setup`: installs what the tests need and says what it does. Doing it twice does nothing.

use std::time::Instant;

use crate::shell::Outcome;
use crate::{debian, host, python};

/// Sets up.
///
/// # Errors
/// The first thing that could not be installed.
pub fn run() -> Outcome<()> {
    let begun = Instant::now();
    host::rust_targets()?;
    host::packages()?;
    python::packages()?;
    debian::packages()?;
    println!("setup: done in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}
