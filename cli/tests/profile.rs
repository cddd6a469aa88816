//! `relsim profile`: every cycle in one function, in every format.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use common::*;
use predicates::str::contains;
use serde_json::Value;

/// Pads `code` with what is never executed up to byte `offset`, then adds `more`.
fn place(code: &mut Vec<u32>, offset: usize, more: &[u32]) {
    assert!(code.len() * 4 <= offset);
    code.resize(offset / 4, 0);
    code.extend(more);
}

/// `start` calls `leaf`, and `middle`, which calls `leaf` twice.
fn calls(files: &Files) -> PathBuf {
    let mut code = vec![jal(RA, 0x40), jal(RA, 0x1c)];
    code.extend(finish(0x5555));
    let middle = [addi(S0, RA, 0), jal(RA, 0x1c), jal(RA, 0x18), addi(RA, S0, 0), jalr(0, RA)];
    place(&mut code, 0x20, &middle);
    place(&mut code, 0x40, &[addi(A0, A0, 1), jalr(0, RA)]);
    let symbols = [("start", RAM, 0x20), ("middle", RAM + 0x20, 0x20), ("leaf", RAM + 0x40, 8)];
    files.add("calls.elf", &elf_with(RAM, &bytes(&code), &symbols))
}

/// The image, or the built-in guest that tells most in little time.
fn guest(image: Option<&Path>) -> Vec<&OsStr> {
    image.map_or_else(|| ["--builtin", "uintr"].map(OsStr::new).to_vec(), |image| vec![image.as_os_str()])
}

fn profile(image: Option<&Path>, arguments: &[&str]) -> String {
    let mut command = relsim(&["profile", "-q"]);
    command.args(guest(image)).args(arguments);
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

fn json(image: Option<&Path>, arguments: &[&str]) -> Value {
    let files = Files::new();
    let out = files.path("profile.json");
    profile(image, &[&["--format", "json", "-o", out.to_str().unwrap()], arguments].concat());
    serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap()
}

fn stats(image: Option<&Path>, arguments: &[&str]) -> Value {
    let files = Files::new();
    let out = files.path("stats.json");
    let mut command = relsim(&["run", "-q", "--stats", out.to_str().unwrap()]);
    command.args(guest(image)).args(arguments).assert().success();
    serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap()
}

fn function<'a>(profile: &'a Value, name: &str) -> &'a Value {
    let found = profile["functions"].as_array().unwrap().iter().find(|f| f["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {profile}"))
}

/// Counted by hand: the boot ROM has six instructions, `start` six, `middle` five, `leaf` two.
#[test]
fn calls_are_followed() {
    let files = Files::new();
    let image = calls(&files);
    let folded = profile(Some(&image), &["--format", "folded"]);
    let mut lines: Vec<_> = folded.lines().collect();
    lines.sort_unstable();
    let expected = [
        "hart 0;0x1000 6",
        "hart 0;start 6",
        "hart 0;start;leaf 2",
        "hart 0;start;middle 5",
        "hart 0;start;middle;leaf 4",
    ];
    assert_eq!(lines, expected);
    let profile = json(Some(&image), &[]);
    let numbers = |name: &str| {
        let f = function(&profile, name);
        [&f["entries"], &f["own"]["cycles"], &f["inclusive"]["cycles"]].map(|n| n.as_u64().unwrap())
    };
    assert_eq!(numbers("start"), [1, 6, 17]);
    assert_eq!(numbers("middle"), [1, 5, 9]);
    assert_eq!(numbers("leaf"), [3, 6, 6]);
    assert_eq!(profile["total"]["cycles"], 23);
    let id = |name: &str| function(&profile, name)["id"].clone();
    let called = |caller: &str, callee: &str| {
        let calls = profile["calls"].as_array().unwrap();
        calls.iter().find(|c| c["caller"] == id(caller) && c["callee"] == id(callee)).unwrap()["calls"]
            .clone()
    };
    assert_eq!(
        [called("start", "leaf"), called("start", "middle"), called("middle", "leaf")],
        [1, 1, 2].map(Value::from)
    );
}

