//! GNU objdump as an oracle.

use std::io::Write;
use std::process::{Command, Stdio};

/// Programs to try.
const NAMES: [&str; 3] = ["riscv64-linux-gnu-objdump", "riscv64-unknown-elf-objdump", "riscv64-elf-objdump"];

/// The extensions for the ELF attribute; objdump decodes only those it finds there.
const ARCH: &str = "rv64i2p1_m2p0_a2p1_f2p2_d2p2_c2p0_zicbom1p0_zicbop1p0_zicboz1p0_zicsr2p0_zifencei2p0_\
    zihintpause2p0_zawrs1p0_zfh1p0_zba1p0_zbb1p0_zbc1p0_zbkb1p0_zbkc1p0_zbkx1p0_zbs1p0_svinval1p0";

/// What objdump says of each word, `None` for those that it does not know. The first word is at address 0.
pub fn disassemble(words: &[u32]) -> Vec<Option<String>> {
    let file = tempfile();
    let mut code = Vec::new();
    for &word in words {
        let len = if word & 3 == 3 { 4 } else { 2 };
        code.extend_from_slice(&word.to_le_bytes()[..len]);
    }
    std::fs::File::create(&file).and_then(|mut f| f.write_all(&elf(&code))).expect("writing the ELF file");
    let output = NAMES.iter().find_map(|name| {
        let mut command = Command::new(name);
        command.args(["-d", "-z", "-M", "no-aliases"]).arg(&file).stderr(Stdio::inherit());
        command.output().ok()
    });
    let _ = std::fs::remove_file(&file);
    let output = output.unwrap_or_else(|| panic!("none of {NAMES:?} is installed: run `cargo xtask setup`"));
    assert!(output.status.success(), "objdump failed: {}", output.status);
    let text = String::from_utf8(output.stdout).expect("objdump writes ASCII");
    let lines: Vec<_> = text.lines().filter_map(parse).collect();
    assert_eq!(lines.len(), words.len(), "objdump fell out of step");
    lines
}

/// `   2c:\t00500513          \taddi\ta0,zero,5 # comment` gives `addi a0,zero,5`.
#[expect(clippy::option_option, reason = "the outer one: no line of code; the inner: no instruction")]
fn parse(line: &str) -> Option<Option<String>> {
    let mut columns = line.splitn(3, '\t');
    let address = columns.next()?.trim().strip_suffix(':')?;
    u64::from_str_radix(address, 16).ok()?;
    let text = columns.nth(1)?;
    let text = text.split(" #").next()?.trim().replace('\t', " ");
    // c.unimp is the name of the word that is defined to be illegal.
    Some((!text.starts_with('.') && text != "c.unimp").then_some(text))
}

fn tempfile() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("oracle-{}-{number}.elf", std::process::id()))
}

/// A relocatable ELF file with `code` and the attribute that says which extensions it uses.
fn elf(code: &[u8]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.text\0.riscv.attributes\0.shstrtab\0";
    const HEADER_BYTES: u64 = 64;
    const SECTIONS: u16 = 4;
    const EM_RISCV: u16 = 243;
    const FLAGS_RVC_DOUBLE: u32 = 5;
    const SHT_RISCV_ATTRIBUTES: u32 = 0x7000_0003;
    let attributes = attributes();
    let text_at = HEADER_BYTES;
    let attributes_at = text_at + code.len() as u64;
    let names_at = attributes_at + attributes.len() as u64;
    let sections_at = (names_at + NAMES.len() as u64).next_multiple_of(8);

    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    halves(&mut file, &[1, EM_RISCV]);
    words(&mut file, &[1]);
    wides(&mut file, &[0, 0, sections_at]);
    words(&mut file, &[FLAGS_RVC_DOUBLE]);
    halves(&mut file, &[HEADER_BYTES as u16, 0, 0, 64, SECTIONS, SECTIONS - 1]);
    file.extend(code);
    file.extend(&attributes);
    file.extend(NAMES);
    file.resize(sections_at as usize, 0);
    // Name, type, flags, position, length, alignment.
    let sections: [(u32, u32, u64, u64, usize, u64); SECTIONS as usize] = [
        (0, 0, 0, 0, 0, 0),
        (1, 1, 6, text_at, code.len(), 2),
        (7, SHT_RISCV_ATTRIBUTES, 0, attributes_at, attributes.len(), 1),
        (25, 3, 0, names_at, NAMES.len(), 1),
    ];
    for (name, kind, flags, at, len, align) in sections {
        words(&mut file, &[name, kind]);
        wides(&mut file, &[flags, 0, at, len as u64]);
        words(&mut file, &[0, 0]);
        wides(&mut file, &[align, 0]);
    }
    file
}

fn halves(file: &mut Vec<u8>, values: &[u16]) {
    file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
}

fn words(file: &mut Vec<u8>, values: &[u32]) {
    file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
}

fn wides(file: &mut Vec<u8>, values: &[u64]) {
    file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
}

/// The attributes section: format version, vendor, and for the whole file Tag_RISCV_arch. Lengths count
/// themselves, and the inner one the tag before it.
fn attributes() -> Vec<u8> {
    const TAG_FILE: u8 = 1;
    const TAG_ARCH: u8 = 5;
    let arch = [&[TAG_ARCH], ARCH.as_bytes(), b"\0"].concat();
    let file_length = (5 + arch.len() as u32).to_le_bytes();
    let vendor = [b"riscv\0".as_slice(), &[TAG_FILE], &file_length, &arch].concat();
    let length = (4 + vendor.len() as u32).to_le_bytes();
    [b"A".as_slice(), &length, &vendor].concat()
}
