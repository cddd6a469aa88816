//! `--disk`: what stands behind a virtio disk.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use relsim_devices::{BlockBackend, BlockError, CowDisk, SECTOR_BYTES};
use relsim_machine::Virtio;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::CliError;
use crate::stats::hex;

/// What happens to what the guest writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writes {
    /// Kept in memory.
    CopyOnWrite,
    /// Refused.
    ReadOnly,
    /// Stored in the file.
    Through,
}

/// `FILE[,ro|,write]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskArg {
    /// The file.
    pub path: PathBuf,
    /// What happens to writes.
    pub writes: Writes,
}

impl FromStr for DiskArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, writes) = match text.rsplit_once(',') {
            Some((path, "ro")) => (path, Writes::ReadOnly),
            Some((path, "write")) => (path, Writes::Through),
            // Another word is part of the name, if there is such a file.
            Some((_, word)) if !PathBuf::from(text).exists() => {
                return Err(format!("unknown option {word:?}: expected FILE, FILE,ro or FILE,write"));
            }
            _ => (text, Writes::CopyOnWrite),
        };
        if path.is_empty() { Err("no file is named".into()) } else { Ok(Self { path: path.into(), writes }) }
    }
}

/// A disk that was opened, for the statistics.
#[derive(Debug, Clone, Serialize)]
pub struct DiskInfo {
    /// The file.
    pub path: PathBuf,
    /// What happens to writes.
    pub writes: Writes,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Hash of its contents before the run.
    pub sha256: String,
}

impl DiskArg {
    /// Reads the file; `index` makes the serial number.
    ///
    /// # Errors
    /// [`CliError::Read`].
    /// `travels`: the run goes back in time, and what it leaves is written to the file at its end.
    pub fn open(&self, index: usize, travels: bool) -> Result<(Virtio, DiskInfo), CliError> {
        let failed = |source| CliError::Read { what: "disk", path: self.path.clone(), source };
        let (backend, size_bytes, sha256): (Box<dyn BlockBackend>, _, _) = if self.writes == Writes::Through {
            let mut file = OpenOptions::new().read(true).write(true).open(&self.path).map_err(failed)?;
            let size_bytes = file.metadata().map_err(failed)?.len();
            let mut sha = Sha256::new();
            std::io::copy(&mut file, &mut sha).map_err(failed)?;
            let disk = FileDisk { file, size_bytes };
            let backend: Box<dyn BlockBackend> =
                if travels { Box::new(HeldDisk::new(disk, &self.path)) } else { Box::new(disk) };
            (backend, size_bytes, hex(&sha.finalize()))
        } else {
            let bytes = std::fs::read(&self.path).map_err(failed)?;
            let (size_bytes, sha256) = (bytes.len() as u64, hex(&Sha256::digest(&bytes)));
            (Box::new(CowDisk::new(bytes)), size_bytes, sha256)
        };
        let read_only = self.writes == Writes::ReadOnly;
        let device = Virtio::Block { backend, id: format!("relsim-disk{index}"), read_only };
        Ok((device, DiskInfo { path: self.path.clone(), writes: self.writes, size_bytes, sha256 }))
    }
}

/// A disk whose writes go to its file. A last sector that the file does not fill reads as zeros behind the
/// end; writing it extends the file.
struct FileDisk {
    file: File,
    size_bytes: u64,
}

impl FileDisk {
    fn seek(&mut self, sector: u64) -> Result<(), BlockError> {
        let offset = sector.checked_mul(SECTOR_BYTES as u64).ok_or(BlockError)?;
        self.file.seek(SeekFrom::Start(offset)).map(|_| ()).map_err(|_| BlockError)
    }
}

