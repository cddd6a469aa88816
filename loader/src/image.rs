//! The image of a guest: what lies where in physical memory, and where execution starts.

use std::fmt;

use crate::bytes::Bytes;
use crate::elf;
use crate::error::{DisplayRange, LoadError};
use crate::linux::{self, LinuxHeader};
use crate::placement::Region;
use crate::symbols::SymbolTable;
use crate::unpack::{Packing, unpack};

/// What the caller decides about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseOptions {
    /// First address of DRAM: where raw binaries go, and what a Linux `Image` counts its offset from. Default 0x8000_0000.
    pub ram_base: u64,
    /// Physical address for the lowest byte of the image, instead of the one that follows from the file. An ELF file moves as a whole;
    /// virtual addresses (and symbols) move along only if it is position independent (`ET_DYN`).
    pub load_address: Option<u64>,
    /// Whether a file of no known format is a raw binary (`true`) or an error (`false`, default).
    pub allow_raw: bool,
    /// Upper limit on the size of decompressed data, in bytes. Default 1 GiB.
    pub max_decompressed_bytes: u64,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { ram_base: 0x8000_0000, load_address: None, allow_raw: false, max_decompressed_bytes: 1 << 30 }
    }
}

/// The format that an image had inside of its wrappers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// ELF64 for RISC-V.
    Elf,
    /// Linux `Image`.
    LinuxImage(LinuxHeader),
    /// Bytes without a format.
    Raw,
}

/// Permissions that a segment's program header gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentFlags {
    /// `PF_R`.
    pub read: bool,
    /// `PF_W`.
    pub write: bool,
    /// `PF_X`.
    pub execute: bool,
}

impl SegmentFlags {
    /// Whether none is set.
    pub fn is_empty(self) -> bool {
        !(self.read || self.write || self.execute)
    }

    /// What is assumed of files that do not say.
    pub(crate) const ALL: Self = Self { read: true, write: true, execute: true };
}

/// Printed as `rwx`, with `-` for what is missing.
impl fmt::Display for SegmentFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |set: bool, letter: &'static str| if set { letter } else { "-" };
        f.write_str(letter(self.read, "r"))?;
        f.write_str(letter(self.write, "w"))?;
        f.write_str(letter(self.execute, "x"))
    }
}

/// A contiguous part of an image: bytes from the file, then zeroes up to `mem_size_bytes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Number of its program header; 0 if the file has none.
    pub index: usize,
    /// Physical address of its first byte.
    pub paddr: u64,
    /// Virtual address of its first byte, as linked.
    pub vaddr: u64,
    /// The bytes from the file; never longer than `mem_size_bytes`.
    pub data: Bytes,
    /// Size in memory, in bytes, above 0. As the file says: it may be larger than any memory. `paddr` and `vaddr` plus this size do
    /// not exceed 2^64.
    pub mem_size_bytes: u64,
    /// Permissions.
    pub flags: SegmentFlags,
}

impl Segment {
    /// The physical addresses.
    pub fn region(&self) -> Region {
        Region { base: self.paddr, size_bytes: self.mem_size_bytes }
    }

    /// The physical addresses, to be printed.
    pub fn range(&self) -> DisplayRange {
        DisplayRange { start: self.paddr, size_bytes: self.mem_size_bytes }
    }

    /// Whether code may lie here: marked executable, or not marked at all. Linkers leave all flags clear when a script forces one segment
    /// (riscv-tests' benchmarks): that says nothing, rather than "no access".
    pub fn may_execute(&self) -> bool {
        self.flags.execute || self.flags.is_empty()
    }

    /// Offset of a virtual address in the segment, if it is inside.
    fn offset_of_virt(&self, address: u64) -> Option<u64> {
        address.checked_sub(self.vaddr).filter(|&offset| offset < self.mem_size_bytes)
    }

    /// Offset of a physical address in the segment, if it is inside.
    fn offset_of_phys(&self, address: u64) -> Option<u64> {
        address.checked_sub(self.paddr).filter(|&offset| offset < self.mem_size_bytes)
    }
}

