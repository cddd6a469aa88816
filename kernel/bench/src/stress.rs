//! `bench=stress`: notifications between threads on all harts while their receivers move from hart to hart. None may be
//! lost, and none may come twice.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kernel_root::env::PRIORITY;
use kernel_root::harness::Failure;
use kernel_user::invoke::Notification;
use kernel_user::{println, syscall, time, user_interrupt};

use crate::measure::{Score, measure};
use crate::params::{Params, Unknown};
use crate::world::{Home, World};

/// Ticks of the timebase after which something that was sent counts as lost.
const PATIENCE: u64 = 20_000_000;

/// A sender and its receiver.
#[derive(Default)]
#[repr(align(64))]
struct Pair {
    sent: AtomicU64,
    /// How far the receiver has seen what was sent.
    seen: AtomicU64,
    /// Times that the receiver was woken.
    woken: AtomicU64,
    /// What was not seen in time.
    lost: AtomicU64,
    done: AtomicBool,
}

pub fn run(world: &mut World, params: Params) -> Result<Result<Score, Failure>, Unknown> {
    let operations = params.number("ops", 10_000)?.max(1);
    let pairs = params.number("pairs", world.env.harts().max(2) / 2)?.clamp(1, 15);
    let moves = params.choice("moves", &[("yes", true), ("no", false)])?;
    Ok(start(world, operations, pairs, moves))
}

fn receive(pair: &'static Pair, own: Notification) -> u64 {
    loop {
        let _ = user_interrupt::wait(own);
        let vectors = user_interrupt::take();
        if vectors != 0 {
            pair.woken.fetch_add(1, Ordering::Relaxed);
        }
        pair.seen.store(pair.sent.load(Ordering::Acquire), Ordering::Release);
    }
}

fn send(pair: &'static Pair, to: Notification, count: u64) -> u64 {
    let Ok(target) = to.register_sender() else { return 1 };
    for n in 1..=count {
        pair.sent.store(n, Ordering::Release);
        target.send();
        let start = time::ticks();
        while pair.seen.load(Ordering::Acquire) != n {
            if time::ticks() - start > PATIENCE {
                pair.lost.fetch_add(1, Ordering::Relaxed);
                break;
            }
            // The receiver may be on this hart.
            syscall::yield_now();
        }
    }
    pair.done.store(true, Ordering::Release);
    0
}

fn start(world: &mut World, operations: u64, count: u64, moves: bool) -> Result<Score, Failure> {
    let harts = world.env.harts();
    let each = operations.div_ceil(count);
    let mut pairs = Vec::new();
    for n in 0..count {
        let pair: &'static Pair = Box::leak(Box::default());
        let receiver = world.thread(Home { priority: PRIORITY + 1, ..Home::on((2 * n + 1) % harts) })?;
        let own = world.equip(receiver.tcb)?;
        let sender = world.thread(Home::on(2 * n % harts))?;
        world.equip(sender.tcb)?;
        let to = world.badged(own, n)?;
        world.start(&receiver, move || receive(pair, own))?;
        pairs.push((pair, receiver, sender, to));
    }
    for &(pair, _, sender, to) in &pairs {
        world.start(&sender, move || send(pair, to, each))?;
    }
    let mut moved = 0;
    measure(|| {
        while !pairs.iter().all(|(pair, ..)| pair.done.load(Ordering::Acquire)) {
            if moves && harts > 1 {
                for (_, receiver, ..) in &pairs {
                    moved += 1;
                    receiver.tcb.set_affinity(moved * 7 % harts)?;
                }
            }
            syscall::yield_now();
        }
        Ok::<(), Failure>(())
    })?;
    let total = |of: fn(&Pair) -> &AtomicU64| -> u64 {
        pairs.iter().map(|(pair, ..)| of(pair).load(Ordering::Acquire)).sum()
    };
    let (lost, woken) = (total(|pair| &pair.lost), total(|pair| &pair.woken));
    let sent = each * count;
    // Each was waited for before the next was sent, so each wakes its receiver once.
    let errors = lost + woken.abs_diff(sent);
    println!("stress: {sent} sent, {woken} came, {lost} lost, {moved} moves");
    Ok(Score { operations: sent, errors, sent, ..Score::default() })
}
