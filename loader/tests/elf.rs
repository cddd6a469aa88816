//! Loading of ELF files: what is accepted, where it goes, and what is said about the rest.

mod common;

use common::*;
use relsim_loader::{Image, ImageKind, IsaSupport, LinkedAddress, LoadError, Note, ParseOptions, Start};

const RAM: u64 = 0x8000_0000;

fn parse(elf: &Elf) -> Result<Image, LoadError> {
    Image::parse("test.elf", &elf.build(), &ParseOptions::default())
}

fn message(elf: &Elf) -> String {
    parse(elf).expect_err("must be refused").to_string()
}

fn tiny() -> Elf {
    Elf::new(RAM, vec![Program::load(RAM, &[0x13, 0, 0, 0])])
}

#[test]
fn bare_metal_program_starts_in_machine_mode() {
    let data = Program::load(RAM + 0x1000, b"data").flags(6).mem_size(0x100);
    let image = parse(&Elf::new(RAM + 2, vec![data, Program::load(RAM, &[1, 2, 3, 4]).flags(5)])).unwrap();
    assert_eq!(image.kind, ImageKind::Elf);
    assert_eq!((image.entry, image.entry_virtual, image.lowest_address), (RAM + 2, RAM + 2, RAM));
    assert_eq!(image.start(RAM), Start::Machine);
    // Sorted by address; the numbers are those of the program headers.
    let segments: Vec<_> =
        image.segments.iter().map(|s| (s.index, s.paddr, s.mem_size_bytes, &s.data[..])).collect();
    assert_eq!(segments, [(1, RAM, 4, &[1, 2, 3, 4][..]), (0, RAM + 0x1000, 0x100, b"data")]);
    assert_eq!(image.segments[1].flags.to_string(), "rw-");
    assert_eq!(image.span().size_bytes, 0x1100);
    assert!(image.notes.is_empty());
}

#[test]
fn kernel_linked_high_is_loaded_low() {
    let virt = 0xffff_ffff_8020_0000;
    let phys = 0x8020_0000;
    let mut elf = Elf::new(virt + 4, vec![Program::load(phys, &[0; 16]).vaddr(virt)])
        .allocated(".text", virt, 16)
        .symbol("tohost", virt + 8, 8, GLOBAL_OBJECT, 1)
        .symbol("fromhost", 0x4000_8000, 0, GLOBAL_LABEL, SHN_ABS);
    let image = parse(&elf).unwrap();
    assert_eq!((image.entry, image.entry_virtual), (phys + 4, virt + 4));
    assert_eq!(image.start(RAM), Start::Supervisor);
    assert_eq!(image.virt_to_phys(virt + 15), Some(phys + 15));
    assert_eq!(image.virt_to_phys(virt + 16), None);
    assert_eq!(image.phys_to_virt(phys), Some(virt));
    assert_eq!(image.host_interface.tohost, Some(LinkedAddress { virt: virt + 8, phys: phys + 8 }));
    // An absolute address outside of the image stays what it is.
    assert_eq!(image.host_interface.fromhost.unwrap().phys, 0x4000_8000);
    assert_eq!(image.host_interface.begin_signature, None);

    elf.entry = phys + 4;
    let image = parse(&elf).unwrap();
    assert_eq!((image.entry, image.entry_virtual), (phys + 4, virt + 4));
    assert_eq!(image.notes, [Note::EntryIsPhysical]);
}

