//! Notifications, alone and bound to threads.

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_user::abi::CapRights;
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::Notification;
use kernel_user::syscall;
use kernel_user::thread::{Config, Thread};

use crate::env::{ABOVE, BELOW, Env, PRIORITY, SELF, words};
use crate::harness::Outcome;
use crate::{check, check_eq, check_err, tests};

tests!("notification":
    signal_then_wait,
    signal_then_poll,
    badges_accumulate,
    unbadged_signal,
    wait_then_signal,
    waiters_are_served_in_order,
    signal_does_not_block,
    every_way_to_signal,
    message_words_are_left_out,
    wait_gives_no_length,
    bound_receive_of_signal,
    bound_signal_before_receive,
    bound_signal_while_sending,
    bound_poll_of_endpoint,
    bound_wait_on_notification_itself,
    unbind_while_waiting,
    delete_of_bound_notification,
    delete_of_bound_thread,
    delete_ends_waiting,
    higher_waiter_runs_at_once,
    lower_waiter_runs_later,
);

fn badged(env: &mut Env, notification: Notification, badge: u64) -> kernel_user::invoke::Result<u64> {
    env.mint(notification.0, CapRights::ALL, badge)
}

fn signal_then_wait(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let one = badged(env, notification, 1)?;
    for _ in 0..3 {
        syscall::signal(one);
        check_eq!(syscall::recv(notification.0).badge, 1);
    }
    Ok(())
}

fn signal_then_poll(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let one = badged(env, notification, 0x1234)?;
    check_eq!(syscall::nb_recv(notification.0).badge, 0);
    syscall::signal(one);
    check_eq!(syscall::nb_recv(notification.0).badge, 0x1234);
    check_eq!(syscall::nb_recv(notification.0).badge, 0);
    Ok(())
}

fn badges_accumulate(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let mut all = 0;
    for bit in [0, 1, 7, 31, 32, 62, 63] {
        let one = badged(env, notification, 1 << bit)?;
        syscall::signal(one);
        syscall::signal(one);
        all |= 1 << bit;
    }
    check_eq!(syscall::recv(notification.0).badge, all);
    check_eq!(syscall::nb_recv(notification.0).badge, 0);
    Ok(())
}

fn unbadged_signal(env: &mut Env) -> Outcome {
    // It makes a waiter go on, with badge 0.
    let notification = env.notification()?;
    syscall::signal(notification.0);
    check_eq!(syscall::recv(notification.0).badge, 0);
    let thread = env.spawn(ABOVE, move || syscall::recv(notification.0).badge)?;
    check_eq!(thread.result(), None);
    syscall::signal(notification.0);
    check_eq!(thread.result(), Some(0));
    Ok(())
}

fn wait_then_signal(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let one = badged(env, notification, 9)?;
    let thread = env.spawn(ABOVE, move || syscall::recv(notification.0).badge)?;
    check_eq!(thread.result(), None);
    syscall::signal(one);
    check_eq!(thread.result(), Some(9));
    check_eq!(syscall::nb_recv(notification.0).badge, 0);
    Ok(())
}

fn waiters_are_served_in_order(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let mut threads = [None; 4];
    for thread in &mut threads {
        *thread = Some(env.spawn(ABOVE, move || syscall::recv(notification.0).badge)?);
    }
    for n in 0..threads.len() as u64 {
        // One signal for one waiter.
        let one = badged(env, notification, n + 1)?;
        syscall::signal(one);
        for (m, thread) in threads.iter().flatten().enumerate() {
            let m = m as u64;
            check_eq!(thread.result(), (m <= n).then_some(m + 1));
        }
    }
    Ok(())
}

fn signal_does_not_block(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let one = badged(env, notification, 2)?;
    for _ in 0..1000 {
        syscall::signal(one);
    }
    check_eq!(syscall::recv(notification.0).badge, 2);
    check_eq!(syscall::nb_recv(notification.0).badge, 0);
    Ok(())
}

