//! Checkpoints as bytes, taken apart and put together again, with sums that are right: to change what is behind them.

use std::io::{Read, Write};

use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use sha2::{Digest, Sha256};

/// Magic number and version.
const START_BYTES: usize = 12;
const SUM_BYTES: usize = 32;

/// The parts of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Magic number, version, and what it is a checkpoint of.
    pub head: Vec<u8>,
    /// The state apart from memory.
    pub state: Vec<u8>,
    /// Pages of memory with their numbers.
    pub pages: Vec<u8>,
}

impl Parts {
    /// The parts of a checkpoint that relsim has written.
    ///
    /// # Panics
    /// If it is none.
    pub fn of(bytes: &[u8]) -> Self {
        let length = u32::from_le_bytes(bytes[START_BYTES..][..4].try_into().unwrap()) as usize;
        let (head, rest) = bytes[..bytes.len() - SUM_BYTES].split_at(START_BYTES + 4 + length);
        let mut body = Vec::new();
        FrameDecoder::new(rest).read_to_end(&mut body).expect("a frame");
        let (state_bytes, rest) = body.split_first_chunk().unwrap();
        let (state, pages) = rest.split_at(u64::from_le_bytes(*state_bytes) as usize);
        Self { head: head.into(), state: state.into(), pages: pages.into() }
    }

    /// The checkpoint that consists of these parts.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        let mut frame = FrameEncoder::new(&mut bytes);
        frame.write_all(&(self.state.len() as u64).to_le_bytes()).unwrap();
        frame.write_all(&self.state).unwrap();
        frame.write_all(&self.pages).unwrap();
        frame.finish().unwrap();
        summed(bytes)
    }
}

/// `bytes` with their sum behind them.
pub fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}