/// The address of a symbol, as linked and in physical memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedAddress {
    /// As linked.
    pub virt: u64,
    /// After translation by the segment that it lies in; the same as `virt` if it lies in none.
    pub phys: u64,
}

/// Symbols by which test programs talk to the host (HTIF; signature of the architectural tests).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostInterface {
    /// `tohost`: the guest writes commands here.
    pub tohost: Option<LinkedAddress>,
    /// `fromhost`: the host answers here.
    pub fromhost: Option<LinkedAddress>,
    /// `begin_signature`: start of the memory to be compared after an architectural test.
    pub begin_signature: Option<LinkedAddress>,
    /// `end_signature`: first address after it.
    pub end_signature: Option<LinkedAddress>,
}

/// Something about an image that its user should know but that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A wrapper was taken off.
    Unpacked(Packing),
    /// `ET_DYN` without an interpreter: loaded at this bias; the program has to relocate itself, as firmware does.
    PositionIndependent {
        /// Load address minus link address.
        bias: u64,
    },
    /// Moved from the physical address that the file asks for.
    Moved {
        /// Lowest address in the file.
        from: u64,
        /// Lowest address now.
        to: u64,
    },
    /// Several segments, all with p_paddr 0: taken as "not said", p_vaddr used instead.
    NoPhysicalAddresses,
    /// The entry point is not a virtual but a physical address of the file's segments.
    EntryIsPhysical,
    /// Symbols or section headers are damaged; the image can be run, but names are missing.
    SymbolsUnreadable(String),
    /// Symbols that were left out since their names are damaged or longer than 16 KiB.
    SymbolsSkipped(usize),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unpacked(Packing { method, packed_bytes, unpacked_bytes, trailing_bytes }) => {
                write!(f, "unpacked {method}: {packed_bytes} to {unpacked_bytes} bytes")?;
                if *trailing_bytes > 0 {
                    write!(f, " ({trailing_bytes} bytes behind the compressed data ignored)")?;
                }
                Ok(())
            }
            Self::PositionIndependent { bias } => {
                write!(f, "position independent, must relocate itself; loaded with bias {bias:#x}")
            }
            Self::Moved { from, to } => write!(f, "loaded at {to:#x} instead of {from:#x}"),
            Self::NoPhysicalAddresses => f.write_str("all p_paddr are 0: loaded at the virtual addresses"),
            Self::EntryIsPhysical => f.write_str("the entry point is a physical address"),
            Self::SymbolsUnreadable(reason) => write!(f, "no symbols: {reason}"),
            Self::SymbolsSkipped(count) => write!(f, "{count} symbols with damaged names left out"),
        }
    }
}

/// Privilege mode in which an image expects to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// M-mode, at the entry point: the image is its own firmware.
    Machine,
    /// S-mode, behind an SBI implementation.
    Supervisor,
}

impl Start {
    /// An image whose lowest load address is the start of DRAM is started in M-mode; one that leaves room there for firmware, in S-mode.
    pub fn classify(lowest_address: u64, ram_base: u64) -> Self {
        if lowest_address == ram_base { Self::Machine } else { Self::Supervisor }
    }
}

/// The parts of a hart's ISA that a file can be in conflict with. The base is RV64I.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsaSupport {
    /// C.
    pub compressed: bool,
    /// F.
    pub single_float: bool,
    /// D.
    pub double_float: bool,
}

