//! Checkpoints on the way, dense near the present and sparse in the past.

use std::collections::BTreeSet;

use crate::checkpoint::Checkpoint;

/// What is far away may be as sparse as one part in so many of the distance.
const DENSITY: u64 = 16;

/// Checkpoints in the order of time.
pub(super) struct History {
    kept: Vec<Checkpoint>,
    /// What each takes beside what it shares with the one before, in bytes of the host's memory.
    bytes: Vec<u64>,
    /// Steps at which something was changed from outside: the checkpoint there is what it left, and is kept for good.
    changes: BTreeSet<u64>,
    max_bytes: u64,
}

impl History {
    /// From `first` on, which is kept for good; the others together with it take at most `max_bytes` of the host's
    /// memory.
    pub fn new(first: Checkpoint, max_bytes: u64) -> Self {
        let bytes = vec![first.own_bytes(None)];
        Self { kept: vec![first], bytes, changes: BTreeSet::new(), max_bytes }
    }

    /// The latest that is not after step `steps`.
    pub fn before(&self, steps: u64) -> &Checkpoint {
        let after = self.kept.partition_point(|c| c.steps() <= steps);
        &self.kept[after.saturating_sub(1)]
    }

    /// The latest that is not after core cycle `cycle`, and not at it.
    pub fn before_cycle(&self, cycle: u64) -> &Checkpoint {
        let after = self.kept.partition_point(|c| c.cycles() < cycle);
        &self.kept[after.saturating_sub(1)]
    }

    /// Somebody has changed the machine, which is now as `checkpoint` says: what came after is no more.
    pub fn cut(&mut self, checkpoint: Checkpoint) {
        let now = checkpoint.steps();
        let before = self.kept.partition_point(|c| c.steps() < now);
        self.kept.truncate(before);
        self.bytes.truncate(before);
        self.changes.split_off(&now);
        self.kept.push(checkpoint);
        self.bytes.push(0);
        self.weigh(before);
        if before > 0 {
            self.changes.insert(now);
        }
    }

    /// The first step after `steps` at which something was changed.
    pub fn next_change(&self, steps: u64) -> Option<u64> {
        self.changes.range(steps.saturating_add(1)..).next().copied()
    }

    /// What the change at step `steps` left, if there was one.
    pub fn change_at(&self, steps: u64) -> Option<&Checkpoint> {
        self.changes.contains(&steps).then(|| self.before(steps))
    }

    /// How many there are, and how many bytes of the host's memory they take.
    pub fn size(&self) -> (usize, u64) {
        (self.kept.len(), self.bytes.iter().sum())
    }

    /// Keeps `checkpoint`, and drops what is denser than it needs to be seen from there.
    pub fn add(&mut self, checkpoint: Checkpoint) {
        let now = checkpoint.steps();
        let at = self.kept.partition_point(|c| c.steps() < now);
        if self.kept.get(at).is_some_and(|c| c.steps() == now) {
            return;
        }
        self.kept.insert(at, checkpoint);
        self.bytes.insert(at, 0);
        self.weigh(at);
        while self.bytes.iter().sum::<u64>() > self.max_bytes && self.drop_one(now, true) {}
        while self.drop_one(now, false) {}
    }

    /// Works out anew what number `at` and the one after it take.
    fn weigh(&mut self, at: usize) {
        for n in at..(at + 2).min(self.kept.len()) {
            self.bytes[n] = self.kept[n].own_bytes(n.checked_sub(1).and_then(|n| self.kept.get(n)));
        }
    }

    /// Drops the one that leaves the smallest gap, measured by how far away it is from `now`; unless `must`, only if
    /// that is small enough.
    fn drop_one(&mut self, now: u64, must: bool) -> bool {
        let gap = |n: usize| {
            let (from, to) = (self.kept[n - 1].steps(), self.kept[n + 1].steps());
            (to - from, now.abs_diff(self.kept[n].steps()).max(1))
        };
        // Two quotients compare as the products across do.
        let smaller = |a: &usize, b: &usize| {
            let ((gap_a, far_a), (gap_b, far_b)) = (gap(*a), gap(*b));
            (u128::from(gap_a) * u128::from(far_b)).cmp(&(u128::from(gap_b) * u128::from(far_a)))
        };
        let inner = 1..self.kept.len().saturating_sub(1);
        let kept = |n: usize| self.kept[n].steps() == now || self.changes.contains(&self.kept[n].steps());
        let Some(n) = inner.filter(|&n| !kept(n)).min_by(smaller) else { return false };
        let (gap, far) = gap(n);
        if !must && gap > far / DENSITY {
            return false;
        }
        self.kept.remove(n);
        self.bytes.remove(n);
        self.weigh(n);
        true
    }
}
