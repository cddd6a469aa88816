//! Who may send user interrupts, and until when: sender tables and the registrations in them.

use kernel_user::abi::{CapRights, Invocation, ObjectType, bits};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{self, Notification, SenderTable};
use kernel_user::syscall;
use kernel_user::thread::{Config, Thread};
use kernel_user::user_interrupt::{self, Target};

use super::{badged, receiver, sender, table, with_table};
use crate::env::{ABOVE, Env, SELF};
use crate::harness::Outcome;
use crate::{check_eq, check_err, tests};

tests!("user_interrupt":
    bad_senders,
    bad_sender_tables,
    table_is_full,
    revoked_sender_reaches_nobody,
    revoked_badge_leaves_others,
    deleted_notification_withdraws_senders,
    deleted_table_sends_nothing,
    replaced_table_sends_nothing,
    entries_are_not_inherited,
    tables_are_switched,
    a_thread_without_table_reaches_nobody,
    labels_sent_are_signals,
);

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
