//! virtio-blk: a disk of 512-byte sectors (device type 2, one queue).
//!
//! Requests: read, write, flush, get-id. A request that does not fit the disk, or a write to a
//! read-only one, ends with status IOERR, an unknown one with UNSUPP. Requests are carried out at the
//! cycle of the notification.
//!
//! The image is not modified by default: [`CowDisk`] keeps written sectors beside it. Whoever wants
//! writes to go through implements [`BlockBackend`] over a file.
//!
//! Source: VIRTIO 1.2, section 5.2.

use std::collections::BTreeMap;
use std::sync::Arc;

use relsim_core::device::DeviceCx;
use serde::{Deserialize, Serialize};

use super::queue::{Chain, QueueError};
use super::{Progress, VirtioCx, VirtioDevice};
use crate::state::{decode, encode, require};

/// Size of a sector in bytes: the unit of all positions on a disk.
pub const SECTOR_BYTES: usize = 512;

/// Largest piece that is moved at once.
const PIECE_BYTES: usize = 128 * SECTOR_BYTES;
const ID_BYTES: usize = 20;
const QUEUE_SIZES: [u16; 1] = [256];
/// Leaves room for header and status in a full queue.
const SEGMENTS_MAX: u32 = QUEUE_SIZES[0] as u32 - 2;

const FEATURE_SEG_MAX: u64 = 1 << 2;
const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_BLK_SIZE: u64 = 1 << 6;
const FEATURE_FLUSH: u64 = 1 << 9;

const TYPE_READ: u32 = 0;
const TYPE_WRITE: u32 = 1;
const TYPE_FLUSH: u32 = 4;
const TYPE_GET_ID: u32 = 8;

const STATUS_OK: u8 = 0;
const STATUS_IOERR: u8 = 1;
const STATUS_UNSUPPORTED: u8 = 2;

/// The disk could not do what was asked of it; the guest sees an I/O error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk's backend failed")]
pub struct BlockError;

/// What holds the sectors of a disk. The device asks only for sectors below the capacity, and in whole
/// sectors.
pub trait BlockBackend: Send {
    /// Size of the disk in sectors of 512 bytes; it does not change.
    fn capacity_sectors(&self) -> u64;

    /// Fills `buffer` from sector `sector` on.
    ///
    /// # Errors
    /// [`BlockError`] when it cannot be read.
    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError>;

    /// Stores `data` from sector `sector` on.
    ///
    /// # Errors
    /// [`BlockError`] when it cannot be written.
    fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), BlockError>;

    /// Makes earlier writes durable.
    ///
    /// # Errors
    /// [`BlockError`] when that fails.
    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    /// What a checkpoint must hold so that [`BlockBackend::restore`] can bring this disk back.
    fn save(&self) -> Vec<u8>;

    /// Takes a state that [`BlockBackend::save`] gave.
    ///
    /// # Errors
    /// A description of what does not fit; the disk is unchanged then.
    fn restore(&mut self, state: &[u8]) -> Result<(), String>;
}

/// A disk over an image that is never modified: written sectors are kept aside (copy on write). The
/// last sector is filled up with zeros.
#[derive(Debug, Clone)]
pub struct CowDisk {
    image: Arc<[u8]>,
    written: BTreeMap<u64, Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct CowState {
    image_bytes: u64,
    written: BTreeMap<u64, Vec<u8>>,
}

impl CowDisk {
    /// A disk with the contents of `image`.
    pub fn new(image: impl Into<Arc<[u8]>>) -> Self {
        Self { image: image.into(), written: BTreeMap::new() }
    }

    fn read_sector(&self, sector: u64, buffer: &mut [u8]) {
        if let Some(data) = self.written.get(&sector) {
            buffer.copy_from_slice(data);
            return;
        }
        let start = usize::try_from(sector).map_or(usize::MAX, |s| s.saturating_mul(SECTOR_BYTES));
        let rest = self.image.get(start..).unwrap_or(&[]);
        let len = rest.len().min(SECTOR_BYTES);
        buffer[..len].copy_from_slice(&rest[..len]);
        buffer[len..].fill(0);
    }
}

impl BlockBackend for CowDisk {
    fn capacity_sectors(&self) -> u64 {
        self.image.len().div_ceil(SECTOR_BYTES) as u64
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        for (number, piece) in (sector..).zip(buffer.chunks_exact_mut(SECTOR_BYTES)) {
            self.read_sector(number, piece);
        }
        Ok(())
    }

    fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), BlockError> {
        for (number, piece) in (sector..).zip(data.chunks_exact(SECTOR_BYTES)) {
            self.written.insert(number, piece.to_vec());
        }
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        encode(&(self.image.len() as u64, &self.written))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let state: CowState = decode(state)?;
        let same = state.image_bytes == self.image.len() as u64;
        require(same, "of a disk image of another size")?;
        let end = self.capacity_sectors();
        let legal = |(&sector, data): (&u64, &Vec<u8>)| sector < end && data.len() == SECTOR_BYTES;
        require(state.written.iter().all(legal), "an impossible disk sector")?;
        self.written = state.written;
        Ok(())
    }
}

