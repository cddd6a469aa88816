//! The L1 instruction cache (ICache.scala): one refill at a time, replacement by LFSR.

use relsim_core::saved::{Impossible, require};
use serde::{Deserialize, Serialize};

use super::hub::Want;
use super::params::Params;
use super::replace::Lfsr;
use super::uncore::Env;
use crate::parts::saved::Latest;
use crate::parts::tags::{NO_LINE, Tags, line_of};

/// Places for lines that are found quickly.
const QUICK: usize = 64;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Refill {
    line: u64,
    way: usize,
    /// Not before this cycle the hub's probe reaches the data cache.
    probe: u64,
    /// Cycles of the first and last beat, once the data cache took the probe.
    beats: Option<(u64, u64)>,
}

/// What is in the stages of the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stages {
    s1_valid: bool,
    s2_valid: bool,
    s2_hit: bool,
    could_request: bool,
    latched: u64,
    beat: bool,
}

fn no_lines() -> Box<[u64; QUICK]> {
    Box::new([NO_LINE; QUICK])
}

/// The instruction cache.
#[derive(Clone, Serialize, Deserialize)]
pub struct Icache {
    pub(super) tags: Tags,
    /// Lines that are known to be there.
    #[serde(skip, default = "no_lines")]
    quick: Box<[u64; QUICK]>,
    pub(super) lfsr: Lfsr,
    pub(super) s1_valid: bool,
    pub(super) s2_valid: bool,
    pub(super) s2_hit: bool,
    pub(super) could_request: bool,
    pub(super) latched: u64,
    pub(super) refill: Option<Refill>,
    pub(super) invalidated: bool,
    pub(super) beat: bool,
    /// How often a line has come or gone.
    #[serde(skip)]
    pub(super) generation: u64,
}

impl Default for Icache {
    fn default() -> Self {
        Self::new(&Params::default())
    }
}

impl Icache {
    /// Empty, of the geometry that `params` say.
    pub fn new(params: &Params) -> Self {
        Self {
            tags: Tags::new(params.l1i_sets, params.l1i_ways),
            quick: no_lines(),
            lfsr: Lfsr::default(),
            s1_valid: false,
            s2_valid: false,
            s2_hit: false,
            could_request: false,
            latched: 0,
            refill: None,
            invalidated: false,
            beat: false,
            generation: 0,
        }
    }

    /// Whether it can be `own` at another time.
    pub(super) fn check(&self, own: &Self, latest: Latest) -> Result<(), Impossible> {
        self.tags.check(&own.tags)?;
        let Some(refill) = &self.refill else { return Ok(()) };
        require(refill.way < self.tags.ways() && refill.line <= line_of(u64::MAX), "a refill of no way")?;
        let beats = refill.beats.into_iter().flat_map(|(first, last)| [first, last]);
        latest.all(beats.chain([refill.probe]))
    }

    /// Whether the access in the second stage hits.
    pub fn hit(&self) -> bool {
        self.s2_valid && self.s2_hit
    }

    /// Whether a line is on its way.
    pub fn refilling(&self) -> bool {
        self.refill.is_some()
    }

    /// When the line that is on its way begins to come, if that is known.
    pub(super) fn comes_at(&self) -> Option<u64> {
        Some(self.beats()?.0)
    }

    /// Cycles of its first and last beat, if they are known.
    pub(super) fn beats(&self) -> Option<(u64, u64)> {
        self.refill?.beats
    }

    /// What of its state is neither lines nor the refill.
    pub(super) fn stages(&self) -> Stages {
        let Self { s1_valid, s2_valid, s2_hit, could_request, latched, beat, .. } = *self;
        Stages { s1_valid, s2_valid, s2_hit, could_request, latched, beat }
    }

    /// Whether a line is asked for, and it is not known when it comes.
    pub fn waits(&self) -> bool {
        self.refill.is_some_and(|refill| refill.beats.is_none())
    }

    /// Whether the probe that its refill sends is at the data cache in cycle `at`, and not taken yet.
    pub fn probes(&self, at: u64) -> bool {
        self.refill.is_some_and(|refill| refill.beats.is_none() && at >= refill.probe)
    }

