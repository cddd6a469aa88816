//! `relsim compare` and `relsim explain`: what is measured, what is said about runs and files that are wrong, and the
//! forms that results are written in.

mod common;

use std::path::Path;

use common::*;
use predicates::prelude::*;
use predicates::str::contains;
use relsim_markers::{Kind, word};
use serde_json::Value;

const WAYS: &str = r#"
title = "Ways"
builtin = "ways"
timing = "rocket"
max-cycles = "1e7"
guest.ops = 20

[[experiment]]
name = "ways"
title = "A notification & its answer"
measures = ["cycles", "user-interrupts", "kernel-entries", "sends", "cpu"]
sweep.guest.gap = [1, 8, 64]

[[experiment.mechanism]]
name = "system call"
harts = 1
guest = { mech = "trap", gap = 40 }
published = { source = "nobody", cycles = 200 }

[[experiment.mechanism]]
name = "user interrupt"
guest.mech = "uintr"
[experiment.mechanism.published]
source = "somebody"
cycles = { 1 = 150, 64 = 400 }
"#;

fn output(arguments: &[&str], file: &Path) -> String {
    let mut command = relsim(arguments);
    let output = command.arg(file).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// With `RELSIM_UPDATE_DOCS=1` in the environment, the file is written instead, and the test fails once to say so.
#[test]
fn the_tables_are_those_that_are_recorded() {
    let files = Files::new();
    let found = output(&["compare"], &files.add("ways.toml", WAYS.as_bytes()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare-ways.txt");
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    if found != recorded && std::env::var_os("RELSIM_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, recorded, "RELSIM_UPDATE_DOCS=1 records it");
}

#[test]
fn results_depend_on_nothing_but_the_file() {
    let files = Files::new();
    files.add("ways.toml", WAYS.as_bytes());
    let mut all = Vec::new();
    for jobs in ["1", "3"] {
        let names = ["csv", "json", "html"].map(|kind| format!("{jobs}.{kind}"));
        let mut command = relsim(&["compare", "ways.toml", "--jobs", jobs]);
        for (option, name) in ["--csv", "--json", "--html"].iter().zip(&names) {
            command.args([option, name.as_str()]);
        }
        let shown = command.current_dir(files.path("")).assert().success().get_output().stdout.clone();
        let written = names.map(|name| std::fs::read_to_string(files.path(&name)).unwrap());
        all.push((shown, written));
    }
    assert_eq!(all[0], all[1]);
    let (_, [csv, json, html]) = &all[0];
    well_formed(html);
    for text in [
        "<svg",
        "A notification &amp; its answer",
        "user interrupt",
        "dashed: published (nobody; somebody)",
        "relsim compare ways.toml",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.replace("http://www.w3.org/2000/svg", "").contains("http"), "it loads nothing");

    let json: Value = serde_json::from_str(json).unwrap();
    let runs = json["experiments"][0]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    for run in runs {
        for hart in run["measured"]["harts"].as_array().unwrap() {
            let causes = hart["causes"].as_array().unwrap();
            let sum: u64 = causes.iter().map(|cell| cell["cycles"].as_u64().unwrap()).sum();
            assert_eq!(sum, hart["cycles"].as_u64().unwrap(), "{hart}");
        }
        let interrupts = f64::from(u8::from(run["mechanism"] == "user interrupt"));
        let measures = &run["measures"];
        for (name, value) in
            [("user-interrupts", interrupts), ("sends", interrupts), ("kernel-entries", 1.0 - interrupts)]
        {
            assert_eq!(measures[name].as_f64(), Some(value), "{name}: {measures}");
        }
    }
    let mut lines = csv.lines();
    let head: Vec<_> = lines.next().unwrap().split(',').collect();
    assert_eq!(head[..5], ["experiment", "mechanism", "guest.gap", "operations", "cycles"]);
    let rows: Vec<Vec<_>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(
        rows.iter().map(|row| (row[1], row[2])).collect::<Vec<_>>(),
        [("system call", ""), ("user interrupt", "1"), ("user interrupt", "8"), ("user interrupt", "64"),]
    );
    for (row, run) in rows.iter().zip(runs) {
        assert_eq!(row.len(), head.len());
        assert_eq!(row[4], run["measured"]["cycles"].to_string());
    }
}

/// Every tag is closed in its turn.
fn well_formed(html: &str) {
    let mut open = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let tag = &rest[..rest.find('>').unwrap()];
        let name = tag.split([' ', '\n']).next().unwrap();
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "</{name}>"),
            None if tag.starts_with('!') || tag.ends_with('/') || name == "meta" => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, [] as [&str; 0]);
}

/// The watched region changes nothing: what is measured is what `relsim run` counts of the region.
#[test]
fn a_run_is_the_same_when_it_is_measured() {
    let files = Files::new();
    let json = files.path("all.json");
    let file = files.add("ways.toml", WAYS.as_bytes());
    relsim(&["compare", "--json"]).args([&json, &file]).assert().success();
    let json: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    for run in json["experiments"][0]["runs"].as_array().unwrap() {
        let append = run["append"].as_str().unwrap();
        let harts = run["measured"]["harts"].as_array().unwrap().len().to_string();
        let stats = files.path("stats.json");
        let mut command =
            relsim(&["run", "-q", "--builtin", "ways", "--timing", "rocket", "--harts", &harts]);
        command.args(["--append", append, "--stats"]).arg(&stats).assert().success();
        let stats: Value = serde_json::from_slice(&std::fs::read(stats).unwrap()).unwrap();
        let regions = stats["harts"][0]["regions"].as_array().unwrap();
        let region = regions.iter().find(|region| region["id"] == 1).unwrap();
        assert_eq!(region["cycles"]["total"], run["measured"]["cycles"], "{append}");
        assert_eq!(region["instructions"]["total"], run["measured"]["harts"][0]["instructions"], "{append}");
        let causes = run["measured"]["harts"][0]["causes"].as_array().unwrap();
        for cell in causes {
            let (privilege, cause) = (cell["privilege"].as_str().unwrap(), cell["cause"].as_str().unwrap());
            assert_eq!(region["cycles_by_cause"][privilege][cause], cell["cycles"], "{append}");
        }
    }
}

/// A guest that does what `markers` say, prints `line`, and ends with `code`.
fn guest(markers: &[(Kind, u16)], line: &str, code: u32) -> Vec<u8> {
    let mut words: Vec<u32> = markers.iter().map(|&(kind, id)| word(kind, id, 0)).collect();
    words.push(lui(T0, 0x10000));
    for byte in line.bytes() {
        words.extend([addi(T1, 0, i32::from(byte)), sb(T1, T0, 0)]);
    }
    words.extend(finish(if code == 0 { 0x5555 } else { code << 16 | 0x3333 }));
    elf(RAM, &bytes(&words), &[])
}

const ONCE: &[(Kind, u16)] = &[(Kind::Begin, 1), (Kind::Instant, 2), (Kind::End, 1)];
const GOOD: &str = "result operations=1 errors=0\n";

#[test]
fn runs_that_fail_say_why_and_the_others_are_kept() {
    let files = Files::new();
    let begin = (Kind::Begin, 1);
    let end = (Kind::End, 1);
    type Markers<'a> = &'a [(Kind, u16)];
    let cases: &[(&str, Markers<'_>, &str, u32, &str)] = &[
        ("no region", &[], GOOD, 0, "the guest marked no begin of region 1"),
        ("no end", &[begin], GOOD, 0, "region 1, which is measured, did not end"),
        ("twice", &[begin, end, begin, end], GOOD, 0, "is to begin and end once"),
        ("no line", ONCE, "results\n", 0, "printed no line `result operations=N errors=E`"),
        ("no errors", ONCE, "result operations=1\n", 0, "the result line has no errors=N"),
        ("errors", ONCE, "result operations=1 errors=2\n", 0, "the guest found 2 errors"),
        ("odd", ONCE, "result operations=1 errors\n", 0, "errors in the result line is no KEY=NUMBER"),
        ("half", ONCE, "result operations=1.5 errors=0\n", 0, "operations=1.5 is no number of them"),
        ("nothing", ONCE, "result operations=0 errors=0\n", 0, "the guest did no operations"),
        ("code", ONCE, GOOD, 3, "the guest exited with code 3"),
    ];
    let mut text = String::from("[[experiment]]\nname = 'e'\nmax-instructions = 1000\n");
    for (n, (name, markers, line, code, _)) in cases.iter().enumerate() {
        files.add(&format!("{n}.elf"), &guest(markers, line, *code));
        text += &format!("[[experiment.mechanism]]\nname = '{name}'\nimage = '{n}.elf'\n");
    }
    files.add("good.elf", &guest(ONCE, "result operations=1 errors=0 x=7\n", 0));
    files.add("loop.elf", &elf(RAM, &bytes(&[LOOP]), &[]));
    for (name, image) in [("good", "good.elf"), ("loop", "loop.elf"), ("gone", "gone.elf")] {
        text += &format!("[[experiment.mechanism]]\nname = '{name}'\nimage = '{image}'\n");
    }
    let file = files.add("e.toml", text.as_bytes());
    let (csv, html) = (files.path("e.csv"), files.path("e.html"));
    let mut command = relsim(&["compare"]);
    command.arg(&file).arg("--csv").arg(&csv).arg("--html").arg(&html);
    let shown = command.assert().code(6).get_output().stdout.clone();
    let shown = String::from_utf8(shown).unwrap();
    for (name, _, _, _, why) in cases {
        assert!(
            shown.lines().any(|l| l.starts_with(&format!("failed: e: {name}: ")) && l.contains(why)),
            "{name}: {shown}"
        );
    }
    assert!(shown.contains("failed: e: loop: the instruction limit was reached"), "{shown}");
    assert!(shown.contains("failed: e: gone: cannot read the image"), "{shown}");
    assert!(shown.contains("    console: results\n"), "{shown}");
    assert!(shown.ends_with("12 of 13 runs failed\n"), "{shown}");
    // The good one: two instructions of one cycle each behind the begin marker.
    assert!(shown.lines().any(|line| line.starts_with("good ") && line.ends_with(" 2.00")), "{shown}");
    let csv = std::fs::read_to_string(csv).unwrap();
    assert_eq!(csv.lines().count(), 2);
    assert!(csv.contains(",result.x,") && csv.contains("\ne,good,1,2,2,"), "{csv}");
    let html = std::fs::read_to_string(html).unwrap();
    well_formed(&html);
    assert!(html.contains("and 4 more"), "{html}");
}

/// The kernel says itself when it is entered.
#[test]
fn kernel_entries_are_those_of_the_region_of_that_name() {
    let files = Files::new();
    let markers =
        [(Kind::Begin, 5), ONCE[0], (Kind::End, 5), (Kind::Begin, 5), (Kind::End, 5), ONCE[1], ONCE[2]];
    let mut words: Vec<u32> = markers.iter().map(|&(kind, id)| word(kind, id, 0)).collect();
    words.push(lui(T0, 0x10000));
    GOOD.bytes().for_each(|byte| words.extend([addi(T1, 0, i32::from(byte)), sb(T1, T0, 0)]));
    words.extend(finish(0x5555));
    files.add("k.elf", &elf(RAM, &bytes(&words), &[("__relsim_region_kernel", 5)]));
    let text = "[[experiment]]\nname = 'e'\n[[experiment.mechanism]]\nname = 'm'\nimage = 'k.elf'\n";
    let shown = output(&["compare"], &files.add("k.toml", text.as_bytes()));
    assert!(shown.contains("kernel entries per operation\nm                             1.00\n"), "{shown}");
}

#[test]
fn files_that_are_wrong_are_shown_before_anything_runs() {
    let files = Files::new();
    for (text, message) in [
        ("", "e.toml:1:1: there is no [[experiment]]"),
        (
            "timng = 1\n[[experiment]]\nname = 'e'\n[[experiment.mechanism]]\nname = 'm'",
            "e.toml:1:1: unknown field `timng`",
        ),
        (
            "[[experiment]]\nname = 'e'\n[[experiment.mechanism]]\nname = 'm'",
            "e.toml:4:8: the case names neither",
        ),
        (
            "builtin = 'ways'\n[[experiment]]\nname = 'e'\nsweep.timing = ['rocket', 'roket']\n\
             [[experiment.mechanism]]\nname = 'm'",
            "e.toml:4:27: unknown timing model \"roket\"",
        ),
        (
            "builtin = 'ways'\ntiming = 'rocket'\n[[experiment]]\nname = 'e'\nsweep.set.l1d_sets = [64, 65]\n\
             [[experiment.mechanism]]\nname = 'm'",
            "e.toml:5:11: l1d_sets takes powers of two",
        ),
    ] {
        let file = files.add("e.toml", text.as_bytes());
        relsim(&["compare"]).arg(&file).assert().code(125).stdout("").stderr(contains(message));
        relsim(&["compare"]).arg(&file).assert().stderr(contains("\n    "));
    }
    let file = files.add("e.toml", WAYS.as_bytes());
    let only = relsim(&["compare", "--only", "x"]).arg(&file).assert().code(125);
    only.stderr(contains("there is no experiment x; there is ways"));
    relsim(&["compare", "nowhere.toml"])
        .assert()
        .code(125)
        .stderr(contains("cannot read the comparison nowhere.toml"));
}

#[test]
fn the_standard_comparison_is_the_one_that_is_printed() {
    let files = Files::new();
    let printed = relsim(&["compare", "--print"]).assert().success().get_output().stdout.clone();
    let file = files.add("standard.toml", &printed);
    let own = relsim(&["compare", "--only", "ways"]).assert().success().get_output().stdout.clone();
    assert_eq!(String::from_utf8(own).unwrap(), output(&["compare", "--only", "ways"], &file));
}

#[cfg(unix)]
#[test]
fn interrupted_comparisons_show_nothing() {
    use std::process::{Command, Stdio};
    let files = Files::new();
    files.add("loop.elf", &elf(RAM, &bytes(&[LOOP]), &[]));
    let text = "image = 'loop.elf'\n[[experiment]]\nname = 'e'\nsweep.guest.x = [1, 2, 3]\n\
                [[experiment.mechanism]]\nname = 'm'\n";
    let file = files.add("e.toml", text.as_bytes());
    let child = Command::new(env!("CARGO_BIN_EXE_relsim"))
        .arg("compare")
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Until the handler is there, SIGINT would just kill it.
    std::thread::sleep(std::time::Duration::from_secs(1));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(130), b"".as_slice()));
}

/// The numbers in the column that says how long phases took, of the left side.
fn left_takes(shown: &str) -> (u64, u64) {
    let number = |line: &str| line.get(7..13).and_then(|cell| cell.trim().parse::<u64>().ok());
    let phases =
        shown.lines().filter(|line| line.get(..6).is_some_and(|at| at.trim().parse::<u64>().is_ok()));
    let sum = phases.filter_map(number).sum();
    let all =
        shown.lines().find(|line| line.get(14..).is_some_and(|l| l.starts_with("  all, "))).and_then(number);
    (sum, all.unwrap())
}

#[test]
fn an_operation_is_explained_phase_by_phase() {
    let files = Files::new();
    let file = files.add("ways.toml", WAYS.as_bytes());
    let explain = |arguments: &[&str]| {
        let mut command = relsim(&["explain", "--file"]);
        command.arg(&file).args(arguments);
        command
    };
    explain(&[]).assert().success().stdout("ways:system call\nways:user interrupt@gap=1|8|64\n");
    let shown = explain(&["ways:system call", "ways:user interrupt@gap=8"]).assert().success();
    let shown = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    let first = shown.lines().next().unwrap();
    assert!(
        first.starts_with("ways: system call  ") && first.ends_with("  ways: user interrupt, guest.gap=8"),
        "{shown}"
    );
    for text in [
        "U -> M: user_ecall",
        "M trap_entry",
        "U -> U: user_software",
        "U user_handler",
        "(asleep)",
        "hart 1",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let (sum, all) = left_takes(&shown);
    let cycles: u64 = shown.lines().nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!((sum, all), (cycles, cycles), "{shown}");

    // By the last one the caches are warm; the mean has the first ones in it.
    let table = output(&["compare"], &file);
    let mean = table.lines().find(|line| line.starts_with("system call")).unwrap();
    let mean: u64 = mean.split_whitespace().last().unwrap().parse().unwrap();
    assert!((cycles..cycles + 20).contains(&mean), "{cycles} {mean}");

    let shown = explain(&["--instructions", "ways:system call"]).assert().success();
    shown.stdout(
        contains("csrrw sp,mscratch,sp").and(contains("slti zero,zero,-2046")).and(contains("  mret")),
    );
    let wrong = explain(&["ways:system call@gap=8", "ways:user interrupt@gap=9"]).assert().code(125);
    wrong.stderr(contains("gap is one of 1, 8, 64").and(contains("help: `relsim explain` without")));
}

#[test]
fn command_lines_are_explained_too() {
    let explain = |lines: &[&str]| {
        let mut command = relsim(&["explain", "--builtin", "ways"]);
        command.args(lines);
        command
    };
    // Functional timing has no causes.
    explain(&["mech=trap ops=3", "mech=poll ops=3"]).assert().success().stdout(contains("M trap_entry"));
    let nothing = explain(&["mech=nothing"]).assert().code(125);
    nothing.stderr(
        contains("the guest marked no begin of region 1").and(contains("console: mech=nothing: there is")),
    );
    let files = Files::new();
    let image = files.add("g.elf", &guest(&[ONCE[0], ONCE[2]], "", 0));
    let none = relsim(&["explain", "x", "--image"]).arg(image).assert().code(125);
    none.stderr(contains("the guest marked no event 2"));
    relsim(&["explain", "--builtin", "ways", "--file", "x"]).assert().code(2);
}
