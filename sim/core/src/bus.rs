//! The physical address space: main memory, read-only memories and devices.

use serde::{Deserialize, Serialize};

use crate::device::{BusFault, Clock, Console, ConsolePlace, Device, DeviceCx, GuestExit, Lines};
use crate::ram::{Ram, Scalar};
use crate::saved::{Impossible, MAX_COUNT, countable, require};

/// Read-only memory (boot ROM).
#[derive(Debug, Clone)]
pub struct Rom {
    /// Physical address of its first byte.
    pub base: u64,
    /// Its contents; the window is exactly this long.
    pub bytes: Vec<u8>,
}

struct Slot {
    base: u64,
    len: u64,
    device: Box<dyn Device>,
    next_event: Option<u64>,
    /// Cycles from a write to the harts seeing the lines that it changed.
    arrival_cycles: u64,
}

/// Two windows of the address space overlap, or one is empty or wraps around.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Overlap with something that is already there.
    #[error("{name} at {base:#x}..{end:#x} overlaps {other} at {other_base:#x}")]
    Overlap {
        /// The newcomer.
        name: String,
        /// Its first address.
        base: u64,
        /// One past its last address.
        end: u64,
        /// Who is there.
        other: String,
        /// Where that begins.
        other_base: u64,
    },
    /// An empty window or one that runs past the end of the address space.
    #[error("{name} at {base:#x} has an impossible size of {len:#x} bytes")]
    Size {
        /// The newcomer.
        name: String,
        /// Its first address.
        base: u64,
        /// Its size.
        len: u64,
    },
}

/// State of everything outside the harts but memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BusState {
    lines: Lines,
    clock: Clock,
    exit: Option<GuestExit>,
    now: u64,
    console: ConsolePlace,
    /// In address order: what the device saved, and when it wants to act.
    devices: Vec<(Vec<u8>, Option<u64>)>,
}

impl BusState {
    /// Its size in the host's memory, as good as.
    pub fn bytes(&self) -> u64 {
        self.devices.iter().map(|(state, _)| state.len() as u64 + 64).sum()
    }
}

/// Everything outside the harts.
pub struct Bus {
    /// Main memory.
    pub ram: Ram,
    /// Interrupt wires.
    pub lines: Lines,
    /// The timer's clock.
    pub clock: Clock,
    /// Set when the guest ended the run.
    pub exit: Option<GuestExit>,
    /// The host's side of the consoles.
    pub console: Box<dyn Console>,
    /// Core cycle of the current access; the hot loop sets it before it leaves the fast path.
    pub now: u64,
    roms: Vec<Rom>,
    slots: Vec<Slot>,
    next_event: u64,
    /// Cycles from what a device does by itself to the harts seeing the lines that it changes.
    event_arrival_cycles: u64,
}

impl Bus {
    /// A bus with memory and nothing else.
    pub fn new(ram: Ram, harts: usize, clock: Clock, console: Box<dyn Console>) -> Self {
        Self {
            ram,
            lines: Lines::new(harts),
            clock,
            exit: None,
            console,
            now: 0,
            roms: Vec::new(),
            slots: Vec::new(),
            event_arrival_cycles: 0,
            next_event: u64::MAX,
        }
    }

    fn check_window(&self, name: &str, base: u64, len: u64) -> Result<(), MapError> {
        let end = base.checked_add(len).filter(|_| len > 0).ok_or_else(|| MapError::Size {
            name: name.into(),
            base,
            len,
        })?;
        let ram = ("memory", self.ram.base(), self.ram.size_bytes());
        let roms = self.roms.iter().map(|r| ("rom", r.base, r.bytes.len() as u64));
        let devices = self.slots.iter().map(|s| (s.device.name(), s.base, s.len));
        for (other, other_base, other_len) in std::iter::once(ram).chain(roms).chain(devices) {
            if base < other_base + other_len && other_base < end {
                return Err(MapError::Overlap {
                    name: name.into(),
                    base,
                    end,
                    other: other.into(),
                    other_base,
                });
            }
        }
        Ok(())
    }

    /// Maps a device at `[base, base + len)`.
    ///
    /// # Errors
    /// [`MapError`] when the window is impossible or taken.
    pub fn add_device(&mut self, base: u64, len: u64, device: Box<dyn Device>) -> Result<(), MapError> {
        self.check_window(device.name(), base, len)?;
        let next_event = device.next_event(&self.clock);
        self.slots.push(Slot { base, len, device, next_event, arrival_cycles: 0 });
        self.slots.sort_by_key(|s| s.base);
        self.refresh_next_event();
        Ok(())
    }

