//! Several harts. On one hart there is nothing to test here.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kernel_user::abi::{CapRights, FaultLabel, ObjectType, USER_CONTEXT_WORDS, VmAttributes, bits};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{CNode, Untyped};
use kernel_user::syscall;
use kernel_user::thread::{Config, Thread};

use crate::env::{ABOVE, BELOW, Env, PRIORITY, SELF, VSPACE, words};
use crate::harness::{Failure, Outcome};
use crate::{check, check_eq, tests};

tests!("smp":
    harts_run_at_once,
    priorities_are_per_hart,
    affinity_of_a_running_thread,
    affinity_of_oneself,
    affinity_of_a_waiting_thread,
    suspend_on_another_hart,
    delete_on_another_hart,
    registers_of_another_hart,
    priority_on_another_hart,
    call_across_harts,
    reply_recv_across_harts,
    long_messages_across_harts,
    signal_across_harts,
    bound_signal_across_harts,
    fault_across_harts,
    unmap_reaches_other_harts,
    replaced_frame_is_seen_by_other_harts,
    rights_reach_other_harts,
    harts_make_and_delete,
    revoke_under_use,
    delete_endpoint_under_use,
    address_space_deleted_under_use,
    many_threads_on_all_harts,
    floating_point_moves_with_the_thread,
);

static COUNT: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

fn on(hart: u64, priority: u64) -> Config {
    Config { hart, ..Config::new(priority) }
}

/// Waits for something that another hart does, without a system call; fails after very long.
fn wait_for(condition: impl Fn() -> bool) -> Result<(), Failure> {
    for _ in 0..200_000_000u64 {
        if condition() {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    Err(Failure::new(format_args!("waited in vain")))
}

fn count_up() -> u64 {
    while !STOP.load(Ordering::Relaxed) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
    COUNT.load(Ordering::Relaxed)
}

fn counter(env: &mut Env, hart: u64, priority: u64) -> Result<Thread, Failure> {
    COUNT.store(0, Ordering::Relaxed);
    STOP.store(false, Ordering::Relaxed);
    let thread = env.spawn_with(&on(hart, priority), count_up)?;
    wait_for(|| COUNT.load(Ordering::Relaxed) != 0)?;
    Ok(thread)
}

/// Whether the counter still moves, in a while that is long for the other hart.
fn counts() -> bool {
    let before = COUNT.load(Ordering::Relaxed);
    for n in 0..100_000u64 {
        core::hint::black_box(n);
    }
    COUNT.load(Ordering::Relaxed) != before
}

fn harts_run_at_once(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let thread = counter(env, hart, PRIORITY)?;
        check_eq!(syscall::debug_affinity(thread.tcb.0), hart);
        STOP.store(true, Ordering::Relaxed);
        thread.join();
    }
    Ok(())
}

fn priorities_are_per_hart(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        // A low priority does not matter where nobody else is.
        let thread = counter(env, hart, 1)?;
        let higher = env.spawn_with(&on(hart, 2), || 5)?;
        wait_for(|| higher.result() == Some(5))?;
        STOP.store(true, Ordering::Relaxed);
        thread.join();
    }
    Ok(())
}

fn affinity_of_a_running_thread(env: &mut Env) -> Outcome {
    if env.harts() == 1 {
        return Ok(());
    }
    let thread = counter(env, 1, BELOW)?;
    for round in 0..20 {
        let hart = 1 + round % (env.harts() - 1);
        thread.tcb.set_affinity(hart)?;
        check_eq!(syscall::debug_affinity(thread.tcb.0), hart);
        let before = COUNT.load(Ordering::Relaxed);
        wait_for(|| COUNT.load(Ordering::Relaxed) != before)?;
    }
    // Here it does not run as long as this thread does.
    thread.tcb.set_affinity(0)?;
    check!(!counts());
    STOP.store(true, Ordering::Relaxed);
    thread.join();
    Ok(())
}

fn affinity_of_oneself(env: &mut Env) -> Outcome {
    for hart in (0..env.harts()).rev() {
        if env.harts() > 1 {
            SELF.set_affinity(hart)?;
            check_eq!(syscall::debug_affinity(SELF.0), hart);
        }
        let endpoint = env.endpoint()?;
        check_eq!(syscall::nb_recv(endpoint.0).badge, 0);
    }
    Ok(())
}

fn affinity_of_a_waiting_thread(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || {
        loop {
            let _ = syscall::reply_recv(endpoint.0, words(1, 0), [0; 4]);
        }
    })?;
    for round in 0..4 * (env.harts() - 1) {
        thread.tcb.set_affinity(round % env.harts())?;
        check_eq!(syscall::call(endpoint.0, words(0, 0), [0; 4]).info, words(1, 0));
    }
    Ok(())
}

