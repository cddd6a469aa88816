//! Damaged files: cut, changed and shuffled at random. Nothing may panic, and nothing may allocate what a header merely claims.
//!
//! The fuzz targets in `tests/fuzz` do the same with coverage feedback; this is the part that runs with every test.

mod common;

use common::*;
use proptest::prelude::*;
use relsim_loader::{Image, ParseOptions, Region, SourceMap, arch_string, place_dtb, place_initrd};

/// Address space that this test may use: each thread reserves some 200 MiB of it.
const MAX_PEAK_KIB: u64 = 8 << 20;
const SEEDS: [&[u8]; 3] = [
    include_bytes!("fixtures/lines-gcc.elf"),
    include_bytes!("fixtures/lines-gcc-dwarf4-zlib.elf"),
    include_bytes!("fixtures/lines-rust.elf"),
];

/// Checks that the process never had more memory, touched or not, than its threads and test data account for. Does nothing where the
/// operating system does not say.
fn check_peak() {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmPeak:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    assert!(peak.is_none_or(|kib| kib < MAX_PEAK_KIB), "{peak:?} KiB of address space were in use");
}

/// Asks everything that can be asked about a file.
fn exercise(bytes: &[u8]) {
    let options =
        ParseOptions { allow_raw: true, max_decompressed_bytes: 1 << 20, ..ParseOptions::default() };
    let Ok(image) = Image::parse("damaged", bytes, &options) else { return };
    // What the documentation promises of segments.
    for pair in image.segments.windows(2) {
        assert!(pair[0].paddr + (pair[0].mem_size_bytes - 1) < pair[1].paddr);
    }
    for segment in &image.segments {
        assert!(segment.mem_size_bytes > 0 && segment.data.len() as u64 <= segment.mem_size_bytes);
        assert!(segment.paddr.checked_add(segment.mem_size_bytes - 1).is_some());
        assert!(segment.vaddr.checked_add(segment.mem_size_bytes - 1).is_some());
    }
    assert_eq!(image.lowest_address, image.segments[0].paddr);
    if image.check_fits(0x8000_0000, 1 << 20).is_ok() {
        assert!(image.span().end() <= 0x8010_0000);
        assert!(image.virt_to_phys(image.entry_virtual).is_some());
    }
    for symbol in image.symbols.iter().take(64) {
        image.symbols.by_name(symbol.name).expect("is there");
        if let Some((found, offset)) = image.symbols.lookup(symbol.address) {
            assert_eq!(found.address.wrapping_add(offset), symbol.address);
        }
    }
    let map = SourceMap::new(&image);
    for segment in image.segments.iter().take(4) {
        for offset in (0..segment.mem_size_bytes.min(0x100)).step_by(2) {
            let _ = map.frames(segment.vaddr + offset);
            let _ = map.location(segment.vaddr + offset);
        }
    }
    if let Ok(files) = map.files() {
        for file in files.into_iter().take(4) {
            for line in map.lines(file).unwrap().into_iter().take(16) {
                assert!(!map.addresses(file, line).unwrap().is_empty());
            }
        }
    }
}

fn small() -> Vec<u8> {
    Elf::new(
        0x8000_0000,
        vec![
            Program::load(0x8000_0000, &[0x13, 0, 0, 0]),
            Program::load(0x8000_1000, b"data").mem_size(0x1000),
        ],
    )
    .allocated(".text", 0x8000_0000, 4)
    .section(".riscv.attributes", 0x7000_0003, b"A\x17\0\0\0riscv\0\x01\x0d\0\0\0\x05rv64gc\0".to_vec())
    .symbol("_start", 0x8000_0000, 4, GLOBAL_FUNC, 1)
    .symbol("tohost", 0x8000_1000, 8, GLOBAL_OBJECT, 1)
    .build()
}

/// Sets bytes, mostly to values that stand at limits.
fn damage() -> impl Strategy<Value = Vec<(usize, u8)>> {
    let value = prop_oneof![Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()];
    prop::collection::vec((any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20)), value), 1..12)
}

fn apply(file: &mut [u8], damage: &[(usize, u8)]) {
    let len = file.len();
    if len > 0 {
        damage.iter().for_each(|&(at, value)| file[at % len] = value);
    }
}

#[test]
fn every_length_of_a_small_file() {
    let file = small();
    for len in 0..=file.len() {
        exercise(&file[..len]);
    }
    check_peak();
}

#[test]
fn every_byte_of_a_small_file() {
    let file = small();
    for at in 0..file.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = file.clone();
            damaged[at] = value;
            exercise(&damaged);
        }
    }
    check_peak();
}

#[test]
fn many_lengths_of_files_from_compilers() {
    for seed in SEEDS {
        (0..seed.len()).step_by(97).for_each(|len| exercise(&seed[..len]));
    }
    check_peak();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_files_damaged(damage in damage(), cut in 0usize..400) {
        let mut file = small();
        apply(&mut file, &damage);
        exercise(&file);
        file.truncate(file.len().saturating_sub(cut));
        exercise(&file);
        check_peak();
    }

    #[test]
    fn files_from_compilers_damaged(seed in 0usize..3, damage in damage()) {
        let mut file = SEEDS[seed].to_vec();
        apply(&mut file, &damage);
        exercise(&file);
    }

    /// The first KiB holds nothing but headers and padding; damage is better spent on the debug sections behind the segments.
    #[test]
    fn debug_sections_damaged(seed in 0usize..3, damage in damage()) {
        let mut file = SEEDS[seed].to_vec();
        apply(&mut file[0x2000..], &damage);
        exercise(&file);
    }

    #[test]
    fn linux_headers(offset: u64, size: u64, flags in 0u64..4, code in 0usize..100) {
        exercise(&linux_image(offset, size, flags, code));
    }

    #[test]
    fn attributes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = arch_string(&[b"A".as_slice(), &bytes].concat());
    }

    #[test]
    fn placements_are_in_ram_and_apart(base in 0u64..1 << 34, ram_size in 0u64..1 << 32, at in 0u64..1 << 32,
                                       kernel_size in 0u64..1 << 28, initrd_size in 0u64..1 << 30, dtb_size in 1u64..1 << 21) {
        let ram = Region { base, size_bytes: ram_size };
        let kernel = Region { base: base + at, size_bytes: kernel_size };
        let mut taken = vec![kernel];
        if let Ok(base) = place_initrd(ram, kernel, initrd_size, &[]) {
            taken.push(Region { base, size_bytes: initrd_size });
            prop_assert_eq!(base % 4096, 0);
        }
        if let Ok(base) = place_dtb(ram, dtb_size, &taken) {
            taken.push(Region { base, size_bytes: dtb_size });
            prop_assert_eq!(base % (2 << 20), 0);
        }
        for (index, region) in taken.iter().enumerate().skip(1) {
            prop_assert!(region.base >= ram.base && region.end() <= ram.end());
            prop_assert!(taken[..index].iter().all(|other| !other.overlaps(*region)));
        }
    }
}
