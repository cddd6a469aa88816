//! What the harts share, and what the others can reach into: the L1 data caches and the memory port.

use serde::{Deserialize, Serialize};

use relsim_core::bus::Bus;
use relsim_core::hart::Hart;
use relsim_core::saved::{Impossible, require};
use relsim_core::timing::Fact;

use super::dcache::Dcache;
use super::hub::{Around, Hub};
use super::params::Params;
use crate::parts::saved::Latest;

/// Reads whose beats are looked back at.
const READS: usize = 4;

/// The memory port: one read at a time delivers its beats.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MemoryPort {
    pub(super) free: u64,
    /// The first and the last cycle in which the beats of the latest reads come back, the latest first.
    beats: [(u64, u64); READS],
}

impl MemoryPort {
    /// Reads a line, its address handed over at `handshake`: the cycles at which its first and last beat reach
    /// the L1.
    pub fn read_line(&mut self, params: &Params, handshake: u64) -> (u64, u64) {
        let first = (handshake + params.memory_read_latency).max(self.free);
        let last = first + params.refill_beats - 1;
        self.free = last + 1;
        self.beats.rotate_right(1);
        let back = |beat: u64, ahead| (beat + params.refill_return).saturating_sub(ahead);
        self.beats[0] = (back(first, 1), back(last, 2));
        (first + params.refill_return, last + params.refill_return)
    }

    /// When the response to a write gets through that comes in cycle `at`: not between the beats of a read (ToAXI4.scala,
    /// r_holds_d).
    pub fn response(&self, at: u64) -> u64 {
        let between = self.beats.iter().find(|&&(first, last)| (first..=last).contains(&at));
        between.map_or(at, |&(_, last)| last + 1)
    }
}

/// Cycles from the write-back of a store to the device at `pa` to the harts seeing what it changed: their CSRs read
/// the lines that decode looks at (CSR.scala, `read_mip` and `io.interrupt`).
pub fn arrival(params: &Params, pa: u64) -> u64 {
    match pa {
        0x200_0000..=0x200_ffff => params.interrupt_arrival,
        _ => params.external_arrival,
    }
}

/// No change of lines by a store comes to the harts sooner after its write-back.
fn least_arrival(params: &Params) -> u64 {
    params.interrupt_arrival.min(params.external_arrival)
}

/// Devices that take accesses one after the other: the CLINT, the PLIC, and what is behind the MMIO port.
pub const DEVICES: usize = 3;

/// An access to a device that a hart is about to make.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Claim {
    /// The cycle in which it is at the system bus.
    pub at: u64,
    /// The device.
    pub device: usize,
}

/// The way out of the system bus to `device`.
fn way_out(device: usize) -> usize {
    usize::from(device == MMIO)
}

/// Accesses that wait for their devices in the buffer in front of the CLINT and the PLIC (PeripheryBus.scala, TLBuffer).
const BUFFERED: usize = 2;

/// A way out of the system bus, with a buffer behind it that accesses leave in order.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct WayOut {
    /// Whose access got into the buffer last.
    served: usize,
    /// No access gets there before this cycle.
    free: u64,
    /// When devices have taken the latest ones, or will, the latest first.
    taken: [u64; BUFFERED],
}

/// What is behind the MMIO port, among the devices.
pub const MMIO: usize = 2;

/// Which device an access to `pa` goes to.
pub fn device_at(pa: u64) -> usize {
    match pa {
        0x200_0000..=0x200_ffff => 0,
        0xc00_0000..=0xfff_ffff => 1,
        _ => MMIO,
    }
}

/// What lies behind the harts' pipelines.
#[derive(Clone, Serialize, Deserialize)]
pub struct Uncore {
    /// L1 data caches by hart.
    pub dcaches: Vec<Dcache>,
    /// The way to memory.
    pub port: MemoryPort,
    /// What keeps several data caches coherent; a single hart's go to memory without it.
    pub hub: Option<Hub>,
    /// From when on the CLINT, the PLIC and what is behind the MMIO port take another access.
    pub devices: [u64; DEVICES],
    /// When they have answered last, if their answer had to wait.
    pub answered: [u64; DEVICES],
    /// By hart: the access to a device that waits for its turn.
    pub claims: Vec<Option<Claim>>,
    /// The ways out of the system bus, to the CLINT and the PLIC, and to the MMIO port.
    ways: [WayOut; 2],
    /// When the decode stages see what the latest store to a device changed.
    pub interrupt_at: u64,
}

impl Uncore {
    /// For `harts` harts, after reset.
    pub fn new(params: &Params, harts: usize) -> Self {
        Self {
            dcaches: (0..harts).map(|_| Dcache::new(params)).collect(),
            port: MemoryPort::default(),
            hub: (harts > 1).then(|| Hub::new(harts)),
            devices: [0; DEVICES],
            answered: [0; DEVICES],
            claims: vec![None; harts],
            ways: [WayOut::default(); 2],
            interrupt_at: 0,
        }
    }
}

