//! How images are started, and what a run gives.

mod common;

use common::*;
use predicates::str::contains;
use serde_json::Value;

#[test]
fn console_input_comes_from_a_file_or_from_standard_input() {
    let files = Files::new();
    let guest = files.guest(&echo());
    let input = files.add("input", b"from a file\n\0");
    run(&guest, &["-q", "--stdin"]).arg(&input).assert().success().stdout("from a file\n");
    run(&guest, &["-q", "--stdin", "-"])
        .write_stdin("from a pipe\n\0")
        .assert()
        .success()
        .stdout("from a pipe\n");
    // Without being asked for, a pipe is left alone, and the guest waits until its limit.
    let alone = run(&guest, &["--max-cycles", "1e6"]).write_stdin("unseen\0").assert();
    alone.code(124).stdout("").stderr(contains("--stdin - reads it"));
}

#[test]
fn standard_input_that_is_a_file_is_read() {
    let files = Files::new();
    let guest = files.guest(&echo());
    let input = files.add("input", b"redirected\0");
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_relsim"))
        .args(["run", "-q"])
        .arg(guest)
        .stdin(std::fs::File::open(input).unwrap())
        .output()
        .unwrap();
    assert_eq!((out.status.code(), out.stdout.as_slice()), (Some(0), b"redirected".as_slice()));
}

/// S-mode code that calls SBI's system reset: shutdown, no reason.
fn sbi_shutdown() -> Vec<u32> {
    let mut code = set(A7, 0x5352_5354).to_vec();
    code.extend([addi(A6, 0, 0), addi(A0, 0, 0), addi(11, 0, 0), ECALL, LOOP]);
    code
}

#[test]
fn what_is_loaded_higher_starts_on_the_built_in_sbi() {
    let files = Files::new();
    let guest = files.add("s.elf", &elf(RAM + 0x20_0000, &bytes(&sbi_shutdown()), &[]));
    run(&guest, &["-q"]).assert().success();
    let raw = files.add("s.bin", &bytes(&sbi_shutdown()));
    run(&raw, &["-q", "--raw=0x80200000"]).assert().success();
}

#[test]
fn firmware_finds_the_next_stage() {
    let files = Files::new();
    // The third word of what a2 points at is the next stage's address.
    let firmware = files.add("fw.bin", &bytes(&[load(3, T0, A2, 16), jalr(0, T0)]));
    let kernel = files.add("kernel.bin", &bytes(&finish(0x3333 | 9 << 16)));
    run(&kernel, &["-q", "--raw", "--firmware"]).arg(&firmware).assert().code(9);
    run(&kernel, &["-q", "--raw=0x80400000", "--firmware"]).arg(&firmware).assert().code(9);
    let elf = files.add("kernel.elf", &elf(RAM + 0x30_0000, &bytes(&finish(0x3333 | 8 << 16)), &[]));
    run(&elf, &["-q", "--firmware"]).arg(&firmware).assert().code(8);
    // Firmware alone is an image of its own.
    let alone = files.add("alone.bin", &bytes(&finish(0x3333 | 3 << 16)));
    relsim(&["run", "-q", "--firmware"]).arg(&alone).assert().code(3);
    // Both want the same place.
    run(&kernel, &["--raw=0x80000000", "--firmware"])
        .arg(&firmware)
        .assert()
        .code(125)
        .stderr(contains("overlap"));
}

#[test]
fn the_device_tree_is_handed_over() {
    let files = Files::new();
    // Exits with the first byte at a1: 0xd0.
    let mut code = vec![lui(T0, 0x100), load(4, T1, 11, 0), slli(T1, T1, 16)];
    code.extend(set(28, 0x3333));
    code.extend([0x01c3_6333, sw(T1, T0, 0), LOOP]);
    let guest = files.guest(&code);
    run(&guest, &["-q"]).assert().code(0xd0);
    run(&guest, &["-q", "--append", "quiet"]).assert().code(0xd0);
    let blob = files.add("dtb", b"\xd0\x0d\xfe\xed and more");
    run(&guest, &["-q", "--dtb"]).arg(blob).assert().code(0xd0);
    // Two pages have no room for it, which such a guest need not care about.
    run(&guest, &["--mem", "8K"]).assert().code(122).stderr(contains("no room for the device tree"));
    run(&guest, &["--mem", "8K", "--append", "x"]).assert().code(125).stderr(contains("no room"));
}

