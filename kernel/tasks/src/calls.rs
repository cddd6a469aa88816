//! Asynchronous system calls: invocations that the kernel takes out of a shared ring, many with one entry into it, or
//! with none where another hart serves them.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use kernel_abi::{
    AsyncChannel, ClientEnd, Completion, Error, MESSAGE_REGISTERS, MessageInfo, Request, RequestKind,
};
use kernel_user::invoke::{InvokeError, Result, failure};
use kernel_user::order::Order;
use kernel_user::syscall;

use crate::awaited::Replies;
use crate::executor::{Executor, TaskId};
use crate::source::{Rest, Source, Statistics};

/// Requests that are gathered for one system call, at most: what they touch is to be in the caches still when they are
/// served, and when their completions are taken.
const GATHER_HERE: usize = 32;
/// Requests that wait until another hart is told of them, at most: each telling moves a cache line there and back.
const GATHER_ELSEWHERE: usize = 8;

/// Where requests are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the hart of the one that asks: in one system call, when there is nothing else to do.
    Here,
    /// On another hart that has less urgent things to do, if there is one.
    Elsewhere,
}

/// The kernel, as one that requests are put to.
pub struct Calls<'a> {
    executor: &'a Executor,
    channel: AsyncChannel<'static>,
    ring: ClientEnd<'static>,
    awaited: Replies,
    place: Place,
    /// Requests that the kernel has not been told of, at most.
    gather: usize,
}

impl<'a> Calls<'a> {
    /// Requests in `channel`, which the thread has just registered.
    #[must_use]
    pub fn new(executor: &'a Executor, channel: AsyncChannel<'static>, place: Place) -> Self {
        let gather = match place {
            Place::Here => GATHER_HERE,
            Place::Elsewhere => GATHER_ELSEWHERE,
        };
        Self {
            executor,
            channel,
            ring: ClientEnd::new(channel),
            awaited: Replies::new(executor),
            place,
            gather: gather.min(channel.items()),
        }
    }

    /// Makes an invocation for the current task, which is to await what comes of it before it makes another one.
    #[inline(always)]
    pub fn run(&self, order: Order) -> Run<'_, 'a> {
        let (caps, words) = (&order.caps, &order.words);
        let first = [order.info.0, order.cptr, caps[0], words[0], words[1], words[2], words[3]];
        // The second half is for the few that are long.
        let rest = [words[4], words[5], words[6], words[7], caps[1], caps[2]];
        let rest = if order.is_short() { &[] } else { &rest[..] };
        self.put(RequestKind::Invoke, first, rest)
    }

    /// Prints, in pieces that each go at once.
    pub async fn print(&self, text: &str) {
        for piece in text.as_bytes().chunks(Request::TEXT_BYTES) {
            let mut words = [0; Request::WORDS - Request::TEXT];
            for (n, &byte) in piece.iter().enumerate() {
                words[n / 8] |= u64::from(byte) << (n % 8 * 8);
            }
            let _ = self.put(RequestKind::Print, [piece.len() as u64], &words).await;
        }
    }

    /// Puts a request of the current task in, with the words behind its head in two parts.
    #[inline(always)]
    fn put<const N: usize>(&self, kind: RequestKind, first: [u64; N], then: &[u64]) -> Run<'_, 'a> {
        let task = self.executor.current();
        if self.ring.is_full() {
            self.make_room();
        }
        self.awaited.expect(task);
        if !self.ring.put(Request::head(task, kind), first, then) {
            self.refuse(task);
        }
        // A task that is alone has nobody to wait for.
        if self.ring.unpublished() >= self.gather || self.executor.live() == 1 {
            self.publish();
        }
        Run { calls: self, task }
    }

    /// The kernel serves some of what was put in here, wherever it does so otherwise.
    #[cold]
    fn make_room(&self) {
        self.ring.publish();
        self.wake(false);
        self.take();
    }

    /// The kernel serves this thread no more: the frame is not shared any longer.
    #[cold]
    fn refuse(&self, task: TaskId) {
        self.awaited.set(task, MessageInfo::new(Error::IllegalOperation as u64, 0, 0, 0).0, |_| 0);
    }

    /// The kernel is told of what was put in, and serves it here, or is woken where it sleeps.
    #[inline(never)]
    fn publish(&self) {
        self.ring.publish();
        match self.place {
            Place::Here => {
                self.wake(false);
                self.take();
            }
            Place::Elsewhere => {
                if self.channel.server().wake() {
                    self.wake(true);
                }
            }
        }
    }

    fn wake(&self, elsewhere: bool) {
        Statistics::count(&self.executor.statistics.system_calls);
        syscall::wake_async(elsewhere);
    }

    /// Takes the completions that are there.
    #[inline(never)]
    fn take(&self) {
        while let Some(item) = self.ring.completion() {
            let (task, _) = Request::parse_head(item.word(Request::HEAD));
            let word = |n| item.word(Completion::MESSAGE + n);
            self.awaited.put(self.executor, u64::from(task), item.word(Completion::INFO), word);
            self.ring.take();
        }
    }

    #[inline(always)]
    fn reply(&self, task: TaskId, info: MessageInfo) -> Result<[u64; MESSAGE_REGISTERS]> {
        if info.label() == Error::None as u64 {
            Ok(core::array::from_fn(|n| self.awaited.word(task, info, n)))
        } else {
            Err(self.failure(task, info))
        }
    }

    #[cold]
    fn failure(&self, task: TaskId, info: MessageInfo) -> InvokeError {
        failure(info, |n| self.awaited.word(task, info, n))
    }
}

impl Source for Calls<'_> {
    #[inline(always)]
    fn poll(&self, _: &Executor) {
        if self.place == Place::Elsewhere && self.ring.unpublished() > 0 {
            self.publish();
        }
        self.take();
    }

    #[inline(always)]
    fn press(&self) -> Rest {
        if self.place == Place::Elsewhere || self.ring.open() == 0 {
            return Rest::Nothing;
        }
        self.publish();
        Rest::Something
    }

    #[inline(always)]
    fn rest(&self) -> Rest {
        if self.ring.open() == 0 {
            return Rest::Nothing;
        }
        self.channel.client().lower();
        if self.ring.completion().is_some() {
            return Rest::Something;
        }
        // The kernel may have been made to stop before it saw the last ones.
        if self.channel.server().wake() {
            self.wake(true);
        }
        if self.ring.completion().is_some() { Rest::Something } else { Rest::Nothing }
    }

    #[inline(always)]
    fn rise(&self) {
        self.channel.client().raise();
    }
}

/// The reply to an invocation that is to come.
#[must_use = "the task is not to ask for anything else before this is there"]
pub struct Run<'c, 'a> {
    calls: &'c Calls<'a>,
    task: TaskId,
}

impl Future for Run<'_, '_> {
    type Output = Result<[u64; MESSAGE_REGISTERS]>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let (calls, task) = (self.calls, self.task);
        calls.awaited.info(task).map_or(Poll::Pending, |info| Poll::Ready(calls.reply(task, info)))
    }
}

const _: () = assert!(Request::HEAD == 0 && Request::INFO == 1 && Request::CPTR == 2);
