//! Endpoints: messages, capabilities with them, replies.

use kernel_user::abi::{CapRights, MESSAGE_MAX_WORDS, MessageInfo, ObjectType};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{CNode, Endpoint, invoke_label};
use kernel_user::thread::Config;
use kernel_user::{ipc, syscall};

use crate::env::{ABOVE, BELOW, Env, words};
use crate::harness::Outcome;
use crate::{check, check_eq, check_err, tests};

tests!("ipc":
    send_to_waiting_receiver,
    send_waits_for_receiver,
    nb_send_without_receiver_is_lost,
    nb_send_to_waiting_receiver,
    nb_recv_without_sender,
    nb_recv_of_waiting_sender,
    call_and_reply,
    reply_recv_serves_many,
    every_length_by_send,
    every_length_by_call_and_reply,
    length_beyond_the_maximum,
    label_is_kept,
    badges,
    senders_are_served_in_order,
    receivers_are_served_in_order,
    call_without_rights,
    receive_without_rights,
    reply_without_caller,
    reply_once,
    receive_forgets_the_caller,
    save_caller,
    save_caller_and_reply_later_in_any_order,
    saved_reply_is_not_copied,
    saved_reply_goes_with_the_caller,
    call_without_grant_reply,
    grant_alone_gives_a_reply,
    caller_suspended_before_reply,
    transfer_capability,
    transfer_several_takes_the_first,
    transfer_needs_grant,
    transfer_needs_a_slot,
    transfer_into_occupied_slot,
    transfer_into_wrong_slot,
    unwrap,
    unwrap_and_transfer,
    transfer_with_reply,
    transfer_of_nothing,
    transfer_keeps_rights_and_derivation,
    delete_endpoint_ends_waiting_call,
    cancel_badged_sends,
    revoked_badge_keeps_waiting_sends,
    deleted_sender,
    call_from_lower_to_higher,
    endpoint_changes_direction,
    send_to_oneself_by_nb_send,
);

fn send_to_waiting_receiver(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || {
        let message = syscall::recv(endpoint.0);
        message.regs.iter().sum::<u64>() * 100 + message.info.length() as u64
    })?;
    syscall::send(endpoint.0, words(1, 3), [1, 2, 3, 0]);
    check_eq!(thread.join() % 100, 3);
    Ok(())
}

fn send_waits_for_receiver(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || {
        syscall::send(endpoint.0, words(9, 2), [11, 12, 0, 0]);
        1
    })?;
    check_eq!(thread.result(), None);
    let message = syscall::recv(endpoint.0);
    check_eq!((message.badge, message.info), (0, words(9, 2)));
    check_eq!(message.regs[..2], [11, 12]);
    check_eq!(thread.result(), Some(1));
    Ok(())
}

fn nb_send_without_receiver_is_lost(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    syscall::nb_send(endpoint.0, words(1, 1), [1, 0, 0, 0]);
    check_eq!(syscall::nb_recv(endpoint.0).badge, 0);
    let badged = env.mint(endpoint.0, CapRights::ALL, 1)?;
    syscall::nb_send(badged, words(1, 1), [1, 0, 0, 0]);
    check_eq!(syscall::nb_recv(endpoint.0).badge, 0);
    Ok(())
}

fn nb_send_to_waiting_receiver(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || syscall::recv(endpoint.0).regs[0])?;
    syscall::nb_send(endpoint.0, words(0, 1), [41, 0, 0, 0]);
    check_eq!(thread.result(), Some(41));
    Ok(())
}

fn nb_recv_without_sender(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    for _ in 0..3 {
        check_eq!(syscall::nb_recv(endpoint.0).badge, 0);
    }
    Ok(())
}

fn nb_recv_of_waiting_sender(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let badged = env.mint(endpoint.0, CapRights::ALL, 3)?;
    env.spawn(ABOVE, move || {
        syscall::send(badged, words(4, 1), [40, 0, 0, 0]);
        0
    })?;
    let message = syscall::nb_recv(endpoint.0);
    check_eq!((message.badge, message.info, message.regs[0]), (3, words(4, 1), 40));
    check_eq!(syscall::nb_recv(endpoint.0).badge, 0);
    Ok(())
}

