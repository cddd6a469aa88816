//! Python packages that tests read our files with, in an environment of their own in the cache directory.

use std::fs;
use std::process::Command;

use relsim_assets::python;

use crate::host;
use crate::shell::{self, Outcome, at};

/// Packages with their versions. Perfetto's has its trace format's schema, made for this version of protobuf and later.
const PACKAGES: [&str; 2] = ["perfetto==0.59.1", "protobuf==7.36.2"];

/// Makes the environment, unless it is there and has these packages.
///
/// # Errors
/// What went wrong; the next run begins again.
pub fn packages() -> Outcome<()> {
    let directory = python::directory();
    // Written last: what was interrupted, or has other packages, does not count.
    let stamp = directory.join("installed");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("setup: {} has {}", directory.display(), PACKAGES.join(", "));
        return Ok(());
    }
    println!("setup: installing {} to {}", PACKAGES.join(", "), directory.display());
    // Debian's Python cannot make environments without it.
    if !shell::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        println!("setup: installing python3-venv (makes that environment)");
        host::install(&["python3-venv"])?;
    }
    shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory))?;
    let mut install = Command::new(python::interpreter());
    // Built ones only: nothing that is fetched is run to install it.
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
    ]);
    shell::run(install.args(PACKAGES))?;
    at(&stamp, fs::write(&stamp, wanted))
}
