//! Split virtqueues (section 2.7): the device's side, with nothing taken on trust.
//!
//! Ring addresses, indices, descriptor addresses, lengths and links all come from the guest. Whatever
//! breaks the specification's rules in a way that matters is a [`QueueError`]; a chain that is handed
//! out lies in memory, has no loop and is no longer than memory.

use relsim_core::ram::{Ram, Scalar};
use serde::{Deserialize, Serialize};

use crate::state::require;

const DESCRIPTOR_BYTES: u64 = 16;
const FLAG_NEXT: u16 = 1;
const FLAG_WRITE: u16 = 2;
const FLAG_INDIRECT: u16 = 4;
const AVAIL_NO_INTERRUPT: u16 = 1;
/// Descriptors in an indirect table; drivers stay far below it.
const MAX_INDIRECT: u32 = 1024;

/// What is wrong with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// A ring, a descriptor table or a buffer is not in memory.
    #[error("a ring or a buffer lies outside memory")]
    OutsideMemory,
    /// The driver moved its index further than the queue is long.
    #[error("more chains made available than the queue holds")]
    IndexJump,
    /// A queue of no legal size is in use.
    #[error("the queue has no legal size")]
    Size,
    /// A link or a head points beyond the descriptor table.
    #[error("descriptor index beyond the table")]
    BadIndex,
    /// The chain has a loop, or more descriptors than the queue.
    #[error("descriptor chain without an end")]
    EndlessChain,
    /// The buffers of a chain add up to more than there is memory.
    #[error("descriptor chain longer than memory")]
    TooLong,
    /// A readable buffer follows a writable one.
    #[error("readable buffer after a writable one")]
    Order,
    /// An indirect table that was not negotiated, is nested, linked or of an odd size.
    #[error("misplaced indirect descriptor")]
    BadIndirect,
    /// A buffer is too short for what its device type puts there.
    #[error("buffer too short for its request")]
    TooShort,
}

/// A piece of guest memory, known to lie inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    pa: u64,
    len: u32,
}

/// A buffer that the driver made available: a readable part and a writable one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    head: u16,
    readable: Vec<Segment>,
    writable: Vec<Segment>,
}

fn total(segments: &[Segment]) -> u64 {
    segments.iter().map(|s| u64::from(s.len)).sum()
}

impl Chain {
    /// Bytes that the device may read.
    pub fn readable_len(&self) -> u64 {
        total(&self.readable)
    }

    /// Bytes that the device may write.
    pub fn writable_len(&self) -> u64 {
        total(&self.writable)
    }

    /// A cursor at the start of the readable part.
    pub fn reader(&self) -> ChainReader<'_> {
        ChainReader(Cursor::new(&self.readable))
    }

    /// A cursor at the start of the writable part.
    pub fn writer(&self) -> ChainWriter<'_> {
        ChainWriter(Cursor::new(&self.writable))
    }
}

#[derive(Debug)]
struct Cursor<'a> {
    segments: &'a [Segment],
    /// Bytes of the first segment that are done.
    done: u32,
}

impl<'a> Cursor<'a> {
    fn new(segments: &'a [Segment]) -> Self {
        Self { segments, done: 0 }
    }

    /// The next run of at most `limit` bytes that lies in one piece, as address and length.
    fn advance(&mut self, limit: usize) -> Option<(u64, usize)> {
        while let Some((first, rest)) = self.segments.split_first() {
            let left = first.len - self.done;
            if left == 0 {
                self.segments = rest;
                self.done = 0;
                continue;
            }
            let len = left.min(u32::try_from(limit).unwrap_or(u32::MAX));
            let pa = first.pa + u64::from(self.done);
            self.done += len;
            return Some((pa, len as usize));
        }
        None
    }
}

/// Reads the readable part of a chain from front to back.
#[derive(Debug)]
pub struct ChainReader<'a>(Cursor<'a>);

