//! Threads: their registers, spaces and parameters.

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_user::abi::{
    CapRights, CnodeData, InitialCap, Invocation, TcbFlags, USER_CONTEXT_WORDS, UserContext,
};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{
    CNode, CopyFlags, Frame, PageTable, Tcb, context, context_words, invoke, invoke_label,
};
use kernel_user::syscall;
use kernel_user::thread::{Config, Thread};

use crate::env::{ABOVE, BELOW, Env, PRIORITY, SELF, VSPACE, words};
use crate::harness::Outcome;
use crate::{check, check_eq, check_err, tests};

tests!("tcb":
    write_then_read_registers,
    write_some_registers,
    read_some_registers,
    registers_of_oneself,
    register_counts,
    read_suspends,
    write_resumes,
    registers_reach_the_thread,
    copy_all_registers,
    copy_frame_registers,
    copy_integer_registers,
    copy_suspends_and_resumes,
    copy_errors,
    configure,
    configure_errors,
    set_space,
    set_space_errors,
    ipc_buffer,
    ipc_buffer_errors,
    no_ipc_buffer,
    priorities_are_bounded,
    priority_errors,
    sched_params,
    suspend_and_resume,
    suspend_oneself,
    suspend_what_waits,
    resume_restarts_the_system_call,
    tls_base,
    flags,
    bind_notification_errors,
    truncated,
    illegal_label,
    affinity_errors,
    delete_running_thread,
    delete_keeps_others,
    names,
);

/// A register file in which each register tells itself apart.
fn pattern() -> UserContext {
    let mut words = [0; USER_CONTEXT_WORDS];
    for (n, word) in words.iter_mut().enumerate() {
        *word = 0x1111_0000 + 8 * n as u64;
    }
    context(words)
}

fn write_then_read_registers(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    tcb.write_registers(false, &pattern(), USER_CONTEXT_WORDS)?;
    let read = tcb.read_registers(false, USER_CONTEXT_WORDS)?;
    check_eq!(context_words(&read), context_words(&pattern()));
    Ok(())
}

fn write_some_registers(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    for count in [1, 2, 3, 15, 16, 17, 31] {
        tcb.write_registers(false, &UserContext::default(), USER_CONTEXT_WORDS)?;
        tcb.write_registers(false, &pattern(), count)?;
        let read = context_words(&tcb.read_registers(false, USER_CONTEXT_WORDS)?);
        let all = context_words(&pattern());
        check_eq!(read[..count], all[..count]);
        check!(read[count..].iter().all(|&word| word == 0));
    }
    Ok(())
}

fn read_some_registers(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    tcb.write_registers(false, &pattern(), USER_CONTEXT_WORDS)?;
    for count in 1..=USER_CONTEXT_WORDS {
        let read = context_words(&tcb.read_registers(false, count)?);
        check_eq!(read[..count], context_words(&pattern())[..count]);
    }
    Ok(())
}

fn registers_of_oneself(_: &mut Env) -> Outcome {
    check_err!(SELF.read_registers(false, 1), IllegalOperation);
    check_err!(SELF.write_registers(false, &pattern(), 1), IllegalOperation);
    Ok(())
}

fn register_counts(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    for count in [0, USER_CONTEXT_WORDS as u64 + 1, u64::MAX] {
        let limit = USER_CONTEXT_WORDS as u64;
        check_err!(invoke(tcb.0, Invocation::TcbReadRegisters, &[], &[0, count]), RangeError, 1, limit);
    }
    check_err!(invoke(tcb.0, Invocation::TcbWriteRegisters, &[], &[0, 1]), TruncatedMessage);
    check_err!(invoke(tcb.0, Invocation::TcbWriteRegisters, &[], &[0, u64::MAX, 5]), TruncatedMessage);
    // None is fine to write, and so are more words than there are registers.
    invoke(tcb.0, Invocation::TcbWriteRegisters, &[], &[0, 0])?;
    let mut words = [0; 2 + USER_CONTEXT_WORDS + 8];
    words[1] = USER_CONTEXT_WORDS as u64 + 8;
    invoke(tcb.0, Invocation::TcbWriteRegisters, &[], &words)?;
    Ok(())
}

