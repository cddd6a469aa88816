//! Source lines: addresses to lines, with inlined calls, and lines to addresses.
//!
//! Source: DWARF 5 specification (2 to 4 are read as well). Only linked files are read, so RISC-V's linker relaxation needs no care
//! here: the linker has already applied the relocations of the line table.

mod guard;
mod lines;

use std::cell::OnceCell;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use gimli::{EndianArcSlice, LittleEndian, SectionId};
use object::read::elf::ElfFile64;
use object::{CompressionFormat, Object as _, ObjectSection as _};

use crate::bytes::Bytes;
use crate::error::LoadError;
use crate::image::Image;
use crate::symbols::demangle;
use lines::LineIndex;

/// Shared bytes of the file or of a decompressed section.
type Reader = EndianArcSlice<LittleEndian>;
type Dwarf = gimli::Dwarf<Reader>;

/// Debug sections together must not decompress to more than this.
const MAX_DECOMPRESSED_BYTES: u64 = 1 << 30;
/// Longest function name that is copied out of debug information.
const MAX_NAME_BYTES: usize = 16 << 10;

/// A place in a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLocation {
    /// Path as the compiler recorded it, with the compilation directory in front if it is relative.
    pub file: String,
    /// Line, from 1; `None` for code that belongs to no line.
    pub line: Option<u32>,
    /// Column, from 1; `None` if not said.
    pub column: Option<u32>,
}

/// `file:line:column`, without what is not known.
impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

/// A function that an address belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Demangled name.
    pub function: Option<String>,
    /// In the innermost frame the place of the address itself, in the others the place of the call that was inlined.
    pub location: Option<SourceLocation>,
}

/// Source lines of an image.
///
/// Debug information is read when the first question is asked, and of each compilation unit only what is needed; a whole pass over
/// `.debug_info` is made at first, to be sure that the rest cannot run out of stack or memory. Addresses are virtual ones, as linked
/// (plus [`Image::bias`]).
///
/// Can be sent to another thread, but not be shared between threads.
pub struct SourceMap {
    name: String,
    file: Bytes,
    bias: u64,
    /// Linked addresses of segments with code: line tables keep rows of functions that the linker has dropped.
    code: Vec<Range<u64>>,
    /// Errors are kept as text, to be given again for each question.
    dwarf: OnceCell<Result<Arc<Dwarf>, String>>,
    context: OnceCell<Result<addr2line::Context<Reader>, String>>,
    lines: OnceCell<Result<LineIndex, String>>,
}

impl fmt::Debug for SourceMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceMap")
            .field("name", &self.name)
            .field("bias", &self.bias)
            .finish_non_exhaustive()
    }
}

impl SourceMap {
    /// The source lines of `image`. Reads nothing yet, so it cannot fail; an image without debug information has no lines.
    pub fn new(image: &Image) -> Self {
        let code = image.segments.iter().filter(|segment| segment.may_execute()).map(|segment| {
            let start = segment.vaddr.wrapping_sub(image.bias);
            start..start.saturating_add(segment.mem_size_bytes)
        });
        Self {
            name: image.name.clone(),
            file: image.file.clone(),
            bias: image.bias,
            code: code.collect(),
            dwarf: OnceCell::new(),
            context: OnceCell::new(),
            lines: OnceCell::new(),
        }
    }

    /// The place of the instruction at `pc`.
    ///
    /// # Errors
    ///
    /// [`LoadError::Dwarf`] if the debug information is damaged.
    pub fn location(&self, pc: u64) -> Result<Option<SourceLocation>, LoadError> {
        let Some(probe) = self.probe(pc) else { return Ok(None) };
        let found = self.context()?.find_location(probe).map_err(|error| self.error(error))?;
        Ok(found.and_then(|location| to_location(&location)))
    }

    /// The functions that the instruction at `pc` belongs to: the innermost inlined function first, the real function last. Empty if
    /// nothing is known.
    ///
    /// # Errors
    ///
    /// [`LoadError::Dwarf`] if the debug information is damaged.
    pub fn frames(&self, pc: u64) -> Result<Vec<Frame>, LoadError> {
        let Some(probe) = self.probe(pc) else { return Ok(Vec::new()) };
        let found = self.context()?.find_frames(probe).skip_all_loads();
        let mut found = found.map_err(|error| self.error(error))?;
        let mut frames = Vec::new();
        while let Some(frame) = found.next().map_err(|error| self.error(error))? {
            let function = frame.function.as_ref().and_then(|function| {
                let name = function.name.bytes();
                let name = String::from_utf8_lossy(&name[..name.len().min(MAX_NAME_BYTES)]);
                Some(demangle(&name).into_owned()).filter(|name| !name.is_empty())
            });
            frames.push(Frame { function, location: frame.location.as_ref().and_then(to_location) });
        }
        Ok(frames)
    }

