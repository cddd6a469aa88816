//! Faults and their handlers.

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_user::abi::{
    CapRights, CnodeData, FaultLabel, LookupFailure, TcbFlags, UNKNOWN_SYSCALL_LENGTH, USER_CONTEXT_WORDS,
    USER_EXCEPTION_LENGTH, VM_FAULT_LENGTH, VmAttributes, bits,
};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{CNode, Endpoint};
use kernel_user::syscall::{self, Message};
use kernel_user::thread::{Config, Thread};
use kernel_user::{ipc, time};

use crate::env::{ABOVE, BELOW, Env, VSPACE, words};
use crate::harness::{Failure, Outcome};
use crate::{check, check_eq, check_err, tests};

tests!("fault":
    vm_fault_is_restarted,
    vm_fault_message,
    vm_fault_thread_is_moved_on,
    vm_fault_thread_is_deleted,
    fetch_fault,
    cap_fault_guard,
    cap_fault_depth,
    cap_fault_in_receive,
    cap_fault_of_extra_capability,
    cap_fault_is_restarted,
    nb_send_to_nowhere,
    address_with_bits_left,
    unknown_syscall,
    unknown_syscall_sets_registers,
    unknown_syscall_refused,
    illegal_instruction,
    breakpoint,
    exception_moves_on,
    exception_refused,
    fpu_disabled,
    no_handler,
    handler_without_rights,
    handler_that_is_no_endpoint,
    badge_of_the_handler,
    handler_of_its_own_cspace,
    resumed_without_reply,
    suspended_while_it_waits_for_the_handler,
    reply_through_saved_caller,
    handler_goes_away,
    counters,
);

/// Runs `body` in a thread of lower priority whose faults come to the endpoint.
fn faulting(
    env: &mut Env,
    body: impl FnOnce() -> u64 + Send + 'static,
) -> Result<(Thread, Endpoint), Failure> {
    let faults = env.endpoint()?;
    let config = Config { fault_endpoint: faults.0, ..Config::new(BELOW) };
    Ok((env.spawn_with(&config, body)?, faults))
}

fn load(address: u64) -> u64 {
    // SAFETY: a read has no effect but a fault, which the tests expect.
    unsafe { (address as *const u64).read_volatile() }
}

fn vm_fault_is_restarted(env: &mut Env) -> Outcome {
    let address = env.vspace.reserve(bits::PAGE);
    let (thread, faults) = faulting(env, move || load(address) + 1)?;
    let message = syscall::recv(faults.0);
    check_eq!(message.info.label(), FaultLabel::Vm as u64);
    let frame = env.frame()?;
    env.map_at(frame, address, CapRights::ALL)?;
    // SAFETY: it is mapped now.
    unsafe { (address as *mut u64).write_volatile(98) };
    syscall::reply(words(0, 0), [0; 4]);
    check_eq!(thread.join(), 99);
    Ok(())
}

fn vm_fault_message(env: &mut Env) -> Outcome {
    let address = env.vspace.reserve(bits::PAGE) + 0x128;
    let (thread, faults) = faulting(env, move || load(address))?;
    let message = syscall::recv(faults.0);
    check_eq!(message.info, words(FaultLabel::Vm as u64, VM_FAULT_LENGTH as u64));
    check_eq!(message.regs[1..], [address, 0, kernel_user::abi::vm_cause::LOAD]);
    check_eq!(thread.tcb.read_registers(false, 1)?.pc, message.regs[0]);
    // A label other than 0 restarts it all the same.
    syscall::reply(words(1, 0), [0; 4]);
    check_eq!(syscall::recv(faults.0).regs, message.regs);
    Ok(())
}

