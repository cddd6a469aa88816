//! What became of a case.

use relsim_traces::baseline::file::Case;
use relsim_traces::baseline::functions::FunctionChange;
use relsim_traces::baseline::{Change, Comparison, Measured, Obstacle, Tolerance, Verdict};

use crate::status;
use crate::units::grouped;

/// What became of a case.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It ran as expected.
    Compared {
        /// What it took.
        measured: Measured,
        /// And how that is related to what is recorded.
        comparison: Comparison,
        /// The functions whose cycles changed, the largest change first.
        functions: Vec<FunctionChange>,
    },
    /// It did not end as expected.
    Ended {
        /// How it should have ended.
        expected: String,
        /// How it did.
        ended: String,
        /// The last lines that the guest printed.
        output: Vec<String>,
    },
    /// It could not run.
    Failed {
        /// Why not; the first line says all of it.
        message: String,
    },
}

/// How good that is; later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It was compared.
    Compared(Verdict),
    /// It ended otherwise.
    UnexpectedEnd,
    /// It could not run.
    Failed,
}

impl Standing {
    /// A word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compared(verdict) => verdict.name(),
            Self::UnexpectedEnd => "unexpected end",
            Self::Failed => "failed",
        }
    }

    /// What is left of it after the values of now were recorded.
    pub fn blessed(self) -> Self {
        match self {
            Self::Compared(_) => Self::Compared(Verdict::Ok),
            other => other,
        }
    }

    /// The exit status for it.
    pub fn status(self) -> u8 {
        match self {
            Self::Compared(Verdict::Ok) => 0,
            Self::Compared(Verdict::Improvement) => status::IMPROVEMENT,
            Self::Compared(Verdict::New) => status::NEW,
            Self::Compared(Verdict::NotComparable) => status::NOT_COMPARABLE,
            Self::Compared(Verdict::Regression) => status::REGRESSION,
            Self::UnexpectedEnd => status::UNEXPECTED_END,
            Self::Failed => status::FAILED,
        }
    }

    /// All of them, from the best to the worst.
    pub fn all() -> impl Iterator<Item = Self> {
        Verdict::ALL.into_iter().map(Self::Compared).chain([Self::UnexpectedEnd, Self::Failed])
    }
}

impl Outcome {
    /// How good it is.
    pub fn standing(&self) -> Standing {
        match self {
            Self::Compared { comparison, .. } => Standing::Compared(comparison.verdict),
            Self::Ended { .. } => Standing::UnexpectedEnd,
            Self::Failed { .. } => Standing::Failed,
        }
    }

    /// What the case took, if it ran as expected.
    pub fn measured(&self) -> Option<&Measured> {
        match self {
            Self::Compared { measured, .. } => Some(measured),
            Self::Ended { .. } | Self::Failed { .. } => None,
        }
    }

    /// What there is to be said beside the counts, a line each.
    pub fn remarks(&self, case: &Case) -> Vec<String> {
        match self {
            Self::Compared { comparison, measured, .. } => {
                let mut lines = remarks(comparison, case);
                let nothing = |recorded: &Measured| recorded.functions.is_empty();
                if !measured.functions.is_empty() && case.recorded.as_ref().is_some_and(nothing) {
                    lines.push("no functions are recorded yet: relsim check --bless does".into());
                }
                lines
            }
            Self::Ended { expected, ended, output } => {
                let mut lines = vec![format!("expected: {expected}; but {ended}")];
                lines.extend(output.iter().map(|line| format!("console: {line}")));
                lines
            }
            Self::Failed { message } => message.lines().map(str::to_string).collect(),
        }
    }
}

