//! A machine on the host, with a root task on it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::boxed::Box;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use kernel_abi::{InitialCap, Invocation, MessageInfo, bits};

use crate::boot::{Machine, Region, Regions, UserImage};
use crate::cap::{Cap, Kind};
use crate::endpoint::{Endpoint, Side};
use crate::kernel::{Kernel, Next, SMP};
use crate::mem::{Ptr, clear, set_window, to_virtual};
use crate::notification::Notification;
use crate::slot::Slot;
use crate::tcb::{State, Tcb, reg};
use crate::vspace::{PTES, Pte};

/// Physical address at which the arena begins.
pub const BASE: u64 = 0x1000_0000;
/// Bytes of it.
pub const SIZE: u64 = 4 << 20;
/// A device.
pub const DEVICE: u64 = 0x4000_0000;
/// Where the root task's image is.
pub const IMAGE: u64 = 0x10_0000;
/// The first slot of the root task's CNode that tests use.
pub const FREE: u64 = 1000;
/// Slots of it that anything is ever in.
const LOOKED_AT: usize = 1300;

/// A generator of numbers that are random enough (xorshift).
pub struct Rng(u64);

impl Rng {
    /// Other numbers for each seed.
    pub fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// One below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// One of `list`.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// Whether an interrupt waits when the kernel looks.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Interrupts {
    #[default]
    Never,
    /// At every preemption point.
    Always,
    /// At every so many.
    Every(u64),
}

/// What the machine was asked for.
#[derive(Default)]
pub struct Log {
    pub printed: Vec<u8>,
    /// Address space, and page if it was one.
    pub flushes: Vec<(u64, Option<u64>)>,
    /// How often everything was to be forgotten.
    pub flushed_all: u64,
    /// The same on this hart alone.
    pub flushed_here: u64,
    /// Address spaces that other harts were told to forget.
    pub flushed_elsewhere: Vec<u64>,
    /// Address spaces of which all was to be forgotten while they were in use.
    pub flushed_in_use: Vec<u64>,
    /// Root and ASID in use.
    pub vspace: Option<(u64, u64)>,
    /// Harts that were asked to stop.
    pub stopped: Vec<usize>,
    /// Interrupts that are let through.
    pub enabled: BTreeSet<u64>,
    pub interrupts: Interrupts,
    pub looks: u64,
    pub uintc: Uintc,
}

/// Receivers of user interrupts: the hart that each interrupts, and what is pending.
#[derive(Default)]
pub struct Uintc(BTreeMap<u16, (Option<usize>, u64)>);

impl Uintc {
    fn aim(&mut self, number: u16, hart: Option<usize>) {
        self.0.entry(number).or_default().0 = hart;
    }
    /// What is pending for receiver `number`.
    pub fn pending(&self, number: u16) -> u64 {
        self.0.get(&number).map_or(0, |receiver| receiver.1)
    }
    /// Sends vector `vector` to receiver `number`.
    pub fn post(&mut self, number: u16, vector: u64) {
        self.0.entry(number).or_default().1 |= 1 << vector;
    }
    fn retire(&mut self, number: u16) {
        self.0.remove(&number);
    }
}

std::thread_local! {
    static LOG: RefCell<Log> = RefCell::new(Log::default());
}

/// Looks at, or changes, what is written down.
pub fn log<T>(f: impl FnOnce(&mut Log) -> T) -> T {
    LOG.with_borrow_mut(f)
}

struct Host;