    /// Addresses at which a statement of a line begins, sorted: one for each range of instructions, so loops and inlined copies give
    /// several.
    ///
    /// `file` matches every recorded path that ends in it, by whole components: `main.rs` and `src/main.rs` both find
    /// `/build/src/main.rs`.
    ///
    /// # Errors
    ///
    /// [`LoadError::Dwarf`] if the debug information is damaged.
    pub fn addresses(&self, file: &str, line: u32) -> Result<Vec<u64>, LoadError> {
        let found = self.line_index()?.addresses(file, line);
        Ok(found.into_iter().map(|address| address.wrapping_add(self.bias)).collect())
    }

    /// The lines of a file (matched as in [`addresses`](Self::addresses)) at which a statement begins, sorted.
    ///
    /// # Errors
    ///
    /// [`LoadError::Dwarf`] if the debug information is damaged.
    pub fn lines(&self, file: &str) -> Result<Vec<u32>, LoadError> {
        Ok(self.line_index()?.lines(file))
    }

    /// All source files that have code, sorted.
    ///
    /// # Errors
    ///
    /// [`LoadError::Dwarf`] if the debug information is damaged.
    pub fn files(&self) -> Result<Vec<&str>, LoadError> {
        Ok(self.line_index()?.files())
    }

    /// The address to ask the debug information for. addr2line adds 1 to it, so the last address there is has no answer.
    fn probe(&self, pc: u64) -> Option<u64> {
        Some(pc.wrapping_sub(self.bias)).filter(|&probe| probe != u64::MAX)
    }

    /// The debug sections, checked.
    fn dwarf(&self) -> Result<&Arc<Dwarf>, String> {
        let loaded = self.dwarf.get_or_init(|| {
            let mut dwarf = load(&self.file)?;
            guard::check(&mut dwarf)?;
            Ok(Arc::new(dwarf))
        });
        loaded.as_ref().map_err(String::clone)
    }

    fn context(&self) -> Result<&addr2line::Context<Reader>, LoadError> {
        let loaded = self.context.get_or_init(|| {
            let dwarf = Arc::clone(self.dwarf()?);
            addr2line::Context::from_arc_dwarf(dwarf).map_err(|error| error.to_string())
        });
        loaded.as_ref().map_err(|reason| self.error(reason))
    }

    fn line_index(&self) -> Result<&LineIndex, LoadError> {
        let loaded = self
            .lines
            .get_or_init(|| LineIndex::new(self.dwarf()?, &self.code).map_err(|error| error.to_string()));
        loaded.as_ref().map_err(|reason| self.error(reason))
    }

    fn error(&self, reason: impl ToString) -> LoadError {
        LoadError::Dwarf { name: self.name.clone(), reason: reason.to_string() }
    }
}

fn to_location(location: &addr2line::Location<'_>) -> Option<SourceLocation> {
    Some(SourceLocation {
        file: location.file?.to_owned(),
        line: location.line,
        column: location.column.filter(|&column| column > 0),
    })
}

/// The debug sections of an ELF file; other files, and sections that are not there, are empty.
fn load(file: &Bytes) -> Result<Dwarf, String> {
    let data: &[u8] = file;
    let empty = Reader::new(Arc::from([]), LittleEndian);
    if !crate::elf::is_elf(data) {
        return Dwarf::load(|_| Ok(empty.clone()));
    }
    let elf = ElfFile64::<object::LittleEndian>::parse(data).map_err(|error| error.to_string())?;
    let mut budget = MAX_DECOMPRESSED_BYTES;
    Dwarf::load(|id: SectionId| {
        let Some(section) = elf.section_by_name(id.name()) else { return Ok(empty.clone()) };
        let place = |reason: &str| format!("section {}: {reason}", id.name());
        let range = section.compressed_file_range().map_err(|error| place(&error.to_string()))?;
        let packed = file
            .slice(range.offset, range.compressed_size)
            .ok_or_else(|| place("beyond the end of the file"))?;
        match range.format {
            CompressionFormat::None => Ok(reader(&packed)),
            CompressionFormat::Zlib => {
                let mut unpacked = Vec::new();
                let read =
                    flate2::read::ZlibDecoder::new(&*packed).take(budget + 1).read_to_end(&mut unpacked);
                read.map_err(|error| place(&error.to_string()))?;
                budget = budget
                    .checked_sub(unpacked.len() as u64)
                    .ok_or_else(|| place("debug sections decompress to more than 1 GiB"))?;
                Ok(Reader::new(unpacked.into(), LittleEndian))
            }
            _ => Err(place(
                "compressed with a method other than zlib: use objcopy --decompress-debug-sections",
            )),
        }
    })
}

/// Reads a part of a file in place.
fn reader(bytes: &Bytes) -> Reader {
    let (file, range) = bytes.file_and_range();
    Reader::new(Arc::clone(file), LittleEndian).range(range)
}