/// A server that answers each call with its words, each one more, and the badge as label; label 0 ends it.
fn serve(endpoint: Endpoint) -> u64 {
    let mut served = 0;
    let mut message = syscall::recv(endpoint.0);
    while message.info.label() != 0 {
        for n in 4..message.info.length() {
            ipc::set_word(n, ipc::word(n) + 1);
        }
        served += 1;
        let info = MessageInfo::new(message.badge, 0, 0, message.info.length() as u64);
        message = syscall::reply_recv(endpoint.0, info, message.regs.map(|word| word.wrapping_add(1)));
    }
    served
}

fn call_and_reply(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(BELOW, move || {
        let message = syscall::recv(endpoint.0);
        syscall::reply(words(message.info.label() + 1, 2), [message.regs[0] * 2, message.regs[1] * 2, 0, 0]);
        message.badge
    })?;
    let reply = syscall::call(endpoint.0, words(5, 2), [21, 22, 0, 0]);
    check_eq!((reply.info, reply.badge), (words(6, 2), 0));
    check_eq!(reply.regs[..2], [42, 44]);
    thread.join();
    Ok(())
}

fn reply_recv_serves_many(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let mut badged = [0; 4];
    for (n, slot) in badged.iter_mut().enumerate() {
        *slot = env.mint(endpoint.0, CapRights::ALL, n as u64 + 1)?;
    }
    let thread = env.spawn(ABOVE, move || serve(endpoint))?;
    for round in 0..100 {
        for (n, &slot) in badged.iter().enumerate() {
            let reply = syscall::call(slot, words(1, 4), [round, 1, 2, 3]);
            check_eq!(reply.info, words(n as u64 + 1, 4));
            check_eq!(reply.regs, [round + 1, 2, 3, 4]);
        }
    }
    check_eq!(syscall::call(badged[0], words(1, 0), [0; 4]).info, words(1, 0));
    syscall::send(badged[0], words(0, 0), [0; 4]);
    check_eq!(thread.join(), 401);
    Ok(())
}

fn every_length_by_send(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(BELOW, move || {
        for length in 0..=MESSAGE_MAX_WORDS {
            for n in 0..length {
                ipc::set_word(n, (length * 1000 + n) as u64);
            }
            let regs = core::array::from_fn(|n| (length * 1000 + n) as u64);
            syscall::send(endpoint.0, words(length as u64, length as u64), regs);
        }
        0
    })?;
    for length in 0..=MESSAGE_MAX_WORDS {
        for n in 4..MESSAGE_MAX_WORDS {
            ipc::set_word(n, 7);
        }
        let message = syscall::recv(endpoint.0);
        check_eq!(message.info, words(length as u64, length as u64));
        for n in 0..MESSAGE_MAX_WORDS {
            let word = if n < 4 { message.regs[n] } else { ipc::word(n) };
            if n < length {
                check_eq!(word, (length * 1000 + n) as u64);
            } else if n >= 4 {
                // What is not part of the message is left alone.
                check_eq!(word, 7);
            }
        }
    }
    thread.join();
    Ok(())
}

fn every_length_by_call_and_reply(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    for priority in [BELOW, ABOVE] {
        let thread = env.spawn(priority, move || serve(endpoint))?;
        for length in 0..=MESSAGE_MAX_WORDS {
            for n in 4..length {
                ipc::set_word(n, 100 + n as u64);
            }
            let reply = syscall::call(endpoint.0, words(1, length as u64), [100, 101, 102, 103]);
            check_eq!(reply.info, words(0, length as u64));
            for n in 0..length {
                let word = if n < 4 { reply.regs[n] } else { ipc::word(n) };
                check_eq!(word, 101 + n as u64);
            }
        }
        syscall::send(endpoint.0, words(0, 0), [0; 4]);
        check_eq!(thread.join(), MESSAGE_MAX_WORDS as u64 + 1);
    }
    Ok(())
}