fn suspend_on_another_hart(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let thread = counter(env, hart, PRIORITY)?;
        for _ in 0..5 {
            thread.tcb.suspend()?;
            // When suspend has returned, it does not run.
            check!(!counts());
            thread.tcb.resume()?;
            let before = COUNT.load(Ordering::Relaxed);
            wait_for(|| COUNT.load(Ordering::Relaxed) != before)?;
        }
        STOP.store(true, Ordering::Relaxed);
        thread.join();
    }
    Ok(())
}

fn delete_on_another_hart(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let thread = counter(env, hart, PRIORITY)?;
        ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
        check!(!counts());
    }
    Ok(())
}

fn registers_of_another_hart(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let thread = counter(env, hart, PRIORITY)?;
        for _ in 0..10 {
            let context = thread.tcb.read_registers(false, USER_CONTEXT_WORDS)?;
            check_eq!(context.tp, thread.buffer);
        }
        // Somewhere else at once.
        let context = thread.context(stopped as *const () as u64, [0; 2]);
        thread.tcb.write_registers(true, &context, USER_CONTEXT_WORDS)?;
        wait_for(|| COUNT.load(Ordering::Relaxed) > 1 << 40)?;
    }
    Ok(())
}

extern "C" fn stopped() -> ! {
    COUNT.store(1 << 41, Ordering::Relaxed);
    loop {
        core::hint::spin_loop();
    }
}

fn priority_on_another_hart(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let thread = counter(env, hart, BELOW)?;
        let other = env.spawn_with(&on(hart, BELOW - 1), || 6)?;
        let before = COUNT.load(Ordering::Relaxed);
        wait_for(|| COUNT.load(Ordering::Relaxed) != before)?;
        check_eq!(other.result(), None);
        other.tcb.set_priority(SELF, ABOVE)?;
        wait_for(|| other.result() == Some(6))?;
        STOP.store(true, Ordering::Relaxed);
        thread.join();
    }
    Ok(())
}

fn call_across_harts(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let endpoint = env.endpoint()?;
        env.spawn_with(&on(hart, ABOVE), move || {
            let mut message = syscall::recv(endpoint.0);
            loop {
                message = syscall::reply_recv(endpoint.0, message.info, message.regs.map(|word| word + 1));
            }
        })?;
        for round in 0..300 {
            let reply = syscall::call(endpoint.0, words(round, 4), [round, 1, 2, 3]);
            check_eq!(reply.info, words(round, 4));
            check_eq!(reply.regs, [round + 1, 2, 3, 4]);
        }
    }
    Ok(())
}

fn reply_recv_across_harts(env: &mut Env) -> Outcome {
    // The server is here, a client on each hart.
    const ROUNDS: u64 = 200;
    let endpoint = env.endpoint()?;
    let mut clients = [None; 8];
    let count = env.harts().min(8);
    for hart in 0..count {
        let badged = env.mint(endpoint.0, CapRights::ALL, hart + 1)?;
        clients[hart as usize] = Some(env.spawn_with(&on(hart, BELOW), move || {
            (0..ROUNDS).fold(0, |sum, round| {
                let reply = syscall::call(badged, words(1, 1), [round, 0, 0, 0]);
                sum + u64::from(reply.regs[0] == round + hart + 1)
            })
        })?);
    }
    let mut message = syscall::recv(endpoint.0);
    for _ in 1..count * ROUNDS {
        message = syscall::reply_recv(endpoint.0, words(0, 1), [message.regs[0] + message.badge, 0, 0, 0]);
    }
    syscall::reply(words(0, 1), [message.regs[0] + message.badge, 0, 0, 0]);
    for client in clients.iter().flatten() {
        check_eq!(client.join(), ROUNDS);
    }
    Ok(())
}

fn long_messages_across_harts(env: &mut Env) -> Outcome {
    use kernel_user::ipc;
    for hart in 1..env.harts() {
        let endpoint = env.endpoint()?;
        env.spawn_with(&on(hart, ABOVE), move || {
            let mut message = syscall::recv(endpoint.0);
            loop {
                for n in 4..message.info.length() {
                    ipc::set_word(n, !ipc::word(n));
                }
                message = syscall::reply_recv(endpoint.0, message.info, message.regs.map(|word| !word));
            }
        })?;
        for length in (0..=120).step_by(10) {
            (4..length).for_each(|n| ipc::set_word(n, n as u64));
            let reply = syscall::call(endpoint.0, words(0, length as u64), [0, 1, 2, 3]);
            check_eq!(reply.info, words(0, length as u64));
            check!((4..length).all(|n| ipc::word(n) == !(n as u64)));
        }
    }
    Ok(())
}

