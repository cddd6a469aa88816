//! Packages of Debian's next release, for riscv64, in the cache directory: a kernel and busybox to boot.
//!
//! apt does the work, with lists and a cache of its own: nothing of this touches the machine's packages. The
//! mirror is the one that the machine's own sources name, and signatures are checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::cache;
use crate::shell::{self, Outcome, at};

/// Names of the release. While a mirror is being brought up to date, the files of one name may not fit together
/// and those of the other do.
const SUITES: [&str; 2] = ["trixie", "stable"];
/// Depends on the package with the kernel.
const KERNEL: &str = "linux-image-riscv64";
/// What is needed beside it.
const OTHERS: [&str; 1] = ["busybox-static"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Names a mirror where the machine's sources have none.
const MIRROR_VARIABLE: &str = "RELSIM_DEBIAN_MIRROR";

/// The private apt.
struct Apt {
    directory: PathBuf,
}

impl Apt {
    fn new(directory: &Path, mirror: &str, suite: &str) -> Outcome<Self> {
        let directory = at(directory, std::path::absolute(directory))?;
        for part in ["lists/partial", "cache/archives/partial", "packages"] {
            let part = directory.join(part);
            at(&part, fs::create_dir_all(&part))?;
        }
        let sources = directory.join("debian.sources");
        let text = format!(
            "Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nArchitectures: riscv64\nSigned-By: {KEYRING}\n"
        );
        at(&sources, fs::write(&sources, text))?;
        let status = directory.join("status");
        at(&status, fs::write(&status, ""))?;
        Ok(Self { directory })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let place = |option: &str, name: &str| format!("{option}={}", self.directory.join(name).display());
        let options = [
            place("Dir::Etc::sourcelist", "debian.sources"),
            "Dir::Etc::sourceparts=-".into(),
            place("Dir::State::status", "status"),
            place("Dir::State::lists", "lists"),
            place("Dir::Cache", "cache"),
            "APT::Architecture=riscv64".into(),
            "APT::Architectures=riscv64".into(),
            // The directory may be one that apt's own user cannot enter.
            "APT::Sandbox::User=root".into(),
            "Acquire::Languages=none".into(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into(),
            "Acquire::Retries=3".into(),
            // Without it, a failed update is a warning.
            "APT::Update::Error-Mode=any".into(),
        ];
        command.args(options.iter().flat_map(|option| ["-o", option.as_str()]));
        command.current_dir(self.directory.join("packages"));
        command
    }
}

/// The mirror that this machine gets its own packages from.
fn mirror() -> Outcome<String> {
    if let Ok(mirror) = std::env::var(MIRROR_VARIABLE) {
        return Ok(mirror);
    }
    let help = format!("{MIRROR_VARIABLE}=URL names a Debian mirror");
    let mut list = Command::new("apt-get");
    list.args(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]);
    let targets = shell::output(&mut list).map_err(|error| format!("{error}\n{help}"))?;
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    first_mirror(&targets, &system).ok_or(format!("apt's sources name no mirror of a Debian release; {help}"))
}

/// The first line that is about the release that `system` (os-release) says is installed; other suites may
/// lie elsewhere, as security updates do.
fn first_mirror(targets: &str, system: &str) -> Option<String> {
    let value = |key: &str| {
        let line = system.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"'))
    };
    if value("ID") != Some("debian") {
        return None;
    }
    let releases = [value("VERSION_CODENAME").unwrap_or("stable"), "stable", "testing", "sid", "unstable"];
    targets.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (uri, release, component) = (words.next()?, words.next()?, words.next()?);
        (releases.contains(&release) && component == "main").then(|| uri.to_string())
    })
}