impl ChainReader<'_> {
    /// Fills `buffer` as far as the chain goes; returns how much of it.
    pub fn read(&mut self, ram: &Ram, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(bytes) = self.read_piece(ram, buffer.len() - filled) else {
                break;
            };
            buffer[filled..filled + bytes.len()].copy_from_slice(bytes);
            filled += bytes.len();
        }
        filled
    }

    /// The next bytes that lie in one piece, at most `limit` (more than 0); `None` at the end.
    pub fn read_piece<'r>(&mut self, ram: &'r Ram, limit: usize) -> Option<&'r [u8]> {
        let (pa, len) = self.0.advance(limit)?;
        ram.slice(pa, len as u64)
    }
}

/// Writes the writable part of a chain from front to back.
#[derive(Debug)]
pub struct ChainWriter<'a>(Cursor<'a>);

impl ChainWriter<'_> {
    /// Writes `data` as far as the chain goes; returns how much of it.
    pub fn write(&mut self, ram: &mut Ram, data: &[u8]) -> usize {
        let mut written = 0;
        while written < data.len() {
            let Some((pa, len)) = self.0.advance(data.len() - written) else {
                break;
            };
            if !ram.write(pa, &data[written..written + len]) {
                break;
            }
            written += len;
        }
        written
    }

    /// Leaves out the next `count` bytes.
    pub fn skip(&mut self, mut count: u64) {
        while count > 0 {
            let limit = usize::try_from(count).unwrap_or(usize::MAX);
            let Some((_, len)) = self.0.advance(limit) else {
                break;
            };
            count -= len as u64;
        }
    }
}

/// One virtqueue as the device sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Queue {
    max_size: u16,
    pub(super) size: u16,
    pub(super) ready: bool,
    pub(super) descriptors: u64,
    pub(super) available: u64,
    pub(super) used: u64,
    /// Negotiated: chains may point to a table of further descriptors.
    pub(super) indirect: bool,
    /// Negotiated: both sides say at which index they want to hear from the other.
    pub(super) event_idx: bool,
    next_available: u16,
    next_used: u16,
}

struct Descriptor {
    pa: u64,
    len: u32,
    flags: u16,
    next: u16,
}

fn load<T: Scalar>(ram: &Ram, base: u64, offset: u64) -> Result<T, QueueError> {
    let pa = base.checked_add(offset).ok_or(QueueError::OutsideMemory)?;
    ram.get(pa).ok_or(QueueError::OutsideMemory)
}

fn store<T: Scalar>(ram: &mut Ram, base: u64, offset: u64, value: T) -> Result<(), QueueError> {
    let pa = base.checked_add(offset).ok_or(QueueError::OutsideMemory)?;
    ram.put(pa, value).map(drop).ok_or(QueueError::OutsideMemory)
}

fn descriptor(ram: &Ram, table: u64, index: u16) -> Result<Descriptor, QueueError> {
    let at = u64::from(index) * DESCRIPTOR_BYTES;
    Ok(Descriptor {
        pa: load(ram, table, at)?,
        len: load(ram, table, at + 8)?,
        flags: load(ram, table, at + 12)?,
        next: load(ram, table, at + 14)?,
    })
}

impl Queue {
    /// A queue in its reset state that can hold `max_size` chains.
    pub(super) fn new(max_size: u16) -> Self {
        Self {
            max_size,
            size: max_size,
            ready: false,
            descriptors: 0,
            available: 0,
            used: 0,
            indirect: false,
            event_idx: false,
            next_available: 0,
            next_used: 0,
        }
    }

    pub(super) fn max_size(&self) -> u16 {
        self.max_size
    }

    /// Index of the next used element, to tell whether any were added.
    pub(super) fn used_index(&self) -> u16 {
        self.next_used
    }

    /// Whether a restored queue is one that [`Queue::new`] with `max_size` can have become.
    pub(super) fn check(&self, max_size: u16) -> Result<(), String> {
        require(self.max_size == max_size, "a virtqueue of another device type")
    }

