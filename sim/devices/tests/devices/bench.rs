//! A machine of nothing but memory, wires and a console, with one device on the bench.

use std::collections::VecDeque;

use relsim_core::device::{BusFault, Clock, Console, Device, DeviceCx, GuestExit, Lines};
use relsim_core::ram::Ram;

pub const RAM_BASE: u64 = 0x8000_0000;
pub const RAM_BYTES: u64 = 1 << 20;
/// Core cycles for one tick of `mtime` on the bench.
pub const CYCLES_PER_TICK: u64 = 10;

#[derive(Default)]
pub struct TestConsole {
    pub output: Vec<u8>,
    pub input: VecDeque<u8>,
}

impl Console for TestConsole {
    fn write(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    fn read(&mut self) -> Option<u8> {
        self.input.pop_front()
    }
}

pub struct Bench<D: ?Sized> {
    pub now: u64,
    pub clock: Clock,
    pub ram: Ram,
    pub lines: Lines,
    pub console: TestConsole,
    pub exit: Option<GuestExit>,
    pub device: Box<D>,
}

impl<D: Device + ?Sized> Bench<D> {
    pub fn of(device: Box<D>) -> Self {
        Self {
            now: 0,
            clock: Clock::new(100_000_000, 100_000_000 / CYCLES_PER_TICK),
            ram: Ram::new(RAM_BASE, RAM_BYTES),
            lines: Lines::new(2),
            console: TestConsole::default(),
            exit: None,
            device,
        }
    }

    /// Lets the device act, then tells it of moved wires as the bus does.
    pub fn with<R>(&mut self, act: impl FnOnce(&mut D, &mut DeviceCx<'_>) -> R) -> R {
        let mut cx = DeviceCx {
            now: self.now,
            hart: 0,
            clock: &mut self.clock,
            ram: &mut self.ram,
            lines: &mut self.lines,
            console: &mut self.console,
            exit: &mut self.exit,
        };
        let result = act(&mut self.device, &mut cx);
        if cx.lines.take_wires_changed() {
            self.device.wires_changed(&mut cx);
        }
        result
    }

    pub fn try_read(&mut self, offset: u64, size: u8) -> Result<u64, BusFault> {
        self.with(|device, cx| device.read(cx, offset, size))
    }

    pub fn try_write(&mut self, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        self.with(|device, cx| device.write(cx, offset, size, value))
    }

    #[track_caller]
    pub fn read(&mut self, offset: u64, size: u8) -> u64 {
        self.try_read(offset, size).unwrap()
    }

    #[track_caller]
    pub fn write(&mut self, offset: u64, size: u8, value: u64) {
        self.try_write(offset, size, value).unwrap();
    }

    pub fn next_event(&self) -> Option<u64> {
        self.device.next_event(&self.clock)
    }

    /// Advances to `cycle`, running the events that fall due as the bus does.
    pub fn run_to(&mut self, cycle: u64) {
        let mut earliest = self.now;
        while let Some(due) = self.next_event().map(|e| e.max(earliest))
            && due <= cycle
        {
            self.now = due;
            self.with(|device, cx| device.event(cx));
            earliest = due + 1;
        }
        self.now = cycle;
    }

    pub fn set_wire(&mut self, wire: u32, level: bool) {
        self.with(|_, cx| cx.lines.set_wire(wire, level));
    }

    pub fn type_in(&mut self, text: &str) {
        self.console.input.extend(text.bytes());
    }

    pub fn printed(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.console.output)).unwrap()
    }

    /// Saves, restores, and checks that nothing was lost.
    #[track_caller]
    pub fn round_trip(&mut self) {
        let saved = self.device.save();
        self.device.restore(&saved).unwrap();
        assert_eq!(self.device.save(), saved);
    }
}

impl<D: Device> Bench<D> {
    pub fn new(device: D) -> Self {
        Self::of(Box::new(device))
    }
}
