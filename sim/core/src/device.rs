//! What a device sees of the machine: an offset, its wires, memory for DMA and a console.
//!
//! A device never learns its own address, which interrupt controller its wire ends at, or what the
//! host's console is. All of that is handed to it, so one file can serve every platform.

use serde::{Deserialize, Serialize};

use crate::ram::Ram;
use crate::saved::{Impossible, MAX_COUNT, require};

/// The bus has nothing (or nothing of that size) there: becomes an access-fault exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no device answers this access")]
pub struct BusFault;

/// How the guest ended the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuestExit {
    /// The guest is done and returns this status (test finisher, HTIF, SBI shutdown: 0 is success).
    Done(u32),
    /// The guest asked for a reset; relsim reports it instead of starting again.
    Reset,
}

/// Relation of the core clock to the platform's timer: `mtime` advances once every
/// `cycles_per_tick` core cycles, plus whatever offset the guest wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Core cycles for one tick of `mtime`; at least 1.
    pub cycles_per_tick: u64,
    /// Added (modulo 2^64) to the tick count: the effect of writes to `mtime`.
    pub mtime_offset: u64,
    /// Core clock in Hz.
    pub core_freq_hz: u64,
}

impl Clock {
    /// A clock whose `mtime` runs at `timebase_freq_hz`, on a core of `core_freq_hz`.
    pub fn new(core_freq_hz: u64, timebase_freq_hz: u64) -> Self {
        Self {
            cycles_per_tick: (core_freq_hz / timebase_freq_hz.max(1)).max(1),
            mtime_offset: 0,
            core_freq_hz,
        }
    }

    /// `mtime` at core cycle `cycle`.
    #[inline]
    pub fn mtime(&self, cycle: u64) -> u64 {
        (cycle / self.cycles_per_tick).wrapping_add(self.mtime_offset)
    }

    /// The first core cycle, not before `now`, at which `mtime >= deadline` (unsigned), or `None`
    /// when that lies beyond the range of the cycle counter.
    pub fn cycle_of(&self, deadline: u64, now: u64) -> Option<u64> {
        let mtime = self.mtime(now);
        if mtime >= deadline {
            return Some(now);
        }
        let ticks = (now / self.cycles_per_tick).checked_add(deadline - mtime)?;
        ticks.checked_mul(self.cycles_per_tick)
    }
}

/// The levels of all interrupt wires: device wires (numbered by the platform, they end at an interrupt
/// controller) and the `mip` bits that devices drive at each hart.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lines {
    wires: Vec<u64>,
    hart_mip: Vec<u64>,
    /// Changes of `hart_mip` on their way to their harts.
    arriving: Vec<Arriving>,
    /// Those from this one on are of the latest access.
    latest: usize,
    /// When what changes now arrives; 0 where it does at once.
    arrival: u64,
    wires_changed: bool,
    mip_changed: bool,
}

/// More wires than any interrupt controller has sources.
const MAX_WIRES: usize = 1024;

/// What a hart sees is asked for so many cycles before its own time at most.
const LOOKS_BACK: u64 = 16;

/// A change of lines that a hart does not see yet.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Arriving {
    hart: usize,
    bits: u64,
    /// The cycle from which on it does.
    at: u64,
}

impl Lines {
    /// All wires low, for `harts` harts.
    pub fn new(harts: usize) -> Self {
        Self { hart_mip: vec![0; harts], ..Self::default() }
    }

    /// Number of harts.
    pub fn harts(&self) -> usize {
        self.hart_mip.len()
    }

    /// Whether they can have come from `own`, those of the same machine at another time.
    pub(crate) fn check(&self, own: &Self) -> Result<(), Impossible> {
        require(self.hart_mip.len() == own.hart_mip.len(), "lines of another number of harts")?;
        require(self.wires.len() <= MAX_WIRES / 64, "wires that lead nowhere")?;
        let arrives = |change: &Arriving| change.hart < self.hart_mip.len() && change.at <= MAX_COUNT;
        require(self.arriving.iter().all(arrives), "a line that changes nowhere")?;
        require(self.latest <= self.arriving.len(), "changes of lines that there are not")?;
        require(self.arrival == 0, "an access that is under way")
    }

    /// Sets the level of device wire `wire`.
    pub fn set_wire(&mut self, wire: u32, level: bool) {
        let (word, bit) = ((wire / 64) as usize, wire % 64);
        if word >= self.wires.len() {
            self.wires.resize(word + 1, 0);
        }
        let old = self.wires[word];
        self.wires[word] = (old & !(1 << bit)) | (u64::from(level) << bit);
        self.wires_changed |= old != self.wires[word];
    }

    /// The level of device wire `wire`.
    pub fn wire(&self, wire: u32) -> bool {
        self.wires.get((wire / 64) as usize).is_some_and(|w| w >> (wire % 64) & 1 == 1)
    }

    /// Drives bit `bit` of hart `hart`'s `mip` to `level`. Harts that do not exist are ignored.
    pub fn set_mip(&mut self, hart: usize, bit: u32, level: bool) {
        if let Some(mip) = self.hart_mip.get_mut(hart) {
            let old = *mip;
            *mip = (old & !(1 << bit)) | (u64::from(level) << bit);
            self.mip_changed |= old != *mip;
            if old != *mip && self.arrival > 0 {
                self.arriving.push(Arriving { hart, bits: old ^ *mip, at: self.arrival });
            }
        }
    }

    /// What an access changes that is made in cycle `now`, to which every hart has got, takes `cycles` to the harts.
    pub(crate) fn begin_access(&mut self, now: u64, cycles: u64) {
        self.arriving.retain(|change| change.at.saturating_add(LOOKS_BACK) > now);
        self.latest = self.arriving.len();
        self.arrival = if cycles > 0 { now + cycles } else { 0 };
    }

