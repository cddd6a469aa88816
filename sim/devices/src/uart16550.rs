//! UART 16550A: the console of most platforms.
//!
//! Register r sits at offset r << `reg_shift` and answers 1-, 2- and 4-byte accesses (the register is
//! the low byte); 8-byte accesses and offsets beyond register 7 fault.
//!
//! | r | read | write | with `LCR.DLAB` |
//! |---|---|---|---|
//! | 0 | RBR, received byte | THR, byte to send | DLL |
//! | 1 | IER, interrupt enables (bits 3:0) | IER | DLM |
//! | 2 | IIR, interrupt identification | FCR, FIFO control | IIR / FCR |
//! | 3 | LCR, line control | LCR | LCR |
//! | 4 | MCR, modem control (bits 4:0) | MCR | MCR |
//! | 5 | LSR, line status | ignored | LSR |
//! | 6 | MSR, modem status | ignored | MSR |
//! | 7 | SCR, scratch | SCR | SCR |
//!
//! The line has no speed: a byte written is sent at once, so the transmitter is always empty. Input is
//! fetched from the console in steps of a fixed number of cycles, by an event while the receive
//! interrupt is enabled and by reads of LSR, RBR and IIR otherwise. What has then arrived counts as
//! older than four character times, hence a character timeout when it is below the trigger level.
//!
//! Source: National Semiconductor PC16550D data sheet (June 1995), section 8 "Registers".

use std::collections::VecDeque;

use relsim_core::device::{BusFault, Clock, Console, Device, DeviceCx};
use serde::{Deserialize, Serialize};

use crate::state::{decode, encode, require};

const FIFO_BYTES: usize = 16;

const IER_RX: u8 = 1 << 0;
const IER_THRE: u8 = 1 << 1;
const IER_LINE: u8 = 1 << 2;
const IER_MODEM: u8 = 1 << 3;
const IER_MASK: u8 = 0x0f;

const IIR_MODEM: u8 = 0x00;
const IIR_NONE: u8 = 0x01;
const IIR_THRE: u8 = 0x02;
const IIR_RX: u8 = 0x04;
const IIR_LINE: u8 = 0x06;
const IIR_TIMEOUT: u8 = 0x0c;
const IIR_FIFOS: u8 = 0xc0;

const FCR_ENABLE: u8 = 1 << 0;
const FCR_CLEAR_RX: u8 = 1 << 1;
const FCR_TRIGGER: u8 = 0xc0;

const LCR_DLAB: u8 = 1 << 7;

const MCR_LOOP: u8 = 1 << 4;
const MCR_MASK: u8 = 0x1f;

const LSR_READY: u8 = 1 << 0;
const LSR_OVERRUN: u8 = 1 << 1;
const LSR_THR_EMPTY: u8 = 1 << 5;
const LSR_ALL_SENT: u8 = 1 << 6;

const MSR_CTS: u8 = 1 << 4;
const MSR_DSR: u8 = 1 << 5;
const MSR_RING: u8 = 1 << 6;
const MSR_DCD: u8 = 1 << 7;

#[derive(Serialize, Deserialize)]
struct State {
    received: VecDeque<u8>,
    overrun: bool,
    /// Received bytes below the trigger level have waited long enough.
    timeout: bool,
    /// The transmitter became empty and nobody was told yet.
    thre: bool,
    /// Low nibble of MSR: which modem lines changed since it was read.
    modem_delta: u8,
    ier: u8,
    /// FIFO enable and trigger level; the clear bits do not stick.
    fcr: u8,
    lcr: u8,
    mcr: u8,
    scratch: u8,
    divisor: u16,
    /// First cycle at which the console is asked for input again.
    next_poll: u64,
}

/// The UART; see the module's register map.
pub struct Uart16550 {
    name: String,
    wire: u32,
    reg_shift: u32,
    poll_interval_cycles: u64,
    state: State,
}

