//! Which thread runs: the one with the highest priority of the current domain, in turns among equals.

use core::cell::Cell;

use kernel_abi::PRIORITIES;

use crate::domain::DOMAINS;
use crate::hw;
use crate::kernel::{Kernel, Next, SMP};
use crate::mark;
use crate::mem::Ptr;
use crate::tcb::{Link, Pending, State, Tcb, reg};

/// Ticks until others of the same priority run.
pub const TIME_SLICE: u32 = 5;

/// Threads in the order in which they come.
#[derive(Clone, Copy)]
pub(crate) struct Queue {
    pub head: Option<Ptr<Tcb>>,
    pub tail: Option<Ptr<Tcb>>,
}

impl Queue {
    pub const EMPTY: Self = Self { head: None, tail: None };

    #[inline(always)]
    pub fn push_back(&mut self, thread: Ptr<Tcb>, link: impl Fn(&Tcb) -> &Link) {
        link(&thread).next.set(None);
        link(&thread).previous.set(self.tail);
        match self.tail {
            Some(tail) => link(&tail).next.set(Some(thread)),
            None => self.head = Some(thread),
        }
        self.tail = Some(thread);
    }

    #[inline(always)]
    pub fn push_front(&mut self, thread: Ptr<Tcb>, link: impl Fn(&Tcb) -> &Link) {
        link(&thread).previous.set(None);
        link(&thread).next.set(self.head);
        match self.head {
            Some(head) => link(&head).previous.set(Some(thread)),
            None => self.tail = Some(thread),
        }
        self.head = Some(thread);
    }

    #[inline(always)]
    pub fn remove(&mut self, thread: Ptr<Tcb>, link: impl Fn(&Tcb) -> &Link) {
        let (previous, next) = (link(&thread).previous.take(), link(&thread).next.take());
        match previous {
            Some(previous) => link(&previous).next.set(next),
            None => self.head = next,
        }
        match next {
            Some(next) => link(&next).previous.set(previous),
            None => self.tail = previous,
        }
    }
}

const WORDS: usize = PRIORITIES / 64;

/// The threads of a domain that may run.
struct Ready {
    /// Bit w: some bit of word w is set below.
    words: Cell<u8>,
    /// Bit p % 64 of word p / 64: there is a thread of priority p.
    bits: [Cell<u64>; WORDS],
    queues: [Cell<Queue>; PRIORITIES],
}

/// The threads that may run on a hart, by domain.
pub struct ReadyQueues([Ready; DOMAINS]);

impl ReadyQueues {
    pub(crate) const fn new() -> Self {
        Self(
            [const {
                Ready {
                    words: Cell::new(0),
                    bits: [const { Cell::new(0) }; WORDS],
                    queues: [const { Cell::new(Queue::EMPTY) }; PRIORITIES],
                }
            }; DOMAINS],
        )
    }

    /// All of them with the priority of the queue that they stand in, for tests; that the bits are right, too.
    #[cfg(test)]
    pub(crate) fn threads(&self) -> std::vec::Vec<(u8, Ptr<Tcb>)> {
        let mut threads = std::vec::Vec::new();
        for ready in &self.0 {
            for (priority, queue) in ready.queues.iter().enumerate() {
                let queue = queue.get();
                let (mut previous, mut next) = (None, queue.head);
                while let Some(thread) = next {
                    assert_eq!(thread.ready.previous.get(), previous, "a ready queue is broken");
                    threads.push((priority as u8, thread));
                    previous = next;
                    next = thread.ready.next.get();
                }
                assert_eq!(queue.tail, previous, "a ready queue ends elsewhere");
                let (word, bit) = (priority / 64, priority % 64);
                assert_eq!(ready.bits[word].get() >> bit & 1 == 1, queue.head.is_some());
                assert_eq!(ready.words.get() >> word & 1 == 1, ready.bits[word].get() != 0);
            }
        }
        threads
    }

    #[inline(always)]
    fn of(&self, domain: u8) -> &Ready {
        &self.0[usize::from(domain) % DOMAINS]
    }

    /// Highest priority that there is in `domain`.
    #[inline(always)]
    pub(crate) fn highest(&self, domain: u8) -> Option<u8> {
        let ready = self.of(domain);
        let words = ready.words.get();
        if words == 0 {
            return None;
        }
        let word = words.ilog2();
        Some((word * 64 + ready.bits[word as usize % WORDS].get().checked_ilog2().unwrap_or(0)) as u8)
    }

