//! Threads that send, receive, answer, signal, stop and go at random: queues hold those that they should, and only
//! those.

use std::vec::Vec;

use kernel_abi::{CapRights, InitialCap, Invocation, IpcBuffer, MessageInfo, Syscall};

use super::harness::{BASE, FREE, Interrupts, Rng, SIZE, World, log};
use crate::cap::Kind;
use crate::debug::DEBUG;
use crate::kernel::SMP;
use crate::mem::Ptr;
use crate::tcb::{Buffer, Fault, State, Tcb, reg};

const ROOT: u64 = InitialCap::Cnode as u64;
const OWN: u64 = InitialCap::Tcb as u64;
/// Capabilities of threads, each with its buffer behind it.
const THREADS: u64 = FREE;
const COUNT: u64 = 5;
/// Capabilities for endpoints and notifications: originals, then badged and restricted copies.
const ENDPOINTS: u64 = FREE + 20;
const NOTIFICATIONS: u64 = FREE + 40;
/// Slots that capabilities are received in, or replies saved.
const SPARE: u64 = FREE + 60;

/// Endpoints, notifications and threads that are there.
fn furnish(world: &World) {
    let from = world.largest();
    for n in 0..2 {
        if world.slot(ENDPOINTS + 4 * n).is_empty() {
            world.retype(from, 2, 0, ENDPOINTS + 4 * n, 1).ok();
        }
        if world.slot(NOTIFICATIONS + 4 * n).is_empty() {
            world.retype(from, 3, 0, NOTIFICATIONS + 4 * n, 1).ok();
        }
        for (base, badge) in [(ENDPOINTS, 7), (NOTIFICATIONS, 1)] {
            let at = base + 4 * n;
            for (copy, rights, badge) in [(1, CapRights::ALL.0, badge), (2, 9, badge + 1), (3, 3, 0)] {
                if world.slot(at + copy).is_empty() {
                    world.mint(at, at + copy, rights, badge).ok();
                }
            }
        }
    }
}

fn spawn(world: &World, n: u64, priority: u64) {
    let at = THREADS + 2 * n;
    let (address, space) = (0x8000 + n * 0x1000, InitialCap::Vspace as u64);
    if world.slot(at).is_empty() {
        world.retype(world.largest(), 1, 0, at, 1).ok();
    }
    if world.slot(at + 1).is_empty() {
        world.retype(world.largest(), 6, 0, at + 1, 1).ok();
    }
    let handler = ENDPOINTS + n % 8;
    let words = [handler, 0, 0, address];
    world.invoke(at, Invocation::TcbConfigure, &[ROOT, space, at + 1], &words).ok();
    world.invoke(at, Invocation::TcbSetPriority, &[OWN], &[priority]).ok();
    world.invoke(at, Invocation::TcbResume, &[], &[]).ok();
}

