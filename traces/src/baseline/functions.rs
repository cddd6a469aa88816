//! Cycles by function: what of them is recorded, and which changed most. They explain a change; none of them
//! decides a verdict, which the counters do.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Cycles by name of the function.
pub type Functions = BTreeMap<String, u64>;

/// What stands for all functions that are not recorded by name.
pub const OTHERS: &str = "(others)";

/// A function's cycles, then and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionChange {
    /// Its name.
    pub name: String,
    /// What is recorded; none if it was one of the others.
    pub old: Option<u64>,
    /// What it took now.
    pub new: u64,
}

impl FunctionChange {
    /// How much it changed, at least.
    fn size(&self, most_of_others: u64) -> u64 {
        self.new.abs_diff(self.old.unwrap_or(most_of_others))
    }
}

/// The `count` functions that took most of `all`, and the others together.
pub fn most(all: &Functions, count: usize) -> Functions {
    let mut sorted: Vec<_> = all.iter().filter(|(_, cycles)| **cycles > 0).collect();
    sorted.sort_by_key(|(name, cycles)| (Reverse(**cycles), *name));
    let others: u64 = sorted.iter().skip(count).map(|(_, cycles)| **cycles).sum();
    let named = sorted.into_iter().take(count).map(|(name, cycles)| (name.clone(), *cycles));
    named.chain((others > 0).then(|| (OTHERS.to_string(), others))).collect()
}

/// What changed between what is `recorded` and `all` functions of now, the largest change first. What was one of
/// the others is told on its own if it takes more now than any of them can have, and is still one of the others'
/// sum.
pub fn changes(recorded: &Functions, all: &Functions) -> Vec<FunctionChange> {
    if recorded.is_empty() {
        return Vec::new();
    }
    let known = |name: &str| name != OTHERS && recorded.contains_key(name);
    let unknown = || all.iter().filter(|(name, _)| !known(name));
    // Whoever is not recorded took no more than the least that is, and nothing if all are.
    let least = recorded.iter().filter(|(name, _)| *name != OTHERS).map(|(_, cycles)| *cycles).min();
    let others = recorded.get(OTHERS);
    let most_of_others = others.map_or(0, |&others| others.min(least.unwrap_or(others)));
    let mut changes: Vec<_> = recorded
        .iter()
        .map(|(name, &old)| {
            let now = || all.get(name).copied().unwrap_or(0);
            let new = if known(name) { now() } else { unknown().map(|(_, cycles)| *cycles).sum() };
            FunctionChange { name: name.clone(), old: Some(old), new }
        })
        .filter(|change| change.old != Some(change.new))
        .collect();
    changes.extend(
        unknown().filter(|(_, cycles)| **cycles > most_of_others).map(|(name, &new)| FunctionChange {
            name: name.clone(),
            old: others.is_none().then_some(0),
            new,
        }),
    );
    changes.sort_by_key(|change| (Reverse(change.size(most_of_others)), change.name.clone()));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions(list: &[(&str, u64)]) -> Functions {
        list.iter().map(|(name, cycles)| (name.to_string(), *cycles)).collect()
    }

    fn shown(recorded: &[(&str, u64)], all: &[(&str, u64)]) -> Vec<(String, Option<u64>, u64)> {
        let changes = changes(&functions(recorded), &functions(all));
        changes.into_iter().map(|change| (change.name, change.old, change.new)).collect()
    }

    #[test]
    fn the_most_are_kept_and_the_sum_stays() {
        let all = functions(&[("a", 5), ("b", 70), ("c", 5), ("d", 20), ("idle", 0)]);
        assert_eq!(most(&all, 3), functions(&[("b", 70), ("d", 20), ("a", 5), (OTHERS, 5)]));
        assert_eq!(most(&all, 1), functions(&[("b", 70), (OTHERS, 30)]));
        // All of them leave no others.
        assert_eq!(most(&all, 4), functions(&[("a", 5), ("b", 70), ("c", 5), ("d", 20)]));
        assert_eq!(most(&Functions::new(), 4), Functions::new());
    }

    #[test]
    fn the_largest_change_comes_first() {
        let old = [("a", 100), ("b", 50), ("c", 40), (OTHERS, 30)];
        let new = [("a", 103), ("b", 50), ("c", 10), ("d", 20), ("e", 11)];
        assert_eq!(
            shown(&old, &new),
            [("c".into(), Some(40), 10), ("a".into(), Some(100), 103), (OTHERS.into(), Some(30), 31)]
        );
        assert_eq!(shown(&old, &[("a", 100), ("b", 50), ("c", 40), ("d", 30)]), []);
        assert_eq!(shown(&[], &new), []);
    }

    #[test]
    fn functions_come_and_go() {
        // Without others, whoever is not recorded did not run.
        let old = [("a", 100), ("b", 50)];
        assert_eq!(
            shown(&old, &[("a", 100), ("c", 60)]),
            [("c".into(), Some(0), 60), ("b".into(), Some(50), 0)]
        );
        // Else it took no more than all of the others, and than the least that is recorded.
        let old = [("a", 100), ("b", 50), (OTHERS, 80)];
        let new = [("a", 100), ("b", 50), ("c", 50), ("d", 55)];
        assert_eq!(shown(&old, &new), [(OTHERS.into(), Some(80), 105), ("d".into(), None, 55)]);
        let old = [("a", 100), (OTHERS, 10)];
        let new = [("a", 100), ("d", 11)];
        assert_eq!(shown(&old, &new), [(OTHERS.into(), Some(10), 11), ("d".into(), None, 11)]);
    }
}
