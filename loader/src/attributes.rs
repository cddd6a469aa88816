//! The `.riscv.attributes` section: which ISA a file was built for.
//!
//! Source: RISC-V ELF psABI specification, chapter "Attributes"; the framing is that of the ARM build attributes.

/// Format version of the section, its first byte.
const FORMAT_VERSION: u8 = b'A';
/// Tag of the sub-subsection that speaks of the whole file.
const TAG_FILE: u64 = 1;
/// Tag of the architecture string.
const TAG_ARCH: u64 = 5;
/// An architecture string of every ratified extension has some 600 characters; anything far above is damage.
const MAX_ARCH_BYTES: usize = 4096;

/// The architecture string (such as `rv64i2p1_m2p0_c2p0`) of a `.riscv.attributes` section, or `None` if it has none or is damaged.
pub fn arch_string(section: &[u8]) -> Option<String> {
    let (&version, mut rest) = section.split_first()?;
    if version != FORMAT_VERSION {
        return None;
    }
    // Vendor subsections: u32 length (which counts itself), vendor name, data.
    while let Some((subsection, after)) = framed(rest, 0) {
        rest = after;
        let vendor_end = subsection.iter().position(|&byte| byte == 0)?;
        if &subsection[..vendor_end] == b"riscv" {
            return file_arch(&subsection[vendor_end + 1..]);
        }
    }
    None
}

/// Splits a block off `bytes` whose u32 length stands at `length_offset` and counts from the start of `bytes`; returns what follows
/// the length, and the bytes after the block.
fn framed(bytes: &[u8], length_offset: usize) -> Option<(&[u8], &[u8])> {
    let raw = bytes.get(length_offset..length_offset + 4)?;
    let length = u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]) as usize;
    if length < length_offset + 4 || length > bytes.len() {
        return None;
    }
    Some((&bytes[length_offset + 4..length], &bytes[length..]))
}

/// Finds the architecture among the tags of the file.
fn file_arch(mut bytes: &[u8]) -> Option<String> {
    while !bytes.is_empty() {
        let mut tag_bytes = bytes;
        let tag = uleb(&mut tag_bytes)?;
        let (mut attributes, after) = framed(bytes, bytes.len() - tag_bytes.len())?;
        bytes = after;
        while tag == TAG_FILE && !attributes.is_empty() {
            // psABI: an even tag has an integer value, an odd one a string.
            let attribute = uleb(&mut attributes)?;
            if attribute % 2 == 0 {
                uleb(&mut attributes)?;
                continue;
            }
            let end = attributes.iter().position(|&byte| byte == 0)?;
            if attribute == TAG_ARCH && end <= MAX_ARCH_BYTES {
                return String::from_utf8(attributes[..end].to_vec()).ok();
            }
            attributes = &attributes[end + 1..];
        }
    }
    None
}

/// Takes one unsigned LEB128 number off the front of `bytes`.
fn uleb(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with a stack alignment (even tag 4), then an architecture string.
    fn section(arch: &[u8]) -> Vec<u8> {
        let mut tags = vec![4, 16, 5];
        tags.extend(arch);
        tags.push(0);
        let mut file = vec![1];
        file.extend((tags.len() as u32 + 5).to_le_bytes());
        file.extend(tags);
        let mut vendor = b"riscv\0".to_vec();
        vendor.extend(file);
        let mut all = vec![b'A'];
        all.extend((vendor.len() as u32 + 4).to_le_bytes());
        all.extend(vendor);
        all
    }

    #[test]
    fn finds_the_architecture_behind_an_integer_tag() {
        assert_eq!(arch_string(&section(b"rv64i2p1_c2p0")).as_deref(), Some("rv64i2p1_c2p0"));
    }

    #[test]
    fn damaged_sections_have_no_architecture() {
        let good = section(b"rv64gc");
        for length in 0..good.len() {
            assert_eq!(arch_string(&good[..length]), None, "cut to {length} bytes");
        }
        assert_eq!(arch_string(b"B"), None);
        // A block length of zero must not make the walk stand still.
        assert_eq!(arch_string(b"A\0\0\0\0riscv\0"), None);
    }
}