fn length_beyond_the_maximum(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    for length in 121..128 {
        env.spawn(ABOVE, move || {
            syscall::send(endpoint.0, words(3, length), [1, 2, 3, 4]);
            0
        })?;
        check_eq!(syscall::recv(endpoint.0).info, words(3, MESSAGE_MAX_WORDS as u64));
    }
    Ok(())
}

fn label_is_kept(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(BELOW, move || {
        loop {
            let message = syscall::recv(endpoint.0);
            syscall::reply(message.info, [0; 4]);
        }
    })?;
    for label in [0, 1, 1 << 20, 1 << 51, u64::MAX >> 12] {
        check_eq!(syscall::call(endpoint.0, words(label, 1), [0; 4]).info, words(label, 1));
    }
    check_eq!(thread.result(), None);
    Ok(())
}

fn badges(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    for badge in [1, 0xffff, 1 << 40, u64::MAX] {
        let badged = env.mint(endpoint.0, CapRights::WRITE, badge)?;
        env.spawn(ABOVE, move || {
            syscall::send(badged, words(0, 0), [0; 4]);
            0
        })?;
        check_eq!(syscall::recv(endpoint.0).badge, badge);
    }
    // The receiver's badge does not matter.
    let badged = env.mint(endpoint.0, CapRights::ALL, 77)?;
    env.spawn(ABOVE, move || {
        syscall::send(endpoint.0, words(0, 0), [0; 4]);
        0
    })?;
    check_eq!(syscall::recv(badged).badge, 0);
    Ok(())
}

fn senders_are_served_in_order(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    for n in 0..6 {
        // A high priority does not help: first come, first served.
        env.spawn(ABOVE + n, move || {
            syscall::send(endpoint.0, words(n, 0), [0; 4]);
            0
        })?;
    }
    for n in 0..6 {
        check_eq!(syscall::recv(endpoint.0).info.label(), n);
    }
    Ok(())
}

fn receivers_are_served_in_order(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let mut threads = [None; 4];
    for (n, thread) in threads.iter_mut().enumerate() {
        *thread = Some(env.spawn(ABOVE + n as u64, move || syscall::recv(endpoint.0).regs[0])?);
    }
    for (n, thread) in threads.iter().flatten().enumerate() {
        check_eq!(thread.result(), None);
        syscall::send(endpoint.0, words(0, 1), [n as u64 + 50, 0, 0, 0]);
        check_eq!(thread.result(), Some(n as u64 + 50));
    }
    Ok(())
}

fn call_without_rights(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let read = env.copy(endpoint.0, CapRights::READ)?;
    check_err!(invoke_label(read, 1, &[], &[]), InvalidCapability, 0);
    // A send just does not happen.
    syscall::send(read, words(1, 0), [0; 4]);
    syscall::nb_send(read, words(1, 0), [0; 4]);
    Ok(())
}

fn receive_without_rights(env: &mut Env) -> Outcome {
    let (endpoint, faults) = (env.endpoint()?, env.endpoint()?);
    let write = env.copy(endpoint.0, CapRights::WRITE)?;
    let config = Config { fault_endpoint: faults.0, ..Config::new(ABOVE) };
    for poll in [false, true] {
        env.spawn_with(&config, move || {
            if poll {
                syscall::nb_recv(write)
            } else {
                syscall::recv(write)
            };
            0
        })?;
        let message = syscall::recv(faults.0);
        check_eq!(message.info.label(), kernel_user::abi::FaultLabel::Cap as u64);
        check_eq!(message.regs[1..3], [write, 1]);
    }
    Ok(())
}

fn reply_without_caller(_: &mut Env) -> Outcome {
    // Nothing happens.
    syscall::reply(words(1, 1), [1, 0, 0, 0]);
    syscall::reply(words(1, 1), [1, 0, 0, 0]);
    Ok(())
}

