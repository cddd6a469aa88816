use super::*;
use crate::baseline::file::Number;

const WHOLE: &str = r#"
title = "Whole"
platform = "rocket-uintr"
timing = "rocket"
set = { memory_read_latency = 20 }
guest.bench = "ipc"

[[experiment]]
name = "ipc"
title = "IPC"
builtin = "kernel"
max-cycles = "1e9"
guest = { ops = 100, fast = true }
measures = ["cycles", "result.latency"]
[experiment.sweep]
guest.conc = [1, 2, 4]
set.memory_read_latency = [20, 40]
harts = [2, 4]

[[experiment.mechanism]]
name = "sync"
guest = { mech = "sync", conc = 1 }
append = "quiet"
[experiment.mechanism.published]
source = "somebody"
cycles = 3000
[[experiment.mechanism]]
name = "async"
guest.mech = "async"
guest.ops = 7
harts = 3
published = { source = "them", cycles = { 1 = 10.5, 4 = 2 }, result.latency = { 2 = 1 } }

[[experiment]]
name = "plain"
[[experiment.mechanism]]
name = "one"
image = "a.elf"
"#;

#[test]
fn options_come_from_four_places() {
    let file = parse(WHOLE).unwrap();
    let [ipc, plain] = file.experiments.as_slice() else { panic!() };
    assert_eq!((file.title.as_str(), ipc.title.as_str(), plain.title.as_str()), ("Whole", "IPC", "plain"));
    let axes: Vec<_> = ipc.axes.iter().map(|axis| axis.parameter.as_str()).collect();
    assert_eq!(axes, ["guest.conc", "set.memory_read_latency", "harts"]);
    assert_eq!(ipc.measures, [Measure::Cycles, Measure::Result("latency".into())]);
    // The first mechanism sets conc itself, the second its harts.
    assert_eq!(ipc.mechanisms[0].fixed, [true, false, false]);
    assert_eq!(ipc.mechanisms[1].fixed, [false, false, true]);
    assert_eq!(ipc.runs.iter().filter(|run| run.mechanism == 0).count(), 4);
    assert_eq!(ipc.runs.iter().filter(|run| run.mechanism == 1).count(), 6);

    let run = &ipc.runs[ipc.run(0, &[2, 1, 1]).unwrap()];
    assert_eq!(ipc.describe(run), "ipc: sync, set.memory_read_latency=40, harts=4");
    let words = |run: &Run| run.case.append.as_ref().unwrap().as_ref().clone();
    assert_eq!(words(run), "quiet bench=ipc ops=100 fast=true mech=sync conc=1");
    assert_eq!(run.case.set.values().map(|v| *v.as_ref()).collect::<Vec<_>>(), [40]);
    assert_eq!(run.case.harts.as_ref().map(|h| *h.as_ref()), Some(4));
    assert_eq!(run.case.max_cycles.as_ref().map(|n| n.as_ref()), Some(&Number::Text("1e9".into())));
    assert_eq!(ipc.run(0, &[0, 1, 1]), ipc.run(0, &[2, 1, 1]));

    let run = &ipc.runs[ipc.run(1, &[1, 0, 0]).unwrap()];
    assert_eq!(words(run), "bench=ipc ops=7 fast=true conc=2 mech=async");
    assert_eq!(run.case.harts.as_ref().map(|h| *h.as_ref()), Some(3));
    assert_eq!(ipc.run(1, &[3, 0, 0]), None);

    assert_eq!(plain.runs.len(), 1);
    assert_eq!((plain.runs[0].point.len(), plain.run(0, &[])), (0, Some(0)));
    assert_eq!(plain.runs[0].case.image.as_ref().map(|i| i.as_ref().as_str()), Some("a.elf"));
    assert!(plain.measures.len() > 1);
}

#[test]
fn published_values_are_of_a_point_or_of_all() {
    let file = parse(WHOLE).unwrap();
    let published = |n: usize| file.experiments[0].mechanisms[n].published.clone().unwrap();
    assert_eq!(published(0).at(&Measure::Cycles, Some("4")), Some(3000.0));
    assert_eq!(published(1).at(&Measure::Cycles, Some("1")), Some(10.5));
    assert_eq!(published(1).at(&Measure::Cycles, Some("2")), None);
    assert_eq!(published(1).at(&Measure::Result("latency".into()), Some("2")), Some(1.0));
    assert_eq!(published(1).source, "them");
}