impl crate::hw::Machine for Host {
    fn put_char(byte: u8) {
        log(|log| log.printed.push(byte));
    }
    fn halt() -> ! {
        panic!("the machine was stopped");
    }
    fn flush_page(asid: u64, vaddr: u64) {
        log(|log| log.flushes.push((asid, Some(vaddr))));
    }
    fn flush_page_here(asid: u64, vaddr: u64) {
        log(|log| log.flushes.push((asid, Some(vaddr))));
    }
    fn flush_asid_elsewhere(asid: u64) {
        log(|log| log.flushed_elsewhere.push(asid));
    }
    fn flush_asid(asid: u64) {
        log(|log| {
            log.flushes.push((asid, None));
            if log.vspace.is_some_and(|used| used.1 == asid) {
                log.flushed_in_use.push(asid);
            }
        });
    }
    fn flush_all() {
        log(|log| {
            log.flushed_all += 1;
            log.flushed_in_use.extend(log.vspace.map(|used| used.1));
        });
    }
    fn flush_here() {
        log(|log| log.flushed_here += 1);
    }
    fn use_vspace(root: u64, asid: u64) {
        log(|log| log.vspace = Some((root, asid)));
    }
    fn use_kernel_vspace() {
        log(|log| log.vspace = None);
    }
    fn enable_irq(irq: u64, on: bool) {
        log(|log| if on { log.enabled.insert(irq) } else { log.enabled.remove(&irq) });
    }
    fn complete_irq(_irq: u64) {}
    fn irq_waits() -> bool {
        log(|log| {
            log.looks += 1;
            match log.interrupts {
                Interrupts::Never => false,
                Interrupts::Always => true,
                Interrupts::Every(n) => log.looks.is_multiple_of(n),
            }
        })
    }
    fn interrupt_hart(_hart: usize) {}
    fn stop_hart(hart: usize) {
        log(|log| log.stopped.push(hart));
    }
    fn switch(_from: Ptr<Tcb>, _to: Ptr<Tcb>) {}
    fn forget_fpu(_thread: Ptr<Tcb>) {}
    fn load_user_interrupts(_thread: Ptr<Tcb>) {}
    fn unload_user_interrupts() {}
    fn forget_user_interrupts(_thread: Ptr<Tcb>) {}
    fn save_user_csrs(_thread: Ptr<Tcb>) {}
    fn aim_receiver(number: u16, hart: usize, on: bool) {
        log(|log| log.uintc.aim(number, on.then_some(hart)));
    }
    fn receiver_has_pending(number: u16) -> bool {
        log(|log| log.uintc.pending(number) != 0)
    }
    fn post_to_receiver(number: u16, vector: u64) {
        log(|log| log.uintc.post(number, vector));
    }
    fn retire_receiver(number: u16) {
        log(|log| log.uintc.retire(number));
    }
}

implement_machine!(Host);

/// Memory that is physical memory from [`BASE`] on, for this thread.
pub struct Arena {
    memory: *mut u8,
}

impl Arena {
    const LAYOUT: Layout = match Layout::from_size_align(SIZE as usize, 1 << 21) {
        Ok(layout) => layout,
        Err(_) => panic!(),
    };

    /// With something in it.
    pub fn new() -> Self {
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc(Self::LAYOUT) };
        if memory.is_null() {
            handle_alloc_error(Self::LAYOUT);
        }
        // SAFETY: it has that many bytes.
        unsafe { memory.write_bytes(0xa5, SIZE as usize) };
        set_window(memory.expose_provenance().wrapping_sub(BASE as usize));
        LOG.set(Log::default());
        Self { memory }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: it was allocated so, and nothing else has it any more.
        unsafe { dealloc(self.memory, Self::LAYOUT) }
    }
}

/// Whether `bytes` bytes from `paddr` on are 0.
pub fn is_clear(paddr: u64, bytes: u64) -> bool {
    let words = core::ptr::with_exposed_provenance::<u64>(to_virtual(paddr));
    // SAFETY: tests ask for memory in the arena.
    (0..bytes as usize / 8).all(|n| unsafe { words.add(n).read() } == 0)
}

/// Writes something into `bytes` bytes from `paddr` on, as a user would who has a frame there.
pub fn scribble(paddr: u64, bytes: u64) {
    let words = core::ptr::with_exposed_provenance_mut::<u64>(to_virtual(paddr));
    // SAFETY: tests ask for memory in the arena that a frame is in.
    (0..bytes as usize / 8).for_each(|n| unsafe { words.add(n).write(0x5555_0000 + n as u64) });
}

/// How an invocation was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 0, or an error.
    pub label: u64,
    pub words: Vec<u64>,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        self.label == 0
    }

    /// That it was done.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.label, 0, "{self:?}");
        self
    }
}

/// A kernel, and the root task that it has started.
pub struct World {
    pub kernel: Box<Kernel>,
    pub root: Ptr<Tcb>,
    /// The root task's untyped memory, by slots: all that is no device.
    pub untyped: Vec<u64>,
    /// Calls that were preempted.
    pub preempted: core::cell::Cell<u64>,
    // Goes last.
    _arena: Arena,
}

