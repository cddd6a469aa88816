//! Scheduling: priorities, time slices, yield, and what is kept over a switch.

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_user::syscall;
use kernel_user::thread::{Config, Thread};

use crate::env::{ABOVE, BELOW, Env, PRIORITY, SELF, words};
use crate::harness::Outcome;
use crate::{check, check_eq, tests};

tests!("sched":
    higher_priority_runs_first,
    lower_priority_does_not_run,
    equals_share_by_time_slices,
    many_equals_share,
    yield_goes_round,
    yield_does_not_reach_lower,
    raising_another_switches,
    lowering_oneself_switches,
    priority_of_a_waiting_thread,
    resume_of_a_higher_thread_switches,
    every_priority,
    preempted_by_a_wakened_thread,
    registers_are_kept,
    floating_point_is_kept,
    all_wait_but_the_lowest,
    time_slice_of_a_loop_without_calls,
);

static LOG: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];
static NEXT: AtomicU64 = AtomicU64::new(0);

fn log(value: u64) {
    let n = NEXT.fetch_add(1, Ordering::Relaxed) as usize;
    if let Some(entry) = LOG.get(n) {
        entry.store(value, Ordering::Relaxed);
    }
}

fn clear_log() {
    NEXT.store(0, Ordering::Relaxed);
}

fn logged<const N: usize>() -> [u64; N] {
    core::array::from_fn(|n| LOG[n].load(Ordering::Relaxed))
}

fn higher_priority_runs_first(env: &mut Env) -> Outcome {
    clear_log();
    let mut threads = [None; 4];
    for (n, priority) in [(0, 20), (1, 40), (2, 10), (3, 30)] {
        threads[n] = Some(env.spawn(priority, move || {
            log(priority);
            0
        })?);
    }
    threads.iter().flatten().for_each(|thread| {
        thread.join();
    });
    check_eq!(logged(), [40, 30, 20, 10]);
    Ok(())
}

fn lower_priority_does_not_run(env: &mut Env) -> Outcome {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.store(0, Ordering::Relaxed);
    env.spawn(BELOW, || {
        loop {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
    })?;
    // Longer than a time slice.
    let higher = env.spawn(BELOW + 1, || {
        for n in 0..3_000_000u64 {
            core::hint::black_box(n);
        }
        COUNT.load(Ordering::Relaxed)
    })?;
    check_eq!(higher.join(), 0);
    Ok(())
}

fn equals_share_by_time_slices(env: &mut Env) -> Outcome {
    // Each waits, without a system call, until the other one has counted.
    static COUNTS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    COUNTS.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    let mut threads = [None; 2];
    for (n, thread) in threads.iter_mut().enumerate() {
        *thread = Some(env.spawn(BELOW, move || {
            for round in 1..4 {
                COUNTS[n].store(round, Ordering::Relaxed);
                while COUNTS[1 - n].load(Ordering::Relaxed) < round {
                    core::hint::spin_loop();
                }
            }
            1
        })?);
    }
    check_eq!(threads.iter().flatten().map(Thread::join).sum::<u64>(), 2);
    Ok(())
}

fn many_equals_share(env: &mut Env) -> Outcome {
    static STARTED: AtomicU64 = AtomicU64::new(0);
    STARTED.store(0, Ordering::Relaxed);
    let mut threads = [None; 6];
    for thread in &mut threads {
        *thread = Some(env.spawn(BELOW, || {
            STARTED.fetch_add(1, Ordering::Relaxed);
            while STARTED.load(Ordering::Relaxed) < 6 {
                core::hint::spin_loop();
            }
            1
        })?);
    }
    check_eq!(threads.iter().flatten().map(Thread::join).sum::<u64>(), 6);
    Ok(())
}

fn yield_goes_round(env: &mut Env) -> Outcome {
    clear_log();
    let mut threads = [None; 3];
    for (n, thread) in threads.iter_mut().enumerate() {
        let n = n as u64;
        *thread = Some(env.spawn(BELOW, move || {
            for _ in 0..4 {
                log(n);
                syscall::yield_now();
            }
            0
        })?);
    }
    threads.iter().flatten().for_each(|thread| {
        thread.join();
    });
    let order: [u64; 12] = logged();
    // Whoever begins, it goes round. A time slice that ends in between would show as a repetition.
    let rounds = order.chunks(3).filter(|round| *round == &order[..3]).count();
    check!(rounds >= 3);
    Ok(())
}

fn yield_does_not_reach_lower(env: &mut Env) -> Outcome {
    let lower = env.spawn(BELOW, || 1)?;
    for _ in 0..100 {
        syscall::yield_now();
    }
    check_eq!(lower.result(), None);
    lower.join();
    Ok(())
}

fn raising_another_switches(env: &mut Env) -> Outcome {
    let lower = env.spawn(BELOW, || 1)?;
    check_eq!(lower.result(), None);
    lower.tcb.set_priority(SELF, ABOVE)?;
    check_eq!(lower.result(), Some(1));
    Ok(())
}

fn lowering_oneself_switches(env: &mut Env) -> Outcome {
    let lower = env.spawn(BELOW, || 1)?;
    SELF.set_priority(SELF, BELOW - 1)?;
    let result = lower.result();
    SELF.set_priority(SELF, PRIORITY)?;
    check_eq!(result, Some(1));
    Ok(())
}

fn priority_of_a_waiting_thread(env: &mut Env) -> Outcome {
    // The priority that it has when it goes on counts.
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || syscall::recv(endpoint.0).regs[0])?;
    thread.tcb.set_priority(SELF, BELOW)?;
    syscall::send(endpoint.0, words(0, 1), [4, 0, 0, 0]);
    check_eq!(thread.result(), None);
    check_eq!(thread.join(), 4);
    Ok(())
}

