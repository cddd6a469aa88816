//! Tasks that can go on, in the order in which they came to be able to.

use alloc::boxed::Box;
use core::cell::Cell;

/// Numbers of tasks, first in, first out. There is room for as many as there are tasks, and each stands in it once.
#[derive(Debug)]
pub(crate) struct Queue {
    ring: Box<[Cell<u32>]>,
    /// Taken out and put in so far.
    head: Cell<u32>,
    tail: Cell<u32>,
}

impl Queue {
    /// For up to `tasks` tasks.
    pub fn new(tasks: usize) -> Self {
        let ring = (0..tasks.next_power_of_two()).map(|_| Cell::new(0)).collect();
        Self { ring, head: Cell::new(0), tail: Cell::new(0) }
    }

    #[inline(always)]
    fn place(&self, at: u32) -> &Cell<u32> {
        &self.ring[at as usize & (self.ring.len() - 1)]
    }

    #[inline(always)]
    pub fn push(&self, task: u32) {
        let tail = self.tail.get();
        self.place(tail).set(task);
        self.tail.set(tail.wrapping_add(1));
    }

    #[inline(always)]
    pub fn pop(&self) -> Option<u32> {
        let head = self.head.get();
        if head == self.tail.get() {
            return None;
        }
        self.head.set(head.wrapping_add(1));
        Some(self.place(head).get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out() {
        let queue = Queue::new(3);
        let mut next = 0;
        for round in 0..100 {
            for n in 0..3 {
                queue.push(3 * round + n);
            }
            while let Some(task) = queue.pop() {
                assert_eq!(task, next);
                next += 1;
            }
        }
        assert_eq!(next, 300);
    }
}
