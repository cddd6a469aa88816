//! The Rocket model against the RTL, and against itself.

use std::sync::atomic::AtomicBool;

use relsim_core::device::NoConsole;
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