fn reply_once(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || {
        let first = syscall::call(endpoint.0, words(1, 0), [0; 4]);
        let second = syscall::call(endpoint.0, words(2, 0), [0; 4]);
        first.regs[0] << 8 | second.regs[0]
    })?;
    check_eq!(syscall::recv(endpoint.0).info.label(), 1);
    syscall::reply(words(0, 1), [1, 0, 0, 0]);
    // It has called again, but has not been received; the answer is used up.
    syscall::reply(words(0, 1), [2, 0, 0, 0]);
    check_eq!(thread.result(), None);
    check_eq!(syscall::recv(endpoint.0).info.label(), 2);
    syscall::reply(words(0, 1), [3, 0, 0, 0]);
    check_eq!(thread.result(), Some(0x103));
    Ok(())
}

fn receive_forgets_the_caller(env: &mut Env) -> Outcome {
    let (endpoint, other) = (env.endpoint()?, env.endpoint()?);
    let thread = env.spawn(ABOVE, move || syscall::call(endpoint.0, words(1, 0), [0; 4]).regs[0])?;
    syscall::recv(endpoint.0);
    syscall::nb_recv(other.0);
    syscall::reply(words(0, 1), [1, 0, 0, 0]);
    // It waits for an answer that will not come.
    check_eq!(thread.result(), None);
    Ok(())
}

fn save_caller(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let slot = env.slots.take();
    let thread = env.spawn(ABOVE, move || syscall::call(endpoint.0, words(1, 0), [0; 4]).regs[0])?;
    syscall::recv(endpoint.0);
    ROOT_CNODE.save_caller(slot, DEPTH)?;
    check!(syscall::debug_cap_identify(slot) != 0);
    // It is not with the thread any more.
    syscall::reply(words(0, 1), [1, 0, 0, 0]);
    check_eq!(thread.result(), None);
    syscall::send(slot, words(0, 1), [2, 0, 0, 0]);
    check_eq!(thread.result(), Some(2));
    // Used, it is gone.
    check_eq!(syscall::debug_cap_identify(slot), 0);
    check_err!(invoke_label(slot, 0, &[], &[]), InvalidCapability, 0);
    Ok(())
}

fn save_caller_and_reply_later_in_any_order(env: &mut Env) -> Outcome {
    const CALLERS: usize = 5;
    let endpoint = env.endpoint()?;
    let slots = env.slots.take_range(CALLERS as u64);
    let mut threads = [None; CALLERS];
    for (n, thread) in threads.iter_mut().enumerate() {
        let label = n as u64;
        *thread = Some(env.spawn(ABOVE, move || syscall::call(endpoint.0, words(label, 0), [0; 4]).regs[0])?);
        check_eq!(syscall::recv(endpoint.0).info.label(), label);
        ROOT_CNODE.save_caller(slots + label, DEPTH)?;
    }
    for n in [3, 0, 4, 1, 2] {
        syscall::send(slots + n as u64, words(0, 1), [n as u64 + 10, 0, 0, 0]);
        check_eq!(threads[n].and_then(|thread| thread.result()), Some(n as u64 + 10));
    }
    Ok(())
}

fn saved_reply_is_not_copied(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let (slot, to) = (env.slots.take(), env.slots.take());
    let thread = env.spawn(ABOVE, move || syscall::call(endpoint.0, words(1, 0), [0; 4]).regs[0])?;
    syscall::recv(endpoint.0);
    ROOT_CNODE.save_caller(slot, DEPTH)?;
    check_err!(ROOT_CNODE.copy((to, DEPTH), ROOT_CNODE, (slot, DEPTH), CapRights::ALL), IllegalOperation);
    check_err!(ROOT_CNODE.mint((to, DEPTH), ROOT_CNODE, (slot, DEPTH), CapRights::ALL, 1), IllegalOperation);
    ROOT_CNODE.move_cap((to, DEPTH), ROOT_CNODE, (slot, DEPTH))?;
    syscall::send(to, words(0, 1), [4, 0, 0, 0]);
    check_eq!(thread.result(), Some(4));
    Ok(())
}

