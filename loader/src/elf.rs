//! ELF64 files for RISC-V.
//!
//! Sources: System V ABI (gABI), chapters "ELF Header" and "Program Loading"; RISC-V ELF psABI specification.

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::dynamic::{DT_NEEDED, Dynamic};
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, ProgramHeader};
use object::elf::{FileHeader64, SHT_DYNSYM, SHT_RISCV_ATTRIBUTES, SHT_SYMTAB};
use object::read::elf::{FileHeader as _, SectionHeader as _};

use crate::attributes::arch_string;
use crate::bytes::Bytes;
use crate::error::{DisplayRange, LoadError};
use crate::image::{
    HostInterface, Image, ImageKind, LinkedAddress, Note, ParseOptions, Segment, SegmentFlags,
};
use crate::symbols::SymbolTable;

/// `EF_RISCV_RVC`.
pub(crate) const FLAG_RVC: u32 = 1;
/// `EF_RISCV_FLOAT_ABI`: 0 soft, 1 single, 2 double, 3 quad (shifted by one).
pub(crate) const FLAG_FLOAT_MASK: u32 = 6;
/// `EF_RISCV_RVE`.
pub(crate) const FLAG_RVE: u32 = 8;

/// Program header that points at the attributes (psABI, "Program Header Table").
const PT_RISCV_ATTRIBUTES: u32 = 0x7000_0003;
const HEADER_BYTES: u64 = 64;
const PROGRAM_HEADER_BYTES: u64 = 56;
/// goblin's name for "64-bit, little-endian".
const CTX: Ctx = Ctx { container: Container::Big, le: Endian::Little };
/// Names of libraries in a message; more would not help.
const MAX_NEEDED_NAMES: usize = 4;

/// Whether `bytes` carries the ELF magic number.
pub(crate) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(header::ELFMAG)
}

/// Reads an ELF file.
pub(crate) fn parse(name: &str, file: Bytes, options: &ParseOptions) -> Result<Image, LoadError> {
    let header = check_header(name, &file)?;
    let headers = program_headers(name, &file, &header)?;
    reject_dynamic(name, &file, &headers)?;
    let mut notes = Vec::new();
    let mut segments = load_segments(name, &file, &headers, &mut notes)?;
    let bias = place(name, &mut segments, header.e_type, options, &mut notes)?;
    check_overlap(name, &mut segments)?;

    let entry_as_linked = header.e_entry.wrapping_add(bias);
    let (entry, entry_virtual) = find_entry(name, &segments, entry_as_linked, &mut notes)?;
    let (symbols, arch) = match sections(&file, bias) {
        Ok(found) => found,
        Err(reason) => {
            notes.push(Note::SymbolsUnreadable(reason));
            (SymbolTable::default(), None)
        }
    };
    if symbols.skipped() > 0 {
        notes.push(Note::SymbolsSkipped(symbols.skipped()));
    }
    // The program header is preferred: it survives strip.
    let arch = headers
        .iter()
        .find(|header| header.p_type == PT_RISCV_ATTRIBUTES)
        .and_then(|header| arch_string(&file.slice(header.p_offset, header.p_filesz)?))
        .or(arch);
    let lowest_address = segments[0].paddr;
    let mut image = Image {
        name: name.to_owned(),
        kind: ImageKind::Elf,
        segments,
        entry,
        entry_virtual,
        lowest_address,
        symbols,
        host_interface: HostInterface::default(),
        arch,
        elf_flags: header.e_flags,
        bias,
        notes,
        file,
    };
    image.host_interface = host_interface(&image);
    Ok(image)
}