static COUNT: AtomicU64 = AtomicU64::new(0);

fn counting() -> u64 {
    loop {
        COUNT.fetch_add(1, Ordering::Relaxed);
        syscall::yield_now();
    }
}

fn counts() -> bool {
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..10 {
        syscall::yield_now();
    }
    COUNT.load(Ordering::Relaxed) != before
}

fn read_suspends(env: &mut Env) -> Outcome {
    let thread = env.spawn(PRIORITY, counting)?;
    check!(counts());
    thread.tcb.read_registers(false, 1)?;
    check!(counts());
    thread.tcb.read_registers(true, 1)?;
    check!(!counts());
    thread.tcb.resume()?;
    check!(counts());
    Ok(())
}

fn write_resumes(env: &mut Env) -> Outcome {
    let thread = Thread::new(&mut env.resources(), &Config::new(PRIORITY))?;
    let context = thread.context_for(counting);
    thread.tcb.write_registers(false, &context, USER_CONTEXT_WORDS)?;
    check!(!counts());
    thread.tcb.write_registers(true, &context, 0)?;
    check!(counts());
    Ok(())
}

/// Registers as a thread finds them, stored by `dump_registers`.
static DUMP: [AtomicU64; 32] = [const { AtomicU64::new(0) }; 32];

/// Stores all registers in `DUMP`, x1 to x31, and stops. `gp` has the address of the dump.
#[unsafe(naked)]
unsafe extern "C" fn dump_registers() -> ! {
    core::arch::naked_asm!(
        ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, \
         28, 29, 30, 31",
        "sd x\\n, \\n * 8(gp)",
        ".endr",
        // DUMP[0] says that it is complete. Then wait at the null capability: a fault that nobody handles.
        "li t0, 1",
        "sd t0, 0(gp)",
        "li a7, -5",
        "li a0, 0",
        "ecall",
        "unimp",
    )
}

fn registers_reach_the_thread(env: &mut Env) -> Outcome {
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    DUMP[0].store(0, Ordering::Relaxed);
    let mut context = pattern();
    context.pc = dump_registers as *const () as u64;
    context.gp = DUMP.as_ptr() as u64;
    thread.tcb.write_registers(true, &context, USER_CONTEXT_WORDS)?;
    check_eq!(DUMP[0].load(Ordering::Relaxed), 1);
    let x = |n: usize| DUMP[n].load(Ordering::Relaxed);
    check_eq!([x(1), x(2), x(3), x(4)], [context.ra, context.sp, context.gp, context.tp]);
    check_eq!([x(8), x(9)], [context.s[0], context.s[1]]);
    for n in 18..28 {
        check_eq!(x(n), context.s[n - 16]);
    }
    for n in 10..18 {
        check_eq!(x(n), context.a[n - 10]);
    }
    check_eq!([x(5), x(6), x(7)], [context.t[0], context.t[1], context.t[2]]);
    check_eq!([x(28), x(29), x(30), x(31)], [context.t[3], context.t[4], context.t[5], context.t[6]]);
    Ok(())
}

/// How many registers count as the frame: pc to s11. The others are those of integers.
const FRAME: usize = 16;

fn copy(env: &mut Env, flags: CopyFlags) -> Result<[u64; USER_CONTEXT_WORDS], crate::harness::Failure> {
    let (from, to) = (env.tcb()?, env.tcb()?);
    from.write_registers(false, &pattern(), USER_CONTEXT_WORDS)?;
    to.write_registers(false, &UserContext::default(), USER_CONTEXT_WORDS)?;
    to.copy_registers(from, flags)?;
    Ok(context_words(&to.read_registers(false, USER_CONTEXT_WORDS)?))
}

fn copy_all_registers(env: &mut Env) -> Outcome {
    let read = copy(env, CopyFlags { frame: true, integer: true, ..CopyFlags::default() })?;
    check_eq!(read, context_words(&pattern()));
    Ok(())
}

