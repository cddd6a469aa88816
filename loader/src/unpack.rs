//! Taking compressed wrappers off: gzip (RFC 1952) and the EFI zboot format of Linux.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::GzDecoder;

use crate::error::{DisplayRange, LoadError};

const GZIP_MAGIC: &[u8; 2] = b"\x1f\x8b";
/// A kernel is packed once, a distribution may pack it again; more is a trap.
const MAX_LAYERS: usize = 4;
/// Bytes of the zboot header up to the end of the method's name. Source: Linux `drivers/firmware/efi/libstub/zboot-header.S`.
const ZBOOT_HEADER_BYTES: usize = 0x38;

/// One wrapper that was taken off an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// `gzip` or `EFI zboot`.
    pub method: &'static str,
    /// Bytes before.
    pub packed_bytes: u64,
    /// Bytes after.
    pub unpacked_bytes: u64,
    /// Bytes behind the compressed data that are neither zero nor another gzip member. They are dropped, as gzip(1) does.
    pub trailing_bytes: u64,
}

/// Takes all wrappers off `bytes`; data that is not packed is returned as it is. The second value lists the wrappers, outermost first.
///
/// # Errors
///
/// [`LoadError::TooLarge`] as soon as a layer decompresses to more than `limit_bytes` (no more than that is ever allocated per layer),
/// [`LoadError::Gzip`] for damaged data, [`LoadError::TooDeep`], [`LoadError::ZbootMethod`], and [`LoadError::Truncated`] for a
/// zboot file without its payload.
pub fn unpack<'a>(
    name: &str,
    bytes: &'a [u8],
    limit_bytes: u64,
) -> Result<(Cow<'a, [u8]>, Vec<Packing>), LoadError> {
    let mut data = Cow::Borrowed(bytes);
    let mut layers = Vec::new();
    loop {
        let (layer, next) = if data.starts_with(GZIP_MAGIC) {
            let (out, trailing_bytes) = gunzip(name, &data, limit_bytes)?;
            (Packing { trailing_bytes, ..packing("gzip", &data, &out) }, out)
        } else if is_zboot(&data) {
            let payload = zboot_payload(name, &data)?.to_vec();
            (packing("EFI zboot", &data, &payload), payload)
        } else {
            return Ok((data, layers));
        };
        // A zboot wrapper and the gzip data in it count as two layers.
        if layers.len() == 2 * MAX_LAYERS {
            return Err(LoadError::TooDeep { name: name.to_owned(), limit: 2 * MAX_LAYERS });
        }
        layers.push(layer);
        data = Cow::Owned(next);
    }
}

fn packing(method: &'static str, before: &[u8], after: &[u8]) -> Packing {
    Packing {
        method,
        packed_bytes: before.len() as u64,
        unpacked_bytes: after.len() as u64,
        trailing_bytes: 0,
    }
}

/// Decompresses all gzip members at the start of `bytes`; returns the data and how many bytes of garbage follow.
fn gunzip(name: &str, bytes: &[u8], limit_bytes: u64) -> Result<(Vec<u8>, u64), LoadError> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while rest.starts_with(GZIP_MAGIC) {
        let offset = (bytes.len() - rest.len()) as u64;
        let mut decoder = GzDecoder::new(rest);
        // One byte more than allowed tells "exactly at the limit" from "above".
        let allowed = limit_bytes.saturating_sub(out.len() as u64).saturating_add(1);
        decoder.by_ref().take(allowed).read_to_end(&mut out).map_err(|error| LoadError::Gzip {
            name: name.to_owned(),
            offset,
            reason: error.to_string(),
        })?;
        if out.len() as u64 > limit_bytes {
            return Err(LoadError::TooLarge { name: name.to_owned(), limit_bytes });
        }
        rest = decoder.into_inner();
    }
    // Tapes and flash images are padded with zeroes; that is not worth a remark.
    let garbage = if rest.iter().all(|&byte| byte == 0) { 0 } else { rest.len() as u64 };
    Ok((out, garbage))
}

fn is_zboot(bytes: &[u8]) -> bool {
    bytes.starts_with(b"MZ") && bytes.get(4..8) == Some(b"zimg".as_slice())
}

/// The compressed payload of an EFI zboot file.
fn zboot_payload<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a [u8], LoadError> {
    let truncated = |what, start, size_bytes| LoadError::Truncated {
        name: name.to_owned(),
        what,
        range: DisplayRange { start, size_bytes },
        file_bytes: bytes.len() as u64,
    };
    let header = bytes
        .first_chunk::<ZBOOT_HEADER_BYTES>()
        .ok_or_else(|| truncated("EFI zboot header", 0, ZBOOT_HEADER_BYTES as u64))?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let method = header[0x18..].split(|&byte| byte == 0).next().unwrap_or_default();
    if method != b"gzip" {
        let method = String::from_utf8_lossy(method).into_owned();
        return Err(LoadError::ZbootMethod { name: name.to_owned(), method });
    }
    let (start, size) = (word(8) as usize, word(12) as usize);
    bytes
        .get(start..)
        .and_then(|tail| tail.get(..size))
        .ok_or_else(|| truncated("EFI zboot payload", start as u64, size as u64))
}
