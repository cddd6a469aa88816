//! Replies that tasks wait for, each task for one at a time.

use alloc::boxed::Box;
use core::cell::Cell;

use kernel_abi::MessageInfo;

use crate::executor::{Executor, TaskId};

/// Words of a reply, at most.
pub(crate) const WORDS: usize = 6;

/// No description of a message: its reserved bits are set.
const ABSENT: u64 = 0b111 << 9;

/// The replies of all tasks of an executor, by what is needed of them: most have no more than a word, and many none, and
/// a cache line holds the descriptions of eight.
pub(crate) struct Replies {
    /// Descriptions; [`ABSENT`] as long as a reply is not there.
    infos: Box<[Cell<u64>]>,
    firsts: Box<[Cell<u64>]>,
    /// The words behind the first.
    rest: Box<[[Cell<u64>; WORDS - 1]]>,
}

impl Replies {
    pub fn new(executor: &Executor) -> Self {
        let tasks = || 0..executor.capacity();
        Self {
            infos: tasks().map(|_| Cell::default()).collect(),
            firsts: tasks().map(|_| Cell::default()).collect(),
            rest: tasks().map(|_| Default::default()).collect(),
        }
    }

    /// `task` waits from now on.
    #[inline(always)]
    pub fn expect(&self, task: TaskId) {
        self.infos[task as usize].set(ABSENT);
    }

    /// The reply for `task`, which is woken, has come, with words as `word` says. Whoever sends it may name any task.
    #[inline(always)]
    pub fn put(&self, executor: &Executor, task: u64, info: u64, word: impl Fn(usize) -> u64) {
        if task < self.infos.len() as u64 {
            self.set(task as TaskId, info, word);
            executor.wake(task as TaskId);
        }
    }

    /// The same for one that runs.
    #[inline(always)]
    pub fn set(&self, task: TaskId, info: u64, word: impl Fn(usize) -> u64) {
        self.infos[task as usize].set(info & !ABSENT);
        match MessageInfo(info).length() {
            0 => {}
            1 => self.firsts[task as usize].set(word(0)),
            length => {
                self.firsts[task as usize].set(word(0));
                self.set_rest(task, length - 1, word);
            }
        }
    }

    #[cold]
    fn set_rest(&self, task: TaskId, count: usize, word: impl Fn(usize) -> u64) {
        for (n, place) in self.rest[task as usize].iter().enumerate().take(count) {
            place.set(word(n + 1));
        }
    }

    /// The description of the reply for `task`, if it has come.
    #[inline(always)]
    pub fn info(&self, task: TaskId) -> Option<MessageInfo> {
        let info = self.infos[task as usize].get();
        (info & ABSENT == 0).then_some(MessageInfo(info))
    }

    /// Word `n` of the reply for `task` with description `info`; 0 if it has no such word.
    #[inline(always)]
    pub fn word(&self, task: TaskId, info: MessageInfo, n: usize) -> u64 {
        match n.checked_sub(1) {
            _ if n >= info.length() => 0,
            None => self.firsts[task as usize].get(),
            Some(n) => self.rest[task as usize].get(n).map_or(0, Cell::get),
        }
    }
}
