//! Many programs, one after the other on every host core.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::compare::{Tally, compare, explain, run_both};
use super::exceptions::LEFT_OUT;
use super::program::Program;
use super::simulators::{Coverage, relsim_observed};

/// What a session saw.
#[derive(Debug, Default)]
pub struct Session {
    /// Programs.
    pub programs: u64,
    /// Runs, traps and words of all logs.
    pub tally: Tally,
    /// Instructions and traps.
    pub coverage: Coverage,
}

/// Instructions that never retire: they always trap.
const NEVER_RETIRE: &[&str] = &["ecall", "ebreak", "c.ebreak"];
/// Traps that a session must have seen, interrupts from 64 on.
const TRAPS: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 65, 69, 73];
/// A session of this many programs has certainly seen everything.
const ENOUGH: u64 = 16;

/// The seeds of `text`: `40` for the first 40, `100..140`, or `default`.
///
/// # Errors
/// Says what is expected.
pub fn seeds(text: Option<&str>, default: u64) -> Result<Range<u64>, String> {
    let Some(text) = text else { return Ok(0..default) };
    let parse =
        |s: &str| s.parse::<u64>().map_err(|_| format!("{text:?}: expected a count, or a range like 40..80"));
    match text.split_once("..") {
        Some((from, to)) => Ok(parse(from)?..parse(to)?),
        None => Ok(0..parse(text)?),
    }
}

/// Runs the programs of `seeds` in both simulators, and in relsim once more with every instruction observed.
///
/// # Errors
/// What the first difference is and where it comes from.
pub fn run(seeds: Range<u64>) -> Result<Session, String> {
    let next = AtomicU64::new(seeds.start);
    let result = Mutex::new(Ok(Session::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let one = one(seed);
                    let Ok(mut all) = result.lock() else { return };
                    match (&mut *all, one) {
                        (Ok(session), Ok((tally, coverage))) => {
                            session.programs += 1;
                            session.tally.add(&tally);
                            session.coverage.add(&coverage);
                        }
                        (Ok(_), Err(text)) => {
                            *all = Err(text);
                            next.store(seeds.end, Ordering::Relaxed);
                        }
                        (Err(_), _) => {}
                    }
                }
            });
        }
    });
    result.into_inner().unwrap_or_else(|_| Err("a thread of the test panicked".into()))
}

fn one(seed: u64) -> Result<(Tally, Coverage), String> {
    let failed = |e: &dyn std::fmt::Display| format!("seed {seed}: {e}");
    let program = Program::new(seed);
    let (ours, theirs) = run_both(&program).map_err(|e| failed(&e))?;
    let tally = match compare(&ours, &theirs) {
        Ok(tally) => tally,
        Err(difference) => return Err(explain(&program, &difference).map_err(|e| failed(&e))?),
    };
    let (observed, coverage) = relsim_observed(&program).map_err(|e| failed(&e))?;
    if observed.memory != ours.memory {
        return Err(failed(&"relsim itself gives another result when it is observed"));
    }
    Ok((tally, coverage))
}

impl Session {
    /// What a long session should have seen and has not: rows that never retired, traps that never happened.
    pub fn missing(&self) -> Vec<String> {
        if self.programs < ENOUGH {
            return Vec::new();
        }
        let rows = self.coverage.rows.iter().filter(|&(name, &count)| {
            count == 0 && !NEVER_RETIRE.contains(name) && !LEFT_OUT.contains(name) && *name != "illegal"
        });
        let traps = TRAPS.iter().filter(|code| !self.coverage.traps.contains_key(code));
        let levels =
            self.coverage.levels.iter().zip("US-M".chars()).filter(|&(&n, level)| n == 0 && level != '-');
        let rows = rows.map(|(name, _)| format!("{name} never retired"));
        let traps = traps.map(|code| match code.checked_sub(64) {
            Some(code) => format!("interrupt {code} never happened"),
            None => format!("exception {code} never happened"),
        });
        rows.chain(traps).chain(levels.map(|(_, level)| format!("nothing ran in {level}"))).collect()
    }
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { programs, tally, coverage } = self;
        let [u, s, _, m] = coverage.levels;
        write!(
            f,
            "{programs} programs, {} runs of blocks, {} random instructions (U {u}, S {s}, M {m}), {} traps, \
             {} words compared beside all of memory",
            tally.runs,
            coverage.instructions(),
            tally.traps,
            tally.words,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_count_or_a_range() {
        assert_eq!(seeds(None, 8), Ok(0..8));
        assert_eq!(seeds(Some("3"), 8), Ok(0..3));
        assert_eq!(seeds(Some("7..9"), 8), Ok(7..9));
        assert!(seeds(Some("many"), 8).is_err());
    }
}
