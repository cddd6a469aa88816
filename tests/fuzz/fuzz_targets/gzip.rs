//! Compressed wrappers: damaged ones give errors, good ones the data that went in, and the limit holds.
#![no_main]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use relsim_loader::unpack;

const LIMIT_BYTES: u64 = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Ok((data, layers)) = unpack("fuzz", bytes, LIMIT_BYTES) else { return };
    if layers.is_empty() {
        assert_eq!(&*data, bytes);
    } else {
        assert!(layers.iter().all(|layer| layer.unpacked_bytes <= LIMIT_BYTES.max(layer.packed_bytes)));
    }
    if layers.len() < 4 && data.len() as u64 <= LIMIT_BYTES {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&data).expect("writing into memory");
        let packed = encoder.finish().expect("writing into memory");
        let (again, layers) = unpack("fuzz", &packed, LIMIT_BYTES).expect("packed by a good packer");
        assert_eq!((again, layers.len()), (data, 1));
    }
});
