//! From what a run did to what it measured: the difference between both ends of the measured region.

use std::collections::BTreeMap;

use relsim_core::hart::Priv;
use relsim_core::timing::{CycleCause, Ledger};
use relsim_machine::{Crossed, Exit, HartReport, Report, Visit};
use relsim_traces::comparison::{CauseCycles, HartMeasured, Measured};
pub use relsim_traces::timeline::REGION;

use crate::status;

/// What a kernel calls the region that it is in from entry to exit.
const KERNEL: &str = "kernel";
/// How the line begins by which a guest says what it did.
const RESULT: &str = "result";

/// A run that has ended.
pub struct Run<'a> {
    /// How, and with which counts.
    pub report: Report,
    /// The counts at both ends of the measured region.
    pub visit: &'a Visit,
    /// What regions are called.
    pub names: BTreeMap<u16, String>,
    /// What the guest printed.
    pub output: Vec<String>,
}

impl Run<'_> {
    /// What it measured, apart from what is known about it without running it.
    ///
    /// # Errors
    /// What it lacks.
    pub fn counts(&self) -> Result<Measured, String> {
        let exit = &self.report.exit;
        if *exit != (Exit::Guest { code: 0 }) {
            return Err(status::message(exit));
        }
        let (begin, end) = self.window()?;
        let mut result = result(&self.output)?;
        let mut whole = |key: &str| {
            let value = result.remove(key).ok_or(format!("the result line has no {key}=N"))?;
            let whole = value >= 0.0 && value.fract() == 0.0;
            if whole { Ok(value as u64) } else { Err(format!("{key}={value} is no number of them")) }
        };
        let (operations, errors) = (whole("operations")?, whole("errors")?);
        if errors > 0 {
            return Err(format!("the guest found {errors} errors"));
        }
        if operations == 0 {
            return Err("the guest did no operations".into());
        }
        let kernel = self.names.iter().find(|(_, name)| *name == KERNEL).map(|(id, _)| *id);
        let harts: Vec<_> = begin.harts.iter().zip(&end.harts).map(|(a, b)| hart(a, b, kernel)).collect();
        let cycles = harts.get(begin.hart).map_or(0, |hart| hart.cycles);
        Ok(Measured { operations, cycles, hart: begin.hart, harts, result, ..Measured::default() })
    }

    /// Both ends of the one visit of the measured region.
    fn window(&self) -> Result<(&Crossed, &Crossed), String> {
        let Some(begin) = &self.visit.begin else {
            return Err(format!("the guest marked no begin of region {REGION}, which is measured"));
        };
        let Some(end) = &self.visit.end else {
            return Err(format!("region {REGION}, which is measured, did not end"));
        };
        let regions =
            self.report.harts.iter().flat_map(|hart| &hart.regions).filter(|region| region.id == REGION);
        let (visits, odd) = regions.fold((0, 0), |(visits, odd), region| {
            (visits + region.count, odd + region.unfinished + region.unmatched_ends + region.unmeasured)
        });
        if begin.hart != end.hart {
            return Err(format!(
                "region {REGION} began on hart {} and ended on hart {}",
                begin.hart, end.hart
            ));
        }
        if (visits, odd) != (1, 0) {
            return Err(format!("region {REGION}, which is measured, is to begin and end once, on one hart"));
        }
        Ok((begin, end))
    }
}

/// Entries into the kernel: begins of region number `kernel`, or where the image has no such region, traps that did
/// not go to U-mode.
fn kernel_entries(hart: &HartReport, kernel: Option<u16>) -> u64 {
    match kernel {
        Some(id) => {
            let region = hart.regions.iter().find(|region| region.id == id);
            region.map_or(0, |region| region.count + region.unfinished)
        }
        None => hart.traps.values().sum::<u64>().saturating_sub(hart.user_traps),
    }
}

