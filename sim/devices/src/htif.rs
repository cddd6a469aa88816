//! Host-target interface: console, exit and a few proxied system calls through two 64-bit words.
//!
//! | register | meaning |
//! |---|---|
//! | `tohost` | a command of the guest: bits 63:56 device, 55:48 command, 47:0 payload; reads 0 once taken |
//! | `fromhost` | the reply in the same form; the guest writes 0 to make room for the next |
//!
//! | device, command | payload | effect |
//! |---|---|---|
//! | 0, 0 | bit 0 set | exit with status payload >> 1 (all upper bits set: a negative status) |
//! | 0, 0 | address of eight 64-bit words | system call: number, arguments; the result goes to word 0; reply 1 |
//! | 1, 0 | - | reply 0x100 + next byte of console input, as soon as there is one |
//! | 1, 1 | a byte | console output, without a reply |
//!
//! System calls: `write` (64) to descriptors 1 and 2, `exit` (93); others give -ENOSYS. What is not in
//! the tables is ignored.
//!
//! The two words are a device of their own on some platforms ([`HtifDevice`]) and symbols in an
//! image's memory on others: there the machine calls [`Htif::poll_memory`] from time to time.
//!
//! Sources: riscv-isa-sim `fesvr/htif.cc`, `device.cc`, `syscall.cc`; the `ucb,htif0` binding; riscv-tests
//! `benchmarks/common/syscalls.c`.

use std::collections::VecDeque;

use relsim_core::device::{BusFault, Clock, Console, Device, DeviceCx, GuestExit};
use serde::{Deserialize, Serialize};

use crate::state::{decode, encode, read_part, require, write_part};

const DEVICE_SYSCALL: u64 = 0;
const DEVICE_CONSOLE: u64 = 1;
const COMMAND_GET: u64 = 0;
const COMMAND_PUT: u64 = 1;
const PAYLOAD: u64 = (1 << 48) - 1;

const SYS_WRITE: u64 = 64;
const SYS_EXIT: u64 = 93;
const EBADF: u64 = 9;
const EFAULT: u64 = 14;
const ENOSYS: u64 = 38;
/// A longer `write` is cut short, which callers must expect, so that one store has bounded work.
const MAX_WRITE_BYTES: u64 = 1 << 20;
/// Replies that wait for room; a guest that never takes them loses later ones.
const MAX_REPLIES: usize = 64;
/// Input requests that wait for a byte.
const MAX_READS: u32 = 64;

/// The protocol, without a place for its two words.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Htif {
    /// Input requests without a reply yet.
    reads: u32,
    /// Replies for which `fromhost` was not free.
    replies: VecDeque<u64>,
}

fn status(code: u64) -> u32 {
    // A failure must not turn into success by losing its upper bits.
    u32::try_from(code).unwrap_or(u32::MAX)
}

impl Htif {
    /// An interface with nothing outstanding.
    pub fn new() -> Self {
        Self::default()
    }

    /// Carries out the command that the guest wrote to `tohost` (0 is none) and gives the value to
    /// store in `fromhost`, if there is a reply. The caller sets `tohost` to 0.
    pub fn write_tohost(&mut self, value: u64, cx: &mut DeviceCx<'_>) -> Option<u64> {
        let (device, command, payload) = (value >> 56, value >> 48 & 0xff, value & PAYLOAD);
        match (device, command) {
            (0xff, 0xff) if value & 1 == 1 => {
                *cx.exit = Some(GuestExit::Done((value.cast_signed() >> 1) as u32));
                None
            }
            (DEVICE_SYSCALL, 0) if payload & 1 == 1 => {
                *cx.exit = Some(GuestExit::Done(status(payload >> 1)));
                None
            }
            (DEVICE_SYSCALL, 0) if payload != 0 => self.system_call(payload, cx),
            (DEVICE_CONSOLE, COMMAND_GET) => {
                self.reads = (self.reads + 1).min(MAX_READS);
                self.poll_input(cx)
            }
            (DEVICE_CONSOLE, COMMAND_PUT) => {
                cx.console.write(&[payload as u8]);
                None
            }
            _ => None,
        }
    }

    /// The reply to an outstanding input request, if a byte has arrived for it.
    pub fn poll_input(&mut self, cx: &mut DeviceCx<'_>) -> Option<u64> {
        if self.reads == 0 {
            return None;
        }
        let byte = cx.console.read()?;
        self.reads -= 1;
        Some(DEVICE_CONSOLE << 56 | COMMAND_GET << 48 | 0x100 | u64::from(byte))
    }

    /// Whether an input request waits for console input.
    pub fn wants_input(&self) -> bool {
        self.reads > 0
    }

    /// Serves the interface when its words lie in memory at physical addresses `tohost` and, if the
    /// image has it, `fromhost`: takes a command if there is one and stores a reply if there is room.
    /// Addresses outside memory are as good as words that stay 0.
    pub fn poll_memory(&mut self, tohost: u64, fromhost: Option<u64>, cx: &mut DeviceCx<'_>) {
        let command = cx.ram.get::<u64>(tohost).unwrap_or(0);
        if command != 0 {
            cx.ram.put(tohost, 0u64);
            let reply = self.write_tohost(command, cx);
            self.queue_reply(reply);
        }
        let Some(fromhost) = fromhost else { return };
        if cx.ram.get::<u64>(fromhost) == Some(0)
            && let Some(reply) = self.next_reply(cx)
        {
            cx.ram.put(fromhost, reply);
        }
    }