/// An image, ready to be copied into memory.
#[derive(Debug, Clone)]
pub struct Image {
    /// What the caller called the file.
    pub name: String,
    /// Format.
    pub kind: ImageKind,
    /// What to load, sorted by physical address, without overlap, at least one.
    pub segments: Vec<Segment>,
    /// Physical address of the first instruction.
    pub entry: u64,
    /// Virtual address of the first instruction, as linked.
    pub entry_virtual: u64,
    /// Lowest physical address.
    pub lowest_address: u64,
    /// Symbols; empty if the file has none.
    pub symbols: SymbolTable,
    /// Symbols by which a test talks to the host.
    pub host_interface: HostInterface,
    /// Architecture string of `.riscv.attributes`.
    pub arch: Option<String>,
    /// `e_flags` of an ELF file (RISC-V ELF psABI: bit 0 RVC, bits 1-2 float ABI, bit 3 RVE, bit 4 TSO); 0 otherwise.
    pub elf_flags: u32,
    /// Load address minus link address of a position-independent file: what symbols are moved by, and what debug information must be
    /// moved by. 0 for all others.
    pub bias: u64,
    /// Remarks.
    pub notes: Vec<Note>,
    /// The file, without wrappers.
    pub file: Bytes,
}

impl Image {
    /// Reads an image. `name` is what to call it in messages.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the file, see [`LoadError`]. Damaged symbols are not an error but a [`Note`].
    pub fn parse(name: &str, bytes: &[u8], options: &ParseOptions) -> Result<Self, LoadError> {
        let (bytes, layers) = unpack(name, bytes, options.max_decompressed_bytes)?;
        if bytes.is_empty() {
            return Err(LoadError::Empty { name: name.to_owned() });
        }
        let mut image = if elf::is_elf(&bytes) {
            elf::parse(name, Bytes::new(&*bytes), options)?
        } else if linux::is_linux_image(&bytes) {
            let header = LinuxHeader::parse(name, &bytes)?;
            let address = match options.load_address {
                Some(address) => Some(address),
                None => options.ram_base.checked_add(header.text_offset),
            };
            let address = address.ok_or_else(|| LoadError::LoadAddress {
                name: name.to_owned(),
                address: options.ram_base,
                size_bytes: header.text_offset,
            })?;
            let size_bytes = header.image_size_bytes.max(bytes.len() as u64);
            Self::flat(name, ImageKind::LinuxImage(header), address, size_bytes, &bytes)?
        } else if options.allow_raw {
            let address = options.load_address.unwrap_or(options.ram_base);
            Self::flat(name, ImageKind::Raw, address, bytes.len() as u64, &bytes)?
        } else {
            return Err(LoadError::Unrecognised { name: name.to_owned(), hint: hint(&bytes).to_owned() });
        };
        image.notes.splice(0..0, layers.into_iter().map(Note::Unpacked));
        Ok(image)
    }

    /// An image of one segment that is entered at its start.
    fn flat(
        name: &str,
        kind: ImageKind,
        address: u64,
        size_bytes: u64,
        bytes: &[u8],
    ) -> Result<Self, LoadError> {
        if address.checked_add(size_bytes - 1).is_none() {
            return Err(LoadError::LoadAddress { name: name.to_owned(), address, size_bytes });
        }
        let file = Bytes::new(bytes);
        Ok(Self {
            name: name.to_owned(),
            kind,
            segments: vec![Segment {
                index: 0,
                paddr: address,
                vaddr: address,
                data: file.clone(),
                mem_size_bytes: size_bytes,
                flags: SegmentFlags::ALL,
            }],
            entry: address,
            entry_virtual: address,
            lowest_address: address,
            symbols: SymbolTable::default(),
            host_interface: HostInterface::default(),
            arch: None,
            elf_flags: 0,
            bias: 0,
            notes: Vec::new(),
            file,
        })
    }

    /// All physical addresses from the lowest to the highest, holes included.
    pub fn span(&self) -> Region {
        let last = self
            .segments
            .iter()
            .map(|segment| segment.paddr + (segment.mem_size_bytes - 1))
            .max()
            .unwrap_or(0);
        // A span of the whole address space has no size in 64 bits; one byte less is as far from fitting anywhere.
        Region { base: self.lowest_address, size_bytes: (last - self.lowest_address).saturating_add(1) }
    }

    /// How to start this image on a machine whose DRAM begins at `ram_base`.
    pub fn start(&self, ram_base: u64) -> Start {
        Start::classify(self.lowest_address, ram_base)
    }

