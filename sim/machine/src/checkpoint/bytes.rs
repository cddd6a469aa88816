//! Checkpoints as bytes, to be kept and read again: by the same version of relsim, for a machine that was built alike.
//!
//! | bytes | contents |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`] |
//! | 4 + n | length and [`Identity`], in postcard |
//! | m | an LZ4 frame: length (8) and state in postcard, then each page that is not zero: number (4) and contents; [`END`] |
//! | 32 | SHA-256 of all before |
//!
//! Numbers are little-endian. Nothing that is read is taken on trust: the sum finds damage, and what has a right sum has to
//! be a state that the machine can be in, or it is refused.

use std::io::{self, Read, Write};

use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use relsim_core::bus::BusState;
use relsim_core::hart::Hart;
use relsim_core::ram::{Image, PAGE_BYTES};
use relsim_core::run::Slice;
use relsim_core::saved::{Impossible, MAX_COUNT, require};
use relsim_devices::Htif;
use relsim_timing::registry::ModelState;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Checkpoint, Difference, Identity};
use crate::machine::Machine;
use crate::report::Visit;
use crate::sbi::Firmware;

/// What a checkpoint begins with.
pub const MAGIC: [u8; 8] = *b"relsim\x1ac";
/// Steps with every change of what follows, states of models among it.
pub const VERSION: u32 = 5;
/// In the place of a page's number: no more pages.
const END: u32 = u32::MAX;
/// No identity is longer.
const MAX_IDENTITY_BYTES: u32 = 1 << 20;
/// No state is longer, without memory: what a guest wrote to copy-on-write disks is part of it.
const MAX_STATE_BYTES: u64 = 4 << 30;
/// Nothing that is under way in a timing model ends later than this many cycles after the latest hart's time.
const HORIZON_CYCLES: u64 = 1 << 24;

/// Why a checkpoint was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is something else.
    #[error("this is no checkpoint of relsim")]
    Magic,
    /// It is one of another version.
    #[error("this checkpoint has format {0}, and this relsim reads format {VERSION}")]
    Version(u32),
    /// It has changed since it was written, or is cut short.
    #[error("this checkpoint is damaged: {0}")]
    Damaged(&'static str),
    /// It is one of another run.
    #[error("this checkpoint is of another run ({0})")]
    Other(Difference),
    /// It cannot be decoded.
    #[error("this checkpoint cannot be read: {0}")]
    Encoding(String),
    /// It speaks of something that there cannot be.
    #[error("this checkpoint has an impossible state: {0}")]
    Impossible(#[from] Impossible),
}

/// Why a machine's checkpoint cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Of writing.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Of encoding.
    #[error("{0}")]
    Encoding(postcard::Error),
}

/// Everything but memory, as it is written.
#[derive(Serialize)]
struct StateRef<'a> {
    harts: &'a [Hart],
    bus: &'a BusState,
    firmware: &'a Option<Firmware>,
    htif: Option<Vec<u8>>,
    next_htif_poll: u64,
    model: &'a ModelState,
    paused: Option<(usize, Slice)>,
    watch_hit: bool,
}

/// The same, as it is read: field by field.
#[derive(Deserialize)]
struct State {
    harts: Vec<Hart>,
    bus: BusState,
    firmware: Option<Firmware>,
    htif: Option<Vec<u8>>,
    next_htif_poll: u64,
    model: ModelState,
    paused: Option<(usize, Slice)>,
    watch_hit: bool,
}