fn every_way_to_signal(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let one = badged(env, notification, 5)?;
    syscall::send(one, words(0, 0), [0; 4]);
    check_eq!(syscall::nb_recv(notification.0).badge, 5);
    syscall::nb_send(one, words(0, 0), [0; 4]);
    check_eq!(syscall::nb_recv(notification.0).badge, 5);
    // A call is answered by the kernel: done.
    check_eq!(syscall::call(one, words(17, 2), [1, 2, 3, 4]).info, words(0, 0));
    check_eq!(syscall::nb_recv(notification.0).badge, 5);
    Ok(())
}

fn message_words_are_left_out(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let one = badged(env, notification, 5)?;
    let thread = env.spawn(ABOVE, move || {
        let message = syscall::recv(notification.0);
        message.badge << 32 | message.info.label() << 8 | message.info.length() as u64
    })?;
    syscall::send(one, words(3, 2), [0xbad, 0xbad, 0, 0]);
    let result = thread.join();
    check_eq!(result >> 32, 5);
    Ok(())
}

fn wait_gives_no_length(env: &mut Env) -> Outcome {
    // The upstream kernel sets the badge only, and leaves the description as the caller had it.
    let notification = env.notification()?;
    let one = badged(env, notification, 5)?;
    syscall::signal(one);
    let message = syscall::recv(notification.0);
    check_eq!((message.badge, message.info), (5, words(0, 0)));
    Ok(())
}

fn bound_receive_of_signal(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let one = badged(env, notification, 0x40)?;
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    thread.tcb.bind_notification(notification)?;
    thread.start(move || {
        let signal = syscall::recv(endpoint.0);
        let message = syscall::recv(endpoint.0);
        signal.badge << 32 | message.regs[0]
    })?;
    syscall::signal(one);
    check_eq!(thread.result(), None);
    syscall::send(endpoint.0, words(0, 1), [0x77, 0, 0, 0]);
    check_eq!(thread.result(), Some(0x40_0000_0077));
    Ok(())
}

fn bound_signal_before_receive(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let one = badged(env, notification, 0x40)?;
    SELF.bind_notification(notification)?;
    syscall::signal(one);
    let message = syscall::recv(endpoint.0);
    check_eq!(message.badge, 0x40);
    // A signal comes before a sender that waits.
    env.spawn(ABOVE, move || {
        syscall::send(endpoint.0, words(1, 1), [5, 0, 0, 0]);
        0
    })?;
    syscall::signal(one);
    check_eq!(syscall::recv(endpoint.0).badge, 0x40);
    let message = syscall::recv(endpoint.0);
    check_eq!((message.badge, message.info, message.regs[0]), (0, words(1, 1), 5));
    SELF.unbind_notification()?;
    Ok(())
}

fn bound_signal_while_sending(env: &mut Env) -> Outcome {
    // Only what waits for a message is reached.
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let one = badged(env, notification, 0x40)?;
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    thread.tcb.bind_notification(notification)?;
    thread.start(move || {
        syscall::send(endpoint.0, words(0, 1), [3, 0, 0, 0]);
        syscall::nb_recv(endpoint.0).badge
    })?;
    syscall::signal(one);
    check_eq!(thread.result(), None);
    check_eq!(syscall::recv(endpoint.0).regs[0], 3);
    check_eq!(thread.result(), Some(0x40));
    Ok(())
}

fn bound_poll_of_endpoint(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let one = badged(env, notification, 0x40)?;
    SELF.bind_notification(notification)?;
    check_eq!(syscall::nb_recv(endpoint.0).badge, 0);
    syscall::signal(one);
    check_eq!(syscall::nb_recv(endpoint.0).badge, 0x40);
    check_eq!(syscall::nb_recv(endpoint.0).badge, 0);
    SELF.unbind_notification()?;
    Ok(())
}

fn bound_wait_on_notification_itself(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let one = badged(env, notification, 0x40)?;
    SELF.bind_notification(notification)?;
    syscall::signal(one);
    check_eq!(syscall::recv(notification.0).badge, 0x40);
    SELF.unbind_notification()?;
    Ok(())
}

