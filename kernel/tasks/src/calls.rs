//! Asynchronous system calls: invocations that the kernel takes out of a shared ring, many with one entry into it, or
//! with none where another hart serves them.

use alloc::boxed::Box;
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use kernel_abi::ring::{Consumer, Producer};
use kernel_abi::{AsyncChannel, Completion, Error, MESSAGE_REGISTERS, Request, RequestKind};
use kernel_user::invoke::{Result, failure};
use kernel_user::order::Order;
use kernel_user::syscall;

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

/// The completion that a task waits for, or has got.
struct Awaited {
    is_there: Cell<bool>,
    completion: Cell<Completion>,
}

/// The kernel, as one that requests are put to.
pub struct Calls<'a> {
    executor: &'a Executor,
    channel: AsyncChannel<'static>,
    requests: RefCell<Producer<'static, { Request::WORDS }>>,
    completions: RefCell<Consumer<'static, { Completion::WORDS }>>,
    awaited: Box<[Awaited]>,
    /// Requests without completion.
    open: Cell<usize>,
    place: Place,
}

impl<'a> Calls<'a> {
    /// Requests in `channel`, which the thread has just registered.
    #[must_use]
    pub fn new(executor: &'a Executor, channel: AsyncChannel<'static>, place: Place) -> Self {
        let none = Completion { number: 0, info: kernel_abi::MessageInfo(0), words: [0; _] };
        let awaited = || Awaited { is_there: Cell::new(false), completion: Cell::new(none) };
        Self {
            executor,
            channel,
            requests: RefCell::new(channel.request_producer(0)),
            completions: RefCell::new(channel.completion_consumer(0)),
            awaited: (0..executor.capacity()).map(|_| awaited()).collect(),
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
            let mut words = [0; Request::WORDS];
            words[Request::INFO] = piece.len() as u64;
            for (n, &byte) in piece.iter().enumerate() {
                words[Request::TEXT + n / 8] |= u64::from(byte) << (n % 8 * 8);
            }
            let mut sent = None;
            core::future::poll_fn(|_| match sent {
                Some(task) => self.answer(task).map(|_| ()),
                None => {
                    sent = self.send(RequestKind::Print, &mut words);
                    Poll::Pending
                }
            })
            .await;
        }
    }

    /// Puts a request in, whose first word is still missing; the task that waits for it, if there was room. If not,
    /// the current task is to try again.
    #[inline(always)]
    fn send(&self, kind: RequestKind, words: &mut [u64]) -> Option<TaskId> {
        let task = self.executor.current();
        words[Request::HEAD] = Request::head(task, kind);
        // As many as there is room for completions.
        if self.open.get() > self.requests_room() || !self.requests.borrow_mut().push(words) {
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
    fn requests_room(&self) -> usize {
        self.channel.items() - 1
    }

    #[inline(always)]
    fn answer(&self, task: TaskId) -> Poll<Completion> {
        let awaited = &self.awaited[task as usize];
        if awaited.is_there.replace(false) { Poll::Ready(awaited.completion.get()) } else { Poll::Pending }
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
        while let Some(item) = completions.pop::<{ Completion::WORDS }>() {
            let completion = Completion::from_item(item);
            self.open.set(self.open.get() - 1);
            if let Some(awaited) = self.awaited.get(completion.number as usize) {
                awaited.completion.set(completion);
                awaited.is_there.set(true);
                executor.wake(completion.number);
            }
        }
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
            return calls.answer(task).map(|done| reply(&done));
        }
        if calls.place == Place::Here && calls.executor.live() == 1 && calls.open.get() == 0 {
            Statistics::count(&calls.executor.statistics.system_calls);
            return Poll::Ready(self.order.run());
        }
        let order = &self.order;
        let mut words = [0; Request::WORDS];
        words[Request::INFO] = order.info.0;
        words[Request::CPTR] = order.cptr;
        for (&at, &cap) in Request::CAPS.iter().zip(&order.caps) {
            words[at] = cap;
        }
        for (&at, &word) in Request::MESSAGE.iter().zip(&order.words) {
            words[at] = word;
        }
        // The second half is for the few that are long.
        let used = if order.is_short() { Request::WORDS / 2 } else { Request::WORDS };
        self.sent = calls.send(RequestKind::Invoke, &mut words[..used]);
        Poll::Pending
    }
}

fn reply(done: &Completion) -> Result<[u64; MESSAGE_REGISTERS]> {
    if done.info.label() == Error::None as u64 {
        let [a, b, c, d, ..] = done.words;
        return Ok([a, b, c, d]);
    }
    Err(failure(done.info, |n| done.words[n.min(Completion::MESSAGE_WORDS - 1)]))
}