fn vm_fault_thread_is_moved_on(env: &mut Env) -> Outcome {
    static AFTER: AtomicU64 = AtomicU64::new(0);
    AFTER.store(0, Ordering::Relaxed);
    let (thread, faults) = faulting(env, || {
        // A load of 4 bytes of code.
        // SAFETY: as in `load`.
        unsafe {
            core::arch::asm!(".option push", ".option norvc", "ld a0, 8(zero)", ".option pop", out("a0") _)
        };
        AFTER.store(1, Ordering::Relaxed);
        7
    })?;
    syscall::recv(faults.0);
    let mut context = thread.tcb.read_registers(false, USER_CONTEXT_WORDS)?;
    context.pc += 4;
    // Running it is the answer.
    thread.tcb.write_registers(true, &context, USER_CONTEXT_WORDS)?;
    check_eq!(thread.join(), 7);
    check_eq!(AFTER.load(Ordering::Relaxed), 1);
    Ok(())
}

fn vm_fault_thread_is_deleted(env: &mut Env) -> Outcome {
    let (thread, faults) = faulting(env, || load(8))?;
    syscall::recv(faults.0);
    ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    syscall::reply(words(0, 0), [0; 4]);
    check_eq!(thread.result(), None);
    Ok(())
}

fn fetch_fault(env: &mut Env) -> Outcome {
    let address = env.vspace.reserve(bits::PAGE);
    let (thread, faults) = faulting(env, || 1)?;
    thread.tcb.suspend()?;
    thread.tcb.write_registers(true, &thread.context(address, [0; 2]), USER_CONTEXT_WORDS)?;
    let message = syscall::recv(faults.0);
    check_eq!(message.regs, [address, address, 1, kernel_user::abi::vm_cause::FETCH]);
    Ok(())
}

/// A CSpace of 2^4 slots under a guard of 52 bits; in slot 0 a CNode that resolves 8 bits, and in slot 1 one with a
/// guard that it takes 4 more bits than there are. Slot 2 has the endpoint of the faults, at `HANDLER`.
fn odd_cspace(env: &mut Env, faults: Endpoint) -> Result<CNode, Failure> {
    let (plain, inner) = (env.cnode(4)?, env.cnode(8)?);
    plain.copy((0, 4), ROOT_CNODE, (inner.0, DEPTH), CapRights::ALL)?;
    let long = CnodeData::new(0, 4).0;
    plain.mint((1, 4), ROOT_CNODE, (inner.0, DEPTH), CapRights::ALL, long)?;
    plain.copy((2, 4), ROOT_CNODE, (faults.0, DEPTH), CapRights::ALL)?;
    let guard = CnodeData::new(GUARD, 52).0;
    Ok(CNode(env.mint(plain.0, CapRights::ALL, guard)?))
}

const GUARD: u64 = 0xabc;
const HANDLER: u64 = GUARD << 12 | 2 << 8;

fn cap_fault(env: &mut Env, body: impl FnOnce() -> u64 + Send + 'static) -> Result<(Message, u64), Failure> {
    let faults = env.endpoint()?;
    let cspace = odd_cspace(env, faults)?;
    let config = Config { fault_endpoint: HANDLER, cspace: (cspace, 0), ..Config::new(BELOW) };
    env.spawn_with(&config, body)?;
    let message = syscall::recv(faults.0);
    Ok((message, ipc::word(4)))
}

fn cap_fault_guard(env: &mut Env) -> Outcome {
    let address = (GUARD + 1) << 12;
    let (message, bits_left) = cap_fault(env, move || {
        syscall::send(address, words(0, 0), [0; 4]);
        0
    })?;
    check_eq!(message.info, words(FaultLabel::Cap as u64, 7));
    check_eq!(message.regs[1..], [address, 0, LookupFailure::GuardMismatch as u64]);
    check_eq!([bits_left, ipc::word(5), ipc::word(6)], [64, GUARD, 52]);
    Ok(())
}

