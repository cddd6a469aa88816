//! The network server with synchronous IPC, and a thread of the echo server for each connection.

use alloc::vec::Vec;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use kernel_net::socket::{Answer, Request};
use kernel_root::env::{SELF, words};
use kernel_root::harness::Failure;
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::Endpoint;
use kernel_user::syscall;

use super::load::{self, Serve};
use super::service::{Goal, Service};
use super::{Plan, echo};
use crate::measure::Score;
use crate::world::{Home, World};

/// What the interrupt's notification says; requests have no badge.
const INTERRUPT: u64 = 1;

/// The network server. Who waits is a slot with the reply capability.
struct Server {
    service: Service<u64>,
    endpoint: Endpoint,
    /// Slots for reply capabilities.
    free: Vec<u64>,
    /// System calls so far.
    calls: u64,
}

pub fn run(world: &mut World, plan: Plan) -> Result<Score, Failure> {
    let endpoint = world.env.endpoint()?;
    let own = world.env.notification()?;
    SELF.bind_notification(own)?;
    let signalled = world.badged(own, INTERRUPT)?;
    let service = Service::new(world, signalled)?;
    let slots = world.env.slots.take_range(plan.concurrency);
    let free = (slots..slots + plan.concurrency).collect();
    for number in 0..plan.concurrency {
        let thread = world.thread(Home::on(plan.hart))?;
        world.start(&thread, move || serve_connection(endpoint, plan, number == 0))?;
    }
    load::session(&mut Server { service, endpoint, free, calls: 0 }, plan)
}

/// A thread of the echo server: its calls return when they are answered, so it never has to be polled again.
fn serve_connection(endpoint: Endpoint, plan: Plan, first: bool) -> u64 {
    let body = pin!(echo(plan, first, async |request: Request| {
        let (label, [a, b]) = request.encode();
        let reply = syscall::call(endpoint.0, words(label, 2), [a, b, 0, 0]);
        Answer::decode(reply.info.label(), reply.regs[0])
    }));
    match body.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(()) => 0,
        Poll::Pending => 1,
    }
}

impl Server {
    /// Serves until `goal` is reached.
    fn serve(&mut self, goal: Goal) {
        let mut pending: Option<Answer> = None;
        loop {
            let Self { service, free, calls, .. } = self;
            service.poll(|slot, answer| {
                let (label, value) = answer.encode();
                syscall::send(slot, words(label, 1), [value, 0, 0, 0]);
                *calls += 1;
                free.push(slot);
            });
            if service.reached(goal) {
                if let Some(answer) = pending {
                    let (label, value) = answer.encode();
                    syscall::reply(words(label, 1), [value, 0, 0, 0]);
                    *calls += 1;
                }
                return;
            }
            if service.rest() {
                service.rise();
                continue;
            }
            *calls += 1;
            let message = match pending.take() {
                Some(answer) => {
                    let (label, value) = answer.encode();
                    syscall::reply_recv(self.endpoint.0, words(label, 1), [value, 0, 0, 0])
                }
                None => syscall::recv(self.endpoint.0),
            };
            service.rise();
            if message.badge == INTERRUPT {
                service.take_interrupt();
                *calls += 1;
                continue;
            }
            let [a, b, ..] = message.regs;
            pending = service.handle(message.info.label(), [a, b], || {
                let slot = free.pop()?;
                *calls += 1;
                if ROOT_CNODE.save_caller(slot, DEPTH).is_err() {
                    free.push(slot);
                    return None;
                }
                Some(slot)
            });
        }
    }
}

impl Serve for Server {
    fn wait_for_listener(&mut self) {
        self.serve(Goal::Listening);
    }

    fn ask(&mut self, words: &[u64]) -> Result<load::Answer, Failure> {
        self.service.ask(words)?;
        self.serve(Goal::Answered);
        Ok(self.service.answer().unwrap_or_default())
    }

    fn counts(&self) -> (u64, u64) {
        (0, self.calls)
    }
}
