//! Asynchronous system calls: what a thread shares with the kernel, and both ends of it. Beyond seL4.
//!
//! It is a ring of items. The client puts a request into the next one; the kernel serves requests in their order, and
//! puts the completion of each into the place of the request. So a request that is under way has one cache line for
//! both, and there is always room for its completion. As in [`crate::ring`], two flags say who is awake, what one side
//! writes has a line of 64 bytes for itself, and neither end trusts what the other one writes.
//!
//! | words | |
//! |---|---|
//! | 0, 1 | requests put in so far, by the client; whether the client is awake |
//! | 8, 9 | completions put in so far, by the kernel; whether the kernel is awake |
//! | from 16 on | words 0 to 7 of each item, then words 8 to 15 of each item: most requests are short |

use core::cell::Cell;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::ring::Flag;

const PUT: usize = 0;
const CLIENT_AWAKE: usize = 1;
const DONE: usize = 8;
const SERVER_AWAKE: usize = 9;
const ITEMS: usize = 16;
/// Words of a cache line.
const LINE: usize = 8;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum RequestKind {
    /// An invocation, as `Call` would make it.
    Invoke = 0,
    /// Characters for the kernel's console.
    Print = 1,
}

/// A request. Its words: number and kind; then of an invocation the [`MessageInfo`](crate::MessageInfo), the invoked
/// capability, the first extra capability, four message words; four more, and two more capabilities. Of text the
/// number of bytes, and the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request;

impl Request {
    /// Words of an item.
    pub const WORDS: usize = 2 * LINE;
    /// Where the number (bits 0 to 31) and the kind (from 32 on) stand.
    pub const HEAD: usize = 0;
    /// Where the message info stands, or the number of bytes.
    pub const INFO: usize = 1;
    /// Where the invoked capability stands.
    pub const CPTR: usize = 2;
    /// Where extra capabilities stand.
    pub const CAPS: [usize; 3] = [3, 12, 13];
    /// Where message words stand.
    pub const MESSAGE: [usize; Self::MESSAGE_WORDS] = [4, 5, 6, 7, 8, 9, 10, 11];
    /// Message words, at most.
    pub const MESSAGE_WORDS: usize = 8;
    /// Where text begins.
    pub const TEXT: usize = 2;
    /// Bytes of text, at most.
    pub const TEXT_BYTES: usize = 8 * (Self::WORDS - Self::TEXT);

    /// The first word.
    #[inline(always)]
    #[must_use]
    pub const fn head(number: u32, kind: RequestKind) -> u64 {
        number as u64 | (kind as u64) << 32
    }

    /// What the first word says; `None` if there is no such kind.
    #[inline(always)]
    #[must_use]
    pub const fn parse_head(word: u64) -> (u32, Option<RequestKind>) {
        let kind = match word >> 32 {
            0 => Some(RequestKind::Invoke),
            1 => Some(RequestKind::Print),
            _ => None,
        };
        (word as u32, kind)
    }
}

/// A completion. Its words: the request's first one, which stays; the reply's [`MessageInfo`](crate::MessageInfo),
/// whose label is an [`Error`](crate::Error); and the first words of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion;

impl Completion {
    /// Where the reply's message info stands.
    pub const INFO: usize = 1;
    /// Where the reply's words begin.
    pub const MESSAGE: usize = 2;
    /// Words of the reply, at most.
    pub const MESSAGE_WORDS: usize = LINE - Self::MESSAGE;
}

/// The memory that a thread shares with the kernel.
#[derive(Debug, Clone, Copy)]
pub struct AsyncChannel<'a> {
    words: *const AtomicU64,
    /// Items; a power of two.
    items: usize,
    memory: PhantomData<&'a [AtomicU64]>,
}

// SAFETY: it is what a reference to atomics is, which may go to other threads.
unsafe impl Send for AsyncChannel<'_> {}
// SAFETY: the same.
unsafe impl Sync for AsyncChannel<'_> {}