/// The ELF header, known to be of a kind that can be run.
fn check_header(name: &str, file: &[u8]) -> Result<Header, LoadError> {
    let name = || name.to_owned();
    let truncated = |size_bytes| LoadError::Truncated {
        name: name(),
        what: "ELF header",
        range: DisplayRange { start: 0, size_bytes },
        file_bytes: file.len() as u64,
    };
    let ident = file.first_chunk::<16>().ok_or_else(|| truncated(16))?;
    let bad = |field, offset, value, expected| LoadError::BadHeader {
        name: name(),
        field,
        offset,
        value,
        expected,
    };
    match ident[header::EI_CLASS] {
        header::ELFCLASS64 => {}
        class @ header::ELFCLASS32 => return Err(LoadError::NotElf64 { name: name(), class }),
        class => return Err(bad("EI_CLASS", 4, class.into(), "2 (ELFCLASS64)")),
    }
    match ident[header::EI_DATA] {
        header::ELFDATA2LSB => {}
        data @ header::ELFDATA2MSB => return Err(LoadError::NotLittleEndian { name: name(), data }),
        data => return Err(bad("EI_DATA", 5, data.into(), "1 (ELFDATA2LSB)")),
    }
    if ident[header::EI_VERSION] != header::EV_CURRENT {
        return Err(bad("EI_VERSION", 6, ident[header::EI_VERSION].into(), "1"));
    }
    if (file.len() as u64) < HEADER_BYTES {
        return Err(truncated(HEADER_BYTES));
    }
    let parsed = goblin::elf::Elf::parse_header(file).map_err(|_| truncated(HEADER_BYTES))?;
    if parsed.e_machine != header::EM_RISCV {
        return Err(LoadError::WrongMachine {
            name: name(),
            machine: parsed.e_machine,
            machine_name: header::machine_to_str(parsed.e_machine),
        });
    }
    let not_executable = |type_name, advice| {
        Err(LoadError::NotExecutable { name: name(), elf_type: parsed.e_type, type_name, advice })
    };
    match parsed.e_type {
        header::ET_EXEC | header::ET_DYN => {}
        header::ET_REL => return not_executable("relocatable object", "link it first"),
        header::ET_CORE => return not_executable("core dump", "use the program that was dumped"),
        _ => return not_executable("unknown", "an executable is needed"),
    }
    if parsed.e_phnum != 0 && u64::from(parsed.e_phentsize) != PROGRAM_HEADER_BYTES {
        return Err(bad("e_phentsize", 0x36, parsed.e_phentsize.into(), "0x38"));
    }
    // PN_XNUM puts the real count into a section header; only core dumps have that many.
    if parsed.e_phnum == u16::MAX {
        return Err(bad("e_phnum", 0x38, parsed.e_phnum.into(), "fewer than 0xffff"));
    }
    Ok(parsed)
}

fn program_headers(name: &str, file: &[u8], header: &Header) -> Result<Vec<ProgramHeader>, LoadError> {
    if header.e_phnum == 0 {
        return Ok(Vec::new());
    }
    let size_bytes = u64::from(header.e_phnum) * PROGRAM_HEADER_BYTES;
    let inside = header.e_phoff.checked_add(size_bytes).is_some_and(|end| end <= file.len() as u64);
    let parsed = inside
        .then(|| ProgramHeader::parse(file, header.e_phoff as usize, header.e_phnum.into(), CTX).ok())
        .flatten();
    parsed.ok_or_else(|| LoadError::Truncated {
        name: name.to_owned(),
        what: "program header table",
        range: DisplayRange { start: header.e_phoff, size_bytes },
        file_bytes: file.len() as u64,
    })
}