fn unbind_while_waiting(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let one = badged(env, notification, 0x40)?;
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    thread.tcb.bind_notification(notification)?;
    thread.start(move || syscall::recv(endpoint.0).badge)?;
    thread.tcb.unbind_notification()?;
    syscall::signal(one);
    check_eq!(thread.result(), None);
    check_eq!(syscall::nb_recv(notification.0).badge, 0x40);
    let sender = env.mint(endpoint.0, CapRights::ALL, 3)?;
    syscall::send(sender, words(0, 0), [0; 4]);
    check_eq!(thread.result(), Some(3));
    Ok(())
}

fn delete_of_bound_notification(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let notification = env.notification()?;
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    thread.tcb.bind_notification(notification)?;
    thread.start(move || syscall::recv(endpoint.0).regs[0])?;
    ROOT_CNODE.delete(notification.0, DEPTH)?;
    // It waits for messages still, and has no notification any more.
    check_eq!(thread.result(), None);
    check_err!(thread.tcb.unbind_notification(), IllegalOperation);
    syscall::send(endpoint.0, words(0, 1), [6, 0, 0, 0]);
    check_eq!(thread.result(), Some(6));
    Ok(())
}

fn delete_of_bound_thread(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let one = badged(env, notification, 0x40)?;
    let tcb = env.tcb()?;
    tcb.bind_notification(notification)?;
    ROOT_CNODE.delete(tcb.0, DEPTH)?;
    syscall::signal(one);
    check_eq!(syscall::recv(notification.0).badge, 0x40);
    SELF.bind_notification(notification)?;
    SELF.unbind_notification()?;
    Ok(())
}

fn delete_ends_waiting(env: &mut Env) -> Outcome {
    // The waiter tries again, finds nothing, and faults.
    let (faults, notification) = (env.endpoint()?, env.notification()?);
    let config = Config { fault_endpoint: faults.0, ..Config::new(BELOW) };
    let thread = env.spawn_with(&config, move || syscall::recv(notification.0).badge)?;
    let signalled = env.notification()?;
    env.spawn(1, move || {
        syscall::signal(signalled.0);
        0
    })?;
    syscall::recv(signalled.0);
    ROOT_CNODE.delete(notification.0, DEPTH)?;
    let message = syscall::recv(faults.0);
    check_eq!(message.info.label(), kernel_user::abi::FaultLabel::Cap as u64);
    check_eq!(message.regs[1..3], [notification.0, 1]);
    check_eq!(thread.result(), None);
    Ok(())
}

static ORDER: AtomicU64 = AtomicU64::new(0);

fn higher_waiter_runs_at_once(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    ORDER.store(0, Ordering::Relaxed);
    env.spawn(PRIORITY + 1, move || {
        syscall::recv(notification.0);
        ORDER.store(1, Ordering::Relaxed);
        0
    })?;
    check_eq!(ORDER.load(Ordering::Relaxed), 0);
    syscall::signal(notification.0);
    check_eq!(ORDER.load(Ordering::Relaxed), 1);
    Ok(())
}

fn lower_waiter_runs_later(env: &mut Env) -> Outcome {
    let (notification, ready) = (env.notification()?, env.notification()?);
    ORDER.store(0, Ordering::Relaxed);
    for priority in [PRIORITY - 1, PRIORITY] {
        let thread = env.spawn(priority, move || {
            syscall::signal(ready.0);
            syscall::recv(notification.0);
            ORDER.store(1, Ordering::Relaxed);
            0
        })?;
        ORDER.store(0, Ordering::Relaxed);
        syscall::recv(ready.0);
        syscall::signal(notification.0);
        // Unless this thread's time slice has just ended.
        check!(ORDER.load(Ordering::Relaxed) == 0 || priority == PRIORITY);
        thread.join();
        check_eq!(ORDER.load(Ordering::Relaxed), 1);
    }
    Ok(())
}