fn copy_frame_registers(env: &mut Env) -> Outcome {
    let read = copy(env, CopyFlags { frame: true, ..CopyFlags::default() })?;
    check_eq!(read[..FRAME], context_words(&pattern())[..FRAME]);
    check!(read[FRAME..].iter().all(|&word| word == 0));
    Ok(())
}

fn copy_integer_registers(env: &mut Env) -> Outcome {
    let read = copy(env, CopyFlags { integer: true, ..CopyFlags::default() })?;
    check_eq!(read[FRAME..], context_words(&pattern())[FRAME..]);
    check!(read[..FRAME].iter().all(|&word| word == 0));
    check!(copy(env, CopyFlags::default())?.iter().all(|&word| word == 0));
    Ok(())
}

fn copy_suspends_and_resumes(env: &mut Env) -> Outcome {
    let source = env.spawn(PRIORITY, counting)?;
    let target = env.tcb()?;
    check!(counts());
    target.copy_registers(source.tcb, CopyFlags { suspend_source: true, ..CopyFlags::default() })?;
    check!(!counts());
    // The thread resumes itself, so to say.
    source.tcb.copy_registers(source.tcb, CopyFlags { resume_target: true, ..CopyFlags::default() })?;
    check!(counts());
    Ok(())
}

fn copy_errors(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    for other in [env.endpoint()?.0, env.untyped(12)?.0, env.slots.take()] {
        check_err!(tcb.copy_registers(Tcb(other), CopyFlags::default()), InvalidCapability, 1);
    }
    check_err!(invoke(tcb.0, Invocation::TcbCopyRegisters, &[], &[0]), TruncatedMessage);
    check_err!(invoke(tcb.0, Invocation::TcbCopyRegisters, &[SELF.0], &[]), TruncatedMessage);
    Ok(())
}

fn configure(env: &mut Env) -> Outcome {
    let cspace = env.cspace(4)?;
    let notification = env.notification()?;
    cspace.mint((5, 64), ROOT_CNODE, (notification.0, DEPTH), CapRights::WRITE, 0x55)?;
    let config = Config { cspace: (cspace, 0), ..Config::new(ABOVE) };
    env.spawn_with(&config, || {
        syscall::signal(5);
        0
    })?;
    check_eq!(syscall::nb_recv(notification.0).badge, 0x55);
    // The same CNode, with the guard as an argument.
    let plain = env.cnode(4)?;
    plain.mint((5, 4), ROOT_CNODE, (notification.0, DEPTH), CapRights::WRITE, 0x66)?;
    let guard = CnodeData::new(0, 60).0;
    env.spawn_with(&Config { cspace: (plain, guard), ..Config::new(ABOVE) }, || {
        syscall::signal(5);
        0
    })?;
    check_eq!(syscall::nb_recv(notification.0).badge, 0x66);
    Ok(())
}

fn configure_errors(env: &mut Env) -> Outcome {
    let (tcb, frame, endpoint) = (env.tcb()?, env.frame()?, env.endpoint()?);
    let table = env.page_table()?;
    let empty = env.slots.take();
    let none = (0, Frame(0));
    for other in [endpoint.0, frame.0, tcb.0, empty] {
        check_err!(tcb.configure(0, (CNode(other), 0), VSPACE, none), IllegalOperation);
        check_err!(tcb.configure(0, (ROOT_CNODE, 0), PageTable(other), none), IllegalOperation);
        if other != frame.0 {
            check_err!(tcb.configure(0, (ROOT_CNODE, 0), VSPACE, (0x1000, Frame(other))), IllegalOperation);
        }
    }
    // A page table without ASID is no address space.
    check_err!(tcb.configure(0, (ROOT_CNODE, 0), table, none), IllegalOperation);
    let node = env.cnode(4)?;
    check_err!(tcb.configure(0, (node, CnodeData::new(0, 61).0), VSPACE, none), IllegalOperation);
    for address in [1, 8, 512, 0x1200] {
        check_err!(tcb.configure(0, (ROOT_CNODE, 0), VSPACE, (address, frame)), AlignmentError);
    }
    for length in 0..4 {
        let caps = [ROOT_CNODE.0, VSPACE.0, frame.0];
        check_err!(invoke(tcb.0, Invocation::TcbConfigure, &caps, &[0; 4][..length]), TruncatedMessage);
    }
    for caps in 0..3 {
        let caps = &[ROOT_CNODE.0, VSPACE.0, frame.0][..caps];
        check_err!(invoke(tcb.0, Invocation::TcbConfigure, caps, &[0; 4]), TruncatedMessage);
    }
    tcb.configure(0, (ROOT_CNODE, 0), VSPACE, none)?;
    Ok(())
}

