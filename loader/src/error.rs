//! What can be wrong with an image, said so that the reader can find the place.

use std::fmt;

use thiserror::Error;

/// An address or offset range `start..start + size`, printed in hexadecimal with its size.
///
/// The end is printed inclusive, so that a range that ends at the top of the address space can be printed too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisplayRange {
    /// First address (or offset) of the range.
    pub start: u64,
    /// Number of bytes.
    pub size_bytes: u64,
}

impl fmt::Display for DisplayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, size_bytes } = *self;
        match size_bytes.checked_sub(1).map(|last| start.checked_add(last)) {
            None => write!(f, "{start:#x} (empty)"),
            Some(Some(last)) => write!(f, "{start:#x}..={last:#x} ({size_bytes:#x} bytes)"),
            Some(None) => write!(f, "{start:#x} plus {size_bytes:#x} bytes"),
        }
    }
}

/// Why an image cannot be loaded. `name` is what the caller called the file; segments are counted as in the program header table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file ends inside of something that must be there.
    #[error("{name}: truncated: {what} at file offset {range}, but the file has {file_bytes:#x} bytes")]
    Truncated {
        /// File.
        name: String,
        /// The structure that is cut off.
        what: &'static str,
        /// File offsets that it would need.
        range: DisplayRange,
        /// Length of the file.
        file_bytes: u64,
    },
    /// Neither ELF nor Linux `Image` nor gzip, and raw binaries were not allowed.
    #[error("{name}: not an ELF file, Linux Image or gzip of one ({hint})")]
    Unrecognised {
        /// File.
        name: String,
        /// What it looks like, or how to go on.
        hint: String,
    },
    /// The file has no bytes.
    #[error("{name}: the file is empty")]
    Empty {
        /// File.
        name: String,
    },
    /// Damaged gzip data.
    #[error("{name}: gzip data at file offset {offset:#x} is damaged: {reason}")]
    Gzip {
        /// File.
        name: String,
        /// Where the gzip member starts.
        offset: u64,
        /// The decoder's words.
        reason: String,
    },
    /// The decompressed size is above the caller's limit.
    #[error("{name}: decompresses to more than the limit of {limit_bytes:#x} bytes")]
    TooLarge {
        /// File.
        name: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// Compressed files inside compressed files, too deep to be meant.
    #[error("{name}: more than {limit} layers of compression")]
    TooDeep {
        /// File.
        name: String,
        /// Layers that are followed.
        limit: usize,
    },
    /// An EFI zboot file whose payload is packed with something else than gzip.
    #[error("{name}: EFI zboot payload is packed with `{method}`; only gzip is supported: unpack it first")]
    ZbootMethod {
        /// File.
        name: String,
        /// The name in the header.
        method: String,
    },
    /// ELF, but not for a 64-bit machine.
    #[error("{name}: ELF32 file (EI_CLASS {class} at offset 0x4); relsim simulates RV64 and needs ELF64")]
    NotElf64 {
        /// File.
        name: String,
        /// The byte EI_CLASS.
        class: u8,
    },
    /// ELF, but big-endian.
    #[error("{name}: big-endian ELF file (EI_DATA {data} at offset 0x5); RISC-V images are little-endian")]
    NotLittleEndian {
        /// File.
        name: String,
        /// The byte EI_DATA.
        data: u8,
    },
    /// A Linux `Image` whose flags say big-endian.
    #[error("{name}: Linux Image for a big-endian kernel (flags {flags:#x} at offset 0x18)")]
    BigEndianLinux {
        /// File.
        name: String,
        /// The flags word.
        flags: u64,
    },
    /// ELF for another machine.
    #[error("{name}: ELF file for {machine_name} (e_machine {machine} at offset 0x12), not for RISC-V (243)")]
    WrongMachine {
        /// File.
        name: String,
        /// e_machine.
        machine: u16,
        /// Its usual name.
        machine_name: &'static str,
    },
    /// A field of the ELF header has a value that cannot be meant.
    #[error("{name}: ELF header: {field} at offset {offset:#x} is {value:#x}, expected {expected}")]
    BadHeader {
        /// File.
        name: String,
        /// Field name as in the ELF specification.
        field: &'static str,
        /// Its offset.
        offset: u64,
        /// Its value.
        value: u64,
        /// What would be right.
        expected: &'static str,
    },
    /// An object file, core file or the like.
    #[error("{name}: ELF type {type_name} (e_type {elf_type} at offset 0x10) cannot be run: {advice}")]
    NotExecutable {
        /// File.
        name: String,
        /// e_type.
        elf_type: u16,
        /// Its name.
        type_name: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// The file wants a dynamic linker, which a bare machine does not have.
    #[error(
        "{name}: dynamically linked executable ({needs}); a bare machine has no dynamic linker: link with -static"
    )]
    Dynamic {
        /// File.
        name: String,
        /// Interpreter and libraries that it asks for.
        needs: String,
    },
    /// Nothing to load.
    #[error("{name}: no loadable segment (PT_LOAD with p_memsz > 0) among {headers} program headers")]
    NoSegments {
        /// File.
        name: String,
        /// Number of program headers.
        headers: usize,
    },
    /// A segment's bytes are not in the file.
    #[error(
        "{name}: segment {segment}: file range {range} lies beyond the end of the file ({file_bytes:#x} bytes)"
    )]
    SegmentBeyondFile {
        /// File.
        name: String,
        /// Program header number.
        segment: usize,
        /// p_offset and p_filesz.
        range: DisplayRange,
        /// Length of the file.
        file_bytes: u64,
    },
    /// p_memsz < p_filesz.
    #[error("{name}: segment {segment}: p_memsz {mem_bytes:#x} is smaller than p_filesz {file_bytes:#x}")]
    SegmentShrinks {
        /// File.
        name: String,
        /// Program header number.
        segment: usize,
        /// p_filesz.
        file_bytes: u64,
        /// p_memsz.
        mem_bytes: u64,
    },
    /// A segment wraps around the end of the address space.
    #[error("{name}: segment {segment}: {space} addresses {range} wrap around the 64-bit address space")]
    SegmentWraps {
        /// File.
        name: String,
        /// Program header number.
        segment: usize,
        /// `physical` or `virtual`.
        space: &'static str,
        /// The range.
        range: DisplayRange,
    },
    /// Two segments want the same physical memory.
    #[error(
        "{name}: segments {first} at {first_range} and {second} at {second_range} overlap in physical memory"
    )]
    SegmentsOverlap {
        /// File.
        name: String,
        /// Program header number of the lower one.
        first: usize,
        /// Its physical addresses.
        first_range: DisplayRange,
        /// Program header number of the higher one.
        second: usize,
        /// Its physical addresses.
        second_range: DisplayRange,
    },
    /// The entry point is not in memory that the file marks as code.
    #[error("{name}: entry point {entry:#x} is in no executable segment ({found})")]
    EntryNotExecutable {
        /// File.
        name: String,
        /// e_entry.
        entry: u64,
        /// Where it is instead.
        found: String,
    },
    /// A load address was computed or given that does not leave room for the image.
    #[error(
        "{name}: loaded at {address:#x}, the image of {size_bytes:#x} bytes wraps around the address space"
    )]
    LoadAddress {
        /// File.
        name: String,
        /// The address.
        address: u64,
        /// Size of the image in memory.
        size_bytes: u64,
    },
    /// The image was built for other extensions than the hart has.
    #[error("{name}: built for {needs}, which the configured hart does not have ({evidence})")]
    IsaMismatch {
        /// File.
        name: String,
        /// The missing part.
        needs: &'static str,
        /// The field that says so.
        evidence: String,
    },
    /// A segment is not inside of DRAM.
    #[error("{name}: segment {segment} at {range} is not inside of RAM at {ram}{advice}")]
    DoesNotFit {
        /// File.
        name: String,
        /// Program header number (0 for Linux `Image` and raw files).
        segment: usize,
        /// Its physical addresses.
        range: DisplayRange,
        /// The RAM.
        ram: DisplayRange,
        /// What might help; empty or starts with a separator.
        advice: &'static str,
    },
    /// No room for the initrd or the device tree.
    #[error("{name}: no room for {size_bytes:#x} bytes, aligned to {align_bytes:#x}, in {window}: {reason}")]
    NoRoom {
        /// What was to be placed.
        name: &'static str,
        /// Its size.
        size_bytes: u64,
        /// Its alignment.
        align_bytes: u64,
        /// The part of RAM that was considered.
        window: DisplayRange,
        /// What is in the way.
        reason: String,
    },
    /// Debug information cannot be read.
    #[error("{name}: debug information: {reason}")]
    Dwarf {
        /// File.
        name: String,
        /// What and where.
        reason: String,
    },
}