/// Refuses files that only a dynamic linker can start. `PT_DYNAMIC` alone is fine: firmware has it to relocate itself.
fn reject_dynamic(name: &str, file: &Bytes, headers: &[ProgramHeader]) -> Result<(), LoadError> {
    let text = |start: u64| -> String {
        let tail = file.get(start as usize..).unwrap_or_default();
        let text = tail.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(&text[..text.len().min(256)]).into_owned()
    };
    let mut needs = Vec::new();
    if let Some(interpreter) = headers.iter().find(|header| header.p_type == PT_INTERP) {
        needs.push(format!("interpreter {}", text(interpreter.p_offset)));
    }
    let in_file = |header: &&ProgramHeader| {
        header.p_type == PT_DYNAMIC && file.slice(header.p_offset, header.p_filesz).is_some()
    };
    // goblin takes the first PT_DYNAMIC of the list, so it gets a list of that one.
    if let Some(dynamic) = headers.iter().find(in_file)
        && let Ok(Some(dynamic)) = Dynamic::parse(file, std::slice::from_ref(dynamic), CTX)
    {
        let strings = dynamic.dyns.iter().find(|entry| entry.d_tag == goblin::elf::dynamic::DT_STRTAB);
        let strings = strings.and_then(|entry| {
            headers.iter().filter(|header| header.p_type == PT_LOAD).find_map(|header| {
                let offset = entry.d_val.checked_sub(header.p_vaddr)?;
                (offset < header.p_filesz).then(|| header.p_offset.checked_add(offset))?
            })
        });
        let libraries = dynamic.dyns.iter().filter(|entry| entry.d_tag == DT_NEEDED);
        for entry in libraries.take(MAX_NEEDED_NAMES) {
            let offset = strings.and_then(|start| start.checked_add(entry.d_val));
            needs.push(format!("library {}", offset.map_or_else(|| "?".to_owned(), text)));
        }
    }
    if needs.is_empty() {
        return Ok(());
    }
    Err(LoadError::Dynamic { name: name.to_owned(), needs: needs.join(", ") })
}

/// The loadable segments, at the addresses in the file.
fn load_segments(
    name: &str,
    file: &Bytes,
    headers: &[ProgramHeader],
    notes: &mut Vec<Note>,
) -> Result<Vec<Segment>, LoadError> {
    let mut segments = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        if header.p_type != PT_LOAD {
            continue;
        }
        let name = || name.to_owned();
        if header.p_memsz < header.p_filesz {
            return Err(LoadError::SegmentShrinks {
                name: name(),
                segment: index,
                file_bytes: header.p_filesz,
                mem_bytes: header.p_memsz,
            });
        }
        if header.p_memsz == 0 {
            continue;
        }
        // A segment without bytes in the file may have any offset.
        let offset = if header.p_filesz == 0 { 0 } else { header.p_offset };
        let data = file.slice(offset, header.p_filesz).ok_or_else(|| LoadError::SegmentBeyondFile {
            name: name(),
            segment: index,
            range: DisplayRange { start: header.p_offset, size_bytes: header.p_filesz },
            file_bytes: file.len() as u64,
        })?;
        segments.push(Segment {
            index,
            paddr: header.p_paddr,
            vaddr: header.p_vaddr,
            data,
            mem_size_bytes: header.p_memsz,
            flags: SegmentFlags {
                read: header.p_flags & PF_R != 0,
                write: header.p_flags & PF_W != 0,
                execute: header.p_flags & PF_X != 0,
            },
        });
    }
    if segments.is_empty() {
        return Err(LoadError::NoSegments { name: name.to_owned(), headers: headers.len() });
    }
    // Some linkers leave p_paddr empty. With one segment, 0 may be meant; several cannot all lie at 0.
    if segments.len() > 1 && segments.iter().all(|segment| segment.paddr == 0) {
        segments.iter_mut().for_each(|segment| segment.paddr = segment.vaddr);
        notes.push(Note::NoPhysicalAddresses);
    }
    Ok(segments)
}

/// Moves the segments to the load address, if one is given, and checks that none wraps around; returns the bias of virtual addresses.
fn place(
    name: &str,
    segments: &mut [Segment],
    elf_type: u16,
    options: &ParseOptions,
    notes: &mut Vec<Note>,
) -> Result<u64, LoadError> {
    check_wrap(name, segments)?;
    let lowest = segments.iter().map(|segment| segment.paddr).min().unwrap_or(0);
    let delta = options.load_address.unwrap_or(lowest).wrapping_sub(lowest);
    let bias = if elf_type == header::ET_DYN { delta } else { 0 };
    if elf_type == header::ET_DYN {
        notes.push(Note::PositionIndependent { bias });
    }
    if delta != 0 {
        notes.push(Note::Moved { from: lowest, to: lowest.wrapping_add(delta) });
        for segment in segments.iter_mut() {
            segment.paddr = segment.paddr.wrapping_add(delta);
            segment.vaddr = segment.vaddr.wrapping_add(bias);
        }
        check_wrap(name, segments)?;
    }
    Ok(bias)
}

