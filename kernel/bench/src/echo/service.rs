//! The network server, whatever brings its requests.

use kernel_net::Stack;
use kernel_net::socket::{Answer, Buffers, Request};
use kernel_root::harness::Failure;
use kernel_user::abi::bits;
use kernel_user::invoke::{IrqHandler, Notification};
use kernel_user::time::ticks;

use super::{load, machine};
use crate::measure::operation;
use crate::world::World;

/// The guest's address, in the network of the peer.
const ADDRESS: ([u8; 4], u8) = ([10, 0, 2, 15], 24);
/// The port of the peer's answers.
const OWN_PORT: u16 = 7001;

/// What the network server is waiting for, on its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The echo server listens.
    Listening,
    /// The peer has answered.
    Answered,
}

/// Stack and interrupts; `T` says who waits.
pub struct Service<T> {
    stack: Stack<T>,
    interrupt: IrqHandler,
    ticks_per_us: u64,
}

impl<T> Service<T> {
    /// Frames are signalled to `notification`.
    pub fn new(world: &mut World, notification: Notification) -> Result<Self, Failure> {
        let (_, place) = world.region()?;
        // SAFETY: the region is mapped for good, and only used as buffers.
        let buffers = unsafe { Buffers::new(place as *mut u8, 1 << bits::MEGA_PAGE) };
        let machine::Machine { nic, interrupt, ticks_per_us } = machine::find(world, notification)?;
        let stack = Stack::new(nic, ADDRESS, OWN_PORT, buffers);
        Ok(Self { stack, interrupt, ticks_per_us })
    }

    /// Asks the peer, which answers in the course of time.
    pub fn ask(&mut self, words: &[u64]) -> Result<(), Failure> {
        let (bytes, len) = load::encode(words);
        if self.stack.send_datagram(load::PEER, &bytes[..len]) {
            return Ok(());
        }
        Err(Failure::new(format_args!("no room for a question to the peer")))
    }

    /// What it has answered.
    pub fn answer(&mut self) -> Option<load::Answer> {
        let mut bytes = [0; load::ANSWER_BYTES];
        let len = self.stack.take_datagram(&mut bytes)?;
        Some(load::decode(&bytes[..len]))
    }

    #[inline(always)]
    pub fn reached(&self, goal: Goal) -> bool {
        match goal {
            Goal::Listening => self.stack.is_listening(),
            Goal::Answered => self.stack.has_datagram(),
        }
    }

    /// Handles a request: see [`Stack::request`].
    #[inline(always)]
    pub fn handle(
        &mut self,
        label: u64,
        words: [u64; 2],
        asker: impl FnOnce() -> Option<T>,
    ) -> Option<Answer> {
        let Some(request) = Request::decode(label, words) else { return Some(Answer::FAILED) };
        if matches!(request, Request::Send { .. }) {
            operation();
        }
        self.stack.request(request, asker)
    }

    /// Takes what has come, sends what there is.
    #[inline(always)]
    pub fn poll(&mut self, tell: impl FnMut(T, Answer)) {
        self.stack.poll(ticks() / self.ticks_per_us, tell);
    }

    /// The server is about to wait, unless this finds a frame.
    #[inline(always)]
    pub fn rest(&self) -> bool {
        self.stack.nic().set_interrupt(true);
        self.stack.nic().has_input()
    }

    /// It does not wait any more.
    #[inline(always)]
    pub fn rise(&self) {
        self.stack.nic().set_interrupt(false);
    }

    /// The device may have interrupted.
    #[inline(always)]
    pub fn take_interrupt(&self) {
        if self.stack.nic().take_interrupt() {
            // What else could it do?
            let _ = self.interrupt.ack();
        }
    }
}
