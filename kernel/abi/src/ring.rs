//! Requests and completions in shared memory: the layout, and both ends of the rings.
//!
//! A channel is two rings of fixed-size items, each with one producer and one consumer, and two flags that say
//! whether a side is awake. Whoever puts something into a ring notifies the other side only if it finds the flag
//! down, and raises it; whoever has nothing to do lowers its flag, looks once more, and sleeps. That is why the rate
//! of notifications falls with load.
//!
//! The other side is not trusted: whatever it writes, each access stays within the memory, and the worst that it gets
//! is nonsense. An end keeps its own position to itself, and only publishes it.
//!
//! | words | |
//! |---|---|
//! | 0 | requests put in so far, by the client |
//! | 8, 9 | requests taken out, by the server; whether the server is awake |
//! | 16 | completions put in, by the server |
//! | 24, 25 | completions taken out, by the client; whether the client is awake |
//! | from 32 on | items of requests, items of completions |
//!
//! What one side writes has a cache line of 64 bytes for itself.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering, fence};

const REQUESTS_TAIL: usize = 0;
const REQUESTS_HEAD: usize = 8;
const SERVER_AWAKE: usize = 9;
const COMPLETIONS_TAIL: usize = 16;
const COMPLETIONS_HEAD: usize = 24;
const CLIENT_AWAKE: usize = 25;
const ITEMS: usize = 32;

/// Memory that two sides share, with requests of `REQ` words and completions of `COMP` words.
#[derive(Debug, Clone, Copy)]
pub struct Channel<'a, const REQ: usize, const COMP: usize> {
    words: *const AtomicU64,
    /// Items of each ring; a power of two.
    capacity: usize,
    memory: PhantomData<&'a [AtomicU64]>,
}

// SAFETY: it is what a reference to atomics is, which may go to other threads.
unsafe impl<const REQ: usize, const COMP: usize> Send for Channel<'_, REQ, COMP> {}

impl<'a, const REQ: usize, const COMP: usize> Channel<'a, REQ, COMP> {
    /// Items of each ring that `bytes` of memory have room for.
    #[must_use]
    pub const fn capacity(bytes: usize) -> usize {
        let room = (bytes / 8).saturating_sub(ITEMS) / (REQ + COMP);
        if room == 0 { 0 } else { 1 << room.ilog2() }
    }

    /// The channel in `bytes` of memory at `memory`, if there is room for an item in each direction. Memory of zeros
    /// is an empty one with both sides asleep.
    ///
    /// # Safety
    /// The memory is there for reading and writing as long as the channel is used, aligned to 8 bytes, and only used
    /// as atomics.
    #[must_use]
    pub const unsafe fn new(memory: *const AtomicU64, bytes: usize) -> Option<Self> {
        match Self::capacity(bytes) {
            0 => None,
            capacity => Some(Self { words: memory, capacity, memory: PhantomData }),
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> *const AtomicU64 {
        self.words
    }

    /// Items of each ring.
    #[inline(always)]
    #[must_use]
    pub const fn items(&self) -> usize {
        self.capacity
    }

    /// The same with no more than `most` items in each ring; all that use the memory have to agree.
    #[must_use]
    pub const fn limited(self, most: usize) -> Self {
        let most = if most == 0 { 1 } else { 1 << most.ilog2() };
        Self { capacity: if most < self.capacity { most } else { self.capacity }, ..self }
    }

    #[inline(always)]
    fn word(&self, n: usize) -> &'a AtomicU64 {
        // SAFETY: `n` is one of the header's, or within the items: see `new`.
        unsafe { &*self.words.add(n) }
    }

    /// Where the client puts requests in, of which it has put in `at` so far.
    #[inline(always)]
    #[must_use]
    pub fn request_producer(&self, at: u64) -> Producer<'a, REQ> {
        Producer(End::new(
            self.word(REQUESTS_TAIL),
            self.word(REQUESTS_HEAD),
            self.word(ITEMS),
            self.capacity,
            at,
        ))
    }

    /// Where the server takes requests out, of which it has taken out `at` so far.
    #[inline(always)]
    #[must_use]
    pub fn request_consumer(&self, at: u64) -> Consumer<'a, REQ> {
        Consumer(End::new(
            self.word(REQUESTS_HEAD),
            self.word(REQUESTS_TAIL),
            self.word(ITEMS),
            self.capacity,
            at,
        ))
    }

    /// Where the server puts completions in, of which it has put in `at` so far.
    #[inline(always)]
    #[must_use]
    pub fn completion_producer(&self, at: u64) -> Producer<'a, COMP> {
        let items = self.word(ITEMS + self.capacity * REQ);
        Producer(End::new(self.word(COMPLETIONS_TAIL), self.word(COMPLETIONS_HEAD), items, self.capacity, at))
    }

    /// Where the client takes completions out, of which it has taken out `at` so far.
    #[inline(always)]
    #[must_use]
    pub fn completion_consumer(&self, at: u64) -> Consumer<'a, COMP> {
        let items = self.word(ITEMS + self.capacity * REQ);
        Consumer(End::new(self.word(COMPLETIONS_HEAD), self.word(COMPLETIONS_TAIL), items, self.capacity, at))
    }

    /// Whether the server is awake.
    #[inline(always)]
    #[must_use]
    pub fn server(&self) -> Flag<'a> {
        Flag(self.word(SERVER_AWAKE))
    }

    /// Whether the client is awake.
    #[inline(always)]
    #[must_use]
    pub fn client(&self) -> Flag<'a> {
        Flag(self.word(CLIENT_AWAKE))
    }
}

