//! Source lines of files from compilers. The sources stand beside them in `fixtures/`; `fixtures/make.sh` makes them.

use relsim_loader::{Image, ParseOptions, SourceMap};

const HIGH: u64 = 0xffff_ffff_8020_0000;
/// DWARF 5, and DWARF 4 in compressed sections.
const GCC: [&[u8]; 2] =
    [include_bytes!("fixtures/lines-gcc.elf"), include_bytes!("fixtures/lines-gcc-dwarf4-zlib.elf")];
const RUST: &[u8] = include_bytes!("fixtures/lines-rust.elf");

fn image(bytes: &[u8]) -> Image {
    Image::parse("test", bytes, &ParseOptions::default()).unwrap()
}

fn frames(map: &SourceMap, pc: u64) -> Vec<String> {
    let frames = map.frames(pc).unwrap();
    let text = |frame: &relsim_loader::Frame| {
        let location = frame.location.as_ref().unwrap();
        format!(
            "{} {}:{}",
            frame.function.as_deref().unwrap_or("?"),
            location.file,
            location.line.unwrap_or(0)
        )
    };
    frames.iter().map(text).collect()
}

#[test]
fn addresses_find_lines_with_inlined_calls() {
    for bytes in GCC {
        let map = SourceMap::new(&image(bytes));
        assert_eq!(frames(&map, HIGH), ["_start /src/lines.c:29"]);
        assert_eq!(
            frames(&map, HIGH + 0x3c),
            ["scale /src/lines.c:6", "twice /src/lines.c:11", "work /src/lines.c:18"]
        );
        let location = map.location(HIGH + 0x3c).unwrap().unwrap();
        assert!(location.to_string().starts_with("/src/lines.c:6:"), "{location}");
        for nowhere in [0, HIGH - 1, HIGH + 0x1000, u64::MAX] {
            assert_eq!(map.location(nowhere).unwrap(), None);
            assert!(map.frames(nowhere).unwrap().is_empty());
        }
    }
}

#[test]
fn lines_find_addresses() {
    for bytes in GCC {
        let map = SourceMap::new(&image(bytes));
        assert_eq!(map.files().unwrap(), ["/src/lines.c"]);
        assert_eq!(map.addresses("lines.c", 6).unwrap(), [HIGH + 0x3c]);
        assert_eq!(map.addresses("src/lines.c", 24).unwrap(), [HIGH + 0x10]);
        assert!(map.addresses("ines.c", 6).unwrap().is_empty());
        assert!(map.addresses("lines.c", 1).unwrap().is_empty());
        assert!(map.lines("lines.c").unwrap().contains(&25));
    }
}

/// Addresses of lines lead back to the lines, except where optimised code begins several lines at one address: then the last one counts.
#[test]
fn lines_and_addresses_agree() {
    for bytes in GCC.into_iter().chain([RUST]) {
        let map = SourceMap::new(&image(bytes));
        let mut checked = 0;
        for file in map.files().unwrap() {
            for line in map.lines(file).unwrap() {
                for address in map.addresses(file, line).unwrap() {
                    let back = map.location(address).unwrap().unwrap();
                    checked += usize::from(back.file == file && back.line == Some(line));
                }
            }
        }
        assert!(checked >= 5, "only {checked} of the addresses lead back");
    }
}

#[test]
fn rust_names_are_demangled() {
    let map = SourceMap::new(&image(RUST));
    let frames = frames(&map, 0x8000_0024);
    assert!(frames[0].starts_with("core::ptr::read_volatile"), "{frames:?}");
    assert_eq!(frames[1..], ["lines::inner::triple /src/lines.rs:8", "lines::sum /src/lines.rs:16"]);
}

#[test]
fn position_independent_files_are_moved_with_their_lines() {
    let mut moved = GCC[0].to_vec();
    moved[0x10] = 3; // e_type = ET_DYN
    let options = ParseOptions { load_address: Some(0x9000_0000), ..ParseOptions::default() };
    let image = Image::parse("test", &moved, &options).unwrap();
    let map = SourceMap::new(&image);
    assert_eq!(map.addresses("lines.c", 6).unwrap(), [HIGH + 0x1000_0000 - 0x20_0000 + 0x3c]);
    assert_eq!(map.location(image.entry_virtual).unwrap().unwrap().line, Some(29));
}

#[test]
fn code_in_segments_without_flags_has_lines() {
    let mut unmarked = GCC[0].to_vec();
    unmarked[0x40 + 4] = 0; // p_flags of the first program header, which is that of the code
    let map = SourceMap::new(&image(&unmarked));
    assert_eq!(map.addresses("lines.c", 6).unwrap(), [HIGH + 0x3c]);
}

#[test]
fn files_without_debug_information_have_no_lines() {
    let options = ParseOptions { allow_raw: true, ..ParseOptions::default() };
    let raw = Image::parse("raw", b"\x13\0\0\0", &options).unwrap();
    let map = SourceMap::new(&raw);
    assert_eq!(map.location(raw.entry).unwrap(), None);
    assert!(map.files().unwrap().is_empty());
}
