//! `bench=oneway`: one user interrupt, from the sender's instruction on another hart to the first instruction of the
//! receiver's entry, and to the body of its handler.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering};

use kernel_root::harness::Failure;
use kernel_user::println;
use kernel_user::time::cycles;
use kernel_user::user_interrupt::{self, Handler, Inbox};

use crate::measure::{Score, WARM_UP, measure, operation};
use crate::params::{Params, Unknown};
use crate::world::{Home, World};

/// What takes the interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// Two registers are saved, and note is taken.
    Minimal,
    /// All that a function may change is saved, and one is called.
    Full,
}

/// When the interrupt has come, by the receiver's clock, which is the sender's.
static CAME: AtomicU64 = AtomicU64::new(0);
static INBOX: Inbox = Inbox::new();
static READY: AtomicU64 = AtomicU64::new(0);

extern "C" fn body(_vectors: u64, _context: u64) {
    CAME.store(cycles(), Ordering::Release);
}

static HANDLER: Handler = Handler { run: body, context: 0 };

/// Takes the time before anything else.
#[unsafe(naked)]
unsafe extern "C" fn timed() {
    naked_asm!(
        ".balign 4",
        ".option push",
        ".option arch, +a",
        "csrrw t0, 0x040, t0",
        "sd t1, 8(t0)",
        "rdcycle t1",
        "sd t1, 0(t0)",
        ".word {read}",
        "ld t1, 8(t0)",
        "csrrw t0, 0x040, t0",
        ".word {uret}",
        ".option pop",
        read = const uintr_abi::uipi::read(6),
        uret = const uintr_abi::n::URET,
    )
}

/// Where [`timed`] writes.
#[repr(C)]
struct Timed {
    came: AtomicU64,
    saved: AtomicU64,
}

static TIMED: Timed = Timed { came: AtomicU64::new(0), saved: AtomicU64::new(0) };

pub fn run(world: &mut World, params: Params) -> Result<Result<Score, Failure>, Unknown> {
    let to_body = params.choice("to", &[("entry", false), ("body", true)])?;
    let entry = params.choice("mech", &[("minimal", Entry::Minimal), ("full", Entry::Full)])?;
    let operations = params.number("ops", 200)?.max(1);
    Ok(start(world, to_body, entry, operations))
}

fn start(world: &mut World, to_body: bool, entry: Entry, operations: u64) -> Result<Score, Failure> {
    world.equip_self()?;
    let receiver = world.thread(Home::on(1))?;
    let theirs = world.equip(receiver.tcb)?;
    let to = world.badged(theirs, 1)?;
    world.start(&receiver, move || {
        // SAFETY: what the entries write to is static, and this thread's alone.
        unsafe {
            match (to_body, entry) {
                (false, _) => user_interrupt::use_entry(timed as *const () as u64, (&raw const TIMED) as u64),
                (true, Entry::Minimal) => user_interrupt::use_inbox(&INBOX),
                (true, Entry::Full) => user_interrupt::use_handler(&HANDLER),
            }
        }
        user_interrupt::enable();
        READY.store(1, Ordering::Release);
        loop {
            // What a minimal entry leaves is looked at here.
            if INBOX.has_some() {
                CAME.store(cycles(), Ordering::Release);
                let _ = INBOX.take();
            }
        }
    })?;
    while READY.load(Ordering::Acquire) == 0 {}
    let target = to.register_sender()?;
    let came = if to_body { &CAME } else { &TIMED.came };
    let (mut sum, mut errors) = (0, 0);
    let mut round = || {
        came.store(0, Ordering::Release);
        let sent = cycles();
        target.send();
        let mut then = 0;
        for _ in 0..10_000 {
            then = came.load(Ordering::Acquire);
            if then != 0 {
                break;
            }
        }
        operation();
        if then < sent {
            errors += 1;
        }
        then - sent.min(then)
    };
    for _ in 0..WARM_UP {
        round();
    }
    measure(|| {
        for _ in 0..operations {
            sum += round();
        }
    });
    println!("one way: {} cycles", sum / operations);
    Ok(Score { operations, errors, latency: sum / operations, ..Score::default() })
}
