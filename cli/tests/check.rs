//! `relsim check`: verdicts and their statuses, recording, and what is said about files that are wrong.

mod common;

use std::path::Path;

use assert_cmd::Command;
use common::*;
use predicates::prelude::*;
use predicates::str::contains;
use relsim_machine::{ParamDef, Shape, Timing};

/// Loads from sixteen cache lines, each of which has to be fetched from memory, prints a line, and ends with
/// `code`.
fn guest(code: u32) -> Vec<u8> {
    let mut words = vec![auipc(T0, 1)];
    words.extend((0..16).map(|line| load(3, T1, T0, 64 * line)));
    words.push(lui(T0, 0x10000));
    for byte in b"seen\n" {
        words.extend([addi(T1, 0, i32::from(*byte)), sb(T1, T0, 0)]);
    }
    words.extend(finish(if code == 0 { 0x5555 } else { code << 16 | 0x3333 }));
    elf(RAM, &bytes(&words), &[])
}

fn check(file: &Path, arguments: &[&str]) -> Command {
    let mut command = relsim(&["check"]);
    command.arg(file).args(arguments);
    command
}

const CASE: &str = "\
# What the guest costs.
[[case]] # the only one
name = \"small\" # its name
image = \"guest.elf\"
timing = \"rocket\"
";