fn cap_fault_depth(env: &mut Env) -> Outcome {
    let address = GUARD << 12 | 1 << 8;
    let (message, bits_left) = cap_fault(env, move || syscall::call(address, words(0, 0), [0; 4]).badge)?;
    check_eq!(message.info, words(FaultLabel::Cap as u64, 6));
    check_eq!(message.regs[1..], [address, 0, LookupFailure::DepthMismatch as u64]);
    check_eq!([bits_left, ipc::word(5)], [8, 12]);
    Ok(())
}

fn cap_fault_in_receive(env: &mut Env) -> Outcome {
    // An empty slot is nothing to receive from. The upstream kernel says that no bits are left.
    let address = GUARD << 12 | 5;
    let (message, bits_left) = cap_fault(env, move || syscall::recv(address).badge)?;
    check_eq!(message.info, words(FaultLabel::Cap as u64, 5));
    check_eq!(message.regs[1..], [address, 1, LookupFailure::MissingCapability as u64]);
    check_eq!(bits_left, 0);
    let address = 0;
    let (message, bits_left) = cap_fault(env, move || syscall::nb_recv(address).badge)?;
    check_eq!(message.regs[1..], [address, 1, LookupFailure::GuardMismatch as u64]);
    check_eq!(bits_left, 64);
    let (message, _) = cap_fault(env, move || syscall::reply_recv(1 << 63, words(0, 0), [0; 4]).badge)?;
    check_eq!(message.regs[1..], [1 << 63, 1, LookupFailure::GuardMismatch as u64]);
    Ok(())
}

fn cap_fault_of_extra_capability(env: &mut Env) -> Outcome {
    let address = 0x123;
    let (message, _) = cap_fault(env, move || {
        ipc::set_cap(0, address);
        let info = kernel_user::abi::MessageInfo::new(0, 0, 1, 0);
        syscall::send(HANDLER, info, [0; 4]);
        0
    })?;
    check_eq!(message.info.label(), FaultLabel::Cap as u64);
    check_eq!(message.regs[1..], [address, 0, LookupFailure::GuardMismatch as u64]);
    Ok(())
}

fn cap_fault_is_restarted(env: &mut Env) -> Outcome {
    // The handler puts the capability where it was missing.
    let slot = env.slots.take();
    let (thread, faults) = faulting(env, move || syscall::recv(slot).badge)?;
    let message = syscall::recv(faults.0);
    check_eq!(message.regs[1..3], [slot, 1]);
    let notification = env.notification()?;
    ROOT_CNODE.mint((slot, DEPTH), ROOT_CNODE, (notification.0, DEPTH), CapRights::ALL, 3)?;
    syscall::signal(slot);
    syscall::reply(words(0, 0), [0; 4]);
    check_eq!(thread.join(), 3);
    Ok(())
}

fn nb_send_to_nowhere(env: &mut Env) -> Outcome {
    // What does not wait does not fault.
    let faults = env.endpoint()?;
    let cspace = odd_cspace(env, faults)?;
    let config = Config { fault_endpoint: HANDLER, cspace: (cspace, 0), ..Config::new(BELOW) };
    env.spawn_with(&config, || {
        syscall::nb_send(1 << 40, words(0, 0), [0; 4]);
        ipc::set_cap(0, 1 << 41);
        syscall::nb_send(HANDLER, kernel_user::abi::MessageInfo::new(0, 0, 1, 0), [0; 4]);
        syscall::send(HANDLER, words(77, 0), [0; 4]);
        0
    })?;
    check_eq!(syscall::recv(faults.0).info, words(77, 0));
    Ok(())
}

fn address_with_bits_left(env: &mut Env) -> Outcome {
    // A thread's capability is looked up until it is found, and what bits are left do not count.
    let faults = env.endpoint()?;
    let cspace = odd_cspace(env, faults)?;
    let config = Config { fault_endpoint: HANDLER, cspace: (cspace, 0), ..Config::new(BELOW) };
    env.spawn_with(&config, || {
        syscall::send(HANDLER | 0x5a, words(78, 0), [0; 4]);
        0
    })?;
    check_eq!(syscall::recv(faults.0).info, words(78, 0));
    Ok(())
}