fn signal_across_harts(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let (there, back) = (env.notification()?, env.notification()?);
        let badged = env.mint(back.0, CapRights::ALL, 1 << hart)?;
        env.spawn_with(&on(hart, PRIORITY), move || {
            loop {
                syscall::recv(there.0);
                syscall::signal(badged);
            }
        })?;
        for _ in 0..300 {
            syscall::signal(there.0);
            check_eq!(syscall::recv(back.0).badge, 1 << hart);
        }
    }
    Ok(())
}

fn bound_signal_across_harts(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let (endpoint, notification, back) = (env.endpoint()?, env.notification()?, env.notification()?);
        let badged = env.mint(notification.0, CapRights::ALL, 0x80)?;
        let thread = Thread::new(&mut env.resources(), &on(hart, PRIORITY))?;
        thread.tcb.bind_notification(notification)?;
        thread.start(move || {
            (0..50).fold(0, |sum, _| {
                let badge = syscall::recv(endpoint.0).badge;
                syscall::signal(back.0);
                sum + badge
            })
        })?;
        for _ in 0..50 {
            syscall::signal(badged);
            syscall::recv(back.0);
        }
        check_eq!(thread.join(), 50 * 0x80);
    }
    Ok(())
}

fn fault_across_harts(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let faults = env.endpoint()?;
        let config = Config { fault_endpoint: faults.0, ..on(hart, PRIORITY) };
        let thread = env.spawn_with(&config, || {
            let value;
            // SAFETY: a read that faults; the handler moves on behind it.
            unsafe {
                core::arch::asm!(".option push", ".option norvc", "ld {}, 8(zero)", ".option pop", out(reg) value);
            }
            core::hint::black_box::<u64>(value);
            3
        })?;
        let message = syscall::recv(faults.0);
        check_eq!(message.info.label(), FaultLabel::Vm as u64);
        let mut context = thread.tcb.read_registers(false, USER_CONTEXT_WORDS)?;
        context.pc += 4;
        thread.tcb.write_registers(true, &context, USER_CONTEXT_WORDS)?;
        check_eq!(thread.join(), 3);
    }
    Ok(())
}

/// A thread on `hart` that reads a page all the time, and counts; what it read is in `SEEN`.
fn reader(env: &mut Env, hart: u64, address: u64) -> Result<(Thread, u64), Failure> {
    COUNT.store(0, Ordering::Relaxed);
    let faults = env.endpoint()?;
    let badged = env.mint(faults.0, CapRights::ALL, 1)?;
    let config = Config { fault_endpoint: badged, ..on(hart, PRIORITY) };
    let thread = env.spawn_with(&config, move || {
        loop {
            // SAFETY: mapped at first, and then a fault which the test expects.
            let value = unsafe { (address as *const u64).read_volatile() };
            SEEN.store(value, Ordering::SeqCst);
            COUNT.fetch_add(1, Ordering::SeqCst);
        }
    })?;
    wait_for(|| COUNT.load(Ordering::Relaxed) != 0)?;
    Ok((thread, faults.0))
}

static SEEN: AtomicU64 = AtomicU64::new(0);

fn unmap_reaches_other_harts(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let frame = env.frame()?;
        let address = env.map(frame, bits::PAGE)?;
        let (_, faults) = reader(env, hart, address)?;
        frame.unmap()?;
        let message = syscall::recv(faults);
        check_eq!(message.info.label(), FaultLabel::Vm as u64);
        check_eq!(message.regs[1], address);
        frame.map(VSPACE, address, CapRights::ALL, VmAttributes(0))?;
        let before = COUNT.load(Ordering::Relaxed);
        syscall::reply(words(0, 0), [0; 4]);
        wait_for(|| COUNT.load(Ordering::Relaxed) != before)?;
        ROOT_CNODE.delete(frame.0, DEPTH)?;
        check_eq!(syscall::recv(faults).regs[1], address);
    }
    Ok(())
}