/// Writes, and sums up what was written.
struct Summed<W> {
    to: W,
    sum: Sha256,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Checkpoint {
    /// Writes it, as one of a run with `identity`. What [`Machine::watch_region`] has seen is not part of it.
    ///
    /// # Errors
    /// Of writing.
    pub fn write(&self, identity: &Identity, to: impl Write) -> Result<(), WriteError> {
        let mut to = Summed { to, sum: Sha256::new() };
        to.write_all(&MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        let identity = postcard::to_stdvec(identity).map_err(WriteError::Encoding)?;
        to.write_all(&(identity.len() as u32).to_le_bytes())?;
        to.write_all(&identity)?;
        let state = postcard::to_stdvec(&StateRef {
            harts: &self.harts,
            bus: &self.bus,
            firmware: &self.firmware,
            htif: self.htif.as_ref().map(Htif::save),
            next_htif_poll: self.next_htif_poll,
            model: &self.model,
            paused: self.paused,
            watch_hit: self.memory.watch_hit(),
        });
        let state = state.map_err(WriteError::Encoding)?;
        let mut frame = FrameEncoder::new(&mut to);
        frame.write_all(&(state.len() as u64).to_le_bytes())?;
        frame.write_all(&state)?;
        for (page, bytes) in self.memory.contents() {
            frame.write_all(&(page as u32).to_le_bytes())?;
            frame.write_all(bytes)?;
        }
        frame.write_all(&END.to_le_bytes())?;
        frame.finish().map_err(io::Error::from)?;
        let Summed { mut to, sum } = to;
        to.write_all(&sum.finalize())?;
        Ok(to.flush()?)
    }

    /// Reads one that `machine`, of a run with `identity`, can go on from.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(bytes: &[u8], identity: &Identity, machine: &Machine) -> Result<Self, ReadError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(ReadError::Magic)?;
        let (version, _) = rest.split_first_chunk().ok_or(ReadError::Damaged(SHORT))?;
        match u32::from_le_bytes(*version) {
            VERSION => {}
            other => return Err(ReadError::Version(other)),
        }
        let (summed, sum) = bytes.split_last_chunk::<32>().ok_or(ReadError::Damaged(SHORT))?;
        if Sha256::digest(summed)[..] != *sum {
            return Err(ReadError::Damaged("its contents do not have the sum that they should"));
        }
        let mut rest = summed.get(MAGIC.len() + 4..).ok_or(ReadError::Damaged(SHORT))?;
        let length = u32::from_le_bytes(take(&mut rest)?);
        require(length <= MAX_IDENTITY_BYTES, "an identity without an end")?;
        let (theirs, body) = rest.split_at_checked(length as usize).ok_or(ReadError::Damaged(SHORT))?;
        let theirs: Identity = decode(theirs)?;
        if let Some(difference) = theirs.difference(identity) {
            return Err(ReadError::Other(difference));
        }
        let mut frame = FrameDecoder::new(body);
        let length = u64::from_le_bytes(take(&mut frame)?);
        require(length <= MAX_STATE_BYTES, "a state without an end")?;
        let mut state = Vec::new();
        // It grows as there is something to read, whatever the length says.
        let count = (&mut frame).take(length).read_to_end(&mut state).map_err(unreadable)?;
        require(count as u64 == length, "a state without an end")?;
        let state: State = decode(&state)?;
        let memory = pages(&mut frame, machine.bus.ram.blank(state.watch_hit))?;
        Ok(machine.settle(state, memory)?)
    }
}

const SHORT: &str = "it is cut short";

fn unreadable(error: io::Error) -> ReadError {
    ReadError::Encoding(error.to_string())
}

fn take<const N: usize>(from: &mut impl Read) -> Result<[u8; N], ReadError> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, ReadError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(ReadError::Encoding("there is more than there should be".into())),
        Err(error) => Err(ReadError::Encoding(error.to_string())),
    }
}

/// Fills `memory` in.
fn pages(from: &mut impl Read, mut memory: Image) -> Result<Image, ReadError> {
    let mut next = 0;
    loop {
        let page = u32::from_le_bytes(take(from)?);
        if page == END {
            break;
        }
        require(page >= next, "pages out of order")?;
        next = page + 1;
        let bytes: [u8; PAGE_BYTES as usize] = take(from)?;
        memory.put(page as usize, &bytes)?;
    }
    match from.read(&mut [0]).map_err(unreadable)? {
        0 => Ok(memory),
        _ => Err(ReadError::Encoding("there is more than there should be".into())),
    }
}

impl Machine {
    /// The checkpoint with `state` and `memory`, if it can be one of this machine. What devices say is for them to judge,
    /// when it is gone to.
    fn settle(&self, state: State, memory: Image) -> Result<Checkpoint, Impossible> {
        let State { mut harts, bus, firmware, htif, next_htif_poll, mut model, paused, watch_hit: _ } = state;
        require(harts.len() == self.cores.len(), "another number of harts")?;
        for (hart, core) in harts.iter_mut().zip(&self.cores) {
            hart.settle(&core.hart)?;
        }
        self.bus.check(&bus)?;
        let firmware = match (firmware, &self.firmware) {
            (None, None) => None,
            (Some(firmware), Some(own)) => {
                firmware.check(own)?;
                Some(firmware)
            }
            _ => return Err(Impossible("firmware without its calls")),
        };
        let htif = match (htif, &self.htif) {
            (None, None) => None,
            (Some(bytes), Some((_, own))) => {
                let mut htif = own.clone();
                htif.restore(&bytes).map_err(|_| Impossible("a wrong state of HTIF"))?;
                Some(htif)
            }
            _ => return Err(Impossible("HTIF without its words")),
        };
        require(next_htif_poll <= MAX_COUNT, "a time that never comes")?;
        let cycles = harts.iter().map(|hart| hart.cycle).max().unwrap_or(0);
        self.model.settle(&mut model, cycles + HORIZON_CYCLES)?;
        require(paused.is_none_or(|(hart, _)| hart < harts.len()), "a slice of no hart")?;
        let fixed_bytes = self.fixed_bytes(&bus);
        Ok(Checkpoint {
            steps: harts.iter().map(Hart::steps).sum(),
            cycles,
            memory,
            bus,
            firmware,
            htif,
            next_htif_poll,
            model,
            visit: Visit::default(),
            paused,
            harts,
            fixed_bytes,
        })
    }
}
