//! Threads.

use core::mem::{align_of, size_of};
use core::sync::atomic::{AtomicU64, Ordering};

use kernel_abi::{CapRights, InitialCap, IpcBuffer, ObjectType, UserContext, VmAttributes, bits};

use crate::cspace::{ROOT_CNODE, Slots};
use crate::invoke::{CNode, Frame, Notification, PageTable, Result, Tcb, Untyped};
use crate::syscall;
use crate::vspace::VSpace;

/// Pages of a stack.
const STACK_PAGES: u64 = 4;

/// What a thread is made of.
#[derive(Debug)]
pub struct Resources<'a> {
    /// Memory of thread, stack and IPC buffer.
    pub untyped: Untyped,
    /// Slots for their capabilities.
    pub slots: &'a mut Slots,
    /// The address space that stack and buffer are mapped into.
    pub vspace: &'a mut VSpace,
}

/// How a thread is set up.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Address of its fault endpoint in its CSpace, 0 for none.
    pub fault_endpoint: u64,
    /// Its CSpace: root, and guard as [`kernel_abi::CnodeData`] or 0.
    pub cspace: (CNode, u64),
    /// Its address space.
    pub vspace: PageTable,
    /// Its priority.
    pub priority: u64,
    /// The greatest priority that it may give.
    pub mc_priority: u64,
    /// Its hart, where the kernel runs several.
    pub hart: u64,
}

impl Config {
    /// A thread with the root task's CSpace and address space, on the first hart.
    #[must_use]
    pub const fn new(priority: u64) -> Self {
        Self {
            fault_endpoint: 0,
            cspace: (ROOT_CNODE, 0),
            vspace: PageTable(InitialCap::Vspace as u64),
            priority,
            mc_priority: 0,
            hart: 0,
        }
    }
}

/// What a thread and its creator share, in the page of the IPC buffer.
#[derive(Debug)]
#[repr(C)]
struct Control {
    tcb: AtomicU64,
    done: AtomicU64,
    finished: AtomicU64,
    result: AtomicU64,
}

/// A thread with stack and IPC buffer.
#[derive(Debug, Clone, Copy)]
pub struct Thread {
    /// The thread.
    pub tcb: Tcb,
    /// Address of its IPC buffer.
    pub buffer: u64,
    /// The frame of its IPC buffer.
    pub buffer_frame: Frame,
    /// Where its stack ends.
    pub stack_top: u64,
    /// Signalled when it has run to its end.
    pub done: Notification,
}

impl Thread {
    /// Makes a thread that does not run yet.
    pub fn new(resources: &mut Resources<'_>, config: &Config) -> Result<Self> {
        let Resources { untyped, slots, vspace } = resources;
        let tcb = Tcb(slots.take());
        untyped.retype(ObjectType::Tcb, 0, ROOT_CNODE, 0, 0, tcb.0, 1)?;
        let done = Notification(slots.take());
        untyped.retype(ObjectType::Notification, 0, ROOT_CNODE, 0, 0, done.0, 1)?;
        let frames = slots.take_range(STACK_PAGES + 1);
        untyped.retype(ObjectType::Page, 0, ROOT_CNODE, 0, 0, frames, STACK_PAGES + 1)?;
        // A free page below the stack catches an overflow; the buffer is above.
        let stack = vspace.reserve_pages(STACK_PAGES + 1);
        for page in 0..=STACK_PAGES {
            let (frame, address) = (Frame(frames + page), stack + (page << bits::PAGE));
            vspace.map(*untyped, slots, frame, address, CapRights::ALL, VmAttributes::EXECUTE_NEVER)?;
        }
        let buffer = stack + (STACK_PAGES << bits::PAGE);
        let buffer_frame = Frame(frames + STACK_PAGES);
        let thread = Self { tcb, buffer, buffer_frame, stack_top: buffer, done };
        thread.control().tcb.store(tcb.0, Ordering::Relaxed);
        thread.control().done.store(done.0, Ordering::Relaxed);
        tcb.configure(config.fault_endpoint, config.cspace, config.vspace, (buffer, buffer_frame))?;
        let authority = Tcb(InitialCap::Tcb as u64);
        tcb.set_sched_params(authority, config.mc_priority, config.priority)?;
        if config.hart != 0 {
            tcb.set_affinity(config.hart)?;
        }
        Ok(thread)
    }

    /// Makes a thread and runs `body` in it, which shares the address space of the caller.
    pub fn spawn<F>(resources: &mut Resources<'_>, config: &Config, body: F) -> Result<Self>
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let thread = Self::new(resources, config)?;
        thread.start(body)?;
        Ok(thread)
    }

    /// Runs `body` in a thread of [`Thread::new`], which shares the address space of the caller.
    pub fn start<F>(&self, body: F) -> Result<()>
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let context = self.context_for(body);
        self.tcb.write_registers(true, &context, kernel_abi::USER_CONTEXT_WORDS)
    }

    /// The registers that make the thread run `body`, which is put onto its stack.
    pub fn context_for<F>(&self, body: F) -> UserContext
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        const { assert!(size_of::<F>() <= 2048 && align_of::<F>() <= 16) };
        let place = (self.stack_top - size_of::<F>() as u64) & !15;
        // SAFETY: the stack is mapped, the thread does not run on it, and the place is large enough and aligned.
        unsafe { (place as *mut F).write(body) };
        let mut context = self.context(entry::<F> as *const () as u64, [place, self.control_address()]);
        context.sp = place;
        context
    }

    /// The registers that make the thread call the function at `pc`.
    #[must_use]
    pub fn context(&self, pc: u64, args: [u64; 2]) -> UserContext {
        let mut context = UserContext { pc, sp: self.stack_top, tp: self.buffer, ..UserContext::default() };
        context.a[..2].copy_from_slice(&args);
        context
    }

    /// Waits until the thread has run to its end, for what its body gave.
    pub fn join(&self) -> u64 {
        loop {
            if let Some(result) = self.result() {
                return result;
            }
            syscall::recv(self.done.0);
        }
    }

    /// What its body gave, if the thread has run to its end.
    #[must_use]
    pub fn result(&self) -> Option<u64> {
        let control = self.control();
        (control.finished.load(Ordering::Acquire) != 0).then(|| control.result.load(Ordering::Relaxed))
    }

    fn control_address(&self) -> u64 {
        self.buffer + size_of::<IpcBuffer>() as u64
    }

    fn control(&self) -> &Control {
        // SAFETY: the page is mapped while the thread exists, begins as zeros, and this part of it is only used as
        // these atomics.
        unsafe { &*(self.control_address() as *const Control) }
    }
}

extern "C" fn entry<F: FnOnce() -> u64>(body: *mut F, control: &Control) -> ! {
    // SAFETY: `context_for` has put it there, and nobody else takes it.
    let body = unsafe { body.read() };
    let result = body();
    control.result.store(result, Ordering::Relaxed);
    control.finished.store(1, Ordering::Release);
    syscall::signal(control.done.load(Ordering::Relaxed));
    loop {
        // A thread in a CSpace without its own capability stays here.
        let _ = Tcb(control.tcb.load(Ordering::Relaxed)).suspend();
        syscall::yield_now();
    }
}
