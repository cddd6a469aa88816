//! Symbols, and the agreement of two independent ELF readers.

mod common;

use std::collections::BTreeSet;

use common::*;
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};
use relsim_loader::{Image, ParseOptions, SymbolKind, demangle};

const RAM: u64 = 0x8000_0000;
const FIXTURES: [(&str, &[u8]); 3] = [
    ("lines-gcc.elf", include_bytes!("fixtures/lines-gcc.elf")),
    ("lines-gcc-dwarf4-zlib.elf", include_bytes!("fixtures/lines-gcc-dwarf4-zlib.elf")),
    ("lines-rust.elf", include_bytes!("fixtures/lines-rust.elf")),
];
const MANGLED: &str = "_RNvCs1ih72vdpCo1_5lines3sum";

fn sample() -> Elf {
    Elf::new(RAM, vec![Program::load(RAM, &[0; 0x1000])])
        .allocated(".text", RAM, 0x800)
        .allocated(".data", RAM + 0x800, 0x800)
        .symbol("_start", RAM, 0, GLOBAL_LABEL, 1)
        .symbol("loop", RAM + 0x10, 0, LOCAL_LABEL, 1)
        .symbol("main", RAM + 0x100, 0x40, GLOBAL_FUNC, 1)
        .symbol("main_alias", RAM + 0x100, 0x40, LOCAL_FUNC, 1)
        .symbol("main.inner", RAM + 0x110, 0, LOCAL_LABEL, 1)
        .symbol("$x", RAM + 0x104, 0, LOCAL_LABEL, 1)
        .symbol(".L12", RAM + 0x108, 0, LOCAL_LABEL, 1)
        .symbol("table", RAM + 0x800, 0x20, GLOBAL_OBJECT, 2)
        .symbol("_end", RAM + 0x1000, 0, GLOBAL_LABEL, 2)
        .symbol("HEAP_SIZE", 0x100, 0, GLOBAL_LABEL, SHN_ABS)
        .symbol("extern", 0, 0, GLOBAL_LABEL, 0)
        .symbol("same", RAM + 0x200, 4, LOCAL_FUNC, 1)
        .symbol("same", RAM + 0x204, 4, GLOBAL_FUNC, 1)
        .symbol(MANGLED, RAM + 0x300, 8, GLOBAL_FUNC, 1)
}

fn parse(bytes: &[u8]) -> Image {
    Image::parse("test", bytes, &ParseOptions::default()).unwrap()
}

#[test]
fn addresses_find_the_symbol_that_they_belong_to() {
    let symbols = parse(&sample().build()).symbols;
    let at = |offset| symbols.lookup(RAM + offset).map(|(symbol, offset)| (symbol.name, offset));
    assert_eq!(at(0), Some(("_start", 0)));
    assert_eq!(at(0xf), Some(("_start", 0xf)));
    // A label reaches up to the next symbol.
    assert_eq!(at(0xff), Some(("loop", 0xef)));
    // A label in a function does not hide it, and global names come before local ones.
    assert_eq!(at(0x120), Some(("main", 0x20)));
    assert_eq!(at(0x140), None);
    assert_eq!(at(0x81f), Some(("table", 0x1f)));
    assert_eq!(at(0x820), None);
    assert_eq!(at(0x1000), Some(("_end", 0)));
    assert_eq!(at(0x1001), None);
    // A constant is not a place.
    assert_eq!(symbols.lookup(0x100), None);
    assert_eq!(symbols.lookup(u64::MAX), None);
}

#[test]
fn names_find_symbols() {
    let symbols = parse(&sample().build()).symbols;
    let main = symbols.by_name("main").unwrap();
    assert_eq!(
        (main.address, main.size_bytes, main.kind, main.global),
        (RAM + 0x100, 0x40, SymbolKind::Function, true)
    );
    assert_eq!(symbols.by_name("HEAP_SIZE").unwrap().kind, SymbolKind::Absolute);
    assert_eq!(symbols.by_name("same").unwrap().address, RAM + 0x204);
    assert_eq!(symbols.all_by_name("same").count(), 2);
    assert_eq!(symbols.by_name("lines::sum").unwrap().name, MANGLED);
    assert_eq!(symbols.by_exact_name("lines::sum"), None);
    assert_eq!(demangle(MANGLED), "lines::sum");
    for absent in ["", "$x", ".L12", "extern", "mai", "mainn", "lines::su"] {
        assert_eq!(symbols.by_name(absent), None, "{absent}");
    }
    let addresses: Vec<u64> = symbols.iter().map(|symbol| symbol.address).collect();
    assert!(addresses.is_sorted());
}

