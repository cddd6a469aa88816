//! Asynchronous IPC: requests and replies in rings that two threads share, and a user interrupt only when the other
//! side sleeps.

use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use kernel_abi::MessageInfo;
use kernel_abi::ring::{Channel, Consumer, Producer};
use kernel_user::user_interrupt::Target;

use crate::awaited::{self, Replies};
use crate::executor::{Executor, TaskId};
use crate::source::{Rest, Source, Statistics};

/// Words of a request or reply: the number of the task that asks, the description of the message, and its words.
pub const WORDS: usize = 8;
/// Words of a message, at most.
pub const MESSAGE_WORDS: usize = awaited::WORDS;

const _: () = assert!(MESSAGE_WORDS == WORDS - 2);

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct Message<const N: usize> {
    /// What is asked or answered.
    pub label: u64,
    /// Its words.
    pub words: [u64; N],
}

impl<const N: usize> Message<N> {
    /// A message.
    #[inline(always)]
    #[must_use]
    pub const fn new(label: u64, words: [u64; N]) -> Self {
        const { assert!(N <= MESSAGE_WORDS) };
        Self { label, words }
    }

    /// Puts it in for `task`; whether there was room.
    #[inline(always)]
    fn push(&self, ring: &mut Producer<'static, WORDS>, task: u64) -> bool {
        let info = MessageInfo::new(self.label, 0, 0, N as u64);
        ring.push_parts([task, info.0], &self.words)
    }
}

/// What two threads share.
pub type Shared = Channel<'static, WORDS, WORDS>;

/// How the other side is notified.
#[derive(Debug, Clone, Copy)]
pub enum Notify {
    /// By a user interrupt.
    Interrupt(Target),
    /// By a system call, for comparison: the notification is signalled.
    Signal(kernel_user::invoke::Notification),
    /// Not at all: it polls.
    Never,
}

impl Notify {
    #[inline(always)]
    fn now(self, statistics: &Statistics) {
        match self {
            Self::Interrupt(target) => {
                Statistics::count(&statistics.notifications);
                target.send();
            }
            Self::Signal(notification) => {
                Statistics::count(&statistics.system_calls);
                kernel_user::syscall::signal(notification.0);
            }
            Self::Never => {}
        }
    }
}

/// The side that asks.
pub struct Client<'a> {
    executor: &'a Executor,
    channel: Shared,
    requests: RefCell<Producer<'static, WORDS>>,
    replies: RefCell<Consumer<'static, WORDS>>,
    /// A task has one request at a time.
    awaited: Replies,
    notify: Notify,
}

impl<'a> Client<'a> {
    /// The client of an empty `channel`, whose server is notified by `notify`.
    #[must_use]
    pub fn new(executor: &'a Executor, channel: Shared, notify: Notify) -> Self {
        Self {
            executor,
            channel,
            requests: RefCell::new(channel.request_producer(0)),
            replies: RefCell::new(channel.completion_consumer(0)),
            awaited: Replies::new(executor),
            notify,
        }
    }

    /// Sends `message` and waits for the reply, of which as many words are taken; those that are missing are zero.
    #[inline(always)]
    pub fn call<const N: usize>(&self, message: Message<N>) -> Call<'_, 'a, N> {
        Call { client: self, message, sent: None }
    }
}

impl Source for Client<'_> {
    #[inline(always)]
    fn poll(&self, executor: &Executor) {
        let mut replies = self.replies.borrow_mut();
        while !replies.is_empty() {
            let words = |n| replies.word(2 + n);
            self.awaited.put(executor, replies.word(0), replies.word(1), words);
            replies.step();
        }
        replies.publish();
    }

    #[inline(always)]
    fn rest(&self) -> Rest {
        self.channel.client().lower();
        if self.replies.borrow_mut().is_empty() { Rest::Nothing } else { Rest::Something }
    }

    #[inline(always)]
    fn rise(&self) {
        self.channel.client().raise();
    }
}

/// A reply that is to come.
#[must_use = "nothing is sent before it is awaited"]
pub struct Call<'c, 'a, const N: usize> {
    client: &'c Client<'a>,
    message: Message<N>,
    sent: Option<TaskId>,
}