fn remarks(comparison: &Comparison, case: &Case) -> Vec<String> {
    let mut lines: Vec<String> = comparison
        .obstacles
        .iter()
        .map(|obstacle| match obstacle {
            Obstacle::Input(name) => format!("the {name} is not the recorded one"),
            Obstacle::Case => "the case is not written as it was when it was recorded".into(),
        })
        .collect();
    let rewritten = comparison.obstacles.contains(&Obstacle::Case);
    for setting in &comparison.machine {
        let shown = |value: &Option<String>| value.clone().unwrap_or("nothing".into());
        let (old, new) = (shown(&setting.old), shown(&setting.new));
        let by = if case.set.keys().any(|key| *key.as_ref() == setting.name) {
            " (set by the case)"
        } else if rewritten {
            ""
        } else {
            " (relsim's default)"
        };
        lines.push(format!("machine: {} {old} -> {new}{by}", setting.name));
    }
    lines
}

/// Functions that are shown.
const FUNCTIONS: usize = 10;

/// What is shown of the functions that changed: those that changed most, as counters, and how many there are more.
pub fn functions(outcome: &Outcome) -> (Vec<Change>, usize) {
    let Outcome::Compared { functions, .. } = outcome else { return (Vec::new(), 0) };
    let shown = functions.iter().take(FUNCTIONS).map(|function| Change {
        counter: function.name.clone(),
        old: function.old,
        new: function.new,
        tolerance: Tolerance::default(),
        verdict: Verdict::Ok,
    });
    (shown.collect(), functions.len().saturating_sub(FUNCTIONS))
}

/// A difference: `+33`.
pub fn difference(change: &Change) -> String {
    let Some(difference) = change.difference() else { return String::new() };
    let sign = if difference < 0 { "-" } else { "+" };
    // Both values are 64 bits wide.
    format!("{sign}{}", grouped(u64::try_from(difference.unsigned_abs()).unwrap_or(u64::MAX)))
}

/// The same in per cent, with two digits that say something: `+0.0027 %`.
pub fn percent(change: &Change) -> String {
    let Some(percent) = change.percent() else { return String::new() };
    let size = percent.abs();
    let digits = if size == 0.0 || size >= 0.1 { 2 } else { (1.0 - size.log10().floor()) as usize };
    format!("{percent:+.digits$} %")
}

/// How many cases came to which end: `3 cases: 2 ok, 1 regression`.
pub fn tally(outcomes: &[Outcome]) -> String {
    let counted = Standing::all().filter_map(|standing| {
        let count = outcomes.iter().filter(|outcome| outcome.standing() == standing).count();
        (count > 0).then(|| format!("{count} {}", standing.name()))
    });
    let plural = if outcomes.len() == 1 { "" } else { "s" };
    format!("{} case{plural}: {}", outcomes.len(), counted.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standings_and_their_statuses() {
        assert!(Standing::all().collect::<Vec<_>>().is_sorted());
        let statuses: Vec<u8> = Standing::all().map(Standing::status).collect();
        let table: Vec<u8> = status::CHECK_TABLE.iter().map(|row| row.0).collect();
        assert_eq!(statuses, table);
        assert_eq!(Standing::Compared(Verdict::Regression).blessed().status(), 0);
        assert_eq!(Standing::UnexpectedEnd.blessed(), Standing::UnexpectedEnd);
    }

    #[test]
    fn differences() {
        for (old, new, shown, share) in [
            (Some(1000), 1000, "+0", "+0.00 %"),
            (Some(1000), 1001, "+1", "+0.10 %"),
            (Some(1000), 2500, "+1,500", "+150.00 %"),
            (Some(1_000_000), 999_973, "-27", "-0.0027 %"),
            (Some(10_000_000_000), 10_000_000_001, "+1", "+0.000000010 %"),
            (Some(0), 5, "+5", ""),
            (Some(u64::MAX), 0, "-18,446,744,073,709,551,615", "-100.00 %"),
            (None, 5, "", ""),
        ] {
            let change = Change {
                counter: "cycles".into(),
                old,
                new,
                tolerance: Tolerance::default(),
                verdict: Verdict::Ok,
            };
            assert_eq!((difference(&change).as_str(), percent(&change).as_str()), (shown, share));
        }
    }
}