    /// Checks that every segment lies in RAM.
    ///
    /// # Errors
    ///
    /// [`LoadError::DoesNotFit`] for the first segment that does not.
    pub fn check_fits(&self, ram_base: u64, ram_size_bytes: u64) -> Result<(), LoadError> {
        for segment in &self.segments {
            let offset = segment.paddr.checked_sub(ram_base);
            let room = offset.and_then(|offset| ram_size_bytes.checked_sub(offset));
            if room.is_none_or(|room| room < segment.mem_size_bytes) {
                let advice = if offset.is_some_and(|offset| offset < ram_size_bytes) {
                    "; give the machine more memory"
                } else if segment.paddr == segment.vaddr {
                    "; link it for this machine"
                } else {
                    "; give a load address, or use another file of the same program (a Linux Image instead of vmlinux)"
                };
                return Err(LoadError::DoesNotFit {
                    name: self.name.clone(),
                    segment: segment.index,
                    range: segment.range(),
                    ram: DisplayRange { start: ram_base, size_bytes: ram_size_bytes },
                    advice,
                });
            }
        }
        Ok(())
    }

    /// Checks that the file was built for extensions that the hart has, by its `e_flags` and its architecture string.
    ///
    /// # Errors
    ///
    /// [`LoadError::IsaMismatch`]. Files that say nothing pass.
    pub fn check_isa(&self, isa: &IsaSupport) -> Result<(), LoadError> {
        let mismatch =
            |needs, evidence| Err(LoadError::IsaMismatch { name: self.name.clone(), needs, evidence });
        let flags = format!("e_flags {:#x}", self.elf_flags);
        if let Some(arch) = self.arch.as_deref()
            && !arch.starts_with("rv64")
        {
            return mismatch("another base ISA", format!("architecture `{arch}`"));
        }
        if self.elf_flags & elf::FLAG_RVE != 0 {
            return mismatch("the embedded base ISA with 16 registers (RVE)", flags);
        }
        if self.elf_flags & elf::FLAG_RVC != 0 && !isa.compressed {
            return mismatch("compressed instructions (C)", flags);
        }
        match (self.elf_flags & elf::FLAG_FLOAT_MASK) >> 1 {
            1 if !isa.single_float => mismatch("single-precision floating point (F)", flags),
            2 if !isa.double_float => mismatch("double-precision floating point (D)", flags),
            3 => mismatch("quad-precision floating point (Q)", flags),
            _ => Ok(()),
        }
    }

    /// The physical address of a linked address, by the segment that it lies in.
    pub fn virt_to_phys(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| Some(segment.paddr + segment.offset_of_virt(address)?))
    }

    /// The linked address of a physical address: symbols of code that runs before address translation is on.
    pub fn phys_to_virt(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| Some(segment.vaddr + segment.offset_of_phys(address)?))
    }
}

/// What a file of unknown format looks like.
fn hint(bytes: &[u8]) -> &'static str {
    const MAGICS: [(&[u8], &str); 10] = [
        (b"\xd0\x0d\xfe\xed", "it is a device tree blob"),
        (b"\x27\x05\x19\x56", "it is a U-Boot uImage: use the file that was wrapped"),
        (b"\xfd7zXZ\0", "it is xz-compressed: decompress it first"),
        (b"\x28\xb5\x2f\xfd", "it is zstd-compressed: decompress it first"),
        (b"BZh", "it is bzip2-compressed: decompress it first"),
        (b"\x04\x22\x4d\x18", "it is lz4-compressed: decompress it first"),
        (b"070701", "it is a cpio archive, perhaps an initrd"),
        (b"!<arch>\n", "it is a static library"),
        (b"MZ", "it is an EFI or Windows program, not for RISC-V Linux"),
        (b"#!", "it is a script"),
    ];
    MAGICS
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
        .map_or("a raw binary has to be asked for, with its load address", |(_, hint)| hint)
}