    fn queue_reply(&mut self, reply: Option<u64>) {
        if self.replies.len() < MAX_REPLIES {
            self.replies.extend(reply);
        }
    }

    /// The next reply, for a `fromhost` that is free.
    fn next_reply(&mut self, cx: &mut DeviceCx<'_>) -> Option<u64> {
        self.replies.pop_front().or_else(|| self.poll_input(cx))
    }

    fn system_call(&mut self, block: u64, cx: &mut DeviceCx<'_>) -> Option<u64> {
        let mut words = [0u64; 4];
        for (index, word) in words.iter_mut().enumerate() {
            *word = cx.ram.get(block.checked_add(8 * index as u64)?)?;
        }
        let [number, descriptor, address, len] = words;
        let result = match number {
            SYS_WRITE if !(1..=2).contains(&descriptor) => EBADF.wrapping_neg(),
            SYS_WRITE => match cx.ram.slice(address, len.min(MAX_WRITE_BYTES)) {
                Some(bytes) => {
                    cx.console.write(bytes);
                    bytes.len() as u64
                }
                None => EFAULT.wrapping_neg(),
            },
            SYS_EXIT => {
                *cx.exit = Some(GuestExit::Done(descriptor as u32));
                return None;
            }
            _ => ENOSYS.wrapping_neg(),
        };
        cx.ram.put(block, result);
        Some(1)
    }

    /// The state, for checkpoints of a machine that keeps the words in memory.
    pub fn save(&self) -> Vec<u8> {
        encode(self)
    }

    /// Takes a state that [`Htif::save`] gave.
    ///
    /// # Errors
    /// A description of what does not fit; nothing is changed then.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let state: Self = decode(state)?;
        state.check()?;
        *self = state;
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let bounded = self.reads <= MAX_READS && self.replies.len() <= MAX_REPLIES;
        require(bounded, "too many HTIF requests")
    }
}

#[derive(Serialize, Deserialize)]
struct State {
    htif: Htif,
    /// The low half of a command whose high half has not been written yet.
    tohost: u64,
    fromhost: u64,
    next_poll: u64,
}

/// The interface as a memory-mapped device (`ucb,htif0`). Both words take 4- and 8-byte accesses; a
/// command written in halves is carried out when its high half comes. The rest of the window faults.
pub struct HtifDevice {
    name: String,
    tohost_offset: u64,
    fromhost_offset: u64,
    poll_interval_cycles: u64,
    state: State,
}

enum Word {
    ToHost,
    FromHost,
}

impl HtifDevice {
    /// A device with its words at the given offsets (multiples of 8) that asks the console for input
    /// every `poll_interval_cycles` core cycles while a request for it is outstanding.
    pub fn new(name: &str, tohost_offset: u64, fromhost_offset: u64, poll_interval_cycles: u64) -> Self {
        let state = State { htif: Htif::new(), tohost: 0, fromhost: 0, next_poll: 0 };
        Self {
            name: name.into(),
            tohost_offset,
            fromhost_offset,
            poll_interval_cycles: poll_interval_cycles.max(1),
            state,
        }
    }

    fn word(&self, offset: u64, size: u8) -> Result<Word, BusFault> {
        let base = offset & !7;
        if size < 4 {
            Err(BusFault)
        } else if base == self.tohost_offset {
            Ok(Word::ToHost)
        } else if base == self.fromhost_offset {
            Ok(Word::FromHost)
        } else {
            Err(BusFault)
        }
    }

    /// Fills `fromhost` when it is free.
    fn settle(&mut self, cx: &mut DeviceCx<'_>) {
        if self.state.fromhost == 0 {
            self.state.fromhost = self.state.htif.next_reply(cx).unwrap_or(0);
        }
        self.state.next_poll = cx.now.saturating_add(self.poll_interval_cycles);
    }
}

impl Device for HtifDevice {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, _: &mut DeviceCx<'_>, offset: u64, size: u8) -> Result<u64, BusFault> {
        let word = match self.word(offset, size)? {
            Word::ToHost => self.state.tohost,
            Word::FromHost => self.state.fromhost,
        };
        Ok(read_part(word, offset, size))
    }

    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        match self.word(offset, size)? {
            Word::ToHost => {
                self.state.tohost = write_part(self.state.tohost, offset, size, value);
                if size == 8 || offset % 8 == 4 {
                    let command = std::mem::take(&mut self.state.tohost);
                    let reply = self.state.htif.write_tohost(command, cx);
                    self.state.htif.queue_reply(reply);
                }
            }
            Word::FromHost => {
                self.state.fromhost = write_part(self.state.fromhost, offset, size, value);
            }
        }
        self.settle(cx);
        Ok(())
    }

    fn next_event(&self, _: &Clock) -> Option<u64> {
        let waiting = self.state.fromhost == 0 && self.state.htif.wants_input();
        waiting.then_some(self.state.next_poll)
    }

    fn event(&mut self, cx: &mut DeviceCx<'_>) {
        self.settle(cx);
    }

    /// The guest polls for replies; nothing here interrupts a sleeping one.
    fn can_wake(&self, _: &dyn Console) -> bool {
        false
    }

    fn save(&self) -> Vec<u8> {
        encode(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let state: State = decode(state)?;
        state.htif.check()?;
        self.state = state;
        Ok(())
    }
}
