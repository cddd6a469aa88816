//! What the harts share, and what the others can reach into: the L1 data caches and the memory port.

use relsim_core::bus::Bus;
use relsim_core::hart::Hart;
use relsim_core::timing::Fact;

use super::dcache::Dcache;
use super::params::Params;

/// The memory port: one read at a time delivers its beats.
#[derive(Debug, Clone, Default)]
pub struct MemoryPort {
    free: u64,
}

impl MemoryPort {
    /// Reads a line, its address handed over at `handshake`: the cycles at which its first and last beat reach
    /// the L1.
    pub fn read_line(&mut self, params: &Params, handshake: u64) -> (u64, u64) {
        let first = (handshake + params.memory_read_latency).max(self.free);
        let last = first + params.refill_beats - 1;
        self.free = last + 1;
        (first + params.refill_return, last + params.refill_return)
    }
}

/// What lies behind the harts' pipelines.
pub struct Uncore {
    /// L1 data caches by hart.
    pub dcaches: Vec<Dcache>,
    /// The way to memory.
    pub port: MemoryPort,
}

impl Uncore {
    /// For `harts` harts, after reset.
    pub fn new(params: &Params, harts: usize) -> Self {
        Self { dcaches: (0..harts).map(|_| Dcache::new(params)).collect(), port: MemoryPort::default() }
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
}