fn replaced_frame_is_seen_by_other_harts(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let frames = [env.frame()?, env.frame()?];
        let address = env.vspace.reserve(bits::PAGE);
        for (n, frame) in frames.iter().enumerate() {
            env.map_at(*frame, address, CapRights::ALL)?;
            // SAFETY: it has just been mapped there.
            unsafe { (address as *mut u64).write_volatile(n as u64) };
            frame.unmap()?;
        }
        frames[0].map(VSPACE, address, CapRights::READ, VmAttributes(0))?;
        let (thread, faults) = reader(env, hart, address)?;
        for n in 1..20 {
            frames[(n - 1) % 2].unmap()?;
            frames[n % 2].map(VSPACE, address, CapRights::READ, VmAttributes(0))?;
            // If it came in between, it starts again now.
            if syscall::nb_recv(faults).badge != 0 {
                syscall::reply(words(0, 0), [0; 4]);
            }
            // What it reads from now on is what is there now; the read that is under way does not count.
            let before = COUNT.load(Ordering::SeqCst);
            wait_for(|| {
                if syscall::nb_recv(faults).badge != 0 {
                    syscall::reply(words(0, 0), [0; 4]);
                }
                COUNT.load(Ordering::SeqCst) > before + 2
            })?;
            check_eq!(SEEN.load(Ordering::SeqCst), (n % 2) as u64);
        }
        ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    }
    Ok(())
}

fn rights_reach_other_harts(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        let frame = env.frame()?;
        let address = env.map(frame, bits::PAGE)?;
        let faults = env.endpoint()?;
        let config = Config { fault_endpoint: faults.0, ..on(hart, PRIORITY) };
        COUNT.store(0, Ordering::Relaxed);
        env.spawn_with(&config, move || {
            loop {
                let value = COUNT.fetch_add(1, Ordering::Relaxed);
                // SAFETY: mapped at first, and then a fault which the test expects.
                unsafe { (address as *mut u64).write_volatile(value) };
            }
        })?;
        wait_for(|| COUNT.load(Ordering::Relaxed) > 2)?;
        frame.map(VSPACE, address, CapRights::READ, VmAttributes(0))?;
        check_eq!(syscall::recv(faults.0).regs[1], address);
        // SAFETY: it is mapped for reading.
        let value = unsafe { (address as *const u64).read_volatile() };
        check_eq!(value + 2, COUNT.load(Ordering::Relaxed));
    }
    Ok(())
}

fn harts_make_and_delete(env: &mut Env) -> Outcome {
    const ROUNDS: u64 = 10;
    let mut threads = [None; 8];
    for hart in 0..env.harts().min(8) {
        let (untyped, node) = (env.untyped(16)?, env.cnode(8)?);
        threads[hart as usize] = Some(env.spawn_with(&on(hart, BELOW), move || {
            (0..ROUNDS).fold(0, |sum, _| sum + u64::from(churn(untyped, node).is_ok()))
        })?);
    }
    for thread in threads.iter().flatten() {
        check_eq!(thread.join(), ROUNDS);
    }
    Ok(())
}

fn churn(untyped: Untyped, node: CNode) -> kernel_user::invoke::Result<()> {
    untyped.retype(ObjectType::Endpoint, 0, node, 0, 0, 0, 100)?;
    untyped.retype(ObjectType::Page, 0, node, 0, 0, 100, 8)?;
    for slot in 0..100 {
        node.mint((slot + 120, 8), node, (slot, 8), CapRights::ALL, slot)?;
    }
    ROOT_CNODE.revoke(untyped.0, DEPTH)
}

fn revoke_under_use(env: &mut Env) -> Outcome {
    // Other harts use what is revoked, until there is nothing to use.
    for _ in 0..5 {
        let notification = env.notification()?;
        STOP.store(false, Ordering::Relaxed);
        COUNT.store(0, Ordering::Relaxed);
        let mut threads = [None; 8];
        for hart in 1..env.harts().min(8) {
            let badged = env.mint(notification.0, CapRights::ALL, hart)?;
            threads[hart as usize] = Some(env.spawn_with(&on(hart, PRIORITY), move || {
                while !STOP.load(Ordering::Relaxed) {
                    syscall::signal(badged);
                    COUNT.fetch_add(1, Ordering::Relaxed);
                }
                1
            })?);
        }
        if env.harts() > 1 {
            wait_for(|| COUNT.load(Ordering::Relaxed) > 20)?;
        }
        ROOT_CNODE.revoke(notification.0, DEPTH)?;
        syscall::nb_recv(notification.0);
        for _ in 0..10 {
            check_eq!(syscall::nb_recv(notification.0).badge, 0);
        }
        STOP.store(true, Ordering::Relaxed);
        for thread in threads.iter().flatten() {
            check_eq!(thread.join(), 1);
        }
    }
    Ok(())
}

