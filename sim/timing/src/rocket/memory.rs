//! Data accesses: the store buffer's hazards, misses, translations, devices, fences (DCache.scala).

use relsim_core::insn::{Op, OpClass};
use relsim_core::pmp::AccessKind;
use relsim_core::timing::CycleCause as Cause;

use super::dcache::Found;
use super::hart::{HartModel, WRITE_BACK};
use super::memo::Check;
use super::params::Params;
use super::tlb::Tlb;
use super::uncore::Env;

/// A store that may still be in the store buffer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pending {
    pub(super) word: u64,
    pub(super) mask: u8,
    /// First cycle in which it could go to the data array.
    pub(super) from: u64,
    pub(super) live: bool,
}

/// Data-side state of a hart.
#[derive(Default)]
pub struct Memory {
    pub(super) tlb: Tlb,
    pub(super) stores: [Pending; 2],
    /// Execution cycles of the latest run of back-to-back reads.
    pub(super) read_run: (u64, u64),
    /// Issue of the latest access.
    pub(super) last: u64,
    pub(super) fence: bool,
    /// An access after a fence issues no earlier.
    pub(super) idle: u64,
    /// Nothing for a device is under way from this cycle on.
    pub(super) device_free: u64,
    /// Issue of the latest store that changed the state of a line.
    pub(super) dirtied: u64,
}

impl Memory {
    /// After reset, with a TLB of the size that `params` say.
    pub fn new(params: &Params) -> Self {
        Self { tlb: Tlb::new(params.dtlb_sectors, params.dtlb_superpages), ..Self::default() }
    }

    /// A fence, or an acquire: the next access waits until memory is idle.
    pub fn fence(&mut self) {
        self.fence = true;
    }

    /// From when on nothing is under way.
    pub fn idle(&self) -> u64 {
        self.idle
    }

    /// Holds `op` back for fences.
    #[inline]
    pub fn constrain(&mut self, op: &Op, _last_issue: u64, at: &mut u64, why: &mut Cause) {
        let release = op.class == OpClass::FenceI
            || matches!(op.class, OpClass::Amo | OpClass::LoadReserved | OpClass::StoreConditional)
                && op.raw >> 25 & 1 == 1;
        let held = self.fence && (op.class.is_memory() || op.class == OpClass::SfenceVma);
        if (release || held) && self.idle > *at {
            (*at, *why) = (self.idle, Cause::Fence);
        }
    }

    /// `sfence.vma`.
    pub fn flush_translations(&mut self, va: Option<u64>) {
        self.tlb.flush(va);
    }

    /// Whether the load of `mask` in `word`, issued in cycle `issue`, finds the word in the store buffer.
    fn conflicts(&mut self, issue: u64, word: u64, mask: u8) -> bool {
        self.drain(issue);
        let same = |s: &Pending| s.live && s.word == word && s.mask & mask != 0;
        self.stores.iter().any(same)
    }

    /// Stores go from the buffer to the data array, up to what a load issued in cycle `issue` finds.
    pub(super) fn drain(&mut self, issue: u64) {
        // The buffer drains one store in each cycle whose execution stage has no read in it. This load
        // executes in `issue + 1`, so that the cycles up to `issue` count.
        let (run_from, run_to) = self.read_run;
        let free = |from: u64, to: u64| -> Option<u64> {
            if from > to {
                return None;
            }
            let from = if run_from <= from && from <= run_to { run_to + 1 } else { from };
            (from <= to).then_some(from)
        };
        let mut next = 0;
        for store in &mut self.stores {
            if store.live {
                match free(store.from.max(next), issue) {
                    Some(at) => {
                        store.live = false;
                        next = at + 1;
                    }
                    None => next = u64::MAX,
                }
            }
        }
    }

    fn reads(&mut self, issue: u64) {
        let cycle = issue + 1;
        self.read_run = if cycle == self.read_run.1 + 1 { (self.read_run.0, cycle) } else { (cycle, cycle) };
    }

    fn stores(&mut self, word: u64, mask: u8, from: u64) {
        self.stores[0] = self.stores[1];
        self.stores[1] = Pending { word, mask, from, live: true };
    }
}

/// Bytes that a memory instruction accesses, as a power of two.
pub(super) fn size_log2(op: &Op) -> u32 {
    if op.len == 4 {
        return op.raw >> 12 & 3;
    }
    // Compressed: x10 in funct3 are words; the rest are doublewords.
    if op.raw >> 13 & 3 == 2 { 2 } else { 3 }
}