/// What the root task does when it has its turn. It never waits, but it gives way.
fn root_acts(world: &World, rng: &mut Rng) {
    let n = rng.below(COUNT);
    let thread = THREADS + 2 * n;
    let there = world.slot(thread).cap().is(Kind::Thread);
    let object = rng.below(2) * 4;
    let priority = rng.below(4);
    // What takes several calls is done without being interrupted by those who come to run by it.
    let act = rng.below(14);
    let several = matches!(act, 3..=5 | 9 | 10);
    if several {
        set_root_priority(world, 255);
    }
    match act {
        0 if there => drop(world.invoke(thread, Invocation::TcbSuspend, &[], &[]).ok()),
        1 | 2 if there => drop(world.invoke(thread, Invocation::TcbResume, &[], &[]).ok()),
        3 if there && rng.below(3) == 0 => drop(world.delete(thread).ok()),
        3..=5 if !there => spawn(world, n, priority),
        6 if there => drop(world.invoke(thread, Invocation::TcbSetPriority, &[OWN], &[priority]).ok()),
        7 if there => {
            let notification = NOTIFICATIONS + object;
            drop(world.invoke(thread, Invocation::TcbBindNotification, &[notification], &[]));
        }
        8 if there => drop(world.invoke(thread, Invocation::TcbUnbindNotification, &[], &[])),
        9 if rng.below(6) == 0 => {
            // The object goes, with all that wait at it.
            let at = rng.of(&[ENDPOINTS, NOTIFICATIONS]) + object;
            world.revoke(at).ok();
            world.delete(at).ok();
        }
        9 => drop(
            world.invoke(ROOT, Invocation::CnodeCancelBadgedSends, &[], &[ENDPOINTS + object + 1, 64]).ok(),
        ),
        10 => drop(world.revoke(ENDPOINTS + object).ok()),
        11 => {
            // Replies that were saved are forgotten, or given.
            let slot = SPARE + rng.below(8);
            if world.slot(slot).cap().is(Kind::Reply) && rng.below(2) == 0 {
                world.load(world.root, slot, 0, &[], &[1, 2]);
                world.syscall(Syscall::Send.number());
                assert!(world.slot(slot).is_empty());
            } else {
                world.delete(slot).ok();
            }
        }
        12 => world.kernel.device_irq(1 + rng.below(3)),
        _ => {}
    }
    if several {
        // What was revoked is made again.
        furnish(world);
        set_root_priority(world, 2);
    }
    world.leave();
}

fn set_root_priority(world: &World, priority: u8) {
    world.kernel.set_priority(world.root, priority);
    world.leave();
}

/// The user of `buffer` wants capabilities in slot `index`.
fn set_receive_slot(buffer: Buffer, index: u64) {
    let at = buffer.addr() + core::mem::offset_of!(IpcBuffer, receive_cnode);
    let words = core::ptr::with_exposed_provenance_mut::<[u64; 3]>(at);
    // SAFETY: root, index and depth are in the buffer, one behind the other.
    unsafe { words.write([ROOT, index, 64]) }
}

/// What any other thread does: it may wait for ever.
fn thread_acts(world: &World, thread: Ptr<Tcb>, rng: &mut Rng) {
    let cap = match rng.below(8) {
        0..=3 => ENDPOINTS + rng.below(8),
        4 | 5 => NOTIFICATIONS + rng.below(8),
        6 => SPARE + rng.below(8),
        // Nothing is there.
        _ => FREE + 100,
    };
    let words: Vec<u64> = (0..rng.below(9)).map(|n| n * 0x11).collect();
    let sent: Vec<u64> = (0..rng.below(3)).map(|n| ENDPOINTS + 4 * n).collect();
    // Some mostly receive, the others mostly send.
    let serves = (thread.buffer_address.get() >> 12).is_multiple_of(2);
    let calls = if serves == (rng.below(8) != 0) {
        [
            Syscall::Recv,
            Syscall::Recv,
            Syscall::ReplyRecv,
            Syscall::ReplyRecv,
            Syscall::Reply,
            Syscall::NbRecv,
        ]
    } else {
        [Syscall::Call, Syscall::Call, Syscall::Call, Syscall::Send, Syscall::NbSend, Syscall::Yield]
    };
    let call = rng.of(&calls);
    if let Some(buffer) = thread.buffer(true) {
        // Where a capability goes.
        set_receive_slot(buffer, SPARE + rng.below(8));
        world.load(thread, cap, rng.below(4), &sent, &words);
    } else {
        world.load(thread, cap, rng.below(4), &[], &words);
    }
    match rng.below(12) {
        0 => {
            // It keeps who has called it.
            let slot = SPARE + rng.below(8);
            if world.slot(slot).is_empty() {
                world.load(thread, ROOT, Invocation::CnodeSaveCaller.label(SMP), &[], &[slot, 64]);
                world.syscall(Syscall::Call.number());
            }
        }
        1 => {
            world.kernel.handle_fault(Fault::Vm { address: 8, cause: 5, fetch: false });
            world.leave();
        }
        2 => {
            world.kernel.handle_fault(Fault::Exception { number: 2, code: 0 });
            world.leave();
        }
        3 => world.syscall(-77),
        _ if call == Syscall::Call && rng.below(2) == 0 => {
            if world.kernel.fast_call() {
                assert_eq!(thread.state(), State::Replying);
            } else {
                world.syscall(call.number());
            }
        }
        _ if call == Syscall::ReplyRecv && rng.below(2) == 0 => {
            if world.kernel.fast_reply_receive() {
                assert_eq!(thread.state(), State::Receiving);
            } else {
                world.syscall(call.number());
            }
        }
        _ => world.syscall(call.number()),
    }
}