const NUMBER: i64 = 0x5e14;

fn unknown_syscall(env: &mut Env) -> Outcome {
    for number in [0, 1, NUMBER, -100, i64::MIN] {
        let (thread, faults) =
            faulting(env, move || syscall::raw(number, [10, 11, 12, 13, 14, 15]).iter().sum())?;
        let message = syscall::recv(faults.0);
        let length = UNKNOWN_SYSCALL_LENGTH as u64;
        check_eq!(message.info, words(FaultLabel::UnknownSyscall as u64, length));
        for n in 1..6 {
            check_eq!(ipc::word(3 + n), 10 + n as u64);
        }
        check_eq!(ipc::word(10), number as u64);
        let context = thread.tcb.read_registers(false, USER_CONTEXT_WORDS)?;
        check_eq!(message.regs, [context.pc, context.sp, context.ra, 10]);
        ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    }
    Ok(())
}

fn unknown_syscall_sets_registers(env: &mut Env) -> Outcome {
    let (thread, faults) = faulting(env, || {
        let [a0, a1, a2, a3, a4, a5] = syscall::raw(NUMBER, [10, 11, 12, 13, 14, 15]);
        a0 | a1 << 8 | a2 << 16 | a3 << 24 | a4 << 32 | a5 << 40
    })?;
    let message = syscall::recv(faults.0);
    // An answer of no words repeats the call.
    syscall::reply(words(0, 0), [0; 4]);
    check_eq!(syscall::recv(faults.0).regs, message.regs);
    // The pc is that of the call: going on is up to the handler. Registers that the answer leaves out stay.
    for n in 1..4 {
        ipc::set_word(3 + n, 20 + n as u64);
    }
    syscall::reply(words(0, 7), [message.regs[0] + 4, message.regs[1], message.regs[2], 20]);
    check_eq!(thread.join(), 0x0f_0e_17_16_15_14);
    Ok(())
}

fn unknown_syscall_refused(env: &mut Env) -> Outcome {
    let (thread, faults) = faulting(env, || syscall::raw(NUMBER, [0; 6])[0])?;
    let message = syscall::recv(faults.0);
    // A label other than 0: it stays where it is, with the registers that the answer has.
    syscall::reply(words(1, 1), [message.regs[0] + 4, 0, 0, 0]);
    check_eq!(syscall::nb_recv(faults.0).badge, 0);
    check_eq!(thread.result(), None);
    check_eq!(thread.tcb.read_registers(false, 1)?.pc, message.regs[0] + 4);
    thread.tcb.resume()?;
    thread.join();
    Ok(())
}

const ILLEGAL_INSTRUCTION: u64 = 2;
const BREAKPOINT: u64 = 3;

fn illegal() -> u64 {
    let value;
    // SAFETY: an illegal instruction of 4 bytes, which the handler skips.
    unsafe { core::arch::asm!("li a0, 5", ".word 0xffffffff", out("a0") value) };
    value
}

fn illegal_instruction(env: &mut Env) -> Outcome {
    let (thread, faults) = faulting(env, illegal)?;
    let message = syscall::recv(faults.0);
    check_eq!(message.info, words(FaultLabel::UserException as u64, USER_EXCEPTION_LENGTH as u64));
    let context = thread.tcb.read_registers(false, USER_CONTEXT_WORDS)?;
    check_eq!(message.regs, [context.pc, context.sp, ILLEGAL_INSTRUCTION, 0]);
    Ok(())
}

fn breakpoint(env: &mut Env) -> Outcome {
    let (_, faults) = faulting(env, || {
        // SAFETY: an exception, nothing else.
        unsafe { core::arch::asm!("ebreak") };
        0
    })?;
    let message = syscall::recv(faults.0);
    check_eq!(message.info.label(), FaultLabel::UserException as u64);
    check_eq!(message.regs[2], BREAKPOINT);
    Ok(())
}

