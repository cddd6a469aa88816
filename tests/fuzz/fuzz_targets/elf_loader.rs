//! ELF files as they come: nothing panics, and images that are accepted are as promised.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relsim_fuzz::check_promises;
use relsim_loader::{Image, IsaSupport, ParseOptions};

fuzz_target!(|input: (Option<u64>, &[u8])| {
    let (load_address, bytes) = input;
    let options = ParseOptions { load_address, max_decompressed_bytes: 1 << 20, ..ParseOptions::default() };
    match Image::parse("fuzz", bytes, &options) {
        Ok(image) => {
            check_promises(&image);
            let isa = IsaSupport { compressed: true, single_float: true, double_float: true };
            let _ = image.check_isa(&isa);
            for note in &image.notes {
                let _ = note.to_string();
            }
        }
        Err(error) => assert!(error.to_string().starts_with("fuzz: ")),
    }
});