#[test]
fn queues_hold_who_waits() {
    let mut waited = [0; 8];
    for seed in 0..16 {
        let world = World::new();
        let mut rng = Rng::new(seed);
        furnish(&world);
        for n in 0..COUNT {
            spawn(&world, n, rng.below(4));
        }
        let interrupts = [Interrupts::Never, Interrupts::Always, Interrupts::Every(2), Interrupts::Every(3)];
        log(|log| log.interrupts = interrupts[seed as usize % interrupts.len()]);
        // Interrupts are signalled to a notification.
        for irq in 1..4 {
            let (control, slot) = (InitialCap::IrqControl as u64, FREE + 80 + irq);
            world.invoke(control, Invocation::IrqIssueHandler, &[ROOT], &[irq, slot, 64]).ok();
            let to = NOTIFICATIONS + 4 * (irq % 2);
            world.invoke(slot, Invocation::IrqSetHandler, &[to], &[]).ok();
        }
        world.invoke(OWN, Invocation::TcbSetPriority, &[OWN], &[2]).ok();
        for step in 0..1500 {
            std::eprintln!("seed {seed}, step {step}");
            let thread = world.kernel.current();
            if thread == world.root {
                root_acts(&world, &mut rng);
            } else {
                assert_ne!(thread.state(), State::Idle, "the root task does not wait");
                thread_acts(&world, thread, &mut rng);
            }
            // Time goes by.
            if rng.below(3) == 0 {
                for _ in 0..1 + rng.below(6) {
                    world.kernel.tick();
                    world.leave();
                }
            }
            // Whoever keeps the root task from its turn has to give way in the end.
            if world.kernel.current() != world.root && rng.below(4) == 0 {
                set_root_priority(&world, rng.of(&[1, 2, 3, 3]));
            }
            world.check();
            world.kernel.threads().for_each(|thread| waited[thread.state() as usize] += 1);
        }
        set_root_priority(&world, 255);
        world.revoke(world.largest()).ok();
        world.check();
        assert_eq!(world.kernel.threads().count(), 1);
        assert_eq!(log(|log| log.enabled.len()), 3, "interrupts have their handlers, though no notification");
        for irq in 1..4 {
            world.delete(FREE + 80 + irq).ok();
        }
        assert_eq!(log(|log| log.enabled.len()), 0);
    }
    std::eprintln!("threads by state: {waited:?}");
    for state in [State::Receiving, State::Sending, State::Replying, State::Waiting, State::Running] {
        assert!(waited[state as usize] > 300, "hardly a thread was ever {state:?}");
    }
}

