//! Where the cycles of a run went, and what markers in the guest say about it.

mod common;

use std::path::Path;

use common::*;
use predicates::str::contains;
use relsim_markers::{Kind, word};
use serde_json::Value;

/// `slti x0, x0, -1`: a hint of the same kind that is no marker.
const PLAIN_HINT: u32 = 0xfff0_2013;

fn stats(files: &Files, image: &Path, arguments: &[&str]) -> Value {
    let out = files.path("stats.json");
    run(image, &["-q", "--stats", out.to_str().unwrap()]).args(arguments).assert().success();
    serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap()
}

/// Region 1 three times around a loop of 10, 20 and 30 rounds of two instructions, inside of region 2; `mark` makes
/// the markers. Hart 0 ends the run after a while, the others go round for ever.
fn loops(mark: impl Fn(Kind, u16, u8) -> u32) -> Vec<u32> {
    let mut code = vec![csrrs(A6, 0xf14, 0), mark(Kind::Begin, 2, 0)];
    for rounds in [10, 20, 30] {
        code.extend([addi(A0, 0, rounds), mark(Kind::Begin, 1, A0 as u8), addi(A0, A0, -1), bnez(A0, -4)]);
        code.push(mark(Kind::End, 1, 0));
    }
    code.extend([mark(Kind::Instant, 7, A6 as u8), mark(Kind::End, 2, 0)]);
    let back = -4 * (code.len() as i32 - 1);
    // Hart 0 lets the others come to an end of what they are in.
    code.extend([bnez(A6, back), addi(A0, 0, 2000), addi(A0, A0, -1), bnez(A0, -4)]);
    code.extend(finish(0x5555));
    code
}

#[test]
fn regions_are_measured() {
    let files = Files::new();
    let image = files.guest(&loops(word));
    let stats = stats(&files, &image, &["--region-name", "1=loop"]);
    let [one, two] = stats["harts"][0]["regions"].as_array().unwrap().as_slice() else { panic!("{stats}") };
    // Behind the begin marker: two instructions a round, and the end marker.
    let instructions = serde_json::json!({ "total": 123, "min": 21, "max": 61, "mean": 41.0 });
    assert_eq!((&one["id"], &one["name"], &one["count"]), (&1.into(), &"loop".into(), &3.into()));
    assert_eq!(one["instructions"], instructions);
    assert_eq!(one["cycles"], instructions, "each instruction is one cycle");
    assert_eq!(one["values"], serde_json::json!({ "total": 60, "min": 10, "max": 30, "mean": 20.0 }));
    assert_eq!(one.get("cycles_by_cause"), None, "the functional model does not tell");
    // Three times two more, the event, and its own end.
    assert_eq!((&two["count"], &two["instructions"]["total"]), (&1.into(), &(123 + 6 + 2).into()));
    assert_eq!(two.get("name"), None);
    let event = &stats["harts"][0]["events"][0];
    assert_eq!((&event["id"], &event["count"], &event["values"]["max"]), (&7.into(), &1.into(), &0.into()));
}

#[test]
fn their_cycles_have_causes() {
    let files = Files::new();
    let image = files.guest(&loops(word));
    let stats = stats(&files, &image, &["--timing", "rocket", "--harts", "3", "--quantum", "1"]);
    for (number, hart) in stats["harts"].as_array().unwrap().iter().enumerate() {
        for region in hart["regions"].as_array().unwrap() {
            let causes = region["cycles_by_cause"]["m"].as_object().unwrap();
            let sum: u64 = causes.values().map(|n| n.as_u64().unwrap()).sum();
            assert_eq!(region["cycles"]["total"], sum, "hart {number}: {region}");
            assert_eq!(causes["issue"], region["instructions"]["total"], "hart {number}: {region}");
        }
        assert_eq!(hart["events"][0]["values"]["max"], number, "events carry what their hart put there");
    }
}

