//! Checkpoints as bytes, taken apart and put together again, with sums that are right: to change what is behind them.

use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;

use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use relsim_core::device::NoConsole;
use relsim_core::extension::IsaExtension;
use relsim_core::hart::Priv;
use relsim_devices::CowDisk;
use relsim_machine::{
    Checkpoint, Exit, Identity, Limits, Machine, MachineConfig, Payload, Peer, Piece, Timing, Virtio,
    platform,
};
use sha2::{Digest, Sha256};

use crate::lockstep::rng::Rng;

static EXTENSIONS: &[&IsaExtension] = &[&relsim_uintr::UINTR];

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

/// Changes something in `state`: most often a whole number for another, since that is what gets furthest.
pub fn change(state: &mut Vec<u8>, rng: &mut Rng) {
    if state.is_empty() {
        return;
    }
    let at = rng.below(state.len() as u64) as usize;
    match rng.below(8) {
        0 => state[at] ^= 1 << rng.below(8),
        1 => state[at] = rng.bits() as u8,
        2 => state.truncate(at),
        3 => {
            state.remove(at);
        }
        4 => state.insert(at, rng.bits() as u8),
        _ => {
            let number = match rng.below(3) {
                0 => rng.below(256),
                1 => rng.bits() >> rng.below(64),
                _ => u64::MAX - rng.below(4),
            };
            replace_number(state, at, number);
        }
    }
}

/// Lets the whole number that byte `at` of `state` belongs to be `number`.
pub fn replace_number(state: &mut Vec<u8>, at: usize, number: u64) {
    // Numbers are written 7 bits at a time, with the highest bit of all bytes but the last set.
    let Some(before) = state.get(..at) else { return };
    let begin = before.iter().rposition(|byte| byte & 0x80 == 0).map_or(0, |last| last + 1);
    let end = begin + 1 + state[begin..].iter().take_while(|&&byte| byte & 0x80 != 0).count();
    let end = end.min(state.len());
    state.splice(begin..end, varint(number));
}

/// A machine of 64 KiB with all kinds of devices whose harts load, store, multiply and divide for ever, together.
///
/// # Panics
/// Never: the machine fits together.
pub fn small(model: &str, harts: usize) -> Machine {
    // loop: auipc t3, 8; addi t0, t0, 1; sw t0, 0(t3); amoadd.w t2, t0, (t3); mul t4, t0, t2; div t5, t4, t0;
    // lw t6, 8(t3); bne t0, x0, loop
    const LOOP: [u32; 8] = [
        0x0000_8e17,
        0x0012_8293,
        0x005e_2023,
        0x005e_23af,
        0x0272_8eb3,
        0x025e_cf33,
        0x008e_2f83,
        0xfe02_92e3,
    ];
    let mut config = MachineConfig::new(&platform::VIRT, EXTENSIONS).expect("the platform's own ISA");
    config.harts = harts;
    config.ram_bytes = 64 << 10;
    config.timing = Timing::by_name(model).expect("a timing model");
    let entry = config.platform.ram_base;
    let bytes = LOOP.iter().flat_map(|word| word.to_le_bytes()).collect();
    let payload = Payload {
        pieces: vec![Piece { name: "loop".into(), address: entry, bytes }],
        entry,
        privilege: Priv::M,
        next_stage: None,
        dtb_address: 0,
        htif: None,
    };
    let disk =
        Virtio::Block { backend: Box::new(CowDisk::new(vec![3; 5000])), id: "disk".into(), read_only: false };
    let virtio = vec![disk, Virtio::Net(Peer::Echo), Virtio::Net(Peer::Load), Virtio::Console];
    Machine::build(config, &payload, virtio, Box::new(NoConsole)).expect("a machine")
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// What a changed checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was refused.
    Refused,
    /// A device did not take its state.
    RefusedByDevice,
    /// The machine went on from it.
    Taken,
}

/// Goes on from `bytes`, if they are a checkpoint that `machine` takes, for a while.
pub fn try_out(machine: &mut Machine, identity: &Identity, bytes: &[u8]) -> Fate {
    let Ok(checkpoint) = Checkpoint::read(bytes, identity, machine) else { return Fate::Refused };
    if machine.restore(&checkpoint).is_err() {
        return Fate::RefusedByDevice;
    }
    let limits = Limits {
        max_cycles: machine.cycles() + 3000,
        max_instructions: machine.instructions() + 2000,
        ..Limits::default()
    };
    machine.run(limits, &AtomicBool::new(false));
    // What is derived from the state, for whoever asks.
    machine.report(Exit::Stopped);
    machine.checkpoint().digest();
    Fate::Taken
}
