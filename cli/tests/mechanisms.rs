//! The benchmarks of mechanisms that are built in come to their end and find nothing wrong, beyond what the checks and
//! the comparison run.

mod common;

use common::relsim;

/// Runs the benchmark that `append` says on `harts` harts, without timing: its last line.
fn result(harts: &str, append: &str) -> String {
    let mut command = relsim(&["run", "-q", "--builtin", "bench", "--platform", "rocket-uintr"]);
    let assert =
        command.args(["--harts", harts, "--max-cycles", "4e8", "--append", append]).assert().success();
    let console = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let line = console.lines().rev().find_map(|line| line.strip_prefix("result "));
    line.unwrap_or_else(|| panic!("{append}: no result:\n{console}")).to_owned()
}

#[track_caller]
fn assert_right(harts: &str, append: &str) -> String {
    let line = result(harts, append);
    assert!(line.contains(" errors=0 "), "{append}: {line}");
    line
}

/// An executor that does not sleep has its requests served all the same.
#[test]
fn asynchronous_calls_of_one_that_polls() {
    let here = assert_right("1", "bench=calls mech=async idle=poll conc=8 ops=160");
    // Ten rounds of eight pairs, two calls each.
    assert!(here.contains(" calls=20 "), "{here}");
    assert_right("2", "bench=calls mech=elsewhere idle=poll conc=8 ops=160");
}

#[test]
fn as_many_under_way_as_the_comparison_has() {
    for (harts, append) in [
        ("1", "bench=ipc mech=async conc=512 ops=1024"),
        ("2", "bench=ipc mech=async conc=512 ops=1024 server=1 idle=halt"),
        ("1", "bench=calls mech=async conc=512 ops=2048"),
        ("2", "bench=calls mech=elsewhere conc=512 ops=2048 idle=halt"),
    ] {
        assert_right(harts, append);
    }
}

#[test]
fn calls_on_capabilities_are_served() {
    for call in ["copy", "mint", "retype"] {
        let conc = "conc=64 ops=512";
        assert_right("1", &format!("bench=calls call={call} mech=sync {conc}"));
        assert_right("1", &format!("bench=calls call={call} mech=async {conc}"));
    }
    assert_right("2", "bench=calls call=retype mech=elsewhere conc=64 ops=512 idle=halt");
}

/// User interrupts without end do not keep a hart from others: the benchmark finds an error if a thread waits longer
/// than without them.
#[test]
fn a_flood_starves_nobody() {
    for receiver in ["runs", "sleeps"] {
        assert_right("2", &format!("bench=flood mech={receiver}"));
    }
}
