//! Exit statuses, and what is said with them.

mod common;

use common::*;
use predicates::prelude::*;
use predicates::str::{contains, starts_with};

#[test]
fn the_guests_code_becomes_the_status() {
    let files = Files::new();
    for (value, code) in [(0x5555, 0), (0x3333 | 7 << 16, 7), (0x3333 | 255 << 16, 255)] {
        let guest = files.guest(&finish(value));
        let message = format!("relsim: the guest exited with code {code}\n");
        run(&guest, &[]).assert().code(code).stdout("").stderr(starts_with(message));
        run(&guest, &["--quiet"]).assert().code(code).stdout("").stderr("");
    }
}

#[test]
fn codes_above_255_stay_failures() {
    let files = Files::new();
    let guest = files.guest(&finish(0x3333 | 0x100 << 16));
    let message = "relsim: the guest exited with code 256 (0x100); status 255\n";
    run(&guest, &["-q"]).assert().code(255).stderr(message);
}

#[test]
fn htif_words_are_found_by_their_symbols() {
    let files = Files::new();
    let code = [auipc(T0, 1), addi(T1, 0, 11), sd(T1, T0, 0), LOOP];
    let symbols = [("tohost", RAM + 0x1000), ("fromhost", RAM + 0x1040)];
    let guest = files.add("htif.elf", &elf(RAM, &bytes(&code), &symbols));
    run(&guest, &["-q"]).assert().code(5);
    run(&guest, &["-q", "--platform", "spike"]).assert().code(5);
}

#[test]
fn a_reset_is_not_carried_out() {
    let files = Files::new();
    run(&files.guest(&finish(0x7777)), &["-q"])
        .assert()
        .code(120)
        .stderr("relsim: the guest asked for a reset\n");
}

#[test]
fn a_guest_that_nothing_can_wake_is_dead() {
    let files = Files::new();
    let dead = run(&files.guest(&[WFI, LOOP]), &["-q"]).assert().code(121);
    dead.stderr(
        starts_with("relsim: the guest is dead")
            .and(contains("hart 0 waits for an interrupt at pc 0x80000004")),
    );
}

#[test]
fn a_guest_that_only_traps_is_stuck() {
    let files = Files::new();
    let stuck = run(&files.guest(&[0]), &["-q"]).assert().code(122);
    stuck.stderr(starts_with("relsim: the guest is stuck: hart 0 only traps"));
}

#[test]
fn limits_have_their_own_status() {
    let files = Files::new();
    let guest = files.guest(&[LOOP]);
    let cycles = run(&guest, &["-q", "--max-cycles", "1e4"]).assert().code(124);
    cycles.stderr("relsim: the cycle limit was reached\n");
    let instructions = run(&guest, &["-q", "--max-instructions", "1_000"]).assert().code(124);
    instructions.stderr("relsim: the instruction limit was reached\n");
}

#[test]
fn bad_input_is_named_before_anything_runs() {
    let files = Files::new();
    let text = files.add("text", b"this is no program");
    run(&text, &[])
        .assert()
        .code(125)
        .stderr(contains("text: not an ELF file").and(contains("help: with --raw")));
    let missing = files.path("missing");
    run(&missing, &[]).assert().code(125).stderr(starts_with("relsim: cannot read the image"));
    let guest = files.guest(&finish(0x5555));
    run(&guest, &["--isa", "rv64gc_zfoo"]).assert().code(125).stderr(contains("           ^^^^ here"));
    run(&guest, &["--harts", "1000"]).assert().code(125).stderr(contains("takes 1 to"));
    run(&guest, &["--mem", "1000"]).assert().code(125).stderr(contains("whole pages"));
    run(&guest, &["--signature", "s"]).assert().code(125).stderr(contains("begin_signature"));
    run(&guest, &["--initrd", "missing"])
        .assert()
        .code(125)
        .stderr(contains("cannot read the initial RAM disk missing"));
    run(&guest, &["--dtb"]).arg(&text).assert().code(125).stderr(contains("not a flattened device tree"));
    let log = files.path("no/such/directory");
    run(&guest, &["--commit-log"])
        .arg(log)
        .assert()
        .code(125)
        .stderr(starts_with("relsim: cannot write the commit log"));
    let elf32 = [b"\x7fELF\x01\x01\x01".as_slice(), &[0; 100]].concat();
    run(&files.add("elf32", &elf32), &[]).assert().code(125).stderr(contains("ELF32"));
}

#[test]
fn the_built_in_guests_come_to_their_end() {
    relsim(&["run", "--builtin", "uintr"]).assert().code(0);
    relsim(&["run", "--max-instructions", "2e9"]).assert().code(0);
    relsim(&["run", "--builtin", "uintr", "image"]).assert().code(2);
}

#[test]
fn wrong_usage_is_two() {
    for arguments in [
        &["run", "x", "--no-such"][..],
        &["run", "x", "--mem", "3Q"],
        &["run", "x", "--quantum", "0"],
        &["run", "x", "--disk", "d,rw"],
        &["run", "x", "--platform", "toaster"],
        &["run", "x", "--append", "a", "--dtb", "d"],
        &["frobnicate"],
        &[],
    ] {
        relsim(arguments).assert().code(2);
    }
}

#[test]
fn help_shows_every_status() {
    let help = relsim(&["run", "--help"]).assert().success();
    let mut all = contains("Exit status").boxed();
    for status in ["120", "121", "122", "124", "125", "130", "141"] {
        all = all.and(contains(format!("  {status}  "))).boxed();
    }
    help.stdout(all);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_with_statistics() {
    use std::process::{Command, Stdio};
    let files = Files::new();
    let stats = files.path("stats.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_relsim"))
        .args(["run", "-q", "--stdin", "none", "--stats"])
        .arg(&stats)
        .arg(files.guest(&[LOOP]))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Until the handler is there, SIGINT would just kill it: the log of the run is not there yet either.
    std::thread::sleep(std::time::Duration::from_secs(1));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let stats: serde_json::Value = serde_json::from_slice(&std::fs::read(stats).unwrap()).unwrap();
    assert_eq!(stats["exit"]["reason"], "interrupted");
    assert!(stats["instructions"].as_u64().unwrap() > 0);
}

#[cfg(unix)]
#[test]
fn a_closed_standard_output_ends_the_run() {
    use std::io::Read;
    use std::process::{Command, Stdio};
    let files = Files::new();
    // Prints line feeds for ever.
    let guest = files.guest(&[lui(T0, 0x10000), addi(T1, 0, 10), sb(T1, T0, 0), 0xffdf_f06f]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_relsim"))
        .args(["run", "-q", "--stdin", "none"])
        .arg(guest)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 4];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(141));
}
