//! Programs that make random system calls with random arguments, and what must hold behind them: no capability is
//! gained, no memory outside is changed, and the kernel goes on.
//!
//! A hostile program has an address space of its own, with the root task's code but not its data, and a CSpace with
//! a few capabilities. Several threads of it run at once, on different harts if there are any. A server of the root
//! task answers their messages and lets those that fault go on; the root task itself moves on those that wait.

mod child;
mod server;

use core::sync::atomic::Ordering;

use kernel_user::abi::{CapRights, InitialCap, ObjectType, USER_CONTEXT_WORDS, VmAttributes, bits};
use kernel_user::bootinfo;
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{CNode, Endpoint, Frame, PageTable, Tcb};
use kernel_user::thread::Thread;
use kernel_user::{println, syscall, time};

use crate::env::{ABOVE, BELOW, Env, SELF, words};
use crate::harness::{Failure, Outcome, Test};
use crate::{check, check_eq, tests};
use child::Shared;

tests!("hostile": weak, strong);

/// Tests with programs that have little, and with programs that have all of their own objects.
pub const GROUPS: &[&[Test]] = &[TESTS];

/// Seeds of the generator, a program each.
const SEEDS: [u64; 3] = [0x5eed_0001, 0x5eed_0002, 0x5eed_0003];
/// Threads of a program.
const THREADS: usize = 3;
/// System calls of a program, unless `KERNEL_HOSTILE_CALLS` was set when this was built.
const CALLS: u64 = match option_env!("KERNEL_HOSTILE_CALLS") {
    Some(number) => crate::parse(number),
    None => 600,
};

/// log2 of the slots of a program's CSpace.
const RADIX: u64 = 6;
/// Where a program has its threads' memory, `STRIDE` for each.
const BASE: u64 = 0x7000_0000;
const STRIDE: u64 = 0x10_0000;
const STACK_PAGES: u64 = 2;

/// Slots of a program's CSpace. Those of the endpoint for a thread's faults are the first.
mod slot {
    pub const FAULTS: u64 = 1;
    pub const ENDPOINT: u64 = 8;
    pub const SIGNAL: u64 = 9;
    pub const WAIT: u64 = 10;
    pub const FRAME: u64 = 11;
    pub const UNTYPED: u64 = 12;
    pub const TABLE: u64 = 13;
    pub const POOL: u64 = 14;
    pub const TCB: u64 = 15;
    /// What only a strong program has: its CSpace, address space, threads and memory.
    pub const CSPACE: u64 = 20;
    pub const VSPACE: u64 = 21;
    pub const MEMORY: u64 = 22;
    pub const THREADS: u64 = 23;
}

fn weak(env: &mut Env) -> Outcome {
    run_all(env, false)
}

fn strong(env: &mut Env) -> Outcome {
    run_all(env, true)
}

fn run_all(env: &mut Env, strong: bool) -> Outcome {
    let (slots, addresses) = (env.slots.mark(), env.vspace.mark());
    for seed in SEEDS {
        println!("hostile: seed {seed:#x}, {CALLS} calls of {THREADS} threads");
        let mut program = Program::new(env, seed, strong)?;
        program.run()?;
        program.check(env)?;
        ROOT_CNODE.revoke(env.untyped.0, DEPTH)?;
        env.slots.reset(slots);
        env.vspace.reset(addresses);
    }
    Ok(())
}

/// A page that no program may change, in a pattern.
#[derive(Debug, Clone, Copy)]
struct Canary(u64);

impl Canary {
    fn new(env: &mut Env) -> Result<Self, Failure> {
        let frame = env.frame()?;
        let canary = Self(env.map(frame, bits::PAGE)?);
        for n in 0..512 {
            // SAFETY: the page has just been mapped there.
            unsafe { canary.word(n).write_volatile(canary.pattern(n)) };
        }
        Ok(canary)
    }

    fn word(self, n: u64) -> *mut u64 {
        (self.0 + 8 * n) as *mut u64
    }

