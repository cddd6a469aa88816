//! User interrupts: registration, delivery, withdrawal. Only where there is a UINTC; see [`WITHOUT`].

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_user::abi::{CapRights, Invocation, ObjectType, bits};
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
    bad_senders,
    bad_receivers,
    bad_sender_tables,
    table_is_full,
    receivers_run_out_and_come_back,
    revoked_sender_reaches_nobody,
    revoked_badge_leaves_others,
    deleted_notification_withdraws_senders,
    deleted_table_sends_nothing,
    replaced_table_sends_nothing,
    entries_are_not_inherited,
    tables_are_switched,
    a_thread_without_table_reaches_nobody,
    unbound_receiver_keeps_what_comes_for_the_next,
    deleted_receiver_is_not_interrupted,
    labels_sent_are_signals,
    from_hart_to_hart,
    receiver_that_sleeps_on_another_hart,
    receiver_that_moves,
    revoked_while_another_hart_sends,
);

/// What there is to test on a machine without a UINTC.
pub const WITHOUT: &[Test] =
    &[Test { name: "user_interrupt::refused_without_a_uintc", run: refused_without_a_uintc }];

/// A notification that a thread is the receiver of.
fn receiver(env: &mut Env, thread: Tcb) -> invoke::Result<Notification> {
    let notification = env.notification()?;
    thread.bind_notification(notification)?;
    notification.register_receiver(thread)?;
    Ok(notification)
}

fn table(env: &mut Env) -> invoke::Result<SenderTable> {
    env.make(ObjectType::SenderTable, 0).map(SenderTable)
}

fn badged(env: &mut Env, notification: Notification, badge: u64) -> invoke::Result<Notification> {
    env.mint(notification.0, CapRights::WRITE, badge).map(Notification)
}

/// The root task may send `vector` to the receiver of `notification`.
fn sender(env: &mut Env, notification: Notification, vector: u64) -> invoke::Result<Target> {
    badged(env, notification, vector)?.register_sender()
}

