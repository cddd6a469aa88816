//! Holding what was measured against what is recorded.

use std::collections::{BTreeMap, BTreeSet};

use super::{Measured, Tolerance, Verdict};

/// One counter, then and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub counter: String,
    /// The recorded value, if there is one.
    pub old: Option<u64>,
    /// The value now.
    pub new: u64,
    /// What was allowed.
    pub tolerance: Tolerance,
    /// What to think of it.
    pub verdict: Verdict,
}

impl Change {
    /// The difference, if there is something to differ from.
    pub fn difference(&self) -> Option<i128> {
        self.old.map(|old| i128::from(self.new) - i128::from(old))
    }

    /// The difference as a part of the old value, in per cent; none if that was 0.
    pub fn percent(&self) -> Option<f64> {
        let old = self.old.filter(|&old| old > 0)?;
        self.difference().map(|difference| difference as f64 * 100.0 / old as f64)
    }
}

/// A property of the machine that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// What it was; none if the machine had no such property.
    pub old: Option<String>,
    /// What it is.
    pub new: Option<String>,
}

/// Why the recorded values belong to something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// An input is another one, or one of the two is missing.
    Input(String),
    /// The case is written otherwise.
    Case,
}

/// The outcome for one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The worst of all changes; not comparable if there is an obstacle.
    pub verdict: Verdict,
    /// Every counter, in the order of [`Measured::counts`]. Where there is an obstacle, their verdicts say so.
    pub changes: Vec<Change>,
    /// What is different about the machine.
    pub machine: Vec<Setting>,
    /// Why nothing can be said.
    pub obstacles: Vec<Obstacle>,
}

/// Compares. `tolerance` says what is allowed for a counter.
pub fn compare(
    recorded: Option<&Measured>,
    measured: &Measured,
    tolerance: impl Fn(&str) -> Tolerance,
) -> Comparison {
    let obstacles = recorded.map_or_else(Vec::new, |recorded| obstacles(recorded, measured));
    let machine =
        recorded.map_or_else(Vec::new, |recorded| differences(&recorded.machine, &measured.machine));
    let changes: Vec<Change> = measured
        .counts()
        .map(|(counter, new)| {
            let old = recorded.and_then(|recorded| recorded.count(counter));
            let tolerance = tolerance(counter);
            let verdict = match old {
                None => Verdict::New,
                Some(_) if !obstacles.is_empty() => Verdict::NotComparable,
                Some(old) if tolerance.admits(old, new) => Verdict::Ok,
                Some(old) if new > old => Verdict::Regression,
                Some(_) => Verdict::Improvement,
            };
            Change { counter: counter.to_string(), old, new, tolerance, verdict }
        })
        .collect();
    let verdict = changes.iter().map(|change| change.verdict).max().unwrap_or(Verdict::New);
    Comparison { verdict, changes, machine, obstacles }
}

fn obstacles(recorded: &Measured, measured: &Measured) -> Vec<Obstacle> {
    let names: BTreeSet<&String> = recorded.inputs.keys().chain(measured.inputs.keys()).collect();
    let changed = names.into_iter().filter(|name| recorded.inputs.get(*name) != measured.inputs.get(*name));
    let mut obstacles: Vec<_> = changed.map(|name| Obstacle::Input(name.clone())).collect();
    if recorded.case != measured.case {
        obstacles.push(Obstacle::Case);
    }
    obstacles
}