fn set_space(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let mut badged = [CNode(0); 2];
    for (n, node) in badged.iter_mut().enumerate() {
        *node = env.cspace(3)?;
        let badge = 1 << n;
        node.mint((1, 64), ROOT_CNODE, (notification.0, DEPTH), CapRights::WRITE, badge)?;
    }
    let config = Config { cspace: (badged[0], 0), ..Config::new(PRIORITY) };
    let thread = env.spawn_with(&config, || {
        loop {
            syscall::signal(1);
            syscall::yield_now();
        }
    })?;
    check_eq!(syscall::recv(notification.0).badge, 1);
    thread.tcb.suspend()?;
    syscall::nb_recv(notification.0);
    thread.tcb.set_space(0, (badged[1], 0), VSPACE)?;
    thread.tcb.resume()?;
    check_eq!(syscall::recv(notification.0).badge, 2);
    Ok(())
}

fn set_space_errors(env: &mut Env) -> Outcome {
    let (tcb, endpoint, table) = (env.tcb()?, env.endpoint()?, env.page_table()?);
    let empty = env.slots.take();
    for other in [endpoint.0, tcb.0, empty] {
        check_err!(tcb.set_space(0, (CNode(other), 0), VSPACE), IllegalOperation);
        check_err!(tcb.set_space(0, (ROOT_CNODE, 0), PageTable(other)), IllegalOperation);
    }
    check_err!(tcb.set_space(0, (ROOT_CNODE, 0), table), IllegalOperation);
    let node = env.cnode(4)?;
    check_err!(tcb.set_space(0, (node, CnodeData::new(0, 62).0), VSPACE), IllegalOperation);
    for length in 0..3 {
        let caps = [ROOT_CNODE.0, VSPACE.0];
        check_err!(invoke(tcb.0, Invocation::TcbSetSpace, &caps, &[0; 3][..length]), TruncatedMessage);
        check_err!(invoke(tcb.0, Invocation::TcbSetSpace, &caps[..length.min(1)], &[0; 3]), TruncatedMessage);
    }
    // Nobody looks at the fault endpoint before there is a fault.
    tcb.set_space(12345, (ROOT_CNODE, 0), VSPACE)?;
    Ok(())
}

fn ipc_buffer(env: &mut Env) -> Outcome {
    // A second buffer in the same page.
    let endpoint = env.endpoint()?;
    let thread = Thread::new(&mut env.resources(), &Config::new(BELOW))?;
    let buffer = thread.buffer + 2048;
    thread.tcb.set_ipc_buffer(buffer, thread.buffer_frame)?;
    let mut context = thread.context_for(move || {
        kernel_user::ipc::set_word(10, 0xaaaa);
        syscall::send(endpoint.0, words(7, 11), [1, 2, 3, 4]);
        0
    });
    context.tp = buffer;
    thread.tcb.write_registers(true, &context, USER_CONTEXT_WORDS)?;
    let message = syscall::recv(endpoint.0);
    check_eq!(message.info, words(7, 11));
    check_eq!(message.regs, [1, 2, 3, 4]);
    check_eq!(kernel_user::ipc::word(10), 0xaaaa);
    Ok(())
}