/// Whether a side is awake.
#[derive(Debug, Clone, Copy)]
pub struct Flag<'a>(&'a AtomicU64);

impl<'a> Flag<'a> {
    #[inline(always)]
    pub(crate) const fn new(word: &'a AtomicU64) -> Self {
        Self(word)
    }

    /// The other side has put something in: raises the flag if it is down. Whether it was, so that this side has to
    /// be notified.
    #[inline(always)]
    #[must_use]
    pub fn wake(self) -> bool {
        // What was put in is there before the flag is looked at.
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) == 0 && self.0.swap(1, Ordering::AcqRel) == 0
    }

    /// This side is awake.
    #[inline(always)]
    pub fn raise(self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// This side is about to sleep; it has to look once more whether there is something.
    #[inline(always)]
    pub fn lower(self) {
        self.0.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Whether it is up.
    #[inline(always)]
    #[must_use]
    pub fn is_up(self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

/// An end of a ring of items of `WORDS` words.
#[derive(Debug, Clone)]
struct End<'a, const WORDS: usize> {
    own: &'a AtomicU64,
    other: &'a AtomicU64,
    items: *const AtomicU64,
    mask: usize,
    at: u64,
    /// What the other end had published when it was last looked at.
    seen: u64,
}

impl<'a, const WORDS: usize> End<'a, WORDS> {
    #[inline(always)]
    fn new(
        own: &'a AtomicU64,
        other: &'a AtomicU64,
        items: *const AtomicU64,
        capacity: usize,
        at: u64,
    ) -> Self {
        Self { own, other, items, mask: capacity - 1, at, seen: other.load(Ordering::Acquire) }
    }

    #[inline(always)]
    fn look(&mut self) {
        self.seen = self.other.load(Ordering::Acquire);
    }

    #[inline(always)]
    fn word(&self, n: usize) -> &'a AtomicU64 {
        let item = (self.at as usize & self.mask) * WORDS;
        // SAFETY: the ring has `mask + 1` items, and the caller asks for a word of one.
        unsafe { &*self.items.add(item + n) }
    }

    #[inline(always)]
    fn step(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    #[inline(always)]
    fn publish(&self) {
        self.own.store(self.at, Ordering::Release);
    }
}

/// Where items are put in.
#[derive(Debug, Clone)]
pub struct Producer<'a, const WORDS: usize>(End<'a, WORDS>);

impl<const WORDS: usize> Producer<'_, WORDS> {
    /// Items put in so far.
    #[inline(always)]
    #[must_use]
    pub fn at(&self) -> u64 {
        self.0.at
    }

    /// Whether there is no room.
    #[inline(always)]
    #[must_use]
    pub fn is_full(&mut self) -> bool {
        let full = |end: &End<'_, WORDS>| end.at.wrapping_sub(end.seen) > end.mask as u64;
        if full(&self.0) {
            self.0.look();
        }
        full(&self.0)
    }

    /// Puts an item in that begins with `words`; its other words are whatever they are. Whether there was room.
    #[inline(always)]
    #[must_use]
    pub fn push(&mut self, words: &[u64]) -> bool {
        self.push_parts([], words)
    }

    /// The same with words in two parts, of which the first is as long as it is.
    #[inline(always)]
    #[must_use]
    pub fn push_parts<const N: usize>(&mut self, first: [u64; N], then: &[u64]) -> bool {
        const { assert!(N <= WORDS) };
        if self.is_full() {
            return false;
        }
        for (n, word) in first.into_iter().enumerate() {
            self.0.word(n).store(word, Ordering::Relaxed);
        }
        for (n, &word) in then.iter().enumerate().take(WORDS - N) {
            self.0.word(N + n).store(word, Ordering::Relaxed);
        }
        self.0.step();
        self.0.publish();
        true
    }
}

/// Where items are taken out.
#[derive(Debug, Clone)]
pub struct Consumer<'a, const WORDS: usize>(End<'a, WORDS>);