/// The handler stands above what it interrupts, and a call behind it is the interrupted function's again.
#[test]
fn traps_are_calls_that_return() {
    const T2: u32 = 7;
    let files = Files::new();
    let mut code = vec![auipc(T0, 0), addi(T0, T0, 0x40), csrrw(0, 0x305, T0), ECALL, jal(RA, 0x50)];
    code.extend(finish(0x5555));
    let handler = [csrrs(T2, 0x341, 0), addi(T2, T2, 4), csrrw(0, 0x341, T2), MRET];
    place(&mut code, 0x40, &handler);
    place(&mut code, 0x60, &[jalr(0, RA)]);
    let symbols = [("start", RAM, 0x40), ("handler", RAM + 0x40, 0x20), ("leaf", RAM + 0x60, 4)];
    let image = files.add("trap.elf", &elf_with(RAM, &bytes(&code), &symbols));
    let folded = profile(Some(&image), &["--format", "folded"]);
    let mut lines: Vec<_> = folded.lines().collect();
    lines.sort_unstable();
    // The trap itself is a cycle of what it interrupts.
    let expected = ["hart 0;0x1000 6", "hart 0;start 9", "hart 0;start;handler 4", "hart 0;start;leaf 1"];
    assert_eq!(lines, expected);
}

/// A function of eight multiplications, each of which needs the one before, is called ten times.
#[test]
fn causes_belong_to_the_function_that_waits() {
    let files = Files::new();
    let mut code = vec![addi(A2, 0, 10), jal(RA, 0x3c), addi(A2, A2, -1), bnez(A2, -8)];
    code.extend(finish(0x5555));
    // The product of the call before is there in any case behind two instructions that write no register.
    let mut muls = vec![addi(0, 0, 0); 2];
    muls.extend([mul(A0, A0, A0); 8]);
    muls.push(jalr(0, RA));
    place(&mut code, 0x40, &muls);
    let symbols = [("start", RAM, 0x40), ("muls", RAM + 0x40, 0x2c)];
    let image = files.add("muls.elf", &elf_with(RAM, &bytes(&code), &symbols));
    let profile = json(Some(&image), &["--timing", "rocket", "--by", "mul-div"]);
    assert_eq!(profile["functions"][0]["name"], "muls", "ordered by the metric");
    let own = &function(&profile, "muls")["own"];
    // A product can be used four cycles behind its multiplication: seven of eight wait for three.
    assert_eq!(own["cycles_by_cause"]["mul-div"], 10 * 7 * 3);
    assert_eq!(own["cycles_by_cause"]["issue"], 10 * 11);
    assert_eq!(own["instructions"], 10 * 11);
    assert!(function(&profile, "start")["own"]["cycles_by_cause"].get("mul-div").is_none());
}

/// On two harts, with interrupts, under both models: functions, harts and causes all add up to the same.
#[test]
fn every_cycle_is_in_one_function() {
    for timing in ["functional", "rocket"] {
        let arguments = ["--timing", timing];
        let (profile, stats) = (json(None, &arguments), stats(None, &arguments));
        let harts = stats["harts"].as_array().unwrap();
        let of_harts = |key: &str| harts.iter().map(|h| h[key].as_u64().unwrap()).sum::<u64>();
        for key in ["cycles", "instructions"] {
            let functions = profile["functions"].as_array().unwrap().iter();
            let sum: u64 = functions.map(|f| f["own"][key].as_u64().unwrap()).sum();
            assert_eq!(sum, of_harts(key), "{timing}: {key}");
            assert_eq!(profile["total"][key], sum, "{timing}: {key}");
        }
        let mut causes: BTreeMap<String, u64> = BTreeMap::new();
        for by_privilege in harts.iter().filter_map(|h| h.get("cycles_by_cause")) {
            for (cause, n) in by_privilege.as_object().unwrap().values().flat_map(|c| c.as_object().unwrap())
            {
                *causes.entry(cause.clone()).or_default() += n.as_u64().unwrap();
            }
        }
        assert_eq!(causes.is_empty(), timing == "functional");
        let told = profile["total"].get("cycles_by_cause").cloned().unwrap_or(serde_json::json!({}));
        assert_eq!(told, serde_json::to_value(causes).unwrap(), "{timing}");
        let handler = function(&profile, "user_handler");
        assert_eq!((&handler["privilege"], &handler["entries"]), (&"U".into(), &harts[1]["user_interrupts"]));
    }
}

/// Calls of the built-in SBI are instructions and cycles that no function has retired itself.
#[test]
fn firmware_calls_are_accounted_for() {
    let files = Files::new();
    let mut code = [set(A7, 0x10), set(A6, 0)].concat();
    code.push(ECALL);
    code.extend([set(A7, 0x5352_5354), set(A6, 0), set(A0, 0), set(11, 0)].concat());
    code.extend([ECALL, LOOP]);
    let image = files.add("sbi.elf", &elf(RAM + 0x20_0000, &bytes(&code), &[]));
    for timing in ["functional", "rocket"] {
        let arguments = ["--timing", timing];
        let (profile, stats) = (json(Some(&image), &arguments), stats(Some(&image), &arguments));
        assert_eq!(stats["sbi_calls"], 2);
        for key in ["cycles", "instructions"] {
            assert_eq!(profile["total"][key], stats["harts"][0][key], "{timing}: {key}");
        }
        let page = function(&profile, "0x80200000");
        assert_eq!((&page["privilege"], &page["own"]["instructions"]), (&"S".into(), &14.into()), "{timing}");
        // The run ends in the second call: what it cost comes to nobody but the hart's last function.
        assert_eq!(page["own"]["cycles"], profile["total"]["cycles"], "{timing}");
    }
}