/// Both ways through a call and its answer do the same.
#[test]
fn the_short_way_and_the_long_one_agree() {
    let outcome = |short: bool, length: usize| {
        let world = World::new();
        furnish(&world);
        spawn(&world, 0, 3);
        spawn(&world, 1, 2);
        let thread = |n: u64| world.slot(THREADS + 2 * n).cap().object::<Tcb>();
        let (server, client) = (thread(0), thread(1));
        world.invoke(OWN, Invocation::TcbSetPriority, &[OWN], &[0]).ok();
        let words: Vec<u64> = (1..=length as u64).collect();
        let go = |thread: Ptr<Tcb>, cap, label, words: &[u64], call: Syscall, fast: bool| {
            assert_eq!(world.kernel.current(), thread);
            world.load(thread, cap, label, &[], words);
            let done = fast
                && match call {
                    Syscall::Call => world.kernel.fast_call(),
                    _ => world.kernel.fast_reply_receive(),
                };
            assert_eq!(done, fast, "the short way is open");
            if !done {
                world.syscall(call.number());
            }
            world.check();
        };
        go(server, ENDPOINTS, 0, &[], Syscall::Recv, false);
        go(client, ENDPOINTS + 1, 3, &words, Syscall::Call, short);
        let state = |thread: Ptr<Tcb>| {
            let registers: Vec<u64> = (0..32).map(|n| thread.get(n)).collect();
            (thread.state(), registers, thread.pending.get().can_grant, thread.caller().cap().kind())
        };
        let called = (state(server), state(client));
        assert_eq!(server.message_info(), MessageInfo::new(3, 0, 0, length as u64));
        assert_eq!(server.get(reg::A0), 7);
        go(server, ENDPOINTS, 5, &words, Syscall::ReplyRecv, short);
        let answered = (state(server), state(client));
        assert_eq!(client.message_info(), MessageInfo::new(5, 0, 0, length as u64));
        assert_eq!(world.kernel.current(), client);
        (called, answered)
    };
    for length in 0..=4 {
        assert_eq!(outcome(true, length), outcome(false, length), "{length} words");
    }
}

/// Who is ready comes before a receiver that is less important.
#[test]
fn the_short_way_is_closed_while_others_come_first() {
    for (ready, open) in [(0, true), (1, true), (2, false), (3, false)] {
        let world = World::new();
        furnish(&world);
        spawn(&world, 0, 1);
        spawn(&world, 1, 1);
        let thread = |n: u64| world.slot(THREADS + 2 * n).cap().object::<Tcb>();
        set_root_priority(&world, 0);
        for _ in 0..2 {
            let server = world.kernel.current();
            world.load(server, ENDPOINTS, 0, &[], &[]);
            world.syscall(Syscall::Recv.number());
            assert_eq!(server.state(), State::Receiving);
        }
        set_root_priority(&world, 255);
        spawn(&world, 2, ready);
        spawn(&world, 3, 3);
        set_root_priority(&world, 0);
        // The last that was resumed is the first of its priority.
        let client = thread(3);
        assert_eq!(world.kernel.current(), client);
        world.load(client, ENDPOINTS + 1, 0, &[], &[1]);
        assert_eq!(world.kernel.fast_call(), open, "with a thread of priority {ready}");
        if open {
            assert_eq!(world.kernel.current().priority.get(), 1);
            assert_eq!(client.state(), State::Replying);
        }
        world.check();
    }
}

/// A thread that takes itself away, with all that it needs to make the call.
#[test]
fn a_thread_deletes_itself() {
    for interrupts in [Interrupts::Never, Interrupts::Always] {
        let world = World::new();
        let from = world.largest();
        let thread = world.spawn(from, FREE, 255);
        world.invoke(FREE, Invocation::TcbResume, &[], &[]).ok();
        world.syscall(Syscall::Yield.number());
        assert_eq!(world.kernel.current(), thread);
        log(|log| log.interrupts = interrupts);
        // It revokes the memory that it is made of.
        world.load(thread, ROOT, Invocation::CnodeRevoke.label(SMP), &[], &[from, 64]);
        world.syscall(Syscall::Call.number());
        assert_eq!(world.kernel.current(), world.root);
        world.check();
        world.revoke(from).ok();
        world.check();
        assert_eq!(world.kernel.threads().count(), 1);
    }
}

#[test]
fn nobody_is_left_at_an_endpoint_that_goes() {
    let world = World::new();
    furnish(&world);
    for n in 0..COUNT {
        spawn(&world, n, 3);
    }
    world.invoke(OWN, Invocation::TcbSetPriority, &[OWN], &[1]).ok();
    for n in 0..COUNT {
        let thread = world.kernel.current();
        world.load(thread, ENDPOINTS + n % 3, 0, &[], &[]);
        world.syscall(Syscall::Call.number());
        assert_eq!(thread.state(), State::Sending);
        assert_ne!(world.kernel.current(), thread);
    }
    let states = |state: State| world.kernel.threads().filter(|thread| thread.state() == state).count();
    world.invoke(OWN, Invocation::TcbSetPriority, &[OWN], &[255]).ok();
    // Those with the badge, and no others.
    world.invoke(ROOT, Invocation::CnodeCancelBadgedSends, &[], &[ENDPOINTS + 1, 64]).ok();
    assert_eq!((states(State::Sending), states(State::Restart)), (3, 2));
    world.check();
    world.revoke(ENDPOINTS).ok();
    assert_eq!(states(State::Sending), 3, "the endpoint is still there");
    world.delete(ENDPOINTS).ok();
    assert_eq!((states(State::Sending), states(State::Restart)), (0, 5));
    world.check();
}