impl<const WORDS: usize> Consumer<'_, WORDS> {
    /// Items taken out so far.
    #[inline(always)]
    #[must_use]
    pub fn at(&self) -> u64 {
        self.0.at
    }

    /// Whether there is nothing.
    #[inline(always)]
    #[must_use]
    pub fn is_empty(&mut self) -> bool {
        if self.0.at == self.0.seen {
            self.0.look();
        }
        self.0.at == self.0.seen
    }

    /// Word `n` of the next item. Without one, or beyond its end, nonsense or 0.
    #[inline(always)]
    #[must_use]
    pub fn word(&self, n: usize) -> u64 {
        if n < WORDS { self.0.word(n).load(Ordering::Relaxed) } else { 0 }
    }

    /// The next item has been taken out. Its place is free only when that is published.
    #[inline(always)]
    pub fn step(&mut self) {
        self.0.step();
    }

    /// The places of all items that were taken out are free.
    #[inline(always)]
    pub fn publish(&self) {
        self.0.publish();
    }

    /// The first words of the next item, which is taken out, if there is one.
    #[inline(always)]
    #[must_use]
    pub fn pop<const N: usize>(&mut self) -> Option<[u64; N]> {
        if self.is_empty() {
            return None;
        }
        let words = core::array::from_fn(|n| self.word(n));
        self.step();
        self.publish();
        Some(words)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    type Shared<'a> = Channel<'a, 4, 2>;

    fn memory(words: usize) -> Vec<AtomicU64> {
        (0..words).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn room_is_a_power_of_two() {
        assert_eq!(Shared::capacity(8 * ITEMS), 0);
        assert_eq!(Shared::capacity(8 * (ITEMS + 5)), 0);
        assert_eq!(Shared::capacity(8 * (ITEMS + 6)), 1);
        assert_eq!(Shared::capacity(8 * (ITEMS + 6 * 7)), 4);
        let memory = memory(4);
        // SAFETY: there is no channel in it.
        assert!(unsafe { Shared::new(memory.as_ptr(), 32) }.is_none());
    }

    #[test]
    fn items_come_out_as_they_went_in_and_no_more_than_there_is_room_for() {
        let memory = memory(ITEMS + 6 * 4);
        // SAFETY: the memory outlives it.
        let channel = unsafe { Shared::new(memory.as_ptr(), memory.len() * 8) }.expect("room");
        // Positions wrap around.
        let start = u64::MAX - 5;
        memory[REQUESTS_HEAD].store(start, Ordering::Relaxed);
        memory[REQUESTS_TAIL].store(start, Ordering::Relaxed);
        let (mut put, mut take) = (channel.request_producer(start), channel.request_consumer(start));
        let (mut next_in, mut next_out) = (0, 0);
        for round in 0..40 {
            let mut room = 4 - (next_in - next_out);
            while put.push(&[next_in, next_in * 3]) {
                next_in += 1;
                room -= 1;
            }
            assert_eq!(room, 0);
            for _ in 0..=round % 4 {
                assert_eq!(take.pop::<2>(), Some([next_out, next_out * 3]));
                next_out += 1;
            }
        }
        while take.pop::<1>().is_some() {
            next_out += 1;
        }
        assert_eq!(next_in, next_out);
        assert!(take.is_empty() && !put.is_full());
    }

    #[test]
    fn a_side_that_writes_nonsense_does_not_lead_out_of_the_memory() {
        let memory = memory(ITEMS + 6 * 4);
        // SAFETY: the memory outlives it.
        let channel = unsafe { Shared::new(memory.as_ptr(), memory.len() * 8) }.expect("room");
        for nonsense in [1, 4, 5, u64::MAX, 1 << 63, 0x1234_5678_9abc_def0] {
            memory[REQUESTS_TAIL].store(nonsense, Ordering::Relaxed);
            let mut take = channel.request_consumer(0);
            for _ in 0..10 {
                let _ = take.pop::<4>();
            }
            memory[COMPLETIONS_HEAD].store(nonsense, Ordering::Relaxed);
            let mut put = channel.completion_producer(0);
            for _ in 0..10 {
                let _ = put.push(&[1, 2]);
            }
        }
    }

    #[test]
    fn only_the_first_of_several_wakes() {
        let memory = memory(ITEMS + 6);
        // SAFETY: the memory outlives it.
        let channel = unsafe { Shared::new(memory.as_ptr(), memory.len() * 8) }.expect("room");
        assert!(channel.server().wake() && !channel.server().wake() && channel.server().is_up());
        channel.server().lower();
        assert!(channel.server().wake());
        assert!(!channel.client().is_up());
        channel.client().raise();
        assert!(!channel.client().wake());
    }

    #[test]
    fn two_threads_lose_and_double_nothing() {
        const COUNT: u64 = 200_000;
        let memory = memory(ITEMS + 6 * 8);
        // SAFETY: the memory outlives it.
        let channel = || unsafe { Shared::new(memory.as_ptr(), memory.len() * 8) }.expect("room");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut put = channel().request_producer(0);
                for n in 0..COUNT {
                    while !put.push(&[n, !n]) {
                        std::thread::yield_now();
                    }
                }
            });
            let mut take = channel().request_consumer(0);
            for n in 0..COUNT {
                let item = loop {
                    match take.pop::<2>() {
                        Some(item) => break item,
                        None => std::thread::yield_now(),
                    }
                };
                assert_eq!(item, [n, !n]);
            }
        });
    }
}