/// A directory with a guest and a file of `text`, whose values were recorded.
fn recorded(text: &str) -> (Files, std::path::PathBuf) {
    let files = Files::new();
    files.add("guest.elf", &guest(0));
    let file = files.add("cases.toml", text.as_bytes());
    check(&file, &["--bless"]).assert().success().stdout(contains("recorded in"));
    (files, file)
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// The recorded value of `key`.
fn value(file: &Path, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap();
    line.parse().unwrap()
}

#[test]
fn a_case_is_new_until_it_is_recorded() {
    let files = Files::new();
    files.add("guest.elf", &guest(0));
    let file = files.add("cases.toml", CASE.as_bytes());
    let new = check(&file, &[]).assert().code(4);
    new.stdout(contains("new             small  ").and(contains("1 case: 1 new\n")).and(contains("--bless")));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), CASE);
    check(&file, &["--bless"]).assert().success().stdout(contains("1 case recorded in"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(CASE), "{text}");
    check(&file, &[]).assert().success().stdout(contains("ok              small  ").and(contains("1 ok\n")));
    check(&file, &["--bless"]).assert().success().stdout(contains("is up to date"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    // What is recorded is what `relsim run` counts.
    let stats =
        run(&files.path("guest.elf"), &["-q", "--timing", "rocket", "--stats", "-"]).output().unwrap();
    let json = stats.stdout.strip_prefix(b"seen\n").unwrap();
    let stats: serde_json::Value = serde_json::from_slice(json).unwrap();
    assert_eq!(value(&file, "cycles"), stats["cycles"].as_u64().unwrap());
    assert_eq!(value(&file, "instructions"), stats["instructions"].as_u64().unwrap());
}

#[test]
fn one_cycle_of_a_parameter_is_a_regression_that_says_why() {
    let (files, file) = recorded(CASE);
    let old = value(&file, "cycles");
    edit(&file, "timing = \"rocket\"\n", "timing = \"rocket\"\nset = { memory_read_latency = 21 }\n");
    let arguments = ["-q", "--timing", "rocket", "--set", "memory_read_latency=21", "--stats", "-"];
    let stats = run(&files.path("guest.elf"), &arguments).output().unwrap().stdout;
    let stats: serde_json::Value = serde_json::from_slice(stats.strip_prefix(b"seen\n").unwrap()).unwrap();
    let new = stats["cycles"].as_u64().unwrap();
    // A cycle for each of the lines.
    assert!(new >= old + 16, "{old} {new}");
    let share = (new - old) as f64 * 100.0 / old as f64;
    let counts = format!("    cycles: {old} -> {new}, +{} (+{share:.2} %)\n", new - old);
    check(&file, &[]).assert().code(1).stdout(
        contains("regression      small  ")
            .and(contains(counts))
            .and(contains("    machine: memory_read_latency 20 -> 21 (set by the case)\n"))
            .and(contains("instructions:").not()),
    );
    edit(&file, "= 21", "= 19");
    check(&file, &[]).assert().code(3).stdout(
        contains("improvement     small  ").and(contains("memory_read_latency 20 -> 19 (set by the case)")),
    );
    // Accepted, it is the baseline.
    check(&file, &["--bless"]).assert().success();
    check(&file, &[]).assert().success();
    assert!(std::fs::read_to_string(&file).unwrap().contains(" memory_read_latency=19 "));
}

/// As a file looks that was recorded by a relsim with another default: its latency was one cycle less.
#[test]
fn another_default_of_relsim_is_a_regression_too() {
    let (_files, file) = recorded(CASE);
    let old = value(&file, "cycles");
    edit(&file, &format!("cycles = {old}"), &format!("cycles = {}", old - 1));
    edit(&file, "memory_read_latency=20", "memory_read_latency=19");
    check(&file, &[]).assert().code(1).stdout(
        contains(format!("cycles: {} -> {old}, +1 (", old - 1))
            .and(contains("machine: memory_read_latency 19 -> 20 (relsim's default)")),
    );
}

#[test]
fn other_inputs_and_other_cases_are_not_compared() {
    let (files, file) = recorded(CASE);
    files.add("guest.elf", &elf(RAM, &bytes(&finish(0x5555)), &[]));
    check(&file, &[])
        .assert()
        .code(5)
        .stdout(contains("not comparable  small").and(contains("the image is not the recorded one")));
    files.add("guest.elf", &guest(0));
    check(&file, &[]).assert().success();
    edit(&file, "timing = ", "harts = 2\ntiming = ");
    let outcome = check(&file, &[]).assert().code(5);
    outcome.stdout(contains("the case is not written as it was").and(contains("machine: harts 1 -> 2\n")));
    check(&file, &["--bless"]).assert().success();
    check(&file, &[]).assert().success();
    edit(&file, "timing = ", "stdin-text = 'x'\ntiming = ");
    check(&file, &[]).assert().code(5).stdout(contains("the stdin is not the recorded one"));
}

#[test]
fn tolerances_are_those_of_the_case_or_of_the_counter() {
    let (_files, file) = recorded(CASE);
    let old = value(&file, "cycles");
    edit(&file, &format!("cycles = {old}"), &format!("cycles = {}", old - 2));
    for (tolerance, status) in [
        ("tolerance = 1", 1),
        ("tolerance = 2", 0),
        ("tolerance = '0.01%'", 1),
        ("tolerance = '5%'", 0),
        ("tolerances = { cycles = 2 }", 0),
        ("tolerances = { instructions = 2 }", 1),
        ("tolerance = 2\ntolerances = { cycles = 1 }", 1),
    ] {
        edit(&file, "timing = \"rocket\"\n", &format!("timing = \"rocket\"\n{tolerance}\n"));
        let outcome = check(&file, &[]).assert().code(status);
        if tolerance.ends_with("%'") && status != 0 {
            outcome.stdout(contains(", tolerance 0.01 %"));
        }
        edit(&file, &format!("{tolerance}\n"), "");
    }
}

#[test]
fn counters_are_chosen_by_their_paths() {
    let files = Files::new();
    // The first ecall traps to itself, for ever.
    files.add("guest.elf", &elf(RAM, &bytes(&[auipc(T0, 0), 0x3052_9073, ECALL]), &[]));
    let text = "[[case]]\nname = 'traps'\nimage = 'guest.elf'\nmax-cycles = 1000\nexit = 'cycle-limit'\n\
                counters = ['harts.0.traps.machine_ecall', 'harts.0.traps.user_ecall']\n";
    let file = files.add("cases.toml", text.as_bytes());
    check(&file, &["--bless"]).assert().success();
    let recorded = std::fs::read_to_string(&file).unwrap();
    let calls = recorded.split("\"harts.0.traps.machine_ecall\" = ").nth(1).unwrap();
    let calls = calls.split(',').next().unwrap().to_string();
    assert!(calls.parse::<u64>().unwrap() > 100 && recorded.contains("\"harts.0.traps.user_ecall\" = 0"));
    edit(&file, &format!("= {calls}"), "= 1");
    let shown = format!("harts.0.traps.machine_ecall: 1 -> {calls}, +");
    check(&file, &[]).assert().code(1).stdout(contains(shown));
    // Chosen since the values were recorded.
    check(&file, &["--bless"]).assert().success();
    edit(&file, "counters = ['", "counters = ['sbi_calls', '");
    check(&file, &[]).assert().code(4).stdout(contains("sbi_calls: 0 (not recorded)"));
    // One that does not exist.
    edit(&file, "'sbi_calls'", "'harts.0.loads'");
    check(&file, &[]).assert().code(125).stdout(
        contains("failed          traps")
            .and(contains(
                "cases.toml:6:13: there is no harts.0.loads in the statistics; harts.0 has counters",
            ))
            .and(contains("             ^^^^^^^^^^^^^^^ here")),
    );
}

#[test]
fn a_run_that_ends_otherwise_is_no_comparison() {
    let (files, file) = recorded(CASE);
    files.add("guest.elf", &guest(3));
    check(&file, &["--bless"]).assert().code(6).stdout(
        contains("unexpected end  small\n")
            .and(contains("expected: the guest exits with code 0; but the guest exited with code 3"))
            .and(contains("    console: seen\n"))
            .and(contains("is up to date")),
    );
    edit(&file, "timing = ", "exit = 3\ntiming = ");
    check(&file, &["--bless"]).assert().success();
    edit(&file, "exit = 3", "exit = 'dead'");
    check(&file, &[]).assert().code(6).stdout(contains("expected: dead; but the guest exited with code 3"));
}

#[test]
fn console_input_is_text_or_a_file() {
    let files = Files::new();
    // Waits for a byte, and ends with it as its code.
    let mut code =
        vec![lui(T0, 0x10000), load(4, T1, T0, 5), andi(T1, T1, 1), beqz(T1, -8), load(4, T1, T0, 0)];
    code.extend([slli(T1, T1, 16)]);
    code.extend(set(A0, 0x3333));
    // add t1, t1, a0
    code.extend([0x00a3_0333, lui(T0, 0x100), sw(T1, T0, 0), LOOP]);
    files.add("guest.elf", &elf(RAM, &bytes(&code), &[]));
    files.add("none", b"!");
    let case = |name: &str, input: &str, exit: u8| {
        format!("[[case]]\nname = '{name}'\nimage = 'guest.elf'\n{input}\nexit = {exit}\n")
    };
    // A file is a file, whatever it is called.
    let text = case("text", "stdin-text = 'A'", b'A') + &case("file", "stdin = 'none'", b'!');
    std::fs::write(files.path("cases.toml"), text).unwrap();
    let mut command = relsim(&["check", "--bless", "cases.toml"]);
    command.current_dir(files.path(".")).assert().success();
    check(&files.path("cases.toml"), &[]).assert().success().stdout(contains("2 ok"));
}

#[test]
fn what_is_wrong_with_a_file_is_pointed_at() {
    let files = Files::new();
    files.add("guest.elf", &guest(0));
    let case = "[[case]]\nname = 'a'\nimage = 'guest.elf'\n";
    for (lines, place, message) in [
        ("harst = 2", "4:1", "unknown field `harst`"),
        ("harts = 1000", "4:9", "takes 1 to"),
        ("harts = true", "4:9", "invalid type: boolean"),
        ("mem = '3Q'", "4:7", "expected a size"),
        ("mem = 1000", "4:7", "whole pages"),
        ("isa = 'rv64gc_zfoo'", "4:7", "unknown or unsupported extension \"zfoo\""),
        ("platform = 'toaster'", "4:12", "unknown platform \"toaster\": there is virt, spike"),
        (
            "timing = 'quantum'",
            "4:10",
            "unknown timing model \"quantum\": there is functional, simple, rocket",
        ),
        ("set.x = 1", "4:5", "the timing model functional has no parameter x"),
        ("timing = 'rocket'\nset.speed = 1", "5:5", "no parameter speed"),
        ("timing = 'rocket'\nset = { refill_beats = 1000 }", "5:9", "refill_beats takes 1 to 64"),
        ("quantum = 0", "4:11", "at least 1 cycle"),
        ("raw = 'x'", "4:7", "expected a number"),
        ("max-cycles = -1", "4:14", "invalid value"),
        ("exit = 'bored'", "4:8", "unknown end \"bored\""),
        ("disk = ['d,write']", "4:9", "another one in the next run"),
        ("net = ['wan']", "4:8", "unknown peer \"wan\": there is echo, loop"),
        ("builtin = 'uintr'", "3:9", "without other software"),
        ("dtb = 'd'\nappend = 'x'", "4:7", "leaves no place"),
        ("stdin = 'a'\nstdin-text = 'b'", "5:14", "from stdin or from stdin-text"),
        ("initrd = ''", "4:10", "no file is named"),
        ("tolerance = '1'x", "4:16", ""),
        ("[[case]]\nname = 'b'", "5:8", "names neither an image, nor firmware"),
        ("recorded = 5", "4:12", "invalid type"),
    ] {
        let file = files.add("cases.toml", format!("{case}{lines}\n").as_bytes());
        let outcome = check(&file, &["--bless"]).assert().code(125).stdout("");
        let line = lines.lines().last().unwrap();
        let first = format!("cases.toml:{place}: ");
        let shown = if place.starts_with('3') { "image = 'guest.elf'" } else { line };
        outcome.stderr(
            predicates::str::starts_with("relsim: ")
                .and(contains(first))
                .and(contains(message))
                .and(contains("^ here"))
                .and(contains(if lines.starts_with("dtb") { "dtb = 'd'" } else { shown })),
        );
    }
    let file = files.add("cases.toml", b"\n");
    check(&file, &[]).assert().code(125).stderr(contains("cases.toml:1:1: there is no [[case]]"));
    let file = files.add("cases.toml", b"\xff");
    check(&file, &[]).assert().code(125).stderr(contains("cannot read the cases"));
    check(&files.path("none.toml"), &[]).assert().code(125).stderr(contains("cannot read the cases"));
}

/// Four cases with an ending each, and the statuses that the worst of them decides.
#[test]
fn the_worst_case_decides_and_jobs_do_not() {
    let files = Files::new();
    files.add("guest.elf", &guest(0));
    let mut text = String::new();
    for (name, image) in [("first", "guest.elf"), ("second", "missing.elf"), ("third", "guest.elf")] {
        text += &format!("[[case]]\nname = '{name}'\nimage = '{image}'\ntiming = 'rocket'\n");
    }
    text += "[[case]]\nname = 'fourth'\nbuiltin = 'uintr'\ncounters = ['harts.1.user_interrupts']\n";
    let file = files.add("cases.toml", text.as_bytes());
    // What can be recorded is.
    let outcome = check(&file, &["--bless"]).assert().code(125);
    outcome.stdout(contains("4 cases: 3 new, 1 failed").and(contains("3 cases recorded")));
    let mut shown = Vec::new();
    for jobs in ["1", "2", "9"] {
        let (markdown, junit) = (files.path("summary.md"), files.path("junit.xml"));
        let outcome = check(&file, &["--jobs", jobs])
            .args([Path::new("--markdown"), &markdown, Path::new("--junit"), &junit])
            .assert()
            .code(125);
        let read = |path| std::fs::read_to_string(path).unwrap();
        shown.push((outcome.get_output().stdout.clone(), read(markdown), read(junit)));
    }
    assert!(shown.iter().all(|all| *all == shown[0]));
    let text = String::from_utf8(shown[0].0.clone()).unwrap();
    let places =
        ["first", "second", "third", "fourth", "4 cases: 3 ok, 1 failed\n"].map(|n| text.find(n).unwrap());
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains("cannot read the image"), "{text}");
    edit(&file, "missing.elf", "guest.elf");
    check(&file, &[]).assert().code(4).stdout(contains("4 cases: 3 ok, 1 new"));
}

#[test]
fn summaries_for_ci() {
    let text = format!("{CASE}\n[[case]]\nname = 'a|<b>'\nimage = 'guest.elf'\n");
    let (files, file) = recorded(&text);
    edit(&file, "timing = \"rocket\"\n", "timing = \"rocket\"\nset.memory_read_latency = 21\n");
    let (markdown, junit) = (files.path("summary.md"), files.path("junit.xml"));
    check(&file, &[])
        .args([Path::new("--markdown"), &markdown, Path::new("--junit"), &junit])
        .assert()
        .code(1);
    let markdown = std::fs::read_to_string(markdown).unwrap();
    let old = value(&file, "cycles");
    for part in [
        "2 cases: 1 ok, 1 regression\n",
        "\n### small: regression\n\n| counter | recorded | now | difference | per cent | |\n|---|--:|",
        &format!("\n| cycles | {old} | "),
        " % | regression |\n| instructions | ",
        " | +0 | +0.00 % |  |\n\n- machine: memory\\_read\\_latency 20 -&gt; 21 (set by the case)\n",
        "\n### a\\|&lt;b&gt;: ok\n",
    ] {
        assert!(markdown.contains(part), "{part}\n{markdown}");
    }
    let junit = std::fs::read_to_string(junit).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&junit).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (2, 1, 0));
    let cases = &report.test_suites[0].test_cases;
    assert_eq!((cases[0].name.as_str(), cases[1].name.as_str()), ("small", "a|<b>"));
    assert!(junit.contains("type=\"regression\"") && junit.contains("memory_read_latency 20"), "{junit}");
    let nowhere = files.path("no/such/directory");
    check(&file, &["--markdown"])
        .arg(nowhere)
        .assert()
        .code(125)
        .stderr(contains("cannot write the summary"));
}

