//! What the kernel that comes with relsim knows of its threads, by the layout that `kernel-layout` tells.

use kernel_layout::{WINDOW, cap, tcb};
use relsim_core::bus::Bus;
use relsim_core::hart::Priv;
use relsim_machine::Machine;

use crate::debug::Debugger;

/// Threads, and slots of a CNode, that are shown at most.
const MAX_THREADS: usize = 256;
const MAX_SLOTS: u64 = 64;

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadLine {
    /// Its physical address.
    pub at: u64,
    /// Its name, if it was given one.
    pub name: String,
    /// What it does.
    pub state: &'static str,
    /// Priority.
    pub priority: u8,
    /// The hart that it belongs to.
    pub hart: u8,
    /// Where it goes on.
    pub pc: u64,
    /// Its number as a receiver of user interrupts.
    pub receiver: Option<u64>,
    /// What it waits at.
    pub blocked_on: Option<u64>,
    /// A hart runs it.
    pub current: bool,
}

/// A capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapLine {
    /// Number of its slot.
    pub slot: u64,
    /// What it is for.
    pub text: String,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Threads {
    /// The threads, those that run first; or why there are none.
    pub threads: Vec<ThreadLine>,
    /// What the first slots of the current thread's CSpace root hold, and of whom that is.
    pub caps: Vec<CapLine>,
    /// Whose capabilities these are.
    pub caps_of: String,
    /// Why there is nothing.
    pub note: Option<&'static str>,
}

/// The kernel's memory.
struct Kernel<'a> {
    bus: &'a Bus,
}

impl Kernel<'_> {
    fn word(&self, at: u64) -> u64 {
        self.bus.ram.get::<u64>(at).unwrap_or(0)
    }

    fn byte(&self, at: u64) -> u8 {
        self.bus.ram.get::<u8>(at).unwrap_or(0)
    }

    /// The physical address of a thread to which the kernel's pointer `pointer` leads.
    fn thread(&self, pointer: u64) -> Option<u64> {
        let at = pointer.checked_sub(WINDOW).filter(|at| at % tcb::SIZE == 0)?;
        let ram = self.bus.ram.base()..self.bus.ram.base() + self.bus.ram.size_bytes();
        let fits = ram.contains(&at) && usize::from(self.byte(at + tcb::STATE)) < tcb::STATES.len();
        (fits && self.byte(at + tcb::QUEUED) <= 1 && self.word(at + tcb::HART) < 64).then_some(at)
    }

    /// Its neighbour in the list of all threads.
    fn neighbour(&self, at: u64, link: u64, back: u64) -> Option<u64> {
        let other = self.thread(self.word(at + link))?;
        (self.word(other + back) == WINDOW.wrapping_add(at)).then_some(other)
    }

    /// Some thread: one that a hart runs, or one that has run and has a CSpace.
    fn any(&self, machine: &Machine) -> Option<u64> {
        let by_hart = machine.cores.iter().find_map(|core| self.thread(core.hart.csr.sscratch));
        by_hart.or_else(|| {
            let ram = &self.bus.ram;
            let first = ram.base().next_multiple_of(tcb::SIZE);
            (first..ram.base() + ram.size_bytes()).step_by(tcb::SIZE as usize).find(|&at| {
                self.word(at + tcb::KERNEL_STACK) != 0
                    && self.thread(WINDOW.wrapping_add(at)).is_some()
                    && kind(self.word(at + tcb::SLOTS)) == "CNode"
            })
        })
    }

    /// All threads.
    fn all(&self, machine: &Machine) -> Vec<u64> {
        let Some(mut first) = self.any(machine) else { return Vec::new() };
        for _ in 0..MAX_THREADS {
            let Some(before) = self.neighbour(first, tcb::PREVIOUS, tcb::NEXT) else { break };
            first = before;
        }
        let next = |at: &u64| self.neighbour(*at, tcb::NEXT, tcb::PREVIOUS);
        std::iter::successors(Some(first), next).take(MAX_THREADS).collect()
    }

    fn line(&self, at: u64, machine: &Machine) -> ThreadLine {
        let state = tcb::STATES[usize::from(self.byte(at + tcb::STATE)) % tcb::STATES.len()];
        let hart = self.byte(at + tcb::AFFINITY);
        let name = (0..tcb::NAME_MAX).map(|n| self.byte(at + tcb::NAME + n));
        let name: Vec<u8> = name.take_while(|&byte| byte != 0).collect();
        let core = machine.cores.get(usize::from(hart));
        let current = core.is_some_and(|core| match core.hart.csr.sscratch {
            // In the kernel: what may run and stands in no queue.
            0 => matches!(state, "running" | "restart") && self.byte(at + tcb::QUEUED) == 0,
            thread => thread == WINDOW.wrapping_add(at),
        });
        let pc = match core {
            Some(core) if current && core.hart.privilege == Priv::U => core.hart.pc,
            _ => self.word(at + tcb::PC),
        };
        let waits = matches!(state, "receiving" | "sending" | "waiting");
        let blocked_on = self.word(at + tcb::BLOCKED_ON).checked_sub(WINDOW).filter(|_| waits);
        ThreadLine {
            at,
            name: String::from_utf8_lossy(&name).into_owned(),
            state,
            priority: self.byte(at + tcb::PRIORITY),
            hart,
            pc,
            receiver: self.word(at + tcb::RECEIVER).checked_sub(1),
            blocked_on,
            current,
        }
    }

    /// The first capabilities in the CNode that is the root of a thread's CSpace.
    fn caps(&self, thread: u64) -> Vec<CapLine> {
        let root = self.word(thread + tcb::SLOTS);
        if kind(root) != "CNode" {
            return Vec::new();
        }
        let (at, radix) = (paddr(root), root >> cap::DETAIL_SHIFT & 63);
        let slots = (0..MAX_SLOTS.min(1 << radix.min(32))).filter_map(|slot| {
            let head = self.word(at + slot * cap::SLOT_SIZE);
            let text = describe(head, self.word(at + slot * cap::SLOT_SIZE + 8));
            (kind(head) != "null").then_some(CapLine { slot, text })
        });
        slots.collect()
    }
}