impl<const N: usize> Future for Call<'_, '_, N> {
    type Output = Message<N>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let client = self.client;
        if let Some(task) = self.sent {
            let Some(info) = client.awaited.info(task) else { return Poll::Pending };
            let word = |n| client.awaited.word(task, info, n);
            return Poll::Ready(Message::new(info.label(), core::array::from_fn(word)));
        }
        let task = client.executor.current();
        client.awaited.expect(task);
        if self.message.push(&mut client.requests.borrow_mut(), u64::from(task)) {
            self.sent = Some(task);
            if client.channel.server().wake() {
                client.notify.now(&client.executor.statistics);
            }
        } else {
            // Others may free a place first.
            client.executor.wake(task);
        }
        Poll::Pending
    }
}

/// The side that answers.
pub struct Server<'a> {
    executor: &'a Executor,
    channel: Shared,
    requests: RefCell<Consumer<'static, WORDS>>,
    replies: RefCell<Producer<'static, WORDS>>,
    notify: Notify,
    /// The task that waits for requests.
    waiting: Cell<Option<TaskId>>,
}

impl<'a> Server<'a> {
    /// The server of an empty `channel`, whose client is notified by `notify`.
    #[must_use]
    pub fn new(executor: &'a Executor, channel: Shared, notify: Notify) -> Self {
        Self {
            executor,
            channel,
            requests: RefCell::new(channel.request_consumer(0)),
            replies: RefCell::new(channel.completion_producer(0)),
            notify,
            waiting: Cell::new(None),
        }
    }

    /// Takes the next request, if there is one: who asks, and the message, of whose words `N` are looked at. It can be
    /// answered at any time, by [`Server::reply`].
    #[inline(always)]
    pub fn take<const N: usize>(&self) -> Option<(u64, Message<N>)> {
        let mut requests = self.requests.borrow_mut();
        if requests.is_empty() {
            requests.publish();
            return None;
        }
        let request = Self::request(&requests);
        requests.step();
        Some(request)
    }

    /// Answers the request of `task`. There is room as long as each task of the client has one request at a time; if it
    /// has more, it loses this answer.
    #[inline(always)]
    pub fn reply<const N: usize>(&self, task: u64, message: Message<N>) {
        if message.push(&mut self.replies.borrow_mut(), task) && self.channel.client().wake() {
            self.notify.now(&self.executor.statistics);
        }
    }

    #[inline(always)]
    fn request<const N: usize>(requests: &Consumer<'static, WORDS>) -> (u64, Message<N>) {
        let (task, info) = (requests.word(0), MessageInfo(requests.word(1)));
        let word = |n: usize| if n < info.length() { requests.word(2 + n) } else { 0 };
        (task, Message::new(info.label(), core::array::from_fn(word)))
    }

    /// Answers requests, of whose words `N` are looked at, with what `answer` makes of them. Does not end, and one
    /// task at a time can do so.
    #[inline(always)]
    pub async fn serve<const N: usize, const M: usize>(
        &self,
        mut answer: impl FnMut(Message<N>) -> Message<M>,
    ) {
        core::future::poll_fn(|_| {
            let (mut requests, mut replies) = (self.requests.borrow_mut(), self.replies.borrow_mut());
            loop {
                if requests.is_empty() {
                    requests.publish();
                    self.waiting.set(Some(self.executor.current()));
                    return Poll::<()>::Pending;
                }
                if replies.is_full() {
                    // The client is behind.
                    requests.publish();
                    self.executor.wake(self.executor.current());
                    return Poll::Pending;
                }
                let (task, request) = Self::request(&requests);
                requests.step();
                // There is room.
                let _ = answer(request).push(&mut replies, task);
                if self.channel.client().wake() {
                    self.notify.now(&self.executor.statistics);
                }
            }
        })
        .await;
    }
}

impl Source for Server<'_> {
    #[inline(always)]
    fn poll(&self, executor: &Executor) {
        if let Some(task) = self.waiting.get()
            && !self.requests.borrow_mut().is_empty()
        {
            self.waiting.set(None);
            executor.wake(task);
        }
    }

    #[inline(always)]
    fn rest(&self) -> Rest {
        self.channel.server().lower();
        if self.requests.borrow_mut().is_empty() { Rest::Nothing } else { Rest::Something }
    }

    #[inline(always)]
    fn rise(&self) {
        self.channel.server().raise();
    }
}