/// What differs between two descriptions, in the order of the new one, then what only the old one has.
fn differences(old: &str, new: &str) -> Vec<Setting> {
    fn parse(text: &str) -> Vec<(&str, &str)> {
        text.split_whitespace().map(|word| word.split_once('=').unwrap_or((word, ""))).collect()
    }
    let (old, new) = (parse(old), parse(new));
    let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (old.iter().copied().collect(), new.iter().copied().collect());
    let gone = old.iter().filter(|(name, _)| !after.contains_key(name));
    let mut seen = BTreeSet::new();
    new.iter()
        .chain(gone)
        .map(|(name, _)| *name)
        .filter(|name| before.get(name) != after.get(name) && seen.insert(*name))
        .map(|name| Setting {
            name: name.into(),
            old: before.get(name).map(|value| value.to_string()),
            new: after.get(name).map(|value| value.to_string()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cycles: u64, instructions: u64) -> Measured {
        Measured {
            cycles,
            instructions,
            counters: [("harts.0.traps.user_ecall".to_string(), 10)].into(),
            functions: [].into(),
            inputs: [("image".to_string(), "aa".to_string())].into(),
            case: "cc".into(),
            machine: "harts=1 timing=rocket memory_read_latency=20".into(),
        }
    }

    fn exact(_: &str) -> Tolerance {
        Tolerance::default()
    }

    #[test]
    fn the_same_is_ok() {
        let same = compare(Some(&measured(100, 50)), &measured(100, 50), exact);
        assert_eq!(same.verdict, Verdict::Ok);
        assert_eq!((same.machine.len(), same.obstacles.len(), same.changes.len()), (0, 0, 3));
        assert_eq!(same.changes[0].difference(), Some(0));
    }

    #[test]
    fn one_more_is_a_regression_and_one_less_an_improvement() {
        let old = measured(100, 50);
        let more = compare(Some(&old), &measured(101, 50), exact);
        assert_eq!(more.verdict, Verdict::Regression);
        assert_eq!((more.changes[0].difference(), more.changes[0].percent()), (Some(1), Some(1.0)));
        assert_eq!(more.changes[1].verdict, Verdict::Ok);
        let less = compare(Some(&old), &measured(100, 49), exact);
        assert_eq!(less.verdict, Verdict::Improvement);
        assert_eq!((less.changes[1].difference(), less.changes[1].percent()), (Some(-1), Some(-2.0)));
        // The worse of the two counts.
        assert_eq!(compare(Some(&old), &measured(99, 51), exact).verdict, Verdict::Regression);
    }

    #[test]
    fn chosen_counters_count() {
        let old = measured(100, 50);
        let mut now = old.clone();
        now.counters.insert("harts.0.traps.user_ecall".into(), 11);
        let outcome = compare(Some(&old), &now, exact);
        assert_eq!(outcome.verdict, Verdict::Regression);
        assert_eq!(outcome.changes[2].counter, "harts.0.traps.user_ecall");
        // One that was chosen since.
        now = old.clone();
        now.counters.insert("sbi_calls".into(), 1);
        let outcome = compare(Some(&old), &now, exact);
        assert_eq!((outcome.verdict, outcome.changes[3].verdict), (Verdict::New, Verdict::New));
        assert_eq!((outcome.changes[3].difference(), outcome.changes[3].percent()), (None, None));
        // One that is not chosen any more says nothing.
        now.counters.clear();
        assert_eq!(compare(Some(&old), &now, exact).verdict, Verdict::Ok);
    }

    #[test]
    fn tolerances_are_asked_for_by_name() {
        let only_cycles = |name: &str| Tolerance::Absolute(if name == "cycles" { 1 } else { 0 });
        let old = measured(100, 50);
        assert_eq!(compare(Some(&old), &measured(101, 50), only_cycles).verdict, Verdict::Ok);
        assert_eq!(compare(Some(&old), &measured(99, 50), only_cycles).verdict, Verdict::Ok);
        assert_eq!(compare(Some(&old), &measured(102, 50), only_cycles).verdict, Verdict::Regression);
        assert_eq!(compare(Some(&old), &measured(98, 50), only_cycles).verdict, Verdict::Improvement);
        assert_eq!(compare(Some(&old), &measured(100, 51), only_cycles).verdict, Verdict::Regression);
    }

    #[test]
    fn nothing_recorded_is_new() {
        let outcome = compare(None, &measured(100, 50), exact);
        assert_eq!(outcome.verdict, Verdict::New);
        assert!(outcome.changes.iter().all(|c| c.verdict == Verdict::New && c.percent().is_none()));
    }

    #[test]
    fn other_inputs_or_another_case_cannot_be_compared() {
        let old = measured(100, 50);
        let mut now = measured(200, 50);
        now.inputs.insert("image".into(), "bb".into());
        now.inputs.insert("stdin".into(), "dd".into());
        let outcome = compare(Some(&old), &now, exact);
        assert_eq!(outcome.verdict, Verdict::NotComparable);
        assert_eq!(outcome.obstacles, [Obstacle::Input("image".into()), Obstacle::Input("stdin".into())]);
        let mut now = measured(100, 50);
        now.case = "dd".into();
        let outcome = compare(Some(&old), &now, exact);
        assert_eq!((outcome.verdict, outcome.obstacles), (Verdict::NotComparable, vec![Obstacle::Case]));
    }

    /// A default that changed in the program is no other case: its effect is to be seen.
    #[test]
    fn another_machine_is_told_but_compared() {
        let mut now = measured(130, 50);
        now.machine = "harts=1 timing=rocket memory_read_latency=21 writeback=16".into();
        let outcome = compare(Some(&measured(100, 50)), &now, exact);
        assert_eq!(outcome.verdict, Verdict::Regression);
        let setting = |name: &str, old: Option<&str>, new: Option<&str>| Setting {
            name: name.into(),
            old: old.map(Into::into),
            new: new.map(Into::into),
        };
        let latency = setting("memory_read_latency", Some("20"), Some("21"));
        assert_eq!(outcome.machine, [latency, setting("writeback", None, Some("16"))]);
        now.machine = "harts=1 timing=functional".into();
        let outcome = compare(Some(&measured(100, 50)), &now, exact);
        let timing = setting("timing", Some("rocket"), Some("functional"));
        assert_eq!(outcome.machine, [timing, setting("memory_read_latency", Some("20"), None)]);
    }

    #[test]
    fn verdicts_are_in_the_order_of_their_weight() {
        assert!(Verdict::ALL.is_sorted());
        let changed = Change {
            counter: "x".into(),
            old: Some(0),
            new: 5,
            tolerance: Tolerance::default(),
            verdict: Verdict::Regression,
        };
        assert_eq!((changed.difference(), changed.percent()), (Some(5), None));
    }
}