fn ipc_buffer_errors(env: &mut Env) -> Outcome {
    let (tcb, frame) = (env.tcb()?, env.frame()?);
    for other in [env.endpoint()?.0, env.untyped(12)?.0, ROOT_CNODE.0, env.slots.take()] {
        check_err!(tcb.set_ipc_buffer(0x1000, Frame(other)), IllegalOperation);
        // Nobody looks at the capability if there is to be none.
        tcb.set_ipc_buffer(0, Frame(other))?;
    }
    for address in [1, 512, 1023, u64::MAX] {
        check_err!(tcb.set_ipc_buffer(address, frame), AlignmentError);
    }
    // Where it is not mapped, the kernel does not mind: it uses the frame.
    tcb.set_ipc_buffer(0x40_0000_0400, frame)?;
    check_err!(invoke(tcb.0, Invocation::TcbSetIpcBuffer, &[frame.0], &[]), TruncatedMessage);
    check_err!(invoke(tcb.0, Invocation::TcbSetIpcBuffer, &[], &[0x1000]), TruncatedMessage);
    Ok(())
}

fn no_ipc_buffer(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = Thread::new(&mut env.resources(), &Config::new(BELOW))?;
    thread.tcb.set_ipc_buffer(0, Frame(0))?;
    thread.start(move || {
        syscall::send(endpoint.0, words(3, 20), [9, 8, 7, 6]);
        0
    })?;
    // What does not fit the registers is cut off.
    let message = syscall::recv(endpoint.0);
    check_eq!(message.info, words(3, 4));
    check_eq!(message.regs, [9, 8, 7, 6]);
    Ok(())
}

fn priorities_are_bounded(env: &mut Env) -> Outcome {
    let (tcb, authority) = (env.tcb()?, env.tcb()?);
    // A new thread controls nothing above 0.
    check_err!(tcb.set_priority(authority, 1), RangeError, 0, 0);
    tcb.set_priority(authority, 0)?;
    authority.set_mc_priority(SELF, 50)?;
    tcb.set_priority(authority, 50)?;
    check_err!(tcb.set_priority(authority, 51), RangeError, 0, 50);
    tcb.set_mc_priority(authority, 50)?;
    check_err!(tcb.set_mc_priority(authority, 51), RangeError, 0, 50);
    // A priority above its own maximum is fine, if somebody with authority gives it.
    tcb.set_mc_priority(SELF, 10)?;
    tcb.set_priority(SELF, 255)?;
    Ok(())
}

fn priority_errors(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    for priority in [256, 1 << 32, u64::MAX] {
        check_err!(tcb.set_priority(SELF, priority), RangeError, 0, 255);
        check_err!(tcb.set_mc_priority(SELF, priority), RangeError, 0, 255);
    }
    for other in [env.endpoint()?.0, ROOT_CNODE.0, env.slots.take()] {
        check_err!(tcb.set_priority(Tcb(other), 1), InvalidCapability, 1);
        check_err!(tcb.set_mc_priority(Tcb(other), 1), InvalidCapability, 1);
        check_err!(tcb.set_sched_params(Tcb(other), 1, 1), InvalidCapability, 1);
    }
    for invocation in [Invocation::TcbSetPriority, Invocation::TcbSetMcPriority] {
        check_err!(invoke(tcb.0, invocation, &[], &[1]), TruncatedMessage);
        check_err!(invoke(tcb.0, invocation, &[SELF.0], &[]), TruncatedMessage);
    }
    check_err!(invoke(tcb.0, Invocation::TcbSetSchedParams, &[SELF.0], &[1]), TruncatedMessage);
    check_err!(invoke(tcb.0, Invocation::TcbSetSchedParams, &[], &[1, 1]), TruncatedMessage);
    Ok(())
}

fn sched_params(env: &mut Env) -> Outcome {
    let (tcb, authority) = (env.tcb()?, env.tcb()?);
    authority.set_sched_params(SELF, 100, 20)?;
    tcb.set_sched_params(authority, 100, 100)?;
    check_err!(tcb.set_sched_params(authority, 101, 1), RangeError, 0, 100);
    check_err!(tcb.set_sched_params(authority, 1, 101), RangeError, 0, 100);
    Ok(())
}

