//! Any bytes as logs of instructions: steps or an error with a line, never a panic; and a log is no different from itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relsim_traces::trace::diff::{Outcome, diff};
use relsim_traces::trace::import::{ImportError, Steps};

fuzz_target!(|logs: (&[u8], &[u8])| {
    let lines = logs.0.split(|&byte| byte == b'\n').count() as u64;
    let mut whole = true;
    for step in Steps::new(logs.0) {
        match step {
            Ok(step) => assert!((1..=lines).contains(&step.line)),
            Err(ImportError::Line { line, what }) => {
                assert!((1..=lines).contains(&line) && !what.is_empty());
                whole = false;
                break;
            }
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    match diff(logs.0, logs.0) {
        Ok(Outcome::Same(_)) => assert!(whole),
        Ok(Outcome::Differ(found)) => panic!("{found:?}"),
        Err(_) => assert!(!whole),
    }
    let _ = diff(logs.0, logs.1);
});
