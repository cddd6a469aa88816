//! User interrupts: registration, delivery, withdrawal. Only where there is a UINTC; see [`WITHOUT`].

pub mod harts;
pub mod senders;

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_user::abi::{CapRights, Invocation, ObjectType};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{self, Notification, SenderTable, Tcb};
use kernel_user::syscall;
use kernel_user::thread::{Config, Thread};
use kernel_user::user_interrupt::{self, Handler, Inbox, Target};

use crate::env::{ABOVE, BELOW, Env, PRIORITY, SELF};
use crate::harness::{Failure, Outcome, Test};
use crate::{check, check_eq, check_err, tests};

tests!("user_interrupt":
    to_oneself,
    interrupts_go_to_the_handler,
    handler_keeps_registers,
    vectors_add_up,
    put_back_stays,
    off_means_pending,
    wakes_a_waiter,
    wakes_one_that_waits_for_messages,
    wait_does_not_miss_what_was_sent_before,
    signals_still_come,
    higher_waiter_runs_at_once,
    stays_pending_while_switched_out,
    registers_are_switched,
    a_receiver_runs_while_another_sleeps,
    suspended_receiver_keeps_what_comes,
    bad_receivers,
    receivers_run_out_and_come_back,
    unbound_receiver_keeps_what_comes_for_the_next,
    deleted_receiver_is_not_interrupted,
);

/// What there is to test on a machine without a UINTC.
pub const WITHOUT: &[Test] =
    &[Test { name: "user_interrupt::refused_without_a_uintc", run: refused_without_a_uintc }];

/// A notification that a thread is the receiver of.
pub(super) fn receiver(env: &mut Env, thread: Tcb) -> invoke::Result<Notification> {
    let notification = env.notification()?;
    thread.bind_notification(notification)?;
    notification.register_receiver(thread)?;
    Ok(notification)
}

pub(super) fn table(env: &mut Env) -> invoke::Result<SenderTable> {
    env.make(ObjectType::SenderTable, 0).map(SenderTable)
}

pub(super) fn badged(env: &mut Env, notification: Notification, badge: u64) -> invoke::Result<Notification> {
    env.mint(notification.0, CapRights::WRITE, badge).map(Notification)
}

/// The root task may send `vector` to the receiver of `notification`.
pub(super) fn sender(env: &mut Env, notification: Notification, vector: u64) -> invoke::Result<Target> {
    badged(env, notification, vector)?.register_sender()
}

/// The root task has a sender table.
pub(super) fn with_table(env: &mut Env) -> invoke::Result<SenderTable> {
    let table = table(env)?;
    SELF.set_sender_table(table)?;
    Ok(table)
}

fn refused_without_a_uintc(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    SELF.bind_notification(notification)?;
    check_err!(notification.register_receiver(SELF), NotEnoughMemory, 0);
    check_err!(notification.register_sender(), IllegalOperation);
    let table = table(env)?;
    check_err!(SELF.set_sender_table(table), IllegalOperation);
    Ok(())
}

fn to_oneself(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let target = sender(env, notification, 5)?;
    check_eq!(user_interrupt::take(), 0);
    target.send();
    check_eq!(user_interrupt::take(), 1 << 5);
    check_eq!(user_interrupt::take(), 0);
    Ok(())
}

static INBOX: Inbox = Inbox::new();

fn interrupts_go_to_the_handler(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let target = sender(env, notification, 63)?;
    let before = INBOX.count();
    // SAFETY: the inbox is static, and used by this thread alone.
    unsafe { user_interrupt::use_inbox(&INBOX) };
    user_interrupt::enable();
    for n in 1..=100 {
        target.send();
        while !INBOX.has_some() {}
        check_eq!(INBOX.take(), 1 << 63);
        check_eq!(INBOX.count() - before, n);
    }
    user_interrupt::disable();
    Ok(())
}

static SEEN: AtomicU64 = AtomicU64::new(0);