#[test]
fn statistics_are_json_and_the_same_every_time() {
    let files = Files::new();
    let guest = files.guest(&finish(0x3333 | 4 << 16));
    let disk = files.add("disk.img", &[7; 1000]);
    let read = |harts: &str| -> Value {
        let out =
            run(&guest, &["--harts", harts, "--stats", "-", "--net", "echo", "--virtio-console", "--disk"])
                .arg(&disk)
                .output()
                .unwrap();
        serde_json::from_slice(&out.stdout).unwrap()
    };
    let mut stats = read("4");
    assert_eq!(stats["exit"], serde_json::json!({ "reason": "guest", "code": 4 }));
    assert_eq!(stats["harts"].as_array().unwrap().len(), 4);
    let hart = &stats["harts"][0];
    for key in ["cycles", "instructions", "user_interrupts"] {
        assert!(hart[key].is_u64(), "{key}");
    }
    assert!(hart["traps"].is_object());
    assert_eq!(stats["relsim_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(stats["hash"].as_str().unwrap().len(), 64);
    assert_eq!(stats["config"]["platform"], "virt");
    assert_eq!(stats["config"]["mem_bytes"], 512 << 20);
    assert_eq!(stats["disks"][0]["writes"], "copy-on-write");
    assert!(stats["host_seconds"].is_f64());
    let mut again = read("4");
    for stats in [&mut stats, &mut again] {
        stats["host_seconds"] = Value::Null;
    }
    assert_eq!(stats, again);
    assert_ne!(stats["hash"], read("2")["hash"]);
}

#[test]
fn the_signature_has_words_of_the_wanted_size() {
    let files = Files::new();
    let mut code = finish(0x5555);
    let data = RAM + 4 * code.len() as u64;
    code.extend([0x0403_0201, 0x0807_0605, 0x0c0b_0a09]);
    let symbols = [("begin_signature", data), ("end_signature", data + 12)];
    let guest = files.add("sig.elf", &elf(RAM, &bytes(&code), &symbols));
    let out = files.path("signature");
    for (granularity, expected) in [
        ("4", "04030201\n08070605\n0c0b0a09\n"),
        ("8", "0807060504030201\n000000000c0b0a09\n"),
        ("16", "000000000c0b0a090807060504030201\n"),
    ] {
        run(&guest, &["-q", "--signature-granularity", granularity, "--signature"])
            .arg(&out)
            .assert()
            .success();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), expected);
    }
}

#[test]
fn the_commit_log_is_spikes() {
    let files = Files::new();
    let code = [
        auipc(T0, 1),
        addi(T1, 0, -1),
        sb(T1, T0, 3),
        load(2, A0, T0, 0),
        // csrw mtvec, t0; csrw sie, x0; csrw fcsr, x0 is illegal while FS is off, so FS comes first.
        0x3052_9073,
        0x1040_1073,
        lui(A0, 6),
        0x3005_2073,
        0x0030_1073,
        // fcvt.d.l ft0, t1; fdiv.d ft1, ft0, ft0; fld fa0, 0(t0)
        0xd223_7053,
        0x1a00_70d3,
        0x0002_b507,
        // amoadd.w a0, t1, (t0); sc.w x0, t1, (t0), which fails; lr.d a0, (t0); sc.d a0, a0, (t0)
        0x0062_a52f,
        0x1862_a02f,
        0x1002_b52f,
        0x18a2_b52f,
        // c.li a5, 1; c.nop
        0x0001_4785,
    ];
    let mut code = bytes(&code);
    code.extend(bytes(&finish(0x5555)));
    let guest = files.add("log.elf", &elf(RAM, &code, &[]));
    let out = files.path("log");
    run(&guest, &["-q", "--isa", "rv64gc", "--commit-log"]).arg(&out).assert().success();
    let log = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<_> = log.lines().skip_while(|line| !line.contains(" 0x0000000080000000 (")).collect();
    let expected = "\
core   0: 3 0x0000000080000000 (0x00001297) x5  0x0000000080001000
core   0: 3 0x0000000080000004 (0xfff00313) x6  0xffffffffffffffff
core   0: 3 0x0000000080000008 (0x006281a3) mem 0x0000000080001003 0xff
core   0: 3 0x000000008000000c (0x0002a503) x10 0xffffffffff000000 mem 0x0000000080001000
core   0: 3 0x0000000080000010 (0x30529073) c773_mtvec 0x0000000080001000
core   0: 3 0x0000000080000014 (0x10401073) c260_sie 0x0000000000000000 c772_mie 0x0000000000000000
core   0: 3 0x0000000080000018 (0x00006537) x10 0x0000000000006000
core   0: 3 0x000000008000001c (0x30052073) c768_mstatus 0x8000000a00006000
core   0: 3 0x0000000080000020 (0x00301073) c1_fflags 0x0000000000000000 c2_frm 0x0000000000000000
core   0: 3 0x0000000080000024 (0xd2237053) f0  0xbff0000000000000
core   0: 3 0x0000000080000028 (0x1a0070d3) f1  0x3ff0000000000000
core   0: 3 0x000000008000002c (0x0002b507) f10 0x00000000ff000000 mem 0x0000000080001000
core   0: 3 0x0000000080000030 (0x0062a52f) x10 0xffffffffff000000 mem 0x0000000080001000 mem 0x0000000080001000 0xfeffffff
core   0: 3 0x0000000080000034 (0x1862a02f)
core   0: 3 0x0000000080000038 (0x1002b52f) x10 0x00000000feffffff mem 0x0000000080001000
core   0: 3 0x000000008000003c (0x18a2b52f) x10 0x0000000000000000 mem 0x0000000080001000 0x00000000feffffff
core   0: 3 0x0000000080000040 (0x4785) x15 0x0000000000000001
core   0: 3 0x0000000080000042 (0x0001)";
    for (line, expected) in lines.iter().zip(expected.lines()) {
        assert_eq!(*line, expected);
    }
    assert!(lines.len() > expected.lines().count());
    // Watching changes nothing.
    let count = |arguments: &[&str]| -> Value {
        let out = run(&guest, &["-q", "--stats", "-"]).args(arguments).output().unwrap();
        serde_json::from_slice::<Value>(&out.stdout).unwrap()["harts"].clone()
    };
    assert_eq!(count(&[]), count(&["--commit-log", out.to_str().unwrap()]));
}
