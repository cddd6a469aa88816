//! `--timing`, `--set` and `relsim timing`.

mod common;

use common::*;
use predicates::str::{contains, starts_with};
use relsim_machine::TIMING_MODELS;

/// What `relsim ARGUMENTS` writes to standard output.
fn output(arguments: &[&str]) -> String {
    let output = relsim(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn models_are_listed_and_shown() {
    let list = output(&["timing", "list"]);
    assert_eq!(list.lines().count(), TIMING_MODELS.len());
    for model in TIMING_MODELS {
        assert!(list.contains(model.name) && list.contains(model.summary));
        let shown = output(&["timing", "show", model.name]);
        let json: serde_json::Value =
            serde_json::from_str(&output(&["timing", "show", "--format", "json", model.name])).unwrap();
        let parameters = json["parameters"].as_array().unwrap();
        assert_eq!(parameters.len(), model.parameters.len());
        for (row, param) in parameters.iter().zip(model.parameters) {
            assert_eq!((&row["name"], &row["value"]), (&param.name.into(), &param.default.into()));
            assert!(shown.contains(&format!("\n{} ", param.name)));
        }
        assert!(model.fixed.iter().all(|f| shown.contains(&format!("\n{} ", f.name))));
    }
}

#[test]
fn what_is_shown_as_toml_can_be_edited_and_given_back() {
    let files = Files::new();
    for model in TIMING_MODELS {
        let text = output(&["timing", "show", "--format", "toml", model.name]);
        let file = files.add("model.toml", text.as_bytes());
        let again = output(&["timing", "show", "--format", "toml", file.to_str().unwrap()]);
        assert_eq!(text, again, "{}", model.name);
    }
    let text = output(&["timing", "show", "--format", "toml", "rocket"]);
    let edited = text.replace("\nmemory_read_latency = 20\n", "\nmemory_read_latency = 40\n");
    assert_ne!(text, edited);
    let file = files.add("edited.toml", edited.as_bytes());
    let again = output(&["timing", "show", "--format", "toml", file.to_str().unwrap()]);
    assert_eq!(again, edited);
    let shown = output(&["timing", "show", file.to_str().unwrap()]);
    assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains("; default 20)"), "{shown}");
}

#[test]
fn a_run_uses_the_file_and_what_is_set_on_top() {
    let files = Files::new();
    let guest = files.guest(&finish(0x5555));
    let model = files.add("slow.toml", b"model = \"simple\"\n[parameters]\nl1i_miss = 1_000\nl1d_miss = 0\n");
    let stats = |arguments: &[&str]| {
        let output = run(&guest, &["-q", "--stats", "-"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let named = stats(&["--timing", "simple", "--set", "l1i_miss=1000", "--set", "l1d_miss=0"]);
    let slow = stats(&["--timing", model.to_str().unwrap()]);
    assert_eq!((&named["hash"], &named["cycles"]), (&slow["hash"], &slow["cycles"]));
    assert!(slow["cycles"].as_u64().unwrap() > 2000);
    assert_eq!(slow["config"]["timing"], "simple");
    assert_eq!(slow["config"]["timing_parameters"]["l1i_miss"], 1000);
    let fast = stats(&["--timing", model.to_str().unwrap(), "--set", "l1i_miss=0"]);
    assert_eq!(fast["cycles"], stats(&[])["cycles"]);
    assert_ne!(fast["hash"], slow["hash"]);
}

#[test]
fn errors_in_a_file_point_into_it() {
    let files = Files::new();
    let guest = files.guest(&finish(0x5555));
    let refused = |text: &str| {
        let file = files.add("model.toml", text.as_bytes());
        let by_show = relsim(&["timing", "show", file.to_str().unwrap()]).output().unwrap();
        let by_run = run(&guest, &["--timing", file.to_str().unwrap()]).output().unwrap();
        assert_eq!((by_run.status.code(), &by_run.stderr), (Some(125), &by_show.stderr));
        let text = String::from_utf8(by_run.stderr).unwrap();
        text.replace(file.to_str().unwrap(), "FILE")
    };
    assert_eq!(
        refused("model = \"rocket\"\n\n[parameters]\nmemory_read_latncy = 40\n"),
        "relsim: FILE:4:1: the timing model rocket has no parameter memory_read_latncy\n    \
         memory_read_latncy = 40\n    ^^^^^^^^^^^^^^^^^^\n  \
         help: did you mean memory_read_latency? `relsim timing show rocket` lists the parameters\n"
    );
    assert_eq!(
        refused("model = \"rocket\"\n[parameters]\nl1d_sets = 100_000 # large\n"),
        "relsim: FILE:3:12: l1d_sets takes 1 to 4096 sets, not 100000\n    \
         l1d_sets = 100_000 # large\n               ^^^^^^^\n"
    );
    assert_eq!(
        refused("model = \"rokcet\"\n"),
        "relsim: FILE:1:9: there is no timing model \"rokcet\"\n    model = \"rokcet\"\n            ^^^^^^^^\n  \
         help: did you mean \"rocket\"? `relsim timing list` shows the models\n"
    );
    assert!(
        refused("model = \"rocket\"\n[parameters]\nl1d_sets = \"64\"\n")
            .contains("FILE:3:12: l1d_sets is an integer")
    );
    assert!(refused("model = \"rocket\n").starts_with("relsim: FILE:1:"));
    assert!(refused("").starts_with("relsim: FILE:1:1: the file does not name its model\n"));
    assert!(refused(&"#\n".repeat(600_000)).contains("larger than 1048576 bytes"));
}

#[test]
fn wrong_names_are_answered_with_help() {
    let model = relsim(&["timing", "show", "rokcet"]).assert().code(125);
    model.stderr(
        "relsim: there is no timing model rokcet, and no such file\n  \
         help: did you mean rocket? `relsim timing list` shows the models\n",
    );
    let file = relsim(&["timing", "show", "no/such.toml"]).assert().code(125);
    file.stderr(starts_with("relsim: cannot read the timing model no/such.toml"));
    let files = Files::new();
    let guest = files.guest(&finish(0x5555));
    let set = |timing, setting| run(&guest, &["--timing", timing, "--set", setting]).assert();
    set("rocket", "memory_reed_latency=4").code(125).stderr(
        "relsim: --set: the timing model rocket has no parameter memory_reed_latency\n  \
         help: did you mean memory_read_latency? `relsim timing show rocket` lists the parameters\n",
    );
    set("rocket", "l1d_ways=3").code(125).stderr("relsim: --set: l1d_ways takes powers of two, not 3\n");
    set("rocket", "ras_entries=3").code(125).stderr(contains("ras_entries is fixed at 6 entries"));
    set("functional", "x=3").code(125).stderr(contains("this one has no parameters"));
    set("rocket", "l1d_ways").code(2).stderr(contains("KEY=VALUE"));
    set("rocket", "l1d_ways=many").code(2).stderr(contains("expected a number"));
}
