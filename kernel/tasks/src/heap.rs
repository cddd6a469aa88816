//! Memory for what is allocated.

use linked_list_allocator::LockedHeap;

#[global_allocator]
static HEAP: LockedHeap = LockedHeap::empty();

/// Allocates in `size` bytes from `address` on. Before that, allocations fail.
///
/// # Safety
///
/// The memory is mapped for reading and writing for good, and nothing else uses it. Called once.
pub unsafe fn start(address: u64, size: usize) {
    // SAFETY: the caller's.
    unsafe { HEAP.lock().init(address as *mut u8, size) };
}
