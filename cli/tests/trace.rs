//! Traces: every format, from a run and from logs.

mod common;
#[path = "common/kanata.rs"]
mod kanata;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::relsim;
use predicates::str::contains;
use serde_json::Value;

/// Runs the guest that sends user interrupts, with a trace; gives the statistics.
fn run(directory: &Path, timing: &str, trace: Option<(&str, &str)>) -> Value {
    let stats = directory.join("stats.json");
    let mut command = relsim(&[]);
    command.args(["run", "--builtin", "uintr", "--quiet", "--timing", timing, "--max-instructions", "60000"]);
    command.arg("--stats").arg(&stats);
    if let Some((file, format)) = trace {
        command.arg("--trace").arg(directory.join(file)).args(["--trace-format", format]);
    }
    // The limit is the end.
    command.assert().code(124);
    let stats: Value = serde_json::from_slice(&fs::read(&stats).unwrap()).unwrap();
    stats["harts"].clone()
}

#[test]
fn traces_change_no_count() {
    let directory = tempfile::tempdir().unwrap();
    for timing in ["functional", "rocket"] {
        let plain = run(directory.path(), timing, None);
        for format in ["perfetto", "konata", "vcd", "jsonl", "spike", "callgrind", "folded"] {
            assert_eq!(plain, run(directory.path(), timing, Some(("trace", format))), "{timing}, {format}");
            assert!(fs::metadata(directory.path().join("trace")).unwrap().len() > 100, "{format}");
        }
    }
}

#[test]
fn events_are_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let harts = run(directory.path(), "rocket", Some(("t.jsonl", "jsonl")));
    let text = fs::read_to_string(directory.path().join("t.jsonl")).unwrap();
    let mut counts: BTreeMap<(String, u64), u64> = BTreeMap::new();
    let mut cycles: BTreeMap<u64, u64> = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let hart = event["hart"].as_u64().unwrap();
        *counts.entry((event["event"].as_str().unwrap().into(), hart)).or_default() += 1;
        if let Some(taken) = event["cycles"].as_u64() {
            let causes: u64 = event["causes"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
            assert_eq!(causes, taken, "every cycle has a cause: {line}");
            *cycles.entry(hart).or_default() += taken;
        }
    }
    for (number, hart) in (0..).zip(harts.as_array().unwrap()) {
        let count = |event: &str| counts.get(&(event.into(), number)).copied().unwrap_or(0);
        assert_eq!(count("instruction"), hart["instructions"].as_u64().unwrap(), "hart {number}");
        let traps: u64 = hart["traps"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(count("trap"), traps, "hart {number}");
        assert_eq!(count("send"), hart["extensions"]["uipi_sends"].as_u64().unwrap_or(count("send")));
        assert!(cycles[&number] <= hart["cycles"].as_u64().unwrap(), "hart {number}");
    }
    assert!(counts[&("send".into(), 0)] > 100 && counts[&("trap".into(), 1)] > 30, "{counts:?}");
}

/// Under Rocket's model, stage by stage: read by the description of the format.
#[test]
fn the_pipeline_is_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let harts = run(directory.path(), "rocket", Some(("t.kanata", "konata")));
    let text = fs::read_to_string(directory.path().join("t.kanata")).unwrap();
    let ops = kanata::read(&text).unwrap();
    assert!(text.starts_with("Kanata\t0004\nC=\t0\nI\t0\t0\t"), "{}", &text[..100]);
    let retired = ops.iter().filter_map(|op| op.retired);
    let mut numbers: Vec<u64> = retired.collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..60_000), "each that retires has a number");
    // Traps are flushed.
    let traps = ops.iter().filter(|op| op.retired.is_none()).collect::<Vec<_>>();
    assert_eq!(traps.len() as u64, harts[1]["traps"]["user_software"].as_u64().unwrap());
    assert!(traps.iter().all(|op| op.thread == 1 && op.label.ends_with(": trap: user_software, U to U")));
    for op in &ops {
        let stages = op.lane(0);
        assert!(stages.iter().map(|stage| stage.0).eq(["F", "D", "X", "M", "W"]), "{op:?}");
        assert!(stages.is_sorted_by(|a, b| a.1 < b.1), "{op:?}");
        // What holds it up begins behind its first cycle, and adds up to what is said about it.
        let (mut said, mut shown) = (0, 0);
        for cause in op.detail.strip_prefix("held up: ").unwrap_or_default().split(", ") {
            said += cause.rsplit(' ').next().and_then(|cycles| cycles.parse::<u64>().ok()).unwrap_or(0);
        }
        for stage in op.stages.iter().filter(|stage| stage.lane == 1) {
            assert!(stage.begin > op.begin && stage.end <= Some(stages[2].1), "{op:?}");
            shown += stage.end.unwrap() - stage.begin;
        }
        assert!(shown <= said && (said == 0) == op.lane(1).is_empty(), "{op:?}");
        assert_eq!(stages[4].1 + 1, op.end, "{op:?}");
    }
    // One at a time issues on a hart.
    for thread in [0, 1] {
        let mut issued: Vec<u64> =
            ops.iter().filter(|op| op.thread == thread).map(|op| op.lane(0)[2].1).collect();
        issued.sort_unstable();
        assert!(issued.is_sorted_by(|a, b| a < b), "hart {thread}");
    }
}