fn suspend_and_resume(env: &mut Env) -> Outcome {
    let thread = env.spawn(PRIORITY, counting)?;
    for _ in 0..3 {
        check!(counts());
        thread.tcb.suspend()?;
        thread.tcb.suspend()?;
        check!(!counts());
        thread.tcb.resume()?;
        thread.tcb.resume()?;
    }
    check!(counts());
    Ok(())
}

fn suspend_oneself(env: &mut Env) -> Outcome {
    let thread = Thread::new(&mut env.resources(), &Config::new(ABOVE))?;
    let tcb = thread.tcb;
    COUNT.store(0, Ordering::Relaxed);
    thread.start(move || {
        loop {
            COUNT.fetch_add(1, Ordering::Relaxed);
            if tcb.suspend().is_err() {
                return 1;
            }
        }
    })?;
    check_eq!(COUNT.load(Ordering::Relaxed), 1);
    // A thread that stopped in an invocation repeats it when it is resumed, and this one suspends itself again.
    tcb.resume()?;
    check_eq!(COUNT.load(Ordering::Relaxed), 1);
    for count in 2..4 {
        let mut context = tcb.read_registers(false, USER_CONTEXT_WORDS)?;
        context.pc += 4;
        context.a[1] = words(0, 0).0;
        tcb.write_registers(true, &context, USER_CONTEXT_WORDS)?;
        check_eq!(COUNT.load(Ordering::Relaxed), count);
    }
    Ok(())
}

fn suspend_what_waits(env: &mut Env) -> Outcome {
    // A waiting thread that is suspended waits no longer.
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || syscall::recv(endpoint.0).regs[0])?;
    thread.tcb.suspend()?;
    syscall::nb_send(endpoint.0, words(0, 1), [1, 0, 0, 0]);
    check_eq!(thread.result(), None);
    thread.tcb.resume()?;
    syscall::nb_send(endpoint.0, words(0, 1), [2, 0, 0, 0]);
    check_eq!(thread.result(), Some(2));
    Ok(())
}

fn resume_restarts_the_system_call(env: &mut Env) -> Outcome {
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || syscall::call(endpoint.0, words(5, 1), [77, 0, 0, 0]).regs[0])?;
    // Its pc is that of the call itself, to which it returns.
    let waiting = thread.tcb.read_registers(false, USER_CONTEXT_WORDS)?;
    thread.tcb.suspend()?;
    let suspended = thread.tcb.read_registers(false, USER_CONTEXT_WORDS)?;
    check_eq!(waiting.pc, suspended.pc);
    check_eq!(syscall::nb_recv(endpoint.0).info, words(0, 0));
    thread.tcb.resume()?;
    let message = syscall::recv(endpoint.0);
    check_eq!((message.info, message.regs[0]), (words(5, 1), 77));
    syscall::reply(words(0, 1), [78, 0, 0, 0]);
    check_eq!(thread.result(), Some(78));
    Ok(())
}

fn tls_base(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    tcb.set_tls_base(0xdead_beef)?;
    check_eq!(tcb.read_registers(false, USER_CONTEXT_WORDS)?.tp, 0xdead_beef);
    check_err!(invoke(tcb.0, Invocation::TcbSetTlsBase, &[], &[]), TruncatedMessage);
    // One's own is set as well.
    let mine = kernel_user::ipc::buffer() as u64;
    SELF.set_tls_base(mine)?;
    check_eq!(kernel_user::ipc::buffer() as u64, mine);
    Ok(())
}

fn flags(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    let fpu = TcbFlags::FPU_DISABLED.0;
    check_eq!(tcb.set_flags(0, 0)?, 0);
    check_eq!(tcb.set_flags(0, fpu)?, fpu);
    check_eq!(tcb.set_flags(0, 0)?, fpu);
    check_eq!(tcb.set_flags(fpu, 0)?, 0);
    // Set counts after clear; what is no flag does not.
    check_eq!(tcb.set_flags(u64::MAX, fpu)?, fpu);
    check_eq!(tcb.set_flags(fpu, u64::MAX & !fpu)?, 0);
    check_err!(invoke(tcb.0, Invocation::TcbSetFlags, &[], &[0]), TruncatedMessage);
    Ok(())
}

