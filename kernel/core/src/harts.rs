//! Harts by firmware's numbers, which may be any.

use core::iter;

/// Harts as the firmware takes them: bit n stands for hart `base` + n. (SBI specification 2.0, section "Hart list
/// parameter".)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HartMask {
    /// Which.
    pub bits: u64,
    /// Number of the first.
    pub base: u64,
}

impl HartMask {
    /// Just hart `id`.
    #[must_use]
    pub const fn one(id: u64) -> Self {
        Self { bits: 1, base: id }
    }

    /// Masks that have each of `ids`, and no others.
    pub fn of(ids: impl Iterator<Item = u64> + Clone) -> impl Iterator<Item = Self> {
        let mut from = Some(0);
        iter::from_fn(move || {
            let first = from?;
            let base = ids.clone().filter(|&id| id >= first).min()?;
            let place = |id: u64| id.checked_sub(base).filter(|&place| place < u64::from(u64::BITS));
            let bits = ids.clone().filter_map(place).fold(0, |bits, place| bits | 1 << place);
            from = base.checked_add(u64::from(u64::BITS));
            Some(Self { bits, base })
        })
    }
}
