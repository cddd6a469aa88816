//! Asynchronous system calls: invocations that the kernel takes out of a shared ring, many with one entry into it, or
//! with none where another hart serves them.

use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use kernel_abi::ring::{Consumer, Producer};
use kernel_abi::{AsyncChannel, Completion, Error, MESSAGE_REGISTERS, MessageInfo, Request, RequestKind};
use kernel_user::invoke::{Result, failure};
use kernel_user::order::Order;
use kernel_user::syscall;

use crate::awaited::Replies;
use crate::executor::{Executor, TaskId};
use crate::source::{Rest, Source, Statistics};

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
    requests: RefCell<Producer<'static, { Request::WORDS }>>,
    completions: RefCell<Consumer<'static, { Completion::WORDS }>>,
    awaited: Replies,
    /// Requests without completion.
    open: Cell<usize>,
    place: Place,
}

impl<'a> Calls<'a> {
    /// Requests in `channel`, which the thread has just registered.
    #[must_use]
    pub fn new(executor: &'a Executor, channel: AsyncChannel<'static>, place: Place) -> Self {
        Self {
            executor,
            channel,
            requests: RefCell::new(channel.request_producer(0)),
            completions: RefCell::new(channel.completion_consumer(0)),
            awaited: Replies::new(executor),
            open: Cell::new(0),
            place,
        }
    }

    /// Makes an invocation. By a task that is alone it is a plain system call: there is nothing to gather.
    #[inline(always)]
    pub fn run(&self, order: Order) -> Run<'_, 'a> {
        Run { calls: self, order, sent: None }
    }

    /// Prints, in pieces that each go at once.
    pub async fn print(&self, text: &str) {
        for piece in text.as_bytes().chunks(Request::TEXT_BYTES) {
            let mut words = [0; Request::WORDS - Request::TEXT];
            for (n, &byte) in piece.iter().enumerate() {
                words[n / 8] |= u64::from(byte) << (n % 8 * 8);
            }
            let mut sent = None;
            core::future::poll_fn(|_| match sent {
                Some(task) if self.awaited.info(task).is_some() => Poll::Ready(()),
                Some(_) => Poll::Pending,
                None => {
                    sent = self.send(RequestKind::Print, [piece.len() as u64], &words);
                    Poll::Pending
                }
            })
            .await;
        }
    }

    /// Puts a request in, with the words behind its head in two parts; the task that waits for it, if there was room.
    /// If not, the current task is to try again.
    #[inline(always)]
    fn send<const N: usize>(&self, kind: RequestKind, first: [u64; N], then: &[u64]) -> Option<TaskId> {
        let task = self.executor.current();
        let head = Request::head(task, kind);
        self.awaited.expect(task);
        // As many as there is room for completions.
        if self.open.get() == self.channel.items()
            || !self.requests.borrow_mut().push_headed(head, first, then)
        {
            self.executor.wake(task);
            return None;
        }
        self.open.set(self.open.get() + 1);
        if self.place == Place::Elsewhere && self.channel.server().wake() {
            self.wake(true);
        }
        Some(task)
    }

    #[inline(always)]
    fn reply(&self, task: TaskId, info: MessageInfo) -> Result<[u64; MESSAGE_REGISTERS]> {
        let word = |n| self.awaited.word(task, info, n);
        if info.label() == Error::None as u64 {
            Ok(core::array::from_fn(word))
        } else {
            Err(failure(info, word))
        }
    }

    fn wake(&self, elsewhere: bool) {
        Statistics::count(&self.executor.statistics.system_calls);
        syscall::wake_async(elsewhere);
    }
}

impl Source for Calls<'_> {
    #[inline(always)]
    fn poll(&self, executor: &Executor) {
        if self.open.get() == 0 {
            return;
        }
        let mut completions = self.completions.borrow_mut();
        while !completions.is_empty() {
            let words = |n| completions.word(2 + n);
            self.awaited.put(executor, completions.word(0), completions.word(1), words);
            completions.step();
            self.open.set(self.open.get().saturating_sub(1));
        }
        completions.publish();
    }

    #[inline(always)]
    fn rest(&self) -> Rest {
        if self.open.get() == 0 {
            return Rest::Nothing;
        }
        if self.place == Place::Here {
            self.wake(false);
            return Rest::Something;
        }
        self.channel.client().lower();
        if !self.completions.borrow_mut().is_empty() {
            return Rest::Something;
        }
        // The kernel may have gone to sleep before it saw the last ones.
        if !self.requests.borrow_mut().is_drained() && self.channel.server().wake() {
            self.wake(true);
        }
        if self.completions.borrow_mut().is_empty() { Rest::Nothing } else { Rest::Something }
    }

    #[inline(always)]
    fn rise(&self) {
        self.channel.client().raise();
    }
}

/// The reply to an invocation that is to come.
#[must_use = "nothing is asked for before it is awaited"]
pub struct Run<'c, 'a> {
    calls: &'c Calls<'a>,
    order: Order,
    sent: Option<TaskId>,
}

impl Future for Run<'_, '_> {
    type Output = Result<[u64; MESSAGE_REGISTERS]>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let calls = self.calls;
        if let Some(task) = self.sent {
            return calls
                .awaited
                .info(task)
                .map_or(Poll::Pending, |info| Poll::Ready(calls.reply(task, info)));
        }
        if calls.place == Place::Here && calls.executor.live() == 1 && calls.open.get() == 0 {
            Statistics::count(&calls.executor.statistics.system_calls);
            return Poll::Ready(self.order.run());
        }
        let order = &self.order;
        let (caps, words) = (&order.caps, &order.words);
        let first = [order.info.0, order.cptr, caps[0], words[0], words[1], words[2], words[3]];
        // The second half is for the few that are long.
        let rest = [words[4], words[5], words[6], words[7], caps[1], caps[2]];
        let rest = if order.is_short() { &[] } else { &rest[..] };
        self.sent = calls.send(RequestKind::Invoke, first, rest);
        Poll::Pending
    }
}

const _: () = assert!(Request::HEAD == 0 && Request::INFO == 1 && Request::CPTR == 2);
