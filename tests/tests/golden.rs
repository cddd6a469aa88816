//! The Rocket model against the RTL, and against itself.

use std::sync::atomic::AtomicBool;

use relsim_core::device::NoConsole;
use relsim_core::hart::Priv;
use relsim_core::timing::CycleCause;
use relsim_machine::Limits;
use relsim_tests::Watching;
use relsim_tests::golden::{
    MULTI_HARTS, MULTI_RUNS, RUNS, compare, compare_multi, machine, run_multi, share_in_range, statistics,
};

#[test]
fn rows_are_as_close_to_the_rtl_as_they_were() {
    let rows: Vec<_> =
        RUNS.iter().flat_map(|&(name, bytes, latency)| compare(name, bytes, latency)).collect();
    assert_eq!(rows.len(), 591);
    let (mean, within_one, within_five) = statistics(&rows);
    // Tighter as the model gets better; never looser.
    assert!(mean <= 0.0003, "mean error {mean} %");
    assert!(within_one >= 100.0, "{within_one} % of the rows are within 1 %");
    assert!(within_five >= 100.0, "{within_five} % of the rows are within 5 %");
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

#[test]
fn blocks_that_were_timed_before_take_what_they_would_take() {
    let hazards: (_, &[u8], _) = ("hazards", include_bytes!("../golden/hazards/hazards.elf.gz"), 20);
    for &(name, bytes, latency) in RUNS.iter().chain([&hazards]) {
        let stop = AtomicBool::new(false);
        let mut remembering = machine(bytes, latency, Box::new(NoConsole));
        remembering.run(Limits::default(), &stop);
        let mut stepping = machine(bytes, latency, Box::new(NoConsole));
        stepping.run_observed(Limits::default(), &stop, &mut Watching);
        assert_eq!(remembering.cycles(), stepping.cycles(), "{name} {latency}");
        assert_eq!(remembering.ledger(0), stepping.ledger(0), "{name} {latency}");
    }
}

#[test]
fn rows_of_four_harts_are_as_close_to_the_rtl_as_they_were() {
    let rows: Vec<_> = MULTI_RUNS
        .iter()
        .flat_map(|&(name, bytes, read, write)| compare_multi(name, bytes, read, write))
        .collect();
    assert_eq!(rows.len(), 719);
    for row in &rows {
        // The reference tells rows of one name apart by more words in front and behind.
        assert!(row.rtl.name.contains(row.model.name.trim()), "{} beside {}", row.model.name, row.rtl.name);
    }
    let (mean, within_one, within_five) = statistics(&rows);
    let in_range = share_in_range(&rows);
    let off: Vec<_> = rows
        .iter()
        .filter(|row| row.model.cycles != row.rtl.cycles)
        .map(|row| (row.run.trim(), row.model.name.trim()))
        .collect();
    // Tighter as the model gets better; never looser.
    assert_eq!(off, [("pp 20/60", "lock_tas_n3"), ("pp 20/60", "lock_tas_n4")]);
    assert!(mean <= 0.0001, "mean error {mean} %");
    assert_eq!((within_one, within_five, in_range), (100.0, 100.0, 100.0));
}

#[test]
fn four_harts_take_what_they_take_instruction_by_instruction() {
    for &(name, bytes, read, write) in MULTI_RUNS {
        let (exact, _) = run_multi(bytes, (read, write), Some(1));
        let (text, _) = run_multi(bytes, (read, write), None);
        assert_eq!(exact, text, "{name} {read}/{write}");
    }
}

#[test]
fn every_cycle_of_four_harts_has_a_cause_and_their_runs_repeat() {
    for &(name, bytes, read, write) in &[MULTI_RUNS[0], MULTI_RUNS[11]] {
        let (text, machine) = run_multi(bytes, (read, write), None);
        let (again, other) = run_multi(bytes, (read, write), Some(1000));
        assert_eq!(text, again, "{name}");
        for hart in 0..MULTI_HARTS {
            let ledger = machine.ledger(hart).expect("the model tells");
            assert_eq!(Some(&ledger), other.ledger(hart).as_ref(), "{name}: hart {hart}");
            let cycles = machine.cores[hart].hart.cycle;
            assert_eq!(ledger.total(), cycles, "{name}: hart {hart}");
        }
        let waits = machine.ledger(0).map_or(0, |ledger| ledger.get(Priv::M, CycleCause::Coherence));
        assert!(waits > 1000, "{name}: hart 0 waits {waits} cycles for others");
    }
}
