//! The executor.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell, UnsafeCell};
use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use kernel_user::user_interrupt;

use crate::ready::Queue;
use crate::source::{Idle, Rest, Source, Statistics};

/// Priorities of tasks: 0 is the least.
pub const LEVELS: usize = 4;

/// Number of a task.
pub type TaskId = u32;

type Body = Pin<Box<dyn Future<Output = ()>>>;

/// A task that exists, or a place for one.
struct Task {
    body: UnsafeCell<Option<Body>>,
    /// What wakers point at.
    handle: Box<Handle>,
}

/// A task's priority, and this bit if it stands in a queue. These are apart from the tasks, for what wakes many tasks
/// is not to bring a cache line for each.
const READY: u8 = 1 << 7;

/// What a waker points at.
struct Handle {
    executor: *const Executor,
    id: TaskId,
}

/// The highest bit of each number.
const fn highest() -> [u8; 1 << LEVELS] {
    let mut table = [0; 1 << LEVELS];
    let mut n = 1;
    while n < table.len() {
        table[n] = n.ilog2() as u8;
        n += 1;
    }
    table
}

/// Runs tasks in the thread that it belongs to.
///
/// The number of tasks is set when it is made, so that nothing is allocated while they run. A task that is woken goes
/// behind those of its priority that can go on, and runs until it waits: there is no preemption among tasks.
pub struct Executor {
    tasks: Box<[Task]>,
    /// Of each task its priority, with [`READY`].
    states: Box<[Cell<u8>]>,
    free: RefCell<Vec<TaskId>>,
    ready: [Queue; LEVELS],
    /// Bit l: a task of priority l can go on, or could a moment ago.
    levels: Cell<u8>,
    current: Cell<TaskId>,
    live: Cell<usize>,
    /// What has happened.
    pub statistics: Statistics,
}

impl Executor {
    /// For up to `capacity` tasks at a time. In a box, since wakers point at it.
    #[must_use]
    pub fn new(capacity: usize) -> Box<Self> {
        let mut executor = Box::new(Self {
            tasks: Box::new([]),
            states: (0..capacity).map(|_| Cell::new(0)).collect(),
            free: RefCell::new((0..capacity as u32).rev().collect()),
            ready: core::array::from_fn(|_| Queue::new(capacity)),
            levels: Cell::new(0),
            current: Cell::new(0),
            live: Cell::new(0),
            statistics: Statistics::default(),
        });
        let place = &raw const *executor;
        let task =
            |id| Task { body: UnsafeCell::new(None), handle: Box::new(Handle { executor: place, id }) };
        executor.tasks = (0..capacity as u32).map(task).collect();
        executor
    }

    /// Tasks at a time.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.tasks.len()
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.get()
    }

    /// The task that runs.
    #[inline(always)]
    #[must_use]
    pub fn current(&self) -> TaskId {
        self.current.get()
    }

    /// Starts a task with priority `level`; `None` if there are as many as there can be.
    pub fn spawn(&self, level: usize, body: impl Future<Output = ()> + 'static) -> Option<TaskId> {
        let id = self.free.borrow_mut().pop()?;
        let task = &self.tasks[id as usize];
        // SAFETY: the place is free, so nothing of it is being polled.
        unsafe { *task.body.get() = Some(Box::pin(body)) };
        self.states[id as usize].set(level.min(LEVELS - 1) as u8);
        self.live.set(self.live.get() + 1);
        self.wake(id);
        Some(id)
    }

    /// Task `id` can go on.
    #[inline(always)]
    pub fn wake(&self, id: TaskId) {
        let state = &self.states[id as usize];
        if state.get() & READY == 0 {
            let level = usize::from(state.get()) % LEVELS;
            state.set(level as u8 | READY);
            self.ready[level].push(id);
            self.levels.set(self.levels.get() | 1 << level);
        }
    }

    /// The most urgent task that can go on.
    #[inline(always)]
    fn next(&self) -> Option<TaskId> {
        loop {
            // A table, since there need not be an instruction for it.
            const HIGHEST: [u8; 1 << LEVELS] = highest();
            let levels = self.levels.get();
            if levels == 0 {
                return None;
            }
            let level = usize::from(HIGHEST[usize::from(levels) % (1 << LEVELS)]);
            if let Some(id) = self.ready[level].pop() {
                return Some(id);
            }
            self.levels.set(self.levels.get() & !(1 << level));
        }
    }

    #[inline(always)]
    fn run_task(&self, id: TaskId) {
        let (task, state) = (&self.tasks[id as usize], &self.states[id as usize]);
        state.set(state.get() & !READY);
        // SAFETY: this is the only place where a body is used, and it is not entered again on the way: tasks do not
        // run the executor, and whoever spawns one takes a free place.
        let place = unsafe { &mut *task.body.get() };
        // A waker may be used after its task has ended.
        let Some(body) = place else { return };
        self.current.set(id);
        // SAFETY: the handle lives as long as the executor, which its tasks do not outlive; wakers do not leave the
        // thread, since what they are given to is polled by it.
        let waker = unsafe { Waker::from_raw(RawWaker::new((&raw const *task.handle).cast(), &VTABLE)) };
        // What it refers to outlives it, and dropping it does nothing.
        let waker = ManuallyDrop::new(waker);
        if body.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *place = None;
            self.free.borrow_mut().push(id);
            self.live.set(self.live.get() - 1);
        }
    }

    /// Runs until no tasks are left, with what comes from `sources`. User interrupts of the thread have to be off:
    /// what comes is polled, and `idle` ends when something is pending.
    pub fn run(&self, sources: &[&dyn Source], idle: Idle) {
        sources.iter().for_each(|source| source.rise());
        loop {
            while let Some(id) = self.next() {
                self.run_task(id);
            }
            if self.live.get() == 0 {
                return;
            }
            sources.iter().for_each(|source| source.poll(self));
            if self.levels.get() != 0 {
                continue;
            }
            if any(sources, |source| source.press()) || matches!(idle, Idle::Poll) {
                continue;
            }
            if !any(sources, |source| source.rest()) {
                Statistics::count(&self.statistics.sleeps);
                idle.wait();
                let _ = user_interrupt::take();
            }
            sources.iter().for_each(|source| source.rise());
        }
    }
}

/// Does `what` with all of `sources`; whether it gave something for any.
#[inline(always)]
fn any(sources: &[&dyn Source], what: impl Fn(&dyn Source) -> Rest) -> bool {
    sources.iter().fold(false, |found, &source| found | (what(source) == Rest::Something))
}

impl core::fmt::Debug for Executor {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Executor").field("live", &self.live.get()).finish_non_exhaustive()
    }
}

static VTABLE: RawWakerVTable =
    RawWakerVTable::new(|handle| RawWaker::new(handle, &VTABLE), wake, wake, |_| {});

fn wake(handle: *const ()) {
    // SAFETY: see `run_task`.
    let handle = unsafe { &*handle.cast::<Handle>() };
    // SAFETY: the executor is in its box as long as its tasks are there.
    unsafe { &*handle.executor }.wake(handle.id);
}

/// Lets other tasks run.
pub async fn yield_now() {
    let mut yielded = false;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
