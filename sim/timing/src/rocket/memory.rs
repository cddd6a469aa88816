//! Data accesses: the store buffer's hazards, misses, translations, devices, fences (DCache.scala).

use serde::{Deserialize, Serialize};

use relsim_core::insn::{Op, OpClass};
use relsim_core::pmp::AccessKind;
use relsim_core::saved::Impossible;
use relsim_core::timing::{CycleCause as Cause, Fact};

use super::answers::Answer;
use super::dcache::{Found, Refusal};
use super::hart::{HartModel, WRITE_BACK};
use super::hub::{Grant, Want};
use super::memo::{Act, Outcome};
use super::params::Params;
use super::pipeline::READY;
use super::scoreboard::Register;
use super::tlb::Tlb;
use super::uncore::{Claim, Env, MMIO, arrival, device_at};
use crate::parts::saved::Latest;

/// An access that finds a dirty victim issuing to the acknowledgement of the victim's release, without the latency
/// of the write (measured: chase_17K).
const RELEASE: u64 = 15;

/// A store that may still be in the store buffer.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) word: u64,
    pub(super) mask: u8,
    /// First cycle in which it could go to the data array.
    pub(super) from: u64,
    pub(super) live: bool,
}

/// What a load finds in the store buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Conflict {
    /// The stores that are in it, a bit each.
    pub(super) live: u8,
    /// One of them is to its bytes.
    pub(super) found: bool,
}

/// Data-side state of a hart.
#[derive(Default, Clone, Serialize, Deserialize)]
pub struct Memory {
    pub(super) tlb: Tlb,
    pub(super) stores: [Pending; 2],
    /// Execution cycles of the latest run of back-to-back reads.
    pub(super) read_run: (u64, u64),
    pub(super) fence: bool,
    /// An access after a fence issues no earlier.
    pub(super) idle: u64,
    /// Issue of the latest load from a device, until the next instruction.
    pub(super) device_load: u64,
    /// Nothing for a device is under way from this cycle on.
    pub(super) device_free: u64,
    /// The answer of the latest one comes in this cycle: up to then nothing that misses is asked for.
    pub(super) uncached: u64,
    /// Issue of the latest store that changed the state of a line.
    pub(super) dirtied: u64,
    /// A lone hart's reservation ends by itself in this cycle, if nothing has ended it.
    pub(super) reserved: u64,
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
    pub fn constrain(&mut self, op: &Op, at: &mut u64, why: &mut Cause) {
        let release = op.class == OpClass::FenceI || op.class.is_atomic() && op.raw >> 25 & 1 == 1;
        let held = self.fence && (op.class.is_memory() || op.class == OpClass::SfenceVma);
        if (release || held) && self.idle > *at {
            (*at, *why) = (self.idle, Cause::Fence);
        }
    }

    /// `sfence.vma`.
    pub fn flush_translations(&mut self, va: Option<u64>) {
        self.tlb.flush(va);
    }

    /// What the load of `mask` in `word`, issued in cycle `issue`, finds in the store buffer.
    #[inline]
    pub(super) fn conflict(&mut self, issue: u64, word: u64, mask: u8) -> Conflict {
        self.drain(issue);
        let same = |s: &Pending| s.live && s.word == word && s.mask & mask != 0;
        let live = |n: usize| u8::from(self.stores[n].live) << n;
        Conflict { live: live(0) | live(1), found: self.stores.iter().any(same) }
    }