extern "C" fn see(vectors: u64, context: u64) {
    // Something that takes registers of both kinds.
    let mut sum = 0.0;
    for n in 0..64 {
        sum += f64::from(n) * f64::from(vectors as u32);
    }
    SEEN.fetch_add(vectors + context + u64::from(sum < 0.0), Ordering::Relaxed);
}

static HANDLER: Handler = Handler { run: see, context: 1 << 40 };

fn handler_keeps_registers(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let target = sender(env, notification, 1)?;
    SEEN.store(0, Ordering::Relaxed);
    // SAFETY: the handler touches nothing but a counter.
    unsafe { user_interrupt::use_handler(&HANDLER) };
    user_interrupt::enable();
    let mut sums = [0.0_f64; 8];
    let mut check = 0u64;
    for n in 0..200u32 {
        target.send();
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum += f64::from(n) * k as f64;
        }
        check = check.wrapping_mul(31).wrapping_add(u64::from(n));
    }
    while SEEN.load(Ordering::Relaxed) < 200 * ((1 << 40) + 2) {}
    user_interrupt::disable();
    check_eq!(SEEN.load(Ordering::Relaxed), 200 * ((1 << 40) + 2));
    for (k, &sum) in sums.iter().enumerate() {
        check!(sum == 19900.0 * k as f64);
    }
    check_eq!(check, (0..200).fold(0u64, |all, n| all.wrapping_mul(31).wrapping_add(n)));
    Ok(())
}

fn vectors_add_up(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let mut all = 0;
    for vector in [0, 1, 17, 62] {
        sender(env, notification, vector)?.send();
        all |= 1 << vector;
    }
    check_eq!(user_interrupt::take(), all);
    Ok(())
}

fn put_back_stays(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    user_interrupt::put_back(0b1010);
    check_eq!(user_interrupt::wait(notification), 0);
    check_eq!(user_interrupt::take(), 0b1010);
    Ok(())
}

fn off_means_pending(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let target = sender(env, notification, 2)?;
    // SAFETY: as above.
    unsafe { user_interrupt::use_inbox(&INBOX) };
    let before = INBOX.count();
    target.send();
    syscall::yield_now();
    check_eq!(INBOX.count(), before);
    user_interrupt::enable();
    while !INBOX.has_some() {}
    user_interrupt::disable();
    check_eq!(INBOX.take(), 1 << 2);
    Ok(())
}

/// A thread that registers itself, says so, and then waits with `wait` for what comes `rounds` times; the vectors
/// together.
fn waiter(
    env: &mut Env,
    priority: u64,
    rounds: u64,
    wait: fn(u64) -> u64,
    on: u64,
) -> Result<(Thread, Notification), Failure> {
    let thread = Thread::new(&mut env.resources(), &Config::new(priority))?;
    let notification = receiver(env, thread.tcb)?;
    let on = if on == 0 { notification.0 } else { on };
    thread.start(move || {
        let mut all = 0;
        for _ in 0..rounds {
            all |= wait(on) << 32;
            all |= user_interrupt::take();
        }
        all
    })?;
    Ok((thread, notification))
}

fn receive(cptr: u64) -> u64 {
    syscall::recv(cptr).badge
}

fn wakes_a_waiter(env: &mut Env) -> Outcome {
    with_table(env)?;
    for priority in [BELOW, PRIORITY, ABOVE] {
        let (thread, notification) = waiter(env, priority, 2, receive, 0)?;
        let targets = [sender(env, notification, 3)?, sender(env, notification, 9)?];
        // It waits.
        SELF.set_priority(SELF, BELOW)?;
        syscall::yield_now();
        targets[0].send();
        syscall::yield_now();
        targets[1].send();
        SELF.set_priority(SELF, PRIORITY)?;
        syscall::recv(thread.done.0);
        check_eq!(thread.result(), Some(1 << 3 | 1 << 9));
    }
    Ok(())
}

fn wakes_one_that_waits_for_messages(env: &mut Env) -> Outcome {
    with_table(env)?;
    let endpoint = env.endpoint()?;
    let (thread, notification) = waiter(env, ABOVE, 1, receive, endpoint.0)?;
    sender(env, notification, 7)?.send();
    syscall::recv(thread.done.0);
    check_eq!(thread.result(), Some(1 << 7));
    // It has left the endpoint: nobody takes this.
    syscall::nb_send(endpoint.0, crate::env::words(0, 0), [0; 4]);
    Ok(())
}