/// What is wrong, with the place that is pointed at.
fn wrong(text: &str) -> (String, &str) {
    let error = parse(text).unwrap_err();
    (error.message, &text[error.span])
}

const BEFORE: &str = "[[experiment]]\nname = 'e'\n";
const MECHANISM: &str = "\n[[experiment.mechanism]]\nname = 'm'\n";

#[test]
fn errors_have_a_place() {
    for (experiment, mechanism, place, message) in [
        ("", "imgae = 'x'", "imgae", "unknown field `imgae`"),
        ("timng = 'x'", "", "timng", "unknown field `timng`"),
        ("harts = 'two'", "", "'two'", "invalid type: string \"two\""),
        ("exit = 1", "", "exit", "relsim check"),
        ("", "counters = []", "counters", "relsim check"),
        ("measures = ['speed']", "", "'speed'", "there is cycles, instructions"),
        ("measures = ['cpu', 'cpu']", "", "'cpu'", "stands twice"),
        ("measures = 'cpu'", "", "'cpu'", "invalid type"),
        ("guest = 3", "", "guest", "guest.NAME = VALUE"),
        ("guest = { a = [] }", "", "[]", "a value is"),
        ("guest = { a = 'x y' }", "", "'x y'", "one word"),
        ("guest = { 'a=' = 1 }", "", "'a='", "without ="),
        ("sweep = 1", "", "1", "sweep is a table"),
        ("sweep.guest = 1", "", "guest", "table of parameters"),
        ("sweep.harts = 1", "", "1", "harts is swept over a list"),
        ("sweep.harts = []", "", "[]", "harts is swept over a list"),
        ("sweep.harts = [1, 2, 1]", "", "1", "1 stands twice"),
        ("sweep.guest.x = [1.5]", "", "1.5", "a value is"),
        ("sweep.colour = ['red']", "", "colour", "unknown field `colour`"),
        ("sweep.harts = ['red']", "", "'red'", "invalid type"),
        ("", "published = 1", "1", "a table with a source"),
        ("", "published = { cycles = 1 }", "{ cycles = 1 }", "have a source"),
        ("", "published = { source = 's', speed = 1 }", "speed", "unknown measure"),
        ("", "published = { source = 's', cycles = 'x' }", "'x'", "is a number"),
        ("", "published = { source = 's', cycles = { 1 = 1 } }", "1", "nothing is swept"),
        ("sweep.harts = [2]", "published = { source = 's', cycles = { 1 = 1 } }", "1", "no value of harts"),
        ("", "name = 'x'", "name", "duplicate key"),
        ("", "\n[[experiment.mechanism]]\nname = 'm'", "'m'", "called m, too"),
        ("", "\n[[experiment.mechanism]]\nname = ''", "''", "not empty"),
        ("", "\n[[experiment]]\nname = 'f'", "'f'", "no [[experiment.mechanism]]"),
        ("", "\n[[experiment]]\nname = 'e'\n[[experiment.mechanism]]\nname = 'm'", "'e'", "called e, too"),
    ] {
        let text = format!("{BEFORE}{experiment}{MECHANISM}{mechanism}\n");
        let (found, at) = wrong(&text);
        assert!(found.contains(message), "{experiment} {mechanism}: {found}");
        assert_eq!(at, place, "{experiment} {mechanism}: {found}");
    }
    assert_eq!(wrong("").0, "there is no [[experiment]]");
    assert!(wrong("experiment = 1").0.contains("[[experiment]]"));
    assert!(
        wrong("[[experiment]]\n[[experiment.mechanism]]\nname = 'a'").0.contains("experiment has no name")
    );
    assert!(
        wrong(&format!("{BEFORE}\n[[experiment.mechanism]]\nharts = 1")).0.contains("mechanism has no name")
    );
    assert!(wrong(&format!("name = 'x'\n{BEFORE}{MECHANISM}")).0.contains("nothing else has"));
    assert!(wrong("[[experiment]").0.len() > 3);
    assert_eq!(wrong("title = 1").1, "1");
}

#[test]
fn nobody_waits_for_a_million_runs() {
    let numbers = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let sweep = format!("sweep.guest = {{ a = [{0}], b = [{0}], c = [{0}] }}", numbers(1000));
    assert!(wrong(&format!("{BEFORE}{sweep}{MECHANISM}")).0.contains("more than 10000 runs"));
}
