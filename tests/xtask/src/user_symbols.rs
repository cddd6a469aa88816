//! A kernel's image with the symbols of the program that it is bundled with. Their addresses are the user's, which no
//! address of the kernel is, so that tools find both by the same table.

use std::path::Path;

use object::build::elf::{Builder, SectionData};
use object::elf;
use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSymbol as _, SymbolKind, SymbolSection};

use crate::shell::{Outcome, at};

/// The section that these symbols lie in. Nothing of it is in the file.
const SECTION: &str = ".user";

/// The ELF file `kernel` with the functions of `program`, and its regions' names.
///
/// # Errors
/// If a file cannot be read or is none of ELF.
pub fn merged(kernel: &Path, program: &Path) -> Outcome<Vec<u8>> {
    let (image, user) = (at(kernel, std::fs::read(kernel))?, at(program, std::fs::read(program))?);
    let bad = |path: &Path, error: String| format!("{}: {error}", path.display());
    let file = ElfFile64::<Endianness>::parse(&*user).map_err(|error| bad(program, error.to_string()))?;
    let mut builder = Builder::read(&*image).map_err(|error| bad(kernel, error.to_string()))?;

    let endian = file.endian();
    let loads = file.elf_program_headers().iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    let spans = loads.map(|segment| (segment.p_vaddr(endian), segment.p_memsz(endian)));
    let (start, end) = spans.fold((u64::MAX, 0), |(start, end), (address, size)| {
        (start.min(address), end.max(address.saturating_add(size)))
    });
    let section = builder.sections.add();
    section.name = SECTION.into();
    section.sh_type = elf::SHT_NOBITS;
    section.sh_flags = u64::from(elf::SHF_ALLOC | elf::SHF_EXECINSTR);
    section.sh_addr = start;
    section.sh_addralign = 1;
    section.data = SectionData::UninitializedData(end.saturating_sub(start));
    let section = section.id();

    for symbol in file.symbols() {
        let Ok(name) = symbol.name() else { continue };
        let is_function = symbol.kind() == SymbolKind::Text && symbol.size() > 0;
        let is_number =
            symbol.section() == SymbolSection::Absolute && name.starts_with(relsim_markers::NAME_PREFIX);
        if !is_function && !is_number {
            continue;
        }
        let added = builder.symbols.add();
        added.name = name.as_bytes().to_vec().into();
        // Local: a name that both have is the kernel's.
        added.set_st_info(elf::STB_LOCAL, if is_function { elf::STT_FUNC } else { elf::STT_NOTYPE });
        (added.section, added.st_shndx) = if is_function { (Some(section), 0) } else { (None, elf::SHN_ABS) };
        (added.st_value, added.st_size) = (symbol.address(), symbol.size());
    }
    let mut written = Vec::new();
    builder.write(&mut written).map_err(|error| bad(kernel, error.to_string()))?;
    Ok(written)
}