    #[inline(always)]
    fn change(&self, thread: Ptr<Tcb>, how: impl FnOnce(&mut Queue)) {
        let ready = self.of(thread.domain.get());
        let priority = usize::from(thread.priority.get());
        let mut queue = ready.queues[priority].get();
        how(&mut queue);
        ready.queues[priority].set(queue);
        let (word, bit) = (priority / 64, 1u64 << (priority % 64));
        let bits = ready.bits[word].get();
        let bits = if queue.head.is_some() { bits | bit } else { bits & !bit };
        ready.bits[word].set(bits);
        let words = ready.words.get();
        ready.words.set(if bits != 0 { words | 1 << word } else { words & !(1 << word) });
    }

    fn first(&self, domain: u8) -> Option<Ptr<Tcb>> {
        let highest = self.highest(domain)?;
        self.of(domain).queues[usize::from(highest)].get().head
    }
}

impl Kernel {
    /// `thread` may run, before or behind others of its priority.
    #[inline(always)]
    fn enqueue_at(&self, thread: Ptr<Tcb>, front: bool) {
        if thread.queued.replace(true) {
            return;
        }
        let hart = usize::from(thread.affinity.get());
        self.hart_number(hart).ready.change(thread, |queue| {
            if front {
                queue.push_front(thread, |t| &t.ready);
            } else {
                queue.push_back(thread, |t| &t.ready);
            }
        });
        if SMP && hart != self.here() {
            self.kick(hart, thread);
        }
    }

    /// `thread` may run, before others of its priority.
    #[inline(always)]
    pub(crate) fn enqueue(&self, thread: Ptr<Tcb>) {
        self.enqueue_at(thread, true);
    }

    /// `thread` may run, behind others of its priority.
    #[inline(always)]
    pub(crate) fn enqueue_last(&self, thread: Ptr<Tcb>) {
        self.enqueue_at(thread, false);
    }

    /// `thread` does not stand in a queue any more.
    #[inline(always)]
    pub(crate) fn dequeue(&self, thread: Ptr<Tcb>) {
        if thread.queued.replace(false) {
            let hart = usize::from(thread.affinity.get());
            self.hart_number(hart).ready.change(thread, |queue| queue.remove(thread, |t| &t.ready));
        }
    }

    /// `thread` is not about to run: it stands in no queue, and was not chosen.
    fn withdraw(&self, thread: Ptr<Tcb>) {
        self.dequeue(thread);
        if self.hart().next.get() == Next::Switch(thread) {
            self.hart().next.set(Next::Choose);
        }
    }

    /// Another hart is to look whether `thread`, which it has in its queue, should run.
    fn kick(&self, hart: usize, thread: Ptr<Tcb>) {
        let there = self.hart_number(hart);
        let runs = there.current.get();
        let better = runs.is_none_or(|runs| {
            runs.state() == State::Idle || !runs.is_runnable() || runs.priority.get() < thread.priority.get()
        });
        if better && thread.domain.get() == self.domains.current() {
            self.kicked.set(self.kicked.get() | 1 << hart);
        }
    }

    /// Tells other harts what has come up for them. At the end of each kernel entry.
    #[inline(always)]
    pub fn tell_others(&self) {
        if SMP && self.kicked.get() != 0 {
            let mut kicked = self.kicked.take();
            while kicked != 0 {
                let hart = kicked.trailing_zeros() as usize;
                kicked &= kicked - 1;
                hw::interrupt_hart(hart);
            }
        }
    }

    /// The best thread is to be chosen at the end.
    pub fn reschedule(&self) {
        if let Next::Switch(thread) = self.hart().next.replace(Next::Choose) {
            self.enqueue(thread);
        }
    }

    /// `thread` may run again, and does so at once if nothing better does.
    #[inline(always)]
    pub(crate) fn wake(&self, thread: Ptr<Tcb>) {
        let elsewhere = SMP && usize::from(thread.affinity.get()) != self.here();
        if elsewhere || thread.domain.get() != self.domains.current() {
            self.enqueue(thread);
            return;
        }
        match self.hart().next.get() {
            Next::Stay => self.hart().next.set(Next::Switch(thread)),
            _ => {
                self.reschedule();
                self.enqueue(thread);
            }
        }
    }

