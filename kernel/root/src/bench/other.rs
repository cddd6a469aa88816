//! System calls without objects, faults and interrupts.

use kernel_user::abi::bits;
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{Frame, IrqControl, IrqHandler};
use kernel_user::thread::Config;
use kernel_user::{memory, syscall};

use super::Bench;
use crate::env::{ABOVE, BELOW, PRIORITY, words};
use crate::harness::Failure;
use crate::platform;

/// Whether interrupts are measured: they cannot be on a kernel that completes them too early, see the test.
const INTERRUPTS: bool = option_env!("KERNEL_BENCH_IRQ").is_some();

pub(super) fn run(bench: &mut Bench<'_>) -> Result<(), Failure> {
    bench.timed("nothing", || Ok(()))?;
    bench.timed("yield_alone", || {
        syscall::yield_now();
        Ok(())
    })?;
    if bench.wants("yield_and_back") {
        let other = bench.env.spawn(PRIORITY, || {
            loop {
                syscall::yield_now();
            }
        })?;
        bench.timed("yield_and_back", || {
            syscall::yield_now();
            Ok(())
        })?;
        other.tcb.suspend()?;
    }
    unknown_syscall(bench)?;
    if INTERRUPTS && platform::is_virt(bench.env.info) {
        interrupt(bench)?;
    }
    Ok(())
}

/// From an unknown system call to its handler, which lets the thread go on.
fn unknown_syscall(bench: &mut Bench<'_>) -> Result<(), Failure> {
    if !bench.wants("fault_and_reply") {
        return Ok(());
    }
    let faults = bench.env.endpoint()?;
    bench.env.spawn(ABOVE, move || {
        let mut message = syscall::recv(faults.0);
        loop {
            message = syscall::reply_recv(faults.0, words(0, 1), [message.regs[0] + 4, 0, 0, 0]);
        }
    })?;
    let clock = bench.clock;
    let finished = bench.env.notification()?;
    let config = Config { fault_endpoint: faults.0, ..Config::new(BELOW) };
    let mut stats = super::Stats::default();
    for _ in 0..super::ROUNDS.min(50) {
        let thread = bench.env.spawn_with(&config, move || {
            let mut taken = 0;
            // The second one finds the caches as they are in the long run.
            for _ in 0..2 {
                let before = clock.now();
                syscall::raw(0x77, [0; 6]);
                taken = clock.now() - before;
            }
            syscall::signal(finished.0);
            taken
        })?;
        syscall::recv(finished.0);
        stats.add(thread.join());
        ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    }
    stats.print("fault_and_reply");
    Ok(())
}

/// From the store that makes the UART ask for service to the thread that waits for it.
fn interrupt(bench: &mut Bench<'_>) -> Result<(), Failure> {
    let (paddr, irq) = platform::VIRT_UART;
    let frame = Frame(memory::device_frame(bench.env.info, &mut bench.env.slots, paddr)?);
    let enable = (bench.env.map(frame, bits::PAGE)? + 1) as *mut u8;
    let handler = IrqHandler(bench.env.slots.take());
    IrqControl(kernel_user::abi::InitialCap::IrqControl as u64).get(irq, ROOT_CNODE, handler.0, DEPTH)?;
    let notification = bench.env.notification()?;
    handler.set_notification(notification)?;
    bench.row("interrupt_to_waiter", |_, clock| {
        let before = clock.now();
        // SAFETY: the UART's registers are mapped there; the console does not use interrupts.
        unsafe { enable.write_volatile(2) };
        syscall::recv(notification.0);
        let taken = clock.now() - before;
        // SAFETY: as above.
        unsafe { enable.write_volatile(0) };
        handler.ack()?;
        Ok(taken)
    })
}
