//! `bench=ways`: a notification and its answer between two threads that share a page, in the ways that there are: by
//! system calls, by looking all the time, by user interrupts.

use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};

use kernel_root::harness::Failure;
use kernel_user::invoke::Notification;
use kernel_user::syscall;
use kernel_user::user_interrupt::{self, Inbox, Target};

use crate::measure::{Score, WARM_UP, measure, operation};
use crate::params::{Params, Unknown};
use crate::work::answer;
use crate::world::{Home, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    /// `Signal` and `Wait`.
    Signal,
    /// Each looks until there is something.
    Poll,
    /// User interrupts that end a wait.
    Interrupt,
    /// User interrupts that are taken, by an entry that saves two registers.
    Handler,
}

const MECHANISMS: [(&str, Mechanism); 4] = [
    ("signal", Mechanism::Signal),
    ("poll", Mechanism::Poll),
    ("uintr", Mechanism::Interrupt),
    ("handler", Mechanism::Handler),
];

/// What both share, each part in a cache line of its own.
#[repr(C, align(64))]
struct Line(AtomicU64);

static ASKED: Line = Line(AtomicU64::new(0));
static ANSWERED: Line = Line(AtomicU64::new(0));
static INBOXES: [Inbox; 2] = [const { Inbox::new() }; 2];

/// How a thread notifies the other one, and waits for it.
#[derive(Debug, Clone, Copy)]
struct Side {
    mechanism: Mechanism,
    /// Stops its hart instead of sleeping in the kernel.
    halts: bool,
    own: Notification,
    to: Notification,
    target: Target,
    inbox: &'static Inbox,
}

impl Side {
    /// The calling thread's, which notifies the other by `to`.
    fn new(
        mechanism: Mechanism,
        halts: bool,
        own: Notification,
        to: Notification,
        inbox: &'static Inbox,
    ) -> Result<Self, Failure> {
        let target = to.register_sender()?;
        if mechanism == Mechanism::Handler {
            // SAFETY: it is static, and this thread's alone.
            unsafe { user_interrupt::use_inbox(inbox) };
            user_interrupt::enable();
        }
        Ok(Self { mechanism, halts, own, to, target, inbox })
    }

    #[inline(always)]
    fn notify(&self) {
        match self.mechanism {
            Mechanism::Signal => syscall::signal(self.to.0),
            Mechanism::Poll => {}
            Mechanism::Interrupt | Mechanism::Handler => self.target.send(),
        }
    }

    /// Waits until `line` is `value`.
    #[inline(always)]
    fn wait(&self, line: &Line, value: u64) {
        while line.0.load(Ordering::Acquire) != value {
            match self.mechanism {
                Mechanism::Signal => {
                    let _ = syscall::recv(self.own.0);
                }
                Mechanism::Poll => core::hint::spin_loop(),
                Mechanism::Interrupt => {
                    if self.halts {
                        user_interrupt::wait_here();
                    } else {
                        let _ = user_interrupt::wait(self.own);
                    }
                    let _ = user_interrupt::take();
                }
                Mechanism::Handler => {
                    let _ = self.inbox.take();
                }
            }
        }
    }
}

pub fn run(world: &mut World, params: Params) -> Result<Result<Score, Failure>, Unknown> {
    let mechanism = params.choice("mech", &MECHANISMS)?;
    let operations = params.number("ops", 1000)?.max(1);
    let hart = params.number("server", 1)?;
    let gap = params.number("gap", 0)?;
    let halts = params.choice("idle", &[("sleep", false), ("halt", true)])?;
    Ok(start(world, mechanism, operations, hart, gap, halts))
}

fn start(
    world: &mut World,
    mechanism: Mechanism,
    operations: u64,
    hart: u64,
    gap: u64,
    halts: bool,
) -> Result<Score, Failure> {
    let own = world.equip_self()?;
    let server = world.thread(Home::on(hart))?;
    let theirs = world.equip(server.tcb)?;
    let (to_server, to_client) = (world.badged(theirs, 1)?, world.badged(own, 1)?);
    world.start(&server, move || {
        let Ok(side) = Side::new(mechanism, halts, theirs, to_client, &INBOXES[1]) else { return 1 };
        let mut next = 1;
        loop {
            side.wait(&ASKED, next);
            ANSWERED.0.store(answer(next, 0), Ordering::Release);
            side.notify();
            next += 1;
        }
    })?;
    let side = Side::new(mechanism, halts, own, to_server, &INBOXES[0])?;
    let mut next = 1;
    let mut round = || {
        ASKED.0.store(next, Ordering::Release);
        side.notify();
        side.wait(&ANSWERED, answer(next, 0));
        operation();
        for n in 0..gap {
            black_box(n);
        }
        next += 1;
    };
    (0..WARM_UP).for_each(|_| round());
    measure(|| (0..operations).for_each(|_| round()));
    // Each answer was waited for by its value.
    let errors = u64::from(ANSWERED.0.load(Ordering::Acquire) != answer(next - 1, 0));
    Ok(Score { operations, errors, ..Score::default() })
}
