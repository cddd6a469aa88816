//! What all devices share: the byte form of their state, and 64-bit registers accessed in parts.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a state; equal states give equal bytes.
pub(crate) fn encode<T: Serialize>(state: &T) -> Vec<u8> {
    // Encoding into memory fails only for sequences of unknown length, which no state has.
    postcard::to_stdvec(state).expect("device states have known lengths")
}

/// The state that [`encode`] gave; nothing may follow it.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((state, [])) => Ok(state),
        Ok((_, rest)) => Err(format!("{} bytes too many in the saved state", rest.len())),
        Err(error) => Err(format!("unreadable saved state: {error}")),
    }
}

/// `Err` with the description when a restored state does not hold what the device relies on.
pub(crate) fn require(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("saved state: {what}")) }
}

/// A mask of the low `size` bytes (1 to 8).
fn mask(size: u8) -> u64 {
    u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8)))
}

/// The `size` bytes of a 64-bit register that an aligned access at `offset` reads.
pub(crate) fn read_part(register: u64, offset: u64, size: u8) -> u64 {
    (register >> (8 * (offset % 8))) & mask(size)
}

/// A 64-bit register after an aligned write of `size` bytes at `offset`.
pub(crate) fn write_part(register: u64, offset: u64, size: u8, value: u64) -> u64 {
    let shift = 8 * (offset % 8);
    (register & !(mask(size) << shift)) | ((value & mask(size)) << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_register() {
        let register = 0x1122_3344_5566_7788;
        assert_eq!(read_part(register, 0, 8), register);
        assert_eq!(read_part(register, 0xc, 4), 0x1122_3344);
        assert_eq!(read_part(register, 9, 1), 0x77);
        assert_eq!(write_part(register, 4, 4, 0xffff_ffff_aaaa_bbbb), 0xaaaa_bbbb_5566_7788);
        assert_eq!(write_part(register, 8, 8, 5), 5);
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&7u32);
        assert_eq!(decode::<u32>(&bytes), Ok(7));
        bytes.push(0);
        assert!(decode::<u32>(&bytes).is_err());
        assert!(decode::<u32>(&[]).is_err());
    }
}
