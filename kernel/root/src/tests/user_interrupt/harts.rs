//! User interrupts among several harts; with one, all is on this.

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::Notification;
use kernel_user::syscall;
use kernel_user::thread::{Config, Thread};
use kernel_user::user_interrupt;

use super::{INBOX, badged, receiver, sender, table, with_table};
use crate::env::{ABOVE, BELOW, Env, PRIORITY, SELF};
use crate::harness::{Failure, Outcome};
use crate::{check_eq, tests};

tests!("user_interrupt":
    from_hart_to_hart,
    receiver_that_sleeps_on_another_hart,
    receiver_that_moves,
    revoked_while_another_hart_sends,
);

/// The hart beside this one, or this one.
fn next_hart(env: &Env) -> u64 {
    1 % env.harts()
}

fn from_hart_to_hart(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    let config = Config { hart: next_hart(env), ..Config::new(BELOW) };
    let thread = Thread::new(&mut env.resources(), &config)?;
    let theirs = table(env)?;
    thread.tcb.set_sender_table(theirs)?;
    let badge = badged(env, notification, 40)?;
    // SAFETY: as above.
    unsafe { user_interrupt::use_inbox(&INBOX) };
    let before = INBOX.count();
    user_interrupt::enable();
    thread.start(move || {
        let Ok(target) = badge.register_sender() else { return 1 };
        target.send();
        0
    })?;
    syscall::recv(thread.done.0);
    while !INBOX.has_some() {}
    user_interrupt::disable();
    check_eq!((thread.result(), INBOX.take(), INBOX.count()), (Some(0), 1 << 40, before + 1));
    Ok(())
}

fn waiter_on(env: &mut Env, hart: u64, rounds: u64) -> Result<(Thread, Notification), Failure> {
    let config = Config { hart, ..Config::new(ABOVE) };
    let thread = Thread::new(&mut env.resources(), &config)?;
    let notification = receiver(env, thread.tcb)?;
    thread.start(move || {
        let mut all = 0;
        for _ in 0..rounds {
            let _ = user_interrupt::wait(notification);
            all += user_interrupt::take();
        }
        all
    })?;
    Ok((thread, notification))
}

fn receiver_that_sleeps_on_another_hart(env: &mut Env) -> Outcome {
    with_table(env)?;
    let hart = next_hart(env);
    let (thread, notification) = waiter_on(env, hart, 1)?;
    let target = sender(env, notification, 33)?;
    target.send();
    syscall::recv(thread.done.0);
    check_eq!(thread.result(), Some(1 << 33));
    Ok(())
}

fn receiver_that_moves(env: &mut Env) -> Outcome {
    with_table(env)?;
    let harts = env.harts();
    let (thread, notification) = waiter_on(env, 0, 1)?;
    let target = sender(env, notification, 34)?;
    for n in 1..=2 * harts {
        if harts > 1 {
            thread.tcb.set_affinity(n % harts)?;
        }
        check_eq!(thread.result(), None);
    }
    target.send();
    syscall::recv(thread.done.0);
    check_eq!(thread.result(), Some(1 << 34));
    Ok(())
}

static STOP: AtomicU64 = AtomicU64::new(0);

fn revoked_while_another_hart_sends(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    let config = Config { hart: next_hart(env), ..Config::new(PRIORITY) };
    let thread = Thread::new(&mut env.resources(), &config)?;
    let theirs = table(env)?;
    thread.tcb.set_sender_table(theirs)?;
    let badge = badged(env, notification, 50)?;
    STOP.store(0, Ordering::Relaxed);
    thread.start(move || {
        let Ok(target) = badge.register_sender() else { return 1 };
        while STOP.load(Ordering::Relaxed) == 0 {
            target.send();
            syscall::yield_now();
        }
        0
    })?;
    while user_interrupt::take() == 0 {
        syscall::yield_now();
    }
    ROOT_CNODE.revoke(notification.0, DEPTH)?;
    // What was on its way has come by now.
    syscall::yield_now();
    let _ = user_interrupt::take();
    for _ in 0..200 {
        syscall::yield_now();
        check_eq!(user_interrupt::take(), 0);
    }
    STOP.store(1, Ordering::Relaxed);
    syscall::recv(thread.done.0);
    check_eq!(thread.result(), Some(0));
    Ok(())
}
