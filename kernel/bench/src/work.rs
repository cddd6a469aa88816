//! What a server does for a request besides answering: a product of two matrices, as the published measurements have
//! it.

use alloc::boxed::Box;

/// Largest matrix.
pub const MAX: usize = 30;

/// A matrix of integers, and its product with itself.
pub struct Work {
    factor: [[u64; MAX]; MAX],
    product: [[u64; MAX]; MAX],
    size: usize,
}

impl Work {
    /// Work on matrices of `size` rows.
    #[must_use]
    pub fn new(size: u64) -> Box<Self> {
        let size = (size as usize).min(MAX);
        // Not on the stack, on the way either: it is larger than a thread's.
        let mut work = Box::<Self>::new_uninit();
        // SAFETY: all integers may be zero.
        let mut work = unsafe {
            work.as_mut_ptr().write_bytes(0, 1);
            work.assume_init()
        };
        for (n, entry) in work.factor.as_flattened_mut().iter_mut().enumerate() {
            *entry = n as u64;
        }
        work.size = size;
        work
    }

    /// Does it, with something that depends on `seed`.
    #[inline(always)]
    pub fn run(&mut self, seed: u64) -> u64 {
        for row in 0..self.size {
            for column in 0..self.size {
                let mut sum = seed;
                for k in 0..self.size {
                    sum = sum.wrapping_add(self.factor[row][k].wrapping_mul(self.factor[k][column]));
                }
                self.product[row][column] = sum;
            }
        }
        seed.wrapping_mul(3).wrapping_add(self.size as u64)
    }
}

/// The answer that is right for `seed`.
#[inline(always)]
#[must_use]
pub fn answer(seed: u64, size: u64) -> u64 {
    seed.wrapping_mul(3).wrapping_add(size.min(MAX as u64))
}