/// The block device.
pub struct Block {
    backend: Box<dyn BlockBackend>,
    id: [u8; ID_BYTES],
    read_only: bool,
}

impl Block {
    /// A disk over `backend`. `id` is what the guest's get-id request returns (its first 20 bytes
    /// count). A read-only disk says so to the driver and refuses writes.
    pub fn new(backend: Box<dyn BlockBackend>, id: &str, read_only: bool) -> Self {
        let mut padded = [0; ID_BYTES];
        for (to, from) in padded.iter_mut().zip(id.bytes()) {
            *to = from;
        }
        Self { backend, id: padded, read_only }
    }

    /// Whether `len` bytes from `sector` on are whole sectors of the disk.
    fn fits(&self, sector: u64, len: u64) -> bool {
        let sectors = len / SECTOR_BYTES as u64;
        len.is_multiple_of(SECTOR_BYTES as u64)
            && sector.checked_add(sectors).is_some_and(|end| end <= self.backend.capacity_sectors())
    }

    /// Serves one request; returns how many bytes of the chain's writable part were filled.
    fn request(&mut self, chain: &Chain, cx: &mut DeviceCx<'_>) -> Result<u32, QueueError> {
        // The status is the last writable byte, and framing is the driver's choice.
        let data_len = chain.writable_len().checked_sub(1);
        let data_len = data_len.ok_or(QueueError::TooShort)?;
        let mut reader = chain.reader();
        let mut header = [0; 16];
        if reader.read(cx.ram, &mut header) < header.len() {
            return Err(QueueError::TooShort);
        }
        let [k0, k1, k2, k3, _, _, _, _, sector @ ..] = header;
        let sector = u64::from_le_bytes(sector);
        let mut writer = chain.writer();
        let mut filled = 0;
        let result = match u32::from_le_bytes([k0, k1, k2, k3]) {
            TYPE_READ if !self.fits(sector, data_len) => Err(BlockError),
            TYPE_READ => pieces(sector, data_len, |at, buffer| {
                self.backend.read(at, buffer)?;
                filled += writer.write(cx.ram, buffer) as u64;
                Ok(())
            }),
            TYPE_WRITE => {
                let len = chain.readable_len() - header.len() as u64;
                if self.read_only || !self.fits(sector, len) {
                    Err(BlockError)
                } else {
                    pieces(sector, len, |at, buffer| {
                        reader.read(cx.ram, buffer);
                        self.backend.write(at, buffer)
                    })
                }
            }
            TYPE_FLUSH => self.backend.flush(),
            TYPE_GET_ID => {
                let len = data_len.min(ID_BYTES as u64) as usize;
                filled = writer.write(cx.ram, &self.id[..len]) as u64;
                Ok(())
            }
            _ => {
                return Ok(finish(chain, cx, data_len, 0, STATUS_UNSUPPORTED));
            }
        };
        let status = if result.is_ok() { STATUS_OK } else { STATUS_IOERR };
        Ok(finish(chain, cx, data_len, filled, status))
    }
}

/// Walks `len` bytes (whole sectors) from `sector` on in pieces of bounded size.
fn pieces(
    sector: u64,
    len: u64,
    mut step: impl FnMut(u64, &mut [u8]) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    let mut buffer = vec![0; len.min(PIECE_BYTES as u64) as usize];
    let mut done = 0;
    while done < len {
        let piece = (len - done).min(PIECE_BYTES as u64);
        step(sector + done / SECTOR_BYTES as u64, &mut buffer[..piece as usize])?;
        done += piece;
    }
    Ok(())
}

/// Stores the status byte behind `data_len` bytes of data, `filled` of which were written.
fn finish(chain: &Chain, cx: &mut DeviceCx<'_>, data_len: u64, filled: u64, status: u8) -> u32 {
    let mut writer = chain.writer();
    writer.skip(data_len);
    writer.write(cx.ram, &[status]);
    // The used length covers only what was written without a gap from the start on.
    let written = if filled == data_len { filled + 1 } else { filled };
    u32::try_from(written).unwrap_or(u32::MAX)
}

impl VirtioDevice for Block {
    fn device_id(&self) -> u32 {
        2
    }

    fn features(&self) -> u64 {
        let read_only = if self.read_only { FEATURE_READ_ONLY } else { 0 };
        FEATURE_SEG_MAX | FEATURE_BLK_SIZE | FEATURE_FLUSH | read_only
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &QUEUE_SIZES
    }

    fn config(&self) -> Vec<u8> {
        let mut config = vec![0; 24];
        config[..8].copy_from_slice(&self.backend.capacity_sectors().to_le_bytes());
        config[12..16].copy_from_slice(&SEGMENTS_MAX.to_le_bytes());
        config[20..].copy_from_slice(&(SECTOR_BYTES as u32).to_le_bytes());
        config
    }

    fn notify(&mut self, io: &mut VirtioCx<'_, '_>, queue: usize) -> Result<Progress, QueueError> {
        io.drain(queue, |chain, cx| self.request(chain, cx))
    }

    fn save(&self) -> Vec<u8> {
        self.backend.save()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.backend.restore(state)
    }
}