    pub(super) fn pop(&mut self, ram: &mut Ram) -> Result<Option<Chain>, QueueError> {
        if !self.ready {
            return Ok(None);
        }
        if !self.size.is_power_of_two() || self.size > self.max_size {
            return Err(QueueError::Size);
        }
        let index: u16 = load(ram, self.available, 2)?;
        let waiting = index.wrapping_sub(self.next_available);
        if waiting > self.size {
            return Err(QueueError::IndexJump);
        }
        if waiting == 0 {
            if self.event_idx {
                // Notify me when you go past this index.
                let at = 4 + 8 * u64::from(self.size);
                store(ram, self.used, at, self.next_available)?;
            }
            return Ok(None);
        }
        let slot = u64::from(self.next_available % self.size);
        let head = load(ram, self.available, 4 + 2 * slot)?;
        let chain = self.chain(ram, head)?;
        self.next_available = self.next_available.wrapping_add(1);
        Ok(Some(chain))
    }

    fn chain(&self, ram: &Ram, head: u16) -> Result<Chain, QueueError> {
        let mut chain = Chain { head, readable: Vec::new(), writable: Vec::new() };
        let (mut table, mut entries, mut nested) = (self.descriptors, u32::from(self.size), false);
        let (mut index, mut seen, mut len) = (head, 0, 0);
        loop {
            if u32::from(index) >= entries {
                return Err(QueueError::BadIndex);
            }
            seen += 1;
            if seen > entries {
                return Err(QueueError::EndlessChain);
            }
            let found = descriptor(ram, table, index)?;
            if found.flags & FLAG_INDIRECT != 0 {
                let count = found.len / DESCRIPTOR_BYTES as u32;
                let whole = u64::from(found.len) % DESCRIPTOR_BYTES == 0;
                let legal = self.indirect && !nested && whole && (1..=MAX_INDIRECT).contains(&count);
                if !legal || found.flags & FLAG_NEXT != 0 {
                    return Err(QueueError::BadIndirect);
                }
                (table, entries, nested) = (found.pa, count, true);
                (index, seen) = (0, 0);
                continue;
            }
            if !ram.contains(found.pa, u64::from(found.len)) {
                return Err(QueueError::OutsideMemory);
            }
            len += u64::from(found.len);
            if len > ram.size_bytes() {
                return Err(QueueError::TooLong);
            }
            let segment = Segment { pa: found.pa, len: found.len };
            if found.flags & FLAG_WRITE != 0 {
                chain.writable.push(segment);
            } else if chain.writable.is_empty() {
                chain.readable.push(segment);
            } else {
                return Err(QueueError::Order);
            }
            if found.flags & FLAG_NEXT == 0 {
                return Ok(chain);
            }
            index = found.next;
        }
    }

    pub(super) fn push_used(&mut self, ram: &mut Ram, chain: &Chain, written: u32) -> Result<(), QueueError> {
        if self.size == 0 {
            return Err(QueueError::Size);
        }
        let at = 4 + 8 * u64::from(self.next_used % self.size);
        store(ram, self.used, at, u32::from(chain.head))?;
        store(ram, self.used, at + 4, written)?;
        self.next_used = self.next_used.wrapping_add(1);
        store(ram, self.used, 2, self.next_used)
    }

    /// Whether the driver wants an interrupt for the used elements added since `old_used` (sections
    /// 2.7.7 and 2.7.10).
    pub(super) fn wants_interrupt(&self, ram: &Ram, old_used: u16) -> Result<bool, QueueError> {
        let added = self.next_used.wrapping_sub(old_used);
        if added == 0 {
            return Ok(false);
        }
        if !self.event_idx {
            let flags: u16 = load(ram, self.available, 0)?;
            return Ok(flags & AVAIL_NO_INTERRUPT == 0);
        }
        let event: u16 = load(ram, self.available, 4 + 2 * u64::from(self.size))?;
        Ok(self.next_used.wrapping_sub(event).wrapping_sub(1) < added)
    }
}
