//! Work that is done on several threads and told in its own order.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::control::Control;

/// How many threads there are, if `asked` does not say.
pub fn jobs(asked: Option<NonZeroUsize>) -> usize {
    asked.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from)
}

/// Does `work` for the numbers below `count`, at most `jobs` at a time, and gives what came of each, in their order;
/// nothing if the user interrupted them.
pub fn run<T: Send + Sync>(
    count: usize,
    jobs: usize,
    control: &Control,
    work: impl Fn(usize) -> T + Sync,
) -> Option<Vec<T>> {
    let next = AtomicUsize::new(0);
    let slots: Vec<OnceLock<T>> = (0..count).map(|_| OnceLock::new()).collect();
    let thread = || {
        while control.quits().is_none() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = slots.get(index) else { return };
            // Nobody else has this index.
            let _ = slot.set(work(index));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(count) {
            // Without another thread this one does it all.
            if std::thread::Builder::new().spawn_scoped(scope, thread).is_err() {
                break;
            }
        }
        thread();
    });
    if control.quits().is_some() {
        return None;
    }
    slots.into_iter().map(OnceLock::into_inner).collect()
}