fn wait_does_not_miss_what_was_sent_before(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let target = sender(env, notification, 11)?;
    for _ in 0..50 {
        target.send();
        check_eq!(user_interrupt::wait(notification), 0);
        check_eq!(user_interrupt::take(), 1 << 11);
    }
    Ok(())
}

fn signals_still_come(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    let signal = badged(env, notification, 0x700)?;
    syscall::signal(signal.0);
    check_eq!(user_interrupt::wait(notification), 0x700);
    check_eq!(user_interrupt::take(), 0);
    let (thread, theirs) = waiter(env, ABOVE, 1, receive, 0)?;
    let signal = badged(env, theirs, 0x70)?;
    syscall::signal(signal.0);
    syscall::recv(thread.done.0);
    check_eq!(thread.result(), Some(0x70 << 32));
    Ok(())
}

fn higher_waiter_runs_at_once(env: &mut Env) -> Outcome {
    with_table(env)?;
    let (thread, notification) = waiter(env, ABOVE, 1, receive, 0)?;
    let target = sender(env, notification, 4)?;
    check_eq!(thread.result(), None);
    target.send();
    // Without a system call: the kernel is interrupted.
    for _ in 0..100_000 {
        if thread.result().is_some() {
            break;
        }
    }
    check_eq!(thread.result(), Some(1 << 4));
    Ok(())
}

fn stays_pending_while_switched_out(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    let helper = Thread::new(&mut env.resources(), &Config::new(BELOW))?;
    // The helper sends while this thread waits for something else.
    let theirs = table(env)?;
    helper.tcb.set_sender_table(theirs)?;
    let badge = badged(env, notification, 21)?;
    // SAFETY: as above.
    unsafe { user_interrupt::use_inbox(&INBOX) };
    let before = INBOX.count();
    user_interrupt::enable();
    helper.start(move || {
        let Ok(target) = badge.register_sender() else { return 1 };
        target.send();
        target.send();
        0
    })?;
    syscall::recv(helper.done.0);
    while !INBOX.has_some() {}
    user_interrupt::disable();
    check_eq!(helper.result(), Some(0));
    check_eq!(INBOX.take(), 1 << 21);
    check_eq!(INBOX.count(), before + 1);
    Ok(())
}

static INBOXES: [Inbox; 3] = [const { Inbox::new() }; 3];

fn registers_are_switched(env: &mut Env) -> Outcome {
    with_table(env)?;
    let mut threads = [None; 3];
    for (n, place) in threads.iter_mut().enumerate() {
        let thread = Thread::new(&mut env.resources(), &Config::new(BELOW))?;
        let notification = receiver(env, thread.tcb)?;
        let inbox = &INBOXES[n];
        let start = inbox.count();
        thread.start(move || {
            // SAFETY: the inbox is static, and used by this thread alone.
            unsafe { user_interrupt::use_inbox(inbox) };
            user_interrupt::enable();
            let mut all = 0;
            while all != 0xff << (8 * n) {
                all |= inbox.take();
                syscall::yield_now();
            }
            inbox.count() - start
        })?;
        *place = Some((thread, notification));
    }
    SELF.set_priority(SELF, BELOW)?;
    for round in 0..8 {
        for (n, place) in threads.iter().enumerate() {
            let Some((_, notification)) = *place else { continue };
            sender(env, notification, 8 * n as u64 + round)?.send();
        }
        syscall::yield_now();
    }
    for (thread, _) in threads.into_iter().flatten() {
        syscall::recv(thread.done.0);
        check!(thread.result().is_some_and(|count| (1..=8).contains(&count)));
    }
    Ok(())
}