    /// `thread` does something else now.
    #[inline(always)]
    pub fn set_state(&self, thread: Ptr<Tcb>, state: State) {
        thread.put_state(state);
        self.rouse(thread);
        if thread == self.current()
            && self.hart().next.get() == Next::Stay
            && !matches!(state, State::Running | State::Restart)
        {
            self.reschedule();
        }
    }

    /// Chooses the thread that runs, at the end of a kernel entry.
    #[inline]
    pub fn schedule(&self) {
        if self.hart().next.get() != Next::Stay {
            self.schedule_now();
        }
    }

    fn schedule_now(&self) {
        let hart = self.hart();
        if hart.sleepers.get().is_some() {
            self.wake_sleepers();
        }
        let current = self.current();
        let runnable = current.is_runnable();
        if runnable {
            self.enqueue(current);
        }
        let next = match hart.next.get() {
            Next::Switch(candidate) => {
                let domain = self.domains.current();
                let worse =
                    current.state() == State::Idle || candidate.priority.get() < current.priority.get();
                let highest = hart.ready.highest(domain);
                if worse && highest.is_some_and(|highest| highest > candidate.priority.get()) {
                    self.enqueue(candidate);
                    self.choose()
                } else if runnable && candidate.priority.get() == current.priority.get() {
                    self.enqueue_last(candidate);
                    self.choose()
                } else {
                    candidate
                }
            }
            _ => self.choose(),
        };
        hart.next.set(Next::Stay);
        self.switch_to(next);
    }

    /// The best thread; when the domain's time is over, of the next domain.
    fn choose(&self) -> Ptr<Tcb> {
        if self.domains.is_over() {
            self.domains.advance();
        }
        let hart = self.hart();
        hart.ready.first(self.domains.current()).unwrap_or_else(|| Ptr::of(&hart.idle))
    }

    /// `thread` runs on this hart from now on.
    #[inline(always)]
    pub(crate) fn switch_to(&self, thread: Ptr<Tcb>) {
        let before = self.current();
        self.dequeue(thread);
        if before != thread {
            mark::context_switch(thread.addr());
            if SMP && thread.state() != State::Idle && self.hart().stale.take() {
                hw::flush_here();
            }
            hw::switch(before, thread);
            self.hart().current.set(Some(thread));
            self.watch_sleepers(thread);
        }
        self.use_vspace_of(thread);
    }

    /// The address space of `thread`, or the kernel's if it has none that is valid.
    #[inline(always)]
    pub(crate) fn use_vspace_of(&self, thread: Ptr<Tcb>) {
        match self.valid_vspace(thread) {
            Some((root, asid)) => hw::use_vspace(root, asid),
            None => hw::use_kernel_vspace(),
        }
    }

    /// The current thread begins where it was interrupted, if it is to.
    #[inline(always)]
    pub fn activate(&self) {
        let thread = self.current();
        if thread.state() == State::Restart {
            thread.set(reg::PC, thread.context.restart_pc.get());
            thread.put_state(State::Running);
        }
    }

    /// A tick of the timer.
    pub fn tick(&self) {
        let thread = self.current();
        if thread.is_runnable() {
            let left = thread.time_slice.get();
            if left > 1 {
                thread.time_slice.set(left - 1);
            } else {
                thread.time_slice.set(TIME_SLICE);
                self.enqueue_last(thread);
                self.reschedule();
            }
        }
        if self.hart().sleepers.get().is_some() {
            self.reschedule();
        }
        if self.here() == 0 && self.domains.tick() {
            self.reschedule();
            // All harts change the domain together.
            for hart in 1..self.hart_count.get() {
                self.kicked.set(self.kicked.get() | 1 << hart);
            }
        }
    }

    /// The current thread lets others of its priority run.
    pub(crate) fn yield_now(&self) {
        let thread = self.current();
        self.dequeue(thread);
        self.enqueue_last(thread);
        self.reschedule();
    }

    /// Another hart has asked this one to look at its queues.
    pub fn kicked(&self) {
        self.reschedule();
    }

