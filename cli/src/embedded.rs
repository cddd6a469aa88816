//! The guest that runs when no image is given: `tests/guests/src/bin/uintr.rs`, as built by
//! `cargo xtask guests`, which CI compares with a fresh build.

/// Its ELF file.
pub const GUEST: &[u8] = include_bytes!("../guests/uintr.elf");

/// What it is called in messages.
pub const NAME: &str = "embedded guest";

/// The platform whose devices it knows.
pub const PLATFORM: &str = "virt";

/// Harts that it needs: a sender and a receiver.
pub const HARTS: usize = 2;

/// It measures in cycles what one hart sees of the other, so they have to be interleaved exactly.
pub const QUANTUM_CYCLES: u64 = 1;
