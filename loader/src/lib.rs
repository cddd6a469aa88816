//! Guest images for relsim: from the bytes of a file to plain data.
//!
//! This crate knows file formats and nothing else of the simulator. It reads no files, prints nothing and keeps no state: every
//! function takes bytes or numbers and returns values, so that the command line and the tests use it in the same way.
//!
//! * [`Image::parse`] recognises gzip, EFI zboot wrappers, ELF64 RISC-V files, Linux `Image` files and (if allowed) raw binaries,
//!   and says what must lie where in physical memory and where execution starts.
//! * [`SymbolTable`] maps addresses to names and back.
//! * [`SourceMap`] maps addresses to source lines (with inlined calls) and source lines to addresses, from DWARF.
//! * [`place_initrd`] and [`place_dtb`] choose addresses as boot loaders do.
//!
//! # Hostile input
//!
//! Files may be damaged. No input makes this crate panic, and memory use is bounded by the size of the (decompressed) file times a
//! constant: sizes in headers are compared with the bytes that are there, never allocated.
//!
//! ```
//! use relsim_loader::{Image, ParseOptions, Start};
//!
//! let options = ParseOptions { allow_raw: true, ..ParseOptions::default() };
//! let image = Image::parse("nops.bin", &[0x13, 0, 0, 0], &options)?;
//! assert_eq!(image.entry, 0x8000_0000);
//! assert_eq!(image.start(0x8000_0000), Start::Machine);
//! image.check_fits(0x8000_0000, 128 << 20)?;
//! # Ok::<(), relsim_loader::LoadError>(())
//! ```

mod attributes;
mod bytes;
mod elf;
mod error;
mod image;
mod linux;
mod placement;
mod source;
mod symbols;
mod unpack;

pub use attributes::arch_string;
pub use bytes::Bytes;
pub use error::{DisplayRange, LoadError};
pub use image::{
    HostInterface, Image, ImageKind, IsaSupport, LinkedAddress, Note, ParseOptions, Segment, SegmentFlags,
    Start,
};
pub use linux::LinuxHeader;
pub use placement::{Region, place_dtb, place_initrd};
pub use source::{Frame, SourceLocation, SourceMap};
pub use symbols::{Symbol, SymbolKind, SymbolTable, demangle};
pub use unpack::{Packing, unpack};