#[test]
fn other_kinds_of_elf_are_refused_by_name() {
    let with = |change: fn(&mut Elf)| {
        let mut elf = tiny();
        change(&mut elf);
        message(&elf)
    };
    type Case = (fn(&mut Elf), &'static str);
    let cases: [Case; 8] = [
        (|elf| elf.class = 1, "ELF32 file (EI_CLASS 1 at offset 0x4)"),
        (|elf| elf.class = 9, "EI_CLASS at offset 0x4 is 0x9, expected 2 (ELFCLASS64)"),
        (|elf| elf.data = 2, "big-endian ELF file (EI_DATA 2 at offset 0x5)"),
        (|elf| elf.machine = 62, "ELF file for X86_64 (e_machine 62 at offset 0x12), not for RISC-V (243)"),
        (
            |elf| elf.e_type = 1,
            "ELF type relocatable object (e_type 1 at offset 0x10) cannot be run: link it first",
        ),
        (|elf| elf.e_type = 4, "core dump"),
        (
            |elf| elf.programs.clear(),
            "no loadable segment (PT_LOAD with p_memsz > 0) among 0 program headers",
        ),
        (|elf| elf.programs[0].p_type = 4, "among 1 program headers"),
    ];
    for (change, expected) in cases {
        let message = with(change);
        assert!(message.starts_with("test.elf: ") && message.contains(expected), "{message}");
    }
}

#[test]
fn truncated_files_say_what_is_missing() {
    let file = tiny().build();
    let message =
        |len: usize| Image::parse("cut", &file[..len], &ParseOptions::default()).unwrap_err().to_string();
    assert_eq!(
        message(8),
        "cut: truncated: ELF header at file offset 0x0..=0xf (0x10 bytes), but the file has 0x8 bytes"
    );
    assert!(message(40).contains("ELF header at file offset 0x0..=0x3f"));
    assert_eq!(
        message(100),
        "cut: truncated: program header table at file offset 0x40..=0x77 (0x38 bytes), but the file has 0x64 bytes"
    );
    assert_eq!(
        message(122),
        "cut: segment 0: file range 0x78..=0x7b (0x4 bytes) lies beyond the end of the file (0x7a bytes)"
    );
    assert_eq!(message(0), "cut: the file is empty");
}

#[test]
fn impossible_segments_are_refused_with_their_addresses() {
    let with = |change: fn(&mut Vec<Program>)| {
        let mut elf = tiny();
        change(&mut elf.programs);
        message(&elf)
    };
    assert!(with(|p| p[0].mem_size = 3).contains("segment 0: p_memsz 0x3 is smaller than p_filesz 0x4"));
    assert!(
        with(|p| p[0].offset = Some(u64::MAX))
            .contains("segment 0: file range 0xffffffffffffffff plus 0x4 bytes")
    );
    assert!(
        with(|p| p[0].file_size = Some(1 << 62))
            .contains("p_memsz 0x4 is smaller than p_filesz 0x4000000000000000")
    );
    assert!(with(|p| p[0].mem_size = u64::MAX).contains("segment 0: physical addresses 0x80000000 plus"));
    assert!(
        with(|p| p[0].vaddr = u64::MAX - 2)
            .contains("segment 0: virtual addresses 0xfffffffffffffffd plus 0x4 bytes")
    );
    let overlap = with(|p| p.push(Program::load(RAM + 3, &[0; 4]).vaddr(0)));
    assert!(
        overlap.contains(
            "segments 0 at 0x80000000..=0x80000003 (0x4 bytes) and 1 at 0x80000003..=0x80000006 (0x4 bytes) overlap"
        ),
        "{overlap}"
    );
}

#[test]
fn segments_may_touch_and_end_at_the_top_of_the_address_space() {
    let top = Program::load(u64::MAX - 3, &[0; 4]);
    let image =
        parse(&Elf::new(RAM, vec![Program::load(RAM, &[0; 4]), Program::load(RAM + 4, &[0; 4]), top]))
            .unwrap();
    assert_eq!(image.segments.len(), 3);
    assert!(
        image.check_fits(RAM, 0x1000).unwrap_err().to_string().contains("segment 2 at 0xfffffffffffffffc")
    );
}

#[test]
fn huge_sizes_in_memory_cost_nothing() {
    let mut elf = tiny();
    elf.programs[0].mem_size = 1 << 63;
    let image = parse(&elf).unwrap();
    assert_eq!(image.segments[0].mem_size_bytes, 1 << 63);
    let error = image.check_fits(RAM, 512 << 20).unwrap_err().to_string();
    assert!(error.contains("is not inside of RAM at 0x80000000..=0x9fffffff (0x20000000 bytes)"), "{error}");
}

#[test]
fn entry_must_be_code() {
    let mut elf = tiny();
    elf.programs[0].flags = 6;
    assert!(
        message(&elf).contains("entry point 0x80000000 is in no executable segment (segment 0 there is rw-)")
    );
    elf.programs[0].flags = 7;
    elf.entry = 0x100;
    assert!(message(&elf).contains("entry point 0x100 is in no executable segment (no segment is there)"));
}

/// The linker script of riscv-tests' benchmarks makes a segment without any flags.
#[test]
fn a_segment_without_flags_may_be_code() {
    let mut elf = tiny();
    elf.programs[0].flags = 0;
    let image = parse(&elf).unwrap();
    assert_eq!(image.entry, RAM);
    assert!(image.segments[0].may_execute() && image.segments[0].flags.is_empty());
}

#[test]
fn empty_segments_and_missing_physical_addresses() {
    let elf = Elf::new(
        RAM,
        vec![
            Program::load(0, &[]),
            Program { paddr: 0, ..Program::load(RAM, &[0; 4]) },
            Program { paddr: 0, ..Program::load(RAM + 0x1000, &[0; 4]) },
        ],
    );
    let image = parse(&elf).unwrap();
    assert_eq!(image.segments.iter().map(|s| s.paddr).collect::<Vec<_>>(), [RAM, RAM + 0x1000]);
    assert_eq!(image.notes, [Note::NoPhysicalAddresses]);
}

#[test]
fn dynamic_executables_are_refused_but_firmware_may_relocate_itself() {
    let interpreter =
        Program { mem_size: 0, ..Program::load(0, b"/lib/ld-linux-riscv64-lp64d.so.1\0") }.p_type(3);
    let mut elf = tiny();
    elf.programs.push(interpreter);
    assert!(
        message(&elf)
            .contains("dynamically linked executable (interpreter /lib/ld-linux-riscv64-lp64d.so.1)")
    );

    // The segment holds the strings at its start; the dynamic section names one of them.
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let dynamic = words(&[5, RAM, 1, 1, 0, 0]);
    let elf = Elf::new(RAM, vec![Program::load(RAM, b"\0libc.so.6\0"), Program::load(0, &dynamic).p_type(2)]);
    assert!(message(&elf).contains("(library libc.so.6); a bare machine has no dynamic linker"));

    // DT_RELA, but nothing needed.
    let mut elf =
        Elf::new(0x10, vec![Program::load(0, &[0; 32]), Program::load(0, &words(&[7, 8, 0, 0])).p_type(2)])
            .allocated(".text", 0, 32)
            .symbol("_start", 0x10, 4, GLOBAL_FUNC, 1);
    elf.e_type = 3;
    let options = ParseOptions { load_address: Some(RAM), ..ParseOptions::default() };
    let image = Image::parse("fw.elf", &elf.build(), &options).unwrap();
    assert_eq!((image.entry, image.entry_virtual, image.bias), (RAM + 0x10, RAM + 0x10, RAM));
    assert_eq!(image.symbols.by_name("_start").unwrap().address, RAM + 0x10);
    assert_eq!(image.notes, [Note::PositionIndependent { bias: RAM }, Note::Moved { from: 0, to: RAM }]);
}

#[test]
fn load_address_moves_a_kernel_but_not_its_symbols() {
    let virt = 0xffff_ffff_8000_0000;
    let elf = Elf::new(
        virt,
        vec![
            Program { paddr: 0, ..Program::load(virt, &[0; 8]) },
            Program { paddr: 0x1000, ..Program::load(virt + 0x1000, &[0; 8]) },
        ],
    );
    let error = parse(&elf).unwrap().check_fits(RAM, 1 << 20).unwrap_err().to_string();
    assert!(error.contains("segment 0 at 0x0..=0x7") && error.contains("give a load address"), "{error}");
    let options = ParseOptions { load_address: Some(0x8020_0000), ..ParseOptions::default() };
    let image = Image::parse("vmlinux", &elf.build(), &options).unwrap();
    assert_eq!((image.entry, image.entry_virtual, image.bias), (0x8020_0000, virt, 0));
    assert_eq!(image.segments[1].paddr, 0x8020_1000);
    image.check_fits(RAM, 4 << 20).unwrap();
    // Moved so high that the second segment wraps around.
    let options = ParseOptions { load_address: Some(u64::MAX - 0x1003), ..ParseOptions::default() };
    let error = Image::parse("vmlinux", &elf.build(), &options).unwrap_err();
    assert!(matches!(error, LoadError::SegmentWraps { segment: 1, space: "physical", .. }), "{error}");
}

#[test]
fn segments_must_lie_in_ram_to_the_last_byte() {
    let mut elf = tiny();
    elf.programs[0].mem_size = 0x1000;
    let image = parse(&elf).unwrap();
    image.check_fits(RAM, 0x1000).unwrap();
    assert!(image.check_fits(RAM, 0xfff).unwrap_err().to_string().ends_with("give the machine more memory"));
    assert!(image.check_fits(RAM + 1, 0x2000).unwrap_err().to_string().ends_with("link it for this machine"));
    assert!(image.check_fits(0, 0x1000).is_err());
}

#[test]
fn files_for_other_extensions_are_refused() {
    let full = IsaSupport { compressed: true, single_float: true, double_float: true };
    let with_flags = |flags| {
        let mut elf = tiny();
        elf.flags = flags;
        parse(&elf).unwrap()
    };
    with_flags(5).check_isa(&full).unwrap();
    let refused = |flags, isa: IsaSupport| with_flags(flags).check_isa(&isa).unwrap_err().to_string();
    assert_eq!(
        refused(5, IsaSupport { compressed: false, ..full }),
        "test.elf: built for compressed instructions (C), which the configured hart does not have (e_flags 0x5)"
    );
    assert!(refused(4, IsaSupport { double_float: false, ..full }).contains("(D)"));
    assert!(refused(2, IsaSupport { single_float: false, ..full }).contains("(F)"));
    assert!(refused(6, full).contains("(Q)"));
    assert!(refused(8, full).contains("(RVE)"));

    let attributes = b"A\x19\0\0\0riscv\0\x01\x0f\0\0\0\x05rv32imac\0";
    let image = parse(&tiny().section(".riscv.attributes", 0x7000_0003, attributes.to_vec())).unwrap();
    assert_eq!(image.arch.as_deref(), Some("rv32imac"));
    assert!(image.check_isa(&full).unwrap_err().to_string().contains("architecture `rv32imac`"));
}

#[test]
fn damaged_section_headers_cost_the_symbols_only() {
    let elf = tiny().allocated(".text", RAM, 4).symbol("main", RAM, 4, GLOBAL_FUNC, 1);
    let mut file = elf.build();
    assert_eq!(Image::parse("a", &file, &ParseOptions::default()).unwrap().symbols.len(), 1);
    file.truncate(file.len() - 1);
    let image = Image::parse("a", &file, &ParseOptions::default()).unwrap();
    assert!(image.symbols.is_empty());
    assert!(matches!(&image.notes[..], [Note::SymbolsUnreadable(_)]), "{:?}", image.notes);
}