fn exception_moves_on(env: &mut Env) -> Outcome {
    let (thread, faults) = faulting(env, illegal)?;
    let message = syscall::recv(faults.0);
    syscall::reply(words(0, 0), [0; 4]);
    check_eq!(syscall::recv(faults.0).regs, message.regs);
    syscall::reply(words(0, 2), [message.regs[0] + 4, message.regs[1], 0, 0]);
    check_eq!(thread.join(), 5);
    Ok(())
}

fn exception_refused(env: &mut Env) -> Outcome {
    let (thread, faults) = faulting(env, illegal)?;
    let message = syscall::recv(faults.0);
    syscall::reply(words(9, 1), [message.regs[0] + 4, 0, 0, 0]);
    check_eq!(thread.result(), None);
    thread.tcb.resume()?;
    check_eq!(thread.join(), 5);
    Ok(())
}

fn fpu_disabled(env: &mut Env) -> Outcome {
    let faults = env.endpoint()?;
    let config = Config { fault_endpoint: faults.0, ..Config::new(BELOW) };
    let thread = Thread::new(&mut env.resources(), &config)?;
    thread.tcb.set_flags(0, TcbFlags::FPU_DISABLED.0)?;
    thread.start(|| {
        let value: u64;
        // SAFETY: moves a value there and back.
        unsafe {
            core::arch::asm!("fmv.d.x fa0, {0}", "fmv.x.d {1}, fa0", in(reg) 44, out(reg) value, out("fa0") _)
        };
        value
    })?;
    let message = syscall::recv(faults.0);
    check_eq!(message.info.label(), FaultLabel::UserException as u64);
    check_eq!(message.regs[2], ILLEGAL_INSTRUCTION);
    thread.tcb.set_flags(TcbFlags::FPU_DISABLED.0, 0)?;
    syscall::reply(words(0, 0), [0; 4]);
    check_eq!(thread.join(), 44);
    Ok(())
}

fn no_handler(env: &mut Env) -> Outcome {
    // The thread stops, and nobody else notices.
    let thread = env.spawn(ABOVE, || load(8))?;
    check_eq!(thread.result(), None);
    let context = thread.tcb.read_registers(false, 1)?;
    check!(context.pc != 0);
    Ok(())
}

fn handler_without_rights(env: &mut Env) -> Outcome {
    let faults = env.endpoint()?;
    let rights = [
        CapRights::WRITE,
        CapRights::READ.or(CapRights::GRANT),
        CapRights::READ.or(CapRights::GRANT_REPLY),
        CapRights::NONE,
    ];
    for rights in rights {
        let weak = env.copy(faults.0, rights)?;
        let config = Config { fault_endpoint: weak, ..Config::new(ABOVE) };
        let thread = env.spawn_with(&config, || load(8))?;
        check_eq!(syscall::nb_recv(faults.0).info, words(0, 0));
        check_eq!(thread.result(), None);
    }
    for rights in [CapRights::GRANT, CapRights::GRANT_REPLY] {
        let enough = env.copy(faults.0, rights.or(CapRights::WRITE))?;
        let config = Config { fault_endpoint: enough, ..Config::new(ABOVE) };
        env.spawn_with(&config, || load(8))?;
        check_eq!(syscall::nb_recv(faults.0).info.label(), FaultLabel::Vm as u64);
    }
    Ok(())
}

fn handler_that_is_no_endpoint(env: &mut Env) -> Outcome {
    for wrong in [env.notification()?.0, env.tcb()?.0, env.slots.take(), u64::MAX] {
        let config = Config { fault_endpoint: wrong, ..Config::new(ABOVE) };
        let thread = env.spawn_with(&config, || load(8))?;
        check_eq!(thread.result(), None);
    }
    Ok(())
}