impl World {
    pub fn new() -> Self {
        Self::with_harts(1)
    }

    pub fn with_harts(harts: usize) -> Self {
        let arena = Arena::new();
        let kernel = Box::new(Kernel::new());
        clear(BASE, 1 << bits::PAGE_TABLE);
        for n in PTES / 2..PTES {
            let entry = Ptr::<core::cell::Cell<Pte>>::at(BASE).nth(n);
            entry.set(Pte::kernel((n as u64) << 30, false));
        }
        kernel.kernel_root.set(BASE);
        for hart in 0..harts {
            kernel.start_hart(hart);
        }
        let start = BASE + 0x1000;
        let machine = Machine {
            memory: Regions::new(Region { start, end: BASE + SIZE }),
            devices: Regions::new(Region { start: DEVICE, end: DEVICE + (1 << 30) }),
            fdt: &[0xfd; 5000],
            harts,
            greatest_irq: 8,
        };
        let memory = Region { start, end: start + 0x2000 };
        let image = UserImage { memory, vaddr: IMAGE, entry: IMAGE };
        kernel.start_root_task(&machine, &image).expect("there is room");
        kernel.schedule();
        kernel.activate();
        let root = kernel.current();
        let mut world =
            Self { kernel, root, untyped: Vec::new(), preempted: Default::default(), _arena: arena };
        world.untyped = (0..FREE)
            .filter(|&n| world.slot(n).cap().is(Kind::Untyped) && !world.slot(n).cap().is_device())
            .collect();
        world.check();
        world
    }

    /// Slot `n` of the root task's CNode.
    pub fn slot(&self, n: u64) -> Ptr<Slot> {
        self.root.cspace().cap().object::<Slot>().nth(n as usize)
    }

    /// The slot of the largest untyped memory.
    pub fn largest(&self) -> u64 {
        let size = |&n: &u64| self.slot(n).cap().untyped_bits();
        self.untyped.iter().copied().max_by_key(size).expect("there is memory")
    }

    /// The way out of the kernel.
    pub fn leave(&self) {
        self.kernel.schedule();
        self.kernel.activate();
    }

    /// Puts a message into the registers of `thread` and its buffer.
    pub fn load(&self, thread: Ptr<Tcb>, cap: u64, label: u64, caps: &[u64], words: &[u64]) {
        let buffer = thread.buffer(true);
        thread.set(reg::A0, cap);
        thread.set(reg::A1, MessageInfo::new(label, 0, caps.len() as u64, words.len() as u64).0);
        for (n, &word) in words.iter().enumerate() {
            thread.set_word(buffer, n, word);
        }
        for (n, &cap) in caps.iter().enumerate() {
            buffer.expect("capabilities go by the buffer").set_cap_or_badge(n, cap);
        }
    }

    /// System call `number` by the current thread, which is made again until it is done.
    pub fn syscall(&self, number: i64) {
        let thread = self.kernel.current();
        let mut tries = 0;
        while self.kernel.syscall(number).is_err() {
            self.leave();
            self.preempted.set(self.preempted.get() + 1);
            tries += 1;
            assert!(tries < 100_000, "no progress");
            self.check();
            // It does not make it again if it is not there to do so.
            if self.kernel.current() != thread {
                return;
            }
        }
        self.leave();
    }

    /// The root task asks something of the capability in slot `cap` of its CNode.
    pub fn invoke(&self, cap: u64, what: Invocation, caps: &[u64], words: &[u64]) -> Answer {
        assert_eq!(self.kernel.current(), self.root, "the root task does not run");
        self.load(self.root, cap, what.label(SMP), caps, words);
        self.syscall(-1);
        let info = self.root.message_info();
        let buffer = self.root.buffer(false);
        let words = (0..info.length()).map(|n| self.root.word(buffer, n)).collect();
        Answer { label: info.label(), words }
    }

    /// Makes `count` objects of `object` with size `user_bits` of the untyped memory in slot `from`, with
    /// capabilities in slots from `to` on.
    pub fn retype(&self, from: u64, object: u64, user_bits: u64, to: u64, count: u64) -> Answer {
        let words = [object, user_bits, 0, 0, to, count];
        self.invoke(from, Invocation::UntypedRetype, &[InitialCap::Cnode as u64], &words)
    }

