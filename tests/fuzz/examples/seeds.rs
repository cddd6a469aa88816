//! Writes a first corpus into `corpus/`: for the targets of the loader, for `case_file` and
//! `comparison_file` from test files, for
//! guests from the rows of the instructions. Run it in this folder: `cargo run --example seeds`.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use object::{Object as _, ObjectSection as _};
use relsim_core::rows::BASE;
use relsim_fuzz::debug_sections;
use relsim_fuzz::elf_writer::{Elf, GLOBAL_FUNC, GLOBAL_OBJECT, Program, linux_image};
use relsim_uintr::UINTR;

fn main() -> std::io::Result<()> {
    let elfs = [
        Elf::new(
            0x8000_0000,
            vec![Program::load(0x8000_0000, &[0; 4]), Program::load(0x8000_1000, b"data").mem_size(64)],
        )
        .allocated(".text", 0x8000_0000, 4)
        .section(".riscv.attributes", 0x7000_0003, b"A\x17\0\0\0riscv\0\x01\x0d\0\0\0\x05rv64gc\0".to_vec())
        .symbol("_start", 0x8000_0000, 4, GLOBAL_FUNC, 1)
        .symbol("tohost", 0x8000_1000, 8, GLOBAL_OBJECT, 1),
        Elf::new(
            0xffff_ffff_8020_0000,
            vec![Program::load(0x8020_0000, &[0; 8]).vaddr(0xffff_ffff_8020_0000)],
        ),
        Elf::new(
            0x1000,
            vec![
                Program::load(0x1000, b"\0libc.so.6\0").p_type(1),
                Program::load(
                    0,
                    &[
                        5, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
                        0, 0, 0, 0,
                    ],
                )
                .p_type(2),
                Program::load(0, b"/lib/ld.so\0").p_type(3),
            ],
        ),
    ];
    for (number, elf) in elfs.iter().enumerate() {
        let file = elf.build();
        seed("gzip", number, &gzip(&file))?;
        seed("symbols_dwarf", number, &file)?;
        // The bytes come first in the input of this target, the rest is taken from its end.
        seed("elf_loader", number, &[&file[..], &[0; 16]].concat())?;
    }
    let image = linux_image(0x20_0000, 0x100_0000, 0, 64);
    seed("linux_image", 0, &[&[1; 32][..], &image].concat())?;
    seed("gzip", 10, &gzip(&gzip(&image)))?;

    for (number, name) in ["lines-gcc.elf", "lines-rust.elf"].into_iter().enumerate() {
        let file = fs::read(Path::new("../../loader/tests/fixtures").join(name))?;
        let elf = object::File::parse(&*file).map_err(std::io::Error::other)?;
        let input = debug_sections::encode(|name| elf.section_by_name(name)?.data().ok());
        seed("symbols_dwarf", 20 + number, &input)?;
    }
    seed("case_file", 0, &fs::read("../checks/relsim.toml")?)?;
    seed("case_file", 1, CASES.as_bytes())?;
    seed("comparison_file", 0, &fs::read("../../cli/comparisons/standard.toml")?)?;
    seed("comparison_file", 1, COMPARISON.as_bytes())?;
    guests()
}

/// Programs of some instructions each, so that all stand somewhere, on every platform and in every shape.
fn guests() -> std::io::Result<()> {
    // rd, rs1 and rs2 of instructions that leave them open: a0, the stack pointer, a1.
    let open = |mask: u32| !mask & (10 << 7 | 2 << 15 | 11 << 20);
    let rows = BASE.iter().chain([&UINTR.insns]).flat_map(|file| file.iter());
    let words: Vec<_> =
        rows.map(|def| (def.pattern.bits | open(def.pattern.mask), def.pattern.len)).collect();
    for (number, words) in words.chunks(12).enumerate() {
        // auipc sp, 0: something that can be loaded from and stored to.
        let mut input = 0x0000_0117_u32.to_le_bytes().to_vec();
        for &(word, len) in words {
            let word = if len == 2 { word & 0xffff } else { word };
            input.extend(&word.to_le_bytes()[..usize::from(len)]);
        }
        let shape = (number as u16).wrapping_mul(0x25) & 0x1ff;
        seed("guest", number, &[&shape.to_le_bytes()[..], &input].concat())?;
    }
    Ok(())
}

/// Every key of a case.
const CASES: &str = r#"
[[case]] # one
name = "a"
image = "a.elf"
raw = 0x8000_0000
firmware = "fw"
initrd = "initrd"
append = "quiet"
platform = "virt"
harts = 2
mem = "64M"
isa = "rv64gc"
timing = "rocket"
set = { memory_read_latency = 21 }
quantum = 1
disk = ["d.img,ro"]
net = ["echo"]
virtio-console = true
stdin-text = """
x
"""
max-cycles = "1e6"
max-instructions = 1_000
exit = "dead"
counters = ["sbi_calls", 'harts.0.traps.user_ecall']
tolerance = "0.5%"
tolerances.cycles = 3

  [case.recorded] # then
  cycles = 5 # five
  instructions = 6
  counters = { sbi_calls = 1 }
  inputs.image = "00"
  case = "11"
  machine = "harts=1"

[[case]]
name = "b"
demonstration = true
exit = 7
"#;

/// Every key that only a comparison has.
const COMPARISON: &str = r#"
title = "a"
timing = "rocket"
guest.bench = "ipc"
[[experiment]]
name = "e"
title = "b"
note = "c"
measures = ["cycles", "result.latency"]
sweep = { guest.conc = [1, 2], set.l1d_sets = [64], harts = [1, 2] }
[[experiment.mechanism]]
name = "m"
guest = { mech = "sync", conc = 1, fast = true }
published = { source = "s", cycles = 3, result.latency = { 1 = 0.5 } }
"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("writing into memory");
    encoder.finish().expect("writing into memory")
}

fn seed(target: &str, number: usize, bytes: &[u8]) -> std::io::Result<()> {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("seed-{number}")), bytes)
}