    fn pattern(self, n: u64) -> u64 {
        (self.0 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn is_whole(self) -> bool {
        // SAFETY: the page is mapped as long as the test runs.
        (0..512).all(|n| unsafe { self.word(n).read_volatile() } == self.pattern(n))
    }
}

/// A sum over the root task's code and constants.
fn image_sum() -> u64 {
    let image = bootinfo::image();
    (image.start..image.rodata_end).step_by(8).fold(0, |sum: u64, address| {
        // SAFETY: code and constants are mapped, and readable.
        sum.rotate_left(1) ^ unsafe { (address as *const u64).read_volatile() }
    })
}

/// The kernel's type numbers of what the root task has had from the beginning.
fn initial_caps() -> [u64; InitialCap::Free as usize] {
    core::array::from_fn(|slot| syscall::debug_cap_identify(slot as u64))
}

struct Program {
    strong: bool,
    cspace: CNode,
    threads: [ProgramThread; THREADS],
    server: Thread,
    endpoint: Endpoint,
    /// What is in the program's slots at first.
    kinds: [u64; 1 << RADIX],
    canaries: [Canary; 4],
    image: u64,
    initial: [u64; InitialCap::Free as usize],
}

#[derive(Debug, Clone, Copy)]
struct ProgramThread {
    tcb: Tcb,
    /// Where the root task has the page that it shares with the thread.
    shared: u64,
    number: u64,
}

impl ProgramThread {
    fn shared(&self) -> &Shared {
        // SAFETY: the page is mapped as long as the test runs, and only used as atomics.
        unsafe { &*(self.shared as *const Shared) }
    }

    /// Calls that it has begun.
    fn done(&self) -> u64 {
        self.shared().done.load(Ordering::Relaxed)
    }

    /// Whether it has made its calls.
    fn is_done(&self) -> bool {
        self.done() >= self.shared().target.load(Ordering::Relaxed)
    }

    /// Begins with the next call, on a stack of nothing.
    fn restart(&self) -> kernel_user::invoke::Result<()> {
        self.tcb.write_registers(true, &child::context(address_of(self.number)), USER_CONTEXT_WORDS)
    }
}

/// A thread of the program that is helped on when it does not come any further.
struct Watch {
    thread: ProgramThread,
    /// What it had done when it was last seen to come further.
    done: u64,
    /// How often it was helped since.
    tries: u32,
    /// When it was last helped, or seen to come further.
    since: u64,
}

impl Watch {
    /// Ticks of the timebase that it is waited for before it is helped; twice as many each time, since where harts are
    /// threads of a busy host, it may just have had no time to run.
    const FIRST_WAIT: u64 = 200;
    /// If it does not come further after as many, nothing helps.
    const TRIES: u32 = 12;

    fn new(thread: ProgramThread) -> Self {
        Self { thread, done: u64::MAX, tries: 0, since: time::ticks() }
    }

    fn has_hope(&self) -> bool {
        self.tries < Self::TRIES && !self.thread.is_done()
    }

    fn look(&mut self) -> kernel_user::invoke::Result<()> {
        let (done, now) = (self.thread.done(), time::ticks());
        if done != self.done {
            (self.done, self.tries, self.since) = (done, 0, now);
        } else if now - self.since >= Self::FIRST_WAIT << self.tries {
            (self.tries, self.since) = (self.tries + 1, now);
            server::move_on(self.thread.tcb, self.tries.is_multiple_of(4), || self.thread.restart())?;
        }
        Ok(())
    }
}

/// Where a thread of the program has its memory: stack, IPC buffer, shared page.
fn address_of(thread: u64) -> u64 {
    BASE + thread * STRIDE
}

impl Program {
    fn new(env: &mut Env, seed: u64, strong: bool) -> Result<Self, Failure> {
        let first = Canary::new(env)?;
        let (cspace, vspace) = (env.cspace(RADIX)?, env.address_space()?);
        env.map_image(vspace)?;
        let second = Canary::new(env)?;
        let endpoint = env.endpoint()?;
        fill(env, cspace, endpoint)?;
        let mut threads = [ProgramThread { tcb: Tcb(0), shared: 0, number: 0 }; THREADS];
        for (thread, number) in threads.iter_mut().zip(0..) {
            *thread = make_thread(env, cspace, vspace, number)?;
            thread.shared().random.store(seed.wrapping_mul(2 * number + 1) | 1, Ordering::Relaxed);
            thread.shared().target.store(CALLS / THREADS as u64, Ordering::Relaxed);
        }
        if strong {
            let memory = env.untyped(18)?;
            let give = |slot, cap| cspace.copy((slot, DEPTH), ROOT_CNODE, (cap, DEPTH), CapRights::ALL);
            give(slot::CSPACE, cspace.0)?;
            give(slot::VSPACE, vspace.0)?;
            give(slot::MEMORY, memory.0)?;
            for (slot, thread) in (slot::THREADS..).zip(&threads) {
                give(slot, thread.tcb.0)?;
            }
        }
        let canaries = [first, second, Canary::new(env)?, Canary::new(env)?];
        let kinds = kinds(env, cspace)?;
        let server = env.spawn(ABOVE, move || server::serve(endpoint, threads))?;
        let (image, initial) = (image_sum(), initial_caps());
        Ok(Self { strong, cspace, threads, server, endpoint, kinds, canaries, image, initial })
    }

    /// Lets the threads run until each has made its calls, or is beyond help.
    fn run(&mut self) -> Outcome {
        for thread in &self.threads {
            thread.restart()?;
        }
        // On this hart the root task now runs when no thread of the program can.
        SELF.set_priority(SELF, BELOW - 1)?;
        let mut watches = self.threads.map(Watch::new);
        while watches.iter().any(Watch::has_hope) {
            core::hint::spin_loop();
            for watch in watches.iter_mut().filter(|watch| watch.has_hope()) {
                watch.look()?;
            }
        }
        SELF.set_priority(SELF, crate::env::PRIORITY)?;
        for thread in &self.threads {
            thread.tcb.suspend()?;
        }
        syscall::send(self.endpoint.0, words(server::END, 0), [0; 4]);
        self.server.join();
        Ok(())
    }

    fn check(&self, env: &mut Env) -> Outcome {
        check!(self.canaries.iter().all(|canary| canary.is_whole()));
        check_eq!(image_sum(), self.image);
        check_eq!(initial_caps(), self.initial);
        let done: u64 = self.threads.iter().map(ProgramThread::done).sum();
        if self.strong {
            // It may have taken itself apart.
            println!("hostile: {done} calls done");
            return Ok(());
        }
        check_eq!(done, CALLS / THREADS as u64 * THREADS as u64);
        check_eq!(kinds(env, self.cspace)?, self.kinds);
        Ok(())
    }
}

/// Gives the program what every program has.
fn fill(env: &mut Env, cspace: CNode, endpoint: Endpoint) -> Outcome {
    let call = CapRights::WRITE.or(CapRights::GRANT_REPLY);
    let (signal, wait) = (env.notification()?, env.notification()?);
    let (frame, untyped, table, tcb) = (env.frame()?, env.untyped(12)?, env.page_table()?, env.tcb()?);
    for thread in 0..THREADS as u64 {
        let to = (slot::FAULTS + thread, DEPTH);
        cspace.mint(to, ROOT_CNODE, (endpoint.0, DEPTH), call, server::badge(thread))?;
    }
    let give = |slot, cap, rights| cspace.copy((slot, DEPTH), ROOT_CNODE, (cap, DEPTH), rights);
    give(slot::ENDPOINT, endpoint.0, call)?;
    give(slot::SIGNAL, signal.0, CapRights::WRITE)?;
    give(slot::WAIT, wait.0, CapRights::READ)?;
    give(slot::FRAME, frame.0, CapRights::READ)?;
    give(slot::UNTYPED, untyped.0, CapRights::ALL)?;
    give(slot::POOL, InitialCap::AsidPool as u64, CapRights::ALL)?;
    give(slot::TCB, tcb.0, CapRights::ALL)?;
    cspace.move_cap((slot::TABLE, DEPTH), ROOT_CNODE, (table.0, DEPTH))?;
    Ok(())
}

fn make_thread(
    env: &mut Env,
    cspace: CNode,
    vspace: PageTable,
    number: u64,
) -> Result<ProgramThread, Failure> {
    let tcb = env.tcb()?;
    let base = address_of(number);
    let space = kernel_user::vspace::VSpace::new(vspace, base);
    let pages = env.make_many(ObjectType::Page, 0, STACK_PAGES + 2)?;
    for page in 0..STACK_PAGES + 2 {
        let (frame, address) = (Frame(pages + page), base + (page << bits::PAGE));
        let attributes = VmAttributes::EXECUTE_NEVER;
        space.map(env.untyped, &mut env.slots, frame, address, CapRights::ALL, attributes)?;
    }
    let buffer = (child::buffer(base), Frame(pages + STACK_PAGES));
    tcb.configure(slot::FAULTS + number, (cspace, 0), vspace, buffer)?;
    tcb.set_sched_params(SELF, 0, BELOW)?;
    if env.harts() > 1 {
        tcb.set_affinity(number % env.harts())?;
    }
    let copy = Frame(env.copy(pages + STACK_PAGES + 1, CapRights::ALL)?);
    let shared = env.map(copy, bits::PAGE)?;
    Ok(ProgramThread { tcb, shared, number })
}

/// The kernel's type numbers of what is in the program's slots.
fn kinds(env: &mut Env, cspace: CNode) -> Result<[u64; 1 << RADIX], Failure> {
    let probe = env.slots.take();
    let mut kinds = [0; 1 << RADIX];
    for (kind, slot) in kinds.iter_mut().zip(0..) {
        // Unlike a copy, a move works with everything.
        if ROOT_CNODE.move_cap((probe, DEPTH), cspace, (slot, DEPTH)).is_ok() {
            *kind = syscall::debug_cap_identify(probe);
            cspace.move_cap((slot, DEPTH), ROOT_CNODE, (probe, DEPTH))?;
        }
    }
    Ok(kinds)
}
