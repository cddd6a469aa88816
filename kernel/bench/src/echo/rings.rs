//! The network server with asynchronous IPC, and a task of the echo server for each connection.

use alloc::boxed::Box;
use core::cell::{Cell, RefCell};
use core::task::Poll;

use kernel_net::socket::{Answer, Request};
use kernel_root::harness::Failure;
use kernel_tasks::ipc::{Client, Message, Notify, Server, Shared};
use kernel_tasks::{Executor, Idle, Rest, Source, TaskId};
use kernel_user::invoke::Notification;

use super::load::{self, Serve};
use super::service::{Goal, Service};
use super::{Plan, echo};
use crate::measure::Score;
use crate::world::{Home, World};

pub fn run(world: &mut World, plan: Plan) -> Result<Score, Failure> {
    let channel = world.channel()?.limited(plan.concurrency.next_power_of_two() as usize);
    let own = world.equip_self()?;
    let thread = world.thread(Home::on(plan.hart))?;
    let theirs = world.equip(thread.tcb)?;
    let (to_echo, to_network) = (world.badged(theirs, 1)?, world.badged(own, 1)?);
    // Signals only wake the thread: it looks for frames whatever they say.
    let service = Service::new(world, to_network)?;
    world.start(&thread, move || serve_connections(channel, plan, theirs, to_network))?;

    let executor: &'static Executor = Box::leak(Executor::new(1));
    let notify = Notify::Interrupt(to_echo.register_sender()?);
    let network: &'static Network = Box::leak(Box::new(Network {
        server: Server::new(executor, channel, notify),
        service: RefCell::new(service),
        awaited: Cell::new(None),
    }));
    load::session(&mut Running { network, executor, idle: Idle::Sleep(own) }, plan)
}

/// The thread of the echo server.
fn serve_connections(channel: Shared, plan: Plan, own: Notification, to_network: Notification) -> u64 {
    let Ok(target) = to_network.register_sender() else { return 1 };
    let executor: &'static Executor = Box::leak(Executor::new(plan.concurrency as usize));
    let client: &'static Client<'_> =
        Box::leak(Box::new(Client::new(executor, channel, Notify::Interrupt(target))));
    for number in 0..plan.concurrency {
        executor.spawn(
            0,
            echo(plan, number == 0, async |request: Request| {
                let (label, words) = request.encode();
                // As many words come back as were sent.
                let reply = client.call(Message::new(label, words)).await;
                Answer::decode(reply.label, reply.words[0])
            }),
        );
    }
    executor.run(&[client], if plan.halts { Idle::Halt } else { Idle::Sleep(own) });
    0
}

/// The network server: requests and frames are where its executor's only task, that of the session, gets its news from.
/// Who waits is a task of the client.
struct Network {
    server: Server<'static>,
    service: RefCell<Service<u64>>,
    /// What the session waits for, and its task.
    awaited: Cell<Option<(Goal, TaskId)>>,
}

impl Network {
    #[inline(always)]
    fn reply(&self, task: u64, answer: Answer) {
        let (label, value) = answer.encode();
        self.server.reply(task, Message::new(label, [value]));
    }
}

impl Source for Network {
    #[inline(always)]
    fn poll(&self, executor: &Executor) {
        let mut service = self.service.borrow_mut();
        while let Some((task, Message { label, words })) = self.server.take() {
            if let Some(answer) = service.handle(label, words, || Some(task)) {
                self.reply(task, answer);
            }
        }
        service.poll(|task, answer| self.reply(task, answer));
        if let Some((goal, task)) = self.awaited.get()
            && service.reached(goal)
        {
            self.awaited.set(None);
            executor.wake(task);
        }
    }

    #[inline(always)]
    fn rest(&self) -> Rest {
        let frames = self.service.borrow().rest();
        let requests = self.server.rest();
        if frames { Rest::Something } else { requests }
    }

    #[inline(always)]
    fn rise(&self) {
        let service = self.service.borrow();
        service.rise();
        service.take_interrupt();
        self.server.rise();
    }
}

/// The network server with what runs it.
struct Running {
    network: &'static Network,
    executor: &'static Executor,
    idle: Idle,
}

impl Running {
    /// Serves until `goal` is reached.
    fn serve(&mut self, goal: Goal) {
        let (network, executor) = (self.network, self.executor);
        executor.spawn(
            0,
            core::future::poll_fn(move |_| {
                if network.service.borrow().reached(goal) {
                    return Poll::Ready(());
                }
                network.awaited.set(Some((goal, executor.current())));
                Poll::Pending
            }),
        );
        executor.run(&[network], self.idle);
    }
}

impl Serve for Running {
    fn wait_for_listener(&mut self) {
        self.serve(Goal::Listening);
    }

    fn ask(&mut self, words: &[u64]) -> Result<load::Answer, Failure> {
        self.network.service.borrow_mut().ask(words)?;
        self.serve(Goal::Answered);
        Ok(self.network.service.borrow_mut().answer().unwrap_or_default())
    }

    fn counts(&self) -> (u64, u64) {
        let statistics = &self.executor.statistics;
        // Each sleep is one.
        (statistics.notifications.get(), statistics.system_calls.get() + statistics.sleeps.get())
    }
}
