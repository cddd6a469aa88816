//! Linux `Image` headers and raw files: nothing panics, and images that are accepted are as promised.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relsim_fuzz::check_promises;
use relsim_loader::{Image, ParseOptions, Region, place_dtb, place_initrd};

fuzz_target!(|input: (bool, u64, Option<u64>, u64, &[u8])| {
    let (allow_raw, ram_base, load_address, size_bytes, bytes) = input;
    let options = ParseOptions { ram_base, load_address, allow_raw, max_decompressed_bytes: 1 << 20 };
    // Half of the bytes of a header are its magic numbers; they are given, so that the others are tried.
    let mut with_magic = bytes.to_vec();
    if let Some(magic) = with_magic.get_mut(0x38..0x3c) {
        magic.copy_from_slice(b"RSC\x05");
    }
    for bytes in [bytes, &with_magic] {
        let Ok(image) = Image::parse("fuzz", bytes, &options) else { continue };
        check_promises(&image);
        let ram = Region { base: ram_base, size_bytes: 1 << 30 };
        if image.check_fits(ram.base, ram.size_bytes).is_err() {
            continue;
        }
        let Ok(initrd) = place_initrd(ram, image.span(), size_bytes, &[]) else { continue };
        let initrd = Region { base: initrd, size_bytes };
        assert!(!initrd.overlaps(image.span()) && initrd.base >= ram.base && initrd.end() <= ram.end());
        let Ok(dtb) = place_dtb(ram, 0x4000, &[image.span(), initrd]) else { continue };
        let dtb = Region { base: dtb, size_bytes: 0x4000 };
        assert!(!dtb.overlaps(image.span()) && !dtb.overlaps(initrd) && dtb.end() <= ram.end());
    }
});