/// The root task has a sender table.
fn with_table(env: &mut Env) -> invoke::Result<SenderTable> {
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

fn bad_senders(env: &mut Env) -> Outcome {
    let plain = env.notification()?;
    let notification = receiver(env, SELF)?;
    let one = badged(env, notification, 1)?;
    // No table.
    check_err!(one.register_sender(), IllegalOperation);
    with_table(env)?;
    // No receiver.
    let other = badged(env, plain, 1)?;
    check_err!(other.register_sender(), IllegalOperation);
    for badge in [64, 65, 1 << 16, u64::MAX >> 1] {
        let bad = badged(env, notification, badge)?;
        check_err!(bad.register_sender(), RangeError, 0, 63);
    }
    // No right to signal: it is then not asked, and a signal is refused.
    let read = Notification(env.mint(notification.0, CapRights::READ, 2)?);
    check_err!(read.register_sender(), InvalidCapability, 0);
    check_eq!(one.register_sender()?, Target(0));
    check_eq!(one.register_sender()?, Target(1));
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

fn bad_sender_tables(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    check_err!(SELF.set_sender_table(SenderTable(notification.0)), InvalidCapability, 1);
    let frame = env.frame()?;
    check_err!(SELF.set_sender_table(SenderTable(frame.0)), InvalidCapability, 1);
    let label = kernel_user::bootinfo::label(Invocation::TcbSetSenderTable);
    check_err!(invoke::invoke_label(SELF.0, label, &[], &[]), TruncatedMessage);
    // A table does nothing by itself.
    let table = table(env)?;
    check_err!(invoke::invoke_label(table.0, 1, &[], &[]), InvalidCapability, 0);
    // It takes two pages.
    let untyped = env.untyped(bits::PAGE)?;
    let slot = env.slots.take();
    let made = untyped.retype(ObjectType::SenderTable, 0, ROOT_CNODE, 0, 0, slot, 1);
    check_err!(made, NotEnoughMemory, 1 << bits::PAGE);
    Ok(())
}

const ENTRIES: u64 = 1 << bits::SENDER_TABLE_ENTRIES;

fn table_is_full(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let one = badged(env, notification, 1)?;
    for n in 0..ENTRIES {
        check_eq!(one.register_sender()?, Target(n));
    }
    check_err!(one.register_sender(), DeleteFirst);
    for target in [0, ENTRIES - 1, ENTRIES, 511, 512, u64::MAX] {
        Target(target).send();
        check_eq!(user_interrupt::take(), u64::from(target < ENTRIES) << 1);
    }
    ROOT_CNODE.revoke(one.0, DEPTH)?;
    check_eq!(one.register_sender()?, Target(0));
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

fn revoked_sender_reaches_nobody(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let one = badged(env, notification, 1)?;
    let target = one.register_sender()?;
    target.send();
    check_eq!(user_interrupt::take(), 1 << 1);
    ROOT_CNODE.revoke(notification.0, DEPTH)?;
    target.send();
    check_eq!(user_interrupt::take(), 0);
    // Whoever gets the entry now is who is reached by it.
    let two = badged(env, notification, 2)?;
    check_eq!(two.register_sender()?, target);
    target.send();
    check_eq!(user_interrupt::take(), 1 << 2);
    Ok(())
}

fn revoked_badge_leaves_others(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let (one, two) = (badged(env, notification, 1)?, badged(env, notification, 2)?);
    let copy = Notification(env.copy(one.0, CapRights::ALL)?);
    let targets = [one.register_sender()?, two.register_sender()?, copy.register_sender()?];
    ROOT_CNODE.revoke(one.0, DEPTH)?;
    let reached = |target: Target| {
        target.send();
        user_interrupt::take()
    };
    check_eq!(targets.map(reached), [0, 1 << 2, 0]);
    Ok(())
}

fn deleted_notification_withdraws_senders(env: &mut Env) -> Outcome {
    with_table(env)?;
    let memory = env.untyped(bits::NOTIFICATION)?;
    let notification = Notification(env.slots.take());
    memory.retype(ObjectType::Notification, 0, ROOT_CNODE, 0, 0, notification.0, 1)?;
    SELF.bind_notification(notification)?;
    notification.register_receiver(SELF)?;
    let one = badged(env, notification, 1)?;
    let target = one.register_sender()?;
    ROOT_CNODE.delete(notification.0, DEPTH)?;
    target.send();
    check_eq!(user_interrupt::take(), 1 << 1);
    // The last capability goes that is no registration, and the notification with it.
    ROOT_CNODE.delete(one.0, DEPTH)?;
    check_err!(SELF.unbind_notification(), IllegalOperation);
    receiver(env, SELF)?;
    target.send();
    check_eq!(user_interrupt::take(), 0);
    // Its memory is free again.
    memory.retype(ObjectType::Notification, 0, ROOT_CNODE, 0, 0, notification.0, 1)?;
    Ok(())
}

fn deleted_table_sends_nothing(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    let memory = env.untyped(bits::SENDER_TABLE)?;
    let slot = env.slots.take();
    memory.retype(ObjectType::SenderTable, 0, ROOT_CNODE, 0, 0, slot, 1)?;
    SELF.set_sender_table(SenderTable(slot))?;
    let one = badged(env, notification, 1)?;
    let target = one.register_sender()?;
    target.send();
    check_eq!(user_interrupt::take(), 1 << 1);
    // The thread's own copy keeps it.
    ROOT_CNODE.delete(slot, DEPTH)?;
    target.send();
    check_eq!(user_interrupt::take(), 1 << 1);
    ROOT_CNODE.revoke(memory.0, DEPTH)?;
    target.send();
    check_eq!(user_interrupt::take(), 0);
    check_err!(one.register_sender(), IllegalOperation);
    // What a user writes there now is no entry.
    let frame = env.slots.take();
    memory.retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, frame, 1)?;
    let address = env.map(invoke::Frame(frame), bits::PAGE)?;
    // SAFETY: the page was just mapped.
    unsafe { (address as *mut u64).write_volatile(1 | 1 << 16) };
    target.send();
    check_eq!(user_interrupt::take(), 0);
    Ok(())
}

fn replaced_table_sends_nothing(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    let first = with_table(env)?;
    let target = sender(env, notification, 1)?;
    with_table(env)?;
    target.send();
    check_eq!(user_interrupt::take(), 0);
    SELF.set_sender_table(first)?;
    target.send();
    check_eq!(user_interrupt::take(), 1 << 1);
    Ok(())
}

fn entries_are_not_inherited(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    let memory = env.untyped(bits::SENDER_TABLE)?;
    let slot = env.slots.take();
    for round in 0..2 {
        memory.retype(ObjectType::SenderTable, 0, ROOT_CNODE, 0, 0, slot, 1)?;
        SELF.set_sender_table(SenderTable(slot))?;
        for n in 0..4 {
            Target(n).send();
        }
        check_eq!(user_interrupt::take(), 0);
        let one = badged(env, notification, 1 + round)?;
        for _ in 0..4 {
            one.register_sender()?.send();
        }
        check_eq!(user_interrupt::take(), 2 << round);
        ROOT_CNODE.revoke(memory.0, DEPTH)?;
    }
    Ok(())
}

/// Sends to entries 0 to 3 as long as it runs.
fn send_to_all() -> u64 {
    for n in 0..4 {
        Target(n).send();
    }
    0
}

fn tables_are_switched(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    let target = sender(env, notification, 1)?;
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    let theirs = table(env)?;
    thread.tcb.set_sender_table(theirs)?;
    thread.start(send_to_all)?;
    check_eq!(thread.result(), Some(0));
    check_eq!(user_interrupt::take(), 0);
    target.send();
    check_eq!(user_interrupt::take(), 1 << 1);
    // Two threads may have the same one.
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    let own = SenderTable(env.copy(theirs.0, CapRights::ALL)?);
    SELF.set_sender_table(own)?;
    sender(env, notification, 6)?;
    thread.tcb.set_sender_table(theirs)?;
    thread.start(send_to_all)?;
    check_eq!(user_interrupt::take(), 1 << 6);
    Ok(())
}

fn a_thread_without_table_reaches_nobody(env: &mut Env) -> Outcome {
    let notification = receiver(env, SELF)?;
    with_table(env)?;
    sender(env, notification, 1)?;
    let thread = env.spawn(ABOVE, send_to_all)?;
    check_eq!(thread.result(), Some(0));
    check_eq!(user_interrupt::take(), 0);
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

fn labels_sent_are_signals(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let one = badged(env, notification, 1)?;
    for invocation in [Invocation::NotificationRegisterSender, Invocation::NotificationRegisterReceiver] {
        let label = kernel_user::bootinfo::label(invocation);
        syscall::send(one.0, crate::env::words(label, 0), [0; 4]);
        check_eq!(syscall::nb_recv(notification.0).badge, 1);
    }
    Ok(())
}

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