impl Uncore {
    /// Whose access gets out next on the way `way`, of those that are there in cycle `at`: arbitration is round robin, downwards
    /// (Arbiter.scala).
    fn gets_out_next(&self, way: usize, at: u64) -> Option<usize> {
        let (harts, last) = (self.claims.len(), self.ways[way].served);
        let there = |claim: &Claim| way_out(claim.device) == way && claim.at <= at;
        let waiting = (0..harts).filter(|&hart| self.claims[hart].as_ref().is_some_and(there));
        waiting.min_by_key(|hart| (last + 2 * harts - 1 - hart) % harts)
    }

    /// When an access to `device` that is at the system bus in cycle `at` gets out of it.
    fn gets_out(&self, device: usize, at: u64) -> u64 {
        if device == MMIO {
            return at.max(self.devices[device]);
        }
        let way = &self.ways[way_out(device)];
        // The place of what has left the buffer is free a cycle later.
        at.max(way.free).max(way.taken[BUFFERED - 1] + 2)
    }

    /// The access of `hart` to `device` that is at the system bus in cycle `at` gets its turn: when it gets out of it, and when the
    /// device takes it.
    pub(super) fn serve(&mut self, hart: usize, device: usize, at: u64) -> (u64, u64) {
        let out = self.gets_out(device, at);
        let way = &mut self.ways[way_out(device)];
        let mut taken = out.max(self.devices[device]);
        if device != MMIO {
            taken = taken.max(way.taken[0] + 1);
            way.taken.rotate_right(1);
            way.taken[0] = taken;
        }
        (way.served, way.free) = (hart, out + 1);
        (out, taken)
    }

    /// When the device takes the access `claim`, at the earliest.
    pub(super) fn taken(&self, claim: &Claim) -> u64 {
        claim.at.max(self.devices[claim.device])
    }

    /// Hart `hart` waits for no turn any more.
    pub(super) fn unclaim(&mut self, hart: usize) {
        self.claims[hart] = None;
        self.dcaches[hart].side.turn = None;
    }

    /// Whether what was read can be `own` at another time.
    pub(super) fn check(&self, own: &Self, latest: Latest) -> Result<(), Impossible> {
        require(self.dcaches.len() == own.dcaches.len(), "another number of data caches")?;
        self.dcaches.iter().zip(&own.dcaches).try_for_each(|(cache, own)| cache.check(own, latest))?;
        require(self.hub.is_some() == own.hub.is_some(), "a hub among several harts")?;
        self.hub.as_ref().map_or(Ok(()), |hub| hub.check(self.dcaches.len(), latest))?;
        require(self.claims.len() == own.claims.len(), "accesses of another number of harts")?;
        let claims = self.claims.iter().flatten();
        require(claims.clone().all(|claim| claim.device < DEVICES), "an access to no device")?;
        require(self.ways.iter().all(|way| way.served < self.dcaches.len()), "an access of no hart")?;
        latest.all(self.ways.iter().flat_map(|way| way.taken.into_iter().chain([way.free])))?;
        latest.all(claims.map(|claim| claim.at))?;
        latest.all(self.port.beats.iter().flat_map(|&(first, last)| [first, last]))?;
        latest.all([self.port.free, self.interrupt_at].into_iter().chain(self.devices).chain(self.answered))
    }
}

/// What a hart's model looks at beside itself.
pub struct Env<'a> {
    /// The hart.
    pub hart: &'a Hart,
    /// Memory.
    pub bus: &'a Bus,
    /// The parameters.
    pub params: &'a Params,
    /// What the harts share.
    pub uncore: &'a mut Uncore,
    /// What the instruction at hand accessed, or multiplied or divided.
    pub fact: Fact,
    /// Local time of the hart that is furthest behind among the others; `u64::MAX` when nothing else runs.
    pub others: u64,
    /// From when on decode lets an interrupt through instead of the next instruction; `u64::MAX` when none is on its way.
    pub interrupt: u64,
    /// What others may do does not matter any more.
    pub heedless: bool,
}

/// The same before it is put together.
pub(super) struct Beside<'a> {
    pub hart: &'a Hart,
    pub bus: &'a Bus,
    pub params: &'a Params,
    pub uncore: &'a mut Uncore,
}

impl<'a> Beside<'a> {
    /// That of `env`.
    pub fn of(env: &'a mut Env<'_>) -> Self {
        Self { hart: env.hart, bus: env.bus, params: env.params, uncore: env.uncore }
    }

