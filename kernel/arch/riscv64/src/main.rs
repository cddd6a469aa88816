//! The kernel for 64-bit RISC-V: entry, context switch, Sv39, interrupts, boot.

#![no_std]
#![no_main]

mod boot;
mod csr;
mod lock;
mod machine;
mod plic;
mod sbi;
mod user;

use core::arch::{asm, global_asm};

use kernel_abi::{Syscall, TcbFlags};
use kernel_core::debug::{print, print_number};
use kernel_core::mark;
use kernel_core::{Fault, Kernel, MAX_HARTS, Ptr, SMP, State, Tcb};

use lock::Lock;
use machine::MACHINE;
use uintr_abi::n::USIP;

// What the entry code marks is what the others know.
const _: () = assert!(mark::KERNEL == 960);
global_asm!(include_str!("trap.S"), max_harts = const MAX_HARTS);

/// The kernel.
static KERNEL: Kernel = Kernel::new();
/// The lock around it.
static LOCK: Lock = Lock::new();

/// Number of the hart that this runs on, from 0 on.
#[inline(always)]
fn hart_number() -> usize {
    if !SMP {
        return 0;
    }
    let tp: usize;
    // SAFETY: in the kernel `tp` is the number of the hart, and nothing else.
    unsafe { asm!("mv {}, tp", out(reg) tp, options(nomem, nostack, preserves_flags)) }
    tp % MAX_HARTS
}

/// Takes the lock; whether the thread that has come in was taken away meanwhile.
#[inline(always)]
fn enter() -> bool {
    LOCK.take(hart_number(), || MACHINE.step_aside());
    KERNEL.enter(hart_number());
    let evicted = KERNEL.was_evicted();
    if evicted {
        MACHINE.disown_fpu();
    }
    evicted
}

/// Chooses who runs, and gives the lock back. While nobody does, the hart sleeps.
#[inline(always)]
fn leave() -> Ptr<Tcb> {
    loop {
        while KERNEL.serve_requests() {
            // Others get at the lock meanwhile.
            LOCK.give();
            let _ = enter();
        }
        KERNEL.schedule();
        KERNEL.activate();
        let thread = KERNEL.current();
        KERNEL.tell_others();
        LOCK.give();
        if thread.state() != State::Idle {
            return thread;
        }
        {
            let _marked = mark::Idle::enter();
            csr::wait_for_interrupt();
        }
        let _ = enter();
        interrupts();
    }
}

/// Serves the interrupts that wait.
fn interrupts() {
    let _marked = mark::Interrupt::enter();
    let waiting = csr::sip() & csr::sie();
    if waiting & csr::EXTERNAL != 0 {
        let irq = MACHINE.plic.claim();
        if irq != 0 {
            KERNEL.device_irq(irq);
        }
    }
    if waiting & csr::TIMER != 0 {
        MACHINE.set_timer();
        KERNEL.tick();
    }
    if waiting & USIP != 0 {
        // For somebody who sleeps; if it is for the current thread, nothing is to be done.
        KERNEL.reschedule();
    }
    if waiting & csr::SOFTWARE != 0 {
        csr::clear_sip(csr::SOFTWARE);
        KERNEL.kicked();
    }
}

/// System call `number`, with everything else in the registers of the current thread.
#[unsafe(no_mangle)]
extern "C" fn system_call(number: i64) -> Ptr<Tcb> {
    serve(enter(), number)
}

/// The same for `Recv`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.trap")]
extern "C" fn receive_entry() -> Ptr<Tcb> {
    fast_or_slow(Kernel::fast_wait, Syscall::Recv)
}

/// Serves system call `number`, unless the thread was taken away that has made it.
#[inline(never)]
fn serve(evicted: bool, number: i64) -> Ptr<Tcb> {
    if !evicted && KERNEL.syscall(number).is_err() {
        interrupts();
    }
    leave()
}

/// The same for `Call`. What goes the short way lies behind the trap entry, so that it costs the same wherever the
/// rest lies.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.trap")]
extern "C" fn call_entry() -> Ptr<Tcb> {
    fast_or_slow(Kernel::fast_call, Syscall::Call)
}

/// The same for `ReplyRecv`, at the same place for the same reason.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.trap")]
extern "C" fn reply_receive_entry() -> Ptr<Tcb> {
    fast_or_slow(Kernel::fast_reply_receive, Syscall::ReplyRecv)
}

/// The short way, if it can be taken.
#[inline(always)]
fn fast_or_slow(fast: impl FnOnce(&Kernel) -> bool, call: Syscall) -> Ptr<Tcb> {
    let evicted = enter();
    if !evicted && fast(&KERNEL) {
        // Afterwards the kernel is another hart's, and so is what it calls the current thread.
        let thread = KERNEL.current();
        LOCK.give();
        return thread;
    }
    serve(evicted, call.number())
}

/// An interrupt or exception, by `scause`.
#[unsafe(no_mangle)]
extern "C" fn exception(cause: u64) -> Ptr<Tcb> {
    let address = csr::stval();
    if !enter() {
        if cause >> 63 == 1 {
            interrupts();
        } else {
            fault(cause, address);
        }
    }
    leave()
}

/// Exceptions of users. (Privileged specification, table of `scause`.)
fn fault(cause: u64, address: u64) {
    const FETCH_ACCESS: u64 = 1;
    const ILLEGAL: u64 = 2;
    const LOAD_ACCESS: u64 = 5;
    const STORE_ACCESS: u64 = 7;
    const FETCH_PAGE: u64 = 12;
    const LOAD_PAGE: u64 = 13;
    const STORE_PAGE: u64 = 15;
    let thread = KERNEL.current();
    let may_use_fpu = u64::from(thread.flags.get()) & TcbFlags::FPU_DISABLED.0 == 0;
    // libsel4 knows page faults by the numbers of access faults.
    let page_fault = |cause, fetch| Fault::Vm { address, cause, fetch };
    KERNEL.handle_fault(match cause {
        ILLEGAL if may_use_fpu && MACHINE.give_fpu(thread) => return,
        FETCH_ACCESS | FETCH_PAGE => page_fault(FETCH_ACCESS, true),
        LOAD_ACCESS | LOAD_PAGE => page_fault(LOAD_ACCESS, false),
        STORE_ACCESS | STORE_PAGE => page_fault(STORE_ACCESS, false),
        number => Fault::Exception { number, code: 0 },
    });
}

/// A trap in the kernel.
#[unsafe(no_mangle)]
extern "C" fn kernel_mistake(cause: u64, pc: u64, value: u64) -> ! {
    print(b"kernel: trap in the kernel: scause ");
    print_number(cause);
    print(b", sepc ");
    print_number(pc);
    print(b", stval ");
    print_number(value);
    print(b"\n");
    sbi::shut_down()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    struct Console;
    impl core::fmt::Write for Console {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            print(text.as_bytes());
            Ok(())
        }
    }
    let _ = core::fmt::write(&mut Console, format_args!("kernel: {info}\n"));
    sbi::shut_down()
}
