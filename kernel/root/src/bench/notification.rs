//! Signals.

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_user::syscall;
use kernel_user::thread::Config;

use super::Bench;
use crate::env::{ABOVE, PRIORITY};
use crate::harness::Failure;

static CAME: AtomicU64 = AtomicU64::new(0);

pub(super) fn run(bench: &mut Bench<'_>) -> Result<(), Failure> {
    let notification = bench.env.notification()?;
    bench.timed("signal_nobody", || {
        syscall::signal(notification.0);
        Ok(())
    })?;
    bench.row("wait_signalled", |_, clock| {
        syscall::signal(notification.0);
        let before = clock.now();
        syscall::recv(notification.0);
        Ok(clock.now() - before)
    })?;
    bench.timed("poll_nothing", || {
        syscall::nb_recv(notification.0);
        Ok(())
    })?;

    let clock = bench.clock;
    bench.env.spawn(ABOVE, move || {
        loop {
            syscall::recv(notification.0);
            CAME.store(clock.now(), Ordering::Relaxed);
        }
    })?;
    bench.row("signal_to_higher_waiter", |_, clock| {
        let before = clock.now();
        syscall::signal(notification.0);
        Ok(CAME.load(Ordering::Relaxed) - before)
    })?;
    bench.timed("signal_to_higher_waiter_and_back", || {
        syscall::signal(notification.0);
        Ok(())
    })?;

    for hart in 0..bench.env.harts().min(2) {
        let (there, back) = (bench.env.notification()?, bench.env.notification()?);
        let config = Config { hart, ..Config::new(PRIORITY) };
        bench.env.spawn_with(&config, move || {
            loop {
                syscall::recv(there.0);
                syscall::signal(back.0);
            }
        })?;
        let name = if hart == 0 { "signal_wait_round_trip" } else { "signal_wait_round_trip_two_harts" };
        bench.timed(name, || {
            syscall::signal(there.0);
            syscall::recv(back.0);
            Ok(())
        })?;
    }
    Ok(())
}
