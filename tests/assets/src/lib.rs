//! Where the things that are booted lie: Debian's packages on this machine, and the packages of the other
//! architecture in the cache directory. `cargo xtask setup` puts them there. And initial RAM disks to go with them.

pub mod cpio;
pub mod linux;
pub mod python;

use std::path::{Path, PathBuf};

/// What to do when something is missing: never to skip.
const HINT: &str = "run `cargo xtask setup`, or for what is built `cargo xtask kernel --images` and `cargo xtask linux --build`";
/// Names another cache directory than `.cache` in the repository.
const CACHE_VARIABLE: &str = "RELSIM_CACHE";

/// The contents of a file that has to be there.
///
/// # Panics
/// If it is not, with what to do about it.
pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}; {HINT}", path.display()))
}

/// OpenSBI's firmware that takes the next stage's address from the loader.
pub fn opensbi() -> PathBuf {
    "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.elf".into()
}

/// U-Boot for S-mode.
pub fn u_boot() -> PathBuf {
    "/usr/lib/u-boot/qemu-riscv64_smode/uboot.elf".into()
}

/// The kernel with the root task `root`, for one hart or several.
pub fn kernel(root: &str, smp: bool) -> PathBuf {
    let name = format!("kernel-{root}{}.elf", if smp { "-smp" } else { "" });
    repository().join("kernel/target").join(name)
}

/// The workspace of the program for Linux; the files that its comparison names are relative to it.
pub fn linux_workspace() -> PathBuf {
    repository().join("tests/linux")
}

/// The program that plays ping-pong on Linux.
pub fn ping_pong() -> PathBuf {
    linux_workspace().join("target/riscv64gc-unknown-none-elf/release/pingpong")
}

/// The repository.
pub fn repository() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest)
}

/// Where downloads are kept: `.cache` in the repository, or what `RELSIM_CACHE` names.
pub fn cache() -> PathBuf {
    std::env::var_os(CACHE_VARIABLE).map_or_else(|| repository().join(".cache"), PathBuf::from)
}

/// The unpacked packages of the architecture riscv64.
///
/// # Panics
/// If they were never unpacked.
pub fn riscv64_root() -> PathBuf {
    let root = cache().join("riscv64/root");
    assert!(root.is_dir(), "{} does not exist; {HINT}", root.display());
    root
}

/// The only entry of `directory` whose name begins with `prefix`.
///
/// # Panics
/// If there is none, or more than one.
pub fn only(directory: &Path, prefix: &str) -> PathBuf {
    let entries = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}; {HINT}", directory.display()));
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .collect();
    assert_eq!(found.len(), 1, "{}: one {prefix}* expected, found {found:?}; {HINT}", directory.display());
    found.remove(0)
}
