//! The header of a Linux `Image` for RISC-V.
//!
//! Source: Linux `Documentation/arch/riscv/boot-image-header.rst` and `arch/riscv/include/asm/image.h`.

use crate::error::{DisplayRange, LoadError};

/// Bytes of the header.
const HEADER_BYTES: usize = 64;
/// Offset of the second magic number, the only one that is not deprecated.
const MAGIC_OFFSET: usize = 0x38;
const MAGIC: &[u8; 4] = b"RSC\x05";
/// Flag bit 0: the kernel is big-endian.
const FLAG_BIG_ENDIAN: u64 = 1;

/// The fields of a Linux `Image` header that say how to load it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinuxHeader {
    /// Where the image wants to be, counted from the start of RAM, in bytes (0x20_0000 on RV64, 0 for kernels that run in M-mode).
    pub text_offset: u64,
    /// Memory that the kernel needs from its load address on, in bytes, with its zero-initialised data. 0 if not said.
    pub image_size_bytes: u64,
    /// Flags; bit 0 is big-endian, the others are reserved.
    pub flags: u64,
    /// Major and minor version of the header.
    pub version: (u16, u16),
}

/// Whether `bytes` carries the magic number of a Linux `Image` for RISC-V.
pub(crate) fn is_linux_image(bytes: &[u8]) -> bool {
    bytes.get(MAGIC_OFFSET..MAGIC_OFFSET + MAGIC.len()) == Some(MAGIC.as_slice())
}

impl LinuxHeader {
    /// Reads the header from the start of `bytes`.
    ///
    /// # Errors
    ///
    /// [`LoadError::Truncated`] if the header is cut off, [`LoadError::BigEndianLinux`] if the kernel is big-endian.
    pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(LoadError::Truncated {
                name: name.to_owned(),
                what: "Linux Image header",
                range: DisplayRange { start: 0, size_bytes: HEADER_BYTES as u64 },
                file_bytes: bytes.len() as u64,
            });
        };
        let word = |offset: usize| {
            let mut raw = [0; 8];
            raw.copy_from_slice(&header[offset..offset + 8]);
            u64::from_le_bytes(raw)
        };
        let version = word(0x20) as u32;
        let parsed = Self {
            text_offset: word(0x08),
            image_size_bytes: word(0x10),
            flags: word(0x18),
            version: ((version >> 16) as u16, version as u16),
        };
        if parsed.flags & FLAG_BIG_ENDIAN != 0 {
            return Err(LoadError::BigEndianLinux { name: name.to_owned(), flags: parsed.flags });
        }
        Ok(parsed)
    }
}
