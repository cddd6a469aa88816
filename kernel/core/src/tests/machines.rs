//! Machines as device trees describe them, good ones and broken ones. `dtc` makes the trees.

use std::format;
use std::io::Write;
use std::process::{Command, Stdio};
use std::string::String;
use std::vec::Vec;

use super::harness::Rng;
use crate::boot::{Region, Regions};
use crate::fdt::{Fdt, Reservation};
use crate::harts::HartMask;
use crate::kernel::MAX_HARTS;
use crate::mem::PADDR_TOP;
use crate::platform::{Platform, PlatformError, Plic};

const MEMORY: u64 = 0x8000_0000;
/// Behind the firmware.
const START: u64 = 0x8020_0000;
const END: u64 = 0xc000_0000;

/// The blob of a source with `body` in the root, beside memory, and `head` before it.
fn tree(head: &str, body: &str) -> Vec<u8> {
    let source = format!(
        "/dts-v1/; {head} / {{
            #address-cells = <2>; #size-cells = <2>;
            memory@80000000 {{ device_type = \"memory\"; reg = <0 0x80000000 0 0x40000000>; }};
            {body}
        }};"
    );
    let mut dtc = Command::new("dtc")
        .args(["-q", "-I", "dts", "-O", "dtb"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("dtc, which `cargo xtask setup` installs");
    dtc.stdin.take().expect("a pipe").write_all(source.as_bytes()).expect("dtc reads");
    let output = dtc.wait_with_output().expect("dtc ends");
    assert!(output.status.success(), "{source}");
    output.stdout
}

fn cpus(nodes: &str) -> String {
    format!(
        "cpus {{
            #address-cells = <2>; #size-cells = <0>; timebase-frequency = <10000000>;
            {nodes}
        }};"
    )
}

/// Hart `id`, whose controller has the phandle `phandle`.
fn cpu(id: u64, phandle: u32) -> String {
    let (high, low) = (id >> 32, id & 0xffff_ffff);
    format!(
        "cpu@{id:x} {{
            device_type = \"cpu\"; reg = <{high:#x} {low:#x}>;
            interrupt-controller {{
                compatible = \"riscv,cpu-intc\"; interrupt-controller; #interrupt-cells = <1>;
                phandle = <{phandle}>;
            }};
        }};"
    )
}

/// With a timer that says it is a hart's controller, as in seL4's trees.
fn plic(property: &str) -> String {
    format!(
        "clint@2000000 {{ compatible = \"riscv,cpu-intc\"; reg = <0 0x2000000 0 0x10000>; }};
        plic@c000000 {{
            compatible = \"sifive,plic-1.0.0\", \"riscv,plic0\";
            reg = <0 0xc000000 0 0x600000>; riscv,ndev = <96>; {property}
        }};"
    )
}