impl Uart16550 {
    /// A UART with registers 1 << `reg_shift` bytes apart (at most 8 bits), its interrupt on `wire`, that
    /// asks the console for input every `poll_interval_cycles` core cycles (at least 1).
    pub fn new(name: &str, wire: u32, reg_shift: u32, poll_interval_cycles: u64) -> Self {
        let state = State {
            received: VecDeque::new(),
            overrun: false,
            timeout: false,
            thre: true,
            modem_delta: 0,
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: 0,
            scratch: 0,
            divisor: 0,
            next_poll: 0,
        };
        Self {
            name: name.into(),
            wire,
            reg_shift: reg_shift.min(8),
            poll_interval_cycles: poll_interval_cycles.max(1),
            state,
        }
    }

    fn capacity(&self) -> usize {
        if self.state.fcr & FCR_ENABLE != 0 { FIFO_BYTES } else { 1 }
    }

    fn trigger_level(&self) -> usize {
        if self.state.fcr & FCR_ENABLE == 0 {
            return 1;
        }
        [1, 4, 8, 14][usize::from(self.state.fcr >> 6)]
    }

    /// The identification of the most urgent enabled interrupt.
    fn pending(&self) -> u8 {
        let s = &self.state;
        if s.ier & IER_LINE != 0 && s.overrun {
            IIR_LINE
        } else if s.ier & IER_RX != 0 && s.received.len() >= self.trigger_level() {
            IIR_RX
        } else if s.ier & IER_RX != 0 && s.timeout {
            IIR_TIMEOUT
        } else if s.ier & IER_THRE != 0 && s.thre {
            IIR_THRE
        } else if s.ier & IER_MODEM != 0 && s.modem_delta != 0 {
            IIR_MODEM
        } else {
            IIR_NONE
        }
    }

    fn drive(&self, cx: &mut DeviceCx<'_>) {
        cx.lines.set_wire(self.wire, self.pending() != IIR_NONE);
    }

    /// Fetches what the console has, as far as there is room, once per interval.
    fn poll(&mut self, cx: &mut DeviceCx<'_>) {
        if cx.now < self.state.next_poll {
            return;
        }
        let intervals = cx.now / self.poll_interval_cycles;
        let next = (intervals + 1).saturating_mul(self.poll_interval_cycles);
        self.state.next_poll = next;
        // In loopback the receiver is cut off from the line.
        if self.state.mcr & MCR_LOOP == 0 {
            while self.state.received.len() < self.capacity() {
                let Some(byte) = cx.console.read() else { break };
                self.state.received.push_back(byte);
            }
        }
        self.state.timeout = self.state.fcr & FCR_ENABLE != 0 && !self.state.received.is_empty();
    }

    /// A byte looped back arrives whether there is room or not.
    fn receive_looped(&mut self, byte: u8) {
        if self.state.received.len() < self.capacity() {
            self.state.received.push_back(byte);
            return;
        }
        self.state.overrun = true;
        // Without FIFOs the newcomer replaces the byte not read; with them it is the one that is lost.
        if self.state.fcr & FCR_ENABLE == 0 {
            self.state.received.clear();
            self.state.received.push_back(byte);
        }
    }

    /// Levels of the modem lines: all present, or in loopback the modem outputs.
    fn modem_lines(&self) -> u8 {
        let mcr = self.state.mcr;
        if mcr & MCR_LOOP == 0 {
            return MSR_CTS | MSR_DSR | MSR_DCD;
        }
        // DTR feeds DSR, RTS feeds CTS, OUT1 feeds RI, OUT2 feeds DCD.
        (mcr & 1) << 5 | (mcr >> 1 & 1) << 4 | (mcr >> 2 & 1) << 6 | (mcr >> 3 & 1) << 7
    }

    fn set_mcr(&mut self, mcr: u8) {
        let before = self.modem_lines();
        self.state.mcr = mcr & MCR_MASK;
        let after = self.modem_lines();
        let changed = before ^ after;
        // The ring line reports only its trailing edge.
        let reported = changed & !MSR_RING | changed & before & MSR_RING;
        self.state.modem_delta |= reported >> 4;
    }

    fn set_fcr(&mut self, fcr: u8) {
        let toggled = (self.state.fcr ^ fcr) & FCR_ENABLE != 0;
        let enabled = fcr & FCR_ENABLE != 0;
        if toggled || (enabled && fcr & FCR_CLEAR_RX != 0) {
            self.state.received.clear();
            self.state.timeout = false;
        }
        // The other bits are only programmed together with the enable bit.
        self.state.fcr = if enabled { fcr & (FCR_ENABLE | FCR_TRIGGER) } else { 0 };
    }