    /// Put together, with the local time of the hart that is furthest behind.
    #[inline(always)]
    pub fn env(&mut self, others: u64) -> Env<'_> {
        let Self { hart, bus, params, uncore } = self;
        Env { hart, bus, params, uncore, fact: Fact::default(), others, interrupt: u64::MAX, heedless: false }
    }
}

impl Env<'_> {
    /// The hart's own L1 data cache, and the port.
    #[inline(always)]
    pub fn data(&mut self) -> (&mut Dcache, &mut MemoryPort) {
        (&mut self.uncore.dcaches[self.hart.config.id], &mut self.uncore.port)
    }

    /// The hart's own L1 data cache.
    #[inline(always)]
    pub fn dcache(&mut self) -> &mut Dcache {
        self.data().0
    }

    /// The hub with what it works on, if there is one.
    #[inline]
    pub fn hub(&mut self) -> Option<(&mut Hub, Around<'_>)> {
        let Uncore { dcaches, port, hub, .. } = &mut *self.uncore;
        let floor = self.others;
        let me = self.hart.config.id;
        hub.as_mut().map(|hub| (hub, Around { params: self.params, dcaches, port, floor, me }))
    }

    /// The hart's access `claim` comes in its turn.
    ///
    /// # Errors
    /// The cycle up to which the other harts have to go on first.
    pub(super) fn claims(&mut self, claim: Claim) -> Result<(), u64> {
        let (me, device) = (self.hart.config.id, claim.device);
        self.uncore.claims[me] = Some(claim);
        self.uncore.dcaches[me].side.turn = Some(claim.at.saturating_sub(2));
        let way = way_out(device);
        let there = self.uncore.claims.iter().flatten().filter(|other| way_out(other.device) == way);
        let first = there.map(|other| other.at).min().unwrap_or(claim.at);
        let at = self.uncore.gets_out(device, first);
        if self.others > at && self.uncore.gets_out_next(way, at) == Some(me) {
            return Ok(());
        }
        // Who is first has to come before.
        Err(at.max(if self.others > at { self.others } else { 0 }) + 1)
    }

    /// No store of another hart that nobody knows of yet changes interrupt lines before this cycle, as decode sees them.
    pub(super) fn lines_known(&self) -> u64 {
        let me = self.hart.config.id;
        let others = self.uncore.claims.iter().enumerate().filter(|&(hart, _)| hart != me);
        let first = others.filter_map(|(_, claim)| Some(self.uncore.taken(claim.as_ref()?))).min();
        first.unwrap_or(u64::MAX).min(self.others).saturating_add(least_arrival(self.params))
    }

    /// Whether an interrupt comes that is not on its way yet is known of the cycles before this one: another hart may raise it, or
    /// a timer. A lone hart is told by events, when they have come.
    #[inline]
    pub(super) fn interrupts_known(&self) -> u64 {
        if self.uncore.hub.is_none() || self.heedless {
            return u64::MAX;
        }
        let timer = self.hart.timer_deadline(self.bus).unwrap_or(u64::MAX);
        let event = self.bus.next_event().saturating_add(self.params.timer_arrival);
        let known = self.lines_known().min(event).min(timer);
        let all = self.interrupt <= known || self.hart.interrupts_that_reach() == 0;
        if all { u64::MAX } else { known }
    }

    /// A read of `line` for a page-table walk that is worked out at once: asked for in cycle `asked`. Gives the
    /// cycles of the first and last beat at the L1.
    pub fn read_line(&mut self, line: u64, asked: u64) -> Option<(u64, u64)> {
        self.hub().map(|(hub, mut around)| hub.read(&mut around, line, asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the RTL's four harts, of which two load from the PLIC and two more do so two cycles later.
    #[test]
    fn accesses_are_in_the_order_in_which_the_buffer_has_room() {
        let mut uncore = Uncore::new(&Params::default(), 4);
        let plic = 1;
        uncore.ways[way_out(plic)].served = 2;
        let mut waiting = vec![(1, 34), (3, 34), (2, 36), (0, 36)];
        let mut order = Vec::new();
        while !waiting.is_empty() {
            for &(hart, at) in &waiting {
                uncore.claims[hart] = Some(Claim { at, device: plic });
            }
            let first = waiting.iter().map(|&(_, at)| at).min().unwrap();
            let at = uncore.gets_out(plic, first);
            let hart = uncore.gets_out_next(way_out(plic), at).unwrap();
            let index = waiting.iter().position(|&(who, _)| who == hart).unwrap();
            let (_, at) = waiting.remove(index);
            uncore.unclaim(hart);
            let (out, taken) = uncore.serve(hart, plic, at);
            uncore.devices[plic] = taken + 2;
            order.push((hart, out, taken));
        }
        assert_eq!(order, [(1, 34, 34), (3, 35, 36), (2, 36, 38), (0, 38, 40)]);
    }
}
