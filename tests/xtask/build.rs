//! Tells the program what it is built for: Cargo says so to build scripts only.
fn main() {
    println!("cargo::rustc-env=XTASK_TARGET={}", std::env::var("TARGET").unwrap_or_default());
}