fn badge_of_the_handler(env: &mut Env) -> Outcome {
    let faults = env.endpoint()?;
    for badge in [1, u64::MAX] {
        let badged = env.mint(faults.0, CapRights::ALL, badge)?;
        let config = Config { fault_endpoint: badged, ..Config::new(BELOW) };
        env.spawn_with(&config, || load(8))?;
        check_eq!(syscall::recv(faults.0).badge, badge);
    }
    Ok(())
}

fn handler_of_its_own_cspace(env: &mut Env) -> Outcome {
    // The address of the handler is one of the faulting thread's CSpace, looked up when it faults.
    let faults = env.endpoint()?;
    let cspace = env.cspace(4)?;
    let config = Config { fault_endpoint: 3, cspace: (cspace, 0), ..Config::new(ABOVE) };
    let thread = env.spawn_with(&config, || load(8))?;
    check_eq!(thread.result(), None);
    cspace.copy((3, 64), ROOT_CNODE, (faults.0, DEPTH), CapRights::ALL)?;
    thread.tcb.resume()?;
    check_eq!(syscall::recv(faults.0).info.label(), FaultLabel::Vm as u64);
    Ok(())
}

fn resumed_without_reply(env: &mut Env) -> Outcome {
    let (thread, faults) = faulting(env, || load(8))?;
    let first = syscall::recv(faults.0);
    thread.tcb.resume()?;
    // It does again what it did.
    let second = syscall::recv(faults.0);
    check_eq!((first.info, first.regs), (second.info, second.regs));
    Ok(())
}

fn suspended_while_it_waits_for_the_handler(env: &mut Env) -> Outcome {
    let faults = env.endpoint()?;
    let badged = env.mint(faults.0, CapRights::ALL, 1)?;
    let config = Config { fault_endpoint: badged, ..Config::new(ABOVE) };
    let thread = env.spawn_with(&config, || load(8))?;
    thread.tcb.suspend()?;
    // Its message is gone.
    check_eq!(syscall::nb_recv(faults.0).badge, 0);
    thread.tcb.resume()?;
    check_eq!(syscall::nb_recv(faults.0).badge, 1);
    Ok(())
}

fn reply_through_saved_caller(env: &mut Env) -> Outcome {
    let (thread, faults) = faulting(env, illegal)?;
    let message = syscall::recv(faults.0);
    let slot = env.slots.take();
    ROOT_CNODE.save_caller(slot, DEPTH)?;
    syscall::send(slot, words(0, 1), [message.regs[0] + 4, 0, 0, 0]);
    check_eq!(thread.join(), 5);
    Ok(())
}

fn handler_goes_away(env: &mut Env) -> Outcome {
    // The endpoint is deleted while the fault waits: the thread faults again, and there is nobody.
    let faults = env.endpoint()?;
    let config = Config { fault_endpoint: faults.0, ..Config::new(ABOVE) };
    let thread = env.spawn_with(&config, || load(8))?;
    ROOT_CNODE.delete(faults.0, DEPTH)?;
    check_eq!(thread.result(), None);
    check_err!(kernel_user::invoke::invoke_label(faults.0, 0, &[], &[]), InvalidCapability, 0);
    Ok(())
}

fn counters(env: &mut Env) -> Outcome {
    // Whether a user may read them is up to the firmware: here it is only seen that nothing else goes wrong.
    let (thread, faults) = faulting(env, || {
        let before = time::cycles();
        u64::from(time::cycles() > before)
    })?;
    let ended = env.notification()?;
    let watcher = env.spawn(BELOW - 1, move || {
        syscall::signal(ended.0);
        0
    })?;
    syscall::recv(ended.0);
    match thread.result() {
        Some(increased) => check_eq!(increased, 1),
        None => check_eq!(syscall::nb_recv(faults.0).info.label(), FaultLabel::UserException as u64),
    }
    watcher.join();
    check_eq!(VSPACE.0, 3);
    check_eq!(VmAttributes::default().0, 0);
    Ok(())
}