impl<'a> AsyncChannel<'a> {
    /// Items that `bytes` of memory have room for, as a power of two.
    const fn capacity(bytes: usize) -> usize {
        let room = (bytes / 8).saturating_sub(ITEMS) / Request::WORDS;
        if room == 0 { 0 } else { 1 << room.ilog2() }
    }

    /// Items of a channel in `bytes` of memory with no more than `most`: a power of two, or 0 if there is no room.
    #[must_use]
    pub const fn items_within(bytes: usize, most: usize) -> usize {
        let capacity = Self::capacity(bytes);
        let most = if most == 0 { 1 } else { 1 << most.ilog2() };
        if most < capacity { most } else { capacity }
    }

    /// The channel with `items` at `memory`, as [`Self::items_within`] says, unless there is no room; both sides have
    /// to agree. Memory of zeros is an empty one with both sides asleep.
    ///
    /// # Safety
    /// There is memory for so many items, for reading and writing as long as the channel is used, aligned to 8 bytes,
    /// and only used as atomics.
    #[inline(always)]
    #[must_use]
    pub const unsafe fn new(memory: *const AtomicU64, items: usize) -> Option<Self> {
        if items.is_power_of_two() { Some(Self { words: memory, items, memory: PhantomData }) } else { None }
    }

    /// How many items there are.
    #[inline(always)]
    #[must_use]
    pub const fn items(&self) -> usize {
        self.items
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> *const AtomicU64 {
        self.words
    }

    #[inline(always)]
    fn word(&self, n: usize) -> &'a AtomicU64 {
        // SAFETY: `n` is one of the header's, or within the items: see `new`.
        unsafe { &*self.words.add(n) }
    }

    #[inline(always)]
    fn item(&self, at: u64) -> Item<'a> {
        let line = ITEMS + LINE * (at as usize & (self.items - 1));
        Item { first: self.word(line), apart: LINE * self.items, memory: PhantomData }
    }

    /// Whether the kernel is awake.
    #[inline(always)]
    #[must_use]
    pub fn server(&self) -> Flag<'a> {
        Flag::new(self.word(SERVER_AWAKE))
    }

    /// Whether the client is awake.
    #[inline(always)]
    #[must_use]
    pub fn client(&self) -> Flag<'a> {
        Flag::new(self.word(CLIENT_AWAKE))
    }
}

/// A request, and then its completion.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    first: *const AtomicU64,
    /// Words from the beginning of its first half to that of its second.
    apart: usize,
    memory: PhantomData<&'a [AtomicU64]>,
}

impl Item<'_> {
    #[inline(always)]
    fn at(&self, n: usize) -> &AtomicU64 {
        let at = if n < LINE { n } else { self.apart + n - LINE };
        // SAFETY: a line is there, and another one so far behind it.
        unsafe { &*self.first.add(at) }
    }

    /// Word `n`; 0 beyond the end.
    #[inline(always)]
    #[must_use]
    pub fn word(&self, n: usize) -> u64 {
        if n < Request::WORDS { self.at(n).load(Ordering::Relaxed) } else { 0 }
    }

    /// Sets word `n`, if there is one.
    #[inline(always)]
    pub fn set(&self, n: usize, to: u64) {
        if n < Request::WORDS {
            self.at(n).store(to, Ordering::Relaxed);
        }
    }
}

/// The client's end.
#[derive(Debug, Clone)]
pub struct ClientEnd<'a> {
    channel: AsyncChannel<'a>,
    /// Requests put in, and those of them that the kernel has been told of.
    put: Cell<u64>,
    published: Cell<u64>,
    /// Completions taken out, and those that were there when it was last looked.
    taken: Cell<u64>,
    seen: Cell<u64>,
}

impl<'a> ClientEnd<'a> {
    /// That of a channel that the thread has just registered.
    #[must_use]
    pub const fn new(channel: AsyncChannel<'a>) -> Self {
        let (put, published) = (Cell::new(0), Cell::new(0));
        Self { channel, put, published, taken: Cell::new(0), seen: Cell::new(0) }
    }