/// The same program with hints that mean nothing takes the same cycles, whatever the model and the harts.
#[test]
fn markers_cost_what_the_hint_costs() {
    let files = Files::new();
    let with = files.add("with.elf", &elf(RAM, &bytes(&loops(word)), &[]));
    let plain = |_, _, rs1: u8| PLAIN_HINT | u32::from(rs1) << 15;
    let without = files.add("without.elf", &elf(RAM, &bytes(&loops(plain)), &[]));
    for arguments in [
        &["--timing", "functional"][..],
        &["--timing", "rocket"],
        &["--timing", "functional", "--harts", "4"],
        &["--timing", "rocket", "--harts", "4"],
    ] {
        let counts = |image| {
            let stats = stats(&files, image, arguments);
            let hart =
                |h: &Value| [h["cycles"].clone(), h["instructions"].clone(), h["cycles_by_cause"].clone()];
            stats["harts"].as_array().unwrap().iter().map(hart).collect::<Vec<_>>()
        };
        assert_eq!(counts(&with), counts(&without), "{arguments:?}");
    }
    assert_eq!(stats(&files, &without, &[])["harts"][0].get("regions"), None);
}

/// They are as they were when somebody watches.
#[test]
fn observers_change_nothing() {
    let files = Files::new();
    let image = files.guest(&loops(word));
    let log = files.path("log");
    for timing in ["functional", "rocket"] {
        let unseen = stats(&files, &image, &["--timing", timing, "--harts", "2"]);
        let seen = stats(
            &files,
            &image,
            &["--timing", timing, "--harts", "2", "--commit-log", log.to_str().unwrap()],
        );
        assert_eq!(unseen["harts"], seen["harts"], "{timing}");
    }
}

#[test]
fn what_does_not_match_is_reported() {
    let files = Files::new();
    let mut code = vec![word(Kind::End, 3, 0), word(Kind::Begin, 4, 0), word(Kind::Begin, 4, 0)];
    code.extend(finish(0x5555));
    let names = [("__relsim_region_lost", 3), ("__relsim_region_open", 4), ("__relsim_region_none", 5000)];
    let image = files.add("odd.elf", &elf(RAM, &bytes(&code), &names));
    run(&image, &["--region-name", "4=other"])
        .assert()
        .success()
        .stderr(contains("region 3 (lost) was ended without having begun once"))
        .stderr(contains("region 4 (other) was begun and not ended 2 times"));
    let stats = stats(&files, &image, &[]);
    let regions = &stats["harts"][0]["regions"];
    assert_eq!((&regions[0]["unmatched_ends"], &regions[0]["count"]), (&1.into(), &0.into()));
    assert_eq!((&regions[1]["unfinished"], &regions[1]["name"]), (&2.into(), &"open".into()));
}

#[test]
fn every_cycle_of_every_hart_has_a_cause() {
    let files = Files::new();
    let out = files.path("stats.json");
    for harts in ["2", "4"] {
        relsim(&["run", "-q", "--timing", "rocket", "--harts", harts, "--stats", out.to_str().unwrap()])
            .assert()
            .success();
        let stats: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
        let harts = stats["harts"].as_array().unwrap();
        for hart in harts {
            let by_privilege = hart["cycles_by_cause"].as_object().unwrap();
            let causes = by_privilege.values().flat_map(|causes| causes.as_object().unwrap().values());
            let counts: Vec<_> = causes.map(|n| n.as_u64().unwrap()).collect();
            assert_eq!(hart["cycles"], counts.iter().sum::<u64>(), "{hart}");
            assert!(counts.iter().all(|&n| n > 0), "what is 0 is left out: {hart}");
        }
        assert!(harts[1]["cycles_by_cause"]["u"]["issue"].as_u64().unwrap() > 0, "the receiver is in U-mode");
    }
}

#[test]
fn the_breakdown_is_shown() {
    let files = Files::new();
    let image = files.guest(&loops(word));
    let short = run(&image, &["--timing", "rocket"]).assert().success();
    short.stderr(contains("cycles went to ")).stderr(contains("2 regions of interest measured"));
    let full = run(&image, &["--timing", "rocket", "--breakdown", "-q"]).assert().success();
    full.stderr(contains("\nissue ")).stderr(contains("visits"));
    let none = run(&image, &["--breakdown"]).assert().success();
    none.stderr(contains("functional timing does not tell")).stderr(contains("visits"));
    run(&image, &["--region-name", "1024=x"]).assert().failure().stderr(contains("numbers up to 1023"));
}
