//! Replies that tasks wait for, each task for one at a time.

use alloc::boxed::Box;
use core::cell::Cell;

use kernel_abi::MessageInfo;

use crate::executor::{Executor, TaskId};

/// Words of a reply, at most.
pub(crate) const WORDS: usize = 6;

/// No description of a message: its reserved bits are set.
const ABSENT: u64 = 0b111 << 9;

/// The reply that a task waits for, or has got: a cache line.
#[derive(Default)]
#[repr(align(64))]
struct Reply {
    /// Its description; [`ABSENT`] as long as it is not there.
    info: Cell<u64>,
    words: [Cell<u64>; WORDS],
}

/// The replies of all tasks of an executor.
pub(crate) struct Replies(Box<[Reply]>);

impl Replies {
    pub fn new(executor: &Executor) -> Self {
        Self((0..executor.capacity()).map(|_| Reply::default()).collect())
    }

    /// `task` waits from now on.
    #[inline(always)]
    pub fn expect(&self, task: TaskId) {
        self.0[task as usize].info.set(ABSENT);
    }

    /// The reply for `task` has come, with words as `word` says. Whoever sends it may name any task.
    #[inline(always)]
    pub fn put(&self, executor: &Executor, task: u64, info: u64, word: impl Fn(usize) -> u64) {
        if let Some(reply) = self.0.get(task as usize) {
            reply.info.set(info & !ABSENT);
            for (n, place) in reply.words.iter().enumerate().take(MessageInfo(info).length()) {
                place.set(word(n));
            }
            executor.wake(task as TaskId);
        }
    }

    /// The description of the reply for `task`, if it has come.
    #[inline(always)]
    pub fn info(&self, task: TaskId) -> Option<MessageInfo> {
        let info = self.0[task as usize].info.get();
        (info & ABSENT == 0).then_some(MessageInfo(info))
    }

    /// Word `n` of the reply for `task` with description `info`; 0 if it has no such word.
    #[inline(always)]
    pub fn word(&self, task: TaskId, info: MessageInfo, n: usize) -> u64 {
        if n < info.length() { self.0[task as usize].words.get(n).map_or(0, Cell::get) } else { 0 }
    }
}