fn resume_of_a_higher_thread_switches(env: &mut Env) -> Outcome {
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    thread.tcb.write_registers(false, &thread.context_for(|| 9), kernel_user::abi::USER_CONTEXT_WORDS)?;
    check_eq!(thread.result(), None);
    thread.tcb.resume()?;
    check_eq!(thread.result(), Some(9));
    Ok(())
}

fn every_priority(env: &mut Env) -> Outcome {
    let thread = Thread::new(&mut env.resources(), &Config::new(0))?;
    let endpoint = env.endpoint()?;
    thread.start(move || {
        loop {
            let _ = syscall::reply_recv(endpoint.0, words(1, 0), [0; 4]);
        }
    })?;
    for priority in 0..=255 {
        thread.tcb.set_priority(SELF, priority)?;
        check_eq!(syscall::call(endpoint.0, words(0, 0), [0; 4]).info, words(1, 0));
    }
    Ok(())
}

fn preempted_by_a_wakened_thread(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    clear_log();
    env.spawn(ABOVE + 1, move || {
        syscall::recv(notification.0);
        log(1);
        0
    })?;
    let middle = env.spawn(ABOVE, move || {
        log(0);
        syscall::signal(notification.0);
        log(2);
        0
    })?;
    check_eq!(middle.result(), Some(0));
    check_eq!(logged(), [0, 1, 2]);
    Ok(())
}

fn registers_are_kept(env: &mut Env) -> Outcome {
    // Threads with different values in saved registers are switched by time slices.
    static RUNNING: AtomicU64 = AtomicU64::new(0);
    RUNNING.store(0, Ordering::Relaxed);
    let mut threads = [None; 3];
    for (n, thread) in threads.iter_mut().enumerate() {
        let n = n as u64;
        *thread = Some(env.spawn(BELOW, move || {
            RUNNING.fetch_add(1, Ordering::Relaxed);
            let mut values: [u64; 10] = core::array::from_fn(|k| n << 32 | k as u64);
            for _ in 0..200_000u32 {
                let [a, b, c, d, e, f, g, h, i, j] = &mut values;
                // SAFETY: changes nothing; it only keeps the values in registers.
                unsafe {
                    core::arch::asm!(
                        "/* {0} {1} {2} {3} {4} {5} {6} {7} {8} {9} */",
                        inlateout(reg) * a,
                        inlateout(reg) * b,
                        inlateout(reg) * c,
                        inlateout(reg) * d,
                        inlateout(reg) * e,
                        inlateout(reg) * f,
                        inlateout(reg) * g,
                        inlateout(reg) * h,
                        inlateout(reg) * i,
                        inlateout(reg) * j,
                        options(nomem, nostack),
                    );
                }
            }
            u64::from(values == core::array::from_fn(|k| n << 32 | k as u64))
        })?);
    }
    check_eq!(threads.iter().flatten().map(Thread::join).sum::<u64>(), 3);
    check_eq!(RUNNING.load(Ordering::Relaxed), 3);
    Ok(())
}

fn floating_point_is_kept(env: &mut Env) -> Outcome {
    let mut threads = [None; 3];
    for (n, thread) in threads.iter_mut().enumerate() {
        let value = 1000 + n as u64;
        *thread = Some(env.spawn(BELOW, move || {
            let mut kept = 0;
            for _ in 0..20 {
                let read: u64;
                // SAFETY: sets a register, yields, and reads it.
                unsafe {
                    core::arch::asm!(
                        "fmv.d.x fs3, {value}",
                        "fscsr {mode}",
                        "li a7, -7",
                        "ecall",
                        "fmv.x.d {read}, fs3",
                        "frcsr {mode}",
                        value = in(reg) value,
                        mode = inout(reg) value & 0x1f => _,
                        read = lateout(reg) read,
                        out("a7") _, out("fs3") _,
                        options(nostack),
                    );
                }
                kept += u64::from(read == value);
            }
            kept
        })?);
    }
    check_eq!(threads.iter().flatten().map(Thread::join).sum::<u64>(), 60);
    Ok(())
}

fn all_wait_but_the_lowest(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    env.spawn(0, move || {
        syscall::signal(notification.0);
        0
    })?;
    syscall::recv(notification.0);
    Ok(())
}

fn time_slice_of_a_loop_without_calls(env: &mut Env) -> Outcome {
    // A loop for ever does not keep its equals from ending it.
    let spinner = env.spawn(PRIORITY, || {
        loop {
            core::hint::spin_loop();
        }
    })?;
    syscall::yield_now();
    spinner.tcb.suspend()?;
    check_eq!(spinner.result(), None);
    Ok(())
}
