//! `relsim run --checkpoint-at` and `--restore`.

mod common;

use common::*;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

/// What decides: statistics without what the host took.
fn counts(path: &std::path::Path) -> Value {
    let mut stats: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    stats.as_object_mut().unwrap().remove("host_seconds").unwrap();
    stats
}

/// A run that goes on from a checkpoint prints the rest and ends with the same statistics.
#[test]
fn a_run_goes_on_with_the_rest() {
    for model in ["functional", "simple", "rocket"] {
        for (harts, typed) in [(1, "one two three four\0"), (4, "a\0")] {
            let files = Files::new();
            let guest = files.guest(&echo());
            let input = files.add("input", typed.as_bytes());
            let (input, harts) = (input.to_str().unwrap(), harts.to_string());
            let go = |more: &[&str], stats: &str| {
                let options =
                    ["-q", "--timing", model, "--harts", &harts, "--stdin", input, "--stats", stats];
                let assert = run(&guest, &[&options, more].concat()).assert().success();
                assert.get_output().stdout.clone()
            };
            let path = |name: &str| files.path(name).to_str().unwrap().to_string();
            let (whole, file) = (path("whole.json"), path("half"));
            let printed = go(&[], &whole);
            let cycles = counts(whole.as_ref())["cycles"].as_u64().unwrap();
            let half = (cycles / 2).to_string();
            let (first, second) = (path("first.json"), path("second.json"));
            assert_eq!(go(&["--checkpoint-at", &half, "--checkpoint", &file], &first), printed);
            let rest = go(&["--restore", &file], &second);
            assert!(printed.ends_with(&rest), "{model}: {printed:?}, {rest:?}");
            assert!(harts != "1" || !rest.is_empty() && rest.len() < printed.len(), "{model}: {rest:?}");
            assert_eq!(counts(first.as_ref()), counts(whole.as_ref()), "{model}");
            assert_eq!(counts(second.as_ref()), counts(whole.as_ref()), "{model}");
        }
    }
}

/// The guests that are built in, with regions, user interrupts and several harts.
#[test]
fn built_in_guests_go_on() {
    let files = Files::new();
    let path = |name: &str| files.path(name).to_str().unwrap().to_string();
    let (whole, file, rest) = (path("whole.json"), path("half"), path("rest.json"));
    for model in ["functional", "rocket"] {
        for guest in ["uintr", "ways"] {
            let go = |more: &[&str]| {
                let options = ["run", "-q", "--builtin", guest, "--timing", model];
                relsim(&[&options, more].concat()).assert().success();
            };
            go(&["--stats", &whole]);
            let cycles = counts(whole.as_ref())["cycles"].as_u64().unwrap();
            let half = (cycles / 2).to_string();
            go(&["--checkpoint-at", &half, "--checkpoint", &file]);
            go(&["--restore", &file, "--stats", &rest]);
            assert_eq!(counts(rest.as_ref()), counts(whole.as_ref()), "{model}, {guest}");
        }
    }
}

#[test]
fn several_points_have_a_file_each() {
    let files = Files::new();
    let guest = files.guest(&echo());
    let input = files.add("input", b"abc\0");
    let file = files.path("point");
    let mut command = run(&guest, &["--stdin", input.to_str().unwrap(), "--checkpoint-at", "100,2000,1e9"]);
    let output = command.arg("--checkpoint").arg(&file).assert().success();
    output.stderr(
        contains("checkpoint at cycle 100: ")
            .and(contains("no checkpoint at cycle 1000000000: the run ended")),
    );
    for (suffix, there) in [("", false), (".100", true), (".2000", true), (".1000000000", false)] {
        let name = format!("point{suffix}");
        assert_eq!(files.path(&name).exists(), there, "{name}");
    }
    // What is restored can be written again, later.
    let mut again = run(&guest, &["-q", "--stdin", input.to_str().unwrap(), "--checkpoint-at", "2000"]);
    again.arg("--checkpoint").arg(files.path("again")).arg("--restore").arg(files.path("point.100"));
    again.assert().success();
    let contents = |name: &str| std::fs::read(files.path(name)).unwrap();
    assert!(contents("again") == contents("point.2000"));
    let mut late = run(&guest, &["-q", "--stdin", input.to_str().unwrap(), "--checkpoint-at", "100"]);
    late.arg("--checkpoint").arg(files.path("late")).arg("--restore").arg(files.path("point.100"));
    late.assert().code(125).stderr(contains("cycle 100 has passed"));
}

#[test]
fn refusals_say_why() {
    let files = Files::new();
    let guest = files.guest(&echo());
    let input = files.add("input", b"abc\0");
    let disk = files.add("disk", &[1; 1024]);
    let file = files.path("point");
    let base = ["-q", "--stdin", input.to_str().unwrap()];
    run(&guest, &base).args(["--checkpoint-at", "500", "--checkpoint"]).arg(&file).assert().success();
    let refused = |guest: &std::path::Path, more: &[&str], why: &str| {
        let mut command = run(guest, &base);
        command.args(more).arg("--restore").arg(&file).assert().code(125).stderr(contains(why));
    };
    refused(&guest, &["--harts", "2"], "another run (harts: 1 there, 2 here)");
    refused(&guest, &["--timing", "rocket"], "(timing model: functional there, rocket here)");
    refused(&guest, &["--mem", "64M"], "(memory: 536870912 bytes there, 67108864 bytes here)");
    refused(&guest, &["--virtio-console"], "(virtio console: none there, there here)");
    refused(&guest, &["--net", "echo"], "(network device 0: missing there, echo here)");
    refused(&guest, &["--disk", disk.to_str().unwrap()], "(disk 0: missing there, copy on write, 1024 bytes");
    let other = files.add("other.elf", &elf(RAM, &bytes(&finish(0x5555)), &[]));
    refused(&other, &[], "(image: SHA-256 ");
    let typed = files.add("typed", b"other\0");
    run(&guest, &["-q", "--stdin", typed.to_str().unwrap(), "--restore"])
        .arg(&file)
        .assert()
        .code(125)
        .stderr(contains("(console input: 4 bytes"));
    let through = format!("{},write", disk.display());
    run(&guest, &["-q", "--disk", &through, "--restore"])
        .arg(&file)
        .assert()
        .code(125)
        .stderr(contains("what the guest writes to the disk"));
    let mut damaged = std::fs::read(&file).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    refused(&guest, &[], "this checkpoint is damaged");
    run(&guest, &["--checkpoint-at", "9"]).assert().code(2).stderr(contains("--checkpoint <FILE>"));
}
