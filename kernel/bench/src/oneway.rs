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

/// When the interrupt has come, by the receiver's clock.
static CAME: AtomicU64 = AtomicU64::new(0);
static INBOX: Inbox = Inbox::new();
static READY: AtomicU64 = AtomicU64::new(0);

/// Questions after the receiver's clock, and answers: harts begin to count when they are started.
static ASKED: AtomicU64 = AtomicU64::new(0);
static ANSWERED: AtomicU64 = AtomicU64::new(0);
static CLOCK: AtomicU64 = AtomicU64::new(0);
const QUESTIONS: u64 = 64;
/// No user interrupt takes so many cycles.
const LONGEST: u64 = 100_000;

/// The receiver's side of [`clock_offset`].
fn tell_clock() {
    for n in 1..=QUESTIONS {
        while ASKED.load(Ordering::Acquire) != n {}
        CLOCK.store(cycles(), Ordering::Relaxed);
        ANSWERED.store(n, Ordering::Release);
    }
}

/// By how much the receiver's clock is ahead of this one's: by the shortest of several ways there and back, of which
/// each is taken for half.
fn clock_offset() -> u64 {
    let mut best = (u64::MAX, 0);
    for n in 1..=QUESTIONS {
        let asked = cycles();
        ASKED.store(n, Ordering::Release);
        while ANSWERED.load(Ordering::Acquire) != n {}
        let took = cycles() - asked;
        best = best.min((took, CLOCK.load(Ordering::Relaxed).wrapping_sub(asked + took / 2)));
    }
    best.1
}

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
        "sd t1, 0(t0)",
        "rdcycle t1",
        "sd t1, 64(t0)",
        ".word {read}",
        "ld t1, 0(t0)",
        "csrrw t0, 0x040, t0",
        ".word {uret}",
        ".option pop",
        read = const uintr_abi::uipi::read(6),
        uret = const uintr_abi::n::URET,
    )
}

/// Where [`timed`] writes: the sender looks at one of the lines, and the other is the receiver's alone.
#[repr(C)]
struct Timed {
    saved: Line,
    came: Line,
}

/// A cache line.
#[repr(align(64))]
struct Line(AtomicU64);

static TIMED: Timed = Timed { saved: Line(AtomicU64::new(0)), came: Line(AtomicU64::new(0)) };

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
        tell_clock();
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
    let offset = clock_offset();
    while READY.load(Ordering::Acquire) == 0 {}
    let target = to.register_sender()?;
    let came = if to_body { &CAME } else { &TIMED.came.0 };
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
        let took = then.wrapping_sub(offset).wrapping_sub(sent);
        // Nothing has come, or at an impossible time.
        if then == 0 || took > LONGEST {
            errors += 1;
            return 0;
        }
        took
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