    /// Takes `thread` from the hart that it runs on, if that is another one, so that its registers are in memory.
    /// It stands in that hart's queue then if it may run.
    pub(crate) fn evict(&self, thread: Ptr<Tcb>) {
        if !SMP {
            return;
        }
        let number = usize::from(thread.affinity.get());
        let hart = self.hart_number(number);
        if number == self.here() || hart.current.get() != Some(thread) {
            return;
        }
        hw::stop_hart(number);
        // It may have come in by a system call, which it makes again.
        thread.set(reg::PC, thread.context.restart_pc.get());
        hart.current.set(Some(Ptr::of(&hart.idle)));
        hart.next.set(Next::Choose);
        hart.evicted.set(true);
        if thread.is_runnable() {
            self.enqueue_last(thread);
        }
        // It is in the kernel already, and waits for the lock.
        self.kicked.set(self.kicked.get() & !(1 << number));
    }

    /// Whether the thread was taken away that this hart has entered the kernel for. Asked once at each entry.
    #[inline(always)]
    pub fn was_evicted(&self) -> bool {
        SMP && self.hart().evicted.replace(false)
    }

    /// `thread` runs on hart `hart` from now on.
    pub(crate) fn migrate(&self, thread: Ptr<Tcb>, hart: usize) {
        self.evict(thread);
        self.withdraw(thread);
        if thread == self.current() {
            self.reschedule();
        }
        // No hart has its floating-point registers when it comes back there.
        hw::forget_fpu(thread);
        self.move_user_interrupts(thread, hart);
        if thread.is_runnable() {
            self.enqueue_last(thread);
        }
    }

    /// `thread` has priority `priority` from now on.
    pub(crate) fn set_priority(&self, thread: Ptr<Tcb>, priority: u8) {
        self.withdraw(thread);
        thread.priority.set(priority);
        if !thread.is_runnable() {
            return;
        }
        if thread == self.current() {
            self.reschedule();
        } else if self.runs_elsewhere(thread) {
            let hart = usize::from(thread.affinity.get());
            self.kicked.set(self.kicked.get() | 1 << hart);
        } else {
            self.wake(thread);
        }
    }

    /// Whether it runs on another hart.
    fn runs_elsewhere(&self, thread: Ptr<Tcb>) -> bool {
        let number = usize::from(thread.affinity.get());
        SMP && number != self.here() && self.hart_number(number).current.get() == Some(thread)
    }

    /// `thread` is in domain `domain` from now on.
    pub(crate) fn set_domain(&self, thread: Ptr<Tcb>, domain: u8) {
        self.evict(thread);
        self.withdraw(thread);
        thread.domain.set(domain);
        if thread.is_runnable() && thread != self.current() {
            self.enqueue(thread);
        }
        if thread == self.current() {
            self.reschedule();
        }
    }

    /// Makes `thread` do nothing: it waits for nothing, and does not run.
    pub(crate) fn suspend(&self, thread: Ptr<Tcb>) {
        self.evict(thread);
        self.cancel(thread);
        if thread.state() == State::Running {
            // Where it goes on when it is resumed.
            thread.context.restart_pc.set(thread.get(reg::PC));
        }
        self.set_state(thread, State::Inactive);
        self.withdraw(thread);
    }

    /// Lets `thread` go on, if it does not.
    pub(crate) fn resume(&self, thread: Ptr<Tcb>) {
        if thread.state() == State::Inactive || thread.is_blocked() {
            self.cancel(thread);
            self.setup_reply_master(thread);
            self.set_state(thread, State::Restart);
            self.enqueue(thread);
            self.wake_queued(thread);
        }
    }

    /// `thread`, which stands in a queue, may be better than the one that runs.
    fn wake_queued(&self, thread: Ptr<Tcb>) {
        if self.hart().next.get() == Next::Stay && usize::from(thread.affinity.get()) == self.here() {
            self.dequeue(thread);
            self.wake(thread);
        }
    }

    /// Forgets what `thread` waits for.
    pub(crate) fn cancel(&self, thread: Ptr<Tcb>) {
        match thread.state() {
            State::Receiving | State::Sending => self.leave_endpoint(thread),
            State::Waiting => self.leave_notification(thread),
            State::Replying => {
                thread.fault.set(crate::tcb::Fault::None);
                if let Some(reply) = thread.reply().reply_of_master() {
                    reply.remove();
                }
            }
            _ => {}
        }
        thread.pending.set(Pending::NONE);
    }
}
