//! Our Perfetto files, read by the schema that Perfetto publishes (`perfetto_reader.py`, which is strict about what
//! Perfetto's trace processor is lenient about).

mod common;

use std::path::Path;
use std::process::Command;

use common::relsim;
use relsim_tests::boot::assets::python;
use serde_json::{Value, json};

/// What the reader says about a file, or what it complains about.
fn read(trace: &Path) -> Result<Value, String> {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/perfetto_reader.py");
    let output = Command::new(python::interpreter()).arg(reader).arg(trace).output();
    let output = output.expect("a Python with the package perfetto, which `cargo xtask setup` installs");
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Runs `words` and `more` with a trace; gives the statistics, what the reader says, and the file.
fn traced(directory: &Path, words: &str, more: &[&str], status: i32) -> (Value, Value, Vec<u8>) {
    let (trace, stats) = (directory.join("trace.pftrace"), directory.join("stats.json"));
    let mut command = relsim(&["run", "--quiet", "--timing", "rocket"]);
    command.args(words.split(' ')).args(more).arg("--trace").arg(&trace).arg("--stats").arg(&stats);
    command.assert().code(status);
    let stats = serde_json::from_slice(&std::fs::read(&stats).unwrap()).unwrap();
    (stats, read(&trace).unwrap(), std::fs::read(&trace).unwrap())
}

/// The sum of the numbers of an object whose names begin with `prefix`.
fn sum(object: &Value, prefix: &str) -> u64 {
    let entries = object.as_object().unwrap().iter().filter(|(name, _)| name.starts_with(prefix));
    entries.filter_map(|(_, count)| count.as_u64()).sum()
}

#[test]
fn user_interrupts_are_arrows_to_handlers() {
    let directory = tempfile::tempdir().unwrap();
    let (stats, seen, file) = traced(directory.path(), "--builtin uintr --max-instructions 60000", &[], 124);
    let receiver = &stats["harts"][1];
    let taken = receiver["traps"]["user_software"].as_u64().unwrap();
    assert!(taken > 200, "{stats}");
    let tracks = &seen["tracks"];
    assert_eq!(tracks["1/hart 0"]["instants"], json!({ "uipi.send": taken }));
    assert_eq!(tracks["1/hart 1"]["slices"], json!({ "user": 1, "user_software": taken }));
    // A cycle is 10 ns. Handlers are in it: the slice is the whole of user mode.
    let user = tracks["1/hart 1"]["nanoseconds"]["user"].as_u64().unwrap();
    assert!(user < 10 * receiver["cycles"].as_u64().unwrap() && user > 800_000, "{seen}");
    assert_eq!(tracks["user interrupts sent"]["last"], taken);
    assert_eq!(tracks["user interrupts taken"]["last"], taken);
    assert_eq!(seen["arrows"], json!({ "uipi.send -> user_software": taken }));

    // The reader sees what is wrong: what the schema does not have, and a slice that never ends.
    let unknown = directory.path().join("unknown");
    std::fs::write(&unknown, [&file[..], &[0x0a, 3, 0xf8, 0x7f, 0x01]].concat()).unwrap();
    assert!(read(&unknown).unwrap_err().contains("perfetto_reader: a field"), "{:?}", read(&unknown));
    let cut = directory.path().join("cut");
    std::fs::write(&cut, &file[..packets(&file).last().copied().unwrap()]).unwrap();
    assert!(read(&cut).unwrap_err().contains("perfetto_reader: never ended"), "{:?}", read(&cut));
}

/// Where the packets of a trace begin.
fn packets(file: &[u8]) -> Vec<usize> {
    let (mut at, mut all) = (0, Vec::new());
    while at < file.len() {
        all.push(at);
        assert_eq!(file[at], 0x0a, "field 1, with a length");
        let (mut length, mut shift) = (0, 0);
        loop {
            at += 1;
            length |= usize::from(file[at] & 0x7f) << shift;
            shift += 7;
            if file[at] & 0x80 == 0 {
                break;
            }
        }
        at += 1 + length;
    }
    all
}

/// The kernel's calls: threads that run by turns, arrows to the one that answers and back, and what is measured.
#[test]
fn calls_are_arrows_between_threads() {
    const CALLS: u64 = 40;
    let directory = tempfile::tempdir().unwrap();
    let append = format!("bench=ipc mech=fast ops={CALLS}");
    let (stats, seen, _) = traced(directory.path(), "--builtin bench --harts 1", &["--append", &append], 0);
    let hart = &seen["tracks"]["1/hart 0"];
    for (name, count) in stats["harts"][0]["traps"].as_object().unwrap() {
        assert_eq!(&hart["slices"][name], count, "{name}: {seen}");
    }
    // In user mode and in traps from it, from the first instruction of user mode to the last.
    let cycles = stats["harts"][0]["cycles"].as_u64().unwrap();
    let covered = sum(&hart["nanoseconds"], "user") + sum(&hart["nanoseconds"], "supervisor_timer");
    assert!((9 * cycles..=10 * cycles).contains(&covered), "{covered} ns of {cycles} cycles");
    let threads = seen["tracks"].as_object().unwrap().iter().filter(|(name, _)| name.starts_with("2/"));
    let threads: Vec<_> = threads.map(|(_, track)| track).collect();
    assert_eq!(threads.len(), 2, "{seen}");
    let runs: u64 = threads.iter().map(|track| sum(&track["slices"], "hart 0")).sum();
    let calls = sum(&hart["instants"], "fast_call") + sum(&seen["arrows"], "call ->");
    assert!(calls > CALLS, "{seen}");
    assert_eq!(seen["arrows"]["hart 0 -> hart 0"], calls, "each is answered");
    assert_eq!(runs, 2 * calls + 1, "the client begins, and each call is two switches");
    // What the guest measures goes on over its traps.
    let region = &seen["tracks"]["1/hart 0: regions of user mode"];
    assert_eq!(region["slices"], json!({ "measured": 1 }));
    let measured =
        stats["harts"][0]["regions"].as_array().unwrap().iter().find(|one| one["id"] == 1).unwrap();
    assert_eq!(
        region["nanoseconds"]["measured"],
        10 * measured["cycles"]["total"].as_u64().unwrap(),
        "{measured}"
    );
}
