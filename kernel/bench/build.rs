//! Links the benchmark's programs with the runtime's linker script.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../user/link.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rustc-link-arg-bins=-T{script}");
}