/// The ways in which the last capability for something that threads wait at goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// It is deleted.
    Deleted,
    /// With the memory that the object was made of.
    Revoked,
    /// With the CNode that it is in.
    Inside,
}

/// A world in which `COUNT` threads of priority 3 wait at one object, whose only capability is in slot `ENDPOINTS`, or
/// of a CNode there; its memory is in `SPARE`.
fn waiters(object: u64, call: Syscall, end: End) -> World {
    let world = World::new();
    world.retype(world.largest(), 0, 9, SPARE, 1).ok();
    let to = if end == End::Inside { SPARE + 1 } else { ENDPOINTS };
    world.retype(SPARE, object, 0, to, 1).ok();
    if end == End::Inside {
        world.retype(world.largest(), 4, 1, ENDPOINTS, 1).ok();
    }
    for n in 0..COUNT {
        spawn(&world, n, 3);
    }
    set_root_priority(&world, 1);
    for _ in 0..COUNT {
        world.load(world.kernel.current(), to, 0, &[], &[]);
        world.syscall(call.number());
    }
    assert_eq!(world.kernel.current(), world.root);
    if end == End::Inside {
        world.invoke(ENDPOINTS, Invocation::CnodeMove, &[ROOT], &[1, 1, to, 64]).ok();
    }
    world
}

/// However often it is interrupted, and though those who waited try again at once: nobody new gets in.
#[test]
fn what_goes_takes_nobody_in_while_it_is_interrupted() {
    let (endpoint, notification) = (2, 3);
    let cases =
        [(endpoint, Syscall::Call), (endpoint, Syscall::Recv), (notification, Syscall::Recv)].into_iter();
    let ends = [End::Deleted, End::Revoked, End::Inside];
    for ((object, call), end) in cases.flat_map(|case| ends.map(|end| (case, end))) {
        std::eprintln!("{object} {call:?} {end:?}");
        let world = waiters(object, call, end);
        log(|log| log.interrupts = Interrupts::Always);
        let (invocation, slot) = match end {
            End::Revoked => (Invocation::CnodeRevoke, SPARE),
            _ => (Invocation::CnodeDelete, ENDPOINTS),
        };
        let waiting = || {
            let waits = |state| matches!(state, State::Sending | State::Receiving | State::Waiting);
            world.kernel.threads().filter(|thread| waits(thread.state())).count() as u64
        };
        let mut tries = 0;
        while waiting() > 0 {
            let left = waiting();
            assert_eq!(world.kernel.current(), world.root, "it goes on when nobody else wants to");
            world.load(world.root, ROOT, invocation.label(SMP), &[], &[slot, 64]);
            assert!(world.kernel.syscall(Syscall::Call.number()).is_err(), "it was not interrupted");
            world.leave();
            world.check();
            // Who waited comes first, and tries again.
            while world.kernel.current() != world.root {
                let thread = world.kernel.current();
                assert_eq!(thread.priority.get(), 3);
                world.load(thread, if end == End::Inside { SPARE + 1 } else { ENDPOINTS }, 0, &[], &[]);
                world.syscall(call.number());
                if thread.state() == State::Running {
                    // It was told that there is nothing.
                    assert_eq!((call, thread.message_info().label()), (Syscall::Call, 2));
                    world.kernel.suspend(thread);
                    world.leave();
                }
                world.check();
            }
            assert_eq!(waiting(), left - 1);
            tries += 1;
        }
        assert_eq!(tries, COUNT);
        log(|log| log.interrupts = Interrupts::Never);
        world.load(world.root, ROOT, invocation.label(SMP), &[], &[slot, 64]);
        world.syscall(Syscall::Call.number());
        assert!(world.root.message_info().label() == 0 && world.slot(ENDPOINTS).is_empty());
        // All of its memory is free.
        world.retype(SPARE, 0, 9, ENDPOINTS, 1).ok();
        world.check();
    }
}