    /// One cycle: the access to physical address `pa` in the first stage; `s1_kill` and `s2_kill` drop what is
    /// in the stages.
    /// `data_busy`: the data cache has an access in its first or second stage, and takes no probe.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    pub fn cycle(
        &mut self,
        env: &mut Env<'_>,
        now: u64,
        pa: u64,
        s1_kill: bool,
        s2_kill: bool,
        data_busy: bool,
    ) {
        let line = line_of(pa);
        let s2_miss = self.s2_valid && !self.s2_hit && !s2_kill;
        let refilling = self.refill.is_some();
        let can_request = !(s2_miss || refilling);
        let s1_hit = self.holds(line);
        let request = s2_miss && self.could_request && env.dcache().crossbar.serves_instructions(now);
        self.beat = false;
        if refilling {
            self.refill_cycle(env, now, data_busy);
        }
        if request {
            self.lfsr.step();
            let probe = now + env.params.l1i_probe;
            let (line, way) = (self.latched, self.lfsr.way(self.tags.ways()));
            let elsewhere = Self::elsewhere(env, line);
            let me = env.hart.config.id;
            let beats = match (env.hub(), elsewhere) {
                (Some((hub, _)), Some((device, first))) => {
                    hub.request_burst(me, device, now, first);
                    None
                }
                (Some((hub, mut around)), None) => {
                    let want = Want { line, exclusive: false, dirty: false, fetch: true };
                    hub.request(&mut around, me, want, now);
                    None
                }
                (None, elsewhere) => elsewhere.map(|(_, first)| (now + first, now + first + 7)),
            };
            self.refill = Some(Refill { line, way, probe, beats });
        }
        if self.s1_valid && can_request {
            self.latched = line;
        }
        self.could_request = can_request;
        self.s2_valid = self.s1_valid && !s1_kill;
        self.s2_hit = s1_hit;
    }

    /// The device that a `line` comes from that is not in memory, and cycles from its request to its first beat; there
    /// is no probe for it.
    fn elsewhere(env: &Env<'_>, line: u64) -> Option<(usize, u64)> {
        let params = env.params;
        match line << 6 {
            pa if env.bus.ram.contains(pa, 1) => None,
            0x1_0000..=0x1_ffff => Some((0, params.rom_read - 1)),
            // A burst takes longer than a load (measured: start of the golden files).
            _ => Some((1, params.mmio_read + params.mmio_latency + 5)),
        }
    }

    #[inline(always)]
    pub(super) fn holds(&mut self, line: u64) -> bool {
        self.quick[line as usize % QUICK] == line || self.finds(line)
    }

    #[inline(never)]
    fn finds(&mut self, line: u64) -> bool {
        let there = self.tags.holds(line);
        if there {
            self.quick[line as usize % QUICK] = line;
        }
        there
    }

    /// Whether nothing is missing and nothing is on its way.
    #[inline(always)]
    pub fn calm(&self) -> bool {
        self.refill.is_none() && (self.s2_hit || !self.s2_valid)
    }

    fn refill_cycle(&mut self, env: &mut Env<'_>, now: u64, data_busy: bool) {
        let beats = env.params.refill_beats;
        if let Some(refill) = &mut self.refill
            && refill.beats.is_none()
        {
            let me = env.hart.config.id;
            if let Some((hub, mut around)) = env.hub() {
                if !data_busy {
                    hub.take_own_probe(&mut around, me, now);
                }
                refill.beats = hub.fetch(me);
            } else if now >= refill.probe && !data_busy && !env.dcache().takes_no_probe(beats, now) {
                let params = env.params;
                let handshake = if env.dcache().cleans(refill.line) {
                    // The hub writes what the probe brings to memory first (Broadcast.scala).
                    now + params.probe_data + beats - 1 + params.memory_write_latency
                } else {
                    now + params.l1i_request
                };
                refill.beats = Some(env.uncore.port.read_line(env.params, handshake));
            }
        }
        if let Some(refill) = self.refill
            && let Some((first, last)) = refill.beats
            && now >= first
        {
            self.beat = true;
            // Invalid while its words come in, so that nothing hits half a line.
            if let Some(gone) = self.tags.evict(refill.line, refill.way) {
                self.quick[gone as usize % QUICK] = NO_LINE;
                self.generation += 1;
            }
            if now >= last {
                if !self.invalidated {
                    self.tags.put(refill.line, refill.way);
                    self.generation += 1;
                }
                self.refill = None;
                self.invalidated = false;
            }
        }
    }

    /// The fetch that the next-address stage starts in this cycle; the arrays are busy while words come in.
    pub fn request(&mut self, valid: bool) {
        self.s1_valid = valid && !self.beat;
    }

    /// `fence.i`: forgets every line, and the one that is on its way.
    pub fn invalidate(&mut self) {
        self.tags.clear();
        self.generation += 1;
        self.quick.fill(NO_LINE);
        self.invalidated = self.refill.is_some();
    }
}