fn kind(head: u64) -> &'static str {
    let number = (head >> cap::KIND_SHIFT) as u8;
    cap::KINDS.iter().find(|(n, _)| *n == number).map_or("unknown", |(_, name)| name)
}

fn paddr(head: u64) -> u64 {
    head & ((1 << cap::DETAIL_SHIFT) - 1)
}

/// A capability in words (`kernel-core`, `cap.rs`).
fn describe(head: u64, word: u64) -> String {
    let detail = head >> cap::DETAIL_SHIFT & ((1 << (cap::KIND_SHIFT - cap::DETAIL_SHIFT)) - 1);
    let (kind, at) = (kind(head), paddr(head));
    let rights = |bits: u64| -> String {
        let all = [(1, 'W'), (0, 'R'), (2, 'G'), (3, 'P')];
        all.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| name).collect()
    };
    match kind {
        "untyped" => {
            let device = if detail >> 6 & 1 == 1 { " device" } else { "" };
            format!("untyped 2^{}{device} at {at:#x}, {word:#x} used", detail & 63)
        }
        "endpoint" | "notification" => format!("{kind} {at:#x} {} badge {word:#x}", rights(detail & 15)),
        "CNode" => format!("CNode 2^{} at {at:#x}", detail & 63),
        "frame" | "page table" => {
            let mapped = word & ((1 << cap::DETAIL_SHIFT) - 1);
            format!("{kind} {at:#x} mapped at {mapped:#x}, ASID {}", word >> cap::ASID_SHIFT)
        }
        "IRQ handler" => format!("{kind} {word}"),
        "thread" | "reply" | "zombie" | "sender table" | "ASID pool" => format!("{kind} {at:#x}"),
        kind => kind.into(),
    }
}

impl Threads {
    /// What there is.
    pub fn take(debugger: &Debugger) -> Self {
        // Its trap entry and its objects' code.
        let known = debugger.symbols().address("trap_entry").is_some()
            && debugger.symbols().address("__kernel_stacks").is_some();
        if !known {
            let note = Some("This is not relsim's own kernel: what its threads look like is not known.");
            return Self { note, ..Self::default() };
        }
        let machine = debugger.session().machine();
        let kernel = Kernel { bus: &machine.bus };
        let mut threads: Vec<_> =
            kernel.all(machine).into_iter().map(|at| kernel.line(at, machine)).collect();
        if threads.is_empty() {
            return Self { note: Some("The kernel has made no thread yet."), ..Self::default() };
        }
        threads.sort_by_key(|thread| (!thread.current, thread.hart, std::cmp::Reverse(thread.priority)));
        let here = |thread: &&ThreadLine| thread.current && usize::from(thread.hart) == debugger.hart();
        let of = threads.iter().find(here).or(threads.first());
        let (caps, caps_of) =
            of.map_or_else(Default::default, |thread| (kernel.caps(thread.at), label(thread)));
        Self { threads, caps, caps_of, note: None }
    }
}

/// What a thread is called.
pub fn label(thread: &ThreadLine) -> String {
    if thread.name.is_empty() { format!("{:#x}", thread.at) } else { thread.name.clone() }
}
