//! `bench=calls`: mapping and unmapping pages, synchronously or asynchronously, served by this hart or another.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

use kernel_root::harness::Failure;
use kernel_tasks::calls::{Calls, Place};
use kernel_tasks::{Executor, Idle};
use kernel_user::abi::{CapRights, VmAttributes, bits};
use kernel_user::invoke::Frame;
use kernel_user::order::Order;

use crate::measure::{Score, WARM_UP, measure, operation};
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

/// A page of a client: where it is mapped and unmapped.
#[derive(Debug, Clone, Copy)]
struct Page {
    frame: Frame,
    address: u64,
}

impl Page {
    #[inline(always)]
    fn map(self) -> Order {
        self.frame.map_order(World::vspace(), self.address, CapRights::ALL, VmAttributes::EXECUTE_NEVER)
    }
}

pub fn run(world: &mut World, params: Params) -> Result<Result<Score, Failure>, Unknown> {
    let place = params.choice("mech", &MECHANISMS)?;
    let concurrency = params.number("conc", 1)?.clamp(1, 1024);
    // Each task maps and unmaps.
    let operations = params.number("ops", 2000)?.max(1).next_multiple_of(2 * concurrency);
    let wait =
        params.choice("idle", &[("sleep", Wait::Sleep), ("halt", Wait::Halt), ("poll", Wait::Poll)])?;
    Ok(start(world, place, concurrency, operations, wait))
}

fn start(
    world: &mut World,
    place: Option<Place>,
    concurrency: u64,
    operations: u64,
    wait: Wait,
) -> Result<Score, Failure> {
    let mut pages = Vec::new();
    for _ in 0..concurrency {
        let frame = world.env.frame()?;
        // Page tables are made by the way.
        let address = world.env.map(frame, bits::PAGE)?;
        frame.unmap()?;
        pages.push(Page { frame, address });
    }
    match place {
        None => synchronous(&pages, operations),
        Some(place) => asynchronous(world, pages, operations, place, wait),
    }
}

fn synchronous(pages: &[Page], operations: u64) -> Result<Score, Failure> {
    let each = operations / 2 / pages.len() as u64;
    let mut errors = 0;
    // In the order in which asynchronous ones come.
    let mut run = |count: u64| {
        for _ in 0..count {
            for page in pages {
                errors += u64::from(page.map().run().is_err());
                operation();
            }
            for page in pages {
                errors += u64::from(page.frame.unmap_order().run().is_err());
                operation();
            }
        }
    };
    run(WARM_UP.div_ceil(pages.len() as u64));
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
    fn map_and_unmap(&'static self, page: Page, mut count: u64) -> impl Future<Output = ()> {
        async move {
            while count > 0 {
                self.check(self.calls.run(page.map()).await.is_ok());
                self.check(self.calls.run(page.frame.unmap_order()).await.is_ok());
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

fn asynchronous(
    world: &mut World,
    pages: Vec<Page>,
    operations: u64,
    place: Place,
    wait: Wait,
) -> Result<Score, Failure> {
    let own = world.equip_self()?;
    let told = world.badged(own, 1)?;
    // No larger than need be, so that it stays in the caches.
    let most = match place {
        Place::Here => 32,
        Place::Elsewhere => 1024,
    };
    let channel = world.kernel_channel(told, pages.len().next_power_of_two().min(most) as u64)?;
    let executor: &'static Executor = Box::leak(Executor::new(pages.len()));
    let calls: &'static Calls<'_> = Box::leak(Box::new(Calls::new(executor, channel, place)));
    let shared: &'static Shared = Box::leak(Box::new(Shared { calls, errors: Cell::new(0) }));
    let each = operations / 2 / pages.len() as u64;
    let idle = match wait {
        Wait::Sleep => Idle::Sleep(own),
        Wait::Halt => Idle::Halt,
        Wait::Poll => Idle::Poll,
    };
    let spawn = |count: u64| {
        for &page in &pages {
            executor.spawn(0, shared.map_and_unmap(page, count));
        }
    };
    let run = || executor.run(&[calls], idle);
    spawn(WARM_UP.div_ceil(pages.len() as u64));
    run();
    let before = executor.statistics.system_calls.get();
    spawn(each);
    measure(run);
    let made = executor.statistics.system_calls.get() - before;
    Ok(Score { operations, errors: shared.errors.get(), calls: made, ..Score::default() })
}
