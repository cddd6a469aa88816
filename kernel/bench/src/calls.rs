//! `bench=calls`: pairs of invocations, synchronously or asynchronously, served by this hart or another.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

use kernel_root::harness::Failure;
use kernel_tasks::calls::{Calls, Place};
use kernel_tasks::{Executor, Idle};

use crate::measure::{Score, WARM_UP, measure, operation};
use crate::pairs::{Copied, Object, Page, Pair};
use crate::params::{Params, Unknown};
use crate::world::World;

/// Who serves requests.
const MECHANISMS: [(&str, Option<Place>); 3] =
    [("sync", None), ("async", Some(Place::Here)), ("elsewhere", Some(Place::Elsewhere))];

/// What the client does when there is nothing to do.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// It sleeps in the kernel.
    Sleep,
    /// It stops its hart.
    Halt,
    /// It looks for completions all the time.
    Poll,
}

/// What the kernel is asked to do.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Map,
    Copy,
    Mint,
    Retype,
}

const ASKED: [(&str, Asked); 4] =
    [("map", Asked::Map), ("copy", Asked::Copy), ("mint", Asked::Mint), ("retype", Asked::Retype)];

/// How it is to be done.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Who serves asynchronous requests.
    place: Option<Place>,
    /// Requests that are under way together.
    concurrency: u64,
    /// Invocations that are measured, two for each pair: a multiple of that.
    operations: u64,
    wait: Wait,
}

pub fn run(world: &mut World, params: Params) -> Result<Result<Score, Failure>, Unknown> {
    let place = params.choice("mech", &MECHANISMS)?;
    let asked = params.choice("call", &ASKED)?;
    let concurrency = params.number("conc", 1)?.clamp(1, 1024);
    let operations = params.number("ops", 2000)?.max(1).next_multiple_of(2 * concurrency);
    let wait =
        params.choice("idle", &[("sleep", Wait::Sleep), ("halt", Wait::Halt), ("poll", Wait::Poll)])?;
    let plan = Plan { place, concurrency, operations, wait };
    Ok(match asked {
        Asked::Map => start::<Page>(world, plan),
        Asked::Copy => start::<Copied<false>>(world, plan),
        Asked::Mint => start::<Copied<true>>(world, plan),
        Asked::Retype => start::<Object>(world, plan),
    })
}

fn start<P: Pair>(world: &mut World, plan: Plan) -> Result<Score, Failure> {
    let mut pairs = Vec::new();
    for _ in 0..plan.concurrency {
        pairs.push(P::new(&mut world.env)?);
    }
    match plan.place {
        None => synchronous(&pairs, plan.operations),
        Some(place) => asynchronous(world, pairs, plan, place),
    }
}

fn synchronous<P: Pair>(pairs: &[P], operations: u64) -> Result<Score, Failure> {
    let each = operations / 2 / pairs.len() as u64;
    let mut errors = 0;
    // In the order in which asynchronous ones come.
    let mut run = |count: u64| {
        for _ in 0..count {
            for pair in pairs {
                errors += u64::from(pair.first().run().is_err());
                operation();
            }
            for pair in pairs {
                errors += u64::from(pair.second().run().is_err());
                operation();
            }
        }
    };
    run(WARM_UP.div_ceil(pairs.len() as u64));
    measure(|| run(each));
    Ok(Score { operations, errors, calls: operations, ..Score::default() })
}

/// What the tasks have in common: each keeps no more to itself than it has to.
struct Shared {
    calls: &'static Calls<'static>,
    errors: Cell<u64>,
}

impl Shared {
    #[allow(clippy::manual_async_fn, reason = "the task of one would hold its arguments twice")]
    fn repeat<P: Pair>(&'static self, pair: P, mut count: u64) -> impl Future<Output = ()> {
        async move {
            while count > 0 {
                self.check(self.calls.run(pair.first()).await.is_ok());
                self.check(self.calls.run(pair.second()).await.is_ok());
                count -= 1;
            }
        }
    }

    /// The end of an operation.
    #[inline(always)]
    fn check(&self, is_ok: bool) {
        operation();
        if !is_ok {
            self.errors.set(self.errors.get() + 1);
        }
    }
}

fn asynchronous<P: Pair>(
    world: &mut World,
    pairs: Vec<P>,
    plan: Plan,
    place: Place,
) -> Result<Score, Failure> {
    let own = world.equip_self()?;
    let told = world.badged(own, 1)?;
    // No larger than need be, so that it stays in the caches.
    let most = match place {
        Place::Here => 32,
        Place::Elsewhere => 1024,
    };
    let channel = world.kernel_channel(told, pairs.len().next_power_of_two().min(most) as u64)?;
    let executor: &'static Executor = Box::leak(Executor::new(pairs.len()));
    let calls: &'static Calls<'_> = Box::leak(Box::new(Calls::new(executor, channel, place)));
    let shared: &'static Shared = Box::leak(Box::new(Shared { calls, errors: Cell::new(0) }));
    let each = plan.operations / 2 / pairs.len() as u64;
    let idle = match plan.wait {
        Wait::Sleep => Idle::Sleep(own),
        Wait::Halt => Idle::Halt,
        Wait::Poll => Idle::Poll,
    };
    let spawn = |count: u64| {
        for &pair in &pairs {
            executor.spawn(0, shared.repeat(pair, count));
        }
    };
    let run = || executor.run(&[calls], idle);
    spawn(WARM_UP.div_ceil(pairs.len() as u64));
    run();
    let before = executor.statistics.system_calls.get();
    spawn(each);
    measure(run);
    let made = executor.statistics.system_calls.get() - before;
    Ok(Score { operations: plan.operations, errors: shared.errors.get(), calls: made, ..Score::default() })
}