    /// Maps a read-only memory.
    ///
    /// # Errors
    /// [`MapError`] when the window is impossible or taken.
    pub fn add_rom(&mut self, rom: Rom) -> Result<(), MapError> {
        self.check_window("rom", rom.base, rom.bytes.len() as u64)?;
        self.roms.push(rom);
        Ok(())
    }

    /// The devices with their windows, in address order.
    pub fn devices(&self) -> impl Iterator<Item = (u64, u64, &dyn Device)> {
        self.slots.iter().map(|s| (s.base, s.len, &*s.device))
    }

    /// Says how many cycles a change of interrupt lines takes from a write to the device at an address to the harts, and from what
    /// a device does by itself.
    pub fn set_line_arrivals(&mut self, cycles: impl Fn(u64) -> u64, event_cycles: u64) {
        self.event_arrival_cycles = event_cycles;
        for slot in &mut self.slots {
            slot.arrival_cycles = cycles(slot.base);
        }
    }

    /// The devices, for restoring their state.
    pub fn devices_mut(&mut self) -> impl Iterator<Item = &mut (dyn Device + 'static)> {
        self.slots.iter_mut().map(|s| &mut *s.device)
    }

    /// Everything but memory.
    pub fn save(&self) -> BusState {
        BusState {
            lines: self.lines.clone(),
            clock: self.clock,
            exit: self.exit,
            now: self.now,
            console: self.console.place(),
            devices: self.slots.iter().map(|s| (s.device.save(), s.next_event)).collect(),
        }
    }

    /// Whether `state`, which was read, can be one of this bus; that of a device is for the device to judge.
    ///
    /// # Errors
    /// [`Impossible`].
    pub fn check(&self, state: &BusState) -> Result<(), Impossible> {
        state.lines.check(&self.lines)?;
        let clock = Clock { mtime_offset: self.clock.mtime_offset, ..state.clock };
        require(clock == self.clock, "a clock of another frequency")?;
        require(state.devices.len() == self.slots.len(), "another number of devices")?;
        require(state.now <= MAX_COUNT, "a time that never comes")?;
        let ConsolePlace { reads, taken, written } = state.console;
        require(countable([reads, taken, written]), "a console that was used too much")
    }

    /// Takes the state that [`Bus::save`] gave.
    ///
    /// # Errors
    /// A description of what does not fit; some devices may have theirs already.
    pub fn restore(&mut self, state: &BusState) -> Result<(), String> {
        if state.devices.len() != self.slots.len() || state.lines.harts() != self.lines.harts() {
            return Err("the state is that of a machine with other devices or harts".into());
        }
        for (slot, (device, next_event)) in self.slots.iter_mut().zip(&state.devices) {
            slot.device.restore(device).map_err(|why| format!("{}: {why}", slot.device.name()))?;
            slot.next_event = *next_event;
        }
        self.lines = state.lines.clone();
        (self.clock, self.exit, self.now) = (state.clock, state.exit, state.now);
        self.console.go_to(state.console);
        self.refresh_next_event();
        Ok(())
    }

    /// The earliest cycle at which a device wants to act; `u64::MAX` for never.
    #[inline]
    pub fn next_event(&self) -> u64 {
        self.next_event
    }

    /// The earliest event of a device that can still wake a sleeping guest.
    pub fn next_waking_event(&self) -> Option<u64> {
        let wakes = |s: &&Slot| s.device.can_wake(&*self.console);
        self.slots.iter().filter(wakes).filter_map(|s| s.next_event).min()
    }

    fn refresh_next_event(&mut self) {
        self.next_event = self.slots.iter().filter_map(|s| s.next_event).min().unwrap_or(u64::MAX);
    }

    /// Asks every device anew when it next wants to act (after a restored checkpoint or a written clock).
    pub fn resync_events(&mut self) {
        for slot in &mut self.slots {
            slot.next_event = slot.device.next_event(&self.clock);
        }
        self.refresh_next_event();
    }

    /// Runs all device events that are due at cycle `now`: before an access of that cycle, which may take effect later than an
    /// event for which its hart has stopped.
    pub fn run_events(&mut self, now: u64) {
        self.now = now;
        while self.next_event <= now {
            let due = self.next_event;
            for index in 0..self.slots.len() {
                if self.slots[index].next_event == Some(due) {
                    self.lines.begin_access(due, self.event_arrival_cycles);
                    self.with_device(index, 0, |device, cx, _| device.event(cx));
                    self.lines.end_access();
                    self.lines.settle();
                    // An event that asks for the same instant again would never let time pass.
                    let next = &mut self.slots[index].next_event;
                    if next.is_some_and(|n| n <= due) {
                        *next = Some(now + 1);
                    }
                }
            }
            self.refresh_next_event();
        }
    }