#[cfg(unix)]
/// Loads from `lines` cache lines, then from the first of them eight times over, as the functions `cold` and
/// `warm`, and ends.
fn functions(lines: i32) -> Vec<u8> {
    let mut words = vec![auipc(T0, 1)];
    words.extend((0..lines).map(|line| load(3, T1, T0, 64 * line)));
    let cold = 4 * words.len() as u64;
    words.extend((0..8).map(|_| load(3, T1, T0, 0)));
    words.extend(finish(0x5555));
    let warm = 4 * words.len() as u64 - cold;
    elf_with(RAM, &bytes(&words), &[("cold", RAM, cold), ("warm<T>|x", RAM + cold, warm)])
}

#[test]
fn functions_that_changed_are_told() {
    let files = Files::new();
    files.add("guest.elf", &functions(16));
    let file = files.add("cases.toml", CASE.as_bytes());
    check(&file, &["--bless"]).assert().success();
    let cycles = value(&file, "cycles");
    // Chosen since the values were recorded: nothing is wrong with those.
    edit(&file, "timing = \"rocket\"\n", "timing = \"rocket\" # a model\nfunctions = 3 # all\n");
    check(&file, &[])
        .assert()
        .success()
        .stdout(contains("    no functions are recorded yet: relsim check --bless"));
    check(&file, &["--bless"]).assert().success().stdout(contains("1 case recorded in"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("functions = 3 # all\n") && value(&file, "cycles") == cycles, "{text}");
    let recorded = text.lines().find_map(|line| line.strip_prefix("functions = { ")).unwrap();
    let recorded: Vec<(&str, u64)> = recorded
        .trim_end_matches(" }")
        .split(", ")
        .map(|entry| entry.split_once(" = ").unwrap())
        .map(|(name, cycles)| (name.trim_matches('"'), cycles.parse().unwrap()))
        .collect();
    let names: Vec<_> = recorded.iter().map(|entry| entry.0).collect();
    assert_eq!(names, ["0x1000", "cold", "warm<T>|x"]);
    assert_eq!(recorded.iter().map(|entry| entry.1).sum::<u64>(), cycles);
    check(&file, &[]).assert().success().stdout(contains("functions").not());
    check(&file, &["--bless"]).assert().success().stdout(contains("is up to date"));

    edit(&file, "timing = \"rocket\"", "set.memory_read_latency = 21\ntiming = \"rocket\"");
    let (cold, summary) = (recorded[1].1, files.path("summary.md"));
    let told = format!("    functions whose cycles changed most:\n        cold: {cold} -> ");
    check(&file, &["--markdown", summary.to_str().unwrap()]).assert().code(1).stdout(contains(told));
    let markdown = std::fs::read_to_string(&summary).unwrap();
    let table = format!(
        "\nFunctions whose cycles changed most:\n\n| function | recorded | now | difference | per cent |\n\
         |---|--:|--:|--:|--:|\n| cold | {cold} | "
    );
    assert!(markdown.contains(&table), "{markdown}");

    // Of another image, too; what is new there is named if it weighs enough.
    edit(&file, "set.memory_read_latency = 21\n", "");
    files.add("guest.elf", &functions(8));
    let less = check(&file, &["--markdown", summary.to_str().unwrap()]).assert().code(5);
    less.stdout(contains("the image is not the recorded one").and(contains(format!("cold: {cold} -> "))));
    let markdown = std::fs::read_to_string(&summary).unwrap();
    assert!(markdown.contains("| cold |") && !markdown.contains("<T>"), "{markdown}");
    edit(&file, "functions = 3 # all\n", "");
    check(&file, &["--bless"]).assert().success();
    assert!(!std::fs::read_to_string(&file).unwrap().contains("functions"));
}

/// The case `name` of relsim's own checks, with its recorded values and `set`, under the name `alias`; its files are
/// those of the repository.
fn own_case(name: &str, alias: &str, set: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/checks");
    let text = std::fs::read_to_string(directory.join("relsim.toml")).unwrap();
    let head = format!("\nname = \"{name}\"\n");
    let case = text.split("[[case]]").find(|case| case.starts_with(&head)).unwrap();
    let case = case.replace(&head, &format!("\nname = \"{alias}\"\nset = {{ {set} }}\n"));
    let case = case.replace("image = \"../", &format!("image = \"{}/../", directory.display()));
    format!("[[case]]{case}")
}

/// Parameters of `rocket` of which one more or less changes none of the cases below, and why.
const MATTERS_TO_NO_CASE: &[(&str, &str)] = &[
    ("itlb_sectors", "no case fetches from more pages than it holds"),
    ("itlb_superpages", "the same"),
    ("dtlb_superpages", "no case uses more of them than it holds"),
    ("clint_occupied", "no two harts access it at once"),
    ("plic_occupied", "the same"),
    ("timer_arrival", "no timer interrupts"),
];

/// Every parameter, changed by one (powers of two: doubled), in those of relsim's own cases that need no other
/// files: the check fails and names it.
#[test]
fn every_parameter_that_matters_fails_a_check_and_is_named() {
    let files = Files::new();
    let mut left: Vec<_> = Timing::by_name("rocket").unwrap().model().parameters.iter().collect();
    let changed = |parameter: &ParamDef| match parameter.shape {
        Shape::PowerOfTwo => parameter.default * 2,
        Shape::Any if parameter.default == parameter.max => parameter.default - 1,
        Shape::Any => parameter.default + 1,
    };
    for case in ["hazards, rocket", "user interrupts, rocket"] {
        let texts = left.iter().map(|p| own_case(case, p.name, &format!("{} = {}", p.name, changed(p))));
        let file = files.add("cases.toml", texts.collect::<String>().as_bytes());
        let output = check(&file, &[]).assert().code(1).get_output().stdout.clone();
        let output = String::from_utf8(output).unwrap();
        left.retain(|p| {
            let of = |line: &&str| line.split_whitespace().rev().nth(4) == Some(p.name);
            let mut lines = output.lines().skip_while(|line| line.starts_with(' ') || !of(line));
            let verdict = lines.next().unwrap_or_else(|| panic!("{case}, {}: {output}", p.name));
            let details: Vec<_> = lines.take_while(|line| line.starts_with(' ')).map(str::trim).collect();
            let why = format!("machine: {} {} -> {} (set by the case)", p.name, p.default, changed(p));
            assert!(details.contains(&why.as_str()), "{case}, {}: {output}", p.name);
            if verdict.starts_with("ok ") {
                return true;
            }
            let shown = verdict.starts_with("regression ") || verdict.starts_with("improvement ");
            let counts = details.iter().any(|line| line.starts_with("cycles: "));
            assert!(shown && counts, "{case}, {}: {verdict}\n{details:?}", p.name);
            false
        });
    }
    let left: Vec<_> = left.iter().map(|p| p.name).collect();
    let known: Vec<_> = MATTERS_TO_NO_CASE.iter().map(|row| row.0).collect();
    assert_eq!(left, known);
}

#[test]
fn ctrl_c_leaves_the_file_alone() {
    use std::process::{Command, Stdio};
    let files = Files::new();
    files.add("guest.elf", &elf(RAM, &bytes(&[LOOP]), &[]));
    let text = "[[case]]\nname = 'endless'\nimage = 'guest.elf'\n";
    let file = files.add("cases.toml", text.as_bytes());
    let mut child = Command::new(env!("CARGO_BIN_EXE_relsim"))
        .args(["check", "--bless"])
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Until the handler is there, SIGINT would just kill it.
    std::thread::sleep(std::time::Duration::from_secs(1));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}
