//! `bench=ipc`: a client asks a server in another address space and waits for the answer, synchronously or
//! asynchronously, on one hart or two.

use alloc::boxed::Box;
use core::cell::Cell;

use kernel_root::env::words;
use kernel_root::harness::Failure;
use kernel_tasks::ipc::{Client, Message, Notify, Server, Shared};
use kernel_tasks::{Executor, Idle};
use kernel_user::abi::MESSAGE_REGISTERS;
use kernel_user::invoke::{Endpoint, Notification};
use kernel_user::{ipc, syscall};

use crate::measure::{Score, WARM_UP, measure, operation};
use crate::params::{Params, Unknown};
use crate::work::{self, Work};
use crate::world::{Home, World};

/// How a request gets to the server, and its answer back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    /// `Call` and `ReplyRecv`, with so many words.
    Sync(u64),
    /// Rings, and user interrupts.
    Async,
    /// Rings, and notifications by system call.
    Signal,
    /// Rings that both sides look at all the time.
    Poll,
}

/// Words of a message that is handed over in registers, and of one that is not.
const SHORT: u64 = 1;
const LONG: u64 = MESSAGE_REGISTERS as u64 + 1;

const MECHANISMS: [(&str, Mechanism); 5] = [
    ("fast", Mechanism::Sync(SHORT)),
    ("slow", Mechanism::Sync(LONG)),
    ("async", Mechanism::Async),
    ("signal", Mechanism::Signal),
    ("poll", Mechanism::Poll),
];

/// What is to be done.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Requests that are under way together.
    concurrency: u64,
    /// Requests that are measured, a multiple of that.
    operations: u64,
    /// Size of the server's work.
    size: u64,
    /// The server's hart.
    hart: u64,
    /// Whether each side has its hart to itself and stops it when it waits.
    halts: bool,
}

pub fn run(world: &mut World, params: Params) -> Result<Result<Score, Failure>, Unknown> {
    let mechanism = params.choice("mech", &MECHANISMS)?;
    let concurrency = params.number("conc", 1)?.clamp(1, 1024);
    let operations = params.number("ops", 2000)?.max(1).next_multiple_of(concurrency);
    let size = params.number("work", 0)?;
    let hart = params.number("server", 0)?;
    let halts = params.choice("idle", &[("sleep", false), ("halt", true)])?;
    let plan = Plan { concurrency, operations, size, hart, halts };
    Ok(match mechanism {
        Mechanism::Sync(length) => synchronous(world, plan, length),
        Mechanism::Async => asynchronous(world, plan, Way::Interrupt),
        Mechanism::Signal => asynchronous(world, plan, Way::Signal),
        Mechanism::Poll => asynchronous(world, plan, Way::Poll),
    })
}

fn synchronous(world: &mut World, plan: Plan, length: u64) -> Result<Score, Failure> {
    let endpoint = world.env.endpoint()?;
    let server = world.thread(Home::on(plan.hart))?;
    world.start(&server, move || serve(endpoint, plan.size, length))?;
    let mut errors = 0;
    let mut call = |seed: u64| {
        let reply = syscall::call(endpoint.0, words(0, length), [seed, 0, 0, 0]);
        operation();
        if reply.regs[0] != work::answer(seed, plan.size) {
            errors += 1;
        }
    };
    (0..WARM_UP).for_each(&mut call);
    measure(|| (0..plan.operations).for_each(&mut call));
    Ok(Score { operations: plan.operations, errors, calls: plan.operations, ..Score::default() })
}

fn serve(endpoint: Endpoint, size: u64, length: u64) -> u64 {
    let mut work = Work::new(size);
    let mut message = syscall::recv(endpoint.0);
    loop {
        let answer = work.run(message.regs[0]);
        if length > MESSAGE_REGISTERS as u64 {
            ipc::set_word(MESSAGE_REGISTERS, answer);
        }
        message = syscall::reply_recv(endpoint.0, words(0, length), [answer, 0, 0, 0]);
    }
}

/// How a side that sleeps is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Interrupt,
    Signal,
    Poll,
}

impl Way {
    /// How the calling thread notifies the one that is told by `to`.
    fn notify(self, to: Notification) -> Result<Notify, Failure> {
        Ok(match self {
            Self::Interrupt => Notify::Interrupt(to.register_sender()?),
            Self::Signal => Notify::Signal(to),
            Self::Poll => Notify::Never,
        })
    }

    fn idle(self, plan: Plan, own: Notification) -> Idle {
        match self {
            Self::Poll => Idle::Poll,
            Self::Interrupt if plan.halts => Idle::Halt,
            _ => Idle::Sleep(own),
        }
    }
}

fn asynchronous(world: &mut World, plan: Plan, way: Way) -> Result<Score, Failure> {
    // No larger than need be, so that it stays in the caches.
    let channel = world.channel()?.limited(plan.concurrency.next_power_of_two() as usize);
    let own = world.equip_self()?;
    let server = world.thread(Home::on(plan.hart))?;
    let theirs = world.equip(server.tcb)?;
    let (to_server, to_client) = (world.badged(theirs, 1)?, world.badged(own, 1)?);
    world.start(&server, move || answer_all(channel, plan, way, theirs, to_client))?;

    let executor: &'static Executor = Box::leak(Executor::new(plan.concurrency as usize));
    let client: &'static Client<'_> =
        Box::leak(Box::new(Client::new(executor, channel, way.notify(to_server)?)));
    let idle = way.idle(plan, own);
    let errors: &'static Cell<u64> = Box::leak(Box::new(Cell::new(0)));
    let spawn = |each: u64| {
        for task in 0..plan.concurrency {
            executor.spawn(0, async move {
                for n in 0..each {
                    let seed = task << 32 | n;
                    let reply = client.call(Message::new(0, [seed])).await;
                    operation();
                    if reply.words[0] != work::answer(seed, plan.size) {
                        errors.set(errors.get() + 1);
                    }
                }
            });
        }
    };
    let run = || executor.run(&[client], idle);
    spawn(WARM_UP.div_ceil(plan.concurrency));
    run();
    let counted = || (executor.statistics.notifications.get(), executor.statistics.system_calls.get());
    let before = counted();
    spawn(plan.operations / plan.concurrency);
    measure(run);
    let after = counted();
    Ok(Score {
        operations: plan.operations,
        errors: errors.get(),
        sent: after.0 - before.0,
        calls: after.1 - before.1,
        ..Score::default()
    })
}

fn answer_all(channel: Shared, plan: Plan, way: Way, own: Notification, to_client: Notification) -> u64 {
    let Ok(notify) = way.notify(to_client) else { return 1 };
    let executor: &'static Executor = Box::leak(Executor::new(1));
    let server: &'static Server<'_> = Box::leak(Box::new(Server::new(executor, channel, notify)));
    executor.spawn(0, async move {
        let mut work = Work::new(plan.size);
        server.serve(|request: Message<1>| Message::new(0, [work.run(request.words[0])])).await;
    });
    executor.run(&[server], way.idle(plan, own));
    0
}
