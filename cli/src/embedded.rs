//! The guest that runs when no image is given.

/// Its ELF file; `None` in a build without one.
pub fn guest() -> Option<&'static [u8]> {
    None
}

/// What it is called in messages.
pub const NAME: &str = "embedded guest";