fn hart(begin: &HartReport, end: &HartReport, kernel: Option<u16>) -> HartMeasured {
    // Two harts may be a few cycles apart, so that one which sleeps is taken to have slept a little too long.
    let since = |of: &dyn Fn(&HartReport) -> u64| of(end).saturating_sub(of(begin));
    let counter = |hart: &HartReport, name: &str| hart.counters.get(name).copied().unwrap_or(0);
    let traps = end.traps.iter().map(|(name, n)| {
        let before = begin.traps.get(name).copied().unwrap_or(0);
        (name.to_string(), n.saturating_sub(before))
    });
    let cycles = since(&|hart| hart.cycles);
    let causes = begin.cycles_by_cause.as_ref().zip(end.cycles_by_cause.as_ref());
    let causes = causes.map(|(begin, end)| causes_of(&begin.0, &end.0, cycles));
    let waited = |causes: &Vec<CauseCycles>| {
        causes.iter().filter(|cell| cell.cause == CycleCause::Wait.name()).map(|cell| cell.cycles).sum()
    };
    HartMeasured {
        cycles,
        idle_cycles: causes.as_ref().map(waited),
        instructions: since(&|hart| hart.instructions),
        kernel_entries: since(&|hart| kernel_entries(hart, kernel)),
        user_interrupts: since(&|hart| hart.user_interrupts),
        sends: since(&|hart| counter(hart, "uipi_sends")),
        traps: traps.filter(|&(_, n)| n > 0).collect(),
        causes: causes.unwrap_or_default(),
    }
}

/// Where `cycles` went between two states of a ledger; the sum is `cycles`.
fn causes_of(begin: &Ledger, end: &Ledger, cycles: u64) -> Vec<CauseCycles> {
    let mut cells = Vec::new();
    let mut told = 0;
    for privilege in [Priv::U, Priv::S, Priv::M] {
        for cause in CycleCause::ALL {
            let n = end.get(privilege, cause).saturating_sub(begin.get(privilege, cause));
            // A wait that ended a few cycles earlier than it was told leaves less for what comes then.
            let n = n.min(cycles - told);
            if n > 0 {
                told += n;
                cells.push(CauseCycles {
                    privilege: privilege.letter().to_ascii_lowercase(),
                    cause: cause.name(),
                    cycles: n,
                });
            }
        }
    }
    if told < cycles {
        let wait = cells.iter_mut().find(|cell| cell.cause == CycleCause::Wait.name());
        match wait {
            Some(cell) => cell.cycles += cycles - told,
            None => cells.push(CauseCycles {
                privilege: 's',
                cause: CycleCause::Wait.name(),
                cycles: cycles - told,
            }),
        }
    }
    cells
}

/// The pairs of the last line that begins with `result`.
fn result(output: &[String]) -> Result<BTreeMap<String, f64>, String> {
    let line = output.iter().rev().find(|line| line.split_whitespace().next() == Some(RESULT));
    let line = line.ok_or("the guest printed no line `result operations=N errors=E`")?;
    let pair = |word: &str| {
        let (key, value) = word.split_once('=')?;
        let value: f64 = value.parse().ok()?;
        (!key.is_empty() && value.is_finite()).then(|| (key.to_string(), value))
    };
    let pairs = line.split_whitespace().skip(1).map(|word| pair(word).ok_or(word));
    pairs.collect::<Result<_, _>>().map_err(|word| format!("{word} in the result line is no KEY=NUMBER"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(String::from).collect()
    }

    #[test]
    fn the_last_result_line_counts() {
        let found = result(&lines("hello\nresult operations=1\nresult operations=2 x=1.5\nresults"));
        assert_eq!(found, Ok([("operations".to_string(), 2.0), ("x".to_string(), 1.5)].into()));
        for text in
            ["", "the result operations=1", "result operations", "result =1", "result x=inf", "result x=y"]
        {
            assert!(result(&lines(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn causes_add_up() {
        let ledger = |issue, wait| {
            let mut ledger = Ledger::default();
            ledger.charge(Priv::U, CycleCause::Issue, issue);
            ledger.charge(Priv::S, CycleCause::Wait, wait);
            ledger
        };
        let sum = |cells: &[CauseCycles]| cells.iter().map(|cell| cell.cycles).sum::<u64>();
        for (begin, end, cycles) in [
            (ledger(0, 0), ledger(10, 5), 15),
            // A hart that was taken to sleep up to cycle 8 woke at 6.
            (ledger(0, 8), ledger(10, 6), 8),
            (ledger(0, 0), ledger(0, 0), 3),
        ] {
            assert_eq!(sum(&causes_of(&begin, &end, cycles)), cycles);
        }
    }
}