    /// Requests whose completion has not been taken out.
    #[inline(always)]
    #[must_use]
    pub fn open(&self) -> usize {
        self.put.get().wrapping_sub(self.taken.get()) as usize
    }

    /// Whether there is no room.
    #[inline(always)]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.open() >= self.channel.items
    }

    /// Puts a request in: its head, and words in two parts, of which the first is as long as it is; other words are
    /// whatever they are. Whether there was room. The kernel does not know of it before [`Self::publish`].
    #[inline(always)]
    #[must_use]
    pub fn put<const N: usize>(&self, head: u64, first: [u64; N], then: &[u64]) -> bool {
        const { assert!(N < Request::WORDS) };
        if self.is_full() {
            return false;
        }
        let at = self.put.get();
        let item = self.channel.item(at);
        item.set(Request::HEAD, head);
        for (n, word) in first.into_iter().enumerate() {
            item.set(1 + n, word);
        }
        for (n, &word) in then.iter().enumerate() {
            item.set(1 + N + n, word);
        }
        self.put.set(at.wrapping_add(1));
        true
    }

    /// Requests that the kernel has not been told of.
    #[inline(always)]
    #[must_use]
    pub fn unpublished(&self) -> usize {
        self.put.get().wrapping_sub(self.published.get()) as usize
    }

    /// The kernel may serve all requests that were put in.
    #[inline(always)]
    pub fn publish(&self) {
        self.published.set(self.put.get());
        self.channel.word(PUT).store(self.put.get(), Ordering::Release);
    }

    /// The next completion, if it is there.
    #[inline(always)]
    #[must_use]
    pub fn completion(&self) -> Option<Item<'a>> {
        let at = self.taken.get();
        if at == self.put.get() {
            return None;
        }
        if at == self.seen.get() {
            self.seen.set(self.channel.word(DONE).load(Ordering::Acquire));
        }
        (at != self.seen.get()).then(|| self.channel.item(at))
    }

    /// The next completion has been taken out; its place is free.
    #[inline(always)]
    pub fn take(&self) {
        self.taken.set(self.taken.get().wrapping_add(1));
    }
}

/// The kernel's end.
#[derive(Debug, Clone)]
pub struct ServerEnd<'a> {
    channel: AsyncChannel<'a>,
    done: u64,
    /// Requests that were there when it was last looked.
    seen: u64,
}

impl<'a> ServerEnd<'a> {
    /// That of a channel of whose requests `done` have been served.
    #[inline(always)]
    #[must_use]
    pub const fn new(channel: AsyncChannel<'a>, done: u64) -> Self {
        Self { channel, done, seen: done }
    }