fn bind_notification_errors(env: &mut Env) -> Outcome {
    let (tcb, other) = (env.tcb()?, env.tcb()?);
    let (first, second) = (env.notification()?, env.notification()?);
    check_err!(tcb.unbind_notification(), IllegalOperation);
    check_err!(invoke(tcb.0, Invocation::TcbBindNotification, &[], &[]), TruncatedMessage);
    for wrong in [env.endpoint()?.0, SELF.0, env.slots.take()] {
        check_err!(tcb.bind_notification(kernel_user::invoke::Notification(wrong)), IllegalOperation);
    }
    let write = kernel_user::invoke::Notification(env.copy(first.0, CapRights::WRITE)?);
    check_err!(tcb.bind_notification(write), IllegalOperation);
    tcb.bind_notification(first)?;
    check_err!(tcb.bind_notification(first), IllegalOperation);
    check_err!(tcb.bind_notification(second), IllegalOperation);
    check_err!(other.bind_notification(first), IllegalOperation);
    tcb.unbind_notification()?;
    other.bind_notification(first)?;
    other.unbind_notification()?;
    // Somebody waits for it already.
    let thread = env.spawn(ABOVE, move || syscall::recv(second.0).badge)?;
    check_err!(tcb.bind_notification(second), IllegalOperation);
    thread.tcb.suspend()?;
    tcb.bind_notification(second)?;
    Ok(())
}

fn truncated(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    for invocation in [Invocation::TcbReadRegisters, Invocation::TcbWriteRegisters] {
        for length in 0..2 {
            check_err!(invoke(tcb.0, invocation, &[], &[0; 2][..length]), TruncatedMessage);
        }
    }
    Ok(())
}

fn illegal_label(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    for invocation in
        [Invocation::UntypedRetype, Invocation::CnodeCopy, Invocation::PageMap, Invocation::DomainSet]
    {
        check_err!(invoke(tcb.0, invocation, &[SELF.0], &[0; 6]), IllegalOperation);
    }
    check_err!(invoke_label(tcb.0, 0, &[], &[]), IllegalOperation);
    check_err!(invoke_label(tcb.0, u64::MAX >> 12, &[], &[]), IllegalOperation);
    Ok(())
}

fn affinity_errors(env: &mut Env) -> Outcome {
    if !kernel_user::bootinfo::smp() {
        return Ok(());
    }
    let tcb = env.tcb()?;
    for hart in [env.harts(), 64, u64::MAX] {
        check_err!(tcb.set_affinity(hart), IllegalOperation);
    }
    check_err!(invoke(tcb.0, Invocation::TcbSetAffinity, &[], &[]), TruncatedMessage);
    for hart in 0..env.harts() {
        tcb.set_affinity(hart)?;
        check_eq!(syscall::debug_affinity(tcb.0), hart);
    }
    Ok(())
}

fn delete_running_thread(env: &mut Env) -> Outcome {
    let thread = env.spawn(PRIORITY, counting)?;
    check!(counts());
    ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    check!(!counts());
    // While it waits.
    let endpoint = env.endpoint()?;
    let thread = env.spawn(ABOVE, move || syscall::recv(endpoint.0).badge)?;
    ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    syscall::nb_send(endpoint.0, words(0, 0), [0; 4]);
    check_eq!(thread.result(), None);
    Ok(())
}

fn delete_keeps_others(env: &mut Env) -> Outcome {
    // A copy of the thread's capability keeps the thread.
    let thread = env.spawn(PRIORITY, counting)?;
    let copy = env.copy(thread.tcb.0, CapRights::ALL)?;
    ROOT_CNODE.delete(thread.tcb.0, DEPTH)?;
    check!(counts());
    ROOT_CNODE.delete(copy, DEPTH)?;
    check!(!counts());
    Ok(())
}

fn names(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    syscall::debug_name_thread(tcb.0, "a name");
    syscall::debug_name_thread(tcb.0, "");
    check_eq!(InitialCap::Tcb as u64, SELF.0);
    Ok(())
}