/// What the format's readers rely on: events, a summary, positions, costs, and calls that name functions.
#[test]
fn callgrind_files_add_up() {
    let stats = stats(None, &["--timing", "rocket"]);
    let text = profile(None, &["--timing", "rocket", "--format", "callgrind"]);
    let text = &text[text.find("# callgrind format").expect("the format's first line")..];
    let numbers = |line: &str| line.split(' ').map(|n| n.parse().unwrap()).collect::<Vec<u64>>();
    let header = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let events: Vec<_> = header("events: ").split(' ').collect();
    assert_eq!(events[..3], ["Cycles", "Instructions", "Issue"]);
    assert!(events.iter().all(|e| e.chars().all(|c| c.is_ascii_alphanumeric())), "{events:?}");
    let (mut own, mut functions, mut called) = (vec![0; events.len()], Vec::new(), Vec::new());
    let mut is_call = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            functions.push(name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called.push(name);
        } else if line.starts_with("calls=") {
            assert_eq!(line.split(' ').count(), 2, "{line}");
            is_call = true;
        } else if let Some(costs) = line.strip_prefix("0x") {
            let costs = numbers(costs.split_once(' ').unwrap().1);
            assert_eq!(costs.len(), events.len(), "{line}");
            if !std::mem::take(&mut is_call) {
                own.iter_mut().zip(costs).for_each(|(sum, n)| *sum += n);
            }
        }
    }
    assert_eq!(own, numbers(header("summary: ")));
    assert_eq!(own, numbers(header("totals: ")));
    let harts = stats["harts"].as_array().unwrap();
    assert_eq!(own[0], harts.iter().map(|h| h["cycles"].as_u64().unwrap()).sum::<u64>());
    assert_eq!(own[0], own[2..].iter().sum::<u64>(), "causes add up to cycles");
    assert!(called.iter().all(|name| functions.contains(name)), "every callee has its own costs");
}

/// Valgrind's own reader agrees.
#[test]
fn callgrind_annotate_reads_it() {
    let files = Files::new();
    let out = files.path("callgrind.out");
    profile(None, &["--timing", "rocket", "--format", "callgrind", "-o", out.to_str().unwrap()]);
    let output = std::process::Command::new("callgrind_annotate").arg(&out).output();
    let output = output.expect("callgrind_annotate, which `cargo xtask setup` installs");
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let totals = shown.lines().find(|line| line.ends_with("PROGRAM TOTALS")).unwrap().replace(',', "");
    let stats = stats(None, &["--timing", "rocket"]);
    let cycles: u64 = stats["harts"].as_array().unwrap().iter().map(|h| h["cycles"].as_u64().unwrap()).sum();
    assert_eq!(totals.split_whitespace().next().unwrap().parse::<u64>().unwrap(), cycles);
    assert!(shown.contains(":user_handler [built-in guest uintr [U]]"), "{shown}");
}

#[test]
fn a_table_shows_what_is_wanted() {
    let files = Files::new();
    let image = calls(&files);
    let table = profile(Some(&image), &["--top", "1", "--by", "instructions", "--timing", "rocket"]);
    assert!(table.contains("with callees"), "{table}");
    assert!(table.contains("in 3 other functions"), "{table}");
    // Symbols of another file, for code that the image has none for; one that is moved moves its symbols only if
    // it can be.
    let bare = files.add("bare.elf", &std::fs::read(&image).map(|b| strip(&b)).unwrap());
    let named = profile(Some(&bare), &["--symbols", image.to_str().unwrap()]);
    assert!(named.contains("middle"), "{named}");
    assert!(profile(Some(&bare), &[]).contains("0x80000000"), "code without symbols is shown by page");
}

/// Without sections there are no symbols.
fn strip(elf: &[u8]) -> Vec<u8> {
    let mut bytes = elf.to_vec();
    bytes[40..48].fill(0);
    bytes[58..64].fill(0);
    bytes
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let refused = |arguments: &[&str], why: &'static str| {
        relsim(&["profile"]).args(arguments).assert().failure().stderr(contains(why));
    };
    refused(&["--by", "dcache"], "functional does not tell why cycles pass");
    refused(&["--commit-log", "/dev/null"], "cannot be made in one run");
    refused(&["--by", "heat"], "invalid value 'heat'");
    refused(&["--symbols", "no/such/file"], "cannot read the symbol file");
}