const RESERVED: &str = "reserved-memory {
    #address-cells = <2>; #size-cells = <2>; ranges;
    firmware@80000000 { reg = <0 0x80000000 0 0x40000>; no-map; };
    two@90000000 { reg = <0 0x90000000 0 0x1000  0 0x98000010 0 0x1ff1>; };
    closed@a0000000 { reg = <0 0xa0000000 0 0x200000>; no-map; };
    anywhere { size = <0 0x100000>; };
    beyond@ffffffffffff0000 { reg = <0xffffffff 0xffff0000 0xffffffff 0xffffffff>; };
};
elsewhere { reserved-memory { #address-cells = <2>; #size-cells = <2>; a@84000000 { reg = <0 0x84000000 0 0x1000>; }; }; };
reserved-memory@1 { #address-cells = <2>; #size-cells = <2>; a@85000000 { reg = <0 0x85000000 0 0x1000>; }; };";
const BLOCK: &str = "/memreserve/ 0x88000000 0x10000; /memreserve/ 0x8c000fff 1;";

fn platform(
    blob: &[u8],
    hart: impl Into<Option<u64>>,
    counts: impl Fn(&Reservation) -> bool,
) -> Result<Platform, PlatformError> {
    Platform::new(&Fdt::new(blob).expect("a device tree"), hart.into(), START, counts)
}

fn list(regions: &Regions) -> Vec<(u64, u64)> {
    regions.iter().map(|region| (region.start, region.end)).collect()
}

#[test]
fn memory_that_is_reserved_is_not_given_out() {
    let blob = tree(BLOCK, RESERVED);
    let found = platform(&blob, 0, |_| true).expect("a machine");
    assert_eq!(
        list(&found.memory),
        [
            (START, 0x8800_0000),
            (0x8801_0000, 0x8c00_0000),
            (0x8c00_1000, 0x9000_0000),
            (0x9000_1000, 0x9800_0000),
            // Whole pages, of which the last has one byte of it.
            (0x9800_3000, 0xa000_0000),
            (0xa020_0000, END),
        ]
    );
    // Nor as a device.
    assert_eq!(list(&found.devices), [(0, MEMORY), (END, PADDR_TOP)]);
    // As seL4's build has it: only what must not be mapped.
    let found = platform(&blob, 0, |reservation| reservation.no_map).expect("a machine");
    assert_eq!(list(&found.memory), [(START, 0xa000_0000), (0xa020_0000, END)]);
    let found = platform(&tree("", ""), 0, |_| true).expect("a machine");
    assert_eq!(list(&found.memory), [(START, END)]);
}

#[test]
fn memory_that_is_there_twice_is_given_out_once() {
    let more = "memory@a0000000 { device_type = \"memory\"; reg = <0 0xa0000000 0 0x30000000>; };";
    let found = platform(&tree("", more), 0, |_| true).expect("a machine");
    assert_eq!(list(&found.memory), [(START, 0xa000_0000), (0xa000_0000, 0xd000_0000)]);
}

/// More than can be noted at once; what remains is small, but nothing of it is reserved.
#[test]
fn many_reservations_all_count() {
    let head: String = (0..100).map(|n| format!("/memreserve/ {:#x} 0x1000;", START + 0x4000 * n)).collect();
    let found = platform(&tree(&head, ""), 0, |_| true).expect("a machine");
    for region in found.memory.iter() {
        for n in 0..100 {
            let reserved = Region { start: START + 0x4000 * n, end: START + 0x4000 * n + 0x1000 };
            assert!(
                region.end <= reserved.start || reserved.end <= region.start,
                "{region:x?} {reserved:x?}"
            );
        }
    }
    assert!(found.memory.iter().count() > 10);
}

#[test]
fn interrupts_come_by_the_context_that_the_tree_names() {
    let context = |hart, property: &str| {
        let cpus = cpus(&(cpu(0, 7) + &cpu(1, 3) + &cpu(0x1_0000_0005, 4)));
        let find = |body: String| platform(&tree("", &body), hart, |_| true).map(|found| found.plic);
        let found = find(cpus.clone() + &plic(property));
        assert_eq!(found, find(plic(property) + &cpus), "it matters which stands first");
        found.map(|plic| plic.expect("a PLIC"))
    };
    let plic = |context| Ok(Plic { base: 0xc00_0000, greatest_irq: 96, context });
    // Hart 0 has no supervisor mode.
    let sparse = "interrupts-extended = <7 11  3 11  3 9  4 9>;";
    assert_eq!(context(1, sparse), plic(2));
    assert_eq!(context(0x1_0000_0005, sparse), plic(3));
    assert_eq!(context(0, sparse), Err(PlatformError::NoInterruptContext));
    assert_eq!(context(2, sparse), Err(PlatformError::NoInterruptContext));
    assert_eq!(context(1, "interrupts-extended = <3>;"), Err(PlatformError::NoInterruptContext));
    assert_eq!(context(1, ""), plic(3));
    assert_eq!(context(0, ""), plic(1));
    assert_eq!(platform(&tree("", ""), 0, |_| true).expect("a machine").plic, None);
}

/// The loader of a build for one hart need not say which it is.
#[test]
fn the_first_hart_is_the_first_with_translation() {
    let application = cpu(4, 3).replace("reg =", "mmu-type = \"riscv,sv39\"; reg =");
    let nodes = cpu(2, 7) + &application + &application.replace("cpu@4", "cpu@5").replace("0x4>", "0x5>");
    let nodes =
        nodes.replacen("phandle = <3>", "phandle = <9>", 2).replacen("phandle = <9>", "phandle = <3>", 1);
    let body = cpus(&nodes) + &plic("interrupts-extended = <7 11  3 11  3 9  9 9>;");
    let found = platform(&tree("", &body), None, |_| true).expect("a machine");
    assert_eq!(found.hart_ids[0], 4);
    assert_eq!(found.plic.map(|plic| plic.context), Some(2));
}

#[test]
fn the_timer_is_not_given_out() {
    let found = platform(&tree("", &plic("")), 0, |_| true).expect("a machine");
    let devices = [(0, 0x200_0000), (0x201_0000, 0xc00_0000), (0xc60_0000, MEMORY), (END, PADDR_TOP)];
    assert_eq!(list(&found.devices), devices);
}

#[test]
fn harts_have_any_numbers() {
    let ids = [9, 0, 64, 0x1_0000_0000, 63, 65, 1000, 2, 3, 4];
    let nodes: String = ids.iter().enumerate().map(|(n, &id)| cpu(id, n as u32 + 1)).collect();
    let found = platform(&tree("", &cpus(&nodes)), 64, |_| true).expect("a machine");
    let expected = [64, 9, 0, 0x1_0000_0000, 63, 65, 1000, 2];
    assert_eq!(found.hart_ids, expected[..MAX_HARTS]);
    assert_eq!((found.harts, found.timebase), (MAX_HARTS, 10_000_000));
}

#[test]
fn masks_have_all_harts_and_no_others() {
    let masks = |ids: &[u64]| HartMask::of(ids.iter().copied()).collect::<Vec<_>>();
    assert_eq!(masks(&[]), []);
    assert_eq!(masks(&[5]), [HartMask::one(5)]);
    assert_eq!(masks(&[3, 0, 1]), [HartMask { base: 0, bits: 0b1011 }]);
    assert_eq!(masks(&[64, 1]), [HartMask { base: 1, bits: 1 | 1 << 63 }]);
    assert_eq!(masks(&[u64::MAX, 0]), [HartMask::one(0), HartMask::one(u64::MAX)]);
    let mut rng = Rng::new(1);
    for _ in 0..1000 {
        let (count, range) = (rng.below(9), rng.of(&[8, 70, 200, 1 << 40]));
        let mut ids: Vec<u64> = (0..count).map(|_| rng.below(range)).collect();
        let mut reached: Vec<u64> = masks(&ids)
            .iter()
            .flat_map(|mask| (0..64).filter(|n| mask.bits >> n & 1 == 1).map(|n| mask.base + n))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        reached.sort_unstable();
        assert_eq!(reached, ids);
    }
}

/// Whatever is wrong with a tree, it is read to an end.
#[test]
fn broken_trees_do_no_harm() {
    let contexts = "interrupts-extended = <7 11 7 9 3 11 3 9>;";
    let blob = tree(BLOCK, &(cpus(&(cpu(0, 7) + &cpu(1, 3))) + RESERVED + &plic(contexts)));
    let read = |bytes: &[u8]| {
        let Some(fdt) = Fdt::new(bytes) else { return };
        if let Ok(found) = Platform::new(&fdt, Some(0), START, |_| true) {
            assert!(found.harts <= MAX_HARTS);
            let mut memory = list(&found.memory);
            memory.sort_unstable();
            assert!(memory.iter().all(|&(start, end)| start >= START && start < end), "{memory:x?}");
            assert!(memory.is_sorted_by(|one, next| one.1 <= next.0), "{memory:x?}");
        }
    };
    read(&blob);
    for length in 0..blob.len() {
        read(&blob[..length]);
    }
    let mut rng = Rng::new(2);
    for _ in 0..20_000 {
        let mut bytes = blob.clone();
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len() as u64 / 4) as usize * 4;
            let any = rng.next() as u32;
            let word = rng.of(&[0, 1, 2, 3, 4, 9, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff, any]);
            bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        read(&bytes);
    }
}