fn check_wrap(name: &str, segments: &[Segment]) -> Result<(), LoadError> {
    for segment in segments {
        for (space, start) in [("physical", segment.paddr), ("virtual", segment.vaddr)] {
            if start.checked_add(segment.mem_size_bytes - 1).is_none() {
                return Err(LoadError::SegmentWraps {
                    name: name.to_owned(),
                    segment: segment.index,
                    space,
                    range: DisplayRange { start, size_bytes: segment.mem_size_bytes },
                });
            }
        }
    }
    Ok(())
}

/// Sorts the segments by physical address and refuses overlaps.
fn check_overlap(name: &str, segments: &mut [Segment]) -> Result<(), LoadError> {
    segments.sort_by_key(|segment| segment.paddr);
    for pair in segments.windows(2) {
        if pair[1].paddr - pair[0].paddr < pair[0].mem_size_bytes {
            return Err(LoadError::SegmentsOverlap {
                name: name.to_owned(),
                first: pair[0].index,
                first_range: pair[0].range(),
                second: pair[1].index,
                second_range: pair[1].range(),
            });
        }
    }
    Ok(())
}

/// The physical and the virtual address of the entry point.
///
/// Kernels linked high give it either as a virtual address, as everything else in the file, or already as the physical one.
fn find_entry(
    name: &str,
    segments: &[Segment],
    entry: u64,
    notes: &mut Vec<Note>,
) -> Result<(u64, u64), LoadError> {
    let inside =
        |start: u64, segment: &Segment| entry.wrapping_sub(start) < segment.mem_size_bytes && entry >= start;
    let code = || segments.iter().filter(|segment| segment.may_execute());
    if let Some(segment) = code().find(|segment| inside(segment.vaddr, segment)) {
        return Ok((segment.paddr + (entry - segment.vaddr), entry));
    }
    if let Some(segment) = code().find(|segment| inside(segment.paddr, segment)) {
        notes.push(Note::EntryIsPhysical);
        return Ok((entry, segment.vaddr + (entry - segment.paddr)));
    }
    let found = match segments.iter().find(|segment| inside(segment.vaddr, segment)) {
        Some(segment) => format!("segment {} there is {}", segment.index, segment.flags),
        None => "no segment is there".to_owned(),
    };
    Err(LoadError::EntryNotExecutable { name: name.to_owned(), entry, found })
}

/// What the section headers lead to: symbols and the architecture string. Errors are texts, since the image runs without both.
fn sections(file: &Bytes, bias: u64) -> Result<(SymbolTable, Option<String>), String> {
    let text = |error: object::Error| error.to_string();
    let endian = object::LittleEndian;
    let data: &[u8] = file;
    let header = FileHeader64::<object::LittleEndian>::parse(data).map_err(text)?;
    let table = header.sections(endian, data).map_err(text)?;
    let arch = table
        .iter()
        .find(|section| section.sh_type(endian) == SHT_RISCV_ATTRIBUTES)
        .and_then(|section| arch_string(section.data(endian, data).ok()?));
    let mut symbols = table.symbols(endian, data, SHT_SYMTAB).map_err(text)?;
    if symbols.is_empty() {
        symbols = table.symbols(endian, data, SHT_DYNSYM).map_err(text)?;
    }
    Ok((SymbolTable::from_elf(&table, &symbols, data, bias), arch))
}

/// The symbols for talking to the host.
fn host_interface(image: &Image) -> HostInterface {
    let address = |name| {
        let virt = image.symbols.by_exact_name(name)?.address;
        Some(LinkedAddress { virt, phys: image.virt_to_phys(virt).unwrap_or(virt) })
    };
    HostInterface {
        tohost: address("tohost"),
        fromhost: address("fromhost"),
        begin_signature: address("begin_signature"),
        end_signature: address("end_signature"),
    }
}