/// The package that `apt-cache depends` says the kernel's metapackage depends on.
fn kernel_package(depends: &str) -> Option<&str> {
    depends.lines().find_map(|line| {
        line.trim().strip_prefix("Depends: ").filter(|name| name.starts_with("linux-image-"))
    })
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The private apt with the lists of the first suite whose files are whole.
fn updated(directory: &Path, mirror: &str) -> Outcome<Apt> {
    let mut failures = String::new();
    for suite in SUITES {
        println!("setup: downloading Debian {suite} packages for riscv64 to {}", directory.display());
        let apt = Apt::new(directory, mirror, suite)?;
        match shell::output(apt.command("apt-get").arg("update")) {
            Ok(_) => return Ok(apt),
            Err(error) => {
                println!("setup: the lists of {suite} cannot be had");
                failures += &format!("{suite}: {error}\n");
            }
        }
    }
    Err(failures)
}

/// Downloads and unpacks the packages, unless that is done.
///
/// # Errors
/// What went wrong; the next run begins again.
pub fn packages() -> Outcome<()> {
    let directory = cache().join("riscv64");
    // Written last: what was interrupted does not count.
    let stamp = directory.join("installed");
    let root = directory.join("root");
    if let Ok(installed) = fs::read_to_string(&stamp)
        && root.is_dir()
    {
        println!("setup: {} has {}", directory.display(), installed.trim_end().replace('\n', ", "));
        println!("setup: (remove it to download newer packages)");
        return Ok(());
    }
    if !Path::new(KEYRING).is_file() {
        return Err(format!("{KEYRING} is missing: please install the package debian-archive-keyring"));
    }
    let mirror = mirror()?;
    let begun = Instant::now();
    let apt = updated(&directory, &mirror)?;
    let depends = shell::output(apt.command("apt-cache").args(["depends", KERNEL]))?;
    let kernel = kernel_package(&depends).ok_or(format!("{KERNEL} depends on no kernel:\n{depends}"))?;
    let downloads = directory.join("packages");
    at(&downloads, fs::remove_dir_all(&downloads))?;
    at(&downloads, fs::create_dir_all(&downloads))?;
    shell::output(apt.command("apt-get").arg("download").arg(kernel).args(OTHERS))?;
    let downloaded = begun.elapsed();

    if root.exists() {
        at(&root, fs::remove_dir_all(&root))?;
    }
    let (mut installed, mut total_bytes) = (String::new(), 0);
    for entry in at(&downloads, fs::read_dir(&downloads))? {
        let path = at(&downloads, entry)?.path();
        total_bytes += at(&path, fs::metadata(&path))?.len();
        shell::output(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&root))?;
        let show = ["-W", "--showformat=${Package} ${Version}\n"];
        installed += &shell::output(Command::new("dpkg-deb").args(show).arg(&path))?;
    }
    at(&stamp, fs::write(&stamp, &installed))?;
    for package in installed.lines() {
        println!("setup: {package}");
    }
    println!(
        "setup: {:.0} MiB of packages: lists and download {:.1} s, unpacking {:.1} s",
        mebibytes(total_bytes),
        downloaded.as_secs_f64(),
        (begun.elapsed() - downloaded).as_secs_f64(),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: &str = "PRETTY_NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\n";

    #[test]
    fn the_mirror_is_that_of_the_release() {
        let targets = "http://a/debian-security/ bookworm-security main\nhttp://b/other/ nodistro main\n\
                       http://c/debian/ bookworm contrib\nhttp://c/debian/ bookworm main\n";
        assert_eq!(first_mirror(targets, SYSTEM).as_deref(), Some("http://c/debian/"));
        assert_eq!(first_mirror("http://a/x/ nodistro main\n", SYSTEM), None);
        assert_eq!(first_mirror(targets, "ID=ubuntu\nVERSION_CODENAME=bookworm\n"), None);
    }

    #[test]
    fn the_kernel_is_what_the_metapackage_depends_on() {
        let depends = "linux-image-riscv64\n  Depends: linux-image-6.12.1+deb13-riscv64\n";
        assert_eq!(kernel_package(depends), Some("linux-image-6.12.1+deb13-riscv64"));
        assert_eq!(kernel_package("linux-image-riscv64\n  Depends: something\n"), None);
    }
}
