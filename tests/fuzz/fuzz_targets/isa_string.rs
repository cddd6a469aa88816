//! Any text as an ISA string: an answer, never a panic; and what is accepted survives its canonical form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relsim_core::isa::{isa_string, parse_isa};
use relsim_uintr::UINTR;

fuzz_target!(|input: &str| {
    let known = [&UINTR];
    for text in [input.to_string(), format!("rv64{input}"), format!("rv64gcn_{input}")] {
        match parse_isa(&text, &known) {
            Ok(set) => {
                let canonical = isa_string(set, &known);
                assert!(canonical.starts_with("rv64"));
                // Privilege modes and translation schemes do not stand in the string; the rest does.
                if let Ok(again) = parse_isa(&canonical, &known) {
                    assert_eq!(isa_string(again, &known), canonical);
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
