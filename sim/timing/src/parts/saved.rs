//! What has to hold of a state that was read before a model goes on with it.

use relsim_core::saved::{Impossible, require};

/// Models write times that are not known yet as the largest numbers.
const UNKNOWN: u64 = u64::MAX - 2;

/// The latest cycle that a state may speak of.
#[derive(Debug, Clone, Copy)]
pub struct Latest(pub u64);

impl Latest {
    /// Whether none of `times` is later.
    ///
    /// # Errors
    /// [`Impossible`] if one is.
    pub fn all(self, times: impl IntoIterator<Item = u64>) -> Result<(), Impossible> {
        require(times.into_iter().all(|time| time <= self.0), "a time that never comes")
    }

    /// The same, where a time may be unknown.
    ///
    /// # Errors
    /// [`Impossible`].
    pub fn all_known(self, times: impl IntoIterator<Item = u64>) -> Result<(), Impossible> {
        self.all(times.into_iter().filter(|&time| time < UNKNOWN))
    }
}