    /// What a device would be handed at cycle `now`, for interfaces that live in memory instead of behind
    /// an address (HTIF).
    pub fn device_cx(&mut self, now: u64) -> DeviceCx<'_> {
        let Self { ram, lines, clock, exit, console, .. } = self;
        DeviceCx { now, hart: 0, clock, ram, lines, console: &mut **console, exit }
    }

    fn with_device<R>(
        &mut self,
        index: usize,
        hart: usize,
        act: impl FnOnce(&mut dyn Device, &mut DeviceCx<'_>, u64) -> R,
    ) -> R {
        let clock_before = self.clock;
        self.ram.from_outside(true);
        let Self { ram, lines, clock, exit, console, slots, now, .. } = self;
        let mut cx = DeviceCx { now: *now, hart, clock, ram, lines, console: &mut **console, exit };
        let base = slots[index].base;
        let result = act(&mut *slots[index].device, &mut cx, base);
        slots[index].next_event = slots[index].device.next_event(cx.clock);
        // A controller can move a wire in turn; two rounds settle every real topology, the bound keeps
        // a wrong one from hanging the host.
        for _ in 0..4 {
            if !cx.lines.take_wires_changed() {
                break;
            }
            for slot in slots.iter_mut() {
                slot.device.wires_changed(&mut cx);
                slot.next_event = slot.device.next_event(cx.clock);
            }
        }
        self.ram.from_outside(false);
        if self.clock != clock_before {
            self.resync_events();
        } else {
            self.refresh_next_event();
        }
        result
    }

    fn find(&self, pa: u64, size: u64) -> Option<usize> {
        let after = self.slots.partition_point(|s| s.base <= pa);
        let index = after.checked_sub(1)?;
        let slot = &self.slots[index];
        (pa - slot.base).checked_add(size).is_some_and(|end| end <= slot.len).then_some(index)
    }

    fn rom<T: Scalar>(&self, pa: u64) -> Option<T> {
        self.roms.iter().find_map(|rom| T::get(&rom.bytes, usize::try_from(pa.checked_sub(rom.base)?).ok()?))
    }

    /// Whether `pa` is memory (main or read-only): cacheable, and without side effects.
    pub fn is_memory(&self, pa: u64) -> bool {
        self.ram.contains(pa, 1) || self.rom::<u8>(pa).is_some()
    }

    /// A read by hart `hart` at physical address `pa`, naturally aligned.
    ///
    /// # Errors
    /// [`BusFault`] where nothing answers.
    pub fn read<T: Scalar>(&mut self, hart: usize, pa: u64) -> Result<T, BusFault> {
        if let Some(value) = self.ram.get(pa).or_else(|| self.rom(pa)) {
            return Ok(value);
        }
        let index = self.find(pa, T::BYTES as u64).ok_or(BusFault)?;
        self.run_events(self.now);
        let size = T::BYTES as u8;
        self.with_device(index, hart, |device, cx, base| device.read(cx, pa - base, size)).map(T::from_u64)
    }

    /// A write by hart `hart`; true when it fell on decoded code or on a device, so that the hot loop
    /// must look around before it goes on.
    ///
    /// # Errors
    /// [`BusFault`] where nothing answers, and for read-only memory.
    pub fn write<T: Scalar>(&mut self, hart: usize, pa: u64, value: T) -> Result<bool, BusFault> {
        if let Some(on_code) = self.ram.put(pa, value) {
            return Ok(on_code);
        }
        let index = self.find(pa, T::BYTES as u64).ok_or(BusFault)?;
        self.run_events(self.now);
        let size = T::BYTES as u8;
        self.lines.begin_access(self.now, self.slots[index].arrival_cycles);
        let done = self
            .with_device(index, hart, |device, cx, base| device.write(cx, pa - base, size, value.to_u64()));
        self.lines.end_access();
        done.map(|()| true)
    }

    /// A 16-bit instruction parcel at `pa`; only memory can be executed.
    pub fn fetch(&self, pa: u64) -> Result<u16, BusFault> {
        self.ram.get(pa).or_else(|| self.rom(pa)).ok_or(BusFault)
    }
}