/// Without a pipeline, and from a log.
#[test]
fn instructions_without_a_pipeline_are_bars() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), "functional", Some(("t.kanata", "konata")));
    run(directory.path(), "functional", Some(("t.log", "spike")));
    let file = |name: &str| directory.path().join(name);
    relsim(&["trace", "convert", "--to", "konata"])
        .args([file("t.log"), file("c.kanata")])
        .assert()
        .success();
    let [traced, converted] =
        ["t.kanata", "c.kanata"].map(|name| kanata::read(&fs::read_to_string(file(name)).unwrap()).unwrap());
    for ops in [&traced, &converted] {
        assert_eq!(ops.iter().filter(|op| op.retired.is_some()).count(), 60_000);
        assert!(ops.iter().all(|op| op.lane(0).len() == 1 && op.lane(0)[0].0 == "E" && op.end > op.begin));
    }
    let labels = |ops: &[kanata::Op], thread| {
        let ops = ops.iter().filter(|op| op.thread == thread && op.retired.is_some());
        // Behind the text, a run knows the function.
        ops.map(|op| op.label.split("  <").next().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(labels(&traced, 1), labels(&converted, 1));
}

#[test]
fn logs_are_compared_and_converted() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    run(directory.path(), "functional", Some(("a.log", "spike")));
    run(directory.path(), "rocket", Some(("b.jsonl", "jsonl")));
    // Two harts that poll do not run as far under another timing model: a log is compared with itself.
    run(directory.path(), "functional", Some(("a.jsonl", "jsonl")));
    let same = |first: &str, second: &str| {
        relsim(&[]).args(["trace", "diff"]).args([file(first), file(second)]).assert()
    };
    same("a.log", "a.jsonl").success().stdout("the same: 60000 instructions\n");
    same("a.log", "b.jsonl").code(1).stdout(contains("differs in"));

    relsim(&[])
        .args(["trace", "convert"])
        .args([file("a.log"), file("c.jsonl")])
        .args(["--to", "jsonl"])
        .assert()
        .success();
    same("a.jsonl", "c.jsonl").success();

    let log = fs::read_to_string(file("a.log")).unwrap();
    let broken: Vec<String> = log
        .lines()
        .enumerate()
        .map(|(n, line)| if n == 999 { line.replace("(0x", "[0x") } else { line.into() })
        .collect();
    fs::write(file("broken.log"), broken.join("\n")).unwrap();
    same("a.log", "broken.log").code(125).stderr(contains(
        "broken.log: line 1000: an instruction in parentheses is wanted behind the address",
    ));
    relsim(&[])
        .args(["trace", "convert"])
        .args([file("stats.json"), file("never")])
        .args(["--to", "vcd"])
        .assert()
        .code(125)
        .stderr(contains("no log of Spike"));
    assert!(!file("never").exists(), "nothing is written for what is no log");
}

#[test]
fn a_condition_chooses_what_is_traced() {
    let directory = tempfile::tempdir().unwrap();
    let run = |file: &str, when: &str| {
        let mut command = relsim(&["run", "--builtin", "uintr", "--quiet", "--timing", "rocket"]);
        command.args(["--max-instructions", "60000", "--trace-when", when]);
        command.arg("--trace").arg(directory.path().join(file)).assert()
    };
    run("t.jsonl", "hart == 1 && priv == 0 && cycle > 20000").code(124);
    let text = fs::read_to_string(directory.path().join("t.jsonl")).unwrap();
    let (mut traps, mut instructions) = (0, 0);
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["hart"], 1, "{line}");
        assert!(event["cycle"].as_u64().unwrap() > 20_000, "{line}");
        match event["event"].as_str().unwrap() {
            "trap" => traps += 1,
            "instruction" => {
                assert_eq!(event["privilege"], "U", "{line}");
                instructions += 1;
            }
            _ => {}
        }
    }
    assert!(traps > 10 && instructions > 1000, "{traps} traps, {instructions} instructions");
    run("t.jsonl", "hart == ").code(125).stderr(contains("--trace-when: expected a number, a name or an"));
    run("t.folded", "hart == 1").code(125).stderr(contains("--trace-when does not go with a profile"));
}
