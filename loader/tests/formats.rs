//! Linux images, raw files, compressed files, and the placement of what comes along.

mod common;

use std::io::Write as _;

use common::linux_image;
use relsim_loader::{
    Image, ImageKind, LoadError, Note, ParseOptions, Region, Start, place_dtb, place_initrd, unpack,
};

const RAM: u64 = 0x8000_0000;
const MIB: u64 = 1 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn parse(bytes: &[u8]) -> Result<Image, LoadError> {
    Image::parse("file", bytes, &ParseOptions::default())
}

#[test]
fn linux_image_goes_where_its_header_says() {
    let image = parse(&linux_image(0x20_0000, 0x100_0000, 0, 100)).unwrap();
    let ImageKind::LinuxImage(header) = image.kind else { panic!("{:?}", image.kind) };
    assert_eq!(
        (header.text_offset, header.image_size_bytes, header.version),
        (0x20_0000, 0x100_0000, (0, 2))
    );
    assert_eq!((image.entry, image.entry_virtual), (0x8020_0000, 0x8020_0000));
    assert_eq!((image.segments[0].data.len(), image.segments[0].mem_size_bytes), (164, 0x100_0000));
    assert_eq!(image.start(RAM), Start::Supervisor);
    image.check_fits(RAM, 32 * MIB).unwrap();
    assert!(image.check_fits(RAM, 16 * MIB).is_err());
    // A kernel without an MMU is its own firmware.
    assert_eq!(parse(&linux_image(0, 0x1000, 0, 0)).unwrap().start(RAM), Start::Machine);
    // The header may not say the size.
    assert_eq!(parse(&linux_image(0, 0, 0, 36)).unwrap().segments[0].mem_size_bytes, 100);
}

#[test]
fn impossible_linux_headers_are_refused() {
    assert!(
        parse(&linux_image(0, 0, 1, 0))
            .unwrap_err()
            .to_string()
            .contains("big-endian kernel (flags 0x1 at offset 0x18)")
    );
    assert!(parse(&linux_image(0, 0, 0, 0)[..60]).unwrap_err().to_string().contains("Linux Image header"));
    assert!(parse(&linux_image(u64::MAX, 0, 0, 0)).is_err());
    assert!(parse(&linux_image(0, u64::MAX, 0, 0)).is_err());
    assert!(parse(&linux_image(0, 1 << 63, 0, 0)).is_ok());
}

#[test]
fn raw_files_have_to_be_asked_for() {
    let hint = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
    assert!(hint(b"\x13\0\0\0").contains("raw binary has to be asked for"));
    assert!(hint(b"\xfd7zXZ\0").contains("xz-compressed"));
    assert!(hint(b"\xd0\x0d\xfe\xed").contains("device tree blob"));
    let options =
        ParseOptions { allow_raw: true, load_address: Some(0x8040_0000), ..ParseOptions::default() };
    let image = Image::parse("raw", b"\x13\0\0\0", &options).unwrap();
    assert_eq!((image.kind, image.entry, image.segments[0].mem_size_bytes), (ImageKind::Raw, 0x8040_0000, 4));
    let options = ParseOptions { load_address: Some(u64::MAX), ..options };
    assert!(matches!(Image::parse("raw", b"ab", &options), Err(LoadError::LoadAddress { .. })));
    assert!(Image::parse("raw", b"a", &options).is_ok());
}

#[test]
fn gzip_is_taken_off_also_twice_and_in_pieces() {
    let inner = linux_image(0x20_0000, 0, 0, 5000);
    let image = parse(&gzip(&gzip(&inner))).unwrap();
    assert_eq!(&image.segments[0].data[..], inner);
    assert_eq!(image.notes.len(), 2);
    assert!(matches!(image.notes[1], Note::Unpacked(packing) if packing.unpacked_bytes == 5064));

    let mut members = gzip(&inner[..1000]);
    members.extend(gzip(&inner[1000..]));
    assert_eq!(&parse(&members).unwrap().segments[0].data[..], inner);
    members.extend([0; 512]);
    assert!(
        matches!(parse(&members).unwrap().notes[..], [Note::Unpacked(packing)] if packing.trailing_bytes == 0)
    );
    members.extend(b"junk");
    let image = parse(&members).unwrap();
    assert!(
        image.notes[0].to_string().contains("(516 bytes behind the compressed data ignored)"),
        "{}",
        image.notes[0]
    );
}