fn a_receiver_runs_while_another_sleeps(env: &mut Env) -> Outcome {
    // This thread is a receiver, too, so that the other one's line is not watched while it runs.
    receiver(env, SELF)?;
    with_table(env)?;
    let (thread, notification) = waiter(env, ABOVE, 1, receive, 0)?;
    let target = sender(env, notification, 30)?;
    target.send();
    check_eq!(thread.result(), None);
    // The kernel looks whenever it chooses what runs.
    syscall::yield_now();
    check_eq!(thread.result(), Some(1 << 30));
    // And with each tick.
    let (thread, notification) = waiter(env, ABOVE, 1, receive, 0)?;
    sender(env, notification, 31)?.send();
    for _ in 0..100_000_000u64 {
        if thread.result().is_some() {
            break;
        }
    }
    check_eq!(thread.result(), Some(1 << 31));
    Ok(())
}

fn suspended_receiver_keeps_what_comes(env: &mut Env) -> Outcome {
    with_table(env)?;
    let (thread, notification) = waiter(env, ABOVE, 1, receive, 0)?;
    let target = sender(env, notification, 12)?;
    thread.tcb.suspend()?;
    target.send();
    syscall::yield_now();
    check_eq!(thread.result(), None);
    thread.tcb.resume()?;
    syscall::recv(thread.done.0);
    check_eq!(thread.result(), Some(1 << 12));
    Ok(())
}

fn bad_receivers(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    check_err!(notification.register_receiver(SELF), IllegalOperation);
    let thread = env.tcb()?;
    SELF.bind_notification(notification)?;
    check_err!(notification.register_receiver(thread), IllegalOperation);
    check_err!(notification.register_receiver(Tcb(notification.0)), InvalidCapability, 1);
    let label = kernel_user::bootinfo::label(Invocation::NotificationRegisterReceiver);
    check_err!(invoke::invoke_label(notification.0, label, &[], &[]), TruncatedMessage);
    notification.register_receiver(SELF)?;
    check_err!(notification.register_receiver(SELF), IllegalOperation);
    SELF.unbind_notification()?;
    SELF.bind_notification(notification)?;
    notification.register_receiver(SELF)?;
    Ok(())
}

fn receivers_run_out_and_come_back(env: &mut Env) -> Outcome {
    let threads = env.untyped(22)?;
    let mut made = 0;
    for _ in 0..2 {
        let slots = env.slots.mark();
        let mut count = 0;
        loop {
            let (tcb, notification) = (Tcb(env.slots.take()), Notification(env.slots.take()));
            threads.retype(ObjectType::Tcb, 0, ROOT_CNODE, 0, 0, tcb.0, 1)?;
            threads.retype(ObjectType::Notification, 0, ROOT_CNODE, 0, 0, notification.0, 1)?;
            tcb.bind_notification(notification)?;
            match notification.register_receiver(tcb) {
                Ok(()) => count += 1,
                error => {
                    check_err!(error, NotEnoughMemory, 0);
                    break;
                }
            }
        }
        check!(count >= 31);
        check!(made == 0 || made == count);
        made = count;
        ROOT_CNODE.revoke(threads.0, DEPTH)?;
        env.slots.reset(slots);
    }
    Ok(())
}

fn unbound_receiver_keeps_what_comes_for_the_next(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let target = sender(env, notification, 8)?;
    SELF.unbind_notification()?;
    target.send();
    check_eq!(user_interrupt::take(), 0);
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    thread.tcb.bind_notification(notification)?;
    notification.register_receiver(thread.tcb)?;
    thread.start(user_interrupt::take)?;
    check_eq!(thread.result(), Some(1 << 8));
    Ok(())
}

fn deleted_receiver_is_not_interrupted(env: &mut Env) -> Outcome {
    with_table(env)?;
    let (thread, notification) = waiter(env, ABOVE, 1, receive, 0)?;
    let target = sender(env, notification, 8)?;
    ROOT_CNODE.revoke(thread.tcb.0, DEPTH)?;
    ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    target.send();
    syscall::yield_now();
    // Another one may take its place.
    SELF.bind_notification(notification)?;
    notification.register_receiver(SELF)?;
    check_eq!(user_interrupt::take(), 1 << 8);
    Ok(())
}