    /// What changes from now on is seen at once.
    pub(crate) fn end_access(&mut self) {
        self.arrival = 0;
    }

    /// What the latest access changed arrives in cycle `at`, unless it was said that it does at once.
    pub(crate) fn arrive(&mut self, at: u64) {
        self.arriving.iter_mut().skip(self.latest).for_each(|change| change.at = at);
        self.settle();
    }

    /// When that arrives is known.
    pub(crate) fn settle(&mut self) {
        self.latest = self.arriving.len();
    }

    /// The cycles behind cycle `cycle` in which `hart` sees a change that was made already.
    pub(crate) fn arrivals(&self, hart: usize, cycle: u64) -> impl Iterator<Item = u64> {
        self.arriving
            .iter()
            .filter(move |change| change.hart == hart && change.at > cycle)
            .map(|change| change.at)
    }

    /// The bits of `mip` that devices drive at `hart`.
    #[inline]
    pub fn mip(&self, hart: usize) -> u64 {
        self.hart_mip[hart]
    }

    /// [`Lines::mip`] as instructions of `hart` see it in core cycle `cycle`.
    pub fn mip_seen(&self, hart: usize, cycle: u64) -> u64 {
        let unseen = self.arriving.iter().filter(|change| change.hart == hart && change.at > cycle);
        unseen.fold(self.mip(hart), |mip, change| mip ^ change.bits)
    }

    /// Whether a device wire changed since the last call.
    pub fn take_wires_changed(&mut self) -> bool {
        std::mem::take(&mut self.wires_changed)
    }

    /// Whether a `mip` bit changed since the last call.
    pub fn take_mip_changed(&mut self) -> bool {
        std::mem::take(&mut self.mip_changed)
    }
}

/// Where a console device's bytes go to and come from.
pub trait Console: Send {
    /// Bytes that the guest wrote.
    fn write(&mut self, bytes: &[u8]);
    /// The next byte typed to the guest, if there is one now.
    fn read(&mut self) -> Option<u8>;
    /// Whether no byte will ever come any more.
    fn at_end(&self) -> bool {
        false
    }
    /// What it has read and written further on than now, before it went back, has not happened.
    fn forget_future(&mut self) {}
    /// Where in the guest's conversation with it the console is, for one that can go back.
    fn place(&self) -> ConsolePlace {
        ConsolePlace::default()
    }
    /// Goes back, or forward again, to where it was: what was read since is read again, what was written is not shown
    /// again.
    fn go_to(&mut self, place: ConsolePlace) {
        let _ = place;
    }
}

/// A place in the guest's conversation with a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConsolePlace {
    /// How often it has asked for a byte.
    pub reads: u64,
    /// Bytes that it has got.
    pub taken: u64,
    /// Bytes that it has written.
    pub written: u64,
}

/// A console that swallows output and has no input.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoConsole;

impl Console for NoConsole {
    fn write(&mut self, _: &[u8]) {}
    fn read(&mut self) -> Option<u8> {
        None
    }
    fn at_end(&self) -> bool {
        true
    }
}

/// What a device can reach while it serves an access or an event.
pub struct DeviceCx<'a> {
    /// Core cycle of the access or event.
    pub now: u64,
    /// The hart whose access this is (0 for events).
    pub hart: usize,
    /// The platform's clock; the CLINT writes its offset.
    pub clock: &'a mut Clock,
    /// Guest memory, for DMA.
    pub ram: &'a mut Ram,
    /// Interrupt wires.
    pub lines: &'a mut Lines,
    /// The host's side of consoles.
    pub console: &'a mut dyn Console,
    /// Set by devices that end the run.
    pub exit: &'a mut Option<GuestExit>,
}

/// A memory-mapped device.
pub trait Device: Send {
    /// A short name for messages, e.g. `uart0`.
    fn name(&self) -> &str;

    /// A read of `size` bytes (1, 2, 4 or 8) at `offset` from the device's base. The bus has checked
    /// that the access is naturally aligned and inside the window.
    ///
    /// # Errors
    /// [`BusFault`] where the device does not answer; the hart takes an access fault.
    fn read(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8) -> Result<u64, BusFault>;

    /// A write of the low `size` bytes of `value`; otherwise as [`Device::read`].
    ///
    /// # Errors
    /// [`BusFault`] where the device does not answer; the hart takes an access fault.
    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault>;

    /// The core cycle at which the device next wants [`Device::event`]; `None`: when somebody touches it.
    /// Asked after each access and event.
    fn next_event(&self, _clock: &Clock) -> Option<u64> {
        None
    }

    /// The cycle that [`Device::next_event`] named has come.
    fn event(&mut self, _cx: &mut DeviceCx<'_>) {}

    /// Device wires changed level (called for every device after any device moved a wire; interrupt
    /// controllers act on it).
    fn wires_changed(&mut self, _cx: &mut DeviceCx<'_>) {}

    /// Whether an event of this device can wake a guest in which every hart sleeps. A device that polls
    /// `console` for input answers by whether input can still arrive.
    fn can_wake(&self, console: &dyn Console) -> bool {
        let _ = console;
        true
    }

    /// The device's whole state, for checkpoints and state hashes: equal states give equal bytes.
    fn save(&self) -> Vec<u8>;

    /// Takes a state that [`Device::save`] gave.
    ///
    /// # Errors
    /// A description of what does not fit; the device is unchanged then.
    fn restore(&mut self, state: &[u8]) -> Result<(), String>;
}
