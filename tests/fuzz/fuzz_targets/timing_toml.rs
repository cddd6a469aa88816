//! Any text as a timing model: a model within its ranges, or an error with a place in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The command line is a program without a library; these two files of it stand on their own.
#[path = "../../../cli/src/suggest.rs"]
mod suggest;
#[path = "../../../cli/src/timing_toml.rs"]
mod timing_toml;

fuzz_target!(|input: &str| {
    for text in [input.to_string(), format!("model = \"rocket\"\n[parameters]\n{input}")] {
        match timing_toml::parse(&text) {
            Ok(timing) => {
                assert!(timing.parameters().all(|(param, value)| param.admits(value).is_ok()));
                assert_eq!(timing_toml::parse(&timing_toml::text(&timing)), Ok(timing));
            }
            Err(error) => {
                assert!(text.get(error.place.clone()).is_some(), "{error:?}");
                assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error:?}");
            }
        }
    }
});