impl BlockBackend for FileDisk {
    fn capacity_sectors(&self) -> u64 {
        self.size_bytes.div_ceil(SECTOR_BYTES as u64)
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.seek(sector)?;
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(BlockError),
            }
        }
        buffer[filled..].fill(0);
        Ok(())
    }

    fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), BlockError> {
        self.seek(sector)?;
        self.file.write_all(data).map_err(|_| BlockError)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.file.sync_data().map_err(|_| BlockError)
    }

    /// The contents are in the file, and a checkpoint cannot take them back.
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    fn restore(&mut self, _: &[u8]) -> Result<(), String> {
        Err("a disk that writes through to its file cannot be restored".into())
    }
}

/// A [`FileDisk`] whose writes are held back until the run is over, so that the run can go back in time: the file gets what
/// the disk holds then, once.
struct HeldDisk {
    disk: FileDisk,
    path: PathBuf,
    /// Sectors that were written.
    held: BTreeMap<u64, Vec<u8>>,
}

impl HeldDisk {
    fn new(disk: FileDisk, path: &Path) -> Self {
        Self { disk, path: path.into(), held: BTreeMap::new() }
    }
}

impl BlockBackend for HeldDisk {
    fn capacity_sectors(&self) -> u64 {
        self.disk.capacity_sectors()
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        for (number, piece) in (sector..).zip(buffer.chunks_mut(SECTOR_BYTES)) {
            match self.held.get(&number).and_then(|held| held.get(..piece.len())) {
                Some(held) => piece.copy_from_slice(held),
                None => self.disk.read(number, piece)?,
            }
        }
        Ok(())
    }

    fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), BlockError> {
        for (number, piece) in (sector..).zip(data.chunks_exact(SECTOR_BYTES)) {
            self.held.insert(number, piece.to_vec());
        }
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        // Encoding into memory fails only for sequences of unknown length.
        postcard::to_stdvec(&self.held).unwrap_or_default()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.held = postcard::from_bytes(state).map_err(|error| error.to_string())?;
        Ok(())
    }
}

impl Drop for HeldDisk {
    fn drop(&mut self) {
        let written = self.held.iter().try_for_each(|(&sector, data)| self.disk.write(sector, data));
        if written.and_then(|()| self.disk.flush()).is_err() {
            eprintln!("relsim: what the guest wrote cannot be written to the disk {}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written goes to the file at the end, as it is then.
    #[test]
    fn writes_are_held_back_and_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        std::fs::write(&path, [1; 3 * SECTOR_BYTES]).unwrap();
        let arg = DiskArg { path: path.clone(), writes: Writes::Through };
        let (Virtio::Block { mut backend, .. }, _) = arg.open(0, true).unwrap() else { panic!("a disk") };
        backend.write(0, &[2; SECTOR_BYTES]).unwrap();
        let then = backend.save();
        backend.write(0, &[3; 2 * SECTOR_BYTES]).unwrap();
        let mut sectors = [0; 3 * SECTOR_BYTES];
        backend.read(0, &mut sectors).unwrap();
        assert_eq!((sectors[0], sectors[SECTOR_BYTES], sectors[2 * SECTOR_BYTES]), (3, 3, 1));
        backend.restore(&then).unwrap();
        backend.read(0, &mut sectors).unwrap();
        assert_eq!((sectors[0], sectors[SECTOR_BYTES]), (2, 1));
        assert_eq!(std::fs::read(&path).unwrap(), [1; 3 * SECTOR_BYTES]);
        drop(backend);
        assert_eq!(std::fs::read(&path).unwrap(), sectors);
    }

    #[test]
    fn arguments() {
        let parsed = |text: &str| text.parse::<DiskArg>();
        assert_eq!(parsed("a.img"), Ok(DiskArg { path: "a.img".into(), writes: Writes::CopyOnWrite }));
        assert_eq!(parsed("a,b.img,ro"), Ok(DiskArg { path: "a,b.img".into(), writes: Writes::ReadOnly }));
        assert_eq!(parsed("a.img,write"), Ok(DiskArg { path: "a.img".into(), writes: Writes::Through }));
        assert!(parsed("a.img,rw").is_err());
        assert!(parsed(",ro").is_err());
        assert!(parsed("").is_err());
    }
}