fn saved_reply_goes_with_the_caller(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let slot = env.slots.take();
    let call = move || syscall::call(endpoint.0, words(1, 0), [0; 4]).regs[0];
    let thread = env.spawn(ABOVE, call)?;
    syscall::recv(endpoint.0);
    ROOT_CNODE.save_caller(slot, DEPTH)?;
    ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    check_eq!(syscall::debug_cap_identify(slot), 0);
    // Deleted unused, the caller waits for ever.
    let thread = env.spawn(ABOVE, call)?;
    syscall::recv(endpoint.0);
    ROOT_CNODE.save_caller(slot, DEPTH)?;
    ROOT_CNODE.delete(slot, DEPTH)?;
    check_eq!(thread.result(), None);
    Ok(())
}

fn call_without_grant_reply(env: &mut Env) -> Outcome {
    // Nobody could answer: the caller stops for good, but its message arrives.
    let endpoint = env.endpoint()?;
    let write = env.copy(endpoint.0, CapRights::WRITE)?;
    let thread = env.spawn(ABOVE, move || syscall::call(write, words(8, 1), [3, 0, 0, 0]).regs[0])?;
    let message = syscall::recv(endpoint.0);
    check_eq!((message.info, message.regs[0]), (words(8, 1), 3));
    syscall::reply(words(0, 0), [0; 4]);
    check_eq!(thread.result(), None);
    // With the right it goes on.
    let reply = env.copy(endpoint.0, CapRights::WRITE.or(CapRights::GRANT_REPLY))?;
    let thread = env.spawn(ABOVE, move || syscall::call(reply, words(8, 1), [3, 0, 0, 0]).regs[0])?;
    syscall::recv(endpoint.0);
    syscall::reply(words(0, 1), [5, 0, 0, 0]);
    check_eq!(thread.result(), Some(5));
    Ok(())
}

fn grant_alone_gives_a_reply(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let grant = env.copy(endpoint.0, CapRights::WRITE.or(CapRights::GRANT))?;
    let thread = env.spawn(ABOVE, move || syscall::call(grant, words(8, 1), [3, 0, 0, 0]).regs[0])?;
    syscall::recv(endpoint.0);
    syscall::reply(words(0, 1), [6, 0, 0, 0]);
    check_eq!(thread.result(), Some(6));
    Ok(())
}

fn caller_suspended_before_reply(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || syscall::call(endpoint.0, words(1, 0), [0; 4]).regs[0])?;
    syscall::recv(endpoint.0);
    thread.tcb.suspend()?;
    // There is nobody to answer.
    syscall::reply(words(0, 1), [1, 0, 0, 0]);
    check_eq!(thread.result(), None);
    thread.tcb.resume()?;
    // It has called again.
    syscall::recv(endpoint.0);
    syscall::reply(words(0, 1), [2, 0, 0, 0]);
    check_eq!(thread.result(), Some(2));
    Ok(())
}

/// Sends capabilities with a message from a thread of higher priority, which waits for a receiver.
fn send_caps(env: &mut Env, endpoint: u64, caps: &[u64]) -> Outcome {
    let mut all = [0; 3];
    all[..caps.len()].copy_from_slice(caps);
    let count = caps.len();
    env.spawn(ABOVE, move || {
        for (n, &cap) in all[..count].iter().enumerate() {
            ipc::set_cap(n, cap);
        }
        syscall::send(endpoint, MessageInfo::new(2, 0, count as u64, 1), [8, 0, 0, 0]);
        0
    })?;
    Ok(())
}

fn receive_at(slot: u64) {
    ipc::set_receive_slot(ROOT_CNODE.0, slot, DEPTH);
}

