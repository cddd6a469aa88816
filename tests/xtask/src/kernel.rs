//! `cargo xtask kernel`: builds the kernel, bundles it with a root task into one ELF file, and puts the images where
//! the command line embeds them from; with `--check` it compares instead, which is what CI does. `--images` builds
//! those that the tests run.

use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};

use crate::build::{guest_cargo, settle};
use crate::repository;
use crate::shell::{Outcome, at, run as execute};
use crate::user_symbols;

/// The target of this program: where the kernel's objects are tested.
const HOST_TARGET: &str = env!("XTASK_TARGET");
/// The target of the kernel itself: without floating point, whose registers are the users'.
const KERNEL_TARGET: &str = "riscv64imac-unknown-none-elf";
/// The target of what runs on it.
const USER_TARGET: &str = "riscv64gc-unknown-none-elf";
/// Release, without debug information: that has paths in it.
const PROFILE: &str = "image";
/// The root task that compares mechanisms, in a package of its own.
const MECHANISMS: &str = "mechanisms";
const PAGE: usize = 4096;
/// A root task has no more than this; more is a mistake in its linker script.
const MAX_IMAGE: usize = 64 << 20;

/// An image: a root task on the kernel for one hart or several.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    /// Name of the root task's program.
    pub root: &'static str,
    /// For several harts.
    pub smp: bool,
    /// Only the tests of the suite whose names contain this.
    pub tests: &'static str,
}

impl Image {
    /// With all that the root task does.
    pub const fn whole(root: &'static str, smp: bool) -> Self {
        Self { root, smp, tests: "" }
    }

    /// What the file is called.
    pub fn name(self) -> String {
        let part = if self.tests.is_empty() { "" } else { "-part" };
        format!("kernel-{}{part}{}", self.root, if self.smp { "-smp" } else { "" })
    }
}

/// The images that are committed, and where they lie.
const COMMITTED: &[(Image, &str)] = &[
    (Image::whole("root", false), "cli/guests/kernel.elf"),
    (Image::whole("root", true), "cli/guests/kernel-smp.elf"),
    (Image::whole(MECHANISMS, false), "cli/guests/bench.elf"),
    (Image::whole(MECHANISMS, true), "cli/guests/bench-smp.elf"),
];

fn workspace() -> PathBuf {
    repository().join("kernel")
}

fn target() -> PathBuf {
    workspace().join("target")
}

/// Cargo in the kernel's workspace.
fn cargo() -> Command {
    guest_cargo(&workspace())
}

/// Builds `image`: where its ELF file is.
///
/// # Errors
/// If the build fails.
pub fn build(image: Image) -> Outcome<PathBuf> {
    let mut command = cargo();
    let package = if image.root == MECHANISMS { "kernel-bench" } else { "kernel-root" };
    command.args(["build", "--profile", PROFILE, "--locked", "--package", package, "--bin", image.root]);
    if !image.tests.is_empty() {
        command.env("KERNEL_TESTS", image.tests);
    }
    if image.root == "bench" {
        // Only on our own kernel: seL4 completes an interrupt before it is served, so that one that stays comes again
        // and again.
        command.env("KERNEL_BENCH_IRQ", "1");
    }
    execute(&mut command)?;
    let program = target().join(USER_TARGET).join(PROFILE).join(image.root);
    let flat = target().join(format!("{}.image", image.root));
    at(&flat, std::fs::write(&flat, flatten(&program)?))?;
    // Root tasks print by the kernel.
    let features = if image.smp { "bundled,debug,smp" } else { "bundled,debug" };
    execute(
        cargo()
            .args(["build", "--profile", PROFILE, "--locked", "--package", "kernel-riscv64"])
            .args(["--target", KERNEL_TARGET, "--features", features])
            .env("KERNEL_ROOT_IMAGE", &flat),
    )?;
    let built = target().join(KERNEL_TARGET).join(PROFILE).join("kernel");
    let kept = target().join(format!("{}.elf", image.name()));
    at(&kept, std::fs::write(&kept, user_symbols::merged(&built, &program)?))?;
    Ok(kept)
}

/// The program at `path` as the kernel takes it in: a page with its virtual address and its entry, then its memory.
fn flatten(path: &Path) -> Outcome<Vec<u8>> {
    let data = at(path, std::fs::read(path))?;
    let bad = |what: &str| format!("{}: {what}", path.display());
    let wrong = |error: object::read::Error| bad(&error.to_string());
    let header = elf::FileHeader64::<Endianness>::parse(&*data).map_err(wrong)?;
    let endian = header.endian().map_err(wrong)?;
    let segments = header.program_headers(endian, &*data).map_err(wrong)?;
    let loads = || segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    let start = loads().map(|s| s.p_vaddr(endian)).min().ok_or_else(|| bad("nothing to load"))?;
    let end = loads().map(|s| s.p_vaddr(endian).saturating_add(s.p_memsz(endian))).max().unwrap_or(start);
    let size = usize::try_from(end - start).unwrap_or(usize::MAX);
    if start % PAGE as u64 != 0 || size > MAX_IMAGE {
        return Err(bad(&format!("{size} bytes from {start:#x} on cannot be a root task")));
    }
    let mut image = vec![0; PAGE + size.next_multiple_of(PAGE)];
    image[..8].copy_from_slice(&start.to_le_bytes());
    image[8..16].copy_from_slice(&header.e_entry(endian).to_le_bytes());
    for segment in loads() {
        let bytes = segment.data(endian, &*data).map_err(|()| bad("a segment lies outside of the file"))?;
        let offset = PAGE + (segment.p_vaddr(endian) - start) as usize;
        image[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    Ok(image)
}

/// The images that the tests run, which are not committed.
const TESTED: &[Image] = &[
    Image::whole("suite", false),
    Image::whole("suite", true),
    // What several harts do to each other: all of it takes minutes with a timing model.
    Image { root: "suite", smp: true, tests: "smp::" },
    Image::whole("bench", false),
];

/// Builds the images that the tests run.
///
/// # Errors
/// If a build fails.
pub fn build_tested() -> Outcome<()> {
    TESTED.iter().try_for_each(|&image| build(image).map(drop))
}

/// The commands that run the kernel's tests on the host: without what builds may have, and with all of it.
pub fn host_tests() -> [Command; 2] {
    [&[][..], &["--all-features"]].map(|features| {
        let mut command = cargo();
        command.args(["test", "--locked"]);
        command.args(["--package", "kernel-core", "--package", "kernel-abi", "--package", "kernel-net"]);
        command.args(["--target", HOST_TARGET]).args(features);
        command
    })
}

/// What `cargo xtask kernel` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only compare what is built with what the command line embeds
    #[arg(long)]
    check: bool,
    /// Build the images that the tests run, instead
    #[arg(long, conflicts_with = "check")]
    images: bool,
}

/// Builds, then updates or compares.
///
/// # Errors
/// If the build fails, or with `--check` if a committed file is not what the sources give.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    if arguments.images {
        return build_tested();
    }
    for &(image, committed) in COMMITTED {
        settle(committed, &build(image)?, arguments.check, "kernel")?;
    }
    Ok(())
}