/// The last capability for a notification with waiters may be that of an interrupt's handler.
#[test]
fn waiters_try_again_when_an_interrupt_is_signalled_elsewhere() {
    let world = waiters(3, Syscall::Recv, End::Deleted);
    set_root_priority(&world, 255);
    let (control, handler) = (InitialCap::IrqControl as u64, FREE + 80);
    world.invoke(control, Invocation::IrqIssueHandler, &[ROOT], &[3, handler, 64]).ok();
    world.invoke(handler, Invocation::IrqSetHandler, &[ENDPOINTS], &[]).ok();
    world.delete(ENDPOINTS).ok();
    let states =
        |state: State| world.kernel.threads().filter(|thread| thread.state() == state).count() as u64;
    assert_eq!(states(State::Waiting), COUNT, "the handler's own capability keeps it");
    log(|log| log.interrupts = Interrupts::Always);
    world.invoke(handler, Invocation::IrqClearHandler, &[], &[]).ok();
    assert_eq!((states(State::Waiting), states(State::Restart)), (0, COUNT));
    world.check();
    world.retype(SPARE, 0, 9, ENDPOINTS, 1).ok();
}

#[test]
fn an_interrupt_is_signalled_as_long_as_it_has_a_handler() {
    let world = World::new();
    furnish(&world);
    let (control, handler, to) = (InitialCap::IrqControl as u64, FREE + 80, NOTIFICATIONS + 1);
    let issue = || world.invoke(control, Invocation::IrqIssueHandler, &[ROOT], &[3, handler, 64]);
    let taken = || {
        world.load(world.root, NOTIFICATIONS, 0, &[], &[]);
        world.syscall(Syscall::NbRecv.number());
        world.root.get(reg::A0)
    };
    // The handler's own capability is in no memory that users have.
    let kept = || world.slots().values().filter(|slot| !(BASE..BASE + SIZE).contains(&slot.paddr())).count();
    issue().ok();
    assert_eq!(issue().label, 9);
    world.kernel.device_irq(3);
    assert_eq!((taken(), kept()), (0, 0));
    world.invoke(handler, Invocation::IrqSetHandler, &[to], &[]).ok();
    world.kernel.device_irq(3);
    assert_eq!((taken(), kept()), (1, 1));
    // A copy keeps it.
    world.mint(handler, handler + 1, 15, 0).ok();
    world.delete(handler).ok();
    world.kernel.device_irq(3);
    assert_eq!((taken(), kept(), log(|log| log.enabled.len())), (1, 1, 1));
    world.delete(handler + 1).ok();
    world.kernel.device_irq(3);
    assert_eq!((taken(), kept(), log(|log| log.enabled.len())), (0, 0, 0));
    issue().ok();
    world.check();
}

/// Who makes a call that the build has not stops, since nobody is told of the fault here.
#[test]
fn debug_calls_are_there_if_the_build_has_them() {
    for number in Syscall::DebugGetThreadAffinity.number()..=Syscall::DebugPutChar.number() {
        let call = Syscall::from_number(number, SMP).filter(|_| DEBUG);
        // That one does not come back.
        if call != Some(Syscall::DebugHalt) {
            let world = World::new();
            world.root.set(reg::A0, u64::from(b'x'));
            world.syscall(number);
            assert_eq!(world.root.state() == State::Inactive, call.is_none(), "{number}");
            let printed = log(|log| log.printed.clone());
            assert_eq!(printed == b"x", call == Some(Syscall::DebugPutChar), "{number}");
            assert!(DEBUG || printed.is_empty());
        }
    }
}