fn transfer_capability(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let badged = env.mint(notification.0, CapRights::ALL, 0x21)?;
    let slot = env.slots.take();
    send_caps(env, endpoint.0, &[badged])?;
    receive_at(slot);
    let message = syscall::recv(endpoint.0);
    check_eq!(message.info, MessageInfo::new(2, 0, 1, 1));
    check_eq!(message.regs[0], 8);
    syscall::signal(slot);
    check_eq!(syscall::nb_recv(notification.0).badge, 0x21);
    // The sender has it still.
    syscall::signal(badged);
    check_eq!(syscall::nb_recv(notification.0).badge, 0x21);
    Ok(())
}

fn transfer_several_takes_the_first(env: &mut Env) -> Outcome {
    let (endpoint, notification, tcb) = (env.endpoint()?, env.notification()?, env.tcb()?);
    let slot = env.slots.take();
    send_caps(env, endpoint.0, &[notification.0, tcb.0, tcb.0])?;
    receive_at(slot);
    // There is one slot.
    check_eq!(syscall::recv(endpoint.0).info, MessageInfo::new(2, 0, 1, 1));
    check_eq!(syscall::debug_cap_identify(slot), syscall::debug_cap_identify(notification.0));
    Ok(())
}

fn transfer_needs_grant(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    for rights in [CapRights::WRITE, CapRights::WRITE.or(CapRights::READ).or(CapRights::GRANT_REPLY)] {
        let weak = env.copy(endpoint.0, rights)?;
        let slot = env.slots.take();
        send_caps(env, weak, &[notification.0])?;
        receive_at(slot);
        let message = syscall::recv(endpoint.0);
        check_eq!(message.info, MessageInfo::new(2, 0, 0, 1));
        check_eq!(syscall::debug_cap_identify(slot), 0);
    }
    Ok(())
}

fn transfer_needs_a_slot(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    send_caps(env, endpoint.0, &[notification.0])?;
    ipc::set_receive_slot(0, 0, 0);
    check_eq!(syscall::recv(endpoint.0).info, MessageInfo::new(2, 0, 0, 1));
    Ok(())
}

fn transfer_into_occupied_slot(env: &mut Env) -> Outcome {
    let (endpoint, notification, tcb) = (env.endpoint()?, env.notification()?, env.tcb()?);
    send_caps(env, endpoint.0, &[notification.0])?;
    receive_at(tcb.0);
    check_eq!(syscall::recv(endpoint.0).info, MessageInfo::new(2, 0, 0, 1));
    check!(syscall::debug_cap_identify(tcb.0) != syscall::debug_cap_identify(notification.0));
    Ok(())
}

fn transfer_into_wrong_slot(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let slot = env.slots.take();
    let node = env.cnode(4)?;
    let wrong = [
        (endpoint.0, slot, DEPTH),
        (ROOT_CNODE.0, slot, 0),
        (ROOT_CNODE.0, slot, 65),
        (ROOT_CNODE.0, slot, 7),
        (node.0, 1, 5),
        (node.0, 1, 3),
    ];
    for (root, index, depth) in wrong {
        send_caps(env, endpoint.0, &[notification.0])?;
        ipc::set_receive_slot(root, index, depth);
        check_eq!(syscall::recv(endpoint.0).info, MessageInfo::new(2, 0, 0, 1));
    }
    check_eq!(syscall::debug_cap_identify(slot), 0);
    send_caps(env, endpoint.0, &[notification.0])?;
    ipc::set_receive_slot(node.0, 1, 4);
    check_eq!(syscall::recv(endpoint.0).info, MessageInfo::new(2, 0, 1, 1));
    Ok(())
}

fn unwrap(env: &mut Env) -> Outcome {
    // A capability of the endpoint that the message goes through comes as its badge.
    let endpoint = env.endpoint()?;
    let (a, b) = (env.mint(endpoint.0, CapRights::ALL, 0xa)?, env.mint(endpoint.0, CapRights::ALL, 0xb)?);
    let slot = env.slots.take();
    send_caps(env, endpoint.0, &[a, b, endpoint.0])?;
    receive_at(slot);
    check_eq!(syscall::recv(endpoint.0).info, MessageInfo::new(2, 0b111, 3, 1));
    check_eq!([ipc::badge(0), ipc::badge(1), ipc::badge(2)], [0xa, 0xb, 0]);
    check_eq!(syscall::debug_cap_identify(slot), 0);
    Ok(())
}