    pub fn delete(&self, slot: u64) -> Answer {
        self.invoke(InitialCap::Cnode as u64, Invocation::CnodeDelete, &[], &[slot, 64])
    }

    pub fn revoke(&self, slot: u64) -> Answer {
        self.invoke(InitialCap::Cnode as u64, Invocation::CnodeRevoke, &[], &[slot, 64])
    }

    /// Copies within the root task's CNode, with a badge or guard if there is one.
    pub fn mint(&self, from: u64, to: u64, rights: u64, data: u64) -> Answer {
        let root = InitialCap::Cnode as u64;
        self.invoke(root, Invocation::CnodeMint, &[root], &[to, 64, from, 64, rights, data])
    }

    /// Makes a thread with the root task's CSpace and VSpace, and its own buffer: capabilities in `to` and `to + 1`.
    pub fn spawn(&self, from: u64, to: u64, priority: u64) -> Ptr<Tcb> {
        self.retype(from, 1, 0, to, 1).ok();
        self.retype(from, 6, 0, to + 1, 1).ok();
        let (cnode, vspace) = (InitialCap::Cnode as u64, InitialCap::Vspace as u64);
        self.invoke(to, Invocation::TcbConfigure, &[cnode, vspace, to + 1], &[0, 0, 0, 0x4000]).ok();
        self.invoke(to, Invocation::TcbSetPriority, &[InitialCap::Tcb as u64], &[priority]).ok();
        self.slot(to).cap().object()
    }

    /// The slots in the object of `cap`.
    pub fn slots_in(cap: Cap) -> Vec<Ptr<Slot>> {
        let (first, count) = match cap.kind() {
            Kind::CNode => (cap.object::<Slot>(), 1 << cap.radix()),
            Kind::Thread => (cap.object::<Tcb>().cspace(), Tcb::SLOTS),
            Kind::Zombie if cap.zombie_of_queue().is_some() => return Vec::new(),
            Kind::Zombie if cap.object_bits() == bits::TCB && cap.zombie_left() <= Tcb::SLOTS as u64 => {
                (cap.zombie_slots(), Tcb::SLOTS)
            }
            Kind::Zombie => (cap.zombie_slots(), 1 << (cap.object_bits() - bits::SLOT)),
            _ => return Vec::new(),
        };
        (0..count.min(LOOKED_AT)).map(|n| first.nth(n)).collect()
    }

    /// All slots with something in them, by address.
    pub fn slots(&self) -> BTreeMap<usize, Ptr<Slot>> {
        let mut found = BTreeMap::new();
        let mut todo = World::slots_in(self.root.cspace().cap());
        while let Some(slot) = todo.pop() {
            if slot.is_empty() || found.insert(slot.addr(), slot).is_some() {
                continue;
            }
            let (previous, next) = slot.neighbours();
            todo.extend(previous.into_iter().chain(next));
            todo.extend(World::slots_in(slot.cap()));
        }
        found
    }

    /// That the derivation lists are lists.
    pub fn check_lists(&self) {
        let slots = self.slots();
        let mut seen = 0;
        for &slot in slots.values() {
            let (previous, next) = slot.neighbours();
            for neighbour in previous.into_iter().chain(next) {
                assert!(slots.contains_key(&neighbour.addr()), "a neighbour is empty");
            }
            assert!(
                next.is_none_or(|next| next.neighbours().0 == Some(slot)),
                "the next does not point back"
            );
            assert!(
                previous.is_none_or(|p| p.neighbours().1 == Some(slot)),
                "the previous does not point here"
            );
            if previous.is_none() {
                let mut at = Some(slot);
                while let Some(here) = at {
                    seen += 1;
                    assert!(seen <= slots.len(), "a list goes in circles");
                    at = here.neighbours().1;
                }
            }
        }
        assert_eq!(seen, slots.len(), "there is a circle");
    }

