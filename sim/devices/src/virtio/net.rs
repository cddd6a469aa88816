//! virtio-net with a built-in peer instead of a network (device type 1; queue 0 receives, queue 1
//! transmits).
//!
//! A frame that the guest sends goes to the [`NetPeer`]; what the peer sends, then or at a time of its own,
//! arrives a fixed number of cycles later. Nothing leaves the simulation, so runs stay reproducible. No offloads are offered: headers are
//! all zero apart from the buffer count. Frames without a receive buffer wait; when too many do, the
//! latest are dropped.
//!
//! Source: VIRTIO 1.2, section 5.1.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::peer::{Frames, NetPeer};
use super::queue::{Chain, QueueError};
use super::{Progress, VirtioCx, VirtioDevice};
use crate::state::{decode, encode, require};

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const FEATURE_MAC: u64 = 1 << 5;
const FEATURE_STATUS: u64 = 1 << 16;
const LINK_UP: u8 = 1;
/// `virtio_net_hdr`, with `num_buffers` as VERSION_1 requires.
const HEADER_BYTES: usize = 12;
const NUM_BUFFERS_AT: usize = 10;
/// Longer frames cannot come from a driver without offloads.
const MAX_FRAME_BYTES: usize = 1 << 16;
const MAX_WAITING: usize = 512;

#[derive(Serialize, Deserialize)]
struct Waiting {
    due_cycle: u64,
    frame: Vec<u8>,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    waiting: VecDeque<Waiting>,
    /// The first waiting frame is due, but there is no buffer for it.
    starved: bool,
}

impl State {
    /// The peer has sent `frames`, which arrive at `due_cycle`.
    fn send(&mut self, due_cycle: u64, frames: Frames) {
        // Harts do not see the same cycle; frames still arrive in the order of sending.
        let due_cycle = due_cycle.max(self.waiting.back().map_or(0, |w| w.due_cycle));
        let room = MAX_WAITING.saturating_sub(self.waiting.len());
        for mut frame in frames.into_iter().take(room) {
            frame.truncate(MAX_FRAME_BYTES);
            self.waiting.push_back(Waiting { due_cycle, frame });
        }
    }
}

/// The network device.
pub struct Net {
    mac: [u8; 6],
    latency_cycles: u64,
    peer: Box<dyn NetPeer>,
    state: State,
}

impl Net {
    /// A device with address `mac`; what `peer` sends arrives `latency_cycles` core cycles later.
    pub fn new(mac: [u8; 6], latency_cycles: u64, peer: Box<dyn NetPeer>) -> Self {
        Self { mac, latency_cycles, peer, state: State::default() }
    }

    fn transmit(&mut self, io: &mut VirtioCx<'_, '_>) -> Result<Progress, QueueError> {
        io.drain(TRANSMIT, |chain, cx| {
            let len = chain.readable_len().checked_sub(HEADER_BYTES as u64);
            let len = len.ok_or(QueueError::TooShort)?;
            if len > MAX_FRAME_BYTES as u64 {
                return Ok(0);
            }
            let mut frame = vec![0; HEADER_BYTES + len as usize];
            chain.reader().read(cx.ram, &mut frame);
            let sent = self.peer.receive(cx.now, &frame[HEADER_BYTES..]);
            self.state.send(cx.now.saturating_add(self.latency_cycles), sent);
            Ok(0)
        })
    }

    fn receive(&mut self, io: &mut VirtioCx<'_, '_>) -> Result<(), QueueError> {
        self.state.starved = false;
        while let Some(first) = self.state.waiting.front()
            && first.due_cycle <= io.cx.now
        {
            let Some(chain) = io.pop(RECEIVE)? else {
                self.state.starved = true;
                break;
            };
            let written = store_frame(&chain, io, &first.frame);
            self.state.waiting.pop_front();
            io.push_used(RECEIVE, &chain, written)?;
        }
        Ok(())
    }
}

/// Fills a receive buffer; one that is too short for the frame goes back empty, and the frame is lost.
fn store_frame(chain: &Chain, io: &mut VirtioCx<'_, '_>, frame: &[u8]) -> u32 {
    let len = HEADER_BYTES + frame.len();
    if chain.writable_len() < len as u64 {
        return 0;
    }
    let mut header = [0; HEADER_BYTES];
    header[NUM_BUFFERS_AT] = 1;
    let mut writer = chain.writer();
    writer.write(io.cx.ram, &header);
    writer.write(io.cx.ram, frame);
    len as u32
}

impl VirtioDevice for Net {
    fn device_id(&self) -> u32 {
        1
    }

    fn features(&self) -> u64 {
        FEATURE_MAC | FEATURE_STATUS
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[256, 256]
    }

    fn config(&self) -> Vec<u8> {
        let mut config = self.mac.to_vec();
        config.extend([LINK_UP, 0]);
        config
    }

    fn notify(&mut self, io: &mut VirtioCx<'_, '_>, queue: usize) -> Result<Progress, QueueError> {
        if queue == TRANSMIT {
            return self.transmit(io);
        }
        self.receive(io)?;
        Ok(Progress::Done)
    }

    fn next_event(&self) -> Option<u64> {
        let first = self.state.waiting.front().filter(|_| !self.state.starved);
        first.map(|w| w.due_cycle).into_iter().chain(self.peer.next_event()).min()
    }

    fn event(&mut self, io: &mut VirtioCx<'_, '_>) -> Result<(), QueueError> {
        let now = io.cx.now;
        if self.peer.next_event().is_some_and(|due| due <= now) {
            let sent = self.peer.event(now);
            self.state.send(now.saturating_add(self.latency_cycles), sent);
        }
        self.receive(io)
    }

    fn reset(&mut self) {
        self.state = State::default();
        self.peer.reset();
    }

    fn save(&self) -> Vec<u8> {
        // Borrowed twin of what `restore` decodes.
        encode(&(&self.state, self.peer.save()))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let (state, peer): (State, Vec<u8>) = decode(state)?;
        let frames = || state.waiting.iter();
        let bounded = frames().len() <= MAX_WAITING && frames().all(|w| w.frame.len() <= MAX_FRAME_BYTES);
        require(bounded, "too many frames on their way")?;
        require(frames().is_sorted_by_key(|w| w.due_cycle), "frames out of order")?;
        self.peer.restore(&peer)?;
        self.state = state;
        Ok(())
    }
}
