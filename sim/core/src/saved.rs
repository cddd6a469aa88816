//! State that was written down and read again: what serde has to know beside the types, and what has to hold before a
//! hart goes on with it. Whoever reads it need not trust where it comes from.

use crate::hart::Hart;
use crate::timing::Ledger;

/// No count and no time in a state is larger, in whatever unit: further on, nothing overflows within any run.
pub const MAX_COUNT: u64 = 1 << 56;

/// A state that nothing can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Impossible(pub &'static str);

/// `Err` if `holds` does not.
///
/// # Errors
/// [`Impossible`] with what would be impossible.
pub fn require(holds: bool, what: &'static str) -> Result<(), Impossible> {
    if holds { Ok(()) } else { Err(Impossible(what)) }
}

/// Whether all of `counts` are at most [`MAX_COUNT`].
pub fn countable(counts: impl IntoIterator<Item = u64>) -> bool {
    counts.into_iter().all(|count| count <= MAX_COUNT)
}

/// A register file: the registers and the sink behind them. What else there is in it is never read.
pub(crate) mod registers {
    use serde::{Deserializer, Serializer};
    use serde_big_array::BigArray;

    const WRITTEN: usize = 33;

    pub fn serialize<S: Serializer>(file: &[u64; 256], to: S) -> Result<S::Ok, S::Error> {
        let written: [u64; WRITTEN] = std::array::from_fn(|n| file[n]);
        BigArray::serialize(&written, to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<[u64; 256]>, D::Error> {
        let written: [u64; WRITTEN] = BigArray::deserialize(from)?;
        let mut file = Box::new([0; 256]);
        file[..WRITTEN].copy_from_slice(&written);
        Ok(file)
    }
}

impl Ledger {
    /// Whether its cells can be counted on with.
    ///
    /// # Errors
    /// [`Impossible`].
    pub fn check(&self) -> Result<(), Impossible> {
        require(self.cells().all(|&cycles| cycles <= MAX_COUNT), "a ledger without an end")
    }
}

impl Hart {
    /// Makes a hart that was read the same hart as `own`, at another time: takes over what the platform decides.
    ///
    /// # Errors
    /// [`Impossible`] if that hart cannot come into this state.
    pub fn settle(&mut self, own: &Self) -> Result<(), Impossible> {
        self.config = own.config.clone();
        self.csr_table = own.csr_table.clone();
        require(self.x[0] == 0, "x0 with a value")?;
        require(countable([self.instret, self.cycle, self.instret_now]), "a hart after too long a time")?;
        self.counts.check()?;
        require(self.csr.frm < 8 && self.csr.fflags < 32, "fcsr out of range")?;
        self.futile.check()?;
        self.mmu.check()?;
        self.pmp.settle(&own.pmp)?;
        self.regions.check(self)
    }
}