#[test]
fn gzip_has_a_limit() {
    let bomb = gzip(&vec![0; 1 << 20]);
    assert_eq!(unpack("bomb", &bomb, 1 << 20).unwrap().0.len(), 1 << 20);
    assert_eq!(
        unpack("bomb", &bomb, (1 << 20) - 1).unwrap_err().to_string(),
        "bomb: decompresses to more than the limit of 0xfffff bytes"
    );
    // The limit holds for all members together.
    let twice = [bomb.clone(), bomb].concat();
    assert!(matches!(unpack("bomb", &twice, (2 << 20) - 1), Err(LoadError::TooLarge { .. })));
    let mut deep = b"x".to_vec();
    for _ in 0..9 {
        deep = gzip(&deep);
    }
    assert!(matches!(unpack("deep", &deep, 1 << 20), Err(LoadError::TooDeep { .. })));
}

#[test]
fn damaged_gzip_says_where() {
    let mut file = gzip(b"first");
    let second = file.len();
    file.extend(gzip(&[7; 3000]));
    file.truncate(file.len() - 4);
    let error = parse(&file).unwrap_err().to_string();
    assert!(error.contains(&format!("gzip data at file offset {second:#x} is damaged")), "{error}");
}

#[test]
fn zboot_wrappers_are_taken_off() {
    let inner = linux_image(0x20_0000, 0, 0, 100);
    let payload = gzip(&inner);
    let mut file = b"MZ\0\0zimg".to_vec();
    file.extend(0x40_u32.to_le_bytes());
    file.extend((payload.len() as u32).to_le_bytes());
    file.resize(0x18, 0);
    file.extend(b"gzip");
    file.resize(0x40, 0);
    file.extend(&payload);
    file.extend(b"rest of the EFI program");
    assert_eq!(&parse(&file).unwrap().segments[0].data[..], inner);
    assert!(matches!(parse(&file[..0x50]), Err(LoadError::Truncated { what: "EFI zboot payload", .. })));
    file[0x18..0x1c].copy_from_slice(b"zstd");
    assert!(matches!(parse(&file), Err(LoadError::ZbootMethod { method, .. }) if method == "zstd"));
}

#[test]
fn initrd_goes_behind_the_kernel() {
    let ram = Region { base: RAM, size_bytes: 512 * MIB };
    let kernel = Region { base: RAM + 2 * MIB, size_bytes: 20 * MIB };
    assert_eq!(place_initrd(ram, kernel, 10 * MIB, &[]).unwrap(), RAM + 258 * MIB);
    // Much RAM: not farther than 512 MiB.
    let large = Region { size_bytes: 8192 * MIB, ..ram };
    assert_eq!(place_initrd(large, kernel, 10 * MIB, &[]).unwrap(), RAM + 514 * MIB);
    // A kernel that reaches across half of RAM, or something else there, is passed by.
    let big = Region { size_bytes: 300 * MIB + 1, ..kernel };
    let base = place_initrd(ram, big, 10 * MIB, &[]).unwrap();
    assert_eq!(base, RAM + 302 * MIB + 4096);
    let other = Region { base: base + 9 * MIB, size_bytes: 1 };
    assert_eq!(place_initrd(ram, big, 10 * MIB, &[other]).unwrap(), other.base + 4096);
    let error = place_initrd(ram, kernel, 255 * MIB, &[]).unwrap_err().to_string();
    assert!(error.starts_with("initrd: no room for 0xff00000 bytes"), "{error}");
    assert!(place_initrd(ram, kernel, u64::MAX, &[]).is_err());
    assert!(place_initrd(Region { base: u64::MAX - 10, size_bytes: 10 }, kernel, 1, &[]).is_err());
}

#[test]
fn device_tree_goes_to_the_top_of_ram() {
    let ram = Region { base: RAM, size_bytes: 512 * MIB };
    assert_eq!(place_dtb(ram, 0x2000, &[]).unwrap(), RAM + 510 * MIB);
    let initrd = Region { base: RAM + 400 * MIB, size_bytes: 111 * MIB };
    assert_eq!(place_dtb(ram, 0x2000, &[initrd]).unwrap(), RAM + 398 * MIB);
    // Never above 3 GiB if RAM starts below.
    assert_eq!(place_dtb(Region { size_bytes: 8192 * MIB, ..ram }, 0x2000, &[]).unwrap(), 3070 * MIB);
    let high = Region { base: 1 << 40, size_bytes: 64 * MIB };
    assert_eq!(place_dtb(high, 0x2000, &[]).unwrap(), (1 << 40) + 62 * MIB);
    let error = place_dtb(ram, 0x2000, &[ram]).unwrap_err().to_string();
    assert!(error.contains("device tree: no room") && error.contains("0x80000000..=0x9fffffff"), "{error}");
    assert!(place_dtb(Region { base: RAM, size_bytes: 0x1000 }, 0x2000, &[]).is_err());
}