    /// Whether a store goes from the buffer to the data array in cycle `cycle`; `reads` says if a read executes then.
    pub(super) fn drains_in(&mut self, cycle: u64, reads: bool) -> bool {
        self.drain(cycle - 1);
        let (from, to) = self.read_run;
        let oldest = self.stores.iter().find(|store| store.live);
        !reads && !(from..=to).contains(&cycle) && oldest.is_some_and(|store| store.from <= cycle)
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

    #[inline(always)]
    pub(super) fn reads(&mut self, issue: u64) {
        let cycle = issue + 1;
        self.read_run = if cycle == self.read_run.1 + 1 { (self.read_run.0, cycle) } else { (cycle, cycle) };
    }

    /// Whether there may be a store in the buffer.
    #[inline(always)]
    pub(super) fn has_stores(&self) -> bool {
        self.stores[0].live || self.stores[1].live
    }

    #[inline(always)]
    pub(super) fn stores(&mut self, word: u64, mask: u8, from: u64) {
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

/// The 8-byte word that an access of 2^`size` bytes to `va` goes to, as far as the store buffer compares it, and
/// which bytes of it.
#[inline(always)]
pub(super) fn span(va: u64, size: u32) -> (u64, u8) {
    (word(va), (((1u16 << (1 << size)) - 1) << (va & 7)) as u8)
}

/// The number of the doubleword at `va`, as far as the store buffer looks at it.
#[inline(always)]
pub(super) fn word(va: u64) -> u64 {
    va >> 3 & 0x1ff
}

/// How far an access among several harts has got.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Progress {
    /// It has been made: what is left is to execute it.
    pub made: bool,
    /// The data cache waits for a line, whoever asked for it.
    pub(super) waits: bool,
    /// The latest one that it has waited for comes in this cycle.
    pub(super) line_at: u64,
    /// Other data caches had a part in that.
    pub(super) remote: bool,
    /// Hazards within the hart are behind it.
    checked: bool,
    /// It found the reservation alive.
    reserved: bool,
    /// The integer register that it loads, and after how many cycles what is behind it could use that.
    pub(super) loads: Option<(u8, u64)>,
}

impl Progress {
    /// The data cache has asked for a line, and waits.
    pub(super) fn asked(&mut self) {
        self.waits = true;
    }

    /// When the line that the data cache waits for comes is known.
    pub(super) fn line_comes(&mut self, grant: Grant) {
        (self.waits, self.line_at, self.remote) = (false, grant.last, grant.remote);
    }
}

/// How much later than others `op` sees the end of the refill that it waits for: held back in decode, an ordered one
/// sees it a cycle later.
pub(super) fn late(op: &Op) -> u64 {
    u64::from(op.class.is_atomic() && op.raw >> 25 & 3 != 0)
}

/// What an access is, once its address is known.
impl Memory {
    /// Whether it can be `own` at another time.
    pub(super) fn check(&self, own: &Self, latest: Latest) -> Result<(), Impossible> {
        self.tlb.check(&own.tlb, latest)?;
        let Self { read_run, idle, device_load, device_free, uncached, dirtied, reserved, .. } = *self;
        latest.all([read_run.0, read_run.1, idle, device_load, device_free, uncached])?;
        latest.all([dirtied, reserved])?;
        latest.all(self.stores.map(|store| store.from))
    }
}

#[derive(Debug, Clone, Copy)]
struct Access {
    va: u64,
    pa: u64,
    size: u32,
    write: bool,
    read: bool,
}

impl Access {
    fn new(op: &Op, va: u64, pa: u64) -> Self {
        let write =
            matches!(op.class, OpClass::Store | OpClass::FpStore | OpClass::StoreConditional | OpClass::Amo);
        let read = produces(op);
        Self { va, pa, size: size_log2(op), write, read }
    }

    fn word(&self) -> u64 {
        span(self.va, self.size).0
    }

    fn mask(&self) -> u8 {
        span(self.va, self.size).1
    }

    fn kind(&self) -> AccessKind {
        if self.write { AccessKind::Store } else { AccessKind::Load }
    }
}

impl HartModel {
    /// The data access that `op` has made: replays it as often as the RTL does.
    #[inline]
    pub(super) fn access(&mut self, env: &mut Env<'_>, op: &Op, pc: u64, next: u64) {
        let access = Access::new(op, env.fact.a, env.fact.b);
        let failed = op.class == OpClass::StoreConditional && env.hart.x(op.rd) != 0;
        let memory = env.bus.ram.contains(access.pa, 1);
        self.progress.loads = self.loads(env, op, access.size);
        if !self.progress.made {
            if access.read && access.write {
                self.pipe.fetch.btb.recorder.spoil();
            }
            if !self.progress.checked {
                // A lone hart waits for nobody.
                let _ = self.hazards(env, op, &access, pc, next);
            }
            if memory {
                while !self.cached(env, pc, next, &access) {
                    self.pipe.fetch.btb.recorder.spoil();
                    let _ = self.hazards(env, op, &access, pc, next);
                    let _ = self.meets_again(env, op, pc);
                }
                let reserves = op.class == OpClass::LoadReserved;
                if reserves || self.memory.reserved != 0 {
                    self.reserves(env, reserves);
                }
            } else {
                self.device(env, op, pc, next, access.pa, access.write);
                return;
            }
        }
        self.progress.made = false;
        let issue = self.issue;
        if access.read {
            self.memory.reads(issue);
        }
        if access.write && !failed {
            let from = issue + WRITE_BACK + u64::from(access.read);
            self.memory.stores(access.word(), access.mask(), from);
        }
        // A store to a device may still be under way.
        self.memory.idle = self.memory.idle.max(issue + WRITE_BACK + 1);
        self.memory.fence = op.class.is_atomic() && op.raw >> 26 & 1 == 1;
        if produces(op) {
            let at = self.progress.loads.map_or(env.params.fp_load, |(_, at)| at);
            self.board.loaded(op, issue + at, Cause::LoadUse);
        }
    }

    /// What an access does to the reservation of a lone hart: it ends one that is alive, and a load-reserved begins one
    /// otherwise (DCache.scala, lrscCount).
    #[cold]
    fn reserves(&mut self, env: &mut Env<'_>, reserves: bool) {
        let (made, lifetime) = (self.issue + WRITE_BACK, env.params.reservation);
        let side = &mut env.dcache().side;
        if made < side.reserved {
            (side.reserved, self.memory.reserved) = (made + 1, 0);
        } else if reserves {
            side.reserved = made + lifetime + 1;
            self.memory.reserved = side.reserved;
        } else {
            self.memory.reserved = 0;
        }
    }

    /// Whether a lone hart's store-conditional that has issued finds its reservation alive.
    pub(super) fn still_reserved(&self) -> bool {
        self.issue + WRITE_BACK < self.memory.reserved
    }

    /// The integer register that `op` loads, and after how many cycles the next instruction can use it.
    fn loads(&self, env: &Env<'_>, op: &Op, size: u32) -> Option<(u8, u64)> {
        let slow = size < 2 || op.class == OpClass::StoreConditional;
        let at = if slow { env.params.redirect_load_slow } else { env.params.redirect_load_int };
        (produces(op) && op.class != OpClass::FpLoad).then_some((op.rd, at))
    }

    /// Replays for what is in the way within the hart.
    ///
    /// # Errors
    /// The cycle up to which other harts have to go on first; to be called again when the replay is through.
    #[inline]
    fn hazards(
        &mut self,
        env: &mut Env<'_>,
        op: &Op,
        access: &Access,
        pc: u64,
        next: u64,
    ) -> Result<(), u64> {
        if super::scoreboard::is_fp(op.class) {
            while let Some(at) = self.board.refuses(op, self.issue, env.params) {
                self.nacked(env, pc, next, at, Cause::FloatingPoint)?;
            }
        }
        // The two slots behind a store that changes its line's state are refused: the first by the cache, the
        // second by its `req.ready` (DCache.scala, s2_update_meta).
        let dirtied = self.memory.dirtied;
        if dirtied != 0 && (self.issue == dirtied + 1 || self.issue == dirtied + 2) {
            self.memory.dirtied = 0;
            if self.issue == dirtied + 1 {
                let at = self.held_since_nack(env);
                self.nacked(env, pc, next, at, Cause::StoreHazard)?;
            } else {
                let at = Self::held_since(env, self.issue + 2);
                self.replay_unready(env, pc, at, Cause::StoreHazard)?;
            }
        }
        while self.gives_way_to_fetch(env, pc)? {}
        let (va, kind) = (access.va, access.kind());
        let walker = &mut self.pipe.walker;
        if let Some(done) = self.memory.tlb.data(env, walker, self.issue + 2, va, kind) {
            self.pipe.fetch.btb.recorder.spoil();
            self.nacked(env, pc, next, done + 1, Cause::DataTlb)?;
            let _ = self.memory.tlb.data(env, &mut self.pipe.walker, self.issue + 2, va, kind);
        }
        if !access.read {
            return Ok(());
        }
        let conflict = self.memory.conflict(self.issue, access.word(), access.mask());
        let recorder = &mut self.pipe.fetch.btb.recorder;
        let fact = recorder.fact;
        recorder.act(Act::Conflict { fact, size: access.size as u8, conflict });
        if conflict.found {
            self.memory.reads(self.issue);
            let at = self.held_since_nack(env);
            self.nacked(env, pc, next, at, Cause::StoreHazard)?;
        }
        Ok(())
    }

    /// Replays an access that has been in both stages of the data cache, which takes no probe meanwhile.
    ///
    /// # Errors
    /// As [`HartModel::replay`].
    fn nacked(&mut self, env: &mut Env<'_>, pc: u64, next: u64, at: u64, cause: Cause) -> Result<(), u64> {
        env.dcache().side.last = self.issue + 1;
        self.replay(env, pc, next, at, cause)
    }

    /// The probe for an instruction fetch takes the tags before an access that executes in its cycle: whether there is one, for
    /// which the access at `pc` is replayed.
    ///
    /// # Errors
    /// As [`HartModel::replay`].
    #[inline]
    fn gives_way_to_fetch(&mut self, env: &mut Env<'_>, pc: u64) -> Result<bool, u64> {
        let probed = self.pipe.probed(env, self.issue + 1);
        if probed {
            self.pipe.fetch.btb.recorder.spoil();
            let at = Self::held_since(env, self.issue + 1);
            self.replay_unready(env, pc, at, Cause::InstructionCache)?;
        }
        Ok(probed)
    }

    /// From when on decode lets an access go that was refused in cycle `refused`: at once, unless the data cache is taken then by
    /// another hart's probe (RocketCore.scala, dcache_blocked).
    fn held_since(env: &mut Env<'_>, refused: u64) -> u64 {
        if env.uncore.hub.is_none() {
            return 0;
        }
        env.dcache().side.hold(refused);
        READY
    }

    /// The same for an access that is refused at its write-back: in that cycle the cache takes none (DCache.scala, `s1_nack`), so
    /// that decode looks at what keeps it from the next one on.
    fn held_since_nack(&self, env: &mut Env<'_>) -> u64 {
        Self::held_since(env, self.issue + WRITE_BACK + 1)
    }

    /// Whether the store-conditional that has issued finds its reservation alive.
    pub fn keeps_reservation(&self) -> bool {
        self.progress.reserved
    }

    /// A new instruction has issued.
    #[inline]
    pub(super) fn begins(&mut self) {
        let Progress { waits, line_at, remote, .. } = self.progress;
        self.progress = Progress { waits, line_at, remote, ..Progress::default() };
    }

    /// What `op` is about to access, if nothing is wrong with it, and whether that is memory. It has executed already if its
    /// addresses are `known`.
    fn target(env: &Env<'_>, op: &Op, known: Option<Fact>) -> Option<(Access, bool)> {
        if let Some(Fact { a: va, b: pa }) = known {
            return Some((Access::new(op, va, pa), env.bus.ram.contains(pa, 1)));
        }
        let base = env.hart.x(op.rs1);
        let va = match op.class {
            OpClass::LoadReserved | OpClass::StoreConditional | OpClass::Amo => base,
            _ => base.wrapping_add_signed(op.imm.into()),
        };
        let mut access = Access::new(op, va, va);
        let aligned = va & ((1 << access.size) - 1) == 0;
        if !aligned && (op.class.is_atomic() || !env.hart.config.misaligned_ok) {
            return None;
        }
        access.pa = env.hart.data_target(env.bus, va, access.kind())?;
        Some((access, env.bus.ram.contains(access.pa, 1)))
    }

    /// The data access that `op` is about to make, among those of other harts: in its turn, and not before it
    /// has its line. Replays it as often as the RTL does.
    ///
    /// # Errors
    /// The cycle up to which the other harts have to go on first.
    pub(super) fn access_in_turn(
        &mut self,
        env: &mut Env<'_>,
        op: &Op,
        pc: u64,
        known: Option<Fact>,
    ) -> Result<(), u64> {
        self.resume(env)?;
        if self.progress.made {
            return Ok(());
        }
        let Some((access, memory)) = Self::target(env, op, known) else { return Ok(()) };
        let next = pc.wrapping_add(u64::from(op.len));
        self.progress.loads = self.loads(env, op, access.size);
        let me = env.hart.config.id;
        loop {
            // What it has claimed before it may not come to: a probe may be in the way.
            env.uncore.unclaim(me);
            if self.progress.waits {
                self.replay_for_line(env, pc, next, late(op))?;
                continue;
            }
            if self.meets_again(env, op, pc)? {
                continue;
            }
            // In its first stage but one it meets the probes for fetches that are three cycles older.
            let (cycle, issue, others) = (self.issue + 1, self.issue, env.others);
            let Some((hub, mut around)) = env.hub() else { return Ok(()) };
            let side = &mut around.dcaches[me].side;
            (side.known, side.fetched) = (cycle, issue);
            hub.advance(&mut around);
            if others < issue + 2 {
                return Err(issue + WRITE_BACK);
            }
            if !self.progress.checked {
                self.hazards(env, op, &access, pc, next)?;
                self.progress.checked = true;
                if self.issue != issue {
                    continue;
                }
            }
            if self.gives_way_to_fetch(env, pc)? {
                continue;
            }
            match env.dcache().side.refuses(cycle) {
                Some(Refusal::Unready) => {
                    self.replay_unready(env, pc, READY, Cause::Coherence)?;
                    continue;
                }
                Some(Refusal::Nacked) => {
                    self.replay(env, pc, next, READY, Cause::Coherence)?;
                    continue;
                }
                None => {}
            }
            if !memory {
                let side = &mut env.dcache().side;
                (side.last, side.known) = (cycle, cycle + 1);
                self.wait_for_device(env, pc, next)?;
                if self.issue == issue {
                    return env.claims(Claim { at: issue + WRITE_BACK, device: device_at(access.pa) });
                }
                continue;
            }
            if self.looks_up(env, op, &access, pc, next)? {
                return Ok(());
            }
        }
    }

    /// Looks its line up: whether it is there. If not, asks for it.
    fn looks_up(
        &mut self,
        env: &mut Env<'_>,
        op: &Op,
        access: &Access,
        pc: u64,
        next: u64,
    ) -> Result<bool, u64> {
        let (cycle, refused) = (self.issue + 1, self.issue + WRITE_BACK);
        let reserves = op.class == OpClass::LoadReserved;
        let lifetime = env.params.reservation;
        let dcache = env.dcache();
        let found = dcache.access(access.pa, access.write);
        let found = if reserves && dcache.shares(access.pa) { Found::Upgrade } else { found };
        let side = &mut dcache.side;
        side.last = cycle;
        let alive = refused < side.reserved;
        match found {
            Found::Hit | Found::HitMakesDirty => {
                if found == Found::HitMakesDirty {
                    self.memory.dirtied = self.issue;
                }
                side.known = cycle + 1;
                if alive {
                    side.reserved = refused + 1;
                } else if reserves {
                    side.reserved = refused + lifetime + 1;
                }
                self.progress.reserved = alive;
                self.progress.made = true;
                return Ok(true);
            }
            Found::Miss | Found::Upgrade if refused <= self.memory.uncached => {
                self.waits_for_answer(env, pc, next)?;
                return Ok(false);
            }
            Found::Miss | Found::Upgrade => {
                side.reserved = side.reserved.min(refused + 1);
                // It invalidates its victim in the next cycle, whether there is one or not, and takes no probe
                // meanwhile (DCache.scala, s_voluntary_write_meta).
                side.busy = side.busy.max(refused + 2);
                if found == Found::Upgrade {
                    dcache.give_up(access.pa);
                }
                let victim = if found == Found::Miss { dcache.evict(access.pa) } else { None };
                if let Some(victim) = victim {
                    let me = env.hart.config.id;
                    if let Some((hub, mut around)) = env.hub() {
                        hub.release(&mut around, me, refused, victim);
                    }
                    // A probe that has waited is taken first.
                    let at = Self::held_since(env, refused + 2);
                    self.replay(env, pc, next, at, Cause::DataCache)?;
                    return Ok(false);
                }
            }
        }
        env.dcache().side.known = refused + 1;
        let exclusive = access.write || reserves;
        let want = Want { line: access.pa >> 6, exclusive, dirty: access.write, fetch: false };
        self.replay_for_request(env, pc, next, late(op), want)?;
        Ok(false)
    }

    /// Replays the access at `pc`, which has missed while a device has not answered (DCache.scala, s2_valid_cached_miss).
    fn waits_for_answer(&mut self, env: &mut Env<'_>, pc: u64, next: u64) -> Result<(), u64> {
        let at = self.held_since_nack(env);
        self.replay(env, pc, next, at, Cause::Mmio)
    }

    /// A lone hart, which waits for nobody, goes on until the instruction at `pc` issues, no earlier than `at`.
    fn runs(&mut self, env: &mut Env<'_>, pc: u64, at: u64, cause: Cause) {
        if let Ok(issue) = self.pipe.run(env, pc, at, cause) {
            self.issue = issue;
        }
    }

    /// Accesses the only data cache: `false` if an instruction fetch was in the way of its request.
    fn cached(&mut self, env: &mut Env<'_>, pc: u64, next: u64, access: &Access) -> bool {
        let &Access { pa, write, .. } = access;
        match env.dcache().access(pa, write) {
            // A single cache shares no line.
            Found::Hit | Found::Upgrade => self.record_access(access, Outcome::Settled),
            Found::HitMakesDirty => {
                self.record_access(access, Outcome::Dirties);
                self.memory.dirtied = self.issue;
            }
            Found::Miss if self.issue + WRITE_BACK <= self.memory.uncached => {
                let _ = self.waits_for_answer(env, pc, next);
                return false;
            }
            Found::Miss => {
                let dirty = env.dcache().evict(pa).is_some();
                self.record_access(access, Outcome::Misses { dirty });
                let mut released = 0;
                if dirty {
                    let at = self.issue + env.params.writeback;
                    released = self.issue + RELEASE + env.params.memory_write_latency;
                    let _ = self.replay(env, pc, next, at, Cause::DataCache);
                }
                let refused = self.issue + WRITE_BACK;
                env.dcache().crossbar.ask(refused);
                let held = self.refuse(env, pc, next, Cause::DataCache).unwrap_or_default();
                if !env.dcache().crossbar.served_data() {
                    // It has invalidated the victim meanwhile, and held decode back for it (DCache.scala,
                    // s_voluntary_write_meta; RocketCore.scala, dcache_blocked).
                    let at = held.unwrap_or(0).max(refused + 3);
                    self.runs(env, pc, at, Cause::InstructionCache);
                    return false;
                }
                let params = env.params;
                let (dcache, port) = env.data();
                let last = dcache.refill(params, port, refused, pa, write);
                // Held back in decode, it sees the end of the refill a cycle later than it would be refused.
                let end = held.map_or(last, |idle| idle.max(last + 1));
                if released > refused {
                    // Decode takes the victim's acknowledgement for the line, and tries again too early
                    // (RocketCore.scala, dcache_blocked; DCache.scala, perf.grant).
                    let early = released.min(last).max(held.unwrap_or(0));
                    self.runs(env, pc, early, Cause::DataCache);
                    if self.issue < last {
                        let _ = self.replay_unready(env, pc, end, Cause::DataCache);
                    }
                } else {
                    self.runs(env, pc, end, Cause::DataCache);
                }
            }
        }
        true
    }

    /// What a repetition of the access has to find.
    #[inline(always)]
    fn record_access(&mut self, access: &Access, outcome: Outcome) {
        let recorder = &mut self.pipe.fetch.btb.recorder;
        let fact = recorder.fact;
        recorder.act(Act::Access { fact, size: access.size as u8, write: access.write, outcome });
    }

    /// Replays once if an earlier access to a device is under way.
    fn wait_for_device(&mut self, env: &mut Env<'_>, pc: u64, next: u64) -> Result<(), u64> {
        if self.issue + WRITE_BACK < self.memory.device_free {
            let at = self.held_since_nack(env);
            self.replay(env, pc, next, at, Cause::Mmio)?;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn device(&mut self, env: &mut Env<'_>, op: &Op, pc: u64, next: u64, pa: u64, write: bool) {
        self.pipe.fetch.btb.recorder.spoil();
        while self.issue + WRITE_BACK < self.memory.device_free {
            let _ = self.wait_for_device(env, pc, next);
            while self.gives_way_to_fetch(env, pc) == Ok(true) {}
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
        env.dcache().crossbar.serves_data();
        let write_back = self.issue + WRITE_BACK;
        let device = device_at(pa);
        let occupied = [p.clint_occupied, p.plic_occupied, 1][device];
        let me = env.hart.config.id;
        env.uncore.unclaim(me);
        let (out, mut taken) = env.uncore.serve(me, device, write_back);
        if device == MMIO
            && let Some((hub, _)) = env.hub()
        {
            taken = hub.behind_bursts(1, taken);
        }
        if let Some((hub, _)) = env.hub() {
            hub.passes(me, out);
        }
        let answer = taken + latency - u64::from(produces(op));
        // Those behind one that waits wait, too.
        let comes = self.behind_fetched(env, answer.max(env.uncore.answered[device] + 1));
        if comes > answer {
            env.uncore.answered[device] = comes;
        }
        env.uncore.devices[device] = taken + occupied.max(u64::from(taken > write_back));
        let done = comes + u64::from(produces(op));
        self.memory.device_free = done + 1;
        self.memory.uncached = done - u64::from(produces(op));
        // Where decode waits for it, a load counts as answered with its data, a store a cycle behind its response.
        self.memory.idle = self.memory.idle.max(done + u64::from(!produces(op)));
        self.memory.fence = false;
        if write {
            self.interrupt_at = taken + arrival(env.params, pa);
            env.uncore.interrupt_at = self.interrupt_at;
        }
        if produces(op) {
            let register = Register::written_by(op);
            self.board.delivers(register, done, Cause::Mmio);
            self.memory.device_load = self.issue;
            self.pipe.answer = Answer::new(comes, register);
        }
    }
}

/// Whether the access `op` reads, and writes a register.
pub(super) fn produces(op: &Op) -> bool {
    !matches!(op.class, OpClass::Store | OpClass::FpStore)
}
