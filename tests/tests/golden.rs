//! The Rocket model against the RTL, and against itself.

use std::sync::atomic::AtomicBool;

use relsim_core::bus::Bus;
use relsim_core::device::NoConsole;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::Op;
use relsim_core::observe::Observer;
use relsim_core::trap::TrapTaken;
use relsim_machine::Limits;
use relsim_tests::golden::{RUNS, compare, machine, statistics};

#[test]
fn rows_are_as_close_to_the_rtl_as_they_were() {
    let rows: Vec<_> =
        RUNS.iter().flat_map(|&(name, bytes, latency)| compare(name, bytes, latency)).collect();
    assert_eq!(rows.len(), 591);
    let (mean, within_one, within_five) = statistics(&rows);
    // Tighter as the model gets better; never looser.
    assert!(mean <= 0.6, "mean error {mean} %");
    assert!(within_one >= 92.0, "{within_one} % of the rows are within 1 %");
    assert!(within_five >= 97.5, "{within_five} % of the rows are within 5 %");
}

#[test]
fn every_cycle_has_a_cause_and_runs_repeat() {
    let run = || {
        let (_, bytes, latency) = RUNS[3];
        let mut machine = machine(bytes, latency, Box::new(NoConsole));
        machine.run(Limits::default(), &AtomicBool::new(false));
        let ledger = machine.ledger(0).expect("the model tells");
        assert_eq!(ledger.total(), machine.cycles());
        (machine.cycles(), ledger)
    };
    assert_eq!(run(), run());
}

/// Watches, and does nothing: with it, every instruction is timed by itself.
struct Watching;

impl Observer for Watching {
    const ON: bool = true;

    fn retired(&mut self, _: &Hart, _: &Bus, _: &Op, _: u64, _: Priv) {}
    fn trapped(&mut self, _: &Hart, _: &Bus, _: &TrapTaken) {}
}

#[test]
fn blocks_that_were_timed_before_take_what_they_would_take() {
    for &(name, bytes, latency) in RUNS {
        let stop = AtomicBool::new(false);
        let mut remembering = machine(bytes, latency, Box::new(NoConsole));
        remembering.run(Limits::default(), &stop);
        let mut stepping = machine(bytes, latency, Box::new(NoConsole));
        stepping.run_observed(Limits::default(), &stop, &mut Watching);
        assert_eq!(remembering.cycles(), stepping.cycles(), "{name} {latency}");
        assert_eq!(remembering.ledger(0), stepping.ledger(0), "{name} {latency}");
    }
}
