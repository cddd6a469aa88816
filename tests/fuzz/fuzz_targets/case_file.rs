//! Any text as a file of cases: cases or an error with a place, never a panic; and values that are recorded in an
//! accepted file are what is read back, and change nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relsim_traces::baseline::file::{line_column, parse};
use relsim_traces::baseline::{Measured, bless, compare, functions};

fuzz_target!(|text: &str| {
    let file = match parse(text) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(error.span.start <= error.span.end && error.span.end <= text.len());
            assert!(text.is_char_boundary(error.span.start) && text.is_char_boundary(error.span.end));
            let (line, column) = line_column(text, error.span.start);
            assert!(line <= 1 + text.lines().count() && column >= 1);
            return;
        }
    };
    let count = file.cases.len();
    let kept: Vec<Option<Measured>> = vec![None; count];
    let same = bless(text, &kept).expect("what was read can be written");
    let recorded = |text: &str| -> Vec<_> {
        parse(text)
            .expect("what was written can be read")
            .cases
            .into_iter()
            .map(|case| case.recorded)
            .collect()
    };
    assert_eq!(recorded(&same), recorded(text));

    let measured = Measured {
        cycles: text.len() as u64,
        instructions: 1,
        counters: file.cases[0].counters.iter().map(|name| (name.as_ref().clone(), 2)).collect(),
        functions: [("main".to_string(), 3), ("(others)".to_string(), 4)].into(),
        inputs: [("image".to_string(), "00".to_string())].into(),
        case: "11".into(),
        machine: "harts=1 timing=functional".into(),
    };
    // Every second case.
    let values: Vec<_> = (0..count).map(|n| (n % 2 == 0).then(|| measured.clone())).collect();
    let new = bless(text, &values).expect("what was read can be recorded");
    for ((now, then), value) in recorded(&new).iter().zip(recorded(text)).zip(&values) {
        assert_eq!(*now, value.clone().or(then));
    }
    assert_eq!(bless(&new, &values).expect("twice"), new, "recording twice is recording once");
    for case in &file.cases {
        let comparison = compare(case.recorded.as_ref(), &measured, |name| case.tolerance(name));
        assert!(comparison.changes.iter().all(|change| change.verdict <= comparison.verdict));
        if let Some(recorded) = &case.recorded {
            functions::changes(&recorded.functions, &measured.functions);
        }
    }
});
