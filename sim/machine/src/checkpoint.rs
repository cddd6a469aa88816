//! A machine at a moment, to come back to.
//!
//! Everything that decides how the run goes on is in it, so that a restored machine does what the first one did, to the
//! last cycle. What only makes the host faster is not: decoded blocks, and timings of blocks that were remembered.

mod bytes;
mod identity;

use relsim_core::bus::BusState;
use relsim_core::hart::{Hart, RunState};
use relsim_core::ram::Image;
use relsim_core::run::Slice;
use relsim_devices::Htif;
use relsim_timing::registry::ModelState;
use sha2::{Digest, Sha256};

use crate::machine::Machine;
use crate::report::Visit;
use crate::sbi::Firmware;
pub use bytes::{ReadError, WriteError};
pub use identity::{Difference, Identity};

/// A machine at a moment.
#[derive(Clone)]
pub struct Checkpoint {
    harts: Vec<Hart>,
    memory: Image,
    bus: BusState,
    firmware: Option<Firmware>,
    htif: Option<Htif>,
    next_htif_poll: u64,
    model: ModelState,
    visit: Visit,
    paused: Option<(usize, Slice)>,
    steps: u64,
    cycles: u64,
    /// Bytes of it that are not memory pages.
    fixed_bytes: u64,
}

/// Why a machine cannot take a checkpoint's state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint is one of another machine: {0}")]
pub struct RestoreError(String);

impl Checkpoint {
    /// Instructions retired and traps taken by all harts until then.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The time of the hart that was furthest ahead.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Bytes of the host's memory that it takes beside the pages that it shares with `before`.
    pub fn own_bytes(&self, before: Option<&Self>) -> u64 {
        self.fixed_bytes + self.memory.own_bytes(before.map(|before| &before.memory))
    }

    /// SHA-256 of what the guest can tell, and of where the cycles went.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for hart in &self.harts {
            hash.update(format!("{:?}", HartText(hart)));
        }
        for (page, bytes) in self.memory.contents() {
            hash.update(page.to_le_bytes());
            hash.update(bytes);
        }
        hash.update(format!("{:?} {:?} {:?}", self.bus, self.firmware, self.htif));
        hash.update(format!("{} {} {}", self.next_htif_poll, self.steps, self.cycles));
        hash.finalize().into()
    }
}

/// A hart's architectural state and counts.
struct HartText<'a>(&'a Hart);

impl std::fmt::Debug for HartText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hart = self.0;
        write!(f, "{:?} {:?} {:#x} {:?}", &hart.x[..32], &hart.f[..32], hart.pc, hart.privilege)?;
        write!(f, "{:?} {} {} {:?}", hart.state, hart.instret, hart.cycle, hart.csr)?;
        write!(f, "{:?} {:?} {:?} {:?}", hart.pmp, hart.reservation, hart.ext_state, hart.counts)
    }
}

impl Machine {
    /// The machine as it is now.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let reached: Vec<u64> = self.cores.iter().flat_map(|core| core.hart.mmu.stores_reach()).collect();
        let harts: Vec<Hart> = self.cores.iter().map(|core| core.hart.clone()).collect();
        let bus = self.bus.save();
        let fixed_bytes = self.fixed_bytes(&bus);
        Checkpoint {
            memory: self.bus.ram.save(reached),
            harts,
            bus,
            firmware: self.firmware.clone(),
            htif: self.htif.as_ref().map(|(_, htif)| htif.clone()),
            next_htif_poll: self.next_htif_poll,
            model: self.model.save(),
            visit: self.visit.clone(),
            paused: self.paused,
            steps: self.steps(),
            cycles: self.cycles(),
            fixed_bytes,
        }
    }

    /// What a checkpoint with the state `bus` takes beside memory, in bytes.
    fn fixed_bytes(&self, bus: &BusState) -> u64 {
        self.cores.len() as u64 * Hart::BYTES + bus.bytes() + self.model.state_bytes()
    }

    /// Becomes the machine that it was when `checkpoint` was made, by it or by one that was built from the same
    /// configuration and payload.
    ///
    /// # Errors
    /// [`RestoreError`] if it is another machine's. This one cannot be gone on with then.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), RestoreError> {
        let other = |what: &str| Err(RestoreError(what.into()));
        if checkpoint.harts.len() != self.cores.len() {
            return other("it has another number of harts");
        }
        if checkpoint.htif.is_some() != self.htif.is_some() {
            return other("its image has another interface to the host");
        }
        let reached = checkpoint.harts.iter().flat_map(|hart| hart.mmu.stores_reach());
        self.bus.ram.restore(&checkpoint.memory, reached).map_err(|why| RestoreError(why.to_string()))?;
        self.bus.restore(&checkpoint.bus).map_err(RestoreError)?;
        if !self.model.restore(&checkpoint.model) {
            return other("it has another timing model");
        }
        for (core, saved) in self.cores.iter_mut().zip(&checkpoint.harts) {
            core.hart.restore(saved);
            core.blocks.restored(&mut core.hart, &self.bus);
        }
        self.firmware.clone_from(&checkpoint.firmware);
        if let (Some((_, htif)), Some(saved)) = (&mut self.htif, &checkpoint.htif) {
            htif.clone_from(saved);
        }
        self.next_htif_poll = checkpoint.next_htif_poll;
        self.visit = checkpoint.visit.clone();
        self.paused = checkpoint.paused;
        Ok(())
    }

    /// Whether hart `index` executes instructions now.
    pub fn is_running(&self, index: usize) -> bool {
        self.cores.get(index).is_some_and(|core| core.hart.state == RunState::Running)
    }
}
