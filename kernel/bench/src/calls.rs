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
    let halts = params.choice("idle", &[("sleep", false), ("halt", true)])?;
    Ok(start(world, place, concurrency, operations, halts))
}

fn start(
    world: &mut World,
    place: Option<Place>,
    concurrency: u64,
    operations: u64,
    halts: bool,
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
        Some(place) => asynchronous(world, pages, operations, place, halts),
    }
}

fn synchronous(pages: &[Page], operations: u64) -> Result<Score, Failure> {
    let each = operations / 2 / pages.len() as u64;
    let mut errors = 0;
    let mut run = |count: u64| {
        for page in pages {
            for _ in 0..count {
                let mapped = page.map().run().is_ok();
                operation();
                let unmapped = page.frame.unmap_order().run().is_ok();
                operation();
                errors += u64::from(!mapped) + u64::from(!unmapped);
            }
        }
    };
    run(WARM_UP.div_ceil(pages.len() as u64));
    measure(|| run(each));
    Ok(Score { operations, errors, calls: operations, ..Score::default() })
}

fn asynchronous(
    world: &mut World,
    pages: Vec<Page>,
    operations: u64,
    place: Place,
    halts: bool,
) -> Result<Score, Failure> {
    let own = world.equip_self()?;
    let told = world.badged(own, 1)?;
    let channel = world.kernel_channel(told, pages.len().next_power_of_two() as u64)?;
    let executor: &'static Executor = Box::leak(Executor::new(pages.len()));
    let calls: &'static Calls<'_> = Box::leak(Box::new(Calls::new(executor, channel, place)));
    let errors: &'static Cell<u64> = Box::leak(Box::new(Cell::new(0)));
    let each = operations / 2 / pages.len() as u64;
    let idle = if halts { Idle::Halt } else { Idle::Sleep(own) };
    let run = |count: u64| {
        for &page in &pages {
            executor.spawn(0, async move {
                for _ in 0..count {
                    let mapped = calls.run(page.map()).await.is_ok();
                    operation();
                    let unmapped = calls.run(page.frame.unmap_order()).await.is_ok();
                    operation();
                    errors.set(errors.get() + u64::from(!mapped) + u64::from(!unmapped));
                }
            });
        }
        executor.run(&[calls], idle);
    };
    run(WARM_UP.div_ceil(pages.len() as u64));
    let before = executor.statistics.system_calls.get();
    measure(|| run(each));
    let made = executor.statistics.system_calls.get() - before;
    Ok(Score { operations, errors: errors.get(), calls: made, ..Score::default() })
}
