//! What has to be installed on this machine: Rust targets and Debian packages.

use std::path::Path;
use std::process::Command;

use crate::repository;
use crate::shell::{self, Outcome};

/// The targets that guests are built for.
const TARGETS: [&str; 2] = ["riscv64gc-unknown-none-elf", "riscv64imac-unknown-none-elf"];

/// Something that a package brings.
struct Need {
    /// A program on the search path, or a file with a full path. Any of them will do.
    any_of: &'static [&'static str],
    /// The package.
    package: &'static str,
    /// What it is for.
    purpose: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        any_of: &["cc"],
        package: "gcc",
        purpose: "builds the floating-point library that tests compare with",
    },
    Need { any_of: &["cmake"], package: "cmake", purpose: "builds a disassembler that tests compare with" },
    Need { any_of: &["make"], package: "make", purpose: "as cmake" },
    Need {
        any_of: &["qemu-system-riscv64"],
        package: "qemu-system-misc",
        purpose: "the other simulator of the lockstep tests",
    },
    Need {
        any_of: &["riscv64-unknown-elf-objdump", "riscv64-linux-gnu-objdump", "riscv64-elf-objdump"],
        package: "binutils-riscv64-unknown-elf",
        purpose: "disassembly to compare ours with",
    },
    Need { any_of: &["callgrind_annotate"], package: "valgrind", purpose: "reads our callgrind files" },
    Need {
        any_of: &["gdb-multiarch"],
        package: "gdb-multiarch",
        purpose: "debugs guests through relsim's stub",
    },
    Need { any_of: &["python3"], package: "python3", purpose: "reads our Perfetto files" },
    Need { any_of: &["tmux"], package: "tmux", purpose: "a terminal for the debugger's screen" },
    Need { any_of: &["dtc"], package: "device-tree-compiler", purpose: "checks our device trees" },
    Need {
        any_of: &["/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.elf"],
        package: "opensbi",
        purpose: "firmware to boot",
    },
    Need {
        any_of: &["/usr/lib/u-boot/qemu-riscv64_smode/uboot.elf"],
        package: "u-boot-qemu",
        purpose: "a boot loader to boot",
    },
];

impl Need {
    fn met(&self) -> bool {
        self.any_of.iter().any(|name| match name.starts_with('/') {
            true => Path::new(name).is_file(),
            false => shell::on_path(name),
        })
    }
}

/// Adds the Rust targets that are missing.
///
/// # Errors
/// If that fails, or if one is missing and there is no rustup.
pub fn rust_targets() -> Outcome<()> {
    // In the repository, so that its toolchain file counts.
    let sysroot =
        shell::output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(repository()))?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<_> = TARGETS.into_iter().filter(|target| !libraries.join(target).is_dir()).collect();
    if missing.is_empty() {
        println!("setup: Rust targets {} are there", TARGETS.join(", "));
        return Ok(());
    }
    println!("setup: adding Rust targets {}", missing.join(", "));
    shell::run(Command::new("rustup").args(["target", "add"]).args(&missing).current_dir(repository()))
}

/// Installs the packages that are missing.
///
/// # Errors
/// If that fails, or if one is missing and this is not Debian or one of its children.
pub fn packages() -> Outcome<()> {
    let missing: Vec<_> = NEEDS.iter().filter(|need| !need.met()).collect();
    if missing.is_empty() {
        let names: Vec<_> = NEEDS.iter().map(|need| need.package).collect();
        println!("setup: what the packages {} bring is there", names.join(", "));
        return Ok(());
    }
    for need in &missing {
        println!("setup: installing {} ({})", need.package, need.purpose);
    }
    if !shell::on_path("apt-get") {
        let what: Vec<_> = missing.iter().map(|need| need.any_of[0]).collect();
        return Err(format!("there is no apt-get here; please install {}", what.join(", ")));
    }
    let names: Vec<_> = missing.iter().map(|need| need.package).collect();
    install(&names)?;
    match missing.iter().find(|need| !need.met()) {
        Some(need) => Err(format!("{} is installed, but there is no {}", need.package, need.any_of[0])),
        None => Ok(()),
    }
}

/// Installs Debian packages.
///
/// # Errors
/// If that fails.
pub fn install(packages: &[&str]) -> Outcome<()> {
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    // Without lists, or with old ones, the first attempt fails.
    if !shell::succeeds(&mut as_root(&install)) {
        shell::run(&mut as_root(&["update"]))?;
        shell::run(&mut as_root(&install))?;
    }
    Ok(())
}

fn as_root(args: &[&str]) -> Command {
    let root = shell::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.arg("apt-get");
    }
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    command
}
