//! Debian's kernel for riscv64, with an initial RAM disk made of busybox and a script, or of a single program.

use std::path::PathBuf;

use crate::cpio::Archive;
use crate::{only, read, riscv64_root};

/// The applets that the scripts use: links to busybox.
const APPLETS: [&str; 12] = [
    "dd",
    "devmem",
    "echo",
    "head",
    "insmod",
    "mount",
    "nproc",
    "poweroff",
    "seq",
    "sh",
    "sha256sum",
    "uname",
];
/// The drivers of virtio disks are modules in Debian's kernel. In the order in which they are loaded.
const MODULES: [&str; 2] = ["drivers/virtio/virtio_mmio.ko.xz", "drivers/block/virtio_blk.ko.xz"];

/// Mounts, loads drivers, runs the test's script.
const INIT: &str = "\
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
insmod /lib/virtio_mmio.ko.xz
insmod /lib/virtio_blk.ko.xz
. /script
";

/// The kernel.
pub fn kernel() -> PathBuf {
    only(&riscv64_root().join("boot"), "vmlinu")
}

/// An initial RAM disk that runs `script`, in busybox's shell as process 1, after mounting the usual file
/// systems and loading the disk's driver.
pub fn initrd(script: &str) -> Vec<u8> {
    let root = riscv64_root();
    let modules = only(&root.join("usr/lib/modules"), "").join("kernel");
    let mut archive = Archive::new();
    for directory in ["bin", "dev", "lib", "proc", "sys"] {
        archive.directory(directory);
    }
    console(&mut archive);
    archive.file("bin/busybox", &read(&root.join("usr/bin/busybox")));
    for applet in APPLETS {
        archive.symlink(&format!("bin/{applet}"), "busybox");
    }
    for path in MODULES {
        let module = modules.join(path);
        let name = module.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        archive.file(&format!("lib/{name}"), &read(&module));
    }
    archive.file("init", INIT.as_bytes());
    archive.file("script", script.as_bytes());
    archive.finish()
}

/// An initial RAM disk that has nothing but `program`, which is process 1, and the devices that there are without a
/// driver from a module and before anything is mounted: `/dev/console` and `/dev/random`.
pub fn initrd_of_program(program: &[u8]) -> Vec<u8> {
    let mut archive = Archive::new();
    archive.directory("dev");
    console(&mut archive);
    archive.character_device("dev/random", 1, 8);
    archive.file("init", program);
    archive.finish()
}

/// Process 1 gets it as its standard streams before anything is mounted.
fn console(archive: &mut Archive) {
    archive.character_device("dev/console", 5, 1);
}