fn delete_endpoint_under_use(env: &mut Env) -> Outcome {
    for _ in 0..5 {
        let endpoint = env.endpoint()?;
        COUNT.store(0, Ordering::Relaxed);
        let mut threads = [None; 8];
        let harts = env.harts().min(8);
        for hart in 1..harts {
            // A server and a client on each.
            env.spawn_with(&on(hart, PRIORITY), move || {
                syscall::recv(endpoint.0);
                loop {
                    let _ = syscall::reply_recv(endpoint.0, words(1, 0), [0; 4]);
                }
            })?;
            threads[hart as usize] = Some(env.spawn_with(&on(hart, PRIORITY), move || {
                while syscall::call(endpoint.0, words(0, 0), [0; 4]).info == words(1, 0) {
                    COUNT.fetch_add(1, Ordering::Relaxed);
                }
                1
            })?);
        }
        if harts > 1 {
            wait_for(|| COUNT.load(Ordering::Relaxed) > 20)?;
        }
        ROOT_CNODE.delete(endpoint.0, DEPTH)?;
        // A client that had been received waits for ever; none is served any more. A kernel that reports faults on
        // the console may take a while.
        wait_for(|| !counts())?;
        for thread in threads.iter().flatten() {
            ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
        }
    }
    Ok(())
}

fn address_space_deleted_under_use(env: &mut Env) -> Outcome {
    for hart in 1..env.harts() {
        // The thread spins in a page of its own address space, which is deleted.
        let (vspace, frame, faults) = (env.address_space()?, env.frame()?, env.endpoint()?);
        let address = env.map(frame, bits::PAGE)?;
        // SAFETY: it has just been mapped there. The instruction jumps to itself.
        unsafe { (address as *mut u32).write_volatile(0x0000_006f) };
        frame.unmap()?;
        for _ in 0..2 {
            env.page_table()?.map(vspace, 0x1000, VmAttributes(0))?;
        }
        frame.map(vspace, 0x1000, CapRights::READ, VmAttributes(0))?;
        let config = Config { fault_endpoint: faults.0, vspace, ..on(hart, PRIORITY) };
        let thread = Thread::new(&mut env.resources(), &config)?;
        thread.tcb.write_registers(true, &thread.context(0x1000, [0; 2]), USER_CONTEXT_WORDS)?;
        for _ in 0..3 {
            check_eq!(thread.tcb.read_registers(false, 1)?.pc, 0x1000);
        }
        ROOT_CNODE.revoke(vspace.0, DEPTH)?;
        ROOT_CNODE.delete(vspace.0, DEPTH)?;
        ROOT_CNODE.delete(frame.0, DEPTH)?;
        let message = syscall::recv(faults.0);
        check_eq!(message.info.label(), FaultLabel::Vm as u64);
        check_eq!(message.regs[..3], [0x1000, 0x1000, 1]);
    }
    Ok(())
}

fn many_threads_on_all_harts(env: &mut Env) -> Outcome {
    let mut threads = [None; 32];
    let harts = env.harts();
    for (n, thread) in threads.iter_mut().enumerate() {
        let n = n as u64;
        *thread = Some(env.spawn_with(&on(n % harts, BELOW), move || {
            for _ in 0..20 {
                syscall::yield_now();
            }
            n
        })?);
    }
    check_eq!(threads.iter().flatten().map(Thread::join).sum::<u64>(), 31 * 16);
    Ok(())
}

fn floating_point_moves_with_the_thread(env: &mut Env) -> Outcome {
    if env.harts() == 1 {
        return Ok(());
    }
    STOP.store(false, Ordering::Relaxed);
    COUNT.store(0, Ordering::Relaxed);
    let thread = env.spawn_with(&on(1, PRIORITY), || {
        let mut wrong = 0;
        while !STOP.load(Ordering::Relaxed) {
            let read: u64;
            // SAFETY: sets registers, spends some time, and reads them.
            unsafe {
                core::arch::asm!(
                    "fmv.d.x fs5, {value}",
                    "li {read}, 1000",
                    "1: addi {read}, {read}, -1",
                    "bnez {read}, 1b",
                    "fmv.x.d {read}, fs5",
                    value = in(reg) 0x5a5a_1234u64,
                    read = out(reg) read,
                    out("fs5") _,
                    options(nostack, nomem),
                );
            }
            wrong += u64::from(read != 0x5a5a_1234);
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        wrong
    })?;
    for round in 0..20 {
        thread.tcb.set_affinity(1 + round % (env.harts() - 1))?;
        let before = COUNT.load(Ordering::Relaxed);
        wait_for(|| COUNT.load(Ordering::Relaxed) > before + 1)?;
    }
    STOP.store(true, Ordering::Relaxed);
    check_eq!(thread.join(), 0);
    Ok(())
}
