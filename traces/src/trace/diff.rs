//! Where two logs of instructions part.
//!
//! Harts are compared one by one: how their instructions are interleaved is nobody's promise. What only one of the logs
//! tells (words, privilege, effects) is not compared.

use std::collections::VecDeque;
use std::io::BufRead;

use super::import::{ImportError, Step, Steps};

/// Instructions of one hart that are kept while the other log has none for it.
const MAX_AHEAD: usize = 1 << 22;
/// Instructions before the divergence that are shown.
pub const CONTEXT: usize = 5;

/// The first instruction that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// On which hart.
    pub hart: usize,
    /// How many of its instructions are the same before.
    pub same: u64,
    /// What is not the same.
    pub what: &'static str,
    /// The instruction in the first log; `None` if that has ended.
    pub first: Option<Step>,
    /// The same of the second.
    pub second: Option<Step>,
    /// The latest before it, of the first log.
    pub before: Vec<Step>,
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// So many instructions are the same, and there are no others.
    Same(u64),
    /// They part.
    Differ(Box<Divergence>),
}

/// Why a comparison came to no end.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The first log is broken.
    #[error("first log, {0}")]
    First(ImportError),
    /// The second is.
    #[error("second log, {0}")]
    Second(ImportError),
    /// The harts come in too different an order.
    #[error("hart {0} has more than 4194304 instructions in one log before its first in the other")]
    TooFarApart(usize),
}

#[derive(Default)]
struct Lane {
    first: VecDeque<Step>,
    second: VecDeque<Step>,
    same: u64,
    before: VecDeque<Step>,
}

/// What of the two is not the same.
fn difference(first: &Step, second: &Step) -> Option<&'static str> {
    let told = |same: Option<bool>| same == Some(false);
    if first.pc != second.pc {
        Some("address")
    } else if told(first.word.zip(second.word).map(|(a, b)| a == b)) {
        Some("instruction")
    } else if told(first.privilege.zip(second.privilege).map(|(a, b)| a == b)) {
        Some("privilege")
    } else if !first.effects.is_empty() && !second.effects.is_empty() && first.effects != second.effects {
        Some("what it writes")
    } else {
        None
    }
}

impl Lane {
    /// Compares what both have; the divergence, if there is one.
    fn compare(&mut self, hart: usize) -> Option<Divergence> {
        while let (Some(first), Some(second)) = (self.first.front(), self.second.front()) {
            if let Some(what) = difference(first, second) {
                return Some(self.part(hart, what));
            }
            let step = self.first.pop_front()?;
            self.second.pop_front();
            self.same += 1;
            self.before.push_back(step);
            if self.before.len() > CONTEXT {
                self.before.pop_front();
            }
        }
        None
    }

    fn part(&mut self, hart: usize, what: &'static str) -> Divergence {
        Divergence {
            hart,
            same: self.same,
            what,
            first: self.first.pop_front(),
            second: self.second.pop_front(),
            before: self.before.drain(..).collect(),
        }
    }
}

/// Compares the logs `first` and `second`.
///
/// # Errors
/// [`DiffError`].
pub fn diff<A: BufRead, B: BufRead>(first: A, second: B) -> Result<Outcome, DiffError> {
    let (mut first, mut second) = (Steps::new(first), Steps::new(second));
    let mut lanes: Vec<Lane> = Vec::new();
    let (mut ended_first, mut ended_second) = (false, false);
    while !(ended_first && ended_second) {
        let a = first.next().transpose().map_err(DiffError::First)?;
        let b = second.next().transpose().map_err(DiffError::Second)?;
        (ended_first, ended_second) = (a.is_none(), b.is_none());
        for (is_first, step) in [(true, a), (false, b)] {
            let Some(step) = step else { continue };
            let hart = step.hart;
            if hart >= MAX_HARTS {
                continue;
            }
            if hart >= lanes.len() {
                lanes.resize_with(hart + 1, Lane::default);
            }
            let lane = &mut lanes[hart];
            let queue = if is_first { &mut lane.first } else { &mut lane.second };
            queue.push_back(step);
            if queue.len() > MAX_AHEAD {
                return Err(DiffError::TooFarApart(hart));
            }
            if let Some(divergence) = lane.compare(hart) {
                return Ok(Outcome::Differ(Box::new(divergence)));
            }
        }
    }
    for (hart, lane) in lanes.iter_mut().enumerate() {
        if !lane.first.is_empty() || !lane.second.is_empty() {
            return Ok(Outcome::Differ(Box::new(lane.part(hart, "the end"))));
        }
    }
    Ok(Outcome::Same(lanes.iter().map(|lane| lane.same).sum()))
}

/// Harts with higher numbers are none.
const MAX_HARTS: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "core   0: 3 0x0000000080000000 (0x00000297) x5  0x0000000080000000\n\
                       core   1: 3 0x0000000080000000 (0x00000297) x5  0x0000000080000000\n\
                       core   0: 3 0x0000000080000004 (0x0002b303) x6  0x0000000000000297\n";

    fn diff(first: &str, second: &str) -> Outcome {
        super::diff(first.as_bytes(), second.as_bytes()).unwrap()
    }

    #[test]
    fn the_order_of_harts_does_not_matter() {
        let mut lines: Vec<&str> = LOG.lines().collect();
        lines.swap(1, 2);
        assert_eq!(diff(LOG, &lines.join("\n")), Outcome::Same(3));
    }

    #[test]
    fn the_first_difference_is_found() {
        let Outcome::Differ(found) = diff(LOG, &LOG.replace("0000297\n", "0000298\n")) else { panic!() };
        assert_eq!((found.hart, found.same, found.what), (0, 1, "what it writes"));
        assert_eq!(found.before.len(), 1);
        let Outcome::Differ(found) = diff(LOG, &LOG.replace("0x0002b303", "0x0002b403")) else { panic!() };
        assert_eq!((found.hart, found.what), (0, "instruction"));
        assert_eq!(found.second.map(|step| step.line), Some(3));
        let shorter: String = LOG.lines().take(2).map(|line| format!("{line}\n")).collect();
        let Outcome::Differ(found) = diff(LOG, &shorter) else { panic!() };
        assert_eq!((found.what, found.second), ("the end", None));
    }

    #[test]
    fn what_only_one_log_tells_is_no_difference() {
        let qemu = "Trace 0: 0x7f [00000000/0000000080000000/0/ff]\nTrace 1: 0x7f [0/80000000/0/0]\n\
                    Trace 0: 0x7f [00000000/0000000080000004/0/ff]\n";
        assert_eq!(diff(LOG, qemu), Outcome::Same(3));
    }
}