    fn set_ier(&mut self, ier: u8) {
        let newly_on = ier & !self.state.ier;
        self.state.ier = ier & IER_MASK;
        // Enabling the interrupt reports a transmitter that is empty already (drivers test for this).
        self.state.thre |= newly_on & IER_THRE != 0;
    }

    fn send(&mut self, cx: &mut DeviceCx<'_>, byte: u8) {
        if self.state.mcr & MCR_LOOP != 0 {
            self.receive_looped(byte);
        } else {
            cx.console.write(&[byte]);
        }
        self.state.thre = true;
    }

    fn dlab(&self) -> bool {
        self.state.lcr & LCR_DLAB != 0
    }

    fn register(&self, offset: u64, size: u8) -> Result<u64, BusFault> {
        let register = offset >> self.reg_shift;
        if size > 4 || register > 7 {
            return Err(BusFault);
        }
        Ok(register)
    }
}

impl Device for Uart16550 {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8) -> Result<u64, BusFault> {
        let register = self.register(offset, size)?;
        if matches!((register, self.dlab()), (0, false) | (2 | 5, _)) {
            self.poll(cx);
        }
        let s = &mut self.state;
        let [low, high] = s.divisor.to_le_bytes();
        let value = match register {
            0 if s.lcr & LCR_DLAB != 0 => low,
            1 if s.lcr & LCR_DLAB != 0 => high,
            0 => {
                s.timeout = false;
                s.received.pop_front().unwrap_or(0)
            }
            1 => s.ier,
            2 => {
                let fifos = if s.fcr & FCR_ENABLE != 0 { IIR_FIFOS } else { 0 };
                let id = self.pending();
                if id == IIR_THRE {
                    self.state.thre = false;
                }
                id | fifos
            }
            3 => s.lcr,
            4 => s.mcr,
            5 => {
                let ready = if s.received.is_empty() { 0 } else { LSR_READY };
                let overrun = if s.overrun { LSR_OVERRUN } else { 0 };
                s.overrun = false;
                ready | overrun | LSR_THR_EMPTY | LSR_ALL_SENT
            }
            6 => {
                let delta = std::mem::take(&mut s.modem_delta);
                delta | self.modem_lines()
            }
            _ => s.scratch,
        };
        self.drive(cx);
        Ok(u64::from(value))
    }

    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        let register = self.register(offset, size)?;
        let value = value as u8;
        let [low, high] = self.state.divisor.to_le_bytes();
        match register {
            0 if self.dlab() => self.state.divisor = u16::from_le_bytes([value, high]),
            1 if self.dlab() => self.state.divisor = u16::from_le_bytes([low, value]),
            0 => self.send(cx, value),
            1 => self.set_ier(value),
            2 => self.set_fcr(value),
            3 => self.state.lcr = value,
            4 => self.set_mcr(value),
            7 => self.state.scratch = value,
            _ => {}
        }
        self.drive(cx);
        Ok(())
    }

    fn next_event(&self, _: &Clock) -> Option<u64> {
        (self.state.ier & IER_RX != 0).then_some(self.state.next_poll)
    }

    fn event(&mut self, cx: &mut DeviceCx<'_>) {
        self.poll(cx);
        self.drive(cx);
    }

    fn can_wake(&self, console: &dyn Console) -> bool {
        self.state.ier & IER_RX != 0 && !(self.state.received.is_empty() && console.at_end())
    }

    fn save(&self) -> Vec<u8> {
        encode(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let state: State = decode(state)?;
        let fifo = state.fcr & FCR_ENABLE != 0;
        let room = if fifo { FIFO_BYTES } else { 1 };
        require(state.received.len() <= room, "a receive FIFO too full")?;
        let masked = state.ier & !IER_MASK == 0
            && state.mcr & !MCR_MASK == 0
            && state.fcr & !(FCR_ENABLE | FCR_TRIGGER) == 0
            && state.modem_delta & 0xf0 == 0;
        require(masked, "register bits that do not exist")?;
        self.state = state;
        Ok(())
    }
}
