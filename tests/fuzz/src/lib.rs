//! What several fuzz targets share.

use relsim_loader::Image;

#[path = "../../../loader/tests/common/mod.rs"]
pub mod elf_writer;

pub mod debug_sections;

/// Asserts what the documentation of [`Image`] promises.
pub fn check_promises(image: &Image) {
    assert!(!image.segments.is_empty());
    assert_eq!(image.lowest_address, image.segments[0].paddr);
    for pair in image.segments.windows(2) {
        assert!(pair[0].paddr + (pair[0].mem_size_bytes - 1) < pair[1].paddr, "overlap");
    }
    for segment in &image.segments {
        assert!(segment.mem_size_bytes > 0, "empty segment");
        assert!(segment.data.len() as u64 <= segment.mem_size_bytes, "more bytes than memory");
        assert!(segment.paddr.checked_add(segment.mem_size_bytes - 1).is_some(), "wraps");
        assert!(segment.vaddr.checked_add(segment.mem_size_bytes - 1).is_some(), "wraps");
    }
    let inside = |segment: &relsim_loader::Segment| {
        segment.may_execute()
            && image.entry >= segment.paddr
            && image.entry - segment.paddr < segment.mem_size_bytes
    };
    assert!(image.segments.iter().any(inside), "entry outside of code");
    if image.check_fits(0x8000_0000, 1 << 28).is_ok() {
        assert!(image.span().base >= 0x8000_0000 && image.span().end() <= 0x9000_0000);
    }
}