    /// Requests that have been served.
    #[inline(always)]
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// The next request, if there is one. A client that says that there are more than there is room for has said
    /// nothing.
    #[inline(always)]
    #[must_use]
    pub fn request(&mut self) -> Option<Item<'a>> {
        if self.done == self.seen {
            let put = self.channel.word(PUT).load(Ordering::Acquire);
            if put.wrapping_sub(self.done) > self.channel.items as u64 {
                return None;
            }
            self.seen = put;
        }
        (self.done != self.seen).then(|| self.channel.item(self.done))
    }

    /// The completion of the next request stands in its place.
    #[inline(always)]
    pub fn complete(&mut self) {
        self.done = self.done.wrapping_add(1);
    }

    /// The client may take all completions.
    #[inline(always)]
    pub fn publish(&self) {
        self.channel.word(DONE).store(self.done, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    fn memory(items: usize) -> Vec<AtomicU64> {
        (0..ITEMS + items * Request::WORDS).map(|_| AtomicU64::new(0)).collect()
    }

    fn channel(memory: &[AtomicU64], items: usize) -> AsyncChannel<'_> {
        // SAFETY: there is room for the items, and the channel borrows the memory.
        unsafe { AsyncChannel::new(memory.as_ptr(), items) }.expect("room")
    }

    /// Serves what is there, but no more than `most`: to each request the sum of its words but the first.
    fn serve(server: &mut ServerEnd<'_>, most: usize) -> usize {
        for n in 0..most {
            let Some(item) = server.request() else { return n };
            let sum = (1..Request::WORDS).fold(0, |sum: u64, n| sum.wrapping_add(item.word(n)));
            item.set(Completion::INFO, sum);
            server.complete();
        }
        most
    }

    #[test]
    fn room_is_a_power_of_two() {
        let bytes = |items: usize| 8 * (ITEMS + items * Request::WORDS);
        for (room, most, items) in [(0, 9, 0), (1, 9, 1), (3, 9, 2), (31, 100, 16), (31, 7, 4), (31, 0, 1)] {
            assert_eq!(AsyncChannel::items_within(bytes(room), most), items, "{room} {most}");
        }
        assert_eq!(AsyncChannel::items_within(7, 1), 0);
        // SAFETY: there is no channel in it.
        assert!(unsafe { AsyncChannel::new(core::ptr::null(), 0) }.is_none());
    }

    #[test]
    fn completions_come_in_the_places_of_their_requests_and_no_more_than_there_is_room_for() {
        let memory = memory(4);
        let (client, mut server) =
            (ClientEnd::new(channel(&memory, 4)), ServerEnd::new(channel(&memory, 4), 0));
        let (mut sent, mut done) = (0, 0);
        for round in 0..40 {
            while client.put(sent, [1, 2], &[3; 13]) {
                sent += 1;
            }
            assert_eq!((client.open(), client.is_full()), (4, true));
            assert!(client.completion().is_none() && (round > 0 || server.request().is_none()));
            client.publish();
            let served = serve(&mut server, 1 + round % 4);
            server.publish();
            for _ in 0..served {
                let item = client.completion().expect("one for each request");
                assert_eq!((item.word(Request::HEAD), item.word(Completion::INFO)), (done, 42));
                assert_eq!(item.word(Request::WORDS), 0);
                client.take();
                done += 1;
            }
            assert!(client.completion().is_none());
        }
        assert!(done > 40);
    }

    #[test]
    fn a_side_that_writes_nonsense_does_not_lead_out_of_the_memory() {
        let memory = memory(4);
        for nonsense in [5, u64::MAX, 1 << 63, 0x1234_5678_9abc_def0] {
            memory[PUT].store(nonsense, Ordering::Relaxed);
            assert!(
                ServerEnd::new(channel(&memory, 4), 0).request().is_none(),
                "more than there is room for"
            );
            memory[PUT].store(nonsense.wrapping_add(4), Ordering::Relaxed);
            assert_eq!(serve(&mut ServerEnd::new(channel(&memory, 4), nonsense), 9), 4);
            memory[DONE].store(nonsense, Ordering::Relaxed);
            let client = ClientEnd::new(channel(&memory, 4));
            assert!(client.completion().is_none(), "nothing was asked for");
            assert!(client.put(1, [], &[]) && client.completion().is_some());
            client.take();
            assert!(client.completion().is_none());
        }
    }

    #[test]
    fn two_threads_lose_and_double_nothing() {
        const COUNT: u64 = 100_000;
        let memory = memory(8);
        let channel = channel(&memory, 8);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut server = ServerEnd::new(channel, 0);
                while server.done() < COUNT {
                    if serve(&mut server, 3) == 0 {
                        std::thread::yield_now();
                    }
                    server.publish();
                }
            });
            let client = ClientEnd::new(channel);
            let (mut sent, mut done) = (0, 0);
            while done < COUNT {
                while sent < COUNT && client.put(sent, [sent, 1], &[0; 13]) {
                    sent += 1;
                }
                client.publish();
                while let Some(item) = client.completion() {
                    assert_eq!((item.word(Request::HEAD), item.word(Completion::INFO)), (done, done + 1));
                    client.take();
                    done += 1;
                }
                std::thread::yield_now();
            }
        });
    }
}
