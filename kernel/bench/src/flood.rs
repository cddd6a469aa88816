//! `bench=flood`: a hart sends user interrupts to a receiver on another one as fast as it can. How long does another
//! thread of that hart wait at most? As urgent as the receiver, which does nothing but receive, for the receiver's time
//! slice, at whose end the kernel's timer takes the hart from it; more urgent than one that sleeps, for a kernel entry.

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_root::env::PRIORITY;
use kernel_root::harness::Failure;
use kernel_user::invoke::Notification;
use kernel_user::println;
use kernel_user::time::cycles;
use kernel_user::user_interrupt::{self, Handler};

use crate::measure::{Score, measure, operation};
use crate::params::{Params, Unknown};
use crate::world::{Home, World};

/// By how many cycles the flood may lengthen the wait: the instruction that the timer interrupts is the receiver's
/// entry at worst, and the kernel wakes a receiver and takes the tick.
const SLACK: u64 = 5_000;

/// Which receiver is flooded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiver {
    /// One that runs, with a handler.
    Runs,
    /// One that waits in the kernel whenever it runs, and is less urgent than the thread beside it.
    Sleeps,
}

/// User interrupts that have come.
static CAME: AtomicU64 = AtomicU64::new(0);
/// The longest time between two looks at the clock by the thread beside the receiver, since this was 0.
static LONGEST: AtomicU64 = AtomicU64::new(0);
/// Times that it has looked.
static LOOKS: AtomicU64 = AtomicU64::new(0);

extern "C" fn receive(_vectors: u64, _context: u64) {
    CAME.fetch_add(1, Ordering::Relaxed);
}

static HANDLER: Handler = Handler { run: receive, context: 0 };

pub fn run(world: &mut World, params: Params) -> Result<Result<Score, Failure>, Unknown> {
    let receiver = params.choice("mech", &[("runs", Receiver::Runs), ("sleeps", Receiver::Sleeps)])?;
    // Several time slices of both threads.
    let length = params.number("cycles", 3_000_000)?;
    Ok(start(world, receiver, length))
}

fn start(world: &mut World, kind: Receiver, length: u64) -> Result<Score, Failure> {
    world.equip_self()?;
    let receiver = world.thread(Home::on(1))?;
    let own = world.equip(receiver.tcb)?;
    let to = world.badged(own, 1)?;
    world.start(&receiver, move || be_flooded(kind, own))?;
    let urgency = PRIORITY + u64::from(kind == Receiver::Sleeps);
    let beside = world.thread(Home { priority: urgency, ..Home::on(1) })?;
    world.start(&beside, look_at_the_clock)?;
    let target = to.register_sender()?;

    let quiet = longest(length, || {});
    let mut sent = 0;
    let flooded = measure(|| {
        longest(length, || {
            target.send();
            sent += 1;
            operation();
        })
    });
    let came = CAME.load(Ordering::Relaxed);
    println!("flood: {sent} sent, {came} came; longest wait {flooded} cycles, {quiet} without");
    let errors = u64::from(flooded > quiet + SLACK) + u64::from(came == 0 && kind == Receiver::Runs);
    Ok(Score { operations: sent, errors, sent, latency: flooded, ..Score::default() })
}

/// The longest wait of the thread beside the receiver while `what` is done again and again for `length` cycles.
fn longest(length: u64, mut what: impl FnMut()) -> u64 {
    // It runs, and has looked since.
    LONGEST.store(0, Ordering::Relaxed);
    let (looks, start) = (LOOKS.load(Ordering::Relaxed), cycles());
    while cycles() - start < length || LOOKS.load(Ordering::Relaxed) == looks {
        what();
    }
    LONGEST.load(Ordering::Relaxed)
}

fn be_flooded(kind: Receiver, own: Notification) -> u64 {
    if kind == Receiver::Runs {
        // SAFETY: the handler is static, and this thread's alone.
        unsafe { user_interrupt::use_handler(&HANDLER) };
        user_interrupt::enable();
        loop {
            core::hint::spin_loop();
        }
    }
    loop {
        let _ = user_interrupt::wait(own);
        CAME.fetch_add(u64::from(user_interrupt::take() != 0), Ordering::Relaxed);
    }
}

fn look_at_the_clock() -> u64 {
    let mut last = cycles();
    loop {
        let now = cycles();
        if now - last > LONGEST.load(Ordering::Relaxed) {
            LONGEST.store(now - last, Ordering::Relaxed);
        }
        last = now;
        LOOKS.fetch_add(1, Ordering::Relaxed);
    }
}