    /// That threads are where they should be: in queues, or not.
    pub fn check_threads(&self) {
        let kernel = &self.kernel;
        let slots = self.slots();
        let mut places: BTreeMap<usize, Vec<State>> = BTreeMap::new();
        let mut replies: BTreeMap<usize, usize> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut walk = |first: Option<Ptr<Tcb>>, state: State, at: usize| {
            let mut previous = None;
            let mut next = first;
            while let Some(thread) = next {
                assert_eq!(thread.waiting.previous.get(), previous, "a queue is broken");
                assert_eq!(thread.state(), state, "a thread waits for something else");
                assert_eq!(thread.blocked_on::<u64>().map(Ptr::addr), Some(at), "a thread waits elsewhere");
                places.entry(thread.addr()).or_default().push(state);
                previous = next;
                next = thread.waiting.next.get();
            }
        };
        for slot in slots.values() {
            let cap = slot.cap();
            let kind = if cap.is(Kind::Zombie) { cap.zombie_of_queue() } else { Some(cap.kind()) };
            match kind.unwrap_or(Kind::Zombie) {
                Kind::Endpoint if seen.insert(cap.paddr()) => {
                    let endpoint = cap.object::<Endpoint>();
                    let state = match endpoint.side() {
                        Side::Senders => State::Sending,
                        Side::Receivers => State::Receiving,
                        Side::Nobody => {
                            assert_eq!(endpoint.first(), None);
                            continue;
                        }
                    };
                    assert!(endpoint.first().is_some(), "nobody waits in a queue");
                    walk(endpoint.first(), state, endpoint.addr());
                }
                Kind::Notification if seen.insert(cap.paddr()) => {
                    let notification = cap.object::<Notification>();
                    assert!(!(notification.has_waiters() && notification.is_signalled()));
                    walk(notification.first(), State::Waiting, notification.addr());
                    if let Some(bound) = notification.bound() {
                        assert_eq!(bound.bound.get(), Some(notification), "bound one way only");
                    }
                }
                Kind::Reply if !cap.is_master() => *replies.entry(cap.paddr() as usize).or_default() += 1,
                _ => {}
            }
        }
        let ready = kernel.hart().ready.threads();
        let mut listed = BTreeSet::new();
        for thread in kernel.threads() {
            assert!(listed.insert(thread.addr()), "a thread is listed twice");
            let waits = places.remove(&thread.addr()).unwrap_or_default();
            let expected = match thread.state() {
                state @ (State::Sending | State::Receiving | State::Waiting) => std::vec![state],
                _ => Vec::new(),
            };
            assert_eq!(waits, expected, "a thread waits in other queues than it says");
            let entries = ready.iter().filter(|&&(_, queued)| queued == thread).count();
            assert_eq!(entries, usize::from(thread.queued.get()), "a thread is not where it says");
            let runs = kernel.current() == thread;
            assert_eq!(
                entries == 1,
                thread.is_runnable() && !runs,
                "who is ready, and only who is, is queued"
            );
            let answers = replies.remove(&(Ptr::of(&*thread).paddr() as usize)).unwrap_or(0);
            assert!(answers <= usize::from(thread.state() == State::Replying), "an answer to nothing");
            if let Some(bound) = thread.bound.get() {
                assert!(seen.contains(&bound.paddr()), "bound to what does not exist");
                assert_eq!(bound.bound(), Some(thread), "bound one way only");
            }
        }
        assert!(places.is_empty(), "threads wait that do not exist");
        assert!(replies.is_empty(), "replies to threads that do not exist");
        for &(priority, thread) in &ready {
            assert_eq!(thread.priority.get(), priority, "in the wrong queue");
            assert!(listed.contains(&thread.addr()), "a thread is ready that does not exist");
        }
        assert_eq!(kernel.hart().next.get(), Next::Stay);
        let current = kernel.current();
        if current.state() == State::Idle {
            assert!(ready.is_empty(), "idle, though somebody is ready");
        } else {
            assert!(listed.contains(&current.addr()), "a thread runs that does not exist");
            assert!(current.is_runnable(), "a thread runs that may not");
            assert!(ready.iter().all(|&(priority, _)| priority <= current.priority.get()));
        }
        let expected = kernel.valid_vspace(current);
        // A root that is still there may be in use after the thread's own capability has gone.
        if let Some(used) = log(|log| log.vspace) {
            assert_eq!(kernel.asids.root(used.1), Some(used.0), "the address space in use is gone");
        }
        if expected.is_some() {
            assert_eq!(log(|log| log.vspace), expected, "not the thread's address space");
        }
    }

    /// That everything fits.
    pub fn check(&self) {
        self.check_lists();
        self.check_threads();
    }
}
