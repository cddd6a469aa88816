//! Symbols and source lines of ELF files, and of debug sections in a good ELF file: nothing panics, and answers agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relsim_fuzz::debug_sections::{CODE, CODE_BYTES, decode};
use relsim_loader::{Image, ParseOptions, SourceMap, SymbolTable};

fuzz_target!(|bytes: &[u8]| {
    let wrapped = if bytes.starts_with(b"\x7fELF") { None } else { decode(bytes) };
    let bytes = wrapped.as_deref().unwrap_or(bytes);
    let Ok(image) = Image::parse("fuzz", bytes, &ParseOptions::default()) else { return };
    check_symbols(&image.symbols);

    let map = SourceMap::new(&image);
    let starts = image.segments.iter().map(|segment| segment.vaddr).chain([CODE]);
    for start in starts.take(3) {
        for pc in (0..CODE_BYTES).step_by(2).map(|offset| start.wrapping_add(offset)) {
            let _ = map.location(pc);
            for frame in map.frames(pc).unwrap_or_default() {
                let _ = frame.location.map(|location| location.to_string());
            }
        }
    }
    let Ok(files) = map.files() else { return };
    for file in files.into_iter().take(8) {
        for line in map.lines(file).expect("files were given").into_iter().take(8) {
            let addresses = map.addresses(file, line).expect("files were given");
            // An empty path matches nothing.
            assert!(addresses.is_sorted() && (file.is_empty() || !addresses.is_empty()));
        }
    }
});

fn check_symbols(symbols: &SymbolTable) {
    for symbol in symbols.iter().take(64) {
        assert_eq!(symbols.by_name(symbol.name).map(|found| found.name), Some(symbol.name));
        for address in [symbol.address, symbol.address.wrapping_add(symbol.size_bytes)] {
            if let Some((found, offset)) = symbols.lookup(address) {
                assert_eq!(found.address.wrapping_add(offset), address);
                assert!(found.size_bytes == 0 || offset < found.size_bytes);
            }
        }
    }
}
