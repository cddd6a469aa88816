//! virtio-console: port 0 only (device type 3; queue 0 receives, queue 1 transmits).
//!
//! Output goes to the console at the cycle of the notification. Input is fetched every so many cycles
//! while the driver is up. Emergency write (configuration offset 8) is offered.
//!
//! Source: VIRTIO 1.2, section 5.3.

use std::collections::VecDeque;

use relsim_core::device::{Console, DeviceCx};
use serde::{Deserialize, Serialize};

use super::queue::QueueError;
use super::{Progress, VirtioCx, VirtioDevice};
use crate::state::{decode, encode, require};

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const FEATURE_EMERGENCY_WRITE: u64 = 1 << 2;
const EMERGENCY_WRITE: u64 = 8;
/// Bytes fetched for which the driver has not provided a buffer yet.
const MAX_WAITING: usize = 256;
const PIECE_BYTES: usize = 1 << 16;

#[derive(Default, Serialize, Deserialize)]
struct State {
    waiting: VecDeque<u8>,
    next_poll: u64,
}

/// The console device.
pub struct VirtioConsole {
    poll_interval_cycles: u64,
    state: State,
}

impl VirtioConsole {
    /// A console that asks for input every `poll_interval_cycles` core cycles (at least 1).
    pub fn new(poll_interval_cycles: u64) -> Self {
        Self { poll_interval_cycles: poll_interval_cycles.max(1), state: State::default() }
    }

    /// Hands what has arrived to the driver, as far as it has provided buffers.
    fn deliver(&mut self, io: &mut VirtioCx<'_, '_>) -> Result<(), QueueError> {
        while !self.state.waiting.is_empty() {
            let Some(chain) = io.pop(RECEIVE)? else { break };
            let bytes = self.state.waiting.make_contiguous();
            let written = chain.writer().write(io.cx.ram, bytes);
            self.state.waiting.drain(..written);
            io.push_used(RECEIVE, &chain, written as u32)?;
        }
        Ok(())
    }
}

impl VirtioDevice for VirtioConsole {
    fn device_id(&self) -> u32 {
        3
    }

    fn features(&self) -> u64 {
        FEATURE_EMERGENCY_WRITE
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[64, 64]
    }

    fn config(&self) -> Vec<u8> {
        // Columns and rows are not offered; one port; emergency write.
        vec![0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    }

    fn write_config(&mut self, cx: &mut DeviceCx<'_>, offset: u64, _size: u8, value: u64) {
        if offset == EMERGENCY_WRITE {
            cx.console.write(&[value as u8]);
        }
    }

    fn notify(&mut self, io: &mut VirtioCx<'_, '_>, queue: usize) -> Result<Progress, QueueError> {
        if queue == TRANSMIT {
            return io.drain(TRANSMIT, |chain, cx| {
                let mut reader = chain.reader();
                while let Some(bytes) = reader.read_piece(cx.ram, PIECE_BYTES) {
                    cx.console.write(bytes);
                }
                Ok(0)
            });
        }
        self.deliver(io)?;
        Ok(Progress::Done)
    }

    fn next_event(&self) -> Option<u64> {
        Some(self.state.next_poll)
    }

    fn event(&mut self, io: &mut VirtioCx<'_, '_>) -> Result<(), QueueError> {
        let intervals = io.cx.now / self.poll_interval_cycles;
        self.state.next_poll = (intervals + 1).saturating_mul(self.poll_interval_cycles);
        while self.state.waiting.len() < MAX_WAITING {
            let Some(byte) = io.cx.console.read() else {
                break;
            };
            self.state.waiting.push_back(byte);
        }
        self.deliver(io)
    }

    fn can_wake(&self, console: &dyn Console) -> bool {
        !(self.state.waiting.is_empty() && console.at_end())
    }

    fn reset(&mut self) {
        // What was typed stays for the next driver.
    }

    fn save(&self) -> Vec<u8> {
        encode(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let state: State = decode(state)?;
        require(state.waiting.len() <= MAX_WAITING, "too much console input waiting")?;
        self.state = state;
        Ok(())
    }
}
