//! Any text as a file of a comparison: runs or an error with a place, never a panic; and whatever the runs of an
//! accepted file measure, it can be written down.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relsim_traces::comparison::file::parse;
use relsim_traces::comparison::{HartMeasured, Measured, Outcome, Results, csv, html, json, table};

/// More runs than these are not written down, to keep going.
const MAX_RUNS: usize = 100;

fuzz_target!(|text: &str| {
    let comparison = match parse(text) {
        Ok(comparison) => comparison,
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(text.get(error.span.clone()).is_some(), "{error:?}");
            return;
        }
    };
    let runs: usize = comparison.experiments.iter().map(|experiment| experiment.runs.len()).sum();
    if runs > MAX_RUNS {
        return;
    }
    // Every third run fails, and the others measure something between nothing and much.
    let mut seed = text.len() as u64;
    let mut outcome = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if seed.is_multiple_of(3) {
            return Outcome::Failed(text.into());
        }
        let size = seed >> (seed % 64);
        let hart = HartMeasured { cycles: size, idle_cycles: Some(seed), ..HartMeasured::default() };
        let measured =
            Measured { operations: seed >> 60, cycles: size, harts: vec![hart], ..Measured::default() };
        Outcome::Measured(Box::new(measured))
    };
    let outcomes =
        comparison.experiments.iter().map(|e| e.runs.iter().map(|_| outcome()).collect()).collect();
    let results = Results {
        comparison: &comparison,
        outcomes,
        version: String::new(),
        command: text.into(),
        file_sha256: String::new(),
    };
    assert!(!csv::csv(&results).is_empty());
    table::table(&results);
    json::json(&results).expect("it can be written");
    let page = html::html(&results);
    assert!(page.ends_with("</html>\n"));
});