#[test]
fn names_that_are_not_utf8_do_not_spoil_others() {
    let mut file = sample().build();
    let at = file.windows(5).position(|window| window == b"table").unwrap();
    file[at + 1] = 0xff;
    let symbols = parse(&file).symbols;
    assert_eq!(symbols.lookup(RAM + 0x800).unwrap().0.name, "t?ble");
    assert!(symbols.by_name("main").is_some());
}

#[test]
fn stripped_names_are_counted() {
    let mut file = sample().build();
    // st_name of the first symbol, behind the 24 bytes of the null symbol; the table follows the segment.
    let table = 64 + 56 + 0x1000 + 24;
    file[table..table + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let image = parse(&file);
    assert_eq!(image.symbols.skipped(), 1);
    assert_eq!(image.notes.len(), 1);
}

/// goblin reads the program headers for us, object the symbols. Both must see the same file.
#[test]
fn goblin_and_object_agree() {
    let synthetic = sample().build();
    for (name, bytes) in FIXTURES.into_iter().chain([("sample", &synthetic[..])]) {
        let image = parse(bytes);
        let goblin = goblin::elf::Elf::parse(bytes).unwrap();
        let object = object::File::parse(bytes).unwrap();

        let mut of_image: Vec<_> =
            image.segments.iter().map(|s| (s.vaddr, s.mem_size_bytes, s.data.to_vec())).collect();
        of_image.sort();
        let mut of_object: Vec<_> = object
            .segments()
            .map(|segment| (segment.address(), segment.size(), segment.data().unwrap().to_vec()))
            .collect();
        of_object.sort();
        assert_eq!(of_image, of_object, "segments of {name}");
        assert_eq!(image.entry_virtual, object.entry(), "entry of {name}");

        let interesting = |symbol: &str| {
            !symbol.is_empty()
                && !symbol.starts_with(".L")
                && !symbol.starts_with("$x")
                && !symbol.starts_with("$d")
        };
        let in_memory = |section: usize| goblin.section_headers.get(section).is_none_or(|s| s.is_alloc());
        let of_goblin: BTreeSet<_> = goblin
            .syms
            .iter()
            .filter(|symbol| symbol.st_shndx != 0 && symbol.st_type() <= 2 && in_memory(symbol.st_shndx))
            .map(|symbol| (goblin.strtab.get_at(symbol.st_name).unwrap(), symbol.st_value, symbol.st_size))
            .filter(|&(symbol, ..)| interesting(symbol))
            .collect();
        let of_image: BTreeSet<_> =
            image.symbols.iter().map(|symbol| (symbol.name, symbol.address, symbol.size_bytes)).collect();
        assert_eq!(of_image, of_goblin, "symbols of {name} by goblin");
        let of_object: BTreeSet<_> = object
            .symbols()
            .filter(|symbol| {
                of_image.iter().any(|&(name, ..)| Ok(name) == symbol.name()) && !symbol.is_undefined()
            })
            .map(|symbol| (symbol.name().unwrap(), symbol.address(), symbol.size()))
            .collect();
        assert_eq!(of_image, of_object, "symbols of {name} by object");
    }
}

#[test]
fn files_from_compilers_are_read() {
    let gcc = parse(FIXTURES[0].1);
    assert_eq!((gcc.entry, gcc.entry_virtual), (0x8020_0000, 0xffff_ffff_8020_0000));
    let tohost = gcc.host_interface.tohost.unwrap();
    assert_eq!((tohost.virt, tohost.phys), (0xffff_ffff_8020_1008, 0x8020_1008));
    assert!(gcc.arch.unwrap().starts_with("rv64i2p1_m2p0_a2p1_f2p2_d2p2_c2p0"));
    let rust = parse(FIXTURES[2].1);
    assert_eq!(
        rust.symbols.lookup(0x8000_0016).map(|(symbol, offset)| (demangle(symbol.name).into_owned(), offset)),
        Some(("lines::sum".to_owned(), 2))
    );
}