impl HartModel {
    /// The data access that `op` has made: replays it as often as the RTL does.
    #[inline]
    pub(super) fn access(&mut self, env: &mut Env<'_>, op: &Op, pc: u64, next: u64) {
        let size = size_log2(op);
        let (va, pa) = (env.fact.a, env.fact.b);
        let write =
            matches!(op.class, OpClass::Store | OpClass::FpStore | OpClass::StoreConditional | OpClass::Amo);
        let read = !matches!(op.class, OpClass::Store | OpClass::FpStore);
        let failed = op.class == OpClass::StoreConditional && env.hart.x(op.rd) != 0;
        let (word, mask) = (va >> 3 & 0x1ff, (((1u16 << (1 << size)) - 1) << (va & 7)) as u8);
        let kind = if write { AccessKind::Store } else { AccessKind::Load };
        if super::scoreboard::is_fp(op.class) {
            while let Some(at) = self.board.refuses(op, self.issue, env.params) {
                self.replay(env, pc, next, at, Cause::FloatingPoint);
            }
        }
        // The access behind a store that changes its line's state is refused.
        while self.memory.dirtied != 0 && self.issue == self.memory.dirtied + 1 {
            self.pipe.fetch.btb.recorder.spoil();
            self.memory.dirtied = 0;
            self.replay(env, pc, next, 0, Cause::StoreHazard);
        }
        let walker = &mut self.pipe.walker;
        if let Some(done) = self.memory.tlb.data(env, walker, self.issue + 2, va, kind) {
            self.pipe.fetch.btb.recorder.spoil();
            self.replay(env, pc, next, done + 1, Cause::DataTlb);
            let _ = self.memory.tlb.data(env, &mut self.pipe.walker, self.issue + 2, va, kind);
        }
        if read && self.memory.conflicts(self.issue, word, mask) {
            self.pipe.fetch.btb.recorder.spoil();
            self.memory.reads(self.issue);
            self.replay(env, pc, next, 0, Cause::StoreHazard);
        }
        self.record_access(read, write, size);
        if env.bus.ram.contains(pa, 1) {
            self.cached(env, op, pc, next, pa, write);
        } else {
            self.device(env, op, pc, next, pa, write);
            return;
        }
        let issue = self.issue;
        if read {
            self.memory.reads(issue);
        }
        if write && !failed {
            let from = issue + WRITE_BACK + u64::from(read);
            self.memory.stores(word, mask, from);
        }
        self.memory.last = issue;
        self.memory.idle = issue + WRITE_BACK + 1;
        self.memory.fence = op.class == OpClass::Amo && op.raw >> 26 & 1 == 1;
        if produces(op) {
            let slow = size < 2 || op.class == OpClass::StoreConditional;
            let at = match op.class {
                OpClass::FpLoad => env.params.fp_load,
                _ if slow => env.params.redirect_load_slow,
                _ => env.params.redirect_load_int,
            };
            self.board.loaded(op, issue + at, Cause::LoadUse);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn cached(&mut self, env: &mut Env<'_>, _op: &Op, pc: u64, next: u64, pa: u64, write: bool) {
        match env.dcache().access(pa, write) {
            Found::Hit => {}
            Found::HitMakesDirty => {
                self.pipe.fetch.btb.recorder.spoil();
                self.memory.dirtied = self.issue;
            }
            Found::Miss => {
                self.pipe.fetch.btb.recorder.spoil();
                if env.dcache().evict(pa) {
                    let at = self.issue + env.params.writeback;
                    self.replay(env, pc, next, at, Cause::DataCache);
                }
                let refused = self.issue + WRITE_BACK;
                let params = env.params;
                let (dcache, port) = env.data();
                let last = dcache.refill(params, port, refused, pa, write);
                self.replay(env, pc, next, last, Cause::DataCache);
            }
        }
    }

    /// What a repetition of the access has to find.
    #[inline(always)]
    fn record_access(&mut self, read: bool, write: bool, size: u32) {
        let recorder = &mut self.pipe.fetch.btb.recorder;
        if recorder.on {
            let live = |n: usize| u8::from(self.memory.stores[n].live) << n;
            let live = live(0) | live(1);
            if read && write {
                recorder.spoil();
            }
            let size = size as u8;
            recorder.check(if write { Check::Store { size } } else { Check::Load { live, size } });
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn device(&mut self, env: &mut Env<'_>, op: &Op, pc: u64, next: u64, pa: u64, write: bool) {
        self.pipe.fetch.btb.recorder.spoil();
        while self.issue + WRITE_BACK < self.memory.device_free {
            self.replay(env, pc, next, 0, Cause::Mmio);
        }
        let p = env.params;
        let latency = match (pa, write) {
            (0x200_0000..=0x200_ffff, false) => p.clint_read,
            (0x200_0000..=0x200_ffff, true) => p.clint_write,
            (0xc00_0000..=0xfff_ffff, false) => p.plic_read,
            (0xc00_0000..=0xfff_ffff, true) => p.plic_write,
            (0x1_0000..=0x1_ffff, _) => p.rom_read,
            (_, false) => p.mmio_read + p.mmio_latency,
            (_, true) => p.mmio_write + p.mmio_latency,
        };
        let write_back = self.issue + WRITE_BACK;
        let done = write_back + latency;
        self.memory.device_free = done + 1;
        self.memory.idle = done + 1;
        self.memory.fence = false;
        self.memory.last = self.issue;
        if write {
            let clint = (0x200_0000..=0x200_ffff).contains(&pa);
            let arrival = if clint { env.params.interrupt_arrival } else { env.params.external_arrival };
            self.interrupt_at = write_back + arrival;
        }
        if produces(op) {
            self.board.loaded(op, done, Cause::Mmio);
        }
    }
}

fn produces(op: &Op) -> bool {
    !matches!(op.class, OpClass::Store | OpClass::FpStore)
}