fn unwrap_and_transfer(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let badged = env.mint(endpoint.0, CapRights::ALL, 0xc)?;
    let slot = env.slots.take();
    send_caps(env, endpoint.0, &[badged, notification.0, badged])?;
    receive_at(slot);
    check_eq!(syscall::recv(endpoint.0).info, MessageInfo::new(2, 0b101, 3, 1));
    check_eq!([ipc::badge(0), ipc::badge(2)], [0xc, 0xc]);
    check_eq!(syscall::debug_cap_identify(slot), syscall::debug_cap_identify(notification.0));
    Ok(())
}

fn transfer_with_reply(env: &mut Env) -> Outcome {
    // The answer carries capabilities if the receiver's capability of the endpoint grants them.
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    for granting in [true, false] {
        let rights = if granting { CapRights::ALL } else { CapRights(15 & !CapRights::GRANT.0) };
        let receiver = env.copy(endpoint.0, rights)?;
        let badged = env.mint(notification.0, CapRights::ALL, 0x31)?;
        let slot = env.slots.take();
        let thread = env.spawn(BELOW, move || {
            let first = syscall::recv(receiver);
            ipc::set_cap(0, badged);
            syscall::reply(MessageInfo::new(4, 0, 1, 0), [0; 4]);
            first.info.0
        })?;
        receive_at(slot);
        let reply = syscall::call(endpoint.0, words(3, 0), [0; 4]);
        check_eq!(reply.info, MessageInfo::new(4, 0, u64::from(granting), 0));
        check_eq!(syscall::debug_cap_identify(slot) != 0, granting);
        thread.join();
    }
    Ok(())
}

fn transfer_of_nothing(env: &mut Env) -> Outcome {
    // An empty slot is nothing to send; the upstream kernel stops there.
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let (empty, slot) = (env.slots.take(), env.slots.take());
    send_caps(env, endpoint.0, &[empty, notification.0])?;
    receive_at(slot);
    let message = syscall::recv(endpoint.0);
    check_eq!((message.info.label(), message.info.length()), (2, 1));
    Ok(())
}

fn transfer_keeps_rights_and_derivation(env: &mut Env) -> Outcome {
    let (endpoint, notification) = (env.endpoint()?, env.notification()?);
    let read = env.mint(notification.0, CapRights::READ, 0x51)?;
    let slot = env.slots.take();
    send_caps(env, endpoint.0, &[read])?;
    receive_at(slot);
    syscall::recv(endpoint.0);
    check_err!(invoke_label(slot, 0, &[], &[]), InvalidCapability, 0);
    ROOT_CNODE.revoke(read, DEPTH)?;
    check_eq!(syscall::debug_cap_identify(slot), 0);
    Ok(())
}

fn delete_endpoint_ends_waiting_call(env: &mut Env) -> Outcome {
    // The caller tries again, and there is nothing to call.
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || match invoke_label(endpoint.0, 1, &[], &[]) {
        Err(error) => error.error as u64,
        Ok(_) => 0,
    })?;
    check_eq!(thread.result(), None);
    ROOT_CNODE.delete(endpoint.0, DEPTH)?;
    check_eq!(thread.result(), Some(kernel_user::abi::Error::InvalidCapability as u64));
    Ok(())
}

fn cancel_badged_sends(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let mut badged = [0; 3];
    for (n, slot) in badged.iter_mut().enumerate() {
        *slot = env.mint(endpoint.0, CapRights::ALL, n as u64 + 1)?;
    }
    // Two senders for each badge, so that some are between others; they send once and count the second time.
    let mut threads = [None; 6];
    for (n, thread) in threads.iter_mut().enumerate() {
        let slot = badged[n % 3];
        let label = n as u64;
        *thread = Some(env.spawn(ABOVE, move || {
            syscall::send(slot, words(label, 0), [0; 4]);
            label
        })?);
    }
    ROOT_CNODE.cancel_badged_sends(badged[1], DEPTH)?;
    // Those with the badge start again, and are now behind the others, in the order in which they run.
    let mut labels = [0; 6];
    for label in &mut labels {
        let message = syscall::recv(endpoint.0);
        *label = message.info.label();
        check_eq!(message.badge, *label % 3 + 1);
    }
    check_eq!(labels[..4], [0, 2, 3, 5]);
    check!(labels[4..] == [1, 4] || labels[4..] == [4, 1]);
    check!(threads.iter().flatten().all(|thread| thread.result().is_some()));
    Ok(())
}

fn revoked_badge_keeps_waiting_sends(env: &mut Env) -> Outcome {
    // The capability that a message was sent with is gone, but the message waits with the object.
    let endpoint = env.endpoint()?;
    let badged = env.mint(endpoint.0, CapRights::ALL, 0x66)?;
    let copy = env.copy(badged, CapRights::ALL)?;
    let thread = env.spawn(ABOVE, move || {
        syscall::send(copy, words(1, 0), [0; 4]);
        1
    })?;
    ROOT_CNODE.revoke(badged, DEPTH)?;
    ROOT_CNODE.delete(badged, DEPTH)?;
    check_eq!(thread.result(), None);
    check_eq!(syscall::recv(endpoint.0).badge, 0x66);
    check_eq!(thread.result(), Some(1));
    Ok(())
}

fn deleted_sender(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let mut threads = [None; 3];
    for (n, thread) in threads.iter_mut().enumerate() {
        let label = n as u64;
        *thread = Some(env.spawn(ABOVE, move || {
            syscall::send(endpoint.0, words(label, 0), [0; 4]);
            0
        })?);
    }
    // From the middle of the queue.
    if let Some(thread) = threads[1] {
        ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    }
    check_eq!(syscall::recv(endpoint.0).info.label(), 0);
    check_eq!(syscall::recv(endpoint.0).info.label(), 2);
    check_eq!(syscall::nb_recv(endpoint.0).badge, 0);
    Ok(())
}

fn call_from_lower_to_higher(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    for (server, client) in [(ABOVE, BELOW), (BELOW, ABOVE), (BELOW, BELOW), (ABOVE, ABOVE)] {
        let thread = env.spawn(server, move || serve(endpoint))?;
        let caller = env.spawn(client, move || {
            (0..50).fold(0, |word, _| syscall::call(endpoint.0, words(1, 1), [word, 0, 0, 0]).regs[0])
        })?;
        check_eq!(caller.join(), 50);
        syscall::send(endpoint.0, words(0, 0), [0; 4]);
        check_eq!(thread.join(), 50);
    }
    Ok(())
}

fn endpoint_changes_direction(env: &mut Env) -> Outcome {
    // An endpoint queues senders or receivers, whichever are there.
    let endpoint = env.endpoint()?;
    for round in 0..5 {
        let receiver = env.spawn(ABOVE, move || syscall::recv(endpoint.0).regs[0])?;
        syscall::send(endpoint.0, words(0, 1), [round, 0, 0, 0]);
        check_eq!(receiver.result(), Some(round));
        let sender = env.spawn(ABOVE, move || {
            syscall::send(endpoint.0, words(0, 1), [round + 1, 0, 0, 0]);
            0
        })?;
        check_eq!(syscall::recv(endpoint.0).regs[0], round + 1);
        check_eq!(sender.result(), Some(0));
    }
    Ok(())
}

fn send_to_oneself_by_nb_send(env: &mut Env) -> Outcome {
    let slot = env.make(ObjectType::Endpoint, 0)?;
    syscall::nb_send(slot, words(0, 0), [0; 4]);
    check_eq!(syscall::nb_recv(slot).badge, 0);
    check_eq!(CNode(slot).0, slot);
    Ok(())
}
